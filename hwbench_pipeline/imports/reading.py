"""Reading one file as one format: from its bytes to valid result rows, with every record accounted for.

Belongs here: choosing the reader, completing and checking its rows. Does not belong here: what a format means (its module),
and what other files have to say (`importing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwbench_pipeline.imports import bundle, mlperf, optimum_benchmark, timm
from hwbench_pipeline.imports.records import Document, ForeignDocumentError, ImportedRow, Refused
from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.document_errors import UnreadableDocumentError
from hwbench_pipeline.legacy.json_values import storable
from hwbench_pipeline.schema.tables.imports import CORE_IMPORTS__ENVIRONMENTS, CORE_IMPORTS__RESULTS
from hwbench_pipeline.schema.tables.results import result_id_of
from hwbench_pipeline.schema.validation import find_problems

REMARKS_IN_ERROR = 5

READERS: dict[str, Callable[[bytes, str], Document]] = {
    "optimum-benchmark": optimum_benchmark.read,
    "timm": timm.read,
    "mlperf": mlperf.read,
    "bundle": bundle.read,
}
"""Each takes a file's bytes and name. Only timm looks at the name: nothing in its files says what ran them."""


@dataclass(frozen=True)
class Reading:
    """What one file gave as one format: its identity, what became of it, its rows and the environments they name.

    `error` says why it gave no rows, or what in it is no row.
    """

    path: str
    format: str
    sha256: str | None
    n_bytes: int | None
    status: str
    error: str | None
    shape: str | None = None
    rows: tuple[dict[str, Any], ...] = ()
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_quarantined: int = 0
    n_duplicates: int = 0


def read_file(format_name: str, path: str, file_name: str, content: FileContent) -> Reading:
    """What a file gave. Never raises for anything the file holds. `path` is as tables hold it."""
    if content.data is None:
        return Reading(
            path, format_name, content.sha256, None, "quarantined", storable(content.problem or "cannot be read")
        )
    size = len(content.data)
    try:
        document = READERS[format_name](content.data, file_name)
    except ForeignDocumentError as error:
        return Reading(path, format_name, content.sha256, size, "no_results", storable(str(error)))
    except UnreadableDocumentError as error:
        status = "no_results" if error.is_foreign else "quarantined"
        return Reading(path, format_name, content.sha256, size, status, storable(str(error)))
    rows: list[dict[str, Any]] = []
    environments: dict[str, dict[str, Any]] = {}
    refused = list(document.refused)
    seen: set[str] = set()
    for item in document.rows:
        taken = _checked(item, path, content.sha256, seen)
        if isinstance(taken, Refused):
            refused.append(taken)
            continue
        seen.add(taken["result_id"])
        rows.append(taken)
        if item.environment is not None:
            environments[str(item.environment["environment_id"])] = dict(item.environment)
    status, error_text = _outcome(document, rows, refused)
    return Reading(
        path,
        format_name,
        content.sha256,
        size,
        status,
        error_text,
        document.shape,
        tuple(rows),
        environments,
        len(refused),
    )


def _checked(item: ImportedRow, path: str, sha256: str | None, seen: set[str]) -> dict[str, Any] | Refused:
    """The row with every column, or why it may not stand in the table: an invalid row never stops an import."""
    pointer = storable(item.pointer)
    row: dict[str, Any] = CORE_IMPORTS__RESULTS.complete(item.columns)
    row |= {"source_path": path, "source_sha256": sha256, "source_pointer": pointer}
    row = {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}
    row["result_id"] = result_id_of(row)
    problems = find_problems(CORE_IMPORTS__RESULTS, [row])
    if item.environment is not None:
        problems += find_problems(CORE_IMPORTS__ENVIRONMENTS, [item.environment])
    if problems:
        return Refused(pointer, f"{problems[0].column} {problems[0].problem}")
    if row["result_id"] in seen:
        return Refused(pointer, "its natural key is that of another record of the file")
    return row


def _outcome(
    document: Document, rows: Sequence[Mapping[str, Any]], refused: Sequence[Refused]
) -> tuple[str, str | None]:
    remarks = [f"{place.pointer or 'the document'} put aside: {place.reason}" for place in refused] + list(
        document.remarks
    )
    said = storable("; ".join(remarks[:REMARKS_IN_ERROR]))
    if len(remarks) > REMARKS_IN_ERROR:
        said += f"; and {len(remarks) - REMARKS_IN_ERROR} more"
    if rows:
        return "ingested", f"{said}. Fix: {document.fix}" if said and document.fix else said or None
    if refused:
        fix = document.fix or "correct what wrote it, or its reader in hwbench_pipeline/imports"
        return "quarantined", f"{said}. Fix: {fix}"
    return (
        "no_results",
        f"{document.shape} without a result: {said or 'it holds none'}. Fix: {document.fix or 'none needed'}",
    )
