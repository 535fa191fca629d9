"""The parity plot is a PNG of the held-out predictions, and touches no global state."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hwbench_pipeline.prediction.plots import parity_plot


def test_parity_plot_is_a_png(evaluation):
    assert parity_plot(evaluation.held_out).startswith(b"\x89PNG\r\n\x1a\n")


def test_nothing_to_draw_names_the_methods_there_are(evaluation):
    with pytest.raises(ValueError, match=r"methods there are: none\. Fix:"):
        parity_plot([])
    with pytest.raises(ValueError, match=r"constant, roofline, scaled_roofline, xgboost\. Fix:"):
        parity_plot(evaluation.held_out, method="guess")


def test_pyplot_and_dagster_are_not_imported():
    code = (
        "import sys, hwbench_pipeline.prediction.plots; assert not {'matplotlib.pyplot', 'dagster'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
