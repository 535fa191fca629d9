"""The predictor as people use it: fitted on evidence, saved as one checked file, silent where it knows nothing.

Belongs here: when there is enough to predict from, ranges, the file format. Does not belong here: the trees
(`regression`) and the measuring of errors (`evaluation`).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import xgboost

from hwbench_pipeline.prediction.evaluation import (
    MINIMUM_MODELS,
    Evaluation,
    EvidenceKey,
    Kind,
    KindErrors,
    errors_by_kind,
    evidence_key,
    evidence_text,
    fingerprint,
    leave_one_model_out,
    models_by_evidence,
    require_enough_evidence,
)
from hwbench_pipeline.prediction.regression import FEATURES, Regression
from hwbench_pipeline.schema.table import Row, sha256_of

FORMAT = "hwbench predictor"
FORMAT_VERSION = 2


class PredictorFileError(ValueError):
    """A file is not a predictor that this version can use."""


@dataclass(frozen=True)
class Prediction:
    """A predicted median latency with its range, in ms; low ≤ latency ≤ high.

    `errors` says how wrong predictions of this mode and model size were, and the best baseline beside them.
    """

    latency_ms_p50: float
    low_ms: float
    high_ms: float
    errors: KindErrors


@dataclass(frozen=True)
class Abstention:
    """No prediction, and why."""

    reason: str


@dataclass(frozen=True)
class Predictor:
    """A fitted predictor.

    `n_models_by_evidence` counts the models seen per device, mode, precision and model size. `errors` holds, for each
    mode and model size that could be scored, how wrong predictions were under leave-one-model-out. `training_sha256` is
    the fingerprint of the training rows.
    """

    regression: Regression
    n_models_by_evidence: Mapping[EvidenceKey, int]
    errors: Mapping[Kind, KindErrors]
    n_training_rows: int
    training_sha256: str
    xgboost_version: str = xgboost.__version__

    @classmethod
    def fit(cls, rows: Sequence[Row], evaluation: Evaluation | None = None) -> Self:
        """Fit on rows of core_prediction__features; the same rows give the same predictor, in any order.

        `evaluation` is the result of `leave_one_model_out(rows)` where it is at hand; it is made here if not.
        Raises `NotEnoughEvidenceError` for fewer than 3 models or 12 rows, ValueError for an evaluation of other rows.
        """
        require_enough_evidence(rows)
        training_sha256 = fingerprint(rows)
        evaluation = evaluation or leave_one_model_out(rows)
        if evaluation.training_sha256 != training_sha256:
            raise ValueError(
                f"the evaluation is of other rows (fingerprint {evaluation.training_sha256[:12]}) than the "
                f"{len(rows)} to fit on ({training_sha256[:12]}). Fix: pass leave_one_model_out(rows) of the same rows"
            )
        return cls(
            regression=Regression.fit(rows),
            n_models_by_evidence={key: len(models) for key, models in models_by_evidence(rows).items()},
            errors=errors_by_kind(evaluation),
            n_training_rows=len(rows),
            training_sha256=training_sha256,
        )

    @property
    def predictor_id(self) -> str:
        """Hash of everything the predictor's answers depend on."""
        return sha256_of(self._content())[:32]

    def predict(self, points: Sequence[Row]) -> list[Prediction | Abstention]:
        """One answer per point, in order. `points` have the point columns of out__predictions.

        Abstains where the device was measured in that mode, precision and model size for fewer than 3 models, and so
        wherever a mode and model size could not be scored: nobody could say how wrong the number is.
        """
        reasons = [self._why_silent(evidence_key(point)) for point in points]
        predictable = [point for point, reason in zip(points, reasons, strict=True) if reason is None]
        predicted = iter(np.exp(self.regression.predict_log_latency(predictable)))
        answers: list[Prediction | Abstention] = []
        for point, reason in zip(points, reasons, strict=True):
            if reason is not None:
                answers.append(Abstention(reason))
                continue
            latency_ms = float(next(predicted))
            errors = self.errors[point["mode"], point["model_size"]]
            low_ms, high_ms = (latency_ms * float(np.exp(end)) for end in (errors.low, errors.high))
            answers.append(Prediction(latency_ms, low_ms, high_ms, errors))
        return answers

    def _why_silent(self, key: EvidenceKey) -> str | None:
        hardware, _, mode, precision, model_size = key
        n_models = self.n_models_by_evidence.get(key, 0)
        if n_models >= MINIMUM_MODELS and (mode, model_size) in self.errors:
            return None
        found = f"{n_models} model{'s' * (n_models != 1)} only" if n_models else "no model"
        return (
            f"{evidence_text(key)} has usable measurements of {found}, {MINIMUM_MODELS} are needed (made on a busy machine "
            f"or noisy, they do not count). Fix: `hwbench bench --hardware {hardware} --mode {mode} --precision {precision} "
            f"--size {model_size} --all-models` with the machine at rest, then `hwbench refresh` fits again"
        )

    def save(self, path: Path) -> None:
        """Write the predictor as one JSON file, complete or not at all; folders are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self._content()
        text = json.dumps(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "predictor_id": sha256_of(content)[:32],
                "content": content,
            },
            indent=1,
        )
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Self:
        """The predictor that `save` wrote.

        Raises FileNotFoundError, or `PredictorFileError` for a file that is damaged, changed by hand, of another
        format version, or made for other features; each message names the file and the fix.
        """
        content = _checked_content(path)
        try:
            return cls(
                regression=Regression.from_json(content["regression"]),
                n_models_by_evidence={
                    (kind["hardware"], kind["device_name"], kind["mode"], kind["precision"], kind["model_size"]): kind[
                        "n_models"
                    ]
                    for kind in content["evidence"]
                },
                errors={
                    (kind["mode"], kind["model_size"]): KindErrors(**kind["errors"])
                    for kind in content["errors_by_mode_and_size"]
                },
                n_training_rows=content["n_training_rows"],
                training_sha256=content["training_sha256"],
                xgboost_version=content["xgboost_version"],
            )
        except (AttributeError, KeyError, TypeError, ValueError, xgboost.core.XGBoostError) as error:
            what = str(error).partition("\n")[0]  # XGBoost appends its stack
            raise _file_error(path, f"its content cannot be read ({type(error).__name__}: {what})") from error

    def _content(self) -> dict[str, Any]:
        return {
            "features": list(FEATURES),
            "columns": list(self.regression.encoding.columns),
            "regression": self.regression.to_json(),
            "evidence": [
                {
                    "hardware": hardware,
                    "device_name": device_name,
                    "mode": mode,
                    "precision": precision,
                    "model_size": model_size,
                    "n_models": n_models,
                }
                for (hardware, device_name, mode, precision, model_size), n_models in sorted(
                    self.n_models_by_evidence.items(), key=lambda item: str(item[0])
                )
            ],
            "errors_by_mode_and_size": [
                {"mode": mode, "model_size": model_size, "errors": asdict(errors)}
                for (mode, model_size), errors in sorted(self.errors.items())
            ],
            "n_training_rows": self.n_training_rows,
            "training_sha256": self.training_sha256,
            "xgboost_version": self.xgboost_version,
        }


def _file_error(path: Path, problem: str) -> PredictorFileError:
    return PredictorFileError(f"{path}: {problem}. Fix: `hwbench refresh` fits a new predictor from the warehouse")


def _checked_content(path: Path) -> dict[str, Any]:
    """The content of a predictor file that is whole, unchanged and made for this version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _file_error(path, f"not a complete JSON file ({error}); it was cut off or is something else") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _file_error(path, f"not a predictor: expected a JSON object with format {FORMAT!r}")
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise _file_error(path, f"format version {version}; this version of hwbench reads {FORMAT_VERSION}")
    content = document.get("content")
    expected = sha256_of(content)[:32]
    if not isinstance(content, dict) or document.get("predictor_id") != expected:
        raise _file_error(
            path,
            f"changed after it was written: predictor_id is {document.get('predictor_id')}, its content {expected}",
        )
    features = content.get("features")
    if features != list(FEATURES):
        differing = sorted(set(features or ()) ^ set(FEATURES)) or ["their order"]
        raise _file_error(
            path, f"made for other features than this version computes; differing: {', '.join(differing)}"
        )
    return content
