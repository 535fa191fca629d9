"""`hwbench ingest`: explaining files, listing and undoing batches, the hint on zones, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from rich.console import Console

from hwbench_pipeline.cli import ingest
from hwbench_pipeline.cli.output import inert
from hwbench_pipeline.legacy import ingest as legacy_ingest
from hwbench_pipeline.legacy import reading
from hwbench_pipeline.legacy.explaining import explain
from hwbench_pipeline.schema.tables import CORE_LEGACY__RESULTS, RAW_LEGACY__FILES
from hwbench_pipeline.warehouse.reading import read_rows

SAMPLES_MS = [1000 * ticks / 2**22 for ticks in (51_781, 54_475, 52_663)]  # as the system's clock gives them
MEAN_MS = sum(SAMPLES_MS) / len(SAMPLES_MS)
NASTY_NAMES = [
    "line\nbreak.json",
    "[red]x[/red].json",
    "[/nothing].json",
    "🚀:smile:.json",
    "\x1b[31mred.json",
    "‮gnp.json",
]


def document(**changes):
    batches = {
        "1": {"success": True, "avg_latency_ms": MEAN_MS, "latencies_ms": SAMPLES_MS},
        "2": {"success": True, "avg_latency_ms": 20.0, "latencies_ms": [20.0, 20.0, 20.0]},
        "4": {"success": False, "error": "RuntimeError: [bold]no[/bold] memory"},
        "8": {"success": True, "avg_latency_ms": 0},
    }
    return {"model": "bert-base-uncased", "hardware": "cpu", "batch_results": batches, **changes}


@pytest.fixture
def old(tmp_path):
    """A folder with a run, a file without results, and one that is broken."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(document()))
    (folder / "notes.json").write_text('{"note": "none"}')
    (folder / "broken.json").write_text('{"a": [1')
    return folder


# ---- explain ---------------------------------------------------------------------------------------------------------


def test_each_record_with_its_rule_and_evidence(call, old, tmp_path):
    explained = explain(old / "run.json")
    (place,) = explained.put_aside
    measured, simulated, failed = explained.records
    called = call("ingest", "--explain", old / "run.json")
    assert (called.code, called.err) == (0, "")
    assert (
        called.out
        == f"""\
{old}/run.json
  ingested, shape direct_benchmark, 1 measured, 1 simulated, 1 no number
  /batch_results/8 put aside: {place.reason}

  /batch_results/1
    MEASURED by raw_samples: {measured.evidence}
    model bert-base-uncased = bert, hardware cpu
    latency_ms_mean = 12.6297, latency_ms_std = 0.327466, latency_ms_min = 12.3456, latency_ms_p50 = 12.5558, \
latency_ms_p90 = 12.9014, latency_ms_p95 = 12.9447, latency_ms_max = 12.9879, n_samples = 3

  /batch_results/2
    SIMULATED by samples_are_equal: {simulated.evidence}
    model bert-base-uncased = bert, hardware cpu
    latency_ms_mean = 20, latency_ms_std = 0, latency_ms_min = 20, latency_ms_p50 = 20, latency_ms_p90 = 20, \
latency_ms_p95 = 20, latency_ms_max = 20, n_samples = 3

  /batch_results/4
    NO NUMBER by failed_attempt: {failed.evidence}
    model bert-base-uncased = bert, hardware cpu

  /batch_results/8
    PUT ASIDE: {place.reason}

"""
    )
    assert "[bold]no[/bold] memory" in failed.evidence
    assert list((tmp_path / "working folder").iterdir()) == [], "explaining stores nothing"


