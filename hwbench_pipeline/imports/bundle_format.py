"""Result bundles: one file that carries the rows of `hwbench bench` from a portable machine to a warehouse.

Belongs here: the format, and writing it, with the standard library and the schema only, so that the base install can.
Does not belong here: reading one into a warehouse (`bundle`).

A bundle is one JSON object, gzip-compressed where its name ends in `.gz`:

    {"format": "hwbench-bundle", "version": 1, "created_at": "<UTC, ISO 8601>", "harness_version": "…",
     "environments": [<rows of core_bench__environments>],
     "log": ["<what the run told>", …], "log_sha256": "<digest of the log>",
     "results": [<result rows as `hwbench bench --json` prints them>],
     "row_sha256": ["<digest of each result row>", …], "rows_sha256": "<digest of that list>"}
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hwbench_pipeline.hardware.environment import harness_version
from hwbench_pipeline.schema.table import ColumnType, Table, sha256_of
from hwbench_pipeline.schema.tables.catalog import CORE_BENCH__ENVIRONMENTS
from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING
from hwbench_pipeline.schema.validation import require_valid

FORMAT = "hwbench-bundle"
VERSION = 1


def result_table(row: Mapping[str, Any]) -> Table:
    """The bench table a result row belongs to, by its mode."""
    return CORE_BENCH__TRAINING if row.get("mode") == "training" else CORE_BENCH__INFERENCE


def typed_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it, with the types of the table: time stamps from ISO text, floats where whole numbers stand.

    What does not convert stays as it is, for validation to name.
    """
    typed = dict(row)
    for column in table.columns:
        value = typed.get(column.name)
        if column.type is ColumnType.TIMESTAMP and isinstance(value, str):
            with suppress(ValueError):
                typed[column.name] = datetime.fromisoformat(value)
        elif column.type is ColumnType.FLOAT64:
            typed[column.name] = _as_float(value)
        elif column.type is ColumnType.LIST_FLOAT64 and isinstance(value, list):
            typed[column.name] = [_as_float(member) for member in value]
    return typed


def _as_float(value: Any) -> Any:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53
    return float(value) if is_whole else value


def row_digest(row: Mapping[str, Any]) -> str:
    """SHA-256 of a typed row; columns without a value do not count, and time stamps count as instants."""
    return sha256_of({name: value for name, value in row.items() if value is not None})


def bundle_document(
    rows: Sequence[Mapping[str, Any]],
    environments: Sequence[Mapping[str, Any]],
    created_at: datetime | None = None,
    log: Sequence[str] = (),
) -> dict[str, Any]:
    """The bundle of these result rows, those of the environments that they name, and what the run told.

    Raises `SchemaError` for rows that are not valid rows of their bench table, ValueError where an environment is missing.
    """
    named = {row.get("environment_id") for row in rows} - {None}
    environments = [row for row in environments if row["environment_id"] in named]
    missing = named - {row["environment_id"] for row in environments}
    if missing:
        raise ValueError(
            f"the bundle lacks the environments {', '.join(sorted(map(str, missing)))}. Fix: pass their rows"
        )
    require_valid(CORE_BENCH__ENVIRONMENTS, environments)
    complete = [result_table(row).complete(row) for row in rows]
    digests = [row_digest(typed_row(result_table(row), row)) for row in complete]
    for table in (CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING):
        require_valid(table, [row for row in complete if result_table(row) is table])
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_at": (created_at or datetime.now(UTC)).isoformat(),
        "harness_version": harness_version(),
        "environments": [dict(row) for row in environments],
        "log": list(log),
        "log_sha256": list_digest(log),
        "results": [_json_row(row) for row in complete],
        "row_sha256": digests,
        "rows_sha256": list_digest(digests),
    }


def list_digest(texts: Sequence[str]) -> str:
    """SHA-256 of a list of texts: of a bundle's log, or of its rows' digests, which tells that none was taken out or put in."""
    return sha256_of(list(texts))


def write_bundle(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    environments: Sequence[Mapping[str, Any]],
    created_at: datetime | None = None,
    log: Sequence[str] = (),
) -> Path:
    """Write a bundle atomically, compressed where the name ends in `.gz`. Returns the path.

    Raises as `bundle_document` does, and OSError where the folder cannot be written.
    """
    data = json.dumps(bundle_document(rows, environments, created_at, log), ensure_ascii=False, indent=1).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        with suppress(OSError):
            Path(temporary).unlink()
    return path


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
