"""Comparisons and regressions in words and as Markdown.

Belongs here: the columns chosen for people. Does not belong here: what is compared and what it shows (`analysis`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hwbench_pipeline.analysis.comparison import Comparison, summaries
from hwbench_pipeline.reports.tables import markdown_table, significant
from hwbench_pipeline.schema.tables.regressions import CHANGES, SEVERITIES
from hwbench_pipeline.schema.tables.results import OWN_SOURCES

Row = Mapping[str, Any]

_LONGEST_LIST = 50


def cell_text(row: Row) -> str:
    """A cell in words: what names it and is not the usual."""
    words = [
        row.get("model") or row.get("model_id"),
        row.get("model_size") if row.get("model_size") != "reference" else None,
        row.get("hardware"),
        row.get("mode") if row.get("mode") != "inference" else None,
        row.get("scenario") if row.get("scenario") not in ("forward", "train_step") else None,
        row.get("variant"),
        row.get("recipe"),
        row.get("precision"),
        f"batch {row['batch_size']}" if row.get("batch_size") else None,
        f"{row['sequence_length']} tokens" if row.get("sequence_length") else None,
        f"{row['sound_s']:g} s" if row.get("sound_s") else None,
        row.get("input_shape") if row.get("sequence_length") is None and row.get("source") not in OWN_SOURCES else None,
    ]
    software = " (software device)" if row.get("is_software") else ""
    return " ".join(filter(None, words)) + software


def interval_text(row: Row) -> str | None:
    """The interval of a speed-up; None where there is none."""
    low, high = row["speed_up_low"], row["speed_up_high"]
    return None if low is None or high is None else f"{low:.2f} to {high:.2f}"


def bound_text(row: Row, side: str) -> str | None:
    """What bounds a side by the roofline and how much of it is reached; None where that is not known."""
    limb, percent = row[f"{side}limb"], row[f"{side}roofline_percent"]
    return None if limb is None else f"{limb} {significant(percent)} %" if percent else limb


def comparison_markdown(found: Comparison) -> str:
    """What pairs of sides come to, and what has no other side."""
    parts = [
        markdown_table(
            (
                "baseline",
                "candidate",
                "source",
                "size",
                "mode",
                "software",
                "cells",
                "speed-up",
                "from",
                "to",
                "verdicts",
            ),
            (
                (
                    one.baseline,
                    one.candidate,
                    one.source,
                    one.model_size,
                    one.mode,
                    "yes" if one.is_software else None,
                    one.n_cells,
                    significant(one.geometric_mean),
                    significant(one.least),
                    significant(one.most),
                    ", ".join(f"{count} {verdict}" for verdict, count in one.verdicts.items()),
                )
                for one in summaries(found.rows)
            ),
        )
    ]
    if found.left_out:
        parts.append("Left out:\n\n" + markdown_table(("cells", "why"), _largest(found.left_out)))
    return "\n\n".join(parts)


def _largest(counts: Counter[str]) -> list[tuple[int, str]]:
    return [(count, reason) for reason, count in counts.most_common(_LONGEST_LIST)]


def scaling_markdown(found: Comparison) -> str:
    """How many results at larger batches there are, by what their throughput does."""
    counts = Counter((row["batch_size"], row["verdict"] or row["reason"]) for row in found.rows)
    return markdown_table(
        ("batch", "throughput against batch 1", "results"), [(*key, n) for key, n in sorted(counts.items(), key=str)]
    )


def regressions_markdown(rows: Sequence[Row]) -> str:
    """The verdicts counted, and every change."""
    counts = Counter((row["scope"], row["verdict"]) for row in rows)
    shown = [row for row in rows if row["verdict"] in CHANGES]
    parts = [markdown_table(("scope", "verdict", "series"), [(*key, count) for key, count in counts.items()])]
    if shown:
        parts.append(
            markdown_table(
                ("series", "verdict", "severity", "family", "cell", "change %", "why"),
                (
                    (
                        row["series_id"],
                        row["verdict"],
                        row["severity"],
                        row["family"],
                        cell_text(row),
                        None if row["change_percent"] is None else f"{row['change_percent']:+.1f}",
                        row["reason"],
                    )
                    for row in shown[:_LONGEST_LIST]
                ),
            )
        )
    return "\n\n".join(parts)


def alarm_lines(rows: Iterable[Row]) -> list[str]:
    """One line for each family with alarms: what a message says."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row["family"] or f"all cells on {row['hardware']}", []).append(row)
    lines = []
    for family, members in families.items():
        changes = [row["change_percent"] for row in members if row["change_percent"] is not None]
        severities = [row["severity"] for row in members if row["severity"]]
        worst = next((name for name in SEVERITIES if name in severities), "lost")
        by_how_much = f", up to {max(changes):+.0f} % time" if changes else ""
        cells = "; ".join(cell_text(row) for row in members[:3])
        more = f"; and {len(members) - 3} more" if len(members) > 3 else ""
        lines.append(f"{family}: {len(members)} {worst}{by_how_much} ({cells}{more})")
    return lines
