"""The paths of the warehouse (contract of the design, section 4).

Belongs here: names of files and folders, and the key rule that keeps a partition key fit to be one.
Does not belong here: opening any of them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from hwbench_pipeline.schema.table import Table

WAREHOUSE_VARIABLE = "HWBENCH_WAREHOUSE"
DEFAULT_WAREHOUSE = Path("data") / "warehouse"
DATABASE_NAME = "warehouse.duckdb"

# `|` splits a multi-partition key and drops the cell silently; a comma breaks a backfill from the UI
_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?\Z")
_MAXIMUM_KEY_LENGTH = 120


class InvalidKeyError(ValueError):
    """A hardware or model key that cannot be a partition key."""


def checked_key(key: str) -> str:
    """The key itself, if it may be a partition key.

    Lower-case letters, digits, `.`, `_`, `-` and `/`, beginning and ending with a letter or digit, without `..`
    or `//`, at most 120 characters. Raises `InvalidKeyError` that says which and gives a key that would do.
    """
    is_spelt_well = isinstance(key, str) and _KEY.match(key) and ".." not in key and "//" not in key
    if is_spelt_well and len(key) <= _MAXIMUM_KEY_LENGTH:
        return key
    proposal = re.sub(r"[^a-z0-9._/-]+", "-", str(key).lower())
    proposal = re.sub(r"\.{2,}", ".", re.sub(r"/{2,}", "/", proposal)).strip("._/-")
    proposal = proposal[:_MAXIMUM_KEY_LENGTH].rstrip("._/-")
    hint = f"; use {proposal!r}" if proposal else ""
    raise InvalidKeyError(
        f"{key!r} is not a valid key: lower-case letters, digits and . _ - / only, "
        f"beginning and ending with a letter or digit, at most {_MAXIMUM_KEY_LENGTH} characters{hint}"
    )


def warehouse_path(given: str | Path | None = None) -> Path:
    """The warehouse folder: the one given, else HWBENCH_WAREHOUSE, else data/warehouse below the working folder."""
    return Path(given or os.environ.get(WAREHOUSE_VARIABLE) or DEFAULT_WAREHOUSE).expanduser().absolute()


def table_file(warehouse: Path, table: Table) -> Path:
    """The one file of a table that is written whole."""
    return warehouse / f"{table.name}.parquet"


def table_folder(warehouse: Path, table: Table) -> Path:
    """The folder of a table that is written in parts."""
    return warehouse / table.name


def part_file(warehouse: Path, table: Table, part: str) -> Path:
    """The file of one part of a table; `/` in the part's name is percent-encoded."""
    return table_folder(warehouse, table) / f"{quote(part, safe='')}.parquet"


def database_file(warehouse: Path) -> Path:
    """The consolidated DuckDB file."""
    return warehouse / DATABASE_NAME


@dataclass(frozen=True, order=True)
class Cell:
    """One cell of the grid. Its path keys are named apart from the columns `hardware` and `model`, so that a
    run that fell back to another device can never be read back under the cell's name."""

    hardware: str
    model: str

    def __post_init__(self) -> None:
        checked_key(self.hardware)
        checked_key(self.model)

    def folder(self, warehouse: Path, table: Table) -> Path:
        """Folder of the cell's runs; `/` in a key is percent-encoded, as hive paths have it."""
        return (
            table_folder(warehouse, table)
            / f"cell_hardware={quote(self.hardware, safe='')}"
            / f"cell_model={quote(self.model, safe='')}"
        )

    def run_file(self, warehouse: Path, table: Table, run_id: str) -> Path:
        """File of one execution of the cell."""
        return self.folder(warehouse, table) / f"run={quote(run_id, safe='')}.parquet"

    @classmethod
    def of_file(cls, path: Path) -> Cell | None:
        """The cell a run file belongs to; None if the path is not one."""
        parts = dict(part.split("=", 1) for part in path.parts if part.startswith(("cell_hardware=", "cell_model=")))
        try:
            return cls(unquote(parts["cell_hardware"]), unquote(parts["cell_model"]))
        except (KeyError, InvalidKeyError):
            return None


def run_id_of_file(path: Path) -> str:
    """The run id in a run file's name."""
    return unquote(path.name.removeprefix("run=").removesuffix(".parquet"))
