"""Coverage counts what the rows say, and nothing else."""

from __future__ import annotations

import pytest

from hwbench_pipeline.analysis.coverage import coverage_rows, state_counts
from hwbench_pipeline.analysis.refreshing import coverage_now, refresh
from hwbench_pipeline.catalog.names import MODELS
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__INFERENCE,
    CORE_LEGACY__RESULTS,
    OUT__COVERAGE,
    OUT__RESULTS,
    TABLES,
)
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_run, write_table
from hwbench_pipeline_tests import rows

CATEGORIES = {"bert": "text_encoder", "vit": "vision"}


def covered(*results, current=True):
    """Coverage of a grid of two platforms and two models; every row of it keeps the schema."""
    complete = [OUT__RESULTS.complete(row) | {"is_current": row.get("is_current", current)} for row in results]
    made = coverage_rows(complete, hardware=["cpu", "cuda"], categories=CATEGORIES)
    assert find_problems(OUT__COVERAGE, made) == []
    return {(row["mode"], row["hardware"], row["model"]): row for row in made}


def cell(*results, **options):
    """The cell cpu × bert."""
    return covered(*results, **options)["inference", "cpu", "bert"]


def counts(row):
    return {name.removeprefix("n_"): value for name, value in row.items() if name.startswith("n_") and value}


def test_the_grid_is_every_mode_hardware_and_model_once_also_without_results():
    found = covered()
    assert list(found) == [
        (mode, hardware, model)
        for mode in ("inference", "training")
        for hardware in ("cpu", "cuda")
        for model in ("bert", "vit")
    ]
    for row in found.values():
        assert (row["state"], row["reason"], row["newest_measured_at"], counts(row)) == ("never_tried", None, None, {})
    assert found["inference", "cpu", "vit"]["category"] == "vision"


TRIED = [rows.without_number("failed"), rows.without_number("timeout", batch_size=2)]


@pytest.mark.parametrize(
    ("results", "state", "expected"),
    [
        ([rows.measured()], "measured", {"measured_reference": 1}),
        ([rows.measured(), rows.measured(batch_size=2)], "measured", {"measured_reference": 2}),
        ([rows.measured(model_size="tiny")], "measured_tiny_only", {"measured_tiny": 1}),
        (
            [rows.measured(model_size="tiny"), rows.measured()],
            "measured",
            {"measured_tiny": 1, "measured_reference": 1},
        ),
        ([rows.measured(model_size="custom")], "never_tried", {"measured_custom": 1}),
        ([rows.without_number("failed")], "failed", {"failed": 1}),
        ([rows.without_number("timeout")], "failed", {"failed": 1}),
        ([rows.without_number("out_of_memory")], "failed", {"failed": 1}),
        (TRIED, "failed", {"failed": 2}),
        ([*TRIED, rows.measured(batch_size=4)], "measured", {"failed": 2, "measured_reference": 1}),
        ([*TRIED, rows.measured(model_size="tiny")], "measured_tiny_only", {"failed": 2, "measured_tiny": 1}),
        ([rows.whole_cell("unsupported")], "unsupported", {"unsupported": 1}),
        ([rows.whole_cell("unsupported"), rows.without_number()], "failed", {"unsupported": 1, "failed": 1}),
        ([rows.whole_cell("no_hardware")], "no_hardware", {"no_hardware": 1}),
        (
            [rows.whole_cell("no_hardware"), rows.whole_cell("unsupported", model_size="tiny")],
            "unsupported",
            {"no_hardware": 1, "unsupported": 1},
        ),
        ([rows.whole_cell("no_hardware"), rows.measured()], "measured", {"no_hardware": 1, "measured_reference": 1}),
        ([rows.measured(source="bundle")], "measured", {"measured_reference": 1}),
        ([rows.legacy()], "never_tried", {"imported_measured": 1}),
        ([rows.legacy(provenance="simulated")], "never_tried", {"imported_not_measured": 1}),
        ([rows.legacy(provenance="mock")], "never_tried", {"imported_not_measured": 1}),
        ([rows.legacy(provenance="unknown")], "never_tried", {"imported_not_measured": 1}),
        ([rows.legacy(source="timm"), rows.legacy(source="mlperf")], "never_tried", {"imported_measured": 2}),
        (
            [
                rows.legacy(
                    status="failed", provenance="none", latency_ms_mean=None, error_class="E", error_message="old"
                )
            ],
            "never_tried",
            {},
        ),
        ([rows.measured(), rows.legacy()], "measured", {"measured_reference": 1, "imported_measured": 1}),
    ],
)
def test_states_and_counts(results, state, expected):
    row = cell(*results)
    assert row["state"] == state
    assert counts(row) == expected


