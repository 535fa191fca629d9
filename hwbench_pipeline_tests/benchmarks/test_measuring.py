"""Our numbers beside those of a bare loop, of optimum-benchmark and of benchmark_app; our cost per cell; repeatability.

Run alone on a quiet machine. Each tool has a process of its own, and they take turns.
"""

import json
import math
import statistics
import subprocess
import sys
import time

import pytest

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.bench.statistics import percentile
from hwbench_pipeline.bench.web_experiments.comparing import effect
from hwbench_pipeline.hardware.peaks import known_peaks
from hwbench_pipeline_tests.benchmarks.other_tools import TASKS, TOKENS, run_benchmark_app, run_loop, run_optimum
from hwbench_pipeline_tests.exports.conftest import real_python  # noqa: F401 - the venv of optimum-benchmark

pytestmark = pytest.mark.benchmark

SECONDS = 4.0
PAIRS = 8
SAMPLING = Sampling(min_samples=10, min_duration_s=SECONDS)
WITHIN = 0.05
TIMES_CHEAPER = 5
LARGEST_OVERHEAD = 0.10


@pytest.fixture(scope="module")
def processes():
    known_peaks("cpu")
    with CellProcesses() as shared:
        yield shared


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    def prepare(model, size):
        folder = tmp_path_factory.mktemp(f"{model}_{size}")
        tool = [sys.executable, "-m", "hwbench_pipeline_tests.benchmarks.other_tools"]
        done = subprocess.run([*tool, "prepare", str(folder), model, size], check=True, capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1])

    return {asked: prepare(*asked) for asked in (("bert", "tiny"), ("bert", "reference"), ("gpt2", "reference"))}


def measured(processes, hardware, size, sampling=SAMPLING, model="bert"):
    tokens = TOKENS if size == "reference" else 32
    plan = CellPlan(hardware, model, points=(Point(size, sequence_length=tokens),), sampling=sampling)
    start = time.perf_counter()
    (row,) = run_cell(plan, processes).rows
    assert row["status"] == "ok", row["error_message"]
    return row | {"wall_s": time.perf_counter() - start}


def told(name, ours, theirs):
    """The ratio ours : theirs of interleaved pairs, with the 95 % interval of its geometric mean (Student's t)."""
    found = effect(ours, theirs)
    listed = ", ".join(f"{a:.2f}:{b:.2f}" for a, b in zip(ours, theirs, strict=True))
    print(
        f"\n{name}: {found.ratio:.3f} : 1, 95 % interval {found.low:.3f} to {found.high:.3f} over {len(ours)} pairs ({listed} ms)"
    )
    return found.ratio


@pytest.mark.parametrize("model", ["bert", "gpt2"])
def test_p50_beside_a_bare_loop_and_optimum_benchmark(processes, prepared, real_python, model):  # noqa: F811
    hub = prepared[model, "reference"]["hub"]
    ours, bare, peers = [], [], []
    for _ in range(PAIRS):
        ours.append(measured(processes, "cpu", "reference", model=model)["latency_ms_p50"])
        bare.append(run_loop(model, "reference", SECONDS))
        peers.append(run_optimum(*real_python, hub, TASKS[model], TOKENS, SECONDS)["p50_ms"])
    own = told(f"{model} p50, ours : bare loop", ours, bare)
    peer = told(f"{model} p50, optimum-benchmark : bare loop", peers, bare)
    assert abs(own - 1) <= WITHIN
    assert abs(math.log(own)) <= abs(math.log(peer)) + 0.02


def test_p50_beside_benchmark_app(processes, prepared):
    ours, theirs = [], []
    for _ in range(PAIRS):
        ours.append(measured(processes, "openvino", "reference")["latency_ms_p50"])
        theirs.append(run_benchmark_app(prepared["bert", "reference"]["graph"], SECONDS))
    assert abs(told("BERT-base p50 on OpenVINO, ours : benchmark_app -api sync", ours, theirs) - 1) <= WITHIN


def test_a_tiny_cell_costs_little(processes, prepared, real_python):  # noqa: F811
    rules = Sampling(min_samples=10, min_duration_s=0.1, min_warmup=5, min_warmup_s=0, max_warmup_s=0.1)
    measured(processes, "cpu", "tiny", rules)  # the server starts once
    ours, theirs = [], []
    for _ in range(PAIRS):
        ours.append(measured(processes, "cpu", "tiny", rules)["wall_s"])
        theirs.append(run_optimum(*real_python, prepared["bert", "tiny"]["hub"], TASKS["bert"], 32, 0.1)["wall_s"])
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(
        f"\nwall time of a tiny cell, optimum-benchmark : ours = {statistics.median(theirs):.2f} s : {statistics.median(ours):.2f} s = {ratio:.1f} : 1"
    )
    assert ratio >= TIMES_CHEAPER


def test_the_harness_is_a_small_part_of_a_cell(processes):
    """Wall time less load, warm-up and sampling. The calls that check the output and the memory are calls of the measured
    model before sampling, and warm it up in place of others."""
    measured(processes, "cpu", "reference")
    shares = []
    while len(shares) < 3:
        row = measured(processes, "cpu", "reference")
        if row["n_attempts"] > 1:  # how long the discarded samples took is not in the row
            continue
        spent_s = (row["load_ms"] + (row["n_warmup"] + row["n_samples"]) * row["latency_ms_mean"]) / 1e3
        shares.append(1 - spent_s / row["wall_s"])
    print("\nharness overhead of a reference cell: " + ", ".join(f"{share:.1%}" for share in shares))
    assert statistics.median(shares) < LARGEST_OVERHEAD


def test_ten_runs_agree(processes):
    rows = [measured(processes, "cpu", "reference") for _ in range(10)]
    pooled = percentile(sorted(sample for row in rows for sample in row["samples_ms"]), 50)
    covering = sum(row["latency_ms_p50_low"] <= pooled <= row["latency_ms_p50_high"] for row in rows)
    noisy = sum("noisy" in row["flags"] for row in rows)
    medians = sorted(row["latency_ms_p50"] for row in rows)
    print(
        f"\n10 runs of BERT-base: medians {medians[0]:.1f} to {medians[-1]:.1f} ms, pooled {pooled:.1f} ms; {covering} of 10 intervals cover it; {noisy} flagged noisy"
    )
    assert covering >= 8
    assert noisy <= 2