def test_folders_and_files_are_explained_in_one_document(call, old, tmp_path):
    (tmp_path / "alone.json").write_text(json.dumps(document()))
    called = call("ingest", "--explain", old, tmp_path / "alone.json", "--json")
    assert (called.code, called.err) == (0, "")
    files = {file["path"]: file for file in called.document["files"]}
    assert list(called.document) == ["files"]
    assert {path: file["status"] for path, file in files.items()} == {
        str(tmp_path / "alone.json"): "ingested",
        str(old / "run.json"): "ingested",
        str(old / "notes.json"): "no_results",
        str(old / "broken.json"): "quarantined",
    }
    run = files[str(old / "run.json")]
    assert run["sha256"] == hashlib.sha256((old / "run.json").read_bytes()).hexdigest()
    assert [(record["pointer"], record["provenance"], record["rule"]) for record in run["records"]] == [
        ("/batch_results/1", "measured", "raw_samples"),
        ("/batch_results/2", "simulated", "samples_are_equal"),
        ("/batch_results/4", "none", "failed_attempt"),
    ]
    assert run["records"][0]["quantities"]["latency_ms_mean"] == pytest.approx(MEAN_MS)
    assert [place["pointer"] for place in run["put_aside"]] == ["/batch_results/8"]
    shown = call("ingest", "--explain", old, tmp_path / "alone.json").out
    assert [line for line in shown.splitlines() if line.startswith("/")] == sorted(
        files, key=lambda path: path.encode()
    )


def test_a_zone_reaches_the_explanation_and_colours_only_a_terminal(call, old, monkeypatch):
    assert "\x1b" not in call("ingest", "--explain", old, "--timezone", "-08:00").out
    monkeypatch.setattr(
        ingest, "output", lambda: Console(force_terminal=True, color_system="standard", width=40, highlight=False)
    )
    coloured = call("ingest", "--explain", old / "run.json").out
    assert "\x1b[1;32mMEASURED\x1b[0m" in coloured
    assert "\x1b[1;33mSIMULATED\x1b[0m" in coloured
    assert re.search(r"\n  \x1b\[1;36m/batch_results/1\x1b\[0m\n", coloured)


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_names_and_texts_are_printed_inert(call, tmp_path, name):
    folder = tmp_path / "old"
    (folder / name).parent.mkdir(parents=True)  # markup that ends makes a folder of its own
    (folder / name).write_text(json.dumps(document(model="[red]m[/red]\x1b[2J\n")))
    called = call("ingest", "--explain", folder)
    assert called.code == 0
    assert called.out.splitlines()[0] == inert(f"{folder}/{name}")
    assert "\x1b" not in called.out
    assert "‮" not in called.out
    assert "[red]m[/red]" in called.out
    warehouse = tmp_path / "[red]w[/red]"
    assert f"Tables in {warehouse}." in call("ingest", folder, "--warehouse", warehouse).out
    assert str(folder) in call("ingest", "--list", "--warehouse", warehouse).out.replace("\n", "")
    (row,), _ = read_rows(warehouse, RAW_LEGACY__FILES)
    assert row["path"] == f"{folder}/{name}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red] ü 🚀 👩‍🚀", "plain [red] ü 🚀 👩‍🚀"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("\x1b[31m\x9b\x00", "\\x1b[31m\\x9b\\x00"),
        ("\u202e\u200b\u2028", "\\u202e\\u200b\\u2028"),
        ("\udc80", "\\udc80"),
    ],
)
def test_inert(text, shown):
    assert inert(text) == shown


# ---- accounting ------------------------------------------------------------------------------------------------------


def test_an_ingest_says_that_its_records_add_up(call, old, tmp_path):
    called = call("ingest", old, "--warehouse", tmp_path / "w")
    assert (called.code, called.err) == (0, "")
    assert "\n4 records read = 3 rows + 0 duplicates + 1 quarantined.\n" in called.out
    assert call("ingest", old, "--warehouse", tmp_path / "w", "--json").document["records_add_up"] is True


