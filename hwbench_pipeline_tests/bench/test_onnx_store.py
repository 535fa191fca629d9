"""Exported files: kept by content, checked before they are kept, whole or not there, and within a limit."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from hwbench_pipeline.bench.backends import onnx_store
from hwbench_pipeline.bench.backends.onnx_store import kept_export
from hwbench_pipeline.bench.backends.onnxruntime import outputs_of
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.judging import WrongOutputError
from hwbench_pipeline.bench.onnx_export import export_models
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.exporting import EXPORTED, TRACED
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.schema.tables import CORE_MODELS__ONNX
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline.warehouse.reading import read_rows


@pytest.fixture(autouse=True)
def _own_store(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_store, "_store_folder", lambda: tmp_path / "onnx")


def bert(seed=0):
    model = build_model("bert", "tiny", seed=seed, attn_implementation="eager")
    return model, make_inputs("bert", model.config, batch_size=1, seed=0)


@pytest.mark.parametrize("route", [TRACED, EXPORTED])
def test_an_export_is_made_once_and_gives_the_same_again(route):
    model, inputs = bert()
    made = kept_export(model, inputs, route)
    found = kept_export(model, inputs, route)
    assert (made.is_new, found.is_new) == (True, False)
    assert (made.sha256, made.export_ms // 1) == (found.sha256, found.export_ms // 1)
    assert found.output_max_rel_error == made.output_max_rel_error < 1e-4
    assert [path.name for path in found.files] == [path.name for path in made.files]
    with torch.no_grad():
        expected = model(**inputs).logits.numpy()
    np.testing.assert_allclose(outputs_of(found.graph)["logits"], expected, atol=1e-4)


def test_a_model_that_differs_by_one_weight_is_another():
    model, inputs = bert()
    first = kept_export(model, inputs, TRACED)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1
    assert kept_export(model, inputs, TRACED).sha256 != first.sha256


def test_inputs_and_routes_are_part_of_what_is_kept():
    model, inputs = bert()
    longer = make_inputs("bert", model.config, batch_size=1, sequence_length=7, seed=0)
    keys = {onnx_store._content_sha256(model, *of) for of in ((inputs, TRACED), (longer, TRACED), (inputs, EXPORTED))}
    assert len(keys) == 3


def test_a_wrong_file_is_not_kept(monkeypatch, tmp_path):
    model, inputs = bert()
    right = onnx_store.outputs_of
    monkeypatch.setattr(
        onnx_store, "outputs_of", lambda graph: {name: value + 1 for name, value in right(graph).items()}
    )
    with pytest.raises(WrongOutputError):
        kept_export(model, inputs, TRACED)
    assert list((tmp_path / "onnx").iterdir()) == []


@pytest.mark.parametrize("damage", ["cut facts", "no model", "no facts", "cut model", "empty model"])
def test_half_an_export_is_made_anew(damage):
    model, inputs = bert()
    made = kept_export(model, inputs, TRACED)
    if damage == "cut facts":
        (made.folder / "export.json").write_text('{"outputs": {"log')
    elif damage.endswith("cut model") or damage.startswith("empty"):
        whole = (made.folder / "model.onnx").read_bytes()
        (made.folder / "model.onnx").write_bytes(whole[: len(whole) // 2] if damage == "cut model" else b"")
    else:
        (made.folder / ("model.onnx" if damage == "no model" else "export.json")).unlink()
    again = kept_export(model, inputs, TRACED)
    assert again.is_new
    assert not kept_export(model, inputs, TRACED).is_new


def test_the_store_stays_within_its_limit_and_keeps_what_may_be_in_use(monkeypatch):
    monkeypatch.setenv("HWBENCH_ONNX_STORE_GB", "0.000001")
    exports = [kept_export(*bert(seed), TRACED) for seed in range(2)]
    assert all(export.folder.is_dir() for export in exports)  # both were asked for just now
    long_ago = time.time() - 2 * onnx_store._IN_USE_S
    os.utime(exports[0].folder, (long_ago, long_ago))
    last = kept_export(*bert(2), TRACED)
    assert [export.folder.is_dir() for export in (*exports, last)] == [False, True, True]


def test_what_a_killed_export_left_goes(tmp_path):
    left = tmp_path / "onnx" / ".draft-killed"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    long_ago = time.time() - 2 * onnx_store._IN_USE_S
    os.utime(left, (long_ago, long_ago))
    kept_export(*bert(), TRACED)
    assert not left.exists()


class _Doubled(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, **inputs):
        return self.model(**inputs)


def test_the_code_of_a_model_is_part_of_what_is_kept(monkeypatch):
    model, inputs = bert()
    before = onnx_store._content_sha256(_Doubled(model), inputs, TRACED)
    monkeypatch.setattr(onnx_store, "_source_of", lambda module: b"edited" if module == __name__ else b"")
    assert onnx_store._content_sha256(_Doubled(model), inputs, TRACED) != before


@pytest.mark.parametrize("value", ["much", "-1", "nan"])
def test_a_limit_that_is_none_says_how_to_set_one(monkeypatch, value):
    monkeypatch.setenv("HWBENCH_ONNX_STORE_GB", value)
    with pytest.raises(onnx_store.StoreSettingError, match=r"Fix: HWBENCH_ONNX_STORE_GB=20"):
        kept_export(*bert(), TRACED)


def test_rows_of_models_that_can_and_cannot_be_exported(monkeypatch, tmp_path):
    monkeypatch.setenv("HWBENCH_STATE", str(tmp_path / "state"))
    phases = []
    with CellProcesses("hwbench_pipeline.bench.onnx_export:run_job") as processes:
        (bert_row,) = export_models(tmp_path, "bert", ["tiny"], processes, on_phase=lambda *phase: phases.append(phase))
        (other_row,) = export_models(tmp_path, "layoutlmv2", ["tiny"], processes)
    require_valid(CORE_MODELS__ONNX, [bert_row, other_row])
    assert phases == [("tiny", TRACED)]
    assert (bert_row["status"], bert_row["route"], bert_row["opset"]) == ("ok", TRACED, 20)
    assert bert_row["file_bytes"] > 500_000
    assert bert_row["output_max_rel_error"] < 1e-4
    kept = json.loads((tmp_path / "state" / "onnx" / bert_row["export_sha256"] / "export.json").read_text())
    assert kept["export_ms"] == pytest.approx(bert_row["export_ms"], abs=1)
    assert other_row["status"] == "failed"
    assert "ImportError" in other_row["error_message"]
    assert "exit code" not in other_row["error_message"]
    stored, unreadable = read_rows(tmp_path, CORE_MODELS__ONNX)
    assert {row["model"] for row in stored} == {"bert", "layoutlmv2"}
    assert not unreadable


def test_a_model_that_generates_has_a_row_for_each_graph(monkeypatch, tmp_path):
    monkeypatch.setenv("HWBENCH_STATE", str(tmp_path / "state"))
    with CellProcesses("hwbench_pipeline.bench.onnx_export:run_job") as processes:
        rows = export_models(tmp_path, "t5", ["tiny"], processes)
    require_valid(CORE_MODELS__ONNX, rows)
    assert [(row.get("stage"), row["status"]) for row in rows] == [
        (None, "ok"),
        ("encoder", "ok"),
        ("prompt", "ok"),
        ("step", "ok"),
    ]
    assert len({row["export_sha256"] for row in rows}) == 2  # that of the forward pass, and that of the generation
    assert len({row["file"] for row in rows}) == 4
    step = rows[-1]
    assert {"next_ids", "past_0_key", "past_0_cross_value"} <= set(step["input_names"])
    assert {"logits", "present_0_key"} <= set(step["output_names"])
    assert step["output_max_rel_error"] < 1e-4
    stored, unreadable = read_rows(tmp_path, CORE_MODELS__ONNX)
    assert len(stored) == 4
    assert not unreadable


def planted_death_in_generation(job, emit):
    emit({"event": "phase", "route": TRACED})
    emit({"event": "failed", "route": TRACED, "error_class": "ValueError", "message": "no trace"})
    emit({"event": "generates"})
    emit({"event": "phase", "route": TRACED})
    os._exit(3)


def test_a_generation_that_cannot_be_exported_is_a_row_of_its_own(tmp_path):
    with CellProcesses("hwbench_pipeline_tests.bench.test_onnx_store:planted_death_in_generation") as processes:
        rows = export_models(tmp_path, "llama", ["tiny"], processes)
    require_valid(CORE_MODELS__ONNX, rows)
    assert [(row.get("stage"), row["status"], row["error_message"]) for row in rows] == [
        (None, "failed", f"{TRACED}: ValueError: no trace"),
        ("step", "failed", f"{TRACED}: its process ended with exit code 3"),
    ]


def planted_death(job, emit):
    emit({"event": "phase", "route": TRACED})
    emit({"event": "failed", "route": TRACED, "error_class": "ValueError", "message": "no trace"})
    emit({"event": "phase", "route": EXPORTED})
    os._exit(3)


def test_a_process_that_ends_is_the_reason_of_its_route(tmp_path):
    with CellProcesses("hwbench_pipeline_tests.bench.test_onnx_store:planted_death") as processes:
        (row,) = export_models(tmp_path, "bert", ["tiny"], processes)
    require_valid(CORE_MODELS__ONNX, [row])
    stored, _ = read_rows(tmp_path, CORE_MODELS__ONNX)
    assert len(stored) == 1
    assert row["error_message"] == (f"{TRACED}: ValueError: no trace; {EXPORTED}: its process ended with exit code 3")
