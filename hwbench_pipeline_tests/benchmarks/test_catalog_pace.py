"""What verifying an architecture costs, in a process forked from the cell server against a fresh interpreter for each.

HWBENCH_PACE_MODELS gives another number of architectures, taken evenly from the catalog.
"""

import os
import statistics
import subprocess
import sys
import time

import pytest

from hwbench_pipeline.bench.deriving import known_models
from hwbench_pipeline.bench.isolation import CAN_FORK, CellProcesses
from hwbench_pipeline.bench.verifying import verify_cell

N_MODELS = int(os.environ.get("HWBENCH_PACE_MODELS", "12"))
LONGEST_RUN_MINUTES = 60
_FRESH = """
import sys
from hwbench_pipeline.bench import cell
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
cell.run_job({"plan": CellPlan("cpu", sys.argv[1], points=(Point(),), sampling=ONE_CALL).to_json()}, lambda event: None)
"""


@pytest.mark.benchmark
@pytest.mark.skipif(not CAN_FORK, reason="there is a cell server on Linux only")
def test_forked_cells_against_fresh_interpreters():
    """Prints seconds per architecture of both, interleaved, and what that makes of the whole catalog on the CPU."""
    models = [model.key for model in known_models(on_need=print)]
    chosen = models[:: max(1, len(models) // N_MODELS)]
    forked, fresh = [], []
    with CellProcesses() as processes:
        verify_cell("cpu", chosen[0], "inference", processes)  # the server starts, once per sweep
        for key in chosen:
            start = time.perf_counter()
            verify_cell("cpu", key, "inference", processes)
            forked.append(time.perf_counter() - start)
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", _FRESH, key], check=True, capture_output=True)
            fresh.append(time.perf_counter() - start)
    ours, theirs = statistics.mean(forked), statistics.mean(fresh)
    minutes = ours * len(models) / 60
    print(
        f"\n{len(chosen)} architectures: ours {ours:.2f} s each, a fresh interpreter for each {theirs:.2f} s = "
        f"1 : {theirs / ours:.1f}; {len(models)} architectures on the CPU: {minutes:.0f} minutes, fresh {theirs * len(models) / 60:.0f}"
    )
    assert minutes < LONGEST_RUN_MINUTES
