"""Private folders are gone afterwards; those of killed processes go with the next ingest, and no others."""

import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from hwbench_pipeline.legacy import private_copies
from hwbench_pipeline.legacy.private_copies import private_folder, remove_left_behind

DIES_INSIDE = """
import os, signal
from hwbench_pipeline.legacy.private_copies import private_folder
with private_folder() as folder:
    (folder / "copy.duckdb").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The system's folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(private_copies.tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def left_behind(temporary):
    """The folder that a killed process left."""
    ended = subprocess.run(
        [sys.executable, "-c", DIES_INSIDE], env={**os.environ, "TMPDIR": str(temporary)}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    (folder,) = temporary.iterdir()
    assert (folder / "copy.duckdb").exists()
    return folder


def test_a_private_folder_is_closed_to_others_and_gone_afterwards(temporary):
    with private_folder() as folder:
        assert folder.parent == temporary
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(temporary.iterdir()) == []


def test_an_ingest_removes_what_a_killed_one_left(left_behind, put, run):
    put("a.json", "{}")
    run()
    assert not left_behind.exists()


def test_the_folder_of_a_live_process_stays(left_behind):
    with private_folder() as folder:
        remove_left_behind()
        assert folder.exists()
    assert not left_behind.exists()


def test_what_is_not_ours_stays(temporary, left_behind, monkeypatch):
    pid = left_behind.name.split("-")[-2]
    other_machine = temporary / f"hwbench-legacy-not-{socket.gethostname()}-{pid}-abc"
    without_pid = temporary / "hwbench-legacy-abcdefgh"
    link = temporary / left_behind.name.replace(left_behind.name.split("-")[-1], "link")
    for folder in (other_machine, without_pid):
        folder.mkdir()
    link.symlink_to(without_pid)
    monkeypatch.setattr(private_copies.os, "getuid", lambda: temporary.stat().st_uid + 1)
    remove_left_behind()
    assert left_behind.exists()
    monkeypatch.undo()
    monkeypatch.setattr(private_copies.tempfile, "tempdir", str(temporary))
    remove_left_behind()
    assert set(temporary.iterdir()) == {other_machine, without_pid, link}


def test_a_folder_that_cannot_be_listed_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(private_copies.tempfile, "tempdir", str(tmp_path / "nowhere"))
    remove_left_behind()