@pytest.mark.parametrize(
    "narrower",
    [
        rows.without_number("unsupported", scenario="generate"),
        rows.without_number("failed", scenario="generate"),
        rows.without_number("unsupported", variant="throughput"),
        rows.without_number("timeout", variant="compile"),
        rows.without_number("unsupported", precision="int4"),
        rows.without_number("out_of_memory", error_class="OverLimit"),
        rows.without_number("unsupported", error_class="MemoryUnreadable"),
    ],
    ids=lambda row: (
        f"{row['status']} {row.get('scenario')} {row.get('variant')} {row['precision']} {row['error_class']}"
    ),
)
def test_the_end_of_a_narrower_question_says_nothing_of_the_cell(narrower):
    row = cell(narrower)
    assert (row["state"], row["reason"]) == ("never_tried", None)
    assert sum(counts(row).values()) == 1  # the row itself is counted
    unsupported = rows.without_number("unsupported", batch_size=2, started_at=rows.later(-1), error_message="too old")
    row = cell(narrower, unsupported)
    assert (row["state"], row["reason"]) == ("unsupported", "too old")
    row = cell(narrower, rows.measured(model_size="tiny"))
    assert (row["state"], row["reason"]) == ("measured_tiny_only", None)


@pytest.mark.parametrize(
    ("usual", "state"),
    [
        (rows.without_number("unsupported", scenario="forward"), "unsupported"),
        (rows.without_number("unsupported"), "unsupported"),
        (rows.without_number("out_of_memory", precision="bf16"), "failed"),
        (rows.without_number("failed", precision="bf16"), "failed"),
    ],
)
def test_the_end_of_the_usual_call_speaks_for_the_cell(usual, state):
    """The real model may only ever be tried in the precision that it is published in."""
    assert cell(usual)["state"] == state


def test_a_measurement_in_any_way_shows_that_the_cell_runs():
    assert cell(rows.measured(scenario="generate"))["state"] == "measured"
    assert cell(rows.measured(variant="compile", precision="bf16"))["state"] == "measured"


def test_the_end_of_a_training_step_speaks_for_training():
    found = covered(rows.without_number(mode="training", scenario="train_step"))
    assert found["training", "cpu", "bert"]["state"] == "failed"


def test_rows_of_the_past_count_for_nothing():
    assert counts(cell(rows.measured(), rows.without_number(), current=False)) == {}
    row = cell(rows.measured() | {"is_current": False}, rows.without_number())
    assert (row["state"], counts(row), row["newest_measured_at"]) == ("failed", {"failed": 1}, None)


def test_a_cell_counts_its_own_rows_only():
    found = covered(
        rows.measured(hardware="cuda"),
        rows.measured(model="vit", category="vision", model_size="tiny"),
        rows.without_number(mode="training"),
    )
    states = {key: row["state"] for key, row in found.items() if row["state"] != "never_tried"}
    assert states == {
        ("inference", "cuda", "bert"): "measured",
        ("inference", "cpu", "vit"): "measured_tiny_only",
        ("training", "cpu", "bert"): "failed",
    }


def test_what_fell_back_counts_where_it_ran():
    found = covered(rows.measured(hardware="cpu", hardware_requested="cuda"))
    assert found["inference", "cpu", "bert"]["state"] == "measured"
    assert found["inference", "cuda", "bert"]["state"] == "never_tried"


def test_an_old_number_of_unknown_hardware_counts_for_no_hardware():
    """The file claims cuda and nothing proves it: that is no measured number for cuda."""
    found = covered(rows.legacy(hardware=None, hardware_requested="cuda"))
    assert all(counts(row) == {} for row in found.values())


def test_nothing_is_invented_for_models_nobody_knows():
    known = covered()
    assert covered(rows.legacy(model=None, model_id="gpt-9")) == known
    assert covered(rows.legacy(model="unheard")) == known
    assert covered(rows.legacy(hardware=None, hardware_requested=None)) == known
    assert covered(rows.legacy(hardware="qualcomm", hardware_requested="qualcomm")) == known


