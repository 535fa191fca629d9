"""The machine-wide benchmark lock, proved with real processes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from hwbench_pipeline.hardware.host_lock import (
    HOST_LOCK_VARIABLE,
    HostBusyError,
    HostLockError,
    host_lock,
    host_lock_path,
    lock_holder,
)

REPOSITORY = Path(__file__).parents[2]

HOLD_REPEATEDLY = """
import json, sys, time
from hwbench_pipeline.hardware.host_lock import host_lock
intervals = []
for _ in range(4):
    with host_lock(holder=sys.argv[1], timeout_s=30):
        began = time.monotonic()
        time.sleep(0.1)
        intervals.append((began, time.monotonic()))
print(json.dumps(intervals))
"""
HOLD_UNTIL_KILLED = """
import time
from hwbench_pipeline.hardware.host_lock import host_lock
with host_lock(holder="hwbench bench cpu|bert"):
    print("held", flush=True)
    time.sleep(60)
"""
PRINT_PATH = "from hwbench_pipeline.hardware.host_lock import host_lock_path; print(host_lock_path())"


def start(code, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def lock_path(tmp_path, monkeypatch):
    path = tmp_path / "host.lock"
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(path))
    return path


@pytest.fixture
def other_holder(lock_path):
    process = start(HOLD_UNTIL_KILLED)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_two_processes_never_hold_it_at_once(lock_path):
    processes = [start(HOLD_REPEATEDLY, name) for name in ("first", "second")]
    intervals = sorted(
        tuple(interval) for process in processes for interval in json.loads(process.communicate(timeout=40)[0])
    )
    assert [process.returncode for process in processes] == [0, 0]
    assert len(intervals) == 8
    assert all(end <= next_began for (_, end), (next_began, _) in itertools.pairwise(intervals))


def test_sigkill_of_the_holder_releases_it(other_holder):
    other_holder.send_signal(signal.SIGKILL)
    other_holder.wait()
    assert lock_holder() is None  # its note is still there, and the process is not
    with host_lock(holder="next", timeout_s=0):
        assert lock_holder().holder == "next"


def test_a_waiter_is_told_whom_it_waits_for_and_then_gets_the_lock(other_holder):
    messages = []

    def kill_after_first_message(message):
        messages.append(message)
        other_holder.kill()
        other_holder.wait()

    with host_lock(holder="waiter", on_wait=kill_after_first_message, timeout_s=10):
        assert lock_holder().pid == os.getpid()
    assert messages[0].startswith(f"waiting for pid {other_holder.pid} (hwbench bench cpu|bert) since 20")
    assert messages[0].endswith(" UTC")


def test_a_waiter_comes_next_though_the_holder_asks_again_at_once(lock_path):
    order = []
    waits = threading.Event()

    def wait_once():
        with host_lock(holder="waiter", on_wait=lambda _: waits.set(), timeout_s=60):
            order.append("waiter")

    thread = threading.Thread(target=wait_once)
    with host_lock(holder="sweep"):
        thread.start()
        assert waits.wait(10)
    for _ in range(3):
        with host_lock(holder="sweep", timeout_s=60):
            order.append("sweep")
    thread.join()
    assert order == ["waiter", "sweep", "sweep", "sweep"]


def test_the_time_out_names_the_holder_and_the_fix(other_holder):
    began = time.monotonic()
    with (
        pytest.raises(
            HostBusyError, match=rf"'mine' .*held by pid {other_holder.pid} \(hwbench bench cpu\|bert\).*Fix:"
        ),
        host_lock(holder="mine", timeout_s=0.3),
    ):
        pass
    assert 0.3 <= time.monotonic() - began < 3


def test_the_same_thread_asking_again_is_an_error_and_keeps_the_lock(lock_path):
    with host_lock(holder="outer"):
        with (
            pytest.raises(HostLockError, match=r"this thread holds already \(pid \d+ \(outer\).*Fix:"),
            host_lock(holder="inner"),
        ):
            pass
        assert lock_holder().holder == "outer"
    with host_lock(holder="after", timeout_s=0):
        pass


def test_another_thread_of_the_process_waits(lock_path):
    outcome = []

    def try_once():
        try:
            with host_lock(holder="thread", timeout_s=0):
                outcome.append("held")
        except HostBusyError:
            outcome.append("busy")

    with host_lock(holder="main"):
        thread = threading.Thread(target=try_once)
        thread.start()
        thread.join()
    assert outcome == ["busy"]


def test_it_is_released_when_the_benchmark_fails(lock_path):
    with pytest.raises(ZeroDivisionError), host_lock(holder="failing"):
        1 / 0  # noqa: B018
    assert lock_holder() is None
    with host_lock(holder="next", timeout_s=0):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_every_user_may_use_its_files_whatever_the_umask(lock_path):
    before = os.umask(0o077)
    try:
        with host_lock(holder="me"):
            pass
    finally:
        os.umask(before)
    for path in (lock_path, lock_path.with_name("host.lock.holder")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("files_there", [("host.lock",), ("host.lock", "host.lock.holder")])
def test_two_users_share_it_in_a_sticky_folder(files_there, tmp_path):
    """As in /tmp: one user's files are there, another user takes the lock and writes its own name."""
    folder = Path(tempfile.mkdtemp())  # tmp_path is closed to other users
    try:
        folder.chmod(0o1777)
        for name in files_there:
            (folder / name).touch()
            os.chown(folder / name, 1234, 1234)
            (folder / name).chmod(0o666)
        # everything is imported, by a first use, before the change of user: Python itself may lie in a closed folder
        code = (
            "import os, sys\n"
            "from hwbench_pipeline.hardware.host_lock import host_lock, lock_holder\n"
            "with host_lock(holder='warm-up'): pass\n"
            "os.environ['HWBENCH_HOST_LOCK'] = sys.argv[1]\n"
            "os.setgroups([]); os.setgid(4321); os.setuid(4321)\n"
            "with host_lock(holder='second user', timeout_s=0): print(lock_holder().holder)\n"
        )
        process = start(code, str(folder / "host.lock"), HWBENCH_HOST_LOCK=str(tmp_path / "warm-up.lock"))
        assert process.communicate(timeout=20)[0] == "second user\n"
        assert process.returncode == 0
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="sticky folders")
def test_files_that_exist_are_never_opened_to_be_created(lock_path, monkeypatch):
    """Linux with fs.protected_regular refuses O_CREAT on another user's file in /tmp, unless O_EXCL comes with it."""
    with host_lock(holder="makes the files"):
        pass
    flags_seen = []
    really_open = os.open

    def record(path, flags, *rest, **named):
        if str(path).startswith(str(lock_path)):
            flags_seen.append(flags)
        return really_open(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", record)
    with host_lock(holder="second"):
        pass
    assert len(flags_seen) >= 3
    assert all(flags & os.O_EXCL for flags in flags_seen if flags & os.O_CREAT)


def test_a_lock_file_that_refuses_is_a_clear_error(tmp_path, monkeypatch):
    folder = tmp_path / "a-folder.lock"
    folder.mkdir()
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(folder))
    with (
        pytest.raises(HostLockError, match=r"cannot be opened for writing.*chmod 666.*HWBENCH_HOST_LOCK"),
        host_lock(holder="x"),
    ):
        pass


