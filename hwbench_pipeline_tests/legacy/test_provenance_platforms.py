"""The rules that look beside a record: its platform, its outputs, its model, and what computers can do."""

import json
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.reading import read_file

EXAMPLE = {
    "input": "a fox",
    "output": {"embedding_shape": [1, 768]},
    "timestamp": "2025-02-27T15:29:27.022072",
    "elapsed_time": 0.009015798568725586,
    "implementation_type": "REAL",
    "platform": "CUDA",
}


def rows(document):
    return read_file(Path("/in/a.json"), FileContent(json.dumps(document).encode(), "0" * 64), None).rows


def judged(*examples, status=None, metadata=None, **members):
    """Provenance and rule of each call of a structured result, in their order."""
    document = {
        "status": {"cpu_init": "Success (REAL)", "cuda_init": "Success (REAL)", **(status or {})},
        "examples": [{**EXAMPLE, **example} for example in examples],
        "metadata": {"model_name": "some/model", **(metadata or {})},
        **members,
    }
    return [(row["provenance"], row["provenance_reason"].split(":")[0]) for row in rows(document)]


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ({}, ("unknown", "no_evidence")),
        ({"is_simulated": False}, ("unknown", "no_evidence")),
        ({"is_simulated": True}, ("simulated", "marked_simulated")),
        ({"output": {"performance_metrics": {"is_simulated": True}}}, ("simulated", "marked_simulated")),
        ({"implementation_type": "(MOCK)"}, ("mock", "marked_mock")),
        ({"implementation_type": "(MOCK)", "is_simulated": False}, ("mock", "marked_mock")),
        ({"output": {"text": "x", "device": "cuda:0 (mock)"}}, ("mock", "marked_mock")),
        ({"output": "(MOCK CUDA) Transcribed audio from /home/a.mp3"}, ("mock", "output_is_mock")),
        ({"output": "Generated text from T5 (mock for translate this)"}, ("mock", "output_is_mock")),
        ({"output": "(REAL) Mock OpenVINO whisper transcription"}, ("mock", "output_is_mock")),
        ({"output": "This is a mock CPU transcription output"}, ("mock", "output_is_mock")),
        ({"output": "Simulated CUDA Whisper transcription: hello"}, ("simulated", "output_is_simulated")),
        ({"output": "This is a simulation of a real CUDA implementation"}, ("simulated", "output_is_simulated")),
        ({"output": "The children began to mock the old king, and he wept."}, ("unknown", "no_evidence")),
        ({"output": "Pilots train with flight simulators before they fly."}, ("unknown", "no_evidence")),
        ({"input": "(MOCK) a mock prompt"}, ("unknown", "no_evidence")),
        ({"elapsed_time": 0.35}, ("simulated", "single_typed_in_value")),
        ({"elapsed_time": 0.0003}, ("simulated", "single_typed_in_value")),
        ({"timing": {"preprocess_time": 0.05}}, ("simulated", "other_time_is_typed_in")),
        ({"elapsed_time": 0.10034680366516113}, ("simulated", "sleeps")),
        ({"elapsed_time": 0.10434680366516113}, ("unknown", "no_evidence")),
        ({"output": {"gpu_memory_mb": 0.01904296875}}, ("mock", "nothing_on_device")),
        ({"output": {"gpu_memory_mb": 0.0}, "platform": "CPU"}, ("unknown", "no_evidence")),
        ({"output": {"gpu_memory_mb": 68.4}}, ("unknown", "no_evidence")),
        ({"elapsed_time": 1.2636184692382812e-05}, ("mock", "too_fast")),
    ],
)
def test_what_a_call_says_of_itself(example, expected):
    assert judged(example) == [expected]


@pytest.mark.parametrize(
    ("status", "cuda", "cpu"),
    [
        ({"cuda_init": "Success (MOCK)"}, ("mock", "platform_is_mock"), ("unknown", "no_evidence")),
        ({"cuda_endpoint_type": "MagicMock"}, ("mock", "platform_is_mock"), ("unknown", "no_evidence")),
        ({"cuda_output": "(MOCK) hello"}, ("mock", "platform_is_mock"), ("unknown", "no_evidence")),
        ({"cuda_init": "Failed CUDA initialization"}, ("mock", "start_failed"), ("unknown", "no_evidence")),
        (
            {"cuda_handler": "Success (REAL) - Simulated"},
            ("simulated", "platform_is_simulated"),
            ("unknown", "no_evidence"),
        ),
        ({"cuda_total_time": 0.08}, ("simulated", "other_time_is_typed_in"), ("unknown", "no_evidence")),
        ({"cpu_init": "Success (MOCK)"}, ("unknown", "no_evidence"), ("mock", "platform_is_mock")),
        ({"cuda_error": "name 'mock_model' is not defined"}, ("unknown", "no_evidence"), ("unknown", "no_evidence")),
    ],
)
def test_what_a_platform_says_holds_for_its_calls_only(status, cuda, cpu):
    assert judged({}, {"platform": "CPU", "elapsed_time": 0.0431579856872559}, status=status) == [cuda, cpu]


