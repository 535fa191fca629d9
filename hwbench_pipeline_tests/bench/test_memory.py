"""Peak memory in a pass of its own."""

import subprocess
import sys

import pytest

from hwbench_pipeline.bench import memory
from hwbench_pipeline.bench.memory import CALLS, measure_peak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the host's peak is reset through /proc")
BLOCK = 200_000_000


def test_the_peak_is_that_of_the_calls_alone():
    held = bytearray(3 * BLOCK)  # work done before: gone when the peak is read
    del held
    calls = []

    def call():
        calls.append(len(bytearray(BLOCK)))

    idle = measure_peak(lambda: None, "cpu")
    found = measure_peak(call, "cpu")
    assert len(calls) == CALLS
    assert BLOCK / 1e6 * 0.9 < found.peak_memory_mb - idle.peak_memory_mb < BLOCK / 1e6 * 1.5
    assert "apart from the timed ones" in found.memory_method


def test_child_processes_count():
    program = f"import time; held = bytearray({BLOCK}); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        found = measure_peak(lambda: None, "cpu")
        child.kill()
    alone = measure_peak(lambda: None, "cpu")
    assert found.peak_memory_mb - alone.peak_memory_mb > BLOCK / 1e6 * 0.9
    assert "child processes" in found.memory_method


def test_what_cannot_be_reset_is_not_read(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "nowhere" / "clear_refs")
    found = measure_peak(lambda: None, "openvino")
    assert found.peak_memory_mb is None
    assert found.memory_method.startswith("not read: the peak cannot be reset here")
