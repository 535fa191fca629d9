"""Tables as DuckDB SQL: column types and the projection that casts any relation to a table.

Belongs here: text of SQL made from a schema table. Does not belong here: running it (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Collection

from hwbench_pipeline.schema.table import ColumnType, Table

_DUCKDB_TYPES: dict[ColumnType, str] = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INT64: "BIGINT",
    ColumnType.FLOAT64: "DOUBLE",
    ColumnType.BOOL: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.LIST_FLOAT64: "DOUBLE[]",
    ColumnType.LIST_STRING: "VARCHAR[]",
}


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def cast_columns(table: Table, present: Collection[str]) -> str:
    """The select list that yields exactly the table's columns and types; a column that is not `present` is NULL."""
    return ", ".join(
        f"CAST({identifier(column.name) if column.name in present else 'NULL'} AS {_DUCKDB_TYPES[column.type]})"
        f" AS {identifier(column.name)}"
        for column in table.columns
    )


def column_definitions(table: Table) -> str:
    """The column list of a CREATE TABLE statement."""
    return ", ".join(f"{identifier(column.name)} {_DUCKDB_TYPES[column.type]}" for column in table.columns)


def comments(table: Table, qualified_name: str) -> list[str]:
    """COMMENT statements that carry descriptions and units into the database file.

    `qualified_name` is the table's name there, quoted, with its database where it has one.
    """
    statements = [f"COMMENT ON TABLE {qualified_name} IS {literal(table.description)}"]
    for column in table.columns:
        text = column.description + (f" [{column.unit}]" if column.unit else "")
        statements.append(f"COMMENT ON COLUMN {qualified_name}.{identifier(column.name)} IS {literal(text)}")
    return statements
