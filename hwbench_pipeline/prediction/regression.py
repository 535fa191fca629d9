"""XGBoost on log latency, from what is known before running.

Belongs here: encoding feature rows as numbers, the trees and their settings. Does not belong here: whether there is
enough evidence (`predictor`), or how wrong it is (`evaluation`).

The target is log latency, and the trees start from the log roofline time plus one constant, so what they learn is
log(latency / roofline). That was fixed before any of our own rows existed, for two reasons. Trees cannot extrapolate,
and the points nobody measured are mostly larger than the measured ones: the roofline carries the growth there. And on
public data a target over the roofline beat plain log latency for unseen models wherever one direct call is timed
(timm 16.5 % against 18.6 %, LLM-Inference-Bench 19.1 % against 21.7 %, NeuSight's cells 8.9 % against 25.4 %); it lost
only behind a serving queue, which is not measured here.

No monotone constraints: they would bind latency / roofline, not latency. That ratio falls with the batch while fixed
costs of a call are spread, and rises where activations outgrow the caches, so either direction would state a law that
does not hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost

from hwbench_pipeline.prediction.features import compute_time_ms, memory_time_ms
from hwbench_pipeline.schema.table import Row

FloatArray = npt.NDArray[np.float64]

NUMERIC_FEATURES = (
    "log_parameters",
    "log_flops",
    "log_weight_bytes",
    "log_arithmetic_intensity",
    "log_roofline_ms",
    "log_compute_over_memory_time",
    "log_peak_gflops",
    "log_memory_bandwidth",
    "log_batch_size",
    "log_sequence_length",
    "is_training",
)
"""Natural logarithms of the point columns; arithmetic intensity is FLOP per byte of weights. `log_sequence_length` is
missing (NaN) for models that take no text."""

CATEGORICAL_FEATURES = ("precision", "device")
"""One column of 0 and 1 per value seen in training; a device is a hardware key with its device name."""

FEATURES = NUMERIC_FEATURES + CATEGORICAL_FEATURES

# for about a hundred rows: shallow trees, several rows per leaf, slow learning on random four fifths of the rows; set
# once for that size and not tuned, because tuning on the models that are scored would flatter the score
PARAMETERS: dict[str, Any] = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 3,
    "min_child_weight": 3,
    "eta": 0.05,
    "lambda": 1.0,
    "subsample": 0.8,
    "seed": 0,
    # a fit of a hundred rows is too short to share: on a busy host two threads wait for each other, 20 s instead of 1
    "nthread": 1,
}
N_ROUNDS = 200

Device = tuple[str, str | None]


def device_of(row: Row) -> Device:
    """Hardware key and device name: two machines may share a key, never a device's speed."""
    return row["hardware"], row.get("device_name")


@dataclass(frozen=True)
class Encoding:
    """The categories that training has seen, and with them the columns of the matrix."""

    precisions: tuple[str, ...]
    devices: tuple[Device, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """The encoding of the training rows; the order of the rows does not matter."""
        devices = {device_of(row) for row in rows}
        return cls(
            precisions=tuple(sorted({row["precision"] for row in rows})),
            devices=tuple(sorted(devices, key=lambda device: (device[0], device[1] or ""))),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the matrix columns, in order."""
        return (
            *NUMERIC_FEATURES,
            *(f"precision={precision}" for precision in self.precisions),
            *(f"device={hardware} ({device_name})" for hardware, device_name in self.devices),
        )

    def matrix(self, rows: Sequence[Row]) -> FloatArray:
        """Feature matrix, shape (rows, columns); a category not seen in training is 0 in all its columns."""
        encoded = [
            [
                *_numeric_features(row),
                *(float(row["precision"] == precision) for precision in self.precisions),
                *(float(device_of(row) == device) for device in self.devices),
            ]
            for row in rows
        ]
        return np.array(encoded, dtype=np.float64).reshape(len(rows), len(self.columns))


def _numeric_features(row: Row) -> list[float]:
    compute_ms = compute_time_ms(row["flops"], row["peak_gflops"])
    memory_ms = memory_time_ms(row["weight_bytes"], row["memory_bandwidth_gb_per_s"])
    sequence_length = row.get("sequence_length")
    return [
        math.log(row["n_parameters"]),
        math.log(row["flops"]),
        math.log(row["weight_bytes"]),
        math.log(row["flops"] / row["weight_bytes"]),
        math.log(row["roofline_latency_ms"]),
        math.log(compute_ms / memory_ms),
        math.log(row["peak_gflops"]),
        math.log(row["memory_bandwidth_gb_per_s"]),
        math.log(row["batch_size"]),
        math.nan if sequence_length is None else math.log(sequence_length),
        float(row["mode"] == "training"),
    ]


def log_latency(rows: Sequence[Row]) -> FloatArray:
    """Natural logarithm of the measured median latency in ms, shape (rows,)."""
    return np.log(np.array([row["latency_ms_p50"] for row in rows], dtype=np.float64))


def log_roofline(rows: Sequence[Row]) -> FloatArray:
    """Natural logarithm of the roofline latency in ms, shape (rows,)."""
    return np.log(np.array([row["roofline_latency_ms"] for row in rows], dtype=np.float64))


@dataclass(frozen=True)
class Regression:
    """Fitted trees over log(latency / roofline).

    `log_ratio` is the training rows' median of log(latency / roofline), where the trees start.
    """

    encoding: Encoding
    log_ratio: float
    booster: xgboost.Booster

    @classmethod
    def fit(cls, rows: Sequence[Row]) -> Self:
        """Fit on rows of core_prediction__features, whatever their order. Raises ValueError for no rows."""
        if not rows:
            raise ValueError(
                "a regression needs training rows, got none. Fix: `hwbench bench` measures some, `hwbench refresh` fits again"
            )
        ordered = sorted(rows, key=lambda row: str(row["result_id"]))
        encoding = Encoding.of(ordered)
        target = log_latency(ordered)
        start = log_roofline(ordered)
        log_ratio = float(np.median(target - start))
        data = xgboost.DMatrix(encoding.matrix(ordered), label=target, base_margin=start + log_ratio)
        return cls(encoding, log_ratio, xgboost.train(PARAMETERS, data, num_boost_round=N_ROUNDS))

    def predict_log_latency(self, rows: Sequence[Row]) -> FloatArray:
        """Natural logarithm of the predicted median latency in ms, shape (rows,)."""
        if not rows:
            return np.empty(0)
        start = log_roofline(rows) + self.log_ratio
        data = xgboost.DMatrix(self.encoding.matrix(rows), base_margin=start)
        return np.asarray(self.booster.predict(data), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """JSON values; `booster` is XGBoost's own JSON model."""
        return {
            "precisions": list(self.encoding.precisions),
            "devices": [list(device) for device in self.encoding.devices],
            "log_ratio": self.log_ratio,
            "booster": json.loads(self.booster.save_raw(raw_format="json").decode()),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The regression that `to_json` gave. Raises KeyError or xgboost's errors for anything else."""
        booster = xgboost.Booster({"nthread": PARAMETERS["nthread"]})
        booster.load_model(bytearray(json.dumps(value["booster"]).encode()))
        encoding = Encoding(
            precisions=tuple(value["precisions"]),
            devices=tuple((hardware, device_name) for hardware, device_name in value["devices"]),
        )
        return cls(encoding, float(value["log_ratio"]), booster)
