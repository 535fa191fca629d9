"""What people see of a table in the Dagster UI.

Belongs here: the translation of schema tables and of what a step did into Dagster metadata.
Does not belong here: computing any of it (`reports/` draws plots and Markdown).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg

from hwbench_pipeline import __version__
from hwbench_pipeline.schema.table import Column, Table, sha256_of
from hwbench_pipeline.warehouse.reading import UnreadableFile

OWNERS = ["team:performance"]


def _constraints(column: Column) -> dg.TableColumnConstraints:
    other = []
    if column.unit:
        other.append(f"unit: {column.unit}")
    if column.above is not None:
        other.append(f"> {column.above:g}")
    if column.at_least is not None:
        other.append(f"≥ {column.at_least:g}")
    if column.allowed:
        other.append("one of: " + ", ".join(column.allowed))
    return dg.TableColumnConstraints(nullable=column.nullable, other=other)


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with types, units, bounds and descriptions."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type.value,
                description=column.description,
                constraints=_constraints(column),
            )
            for column in table.columns
        ]
    )


def column_lineage(table: Table, sources: Sequence[Table]) -> dg.TableColumnLineage:
    """Each column from the columns of the same name in the tables it is made from."""
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(asset_key=dg.AssetKey(source.name), column_name=column.name)
                for source in sources
                if column.name in source.column_by_name
            ]
            for column in table.columns
        }
    )


def definition_metadata(table: Table, sources: Sequence[Table] = ()) -> dict[str, Any]:
    """Metadata that stands at the asset itself: schema, lineage, natural key."""
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": table.name,
        "natural_key": ", ".join(table.natural_key),
    }
    if sources:
        metadata["dagster/column_lineage"] = column_lineage(table, sources)
    return metadata


def table_asset(
    table: Table,
    *,
    deps: Sequence[str] = (),
    group_name: str,
    kinds: set[str],
    sources: Sequence[Table] = (),
    partitions_def: dg.PartitionsDefinition | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` for a table, which says of itself what its schema does; `sources` are those whose columns of the same name its
    own come from."""
    return dg.asset(
        name=table.name,
        description=table.description,
        deps=deps,
        partitions_def=partitions_def,
        group_name=group_name,
        kinds=kinds,
        owners=OWNERS,
        code_version=code_version(table),
        metadata=definition_metadata(table, sources),
    )


def asset_spec(table: Table, *deps: Table, group_name: str, kinds: set[str]) -> dg.AssetSpec:
    """The spec of a table that one pass makes together with others."""
    return dg.AssetSpec(
        table.name,
        deps=[dep.name for dep in deps],
        description=table.description,
        group_name=group_name,
        kinds=kinds,
        owners=OWNERS,
        code_version=code_version(table),
        metadata=definition_metadata(table, deps),
    )


def code_version(*tables: Table) -> str:
    """Changes with the package's version and with the tables' columns."""
    return f"{__version__}-{sha256_of([[repr(column) for column in table.columns] for table in tables])[:8]}"


def image(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A picture that the UI shows in place."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def unreadable_metadata(files: Iterable[UnreadableFile]) -> dict[str, Any]:
    """Files that had to be left out, where there are any."""
    lines = [f"* {file}" for file in files]
    return {"files_left_out": dg.MetadataValue.md("\n".join(lines))} if lines else {}
