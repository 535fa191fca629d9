"""When two records are one fact: the same run, stored in more than one place.

Belongs here: the identity of a fact. Does not belong here: which of its records stays (`publishing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hwbench_pipeline.legacy.json_values import digits_without_blur
from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS

LEAST_SAMPLES = 2
LEAST_NOISY_SAMPLES = 3
"""From so many different samples on they are the noise of one run, also where they are not taken as measured."""
TIMER_DIGITS = 9
"""From this many digits on, two timings agree only if they are one; fewer may be rounded to the same number."""

_VALUES = (
    *LATENCY_COLUMNS,
    *("throughput_items_per_s", "tokens_per_s", "first_token_ms", "time_per_output_token_ms"),
    *("peak_memory_mb", "energy_j", "load_ms"),
)
"""What old files say of a run. Named one by one: a fact keeps its identity when the result row gets further columns."""


def fact_of(row: Mapping[str, Any]) -> str | None:
    """The identity of what a result row says happened; None where nothing tells two such runs apart.

    A measured mean as a timer gives it is as good as a fingerprint, for the record with its samples and for a summary
    without them; so are samples, whatever they are worth, because no two runs share their noise. Any other record is
    known by its time stamp together with all that it says: constants of a simulation repeat from run to run and alone
    identify nothing.
    """
    return identities_of(row)[0]


def identities_of(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """`fact_of` a row and `timing_of` it, found together: the second mostly is the first."""
    timing = timing_of(row)
    return _fact_of(row, timing), timing


def _fact_of(row: Mapping[str, Any], timing: str | None) -> str | None:
    if timing is not None and (row.get("provenance") == "measured" or _has_noise(row)):
        return timing
    if row.get("started_at_text") is None:
        return None
    outcome = (row.get("status"), row.get("provenance"), row.get("error_message"))
    values = (row.get(name) for name in _VALUES)
    place = (row.get("input_shape"), row.get("scenario"))
    return _hashed("record", *_point_of(row), *place, *outcome, row["started_at_text"], *values)


def timing_of(row: Mapping[str, Any]) -> str | None:
    """The identity of a row's times at its point, whatever they are worth; None where they are too few or too round.

    Wherever the same times stand, they are of one run: what one place says against them holds in every place.
    """
    mean, samples = row.get("latency_ms_mean"), row.get("samples_ms")
    if mean is not None and digits_without_blur(mean) >= TIMER_DIGITS:
        # eleven digits: the same mean in seconds and in milliseconds, stated or computed, differs in the last ones
        return _hashed("mean", *_point_of(row), f"{mean:.11g}")
    if samples is not None and len(samples) >= LEAST_SAMPLES:
        place = (row.get("input_shape"), row.get("scenario"))
        return _hashed("samples", *_point_of(row), *place, *(f"{sample:.12g}" for sample in samples))
    return None


def _has_noise(row: Mapping[str, Any]) -> bool:
    samples = row.get("samples_ms")
    return samples is not None and len(set(samples)) >= LEAST_NOISY_SAMPLES


def _point_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    model = str(row.get("model_id")).casefold()
    return (model, row.get("hardware_requested"), row.get("batch_size"), row.get("sequence_length"))


def repeats_within_file(fact: str) -> bool:
    """Whether one file may hold this fact more than once as different records, so that each of them counts."""
    return fact.startswith("record")


def _hashed(kind: str, *parts: object) -> str:
    return f"{kind}:{hashlib.sha256(repr(parts).encode('utf-8', 'backslashreplace')).hexdigest()[:32]}"
