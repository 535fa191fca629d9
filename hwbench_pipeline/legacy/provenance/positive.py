"""What proves that a number was measured: the traces that only a clock leaves.

Belongs here: positive evidence, and the words for its absence. Does not belong here: marks and patterns that speak
against a number, which stand before it (`rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwbench_pipeline.legacy.json_values import significant_digits
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence

FULL_PRECISION_DIGITS = 7
MEAN_TOLERANCE = 0.01


def samples_prove(evidence: Evidence, _: FileEvidence) -> str | None:
    """Raw samples with the digits of a clock, whose mean is the stated one."""
    samples, stated = evidence.samples_ms, evidence.stated_mean_ms
    if not samples or not evidence.samples_are_usable or stated is None or not _means_agree(samples, stated):
        return None
    precise = _precise(samples)
    return f"{len(samples)} samples, {precise} distinct at full precision" if precise > 1 else None


def _precise(samples: Iterable[float]) -> int:
    return len({sample for sample in samples if significant_digits(sample) >= FULL_PRECISION_DIGITS})


def _means_agree(samples: Sequence[float], stated_mean: float) -> bool:
    mean = sum(samples) / len(samples)
    return abs(mean - stated_mean) <= MEAN_TOLERANCE * mean


def what_is_missing(evidence: Evidence) -> str:
    """In words, which piece of positive evidence is not there."""
    samples = evidence.samples_ms
    if not evidence.samples_are_usable:
        return "its raw samples hold values that no clock gives"
    if not samples:
        return "it has no raw samples"
    if evidence.stated_mean_ms is None:
        return "it states no average that its samples could confirm"
    if not _means_agree(samples, evidence.stated_mean_ms):
        return f"the samples' mean {evidence.mean_ms:g} ms is not the stated {evidence.stated_mean_ms:g} ms"
    return "fewer than two distinct samples have the precision of a clock"
