"""Two sides of one cell: which rows they are, how large the difference is, and when it is said to be one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwbench_pipeline.analysis.comparison import (
    ASSUMED_BETWEEN_RUN,
    FASTER,
    NOT_SHOWN,
    SLOWER,
    Sides,
    compare,
    scaling,
    speed_up,
    stored_comparisons,
    summaries,
)
from hwbench_pipeline.analysis.series import history_of
from hwbench_pipeline.schema.tables import OUT__COMPARISON, OUT__SCALING
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import ENVIRONMENT, Nights


def samples(middle, seed=0, spread=0.02, count=30):
    noise = np.random.default_rng(seed).normal(0, spread, count)
    return [float(value) for value in middle * np.exp(noise)]


def current(**changes):
    return rows.measured(**changes) | {"is_current": changes.get("is_current", True)}


def compared(results, by, **more):
    """The comparison, its rows checked against the table."""
    found = compare(results, [ENVIRONMENT], history_of(results, [ENVIRONMENT]), Sides(by, **more))
    assert find_problems(OUT__COMPARISON, found.rows) == []
    return found


def test_a_difference_far_beyond_samples_and_runs_is_one():
    found = speed_up(samples(10.0), samples(5.0, 1), 0.02)
    assert found.ratio == pytest.approx(2, abs=0.05)
    assert found.low < found.ratio < found.high
    assert found.verdict == FASTER
    assert speed_up(samples(5.0), samples(10.0, 1), 0.02).verdict == SLOWER


def test_what_two_runs_may_differ_by_is_no_difference_however_sure_the_samples_are():
    steady, other = samples(10.0, spread=0.001), samples(10.3, 1, spread=0.001)
    assert speed_up(steady, other, 0.001).verdict == SLOWER
    assert speed_up(steady, other, 0.03).verdict == NOT_SHOWN


def test_the_interval_covers_the_true_ratio_as_often_as_it_says():
    """Of 300 made-up pairs of runs whose medians move between runs."""
    generator = np.random.default_rng(3)
    n_covered = 0
    for number in range(300):
        runs = generator.normal(0, 0.03, 2)
        one = samples(10 * math.exp(runs[0]), 2 * number, count=15)
        other = samples(5 * math.exp(runs[1]), 2 * number + 1, count=15)
        found = speed_up(one, other, math.hypot(0.03, 0.03))
        n_covered += found.low <= 2 <= found.high
    assert n_covered >= 0.93 * 300


def test_samples_that_follow_each_other_widen_it():
    drifting = sorted(samples(10.0, spread=0.05))
    shuffled = list(np.random.default_rng(5).permutation(drifting))
    width = {
        name: math.log(found.high / found.low)
        for name, values in (("drifting", drifting), ("shuffled", shuffled))
        for found in [speed_up(values, samples(10.0, 1), 0.001)]
    }
    assert width["drifting"] > 1.5 * width["shuffled"]


def test_of_few_samples_the_ratio_is_told_and_no_verdict():
    found = speed_up([10.0] * 5, samples(5.0), 0.02)
    assert (found.low, found.high, found.verdict) == (None, None, None)
    assert found.reason == "5 samples on one side: an interval needs 6 at least"


def test_the_same_numbers_twice_are_the_same_comparison():
    assert speed_up(samples(10.0), samples(9.0, 1), 0.02) == speed_up(samples(10.0), samples(9.0, 1), 0.02)


def test_hardware_is_compared_with_the_cpu_cell_by_cell():
    results = [
        current(samples_ms=samples(10.0)),
        current(hardware="cuda", samples_ms=samples(2.0), run_id="2"),
        current(hardware="cuda", model="vit", run_id="3"),
        current(model="gpt2", run_id="4"),
        rows.whole_cell(model="gpt2", hardware="cuda", run_id="5") | {"is_current": True},
        rows.without_number("failed", model="vit", run_id="6") | {"is_current": True},
    ]
    found = compared(results, "hardware")
    (row,) = found.rows
    assert (row["baseline_side"], row["candidate_side"]) == ("cpu (Test cpu)", "cuda (Test cuda)")
    assert row["speed_up"] == pytest.approx(5, abs=0.2)
    assert row["verdict"] == FASTER
    assert row["hardware"] is None
    assert row["model"] == "bert"
    assert found.left_out == {
        "only cuda (Test cuda); cpu: failed": 1,
        "only cpu (Test cpu); cuda: no_hardware": 1,
    }


def test_what_was_not_measured_is_compared_with_nothing():
    results = [
        current(),
        current(hardware="cuda", run_id="2", provenance="simulated"),
        rows.legacy(hardware="cuda") | {"is_current": True},
    ]
    found = compared(results, "hardware")
    assert found.rows == []
    assert found.left_out["not measured: simulated"] == 1
    assert found.left_out["from an old file, whose configuration nobody knows"] == 1


def test_tiny_and_reference_cells_and_software_devices_are_never_one_cell():
    results = [
        current(samples_ms=samples(10.0)),
        current(hardware="webgpu", run_id="2", model_size="tiny"),
        current(hardware="webgpu", run_id="3", samples_ms=samples(90.0), flags=["software_adapter"]),
    ]
    (row,) = compared(results, "hardware").rows
    assert row["model_size"] == "reference"
    assert row["is_software"]
    assert row["candidate_side"] == "webgpu (Test webgpu, software)"
    by_precision = [current(), current(precision="bf16", run_id="2", flags=["software_adapter"])]
    assert compared(by_precision, "precision").rows == []


def test_precision_says_what_it_costs_in_memory_and_error():
    results = [
        current(samples_ms=samples(10.0), peak_memory_mb=400.0, memory_method="rss"),
        current(
            precision="bf16",
            run_id="2",
            samples_ms=samples(6.0),
            peak_memory_mb=200.0,
            memory_method="rss",
            output_max_rel_error=0.004,
            options='{"stored":"half"}',
        ),
        current(precision="int8", run_id="3", peak_memory_mb=100.0, memory_method="another way"),
    ]
    by_side = {row["candidate_side"]: row for row in compared(results, "precision").rows}
    assert by_side["bf16"]["baseline_side"] == "fp32"
    assert by_side["bf16"]["memory_ratio"] == 0.5
    assert by_side["bf16"]["candidate_output_max_rel_error"] == 0.004
    assert by_side["bf16"]["also_differs"] == ["options.stored"]
    assert by_side["int8"]["memory_ratio"] is None


def test_the_roofline_says_what_bounds_each_side():
    results = [
        current(samples_ms=[10.0] * 10, roofline_ms=5.0, roofline_limb="memory"),
        current(samples_ms=[20.0] * 10, roofline_ms=18.0, roofline_limb="compute", batch_size=8, run_id="2"),
    ]
    (row,) = compared(results, "batch").rows
    assert (row["baseline_limb"], row["baseline_roofline_percent"]) == ("memory", 50)
    assert (row["candidate_limb"], row["candidate_roofline_percent"]) == ("compute", 90)
    assert (row["baseline_ms"], row["candidate_ms"], row["speed_up"]) == (10.0, 2.5, 4.0)


def test_two_models_are_compared_when_one_is_named():
    results = [current(), current(model="vit", run_id="2", sequence_length=None), current(model="roberta", run_id="3")]
    assert compared(results, "model").rows == []
    (row,) = compared(results, "model", baseline="bert").rows
    assert (row["baseline_side"], row["candidate_side"], row["model"]) == ("bert", "roberta", None)


def test_runs_are_compared_with_the_run_before_or_the_one_that_is_named():
    results = [
        current(
            run_id=f"2026010{day}T0-{number:04d}", model=model, started_at=rows.later(1440 * day), is_current=day == 3
        )
        for day in (1, 2, 3)
        for number, model in enumerate(("bert", "vit"))
    ]
    found = compared(results, "run").rows
    assert {(row["baseline_side"], row["candidate_side"]) for row in found} == {
        ("20260102T0-0000", "20260103T0-0000"),
        ("20260102T0-0001", "20260103T0-0001"),
    }
    named = compared(results, "run", baseline="20260101").rows
    assert {row["baseline_side"] for row in named} == {"20260101T0-0000", "20260101T0-0001"}
    both = compared(results, "run", baseline="20260101", candidate="20260102").rows
    assert {row["candidate_side"] for row in both} == {"20260102T0-0000", "20260102T0-0001"}


def test_environments_are_compared_on_the_same_point():
    results = [
        current(backend_version="2.9"),
        current(
            run_id="2", backend_version="3.0", environment_id="f" * 32, device_name="New", started_at=rows.later(60)
        ),
        current(run_id="3", options='{"attention":"eager"}', environment_id="f" * 32, started_at=rows.later(60)),
    ]
    found = compared(results, "environment")
    (row,) = found.rows
    assert (row["baseline_side"], row["candidate_side"]) == (rows.ENVIRONMENT_ID, "f" * 32)
    assert row["also_differs"] == ["backend_version"]
    assert found.left_out == {"only one environment of the cell": 1}


@pytest.mark.parametrize("flag", ["unsteady", "throttled", "slower_than_other_run"])
def test_a_median_in_doubt_gets_no_verdict(flag):
    (row,) = compared(
        [current(), current(hardware="cuda", run_id="2", samples_ms=samples(1.0), flags=[flag])], "hardware"
    ).rows
    assert row["verdict"] is None
    assert row["speed_up_low"] is not None
    assert row["reason"].startswith(flag)


def test_of_two_runs_the_slower_is_not_in_doubt_for_being_slower():
    results = [
        current(samples_ms=samples(1.0), is_current=False),
        current(samples_ms=samples(5.0), run_id="9", started_at=rows.later(9), flags=["slower_than_other_run"]),
    ]
    (row,) = compared(results, "run").rows
    assert row["verdict"] == SLOWER


def test_rates_and_numbers_without_samples_get_no_verdict_and_no_interval():
    in_flight = [
        current(variant="throughput", throughput_items_per_s=100.0, hardware=key, run_id=key) for key in ("cpu", "cuda")
    ]
    (row,) = compared(in_flight, "hardware").rows
    assert (row["metric"], row["speed_up"], row["speed_up_low"]) == ("throughput_items_per_s", 1.0, None)
    assert "requests in flight" in row["reason"]
    imported = [
        rows.legacy(source="timm", source_pointer=key, hardware=key, latency_ms_mean=time) | {"is_current": True}
        for key, time in (("cpu", 10.0), ("cuda", 5.0))
    ]
    (row,) = compared(imported, "hardware").rows
    assert (row["speed_up"], row["verdict"]) == (2.0, None)
    assert "no raw samples" in row["reason"]


def test_the_interval_knows_what_runs_of_this_machine_differ_by():
    nights = Nights(20, spread=0.02).sweeps(4)
    results = [row | {"is_current": row["run_id"] > "run-00060"} for row in nights.rows]
    results += [
        row | {"precision": "bf16", "result_id": f"x{number}", "run_id": f"x{number}"}
        for number, row in enumerate(results[-20:])
    ]
    found = compare(results, [ENVIRONMENT], history_of(nights.rows, [ENVIRONMENT]), Sides("precision"))
    row = found.rows[0]
    assert row["between_run_source"] == "60 pairs of runs"
    assert row["between_run_percent"] == pytest.approx(100 * math.sqrt(2) * 0.02, rel=0.3)
    assert row["verdict"] == NOT_SHOWN
    (alone,) = compared([current(), current(precision="bf16", run_id="2")], "precision").rows
    assert alone["between_run_source"] == "assumed"
    assert alone["between_run_percent"] == pytest.approx(100 * math.expm1(math.sqrt(2) * ASSUMED_BETWEEN_RUN))


def test_scaling_is_throughput_against_batch_one():
    results = [
        current(samples_ms=samples(10.0)),
        current(samples_ms=samples(20.0), batch_size=8, run_id="2", input_shape="input_ids=8x32"),
        current(samples_ms=samples(20.0), batch_size=4, run_id="3", model="vit"),
    ]
    found = scaling(results, [ENVIRONMENT], history_of(results, [ENVIRONMENT]))
    assert find_problems(OUT__SCALING, found.rows) == []
    by_model = {row["model"]: row for row in found.rows}
    assert by_model["bert"]["speed_up"] == pytest.approx(4, abs=0.2)
    assert by_model["bert"]["efficiency"] == pytest.approx(0.5, abs=0.03)
    assert by_model["bert"]["verdict"] == FASTER
    assert by_model["vit"]["speed_up"] is None
    assert by_model["vit"]["ms_per_item"] == pytest.approx(5, abs=0.2)
    assert by_model["vit"]["reason"] == "batch 1 of the same cell was not measured"


def test_stored_are_all_dimensions_that_need_no_question():
    results = [
        current(),
        current(hardware="cuda", run_id="2"),
        current(precision="bf16", run_id="3"),
        current(variant="compile", run_id="4"),
    ]
    found = stored_comparisons(results, [ENVIRONMENT], history_of(results, [ENVIRONMENT]))
    assert find_problems(OUT__COMPARISON, found.rows) == []
    assert sorted(row["dimension"] for row in found.rows) == ["hardware", "precision", "variant"]


def test_summaries_keep_sizes_and_software_apart_and_average_what_has_a_verdict():
    def one(model, size, time_ms, flags=()):
        hardware = {"model": model, "model_size": size, "flags": list(flags)}
        return [
            current(samples_ms=samples(10.0), run_id=f"{model}{size}a", **hardware | {"flags": []}),
            current(hardware="cuda", samples_ms=samples(time_ms), run_id=f"{model}{size}b", **hardware),
        ]

    results = [
        *one("bert", "reference", 5.0),
        *one("vit", "reference", 2.5),
        *one("gpt2", "reference", 0.1, ["unsteady"]),
        *one("bert", "tiny", 10.0),
    ]
    reference, tiny = sorted(summaries(compared(results, "hardware").rows), key=lambda one: str(one.model_size))
    assert (reference.n_cells, reference.n_averaged) == (3, 2)
    assert reference.verdicts == {FASTER: 2, "no verdict": 1}
    assert reference.geometric_mean == pytest.approx(math.sqrt(8), rel=0.05)
    assert (tiny.n_cells, tiny.verdicts) == (1, {NOT_SHOWN: 1})
