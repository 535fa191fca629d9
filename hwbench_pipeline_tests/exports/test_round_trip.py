"""What `hwbench export optimum-benchmark` writes, `hwbench import optimum-benchmark` reads back with the same numbers."""

from __future__ import annotations

import pytest

from hwbench_pipeline.exports.writing import export_optimum_benchmark
from hwbench_pipeline.imports.optimum_benchmark import read
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.exports.conftest import ENVIRONMENT, inference, training

NUMBERS = (
    "latency_ms_mean",
    "latency_ms_std",
    "latency_ms_min",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_max",
    "n_samples",
    "throughput_items_per_s",
    "batch_size",
    "sequence_length",
    "peak_memory_mb",
)
TEXTS = ("hardware", "mode", "scenario", "model_id", "architecture", "provenance", "status", "backend_version")
MANY = [10 + (index * 7919 % 101) / 10 for index in range(120)]


def of_samples(samples, **changes):
    mean = sum(samples) / len(samples)
    return inference(samples_ms=samples, n_samples=len(samples), throughput_items_per_s=4000 / mean, **changes)


@pytest.mark.parametrize(
    "row",
    [
        inference(backend_version="2.13.0+cpu"),
        of_samples([12.5]),
        of_samples(MANY),
        inference(hardware="cuda", memory_method="torch.cuda.max_memory_allocated", device_name="NVIDIA H200"),
        inference(hardware="cuda", memory_method="peak of torch's CUDA allocator (max_allocated of optimum-benchmark)"),
        inference(
            hardware="cuda", memory_method="peak device memory of the process (max_process_vram of optimum-benchmark)"
        ),
        inference(backend="openvino", hardware="openvino", options='{"device":"CPU"}'),
        inference(batch_size=None, sequence_length=None, throughput_items_per_s=None, first_inference_ms=None),
        inference(peak_memory_mb=None),
        training(),
        training(precision="fp32", options="{}", n_warmup=None),
    ],
)
def test_the_numbers_come_back(row, tmp_path):
    (folder,) = export_optimum_benchmark(tmp_path, [row], {rows.ENVIRONMENT_ID: ENVIRONMENT}).written
    document = read((folder / "benchmark.json").read_bytes(), "benchmark.json")
    assert document.refused == []
    again = {item.pointer: item.columns for item in document.rows}
    steady = again.pop("/report/train" if row["mode"] == "training" else "/report/forward")
    assert list(again) in ([], ["/report/first_forward"])
    for name in NUMBERS:
        expected = row.get(name)
        assert steady.get(name) == (None if expected is None else pytest.approx(expected, rel=1e-9)), name
    assert steady["samples_ms"] == pytest.approx(row["samples_ms"], rel=1e-12)
    for name in TEXTS:
        assert steady.get(name) == row.get(name), name
    if row["mode"] == "inference":
        assert steady.get("n_warmup") == row["n_warmup"]
        first_ms = row["first_inference_ms"]
        assert steady.get("first_inference_ms") == (None if first_ms is None else pytest.approx(first_ms))
