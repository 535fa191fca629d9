"""Values that no clock gives: constants, formulas, copies and typed-in numbers.

Belongs here: patterns within the values of a record or between the records of a file. Does not belong here: what a
value means physically (`plausibility`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from hwbench_pipeline.legacy.json_values import significant_digits
from hwbench_pipeline.legacy.provenance.evidence import FORMULA_POINTS, Evidence, FileEvidence
from hwbench_pipeline.legacy.provenance.plausibility import throughput_contradicts

TYPED_IN_DIGITS = 3
PRECISE_DIGITS = 5
"""With more digits than these, a ratio of two times is round by intention and not by rounding."""
_PERCENTILES = frozenset({"latency_ms_p50", "latency_ms_p90", "latency_ms_p95", "latency_ms_p99"})
_EXACT = 1e-9
_BROWSER_HARDWARE = frozenset({"webgpu", "webnn", "wasm"})
"""Browsers round their clock to 0.1 ms, so a time with one decimal there may be all that the clock gave."""


def samples_equal(evidence: Evidence, _: FileEvidence) -> str | None:
    """Every one of several samples has the same value."""
    samples = evidence.samples_ms
    return (
        f"{len(samples)} times {samples[0]:g} ms" if samples and len(samples) > 1 and len(set(samples)) == 1 else None
    )


def samples_progress(evidence: Evidence, _: FileEvidence) -> str | None:
    """The samples are an arithmetic progression."""
    samples = evidence.samples_ms
    if samples is None or len(samples) < FORMULA_POINTS:
        return None
    step = samples[1] - samples[0]
    scale = max(samples)
    steady = all(abs((b - a) - step) <= _EXACT * scale for a, b in itertools.pairwise(samples))
    return f"each sample is {step:g} ms after the one before" if steady else None


def samples_scaled(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """The samples are those of another point of the file, times a factor."""
    profile = evidence.profile
    points = file_evidence.by_profile.get(profile, set()) if profile is not None else set()
    return f"{len(points)} rows of the file share one pattern of samples" if len(points) > 1 else None


def formula_over_batch(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """The latencies of the series lie exactly on a line over the batch size."""
    if evidence.batch_size is None:
        return None
    series = file_evidence.by_series.get(evidence.series, {})
    return file_evidence.once(("formula", evidence.series), lambda: _line_through(series))


def _line_through(series: Mapping[int, float]) -> str | None:
    """The line over the batch size on which every latency of a series lies, in words."""
    if len(series) < FORMULA_POINTS:
        return None
    (b0, y0), (b1, y1), *rest = sorted(series.items())
    slope = (y1 - y0) / (b1 - b0)
    if all(abs(y0 + slope * (b - b0) - y) <= _EXACT * max(abs(y), abs(y0)) for b, y in rest):
        return f"latency = {y0 - slope * b0:g} + {slope:g} × batch size ms at {len(series)} batch sizes"
    return None


def same_constant(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """Another point of the file has the very same single latency."""
    if evidence.samples_ms or evidence.stated_mean_ms is None:
        return None
    points = file_evidence.by_constant.get(evidence.stated_mean_ms, set())
    return f"{evidence.stated_mean_ms:g} ms in {len(points)} rows" if len(points) > 1 else None


def spread_is_typed_in(evidence: Evidence, _: FileEvidence) -> str | None:
    """Minimum and maximum are round multiples of the mean."""
    low, mean, high = evidence.stated_min_ms, evidence.stated_mean_ms, evidence.stated_max_ms
    if low is None or mean is None or high is None or low == high:
        return None
    ratios = (low / mean, high / mean)
    if all(abs(ratio - round(ratio, 2)) <= _EXACT for ratio in ratios):
        return f"min and max are {ratios[0]:g} and {ratios[1]:g} times the mean"
    return None


def percentile_is_typed_in(evidence: Evidence, _: FileEvidence) -> str | None:
    """A percentile is a round multiple of a mean that is not round itself."""
    mean = evidence.stated_mean_ms
    if evidence.samples_ms or mean is None or significant_digits(mean) <= PRECISE_DIGITS:
        return None
    for name, value in evidence.stated_ms.items():
        ratio = value / mean
        if name in _PERCENTILES and abs(ratio - round(ratio, 2)) <= _EXACT and round(ratio, 2) != 1:
            return f"{name} is {round(ratio, 2):g} times the mean"
    return None


def typed_in(evidence: Evidence, _: FileEvidence) -> str | None:
    """The time of a single call beside its platform has so few digits that a person typed it.

    The writers of such calls store what their clock gave; those of other records round.
    """
    if not evidence.platform or not has_few_digits(evidence):
        return None
    mean = evidence.stated_mean_ms
    if mean is None or (
        evidence.claimed_hardware in _BROWSER_HARDWARE and not mean.is_integer() and (10 * mean).is_integer()
    ):
        return None
    return f"{mean:g} ms"


def has_few_digits(evidence: Evidence) -> bool:
    """Whether a time without samples has so few digits that it was rounded or typed in."""
    digits = evidence.mean_digits
    return digits is not None and digits <= TYPED_IN_DIGITS and not evidence.samples_ms


def beside_invented(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A time of few digits, and other numbers of the same writer that show how it made them up.

    The other points of its series over the batch size have rates that do not follow from their times, or the file gives
    spreads that are round multiples of the mean.
    """
    if not has_few_digits(evidence):
        return None
    contradictions = file_evidence.once(
        "contradictions by series",
        lambda: {
            other.series: said
            for other in file_evidence.members
            if has_few_digits(other) and (said := throughput_contradicts(other, file_evidence)) is not None
        },
    )
    beside = contradictions.get(evidence.series)
    if beside is not None:
        return f"another batch size of it: {beside}"
    template = file_evidence.once(
        "a spread of the file that is typed in",
        lambda: next(
            (said for other in file_evidence.members if (said := spread_is_typed_in(other, file_evidence))), None
        ),
    )
    return None if template is None else f"another record: {template}"
