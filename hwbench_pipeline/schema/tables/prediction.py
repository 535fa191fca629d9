"""Predicting cells nobody measured: features, predictions, and how wrong they are."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.results import MODEL_SIZES, MODES, PRECISIONS

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64

BASELINES = ("scaled_roofline", "roofline", "constant")
"""The methods that stand beside xgboost in the scores."""

_POINT_COLUMNS: tuple[Column, ...] = (
    Column("model", STRING, "Catalog key.", nullable=False),
    Column("model_size", STRING, "Configuration.", nullable=False, allowed=MODEL_SIZES),
    Column("config_sha256", STRING, "Hash of the configuration.", nullable=False),
    Column("hardware", STRING, "Hardware key.", nullable=False),
    Column("device_name", STRING, "Device."),
    Column("mode", STRING, "Inference or training.", nullable=False, allowed=MODES),
    Column("precision", STRING, "Precision.", nullable=False, allowed=PRECISIONS),
    Column("batch_size", INT64, "Items per call.", nullable=False, above=0),
    Column("sequence_length", INT64, "Tokens per item; NULL for models that take no text.", above=0),
    Column("n_parameters", INT64, "Parameters.", nullable=False, above=0),
    Column("flops", INT64, "Operations of one call.", unit="FLOP", nullable=False, above=0),
    Column("weight_bytes", INT64, "Bytes of the weights at this precision.", unit="B", nullable=False, above=0),
    Column("peak_gflops", FLOAT64, "Measured compute peak of the hardware.", unit="GFLOP/s", nullable=False, above=0),
    Column(
        "memory_bandwidth_gb_per_s",
        FLOAT64,
        "Measured bandwidth of the hardware.",
        unit="GB/s",
        nullable=False,
        above=0,
    ),
    Column(
        "roofline_latency_ms",
        FLOAT64,
        "max(flops / peak, weight bytes / bandwidth): an estimate of the least time, not a law. Weights are read once, the "
        "counted operations run at the measured peak; other traffic is left out, and caches may be faster.",
        unit="ms",
        nullable=False,
        above=0,
    ),
)

CORE_PREDICTION__FEATURES = Table(
    "core_prediction__features",
    "The predictor's training set: current measured rows of ours, with what was known before running them.",
    (
        Column("result_id", STRING, "The result this row is made from.", nullable=False),
        *_POINT_COLUMNS,
        Column("latency_ms_p50", FLOAT64, "The measured target.", unit="ms", nullable=False, above=0),
    ),
    ("result_id",),
)

OUT__PREDICTIONS = Table(
    "out__predictions",
    "Predicted latency for points of the grid that nobody measured, on hardware that has measurements. "
    "Never part of out__results.",
    (
        *_POINT_COLUMNS,
        Column("provenance", STRING, "Always predicted.", nullable=False, allowed=("predicted",)),
        Column("latency_ms_p50_predicted", FLOAT64, "Predicted median latency.", unit="ms", nullable=False, above=0),
        Column(
            "latency_ms_p50_low",
            FLOAT64,
            "Lower end of the range that held at least 80 % of the leave-one-model-out errors of the mode and model size.",
            unit="ms",
            nullable=False,
            above=0,
        ),
        Column("latency_ms_p50_high", FLOAT64, "Upper end of that range.", unit="ms", nullable=False, above=0),
        Column(
            "held_out_median_ape_percent",
            FLOAT64,
            "Median absolute percentage error of such predictions (same mode and model size) when models were left out.",
            unit="%",
            nullable=False,
            at_least=0,
        ),
        Column(
            "best_baseline",
            STRING,
            "The baseline with the lowest such error; where it is below the predictor's, the baseline was closer.",
            nullable=False,
            allowed=BASELINES,
        ),
        Column(
            "best_baseline_median_ape_percent",
            FLOAT64,
            "That baseline's error, on the same rows.",
            unit="%",
            nullable=False,
            at_least=0,
        ),
        Column("n_training_rows", INT64, "Rows the predictor learned from.", nullable=False, above=0),
        Column("predictor_id", STRING, "Hash of the predictor that answered.", nullable=False),
    ),
    ("model", "config_sha256", "hardware", "device_name", "mode", "precision", "batch_size", "sequence_length"),
    (
        RowRule(
            "range_holds_prediction",
            "low ≤ predicted ≤ high.",
            "predict again",
            lambda row: (
                None
                if row["latency_ms_p50_low"] <= row["latency_ms_p50_predicted"] <= row["latency_ms_p50_high"]
                else "the range does not hold the prediction"
            ),
        ),
    ),
)


def _has_error_or_reason(row: Row) -> str | None:
    scored = row.get("mape_percent") is not None
    return (
        None if scored != (row.get("reason") is not None) else "a score and a reason for having none exclude each other"
    )


OUT__PREDICTION_SCORES = Table(
    "out__prediction_scores",
    "How wrong predictions are, per protocol, mode, model size and method; baselines beside the predictor.",
    (
        Column("protocol", STRING, "What was held out.", nullable=False, allowed=("leave_one_model_out",)),
        Column("mode", STRING, "Inference or training.", nullable=False, allowed=MODES),
        Column(
            "model_size",
            STRING,
            "Size of the models scored; every method learned from both sizes.",
            nullable=False,
            allowed=("tiny", "reference"),
        ),
        Column(
            "method",
            STRING,
            "xgboost; roofline: roofline_latency_ms as it is; "
            "scaled_roofline: that times one factor per device and mode, fitted on the training part; "
            "constant: the training part's median of the mode.",
            nullable=False,
            allowed=("xgboost", *BASELINES),
        ),
        Column("n_rows", INT64, "Rows scored.", nullable=False, at_least=0),
        Column("n_models", INT64, "Models held out, one after the other.", nullable=False, at_least=0),
        Column("mape_percent", FLOAT64, "Mean absolute percentage error.", unit="%", at_least=0),
        Column("median_ape_percent", FLOAT64, "Median absolute percentage error.", unit="%", at_least=0),
        Column("within_10_percent", FLOAT64, "Share of rows predicted within 10 %.", unit="%", at_least=0),
        Column("reason", STRING, "Why there is no score."),
    ),
    ("protocol", "mode", "model_size", "method"),
    (RowRule("score_or_reason", "Every row has a score or says why not.", "score again", _has_error_or_reason),),
)
