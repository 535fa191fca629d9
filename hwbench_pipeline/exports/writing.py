"""Exported documents on disk.

Belongs here: one folder per row, each file whole or not there, nothing overwritten unasked. Does not belong here:
what the documents say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwbench_pipeline.exports.optimum_benchmark import (
    RefusedRowError,
    benchmark_document,
    folder_name,
    require_exportable,
)
from hwbench_pipeline.schema.table import Row
from hwbench_pipeline.warehouse.writing import WarehouseError, replacing


class ExportError(Exception):
    """The export cannot be written; the message names the path and the fix."""


@dataclass
class Exported:
    """What became of the rows. Every row is in exactly one of the four."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    """Folders that hold something else under this row's name, left as they are."""
    refused: dict[str, int] = field(default_factory=dict)
    """Rows by the reason why they are not exported."""

    @property
    def n_rows(self) -> int:
        """How many rows there were."""
        return len(self.written) + len(self.unchanged) + len(self.kept) + sum(self.refused.values())


def export_optimum_benchmark(
    output: Path,
    rows: Iterable[Row],
    environments: Mapping[str, Row],
    *,
    include_imported: bool = False,
    overwrite: bool = False,
    on_row: Callable[[], object] = lambda: None,
) -> Exported:
    """Write one folder of optimum-benchmark files for each row that may be exported.

    Each holds `benchmark_config.json`, `benchmark_report.json` and, last, `benchmark.json`, which is both: where that
    is, the folder is complete. Exporting again writes what is missing; a file that says something else is kept unless
    `overwrite`. `environments` are keyed by environment_id. Raises `ExportError` where nothing can be written.
    """
    exported = Exported()
    for row in rows:
        try:
            require_exportable(row, include_imported=include_imported)
        except RefusedRowError as refusal:
            exported.refused[str(refusal)] = exported.refused.get(str(refusal), 0) + 1
        else:
            document = benchmark_document(row, environments.get(row.get("environment_id") or ""))
            folder = output / folder_name(row)
            files = {
                "benchmark_config.json": document["config"],
                "benchmark_report.json": document["report"],
                "benchmark.json": document,
            }
            texts = {folder / name: _text(content) for name, content in files.items()}
            _place(texts, folder, exported, overwrite=overwrite)
        on_row()
    return exported


def _text(document: Any) -> bytes:
    # ASCII only: optimum-benchmark opens files in whatever encoding the reader's machine prefers
    return json.dumps(document, indent=4, allow_nan=False).encode("ascii")


def _place(texts: Mapping[Path, bytes], folder: Path, exported: Exported, *, overwrite: bool) -> None:
    try:
        found = {path: path.read_bytes() if path.exists() else None for path in texts}
        if all(found[path] == text for path, text in texts.items()):
            exported.unchanged.append(folder)
            return
        if not overwrite and any(found[path] not in (None, text) for path, text in texts.items()):
            exported.kept.append(folder)
            return
        for path, text in texts.items():
            if found[path] != text:
                with replacing(path) as temporary:
                    temporary.write_bytes(text)
    except (OSError, WarehouseError) as error:
        cause = error.__cause__ if isinstance(error, WarehouseError) else error
        reason = getattr(cause, "strerror", None) or " ".join(str(cause).split())
        raise ExportError(
            f"cannot write {folder}: {reason}. Fix: make {folder.parent} a writable folder with free disk space, or name "
            "another with --output"
        ) from error
    exported.written.append(folder)