def test_what_we_measured_outside_the_grid_is_not_left_out():
    found = covered(rows.measured(hardware="h200-lab"), rows.measured(model="gpt9", category="text_decoder"))
    assert found["inference", "h200-lab", "bert"]["state"] == "measured"
    assert found["inference", "cpu", "gpt9"]["category"] == "text_decoder"
    assert found["training", "h200-lab", "gpt9"]["state"] == "never_tried"
    assert len(found) == 2 * 3 * 3, "the grid has no holes: every model has a cell on every hardware"


def test_an_old_row_counts_for_the_mode_that_it_names():
    assert covered(rows.legacy(mode=None)) == covered()
    assert counts(covered(rows.legacy(mode="training"))["training", "cpu", "bert"]) == {"imported_measured": 1}


def test_the_newest_measurement_and_the_newest_reason():
    row = cell(
        rows.measured(started_at=rows.later(1), model_size="tiny"),
        rows.measured(started_at=rows.later(3), model_size="tiny", batch_size=2),
        rows.measured(started_at=rows.later(2), model_size="tiny", batch_size=4),
        rows.without_number(started_at=rows.later(9), batch_size=8, error_message="first"),
        rows.without_number(started_at=rows.later(11), batch_size=16, error_message="second"),
        rows.without_number(started_at=rows.later(10), batch_size=32, error_message="third"),
    )
    assert row["newest_measured_at"] == rows.later(3)
    assert row["reason"] == "second"


def test_the_reason_is_of_the_size_that_is_missing():
    row = cell(
        rows.measured(model_size="tiny"),
        rows.without_number("out_of_memory", started_at=rows.later(1), error_message="too big"),
        rows.without_number(started_at=rows.later(2), model_size="tiny", batch_size=8, error_message="tiny trouble"),
    )
    assert row["reason"] == "too big"
    tiny_trouble = rows.without_number(model_size="tiny", batch_size=8, error_message="tiny trouble")
    assert cell(tiny_trouble)["reason"] == "tiny trouble"
    assert cell(rows.measured(model_size="tiny"), tiny_trouble)["reason"] is None


def test_a_measured_cell_needs_no_reason():
    assert cell(rows.measured(), rows.without_number(batch_size=8))["reason"] is None


def test_state_counts_add_up():
    found = covered(rows.measured(), rows.whole_cell(hardware="cuda"), rows.whole_cell("unsupported", mode="training"))
    assert state_counts(found.values()) == {
        "inference": {"measured": 1, "no_hardware": 1, "never_tried": 2},
        "training": {"unsupported": 1, "never_tried": 3},
    }


def test_refresh_brings_every_table_up_to_date(tmp_path):
    write_run(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [rows.measured()])
    write_table(tmp_path, CORE_BENCH__ENVIRONMENTS, [rows.environment()])
    write_table(tmp_path, CORE_LEGACY__RESULTS, [rows.legacy(), rows.legacy(source_pointer="/1", provenance="mock")])
    refreshed = refresh(tmp_path)
    n_cells = 2 * len(hardware_keys()) * len(MODELS)
    assert refreshed.unreadable == []
    assert {name: n for name, n in refreshed.database.n_rows.items() if n} == {
        "core_legacy__results": 2,
        "core_bench__inference": 1,
        "core_bench__environments": 1,
        "out__results": 3,
        "out__environments": 1,
        "out__coverage": n_cells,
    }
    stored, _ = read_rows(tmp_path, OUT__COVERAGE)
    assert coverage_now(tmp_path) == (stored, [])
    (row,) = [row for row in stored if row["state"] == "measured"]
    assert (row["hardware"], row["model"]) == ("cpu", "bert")
    assert counts(row) == {"measured_reference": 1, "imported_measured": 1, "imported_not_measured": 1}
    assert row["newest_measured_at"] == rows.STARTED


def test_refreshing_an_empty_warehouse_makes_empty_tables(tmp_path):
    refreshed = refresh(tmp_path / "new")
    assert set(refreshed.database.n_rows) == {table.name for table in TABLES}
    assert {row["state"] for row in read_rows(tmp_path / "new", OUT__COVERAGE)[0]} == {"never_tried"}


def test_coverage_now_writes_nothing(tmp_path):
    write_run(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [rows.measured()])
    before = sorted(tmp_path.rglob("*"))
    coverage_now(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