def test_another_call_on_the_platform_speaks_about_this_one():
    other = {"elapsed_time": 2.0503997802734375e-05}
    assert judged({}, other) == [("mock", "other_call_too_fast"), ("mock", "too_fast")]
    assert judged({}, {**other, "platform": "CPU"}) == [("unknown", "no_evidence"), ("mock", "too_fast")]
    flagged = {"elapsed_time": 0.0731579856872559, "is_simulated": True}
    assert judged({}, flagged) == [("simulated", "platform_is_simulated"), ("simulated", "marked_simulated")]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("::simple_model::", "mock"),
        ("/tmp/mock_model", "mock"),
        ("my-stub", "mock"),
        ("facebook/opt-125m", "unknown"),
        ("stubborn/hammock-base", "unknown"),
        ("/tmp/bert_test_model", "unknown"),
    ],
)
def test_the_name_of_a_stand_in(model, expected):
    assert judged({}, metadata={"model_name": model})[0][0] == expected


@pytest.mark.parametrize(
    "metadata", [{"transformers_mocked": True}, {"transformers_version": "mocked"}, {"using_mocks": True}]
)
def test_a_mocked_library_makes_every_call_mock(metadata):
    found = judged({}, {"platform": "CPU"}, metadata={**metadata, "platform_status": {"cpu": "REAL"}})
    assert found == [("mock", "marked_mock")] * 2


def test_the_stamp_of_simulated_hardware_holds_for_the_listed_only():
    found = judged(
        {}, {"platform": "OpenVINO", "elapsed_time": 0.0431579856872559}, simulated_hardware=["webgpu", "openvino"]
    )
    assert found == [("unknown", "no_evidence"), ("simulated", "hardware_listed_as_simulated")]


@pytest.mark.parametrize(
    ("model", "hardware", "batch", "sequence", "mean_s", "impossible"),
    [
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "cpu", 64, 2048, 0.0042, True),
        ("TinyLlama-1.1B-Chat-v1.0", "cpu", 64, 2048, 0.0042, True),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "cuda", 64, 2048, 0.0042, False),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "cuda", 64, 2048, 0.0004, True),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "cpu", 1, 32, 0.0042, False),
        ("llama", "cpu", 64, 2048, 0.0042, False),
        ("facebook/opt-125m", "cpu", 64, 2048, 0.0042, False),
    ],
)
def test_faster_than_any_computer(build, model, hardware, batch, sequence, mean_s, impossible):
    attempt = build.attempt(hardware, model=model)
    attempt["benchmark_results"] = {f"batch_{batch}_seq_{sequence}": build.result(mean_s, batch)}
    (row,) = rows(build.suite(attempt))
    assert (row["provenance_reason"].split(":")[0] == "faster_than_any_computer") == impossible
    assert (row["flags"] == ["faster_than_roofline"]) == impossible
    assert (row["provenance"] == "measured") != impossible


@pytest.mark.parametrize(
    ("device", "mean_ms", "expected"),
    [
        ("Tesla T4", 30.0, ("unknown", "faster_than_its_device", ["faster_than_roofline"])),
        ("Tesla T4", 300.0, ("measured", "raw_samples", None)),
        ("NVIDIA H200", 30.0, ("measured", "raw_samples", None)),
        ("cuda", 30.0, ("measured", "raw_samples", None)),
        ("mediatek", 30.0, ("unknown", "faster_than_its_device", ["faster_than_roofline"])),
    ],
)
def test_faster_than_the_device_it_claims(build, device, mean_ms, expected):
    document = build.direct(device, b64=build.batch(mean_ms, 64, device=device, sequence_length=2048))
    document["model"] = "TinyLlama/TinyLlama-1.1B-Chat-v1.0"
    results = [{**batch, "model": document["model"]} for batch in document["batch_results"].values()]
    (row,) = rows(results)
    assert (row["provenance"], row["provenance_reason"].split(":")[0], row["flags"]) == expected
