"""Tables as they are read: exact types, NULLs, broken files left out and named."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hwbench_pipeline
from hwbench_pipeline.analysis.refreshing import coverage_now, refresh
from hwbench_pipeline.schema.arrow import arrow_schema, arrow_table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_HARDWARE,
    OUT__COVERAGE,
    OUT__RESULTS,
    TABLES,
)
from hwbench_pipeline.warehouse.location import Cell, table_file
from hwbench_pipeline.warehouse.reading import (
    UnreadableFileWarning,
    connect,
    read_arrow,
    read_rows,
    register_tables,
)
from hwbench_pipeline.warehouse.writing import write_parquet, write_run, write_table
from hwbench_pipeline_tests import rows

BERT, VIT = Cell("cpu", "bert"), Cell("cpu", "vit")


def put(warehouse, cell, run_id="run-1"):
    row = rows.measured(hardware=cell.hardware, model=cell.model, run_id=run_id)
    return write_run(warehouse, CORE_BENCH__INFERENCE, cell, run_id, [row])


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble(path):
    """Break the data and keep the footer."""
    data = bytearray(path.read_bytes())
    data[4:3000] = b"\xff" * 2996
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_nobody_wrote_is_empty_with_its_types(tmp_path, table):
    data, unreadable = read_arrow(tmp_path / "nowhere", table)
    assert (data.num_rows, unreadable) == (0, [])
    assert data.schema.names == list(table.column_names)
    assert data.schema.types == arrow_schema(table).types


@pytest.mark.parametrize("break_file", [truncate, scramble, empty])
def test_a_broken_cell_is_left_out_and_named_and_the_others_stay(tmp_path, break_file):
    broken, _ = put(tmp_path, BERT), put(tmp_path, VIT)
    break_file(broken)

    back, (unreadable,) = read_rows(tmp_path, CORE_BENCH__INFERENCE)
    assert [row["model"] for row in back] == ["vit"]
    assert unreadable.path == broken
    assert str(unreadable).startswith(f"left out {broken}: ")
    assert "\n" not in str(unreadable)
    assert (
        "Fix: delete it; `hwbench bench --hardware cpu --model bert --mode inference` measures the cell again"
        in str(unreadable)
    )

    with pytest.warns(UnreadableFileWarning, match=r"left out .*cell_model=bert.*Fix:") as caught:
        frame = hwbench_pipeline.read("core_bench__inference", tmp_path)
    assert frame["model"].tolist() == ["vit"]
    assert len(caught) == 1
    assert caught[0].filename == __file__

    covered, left_out = coverage_now(tmp_path)
    assert [file.path for file in left_out] == [broken]
    states = {(row["mode"], row["hardware"], row["model"]): row["state"] for row in covered}
    assert states["inference", "cpu", "vit"] == "measured"
    assert states["inference", "cpu", "bert"] == "never_tried"

    refreshed = refresh(tmp_path)
    assert [file.path for file in refreshed.unreadable] == [broken]
    assert refreshed.database.n_rows["out__results"] == 1
    assert read_rows(tmp_path, OUT__RESULTS)[0][0]["model"] == "vit"


def test_a_broken_table_that_is_written_whole_says_how_it_comes_back(tmp_path):
    path = write_table(tmp_path, CORE_BENCH__ENVIRONMENTS, [rows.environment()])
    truncate(path)
    back, (unreadable,) = read_rows(tmp_path, CORE_BENCH__ENVIRONMENTS)
    assert back == []
    assert "Fix: delete it; the step that made it writes it again" in str(unreadable)


@pytest.mark.parametrize("closed", ["file", "folder", "cell", "table"])
def test_what_this_user_may_not_read_is_named_and_not_called_broken(tmp_path, unprivileged, closed):
    path, _ = put(tmp_path, BERT), put(tmp_path, VIT)
    target = {"file": path, "folder": path.parent, "cell": path.parent, "table": path.parents[2]}[closed]
    target.chmod(0)
    code = f"""
        from pathlib import Path
        from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
        from hwbench_pipeline.warehouse.location import Cell
        from hwbench_pipeline.warehouse.reading import read_rows
        cell = Cell("cpu", "bert") if {closed == "cell"} else None
        back, unreadable = read_rows(Path({str(tmp_path)!r}), CORE_BENCH__INFERENCE, cell)
        print(*(row["model"] for row in back))
        print(*unreadable, sep="\\n")
    """
    try:
        done = subprocess.run(
            [*unprivileged, sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
        )
    finally:
        target.chmod(0o755)
    assert done.returncode == 0, done.stderr
    models, *left_out = done.stdout.splitlines()
    assert models == ("vit" if closed in ("file", "folder") else "")
    (line,) = left_out
    assert line.startswith(f"left out {target}: permission denied. Fix: make it readable")
    assert "delete" not in line


def test_columns_that_an_older_file_lacks_are_null(tmp_path):
    put(tmp_path, VIT)
    old = arrow_table(CORE_BENCH__INFERENCE, [rows.measured(peak_memory_mb=7.5)]).drop_columns(
        ["peak_memory_mb", "flops", "samples_ms", "flags"]
    )
    write_parquet(old, BERT.run_file(tmp_path, CORE_BENCH__INFERENCE, "old"))
    back, unreadable = read_rows(tmp_path, CORE_BENCH__INFERENCE)
    assert unreadable == []
    old_row, new_row = sorted(back, key=lambda row: row["model"])
    for name in ("peak_memory_mb", "flops", "samples_ms", "flags"):
        assert old_row[name] is None
    assert old_row["latency_ms_p50"] == new_row["latency_ms_p50"]
    assert new_row["samples_ms"] == rows.SAMPLES
    # alone, too
    ((row,), _) = read_rows(tmp_path, CORE_BENCH__INFERENCE, BERT)
    assert row == old_row


def test_a_file_without_a_column_that_every_row_must_have_is_left_out(tmp_path):
    put(tmp_path, VIT)
    old = arrow_table(CORE_BENCH__INFERENCE, [rows.measured()]).drop_columns(["provenance", "flops"])
    path = write_parquet(old, BERT.run_file(tmp_path, CORE_BENCH__INFERENCE, "old"))
    refreshed = refresh(tmp_path)
    (unreadable,) = refreshed.unreadable
    assert unreadable.path == path
    assert "an older version wrote it, without provenance. Fix: " in str(unreadable)
    assert [row["model"] for row in read_rows(tmp_path, OUT__RESULTS)[0]] == ["vit"]


def test_a_broken_training_cell_is_measured_again_as_training(tmp_path):
    path = write_run(tmp_path, CORE_BENCH__TRAINING, BERT, "r", [rows.measured(mode="training")])
    truncate(path)
    (unreadable,) = read_rows(tmp_path, CORE_BENCH__TRAINING)[1]
    assert "`hwbench bench --hardware cpu --model bert --mode training` measures the cell again" in str(unreadable)


def test_columns_in_another_order_or_nobody_knows_change_nothing(tmp_path):
    put(tmp_path, VIT)
    data = arrow_table(CORE_BENCH__INFERENCE, [rows.measured()])
    mixed = data.select(list(reversed(data.column_names))).append_column("shoe_size", pa.array([42]))
    write_parquet(mixed, BERT.run_file(tmp_path, CORE_BENCH__INFERENCE, "mixed"))
    back, _ = read_rows(tmp_path, CORE_BENCH__INFERENCE)
    assert rows.complete(CORE_BENCH__INFERENCE, [rows.measured()])[0] in back
    assert [list(row) for row in back] == [list(CORE_BENCH__INFERENCE.column_names)] * 2


def test_types_of_another_width_are_brought_back_to_the_schema(tmp_path):
    data = arrow_table(CORE_BENCH__INFERENCE, [rows.measured()])
    index = data.column_names.index("batch_size")
    narrow = data.set_column(index, "batch_size", pa.array([1], pa.int32()))
    write_parquet(narrow, BERT.run_file(tmp_path, CORE_BENCH__INFERENCE, "narrow"))
    put(tmp_path, VIT)
    data, _ = read_arrow(tmp_path, CORE_BENCH__INFERENCE)
    assert data.schema.types == arrow_schema(CORE_BENCH__INFERENCE).types
    assert data["batch_size"].to_pylist() == [1, 1]


def test_the_path_never_overrides_the_row(tmp_path):
    """A cell that fell back to the CPU is a CPU number, whatever the cell was called."""
    fell_back = rows.measured(hardware="cpu", hardware_requested="cuda", device_name="Test cpu", flags=["cpu_fallback"])
    write_run(tmp_path, CORE_BENCH__INFERENCE, Cell("cuda", "vit"), "r", [fell_back])
    (row,), _ = read_rows(tmp_path, CORE_BENCH__INFERENCE)
    assert (row["hardware"], row["hardware_requested"], row["model"]) == ("cpu", "cuda", "bert")
    covered, _ = coverage_now(tmp_path)
    states = {(row["hardware"], row["model"]): row["state"] for row in covered if row["mode"] == "inference"}
    assert (states["cpu", "bert"], states["cuda", "bert"], states["cuda", "vit"]) == (
        "measured",
        "never_tried",
        "never_tried",
    )


def test_nor_do_the_names_of_the_folders_that_the_warehouse_lies_in(tmp_path):
    warehouse = tmp_path / "hardware=cuda" / "status=ok" / "model=vit"
    write_run(warehouse, CORE_BENCH__INFERENCE, BERT, "r", [rows.without_number("failed")])
    write_table(warehouse, CORE_BENCH__ENVIRONMENTS, [rows.environment()])
    (row,), _ = read_rows(warehouse, CORE_BENCH__INFERENCE)
    assert (row["hardware"], row["status"], row["model"]) == ("cpu", "failed", "bert")
    refresh(warehouse)
    (row,), _ = read_rows(warehouse, OUT__RESULTS)
    assert (row["hardware"], row["status"], row["model"]) == ("cpu", "failed", "bert")


@pytest.mark.parametrize("model", ["1e5", "007", "true", "2026-01-02", "null", "0x10"])
def test_a_model_key_stays_text(tmp_path, model):
    put(tmp_path, Cell("cpu", model))
    put(tmp_path, BERT)
    back, _ = read_rows(tmp_path, CORE_BENCH__INFERENCE)
    assert {row["model"] for row in back} == {model, "bert"}
    ((row,), _) = read_rows(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", model))
    assert row["model"] == model


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_times_are_utc_whatever_the_zone_of_the_machine(tmp_path, zone):
    put(tmp_path, BERT)
    refresh(tmp_path)
    code = f"""
        import time
        from pathlib import Path
        import hwbench_pipeline
        from hwbench_pipeline.analysis.refreshing import refresh
        from hwbench_pipeline.schema.tables import OUT__RESULTS
        from hwbench_pipeline.warehouse.database import ask_database
        from hwbench_pipeline.warehouse.reading import read_rows
        folder = Path({str(tmp_path)!r})
        print(time.tzname[0])
        for _ in range(2):
            print(read_rows(folder, OUT__RESULTS)[0][0]["started_at"].isoformat())
            print(hwbench_pipeline.read("out__results", folder)["started_at"][0].isoformat())
            print(ask_database(folder, "select started_at from out__results").rows[0][0].isoformat())
            print(ask_database(folder, "select started_at::varchar from out__results").rows[0][0])
            refresh(folder)  # what this machine writes is UTC too
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TZ": zone},
    )
    name, *times = done.stdout.splitlines()
    assert name != "UTC"
    assert times == ([rows.STARTED.isoformat()] * 3 + ["2026-01-02 03:04:05.678901+00"]) * 2


