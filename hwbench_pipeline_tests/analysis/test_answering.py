"""Answers of a real warehouse: tables written and read, changes accepted, alarms that are new."""

from __future__ import annotations

import pytest

from hwbench_pipeline.analysis.answering import (
    UnknownSeriesError,
    accept,
    accepted_changes,
    compare_now,
    regressions_now,
    results_now,
    write_comparisons,
    write_regressions,
)
from hwbench_pipeline.analysis.comparison import Sides
from hwbench_pipeline.analysis.refreshing import unite
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_REGRESSIONS__ACCEPTED,
    OUT__COMPARISON,
    OUT__REGRESSIONS,
    OUT__SCALING,
)
from hwbench_pipeline.warehouse.location import Cell, table_file
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import WarehouseError, write_environments, write_run
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import ENVIRONMENT, Nights


def stored(folder, nights):
    """The nights' runs written as executions of cells."""
    write_environments(folder, [ENVIRONMENT])
    for row in nights.rows:
        write_run(folder, CORE_BENCH__INFERENCE, Cell(row["hardware"], row["model"]), row["run_id"], [row])
    return folder


@pytest.fixture
def slower(tmp_path):
    """A warehouse in which one of ten cells became slower on the last three of nine nights."""
    nights = Nights(10).sweeps(6)
    for _ in range(3):
        nights.sweep({"model4": 1.3})
    return stored(tmp_path / "warehouse", nights)


def verdict_of(found, model="model4"):
    return next(row["verdict"] for row in found if row["model"] == model)


def test_tables_are_written_from_the_united_results(slower):
    unite(slower)
    comparisons, regressions = write_comparisons(slower), write_regressions(slower)
    assert read_rows(slower, OUT__COMPARISON)[0] == comparisons.comparison.rows
    assert {row["dimension"] for row in comparisons.comparison.rows} == {"run"}
    assert read_rows(slower, OUT__SCALING)[0] == comparisons.scaling.rows == []
    assert read_rows(slower, OUT__REGRESSIONS)[0] == regressions.rows
    assert verdict_of(regressions.rows) == "regression"
    assert [row["model"] for row in regressions.new_alarms] == ["model4"]


def test_an_alarm_is_new_once(slower):
    unite(slower)
    assert len(write_regressions(slower).new_alarms) == 1
    assert write_regressions(slower).new_alarms == []


def test_what_is_asked_now_needs_no_united_table_and_makes_none(slower):
    found, unreadable = regressions_now(slower)
    assert unreadable == []
    assert verdict_of(found) == "regression"
    read = results_now(slower)
    assert len(compare_now(read, Sides("run"), read.results).rows) == 10
    assert not table_file(slower, OUT__REGRESSIONS).exists()


def test_the_tables_of_an_empty_warehouse_are_empty(tmp_path):
    unite(tmp_path)
    assert write_regressions(tmp_path).rows == []
    assert write_comparisons(tmp_path).comparison.rows == []


def test_an_accepted_change_is_stored_as_a_row_and_is_no_alarm_any_more(slower):
    found, _ = regressions_now(slower)
    series_id = next(row["series_id"] for row in found if row["model"] == "model4")
    (made,) = accept(slower, found, [series_id[:6]], "exact attention")
    (kept,) = read_rows(slower, CORE_REGRESSIONS__ACCEPTED)[0]
    assert kept == made
    assert (kept["series_id"], kept["verdict"], kept["reason"]) == (series_id, "regression", "exact attention")
    again, _ = regressions_now(slower)
    assert verdict_of(again) == "no change shown"
    assert accepted_changes(slower) == [kept]


@pytest.mark.parametrize(
    ("name", "said"),
    [("zzzz", "is no series here"), ("", "begins"), (None, "shows no change shown, which nobody need accept")],
)
def test_what_is_no_change_of_one_series_is_not_accepted(slower, name, said):
    found, _ = regressions_now(slower)
    if name is None:
        name = next(row["series_id"] for row in found if row["model"] == "model1")
    for row in found:  # a second change, so that an empty id means two
        if row["model"] == "model2":
            row |= {"verdict": "suspected", "change_result_id": "x"}
    with pytest.raises(UnknownSeriesError, match=said) as raised:
        accept(slower, found, [name], "why not")
    assert "Fix:" in str(raised.value)
    assert accepted_changes(slower) == []


def test_accepted_changes_that_cannot_be_read_are_not_forgotten(slower):
    table_file(slower, CORE_REGRESSIONS__ACCEPTED).write_bytes(b"not parquet")
    with pytest.raises(WarehouseError, match="Fix: restore the file"):
        regressions_now(slower)


def test_a_lost_cell_is_found_through_the_warehouse(tmp_path):
    nights = Nights(3).sweeps(2)
    nights.rows.append(
        rows.without_number("timeout", model="model1", run_id="run-99999", started_at=rows.later(24 * 60 * 3))
    )
    found, _ = regressions_now(stored(tmp_path, nights))
    assert verdict_of(found, "model1") == "lost cell"
