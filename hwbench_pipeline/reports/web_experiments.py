"""The outcome of experiments in a browser, as a page.

Belongs here: how rows of core_bench__web_experiments look. Does not belong here: what they show
(`bench.web_experiments.comparing`). Run `python -m hwbench_pipeline.reports.web_experiments FILE.parquet PAGE.html` to write the
page of a file of rows; `make docs` does so for the published run.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hwbench_pipeline.reports.pages import page
from hwbench_pipeline.reports.tables import interval_text, verdict_text

Row = Mapping[str, Any]

CLAIMS: Mapping[str, str] = {
    "audio_workgroups": "256×1×1 is the best workgroup size for audio",
    "shader_precompilation": "Shaders compiled in advance make the first inference faster",
    "component_loading": "Components of a multimodal model load faster at once",
}
"""What the system before this one said without a measurement."""

_WIDTH, _MARGIN = 320, 18


def experiments_page(rows: Sequence[Row]) -> str:
    """The page: for each experiment its claim, and for each subject and metric the effects with their intervals."""
    groups: dict[str, dict[tuple[str, str, str], list[Row]]] = {}
    for row in rows:
        key = (row["subject"], row["hardware"], row["metric"])
        groups.setdefault(row["experiment"], {}).setdefault(key, []).append(row)
    return page(
        "web_experiments.html",
        claims=CLAIMS,
        groups=groups,
        first=rows[0] if rows else None,
        place=_place,
        width=_WIDTH,
        ticks=_ticks,
        interval_text=interval_text,
        verdict_text=verdict_text,
    )


def _reach(rows: Iterable[Row]) -> float:
    """The farthest end of any interval from 1, as a logarithm; at least that of 10 %."""
    ends = [abs(math.log(row[name])) for row in rows if row.get("ratio") for name in ("ratio_low", "ratio_high")]
    return max([math.log(1.1), *ends])


def _place(value: float, rows: Iterable[Row]) -> float:
    """Where a ratio lies on the axis of its group, in pixels; the axis is logarithmic with 1 in the middle."""
    return _WIDTH / 2 + math.log(value) / _reach(rows) * (_WIDTH / 2 - _MARGIN)


def _ticks(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """What the axis is marked with, and where."""
    farthest = math.exp(_reach(rows))
    return [(f"{value:.3g}", _place(value, rows)) for value in (1 / farthest, 1.0, farthest)]


def main(source: str, target: str) -> None:
    """Write the page of a Parquet file of rows."""
    import pyarrow.parquet as pq

    Path(target).write_text(experiments_page(pq.read_table(source).to_pylist()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