def test_a_missing_folder_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(tmp_path / "nowhere" / "host.lock"))
    with pytest.raises(HostLockError, match=r"folder that does not exist. Fix: create"), host_lock(holder="x"):
        pass


def test_a_symbolic_link_is_not_followed(tmp_path, monkeypatch):
    target = tmp_path / "precious"
    target.write_text("keep")
    link = tmp_path / "host.lock"
    link.symlink_to(target)
    (tmp_path / "host.lock.holder").symlink_to(target)
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(link))
    with pytest.raises(HostLockError), host_lock(holder="x"):
        pass
    assert target.read_text() == "keep"


def test_a_spoilt_note_costs_only_the_name(other_holder, lock_path):
    lock_path.with_name("host.lock.holder").write_text("\x1b[31mnot json")
    with (
        pytest.raises(HostBusyError, match=r"held by a process that did not say which \(nothing in .*holder\)"),
        host_lock(holder="x", timeout_s=0),
    ):
        pass


def test_by_default_the_path_does_not_depend_on_the_user_s_temporary_folder(tmp_path):
    paths = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        process = start(PRINT_PATH, TMPDIR=str(tmp_path / name), HWBENCH_HOST_LOCK="")
        paths.add(process.communicate(timeout=20)[0].strip())
    assert len(paths) == 1
    assert Path(paths.pop()).is_absolute()


def test_the_environment_variable_moves_it(lock_path):
    assert host_lock_path() == lock_path
