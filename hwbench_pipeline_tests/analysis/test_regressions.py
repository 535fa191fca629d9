"""Verdicts on made-up nights: what is called a regression, and what is not."""

from __future__ import annotations

import math

import pytest

from hwbench_pipeline.analysis.regressions import (
    by_family,
    command_to_confirm,
    level_of,
    plans_to_confirm,
    regressions,
    severity_of,
    step_of,
)
from hwbench_pipeline.bench.plan import Point
from hwbench_pipeline.schema.tables import OUT__REGRESSIONS
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import ENVIRONMENT, Nights

OTHER_HOST = ENVIRONMENT | {"environment_id": "f" * 32, "machine": "another-machine"}
NEW_TORCH = ENVIRONMENT | {"environment_id": "d" * 32, "torch_version": "3.0"}
ENVIRONMENTS = [ENVIRONMENT, OTHER_HOST, NEW_TORCH]


def judge(nights, accepted=()):
    """The rows by model, checked against the table."""
    found = regressions(nights.rows, ENVIRONMENTS, accepted)
    assert find_problems(OUT__REGRESSIONS, found) == []
    return {row["model"] or row["scope"]: row for row in found}


def verdicts(nights, accepted=()):
    return {model: row["verdict"] for model, row in judge(nights, accepted).items()}


def test_nothing_happened():
    found = judge(Nights().sweeps(8))
    assert {row["verdict"] for row in found.values()} == {"no change shown"} or found["machine"][
        "verdict"
    ] == "inconclusive"
    assert {row["verdict"] for row in found.values() if row["scope"] == "cell"} == {"no change shown"}
    assert all(row["smallest_visible_percent"] >= 5 for row in found.values() if row["scope"] == "cell")


def test_one_slow_run_is_suspected_and_measured_again_a_regression():
    nights = Nights().sweeps(8)
    shift = nights.sweep({"model4": 1.2})
    row = judge(nights)["model4"]
    assert (row["verdict"], row["severity"], row["n_candidate"]) == ("suspected", None, 1)
    assert "measure again to confirm" in row["reason"]
    nights.again("model4", 1.2, shift, count=3)
    found = judge(nights)
    row = found.pop("model4")
    assert (row["verdict"], row["severity"], row["evidence"]) == ("regression", "high", "re-run")
    assert row["change_percent"] == pytest.approx(20, abs=3)
    assert (row["n_baseline"], row["n_candidate"]) == (8, 4)
    assert row["candidate_ms"] > row["baseline_ms"]
    assert {one["verdict"] for one in found.values() if one["scope"] == "cell"} == {"no change shown"}


def test_measured_again_and_not_slow_it_was_nothing():
    nights = Nights().sweeps(8)
    shift = nights.sweep({"model4": 1.2})
    nights.again("model4", 1.0, shift, count=5)
    assert verdicts(nights)["model4"] == "no change shown"


def test_an_older_outlier_is_no_step():
    nights = Nights().sweeps(4)
    nights.sweep({"model4": 1.5})
    nights.sweeps(4)
    assert verdicts(nights)["model4"] == "no change shown"


def test_a_regression_stays_one_until_it_is_mended():
    nights = Nights().sweeps(8)
    for _ in range(10):
        nights.sweep({"model4": 1.2})
    assert verdicts(nights)["model4"] == "regression"
    nights.sweeps(12)
    assert verdicts(nights)["model4"] != "regression"


def test_faster_is_an_improvement_once_it_is_confirmed():
    nights = Nights().sweeps(8)
    nights.sweep({"model4": 0.8})
    assert verdicts(nights)["model4"] == "inconclusive"
    nights.sweep({"model4": 0.8})
    row = judge(nights)["model4"]
    assert (row["verdict"], row["severity"]) == ("improvement", None)
    assert row["change_percent"] == pytest.approx(-20, abs=3)


def test_what_the_whole_machine_does_is_the_machine():
    nights = Nights(20, drift=0).sweeps(8)
    nights.sweep(all_slower=1.3)
    nights.sweep({"model4": 1.25}, all_slower=1.3)
    nights.sweep({"model4": 1.25}, all_slower=1.3)
    found = judge(nights)
    machine, slow = found.pop("machine"), found.pop("model4")
    assert machine["verdict"] == "inconclusive"
    assert machine["change_percent"] == pytest.approx(30, abs=2)
    assert "the machine" in machine["reason"]
    assert slow["verdict"] == "regression"
    assert slow["change_percent"] == pytest.approx(25, abs=4)
    assert slow["raw_change_percent"] == pytest.approx(62, abs=8)
    assert slow["fleet_shift_percent"] == pytest.approx(30, abs=3)
    assert {one["verdict"] for one in found.values()} == {"no change shown"}