def test_pandas_gets_nullable_types(tmp_path):
    hardware = {
        "hardware": "cuda",
        "platform": "cuda",
        "is_available": False,
        "reason": "no driver",
        "probe": "asked",
        "supports_training": True,
        "peaks_method": "not measured",
        "probed_at": rows.STARTED,
    }
    write_table(tmp_path, CORE_HARDWARE, [hardware])
    write_run(tmp_path, CORE_BENCH__INFERENCE, BERT, "r", [rows.measured(), rows.without_number(batch_size=8)])
    frame = hwbench_pipeline.read("core_bench__inference", tmp_path)
    dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert dtypes["batch_size"] == "Int64"
    assert dtypes["latency_ms_p50"] == "Float64"
    assert dtypes["model"] == "string"
    assert dtypes["started_at"] == "datetime64[us, UTC]"
    failed = frame[frame["status"] == "failed"].iloc[0]
    for name in ("latency_ms_p50", "n_samples", "options", "flops"):
        assert failed[name] is pd.NA, name
    assert failed["batch_size"] == 8
    assert failed["samples_ms"] is None
    assert list(frame[frame["status"] == "ok"].iloc[0]["samples_ms"]) == rows.SAMPLES
    machine = hwbench_pipeline.read("core_hardware", str(tmp_path))
    assert str(machine["is_available"].dtype) == "boolean"
    assert machine["peak_gflops_fp32"][0] is pd.NA


