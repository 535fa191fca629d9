"""Tables after imports: the same again, changed, identical, other formats; and killed at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import sys

import pytest

from hwbench_pipeline.imports.storing import import_folders, import_into, stored_tables
from hwbench_pipeline.schema.tables import CORE_IMPORTS__RESULTS
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.writing import WarehouseError

HEADER = "model,infer_step_time,infer_batch_size\n"


def write(path, *models):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(f"{model},{10 + number}.0,8\n" for number, model in enumerate(models)))
    return path


def content(tables):
    """What the tables say, without when they were first written."""
    files = [{name: value for name, value in row.items() if name != "first_seen_at"} for row in tables.files]
    return files, list(tables.results), list(tables.environments)


def models_of(tables):
    return sorted(row["model_id"] for row in tables.results)


def test_the_same_again_adds_nothing(bring, tmp_path):
    write(tmp_path / "in" / "a-pt240.csv", "x", "y")
    first = bring("timm", tmp_path / "in")
    second = bring("timm", tmp_path / "in")
    assert content(first) == content(second) == content(stored_tables(tmp_path / "w"))
    assert [row["first_seen_at"] for row in first.files] == [row["first_seen_at"] for row in second.files]


def test_a_changed_file_supersedes_its_rows_and_others_stay(bring, tmp_path):
    path = write(tmp_path / "in" / "a.csv", "x", "y")
    write(tmp_path / "in" / "b.csv", "z")
    bring("timm", tmp_path / "in")
    write(path, "x", "w")
    assert models_of(bring("timm", path)) == ["w", "x", "z"]
    path.unlink()
    assert models_of(bring("timm", tmp_path / "in")) == ["w", "x", "z"]  # what is gone was still measured


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_identical_files_count_once_whatever_comes_first(bring, tmp_path, names):
    for name in names:
        tables = bring("timm", write(tmp_path / "in" / name, "x", "y"))
    assert models_of(tables) == ["x", "y"]
    assert {row["source_path"].rpartition("/")[2] for row in tables.results} == {"a.csv"}
    assert [(file["status"], file["n_duplicates"]) for file in tables.files] == [("ingested", 0), ("duplicate", 2)]
    write(tmp_path / "in" / "a.csv", "other")  # the duplicate is the only one now, and is read again
    assert models_of(bring("timm", tmp_path / "in" / "a.csv")) == ["other", "x", "y"]


def test_one_file_read_as_two_formats_has_a_row_for_each(bring, tmp_path):
    path = write(tmp_path / "a.csv", "x")
    bring("timm", path)
    tables = bring("mlperf", path)
    assert [(file["format"], file["status"]) for file in tables.files] == [
        ("mlperf", "no_results"),
        ("timm", "ingested"),
    ]
    assert models_of(tables) == ["x"]


def test_what_the_system_refuses_is_accounted_for(bring, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link").symlink_to(folder / "nowhere")
    (folder / "circle").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    write(folder / "a|@\n😀.csv", "x")
    tables = bring("timm", folder)
    assert sorted(file["status"] for file in tables.files) == ["ingested", "quarantined", "quarantined"]
    assert all("Fix:" in file["error"] for file in tables.files if file["status"] == "quarantined")


def test_folders_by_format(tmp_path):
    write(tmp_path / "imports" / "timm" / "a.csv", "x")
    (tmp_path / "imports" / "mlperf").mkdir()
    assert models_of(import_folders(tmp_path / "w", tmp_path / "imports")) == ["x"]
    empty = import_folders(tmp_path / "other", tmp_path / "nowhere")
    assert content(empty) == ([], [], [])
    assert table_file(tmp_path / "other", CORE_IMPORTS__RESULTS).exists()


def test_a_table_that_cannot_be_read_stops_the_import(tmp_path):
    table_file(tmp_path, CORE_IMPORTS__RESULTS).write_bytes(b"no parquet")
    with pytest.raises(WarehouseError, match="Fix: delete the import tables"):
        import_into(tmp_path, "timm", [write(tmp_path / "a.csv", "x")])


_KILLED = """
import os, signal, sys
from pathlib import Path
from hwbench_pipeline.imports import storing
left = int(sys.argv[1])
def counted(original):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)
    return call
storing.write_parquet = counted(storing.write_parquet)
Path.replace = counted(Path.replace)
storing.shutil.rmtree = counted(storing.shutil.rmtree)
storing.import_into(Path(sys.argv[2]), "timm", [Path(sys.argv[3])])
"""


def test_killed_before_any_step_the_next_import_ends_as_if_undisturbed(tmp_path):
    """Every write, rename and removal of an import is once the last thing that did not happen."""
    write(tmp_path / "in" / "a-pt240.csv", "x", "y")
    import_into(tmp_path / "before", "timm", [tmp_path / "in"])
    write(tmp_path / "in" / "a-pt240.csv", "z")
    write(tmp_path / "in" / "b-pt291.csv", "v")
    shutil.copytree(tmp_path / "before", tmp_path / "undisturbed")
    expected = content(import_into(tmp_path / "undisturbed", "timm", [tmp_path / "in"]))
    n_killed = 0
    for step in range(40):
        warehouse = tmp_path / f"w{step}"
        shutil.copytree(tmp_path / "before", warehouse)
        process = os.fork()
        if process == 0:  # a fork, because starting Python anew for every step takes seconds
            signal.alarm(60)
            try:
                sys.argv = ["killed", str(step), str(warehouse), str(tmp_path / "in")]
                exec(compile(_KILLED, "killed", "exec"), {})
            finally:
                os._exit(0)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            assert content(stored_tables(warehouse)) == expected
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        n_killed += 1
        # an import of something else finishes what was decided; together with the same import nothing is missing
        import_into(warehouse, "mlperf", [])
        assert models_of(stored_tables(warehouse)) in (["x", "y"], ["v", "z"])
        assert content(import_into(warehouse, "timm", [tmp_path / "in"])) == expected
        assert sorted(path.name for path in warehouse.iterdir() if path.name.startswith(".")) == [".imports.lock"]
    assert n_killed >= 10
