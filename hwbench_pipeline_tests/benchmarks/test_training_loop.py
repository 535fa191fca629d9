"""Our training step beside one that anybody would write: step by step in one process, and as cells beside processes, in turns.

Run alone on a quiet machine: `pytest hwbench_pipeline_tests/benchmarks/test_training_loop.py -m benchmark -s`.
"""

import statistics
import subprocess
import sys
import time

import pytest
import torch

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.bench.sampling import timed_ms
from hwbench_pipeline.bench.web_experiments.comparing import effect
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.catalog.labels import make_labels
from hwbench_pipeline.hardware.peaks import known_peaks
from hwbench_pipeline.training.step import TrainingStep

pytestmark = pytest.mark.benchmark

PAIRS = 8
BATCH = 4
STEPS = 400
SECONDS = {"tiny": 2.0, "reference": 6.0}
WITHIN = 0.05


def bare_step(name, size):
    """One step of a fine-tuning loop on one batch."""
    model = build_model(name, size).train()
    inputs = make_inputs(name, model.config, batch_size=BATCH)
    batch = {**inputs, **make_labels(name, model.config, inputs)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step():
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def bare_loop(name, size, seconds):
    """Print the p50 in ms of a fine-tuning loop."""
    step = bare_step(name, size)
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds * 1.5 or len(times) < 15:
        times.append(timed_ms(step))
    print(statistics.median(times[len(times) // 3 :]))


def run_bare_loop(name, size):
    program = "import sys; from hwbench_pipeline_tests.benchmarks.test_training_loop import bare_loop; "
    program += "bare_loop(sys.argv[1], sys.argv[2], float(sys.argv[3]))"
    call = [sys.executable, "-c", program, name, size, str(SECONDS[size])]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()[-1])


def told(name, ours, bare):
    """The ratio ours : theirs, printed with its 95 % interval."""
    found = effect(ours, bare)
    print(
        f"\n{name} training step, ours : bare loop: {found.ratio:.3f} : 1, 95 % interval {found.low:.3f} to {found.high:.3f} "
        f"over {len(ours)} pairs; medians {statistics.median(ours):.2f} : {statistics.median(bare):.2f} ms"
    )
    return found.ratio


@pytest.mark.parametrize("model", ["bert", "vit", "llama"])
def test_a_step_takes_as_long_as_a_bare_one_beside_it(model):
    """In turns in one process, so that a disturbance meets both."""
    inputs = make_inputs(model, build_model(model, "tiny").config, batch_size=BATCH)
    ours = TrainingStep.prepare("cpu", model, build_model(model, "tiny"), inputs, precision="fp32", seed=0)
    bare = bare_step(model, "tiny")
    for _ in range(20):
        ours()
        bare()
    pairs = []
    for number in range(STEPS):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        times = {first: timed_ms(first)}
        times[second] = timed_ms(second)
        pairs.append((times[ours], times[bare]))
    assert abs(told(f"tiny {model}, in one process,", *zip(*pairs, strict=True)) - 1) <= WITHIN


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
    assert abs(told(f"{size} {model}, as a cell,", ours, bare) - 1) <= WITHIN
