"""`hwbench import`: counts, calls that are wrong, and results that reach the united tables."""

from __future__ import annotations

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
