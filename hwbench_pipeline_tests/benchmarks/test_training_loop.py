"""Our training step beside a loop that anybody would write, each in a process of its own, in turns.

Run alone on a quiet machine: `pytest hwbench_pipeline_tests/benchmarks/test_training_loop.py -m benchmark -s`.
"""

import subprocess
import sys

import pytest

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.bench.web_experiments.comparing import effect
from hwbench_pipeline.hardware.peaks import known_peaks

pytestmark = pytest.mark.benchmark

PAIRS = 8
BATCH = 4
SECONDS = {"tiny": 2.0, "reference": 6.0}
WITHIN = 0.05


def bare_loop(name, size, seconds):
    """The p50 in ms of a fine-tuning loop on one batch."""
    import statistics
    import time

    import torch

    from hwbench_pipeline.catalog.building import build_model
    from hwbench_pipeline.catalog.inputs import make_inputs
    from hwbench_pipeline.catalog.labels import make_labels

    model = build_model(name, size).train()
    inputs = make_inputs(name, model.config, batch_size=BATCH)
    batch = {**inputs, **(make_labels(name, model.config, inputs) or {})}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds * 1.5 or len(times) < 15:
        before = time.perf_counter()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - before)
    print(statistics.median(times[len(times) // 3 :]) * 1e3)


def run_bare_loop(name, size):
    program = "import sys; from hwbench_pipeline_tests.benchmarks.test_training_loop import bare_loop; "
    program += "bare_loop(sys.argv[1], sys.argv[2], float(sys.argv[3]))"
    call = [sys.executable, "-c", program, name, size, str(SECONDS[size])]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()[-1])


@pytest.mark.parametrize(("model", "size"), [("bert", "tiny"), ("vit", "tiny"), ("bert", "reference")])
def test_a_step_takes_as_long_as_in_a_bare_loop(model, size):
    known_peaks("cpu")
    sampling = Sampling(min_samples=10, min_duration_s=SECONDS[size], max_duration_s=3 * SECONDS[size])
    plan = CellPlan("cpu", model, "training", (Point(size, batch_size=BATCH),), sampling)
    ours, bare = [], []
    with CellProcesses() as processes:
        for _ in range(PAIRS):
            (row,) = run_cell(plan, processes).rows
            assert row["status"] == "ok", row["error_message"]
            ours.append(row["latency_ms_p50"])
            bare.append(run_bare_loop(model, size))
    found = effect(ours, bare)
    pairs = ", ".join(f"{a:.2f}:{b:.2f}" for a, b in zip(ours, bare, strict=True))
    print(
        f"\n{size} {model} training step, ours : bare loop: {found.ratio:.3f} : 1, 95 % interval {found.low:.3f} to "
        f"{found.high:.3f} over {PAIRS} pairs ({pairs} ms)"
    )
    assert abs(found.ratio - 1) <= WITHIN
