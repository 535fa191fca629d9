"""What some files prove about the zone that others leave open."""

import shutil

import pyarrow.parquet as pq
import pytest

from hwbench_pipeline.legacy import publishing
from hwbench_pipeline.legacy.batches import CONTENTS, list_batches
from hwbench_pipeline.legacy.zone_evidence import ZoneHint, zone_hint
from hwbench_pipeline.legacy.zones import zone_named
from hwbench_pipeline_tests.legacy.conftest import Tables

EPOCH_S = 1741283126  # 2025-03-06T17:45:26 UTC


def proof(build, hours):
    """A document that holds one moment as epoch seconds and as the local time of that many hours from UTC."""
    local = f"2025-03-06T{17 + hours:02d}:45:26"
    return {**build.direct(), "timestamp": local, "started_epoch": EPOCH_S}


@pytest.fixture
def hint(tmp_path, run):
    def _hint(**options):
        tables = run(**options)
        return tables, zone_hint(tables.warehouse, [str(tmp_path / "in")])

    return _hint


def test_open_times_beside_one_proof(build, put, hint, file_of):
    put("proof.json", proof(build, -8))
    put("copy of proof.json", proof(build, -8))
    put("open.json", build.direct(b1=build.batch(3.1, 1), b2=build.batch(7.0, 2)))
    put("no time.json", {**build.direct(), "timestamp": "yesterday"})
    tables, found = hint()
    assert file_of(tables, "proof.json")["derived_zone"] == "-08:00"
    assert file_of(tables, "open.json")["derived_zone"] is None
    assert found == ZoneHint(2, 2, "-08:00")
    assert str(found) == "2 results have local times without a zone; 2 files prove -08:00. Fix: --timezone -08:00"
    _, after = hint(previous=tables, naive_zone=zone_named("-08:00"))
    assert after is None


def test_a_byte_identical_copy_proves_nothing_more(build, put, hint):
    document = proof(build, 1)
    put("a.json", document)
    put("b.json", document)
    put("open.json", build.direct())
    assert str(hint()[1]) == "1 result has a local time without a zone; 1 file proves +01:00. Fix: --timezone +01:00"


def test_proofs_that_disagree_are_no_hint(build, put, hint):
    put("a.json", proof(build, -8))
    put("b.json", proof(build, -7))
    put("open.json", build.direct())
    assert hint()[1] is None


def test_nothing_open_and_nothing_proven_are_no_hint(build, put, hint, run, tmp_path):
    put("a.json", proof(build, -8))
    assert hint()[1] is None
    put("a.json", build.direct())
    assert hint()[1] is None


def test_a_proof_elsewhere_is_not_of_this_ingest(build, put, run, tmp_path):
    put("one/a.json", proof(build, -8))
    put("other/open.json", build.direct())
    warehouse = run().warehouse
    assert zone_hint(warehouse, [str(tmp_path / "in" / "other")]) is None
    assert zone_hint(warehouse, [str(tmp_path / "in")]) is not None


def test_a_batch_of_a_version_that_knew_no_proofs_still_makes_the_tables(build, put, run, tmp_path):
    put("a.json", proof(build, -8))
    warehouse = run().warehouse
    (batch,) = list_batches(warehouse)
    contents = batch.file(CONTENTS)
    pq.write_table(pq.read_table(contents).drop_columns("derived_zone"), contents)
    shutil.rmtree(warehouse / publishing.FOLDER)
    assert publishing.publish(warehouse)
    (file,) = Tables.of(warehouse).files
    assert (file["status"], file["derived_zone"]) == ("ingested", None)
