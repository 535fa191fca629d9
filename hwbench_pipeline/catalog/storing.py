"""Writing the model catalog into a warehouse. Does not belong here: what the catalog says (`rows`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwbench_pipeline.catalog.rows import model_rows
from hwbench_pipeline.schema.tables import CORE_MODELS
from hwbench_pipeline.warehouse.writing import write_table


def write_models(warehouse: Path) -> list[dict[str, Any]]:
    """Write core_models. Returns its rows."""
    rows = model_rows()
    write_table(warehouse, CORE_MODELS, rows)
    return rows
