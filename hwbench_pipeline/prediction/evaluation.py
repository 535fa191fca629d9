"""How wrong predictions are for models that were never measured.

Belongs here: the leave-one-model-out protocol, its scores and the held-out predictions behind them. Does not belong
here: drawing them (`plots`), or other protocols' data.

Every size, batch size, device and mode of a model is held out together, so that no neighbour of a scored row was
learned from. Every method learns from both model sizes, but errors are counted for each mode and model size apart:
errors at tiny models' milliseconds say nothing about real models. All methods are scored on the same rows. Rows count
equally: a model with more rows weighs more.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from hwbench_pipeline.prediction import baselines
from hwbench_pipeline.prediction.regression import FloatArray, Regression, device_of
from hwbench_pipeline.schema.table import Row, sha256_of
from hwbench_pipeline.schema.tables.prediction import BASELINES, OUT__PREDICTION_SCORES
from hwbench_pipeline.schema.tables.results import MODES
from hwbench_pipeline.schema.validation import require_valid

PROTOCOL = "leave_one_model_out"

MINIMUM_MODELS = 3
"""Fewest models, in all and of one kind of evidence: holding one out leaves two to compare."""

MINIMUM_ROWS = 12
"""Fewest training rows; below that a tree of depth 3 with three rows per leaf has nothing to split."""

SIZES = ("tiny", "reference")

LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9

EvidenceKey = tuple[str, str | None, str, str, str]

Kind = tuple[str, str]
"""Mode and model size: what errors are counted for."""

_KINDS: tuple[Kind, ...] = tuple(product(MODES, SIZES))


class NotEnoughEvidenceError(ValueError):
    """There are too few measurements to learn from, or to tell how wrong a prediction would be."""


def _xgboost(training: Sequence[Row], rows: Sequence[Row]) -> FloatArray:
    return Regression.fit(training).predict_log_latency(rows)


METHODS: Mapping[str, Callable[[Sequence[Row], Sequence[Row]], FloatArray]] = {
    "xgboost": _xgboost,
    "scaled_roofline": baselines.scaled_roofline,
    "roofline": baselines.roofline,
    "constant": baselines.constant,
}
"""Every method that is scored: training rows, rows to predict → log latency of the latter."""


@dataclass(frozen=True)
class HeldOutPrediction:
    """One row as it was predicted by a method that had seen no row of its model. Times in ms."""

    result_id: str
    model: str
    hardware: str
    device_name: str | None
    mode: str
    model_size: str
    method: str
    measured_ms: float
    predicted_ms: float

    @property
    def log_residual(self) -> float:
        """log(measured / predicted): above 0 where the call took longer than predicted."""
        return math.log(self.measured_ms / self.predicted_ms)

    @property
    def absolute_percentage_error(self) -> float:
        """|predicted − measured| / measured, in percent."""
        return 100 * abs(self.predicted_ms - self.measured_ms) / self.measured_ms


@dataclass(frozen=True)
class KindErrors:
    """How wrong xgboost was for one mode and model size when each model was left out.

    `low` and `high` are quantiles (`LOW_QUANTILE`, `HIGH_QUANTILE`) of log(measured / predicted), each taken from a
    residual that occurred, outwards, and widened to hold 0: at least 80 % of the residuals lie between them, however
    few there are. The medians are of absolute percentage errors, `best_baseline` is the baseline with the lowest.
    """

    low: float
    high: float
    median_ape_percent: float
    best_baseline: str
    best_baseline_median_ape_percent: float


@dataclass(frozen=True)
class Evaluation:
    """Scores (rows of out__prediction_scores) and the held-out predictions they are made from.

    `training_sha256` identifies the rows that were evaluated (`fingerprint`).
    """

    scores: list[dict[str, Any]]
    held_out: list[HeldOutPrediction]
    training_sha256: str


def fingerprint(rows: Sequence[Row]) -> str:
    """SHA-256 of training rows: ids, targets and every feature; the order of the rows does not matter."""
    return sha256_of(sorted((dict(row) for row in rows), key=lambda row: str(row["result_id"])))


def evidence_key(row: Row) -> EvidenceKey:
    """The kind of evidence a row is: hardware, device name, mode, precision and model size.

    Nothing is predicted for a kind never measured. The size belongs to it because a tiny row never stands for a real
    model: errors at milliseconds, where fixed costs rule, say nothing about errors at minutes.
    """
    hardware, device_name = device_of(row)
    return hardware, device_name, row["mode"], row["precision"], row["model_size"]


def evidence_text(key: EvidenceKey) -> str:
    """A kind of evidence as people read it."""
    hardware, device_name, mode, precision, model_size = key
    return f"{mode} of {model_size} models in {precision} on {hardware} ({device_name or 'unnamed device'})"


def models_by_evidence(rows: Sequence[Row]) -> dict[EvidenceKey, set[str]]:
    """The models measured for each kind of evidence."""
    models: dict[EvidenceKey, set[str]] = defaultdict(set)
    for row in rows:
        models[evidence_key(row)].add(row["model"])
    return dict(models)


def require_enough_evidence(rows: Sequence[Row]) -> None:
    """Raise `NotEnoughEvidenceError` for fewer than `MINIMUM_MODELS` models or `MINIMUM_ROWS` rows."""
    n_models = len({row["model"] for row in rows})
    if n_models < MINIMUM_MODELS or len(rows) < MINIMUM_ROWS:
        raise NotEnoughEvidenceError(
            f"the predictor has {len(rows)} usable measurements of {n_models} models; it needs at least {MINIMUM_ROWS} "
            f"of {MINIMUM_MODELS}. Fix: `hwbench bench --all-models --batch-size 1,8` measures more, then `hwbench refresh` "
            "fits one"
        )


def leave_one_model_out(rows: Sequence[Row]) -> Evaluation:
    """Hold out each model in turn, predict its rows with every method learned from the others, and score.

    `rows` are of core_prediction__features. Scored are rows whose kind of evidence (`evidence_key`) was measured
    for at least `MINIMUM_MODELS` models; the others are learned from only. Gives one score per mode, model size and
    method, or the reason why there is none; never raises for too little evidence.
    """
    try:
        require_enough_evidence(rows)
    except NotEnoughEvidenceError as error:
        reasons = dict.fromkeys(_KINDS, str(error))
        return Evaluation(_scores([], reasons), [], fingerprint(rows))
    models_of = models_by_evidence(rows)
    reasons = {kind: reason for kind in _KINDS if (reason := _why_no_score(kind, models_of)) is not None}
    held_out: list[HeldOutPrediction] = []
    for model in sorted({row["model"] for row in rows}):
        training = [row for row in rows if row["model"] != model]
        test = [row for row in rows if row["model"] == model and len(models_of[evidence_key(row)]) >= MINIMUM_MODELS]
        if not test:
            continue
        for method, predict in METHODS.items():
            predicted = np.exp(predict(training, test))
            held_out += [
                HeldOutPrediction(
                    result_id=row["result_id"],
                    model=row["model"],
                    hardware=row["hardware"],
                    device_name=row.get("device_name"),
                    mode=row["mode"],
                    model_size=row["model_size"],
                    method=method,
                    measured_ms=float(row["latency_ms_p50"]),
                    predicted_ms=float(latency_ms),
                )
                for row, latency_ms in zip(test, predicted, strict=True)
            ]
    return Evaluation(_scores(held_out, reasons), held_out, fingerprint(rows))


def errors_by_kind(evaluation: Evaluation) -> dict[Kind, KindErrors]:
    """The errors of every mode and model size that could be scored."""
    errors: dict[Kind, KindErrors] = {}
    for kind in _KINDS:
        residuals = [one.log_residual for one in _of_kind(evaluation.held_out, kind, "xgboost")]
        if not residuals:
            continue
        medians = {
            row["method"]: row["median_ape_percent"]
            for row in evaluation.scores
            if (row["mode"], row["model_size"]) == kind
        }
        best_error, best = min((medians[method], method) for method in BASELINES)
        errors[kind] = KindErrors(
            low=min(float(np.quantile(residuals, LOW_QUANTILE, method="lower")), 0.0),
            high=max(float(np.quantile(residuals, HIGH_QUANTILE, method="higher")), 0.0),
            median_ape_percent=medians["xgboost"],
            best_baseline=best,
            best_baseline_median_ape_percent=best_error,
        )
    return errors


def _of_kind(held_out: Sequence[HeldOutPrediction], kind: Kind, method: str) -> list[HeldOutPrediction]:
    return [one for one in held_out if (one.mode, one.model_size) == kind and one.method == method]


def _why_no_score(kind: Kind, models_of: Mapping[EvidenceKey, set[str]]) -> str | None:
    """Why no row of a mode and model size can be scored, or None."""
    mode, model_size = kind
    counts = {key: len(models) for key, models in models_of.items() if (key[2], key[4]) == kind}
    if any(count >= MINIMUM_MODELS for count in counts.values()):
        return None
    found = (
        "; ".join(
            f"{evidence_text(key)}: {count} model{'s' * (count != 1)}"
            for key, count in sorted(counts.items(), key=lambda item: str(item[0]))
        )
        if counts
        else f"no usable {mode} measurement of {model_size} models"
    )
    return (
        f"leave-one-model-out needs {MINIMUM_MODELS} models of one size measured on one device, there is: {found}. "
        f"Fix: `hwbench bench --mode {mode} --size {model_size} --all-models` measures more, then `hwbench refresh` "
        "scores and fits again"
    )


def _scores(held_out: Sequence[HeldOutPrediction], reasons: Mapping[Kind, str]) -> list[dict[str, Any]]:
    scores: list[dict[str, Any]] = []
    for kind, method in product(_KINDS, METHODS):
        chosen = _of_kind(held_out, kind, method)
        errors = np.array([one.absolute_percentage_error for one in chosen])
        scored = kind not in reasons
        scores.append(
            {
                "protocol": PROTOCOL,
                "mode": kind[0],
                "model_size": kind[1],
                "method": method,
                "n_rows": len(chosen),
                "n_models": len({one.model for one in chosen}),
                "mape_percent": float(errors.mean()) if scored else None,
                "median_ape_percent": float(np.median(errors)) if scored else None,
                "within_10_percent": float(100 * np.mean(errors <= 10)) if scored else None,
                "reason": reasons.get(kind),
            }
        )
    require_valid(OUT__PREDICTION_SCORES, scores)
    return scores
