"""Output comparison and flags."""

import numpy as np
import pytest

from hwbench_pipeline.bench.judging import (
    WrongOutputError,
    are_few,
    has_drifted,
    has_same_infinities,
    is_noisy,
    largest_relative_error,
    relative_loss_error,
    require_right_output,
)


def test_infinities_where_the_reference_has_them_are_no_difference():
    reference = {"logits": np.array([1.0, float("-inf"), 4.0], dtype=np.float32)}
    output = {"logits": np.array([1.0, float("-inf"), 4.2], dtype=np.float32)}
    assert largest_relative_error(reference, output) == pytest.approx(0.05)
    assert has_same_infinities(reference, output)
    assert not has_same_infinities(reference, {"logits": np.array([float("-inf"), 1.0, 4.0])})


def test_error_is_relative_to_the_largest_reference_value():
    reference = {"logits": np.array([1.0, -10.0], dtype=np.float32)}
    assert largest_relative_error(reference, {"logits": np.array([1.1, -10.0])}) == pytest.approx(0.01, rel=1e-5)


def test_takes_the_worst_output():
    reference = {"a": np.ones(3), "b": np.ones(3)}
    assert largest_relative_error(reference, {"a": np.ones(3), "b": np.full(3, 1.5)}) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("reference", "output", "message"),
    [
        ([1.0, 2.0], [1.0, float("nan")], "holds NaN"),
        ([1.0, 2.0], [1.0, float("inf")], "infinities in other places"),
        ([1.0, float("-inf")], [1.0, 2.0], "infinities in other places"),
        ([1.0, float("-inf")], [1.0, float("inf")], "infinities in other places"),
        ([float("-inf"), 0.0], [float("-inf"), 0.0], "all zero"),
        ([1.0, float("nan")], [1.0, 2.0], "reference of logits holds NaN"),
        ([0.0, 0.0], [0.0, 0.0], "all zero"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "shape"),
    ],
)
def test_outputs_that_cannot_be_right_are_refused(reference, output, message):
    with pytest.raises(WrongOutputError, match=message):
        largest_relative_error({"logits": np.array(reference)}, {"logits": np.array(output)})


def test_a_missing_output_is_refused():
    with pytest.raises(WrongOutputError, match="logits is missing"):
        largest_relative_error({"logits": np.ones(1)}, {"other": np.ones(1)})


def test_tolerance_depends_on_the_precision():
    require_right_output(0.05, "bf16")
    with pytest.raises(WrongOutputError, match="fp32 may differ by"):
        require_right_output(0.05, "fp32")


def test_noise_is_judged_by_the_upper_spread():
    assert not is_noisy([10.0] * 20)
    assert not is_noisy([10.0] * 19 + [50.0])
    assert is_noisy([10.0] * 15 + [20.0] * 5)


def test_drift_is_a_difference_between_the_halves():
    assert has_drifted([10.0] * 5 + [11.5] * 5)
    assert not has_drifted([10.0] * 5 + [10.5] * 5)
    assert not has_drifted([10.0, 20.0, 10.0, 20.0])
    assert not has_drifted([10.0, 30.0] * 10)


def test_a_median_between_two_kinds_of_samples_is_noisy():
    assert is_noisy([190.0, 360.0, 191.0, 355.0, 192.0, 315.0, 330.0, 316.0, 365.0, 317.0])
    assert not is_noisy([190.0, 191.0, 189.0, 190.5, 192.0, 190.2, 191.3, 190.8, 189.7, 190.1])


def test_few_samples_are_called_few():
    assert are_few([10.0] * 9)
    assert not are_few([10.0] * 10)


def test_what_could_be_the_output_of_any_input_is_refused():
    require_right_output(0.02, "bf16", effect_of_input=0.11)
    with pytest.raises(WrongOutputError, match="could be the output of any input"):
        require_right_output(0.074, "bf16", effect_of_input=0.11)
    with pytest.raises(WrongOutputError, match="int4 may differ by"):
        require_right_output(0.7, "int4", effect_of_input=2.0)


def test_a_loss_is_compared_with_the_references():
    assert relative_loss_error(2.0, 2.1) == pytest.approx(0.05)
    assert relative_loss_error(-2.0, -2.0) == 0


@pytest.mark.parametrize(("reference", "loss"), [(float("nan"), 1.0), (2.0, float("nan")), (2.0, float("inf"))])
def test_a_loss_that_cannot_be_compared_is_wrong(reference, loss):
    with pytest.raises(WrongOutputError):
        relative_loss_error(reference, loss)


def test_an_output_that_is_zero_by_nature_is_measured_against_the_others():
    reference = {"scale": np.array([4.0]), "loc": np.array([0.0])}
    assert largest_relative_error(reference, {"scale": np.array([4.0]), "loc": np.array([0.0])}) == 0
    assert largest_relative_error(reference, {"scale": np.array([4.0]), "loc": np.array([1.0])}) == 0.25


def test_a_reference_that_its_input_does_not_change_proves_nothing():
    with pytest.raises(WrongOutputError, match="the same output for another input"):
        require_right_output(0.0, "fp32", 0.0)
