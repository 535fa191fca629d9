"""Prediction: features, the predictor with its scores, and predictions for points nobody measured."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from hwbench_pipeline.orchestration.metadata import OWNERS, code_version, definition_metadata, image, table_asset
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.prediction.plots import parity_plot
from hwbench_pipeline.prediction.storing import fit_predictor, predictor_file, write_features, write_predictions
from hwbench_pipeline.reports.coverage import scores_markdown
from hwbench_pipeline.schema.tables import (
    CORE_HARDWARE,
    CORE_MODELS,
    CORE_PREDICTION__FEATURES,
    OUT__PREDICTION_SCORES,
    OUT__PREDICTIONS,
    OUT__RESULTS,
)

PREDICTOR_ASSET = "core_prediction__predictor"


def _left_out(lines: Sequence[str]) -> dict[str, Any]:
    return {"left_out": dg.MetadataValue.md("\n".join(f"* {line}" for line in lines))} if lines else {}


@table_asset(
    CORE_PREDICTION__FEATURES,
    deps=[OUT__RESULTS.name, CORE_HARDWARE.name, CORE_MODELS.name],
    group_name="prediction",
    kinds={"python", "parquet"},
    sources=(OUT__RESULTS, CORE_HARDWARE, CORE_MODELS),
)
def core_prediction__features(warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Make the training set."""
    n_rows, left_out = write_features(warehouse.path)
    return dg.MaterializeResult(metadata={"dagster/row_count": n_rows, **_left_out(left_out)})


@dg.multi_asset(
    name="fit_predictor",
    specs=[
        dg.AssetSpec(
            PREDICTOR_ASSET,
            deps=[CORE_PREDICTION__FEATURES.name],
            description="XGBoost on log latency, one versioned JSON file (`artifacts/predictor.json`).",
            group_name="prediction",
            kinds={"xgboost"},
            owners=OWNERS,
            code_version="2",
        ),
        dg.AssetSpec(
            OUT__PREDICTION_SCORES.name,
            deps=[CORE_PREDICTION__FEATURES.name],
            description=OUT__PREDICTION_SCORES.description,
            group_name="prediction",
            kinds={"python", "parquet"},
            owners=OWNERS,
            code_version=code_version(OUT__PREDICTION_SCORES),
            metadata=definition_metadata(OUT__PREDICTION_SCORES),
        ),
    ],
)
def fitted_predictor(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:
    """Score by leaving one model out at a time, then fit on everything."""
    fitted = fit_predictor(warehouse.path)
    if fitted.predictor is None:
        context.log.warning("no predictor: %s", fitted.reason)
        yield dg.MaterializeResult(asset_key=PREDICTOR_ASSET, metadata={"no_predictor": str(fitted.reason)})
    else:
        yield dg.MaterializeResult(
            asset_key=PREDICTOR_ASSET,
            data_version=dg.DataVersion(fitted.predictor.predictor_id),
            metadata={
                "file": dg.MetadataValue.path(predictor_file(warehouse.path)),
                "n_training_rows": fitted.predictor.n_training_rows,
                "predictor_id": fitted.predictor.predictor_id,
            },
        )
    metadata: dict[str, Any] = {
        "dagster/row_count": len(fitted.evaluation.scores),
        "scores": dg.MetadataValue.md(scores_markdown(fitted.evaluation.scores)),
    }
    for score in fitted.evaluation.scores:
        if score["method"] == "xgboost" and score.get("mape_percent") is not None:
            metadata[f"mape_percent_{score['mode']}_{score['model_size']}"] = float(score["mape_percent"])
    if fitted.evaluation.held_out:
        metadata["parity"] = image(parity_plot(fitted.evaluation.held_out), "predicted against measured")
    yield dg.MaterializeResult(asset_key=OUT__PREDICTION_SCORES.name, metadata=metadata)


@table_asset(
    OUT__PREDICTIONS,
    deps=[PREDICTOR_ASSET, CORE_MODELS.name, CORE_HARDWARE.name, OUT__RESULTS.name],
    group_name="prediction",
    kinds={"xgboost", "parquet"},
)
def out__predictions(warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Predict the points of the grid that nobody measured."""
    n_rows, left_out = write_predictions(warehouse.path)
    return dg.MaterializeResult(metadata={"dagster/row_count": n_rows, **_left_out(left_out)})
