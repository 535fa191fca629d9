"""`hwbench export optimum-benchmark`: every row is written or counted, and nothing is overwritten unasked."""

from __future__ import annotations

import json

import pytest

from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.cli.conftest import call, elsewhere
from hwbench_pipeline_tests.exports.conftest import inference, training

__all__ = ["call", "elsewhere"]  # fixtures of the command line's tests

FILES = ["benchmark.json", "benchmark_config.json", "benchmark_report.json"]


@pytest.fixture
def warehouse(store):
    return store(
        inference(),
        inference(run_id="older", is_current=False),
        training(model="t5", model_id="t5-small"),
        inference(source="legacy", source_sha256="a", source_pointer="/0"),
        inference(source="legacy", source_sha256="a", source_pointer="/1", provenance="simulated"),
        rows.without_number("no_hardware", hardware="cuda", error_class="E", error_message="m"),
    )


def export(call, warehouse, output, *options):
    called = call("export", "optimum-benchmark", "--warehouse", warehouse, "--output", output, "--json", *options)
    return called, called.document


def test_every_row_is_accounted_for(call, warehouse, tmp_path):
    called, document = export(call, warehouse, tmp_path / "o")
    assert (called.code, called.err) == (0, "")
    assert {name: document[name] for name in document if name.startswith("n_")} == {
        "n_rows": 5,
        "n_written": 2,
        "n_unchanged": 0,
        "n_kept": 0,
        "n_refused": 3,
    }
    reasons = {entry["reason"].split(":")[0]: entry["n_rows"] for entry in document["refused"]}
    assert reasons == {"source legacy": 1, "provenance simulated": 1, "status no_hardware": 1}
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == document["folders"]
    for folder in (tmp_path / "o").iterdir():
        assert sorted(path.name for path in folder.iterdir()) == FILES
        config, report, both = (
            json.loads((folder / f"benchmark{part}.json").read_text()) for part in ("_config", "_report", "")
        )
        assert both == {"config": config, "report": report}
        assert config["name"] == folder.name


@pytest.mark.parametrize(
    ("options", "n_written"),
    [
        (("--history",), 3),
        (("--include-imported",), 3),
        (("--model", "bert"), 1),
        (("--model", "t5-small"), 1),
        (("--model", "some/bert,t5"), 2),
        (("--mode", "training"), 1),
        (("--hardware", "cpu"), 2),
        (("--size", "reference,tiny"), 2),
    ],
)
def test_filters(call, warehouse, tmp_path, options, n_written):
    called, document = export(call, warehouse, tmp_path / "o", *options)
    assert called.code == 0
    assert document["n_written"] == n_written


def test_again_changes_nothing_and_mends_what_is_missing(call, warehouse, tmp_path):
    export(call, warehouse, tmp_path / "o")
    files = {path: path.read_bytes() for path in (tmp_path / "o").rglob("*.json")}
    assert len(files) == 6
    times = {path: path.stat().st_mtime_ns for path in files}
    _, again = export(call, warehouse, tmp_path / "o")
    assert (again["n_written"], again["n_unchanged"]) == (0, 2)
    assert {path: path.stat().st_mtime_ns for path in files} == times
    missing = next(iter(files))
    missing.unlink()  # as after a kill
    _, mended = export(call, warehouse, tmp_path / "o")
    assert (mended["n_written"], mended["n_unchanged"]) == (1, 1)
    assert {path: path.read_bytes() for path in (tmp_path / "o").rglob("*") if path.is_file()} == files


def test_other_content_is_kept_unless_forced(call, warehouse, tmp_path):
    _, document = export(call, warehouse, tmp_path / "o")
    mine = tmp_path / "o" / document["folders"][0] / "benchmark_report.json"
    ours = mine.read_bytes()
    mine.write_text("mine")
    called, kept = export(call, warehouse, tmp_path / "o")
    assert called.code == 1
    assert kept["n_kept"] == 1
    assert document["folders"][0] in called.err
    assert "Fix: --force" in called.err
    assert mine.read_text() == "mine"
    called, forced = export(call, warehouse, tmp_path / "o", "--force")
    assert (called.code, forced["n_written"]) == (0, 1)
    assert mine.read_bytes() == ours


def test_for_people(call, warehouse, tmp_path):
    called = call("export", "optimum-benchmark", "--warehouse", warehouse)
    assert called.code == 0
    assert "5 rows → optimum-benchmark" in called.out
    assert "provenance simulated" in called.out


def test_nothing_to_export_is_a_failure_that_says_so(call, warehouse, store, tmp_path):
    called, _ = export(call, warehouse, tmp_path / "o", "--mode", "training", "--hardware", "cuda")
    assert called.code == 1
    assert "none of 6 rows fits the options. Fix: " in called.err
    only_simulated = store(inference(source="legacy", source_sha256="a", source_pointer="/1", provenance="simulated"))
    called, document = export(call, only_simulated, tmp_path / "o")
    assert (called.code, document["n_refused"]) == (1, 1)
    assert "none of 1 rows can be exported" in called.err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (("mlflow",), 2, "'mlflow'"),
        (("optimum-benchmark", "--model", "nosuch-model"), 2, "'nosuch-model'"),
        (("optimum-benchmark", "--hardware", "tpu"), 2, "'tpu'"),
        (("optimum-benchmark", "--mode", "both"), 2, "--mode 'both'"),
        (("optimum-benchmark", "--size", "xl"), 2, "--size 'xl'"),
        (("optimum-benchmark", "--model", ","), 2, "--model"),
        (("optimum-benchmark", "--warehouse", "nowhere"), 1, "nowhere holds no results"),
    ],
)
def test_wrong_calls(call, warehouse, options, code, named):
    called = call("export", *((*options, "--warehouse", warehouse) if "--warehouse" not in options else options))
    assert called.code == code
    assert called.out == ""
    (line,) = called.lines
    assert named in line
    assert "Fix: " in line


def test_an_output_that_cannot_be_written(call, warehouse, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    called = call("export", "optimum-benchmark", "--warehouse", warehouse, "--output", blocked / "o")
    assert called.code == 1
    (line,) = called.lines
    assert "cannot write" in line
    assert "--output" in line
