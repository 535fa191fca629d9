"""Models in a real browser's page: right outputs, the proof of what ran them, and real faults."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import sys
import time

import psutil
import pytest
import torch

from hwbench_pipeline.bench.backends import backend_for
from hwbench_pipeline.bench.backends.protocol import DistantSession, Workload
from hwbench_pipeline.bench.backends.web import backend as web
from hwbench_pipeline.bench.backends.web.browser import BrowserPage, PageError
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.judging import WrongOutputError, largest_relative_error, require_right_output
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
from hwbench_pipeline.hardware.browsers import PAGE_FOLDER, find_browser, web_runtime_version
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

CAN_RUN = (
    find_browser() is not None
    and importlib.util.find_spec("playwright") is not None
    and web_runtime_version() is not None
)
pytestmark = [
    pytest.mark.skipif(not CAN_RUN, reason="needs a browser, playwright and onnxruntime-web (make browser)"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes by POSIX signals"),
]


def prepared(hardware, bert, variant=None):
    model, inputs, _ = bert
    backend = backend_for(hardware)
    return backend.prepare(Workload(model, inputs, "fp32", variant or backend.variants[0]))


@contextlib.contextmanager
def opened(hardware, bert, variant=None):
    session = prepared(hardware, bert, variant)
    try:
        yield session
    finally:
        session.close()


def needs(hardware):
    found = probe(hardware)
    if not found.is_available:
        pytest.skip(f"{hardware}: {found.reason}")


@pytest.mark.parametrize(
    ("hardware", "variant", "provider"),
    [
        ("wasm", "wasm", "CPUExecutionProvider"),
        ("webgpu", "native", "WebGpuExecutionProvider"),
        ("webgpu", "jsep", "JsExecutionProvider"),
        ("webnn", "webnn-cpu", "WebNNExecutionProvider"),
    ],
)
def test_a_model_runs_and_the_row_proves_where(bert, hardware, variant, provider, browsers_left):
    needs(hardware)
    with opened(hardware, bert, variant) as session:
        assert isinstance(session, DistantSession)
        assert session.timed_run() > 0
        require_right_output(largest_relative_error(bert[2], session.outputs()), "fp32")
        memory = session.peak_memory()
        evidence = session.evidence()
    assert memory.peak_memory_mb > 50
    assert session.facts.options["cross_origin_isolated"] is True
    assert session.facts.backend_version == web_runtime_version()
    assert evidence.options["nodes_by_provider"][provider] > 0
    if hardware != "wasm":
        assert evidence.options["dispatches_per_call"] >= 1
    if hardware == "webgpu":
        assert ("software_adapter" in evidence.flags) == probe("webgpu").is_software
        assert evidence.options["adapter"]["vendor"]
    if hardware == "webnn":
        assert evidence.options["devices_used"]
    if hardware == "wasm":
        assert session.facts.threads_intra_op == torch.get_num_threads()
        assert evidence.options["wasm_file"].endswith(".wasm")
    assert browsers_left() == 0


def test_a_silent_fall_back_to_the_cpu_is_found_out(bert, monkeypatch):
    needs("webgpu")
    monkeypatch.setitem(web.RUNTIMES, ("webgpu", "native"), web.Runtime("ort.wasm.min.mjs", "wasm"))
    with opened("webgpu", bert) as session:
        session.timed_run()
        require_right_output(largest_relative_error(bert[2], session.outputs()), "fp32")  # right, and not from there
        with pytest.raises(web.NotOnDeviceError, match="dispatched nothing to webgpu"):
            session.evidence()


def test_a_wrong_kernel_is_found_out(bert, monkeypatch):
    needs("webgpu")
    wrong = b"""
