"""The prediction steps on a warehouse: features, predictor with its scores, predictions.

Belongs here: reading the tables a step needs and writing the ones it makes. Does not belong here: the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwbench_pipeline.prediction.evaluation import Evaluation, NotEnoughEvidenceError, leave_one_model_out
from hwbench_pipeline.prediction.features import grid_points, training_rows
from hwbench_pipeline.prediction.predictions import predict_grid
from hwbench_pipeline.prediction.predictor import Predictor
from hwbench_pipeline.schema.tables import (
    CORE_HARDWARE,
    CORE_MODELS,
    CORE_PREDICTION__FEATURES,
    OUT__PREDICTION_SCORES,
    OUT__PREDICTIONS,
    OUT__RESULTS,
)
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_table


@dataclass(frozen=True)
class Fitted:
    """A fitted predictor with its scores. `predictor` is None where the evidence does not suffice; `reason` says why."""

    predictor: Predictor | None
    reason: str | None
    evaluation: Evaluation


def predictor_file(warehouse: Path) -> Path:
    """Where the predictor lies."""
    return warehouse / "artifacts" / "predictor.json"


def write_features(warehouse: Path) -> tuple[int, list[str]]:
    """Write core_prediction__features. Returns its rows, and why other results are not in it."""
    results, _ = read_rows(warehouse, OUT__RESULTS)
    hardware, _ = read_rows(warehouse, CORE_HARDWARE)
    models, _ = read_rows(warehouse, CORE_MODELS)
    rows, left_out = training_rows(results, hardware, models)
    write_table(warehouse, CORE_PREDICTION__FEATURES, rows)
    return len(rows), left_out


def fit_predictor(warehouse: Path) -> Fitted:
    """Score and fit on the features; writes out__prediction_scores and the predictor's file.

    Where the evidence does not suffice, an older predictor is removed: it would answer from rows that are gone.
    """
    rows, _ = read_rows(warehouse, CORE_PREDICTION__FEATURES)
    evaluation = leave_one_model_out(rows)
    write_table(warehouse, OUT__PREDICTION_SCORES, evaluation.scores)
    path = predictor_file(warehouse)
    try:
        predictor = Predictor.fit(rows, evaluation)
    except NotEnoughEvidenceError as error:
        path.unlink(missing_ok=True)
        return Fitted(None, str(error), evaluation)
    predictor.save(path)
    return Fitted(predictor, None, evaluation)


def write_predictions(warehouse: Path) -> tuple[int, list[str]]:
    """Write out__predictions for the points of the grid that nobody measured. Returns its rows, and what is left out.

    Without a predictor the table is empty.
    """
    path = predictor_file(warehouse)
    if not path.exists():
        write_table(warehouse, OUT__PREDICTIONS, [])
        return 0, [
            "there is no predictor: too little is measured. Fix: `hwbench bench --all-models`, then `hwbench refresh`"
        ]
    results, _ = read_rows(warehouse, OUT__RESULTS)
    hardware, _ = read_rows(warehouse, CORE_HARDWARE)
    models = [row for row in read_rows(warehouse, CORE_MODELS)[0] if not row["component_of"]]
    points, without_features = grid_points(models, hardware, results)
    rows, abstained = predict_grid(Predictor.load(path), points)
    write_table(warehouse, OUT__PREDICTIONS, rows)
    return len(rows), without_features + abstained
