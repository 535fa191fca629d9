"""The predictor: what it answers, when it is silent, and that its file is checked."""

from __future__ import annotations

import json
import math
import random

import pytest

from hwbench_pipeline.prediction.evaluation import NotEnoughEvidenceError
from hwbench_pipeline.prediction.features import grid_points, training_rows
from hwbench_pipeline.prediction.predictions import predict_grid
from hwbench_pipeline.prediction.predictor import Abstention, Prediction, Predictor, PredictorFileError
from hwbench_pipeline.schema.table import sha256_of
from hwbench_pipeline.schema.tables.prediction import OUT__PREDICTIONS
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline_tests.prediction import law


@pytest.fixture(scope="module")
def points(models, hardware, results):
    return grid_points(models, hardware, results)[0]


@pytest.fixture
def saved(predictor, tmp_path):
    path = tmp_path / "predictor.json"
    predictor.save(path)
    return path


def test_predictions_are_valid_rows_near_the_law(predictor, points, models):
    rows, reasons = predict_grid(predictor, points)
    require_valid(OUT__PREDICTIONS, rows)
    assert reasons == []
    truth = {
        (row["config_sha256"], row["hardware"], row["mode"]): row["latency_ms_p50"]
        for row in law.results(models, noise=0.0, batch_sizes=(32,))
    }
    errors = sorted(
        abs(row["latency_ms_p50_predicted"] / truth[row["config_sha256"], row["hardware"], row["mode"]] - 1)
        for row in rows
    )
    assert errors[len(errors) // 2] < 0.25


def test_two_models_of_one_configuration_are_both_predicted(predictor, hardware, models):
    points, _ = grid_points([models[0], {**models[0], "model": "its-other-name"}], hardware, [])
    rows, _ = predict_grid(predictor, points)
    assert {row["model"] for row in rows} == {models[0]["model"], "its-other-name"}


def test_same_rows_in_any_order_give_the_same_predictor(predictor, training, evaluation):
    shuffled = random.Random(3).sample(training, len(training))
    again = Predictor.fit(shuffled, evaluation)
    assert again.predictor_id == predictor.predictor_id


def test_unusable_results_do_not_move_predictions(results, hardware, models, evaluation, predictor, points):
    answers = []
    for factor in (1.0, 1000.0):
        poison = [
            {**row, **changes, "latency_ms_p50": row["latency_ms_p50"] * factor}
            for row, changes in zip(
                results[:3],
                ({"provenance": "simulated"}, {"provenance": "mock"}, {"is_current": False}),
                strict=True,
            )
        ]
        rows, _ = training_rows([*results, *poison], hardware, models)
        answers.append(Predictor.fit(rows, evaluation).predict(points))
    assert answers[0] == answers[1] == predictor.predict(points)


def test_each_prediction_carries_the_errors_of_its_mode_and_size(predictor, points):
    rows, _ = predict_grid(predictor, points)
    for row in rows:
        errors = predictor.errors[row["mode"], row["model_size"]]
        assert row["held_out_median_ape_percent"] == errors.median_ape_percent
        assert (row["best_baseline"], row["best_baseline_median_ape_percent"]) == (
            errors.best_baseline,
            errors.best_baseline_median_ape_percent,
        )
        assert row["latency_ms_p50_low"] == pytest.approx(row["latency_ms_p50_predicted"] * math.exp(errors.low))


def test_a_size_that_cannot_be_scored_is_not_predicted(training, points):
    few = [row for row in training if row["model_size"] == "tiny" or row["model"] in ("model1", "model2")]
    predictor = Predictor.fit(few)
    assert set(predictor.errors) == {("inference", "tiny"), ("training", "tiny")}
    for point, answer in zip(points, predictor.predict(points), strict=True):
        assert isinstance(answer, Prediction if point["model_size"] == "tiny" else Abstention)


def test_a_changed_target_changes_the_predictor(training, predictor):
    changed = [{**training[0], "latency_ms_p50": training[0]["latency_ms_p50"] * 2}, *training[1:]]
    again = Predictor.fit(changed)
    assert again.training_sha256 != predictor.training_sha256
    assert again.predictor_id != predictor.predictor_id


def test_evaluation_of_other_rows_is_refused(training, evaluation):
    with pytest.raises(ValueError, match=r"the evaluation is of other rows .* Fix:"):
        Predictor.fit(training[1:], evaluation)


def test_range_holds_about_four_fifths_of_the_held_out_errors(predictor, evaluation):
    assert len(predictor.errors) == 4
    for kind, errors in predictor.errors.items():
        residuals = [
            one.log_residual
            for one in evaluation.held_out
            if one.method == "xgboost" and (one.mode, one.model_size) == kind
        ]
        share = sum(errors.low <= residual <= errors.high for residual in residuals) / len(residuals)
        assert 0.8 <= share <= 0.95
        assert errors.low <= 0 <= errors.high


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hardware": "cuda", "device_name": "NVIDIA H200"}, "cuda (NVIDIA H200)"),
        ({"device_name": "another CPU"}, "cpu (another CPU)"),
        ({"precision": "bf16"}, "in bf16 on cpu"),
        (
            {"hardware": "openvino", "device_name": "openvino device", "mode": "training"},
            "training of tiny models in fp32 on openvino",
        ),
    ],
)
def test_what_was_never_measured_gets_no_prediction(predictor, points, changes, named):
    cpu = next(point for point in points if point["hardware"] == "cpu" and point["mode"] == "inference")
    unseen, seen = predictor.predict([{**cpu, **changes}, cpu])
    assert isinstance(unseen, Abstention)
    assert named in unseen.reason
    assert "Fix: `hwbench bench --hardware" in unseen.reason
    assert "then `hwbench refresh` fits again" in unseen.reason
    assert isinstance(seen, Prediction)
    rows, reasons = predict_grid(predictor, [{**cpu, **changes}])
    assert rows == []
    assert reasons == [f"1 grid point left out: {unseen.reason}"]


