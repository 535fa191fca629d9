"""Leave-one-model-out: it finds a known law, finds nothing where there is nothing, and never leaks."""

from __future__ import annotations

import random

import pytest

from hwbench_pipeline.prediction import evaluation as module
from hwbench_pipeline.prediction.evaluation import METHODS, leave_one_model_out
from hwbench_pipeline.prediction.features import training_rows
from hwbench_pipeline.schema.tables.prediction import OUT__PREDICTION_SCORES
from hwbench_pipeline.schema.validation import require_valid


def _mape(evaluation) -> dict[tuple[str, str], float]:
    return {(row["mode"], row["method"]): row["mape_percent"] for row in evaluation.scores}


def test_scores_are_valid_rows_of_every_mode_and_method(evaluation):
    require_valid(OUT__PREDICTION_SCORES, evaluation.scores)
    assert {(row["mode"], row["method"]) for row in evaluation.scores} == {
        (mode, method) for mode in ("inference", "training") for method in METHODS
    }


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_predictor_finds_the_law(evaluation, mode):
    mape = _mape(evaluation)
    assert mape[mode, "xgboost"] < 40
    for baseline in ("constant", "roofline", "scaled_roofline"):
        assert mape[mode, "xgboost"] < mape[mode, baseline]


def test_every_row_is_predicted_once_per_method_by_others(evaluation, training):
    for method in METHODS:
        ids = [one.result_id for one in evaluation.held_out if one.method == method]
        assert sorted(ids) == [row["result_id"] for row in training]


def test_no_row_of_the_held_out_model_is_learned_from(monkeypatch, training):
    seen = []

    def spy(learned, rows):
        seen.append(({row["model"] for row in learned}, {row["model"] for row in rows}))
        return module.baselines.roofline(learned, rows)

    monkeypatch.setattr(module, "METHODS", {"roofline": spy})
    leave_one_model_out(training)
    assert len(seen) == len({row["model"] for row in training})
    for learned, held_out in seen:
        assert len(held_out) == 1
        assert not learned & held_out


def test_shuffled_target_destroys_the_score(training, evaluation):
    latencies = [row["latency_ms_p50"] for row in training]
    random.Random(0).shuffle(latencies)
    shuffled = leave_one_model_out(
        [{**row, "latency_ms_p50": latency} for row, latency in zip(training, latencies, strict=True)]
    )
    for mode in ("inference", "training"):
        assert _mape(shuffled)[mode, "xgboost"] > 10 * _mape(evaluation)[mode, "xgboost"]


def test_mode_with_too_few_models_has_a_reason_instead_of_a_score(training):
    few = [row for row in training if row["mode"] == "inference" or row["model"] in ("model1", "model2")]
    scores = leave_one_model_out(few).scores
    require_valid(OUT__PREDICTION_SCORES, scores)
    for row in scores:
        if row["mode"] == "training":
            assert row["mape_percent"] is None
            assert "2 models" in row["reason"]
            assert "hwbench bench --mode training" in row["reason"]
        else:
            assert row["reason"] is None


def test_rows_of_a_device_with_two_models_are_learned_from_but_not_scored(training):
    few = [row for row in training if row["hardware"] == "cpu" or row["model"] in ("model1", "model2")]
    held_out = leave_one_model_out(few).held_out
    assert {one.hardware for one in held_out} == {"cpu"}


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_models_give_reasons_only(training, count):
    rows = [row for row in training if row["model"] in [f"model{number}" for number in range(count)]]
    evaluation = leave_one_model_out(rows)
    require_valid(OUT__PREDICTION_SCORES, evaluation.scores)
    assert evaluation.held_out == []
    assert all(f"of {count} models" in row["reason"] for row in evaluation.scores)


def test_unusable_results_do_not_move_the_scores(results, hardware, models, evaluation):
    poison = [{**row, "provenance": "simulated", "latency_ms_p50": row["latency_ms_p50"] * 50} for row in results]
    rows, reasons = training_rows([*results, *poison], hardware, models)
    assert f"{len(poison)} result rows left out: provenance is simulated" in reasons[0]
    assert leave_one_model_out(rows) == evaluation
