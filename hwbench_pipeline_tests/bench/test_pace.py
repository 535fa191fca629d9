"""How far a run is, in words."""

import pytest

from hwbench_pipeline.bench.pace import duration_text, pace_text


def test_the_rest_is_expected_at_the_mean_of_what_is_done():
    assert pace_text(3, 12, 70) == "cell 4 of 12; 3 took 1 min 10 s, the rest about 3 min 30 s"
    assert pace_text(0, 12, 0.2) == "cell 1 of 12"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_is_as_exact_as_needed(seconds, expected):
    assert duration_text(seconds) == expected
