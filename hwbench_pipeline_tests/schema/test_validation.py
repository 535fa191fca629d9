"""Validation names every problem at once, with table, column, row and fix."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from hwbench_pipeline.schema.arrow import arrow_table
from hwbench_pipeline.schema.table import Column, ColumnType, Table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_BENCH__WEB_EXPERIMENTS,
    CORE_HARDWARE,
    CORE_IMPORTS__RESULTS,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__SOURCES,
    CORE_MODELS__ONNX,
    OUT__COMPARISON,
    OUT__COVERAGE,
    OUT__PREDICTION_SCORES,
    OUT__PREDICTIONS,
    OUT__REGRESSIONS,
    OUT__RESULTS,
    RAW_LEGACY__FILES,
    TABLES,
)
from hwbench_pipeline.schema.tables.results import QUANTITY_COLUMNS, result_id_of
from hwbench_pipeline.schema.validation import SchemaError, find_problems, require_valid
from hwbench_pipeline_tests import rows

TABLE = Table(
    "stock",
    "A table of the tests.",
    (
        Column("name", ColumnType.STRING, "Name.", nullable=False),
        Column("kind", ColumnType.STRING, "Kind.", allowed=("round", "square")),
        Column("count", ColumnType.INT64, "Count.", at_least=0),
        Column("price", ColumnType.FLOAT64, "Price.", above=0),
        Column("is_new", ColumnType.BOOL, "New."),
        Column("made_at", ColumnType.TIMESTAMP, "Made."),
        Column("sizes", ColumnType.LIST_FLOAT64, "Sizes.", above=0),
        Column("tags", ColumnType.LIST_STRING, "Tags.", allowed=("red", "blue")),
    ),
    ("name",),
)

WRONG_VALUES = [
    ("name", None, "NULL"),
    ("name", "", "empty string"),
    ("name", 5, "is int, not string"),
    ("name", b"x", "is bytes, not string"),
    ("name", ["x"], "is list, not string"),
    ("name", "\ud800", "not valid Unicode"),
    ("kind", "oval", "is not one of round, square"),
    ("kind", "", "is not one of round, square"),
    ("count", -1, "-1 is below 0"),
    ("count", 1.0, "is float, not int64"),
    ("count", True, "is bool, not int64"),
    ("count", "1", "is str, not int64"),
    ("count", 2**63, "not int64"),
    ("price", 0, "0 is not above 0"),
    ("price", 0.0, "0.0 is not above 0"),
    ("price", -3.5, "-3.5 is not above 0"),
    ("price", math.nan, "nan is not a finite number"),
    ("price", math.inf, "inf is not a finite number"),
    ("price", "1.5", "is str, not float64"),
    ("price", True, "is bool, not float64"),
    ("price", 2**60 + 1, "not float64"),
    ("is_new", 1, "is int, not bool"),
    ("made_at", datetime(2026, 1, 2), "with a time zone"),  # noqa: DTZ001 - naive on purpose
    ("made_at", "2026-01-02T00:00:00Z", "is str, not timestamp"),
    ("sizes", 1.0, "is float, not list<float64>"),
    ("sizes", [1.0, math.nan], "nan is not a finite number"),
    ("sizes", [1.0, 0.0], "0.0 is not above 0"),
    ("sizes", [1.0, None], "not list<float64>"),
    ("sizes", ["1"], "not list<float64>"),
    ("tags", "red", "is str, not list<string>"),
    ("tags", ["red", "green"], "'green' is not one of red, blue"),
    ("tags", ["\udcff"], "not valid Unicode"),
    ("colour", "red", "is not a column of this table"),
]
GOOD_VALUES = [
    ("name", " "),
    ("name", "naïve 模型 \x00"),
    ("kind", None),
    ("count", 0),
    ("count", 2**63 - 1),
    ("price", 5e-324),
    ("price", 3),
    ("price", 2**53),
    ("is_new", False),
    ("made_at", rows.STARTED),
    ("sizes", []),
    ("sizes", (1, 2.5)),
    ("tags", ["red", "red"]),
]


@pytest.mark.parametrize(("column", "value", "said"), WRONG_VALUES)
def test_a_wrong_value_is_one_problem_that_names_everything(column, value, said):
    row = {"name": "chair"} | {column: value}
    (problem,) = find_problems(TABLE, [row])
    assert (problem.table, problem.column) == ("stock", column)
    assert said in problem.problem
    assert problem.fix
    text = str(problem)
    assert text.startswith(f"stock.{column}, row ")
    assert f". Fix: {problem.fix}" in text
    if column != "name":
        assert "row name=chair:" in text


@pytest.mark.parametrize(("column", "value"), GOOD_VALUES)
def test_a_good_value_is_no_problem_and_can_be_stored(column, value):
    row = {"name": "chair"} | {column: value}
    assert find_problems(TABLE, [row]) == []
    stored = arrow_table(TABLE, [row]).to_pylist()[0]
    assert stored[column] == (list(value) if isinstance(value, tuple) else value)


def test_all_problems_are_found_at_once():
    wrong = [{"name": f"n{i}", column: value} for i, (column, value, _) in enumerate(WRONG_VALUES)]
    problems = find_problems(TABLE, wrong)
    assert len(problems) >= len(WRONG_VALUES)
    assert {problem.column for problem in problems} == {column for column, _, _ in WRONG_VALUES}
    several = find_problems(TABLE, [{"kind": "oval", "count": -1, "extra": 1, "sizes": [0]}])
    assert [problem.column for problem in several] == ["extra", "name", "kind", "count", "sizes"]


def test_the_error_counts_all_and_shows_twenty():
    wrong = [{"name": f"n{i}", "count": -1} for i in range(25)]
    with pytest.raises(SchemaError) as caught:
        require_valid(TABLE, wrong)
    assert len(caught.value.problems) == 25
    assert str(caught.value).startswith("25 schema problems:\n")
    assert "row name=n19:" in str(caught.value)
    assert "row name=n20:" not in str(caught.value)
    assert str(caught.value).endswith("… and 5 more")


def test_one_problem_is_singular():
    with pytest.raises(SchemaError, match=r"^1 schema problem:\n"):
        require_valid(TABLE, [{"name": None}])


def test_a_repeated_key_names_both_rows():
    (problem,) = find_problems(TABLE, [{"name": "a"}, {"name": "b"}, {"name": "a", "count": 1}])
    assert problem.problem == "row 2 has the natural key of row 0"
    assert problem.row_key == "name=a"


def test_null_is_a_value_in_a_key():
    table = Table("t", "t", (TABLE.column_by_name["kind"], TABLE.column_by_name["count"]), ("kind", "count"))
    assert find_problems(table, [{"kind": None, "count": 1}, {"kind": None, "count": None}, {"kind": "round"}]) == []
    (problem,) = find_problems(table, [{"kind": None, "count": 1}, {"count": 1}])
    assert problem.column == "kind+count"


@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_a_key_of_a_type_that_cannot_be_hashed_is_a_problem_not_a_crash(value):
    problems = find_problems(TABLE, [{"name": value}, {"name": value}])
    assert {problem.column for problem in problems} >= {"name"}


def test_a_broken_definition_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Table("t", "t", (TABLE.columns[0], TABLE.columns[0]), ("name",))
    with pytest.raises(ValueError, match=r"unknown columns \['other'\]"):
        Table("t", "t", TABLE.columns, ("other",))


def test_invalid_rows_make_no_arrow_table():
    with pytest.raises(SchemaError):
        arrow_table(TABLE, [{"name": "a"}, {"name": "b", "price": 0}])


# ---- the rules of the real tables ------------------------------------------------------------------------------------


def broken_rules(table, row):
    return {problem.column: problem.problem for problem in find_problems(table, [row])}


@pytest.mark.parametrize(
    "row",
    [
        rows.measured(),
        rows.measured(samples_ms=[10.0 + i / 100 for i in range(100)]),
        rows.measured(source="bundle"),
        rows.without_number("failed"),
        rows.without_number("timeout"),
        rows.without_number("out_of_memory"),
        rows.whole_cell("no_hardware"),
        rows.whole_cell("unsupported"),
        rows.legacy(),
        rows.legacy(provenance="simulated"),
        rows.legacy(samples_ms=[1.0], n_samples=1),
        rows.legacy(n_samples=5),
        rows.legacy(n_samples=None, latency_ms_p99=30.0),
    ],
)
def test_the_builders_give_valid_rows(row):
    assert find_problems(CORE_BENCH__INFERENCE, [row]) == []


def test_one_hundred_samples_have_a_p99():
    hundred = rows.measured(samples_ms=[10.0 + i / 100 for i in range(100)])
    assert hundred["latency_ms_p99"] is not None
    assert rows.measured()["latency_ms_p99"] is None


BROKEN_RESULTS = [
    ("number_has_provenance", rows.measured(provenance_reason=None), "provenance has no reason"),
    ("number_has_provenance", rows.measured(provenance="none"), "there is a number but provenance is none"),
    ("number_has_provenance", rows.legacy(latency_ms_mean=None), "status is ok but nothing was measured"),
    (
        "number_has_provenance",
        rows.without_number(provenance="measured"),
        "status is failed but provenance is measured",
    ),
    ("number_has_provenance", rows.whole_cell(latency_ms_mean=2.5), "no_hardware but latency_ms_mean hold numbers"),
    ("failure_says_why", rows.without_number(error_message=None), "without error_class and error_message"),
    ("failure_says_why", rows.without_number(error_class=None), "without error_class and error_message"),
    ("failure_says_why", rows.measured(error_message="oops"), "status is ok with an error"),
    ("failure_says_why", rows.measured(error_class="Oops"), "status is ok with an error"),
    ("latencies_are_ordered", rows.measured(latency_ms_min=11.9), "latency_ms_min 11.9 is above latency_ms_p50"),
    ("latencies_are_ordered", rows.measured(latency_ms_p90=9.0, latency_ms_p95=None), "is above latency_ms_p90 9"),
    ("latencies_are_ordered", rows.legacy(latency_ms_p50=3.0, latency_ms_max=2.0), "p50 3 is above latency_ms_max 2"),
    ("p99_has_samples", rows.measured(latency_ms_p99=13.9), "latency_ms_p99 from 10 samples"),
    (
        "p99_has_samples",
        rows.measured(samples_ms=[1.0 + i for i in range(99)], latency_ms_p99=98.5),
        "latency_ms_p99 from 99 samples",
    ),
    ("own_numbers_have_evidence", rows.measured(run_id=None), "a number of our own lacks run_id"),
    ("own_numbers_have_evidence", rows.measured(config_sha256=None), "lacks config_sha256"),
    ("own_numbers_have_evidence", rows.measured(n_parameters=None), "lacks n_parameters"),
    ("own_numbers_have_evidence", rows.measured(environment_id=None), "lacks environment_id"),
    ("own_numbers_have_evidence", rows.measured(model_size=None), "lacks model_size"),
    ("own_numbers_have_evidence", rows.measured(samples_ms=[], n_samples=None), "lacks samples_ms"),
    ("own_numbers_have_evidence", rows.measured(n_samples=9), "n_samples is 9, samples_ms has 10"),
    ("own_numbers_have_evidence", rows.legacy(samples_ms=[1.0, 2.0]), "n_samples is None, samples_ms has 2"),
    ("own_rows_have_a_run", rows.without_number(run_id=None), "lacks run_id"),
    ("own_rows_have_a_run", rows.without_number(started_at=None), "lacks started_at"),
    ("own_rows_have_a_run", rows.measured(source="bundle", started_at=None), "lacks started_at"),
    ("result_id_is_of_key", rows.measured() | {"result_id": "0" * 32}, "the natural key gives"),
    ("result_id_is_of_key", rows.measured() | {"batch_size": 2}, "the natural key gives"),
    ("result_id_is_of_key", rows.legacy() | {"source_pointer": "/1"}, "the natural key gives"),
]


@pytest.mark.parametrize(("rule", "row", "said"), BROKEN_RESULTS)
def test_a_result_row_that_breaks_a_rule(rule, row, said):
    broken = broken_rules(CORE_BENCH__INFERENCE, row)
    assert said in broken.pop(rule)
    assert set(broken) <= {"own_numbers_have_evidence", "own_rows_have_a_run"}


@pytest.mark.parametrize("quantity", QUANTITY_COLUMNS)
@pytest.mark.parametrize("status", ["failed", "no_hardware", "unsupported", "timeout", "out_of_memory"])
def test_nothing_that_is_not_ok_holds_any_number(quantity, status):
    row = rows.without_number(status) | {quantity: [1.5] if quantity == "samples_ms" else 1.5}
    row |= {"n_samples": 1} if quantity == "samples_ms" else {}
    assert (
        f"status is {status} but {quantity} hold numbers"
        == broken_rules(OUT__RESULTS, row | {"is_current": True})["number_has_provenance"]
    )


@pytest.mark.parametrize("quantity", QUANTITY_COLUMNS)
def test_zero_is_no_measurement(quantity):
    if quantity in ("latency_ms_std", "optimizer_memory_mb"):
        return  # one sample, or equal ones, have a spread of 0; SGD keeps no state
    (problem,) = find_problems(
        CORE_BENCH__INFERENCE, [rows.legacy() | {quantity: [0.0] if quantity == "samples_ms" else 0.0}]
    )
    assert (problem.column, problem.fix) == (quantity, "store NULL for what was not measured, never 0 or a default")


def test_rules_wait_until_the_types_are_right():
    problems = broken_rules(CORE_BENCH__INFERENCE, rows.measured() | {"status": None, "latency_ms_min": "fast"})
    assert set(problems) == {"status", "latency_ms_min"}


EXPORT = {"model": "bert", "model_size": "tiny", "model_id": "bert-tiny", "exported_at": rows.STARTED}
EXPERIMENT = {
    "run_id": "run",
    "experiment": "audio_workgroups",
    "subject": "a sound",
    "hardware": "webgpu",
    "device_name": "a GPU",
    "metric": "spectrogram_ms",
    "variant": "64x1x1",
    "n_rounds": 0,
    "harness_version": "0",
    "started_at": rows.STARTED,
}
COMPARED = {
    "dimension": "hardware",
    "baseline_side": "cpu",
    "candidate_side": "cuda",
    "baseline_result_id": "b",
    "candidate_result_id": "c",
    "source": "hwbench",
    "is_software": False,
    "metric": "latency_ms_p50",
    "speed_up": 1.0,
}
JUDGED = {
    "series_id": "s",
    "scope": "cell",
    "source": "hwbench",
    "metric": "latency_ms_p50",
    "verdict": "regression",
    "reason": "slower",
}

OTHER_RULES = [
    (
        CORE_IMPORTS__RESULTS,
        rows.legacy(source="timm", corrections="B1 …"),
        "corrected_keeps_reported",
        "corrections are named without the values as reported",
    ),
    (
        RAW_LEGACY__FILES,
        rows.legacy_file(n_records=3),
        "records_are_accounted",
        "n_records is 3, its parts add up to 0",
    ),
    (RAW_LEGACY__FILES, rows.legacy_file(error=None), "unread_says_why", "no_results without a reason"),
    (
        CORE_LEGACY__SOURCES,
        {"result_id": "r", "path": "/a", "pointer": "/0", "sha256": "s", "role": "copy", "relation": "itself"},
        "itself_is_no_copy",
        "role is copy where relation is itself",
    ),
    (
        CORE_LEGACY__QUARANTINE,
        {"path": "/a", "place": 0, "reason": "r", "reason_kind": "r", "kept_at": "k", "batch_id": "b"},
        "kept_has_hash",
        "their hash is not known",
    ),
    (OUT__COVERAGE, rows.coverage("measured"), "state_has_evidence", "n_measured_reference is 0"),
    (OUT__COVERAGE, rows.coverage("measured", n_measured_tiny=4), "state_has_evidence", "n_measured_reference is 0"),
    (OUT__COVERAGE, rows.coverage("measured_tiny_only"), "state_has_evidence", "n_measured_tiny is 0"),
    (OUT__COVERAGE, rows.coverage("failed"), "state_has_evidence", "n_failed is 0"),
    (OUT__COVERAGE, rows.coverage("unsupported"), "state_has_evidence", "n_unsupported is 0"),
    (OUT__COVERAGE, rows.coverage("no_hardware"), "state_has_evidence", "n_no_hardware is 0"),
    (CORE_MODELS__ONNX, EXPORT | {"status": "ok"}, "export_says_why_not", "there is no file"),
    (CORE_MODELS__ONNX, EXPORT | {"status": "failed"}, "export_says_why_not", "no reason"),
    (OUT__COMPARISON, COMPARED | {"verdict": "faster"}, "verdict_or_reason", "without an interval"),
    (OUT__COMPARISON, COMPARED, "verdict_or_reason", "exclude each other"),
    (
        OUT__COMPARISON,
        COMPARED | {"verdict": "faster", "speed_up_low": 0.9, "speed_up_high": 1.1},
        "interval_says_verdict",
        "says no difference shown, the verdict faster",
    ),
    (OUT__REGRESSIONS, JUDGED | {"severity": "high"}, "change_has_evidence", "without a change or its evidence"),
    (
        OUT__REGRESSIONS,
        JUDGED | {"change_percent": 9.0, "evidence": "re-run"},
        "change_has_evidence",
        "the verdict is regression and the severity None",
    ),
    (CORE_BENCH__WEB_EXPERIMENTS, EXPERIMENT | {"verdict": "faster"}, "compared_or_why_not", "it has no ratio"),
    (CORE_BENCH__WEB_EXPERIMENTS, EXPERIMENT, "compared_or_why_not", "no samples, and no reason"),
    (
        CORE_HARDWARE,
        {
            "hardware": "cuda",
            "platform": "cuda",
            "is_available": False,
            "probe": "asked",
            "supports_training": True,
            "peaks_method": "none",
            "probed_at": rows.STARTED,
        },
        "absence_says_why",
        "absent without a reason",
    ),
    (
        OUT__PREDICTION_SCORES,
        {
            "protocol": "leave_one_model_out",
            "mode": "inference",
            "model_size": "tiny",
            "method": "xgboost",
            "n_rows": 1,
            "n_models": 1,
        },
        "score_or_reason",
        "exclude each other",
    ),
    (
        OUT__PREDICTIONS,
        {
            "model": "bert",
            "model_size": "tiny",
            "config_sha256": "c",
            "hardware": "cpu",
            "mode": "inference",
            "precision": "fp32",
            "provenance": "predicted",
            "predictor_id": "p",
            "best_baseline": "roofline",
            "held_out_median_ape_percent": 20.0,
            "best_baseline_median_ape_percent": 30.0,
            **dict.fromkeys(("batch_size", "n_parameters", "flops", "weight_bytes", "n_training_rows"), 1),
            **dict.fromkeys(("peak_gflops", "memory_bandwidth_gb_per_s", "roofline_latency_ms"), 1.0),
            "latency_ms_p50_low": 2.0,
            "latency_ms_p50_predicted": 1.0,
            "latency_ms_p50_high": 3.0,
        },
        "range_holds_prediction",
        "does not hold the prediction",
    ),
]


@pytest.mark.parametrize(("table", "row", "rule", "said"), OTHER_RULES)
def test_a_row_that_breaks_a_rule_of_its_table(table, row, rule, said):
    broken = broken_rules(table, row)
    assert set(broken) == {rule}
    assert said in broken[rule]


def test_every_rule_of_every_table_has_a_test():
    tested = {rule for rule, _, _ in BROKEN_RESULTS} | {rule for _, _, rule, _ in OTHER_RULES}
    assert {rule.name for table in TABLES for rule in table.rules} == tested


def test_nobody_can_call_a_prediction_measured():
    (problem,) = [
        problem
        for problem in find_problems(OUT__PREDICTIONS, [OTHER_RULES[-1][1] | {"provenance": "measured"}])
        if problem.column == "provenance"
    ]
    assert "is not one of predicted" in problem.problem


def test_the_id_of_the_builders_is_the_id_of_the_key():
    assert rows.measured()["result_id"] == result_id_of(rows.measured())
    assert rows.measured()["result_id"] != rows.measured(batch_size=2)["result_id"]
