"""Files that `hwbench export optimum-benchmark` wrote: they say which row they are, and no row counts twice."""

from __future__ import annotations

import json

import pytest

from hwbench_pipeline.analysis.refreshing import refresh
from hwbench_pipeline.exports.writing import export_optimum_benchmark
from hwbench_pipeline.imports.bundle_format import write_bundle
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, CORE_LEGACY__RESULTS, OUT__RESULTS
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_run, write_table
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.exports.conftest import ENVIRONMENT, inference, training
from hwbench_pipeline_tests.imports.conftest import reported
from hwbench_pipeline_tests.imports.test_bundle import ENVIRONMENT as DESCRIBED

TINY = {"model_size": "tiny", "model_id": "hwbench/tiny-bert", "harness_version": "0.1.0", "first_inference_ms": 50.25}


@pytest.fixture
def export(tmp_path):
    """Export rows; gives the folder of folders."""

    def _export(*results, folder="exported"):
        exported = export_optimum_benchmark(
            tmp_path / folder, results, {rows.ENVIRONMENT_ID: ENVIRONMENT}, include_imported=True
        )
        assert len(exported.written) == len(results)
        return tmp_path / folder

    return _export


def changed(folder, change):
    """Apply a change to the environment that every configuration in the folder states."""
    for path in folder.rglob("*.json"):
        document = json.loads(path.read_text())
        config = document.get("config", document)
        if "environment" in config:
            change(config["environment"])
            path.write_text(json.dumps(document))
    return folder


def steady(tables):
    (row,) = (row for row in tables.results if row["scenario"] in ("forward", "train_step"))
    return row


@pytest.mark.parametrize("own", [inference(**TINY), training(**TINY, loss_first=6.5, loss_last=4.5, flops=123)])
def test_what_the_row_was_comes_back(bring, export, own):
    row = steady(bring("optimum-benchmark", export(own)))
    names = (
        "model_id",
        "model",
        "category",
        "model_size",
        "config_sha256",
        "n_parameters",
        "precision",
        "options",
        "input_shape",
        "hardware",
        "device_name",
        "scenario",
        "mode",
        "batch_size",
        "n_warmup",
        "first_inference_ms",
        "loss_last",
        "flops",
        "flags",
        "started_at",
    )
    assert {name: row[name] for name in names} == {name: own.get(name) for name in names}
    assert (row["source"], row["exported_result_id"], row["run_id"]) == ("optimum_benchmark", own["result_id"], None)
    assert row["harness_version"] == "hwbench 0.1.0"
    assert row["provenance"] == "measured"
    assert row["provenance_reason"].startswith("measured with hwbench 0.1.0, exported by hwbench: ")
    assert row["corrections"] is None
    assert reported(row)["hwbench"]["run_id"] == own["run_id"]


def test_threads_are_those_of_our_own_environment(bring, export):
    tables = bring("optimum-benchmark", export(inference(**TINY)))
    (environment,) = tables.environments
    for name in ("threads_intra_op", "threads_inter_op", "cpu_name", "python_version", "transformers_version"):
        assert environment[name] == ENVIRONMENT[name]
    assert environment["machine"] is None  # never exported


@pytest.mark.parametrize("model_size", [None, "huge", 7])
def test_a_tiny_model_without_a_valid_size_is_no_catalog_model(bring, export, model_size):
    def change(environment):
        environment["hwbench_model_size"] = model_size

    row = steady(bring("optimum-benchmark", changed(export(inference(**TINY)), change)))
    assert (row["model_id"], row["model"], row["model_size"]) == ("hwbench/tiny-bert", None, None)


@pytest.mark.parametrize("name", ["hwbench/tiny-bert", "hf-internal-testing/tiny-random-bert", "bert-tiny-random"])
def test_a_stand_in_of_anybody_is_no_catalog_model(read, name):
    latency = {"unit": "s", "values": [0.5, 0.25], "mean": 0.375, "count": 2}
    document = {"config": {"backend": {"name": "pytorch", "model": name}}, "report": {"forward": {"latency": latency}}}
    (row,) = read("optimum-benchmark", document).rows
    assert (row["model_id"], row["model"]) == (name, None)


@pytest.mark.parametrize(
    ("stated", "provenance"),
    [("simulated", "simulated"), ("mock", "mock"), ("predicted", "unknown"), (None, "unknown")],
)
def test_a_number_that_is_said_not_to_be_measured_is_not(bring, export, stated, provenance):
    def change(environment):
        environment["hwbench_provenance"] = stated

    row = steady(bring("optimum-benchmark", changed(export(inference(**TINY)), change)))
    assert row["provenance"] == provenance


