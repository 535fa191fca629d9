"""Models in a real Firefox's page: the same row as in Chromium, and real faults."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import signal
import sys
import time

import psutil
import pytest
import torch

from hwbench_pipeline.bench.backends import backend_for
from hwbench_pipeline.bench.backends.protocol import Workload
from hwbench_pipeline.bench.backends.web.browser import (
    BrowserFailedError,
    BrowserPage,
    PageError,
    memory_words,
    page_error,
)
from hwbench_pipeline.bench.backends.web.firefox import FirefoxPage
from hwbench_pipeline.bench.backends.web.pages import page_in
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.judging import largest_relative_error, require_right_output
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
from hwbench_pipeline.hardware import probing
from hwbench_pipeline.hardware.browsers import BROWSER_VARIABLE, UNNAMED_ADAPTER, find_firefox, web_runtime_version
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.firefox import Firefox
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

FIREFOX = find_firefox()
CAN_RUN = (
    FIREFOX is not None and importlib.util.find_spec("websockets") is not None and web_runtime_version() is not None
)
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes by POSIX signals"),
]
needs_firefox = pytest.mark.skipif(
    not CAN_RUN, reason="needs Firefox, websockets and onnxruntime-web (make firefox browser)"
)
PLAN = CellPlan("wasm", "bert", "inference", (Point("tiny"),), ONE_CALL)


@pytest.fixture(autouse=True)
def in_firefox(monkeypatch):
    """HWBENCH_BROWSER names Firefox, and nothing is known of it yet."""
    monkeypatch.setenv(BROWSER_VARIABLE, str(FIREFOX or ""))
    monkeypatch.setattr(probing, "_probes", {})
    monkeypatch.setattr(probing, "_browser_answers", {})


@contextlib.contextmanager
def opened(hardware, bert, variant=None):
    model, inputs, _ = bert
    backend = backend_for(hardware)
    session = backend.prepare(Workload(model, inputs, "fp32", variant or backend.variants[0]))
    try:
        yield session
    finally:
        session.close()


def test_the_page_is_chosen_by_what_the_executable_is(tmp_path):
    assert isinstance(page_in(tmp_path / "firefox-esr", ()), FirefoxPage)
    assert isinstance(page_in(tmp_path / "chromium", ()), BrowserPage)


@needs_firefox
@pytest.mark.parametrize(
    ("hardware", "variant", "provider"),
    [
        ("wasm", "wasm", "CPUExecutionProvider"),
        ("webgpu", "native", "WebGpuExecutionProvider"),
        ("webgpu", "jsep", "JsExecutionProvider"),
    ],
)
def test_a_model_runs_and_the_row_proves_where(bert, hardware, variant, provider, browsers_left):
    found = probe(hardware)
    if not found.is_available:
        pytest.skip(f"{hardware}: {found.reason}")
    with opened(hardware, bert, variant) as session:
        assert session.timed_run() > 0
        require_right_output(largest_relative_error(bert[2], session.outputs()), "fp32")
        memory = session.peak_memory()
        evidence = session.evidence()
    assert memory.peak_memory_mb > 50
    assert "all processes of the browser" in memory.memory_method
    assert session.facts.options["browser"].startswith(FIREFOX.name)
    assert session.facts.options["cross_origin_isolated"] is True
    assert evidence.options["nodes_by_provider"][provider] > 0
    assert evidence.options["page_memory_mb"] == "not told"
    assert "threaded" in evidence.options["wasm_file"]
    if hardware == "webgpu":
        assert evidence.options["dispatches_per_call"] >= 1
        assert evidence.options["adapter"]["description"]
        assert evidence.device_name == found.device_name
        assert ("software_adapter" in evidence.flags) == found.is_software
    else:
        assert session.facts.threads_intra_op == torch.get_num_threads()
    assert browsers_left() == 0


@needs_firefox
def test_a_number_of_an_adapter_without_a_name_is_not_told(bert, monkeypatch):
    if not probe("webgpu").is_available:
        pytest.skip(f"webgpu: {probe('webgpu').reason}")
    monkeypatch.setattr(Firefox, "named_adapter", lambda firefox: None)
    with opened("webgpu", bert) as session:
        session.timed_run()
        with pytest.raises(UnsupportedError) as refused:
            session.evidence()
    assert str(refused.value) == UNNAMED_ADAPTER


@needs_firefox
def test_a_killed_tab_is_an_error_that_names_the_signal_and_the_next_page_works(bert):
    with opened("wasm", bert) as session:
        session.timed_run()
        psutil.Process(session._page._firefox.page_pid).send_signal(signal.SIGKILL)
        time.sleep(0.5)
        with pytest.raises(BrowserFailedError, match="the tab's process died while it worked: it was ended by SIGKILL"):
            session.timed_run()
    with opened("wasm", bert) as session:
        assert session.timed_run() > 0


@needs_firefox
def test_a_killed_browser_is_an_error_that_names_the_signal(bert):
    with opened("wasm", bert) as session:
        session._page._firefox._process.kill()
        with pytest.raises(BrowserFailedError, match="the browser died while it worked: it was ended by SIGKILL"):
            session.timed_run()


@needs_firefox
def test_what_the_page_throws_is_said(bert):
    with opened("wasm", bert) as session:
        session._server.__exit__()
        with pytest.raises(PageError, match="NetworkError"):
            session.outputs()


def test_memory_that_runs_out_is_called_so():
    log = [
        "[Parent 1, Main] WARNING: something",
        "[Child 2, Main] ###!!! ABORT: OOM: could not allocate memory for a frame",
    ]
    assert memory_words(log) == ": out of memory (###!!! ABORT: OOM: could not allocate memory for a frame)"
    assert memory_words(log[:1]) is None
    assert str(page_error("Error: allocation failed")) == "out of memory in the page: Error: allocation failed"


def test_a_firefox_that_does_not_start_is_named(tmp_path):
    broken = tmp_path / "broken-firefox"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with (
        pytest.raises(PageError, match="broken-firefox did not start: it ended with exit status 3"),
        FirefoxPage(broken),
    ):
        pass


@needs_firefox
def test_a_cell_in_firefox_is_a_row_like_any_other():
    with CellProcesses() as processes:
        execution = run_cell(PLAN, processes)
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    (row,) = execution.rows
    assert (row["status"], row["provenance"], row["backend"]) == ("ok", "measured", "onnxruntime-web")
    assert json.loads(row["options"])["browser"].startswith(FIREFOX.name)


@needs_firefox
def test_a_tab_killed_while_it_is_measured_is_a_row_and_the_next_cell_runs(browsers_left):
    with CellProcesses("hwbench_pipeline_tests.bench.planted_web_faults:killed_firefox_tab") as processes:
        (row,) = run_cell(PLAN, processes).rows
    assert (row["status"], row["error_class"], row["provenance"]) == ("failed", "BrowserFailedError", "none")
    assert row["error_message"] == "the tab's process died while it worked: it was ended by SIGKILL"
    with CellProcesses() as processes:
        (row,) = run_cell(PLAN, processes).rows
    assert row["status"] == "ok"
    assert browsers_left() == 0


@needs_firefox
@pytest.mark.parametrize(
    ("fault", "status", "error_class"), [("hanging_page", "timeout", "Timeout"), ("killed_cell", "failed", "Killed")]
)
def test_however_a_cell_ends_it_leaves_no_firefox_behind(browsers_left, fault, status, error_class):
    plan = CellPlan("wasm", "bert", "inference", (Point("tiny"),), ONE_CALL, phase_timeout_s=25.0)
    with CellProcesses(f"hwbench_pipeline_tests.bench.planted_web_faults:{fault}") as processes:
        (row,) = run_cell(plan, processes).rows
    assert (row["status"], row["error_class"]) == (status, error_class)
    assert browsers_left() == 0
