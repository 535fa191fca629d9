"""`hwbench quarantine`: grouped by reason, each place on demand, and the original bytes back."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from hwbench_pipeline.legacy.explaining import explain

NASTY = {
    "line\nbreak.json": b'{"a": [1',
    "[red]x[/red].json": b'{"a": [1, 2',
    "🚀 @|.json": b'{"b": [',
    "n" * 240 + ".json": b'{"c": [1,',
    "empty.json": b"",
    "notes.json": b'{"note": 1}',
}
BROKEN = [name for name in NASTY if name not in ("empty.json", "notes.json")]


@pytest.fixture
def warehouse(call, tmp_path):
    (tmp_path / "old").mkdir()
    for name, data in NASTY.items():
        (tmp_path / "old" / name).parent.mkdir(exist_ok=True)  # markup that ends makes a folder of its own
        (tmp_path / "old" / name).write_bytes(data)
    batch = {"success": True, "avg_latency_ms": 0}
    half = {"model": "bert-base-uncased", "hardware": "cpu", "batch_results": {"1": batch, "2": batch}}
    (tmp_path / "old" / "half.json").write_text(json.dumps(half))
    assert call("ingest", tmp_path / "old", "--warehouse", tmp_path / "w").code == 0
    return tmp_path / "w"


def test_reasons_are_grouped_the_most_frequent_first(call, warehouse):
    called = call("quarantine", "--warehouse", warehouse, "--json")
    assert (called.code, called.err) == (0, "")
    groups = called.document["groups"]
    half = groups[1]["reason_kind"]
    assert [(group["reason_kind"], group["n_files"], group["n_places"]) for group in groups] == [
        ("truncated JSON", 4, 4),
        (half, 1, 2),
        ("an empty file", 1, 1),
    ]
    assert "places" not in called.document
    shown = call("quarantine", "--warehouse", warehouse).out
    assert "truncated JSON: 4 places in 4 files\n    truncated JSON: " in shown
    assert f"{half}: 2 places in 1 file\n" in shown
    assert f"    {warehouse.parent / 'old' / 'empty.json'}\n" in shown


@pytest.mark.parametrize("reason", ["TRUNCATED", "truncated JSON", "restore the file"])
def test_a_text_of_the_reason_lists_each_place(call, warehouse, reason):
    places = call("quarantine", "--reason", reason, "--warehouse", warehouse, "--json").document["places"]
    old = warehouse.parent / "old"
    assert {place["path"]: place["sha256"] for place in places} == {
        f"{old}/{name}": hashlib.sha256(NASTY[name]).hexdigest() for name in BROKEN
    }
    assert all("Fix: " in place["reason"] for place in places)


def test_every_listed_kind_can_be_asked_for(call, warehouse):
    for group in call("quarantine", "--warehouse", warehouse, "--json").document["groups"]:
        asked = call("quarantine", "--reason", group["reason_kind"], "--warehouse", warehouse, "--json").document
        assert len(asked["places"]) == group["n_places"], group


def test_places_inside_a_file_have_their_pointer(call, warehouse):
    (reason,) = {place.reason for place in explain(warehouse.parent / "old" / "half.json").put_aside}
    called = call("quarantine", "--reason", reason, "--warehouse", warehouse)
    lines = called.out.splitlines()
    path = warehouse.parent / "old" / "half.json"
    assert lines[0] == f"{path}  /batch_results/1"
    assert lines[2] == f"{path}  /batch_results/2"


def test_names_are_printed_inert(call, warehouse):
    out = call("quarantine", "--reason", "truncated", "--warehouse", warehouse).out
    old = warehouse.parent / "old"
    for name in ("line\\nbreak.json", "[red]x[/red].json", "🚀 @|.json"):
        assert f"\n{old}/{name}  (whole file)\n" in f"\n{out}"


def test_the_original_bytes_come_back(call, warehouse, tmp_path):
    for name in NASTY:
        (tmp_path / "old" / name).unlink()
    called = call(
        "quarantine", "--reason", "truncated", "--restore", tmp_path / "back", "--warehouse", warehouse, "--json"
    )
    assert (called.code, called.err) == (0, "")
    restored = sorted((tmp_path / "back").iterdir())
    assert sorted(called.document["restored"]) == [str(path) for path in restored]
    digests = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in restored}
    assert digests.keys() == {hashlib.sha256(NASTY[name]).hexdigest() for name in BROKEN}
    for digest, name in digests.items():
        assert name.startswith(digest[:12] + "-")
        assert name.endswith(".json")
    every = call("quarantine", "--restore", tmp_path / "all", "--warehouse", warehouse)
    assert f"6 of 6 files written to {tmp_path / 'all'}" in every.out
    assert "truncated" not in every.out
    again = call("quarantine", "--restore", tmp_path / "all", "--warehouse", warehouse)
    assert again.code == 0
    assert f"0 of 6 files written to {tmp_path / 'all'}; 6 stood there already with the same bytes" in again.out


def test_a_file_that_stands_in_the_way_is_kept_and_told(call, warehouse, tmp_path):
    back = tmp_path / "all"
    call("quarantine", "--restore", back, "--warehouse", warehouse)
    changed, *_ = sorted(back.iterdir())
    changed.write_text("mine")
    again = call("quarantine", "--restore", back, "--warehouse", warehouse)
    assert (again.code, changed.read_text()) == (1, "mine")
    assert f"0 of 6 files written to {back}; 5 stood there already" in again.out
    assert f"{changed} has other bytes than " in again.err
    assert "name another folder with --restore" in again.err
    document = call("quarantine", "--restore", back, "--warehouse", warehouse, "--json").document
    assert len(document["restored"]) == 5
    assert [(file["target"], file["why"]) for file in document["not_restored"]] == [(str(changed), "differs")]


@pytest.mark.parametrize(
    "damage",
    [b"bad\n", None, gzip.compress(b"others"), gzip.compress(b"x" * 99)[:-6]],
    ids=["text", "gone", "other", "short"],
)
def test_one_damaged_file_keeps_no_other_from_coming_back(call, warehouse, tmp_path, damage):
    digest = hashlib.sha256(b"").hexdigest()
    kept = warehouse / "legacy_quarantine" / digest[:2] / f"{digest}.gz"
    kept.unlink() if damage is None else kept.write_bytes(damage)
    called = call("quarantine", "--restore", tmp_path / "all", "--warehouse", warehouse)
    assert called.code == 1
    assert f"5 of 6 files written to {tmp_path / 'all'}" in called.out
    assert "its kept bytes are missing or damaged" in called.err
    assert len(list((tmp_path / "all").iterdir())) == 5


def test_a_folder_that_cannot_be_written_is_named_with_its_option(call, warehouse, tmp_path):
    (tmp_path / "file").write_text("")
    called = call("quarantine", "--restore", tmp_path / "file" / "below", "--warehouse", warehouse)
    assert called.code == 1
    assert "name another folder with --restore" in called.err


def test_bytes_that_were_damaged_are_not_passed_off_as_the_original(call, warehouse, tmp_path):
    digest = hashlib.sha256(b"").hexdigest()
    (warehouse / "legacy_quarantine" / digest[:2] / f"{digest}.gz").write_bytes(gzip.compress(b"others"))
    called = call("quarantine", "--reason", "empty", "--restore", tmp_path / "back", "--warehouse", warehouse)
    assert called.code == 1
    assert list((tmp_path / "back").iterdir()) == []
    assert f"0 of 1 files written to {tmp_path / 'back'}" in called.out
    assert f"hwbench quarantine: {tmp_path / 'old' / 'empty.json'}: " in called.err
    assert "Fix: " in called.err


@pytest.mark.parametrize("reason", ["nosuch", "", " "])
def test_a_reason_that_is_none(call, warehouse, reason):
    called = call("quarantine", "--reason", reason, "--warehouse", warehouse)
    assert (called.code, called.out) == (2, "")
    assert f"--reason {reason!r}: " in called.err
    assert "Fix: " in called.err


def test_wrong_calls_and_empty_warehouses(call, tmp_path):
    (tmp_path / "file").write_text("")
    called = call("quarantine", "--restore", tmp_path / "file", "--warehouse", tmp_path)
    assert (called.code, called.out) == (2, "")
    assert "--restore" in called.err
    called = call("quarantine", "--warehouse", tmp_path / "nowhere")
    assert (called.code, called.out) == (1, "")
    assert f"there is no warehouse {tmp_path / 'nowhere'}. Fix: " in called.err
    assert call("quarantine", "--warehouse", tmp_path).out == "nothing is in quarantine\n"
