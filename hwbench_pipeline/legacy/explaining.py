"""Explaining one old file: each record it holds, what the record is worth, the rule that decided, and the evidence.

Belongs here: the account of a single file for a person who doubts a number. Does not belong here: reading it
(`reading`), storing it (`ingest`), or how an explanation is printed (`cli/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.legacy.json_values import pointer_text
from hwbench_pipeline.legacy.provenance import RULES
from hwbench_pipeline.legacy.reading import Reading, read_file
from hwbench_pipeline.schema.tables.results import QUANTITY_COLUMNS

NO_RULE = "no_evidence"
FAILED_ATTEMPT = "failed_attempt"
_RULE_NAMES = frozenset(rule.name for rule in RULES)
_SHOWN_QUANTITIES = (
    *(name for name in QUANTITY_COLUMNS if name != "samples_ms"),
    *("load_ms", "compile_ms", "first_inference_ms", "n_samples", "n_warmup"),
)


@dataclass(frozen=True)
class ExplainedRecord:
    """One record: where it stands, what it claims, what was concluded, and from what.

    `rule` is the name of the provenance rule that decided, `no_evidence` where none held and `failed_attempt` where
    there is no number to judge. `quantities` holds the result columns that have a value.
    """

    pointer: str
    model_id: str | None
    model: str | None
    hardware_requested: str | None
    hardware: str | None
    quantities: dict[str, float]
    provenance: str
    rule: str
    evidence: str


@dataclass(frozen=True)
class PutAside:
    """A place that could not be understood, and why."""

    pointer: str
    reason: str


@dataclass(frozen=True)
class Explanation:
    """What became of one file and of every record in it."""

    path: str
    sha256: str | None
    shape: str | None
    status: str
    error: str | None
    n_quarantined: int
    records: tuple[ExplainedRecord, ...]
    put_aside: tuple[PutAside, ...]


def explain(path: Path, naive_zone: tzinfo | None = None) -> Explanation:
    """Read one file and explain it; nothing is stored. Never raises for anything the file holds."""
    return explanation_of(read_file(path, read_content(path), naive_zone))


def explanation_of(reading: Reading) -> Explanation:
    """The explanation of a file that was read."""
    return Explanation(
        path=reading.path,
        sha256=reading.sha256,
        shape=reading.shape,
        status=reading.status,
        error=reading.error,
        n_quarantined=reading.n_quarantined,
        records=tuple(_explained(row) for row in reading.rows),
        put_aside=tuple(PutAside(pointer_text(place.pointer), place.reason) for place in reading.quarantined),
    )


def _explained(row: dict[str, Any]) -> ExplainedRecord:
    reason = row["provenance_reason"] or ""
    if row["status"] == "ok":
        # `rules.judge` begins every reason with the name of its rule
        name, _, evidence = reason.partition(": ")
        rule = name if name in _RULE_NAMES else NO_RULE
    else:
        rule = FAILED_ATTEMPT
        evidence = "; ".join(part for part in (f"{row['error_class']}: {row['error_message']}", reason) if part)
    return ExplainedRecord(
        pointer=row["source_pointer"],
        model_id=row["model_id"],
        model=row["model"],
        hardware_requested=row["hardware_requested"],
        hardware=row["hardware"],
        quantities={name: row[name] for name in _SHOWN_QUANTITIES if row[name] is not None},
        provenance=row["provenance"],
        rule=rule,
        evidence=evidence,
    )
