"""How verbs print: tables and JSON to standard output, everything else to standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

ABSENT = "—"
_HARMLESS = "\u200d\u00a0\u3000"  # inside composed emoji, and spaces


def output() -> Console:
    """Standard output. Wide enough for tables where it is not a terminal. `:smile:` in a file's name stays as it is."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, emoji=False)


def messages() -> Console:
    """Standard error, for people."""
    return Console(stderr=True, highlight=False, emoji=False)


def inert(text: str) -> str:
    """Text from a file, or its name, on one line: what would steer a terminal or hide something is written as escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _HARMLESS else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def say(message: str) -> None:
    """One line to standard error: no wrapping, no markup."""
    messages().print(inert(message), markup=False, soft_wrap=True)


def print_lines(console: Console, *lines: str) -> None:
    """Lines that may hold anybody's text: no markup is read from it, none is wrapped."""
    for line in lines:
        console.print(inert(line), markup=False, soft_wrap=True)


def announce(bar: Progress, done: int, total: int, title: str) -> None:
    """Say in a line what begins, where nobody sees the bar: a log file, a CI run."""
    if not bar.console.is_terminal:
        say(f"[{done + 1}/{total}] {title}")


def progress() -> Progress:
    """A progress bar on standard error; none where that is no terminal (see `announce`)."""
    console = messages()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("expected"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    json.dump(_plain(document), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def json_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows in the form that every `--json` prints them."""
    return {"columns": list(columns), "rows": [{name: row.get(name) for name in columns} for row in rows]}


def _plain(value: Any) -> Any:
    """JSON values only: time stamps as ISO text, a number that JSON has no word for as NULL."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(member) for member in value]
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def table(
    head: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None, right: Sequence[str] = ()
) -> Table:
    """A table for the terminal; `right` names the columns of numbers. NULL shows as a dash."""
    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for name in head:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_text(cell) for cell in row))
    return made


def _text(cell: Any) -> str:
    from rich.markup import escape

    if cell is None:
        return ABSENT
    if isinstance(cell, float):
        return significant(cell)
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return escape(inert(str(cell)))


def print_reasons(console: Console, reasons: Iterable[tuple[str, str]]) -> None:
    """Why some rows of a table hold no number: each reason once, with what it holds for (a text for each row)."""
    by_reason: dict[str, dict[str, None]] = {}
    for what, reason in reasons:
        by_reason.setdefault(reason, {})[what] = None
    for reason, holds_for in by_reason.items():
        console.print(f"\n{', '.join(holds_for)}: {reason}", markup=False, soft_wrap=True)


def significant(value: float) -> str:
    """A number to four significant digits, without exponent where it is readable."""
    return f"{value:,.0f}" if abs(value) >= 9_999.5 else f"{value:.4g}"
