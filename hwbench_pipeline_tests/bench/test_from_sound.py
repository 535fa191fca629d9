"""Cells from the waveform on: the seconds of sound and the real-time factor stand in the row, in a browser as well."""

from __future__ import annotations

import importlib.util
import json

import pytest

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.plan import FROM_SOUND, CellPlan, Point, Sampling, sweep
from hwbench_pipeline.bench.storing import is_recorded, store_execution
from hwbench_pipeline.hardware.browsers import find_browser, web_runtime_version
from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

QUICK = Sampling(min_warmup_s=0, max_warmup_s=0.1, min_samples=3, min_duration_s=0)
CAN_BROWSE = (
    find_browser() is not None
    and importlib.util.find_spec("playwright") is not None
    and web_runtime_version() is not None
)


def cell(processes, hardware, model, *points):
    execution = run_cell(CellPlan(hardware, model, points=points, sampling=QUICK), processes)
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    return execution


def test_each_clip_is_a_row_with_its_real_time_factor(processes):
    points = sweep(model_sizes=["tiny"], batch_sizes=[2], scenarios=["forward", FROM_SOUND], sounds_s=[2.0, 0.5])
    plain, short, long = cell(processes, "cpu", "wav2vec2", *points).rows
    assert (plain["scenario"], plain["sound_s"], plain["real_time_factor"]) == ("forward", None, None)
    assert (short["scenario"], short["sound_s"], long["sound_s"]) == (FROM_SOUND, 0.5, 2.0)
    assert short["real_time_factor"] == pytest.approx(short["latency_ms_mean"] / 1e3 / (2 * 0.5))
    assert short["input_shape"] == "sound=2x8000"
    assert json.loads(short["options"])["feature_extraction"] == "Wav2Vec2FeatureExtractor, in torch"
    assert json.loads(short["options"])["class"] == "Wav2Vec2ForCTC"
    assert short["n_parameters"] == plain["n_parameters"]


@pytest.mark.skipif(not CAN_BROWSE, reason="needs a browser, playwright and onnxruntime-web (make browser)")
@pytest.mark.parametrize("model", ["whisper", "clap"])
def test_the_features_are_extracted_in_the_page(processes, model):
    (row,) = cell(processes, "wasm", model, Point(scenario=FROM_SOUND, sound_s=0.5)).rows
    assert row["status"] == "ok", row["error_message"]
    assert row["output_max_rel_error"] < 1e-3
    assert "sound=1x" in row["input_shape"]
    assert row["real_time_factor"] > 0


def test_what_does_not_hear_and_other_precisions_are_unsupported_and_named_apart(processes, tmp_path):
    points = sweep(model_sizes=["tiny"], scenarios=[FROM_SOUND], sounds_s=[1.0, 5.0])
    deaf = cell(processes, "cpu", "bert", *points)
    assert [row["status"] for row in deaf.rows] == ["unsupported"] * 2
    assert "bert cannot be run from sound" in deaf.rows[0]["error_message"]
    store_execution(tmp_path, deaf)
    assert is_recorded(tmp_path, deaf.plan)
    further = sweep(model_sizes=["tiny"], scenarios=[FROM_SOUND], sounds_s=[15.0])
    assert not is_recorded(tmp_path, CellPlan("cpu", "bert", points=further))
    (row,) = cell(processes, "cpu", "clap", Point(precision="bf16", scenario=FROM_SOUND, sound_s=1.0)).rows
    assert row["status"] == "unsupported"
    assert "Fix: --precision fp32" in row["error_message"]
