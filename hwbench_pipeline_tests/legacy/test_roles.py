"""Which paths are expected copies."""

import pytest

from hwbench_pipeline.legacy.roles import role_of


@pytest.mark.parametrize(
    "path",
    [
        "/x/expected_results/a.json",
        "/x/expected/deep/er/a.json",
        "/x/Golden/a.json",
        "/x/test_expected_outputs/a.json",
        "/x/results_expected/a.json",
        "/x/reference_results/a.json",
        "/x/bert_expected.json",
        "/x/expected.json",
        "/x/golden-bert.json",
        "/x/bert.expected.json",
    ],
)
def test_expected(path):
    assert role_of(path) == "expected"


@pytest.mark.parametrize(
    "path",
    [
        "/x/results/a.json",
        "/x/unexpected/a.json",
        "/x/unexpectedly_slow.json",
        "/x/test_expected_role0/a.json",
        "/x/reference/a.json",
        "/x/reference_bert.json",
        "/x/xeon_gold_6248.json",
        "/x/goldenrod.json",
        "/expect/a.json",
    ],
)
def test_run(path):
    assert role_of(path) == "run"
