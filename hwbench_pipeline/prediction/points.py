"""One question about one point: what was measured, else what is predicted, else why neither.

Belongs here: the answer to a question a person asks. Does not belong here: filling the grid (`predictions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwbench_pipeline.catalog.facts import model_facts
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.hardware.platforms import platform_of
from hwbench_pipeline.prediction.features import PEAK_COLUMN_OF_PRECISION, point_of
from hwbench_pipeline.prediction.predictor import Abstention, Predictor
from hwbench_pipeline.schema.table import Row


@dataclass(frozen=True)
class Question:
    """The point asked for. `sequence_length` None means the model's default."""

    hardware: str
    model: str
    model_size: str
    mode: str
    precision: str
    batch_size: int
    sequence_length: int | None


def answer(question: Question, predictor: Predictor, hardware: Sequence[Row], results: Sequence[Row]) -> dict[str, Any]:
    """The point with `provenance` measured, predicted or none.

    `hardware` are rows of core_hardware, `results` of out__results. A measured point has no range; a predicted one has
    `latency_ms_p50_low` and `_high`; one with neither has the `reason`. Times in ms.
    """
    facts = model_facts(question.model, question.model_size)
    default = facts.default_sequence_length
    sequence_length = None if default is None else question.sequence_length or default
    point = {**asdict(question), "sequence_length": sequence_length}
    no_training = platform_of(question.hardware).no_training_reason
    if question.mode == "training" and no_training is not None:
        return {**point, "provenance": "none", "reason": no_training}
    device = next((row for row in hardware if row["hardware"] == question.hardware), None)
    if device is None or device["peak_gflops_fp32"] is None or device["memory_bandwidth_gb_per_s"] is None:
        why = (device or {}).get("reason") or "its peaks were never measured"
        return {**point, "provenance": "none", "reason": f"nothing is known of {question.hardware} here: {why}"}
    if question.precision not in PEAK_COLUMN_OF_PRECISION:
        known = ", ".join(PEAK_COLUMN_OF_PRECISION)
        return {
            **point,
            "provenance": "none",
            "reason": f"no peak was measured in {question.precision}, only in {known}. Fix: --precision fp32",
        }
    measured = _measured(point, facts.config_sha256, device["device_name"], results)
    if measured is not None:
        return {**point, "provenance": "measured", "latency_ms_p50": measured["latency_ms_p50"]}
    counted = count_flops(
        question.model,
        question.model_size,
        batch_size=question.batch_size,
        sequence_length=sequence_length,
        training=question.mode == "training",
    )
    if counted.flops is None:
        return {**point, "provenance": "none", "reason": f"its operations cannot be counted: {counted.method}"}
    source = {
        **point,
        "config_sha256": facts.config_sha256,
        "device_name": device["device_name"],
        "n_parameters": facts.n_parameters,
    }
    features = point_of(source, device, flops=counted.flops)
    predicted = predictor.predict([features])[0]
    if isinstance(predicted, Abstention):
        return {**point, "provenance": "none", "reason": predicted.reason}
    return {
        **point,
        "provenance": "predicted",
        "latency_ms_p50": predicted.latency_ms_p50,
        "latency_ms_p50_low": predicted.low_ms,
        "latency_ms_p50_high": predicted.high_ms,
        "roofline_latency_ms": features["roofline_latency_ms"],
    }


def _measured(point: Row, config_sha256: str, device_name: str | None, results: Sequence[Row]) -> Row | None:
    """The current measurement of ours at exactly this point, on this device, or None."""
    same = ("hardware", "model", "model_size", "mode", "precision", "batch_size", "sequence_length")
    for row in results:
        if (
            row["is_current"]
            and row["source"] in ("hwbench", "bundle")
            and row["provenance"] == "measured"
            and row["scenario"] in ("forward", "train_step")
            and row["config_sha256"] == config_sha256
            and row["device_name"] == device_name
            and all(row[name] == point[name] for name in same)
        ):
            return row
    return None
