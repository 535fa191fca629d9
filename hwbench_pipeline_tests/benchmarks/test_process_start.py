"""What a process of its own costs a cell: forked from the cell server, against a fresh interpreter."""

import statistics
import subprocess
import sys
import time

import pytest

from hwbench_pipeline.bench.isolation import CAN_FORK, CellProcesses, Limits

REPEATS = 5


@pytest.mark.benchmark
@pytest.mark.skipif(not CAN_FORK, reason="there is a cell server on Linux only")
def test_forked_process_against_fresh_interpreter():
    """Prints the ratio of the medians; interleaved, so that a slow moment of the machine hits both."""
    forked, fresh = [], []
    with CellProcesses("hwbench_pipeline_tests.bench.faults:echo") as processes:
        processes.run({}, Limits(120))  # starts the server, once per sweep
        for _ in range(REPEATS):
            start = time.perf_counter()
            processes.run({}, Limits(120))
            forked.append(time.perf_counter() - start)
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", "from hwbench_pipeline.bench import cell; cell.preload()"], check=True
            )
            fresh.append(time.perf_counter() - start)
    a, b = statistics.median(forked), statistics.median(fresh)
    print(f"\nforked cell {a:.3f} s : fresh interpreter {b:.2f} s = 1 : {b / a:.0f} (medians of {REPEATS})")
    assert a < b
