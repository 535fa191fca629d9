"""The sample files of the project, and the real files where they lie beside it."""

import csv
from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
REAL = PROJECT.parent / "shared" / "legacy"
READ_SHAPES = {"suite_benchmarks", "suite_master", "web_platform_result", "direct_benchmark"}
SAMPLE_SHAPES = READ_SHAPES | {"skill_flat", "perf_skill_run"}


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
    if not (REAL / "truth_files.csv").exists():
        pytest.skip("the real legacy files (../shared/legacy) are not beside this checkout")
    with (REAL / "truth_files.csv").open(newline="") as files, (REAL / "truth_records.csv").open(newline="") as records:
        return {row["path"]: row for row in csv.DictReader(files)}, list(csv.DictReader(records))


def test_real_files_agree_with_the_truth(run, truth):
    files, records = truth
    ingested = run(REAL / "files")
    found = {row["path"].removeprefix(f"{REAL}/files/"): row for row in ingested.files}
    assert found.keys() == files.keys()
    for path, expected in files.items():
        read = expected["shape"] in READ_SHAPES
        assert found[path]["shape"] == (expected["shape"] if read else None), path
        if read:
            assert found[path]["n_records"] == int(expected["n_measurements"]), path
        if expected["parse_ok"] == "0":
            assert found[path]["status"] in ("quarantined", "duplicate"), path
    read_records = [record for record in records if record["shape"] in READ_SHAPES]
    facts = {
        (record["model"], record["hardware"], record["config"], record["values"])
        for record in read_records
        if record["provenance"] == "measured"
    }
    measured = [row for row in ingested.results if row["provenance"] == "measured"]
    assert len(measured) == len(facts)
    assert {row["source_path"].removeprefix(f"{REAL}/files/") for row in measured} <= {
        record["path"] for record in read_records if record["provenance"] == "measured"
    }
    disputed = Counter(row["hardware_requested"] for row in measured if row["hardware_requested"] != row["hardware"])
    assert disputed == {"cuda": 54, "openvino": 54}
    assert {row["hardware"] for row in measured} == {"cpu"}
    assert Counter(row["provenance"] for row in ingested.results)["simulated"] == 50
