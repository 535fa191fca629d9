"""A made-up world with a known law, so that tests know what the predictor should find.

Two devices, models of two sizes, both modes; latency = fixed cost of a call + roofline / efficiency, times noise.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from typing import Any

from hwbench_pipeline.prediction.features import roofline_latency_ms
from hwbench_pipeline.schema.table import sha256_of
from hwbench_pipeline.schema.tables.catalog import CORE_HARDWARE, CORE_MODELS
from hwbench_pipeline.schema.tables.results import OUT__RESULTS, result_id_of

Row = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIXED_COST_MS = {("cpu", "inference"): 2.0, ("cpu", "training"): 6.0, ("openvino", "inference"): 0.8}
EFFICIENCY = {("cpu", "inference"): 0.45, ("cpu", "training"): 0.3, ("openvino", "inference"): 0.7}


def hardware_rows() -> list[Row]:
    """Two devices with peaks, one available without peaks, one absent."""

    def row(key: str, **values: Any) -> Row:
        base = {
            "hardware": key,
            "platform": key,
            "is_available": True,
            "reason": None,
            "probe": "made up",
            "device_name": f"{key} device",
            "precisions": ["fp32"],
            "supports_training": key == "cpu",
            "peak_gflops_fp32": None,
            "memory_bandwidth_gb_per_s": None,
            "peaks_method": "made up",
            "probed_at": NOW,
        }
        return CORE_HARDWARE.complete(base | values)

    return [
        row("cpu", peak_gflops_fp32=200.0, memory_bandwidth_gb_per_s=20.0),
        row("openvino", peak_gflops_fp32=200.0, memory_bandwidth_gb_per_s=20.0),
        row("webgpu", device_name="SwiftShader", peaks_method="no probe for browsers"),
        row("cuda", is_available=False, reason="no NVIDIA driver", device_name=None, peaks_method="not available"),
    ]


def model_rows(n_models: int = 9, seed: int = 0) -> list[Row]:
    """Catalog rows of `n_models` models, tiny and reference each; every third model takes no text."""
    draw = random.Random(seed)
    rows = []
    for number in range(n_models):
        for size, low, high in (("tiny", 1e5, 1e6), ("reference", 2e7, 8e8)):
            n_parameters = int(math.exp(draw.uniform(math.log(low), math.log(high))))
            length = None if number % 3 == 0 else draw.choice([64, 128])
            rows.append(
                CORE_MODELS.complete(
                    {
                        "model": f"model{number}",
                        "model_size": size,
                        "model_id": f"org/model{number}-{size}",
                        "architecture": f"model{number}",
                        "category": "text_encoder" if length else "vision",
                        "model_class": "Model",
                        "modalities": ["text" if length else "image"],
                        "config_sha256": sha256_of([number, size]),
                        "config_json": "{}",
                        "config_source": "made up",
                        "n_parameters": n_parameters,
                        "weight_bytes_fp32": 4 * n_parameters,
                        "input_shape": "x",
                        "sequence_length": length,
                        "flops": int(2 * n_parameters * (length or 200) * draw.uniform(0.8, 1.2)),
                        "flops_method": "made up",
                    }
                )
            )
    return rows


def result_row(model: Row, device: Row, mode: str, batch_size: int, latency_ms: float, /, **values: Any) -> Row:
    """A measured row of ours as out__results holds it."""
    samples = [latency_ms] * 10
    row: Row = {
        "run_id": "run1",
        "source": "hwbench",
        "provenance": "measured",
        "provenance_reason": "made up for a test",
        "status": "ok",
        **{name: model[name] for name in ("model_id", "model", "architecture", "category", "model_size")},
        **{name: model[name] for name in ("config_sha256", "n_parameters", "sequence_length")},
        "backend": "torch",
        "options": "{}",
        "hardware": device["hardware"],
        "hardware_requested": device["hardware"],
        "device_name": device["device_name"],
        "mode": mode,
        "scenario": "train_step" if mode == "training" else "forward",
        "precision": "fp32",
        "batch_size": batch_size,
        "input_shape": "x",
        "latency_ms_p50": latency_ms,
        "samples_ms": samples,
        "n_samples": len(samples),
        "flops": model["flops"] * batch_size * (3 if mode == "training" else 1),
        "flags": [],
        "environment_id": "made up",
        "started_at": NOW,
        "is_current": True,
    } | values
    return OUT__RESULTS.complete(row | {"result_id": result_id_of(row)})


def results(models: list[Row], seed: int = 1, noise: float = 0.04, batch_sizes: tuple[int, ...] = (1, 8)) -> list[Row]:
    """One result per model, device with peaks, mode it supports and batch size, under the law."""
    draw = random.Random(seed)
    rows = []
    for model in models:
        for device in hardware_rows()[:2]:
            for mode in ("inference", "training") if device["supports_training"] else ("inference",):
                for batch_size in batch_sizes:
                    flops = model["flops"] * batch_size * (3 if mode == "training" else 1)
                    roofline_ms = roofline_latency_ms(flops, 4 * model["n_parameters"], 200.0, 20.0)
                    kind = (device["hardware"], mode)
                    latency_ms = FIXED_COST_MS[kind] + roofline_ms / EFFICIENCY[kind]
                    latency_ms *= math.exp(draw.gauss(0, noise))
                    rows.append(result_row(model, device, mode, batch_size, latency_ms))
    return rows
