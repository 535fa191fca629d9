"""Probes against the real machine, and against machines that this one is not."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from hwbench_pipeline.hardware import probing
from hwbench_pipeline.hardware.asking import NoAnswerError, answer_of
from hwbench_pipeline.hardware.browsers import BROWSER_VARIABLE, find_browser, web_runtime_version
from hwbench_pipeline.hardware.platforms import UnknownHardwareError, hardware_keys
from hwbench_pipeline.hardware.probing import browser_of, probe, probe_all, probe_in
from hwbench_pipeline.hardware.rows import hardware_rows
from hwbench_pipeline.schema.tables.catalog import CORE_HARDWARE
from hwbench_pipeline.schema.validation import require_valid

HAS_BROWSER = find_browser() is not None and importlib.util.find_spec("playwright") is not None
needs_browser = pytest.mark.skipif(not HAS_BROWSER, reason="no Chrome, Chromium or Edge here, or no playwright")
needs_web_runtime = pytest.mark.skipif(
    web_runtime_version() is None, reason="onnxruntime-web is not installed (make browser)"
)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="makes a POSIX executable")


@pytest.fixture
def fresh(monkeypatch):
    """Nothing is known yet, and what the test learns is forgotten after it."""
    monkeypatch.setattr(probing, "_probes", {})
    monkeypatch.setattr(probing, "_browser_answers", {})


def fake_browser(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_every_platform_answers_and_every_absence_says_why():
    probes = probe_all()
    assert tuple(found.key for found in probes) == hardware_keys()
    for found in probes:
        assert found.probe
        assert found.is_available == (found.reason is None)
        assert found.reason is None or len(found.reason) > 20
        assert found.probed_at.tzinfo is not None


def test_the_cpu_is_there_and_named():
    found = probe("cpu")
    assert found.is_available
    assert found.device_name
    assert found.device_memory_mb > 500
    assert found.backend_version == torch.__version__
    assert "fp32" in found.precisions
    assert found.supports_training


def test_an_unknown_key_is_an_error():
    with pytest.raises(UnknownHardwareError):
        probe("tpu")


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_is_there_on_the_cpu():
    found = probe("openvino")
    assert found.is_available
    assert "available_devices: ['CPU'" in found.probe
    assert "fp32" in found.precisions
    has_nncf = importlib.util.find_spec("nncf") is not None  # which makes weights of 8 and 4 bits
    assert {"int8", "int4"} & set(found.precisions) == ({"int8", "int4"} if has_nncf else set())
    assert not found.supports_training


@pytest.mark.parametrize("key", ["cuda", "rocm", "mps"])
def test_a_gpu_is_available_exactly_when_torch_says_so(key):
    built = {"cuda": torch.version.cuda, "rocm": torch.version.hip, "mps": torch.backends.mps.is_built()}[key]
    there = torch.backends.mps.is_available() if key == "mps" else torch.cuda.is_available()
    found = probe(key)
    assert found.is_available == (bool(built) and there)
    if not found.is_available:
        assert "Fix:" in found.reason
        assert found.device_name is None
        assert found.precisions is None


@needs_browser
@needs_web_runtime
def test_webgpu_is_what_the_browser_says_and_software_is_called_so():
    found = probe("webgpu")
    assert "navigator.gpu.requestAdapter(): " in found.probe
    if "swiftshader" in found.probe:
        assert found.is_available
        assert found.device_name == "SwiftShader (CPU)"
        assert found.is_software
        assert found.computes_on_host_cpu


@needs_browser
@needs_web_runtime
def test_wasm_computes_on_the_cpu():
    found = probe("wasm")
    assert (found.is_available, found.is_software, found.computes_on_host_cpu) == (True, False, True)
    assert found.device_name == probe("cpu").device_name
    assert found.backend_version == web_runtime_version()


@needs_browser
@needs_web_runtime
def test_webnn_is_there_only_where_a_browser_computed_a_graph():
    found = probe("webnn")
    assert "a WebNN graph for" in found.probe
    assert found.is_available == ("right" in found.probe)
    assert found.is_available == (browser_of("webnn") != find_browser() or "right" in found.probe)
    if not found.is_available:
        assert "`make webnn`" in found.reason


def test_an_answer_is_kept_until_a_refresh_is_wanted(fresh):
    first = probe("cpu")
    assert probe("cpu") is first
    again = probe("cpu", refresh=True)
    assert again is not first
    assert again.probed_at > first.probed_at


@pytest.mark.parametrize("key", ["webnn", "webgpu", "wasm"])
def test_no_browser_is_the_reason(fresh, monkeypatch, key):
    monkeypatch.setattr(probing, "find_browser", lambda: None)
    monkeypatch.setattr(probing, "find_firefox", lambda: None)
    monkeypatch.setattr(probing, "browser_built_with_webnn", lambda: None)
    found = probe(key)
    assert not found.is_available
    assert found.reason.startswith("no browser: ")
    assert found.probe == "browser: none"


def test_no_playwright_is_the_reason(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "find_browser", lambda: tmp_path / "chrome")
    monkeypatch.setattr(probing.importlib.util, "find_spec", lambda name: None)
    assert "playwright, which drives the browser, is not installed" in probe("webgpu").reason


def test_no_websockets_is_the_reason_in_firefox(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "find_browser", lambda: tmp_path / "firefox")
    monkeypatch.setattr(probing.importlib.util, "find_spec", lambda name: None)
    assert "websockets, which drives the browser, is not installed" in probe("wasm").reason


def test_a_wrong_browser_setting_is_the_reason(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv(BROWSER_VARIABLE, str(tmp_path / "nothing"))
    assert "is not an executable file" in probe("webnn").reason


@posix_only
@needs_browser
def test_a_browser_that_hangs_is_stopped_with_its_children(fresh, monkeypatch, tmp_path):
    browser = fake_browser(tmp_path / "hanging-browser", "sleep 314.159 & wait")
    monkeypatch.setenv(BROWSER_VARIABLE, str(browser))
    monkeypatch.setattr(probing, "BROWSER_TIMEOUT_S", 3.0)
    began = time.monotonic()
    found = probe("webgpu")
    assert time.monotonic() - began < 10
    assert "no answer within 3 s, stopped" in found.reason
    time.sleep(0.3)
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if {str(browser), "314.159"} & set(process.info["cmdline"] or [])
    ]
    assert left == []


@posix_only
@needs_browser
def test_a_browser_that_does_not_start_is_the_reason_for_both_web_platforms(fresh, monkeypatch, tmp_path):
    browser = fake_browser(tmp_path / "broken-browser", "exit 3")
    monkeypatch.setenv(BROWSER_VARIABLE, str(browser))
    for key in ("webgpu", "webnn"):
        found = probe(key)
        assert not found.is_available
        assert f"the browser {browser} did not answer" in found.reason


def web_answer(adapter, webnn_error):
    devices = ("cpu", "gpu", "npu")
    return {
        "webgpu": {"adapter": adapter} if adapter else {"error": "requestAdapter() gave null"},
        "webnn": dict.fromkeys(devices, webnn_error),
        "webnn_devices": {} if webnn_error else {key: ["gpu"] for key in devices},
        "browser_version": "1.2.3",
    }


NVIDIA = {"vendor": "nvidia", "architecture": "hopper", "device": "", "description": "", "is_fallback": False}


@pytest.fixture
def answering(fresh, monkeypatch, tmp_path):
    """Browsers that give the answers of the test, by the name of their executable."""
    answers = {}
    monkeypatch.setattr(probing, "find_browser", lambda: tmp_path / "chrome")
    monkeypatch.setattr(probing, "browser_built_with_webnn", lambda: tmp_path / "other")
    monkeypatch.setattr(probing.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(probing, "web_runtime_version", lambda: "9.9.9")
    monkeypatch.setattr(probing, "answer_of", lambda _, place, timeout_s: answers[Path(place).name])
    return answers


def test_a_real_gpu_in_the_browser_is_available_under_its_own_name(answering):
    answering["chrome"] = web_answer(NVIDIA, None)
    webgpu, webnn = probe("webgpu"), probe("webnn")
    assert (webgpu.is_available, webgpu.device_name, webgpu.is_software) == (True, "nvidia hopper", False)
    assert not webgpu.computes_on_host_cpu
    assert (webnn.is_available, webnn.device_name, webnn.computes_on_host_cpu) == (True, "WebNN (gpu)", False)


def test_an_adapter_without_a_name_is_measured_nowhere(answering):
    answering["chrome"] = web_answer(dict.fromkeys(NVIDIA, "") | {"is_fallback": False}, None)
    found = probe("webgpu")
    assert (found.is_available, found.absence, found.device_name) == (False, "unsupported", None)
    assert "its adapter tells neither vendor, architecture, device nor description" in found.reason
    assert f"Fix: set {BROWSER_VARIABLE}" in found.reason


def test_a_machine_with_firefox_alone_is_measured_in_it(answering, monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "find_browser", lambda: None)
    monkeypatch.setattr(probing, "find_firefox", lambda: tmp_path / "firefox")
    monkeypatch.setattr(probing, "browser_built_with_webnn", lambda: None)
    named = dict.fromkeys(NVIDIA, "") | {
        "description": "NVIDIA H200",
        "named_by": "its own window",
        "is_fallback": False,
    }
    answering["firefox"] = web_answer(named, "navigator.ml is undefined")
    webgpu, webnn = probe("webgpu"), probe("webnn")
    assert (webgpu.is_available, webgpu.device_name, webgpu.is_software) == (True, "NVIDIA H200", False)
    assert "its name is told by: its own window" in webgpu.probe
    assert (webnn.is_available, webnn.absence) == (False, "no_hardware")
    assert "navigator.ml is undefined" in webnn.reason
    assert browser_of("wasm") == tmp_path / "firefox"


def test_a_probe_in_one_browser_says_nothing_of_the_others(answering, tmp_path):
    answering["chrome"] = web_answer(NVIDIA, None)
    answering["other"] = web_answer(None, "NotSupportedError: no")
    for found in (probe_in("webnn", tmp_path / "other"), probe_in("webgpu", tmp_path / "other")):
        assert not found.is_available
        assert f"browser: {tmp_path / 'other'}" in found.probe
    assert probe("webnn").is_available


def test_the_browser_for_webnn_is_chosen_by_what_it_computes(answering, tmp_path):
    answering["chrome"] = web_answer(NVIDIA, "NotSupportedError: WebNN is not supported on this platform")
    answering["other"] = web_answer(None, None)
    found = probe("webnn")
    assert found.is_available
    assert browser_of("webnn") == tmp_path / "other"
    assert browser_of("webgpu") == tmp_path / "chrome"
    assert "not supported" in found.probe


def test_without_the_runtime_nothing_can_run_in_the_page(answering, monkeypatch):
    answering["chrome"] = web_answer(NVIDIA, None)
    monkeypatch.setattr(probing, "web_runtime_version", lambda: None)
    for key in ("webgpu", "webnn", "wasm"):
        found = probe(key)
        assert (found.is_available, found.absence) == (False, "unsupported")
        assert "Fix: npm ci --prefix" in found.reason


def test_a_cuda_device_that_torch_can_use_is_available(fresh, monkeypatch):
    answer = {
        "is_available": True,
        "device_count": 1,
        "device_name": "NVIDIA H100",
        "memory_bytes": 85_000_000_000,
        "precisions": ["fp32", "bf16"],
    }
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(probing, "answer_of", lambda *question, timeout_s: answer)
    found = probe("cuda")
    assert found.is_available
    assert (found.device_name, found.device_memory_mb) == ("NVIDIA H100", 85_000)
    assert found.precisions == ("fp32", "bf16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_cuda_build_without_a_driver_is_absent_by_torchs_own_answer(fresh, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    found = probe("cuda")
    assert not found.is_available
    assert "torch.cuda.is_available() is False" in found.reason
    assert "torch.cuda.is_available(): False" in found.probe


def test_a_runtime_that_breaks_becomes_the_reason(fresh, monkeypatch):
    def broken(*question, timeout_s):
        raise NoAnswerError("openvino_questions: exit status -11, no message")

    monkeypatch.setattr(probing, "installed_version", lambda name: "2026.4")
    monkeypatch.setattr(probing, "answer_of", broken)
    found = probe("openvino")
    assert not found.is_available
    assert "exit status -11" in found.reason


def test_without_openvino_the_fix_is_named(fresh, monkeypatch):
    monkeypatch.setattr(probing, "installed_version", lambda name: None)
    assert "openvino is not installed. Fix: pip install openvino" in probe("openvino").reason


def test_a_question_that_fails_is_no_answer():
    with pytest.raises(NoAnswerError, match=r"exit status 1, .*No module named"):
        answer_of("no_such_question", timeout_s=30)


def test_rows_are_valid_and_without_peaks_say_so():
    rows = hardware_rows(with_peaks=False)
    require_valid(CORE_HARDWARE, rows)
    assert [row["hardware"] for row in rows] == list(hardware_keys())
    assert all(row["peak_gflops_fp32"] is None and row["peaks_method"].startswith("not measured") for row in rows)