def test_what_was_lost_is_named_and_nothing_is_made_of_it(call, old, tmp_path, monkeypatch):
    rows_of = reading._rows_of

    def lose_the_first(*arguments):
        rows, environments, without_number = rows_of(*arguments)
        return rows[1:], environments, without_number

    monkeypatch.setattr(reading, "_rows_of", lose_the_first)
    warehouse = tmp_path / "w"
    called = call("ingest", old, "--warehouse", warehouse)
    assert called.code == 1
    assert "records read =" not in called.out
    assert any(f"hwbench ingest: {old}/run.json: n_records is 4, expected 3 = " in line for line in called.lines)
    assert "Fix: " in called.lines[-1]
    assert not (warehouse / "out__results.parquet").exists()
    refreshed = call("refresh", "--warehouse", warehouse)
    assert (refreshed.code, refreshed.out) == (1, "")
    assert any(f"hwbench refresh: {old}/run.json: n_records is 4" in line for line in refreshed.lines)
    assert not (warehouse / "out__results.parquet").exists()


# ---- list, undo ------------------------------------------------------------------------------------------------------


def batches(call, warehouse):
    return call("ingest", "--list", "--warehouse", warehouse, "--json").document["batches"]


def test_batches_are_listed_and_undone(call, old, tmp_path):
    warehouse = tmp_path / "w"
    first = call("ingest", old, "--warehouse", warehouse, "--json").document
    (old / "more.json").write_text(json.dumps(document(hardware="cuda")))
    second = call("ingest", old, "--warehouse", warehouse, "--json").document
    assert (first["files_by_change"], second["files_by_change"]) == ({"new": 3}, {"new": 1})
    listed = batches(call, warehouse)
    assert [(one["batch_id"], one["files_by_change"], one["undone_at"], one["paths"]) for one in listed] == [
        (first["batch_id"], {"new": 3}, None, [str(old)]),
        (second["batch_id"], {"new": 1}, None, [str(old)]),
    ]
    shown = call("ingest", "--list", "--warehouse", warehouse).out
    assert first["batch_id"] in shown
    assert "3 new" in shown

    before, _ = read_rows(warehouse, CORE_LEGACY__RESULTS)
    undone = call("ingest", "--undo", second["batch_id"], "--warehouse", warehouse)
    assert (undone.code, undone.err) == (0, "")
    assert f"batch {second['batch_id']} is undone" in undone.out
    after, _ = read_rows(warehouse, CORE_LEGACY__RESULTS)
    assert {row["result_id"] for row in after} < {row["result_id"] for row in before}
    assert [one["undone_at"] is None for one in batches(call, warehouse)] == [True, False]
    united = call("query", "select count(*) n from out__results", "--json", "--warehouse", warehouse)
    assert united.document["rows"] == [{"n": len(after)}]

    again = call("ingest", "--undo", first["batch_id"], "--warehouse", warehouse, "--json")
    assert again.document == {"warehouse": str(warehouse), "undone": first["batch_id"], "files_by_change": {"new": 3}}
    assert read_rows(warehouse, RAW_LEGACY__FILES)[0] == []


@pytest.mark.parametrize("wanted", ["nosuch", "", "../../etc", "twice"])
def test_a_batch_that_cannot_be_undone_is_refused_with_those_that_can(call, old, tmp_path, wanted):
    warehouse = tmp_path / "w"
    done, kept = (call("ingest", old, "--warehouse", warehouse, "--json").document["batch_id"] for _ in range(2))
    if wanted == "twice":
        assert call("ingest", "--undo", done, "--warehouse", warehouse).code == 0
    called = call("ingest", "--undo", done if wanted == "twice" else wanted, "--warehouse", warehouse)
    assert (called.code, called.out) == (2, "")
    (line,) = called.lines
    listed = kept if wanted == "twice" else f"{done}, {kept}"
    assert re.search(rf"Fix: [^.]*undo one of those that can be undone: {listed}$", line)


@pytest.mark.parametrize("next_call", [("ingest", "--list"), ("quarantine",), ("ingest", "--undo")])
def test_what_a_killed_undo_left_is_finished_by_the_next_command(call, old, tmp_path, monkeypatch, next_call):
    warehouse = tmp_path / "w"
    batch = call("ingest", old, "--warehouse", warehouse, "--json").document["batch_id"]

    def _killed(*_):
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(legacy_ingest, "publish", _killed)
        assert call("ingest", "--undo", batch, "--warehouse", warehouse).code == 1
    count = ("query", "select count(*) n from out__results", "--json", "--warehouse", warehouse)
    told = call(*count)
    assert told.document["rows"] != [{"n": 0}]
    assert "was cut off" in told.err
    assert call(*next_call, *([batch] if "--undo" in next_call else []), "--warehouse", warehouse).code == 0
    told = call(*count)
    assert (told.document["rows"], told.err) == ([{"n": 0}], "")