@pytest.mark.parametrize("nonsense", [None, [], {}, "", "x" * 5000, -1, 10**400, float("inf"), True, "\ud800"])
def test_a_statement_that_its_column_does_not_take_is_left_out(bring, export, nonsense):
    def change(environment):
        for name in environment:
            if name.startswith("hwbench_") and name != "hwbench_result_id":
                environment[name] = nonsense

    folder = changed(export(inference(**TINY)), change)
    tables = bring("optimum-benchmark", folder)
    assert steady(tables)["samples_ms"] == pytest.approx(rows.SAMPLES)
    assert sum(file["n_quarantined"] for file in tables.files) == 0


def test_an_export_of_rows_that_others_measured_says_so(bring, export):
    own = inference(source="legacy", source_sha256="a", source_pointer="/0", harness_version=None)
    row = steady(bring("optimum-benchmark", export(own)))
    assert row["provenance_reason"].startswith("read by hwbench from a source it calls legacy, exported by hwbench: ")
    assert row["harness_version"] is None


def results_of(warehouse):
    refresh(warehouse)
    return [row["source"] for row in read_rows(warehouse, OUT__RESULTS)[0]]


def test_an_export_of_this_warehouse_adds_nothing(bring, export, tmp_path):
    own = inference(**TINY)
    write_run(tmp_path / "w", CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [own])
    tables = bring("optimum-benchmark", export(own))
    assert tables.results == []
    both = {file["path"].rpartition("/")[2]: file for file in tables.files}
    assert both["benchmark.json"]["n_duplicates"] == 2  # the steady state and the first call, which the row holds too
    assert "from the bench tables" in both["benchmark.json"]["error"]
    assert results_of(tmp_path / "w") == ["hwbench"]


def test_an_export_of_old_results_of_this_warehouse_adds_nothing(bring, export, tmp_path):
    old = inference(source="legacy", source_sha256="a" * 64, source_pointer="/0", run_id=None, started_at=None)
    write_table(tmp_path / "w", CORE_LEGACY__RESULTS, [old])
    tables = bring("optimum-benchmark", export(old))
    assert tables.results == []
    assert any("from the old results" in str(file["error"]) for file in tables.files)


def test_runs_that_arrive_after_their_export_are_not_counted_twice(bring, export, tmp_path):
    own = inference(**TINY)
    bring("optimum-benchmark", export(own))
    assert results_of(tmp_path / "w") == ["optimum_benchmark", "optimum_benchmark"]
    write_run(tmp_path / "w", CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [own])
    assert results_of(tmp_path / "w") == ["hwbench"]
    assert bring("optimum-benchmark", tmp_path / "exported").results == []


@pytest.mark.parametrize("first", ["bundle", "optimum-benchmark"])
def test_a_bundle_and_an_export_of_one_run_count_it_once(bring, export, tmp_path, first):
    mean_ms = sum(rows.SAMPLES) / len(rows.SAMPLES)
    own = inference(**TINY, environment_id=DESCRIBED["environment_id"], throughput_items_per_s=4000 / mean_ms)
    bundle = write_bundle(tmp_path / "b.json", [own], [DESCRIBED])
    order = [("bundle", bundle), ("optimum-benchmark", export(own))]
    for name, path in order if first == "bundle" else reversed(order):
        tables = bring(name, path)
    assert [row["source"] for row in tables.results] == ["bundle"]
    assert results_of(tmp_path / "w") == ["bundle"]


def test_an_export_of_an_import_is_the_import(bring, export, tmp_path):
    first = bring("optimum-benchmark", export(inference(**TINY)))
    again = export(steady(first), folder="exported again")
    tables = bring("optimum-benchmark", again)
    assert len(tables.results) == len(first.results) == 2
    assert {row["source_path"] for row in tables.results} == {row["source_path"] for row in first.results}


def test_another_import_leaves_the_duplicates_of_a_bundle_alone(bring, tmp_path):
    own = rows.without_number(environment_id=None)
    write_run(tmp_path / "w", CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [own])
    bring("bundle", write_bundle(tmp_path / "b.json", [own], []))
    tables = bring("mlperf")
    assert tables.results == []
    assert [file["n_duplicates"] for file in tables.files] == [1]
