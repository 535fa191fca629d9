"""Measured evidence for choosing the hardware that runs a Hugging Face model.

`read(table)` gives any table of the warehouse as a typed pandas DataFrame. Everything else is imported from
its own submodule; importing this package loads nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"
__all__ = ["__version__", "read"]


def read(table: str, warehouse: str | Path | None = None) -> pd.DataFrame:
    """A table of the warehouse as a pandas DataFrame with nullable types; missing is `pd.NA`, never 0.

    `warehouse` defaults to the environment variable HWBENCH_WAREHOUSE, else `data/warehouse`.
    A file that cannot be read is left out with an `UnreadableFileWarning` that names it.
    Raises KeyError for a name that is no table, FileNotFoundError for a table nobody has made yet.
    """
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.reading import read_pandas

    return read_pandas(table, warehouse_path(warehouse))
