"""What is known about a point before it runs: the training set, and the points of the grid that nobody measured.

Belongs here: which rows the predictor may learn from and why not the others, the join with the hardware's measured
peaks, the roofline. Does not belong here: how a regression encodes these columns (`regression`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hwbench_pipeline.prediction.reasons import counted_lines
from hwbench_pipeline.schema.table import Row
from hwbench_pipeline.schema.tables.prediction import CORE_PREDICTION__FEATURES, OUT__PREDICTIONS
from hwbench_pipeline.schema.tables.results import MODES, OWN_SOURCES
from hwbench_pipeline.schema.validation import require_valid

SCENARIO_OF_MODE = {"inference": "forward", "training": "train_step"}
"""What one call is; prefill, decode or load of the same model is another question with another answer."""

EXCLUDING_FLAGS: Mapping[str, str] = {
    "faster_than_roofline": "the number is faster than the hardware can be",
    "software_adapter": "an emulated device made the number",
    "cpu_fallback": "another device made the number",
    "loaded_machine": "something else was using the cores; measure again with the machine at rest",
    "noisy": "the samples disagree too much for their median to be the hardware's; measure again with the machine at rest",
}
"""Flags that say the number is not the named hardware's own, with what is wrong with it.

A median is no protection against a busy machine: it follows the load when that lasts for half of the samples. On a
loaded machine rows had a median of 178 ms over a minimum of 0.8 ms; flagged `noisy` alone, one had 1514 ms over 208 ms.
Short calls are flagged more often than long ones, so fewer small models stay, and the scores are those of calls on a
machine at rest. `throttled` rows stay: the clock that a device can hold is its own.
"""

BYTES_OF_PRECISION = {
    "fp32": 4.0,
    "tf32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "int4": 0.5,
}
"""Bytes of one stored weight; tf32 rounds inside the multiplication only. `mixed` has no single answer."""

PEAK_COLUMN_OF_PRECISION = {"fp32": "peak_gflops_fp32"}
"""The measured peak that bounds a precision. The fp32 peak is no bound for bf16 where hardware has units for it, so a
precision without a measured peak of its own gets no roofline and no row."""

TRAINING_FLOPS_FACTOR = 3
"""Operations of a training step over those of its forward pass: the backward pass multiplies once for the gradient of
the inputs and once for that of the weights, so it takes twice the forward pass (Kaplan et al. 2020, Scaling Laws for
Neural Language Models, section 2.1). The optimizer is left out, as `result.flops` leaves it out. `catalog.flops` counts
2.6 to 3.0 for every catalog model at reference size and 2.7 to 3.0 at tiny size, but 1.6 for tiny detr; where a
measured row has the count, that is used instead."""

GRID_PRECISIONS = ("fp32",)
GRID_BATCH_SIZES = (1, 8, 32)

_MEASURE_PEAKS = "Fix: `hwbench refresh` on the machine that has it, which probes hardware and measures peaks where the warehouse has none"

_PointKey = tuple[Any, ...]


def weight_bytes_of(n_parameters: int, precision: str) -> int:
    """Bytes of the weights: parameters × bytes of the precision.

    Raises KeyError for a precision outside `BYTES_OF_PRECISION`.
    """
    return max(1, round(n_parameters * BYTES_OF_PRECISION[precision]))


def compute_time_ms(flops: float, peak_gflops: float) -> float:
    """Milliseconds that the operations take at the compute peak (GFLOP/s)."""
    return flops / (peak_gflops * 1e6)


def memory_time_ms(weight_bytes: float, memory_bandwidth_gb_per_s: float) -> float:
    """Milliseconds that reading the weights once takes at the bandwidth (GB/s, GB = 1e9 bytes)."""
    return weight_bytes / (memory_bandwidth_gb_per_s * 1e6)


def roofline_latency_ms(
    flops: float, weight_bytes: float, peak_gflops: float, memory_bandwidth_gb_per_s: float
) -> float:
    """An estimate of the least time of one call: the longer one of computing and of reading the weights once.

    Roofline model (Williams, Waterman, Patterson 2009) with weights as the only traffic. Two simplifications pull in
    opposite directions: activations and optimizer state are not counted, while embedding tables, of which a call reads
    a few rows, are counted in full; weights that fit into a cache may also be read faster than from memory.
    """
    return max(
        compute_time_ms(flops, peak_gflops),
        memory_time_ms(weight_bytes, memory_bandwidth_gb_per_s),
    )


def training_rows(
    results: Sequence[Row], hardware: Sequence[Row], models: Sequence[Row]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The predictor's training set and why the other results are not in it.

    `results` are rows of out__results, `hardware` of core_hardware, `models` of core_models. Used are current rows
    that we measured ourselves, of catalog models, on the very device whose peaks are known. Returns rows of
    core_prediction__features, ordered by result_id, and lines `<count> result rows left out: <reason>`; every result
    is either a row or counted in one line. Raises `SchemaError` if a row would break the table.
    """
    hardware_by_key = {row["hardware"]: row for row in hardware}
    catalog = {row["model"] for row in models}
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for result in results:
        reason = _unusable(result, catalog) or why_no_roofline(
            result["hardware"], result["device_name"], result["precision"], hardware_by_key
        )
        if reason is not None:
            left_out[reason] += 1
            continue
        point = point_of(result, hardware_by_key[result["hardware"]], flops=result["flops"])
        rows.append({"result_id": result["result_id"], **point, "latency_ms_p50": float(result["latency_ms_p50"])})
    rows.sort(key=lambda row: str(row["result_id"]))
    require_valid(CORE_PREDICTION__FEATURES, rows)
    return rows, counted_lines(left_out, "result row")


