"""Whether the account of old files holds, for the verbs that build on it.

Belongs here: finishing what was cut off, and saying what does not add up. Does not belong here: the sums themselves
(`legacy.reconciliation`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwbench_pipeline.cli.output import say

if TYPE_CHECKING:
    from hwbench_pipeline.legacy.reconciliation import Reconciliation

_SHOWN = 20


def say_what_does_not_add_up(verb: str, warehouse: Path, found: Reconciliation) -> None:
    """Name the files of old results whose records are not all accounted for, one line each, and what to do."""
    from hwbench_pipeline.legacy.reconciliation import fix_of

    findings = [*found.unreadable, *map(str, found.discrepancies)]
    for finding in findings[:_SHOWN]:
        say(f"hwbench {verb}: {finding}")
    more = f", {len(findings) - _SHOWN} of them not shown" if len(findings) > _SHOWN else ""
    say(
        f"hwbench {verb}: the old results do not add up ({len(findings)} findings{more}), so nothing was made of them. "
        f"{fix_of(warehouse)}"
    )


def finish_cut_off(folder: Path) -> None:
    """Bring tables and database to what the batches say, where an ingest or an undo was cut off before they followed."""
    from hwbench_pipeline.analysis.refreshing import refresh_if_older
    from hwbench_pipeline.legacy import ingest

    if ingest.finish_cut_off(folder):
        refresh_if_older(folder)
