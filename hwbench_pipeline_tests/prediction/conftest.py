"""The made-up world, its training set and one evaluated predictor, made once."""

from __future__ import annotations

from typing import Any

import pytest

from hwbench_pipeline.prediction.evaluation import Evaluation, leave_one_model_out
from hwbench_pipeline.prediction.features import training_rows
from hwbench_pipeline.prediction.predictor import Predictor
from hwbench_pipeline_tests.prediction import law

Row = dict[str, Any]


@pytest.fixture(scope="session")
def models() -> list[Row]:
    return law.model_rows()


@pytest.fixture(scope="session")
def hardware() -> list[Row]:
    return law.hardware_rows()


@pytest.fixture(scope="session")
def results(models: list[Row]) -> list[Row]:
    return law.results(models)


@pytest.fixture(scope="session")
def training(results: list[Row], hardware: list[Row], models: list[Row]) -> list[Row]:
    return training_rows(results, hardware, models)[0]


@pytest.fixture(scope="session")
def evaluation(training: list[Row]) -> Evaluation:
    return leave_one_model_out(training)


@pytest.fixture(scope="session")
def predictor(training: list[Row], evaluation: Evaluation) -> Predictor:
    return Predictor.fit(training, evaluation)
