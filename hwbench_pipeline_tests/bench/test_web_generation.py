"""Generations in a real browser's page: torch's logits, the page's own times, and the proof of each graph."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from dataclasses import replace

import pytest

from hwbench_pipeline.bench.backends import backend_for, onnx_store
from hwbench_pipeline.bench.backends.protocol import DistantTokenSession, TokenSession, Workload
from hwbench_pipeline.bench.backends.torch import EAGER, TorchBackend
from hwbench_pipeline.bench.backends.web import backend as web
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.judging import WrongOutputError, largest_relative_error, require_right_output
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.exporting import TRACED
from hwbench_pipeline.catalog.generating import ENCODER, PROMPT, STEP, handed_on
from hwbench_pipeline.catalog.inputs import forced_tokens, make_inputs
from hwbench_pipeline.hardware.browsers import find_browser, web_runtime_version
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

CAN_RUN = (
    find_browser() is not None
    and importlib.util.find_spec("playwright") is not None
    and web_runtime_version() is not None
)
pytestmark = pytest.mark.skipif(not CAN_RUN, reason="needs a browser, playwright and onnxruntime-web (make browser)")

N_TOKENS = 5


@pytest.fixture(scope="module", autouse=True)
def _own_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(onnx_store, "_store_folder", lambda: folder)
        yield


def workload(key):
    model = build_model(key, "tiny", seed=0, attn_implementation="eager", use_cache=True)
    inputs = make_inputs(key, model.config, batch_size=2, seed=0)
    tokens = forced_tokens(model.config, 2, N_TOKENS)
    return Workload(model, inputs, "fp32", "wasm", "generate", tokens, TRACED)


def expected_of(asked):
    return TorchBackend.for_hardware("cpu").prepare(replace(asked, variant=EAGER)).outputs()


@contextlib.contextmanager
def opened(hardware, asked, variant):
    probed = probe(hardware)
    if not probed.is_available:
        pytest.skip(f"{hardware}: {probed.reason}")
    expected = expected_of(asked)
    session = backend_for(hardware).prepare(replace(asked, variant=variant))
    try:
        yield session, expected
    finally:
        session.close()


@pytest.mark.parametrize(
    ("hardware", "variant", "key", "provider", "cache_at"),
    [
        ("wasm", "wasm", "llama", "CPUExecutionProvider", "cpu"),
        ("wasm", "wasm", "whisper", "CPUExecutionProvider", "cpu"),
        ("webgpu", "native", "qwen2", "WebGpuExecutionProvider", "gpu-buffer"),
        ("webgpu", "jsep", "t5", "JsExecutionProvider", "gpu-buffer"),
        ("webnn", "webnn-cpu", "gpt2", "WebNNExecutionProvider", "cpu"),
    ],
)
def test_a_page_generates_as_torch_does_and_each_graph_is_proven(hardware, variant, key, provider, cache_at):
    graphs = [ENCODER, PROMPT, STEP] if key in ("t5", "whisper") else [PROMPT, STEP]
    with opened(hardware, workload(key), variant) as (session, expected):
        assert isinstance(session, DistantTokenSession)
        assert not isinstance(session, TokenSession)  # no token of it is timed from here
        times = session.timed_tokens()
        for _ in range(2):  # the second generation begins anew
            require_right_output(largest_relative_error(expected, session.outputs()), "fp32")
        found = session.evidence()
    assert times.first_ms > 0
    assert len(times.further_ms) == N_TOKENS - 1
    assert min(times.further_ms) > 0
    assert [graph["name"] for graph in found.options["graphs"]] == graphs
    assert all(len(graph["sha256"]) == 64 for graph in found.options["graphs"])
    assert all(graph["nodes_by_provider"][provider] > 0 for graph in found.options["graphs"])
    told = [graph["nodes_by_provider"] for graph in found.options["graphs"]]
    assert found.options["nodes_by_provider"][provider] == sum(counts[provider] for counts in told)
    assert found.options["cache_at"] == [cache_at]
    if hardware != "wasm":
        assert found.options["dispatches_per_call"] >= N_TOKENS


def test_a_cache_in_the_wrong_order_is_found_out(monkeypatch):
    places = {"past_0_key": "past_1_key", "past_1_key": "past_0_key"}
    monkeypatch.setattr(web, "handed_on", lambda name: places.get(handed_on(name), handed_on(name)))
    with opened("wasm", workload("llama"), "wasm") as (session, expected):
        session.timed_run()
        with pytest.raises(WrongOutputError, match="differs from the torch fp32 reference"):
            require_right_output(largest_relative_error(expected, session.outputs()), "fp32")


def test_tokens_that_are_not_those_of_the_call_are_found_out(monkeypatch):
    told_of = web._told_of

    def stale(name, url, tensor):
        return told_of(name, url.replace("further/3/next_ids", "further/2/next_ids"), tensor)

    monkeypatch.setattr(web, "_told_of", stale)
    with (
        opened("wasm", workload("llama"), "wasm") as (session, expected),
        pytest.raises(WrongOutputError, match="differs from the torch fp32 reference"),
    ):
        require_right_output(largest_relative_error(expected, session.outputs()), "fp32")


def test_a_graph_that_the_cpu_ran_alone_is_not_hidden_by_another():
    web._require_on_device({PROMPT: {"WebGpuExecutionProvider": 3}, STEP: {}}, "webgpu")  # of one nothing was told
    with pytest.raises(web.NotOnDeviceError, match="whole graph step"):
        web._require_on_device({PROMPT: {"WebGpuExecutionProvider": 3}, STEP: {"CPUExecutionProvider": 3}}, "webgpu")


def test_a_generation_in_a_browser_is_a_row_with_the_times_of_its_tokens():
    point = Point(batch_size=2, scenario="generate", new_tokens=N_TOKENS)
    with CellProcesses() as processes:
        (row,) = run_cell(CellPlan("wasm", "llama", points=(point,), sampling=ONE_CALL), processes).rows
    require_valid(CORE_BENCH__INFERENCE, [row])
    assert (row["status"], row["backend"], row["scenario"]) == ("ok", "onnxruntime-web", "generate"), row[
        "error_message"
    ]
    assert row["output_max_rel_error"] < 1e-3
    total_ms = row["first_token_ms"] + (N_TOKENS - 1) * row["time_per_output_token_ms"]
    assert total_ms == pytest.approx(row["latency_ms_p50"], abs=0.02)  # one sample, by one clock
    assert row["tokens_per_s"] == pytest.approx(2 * N_TOKENS / row["latency_ms_mean"] * 1e3)
    options = json.loads(row["options"])
    assert [graph["name"] for graph in options["graphs"]] == [PROMPT, STEP]
    assert options["new_tokens"] == N_TOKENS
