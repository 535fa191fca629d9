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
from hwbench_pipeline.prediction.features import (
    PEAK_COLUMN_OF_PRECISION,
    is_own_measurement,
    point_of,
    why_no_roofline,
)
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


NO_PREDICTOR = "nobody measured it, and there is no predictor. Fix: `hwbench refresh` fits one, once `hwbench bench` has measured enough"


def answer(
    question: Question, predictor: Predictor | None, hardware: Sequence[Row], results: Sequence[Row]
) -> dict[str, Any]:
    """The point with `provenance` measured, predicted or none.

    `hardware` are rows of core_hardware, `results` of out__results; without a predictor only measurements are answers.
    A measured point has its `flags` and `started_at` and no range; a predicted one has `latency_ms_p50_low` and `_high`
    and how wrong predictions of its mode and model size were; one with neither has the `reason`. Times in ms.
    """
    facts = model_facts(question.model, question.model_size)
    default = facts.default_sequence_length
    sequence_length = None if default is None else question.sequence_length or default
    device = next((row for row in hardware if row["hardware"] == question.hardware), None)
    point = {
        **asdict(question),
        "sequence_length": sequence_length,
        "config_sha256": facts.config_sha256,
        "device_name": device["device_name"] if device else None,
    }
    measured = _measured(point, device, results)
    if measured is not None:
        taken = ("device_name", "latency_ms_p50", "flags", "started_at")
        return {**point, "provenance": "measured", **{name: measured[name] for name in taken}}
    reason = _why_unpredictable(question, device)
    if reason is None and predictor is None:
        reason = NO_PREDICTOR
    if reason is not None or predictor is None or device is None:
        return {**point, "provenance": "none", "reason": reason}
    counted = count_flops(
        question.model,
        question.model_size,
        batch_size=question.batch_size,
        sequence_length=sequence_length,
        training=question.mode == "training",
    )
    if counted.flops is None:
        return {**point, "provenance": "none", "reason": f"its operations cannot be counted: {counted.method}"}
    features = point_of({**point, "n_parameters": facts.n_parameters}, device, flops=counted.flops)
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
        "held_out_median_ape_percent": predicted.errors.median_ape_percent,
        "best_baseline": predicted.errors.best_baseline,
        "best_baseline_median_ape_percent": predicted.errors.best_baseline_median_ape_percent,
    }


def _why_unpredictable(question: Question, device: Row | None) -> str | None:
    """Why nothing can be predicted for the hardware in that mode and precision, whatever the predictor knows, or None."""
    no_training = platform_of(question.hardware).no_training_reason
    if question.mode == "training" and no_training is not None:
        return no_training
    if device is not None and not device["is_available"]:
        return f"nothing is known of {question.hardware} here: {device['reason']}"
    if question.precision not in PEAK_COLUMN_OF_PRECISION:
        known = ", ".join(PEAK_COLUMN_OF_PRECISION)
        return (
            f"nobody measured it, and no peak was measured in {question.precision}, only in {known}. Fix: --precision fp32, "
            f"or `hwbench bench --precision {question.precision}` measures the point itself"
        )
    device_name = device["device_name"] if device else None
    by_key = {question.hardware: device} if device else {}
    return why_no_roofline(question.hardware, device_name, question.precision, by_key)


def _measured(point: Row, device: Row | None, results: Sequence[Row]) -> Row | None:
    """The newest current measurement of ours at exactly this point, or None.

    On the device that is here; where the hardware is not here, on whichever device of it was measured.
    """
    same = ["hardware", "model", "model_size", "config_sha256", "mode", "precision", "batch_size", "sequence_length"]
    if device is not None and device["is_available"]:
        same.append("device_name")
    found = [
        row
        for row in results
        if row["is_current"] and is_own_measurement(row) and all(row[name] == point[name] for name in same)
    ]
    return max(found, key=lambda row: row["started_at"], default=None)