def test_tiny_rows_never_stand_for_a_real_model(training, points):
    few = [row for row in training if row["mode"] == "inference" or row["model_size"] == "tiny"]
    answers = Predictor.fit(few).predict(points)
    for point, answer in zip(points, answers, strict=True):
        if point["mode"] == "training" and point["model_size"] == "reference":
            assert isinstance(answer, Abstention)
            assert "--size reference --all-models" in answer.reason
        else:
            assert isinstance(answer, Prediction)


def test_kind_with_two_models_gets_no_prediction(training, points):
    few = [row for row in training if row["hardware"] == "cpu" or row["model"] in ("model1", "model2")]
    answers = Predictor.fit(few).predict([point for point in points if point["hardware"] == "openvino"])
    assert all(isinstance(answer, Abstention) and "2 models only" in answer.reason for answer in answers)


def test_no_points_no_answers(predictor):
    assert predictor.predict([]) == []
    assert predict_grid(predictor, []) == ([], [])


@pytest.mark.parametrize(("n_models", "n_rows"), [(0, 0), (2, 24), (3, 11)])
def test_not_enough_evidence_says_how_much_there_is(training, n_models, n_rows):
    chosen = [f"model{number}" for number in range(n_models)]
    by_model = [[row for row in training if row["model"] == model] for model in chosen]
    rows = [row for group in zip(*by_model, strict=True) for row in group][:n_rows]
    assert len(rows) == n_rows
    with pytest.raises(NotEnoughEvidenceError, match=rf"{n_rows} usable measurements of {n_models} models") as caught:
        Predictor.fit(rows)
    assert "Fix: `hwbench bench" in str(caught.value)


def test_saved_and_loaded_predicts_the_same(predictor, points, saved):
    loaded = Predictor.load(saved)
    assert loaded.predict(points) == predictor.predict(points)
    assert loaded.predictor_id == predictor.predictor_id
    assert loaded.errors == predictor.errors
    assert loaded.training_sha256 == predictor.training_sha256
    again = saved.with_name("again.json")
    loaded.save(again)
    assert again.read_bytes() == saved.read_bytes()


def test_saving_leaves_one_file_and_makes_folders(predictor, tmp_path):
    path = tmp_path / "new" / "predictor.json"
    predictor.save(path)
    predictor.save(path)
    assert list(path.parent.iterdir()) == [path]


def test_file_is_json_with_what_explains_it(saved, predictor):
    document = json.loads(saved.read_text())
    assert document["format_version"] == 2
    assert document["predictor_id"] == predictor.predictor_id
    assert document["content"]["training_sha256"] == predictor.training_sha256
    assert document["content"]["regression"]["booster"]["learner"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_cut_off_file_is_refused(saved, share):
    text = saved.read_text()
    saved.write_text(text[: int(len(text) * share)])
    with pytest.raises(PredictorFileError, match=r"not a complete JSON file .* Fix: `hwbench refresh`") as caught:
        Predictor.load(saved)
    assert str(saved) in str(caught.value)


def _rewrite(path, change, *, resign: bool) -> None:
    document = json.loads(path.read_text())
    change(document)
    if resign:
        document["predictor_id"] = sha256_of(document["content"])[:32]
    path.write_text(json.dumps(document))


def test_tampered_file_is_refused(saved):
    def narrow(document):
        document["content"]["errors_by_mode_and_size"][0]["errors"] |= {"low": -0.001, "high": 0.001}

    _rewrite(saved, narrow, resign=False)
    with pytest.raises(PredictorFileError, match=r"changed after it was written: .* Fix:"):
        Predictor.load(saved)


def test_other_features_are_refused_by_name(saved):
    def rename(document):
        document["content"]["features"][0] = "log_layers"

    _rewrite(saved, rename, resign=True)
    with pytest.raises(PredictorFileError, match=r"differing: log_layers, log_parameters\. Fix:"):
        Predictor.load(saved)


@pytest.mark.parametrize("version", [1, 99])
def test_other_format_version_is_refused(saved, version):
    _rewrite(saved, lambda document: document.update(format_version=version), resign=False)
    with pytest.raises(PredictorFileError, match=rf"format version {version}; this version of hwbench reads 2\. Fix:"):
        Predictor.load(saved)


@pytest.mark.parametrize("text", ["[]", '{"rows": []}'])
def test_other_json_is_refused(saved, text):
    saved.write_text(text)
    with pytest.raises(PredictorFileError, match=r"not a predictor: .* Fix:"):
        Predictor.load(saved)


def test_broken_trees_are_refused(saved):
    def empty(document):
        document["content"]["regression"]["booster"] = {}

    _rewrite(saved, empty, resign=True)
    with pytest.raises(PredictorFileError, match=r"its content cannot be read .* Fix:"):
        Predictor.load(saved)


def test_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        Predictor.load(tmp_path / "none.json")
