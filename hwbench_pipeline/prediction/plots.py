"""Plots of how wrong predictions are.

Belongs here: figures as PNG bytes, drawn with matplotlib's object interface, which keeps no global state. Does not
belong here: files, pages, or computing what is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from hwbench_pipeline.prediction.evaluation import HeldOutPrediction

# Okabe and Ito's palette: told apart with every common colour vision
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKER_OF_MODE = {"inference": "o", "training": "^"}


def parity_plot(held_out: Sequence[HeldOutPrediction], method: str = "xgboost") -> bytes:
    """Measured against leave-one-model-out predicted latency, both axes logarithmic, as PNG.

    One colour per device, circles for inference and triangles for training; the diagonal and lines at twice and half.
    Raises ValueError where there is no held-out prediction of the method to draw.
    """
    chosen = [one for one in held_out if one.method == method]
    if not chosen:
        known = ", ".join(sorted({one.method for one in held_out})) or "none"
        raise ValueError(
            f"no held-out prediction of method {method!r} to draw; methods there are: {known}. "
            "Fix: draw only where the score has no reason for missing"
        )
    figure = Figure(figsize=(6.6, 6.6), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    series = sorted({(one.hardware, one.device_name or "", one.mode) for one in chosen})
    devices = list(dict.fromkeys(key[:2] for key in series))
    for hardware, device_name, mode in series:
        points = [
            one for one in chosen if (one.hardware, one.device_name or "", one.mode) == (hardware, device_name, mode)
        ]
        axes.scatter(
            [one.measured_ms for one in points],
            [one.predicted_ms for one in points],
            s=26,
            marker=_MARKER_OF_MODE[mode],
            color=_COLOURS[devices.index((hardware, device_name)) % len(_COLOURS)],
            edgecolors="white",
            linewidths=0.4,
            alpha=0.85,
            zorder=3,
            label=f"{hardware} {mode} ({len(points)})" + (f"\n{device_name}" if device_name else ""),
        )
    values = [value for one in chosen for value in (one.measured_ms, one.predicted_ms)]
    ends = np.array([min(values) / 1.6, max(values) * 1.6])
    axes.plot(ends, ends, color="0.25", linewidth=1.1, zorder=2, label="predicted = measured")
    axes.plot(ends, ends * 2, color="0.55", linewidth=0.9, linestyle="--", zorder=2, label="2× and ½×")
    axes.plot(ends, ends / 2, color="0.55", linewidth=0.9, linestyle="--", zorder=2)
    for axis, scale, limits in (
        (axes.xaxis, axes.set_xscale, axes.set_xlim),
        (axes.yaxis, axes.set_yscale, axes.set_ylim),
    ):
        scale("log")
        limits(*ends)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_aspect("equal")
    axes.set_xlabel("measured median latency (ms)")
    axes.set_ylabel("predicted median latency (ms)")
    n_models = len({one.model for one in chosen})
    axes.set_title(f"{method}: {n_models} models, each predicted without its own measurements", fontsize=10.5)
    axes.grid(visible=True, which="major", color="0.9", linewidth=0.7, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    # the corner far below the diagonal: only a prediction many times too fast would lie there
    axes.legend(loc="lower right", fontsize=7.5, framealpha=0.9, edgecolor="0.9")
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
