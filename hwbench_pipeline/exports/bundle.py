"""Rows that this warehouse's own runs made, as one result bundle.

Belongs here: choosing what of the core tables goes into the bundle. Does not belong here: the format (`imports.bundle_format`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hwbench_pipeline.imports.bundle_format import write_bundle
from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS, CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING
from hwbench_pipeline.warehouse.reading import UnreadableFile, read_rows


def export_bundle(path: Path, warehouse: Path, result_ids: Collection[str]) -> tuple[int, list[UnreadableFile]]:
    """Write a bundle of the rows with these ids that hwbench measured here.

    Rows that came from files or other bundles are not in it: their bundle is their evidence. Returns how many rows it holds,
    and the files that could not be read; where there is no row, nothing is written. Raises as `write_bundle`.
    """
    rows = []
    unreadable: list[UnreadableFile] = []
    for table in (CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING):
        found, broken = read_rows(warehouse, table)
        rows += [row for row in found if row["result_id"] in result_ids]
        unreadable += broken
    environments, broken = read_rows(warehouse, CORE_BENCH__ENVIRONMENTS)
    if rows:
        rows.sort(key=lambda row: (row["started_at"], row["result_id"]))
        write_bundle(path, rows, environments)
    return len(rows), unreadable + broken
