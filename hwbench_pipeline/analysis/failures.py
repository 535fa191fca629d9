"""Failures by cause: what kept cells from a number, alike ones together, each with the shortest way to see it again.

Belongs here: the causes and the rule that finds one for a row, and the clusters of a table of results. Does not belong here:
states of cells (`coverage`) and how a report looks (`reports/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.schema.tables.results import OWN_SOURCES
from hwbench_pipeline.training.recipe import recipe_options

Row = Mapping[str, Any]

CAUSES: Mapping[str, str] = {
    "config": "its configuration or model cannot be built",
    "input": "the model cannot be called with the inputs made for it",
    "dependency": "it needs a library that is not installed",
    "operator_unsupported": "the platform cannot convert or compile one of its operations",
    "unsupported": "the platform does not offer what was asked for",
    "out_of_memory": "the memory does not suffice",
    "wrong_output": "its output is not the reference's, or cannot be compared",
    "timeout": "a phase took too long",
    "crash": "its process died",
    "execution": "it failed while it was run",
}
"""Cause → what it means. `no_hardware` is no failure: nothing was tried."""

_DEPENDENCY = re.compile(
    r"No module named|requires? the .* librar|is not installed|cannot be imported here", re.IGNORECASE
)
_CRASHES = ("ProcessDied", "Killed", "ServerDied", "EndlessOutput")
_BUILDING = ("load",)
_CALLING = ("reference",)
_CONVERTING = ("compile", "first inference")
_WITHOUT_FORWARD = "has no forward pass"
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_LONGEST_EXAMPLE_LIST = 6


def cause_of(row: Row) -> str | None:
    """The cause class of a row that gave no number; None for rows with one, and where the hardware is absent."""
    status, error_class = row["status"], row.get("error_class") or ""
    message, phase = row.get("error_message") or "", row.get("failed_phase")
    if status in ("ok", "no_hardware"):
        return None
    if status in ("out_of_memory", "timeout"):
        return str(status)
    if error_class == "WrongOutputError":
        return "wrong_output"
    if error_class in _CRASHES:
        return "crash"
    if _WITHOUT_FORWARD in message:
        return "config"
    if error_class in ("ImportError", "ModuleNotFoundError", "NoModelClassError") or _DEPENDENCY.search(message):
        return "dependency"
    if status == "unsupported":
        return "unsupported"
    if phase in _BUILDING or phase is None:
        return "config"
    if phase in _CALLING:
        return "input"
    return "operator_unsupported" if phase in _CONVERTING else "execution"


@dataclass(frozen=True)
class Cluster:
    """Failures alike: one cause on one platform with one message but for its numbers; `message` is that of the example.

    `models` are all models it holds for; `example` is the command that shows it on the one with the shortest name.
    """

    cause: str
    hardware: str
    mode: str
    message: str
    models: tuple[str, ...]
    example: str

    @property
    def models_text(self) -> str:
        """The models in words, the first few by name."""
        named = ", ".join(self.models[:_LONGEST_EXAMPLE_LIST])
        rest = len(self.models) - _LONGEST_EXAMPLE_LIST
        return f"{named} and {rest} more" if rest > 0 else named


def reproduction(row: Row) -> str:
    """The shortest command that measures a row's point again."""
    parts = ["hwbench bench", f"--hardware {row['hardware']}", f"--model {row['model']}"]
    if row["mode"] != "inference":
        parts.append(f"--mode {row['mode']}")
    if row["model_size"] != "reference":
        parts.append(f"--size {row['model_size']}")
    usual = {"precision": "fp32", "batch_size": 1, "scenario": "train_step" if row["mode"] == "training" else "forward"}
    for name, default in usual.items():
        value = row.get(name)
        if value is not None and value != default:
            parts.append(f"--{name.replace('_', '-')} {value}")
    if row.get("variant") is not None:
        parts.append(f"--variant {row['variant']}")
    parts += recipe_options(row.get("recipe"))
    return " ".join(parts)


def clusters(results: Iterable[Row]) -> list[Cluster]:
    """The failures of our own current rows, alike ones together, the largest first."""
    alike: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in results:
        cause = cause_of(row) if row["source"] in OWN_SOURCES and row.get("is_current", True) else None
        if cause is None or row["model"] is None or row["hardware"] is None:
            continue
        message = f"{row.get('error_class')}: {_NUMBERS.sub('N', row.get('error_message') or '')}"[:200]
        alike.setdefault((cause, row["hardware"], row["mode"], message), []).append(row)
    found = []
    for (cause, hardware, mode, _), rows in alike.items():
        shortest = min(rows, key=lambda row: (len(row["model"]), row["model"]))
        models = tuple(sorted({row["model"] for row in rows}))
        message = f"{shortest.get('error_class')}: {shortest.get('error_message') or ''}"
        found.append(Cluster(cause, hardware, mode, message, models, reproduction(shortest)))
    return sorted(found, key=lambda cluster: (-len(cluster.models), cluster.cause, cluster.message))
