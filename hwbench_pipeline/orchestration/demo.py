"""The whole graph in one process: what `hwbench demo` runs.

Belongs here: the order of the steps and what is skipped because it is done. A Dagster run per step is recorded on
the local instance, so that the UI shows the same data afterwards; starting a process for each would cost more than
the measurements. Does not belong here: printing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.orchestration.assets.bench import BENCH_ASSET_OF_MODE
from hwbench_pipeline.orchestration.jobs import ingest_legacy_files, measure_cells, probe_host, refresh_tables
from hwbench_pipeline.orchestration.partitions import (
    HARDWARE_DIMENSION,
    partition_of,
    register,
)
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource
from hwbench_pipeline.orchestration.staleness import wanted_cells
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import CORE_HARDWARE, CORE_MODELS, RAW_LEGACY__FILES
from hwbench_pipeline.warehouse.location import Cell, database_file, table_file

INSTANCE_SETTINGS = "dagster.yaml"
# the demo's log is its progress, and who it waits for; the rest goes to the instance, where the UI shows it
_QUIET = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """One thing the demo does. `is_done` steps are reported and skipped."""

    title: str
    is_done: bool
    run: Callable[[], None]


def local_instance_home(project: Path) -> Path:
    """The DAGSTER_HOME of this project: the variable if it is set, else data/dagster with the project's settings."""
    chosen = os.environ.get("DAGSTER_HOME")
    if chosen:
        Path(chosen).mkdir(parents=True, exist_ok=True)
        return Path(chosen)
    home = project / "data" / "dagster"
    settings = project / INSTANCE_SETTINGS
    if not settings.is_file():
        raise DemoError(
            f"there is no {settings}: the demo runs in a checkout of the project. Fix: change into the checkout, or set "
            "DAGSTER_HOME to the folder of an existing Dagster instance"
        )
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(settings, home / INSTANCE_SETTINGS)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def local_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, which `local_instance_home` has set."""
    with dg.DagsterInstance.get() as instance:
        yield instance


def demo_steps(
    instance: dg.DagsterInstance,
    warehouse: Path,
    legacy: Path,
    build_defs: Callable[[Mapping[str, Any]], dg.Definitions],
) -> list[Step]:
    """Everything the graph needs, in order; what was done before is marked as done. `build_defs` is the definitions'.

    Raises `DemoError` where the folder of old result files is not there.
    """
    if not legacy.is_dir():
        raise DemoError(f"there is no folder {legacy} with sample files. Fix: run it in a checkout of the project")
    register(instance)
    defs = build_defs(
        {"warehouse": WarehouseResource(root=str(warehouse)), "legacy_files": LegacyFilesResource(folder=str(legacy))}
    )

    def run(job: str, assets: Sequence[dg.AssetKey] | None = None, cell: Cell | None = None) -> Callable[[], None]:
        def execute() -> None:
            result = defs.resolve_job_def(job).execute_in_process(
                instance=instance,
                run_config=_QUIET,
                partition_key=partition_of(cell) if cell else None,
                asset_selection=list(assets) if assets else None,
                raise_on_error=False,
            )
            if not result.success:
                raise DemoError(_failure_text(result, instance))

        return execute

    cells = [
        Cell(hardware, model)
        for hardware in instance.get_dynamic_partitions(HARDWARE_DIMENSION)
        if not is_emulated(hardware)
        for model in model_keys()  # a demo of every architecture would take a night
    ]

    def is_recorded(table: Table) -> bool:
        """Whether the UI knows of the table as well: the warehouse may have been filled by the command line."""
        known = instance.get_latest_materialization_event(dg.AssetKey(table.name)) is not None
        return known and table_file(warehouse, table).exists()

    steps = [
        Step(
            "old result files",
            is_recorded(RAW_LEGACY__FILES) and _is_newer(table_file(warehouse, RAW_LEGACY__FILES), legacy),
            run(ingest_legacy_files.name),
        ),
        Step(
            "model catalog and hardware of this host",
            is_recorded(CORE_MODELS) and is_recorded(CORE_HARDWARE),
            run(probe_host.name),
        ),
    ]
    missing = {
        (want.mode, want.cell) for want in wanted_cells(warehouse, cells, now=datetime.now(UTC), stale_after=None)
    }
    recorded = {mode: instance.get_materialized_partitions(asset) for mode, asset in BENCH_ASSET_OF_MODE.items()}
    steps += [
        Step(
            f"{cell.hardware} × {cell.model}, {mode}",
            is_done=False,
            run=run(measure_cells.name, [asset], cell),
        )
        for cell in cells
        for mode, asset in BENCH_ASSET_OF_MODE.items()
        if (mode, cell) in missing or str(partition_of(cell)) not in recorded[mode]
    ]
    nothing_new = all(step.is_done for step in steps) and database_file(warehouse).exists()
    steps.append(Step("tables, predictor, database and report", nothing_new, run(refresh_tables.name)))
    return steps


def is_emulated(hardware: str) -> bool:
    """Whether software on the CPU plays this hardware here: minutes a model, and it says nothing of a GPU."""
    return hardware in hardware_keys() and probe(hardware).is_software


def _is_newer(table: Path, folder: Path) -> bool:
    """Whether a table was written after every file below a folder last changed."""
    if not table.exists():
        return False
    changed = [path.lstat().st_mtime for path in (folder, *folder.rglob("*"))]
    return table.stat().st_mtime > max(changed)


def _failure_text(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    """Why a run failed, in a line, and where to read more."""
    for event in result.all_events:
        if event.is_failure and event.is_step_event:
            error = event.step_failure_data.error
            cause = (error.cause or error) if error else None
            if cause is not None:
                return f"{event.step_key}: {' '.join(cause.message.split())} (run {result.run_id} in {instance.root_directory})"
    return f"run {result.run_id} failed. Fix: read it in the UI (`make ui`)"
