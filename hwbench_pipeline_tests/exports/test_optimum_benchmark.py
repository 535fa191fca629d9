"""What an exported report says, and which rows never become one."""

from __future__ import annotations

import json
import re
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.bench.memory import measure_peak
from hwbench_pipeline.exports.optimum_benchmark import (
    RefusedRowError,
    benchmark_document,
    folder_name,
    require_exportable,
)
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.exports.conftest import ENVIRONMENT, inference, training


def changed(row, **changes):
    return row | changes


def test_inference():
    document = benchmark_document(inference(), ENVIRONMENT)
    assert list(document) == ["config", "report"]
    assert list(document["report"]) == ["first_forward", "forward"]
    measured = document["report"]["forward"]
    assert measured["latency"]["unit"] == "s"
    assert measured["latency"]["values"] == [sample / 1e3 for sample in rows.SAMPLES]
    assert measured["latency"]["count"] == 10
    assert measured["latency"]["mean"] == pytest.approx(0.0119)
    assert measured["throughput"] == {"unit": "samples/s", "value": pytest.approx(4 / 0.0119)}
    assert measured["memory"]["max_ram"] == 333.25
    assert measured["memory"]["max_allocated"] is None
    assert measured["energy"] is None
    assert measured["efficiency"] is None
    assert document["report"]["first_forward"]["latency"]["values"] == [0.05]
    assert document["report"]["first_forward"]["throughput"] is None
    scenario = document["config"]["scenario"]
    assert scenario["input_shapes"] == {"batch_size": 4, "sequence_length": 32}
    assert (scenario["iterations"], scenario["warmup_runs"]) == (10, 5)


def test_training_throughput_is_one_batch_over_one_step():
    document = benchmark_document(training(), ENVIRONMENT)
    assert list(document["report"]) == ["train"]
    assert document["report"]["train"]["throughput"]["value"] == pytest.approx(4 / 0.0119)
    scenario = document["config"]["scenario"]
    assert (scenario["max_steps"], scenario["warmup_steps"]) == (15, 5)
    assert scenario["training_arguments"] == {
        "max_steps": 15,
        "use_cpu": True,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
    }
    backend = document["config"]["backend"]
    assert (backend["torch_dtype"], backend["autocast_enabled"], backend["autocast_dtype"]) == (
        "float32",
        True,
        "bfloat16",
    )


def test_what_the_format_has_no_place_for_is_in_the_environment():
    environment = benchmark_document(inference(), ENVIRONMENT)["config"]["environment"]
    expected = inference()
    for name in (
        "provenance",
        "provenance_reason",
        "flags",
        "hardware",
        "device_name",
        "run_id",
        "config_sha256",
        "result_id",
        "model_size",
        "precision",
        "options",
    ):
        assert environment[f"hwbench_{name}"] == expected[name], name
    assert environment["hwbench_started_at"] == "2026-01-02T03:04:05.678901+00:00"
    assert environment["cpu"] == "Test CPU"
    assert environment["optimum_benchmark_version"] is None  # it did not measure this
    assert "a-host-name" not in json.dumps(environment)
    assert not any(value is None for name, value in environment.items() if name.startswith("hwbench_"))


def test_nothing_is_made_up_for_what_is_not_known():
    row = inference(
        source="legacy",
        source_sha256="a",
        source_pointer="/0",
        precision=None,
        batch_size=None,
        sequence_length=None,
        n_warmup=None,
        first_inference_ms=None,
        peak_memory_mb=None,
        memory_method=None,
        throughput_items_per_s=None,
        backend=None,
        options=None,
    )
    require_exportable(row, include_imported=True)
    document = benchmark_document(row, None)
    measured = document["report"]["forward"]
    assert measured["throughput"] is None
    assert measured["memory"] is None
    config = document["config"]
    assert config["scenario"]["input_shapes"] == {}
    assert config["scenario"]["warmup_runs"] is None
    assert config["launcher"] is None
    for name in ("name", "version", "_target_", "task", "library", "device", "intra_op_num_threads", "seed"):
        assert config["backend"][name] is None, name


def test_memory_has_the_name_of_its_method():
    def memory(**changes):
        return benchmark_document(inference(**changes), None)["report"]["forward"]["memory"]

    of_device = memory(hardware="cuda", memory_method="torch.cuda.max_memory_allocated of the device")
    assert (of_device["max_ram"], of_device["max_allocated"]) == (None, 333.25)
    for name in ("max_ram", "max_global_vram", "max_process_vram", "max_reserved", "max_allocated"):
        imported = memory(memory_method=f"peak of something ({name} of optimum-benchmark)")
        assert {key: value for key, value in imported.items() if value is not None} == {"unit": "MB", name: 333.25}
    assert memory(memory_method="some other way") is None
    assert memory(peak_memory_mb=None, memory_method="not read") is None


