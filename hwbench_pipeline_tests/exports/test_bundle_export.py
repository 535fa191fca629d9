"""`hwbench export bundle`: what a warehouse measured, in one file that another one imports."""

from __future__ import annotations

import pytest

from hwbench_pipeline.analysis.refreshing import refresh
from hwbench_pipeline.bench.storing import TABLE_OF_MODE
from hwbench_pipeline.hardware.environment import environment_row
from hwbench_pipeline.imports import bundle
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.writing import write_environments, write_run
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.cli.conftest import call, elsewhere

__all__ = ["call", "elsewhere"]  # fixtures of the command line's tests


@pytest.fixture
def warehouse(tmp_path):
    """A measured cell, one whose hardware is absent, and an older run of the first."""
    folder = tmp_path / "w"
    folder.mkdir()
    environment = environment_row(
        device_name="Test cpu", device_memory_mb=None, driver_version=None, threads_intra_op=1, threads_inter_op=1
    )
    write_environments(folder, [environment])
    identity = environment["environment_id"]
    made = [
        ("a", rows.measured(run_id="a", environment_id=identity)),
        ("b", rows.measured(run_id="b", environment_id=identity, started_at=rows.later(5))),
        ("b", rows.whole_cell(hardware="cuda", run_id="b", environment_id=identity)),
    ]
    for run, row in made:
        write_run(folder, TABLE_OF_MODE["inference"], Cell(row["hardware"], row["model"]), run, [row])
    refresh(folder)
    return folder


def rows_in(path):
    document = bundle.read(path.read_bytes(), path.name)
    assert document.refused == []
    return {(row.columns["run_id"], row.columns["hardware"]) for row in document.rows}


def test_current_rows_with_and_without_a_number_are_in_it(call, warehouse, tmp_path):
    path = tmp_path / "b.json.gz"
    done = call("export", "bundle", "--warehouse", warehouse, "--output", path, "--json")
    assert (done.code, done.document["n_rows"]) == (0, 2)
    assert rows_in(path) == {("b", "cpu"), ("b", "cuda")}
    again = call("export", "bundle", "--warehouse", warehouse, "--output", path)
    assert again.code == 2
    assert "Fix: another name, or --force" in again.err
    assert call("export", "bundle", "--warehouse", warehouse, "--output", path, "--force", "--history").code == 0
    assert rows_in(path) == {("a", "cpu"), ("b", "cpu"), ("b", "cuda")}


def test_what_other_files_brought_is_left_out_and_counted(call, warehouse, tmp_path):
    path = tmp_path / "b.json.gz"
    elsewhere_made = tmp_path / "v"
    elsewhere_made.mkdir()
    assert call("export", "bundle", "--warehouse", warehouse, "--output", path).code == 0
    assert call("import", "bundle", path, "--warehouse", elsewhere_made).code == 0
    nothing = call("export", "bundle", "--warehouse", elsewhere_made, "--output", tmp_path / "c.json.gz")
    assert nothing.code == 1
    assert "measured none of 2 rows into this warehouse" in nothing.err
    assert not (tmp_path / "c.json.gz").exists()


def test_a_name_that_says_no_format_is_refused(call, warehouse, tmp_path):
    done = call("export", "bundle", "--warehouse", warehouse, "--output", tmp_path / "bundle")
    assert done.code == 2
    assert "ends in .json or .json.gz" in done.err
