"""Resources: the warehouse folder, and DuckDB through dagster-duckdb.

Belongs here: what a deployment may want to set. Does not belong here: using them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from hwbench_pipeline.warehouse.location import warehouse_path
from hwbench_pipeline.warehouse.reading import use_utc


class WarehouseResource(dg.ConfigurableResource):
    """The folder that holds every table."""

    root: str = Field(
        default="",
        description="Folder of the tables. Empty: the environment variable HWBENCH_WAREHOUSE, else data/warehouse.",
    )

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return warehouse_path(self.root or None)


class LegacyFilesResource(dg.ConfigurableResource):
    """Where old result files are looked for."""

    folder: str = Field(default="data/legacy", description="Folder that is searched for old result files.")

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return Path(self.folder).expanduser().absolute()


class ImportFilesResource(dg.ConfigurableResource):
    """Where result files of living formats are looked for."""

    folder: str = Field(
        default="data/imports",
        description="Folder with a folder for each format: optimum-benchmark, timm, mlperf, bundle.",
    )

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return Path(self.folder).expanduser().absolute()


def in_memory_duckdb() -> DuckDBResource:
    """DuckDB without a file of its own: tables are read from Parquet, and database files are attached to be built."""
    return DuckDBResource(
        database=":memory:",
        connection_config={"autoinstall_known_extensions": False, "autoload_known_extensions": False},
    )


@contextmanager
def connection_of(resource: DuckDBResource) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of the resource that speaks UTC."""
    with resource.get_connection() as connection:
        yield use_utc(connection)
