"""optimum-benchmark's result files: `benchmark.json`, `benchmark_report.json` and `.csv`, and the CSV tables of 0.0.x.

Belongs here: recognising the three generations and bringing the two newer ones to the same two objects, configuration and
report. Does not belong here: what a configuration says (`optimum_configuration`), what a target of a report becomes
(`optimum_report`), and 0.0.x (`optimum_first_generation`).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.imports.documents import TextTable, is_json, json_document, text_table
from hwbench_pipeline.imports.optimum_configuration import read_configuration
from hwbench_pipeline.imports.optimum_first_generation import is_first_generation, read_first_generation
from hwbench_pipeline.imports.optimum_report import is_target, read_report
from hwbench_pipeline.imports.records import Document, ForeignDocumentError, ImportedRow, Refused, plain_value
from hwbench_pipeline.legacy.json_values import pointer_text

_DEEPEST_NAME = 12
_LONGEST_CELL = 10_000_000
_EXPECTED = "expected a configuration and a report, or a report, of optimum-benchmark"


@dataclass(frozen=True)
class _Run:
    """One run: its configuration (empty where the file has none), its report, and where the report's targets stand."""

    configuration: Mapping[str, Any]
    report: Mapping[str, Any]
    place: tuple[str, ...]
    is_flat: bool = False

    def pointer(self, target: str) -> str:
        """The JSON pointer of a target; in the flat form a target is the beginning of its keys' names."""
        if self.is_flat:
            *place, prefix = self.place
            return pointer_text((*place, f"{prefix}{target}"))
        return pointer_text((*self.place, target))


def read(data: bytes, name: str) -> Document:  # noqa: ARG001 - the content says everything
    """The rows of a result file. Raises ForeignDocumentError and UnreadableDocumentError."""
    if is_json(data):
        document = json_document(data)
        kind, runs = "optimum_benchmark_json", list(_runs_of_json(document))
        if not runs:
            raise ForeignDocumentError(_why_none(document))
    else:
        table = text_table(data)
        if is_first_generation(table.header):
            return read_first_generation(table)
        kind, runs = "optimum_benchmark_csv", list(_runs_of_table(table))
        if not runs:
            raise ForeignDocumentError(
                f"a table without optimum-benchmark targets (columns {', '.join(table.header[:6])!r:.200}), {_EXPECTED}. "
                "Fix: none needed if it holds no results"
            )
    rows: list[ImportedRow] = []
    refused: list[Refused] = []
    for run in runs:
        for item in read_report(read_configuration(run.configuration), run.report, run.pointer):
            (rows if isinstance(item, ImportedRow) else refused).append(item)  # type: ignore[arg-type]
    return Document(kind, rows, refused)


def _why_none(document: Any) -> str:
    if isinstance(document, dict) and isinstance(document.get("backend"), dict):
        return f"an optimum-benchmark configuration without a report, {_EXPECTED}. Fix: none needed"
    if isinstance(document, dict) and "emissions" in document and "energy_consumed" in document:
        return f"a codecarbon estimate, {_EXPECTED}. Fix: none needed: estimates are no measurements"
    return f"JSON without optimum-benchmark targets, {_EXPECTED}. Fix: none needed if it holds no results"


def _runs_of_json(document: Any) -> Iterator[_Run]:
    documents = enumerate(document) if isinstance(document, list) else ((None, document),)
    for position, member in documents:
        if not isinstance(member, dict):
            continue
        place = () if position is None else (str(position),)
        yield from _runs_of_object(member, place)


def _runs_of_object(document: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[_Run]:
    report = document.get("report")
    configuration = document.get("config")
    if isinstance(report, dict) and _is_report(report):
        yield _Run(configuration if isinstance(configuration, dict) else {}, report, (*place, "report"))
    elif _is_report(document):
        yield _Run({}, document, place)
    elif any(".latency." in key for key in document):
        yield from _runs_of_flat(document, place)


def _is_report(document: Mapping[str, Any]) -> bool:
    return any(is_target(value) for value in document.values()) or (
        isinstance(document.get("traceback"), str) and "backend" not in document
    )


def _runs_of_flat(flat: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[_Run]:
    nested = _nested(flat)
    report, prefix = nested.get("report"), "report."
    if not isinstance(report, dict):
        report, prefix = nested, ""
    configuration = nested.get("config")
    if _is_report(report):
        yield _Run(configuration if isinstance(configuration, dict) else {}, report, (*place, prefix), is_flat=True)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Keys joined with `.` as objects in objects; a key that is both a value and an object keeps the object."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        if value is None:
            continue
        parts = name.split(".", _DEEPEST_NAME)
        level = nested
        for part in parts[:-1]:
            inner = level.get(part)
            if not isinstance(inner, dict):
                inner = level[part] = {}
            level = inner
        if not isinstance(level.get(parts[-1]), dict):
            level[parts[-1]] = value
    return nested


def _runs_of_table(table: TextTable) -> Iterator[_Run]:
    if not any(".latency." in name for name in table.header):
        return
    for position, line in enumerate(table.rows):
        cells = {name: _cell(text, name) for name, text in zip(table.header, line, strict=False) if name}
        yield from _runs_of_flat(cells, (str(position),))


def _cell(text: str, column: str) -> Any:
    """A cell as the value pandas wrote: a number, a Python literal (list, True, None), or the text itself."""
    said = text.strip()
    if not said or said in ("None", "nan", "NaN"):
        return None
    if said[0] in "[{(" and len(said) <= _LONGEST_CELL:
        with suppress(ValueError, RecursionError):
            return json.loads(said)
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return ast.literal_eval(said)
    return plain_value(text, column)
