"""Verifying cells, from the command line and as pytest items of the plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hwbench_pipeline.bench.verifying import verify_cell


def test_an_architecture_by_rule_passes_in_both_modes(processes):
    """Compared with the reference, and a step made."""
    for mode in ("inference", "training"):
        verdict = verify_cell("cpu", "gpt2", mode, processes)
        assert (verdict.outcome, verdict.reason) == ("passed", None)
        assert verdict.output_max_rel_error <= 1e-3


def test_one_call_of_a_stream_is_one_request(processes):
    verdict = verify_cell("openvino", "vit", "inference", processes, variant="throughput")
    assert (verdict.outcome, verdict.reason) == ("passed", None)


def test_what_cannot_be_built_fails_with_its_reason_and_absent_hardware_is_skipped(processes):
    """transformers' own words; the probe's own words."""
    failed = verify_cell("cpu", "dinat", "inference", processes)
    assert failed.outcome == "failed"
    assert "natten" in failed.reason
    skipped = verify_cell("rocm", "gpt2", "inference", processes)
    assert skipped.outcome == "skipped"
    assert skipped.reason


def pytest_run(tmp_path, *arguments):
    """pytest with the plugin in a process and folder of its own."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "hwbench_pipeline.testing",
            "-p",
            "no:cacheprovider",
            "-q",
            "-rs",
            *arguments,
        ],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_plugin_makes_a_test_of_every_cell_and_of_nothing_else(tmp_path):
    """No file of tests is needed; one that lies about is not run."""
    (tmp_path / "test_other.py").write_text("def test_other():\n    raise AssertionError\n", encoding="utf-8")
    done = pytest_run(tmp_path, "--hardware", "cpu,rocm", "--model", "gpt2,dinat", "--mode", "inference")
    assert "1 failed, 1 passed, 2 skipped" in done.stdout, done.stdout
    assert "natten" in done.stdout
    assert "hwbench verify --hardware cpu --model dinat --mode inference" in done.stdout
    assert done.returncode == 1


def test_the_plugin_refuses_wrong_options_and_does_nothing_unasked(tmp_path):
    """The message ends with the fix; a project that only loads it keeps its own tests."""
    wrong = pytest_run(tmp_path, "--hardware", "gpu9", "--model", "gpt2")
    assert wrong.returncode != 0
    assert "Fix:" in wrong.stdout + wrong.stderr
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n", encoding="utf-8")
    assert "1 passed" in pytest_run(tmp_path).stdout


def test_the_verb_prints_counts_and_says_by_its_exit_code_whether_all_passed():
    """One JSON document; 1 where a cell failed."""

    def verb(*arguments):
        program = "import sys; from hwbench_pipeline.cli import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", program, "verify", "--json", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    good = verb("--hardware", "cpu", "--model", "bert")
    assert (good.returncode, json.loads(good.stdout)["counts"]) == (0, {"passed": 1, "failed": 0, "skipped": 0})
    bad = verb("--hardware", "cpu", "--model", "dinat")
    assert (bad.returncode, json.loads(bad.stdout)["counts"]["failed"]) == (1, 1)
