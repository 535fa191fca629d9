"""Environments that an imported file describes, as rows of `core_imports__environments`.

Belongs here: making one of what is stated. Does not belong here: which field states it (the format modules).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwbench_pipeline.hardware.environment import environment_id_of
from hwbench_pipeline.legacy.json_values import storable
from hwbench_pipeline.schema.table import canonical_json
from hwbench_pipeline.schema.tables.catalog import ENVIRONMENT_COLUMNS

_NAMES = tuple(column.name for column in ENVIRONMENT_COLUMNS)


def described_environment(*, libraries: Mapping[str, str] | None = None, **stated: Any) -> dict[str, Any] | None:
    """The environment of these statements (columns by name), None where nothing is stated.

    `environment_id` hashes all other columns, like that of our own environments: the same description, the same id.
    """
    row = dict.fromkeys(_NAMES) | stated | {"libraries": canonical_json(dict(libraries)) if libraries else None}
    row = {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}
    del row["environment_id"]
    if all(value is None for value in row.values()):
        return None
    return {"environment_id": environment_id_of(row), **row}
