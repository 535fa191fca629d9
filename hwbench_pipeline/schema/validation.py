"""Checking rows against a table: every problem at once, each naming table, column, row key and the fix.

Belongs here: what makes a row wrong. Does not belong here: what a table is (`table`) or which tables
exist (`tables/`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hwbench_pipeline.schema.table import Column, ColumnType, Row, Table

PROBLEMS_IN_MESSAGE = 20


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one row."""

    table: str
    column: str
    row_key: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}, row {self.row_key}: {self.problem}. Fix: {self.fix}"


class SchemaError(ValueError):
    """Rows break their table's schema. `problems` holds every problem; the message shows the first twenty."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        shown = [str(problem) for problem in problems[:PROBLEMS_IN_MESSAGE]]
        if len(problems) > PROBLEMS_IN_MESSAGE:
            shown.append(f"… and {len(problems) - PROBLEMS_IN_MESSAGE} more")
        super().__init__(f"{len(problems)} schema problem{'s' * (len(problems) != 1)}:\n" + "\n".join(shown))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_number(value: Any) -> bool:
    # an integer beyond 2**53 would not survive as float64
    return isinstance(value, float) or (_is_int(value) and abs(value) <= 2**53)


def _is_aware(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _is_list_of(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(test(member) for member in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_HAS_TYPE: dict[ColumnType, Callable[[Any], bool]] = {
    ColumnType.STRING: _is_text,
    ColumnType.INT64: _is_int,
    ColumnType.FLOAT64: _is_number,
    ColumnType.BOOL: lambda value: isinstance(value, bool),
    ColumnType.TIMESTAMP: _is_aware,
    ColumnType.LIST_FLOAT64: _is_list_of(_is_number),
    ColumnType.LIST_STRING: _is_list_of(_is_text),
}


def _members(column: Column, value: Any) -> Iterable[Any]:
    return value if column.type in (ColumnType.LIST_FLOAT64, ColumnType.LIST_STRING) else (value,)


def _column_problem(column: Column, value: Any) -> tuple[str, str] | None:
    """What is wrong with a value and the fix, or None."""
    if value is None:
        if column.nullable:
            return None
        return "is NULL, which this column does not allow", "give the value, or leave the row out with its reason"
    if not _HAS_TYPE[column.type](value):
        extra = " with a time zone" if column.type is ColumnType.TIMESTAMP else ""
        return f"{value!r:.80} is {type(value).__name__}, not {column.type.value}{extra}", "convert it where it is read"
    for member in _members(column, value):
        if isinstance(member, str) and not _is_unicode(member):
            return f"{member!a:.80} is not valid Unicode", "replace its surrogates where it is read"
        if isinstance(member, float) and not math.isfinite(member):
            return f"{member} is not a finite number", "store NULL and say why in another column"
        if column.allowed is not None and member not in column.allowed:
            return (
                f"{member!r} is not one of {', '.join(column.allowed)}",
                "use an allowed value, or add it to the schema",
            )
        if column.above is not None and member <= column.above:
            return (
                f"{member!r} is not above {column.above:g}",
                "store NULL for what was not measured, never 0 or a default",
            )
        if column.at_least is not None and member < column.at_least:
            return f"{member!r} is below {column.at_least:g}", "correct it where it is computed"
    if column.type is ColumnType.STRING and value == "" and not column.may_be_empty:
        return "is an empty string", "store NULL for what is missing"
    return None


def takes(column: Column, value: Any) -> bool:
    """Whether a value, NULL included, may stand in the column."""
    return _column_problem(column, value) is None


def row_key_text(table: Table, row: Row) -> str:
    """The natural key as people read it in a message; parts that are NULL are left out."""
    return ", ".join(f"{name}={row[name]}" for name in table.natural_key if row.get(name) is not None) or "(no key)"


def find_problems(table: Table, rows: Iterable[Row]) -> list[Problem]:
    """Every problem of the rows, in row order: types, NULLs, allowed values, bounds, row rules, keys that repeat."""
    problems: list[Problem] = []
    known = set(table.column_names)
    first_of_key: dict[tuple[Any, ...], int] = {}
    for position, row in enumerate(rows):
        key = row_key_text(table, row)
        broken_columns = False
        problems.extend(
            Problem(table.name, name, key, "is not a column of this table", "remove it, or add it to the schema")
            for name in sorted(row.keys() - known)
        )
        for column in table.columns:
            found = _column_problem(column, row.get(column.name))
            if found:
                broken_columns = True
                problems.append(Problem(table.name, column.name, key, *found))
        if not broken_columns:  # a rule may lean on the types
            for rule in table.rules:
                wrong = rule.broken(row)
                if wrong:
                    problems.append(Problem(table.name, rule.name, key, wrong, rule.fix))
        if any(isinstance(part, list | dict) for part in table.key_of(row)):
            continue  # a part of the wrong type, named above, that cannot be compared with others
        earlier = first_of_key.setdefault(table.key_of(row), position)
        if earlier != position:
            problems.append(
                Problem(
                    table.name,
                    "+".join(table.natural_key),
                    key,
                    f"row {position} has the natural key of row {earlier}",
                    "keep one of them, or complete the key",
                )
            )
    return problems


def require_valid(table: Table, rows: Iterable[Row]) -> None:
    """Raise `SchemaError` with every problem, if there is one."""
    problems = find_problems(table, rows)
    if problems:
        raise SchemaError(problems)