def test_another_library_that_makes_all_cells_slower_is_a_regression_of_the_machine_until_it_is_accepted():
    nights = Nights(12, drift=0).sweeps(6)
    new = {"environment_id": NEW_TORCH["environment_id"], "backend_version": "3.0"}
    nights.sweep(all_slower=1.2, **new)
    assert judge(nights)["machine"]["verdict"] == "suspected"
    nights.sweep(all_slower=1.2, **new, harness_version="0.2")
    machine = judge(nights)["machine"]
    assert (machine["verdict"], machine["severity"]) == ("regression", "high")
    assert (machine["baseline_backend_version"], machine["candidate_backend_version"]) == ("2.9", "3.0")
    accepted = [{"series_id": machine["series_id"], "result_id": machine["change_result_id"]}]
    assert judge(nights, accepted)["machine"]["verdict"] == "no change shown"


def test_with_few_cells_on_another_host_nobody_can_tell_the_host_from_the_cell():
    nights = Nights(3).sweeps(8)
    for _ in range(3):
        nights.sweep({"model0": 1.3}, environment_id=OTHER_HOST["environment_id"])
    assert verdicts(nights)["model0"] == "inconclusive"
    assert "another host" in judge(nights)["model0"]["reason"]


def test_many_cells_on_another_host_tell_how_fast_it_is():
    nights = Nights(20).sweeps(8)
    for _ in range(3):
        nights.sweep({"model0": 1.3}, all_slower=1.4, environment_id=OTHER_HOST["environment_id"])
    found = verdicts(nights)
    assert found["model0"] == "regression"
    assert set(found.values()) - {"inconclusive"} == {"regression", "no change shown"}
    assert [model for model, verdict in found.items() if verdict == "inconclusive"] in ([], ["machine"])


def test_a_run_that_says_it_was_disturbed_convicts_nobody():
    nights = Nights().sweeps(8)
    for _ in range(3):
        nights.run("model4", 1.5, minutes=1, flags=["loaded_machine"])
        nights.night += 1
    row = judge(nights)["model4"]
    assert row["verdict"] == "inconclusive"
    assert "loaded_machine" in row["reason"]


def test_where_every_run_is_disturbed_that_is_how_it_is_there():
    nights = Nights()
    for _ in range(8):
        nights.sweep(flags=["loaded_machine"])
    for _ in range(2):
        nights.sweep({"model4": 1.3}, flags=["loaded_machine"])
    assert verdicts(nights)["model4"] == "regression"


def test_one_run_and_few_runs_of_few_cells_are_insufficient_data():
    assert set(verdicts(Nights(3).sweeps(1)).values()) == {"insufficient data"}
    nights = Nights(3).sweeps(2)
    assert set(verdicts(nights).values()) == {"insufficient data"}
    assert "what runs of one cell differ by" in judge(nights)["model0"]["reason"]


def test_runs_that_differ_too_much_are_inconclusive():
    row = judge(Nights(10, spread=0.25, drift=0).sweeps(8))["model0"]
    assert row["smallest_visible_percent"] > 25
    assert row["verdict"] in ("inconclusive", "suspected")


def test_a_cell_that_fails_now_is_lost_and_found_again():
    nights = Nights().sweeps(4)
    failed = rows.without_number("failed", model="model4", run_id="z", started_at=rows.later(24 * 60 * 5))
    nights.rows.append(failed)
    row = judge(nights)["model4"]
    assert (row["verdict"], row["severity"], row["change_result_id"]) == ("lost cell", None, failed["result_id"])
    assert "made-up reason: failed" in row["reason"]
    accepted = [{"series_id": row["series_id"], "result_id": failed["result_id"]}]
    assert verdicts(nights, accepted)["model4"] == "no change shown"
    nights.night = 7
    nights.sweep()
    assert verdicts(nights)["model4"] == "no change shown"


