"""The sample files of the project, and the real files where they lie beside it."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.ingest import ingest_into
from hwbench_pipeline_tests.legacy.conftest import Tables

PROJECT = Path(__file__).parents[2]
REAL = PROJECT.parent / "shared" / "legacy"
SAMPLE_SHAPES = {
    "suite_benchmarks",
    "suite_master",
    "web_platform_result",
    "direct_benchmark",
    "skill_flat",
    "perf_skill_run",
}
MS_PER_UNIT_OF_TRUTH = (1.0, 1e3)


def test_project_samples_show_every_case(run):
    ingested = run(PROJECT / "data" / "legacy")
    assert {row["status"] for row in ingested.files} == {"ingested", "no_results", "duplicate", "quarantined"}
    assert {row["shape"] for row in ingested.files if row["status"] == "ingested"} == SAMPLE_SHAPES
    measured = [row for row in ingested.results if row["provenance"] == "measured"]
    disputed = [row for row in measured if row["hardware_requested"] in ("cuda", "openvino")]
    assert {row["hardware"] for row in disputed} == {"cpu"}
    assert all("ran on the CPU, not on" in row["provenance_reason"] for row in disputed)
    assert {row["machine"] for row in ingested.environments} == {"sample-machine"}
    provenances = Counter(row["provenance"] for row in ingested.results)
    assert provenances == {"measured": 22, "none": 4, "simulated": 4, "mock": 2}


def test_measured_samples_were_timed(run):
    ingested = run(PROJECT / "data" / "legacy")
    measured = [row for row in ingested.results if row["provenance"] == "measured"]
    for path in {row["source_path"] for row in measured}:
        assert "timed by scripts/measure_legacy_samples.py" in Path(path).read_text()
    assert all(len(set(row["samples_ms"])) == row["n_samples"] >= 10 for row in measured)
    for row in measured:
        assert row["throughput_items_per_s"] == pytest.approx(1000 * row["batch_size"] / row["latency_ms_mean"], 0.01)


@pytest.fixture(scope="module")
def truth():
    """What a careful person found: the row of each file by its path, and its records by the same."""
    if not (REAL / "truth_files.csv").exists():
        pytest.skip("the real legacy files (../shared/legacy) are not beside this checkout")
    with (REAL / "truth_files.csv").open(newline="") as files, (REAL / "truth_records.csv").open(newline="") as records:
        records_of = defaultdict(list)
        for record in csv.DictReader(records):
            records_of[record["path"]].append(record)
        return {row["path"]: row for row in csv.DictReader(files)}, records_of


@pytest.fixture(scope="module")
def real(truth, tmp_path_factory):
    """The tables of all real files."""
    warehouse = tmp_path_factory.mktemp("real")
    return Tables.of(warehouse, ingest_into(warehouse, [REAL / "files"]))


def _below(path):
    return path.removeprefix(f"{REAL}/files/")


def _measured_places(tables):
    """Of each file, the measured results that stand in it, also those of which it holds a copy."""
    measured = {row["result_id"]: row for row in tables.results if row["provenance"] == "measured"}
    places = defaultdict(list)
    for place in tables.sources:
        if place["result_id"] in measured:
            places[_below(place["path"])].append(measured[place["result_id"]])
    return places


def test_every_real_file_has_its_records(real, truth):
    expected, _ = truth
    found = {_below(row["path"]): row for row in real.files}
    assert found.keys() == expected.keys()
    for path, file in expected.items():
        broken = file["parse_ok"] == "0"
        assert not broken or found[path]["status"] in ("quarantined", "duplicate"), path
        if found[path]["status"] != "duplicate":
            assert found[path]["n_records"] == int(file["n_measurements"]), path
    twins = defaultdict(list)
    for path, file in expected.items():
        twins[file["dup_group"] or path].append(found[path]["status"])
    assert all(len(statuses) - statuses.count("duplicate") == 1 for statuses in twins.values())


def test_as_many_are_measured_in_every_real_file_as_the_truth_has(real, truth):
    expected, _ = truth
    places = _measured_places(real)
    n_measured = {path: len(places[path]) for path in expected}
    assert n_measured == {path: int(file["n_measured"]) for path, file in expected.items()}


def test_nothing_else_is_shown_as_measured(real, truth):
    _, records_of = truth
    n_checked = 0
    for path, rows in _measured_places(real).items():
        times = [
            value
            for record in records_of[path]
            if record["provenance"] == "measured"
            for value in json.loads(record["values"]).values()
            if isinstance(value, int | float)
        ]
        for row in rows:
            n_checked += 1
            assert any(
                row["latency_ms_mean"] == pytest.approx(time * ms, rel=1e-4)
                for time in times
                for ms in MS_PER_UNIT_OF_TRUTH
            ), (path, row["source_pointer"])
    assert n_checked > 0


def test_disputed_hardware_of_real_files_is_what_really_ran(real, truth):
    _, records_of = truth
    disputed = Counter(
        (path, record["hardware"])
        for path, records in records_of.items()
        for record in records
        if record["provenance"] == "measured" and record["hw_verified"] == "0"
    )
    found = Counter(
        (path, row["hardware_requested"])
        for path, rows in _measured_places(real).items()
        for row in rows
        if row["hardware"] == "cpu" != row["hardware_requested"]
    )
    assert disputed.total() > 0
    assert found == disputed
