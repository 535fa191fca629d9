"""Batches: only what changed is read, what a batch brought can be taken back, and nothing is ever half done."""

import json
import os
import shutil

import pytest

from hwbench_pipeline.legacy import contents, ingest
from hwbench_pipeline.legacy.batches import FOLDER, UnknownBatchError, list_batches
from hwbench_pipeline.legacy.ingest import finish_cut_off, undo
from hwbench_pipeline.legacy.publishing import FOLDER as TABLES_FOLDER
from hwbench_pipeline.legacy.zones import zone_named
from hwbench_pipeline.warehouse.writing import WarehouseError
from hwbench_pipeline_tests.legacy.conftest import Tables


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that are opened to be read, in order."""
    names = []

    def _read(path):
        names.append(path.name)
        return contents.read_content(path)

    monkeypatch.setattr(ingest, "read_content", _read)
    return names


@pytest.fixture
def another_reader(monkeypatch):
    """Make the code that reads files another one."""

    def _change(name="another"):
        monkeypatch.setattr(ingest, "reader_fingerprint", lambda: name)

    return _change


def test_unchanged_files_are_not_opened(build, put, run, opened):
    put("a.json", build.suite())
    put("b.json", "{broken")
    first = run()
    assert opened == ["a.json", "b.json"]
    second = run(previous=first)
    assert opened == ["a.json", "b.json"]
    assert second == first
    assert (second.summary.changes, second.summary.n_unchanged, second.summary.has_published) == ({}, 2, False)


def test_another_file_of_the_same_size_and_time_is_changed(build, put, run, opened):
    path = put("a.json", build.suite())
    first = run()
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"[" + path.read_bytes()[1:])
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert run(previous=first).summary.changes == {"changed": 1}


def test_same_size_time_and_inode_is_unchanged_whatever_the_bytes(build, put, run):
    path = put("a.json", build.suite())
    first = run()
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"[")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run(previous=first) == first


def test_new_time_with_the_same_bytes_adds_no_row(build, put, run, opened, monkeypatch):
    path = put("a.json", build.suite())
    first = run()
    monkeypatch.setattr(ingest, "read_file", None)  # would fail if it were called
    os.utime(path, ns=(0, 0))
    second = run(previous=first)
    assert second.without_ingests() == first.without_ingests()
    assert second.summary.changes == {"changed": 1}
    assert opened == ["a.json", "a.json"]
    run(previous=second)
    assert len(opened) == 2


def test_changed_file_is_superseded_and_undo_brings_it_back(build, put, run):
    path = put("a.json", build.suite())
    put("b.json", build.direct())
    first = run()
    put(path.name, build.web())
    second = run(previous=first)
    assert second.summary.changes == {"changed": 1}
    assert len(second.results) == 2
    undo(first.warehouse, second.summary.batch.batch_id)
    assert Tables.of(first.warehouse) == first
    again = run(previous=first)
    assert again.summary.changes == {"changed": 1}
    assert again.without_ingests() == second.without_ingests()


def test_undo_of_a_superseded_batch_takes_only_what_still_stands_on_it(build, put, run, file_of):
    put("a.json", build.suite())
    put("b.json", build.direct())
    first = run()
    put("a.json", build.web())
    run(previous=first)
    undo(first.warehouse, first.summary.batch.batch_id)
    tables = Tables.of(first.warehouse)
    assert [row["path"].rsplit("/", 1)[1] for row in tables.files] == ["a.json"]
    assert file_of(tables, "a.json")["n_simulated"] == 1
    assert run(previous=first).summary.changes == {"new": 1}


def test_copy_keeps_what_it_shares_with_an_undone_batch(build, put, run, file_of):
    path = put("a.json", build.suite())
    first = run()
    shutil.copy(path, path.with_name("copy.json"))
    second = run(previous=first)
    assert file_of(second, "copy.json")["status"] == "duplicate"
    undo(first.warehouse, first.summary.batch.batch_id)
    tables = Tables.of(first.warehouse)
    assert file_of(tables, "copy.json")["n_measured"] == 4


def test_undo_of_the_only_batch_leaves_empty_tables_and_its_files_are_read_again(build, put, run, opened):
    put("a.json", build.suite())
    first = run()
    undo(first.warehouse, first.summary.batch.batch_id)
    tables = Tables.of(first.warehouse)
    assert tables.without_ingests() == ([], [], [], [], [])
    assert run(previous=first).without_ingests() == first.without_ingests()
    assert opened == ["a.json", "a.json"]


def test_undo_says_what_can_be_undone(build, put, run):
    put("a.json", build.suite())
    first = run()
    second = run(previous=first)
    batch_id, empty_id = first.summary.batch.batch_id, second.summary.batch.batch_id
    with pytest.raises(UnknownBatchError, match=rf"no batch 'x'.*Fix: .*{batch_id}, {empty_id}"):
        undo(first.warehouse, "x")
    undo(first.warehouse, batch_id)
    with pytest.raises(UnknownBatchError, match=rf"undone already.*Fix: .*: {empty_id}$"):
        undo(first.warehouse, batch_id)
    undo(first.warehouse, empty_id)
    with pytest.raises(UnknownBatchError, match=r"can be undone: none$"):
        undo(first.warehouse, empty_id)
    assert [batch.undone_at is None for batch in list_batches(first.warehouse)] == [False, False]


def test_list_tells_what_each_ingest_did(build, put, run, tmp_path):
    put("a.json", build.suite())
    first = run(naive_zone=zone_named("-08:00"))
    run(previous=first)
    batches = list_batches(first.warehouse)
    assert [batch.counts for batch in batches] == [{"new": 1}, {}]
    assert [batch.timezone for batch in batches] == ["-08:00", None]
    assert {batch.roots for batch in batches} == {(str(tmp_path / "in"),)}
    assert all(batch.started_at <= batch.finished_at for batch in batches)
    assert batches[0].batch_id < batches[1].batch_id


def test_ids_grow_when_the_clock_is_set_back(build, put, run):
    put("a.json", build.suite())
    first = run()
    folder = first.warehouse / FOLDER
    (folder / first.summary.batch.batch_id).rename(folder / "29990101T000000000000Z")
    path = put("a.json", build.direct())
    os.utime(path, ns=(1, 1))
    second = run(previous=first)
    assert second.summary.batch.batch_id == "29990101T000000000001Z"
    assert len(second.results) == 1


def test_stated_zone_reads_again_and_stays(build, put, run):
    put("a.json", build.suite())
    first = run()
    assert {row["started_at"] for row in first.results} == {None}
    stated = run(previous=first, naive_zone=zone_named("-08:00"))
    assert stated.summary.changes == {"reread": 1}
    assert {row["started_at"].hour for row in stated.results} == {11}
    assert run(previous=first) == stated
    assert run(previous=first, naive_zone=zone_named("-08:00")) == stated
    undo(first.warehouse, stated.summary.batch.batch_id)
    assert Tables.of(first.warehouse) == first


def test_another_reader_reads_again_in_the_same_zone(build, put, run, another_reader, opened):
    put("a.json", build.suite())
    first = run(naive_zone=zone_named("Europe/Berlin"))
    another_reader()
    second = run(previous=first)
    assert second.summary.changes == {"reread": 1}
    assert second.without_ingests() == first.without_ingests()
    run(previous=second)
    assert opened == ["a.json"] * 2


def test_another_reader_reads_the_quarantine_where_the_file_is_gone(
    build, put, run, another_reader, monkeypatch, file_of
):
    document = json.dumps(build.direct())
    broken, kept = put("a.json", f"//{document}"), put("b.json", "{}")
    first = run()
    assert file_of(first, "a.json")["status"] == "quarantined"
    broken.unlink()
    another_reader()
    monkeypatch.setattr(
        ingest,
        "read_file",
        lambda path, content, zone: reading_without_comment(path, content, zone),
    )
    second = run(kept, previous=first)
    assert file_of(second, "a.json")["n_measured"] == 1
    assert not second.quarantine


def reading_without_comment(path, content, zone):
    from hwbench_pipeline.legacy.contents import FileContent
    from hwbench_pipeline.legacy.reading import read_file

    return read_file(path, FileContent(content.data.removeprefix(b"//"), content.sha256), zone)


def test_what_a_killed_ingest_left_is_removed_and_done(build, put, run, monkeypatch):
    put("a.json", build.suite())
    first = run()
    put("b.json", build.direct())
    left_over = first.warehouse / FOLDER / ".29990101T000000000000Z"
    left_over.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(ingest, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(previous=first)
    assert Tables.of(first.warehouse) == first
    second = run(previous=first)
    assert (second.summary.changes, second.summary.has_published) == ({}, True)
    assert len(second.files) == 2
    assert not left_over.exists()


def test_one_generation_before_is_kept(build, put, run):
    tables = None
    for number in range(4):
        put(f"{number}.json", build.direct())
        tables = run(previous=tables)
    folder = tables.warehouse / TABLES_FOLDER
    assert len([path for path in folder.iterdir() if not path.is_symlink()]) == 2


def test_tables_of_an_older_version_are_replaced(build, put, run, tmp_path):
    put("a.json", build.direct())
    first = run()
    for path in first.warehouse.glob("*.parquet"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1])
    assert run(previous=first) == first
    assert all(path.is_symlink() for path in first.warehouse.glob("*.parquet"))


@pytest.mark.parametrize("with_links", [True, False])
def test_a_copied_warehouse_goes_on(build, put, run, tmp_path, with_links):
    put("a.json", build.direct())
    first = run()
    shutil.copytree(first.warehouse, tmp_path / "copy", symlinks=with_links)
    copied = Tables.of(tmp_path / "copy")
    put("b.json", build.suite())
    assert len(run(previous=copied).results) == 5
    assert Tables.of(first.warehouse) == first


def test_damaged_batch_is_named(build, put, run):
    put("a.json", build.direct())
    first = run()
    (first.summary.batch.folder / "batch.json").write_text("{")
    with pytest.raises(WarehouseError, match=rf"{first.summary.batch.batch_id}.*Fix: "):
        run(previous=first)


def test_the_warehouse_is_no_old_result(build, put, run, tmp_path):
    put("a.json", build.direct())
    first = run(tmp_path)
    assert [row["path"] for row in first.files] == [str(tmp_path / "in" / "a.json")]
    assert run(tmp_path, previous=first) == first


def test_a_reader_that_fails_costs_its_file_only(build, put, run, monkeypatch, file_of):
    put("a.json", build.direct())
    put("b.json", build.direct())

    def read(path, content, zone):
        if path.name == "a.json":
            raise RecursionError("too deep")
        return original(path, content, zone)

    original = ingest.read_file
    monkeypatch.setattr(ingest, "read_file", read)
    tables = run()
    assert "RecursionError: too deep" in file_of(tables, "a.json")["error"]
    assert file_of(tables, "b.json")["n_measured"] == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("latency_ms_mean", -1.0),
        ("latency_ms_mean", float("nan")),
        ("precision", "fp17"),
        ("model_id", "\ud800"),
        ("n_samples", 2**70),
        ("source_pointer", ""),
        ("provenance_reason", None),
        ("samples_ms", [1.0, None]),
    ],
)
def test_a_row_that_breaks_the_schema_goes_to_quarantine(build, put, run, monkeypatch, file_of, column, value):
    put("a.json", build.suite())
    put("b.json", build.direct())
    original = ingest.read_file

    def read(path, content, zone):
        reading = original(path, content, zone)
        if path.name == "a.json":
            reading.rows[1][column] = value
        return reading

    monkeypatch.setattr(ingest, "read_file", read)
    tables = run()
    file = file_of(tables, "a.json")
    assert (file["n_measured"], file["n_quarantined"]) == (3, 1)
    assert "breaks the table's rules" in file["error"]
    (place,) = tables.quarantine
    assert place["kept_at"] is not None


def test_a_file_that_was_read_and_is_refused_now_keeps_its_rows(build, put, run, monkeypatch):
    path = put("a.json", build.suite())
    first = run()
    os.utime(path, ns=(1, 1))
    refused = contents.FileContent(None, None, "cannot be read: Stale file handle. Fix: x")
    monkeypatch.setattr(ingest, "read_content", lambda _: refused)
    second = run(previous=first)
    assert second == first
    assert second.summary.changes == {"unreadable": 1}


@pytest.fixture
def cut_off(build, put, run, monkeypatch):
    """Tables of two batches, and an undo of the second that ends before the tables follow."""
    put("a.json", build.suite())
    first = run()
    put("b.json", build.direct())
    second = run(previous=first)
    batch_id = second.summary.batch.batch_id

    def _killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "publish", _killed)
        with pytest.raises(KeyboardInterrupt):
            undo(first.warehouse, batch_id)
    assert Tables.of(first.warehouse) == second
    return first, batch_id


def test_an_undo_that_was_cut_off_is_finished_by_the_next_undo_of_the_batch(cut_off):
    first, batch_id = cut_off
    assert undo(first.warehouse, batch_id).batch_id == batch_id
    assert Tables.of(first.warehouse) == first
    with pytest.raises(UnknownBatchError, match="undone already"):
        undo(first.warehouse, batch_id)


def test_an_undo_that_was_cut_off_is_finished_before_the_tables_are_read(cut_off):
    first, _ = cut_off
    assert finish_cut_off(first.warehouse)
    assert Tables.of(first.warehouse) == first
    assert not finish_cut_off(first.warehouse)