def test_read_takes_the_warehouse_from_the_environment(tmp_path, monkeypatch):
    write_table(tmp_path, CORE_BENCH__ENVIRONMENTS, [rows.environment()])
    monkeypatch.setenv("HWBENCH_WAREHOUSE", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hwbench_pipeline.read("core_bench__environments")["machine"].tolist() == ["test-machine"]


def test_read_names_what_is_missing(tmp_path):
    with pytest.raises(KeyError, match=r"no table 'results'.*out__results"):
        hwbench_pipeline.read("results", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"out__results is not in .*Fix: run `hwbench demo`") as caught:
        hwbench_pipeline.read("out__results", tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_table_may_lie_whole_and_in_parts(tmp_path):
    write_table(tmp_path, CORE_BENCH__INFERENCE, [rows.measured(run_id="whole")])
    put(tmp_path, VIT)
    assert table_file(tmp_path, CORE_BENCH__INFERENCE).is_file()
    assert sorted(row["run_id"] for row in read_rows(tmp_path, CORE_BENCH__INFERENCE)[0]) == ["run-1", "whole"]


@pytest.mark.parametrize("name", ["with space", "it's", 'quo"te', "glob[ab]*", "ünï", "a;b--", "percent%2F"])
def test_a_warehouse_may_be_called_anything(tmp_path, name):
    warehouse = tmp_path / name
    put(warehouse, Cell("cpu", "a/b"))
    refresh(warehouse)
    assert [row["model"] for row in read_rows(warehouse, OUT__RESULTS)[0]] == ["a/b"]
    assert hwbench_pipeline.read("core_bench__inference", warehouse)["model"].tolist() == ["a/b"]


def test_a_file_that_is_being_written_is_not_read(tmp_path):
    path = put(tmp_path, BERT)
    path.with_name(f".{path.name}.0123.tmp").write_bytes(b"half")
    path.with_name(".hidden.parquet").write_bytes(b"half")
    assert len(read_rows(tmp_path, CORE_BENCH__INFERENCE)[0]) == 1
    assert read_rows(tmp_path, CORE_BENCH__INFERENCE)[1] == []


def test_every_table_is_a_view_for_sql(tmp_path):
    put(tmp_path, BERT)
    with connect() as connection:
        assert register_tables(connection, tmp_path) == []
        names = {row[0] for row in connection.execute("show tables").fetchall()}
        assert names == {table.name for table in TABLES}
        assert connection.execute("select model from core_bench__inference").fetchall() == [("bert",)]
        assert connection.execute(f"select count(*) from {OUT__COVERAGE.name}").fetchone() == (0,)
        assert connection.execute("select current_setting('TimeZone')").fetchone() == ("UTC",)


def test_a_time_before_the_epoch_and_its_microseconds_stay(tmp_path):
    moment = datetime(1969, 12, 31, 23, 59, 59, 1, UTC)
    path = write_table(tmp_path, CORE_BENCH__INFERENCE, [rows.measured(started_at=moment)])
    assert read_rows(tmp_path, CORE_BENCH__INFERENCE)[0][0]["started_at"] == moment
    assert pq.read_table(path)["started_at"].to_pylist() == [moment]
