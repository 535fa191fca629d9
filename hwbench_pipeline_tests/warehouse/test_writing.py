"""A file of the warehouse is whole or not there, and its rows are valid."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest

import hwbench_pipeline
from hwbench_pipeline.bench.engine import CellExecution
from hwbench_pipeline.bench.plan import CellPlan
from hwbench_pipeline.bench.storing import store_execution
from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS, CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING
from hwbench_pipeline.schema.validation import SchemaError
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import (
    WarehouseError,
    one_writer,
    replacing,
    require_writable,
    write_environments,
    write_run,
    write_table,
)
from hwbench_pipeline_tests import rows

CELL = Cell("cpu", "bert")


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_two_runs_of_a_cell_both_stay(tmp_path):
    for run_id in ("run-1", "run-2"):
        write_run(tmp_path, CORE_BENCH__INFERENCE, CELL, run_id, [rows.measured(run_id=run_id)])
    back, _ = read_rows(tmp_path, CORE_BENCH__INFERENCE)
    assert [row["run_id"] for row in back] == ["run-1", "run-2"]
    of_cell, _ = read_rows(tmp_path, CORE_BENCH__INFERENCE, CELL)
    assert of_cell == back
    assert read_rows(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", "vit")) == ([], [])


def test_cells_with_a_slash_in_their_key_are_apart(tmp_path):
    for model in ("a/b", "a", "a/b/c"):
        write_run(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", model), "r", [rows.measured(model=model)])
    for model in ("a/b", "a", "a/b/c"):
        ((row,), _) = read_rows(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", model))
        assert row["model"] == model
    assert len(read_rows(tmp_path, CORE_BENCH__INFERENCE)[0]) == 3


@pytest.mark.parametrize("write", ["table", "run", "environments"])
def test_invalid_rows_write_nothing_and_keep_what_is_there(tmp_path, write):
    def store(row):
        if write == "table":
            write_table(tmp_path, CORE_BENCH__ENVIRONMENTS, [row])
        elif write == "environments":
            write_environments(tmp_path, [row])
        else:
            write_run(tmp_path, CORE_BENCH__ENVIRONMENTS, CELL, "r", [row])

    with pytest.raises(SchemaError):
        store(rows.environment(cpu_cores_logical=0))
    assert list(tmp_path.iterdir()) == []
    store(rows.environment())
    before = files_below(tmp_path)
    with pytest.raises(SchemaError):
        store(rows.environment(environment_id="other", os=""))
    assert files_below(tmp_path) == before
    assert read_rows(tmp_path, CORE_BENCH__ENVIRONMENTS)[0][0]["environment_id"] == rows.ENVIRONMENT_ID


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert files_below(tmp_path) == ["deep/file.txt"]


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    code = f"""
        import os, signal
        from pathlib import Path
        from hwbench_pipeline.warehouse.writing import replacing
        with replacing(Path({str(tmp_path / "a.txt")!r})) as temporary:
            temporary.write_text("half")
            temporary.with_name(temporary.name + ".wal").write_text("log")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert len(files_below(tmp_path)) == 2
    old, young = (tmp_path / f".b.txt.{digit * 32}.tmp" for digit in "01")
    of_a_user = tmp_path / ".mine.tmp"
    for path in (old, young, of_a_user):
        path.write_text("by an older version, or another host")
    os.utime(old, (0, 0))
    with replacing(tmp_path / "b.txt") as one, replacing(tmp_path / "c.txt") as other:
        one.write_text("one")
        other.write_text("other")
    assert files_below(tmp_path) == sorted([young.name, of_a_user.name, "b.txt", "c.txt"])


def test_nobody_sees_a_file_before_it_is_whole(tmp_path):
    path = tmp_path / "t.parquet"
    with replacing(path) as temporary:
        temporary.write_text("x")
        assert not path.exists()
        assert list(tmp_path.glob("**/*.parquet")) == []
        assert temporary.name.startswith(".")
    assert path.read_text() == "x"


def test_environments_are_written_once(tmp_path):
    write_environments(tmp_path, [rows.environment()])
    (path,) = tmp_path.rglob("*.parquet")
    before = path.stat().st_mtime_ns
    write_environments(tmp_path, [rows.environment(), rows.environment(environment_id="other")])
    assert path.stat().st_mtime_ns == before
    assert path.name == f"environment={rows.ENVIRONMENT_ID}.parquet"
    assert len(read_rows(tmp_path, CORE_BENCH__ENVIRONMENTS)[0]) == 2