const make = GPUDevice.prototype.createShaderModule;
GPUDevice.prototype.createShaderModule = function (asked) {
  return make.call(this, {...asked, code: asked.code.replaceAll("inverseSqrt(", "1.1 * inverseSqrt(")});
};
"""
    served = web._served
    own = (PAGE_FOLDER / "session.js").read_bytes()
    monkeypatch.setattr(web, "_served", lambda export: {**served(export), "session.js": wrong + own})
    with opened("webgpu", bert) as session:
        session.timed_run()
        with pytest.raises(WrongOutputError, match="differs from the torch fp32 reference"):
            require_right_output(largest_relative_error(bert[2], session.outputs()), "fp32")


def _processes_of(session, mark):
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if mark in process.cmdline():
                found.append(process)
    assert found, f"no process with {mark}"
    return found


def test_a_killed_tab_is_an_error_that_says_so_and_the_next_page_works(bert):
    with opened("wasm", bert) as session:
        session.timed_run()
        for process in _processes_of(session, "--type=renderer"):
            process.send_signal(signal.SIGKILL)
        time.sleep(0.5)
        with pytest.raises(PageError, match="died while it worked"):
            session.timed_run()
    with opened("wasm", bert) as session:
        assert session.timed_run() > 0


def _run_often(session):
    """The loss reaches the page some calls later."""
    for _ in range(20):
        session.timed_run()
        time.sleep(0.1)


def test_a_killed_gpu_process_is_an_error(bert):
    needs("webgpu")
    with opened("webgpu", bert) as session:
        session.timed_run()
        for process in _processes_of(session, "--type=gpu-process"):
            process.send_signal(signal.SIGKILL)
        with pytest.raises(PageError):
            _run_often(session)


def test_a_killed_browser_is_an_error(bert):
    with opened("wasm", bert) as session:
        browser = psutil.Process(_processes_of(session, "--type=renderer")[0].pid)
        while browser.parent() is not None and "chrom" in browser.parent().name():
            browser = browser.parent()
        browser.send_signal(signal.SIGKILL)
        time.sleep(0.5)
        with pytest.raises(PageError, match="died while it worked"):
            session.timed_run()


def test_a_page_whose_server_is_gone_says_what_it_could_not_fetch(bert):
    with opened("wasm", bert) as session:
        session._server.__exit__()
        with pytest.raises(PageError, match="fetch"):
            session.outputs()


def test_memory_that_a_tab_does_not_get_is_an_error(bert):
    hoard = "{ const held = []; for (;;) held.push({}, [1, 2]); }"
    with BrowserPage(find_browser(), ("--js-flags=--max-old-space-size=64",)) as page:
        page._page.set_content(f"<script>window.hwbench = {{hoard: () => {hoard}}}</script>")
        with pytest.raises(PageError, match="out of memory"):
            page.call("hoard")


def test_a_page_that_hangs_is_a_row_and_leaves_no_browser_behind(browsers_left):
    plan = CellPlan("wasm", "bert", "inference", (Point("tiny"),), ONE_CALL, phase_timeout_s=20.0)
    with CellProcesses("hwbench_pipeline_tests.bench.planted_web_faults:hanging_page") as processes:
        (row,) = run_cell(plan, processes).rows
    assert (row["status"], row["error_class"]) == ("timeout", "Timeout")
    assert "'first inference'" in row["error_message"]
    assert browsers_left() == 0


def test_a_cell_that_is_killed_leaves_no_browser_behind(browsers_left):
    plan = CellPlan("wasm", "bert", "inference", (Point("tiny"),), ONE_CALL)
    with CellProcesses("hwbench_pipeline_tests.bench.planted_web_faults:killed_cell") as processes:
        (row,) = run_cell(plan, processes).rows
    assert (row["status"], row["error_class"]) == ("failed", "Killed")
    assert browsers_left() == 0


def test_a_cell_in_a_browser_is_a_row_like_any_other():
    plan = CellPlan("wasm", "bert", "inference", (Point("tiny"),), ONE_CALL)
    with CellProcesses() as processes:
        execution = run_cell(plan, processes)
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    (row,) = execution.rows
    assert (row["status"], row["provenance"], row["backend"]) == ("ok", "measured", "onnxruntime-web")
    assert row["output_max_rel_error"] < 1e-3
    assert json.loads(row["options"])["nodes_by_provider"]


def test_a_browser_that_does_not_start_is_named(bert, tmp_path, monkeypatch):
    broken = tmp_path / "broken-browser"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(web, "browser_of", lambda key: broken)
    with pytest.raises(PageError, match="broken-browser did not start"):
        prepared("wasm", bert)


def test_without_a_browser_the_row_says_what_to_install(bert, monkeypatch):
    monkeypatch.setattr(web, "browser_of", lambda key: None)
    with pytest.raises(UnsupportedError, match="Fix: install"):
        prepared("wasm", bert)


def test_precisions_that_a_page_does_not_run_are_refused(bert):
    model, inputs, _ = bert
    with pytest.raises(UnsupportedError, match="Fix: --precision fp32"):
        backend_for("wasm").prepare(Workload(model, inputs, "bf16", "wasm"))


def test_the_environment_is_as_it_was(bert):
    before = dict(os.environ)
    with opened("wasm", bert):
        pass
    assert dict(os.environ) == before
