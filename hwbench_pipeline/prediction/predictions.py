"""Predictions as rows of out__predictions.

Belongs here: putting a predictor's answers beside the points they are for. Does not belong here: choosing the points
(`features.grid_points`) or answering (`predictor`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hwbench_pipeline.prediction.predictor import Abstention, Predictor
from hwbench_pipeline.prediction.reasons import counted_lines
from hwbench_pipeline.schema.table import Row
from hwbench_pipeline.schema.tables.prediction import OUT__PREDICTIONS
from hwbench_pipeline.schema.validation import require_valid


def predict_grid(predictor: Predictor, points: Sequence[Row]) -> tuple[list[dict[str, Any]], list[str]]:
    """Predict every point that the predictor has evidence for.

    `points` come from `features.grid_points`. Returns rows of out__predictions in the order of the points, and lines
    `<count> grid points left out: <reason>` for the abstentions. Raises `SchemaError` if a row would break the table.
    """
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    predictor_id = predictor.predictor_id
    for point, answer in zip(points, predictor.predict(points), strict=True):
        if isinstance(answer, Abstention):
            left_out[answer.reason] += 1
            continue
        rows.append(
            {
                **point,
                "provenance": "predicted",
                "latency_ms_p50_predicted": answer.latency_ms_p50,
                "latency_ms_p50_low": answer.low_ms,
                "latency_ms_p50_high": answer.high_ms,
                "held_out_median_ape_percent": answer.errors.median_ape_percent,
                "best_baseline": answer.errors.best_baseline,
                "best_baseline_median_ape_percent": answer.errors.best_baseline_median_ape_percent,
                "n_training_rows": predictor.n_training_rows,
                "predictor_id": predictor_id,
            }
        )
    require_valid(OUT__PREDICTIONS, rows)
    return rows, counted_lines(left_out, "grid point")
