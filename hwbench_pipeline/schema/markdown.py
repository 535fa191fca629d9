"""Tables as Markdown: the text of `docs/tables.md`.

Belongs here: documentation generated from the schema. Run `python -m hwbench_pipeline.schema.markdown` to print it;
`make docs` writes it, and a test keeps the file equal to the schema.
"""

from __future__ import annotations

from collections.abc import Iterable

from hwbench_pipeline.schema.table import Column, Table
from hwbench_pipeline.schema.tables import TABLES

_HEAD = """# Tables

Generated from `hwbench_pipeline/schema/tables/` by `make docs`; edit the schema, not this page.

A table lies in the warehouse as `<table>.parquet`, or as `<table>/**/*.parquet` where it is written in parts.
Missing is NULL everywhere, never 0, an empty text or a default. MB is 1e6 bytes. Times are UTC.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _meaning(column: Column) -> str:
    parts = [column.description]
    if column.allowed:
        parts.append("One of: " + ", ".join(f"`{value}`" for value in column.allowed) + ".")
    return _cell(" ".join(parts))


def table_markdown(table: Table) -> str:
    """One table as a Markdown section."""
    lines = [
        f"## `{table.name}`",
        "",
        table.description,
        "",
        "Natural key: " + ", ".join(f"`{name}`" for name in table.natural_key) + ".",
        "",
        "| column | type | unit | NULL | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{column.name}` | {_cell(column.type.value)} | {column.unit or ''} | "
        f"{'yes' if column.nullable else 'no'} | {_meaning(column)} |"
        for column in table.columns
    ]
    if table.rules:
        lines += ["", "Every row keeps these rules:", ""]
        lines += [f"* **{rule.name}**: {rule.description}" for rule in table.rules]
    return "\n".join(lines) + "\n"


def tables_markdown(tables: Iterable[Table] = TABLES) -> str:
    """The whole page."""
    return _HEAD + "\n" + "\n".join(table_markdown(table) for table in tables)


if __name__ == "__main__":
    print(tables_markdown(), end="")
