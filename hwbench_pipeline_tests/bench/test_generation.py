"""Generation with a key-value cache: the same logits as without one, and times per token that add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwbench_pipeline.bench import cell
from hwbench_pipeline.bench.backends.protocol import Evidence, TokenSession, TokenTimes, Workload
from hwbench_pipeline.bench.backends.torch import COMPILE, EAGER, TorchBackend
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.inputs import forced_tokens, make_inputs
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

N_TOKENS = 5
QUICK = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=4, min_duration_s=0)


def workload(key, variant=EAGER, precision="fp32"):
    model = build_model(key, "tiny", use_cache=True)
    inputs = make_inputs(key, model.config, batch_size=2)
    tokens = forced_tokens(model.config, 2, N_TOKENS)
    return Workload(model, inputs, precision, variant, "generate", tokens)


def logits_without_cache(asked):
    """The logits at every forced token from whole forward passes over ever longer inputs."""
    model, inputs = asked.model, dict(asked.inputs)
    found = []
    with torch.inference_mode():
        for count in range(N_TOKENS):
            tokens = asked.forced_tokens[:, :count]
            if model.config.is_encoder_decoder:
                start = torch.full((2, 1), model.config.decoder_start_token_id)
                inputs["decoder_input_ids"] = torch.cat([start, tokens], dim=1)
                inputs.pop("decoder_attention_mask", None)
                longer = inputs
            else:
                mask = asked.inputs["attention_mask"]
                longer = inputs | {
                    "input_ids": torch.cat([asked.inputs["input_ids"], tokens], dim=1),
                    "attention_mask": torch.cat([mask, mask.new_ones(2, count)], dim=1),
                }
            found.append(model(**longer, use_cache=False).logits[:, -1])
    return torch.stack(found, dim=1).numpy()


@pytest.mark.parametrize("key", ["llama", "qwen2", "t5", "whisper", "llava", "llava_next"])
def test_the_cache_changes_no_logit(key):
    asked = workload(key)
    expected = logits_without_cache(asked)
    session = TorchBackend.for_hardware("cpu").prepare(asked)
    assert isinstance(session, TokenSession)
    for _ in range(2):  # the second generation begins anew
        logits = session.outputs()["logits"]
        assert logits.shape == expected.shape
        assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected).max()


def test_the_forced_tokens_matter():
    asked = workload("llama")
    session = TorchBackend.for_hardware("cpu").prepare(asked)
    others = Workload(asked.model, asked.inputs, "fp32", EAGER, "generate", asked.forced_tokens.flip(1))
    first, second = session.outputs()["logits"], TorchBackend.for_hardware("cpu").prepare(others).outputs()["logits"]
    assert np.array_equal(first[:, 0], second[:, 0])  # the prompt alone decides it
    assert not np.allclose(first[:, 1], second[:, 1])


def test_what_is_not_generated_says_so():
    with pytest.raises(UnsupportedError, match="not compiled"):
        TorchBackend.for_hardware("cpu").prepare(workload("llama", COMPILE))


class _Distant:
    """A generation that another program times."""

    facts = None

    def run(self):
        raise AssertionError("timed from here")

    sync = outputs = peak_memory = run

    def timed_tokens(self):
        return TokenTimes(3.0, (1.0, 2.0))

    def timed_run(self):
        return 6.0

    def evidence(self):
        return Evidence()

    def close(self):
        pass


def test_a_distant_generation_is_timed_by_its_own_clock():
    call = cell._call_of(_Distant(), Point(scenario="generate", new_tokens=3))
    values = cell._sample(CellPlan("cpu", "llama", sampling=QUICK), _Distant(), call)
    assert set(values["samples_ms"]) == {6.0}
    assert (values["first_token_ms"], values["time_per_output_token_ms"]) == (3.0, 1.5)


@pytest.fixture(scope="module")
def rows():
    point = Point(batch_size=2, scenario="generate", new_tokens=N_TOKENS)
    with CellProcesses() as processes:
        cells = [("cpu", "llama"), ("cpu", "bert"), ("openvino", "llama")]
        return {cell: run_cell(CellPlan(*cell, points=(point,), sampling=QUICK), processes).rows[0] for cell in cells}


def test_a_generation_has_its_first_token_apart(rows):
    row = rows["cpu", "llama"]
    require_valid(CORE_BENCH__INFERENCE, [row])
    assert (row["status"], row["scenario"]) == ("ok", "generate")
    assert f'"new_tokens":{N_TOKENS}' in row["options"]
    total = row["first_token_ms"] + (N_TOKENS - 1) * row["time_per_output_token_ms"]
    assert total == pytest.approx(row["latency_ms_p50"], rel=0.5)
    assert row["tokens_per_s"] == pytest.approx(2 * N_TOKENS / row["latency_ms_mean"] * 1e3)
    assert row["roofline_ms"] is None


@pytest.mark.parametrize(
    ("cell", "said"), [(("cpu", "bert"), "generates no text"), (("openvino", "llama"), "--scenario forward")]
)
def test_what_cannot_generate_is_unsupported(rows, cell, said):
    if rows[cell]["status"] == "no_hardware":
        pytest.skip(rows[cell]["error_message"])
    assert rows[cell]["status"] == "unsupported"
    assert said in rows[cell]["error_message"]
    assert rows[cell]["scenario"] == "generate"
