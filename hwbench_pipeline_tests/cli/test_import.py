"""`hwbench import`: counts, calls that are wrong, and results that reach the united tables."""

from __future__ import annotations

import gzip

import pytest

from hwbench_pipeline.imports.bundle_format import write_bundle
from hwbench_pipeline.schema.tables import OUT__RESULTS
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline_tests import rows

TABLE = "model,infer_step_time,infer_batch_size\nnet_a,10.0,8\nnet_b,20.0,8\n"


def test_import_counts_every_file_and_unites_the_results(call, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(TABLE)
    (folder / "copy.csv").write_text(TABLE)
    (folder / "notes.txt").write_text("nothing here\n")
    for _ in range(2):
        called = call("import", "timm", folder, "--warehouse", tmp_path / "w", "--json")
        assert called.code == 0, called.err
        document = called.document
        assert document["files_by_status"] == {"ingested": 1, "no_results": 1, "duplicate": 1}
        assert (document["n_files"], document["n_records"], document["n_measured"], document["n_duplicates"]) == (
            3,
            4,
            2,
            2,
        )
        assert {row["model_id"] for row in read_rows(tmp_path / "w", OUT__RESULTS)[0]} == {"net_a", "net_b"}
    called = call("import", "timm", folder, "--warehouse", tmp_path / "w")
    assert called.code == 0
    assert "byte-identical" in called.out


def test_an_import_tells_of_its_own_paths_only(call, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.csv").write_text(TABLE.replace("net", name))
    call("import", "timm", tmp_path / "one", "--warehouse", tmp_path / "w")
    called = call("import", "timm", tmp_path / "two", "--warehouse", tmp_path / "w", "--json")
    assert [row["path"] for row in called.document["files"]] == [str(tmp_path / "two" / "two.csv")]


def test_a_bundle_of_another_machine(call, tmp_path):
    path = write_bundle(tmp_path / "b.json.gz", [rows.without_number(environment_id=None)], [])
    called = call("import", "bundle", path, "--warehouse", tmp_path / "w", "--json")
    assert (called.code, called.document["n_failed"]) == (0, 1)


def a_bundle(path):
    """A bundle of two rows without numbers."""
    own = [rows.without_number(environment_id=None, batch_size=batch) for batch in (1, 2)]
    return write_bundle(path, own, [])


def newer_version(path):
    path.write_text(path.read_text().replace('"version": 1', '"version": 99'))


def every_row_edited(path):
    path.write_text(path.read_text().replace("made-up", "edited"))


def one_row_edited(path):
    path.write_text(path.read_text().replace("made-up", "edited", 1))


@pytest.mark.parametrize(
    "spoil",
    [
        newer_version,
        every_row_edited,
        one_row_edited,
        lambda path: path.write_text(""),
        lambda path: path.write_text("no JSON"),
        lambda path: path.write_bytes(gzip.compress(path.read_bytes())[:-9]),
        lambda path: [path.unlink(), path.symlink_to("nowhere")],
    ],
    ids=["newer", "every row", "one row", "empty", "no JSON", "truncated", "dangling"],
)
def test_a_named_file_that_was_not_taken_whole_is_work_that_failed(call, tmp_path, spoil):
    """So that `hwbench import bundle x && rm x` loses nothing."""
    (tmp_path / "in").mkdir()
    good, bad = (a_bundle(tmp_path / "in" / name) for name in ("good.json", "bad.json"))
    spoil(bad)
    where = ("--warehouse", tmp_path / "w")
    assert call("import", "bundle", good, *where).code == 0
    for options in ((), ("--json",)):
        called = call("import", "bundle", good, bad, *where, *options)
        assert called.code == 1
        assert str(bad) in called.err
        assert str(good) not in called.err
        assert "Fix: keep " in called.err
    called = call("import", "bundle", tmp_path / "in", *where)  # a folder is searched; what else lies there is told
    assert (called.code, called.err) == (0, "")


def test_a_copy_of_a_file_that_was_not_taken_fails_too_and_a_copy_of_a_taken_one_does_not(call, tmp_path):
    where = ("--warehouse", tmp_path / "w")
    for name in ("good", "bad"):
        original = a_bundle(tmp_path / f"{name}.json")
        if name == "bad":
            every_row_edited(original)
        call("import", "bundle", original, *where)
        copy = tmp_path / f"{name}_copy.json"
        copy.write_bytes(original.read_bytes())
        called = call("import", "bundle", copy, *where, "--json")
        assert called.document["files_by_status"] == {"duplicate": 1}
        assert called.code == (1 if name == "bad" else 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("optimum", "."),
            "takes optimum-benchmark, timm, mlperf, bundle. Fix: hwbench import optimum-benchmark PATH…",
        ),
        (("timn", "."), "Fix: hwbench import timm PATH…"),
        (("", "."), "FORMAT ''"),
        (("timm", "nowhere"), "nowhere does not exist; takes files or folders. Fix: check the path"),
        (("timm",), "Missing argument 'PATH…'"),
        ((), "Missing argument 'FORMAT'"),
    ],
)
def test_a_wrong_call_says_what_it_takes(call, arguments, expected):
    called = call("import", *arguments)
    assert (called.code, called.out) == (2, "")
    assert expected in called.err.replace("\n", " ")