def test_what_hwbench_reads_of_the_cuda_allocator_has_its_name(monkeypatch):
    cuda = ("synchronize", "empty_cache", "reset_peak_memory_stats")
    for name in cuda:
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 4_000_250_000)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 5_000_000_000)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10**10, 8 * 10**10))
    row = inference(hardware="cuda", **vars(measure_peak(lambda: None, "cuda")))
    memory = benchmark_document(row, None)["report"]["forward"]["memory"]
    assert (memory["max_ram"], memory["max_allocated"]) == (None, 4000.25)


def test_tokens_are_not_called_samples():
    decode = inference(scenario="decode", tokens_per_s=123.0)
    assert benchmark_document(decode, None)["report"]["decode"]["throughput"] == {"unit": "tokens/s", "value": 123.0}
    assert benchmark_document(changed(decode, tokens_per_s=None), None)["report"]["decode"]["throughput"] is None


def test_openvino():
    row = inference(
        backend="openvino",
        hardware="openvino",
        precision="bf16",
        options='{"class":"ViTForImageClassification","device":"CPU","precision_hint":"bf16","streams":1,"weights":"random"}',
    )
    backend = benchmark_document(row, ENVIRONMENT)["config"]["backend"]
    assert (backend["name"], backend["device"], backend["task"]) == ("openvino", "cpu", "image-classification")
    assert backend["ov_config"] == {"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": "1"}
    assert backend["no_weights"] is True
    # optimum-benchmark's OpenVINO backend refuses thread settings
    assert backend["intra_op_num_threads"] is backend["inter_op_num_threads"] is None


REFUSED = [
    ({"provenance": "simulated"}, "provenance simulated"),
    ({"provenance": "mock"}, "provenance mock"),
    ({"provenance": "unknown"}, "provenance unknown"),
    ({"provenance": "predicted"}, "provenance predicted"),
    ({"flags": ["is_aggregate"]}, "is_aggregate"),
    ({"flags": ["faster_than_roofline"]}, "faster_than_roofline"),
    ({"samples_ms": None, "n_samples": None}, "no raw samples"),
    ({"samples_ms": []}, "no raw samples"),
    ({"scenario": None}, "scenario unknown"),
    ({"scenario": "load"}, "scenario load"),
    ({"mode": None}, "mode unknown"),
    ({"mode": "training"}, "scenario forward"),
    ({"model": None, "model_id": None}, "model is not known"),
    ({"hardware": None}, "hardware that ran it is not known"),
    ({"latency_ms_mean": 12.5}, "latency_ms_mean contradicts"),
    ({"throughput_items_per_s": 3361.3}, "throughput_items_per_s contradicts"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
@pytest.mark.parametrize("include_imported", [True, False])
def test_refused(changes, reason, include_imported):
    require_exportable(inference(), include_imported=include_imported)
    with pytest.raises(RefusedRowError, match=reason):
        require_exportable(changed(inference(), **changes), include_imported=include_imported)


@pytest.mark.parametrize("source", ["legacy", "optimum_benchmark", "timm", "mlperf"])
def test_imported_rows_only_when_asked_for(source):
    row = changed(inference(), source=source)
    require_exportable(row, include_imported=True)
    with pytest.raises(RefusedRowError, match="--include-imported"):
        require_exportable(row, include_imported=False)
    simulated = changed(row, provenance="simulated")
    with pytest.raises(RefusedRowError, match="provenance simulated"):
        require_exportable(simulated, include_imported=True)


def test_a_row_without_number_is_refused():
    with pytest.raises(RefusedRowError, match="status no_hardware"):
        require_exportable(rows.without_number("no_hardware"), include_imported=True)


@given(st.text(), st.text())
def test_folder_names_are_safe_and_apart(one, other):
    first = folder_name(inference(model=None, model_id=one or "m"))
    second = folder_name(inference(model=None, model_id=other or "m", run_id="another"))
    assert first != second
    for name in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,255}", name)
        assert not name.startswith(".")


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=300))
def test_statistics_are_numpys(samples_ms):
    row = changed(inference(), samples_ms=samples_ms, latency_ms_mean=None, throughput_items_per_s=None)
    latency = benchmark_document(row, None)["report"]["forward"]["latency"]
    seconds = np.array(samples_ms) / 1e3
    assert latency["total"] == pytest.approx(seconds.sum())
    assert latency["mean"] == pytest.approx(statistics.fmean(seconds))
    for percent in (50, 90, 95, 99):
        assert latency[f"p{percent}"] == pytest.approx(np.percentile(seconds, percent))
    assert latency["stdev"] == pytest.approx(seconds.std(), abs=1e-12 * seconds.max())
    assert latency["stdev_"] == pytest.approx(latency["stdev"] / latency["mean"] * 100)