# ---- zones -----------------------------------------------------------------------------------------------------------


def test_what_other_files_prove_is_offered_and_never_applied(call, old, tmp_path):
    (old / "run.json").write_text(json.dumps(document(timestamp="2025-03-06T09:45:26")))
    proof = document(timestamp="2025-03-06T09:45:26", started_epoch=1741283126, hardware="cuda")
    (old / "proof.json").write_text(json.dumps(proof))
    hint = "3 results have local times without a zone; 1 file proves -08:00. Fix: --timezone -08:00"
    assert f"\n{hint}\n" in call("ingest", old, "--warehouse", tmp_path / "w").out
    answered = call("ingest", old, "--warehouse", tmp_path / "w", "--json").document
    assert answered["zone_hint"] == {"n_results": 3, "n_files": 1, "zone": "-08:00"}

    def starts():
        rows, _ = read_rows(tmp_path / "w", CORE_LEGACY__RESULTS)
        return {row["started_at"].hour if row["started_at"] else None for row in rows if "run" in row["source_path"]}

    assert starts() == {None}
    told = call("ingest", old, "--timezone", "-08:00", "--warehouse", tmp_path / "w", "--json").document
    assert told["zone_hint"] is None
    assert told["files_by_change"]["reread"] >= 1
    assert starts() == {17}
    assert call("ingest", old, "--warehouse", tmp_path / "w", "--json").document["zone_hint"] is None


# ---- wrong calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), ("PATH…",)),
        (("--explain",), ("PATH…",)),
        (("--json",), ("PATH…",)),
        (("--explain", "--list"), ("--explain and --list",)),
        (("--list", "--undo", "x"), ("--list and --undo",)),
        (("--explain", "--undo", "x", "."), ("--explain and --undo",)),
        (("--list", "."), ("--list with a PATH", "leave out .")),
        (("--undo", "x", "a.json"), ("--undo with a PATH", "leave out a.json")),
        (("--list", "--timezone", "UTC"), ("--list with --timezone",)),
        (("--undo", "x", "--timezone", "UTC"), ("--undo with --timezone",)),
        (("--explain", "nowhere.json"), ("nowhere.json does not exist",)),
        (("--explain", ".", "--timezone", "Mars/Olympus"), ("--timezone 'Mars/Olympus'",)),
        (("--undo",), ("--undo",)),
        (("--undo", "--warehouse", "w"), ("--undo --warehouse: takes a batch", "Fix: --undo BATCH")),
        (("--undo", "--json"), ("--undo --json: takes a batch",)),
    ],
)
def test_wrong_calls_name_the_option(call, tmp_path, arguments, named):
    called = call("ingest", *arguments)
    assert (called.code, called.out) == (2, "")
    (line,) = called.lines
    assert "Fix: " in line
    for text in named:
        assert text in line
    assert list((tmp_path / "working folder").iterdir()) == []


@pytest.mark.parametrize("arguments", [("--list",), ("--undo", "x")])
def test_questions_make_no_warehouse(call, tmp_path, arguments):
    called = call("ingest", *arguments, "--warehouse", tmp_path / "nowhere")
    assert (called.code, called.out) == (1, "")
    assert f"there is no warehouse {tmp_path / 'nowhere'}. Fix: " in called.err
    assert not (tmp_path / "nowhere").exists()


def test_a_warehouse_without_batches(call, tmp_path):
    assert call("ingest", "--list", "--warehouse", tmp_path).out == f"no batches in {tmp_path}\n"
    assert call("ingest", "--list", "--warehouse", tmp_path, "--json").document["batches"] == []
