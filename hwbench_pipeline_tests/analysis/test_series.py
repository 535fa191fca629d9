"""Which results continue each other, what the machine did, and what runs differ by."""

from __future__ import annotations

import math

import pytest

from hwbench_pipeline.analysis.series import (
    FEWEST_FLEET,
    NOISE_FLOOR,
    family_of,
    history_of,
    mattering_options,
    metric_of,
    sigma_of,
)
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import ENVIRONMENT, Nights


def series_of(results, **more):
    return history_of(results, [ENVIRONMENT], **more).series


def test_runs_of_one_point_are_one_series_in_the_order_of_time():
    nights = Nights(1).sweeps(3)
    (series,) = series_of(reversed(nights.rows))
    assert [run.row["run_id"] for run in series.runs] == ["run-00001", "run-00002", "run-00003"]


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 8},
        {"precision": "bf16"},
        {"sequence_length": 64, "input_shape": "input_ids=1x64"},
        {"hardware": "openvino"},
        {"device_name": "Another device"},
        {"mode": "training", "scenario": "train_step"},
        {"scenario": "generate"},
        {"variant": "compile"},
        {"config_sha256": "b" * 64},
        {"options": '{"attention":"eager"}'},
        {"backend": "openvino"},
        {"flags": ["software_adapter"]},
        {"source": "bundle"},
    ],
    ids=str,
)
def test_whatever_makes_it_another_point_is_another_series(change):
    assert len(series_of([rows.measured(), rows.measured(run_id="2", **change)])) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"backend_version": "3.0"},
        {"harness_version": "0.2"},
        {"options": '{"export_ms":7.5,"page_load_ms":9}'},
        {"environment_id": "f" * 32},
        {"scenario": None},
        {"flags": ["noisy"]},
    ],
    ids=str,
)
def test_versions_and_what_a_run_found_out_stand_apart_from_the_series(change):
    environments = [ENVIRONMENT, ENVIRONMENT | {"environment_id": "f" * 32, "machine": "tonight's host"}]
    assert len(history_of([rows.measured(), rows.measured(run_id="2", **change)], environments).series) == 1


def test_another_number_of_cores_is_another_machine():
    environments = [ENVIRONMENT, ENVIRONMENT | {"environment_id": "f" * 32, "cpu_cores_logical": 64}]
    results = [rows.measured(), rows.measured(run_id="2", environment_id="f" * 32)]
    assert len(history_of(results, environments).series) == 2


def test_what_is_no_measurement_is_in_no_series_and_is_counted_with_the_reason():
    left_out = history_of(
        [
            rows.measured(),
            rows.without_number(run_id="2"),
            rows.legacy(),
            rows.measured(run_id="3", provenance="simulated"),
            rows.measured(run_id="4", flags=["is_aggregate"]),
            rows.measured(run_id="5", flags=["faster_than_roofline"]),
        ],
        [ENVIRONMENT],
    ).left_out
    assert left_out == {
        "no number": 1,
        "from an old file, whose configuration nobody knows": 1,
        "not measured": 1,
        "a mean over several runs or configurations": 1,
        "faster than the device can be": 1,
    }


def test_rows_without_a_time_are_ordered_by_version_as_numbers():
    def one(version):
        return rows.legacy(
            source="timm",
            source_pointer=f"row={version}",
            model_id="resnet",
            model=None,
            backend_version=version,
            latency_ms_mean=1.0,
        )

    (series,) = series_of([one("2.10.0"), one("1.13"), one("2.9.1")])
    assert [run.row["backend_version"] for run in series.runs] == ["1.13", "2.9.1", "2.10.0"]


def test_with_requests_in_flight_the_rate_is_the_speed():
    assert metric_of(rows.measured(variant="throughput", throughput_items_per_s=250.0)) == (
        "throughput_items_per_s",
        4.0,
    )
    assert metric_of(rows.measured(samples_ms=[3.0] * 10)) == ("latency_ms_p50", 3.0)
    assert metric_of(rows.without_number()) is None


