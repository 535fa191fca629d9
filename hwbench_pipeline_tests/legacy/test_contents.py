"""The bytes of a file belong to one state of it, or there are none."""

import hashlib
import os
import subprocess
import sys

import pytest

from hwbench_pipeline.legacy import contents
from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.legacy.finding import FileState


def test_bytes_hash_and_state(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    content = read_content(path)
    assert content.data == b"abc"
    assert content.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert content.state == FileState.of(path.stat())
    assert content.problem is None


@pytest.fixture
def growing(monkeypatch):
    """Make a file grow while it is read, that many times."""

    def _grow(path, times):
        left = [times]
        original = os.fstat

        def fstat(descriptor):
            status = original(descriptor)
            if left[0]:
                left[0] -= 1
                with path.open("ab") as file:
                    file.write(b"x")
            return status

        monkeypatch.setattr(contents.os, "fstat", fstat)

    return _grow


def test_a_file_that_changes_once_is_read_again(tmp_path, growing):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    growing(path, 1)
    assert read_content(path).data == b"abcx"


def test_a_file_that_keeps_changing_has_no_bytes(tmp_path, growing):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    growing(path, 9)
    content = read_content(path)
    assert (content.data, content.sha256) == (None, None)
    assert "changed while it was read" in content.problem
    assert "Fix: " in content.problem


def test_a_large_file_is_hashed_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "LARGEST_FILE_BYTES", 9)
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    content = read_content(path)
    assert content.data is None
    assert content.sha256 == hashlib.sha256(b"0123456789").hexdigest()
    assert "larger than 9 bytes" in content.problem


_PEAK_OF_READING = """
import resource, sys
from pathlib import Path
from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.legacy.documents import parse_document
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
document = parse_document(read_content(Path(sys.argv[1])).data, "a.json")
print(len(document), peak() - before)
"""


def test_the_largest_file_takes_less_memory_than_an_ingest_may(tmp_path):
    path = tmp_path / "a.json"
    share = 16  # of the limit; memory grows with size
    n_values = contents.LARGEST_FILE_BYTES // share // 4
    path.write_text(f"[{','.join(['1.5'] * n_values)}]")
    command = [sys.executable, "-c", _PEAK_OF_READING, path]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    n_read, took_bytes = map(int, said.split())
    assert n_read == n_values
    assert took_bytes * share < 750e6, "with the 250 MB of the program itself that is over 1 GB"


def test_what_cannot_be_opened_says_why(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "named pipe" in read_content(tmp_path / "pipe").problem
    assert "No such file" in read_content(tmp_path / "nothing").problem
    assert "cannot be read" in read_content(tmp_path / "a\0b").problem
