"""One question about one point: a measurement first, then a prediction, then the reason and the fix."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from hwbench_pipeline.catalog.rows import model_row
from hwbench_pipeline.cli import main
from hwbench_pipeline.prediction.points import Question, answer
from hwbench_pipeline.prediction.storing import predictor_file
from hwbench_pipeline.schema.tables import CORE_HARDWARE, OUT__RESULTS
from hwbench_pipeline.warehouse.writing import write_table
from hwbench_pipeline_tests.prediction.law import NOW, result_row


@pytest.fixture(scope="module")
def bert():
    return model_row("bert", "tiny")


def _question(**changes) -> Question:
    asked = {
        "hardware": "cpu",
        "model": "bert",
        "model_size": "tiny",
        "mode": "inference",
        "precision": "fp32",
        "batch_size": 1,
        "sequence_length": None,
    }
    return Question(**(asked | changes))


@pytest.mark.parametrize(
    ("place", "precision"), [(0, "fp32"), (0, "bf16"), (2, "fp32"), (3, "fp32")], ids=["", "bf16", "no peaks", "absent"]
)
def test_a_measured_point_is_shown_as_measured_whatever_is_missing(bert, hardware, place, precision):
    device = hardware[place]
    elsewhere = {"device_name": device["device_name"] or "another machine's"}
    row = result_row(bert, device, "inference", 1, 3.5, precision=precision, flags=["noisy"], **elsewhere)
    shown = answer(_question(hardware=device["hardware"], precision=precision), None, hardware, [row])
    assert (shown["provenance"], shown["latency_ms_p50"]) == ("measured", 3.5)
    assert (shown["flags"], shown["started_at"], shown["device_name"]) == (["noisy"], NOW, elsewhere["device_name"])
    assert "reason" not in shown


def test_without_any_hardware_row_a_measurement_is_still_found(bert, hardware):
    row = result_row(bert, hardware[0], "inference", 1, 3.5)
    assert answer(_question(), None, [], [row])["provenance"] == "measured"


def test_the_newest_measurement_of_this_device_counts(bert, hardware):
    old = result_row(bert, hardware[0], "inference", 1, 3.0)
    new = result_row(bert, hardware[0], "inference", 1, 4.0, started_at=NOW + timedelta(days=1), backend="other")
    later = {"started_at": NOW + timedelta(days=2)}
    other = result_row(bert, hardware[0], "inference", 1, 5.0, device_name="another CPU", **later)
    assert answer(_question(), None, hardware, [new, old, other])["latency_ms_p50"] == 4.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "there is no predictor. Fix: `hwbench refresh`"),
        ({"precision": "bf16"}, "no peak was measured in bf16, only in fp32. Fix: --precision fp32"),
        ({"hardware": "webgpu"}, "has no measured peaks: no probe for browsers. Fix: `hwbench refresh`"),
        ({"hardware": "cuda"}, "no NVIDIA driver"),
        (
            {"hardware": "rocm"},
            "hardware rocm was never probed for this warehouse, so its peaks are not known. Fix: `hwbench refresh`",
        ),
        ({"hardware": "openvino", "mode": "training"}, "it computes no gradients"),
    ],
)
def test_without_a_predictor_an_unmeasured_point_has_the_reason(hardware, changes, named):
    shown = answer(_question(**changes), None, hardware, [])
    assert shown["provenance"] == "none"
    assert named in shown["reason"]


def test_a_prediction_says_how_wrong_its_kind_was(predictor, hardware):
    shown = answer(_question(), predictor, hardware, [])
    errors = predictor.errors["inference", "tiny"]
    assert shown["provenance"] == "predicted"
    assert shown["held_out_median_ape_percent"] == errors.median_ape_percent
    assert (shown["best_baseline"], shown["best_baseline_median_ape_percent"]) == (
        errors.best_baseline,
        errors.best_baseline_median_ape_percent,
    )


def test_a_simulated_number_is_no_answer(bert, hardware):
    row = result_row(bert, hardware[0], "inference", 1, 3.5, provenance="simulated")
    assert answer(_question(), None, hardware, [row])["provenance"] == "none"


@pytest.fixture
def predict(bert, hardware, predictor, tmp_path, capsys):
    """`hwbench predict` on a warehouse with one measured point, with the predictor given or without."""
    write_table(tmp_path, CORE_HARDWARE, hardware)
    write_table(tmp_path, OUT__RESULTS, [result_row(bert, hardware[0], "inference", 1, 3.5, flags=["noisy"])])

    def _predict(errors_of=None):
        if errors_of is not None:
            changed = {kind: dataclasses.replace(errors, **errors_of) for kind, errors in predictor.errors.items()}
            dataclasses.replace(predictor, errors=changed).save(predictor_file(tmp_path))
        options = ["--size", "tiny", "--hardware", "cpu", "--batch-size", "1,2", "--warehouse", str(tmp_path)]
        with pytest.raises(SystemExit) as stopped:
            main(["predict", "--model", "bert", *options])
        return stopped.value.code, capsys.readouterr().out

    return _predict


def test_without_a_predictor_file_measurements_are_shown(predict):
    code, shown = predict()
    assert code == 0
    assert "noisy" in shown
    assert "cpu, inference: nobody measured it, and there is no predictor. Fix: `hwbench refresh`" in shown


def test_a_closer_baseline_is_told_below_the_table(predict):
    errors = {"median_ape_percent": 56.0, "best_baseline": "scaled_roofline", "best_baseline_median_ape_percent": 21.0}
    _, shown = predict(errors)
    assert "median error %" in shown
    (line,) = [line for line in shown.splitlines() if "closer" in line]
    assert line == (
        "inference, tiny: the scaled roofline was closer when models were left out (median error 21 % against 56 %); "
        "trust these predictions no further than their range"
    )
    _, shown = predict(errors | {"best_baseline_median_ape_percent": 57.0})
    assert "closer" not in shown
