"""Tables as pyarrow and pandas types.

Belongs here: the translation of a schema table into pyarrow (and through it pandas), and of rows into a
checked pyarrow table. Does not belong here: file paths and writing (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from hwbench_pipeline.schema.table import ColumnType, Row, Table
from hwbench_pipeline.schema.validation import require_valid

_ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INT64: pa.int64(),
    ColumnType.FLOAT64: pa.float64(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    ColumnType.LIST_FLOAT64: pa.list_(pa.float64()),
    ColumnType.LIST_STRING: pa.list_(pa.string()),
}

# nullable extension types, so that a missing integer stays missing instead of turning a column into floats
_PANDAS_TYPES: dict[pa.DataType, object] = {
    pa.string(): pd.StringDtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The pyarrow schema, with descriptions and units in the field metadata."""
    return pa.schema(
        [
            pa.field(
                column.name,
                _ARROW_TYPES[column.type],
                nullable=column.nullable,
                metadata={"description": column.description, **({"unit": column.unit} if column.unit else {})},
            )
            for column in table.columns
        ],
        metadata={"table": table.name, "description": table.description},
    )


def arrow_table(table: Table, rows: Sequence[Row]) -> pa.Table:
    """The rows as a pyarrow table of exactly this schema.

    Raises `SchemaError` with every problem when a row breaks the schema.
    """
    complete = [table.complete(row) for row in rows]
    require_valid(table, complete)
    return pa.Table.from_pylist(complete, schema=arrow_schema(table))


def typed_pandas(data: pa.Table) -> pd.DataFrame:
    """A pandas DataFrame with nullable types: a missing value is `pd.NA`, never 0 and never a changed type."""
    frame: pd.DataFrame = data.to_pandas(types_mapper=_PANDAS_TYPES.get)
    return frame
