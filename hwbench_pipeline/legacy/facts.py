"""When two rows are one fact: the same run, stored in more than one place.

Belongs here: the identity of a fact. Does not belong here: which of its rows stays (`ingest`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from hwbench_pipeline.schema.table import sha256_of

LEAST_SAMPLES = 2


def fact_of(row: Mapping[str, Any]) -> Hashable | None:
    """The identity of what a result row says happened; None where nothing tells two such runs apart.

    Measured samples are as good as a fingerprint; a failed attempt is known by its time stamp and message. Constants
    of a simulation repeat from run to run and identify nothing, so those rows are never taken for one another.
    """
    point = tuple(
        row.get(name) for name in ("hardware_requested", "batch_size", "sequence_length", "input_shape", "scenario")
    )
    model = str(row.get("model_id")).casefold()
    samples = row.get("samples_ms")
    if row.get("provenance") == "measured" and samples is not None and len(samples) >= LEAST_SAMPLES:
        # twelve digits: the same sample read in seconds and in milliseconds differs in the last one
        return ("measured", model, *point, sha256_of([f"{sample:.12g}" for sample in samples]))
    if row.get("status") != "ok" and row.get("started_at_text") is not None:
        return ("failed", model, *point, row["started_at_text"], row.get("error_message"))
    return None