def grid_points(
    models: Sequence[Row], hardware: Sequence[Row], results: Sequence[Row]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The points of the grid that nobody measured, and why some have no features.

    Every size of every catalog model × available hardware × mode (training where the hardware supports it) × fp32 ×
    batch size 1, 8 and 32, at the model's default sequence length; a configuration of both sizes once. A point that any run of ours measured, however it
    was flagged, is not predicted. Operations come from a result of ours that counted them for the same configuration,
    mode and sequence length where there is one, else from the catalog: times the batch size, and
    `TRAINING_FLOPS_FACTOR` for training.

    Returns rows with the point columns of out__predictions, and lines `<count> grid points left out: <reason>`.
    """
    measured = {_point_key(row) for row in results if is_own_measurement(row)}
    taken: set[tuple[Any, ...]] = set()
    counted = _counted_flops_per_item(results)
    hardware_by_key = {row["hardware"]: row for row in hardware}
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for device, model, mode, precision, batch_size in product(
        hardware, models, MODES, GRID_PRECISIONS, GRID_BATCH_SIZES
    ):
        if not device["is_available"] or (mode == "training" and not device["supports_training"]):
            continue
        candidate = {
            **{name: model.get(name) for name in ("model", "model_size", "config_sha256", "n_parameters")},
            "sequence_length": model.get("sequence_length"),
            "hardware": device["hardware"],
            "device_name": device.get("device_name"),
            "mode": mode,
            "precision": precision,
            "batch_size": batch_size,
        }
        key = OUT__PREDICTIONS.key_of(candidate)
        if _point_key(candidate) in measured or key in taken:
            continue
        taken.add(key)  # a configuration that is a model's tiny and its reference size is one point
        reason = why_no_roofline(device["hardware"], device.get("device_name"), precision, hardware_by_key)
        per_item = counted.get((model["config_sha256"], mode, candidate["sequence_length"]))
        if per_item is None and model.get("flops") is not None:
            per_item = model["flops"] * (TRAINING_FLOPS_FACTOR if mode == "training" else 1)
        if reason is None and per_item is None:
            reason = "the operations of the model could not be counted (core_models.flops is NULL)"
        if reason is not None or per_item is None:
            left_out[str(reason)] += 1
            continue
        rows.append(point_of(candidate, device, flops=max(1, round(per_item * batch_size))))
    return rows, counted_lines(left_out, "grid point")


def point_of(source: Row, device: Row, *, flops: int) -> dict[str, Any]:
    """The point columns of a result or of a grid candidate on a device with peaks."""
    precision = source["precision"]
    peak_gflops = float(device[PEAK_COLUMN_OF_PRECISION[precision]])
    bandwidth = float(device["memory_bandwidth_gb_per_s"])
    weight_bytes = weight_bytes_of(source["n_parameters"], precision)
    taken = (
        "model",
        "model_size",
        "config_sha256",
        "hardware",
        "device_name",
        "mode",
        "precision",
        "batch_size",
        "sequence_length",
        "n_parameters",
    )
    return {
        **{name: source.get(name) for name in taken},
        "flops": flops,
        "weight_bytes": weight_bytes,
        "peak_gflops": peak_gflops,
        "memory_bandwidth_gb_per_s": bandwidth,
        "roofline_latency_ms": roofline_latency_ms(flops, weight_bytes, peak_gflops, bandwidth),
    }


def _unusable(result: Row, catalog: set[str]) -> str | None:
    """Why a result is no evidence for the predictor, or None; hardware aside."""
    if result["source"] not in OWN_SOURCES:
        return f"source is {result['source']}: only measurements of ours have counted operations and known peaks"
    if result["status"] != "ok":
        return f"status is {result['status']}: nothing was measured"
    if result["provenance"] != "measured":
        return f"provenance is {result['provenance']}, not measured"
    if not result["is_current"]:
        return "a newer run measured the same point"
    excluding = next((flag for flag in EXCLUDING_FLAGS if flag in (result.get("flags") or ())), None)
    if excluding is not None:
        return f"flagged {excluding}: {EXCLUDING_FLAGS[excluding]}"
    if result.get("model_size") == "custom":
        return "a configuration of one's own stands neither for the real model nor for its tiny one"
    if result.get("mode") not in MODES or result.get("scenario") != SCENARIO_OF_MODE[result["mode"]]:
        return f"scenario {result.get('scenario')} of mode {result.get('mode')} is not predicted yet"
    if result.get("recipe") is not None:
        return "another training recipe than the usual is not predicted yet"
    needed = (
        "latency_ms_p50",
        "hardware",
        "model_size",
        "config_sha256",
        "precision",
        "batch_size",
        "n_parameters",
        "flops",
    )
    missing = [name for name in needed if result.get(name) is None]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} NULL"
    if result.get("model") not in catalog:
        return f"model {result.get('model')} is not in the catalog, so it cannot be held out with its other sizes"
    return None


def why_no_roofline(
    hardware: str, device_name: str | None, precision: str, hardware_by_key: Mapping[str, Row]
) -> str | None:
    """Why a device has no roofline at a precision, or None."""
    device = hardware_by_key.get(hardware)
    if device is None:
        return f"hardware {hardware} was never probed for this warehouse, so its peaks are not known. {_MEASURE_PEAKS}"
    if device.get("device_name") != device_name:
        return (
            f"measured on {device_name}, but the peaks known for hardware {hardware} are of "
            f"{device.get('device_name')}. Fix: predict on the machine that measured"
        )
    column = PEAK_COLUMN_OF_PRECISION.get(precision)
    if column is None:
        return f"no compute peak is measured at precision {precision}, so there is no roofline"
    if device.get(column) is None or device.get("memory_bandwidth_gb_per_s") is None:
        return f"hardware {hardware} ({device_name}) has no measured peaks: {device['peaks_method']}. {_MEASURE_PEAKS}"
    return None


def _point_key(row: Row) -> _PointKey:
    names = ("config_sha256", "hardware", "device_name", "mode", "precision", "batch_size", "sequence_length")
    return tuple(row.get(name) for name in names)


def is_own_measurement(row: Row) -> bool:
    """Whether a result is a number that we measured, of the call that is predicted; flags aside."""
    return (
        row["source"] in OWN_SOURCES
        and row["status"] == "ok"
        and row["provenance"] == "measured"
        and row.get("scenario") == SCENARIO_OF_MODE.get(row.get("mode") or "")
        and row.get("recipe") is None
    )


def _counted_flops_per_item(results: Sequence[Row]) -> dict[_PointKey, float]:
    """Counted operations per batch item by configuration, mode and sequence length, from the smallest batch of each."""
    counted: dict[_PointKey, tuple[int, float]] = {}
    for row in results:
        if not is_own_measurement(row) or row.get("flops") is None or row.get("batch_size") is None:
            continue
        key = (row.get("config_sha256"), row["mode"], row.get("sequence_length"))
        found = (row["batch_size"], row["flops"] / row["batch_size"])
        counted[key] = min(counted.get(key, found), found)
    return {key: per_item for key, (_, per_item) in counted.items()}
