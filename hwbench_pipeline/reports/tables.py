"""Rows as Markdown tables: results, models, hardware.

Belongs here: columns chosen for people, and numbers with their units. Does not belong here: choosing rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hwbench_pipeline.hardware.rows import presence

Row = Mapping[str, Any]

ABSENT = "—"


def significant(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, without exponent; a dash for NULL."""
    if value is None:
        return ABSENT
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if abs(value) < 1:
        return f"{Decimal(text):f}"
    return f"{float(text):,.0f}" if "e" in text or abs(value) >= 10**digits else text


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; NULL shows as a dash, bars and line breaks in cells are made harmless."""

    def line(cells: Iterable[Any]) -> str:
        texts = (ABSENT if cell is None else re.sub(r"[\r\n]+", " ", str(cell)).replace("|", "\\|") for cell in cells)
        return "| " + " | ".join(texts) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def call_text(row: Row) -> str:
    """What one call of a row is, in words: its scenario, the seconds of sound and how they compare, its variant, and the recipe of
    a training step."""
    words = [row.get("scenario") or row["mode"], row.get("variant"), row.get("recipe")]
    if row.get("sound_s") is not None:
        words.append(f"{row['sound_s']:g} s")
    if row.get("real_time_factor") is not None:
        words.append(f"(real-time factor {significant(row['real_time_factor'])})")
    return " ".join(filter(None, words))


def results_markdown(rows: Iterable[Row]) -> str:
    """Result rows: what was measured with its evidence, and what was not with the reason."""
    head = (
        "size",
        "what",
        "precision",
        "batch",
        "tokens",
        "status",
        "p50 ms",
        "p90 ms",
        "items/s",
        "memory MB",
        "n",
        "flags or reason",
    )
    return markdown_table(
        head,
        (
            (
                row["model_size"],
                call_text(row),
                row.get("precision"),
                row.get("batch_size"),
                row.get("sequence_length"),
                row["status"],
                significant(row.get("latency_ms_p50")),
                significant(row.get("latency_ms_p90")),
                significant(row.get("throughput_items_per_s")),
                significant(row.get("peak_memory_mb")),
                row.get("n_samples"),
                row["error_message"] if row["status"] != "ok" else ", ".join(row.get("flags") or ()),
            )
            for row in rows
        ),
    )


def models_markdown(rows: Iterable[Row]) -> str:
    """Rows of core_models."""
    return markdown_table(
        ("model", "size", "id", "category", "parameters", "GFLOP per item"),
        (
            (
                row["model"],
                row["model_size"],
                row["model_id"],
                row["category"],
                f"{row['n_parameters']:,}" if row["n_parameters"] else None,
                significant(row["flops"] / 1e9 if row["flops"] else None),
            )
            for row in rows
        ),
    )


def catalog_markdown(rows: Iterable[Row]) -> str:
    """core_models by category: how many standalone architectures there are, and how many gave an answer when tried."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        if row["model_size"] == "tiny" and not row["component_of"]:
            of_category = counts.setdefault(row["category"], [0, 0])
            of_category[0] += 1
            of_category[1] += row["reason"] is None
    total = [sum(of_category[place] for of_category in counts.values()) for place in (0, 1)]
    ordered = sorted(counts.items(), key=lambda item: -item[1][0])
    return markdown_table(
        ("category", "architectures", "give an answer"),
        [(name, *of_category) for name, of_category in (*ordered, ("all", total))],
    )


def exports_markdown(rows: Iterable[Row]) -> str:
    """Rows of core_models__onnx."""
    return markdown_table(
        ("size", "graph", "status", "route", "MB", "nodes", "opset", "error against torch", "export ms", "why not"),
        (
            (
                row["model_size"],
                row.get("stage") or "forward",
                row["status"],
                row.get("route"),
                significant(row["file_bytes"] / 1e6 if row.get("file_bytes") else None),
                row.get("n_nodes"),
                row.get("opset"),
                significant(row.get("output_max_rel_error")),
                significant(row.get("export_ms")),
                row.get("error_message"),
            )
            for row in rows
        ),
    )


def effects_markdown(rows: Iterable[Row]) -> str:
    """Rows of core_bench__web_experiments."""
    return markdown_table(
        ("on", "device", "metric", "variant", "ms p50", "ratio", "interval", "verdict"),
        (
            (
                f"{row['subject']}, {row['hardware']}",
                row["device_name"],
                row["metric"],
                row["variant"],
                significant(row["latency_ms_p50"]),
                significant(row["ratio"]),
                interval_text(row),
                verdict_text(row),
            )
            for row in rows
        ),
    )


def interval_text(row: Row) -> str | None:
    """The interval of an effect's ratio; None where there is none."""
    return None if row["ratio"] is None else f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}"


def verdict_text(row: Row) -> str:
    """The verdict on an effect, or what stands in its place."""
    return str(row["verdict"] or row["error_message"] or "baseline")


def hardware_markdown(rows: Iterable[Row]) -> str:
    """Rows of core_hardware."""
    return markdown_table(
        ("hardware", "here", "device", "fp32 GFLOP/s", "GB/s", "why not"),
        (
            (
                row["hardware"],
                presence(row),
                row["device_name"],
                significant(row["peak_gflops_fp32"]),
                significant(row["memory_bandwidth_gb_per_s"]),
                row["reason"],
            )
            for row in rows
        ),
    )
