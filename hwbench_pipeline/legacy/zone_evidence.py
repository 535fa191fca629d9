"""What some files of an ingest prove about the zone that others leave open.

Belongs here: counting both in the published tables. Does not belong here: applying the zone: a file's own proof holds
for that file (`timestamps`), for others only if the caller states it (`--timezone`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from hwbench_pipeline.legacy.ingest import is_under
from hwbench_pipeline.legacy.timestamps import parse_time_stamp
from hwbench_pipeline.schema.tables import CORE_LEGACY__RESULTS, RAW_LEGACY__FILES
from hwbench_pipeline.warehouse.reading import connect, register_tables


@dataclass(frozen=True)
class ZoneHint:
    """`n_results` results have a local time without an instant; `n_files` files beside them prove this one offset."""

    n_results: int
    n_files: int
    zone: str

    def __str__(self) -> str:
        results = "1 result has a local time" if self.n_results == 1 else f"{self.n_results} results have local times"
        files = "1 file proves" if self.n_files == 1 else f"{self.n_files} files prove"
        return f"{results} without a zone; {files} {self.zone}. Fix: --timezone {self.zone}"


def zone_hint(warehouse: Path, roots: Sequence[str]) -> ZoneHint | None:
    """The hint for what lies under the roots; None where nothing is open, nothing is proven, or proofs disagree."""
    with connect() as connection:
        register_tables(connection, warehouse, (RAW_LEGACY__FILES, CORE_LEGACY__RESULTS))
        proven = connection.execute(
            "SELECT derived_zone, count(*) FROM raw_legacy__files WHERE derived_zone IS NOT NULL "
            f"AND status <> 'duplicate' AND {is_under('path', roots)} GROUP BY derived_zone"
        ).fetchall()
        if len(proven) != 1:
            return None
        texts = connection.execute(
            "SELECT started_at_text, count(*) FROM core_legacy__results WHERE started_at IS NULL "
            f"AND started_at_text IS NOT NULL AND {is_under('source_path', roots)} GROUP BY started_at_text"
        ).fetchall()
    n_open = sum(count for text, count in texts if _is_local_time(text))
    ((zone, n_files),) = proven
    return ZoneHint(n_open, n_files, zone) if n_open else None


def _is_local_time(text: str) -> bool:
    """Whether a time stamp that has no instant would have one if its zone were known."""
    time_stamp = parse_time_stamp(text, UTC)
    return time_stamp is not None and time_stamp.instant is not None
