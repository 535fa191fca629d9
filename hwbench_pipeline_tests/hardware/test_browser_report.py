"""What is told of each browser, from answers made up for the test."""

from __future__ import annotations

import pytest

from hwbench_pipeline.hardware import browser_report, probing
from hwbench_pipeline.hardware.asking import NoAnswerError
from hwbench_pipeline.hardware.browser_report import COLUMNS, browser_rows

NO_ML = "navigator.ml is undefined"
UNNAMED = {"vendor": "", "architecture": "", "device": "", "description": "", "is_fallback": False}


def told(adapter, webnn, used):
    return {
        "browser_version": "1.2",
        "cross_origin_isolated": True,
        "wasm_threads": True,
        "wasm_simd": False,
        "webgpu": {"adapter": adapter} if adapter else {"error": "requestAdapter() gave null"},
        "webnn": dict.fromkeys(("cpu", "gpu"), webnn),
        "webnn_devices": dict.fromkeys(("cpu", "gpu"), used) if used else {},
    }


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """The rows of three browsers: the usual one, one that does not start, a Firefox whose adapter has no name."""
    chrome, broken, firefox = (tmp_path / name for name in ("chrome", "broken", "firefox"))
    nvidia = {**UNNAMED, "vendor": "nvidia", "architecture": "hopper"}
    answers = {
        str(chrome): told(nvidia, None, ["cpu"]),
        str(broken): NoAnswerError("exit status 3"),
        str(firefox): told(UNNAMED, NO_ML, None),
    }
    monkeypatch.setattr(probing, "_probes", {})
    monkeypatch.setattr(probing, "_browser_answers", answers)
    monkeypatch.setattr(probing, "find_browser", lambda: chrome)
    monkeypatch.setattr(probing, "browser_built_with_webnn", lambda: None)
    monkeypatch.setattr(probing, "web_runtime_version", lambda: "9.9.9")
    monkeypatch.setattr(probing.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(browser_report, "installed_browsers", lambda: [chrome, broken, firefox])
    return {row["path"].rpartition("/")[2]: row for row in browser_rows()}


def test_the_usual_browser_is_measured_in(rows):
    row = rows["chrome"]
    assert list(row) == list(COLUMNS)
    assert (row["webgpu_adapter"], row["webgpu_adapter_named_by"]) == ("nvidia hopper", "the adapter itself")
    assert (row["webnn_asked"], row["webnn_devices"]) == (["cpu", "gpu"], ["cpu"])
    assert (row["wasm_threads"], row["wasm_simd"], row["cross_origin_isolated"]) == (True, False, True)
    assert [row[f"{key}_measured"] for key in ("webnn", "webgpu", "wasm")] == ["yes", "yes", "yes"]
    assert row["webgpu_is_software"] is False


def test_of_a_browser_that_does_not_answer_nothing_is_told(rows):
    row = rows["broken"]
    assert "did not answer: exit status 3" in row["no_answer"]
    assert {row[name] for name in ("version", "webgpu_adapter", "webnn_devices", "wasm_threads")} == {None}
    assert row["wasm_measured"] == "no"


def test_a_firefox_that_names_no_adapter(rows):
    row = rows["firefox"]
    assert (row["browser"], row["version"]) == ("Firefox", "1.2")
    assert row["wasm_measured"] == "if chosen"
    assert (row["webgpu_measured"], row["webnn_measured"]) == ("no", "no")
    assert "its adapter tells neither vendor" in row["webgpu_reason"]
    assert NO_ML in row["webnn_reason"]
    assert row["webgpu_adapter"] is None
    assert row["webgpu_is_software"] is None
