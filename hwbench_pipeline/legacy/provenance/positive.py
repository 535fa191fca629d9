"""What proves that a number was measured: the traces that only a clock leaves.

Belongs here: positive evidence, and the words for its absence. Does not belong here: marks and patterns that speak
against a number, which stand before it (`rules`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, positive_integer, positive_number, significant_digits
from hwbench_pipeline.legacy.provenance import clock, markers
from hwbench_pipeline.legacy.provenance.evidence import FULL_PRECISION_DIGITS, Evidence, FileEvidence
from hwbench_pipeline.legacy.provenance.fingerprints import has_few_digits

MEAN_TOLERANCE = 0.01
LEAST_RUNS = 3
LEAST_PRECISE = 2
_RATE_TOLERANCE = 1e-6
_TOKEN_COUNTS = ("completion_tokens", "output_tokens", "generated_tokens", "total_tokens", "tokens")
_RATES = ("tokens_per_second", "tokens_per_s", "tokens_per_sec")
_OUTPUT_SHAPE = re.compile(r"^(?!input).*(?:^|_)shape$")
_OUTPUT_VALUE = re.compile(
    r"(?:^|_)(?:similarity|similarities|probabilit(?:y|ies)|probs?|scores?|logits|embeddings?)(?:_|$)"
)


def samples_prove(evidence: Evidence, _: FileEvidence) -> str | None:
    """Raw samples on the grid of a clock, whose mean is the stated one."""
    samples, stated = evidence.samples_ms, evidence.stated_mean_ms
    if not samples or not evidence.samples_are_usable or stated is None or not _means_agree(samples, stated):
        return None
    precise = evidence.n_precise_samples
    if precise < LEAST_PRECISE or not _on_grid(samples):
        return None
    return f"{len(samples)} samples, {precise} distinct at full precision, all on the grid of a clock"


def _on_grid(samples_ms: Sequence[float]) -> bool:
    return clock.are_clock_differences([sample / 1000 for sample in samples_ms])


def _means_agree(samples: Sequence[float], stated_mean: float) -> bool:
    mean = sum(samples) / len(samples)
    return abs(mean - stated_mean) <= MEAN_TOLERANCE * mean


def rounded_value(evidence: Evidence, _: FileEvidence) -> str | None:
    """A time without samples, of so few digits that no grid of a clock can be seen in it."""
    return f"{evidence.stated_mean_ms:g} ms" if has_few_digits(evidence) else None


def spread_of_runs(evidence: Evidence, _: FileEvidence) -> str | None:
    """Mean and extremes of at least three runs, each as the readings of one clock give them."""
    low, mean, high, n_runs = evidence.stated_min_ms, evidence.stated_mean_ms, evidence.stated_max_ms, evidence.n_runs
    if evidence.samples_ms or low is None or mean is None or high is None or n_runs is None or n_runs < LEAST_RUNS:
        return None
    if not low < mean < high:
        return None
    total = mean * n_runs
    if not low * (n_runs - 1) + high <= total <= high * (n_runs - 1) + low:  # the runs between lie between
        return None
    if not all(clock.is_clock_difference(value / 1000) for value in (low, high)):
        return None
    if not clock.is_mean_of_clock_differences(mean / 1000, n_runs):
        return None
    return f"{low:.4g} < {mean:.4g} < {high:.4g} ms over {n_runs} runs, all on the grid of a clock"


def aggregate_of_clock(evidence: Evidence, _: FileEvidence) -> str | None:
    """A mean over configurations whose digits only a sum of clock readings gives."""
    mean = evidence.stated_mean_ms
    if not evidence.is_aggregate or evidence.samples_ms or mean is None:
        return None
    return f"{mean:.10g} ms" if clock.is_mean_of_clock_differences(mean / 1000) else None


def single_timer_with_output(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """One reading of a clock around a call that gave a countable output, in a record that labels nothing as real."""
    mean = evidence.stated_mean_ms
    if mean is None or evidence.samples_ms or evidence.is_aggregate or evidence.own.get("success") is False:
        return None
    if not clock.is_clock_difference(mean / 1000) or markers.has_implementation_label(evidence, file_evidence):
        return None
    output = _counted_tokens(evidence, mean / 1000) or _described_output(evidence)
    return f"{mean:.10g} ms on the grid of a clock, {output}" if output else None


def _counted_tokens(evidence: Evidence, call_s: float) -> str | None:
    """Tokens whose stated rate follows, to all digits, from the call's time or from a part of it."""
    own = evidence.own
    rate = next((number for name in _RATES if (number := positive_number(own.get(name))) is not None), None)
    if rate is None or significant_digits(rate) < FULL_PRECISION_DIGITS:
        return None
    times_s = [
        number
        for value in own.values()
        if (number := positive_number(value)) is not None and number <= call_s * (1 + _RATE_TOLERANCE)
    ]
    for name in _TOKEN_COUNTS:
        count = positive_integer(own.get(name))
        if count and any(abs(count / rate - time_s) <= _RATE_TOLERANCE * time_s for time_s in times_s):
            return f"{count} tokens at {rate:.6g} per second follow from it"
    return None


def _described_output(evidence: Evidence) -> str | None:
    """The shape of the output, or output values with the digits of a computation."""
    for name, value in evidence.own.items():
        if isinstance(value, list) and value and _OUTPUT_SHAPE.search(name):
            if all(positive_integer(length) is not None for length in value):
                return f"{name} is {value[:4]}"
        elif _OUTPUT_VALUE.search(name):
            number = finite_number(_first_leaf(value))
            if number is not None and significant_digits(number) >= FULL_PRECISION_DIGITS:
                return f"{name} holds {number:.8g}"
    return None


def _first_leaf(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


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
    if evidence.n_precise_samples < LEAST_PRECISE:
        return "fewer than two distinct samples have the precision of a clock: they were rounded or made up"
    return "its samples lie on the grid of no clock: they were computed, drawn at random or converted"
