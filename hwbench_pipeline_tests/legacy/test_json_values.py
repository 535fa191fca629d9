"""Single values out of JSON of unknown origin."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.json_values import significant_digits


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_significant_digits_are_those_of_the_decimal_number(number: float) -> None:
    assert significant_digits(number) == len(Decimal(repr(number)).normalize(Context(prec=40)).as_tuple().digits)


@pytest.mark.parametrize(("number", "digits"), [(80.0, 1), (0.0613, 3), (1200, 2), (1e-7, 1), (0.1003, 4)])
def test_significant_digits_of_typed_numbers(number: float, digits: int) -> None:
    assert significant_digits(number) == digits
