"""A generation by graphs with the cache among their inputs: torch's logits at every token, and what is planted is found out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from hwbench_pipeline.bench.backends import backend_for, onnx_store, onnxruntime
from hwbench_pipeline.bench.backends.onnx_store import kept_export, kept_generation
from hwbench_pipeline.bench.backends.onnxruntime import generated_by
from hwbench_pipeline.bench.backends.protocol import TokenSession, Workload
from hwbench_pipeline.bench.backends.torch import EAGER, TorchBackend
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.judging import WrongOutputError, largest_relative_error
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
from hwbench_pipeline.catalog import generating
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.exporting import EXPORTED, TRACED
from hwbench_pipeline.catalog.generating import ENCODER, PROMPT, STEP, NotTakenApartError, TokenCall, stages
from hwbench_pipeline.catalog.inputs import forced_tokens, make_inputs
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

N_TOKENS = 6
DECODER, BOTH = [PROMPT, STEP], [ENCODER, PROMPT, STEP]


@pytest.fixture(autouse=True)
def _own_store(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_store, "_store_folder", lambda: tmp_path / "onnx")


def workload(key, *, n_tokens=N_TOKENS, route=TRACED):
    model = build_model(key, "tiny", seed=0, attn_implementation="eager", use_cache=True)
    inputs = make_inputs(key, model.config, batch_size=2, seed=0)
    tokens = forced_tokens(model.config, 2, n_tokens)
    return Workload(model, inputs, "fp32", "onnxruntime", "generate", tokens, route)


def expected_of(asked):
    return TorchBackend.for_hardware("cpu").prepare(replace(asked, variant=EAGER)).outputs()


def kept_of(asked):
    return kept_generation(asked.model, asked.inputs, asked.forced_tokens, asked.route)


@pytest.mark.parametrize(
    ("key", "graphs"), [("llama", DECODER), ("qwen2", DECODER), ("gpt2", DECODER), ("t5", BOTH), ("whisper", BOTH)]
)
def test_the_logits_are_torchs_at_every_token(key, graphs):
    asked = workload(key)
    expected = expected_of(asked)
    session = backend_for("cpu", "onnxruntime").prepare(asked)
    assert isinstance(session, TokenSession)
    for _ in range(2):  # the second generation begins anew
        given = session.outputs()
        assert given["logits"].shape[:2] == (2, N_TOKENS)
        assert largest_relative_error(expected, given) < 1e-4
    assert [graph["name"] for graph in session.facts.options["graphs"]] == graphs
    assert len({graph["sha256"] for graph in session.facts.options["graphs"]}) == len(graphs)


@pytest.mark.parametrize("key", ["llama", "t5"])
def test_transformers_exporter_gives_the_same(key):
    asked = workload(key, route=EXPORTED)
    expected = expected_of(asked)
    session = backend_for("cpu", "onnxruntime").prepare(asked)
    assert largest_relative_error(expected, session.outputs()) < 1e-4


def test_windows_slide_over_a_cache_that_keeps_every_token():
    asked = workload("mistral", n_tokens=9)
    asked.model.config.sliding_window = 4
    expected = expected_of(asked)
    session = backend_for("cpu", "onnxruntime").prepare(asked)
    assert largest_relative_error(expected, session.outputs()) < 1e-4


def test_a_generation_of_one_token_has_no_step_to_run():
    asked = workload("llama", n_tokens=1)
    expected = expected_of(asked)
    assert largest_relative_error(expected, backend_for("cpu", "onnxruntime").prepare(asked).outputs()) < 1e-4


def test_the_step_was_made_at_another_length_of_cache_than_it_first_runs_at():
    asked = workload("t5")
    step = stages(asked.model, asked.inputs, asked.forced_tokens)[-1]
    assert {step.example[name].shape[axis] for name, axis in step.growing.items()} == {2}


def test_what_keeps_another_state_is_not_taken_apart():
    model = build_model("mamba", "tiny", use_cache=True)
    with pytest.raises(NotTakenApartError, match="expected keys and values of each layer"):
        stages(model, make_inputs("mamba", model.config, batch_size=1), torch.zeros(1, 2, dtype=torch.long))


def test_stages_are_kept_for_any_tokens_and_beside_the_forward_pass():
    asked = workload("llama")
    made = kept_of(asked)
    again = kept_of(replace(asked, forced_tokens=asked.forced_tokens.flip(1)))
    assert (made.is_new, again.is_new, again.sha256) == (True, False, made.sha256)
    assert [stage.name for stage in again.stages] == DECODER
    assert made.output_max_rel_error == again.output_max_rel_error < 1e-4
    assert kept_export(asked.model, asked.inputs, TRACED).sha256 != made.sha256
    given = generated_by(again.stages, TokenCall.of(asked.model, asked.inputs, asked.forced_tokens))
    assert largest_relative_error(expected_of(asked), given) < 1e-4


def test_half_a_generation_is_made_anew():
    asked = workload("llama")
    made = kept_of(asked)
    made.stages[-1].path.unlink()
    assert kept_of(asked).is_new


def _swapped(name):
    """Keys of the first layer handed to the second, and the other way round."""
    places = {"past_0_key": "past_1_key", "past_1_key": "past_0_key"}
    return places.get(generating.handed_on(name), generating.handed_on(name))


@pytest.mark.parametrize("fault", ["order", "stale"])
def test_a_cache_in_the_wrong_order_or_a_stale_one_is_found_out_before_it_is_kept(monkeypatch, tmp_path, fault):
    asked = workload("llama")
    if fault == "order":
        monkeypatch.setattr(onnxruntime, "handed_on", _swapped)
    else:
        run = onnxruntime._StagedCall.step

        def stale(call):
            held = {name: value for name, value in call._held.items() if name.startswith("past_0")}
            logits = run(call)
            # of a layer whose extent must fit the mask, only the newest token is lost
            call._held |= {
                name: type(value).ortvalue_from_numpy(
                    np.concatenate([value.numpy()[:, :, :-1], held[name].numpy()[:, :, -1:]], axis=2)
                )
                for name, value in call._held.items()
                if name in held
            }
            return logits

        monkeypatch.setattr(onnxruntime._StagedCall, "step", stale)
    with pytest.raises(WrongOutputError, match="differs from the torch fp32 reference"):
        kept_of(asked)
    assert list((tmp_path / "onnx").iterdir()) == []


def test_a_row_of_a_generation_says_its_graphs_and_its_times():
    point = Point(batch_size=2, scenario="generate", new_tokens=N_TOKENS, variant="onnxruntime")
    with CellProcesses() as processes:
        (row,) = run_cell(CellPlan("cpu", "whisper", points=(point,), sampling=ONE_CALL), processes).rows
    require_valid(CORE_BENCH__INFERENCE, [row])
    assert (row["status"], row["backend"], row["scenario"]) == ("ok", "onnxruntime", "generate"), row["error_message"]
    options = json.loads(row["options"])
    assert [graph["name"] for graph in options["graphs"]] == BOTH
    assert options["new_tokens"] == N_TOKENS
    assert row["output_max_rel_error"] < 1e-3
    assert row["first_token_ms"] + (N_TOKENS - 1) * row["time_per_output_token_ms"] <= row["latency_ms_max"]
