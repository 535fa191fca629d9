"""What a table is: its columns, types, units, allowed values, natural key and row rules.

Belongs here: the plain-Python vocabulary in which every table of the lineage is written down once.
Does not belong here: the tables themselves (`schema/tables/`), checking rows (`validation`), and
the translations into pyarrow, pandas, DuckDB or Markdown, which live in modules named after their target.
Nothing in this module imports anything outside the standard library, so that the portable runner can use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

Row = Mapping[str, Any]


class ColumnType(StrEnum):
    """The storage types that tables use; each has one translation per target library."""

    STRING = "string"
    INT64 = "int64"
    FLOAT64 = "float64"
    BOOL = "bool"
    TIMESTAMP = "timestamp[us, UTC]"
    LIST_FLOAT64 = "list<float64>"
    LIST_STRING = "list<string>"


@dataclass(frozen=True)
class Column:
    """One column.

    `unit` is the unit of the stored number (`ms`, `MB` = 1e6 bytes, `items/s`), None where there is none.
    `allowed` lists every value the column, or each member of a list column, may take.
    `above` and `at_least` bound numbers from below (exclusive and inclusive). `may_be_empty` is for text in which the
    empty string means something, as the JSON pointer of a whole document does.
    """

    name: str
    type: ColumnType
    description: str
    unit: str | None = None
    nullable: bool = True
    allowed: tuple[str, ...] | None = None
    above: float | None = None
    at_least: float | None = None
    may_be_empty: bool = False


@dataclass(frozen=True)
class RowRule:
    """A rule over several columns of one row.

    `broken` returns None when the row keeps the rule, else what is wrong with it, in words.
    """

    name: str
    description: str
    fix: str
    broken: Callable[[Row], str | None]


@dataclass(frozen=True)
class Table:
    """A table of the lineage, defined once.

    `natural_key` names the columns that identify a row; NULL is a value there, equal to itself.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...]
    rules: tuple[RowRule, ...] = ()
    column_by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = {column.name: column for column in self.columns}
        if len(by_name) != len(self.columns):
            raise ValueError(f"table {self.name}: a column name occurs twice")
        unknown = [name for name in self.natural_key if name not in by_name]
        if unknown:
            raise ValueError(f"table {self.name}: the natural key names unknown columns {unknown}")
        object.__setattr__(self, "column_by_name", by_name)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The column names in storage order."""
        return tuple(column.name for column in self.columns)

    def key_of(self, row: Row) -> tuple[Any, ...]:
        """The row's natural key, in the order of `natural_key`."""
        return tuple(row.get(name) for name in self.natural_key)

    def complete(self, row: Row) -> dict[str, Any]:
        """The row with every column present, NULL where it had none; unknown names stay for validation to name."""
        return {**self._nothing, **row}

    @cached_property
    def _nothing(self) -> dict[str, None]:
        return dict.fromkeys(self.column_names)


def canonical_json(value: Any) -> str:
    """The one text of a JSON value: sorted keys, no spaces, so that equal values give equal text and hash."""
    return _CANONICAL.encode(value)


def _json_scalar(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_json_scalar)


def sha256_of(value: Any) -> str:
    """Hex SHA-256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