def test_the_machines_shift_is_found_where_enough_cells_tell():
    nights = Nights(20, drift=0.1)
    shifts = [nights.sweep() for _ in range(5)]
    (fleet,) = history_of(nights.rows, [ENVIRONMENT]).fleets.values()
    assert len(fleet.shifts) == 5
    found = [fleet.shifts[number] - fleet.shifts[0] for number in range(5)]
    assert found == pytest.approx([shift - shifts[0] for shift in shifts], abs=0.015)


def test_fewer_cells_tell_of_no_shift():
    nights = Nights(FEWEST_FLEET - 1, drift=0.1).sweeps(3)
    (fleet,) = history_of(nights.rows, [ENVIRONMENT]).fleets.values()
    assert fleet.shifts == {}


def test_a_cell_that_is_measured_again_has_the_shift_of_its_night():
    nights = Nights(20, drift=0.1)
    nights.sweep()
    shift = nights.sweep()
    nights.again("model3", shift=shift)
    series = next(one for one in series_of(nights.rows) if one.runs[0].row["model"] == "model3")
    night, again = series.runs[-2:]
    assert again.is_shift_known
    assert again.shift == night.shift


def test_the_noise_is_what_runs_differ_by_whatever_the_machine_does():
    history = history_of(Nights(30, spread=0.03, drift=0.2).sweeps(8).rows, [ENVIRONMENT])
    (fleet,) = history.fleets
    assert history.noise_of(fleet).sigma == pytest.approx(0.03, rel=0.2)
    assert history.noise_of(fleet).n_pairs == 30 * 7


def test_noise_never_falls_below_the_floor_and_is_unknown_of_few_runs():
    quiet = history_of(Nights(10, spread=0.0001, drift=0).sweeps(4).rows, [ENVIRONMENT])
    assert all(sigma_of(one, quiet.noise_of(one.fleet)) >= NOISE_FLOOR for one in quiet.series)
    few = history_of(Nights(2).sweeps(2).rows, [ENVIRONMENT])
    assert few.noise_of(few.series[0].fleet) is None
    assert sigma_of(few.series[0], None) is None


def test_a_cell_noisier_than_its_machine_has_its_own_noise():
    nights = Nights(20, spread=0.01, drift=0)
    for number in range(12):
        nights.sweep({"model0": math.exp(0.2 * (-1) ** number)})
    history = history_of(nights.rows, [ENVIRONMENT])
    sigmas = {one.runs[0].row["model"]: sigma_of(one, history.noise_of(one.fleet)) for one in history.series}
    assert sigmas["model0"] > 5 * sigmas["model1"]


def test_an_accepted_run_begins_a_new_segment():
    nights = Nights(1).sweeps(4)
    (series,) = series_of(nights.rows)
    third = series.runs[2].row["result_id"]
    (series,) = series_of(nights.rows, accepted={series.series_id: {third}})
    assert [len(part) for part in series.segments] == [2, 2]


@pytest.mark.parametrize(
    ("row", "family"),
    [
        ({"architecture": "bert", "model_id": "google/bert"}, "bert"),
        ({"model_id": "lambda_resnet26t"}, "lambda"),
        ({"model_id": "hiera_base_plus_224"}, "hiera"),
        ({"model_id": "mobilenetv4_hybrid_large"}, "mobilenetv4"),
        ({"model_id": "resnext101_32x32d"}, "resnext"),
        ({"model_id": "org/Some-Model"}, "some"),
    ],
)
def test_models_alike_are_a_family(row, family):
    assert family_of(row) == family


def test_options_that_a_run_found_out_do_not_matter():
    assert mattering_options({"options": '{"attention":"sdpa","export_ms":3.5,"browser":"chromium 1"}'}) == {
        "attention": "sdpa"
    }
    assert mattering_options({"options": None}) == {}
