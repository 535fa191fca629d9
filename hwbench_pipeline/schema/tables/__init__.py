"""Every table of the lineage, in reading order.

Belongs here: table definitions, one module per subject, and the registry of them all.
Does not belong here: anything that reads or writes rows.
"""

from __future__ import annotations

from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables.catalog import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_HARDWARE,
    CORE_LEGACY__ENVIRONMENTS,
    CORE_MODELS,
    CORE_MODELS__ONNX,
    OUT__ENVIRONMENTS,
)
from hwbench_pipeline.schema.tables.comparison import OUT__COMPARISON, OUT__SCALING
from hwbench_pipeline.schema.tables.coverage import OUT__COVERAGE
from hwbench_pipeline.schema.tables.imports import (
    CORE_IMPORTS__ENVIRONMENTS,
    CORE_IMPORTS__RESULTS,
    RAW_IMPORTS__FILES,
)
from hwbench_pipeline.schema.tables.legacy import CORE_LEGACY__QUARANTINE, CORE_LEGACY__SOURCES, RAW_LEGACY__FILES
from hwbench_pipeline.schema.tables.prediction import (
    CORE_PREDICTION__FEATURES,
    OUT__PREDICTION_SCORES,
    OUT__PREDICTIONS,
)
from hwbench_pipeline.schema.tables.regressions import CORE_REGRESSIONS__ACCEPTED, OUT__REGRESSIONS
from hwbench_pipeline.schema.tables.results import (
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_LEGACY__RESULTS,
    OUT__RESULTS,
)
from hwbench_pipeline.schema.tables.web_experiments import CORE_BENCH__WEB_EXPERIMENTS

__all__ = [
    "CORE_BENCH__ENVIRONMENTS",
    "CORE_BENCH__INFERENCE",
    "CORE_BENCH__TRAINING",
    "CORE_BENCH__WEB_EXPERIMENTS",
    "CORE_HARDWARE",
    "CORE_IMPORTS__ENVIRONMENTS",
    "CORE_IMPORTS__RESULTS",
    "CORE_LEGACY__ENVIRONMENTS",
    "CORE_LEGACY__QUARANTINE",
    "CORE_LEGACY__RESULTS",
    "CORE_LEGACY__SOURCES",
    "CORE_MODELS",
    "CORE_MODELS__ONNX",
    "CORE_PREDICTION__FEATURES",
    "CORE_REGRESSIONS__ACCEPTED",
    "OUT__COMPARISON",
    "OUT__COVERAGE",
    "OUT__ENVIRONMENTS",
    "OUT__PREDICTIONS",
    "OUT__PREDICTION_SCORES",
    "OUT__REGRESSIONS",
    "OUT__RESULTS",
    "OUT__SCALING",
    "RAW_IMPORTS__FILES",
    "RAW_LEGACY__FILES",
    "TABLES",
    "TABLE_BY_NAME",
    "table_named",
]

TABLES: tuple[Table, ...] = (
    RAW_LEGACY__FILES,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__ENVIRONMENTS,
    RAW_IMPORTS__FILES,
    CORE_IMPORTS__RESULTS,
    CORE_IMPORTS__ENVIRONMENTS,
    CORE_MODELS,
    CORE_HARDWARE,
    CORE_MODELS__ONNX,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__WEB_EXPERIMENTS,
    OUT__RESULTS,
    OUT__ENVIRONMENTS,
    OUT__COVERAGE,
    OUT__COMPARISON,
    OUT__SCALING,
    CORE_REGRESSIONS__ACCEPTED,
    OUT__REGRESSIONS,
    CORE_PREDICTION__FEATURES,
    OUT__PREDICTIONS,
    OUT__PREDICTION_SCORES,
)

TABLE_BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}


def table_named(name: str) -> Table:
    """The table of that name. Raises KeyError that lists the tables there are."""
    try:
        return TABLE_BY_NAME[name]
    except KeyError:
        raise KeyError(f"there is no table {name!r}; the tables are {', '.join(TABLE_BY_NAME)}") from None
