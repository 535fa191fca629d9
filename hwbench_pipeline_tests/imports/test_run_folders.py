"""One run of optimum-benchmark in its folder of files: counted once, also where a target has one coarse sample."""

from __future__ import annotations

import csv
import json

import pytest

from hwbench_pipeline_tests.imports.test_optimum_benchmark import SAMPLES, configuration, document, target

COARSE = {"load_model": target([0.5]), "first_forward": target([0.125])}
WHOLE = {**COARSE, "forward": target(SAMPLES, 4)}
FAILED = {"traceback": "Traceback (most recent call last):\nRuntimeError: made up\n"}


def flat(value, prefix=""):
    """Keys joined by points, as the package writes a report's table."""
    for name, member in value.items():
        if isinstance(member, dict):
            yield from flat(member, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", member


def run_folder(folder, report, config=None):
    """The files that one run leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    config = config or configuration()
    (folder / "benchmark.json").write_text(json.dumps(document(report, config), indent=1))
    (folder / "benchmark_config.json").write_text(json.dumps(config))
    (folder / "benchmark_report.json").write_text(json.dumps(report))
    cells = dict(flat(report))
    with (folder / "benchmark_report.csv").open("w", newline="") as file:
        csv.writer(file).writerows([cells.keys(), cells.values()])
    return folder


def places(tables):
    return sorted(
        (row["scenario"] or row["error_class"], row["source_path"].rpartition("/")[2]) for row in tables.results
    )


@pytest.mark.parametrize("report", [WHOLE, COARSE, {"load_model": target([0.5])}])
def test_a_folder_counts_once_and_every_place_is_kept(bring, tmp_path, report):
    tables = bring("optimum-benchmark", run_folder(tmp_path / "run", report))
    assert len(tables.results) == len(report)
    assert {place for _, place in places(tables)} == {"benchmark.json"}
    by_name = {file["path"].rpartition("/")[2]: file for file in tables.files}
    for name in ("benchmark_report.json", "benchmark_report.csv"):
        assert by_name[name]["n_duplicates"] == by_name[name]["n_records"] == len(report)
        assert f"{tmp_path}/run/benchmark.json" in by_name[name]["error"]


def test_a_failed_run_counts_once(bring, tmp_path):
    tables = bring("optimum-benchmark", run_folder(tmp_path / "run", FAILED))
    assert [row["status"] for row in tables.results] == ["failed"]


def test_the_order_of_importing_does_not_matter(bring, tmp_path):
    folder = run_folder(tmp_path / "run", WHOLE)
    for name in ("benchmark_report.csv", "benchmark_report.json", "benchmark.json"):
        tables = bring("optimum-benchmark", folder / name)
    assert len(tables.results) == 3
    assert {place for _, place in places(tables)} == {"benchmark.json"}


def test_two_runs_with_the_same_coarse_sample_are_two(bring, tmp_path):
    run_folder(tmp_path / "a", COARSE)
    run_folder(tmp_path / "b", COARSE, configuration(model="t5-small"))
    assert len(bring("optimum-benchmark", tmp_path).results) == 4
    # in one folder too, where each says what it ran
    (tmp_path / "c").mkdir()
    for model in ("bert-base-uncased", "t5-small"):
        (tmp_path / "c" / f"{model}.json").write_text(json.dumps(document(COARSE, configuration(model=model))))
    assert len(bring("optimum-benchmark", tmp_path / "c", warehouse=tmp_path / "other").results) == 4


def test_a_report_elsewhere_or_with_another_value_is_a_run_of_its_own(bring, tmp_path):
    run_folder(tmp_path / "a", COARSE)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "benchmark_report.json").write_text(json.dumps(COARSE, indent=2))
    other = {**COARSE, "load_model": target([0.75])}
    (tmp_path / "a" / "other_report.json").write_text(json.dumps(other))
    assert len(bring("optimum-benchmark", tmp_path).results) == 6


def test_a_list_of_equal_coarse_runs_keeps_each(bring, tmp_path):
    (tmp_path / "all.json").write_text(json.dumps([document(COARSE), document(COARSE)]))
    assert len(bring("optimum-benchmark", tmp_path / "all.json").results) == 4
    first, second = (dict(WHOLE, forward=target([value + shift for value in SAMPLES], 4)) for shift in (0, 1))
    (tmp_path / "all.json").write_text(json.dumps([document(first), document(second)]))
    assert len(bring("optimum-benchmark", tmp_path / "all.json").results) == 6


@pytest.mark.parametrize("seconds", [0.0571, 0.1, 2.675])
def test_digits_that_only_a_factor_made_are_no_fingerprint(bring, tmp_path, seconds):
    """0.0571 s are 57.099999999999994 ms: still three digits, which two runs may share."""
    for name in ("a", "b"):
        run_folder(tmp_path / name, {"load_model": target([seconds])}, configuration(version=name))
    assert len(bring("optimum-benchmark", tmp_path).results) == 2


def test_the_published_runs_as_folders(external, bring, tmp_path):
    n_targets = 0
    for name in ("bert", "gpt2", "train"):
        whole = json.loads((external / "optimum_benchmark" / f"benchmark_{name}.json").read_text())
        n_targets += len(whole["report"])
        run_folder(tmp_path / "in" / name, whole["report"], whole["config"])
    tables = bring("optimum-benchmark", tmp_path / "in")
    assert len(tables.results) == n_targets
    assert {place for _, place in places(tables)} == {"benchmark.json"}
