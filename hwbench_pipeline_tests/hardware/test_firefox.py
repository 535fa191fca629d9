"""Firefox by WebDriver BiDi: the real one where it is there, and programs that play one."""

from __future__ import annotations

import http.server
import importlib.util
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from hwbench_pipeline.hardware import probing
from hwbench_pipeline.hardware.browsers import BROWSER_VARIABLE, find_firefox, web_runtime_version
from hwbench_pipeline.hardware.firefox import (
    Firefox,
    FirefoxEndedError,
    FirefoxError,
    PageCodeError,
    PageGoneError,
    with_names,
)
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.hardware.web_questions import _EmptyPage, ask_browser
from hwbench_pipeline_tests.hardware import old_firefox

HAS_WEBSOCKETS = importlib.util.find_spec("websockets") is not None
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="makes POSIX executables and kills by POSIX signals"),
    pytest.mark.skipif(not HAS_WEBSOCKETS, reason="websockets is not installed"),
]
needs_firefox = pytest.mark.skipif(find_firefox() is None, reason="no Firefox here (make firefox)")


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def firefox(address):
    with Firefox(find_firefox()) as firefox:
        firefox.open(address)
        yield firefox


def playing(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def old(tmp_path):
    return playing(tmp_path / "firefox", f'exec {sys.executable} {old_firefox.__file__} "$@"')


@needs_firefox
def test_a_page_is_called_and_heard(firefox):
    assert int(firefox.version.partition(".")[0]) > 100
    assert firefox.call("(given) => ({...given, b: crossOriginIsolated})", {"a": [1, "ü"]}) == {
        "a": [1, "ü"],
        "b": True,
    }
    assert firefox.call("() => undefined") is None
    firefox.call("async () => { console.log('heard', 3) }")
    assert firefox.console[-1] == "heard 3"
    with pytest.raises(PageCodeError, match="RangeError: too far"):
        firefox.call("() => { throw new RangeError('too far') }")
    # ten times finer than what is measured; 20 µs is what Firefox gives every page
    step = """() => { const begun = performance.now(); for (;;) {
      const now = performance.now(); if (now !== begun) return now - begun; } }"""
    assert min(firefox.call(step) for _ in range(20)) < 0.01


@needs_firefox
def test_no_answer_in_time_is_an_error(firefox):
    with pytest.raises(FirefoxError, match=r"no answer within 0\.2 s"):
        firefox.call("() => new Promise(() => {})", timeout_s=0.2)


@needs_firefox
@pytest.mark.skipif(sys.platform != "linux", reason="looks for its processes by what Linux calls them")
def test_a_page_whose_process_was_killed_is_not_the_page_that_firefox_shows_then(firefox):
    page = psutil.Process(firefox.page_pid)
    assert page.pid in [process.pid for process in firefox.processes()]
    threading.Timer(0.5, page.kill).start()
    with pytest.raises(PageGoneError):
        firefox.call("() => new Promise((resolve) => setTimeout(resolve, 20000))")
    with pytest.raises(PageGoneError):
        firefox.call("() => 1")


@needs_firefox
def test_a_firefox_that_was_killed_is_gone(firefox):
    threading.Timer(0.5, firefox._process.kill).start()
    with pytest.raises(FirefoxEndedError):
        firefox.call("() => new Promise((resolve) => setTimeout(resolve, 20000))")
    assert firefox.exit_status() == -signal.SIGKILL


@needs_firefox
def test_nothing_is_left_behind(address, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = dict(os.environ)
    with Firefox(find_firefox()) as firefox:
        firefox.open(address)
        processes = firefox.processes()
        assert len(processes) > 2
        assert len(list(tmp_path.iterdir())) == 1
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before


@needs_firefox
def test_what_firefox_answers():
    answer = ask_browser(str(find_firefox()))
    assert [answer[name] for name in ("cross_origin_isolated", "wasm_threads", "wasm_simd")] == [True, True, True]
    assert set(answer["webnn"].values()) == {"navigator.ml is undefined"}
    adapter = answer["webgpu"].get("adapter")
    if adapter is None:
        assert answer["webgpu"]["error"]
    else:
        assert adapter["description"]
        assert adapter["named_by"]


@needs_firefox
@pytest.mark.skipif(web_runtime_version() is None, reason="onnxruntime-web is not installed (make browser)")
def test_the_probes_in_firefox(monkeypatch):
    monkeypatch.setattr(probing, "_probes", {})
    monkeypatch.setattr(probing, "_browser_answers", {})
    monkeypatch.setenv(BROWSER_VARIABLE, str(find_firefox()))
    wasm, webnn, webgpu = probe("wasm"), probe("webnn"), probe("webgpu")
    assert wasm.is_available
    assert (webnn.is_available, webnn.absence) == (False, "no_hardware")
    assert "navigator.ml is undefined" in webnn.reason
    assert f"unset {BROWSER_VARIABLE} and `make webnn`" in webnn.reason
    assert webgpu.is_available == ("its name is told by: Firefox's own window" in webgpu.probe)
    if webgpu.absence == "no_hardware":
        assert "offers no WebGPU adapter" in webgpu.reason


def test_one_that_ends_at_once_says_what_it_said(tmp_path):
    broken = playing(tmp_path / "firefox", "echo a library is missing >&2; exit 3")
    with pytest.raises(FirefoxError, match="exit status 3 before it listened: a library is missing"), Firefox(broken):
        pass


def test_one_that_does_not_listen_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("hwbench_pipeline.hardware.firefox.START_TIMEOUT_S", 0.5)
    silent = playing(tmp_path / "firefox", "exec sleep 271.828")
    with pytest.raises(FirefoxError, match=r"did not listen for WebDriver BiDi within 0\.5 s"), Firefox(silent):
        pass
    time.sleep(0.2)
    assert not [found for found in psutil.process_iter(["cmdline"]) if "271.828" in (found.info["cmdline"] or [])]


def test_an_old_firefox_is_asked_and_its_adapter_has_no_name(old, address):
    with Firefox(old) as firefox:
        firefox.open(address)
        assert (firefox.version, firefox.page_pid, firefox.named_adapter()) == ("128.0", None, None)
        assert firefox.console
    answer = ask_browser(str(old))
    assert answer["browser_version"] == "128.0"
    assert "named_by" not in answer["webgpu"]["adapter"]


def test_webgpu_whose_adapter_has_no_name_is_unsupported(old, monkeypatch):
    monkeypatch.setattr(probing, "_probes", {})
    monkeypatch.setattr(probing, "_browser_answers", {})
    monkeypatch.setenv(BROWSER_VARIABLE, str(old))
    found = probe("webgpu")
    assert (found.is_available, found.absence) == (False, "unsupported")
    assert "its adapter tells neither vendor, architecture, device nor description" in found.reason
    assert "version: 128.0" in found.probe


OF_PAGE = {"vendor": "", "architecture": "", "device": "", "description": "", "is_fallback": False}


@pytest.mark.parametrize(("kind", "is_fallback"), [("Cpu", True), ("DiscreteGpu", False)])
def test_names_stand_where_other_browsers_have_theirs(kind, is_fallback):
    named = {"name": "A GPU", "driver": "a driver 1.2", "type": kind, "backend": "Vulkan"}
    told = with_names(OF_PAGE, named)
    assert (told["description"], told["driver"], told["backend"]) == ("A GPU", "a driver 1.2", "Vulkan")
    assert told["is_fallback"] is is_fallback
    assert "Firefox's own window" in told["named_by"]


def test_without_names_an_adapter_stays_as_it_is():
    assert with_names(OF_PAGE, None) == OF_PAGE
