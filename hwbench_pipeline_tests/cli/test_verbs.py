"""Every verb does its work and prints it in both forms."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import torch
from rich.console import Console

from hwbench_pipeline import __version__
from hwbench_pipeline.analysis.refreshing import refresh
from hwbench_pipeline.bench import engine, largest_batch
from hwbench_pipeline.bench.engine import CellExecution
from hwbench_pipeline.catalog.names import MODELS
from hwbench_pipeline.cli import query
from hwbench_pipeline.cli.output import json_rows, print_json, significant, table
from hwbench_pipeline.hardware.browser_report import COLUMNS
from hwbench_pipeline.hardware.browsers import installed_browsers
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.legacy.batches import list_batches
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_HARDWARE,
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__RESULTS,
    CORE_MODELS,
    OUT__COVERAGE,
    OUT__ENVIRONMENTS,
    OUT__RESULTS,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_run
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.cli.conftest import PROGRAM

VERBS = (
    *(
        "demo",
        "hardware",
        "models",
        "ingest",
        "quarantine",
        "import",
        "bench",
        "coverage",
        "predict",
        "query",
        "export",
    ),
    "refresh",
)
SAMPLES = Path(__file__).parents[2] / "data" / "legacy"


def test_the_help_lists_every_verb(call):
    called = call("--help")
    assert called.code == 0
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", called.out)
    assert "Exit codes: 0 done, 1 the work failed, 2 the call was" in " ".join(called.out.split())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_help_has_an_example(call, verb, option):
    called = call(verb, option)
    assert (called.code, called.err) == (0, "")
    assert f"Example: hwbench {verb}" in called.out


def test_the_version(program):
    assert program("--version").out == f"hwbench {__version__}\n"


def test_help_loads_nothing_heavy(program):
    code = (
        "import sys; from hwbench_pipeline.cli import main\n"
        "try: main(['bench', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'pandas', 'pyarrow', 'duckdb', 'dagster', 'openvino', 'xgboost'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


# ---- forms -----------------------------------------------------------------------------------------------------------


def test_json_has_values_of_json_only(capsys):
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    given = [
        {"a": moment, "b": Decimal("1.5"), "c": float("nan"), "d": [float("inf"), 1], "e": None, "f": "ü", "g": True}
    ]
    print_json(json_rows(("a", "b", "c", "d", "e", "f", "g", "h"), given))
    text = capsys.readouterr().out
    assert json.loads(text) == {
        "columns": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "rows": [
            {
                "a": "2026-01-02T03:04:05.000006+00:00",
                "b": 1.5,
                "c": None,
                "d": [None, 1],
                "e": None,
                "f": "ü",
                "g": True,
                "h": None,
            }
        ],
    }
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (12.34567, "12.35"),
        (9999.4, "9999"),
        (9999.96, "10,000"),
        (123456.7, "123,457"),
        (-9999.96, "-10,000"),
        (1e-5, "1e-05"),
    ],
)
def test_numbers_in_tables(value, text):
    assert significant(value) == text


def test_markup_in_cells_is_text(capsys):
    Console(width=80).print(table(("a",), [("[red]x[/red]",), ("[/nothing]",), (None,)]))
    printed = capsys.readouterr().out
    assert "[red]x[/red]" in printed
    assert "[/nothing]" in printed
    assert "—" in printed


# ---- hardware, models ------------------------------------------------------------------------------------------------


def test_hardware(program):
    called = program("hardware", "--json")
    assert called.code == 0
    document = called.document
    assert document["columns"] == list(CORE_HARDWARE.column_names)
    assert [row["hardware"] for row in document["rows"]] == list(hardware_keys())
    for row in document["rows"]:
        assert list(row) == document["columns"]
        assert row["is_available"] == (row["reason"] is None)
    assert document["rows"][0]["is_available"]


@pytest.mark.skipif(not installed_browsers(), reason="no browser here (make browser)")
def test_browsers(program):
    called = program("hardware", "--browsers", "--json")
    assert called.code == 0
    document = called.document
    assert document["columns"] == list(COLUMNS)
    assert [row["path"] for row in document["rows"]] == [str(browser) for browser in installed_browsers()]
    for row in document["rows"]:
        assert list(row) == document["columns"]
        assert (row["version"] is None) == (row["no_answer"] is not None)
        for key in ("wasm", "webgpu", "webnn"):
            assert (row[f"{key}_measured"] == "no") == (row[f"{key}_reason"] is not None)


def test_models(call):
    called = call("models", "--category", "vision,audio", "--json")
    assert called.code == 0
    document = called.document
    assert document["columns"] == list(CORE_MODELS.column_names)
    key_models = {model.key for model in MODELS if model.category in ("vision", "audio")}
    found = {row["model"] for row in document["rows"]}
    assert found > key_models | {"swin", "hubert"}
    assert {row["category"] for row in document["rows"]} == {"vision", "audio"}
    assert len(document["rows"]) == 2 * len(found)
    shown = call("models", "--category", "audio")
    assert shown.code == 0
    assert "facebook/wav2vec2-base-960h" in shown.out


# ---- ingest ----------------------------------------------------------------------------------------------------------

COUNTS = ("n_measured", "n_simulated", "n_mock", "n_unknown", "n_failed", "n_duplicates", "n_quarantined")
LEGACY_TABLES = (RAW_LEGACY__FILES, CORE_LEGACY__RESULTS, CORE_LEGACY__ENVIRONMENTS, OUT__RESULTS, OUT__ENVIRONMENTS)


def counted(document):
    """What an ingest says of the tables, without what it says of itself."""
    return {name: document[name] for name in ("warehouse", "n_files", "files_by_status", "n_records", *COUNTS)}


def stored(warehouse):
    return {one.name: read_rows(warehouse, one)[0] for one in (*LEGACY_TABLES, OUT__COVERAGE)}


def test_ingesting_the_samples_accounts_for_every_file_and_again_changes_nothing(call, tmp_path):
    warehouse = tmp_path / "w"
    called = call("ingest", SAMPLES, "--warehouse", warehouse, "--json")
    assert called.code == 0
    document = called.document
    n_files = sum(path.is_file() for path in SAMPLES.rglob("*"))
    assert document["warehouse"] == str(warehouse)
    assert document["n_files"] == n_files == sum(document["files_by_status"].values())
    assert document["n_records"] == sum(document[name] for name in COUNTS)
    assert document["n_measured"] > 0
    assert document["n_simulated"] > 0
    assert document["n_duplicates"] > 0
    assert document["files_by_status"].keys() == {"ingested", "no_results", "duplicate", "quarantined"}
    tables = stored(warehouse)
    by_class = {name: sum(row[name] for row in tables["raw_legacy__files"]) for name in (*COUNTS, "n_records")}
    assert by_class == {name: document[name] for name in by_class}
    n_rows = document["n_records"] - document["n_duplicates"] - document["n_quarantined"]
    assert len(tables["core_legacy__results"]) == len(tables["out__results"]) == n_rows
    for provenance in ("measured", "simulated", "mock", "unknown"):
        of_class = [row for row in tables["out__results"] if row["provenance"] == provenance]
        assert len(of_class) == document[f"n_{provenance}"]
    for one in (*LEGACY_TABLES, OUT__COVERAGE):
        assert find_problems(one, tables[one.name]) == []
    assert {row["state"] for row in tables["out__coverage"]} == {"never_tried"}

    assert (document["files_by_change"], document["n_unchanged"]) == ({"new": n_files}, 0)
    again = call("ingest", SAMPLES, "--warehouse", warehouse, "--json").document
    assert (again["files_by_change"], again["n_unchanged"]) == ({}, n_files)
    assert counted(again) == counted(document)
    assert stored(warehouse) == tables


def test_ingest_for_people(call, tmp_path):
    called = call("ingest", SAMPLES / "direct", "--warehouse", tmp_path / "w")
    assert called.code == 0
    assert called.out.startswith("1 file ")
    (batch,) = list_batches(tmp_path / "w")
    assert f"Batch {batch.batch_id}: 1 new, 0 unchanged. Tables in {tmp_path / 'w'}." in called.out
    assert f"hwbench quarantine --warehouse {tmp_path / 'w'} " in called.out


def test_the_counts_are_of_the_paths_given_however_they_are_written(call, tmp_path):
    copy = Path(shutil.copytree(SAMPLES, tmp_path / "old results"))
    warehouse = tmp_path / "w"
    whole = call("ingest", copy, "--warehouse", warehouse, "--json").document
    part = call("ingest", copy / "direct", "--warehouse", warehouse, "--json").document
    assert 0 < part["n_files"] < whole["n_files"]
    os.chdir(copy)
    for spelling in (".", f"{copy}/direct/.."):
        again = call("ingest", spelling, "--warehouse", warehouse, "--json").document
        assert counted(again) == counted(whole), spelling
        assert again["n_unchanged"] == whole["n_files"], spelling
    again = call("ingest", "direct", "./direct/.", "--warehouse", warehouse, "--json").document
    assert counted(again) == counted(part)


def test_two_ingests_beside_each_other_lose_nothing(tmp_path):
    for name in ("suite", "direct"):
        shutil.copytree(SAMPLES / name, tmp_path / name)
    ingests = [
        subprocess.Popen(
            [str(PROGRAM), "ingest", str(tmp_path / name), "--warehouse", str(tmp_path / "w"), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for name in ("suite", "direct")
    ]
    documents = [json.loads(one.communicate(timeout=120)[0]) for one in ingests]
    assert [one.returncode for one in ingests] == [0, 0]
    files, _ = read_rows(tmp_path / "w", RAW_LEGACY__FILES)
    assert len(files) == sum(document["n_files"] for document in documents)
    assert len({Path(row["path"]).parent.relative_to(tmp_path).parts[0] for row in files}) == 2
    found, _ = read_rows(tmp_path / "w", CORE_LEGACY__RESULTS)
    by_source = {Path(row["source_path"]).relative_to(tmp_path).parts[0] for row in found}
    assert by_source == {"suite", "direct"}


def test_a_zone_makes_instants_of_local_times(call, tmp_path):
    starts = {}
    for zone in ("UTC", "-08:00", "Asia/Kathmandu"):
        assert call("ingest", SAMPLES, "--timezone", zone, "--warehouse", tmp_path / zone.replace("/", "-")).code == 0
        found, _ = read_rows(tmp_path / zone.replace("/", "-"), CORE_LEGACY__RESULTS)
        starts[zone] = {row["result_id"]: row["started_at"] for row in found if row["started_at"] is not None}
    assert starts["UTC"]
    hours = {(starts["-08:00"][key] - starts["UTC"][key]).total_seconds() / 3600 for key in starts["UTC"]}
    assert hours - {0.0} == {8.0}
    assert {(starts["Asia/Kathmandu"][key] - starts["UTC"][key]).total_seconds() / 3600 for key in starts["UTC"]} - {
        0.0
    } == {-5.75}


def test_old_results_do_not_touch_what_was_measured(call, tmp_path):
    write_run(tmp_path, CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [rows.measured()])
    assert call("ingest", SAMPLES, "--warehouse", tmp_path, "--json").code == 0
    covered = call("coverage", "--warehouse", tmp_path, "--json").document
    assert covered["cells_by_state"]["inference"]["measured"] == 1


# ---- coverage, query, refresh ----------------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path, call):
    """A warehouse with a measured and an absent cell, brought up to date."""
    folder = tmp_path / "measured"
    write_run(folder, CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [rows.measured()])
    write_run(folder, CORE_BENCH__INFERENCE, Cell("cuda", "bert"), "r", [rows.whole_cell(hardware="cuda")])
    return folder


def test_coverage(call, measured):
    called = call("coverage", "--json", "--warehouse", measured)
    assert (called.code, called.err) == (0, "")
    document = called.document
    assert document["columns"] == list(OUT__COVERAGE.column_names)
    n_cells = len(hardware_keys()) * len(MODELS)
    assert document["cells_by_state"] == {
        "inference": {"measured": 1, "no_hardware": 1, "never_tried": n_cells - 2},
        "training": {"never_tried": n_cells},
    }
    assert len(document["rows"]) == 2 * n_cells
    shown = call("coverage", "--warehouse", measured)
    assert f"inference, {n_cells} cells: measured 1, no hardware 1, never tried {n_cells - 2}" in shown.out
    assert "made-up reason: no_hardware" in shown.out


def test_coverage_of_an_empty_folder_is_all_never_tried(call, tmp_path):
    states = call("coverage", "--json", "--warehouse", tmp_path).document["cells_by_state"]
    assert {state for of_mode in states.values() for state in of_mode} == {"never_tried"}


def test_the_warehouse_of_the_environment(call, measured, monkeypatch):
    monkeypatch.setenv("HWBENCH_WAREHOUSE", str(measured))
    assert call("coverage", "--json").document["cells_by_state"]["inference"]["measured"] == 1


def test_refresh_then_query(call, measured):
    called = call("refresh", "--warehouse", measured)
    assert called.code == 0
    assert "no predictor: " in called.out
    assert (measured / "reports" / "coverage.html").is_file()
    asked = call(
        "query",
        "select model, latency_ms_p50, started_at, samples_ms, peak_memory_mb, batch_size * 1.5 as d, 1 as d "
        "from out__results where status = 'ok'",
        "--json",
        "--warehouse",
        measured,
    )
    assert (asked.code, asked.err) == (0, "")
    assert asked.document == {
        "columns": ["model", "latency_ms_p50", "started_at", "samples_ms", "peak_memory_mb", "d", "d_1"],
        "rows": [
            {
                "model": "bert",
                "latency_ms_p50": 11.75,
                "started_at": rows.STARTED.isoformat(),
                "samples_ms": rows.SAMPLES,
                "peak_memory_mb": None,
                "d": 1.5,
                "d_1": 1,
            }
        ],
    }
    shown = call("query", "select hardware, state from out__coverage where state = 'measured'", "--warehouse", measured)
    assert shown.code == 0
    assert "1 row\n" in shown.out
    empty = call("query", "select model from out__results where false", "--json", "--warehouse", measured)
    assert empty.document == {"columns": ["model"], "rows": []}


def test_the_example_of_query_is_valid_sql(call, measured):
    refresh(measured)

    sql = re.search(r'hwbench query "(.*)"`', query.EXAMPLE)[1]
    assert call("query", sql, "--json", "--warehouse", measured).document["rows"] == [
        {"model": "bert", "hardware": "cpu", "latency_ms_p50": 11.75, "flags": []}
    ]


# ---- predict ---------------------------------------------------------------------------------------------------------


def test_predict_gives_a_range_and_says_what_it_is(call, predicting):
    called = call(
        "predict", "--model", "bert", "--size", "tiny", "--batch-size", "1,2", "--json", "--warehouse", predicting
    )
    assert (called.code, called.err) == (0, "")
    document = called.document
    assert document["columns"][0] == "provenance"
    predicted = [row for row in document["rows"] if row["provenance"] == "predicted"]
    assert {(row["hardware"], row["batch_size"]) for row in predicted} == {
        ("cpu", 1),
        ("cpu", 2),
        ("openvino", 1),
        ("openvino", 2),
    }
    for row in predicted:
        assert 0 < row["latency_ms_p50_low"] <= row["latency_ms_p50"] <= row["latency_ms_p50_high"]
    shown = call("predict", "--model", "bert", "--size", "tiny", "--hardware", "cpu", "--warehouse", predicting)
    assert shown.code == 0
    assert "predicted" in shown.out
    assert "measured" not in shown.out


def test_predict_is_silent_where_nothing_is_known_and_says_why(call, predicting):
    called = call("predict", "--model", "bert", "--hardware", "cuda", "--json", "--warehouse", predicting)
    assert called.code == 1
    (row,) = called.document["rows"]
    assert (row["provenance"], row["latency_ms_p50"]) == ("none", None)
    assert "no NVIDIA driver" in row["reason"]


# ---- bench -----------------------------------------------------------------------------------------------------------


def test_hardware_that_is_not_here_is_recorded_with_the_reason(call, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    called = call(
        *("bench", "--hardware", "cuda", "--model", "bert", "--size", "tiny,reference", "--batch-size", "1,8"),
        *("--warehouse", tmp_path / "w", "--json"),
    )
    assert called.code == 0
    document = called.document
    assert document["columns"] == list(CORE_BENCH__INFERENCE.column_names)
    assert [row["model_size"] for row in document["rows"]] == ["tiny", "reference"]
    for row in document["rows"]:
        assert (row["status"], row["provenance"], row["hardware"]) == ("no_hardware", "none", "cuda")
        assert "Fix:" in row["error_message"]
        assert row["latency_ms_p50"] is None
    covered = call("coverage", "--warehouse", tmp_path / "w", "--json").document
    assert covered["cells_by_state"]["inference"]["no_hardware"] == 1


def test_a_search_for_the_largest_batch_says_what_it_tries(call, monkeypatch):
    """Also where nobody sees a bar: it takes minutes."""

    def search(plan, processes, *, run_id, on_try, **_):
        for batch in (1, 2):
            on_try(batch)
        return CellExecution(plan, run_id, [])

    monkeypatch.setattr(largest_batch, "run_largest_batch", search)
    called = call("bench", "--hardware", "cpu", "--model", "vit", "--largest-batch", "--bundle", "b.json")
    assert called.code == 0
    assert called.lines[1:3] == [f"cpu × vit (inference): does batch {batch} fit?" for batch in (1, 2)]


def test_what_only_other_runs_show_is_said_where_a_run_is_printed(call, tmp_path, monkeypatch):
    made = []

    def run_cell(plan, processes, *, run_id, **_):
        n = len(made)
        samples = [sample * (1 + 9 * n) for sample in rows.SAMPLES]
        flags = ["loaded_machine"] if n else []
        made.append(rows.measured(run_id=run_id, started_at=rows.later(n), samples_ms=samples, flags=flags))
        return CellExecution(plan, run_id, made[-1:], [rows.environment()])

    monkeypatch.setattr(engine, "run_cell", run_cell)
    arguments = ("bench", "--hardware", "cpu", "--model", "bert", "--warehouse", tmp_path / "w")
    first, second = call(*arguments), call(*arguments)
    assert (first.code, second.code) == (0, 0)
    assert "slower_than_other_run" not in first.out
    assert "slower_than_other_run" in re.sub(r"\s", "", second.out)
    assert not any("stays current" in line for line in first.lines)
    (line,) = [line for line in second.lines if "stays current" in line]
    assert "cpu × bert, reference fp32 batch 1" in line
    assert line.endswith("Fix: measure again with the machine at rest")


def test_one_real_measurement_from_the_call_to_the_database(program, call, tmp_path):
    warehouse = tmp_path / "w"
    called = program(
        *("bench", "--hardware", "cpu", "--model", "bert-base-uncased", "--size", "tiny", "--batch-size", "1"),
        *("--warehouse", warehouse, "--json"),
    )
    assert called.code == 0, called.err
    (row,) = called.document["rows"]
    assert (row["status"], row["provenance"], row["hardware"], row["model"]) == ("ok", "measured", "cpu", "bert")
    assert row["n_samples"] == len(row["samples_ms"]) >= 10
    assert len(set(row["samples_ms"])) > 1
    assert min(row["samples_ms"]) == row["latency_ms_min"] > 0
    assert row["peak_memory_mb"] > 0
    (stored_row,), _ = read_rows(warehouse, CORE_BENCH__INFERENCE)
    assert find_problems(CORE_BENCH__INFERENCE, [stored_row]) == []
    assert stored_row["started_at"].isoformat() == row["started_at"]
    assert {name: value for name, value in stored_row.items() if name != "started_at"} == {
        name: value for name, value in row.items() if name != "started_at"
    }
    sql = "select r.samples_ms, e.n_results from out__results r join out__environments e using (environment_id)"
    asked = call("query", sql, "--json", "--warehouse", warehouse)
    assert asked.document["rows"] == [{"samples_ms": row["samples_ms"], "n_results": 1}]
    covered = call("coverage", "--json", "--warehouse", warehouse).document
    assert covered["cells_by_state"]["inference"]["measured_tiny_only"] == 1
    assert "measured" not in covered["cells_by_state"]["inference"]


def test_fewer_samples_tell_what_runs_and_are_flagged(call, tmp_path):
    asked = (
        "bench",
        "--model",
        "bert",
        "--hardware",
        "cpu",
        "--size",
        "tiny",
        "--min-duration",
        "0",
        "--min-samples",
        "2",
    )
    (row,) = call(*asked, "--warehouse", tmp_path, "--json").document["rows"]
    assert (row["status"], row["n_samples"]) == ("ok", 2)
    assert "few_samples" in row["flags"]


def test_models_of_one_configuration_or_of_none_are_rows_of_their_own(call, tmp_path):
    """gpt-sw3 is gpt2 by another name; of the other two no configuration can be built: nothing in a point tells them apart."""
    path = tmp_path / "b.json.gz"
    names = ["edgetam", "gemma4_assistant", "gpt-sw3", "gpt2"]
    asked = ("--model", ",".join(names), "--hardware", "cpu", "--size", "tiny", "--min-duration", "0")
    done = call("bench", *asked, "--warehouse", tmp_path / "w", "--bundle", path, "--json")
    assert done.code == 0
    rows = done.document["rows"]
    assert [(row["model"], row["status"]) for row in rows] == list(
        zip(names, ["failed", "failed", "ok", "ok"], strict=True)
    )
    assert len({row["result_id"] for row in rows}) == len(names)
    assert path.is_file()