@pytest.mark.parametrize(("mode", "table"), [("inference", CORE_BENCH__INFERENCE), ("training", CORE_BENCH__TRAINING)])
def test_an_execution_is_stored_with_its_environments(tmp_path, mode, table):
    plan = CellPlan("cpu", "bert", mode)
    row = rows.measured(mode=mode, run_id="run-1")
    path = store_execution(tmp_path, CellExecution(plan, "run-1", [row], [rows.environment()]))
    assert path == CELL.run_file(tmp_path, table, "run-1")
    assert read_rows(tmp_path, table) == (rows.complete(table, [row]), [])
    assert [row["environment_id"] for row in read_rows(tmp_path, CORE_BENCH__ENVIRONMENTS)[0]] == [rows.ENVIRONMENT_ID]


def test_the_file_says_its_schema(tmp_path):
    path = write_table(tmp_path, CORE_BENCH__ENVIRONMENTS, [])
    schema = pq.read_schema(path)
    assert schema.metadata[b"table"] == b"core_bench__environments"
    assert schema.field("memory_total_mb").metadata[b"unit"] == b"MB"


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_folder_that_cannot_be_written_says_so_with_the_fix(tmp_path, below):
    blocker = tmp_path / "a file"
    blocker.write_text("not a folder")
    with pytest.raises(WarehouseError, match=r"cannot write .*a file.*Fix: make .* writable .*--warehouse") as caught:
        write_table(blocker / below, CORE_BENCH__ENVIRONMENTS, [])
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == ["a file"]


def test_whether_a_folder_can_be_written_is_known_before_the_work(tmp_path):
    require_writable(tmp_path / "new")
    assert files_below(tmp_path) == []
    (tmp_path / "file").write_text("not a folder")
    for refused in (require_writable, lambda folder: one_writer(folder, "x").__enter__()):
        with pytest.raises(WarehouseError, match=r"cannot write .*file: .*Fix: make .*file writable") as caught:
            refused(tmp_path / "file")
        assert "*" not in str(caught.value)


def test_a_read_only_folder_says_so_with_the_fix(tmp_path, unprivileged):
    tmp_path.chmod(0o555)
    code = f"""
        from pathlib import Path
        from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS
        from hwbench_pipeline.warehouse.database import build_database
        from hwbench_pipeline.warehouse.reading import connect
        from hwbench_pipeline.warehouse.writing import WarehouseError, require_writable, write_table
        for write in (
            lambda folder: write_table(folder, CORE_BENCH__ENVIRONMENTS, []),
            lambda folder: build_database(folder, connect()),
            require_writable,
        ):
            for folder in (Path({str(tmp_path)!r}), Path({str(tmp_path)!r}) / "new"):
                try:
                    write(folder)
                except WarehouseError as error:
                    print(error)
                else:
                    raise SystemExit("it was written")
    """
    done = subprocess.run(
        [*unprivileged, sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    for line in lines:
        assert line.startswith(f"cannot write {tmp_path}")
        assert "ermission denied" in line
        assert "Fix: make " in line


# ---- processes beside each other -------------------------------------------------------------------------------------

WRITER = """
    import sys, time
    from pathlib import Path
    from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
    from hwbench_pipeline.warehouse.location import Cell
    from hwbench_pipeline.warehouse.writing import write_run
    from hwbench_pipeline_tests import rows

    folder, model, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    end, n = time.monotonic() + seconds, 0
    samples = [10.0 + i / 1000 for i in range(1000)]
    while time.monotonic() < end:
        n += 1
        run_id = f"{model}-{n % 5}"  # the same files are replaced again and again
        made = [rows.measured(model=model, run_id=run_id, batch_size=b, samples_ms=samples) for b in range(1, 9)]
        write_run(folder, CORE_BENCH__INFERENCE, Cell("cpu", model), run_id, made)
    print(n)
"""


def test_a_reader_beside_two_writers_never_sees_half_a_file(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path), model, "2.5"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for model in ("bert", "vit")
    ]
    n_reads, seen = 0, set()
    while any(writer.poll() is None for writer in writers):
        back, unreadable = read_rows(tmp_path, CORE_BENCH__INFERENCE)
        assert unreadable == []
        by_run: dict[str, int] = {}
        for row in back:
            assert len(row["samples_ms"]) == 1000
            by_run[row["run_id"]] = by_run.get(row["run_id"], 0) + 1
        assert set(by_run.values()) <= {8}
        seen.add(len(by_run))
        n_reads += 1
    counts = [int(writer.communicate()[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert min(counts) > 5, "the writers wrote too little to test anything"
    assert n_reads > 5
    assert len(seen) > 1, "the reader never looked while files came into being"
    assert len(read_rows(tmp_path, CORE_BENCH__INFERENCE)[0]) == 2 * 5 * 8
    assert all(path.name.startswith("run=") for path in tmp_path.rglob("*") if path.is_file())
    assert hwbench_pipeline.read("core_bench__inference", tmp_path)["model"].nunique() == 2
