"""Leave-one-model-out: it finds a known law, finds nothing where there is nothing, and never leaks."""

from __future__ import annotations

import random

import pytest

from hwbench_pipeline.prediction import evaluation as module
from hwbench_pipeline.prediction.evaluation import METHODS, errors_by_kind, leave_one_model_out
from hwbench_pipeline.prediction.features import training_rows
from hwbench_pipeline.schema.tables.prediction import OUT__PREDICTION_SCORES
from hwbench_pipeline.schema.validation import require_valid

KINDS = [(mode, size) for mode in ("inference", "training") for size in ("tiny", "reference")]


def _mape(evaluation) -> dict[tuple[str, str, str], float]:
    return {(row["mode"], row["model_size"], row["method"]): row["mape_percent"] for row in evaluation.scores}


def test_scores_are_valid_rows_of_every_mode_size_and_method(evaluation):
    require_valid(OUT__PREDICTION_SCORES, evaluation.scores)
    assert set(_mape(evaluation)) == {(*kind, method) for kind in KINDS for method in METHODS}


@pytest.mark.parametrize(("mode", "size"), KINDS)
def test_predictor_finds_the_law(evaluation, mode, size):
    mape = _mape(evaluation)
    assert mape[mode, size, "xgboost"] < 40
    for baseline in ("constant", "roofline", "scaled_roofline"):
        assert mape[mode, size, "xgboost"] < mape[mode, size, baseline]


def test_errors_of_one_size_do_not_reach_the_other(training, evaluation):
    for size in ("tiny", "reference"):
        rows = [one for one in evaluation.held_out if one.model_size == size]
        scored = [row for row in evaluation.scores if row["model_size"] == size]
        assert sum(row["n_rows"] for row in scored) == len(rows)
    sizes = {row["result_id"]: row["model_size"] for row in training}
    assert all(sizes[one.result_id] == one.model_size for one in evaluation.held_out)


def test_the_best_baseline_is_kept_with_its_error(evaluation):
    errors = errors_by_kind(evaluation)
    assert set(errors) == set(KINDS)
    for kind, of_kind in errors.items():
        medians = {
            row["method"]: row["median_ape_percent"]
            for row in evaluation.scores
            if (row["mode"], row["model_size"]) == kind
        }
        assert of_kind.median_ape_percent == medians.pop("xgboost")
        assert of_kind.best_baseline_median_ape_percent == min(medians.values()) == medians[of_kind.best_baseline]


def test_size_with_too_few_models_has_a_reason_and_the_other_its_scores(training):
    few = [row for row in training if row["model_size"] == "tiny" or row["model"] in ("model1", "model2")]
    evaluation = leave_one_model_out(few)
    require_valid(OUT__PREDICTION_SCORES, evaluation.scores)
    for row in evaluation.scores:
        if row["model_size"] == "reference":
            assert (row["mape_percent"], row["n_rows"]) == (None, 0)
            assert "2 models" in row["reason"]
            assert f"hwbench bench --mode {row['mode']} --size reference" in row["reason"]
            assert "`hwbench refresh`" in row["reason"]
        else:
            assert row["n_models"] == 9
    assert set(errors_by_kind(evaluation)) == {("inference", "tiny"), ("training", "tiny")}


def test_the_range_of_few_rows_holds_them_all(training):
    few = [row for row in training if row["model"] in ("model1", "model2", "model4") and row["batch_size"] == 1]
    evaluation = leave_one_model_out(few)
    for (mode, size), errors in errors_by_kind(evaluation).items():
        residuals = [
            one.log_residual
            for one in evaluation.held_out
            if (one.mode, one.model_size, one.method) == (mode, size, "xgboost")
        ]
        assert errors.low <= min(residuals)
        assert errors.high >= max(residuals)


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
    for kind in KINDS:
        assert _mape(shuffled)[*kind, "xgboost"] > 10 * _mape(evaluation)[*kind, "xgboost"]


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
