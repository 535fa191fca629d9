"""What the next ingest would bring, by the content of files."""

import os
from pathlib import Path

import pytest

from hwbench_pipeline.legacy import pending
from hwbench_pipeline.legacy.ingest import ingest_into, undo
from hwbench_pipeline.legacy.pending import (
    PendingChange,
    fingerprint_of_changes,
    fingerprint_of_look,
    pending_changes,
    unsettled_files,
)


@pytest.fixture
def folder(put, tmp_path):
    put("a.json", "{}")
    put("below/b.json", "[]")
    return tmp_path / "in"


@pytest.fixture
def warehouse(tmp_path):
    return tmp_path / "w"


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that were opened."""
    names = []

    def _read(path):
        names.append(path.name)
        return reading(path)

    reading = pending.read_content
    monkeypatch.setattr(pending, "read_content", _read)
    return names


def names_of(changes):
    return [Path(change.path).name for change in changes]


def test_new_files_are_pending_until_they_are_ingested(folder, warehouse, opened):
    unsettled = unsettled_files(warehouse, [folder])
    assert not warehouse.exists(), "a look makes nothing"
    assert names_of(pending_changes(unsettled)) == opened == ["a.json", "b.json"]
    ingest_into(warehouse, [folder])
    opened.clear()
    assert unsettled_files(warehouse, [folder]) == []
    assert pending_changes([]) == opened == []


def test_a_touched_file_is_opened_and_not_pending(folder, warehouse, opened):
    ingest_into(warehouse, [folder])
    os.utime(folder / "a.json", ns=(0, 1))
    assert pending_changes(unsettled_files(warehouse, [folder])) == []
    assert opened == ["a.json"]


def test_changed_bytes_of_the_same_length_are_pending(folder, warehouse):
    ingest_into(warehouse, [folder])
    (folder / "a.json").write_text("[]")
    (change,) = pending_changes(unsettled_files(warehouse, [folder]))
    assert change.path.endswith("/a.json")
    assert change.after_batch is not None


def test_a_new_path_with_known_bytes_is_pending_because_every_file_has_its_row(folder, warehouse):
    ingest_into(warehouse, [folder])
    (folder / "c.json").write_text("{}")
    assert names_of(pending_changes(unsettled_files(warehouse, [folder]))) == ["c.json"]


def test_gone_files_are_not_pending(folder, warehouse):
    ingest_into(warehouse, [folder])
    (folder / "a.json").unlink()
    assert unsettled_files(warehouse, [folder]) == []


def test_the_same_problem_is_pending_once(folder, warehouse):
    (folder / "broken").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    assert names_of(pending_changes(unsettled_files(warehouse, [folder]))) == ["a.json", "b.json", "broken", "pipe"]
    ingest_into(warehouse, [folder])
    assert pending_changes(unsettled_files(warehouse, [folder])) == []
    (folder / "nowhere").write_text("{}")
    assert names_of(pending_changes(unsettled_files(warehouse, [folder]))) == ["broken", "nowhere"]


def test_what_was_read_and_is_refused_now_is_not_pending(folder, warehouse):
    ingest_into(warehouse, [folder])
    (folder / "a.json").unlink()
    (folder / "a.json").symlink_to(folder / "nowhere")
    assert pending_changes(unsettled_files(warehouse, [folder])) == []


def test_a_file_that_changes_meanwhile_is_left_for_the_next_look(folder, warehouse):
    unsettled = unsettled_files(warehouse, [folder])
    with (folder / "a.json").open("a") as growing:
        growing.write(" ")
    assert names_of(pending_changes(unsettled)) == ["b.json"]
    assert names_of(pending_changes(unsettled_files(warehouse, [folder]))) == ["a.json", "b.json"]


def test_after_enough_bytes_a_change_is_known_and_the_rest_is_not_opened(folder, warehouse, opened):
    unsettled = unsettled_files(warehouse, [folder])
    changes = pending_changes(unsettled, enough_bytes=1)
    assert opened == ["a.json"]
    assert names_of(changes) == ["a.json", "b.json"]
    assert changes[1].content == f"2 bytes of {(folder / 'below' / 'b.json').stat().st_mtime_ns} ns"


def test_the_name_of_a_change_is_its_content_and_what_it_follows():
    change = PendingChange("/a", "1" * 64, None)
    same = fingerprint_of_changes([PendingChange("/a", "1" * 64, None)])
    assert fingerprint_of_changes([change]) == same
    others = [
        [PendingChange("/b", "1" * 64, None)],
        [PendingChange("/a", "2" * 64, None)],
        [PendingChange("/a", "1" * 64, "b1")],
        [change, change],
        [],
    ]
    assert len({same, *map(fingerprint_of_changes, others)}) == len(others) + 1


def test_going_back_to_former_bytes_is_another_change(folder, warehouse):
    seen = set()
    for text in ("{}", "[]", "{}", "[]"):
        (folder / "a.json").write_text(text)
        seen.add(fingerprint_of_changes(pending_changes(unsettled_files(warehouse, [folder]))))
        ingest_into(warehouse, [folder])
    assert len(seen) == 4


def test_an_undone_ingest_is_pending_under_its_old_name(folder, warehouse):
    before = fingerprint_of_changes(pending_changes(unsettled_files(warehouse, [folder])))
    undo(warehouse, ingest_into(warehouse, [folder]).batch.batch_id)
    assert fingerprint_of_changes(pending_changes(unsettled_files(warehouse, [folder]))) == before


def test_a_look_is_another_one_when_states_or_knowledge_change(folder, warehouse):
    first = fingerprint_of_look(unsettled_files(warehouse, [folder]))
    assert fingerprint_of_look(unsettled_files(warehouse, [folder])) == first
    os.utime(folder / "a.json", ns=(0, 1))
    touched = fingerprint_of_look(unsettled_files(warehouse, [folder]))
    batch = ingest_into(warehouse, [folder]).batch
    os.utime(folder / "a.json", ns=(0, 2))
    known = fingerprint_of_look(unsettled_files(warehouse, [folder]))
    undo(warehouse, batch.batch_id)
    assert len({first, touched, known, fingerprint_of_look(unsettled_files(warehouse, [folder]))}) == 4
