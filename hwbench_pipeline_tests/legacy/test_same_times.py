"""The same times in several places: what the most pessimistic place says holds in all of them."""

import copy
import itertools

import pytest

from hwbench_pipeline.legacy.batches import mark_undone
from hwbench_pipeline.legacy.publishing import publish
from hwbench_pipeline_tests.legacy.conftest import Tables


def marked(document, **mark):
    """A copy of a direct benchmark with a mark on its batches, written at another time."""
    other = copy.deepcopy(document)
    other["timestamp"] = "2025-03-07T10:00:00.123456"
    for batch in other["batch_results"].values():
        batch.update(mark or {"is_simulated": True})
    return other


@pytest.fixture
def stripped(build):
    return build.direct()


def test_one_row_that_names_the_marked_place(stripped, put, run, file_of):
    put("a.json", stripped)
    put("b.json", marked(stripped))
    ingested = run()
    (row,) = ingested.results
    assert row["provenance"] == "simulated"
    reason = row["provenance_reason"]
    assert reason.startswith("same_times_elsewhere:")
    assert "/in/b.json/batch_results/1" in reason
    assert "marked_simulated:" in reason
    assert "this place alone says: raw_samples:" in reason
    assert (file_of(ingested, "a.json")["n_simulated"], file_of(ingested, "a.json")["n_measured"]) == (1, 0)
    assert file_of(ingested, "b.json")["n_duplicates"] == 1


@pytest.mark.parametrize("is_marked_first", [True, False])
def test_across_ingests_and_undone(stripped, put, run, is_marked_first):
    both = [("a.json", stripped), ("b.json", marked(stripped))]
    first, second = reversed(both) if is_marked_first else both
    put(*first)
    before = run()
    put(*second)
    after = run(previous=before)
    (row,) = after.results
    assert row["provenance"] == "simulated"
    assert row["source_path"].endswith("/a.json")
    mark_undone(after.warehouse, after.summary.batch.batch_id)
    publish(after.warehouse)
    assert Tables.of(after.warehouse).without_ingests() == before.without_ingests()


def test_a_summary_without_samples_is_told_by_its_mean(stripped, put, run):
    put("a.json", stripped)
    summary = marked(stripped, mock=True)
    del summary["batch_results"]["1"]["latencies_ms"]
    put("b.json", summary)
    found = {row["source_path"][-6:]: row["provenance"] for row in run().results}
    assert found == {"a.json": "mock", "b.json": "mock"}


def test_the_most_pessimistic_of_several_marks(stripped, put, run):
    for name, document in zip(
        "abc", (stripped, marked(stripped, mock=True), marked(stripped, is_simulated=True)), strict=True
    ):
        put(f"{name}.json", document)
    (row,) = run().results
    assert row["provenance"] == "simulated"
    assert "/c.json/" in row["provenance_reason"]


def test_other_times_are_not_touched(build, put, run):
    put("a.json", build.direct())
    put("b.json", marked(build.direct()))
    assert sorted(row["provenance"] for row in run().results) == ["measured", "simulated"]


def test_any_order_of_names_gives_one_verdict(stripped, put, run, tmp_path):
    for first, second in itertools.permutations(("x", "y")):
        put(f"{first}-{second}/{first}.json", stripped)
        put(f"{first}-{second}/{second}.json", marked(stripped))
        (row,) = run(tmp_path / "in" / f"{first}-{second}").results
        assert row["provenance"] == "simulated"
