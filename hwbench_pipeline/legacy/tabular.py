"""CSV and TSV text as a list of rows, so that shapes see it like a JSON list of flat objects.

Belongs here: telling a table from other text, its header, and what a cell holds. Does not belong here: Parquet and
databases (`columnar`) or what a column means (`shapes/`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hwbench_pipeline.legacy.document_errors import UnreadableDocumentError

MOST_CELLS = 5_000_000
LONGEST_FIELD = 256 * 1024 * 1024
_LONGEST_COLUMN_NAME = 200
_DELIMITERS = (",", "\t", ";")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,400}\.[0-9]{0,400}|\.[0-9]{1,400}|[0-9]{1,18})(?:[eE][-+]?[0-9]{1,4})?")
_COMMA_DELIMITERS = ("\t", ";")
"""Only between these can a comma be a decimal one without quotes."""
_COMMA_NUMBER = re.compile(
    r"[-+]?(?P<whole>[0-9]{1,18}|[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,5}),(?P<decimals>[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?"
)
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

csv.field_size_limit(LONGEST_FIELD)  # lists of raw samples make cells far longer than the default limit


def looks_like_table(content: str) -> bool:
    """Whether text begins like a table: a header of two or more distinct names, and a row of as many cells below."""
    header = _header_of(content)
    if header is None:
        return False
    rows = _rows(content, header[0])
    try:
        next(rows)
        first = next((row for row in rows if row), None)
    except csv.Error:
        return False
    return first is not None and len(first) == len(header[1])


def parse_table(content: str) -> list[dict[str, Any]]:
    """The rows below the header as objects by column name.

    An empty cell is absent. A cell that is written exactly like a number or a truth value is one; anything else, also a
    number with a unit or a leading zero, stays text. Decimal commas are read between semicolons or tabs where all numbers
    of the table have them and nothing else explains them; else such cells stay text. Raises UnreadableDocumentError where columns cannot be told.
    """
    found = _header_of(content)
    if found is None:
        raise UnreadableDocumentError(
            "text without a header line of two or more columns, expected a CSV or TSV table. Fix: add the header line"
        )
    delimiter, header = found
    repeated = next((name for position, name in enumerate(header) if name in header[:position]), None)
    if repeated is not None:
        raise UnreadableDocumentError(
            f"a table with the column {repeated!r:.80} twice, expected one column per name. Fix: rename or remove one"
        )
    table: list[dict[str, Any]] = []
    try:
        rows = _rows(content, delimiter)
        next(rows)
        for row in rows:
            if not row:  # a blank line
                continue
            if len(row) != len(header):
                raise UnreadableDocumentError(
                    f"a table whose row {len(table)} has {len(row)} cells, expected the {len(header)} of its header. "
                    "Fix: restore the file from its writer or backup, or remove the broken row"
                )
            table.append({name: cell_value(cell) for name, cell in zip(header, row, strict=True) if cell.strip()})
            if len(table) * len(header) > MOST_CELLS:
                raise UnreadableDocumentError(
                    f"a table of more than {MOST_CELLS} cells, expected at most so many. Fix: split it"
                )
    except csv.Error as error:
        raise UnreadableDocumentError(
            f"not a usable table: {error}, expected CSV or TSV. Fix: restore the file from its writer or backup"
        ) from None
    if delimiter in _COMMA_DELIMITERS and "," in content:
        _read_decimal_commas(table)
    return table


def _read_decimal_commas(table: Sequence[dict[str, Any]]) -> None:
    """Turns `6,83` into 6.83 throughout a table, where it is certain that its commas are decimal ones.

    A number with a decimal point beside speaks against it. Groups of three digits alone may be thousands.
    """
    if any(isinstance(value, float) for row in table for value in row.values()):
        return
    written = [
        (row, name, value.strip(), match)
        for row in table
        for name, value in row.items()
        if isinstance(value, str) and "," in value and (match := _COMMA_NUMBER.fullmatch(value.strip()))
    ]
    if all(_may_be_thousands(match["whole"], match["decimals"]) for *_, match in written):
        return
    for row, name, value, _ in written:
        row[name] = float(value.replace(".", "").replace(",", "."))


def _may_be_thousands(whole: str, decimals: str) -> bool:
    return len(decimals) == 3 and len(whole) <= 3 and whole != "0"


def cell_value(cell: str) -> Any:
    """What a cell holds: an integer, a float, a truth value, or its text as written."""
    written = cell.strip()
    if _INTEGER.fullmatch(written):
        return int(written)
    if written[:1] in "+-.0123456789" and _DECIMAL.fullmatch(written):
        # `007` is a name, `0.5` and `1e3` are numbers
        digits = written.lstrip("+-")
        return float(written) if digits[:1] != "0" or not digits[1:2].isdigit() else cell
    return _BOOLEANS.get(written, cell)


def _header_of(content: str) -> tuple[str, Sequence[str]] | None:
    """The delimiter and the column names of the first line, None where it is no header."""
    candidates: list[tuple[str, list[str]]] = []
    for delimiter in _DELIMITERS:
        try:
            first = next(_rows(content, delimiter), [])
        except csv.Error:
            continue
        candidates.append((delimiter, [name.strip() for name in first]))
    if not candidates:
        return None
    delimiter, names = max(candidates, key=lambda candidate: len(candidate[1]))
    if len(names) < 2 or any(len(name) > _LONGEST_COLUMN_NAME or "\n" in name for name in names):
        return None
    # the first name may be empty: pandas writes its index without one
    if not all(names[1:]) or any(_DECIMAL.fullmatch(name) for name in names) or names[0][:1] in ("{", "["):
        return None
    return delimiter, names


def _rows(content: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