@pytest.mark.parametrize(
    "row",
    [
        rows.whole_cell(model="model4", started_at=rows.later(24 * 60 * 9)),
        rows.without_number(model="model4", batch_size=8, started_at=rows.later(24 * 60 * 9)),
        rows.without_number(
            "out_of_memory", model="model4", error_class="OverLimit", started_at=rows.later(24 * 60 * 9)
        ),
        rows.without_number(model="model4", started_at=rows.later(-60)),
    ],
    ids=["no hardware", "another batch", "a limit that somebody set", "an older failure"],
)
def test_what_says_nothing_of_the_point_loses_no_cell(row):
    nights = Nights().sweeps(4)
    nights.rows.append(row)
    assert verdicts(nights)["model4"] == "no change shown"


def test_an_accepted_change_is_the_new_baseline_and_a_further_one_is_found():
    nights = Nights().sweeps(8)
    for _ in range(3):
        nights.sweep({"model4": 1.3})
    row = judge(nights)["model4"]
    assert row["verdict"] == "regression"
    accepted = [{"series_id": row["series_id"], "result_id": row["change_result_id"]}]
    assert verdicts(nights, accepted)["model4"] == "no change shown"
    for _ in range(3):
        nights.sweep({"model4": 1.3 * 1.3})
    row = judge(nights, accepted)["model4"]
    assert (row["verdict"], row["n_baseline"]) == ("regression", 3)
    assert row["change_percent"] == pytest.approx(30, abs=4)


def imported(model, version, time_ms):
    return rows.legacy(
        source="timm",
        source_pointer=f"{model} {version}",
        model_id=model,
        model=None,
        category=None,
        backend="torch",
        backend_version=version,
        batch_size=256,
        latency_ms_mean=time_ms,
    )


def test_one_value_for_each_version_is_judged_against_all_cells():
    nights = Nights(0)
    for number in range(40):
        nights.rows.append(imported(f"model_{number}", "2.4", 10.0))
        factor = {7: 1.5, 8: 1.06}.get(number, 1.1 * math.exp(0.01 * ((number * 7) % 5 - 2)))
        nights.rows.append(imported(f"model_{number}", "2.9", 10.0 * factor))
    found = regressions(nights.rows, [])
    assert find_problems(OUT__REGRESSIONS, found) == []
    by_model = {row["model_id"]: row for row in found if row["scope"] == "cell"}
    slow = by_model.pop("model_7")
    assert (slow["verdict"], slow["evidence"], slow["severity"]) == ("regression", "cross-section", "critical")
    assert slow["change_percent"] == pytest.approx(36, abs=3)
    assert slow["raw_change_percent"] == pytest.approx(50)
    assert {row["verdict"] for row in by_model.values()} == {"no change shown"}


def test_the_largest_step_is_found_where_it_is():
    step = step_of([0.0, 0.01, -0.01, 0.0, 0.2, 0.21, 0.19], 0.01)
    assert step.place == 4
    assert step.change == pytest.approx(0.2)
    assert step.z > 20
    assert step_of([0.0, 0.3], 0.1).z == pytest.approx(3 / math.sqrt(2))


def test_one_outlier_hardly_moves_a_level():
    assert level_of([1.0]) == 1.0
    assert level_of([1.0, 2.0]) == 1.5
    assert level_of([1.0, 1.1, 0.9, 1.0, 9.0]) == pytest.approx(1.05, abs=0.06)


@pytest.mark.parametrize(
    ("percent", "severity"), [(5.1, "moderate"), (15, "moderate"), (15.1, "high"), (25.1, "critical")]
)
def test_severities(percent, severity):
    assert severity_of(percent) == severity


def test_what_is_suspected_is_planned_to_be_measured_again_cell_by_cell():
    nights = Nights().sweeps(8)
    nights.sweep({"model4": 1.2, "model5": 1.2})
    found = list(judge(nights).values())
    plans = plans_to_confirm(found)
    assert [(plan.hardware, plan.model, plan.mode) for plan in plans] in (
        [("cpu", "model4", "inference"), ("cpu", "model5", "inference")],
        [("cpu", "model5", "inference"), ("cpu", "model4", "inference")],
    )
    assert plans[0].points == (Point(model_size="reference", sequence_length=32),)
    (row,) = [one for one in found if one["model"] == "model4"]
    assert command_to_confirm(row) == "hwbench bench --hardware cpu --model model4 --sequence-length 32"


def test_rows_are_grouped_by_family_in_their_order():
    made = [{"family": "b"}, {"family": None}, {"family": "a"}, {"family": "b"}]
    assert {name: len(members) for name, members in by_family(made).items()} == {"b": 2, "(whole machine)": 1, "a": 1}
    assert list(by_family(made)) == ["b", "(whole machine)", "a"]
