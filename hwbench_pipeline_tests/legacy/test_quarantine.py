"""What cannot be understood keeps its bytes and its reason."""

import gzip
import hashlib

import pytest

from hwbench_pipeline.legacy import contents
from hwbench_pipeline.legacy.quarantine import kept_bytes, kept_file, quarantined_groups, reason_kind


def test_bytes_are_kept_once_and_given_back(put, run, file_of):
    data = b'{"a": [1, 2'
    put("a.json", data)
    put("copy/b.json", data)
    tables = run()
    (place,) = tables.quarantine
    assert place["reason"] == file_of(tables, "a.json")["error"]
    kept = tables.warehouse / place["kept_at"]
    assert gzip.decompress(kept.read_bytes()) == data
    sha256 = hashlib.sha256(data).hexdigest()
    assert kept == kept_file(tables.warehouse, sha256)
    assert kept_bytes(tables.warehouse, sha256) == data
    assert len([path for path in (tables.warehouse / "legacy_quarantine").rglob("*") if path.is_file()]) == 1


def test_a_file_with_one_bad_record_is_kept_whole(build, put, run):
    path = put("a.json", build.direct(b1=build.batch(3.1, 1), b2={"success": True, "avg_latency_ms": 0}))
    tables = run()
    assert len(tables.results) == 1
    (place,) = tables.quarantine
    assert place["pointer"].endswith("/2")
    assert kept_bytes(tables.warehouse, place["sha256"]) == path.read_bytes()


def test_a_file_too_large_to_be_read_is_kept_by_pieces(put, run, monkeypatch, file_of):
    monkeypatch.setattr(contents, "LARGEST_FILE_BYTES", 9)
    path = put("a.json", "[" + " " * 100_000 + "]")
    tables = run()
    file = file_of(tables, "a.json")
    assert (file["status"], file["bytes"]) == ("quarantined", 100_002)
    assert gzip.decompress((tables.warehouse / tables.quarantine[0]["kept_at"]).read_bytes()) == path.read_bytes()
    assert run(previous=tables) == tables


def test_what_has_no_bytes_is_listed_too(put, run, tmp_path):
    put("a.json", "{}")
    (tmp_path / "in" / "broken").symlink_to(tmp_path / "nowhere")
    (place,) = run().quarantine
    assert (place["sha256"], place["kept_at"], place["pointer"]) == (None, None, None)
    assert "No such file" in place["reason"]


def test_damaged_bytes_are_not_given_back(put, run):
    put("a.json", "{broken")
    tables = run()
    sha256 = tables.quarantine[0]["sha256"]
    kept_file(tables.warehouse, sha256).write_bytes(gzip.compress(b"others"))
    assert kept_bytes(tables.warehouse, sha256) is None
    kept_file(tables.warehouse, sha256).write_bytes(b"no gzip")
    assert kept_bytes(tables.warehouse, sha256) is None
    assert kept_bytes(tables.warehouse, "0" * 64) is None


def test_groups_come_by_reason_the_most_frequent_first(put, run):
    put("a.json", '{"a": [1')
    put("b.json", '{"a": [1, 2')
    put("c.json", "")
    groups = quarantined_groups(run().warehouse)
    assert [(group.reason_kind, group.n_files, group.n_places) for group in groups] == [
        ("truncated JSON", 2, 2),
        ("an empty file", 1, 1),
    ]
    assert groups[0].example_path.endswith("/a.json")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("not UTF-8 (byte 3), expected text. Fix: convert it", "not UTF-8"),
        ("larger than 268435456 bytes, expected less. Fix: split it", "larger than … bytes"),
        ("the key 'a; b' stands twice", "the key … stands twice"),
        ("its latency is no number above zero", "its latency is no number above zero"),
        ("saw latency=1.5; model 'x'; hardware 'cpu'; the unit is not certain", "the unit is not certain"),
        ("saw latency=1.5; model 'x'; no hardware", "no hardware"),
        ("", "no reason given"),
    ],
)
def test_reason_kind(reason, kind):
    assert reason_kind(reason) == kind
