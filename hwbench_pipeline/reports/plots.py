"""Pictures of results, as PNG bytes.

Belongs here: drawing. matplotlib's object interface is used, which needs no display and keeps no global state.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

_WIDTH_IN, _ROW_HEIGHT_IN, _HEAD_HEIGHT_IN = 7.2, 0.55, 1.1


def png_of(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def latency_plot(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Every raw sample of each measured row on a logarithmic time axis, with the median marked."""
    figure = Figure(figsize=(_WIDTH_IN, _HEAD_HEIGHT_IN + _ROW_HEIGHT_IN * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    ordered = sorted(rows, key=lambda row: row["latency_ms_p50"], reverse=True)
    for height, row in enumerate(ordered):
        samples = row["samples_ms"]
        axes.plot(samples, [height] * len(samples), "|", markersize=12, alpha=0.35, color="#3465a4")
        axes.plot(row["latency_ms_p50"], height, "o", color="#cc0000", markersize=6)
        axes.annotate(
            f"{row['latency_ms_p50']:.3g} ms",
            (row["latency_ms_p50"], height),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_yticks(
        range(len(ordered)), [f"{row['model_size']}, {row['precision']}, batch {row['batch_size']}" for row in ordered]
    )
    axes.set_ylim(-0.6, len(ordered) - 0.3)
    axes.set_xscale("log")
    axes.set_xlabel("latency of one call, ms (dot: median)")
    first = rows[0]
    axes.set_title(f"{first['model']} on {first['hardware']}, {first['mode']}", fontsize=10)
    axes.grid(axis="x", which="both", alpha=0.25)
    return png_of(figure)
