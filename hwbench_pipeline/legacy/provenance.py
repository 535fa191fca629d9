"""What a number is worth: the ordered rules that tell measured from simulated, mocked and unknown numbers.

Belongs here: the rules, each with its name, its reason and its predicate. The first that holds decides, the most
pessimistic stand first. Does not belong here: which hardware really ran (`hardware_claims`). A label that says REAL
is no evidence: the writers of old files put it on simulations.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import hardware_key
from hwbench_pipeline.legacy.json_values import significant_digits
from hwbench_pipeline.legacy.units import LatencyObservation, unit_by_throughput

FULL_PRECISION_DIGITS = 7
TYPED_IN_DIGITS = 3
FASTEST_CALL_MS = 0.1
MEAN_TOLERANCE = 0.01
_EXACT = 1e-9
_FORMULA_POINTS = 3

_SIMULATION_KEY = re.compile(r"(?:is_?)?simulat(?:ed|ion)", re.IGNORECASE)
_SIMULATION_TEXT = re.compile(r"\bSIMULATED(?:_|\b)|^simulat(?:ed|ion)\b", re.IGNORECASE)
_MOCK_KEY = re.compile(
    r"(?:is_?|using_?|use_?)?mock(?:s|ed|_implementation)?|transformers_mocked|\w+_mocked", re.IGNORECASE
)
_MOCK_TEXT = re.compile(r"\bmock(?:ed)?\b|MagicMock|\bMOCK_", re.IGNORECASE)
_REAL_TEXT = re.compile(r"(?:^|\()REAL(?:\)|_|$)")
_NOT_LABELS = re.compile(r"error|stderr|stdout|trace|message|warning|note|comment|model|path|file", re.IGNORECASE)


@dataclass(frozen=True)
class Evidence:
    """What is known of one number: its record, what encloses it, and its values in milliseconds.

    `stated_*` are the source's own statistics; `samples_are_usable` is False where something stood in place of the
    samples that no clock gives. `point` names model, claimed hardware and configuration.
    """

    own: Mapping[str, Any]
    enclosing: tuple[Mapping[str, Any], ...]
    claimed_hardware: str | None
    model_id: str | None
    batch_size: int | None
    input_key: Hashable
    samples_ms: tuple[float, ...] | None
    samples_are_usable: bool
    stated_mean_ms: float | None
    stated_min_ms: float | None
    stated_max_ms: float | None
    throughput: float | None

    @property
    def mean_ms(self) -> float | None:
        """The mean of the samples, or as stated where there are none."""
        if self.samples_ms:
            return sum(self.samples_ms) / len(self.samples_ms)
        return self.stated_mean_ms

    @property
    def point(self) -> Hashable:
        """Model, claimed hardware and configuration."""
        return (self.model_id, self.claimed_hardware, self.batch_size, self.input_key)


@dataclass(frozen=True)
class FileEvidence:
    """The evidence of every number of a file, indexed for the rules that compare numbers with each other."""

    members: tuple[Evidence, ...]
    by_profile: dict[Hashable, set[Hashable]] = field(init=False)
    by_constant: dict[float, set[Hashable]] = field(init=False)
    by_series: dict[Hashable, dict[int, float]] = field(init=False)

    def __post_init__(self) -> None:
        profiles: dict[Hashable, set[Hashable]] = defaultdict(set)
        constants: dict[float, set[Hashable]] = defaultdict(set)
        series: dict[Hashable, dict[int, float]] = defaultdict(dict)
        for member in self.members:
            profile = _profile(member)
            if profile is not None:
                profiles[profile].add(member.point)
            if not member.samples_ms and member.stated_mean_ms is not None:
                constants[member.stated_mean_ms].add(member.point)
            if member.batch_size is not None and member.mean_ms is not None:
                series[_series_of(member)][member.batch_size] = member.mean_ms
        object.__setattr__(self, "by_profile", dict(profiles))
        object.__setattr__(self, "by_constant", dict(constants))
        object.__setattr__(self, "by_series", dict(series))


@dataclass(frozen=True)
class Rule:
    """A named rule: where `holds` answers a detail, the number has this provenance, for this reason."""

    name: str
    provenance: str
    reason: str
    holds: Callable[[Evidence, FileEvidence], str | None]


@dataclass(frozen=True)
class Verdict:
    """The provenance of a number, the rule that gave it, and the evidence in words."""

    provenance: str
    rule: str
    reason: str


def judge(evidence: Evidence, file_evidence: FileEvidence) -> Verdict:
    """The verdict of the first rule that holds; without any, `unknown`."""
    for rule in RULES:
        detail = rule.holds(evidence, file_evidence)
        if detail is not None:
            return Verdict(
                rule.provenance, rule.name, f"{rule.name}: {rule.reason} ({detail}){_label_remark(evidence)}"
            )
    return Verdict(
        "unknown",
        "no_evidence",
        f"no_evidence: nothing proves that this was measured: {_what_is_missing(evidence)}{_label_remark(evidence)}",
    )


def _scopes(evidence: Evidence) -> Iterator[tuple[str, Any]]:
    """Key and value of everything that speaks about this number: its own object, all of it, and labels around it."""
    yield from _members_within(evidence.own)
    for around in evidence.enclosing:
        for key, value in around.items():
            if not isinstance(value, dict | list):
                yield key, value
            elif isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values()):
                yield from value.items()


def _members_within(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    waiting: list[tuple[str, Any]] = list(own.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((key, inner) for inner in value if isinstance(inner, dict | list | str))
        else:
            yield key, value


def _says_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in {"true", "yes"})


def _is_label(key: str, value: Any) -> bool:
    return isinstance(value, str) and "/" not in value and not _NOT_LABELS.search(key)


def _marked(evidence: Evidence, key_pattern: re.Pattern[str], text_pattern: re.Pattern[str]) -> str | None:
    for key, value in _scopes(evidence):
        if key_pattern.fullmatch(key) and _says_yes(value):
            return f"{key} is {str(value).lower()}"
        if _is_label(key, value) and text_pattern.search(value):
            return f"{key} is {value.strip()[:80]!r}"
    return None


def _marked_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    return _marked(evidence, _SIMULATION_KEY, _SIMULATION_TEXT)


def _hardware_listed_as_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    for around in (evidence.own, *evidence.enclosing):
        listed = around.get("simulated_hardware")
        if isinstance(listed, list) and evidence.claimed_hardware is not None:
            names = {hardware_key(name) for name in listed if isinstance(name, str)}
            if hardware_key(evidence.claimed_hardware) in names:
                return f"simulated_hardware lists {evidence.claimed_hardware}"
    return None


def _marked_mock(evidence: Evidence, _: FileEvidence) -> str | None:
    return _marked(evidence, _MOCK_KEY, _MOCK_TEXT)


def _too_fast(evidence: Evidence, _: FileEvidence) -> str | None:
    mean = evidence.mean_ms
    return f"{mean:.3g} ms" if mean is not None and mean < FASTEST_CALL_MS else None


def _samples_equal(evidence: Evidence, _: FileEvidence) -> str | None:
    samples = evidence.samples_ms
    return (
        f"{len(samples)} times {samples[0]:g} ms" if samples and len(samples) > 1 and len(set(samples)) == 1 else None
    )


def _samples_progress(evidence: Evidence, _: FileEvidence) -> str | None:
    samples = evidence.samples_ms
    if samples is None or len(samples) < _FORMULA_POINTS:
        return None
    step = samples[1] - samples[0]
    scale = max(samples)
    steady = all(abs((b - a) - step) <= _EXACT * scale for a, b in itertools.pairwise(samples))
    return f"each sample is {step:g} ms after the one before" if steady else None


def _profile(evidence: Evidence) -> Hashable:
    """The samples up to a common factor; None where they are too few to be a pattern."""
    samples = evidence.samples_ms
    if samples is None or len(samples) < _FORMULA_POINTS or len(set(samples)) == 1:
        return None
    return tuple(f"{sample / samples[0]:.9g}" for sample in samples)


def _samples_scaled(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    profile = _profile(evidence)
    points = file_evidence.by_profile.get(profile, set()) if profile is not None else set()
    return f"{len(points)} rows of the file share one pattern of samples" if len(points) > 1 else None


def _formula_over_batch(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    if evidence.batch_size is None:
        return None
    series = file_evidence.by_series.get(_series_of(evidence), {})
    if len(series) < _FORMULA_POINTS:
        return None
    (b0, y0), (b1, y1), *rest = sorted(series.items())
    slope = (y1 - y0) / (b1 - b0)
    if all(abs(y0 + slope * (b - b0) - y) <= _EXACT * max(abs(y), abs(y0)) for b, y in rest):
        return f"latency = {y0 - slope * b0:g} + {slope:g} × batch size ms at {len(series)} batch sizes"
    return None


def _series_of(evidence: Evidence) -> Hashable:
    return (evidence.model_id, evidence.claimed_hardware, evidence.input_key)


def _same_constant(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    if evidence.samples_ms or evidence.stated_mean_ms is None:
        return None
    points = file_evidence.by_constant.get(evidence.stated_mean_ms, set())
    return f"{evidence.stated_mean_ms:g} ms in {len(points)} rows" if len(points) > 1 else None


def _spread_is_typed_in(evidence: Evidence, _: FileEvidence) -> str | None:
    low, mean, high = evidence.stated_min_ms, evidence.stated_mean_ms, evidence.stated_max_ms
    if low is None or mean is None or high is None or low == high:
        return None
    ratios = (low / mean, high / mean)
    if all(abs(ratio - round(ratio, 2)) <= _EXACT for ratio in ratios):
        return f"min and max are {ratios[0]:g} and {ratios[1]:g} times the mean"
    return None


def _throughput_contradicts(evidence: Evidence, _: FileEvidence) -> str | None:
    observation = LatencyObservation(evidence.mean_ms, evidence.throughput, evidence.batch_size)
    if not observation.is_checkable or unit_by_throughput(observation) is not None:
        return None
    assert evidence.mean_ms is not None
    assert evidence.batch_size is not None
    return (
        f"{evidence.throughput:g} items/s stated, batch {evidence.batch_size} in {evidence.mean_ms:g} ms is "
        f"{1000 * evidence.batch_size / evidence.mean_ms:g}"
    )


def _typed_in(evidence: Evidence, _: FileEvidence) -> str | None:
    mean = evidence.stated_mean_ms
    if evidence.samples_ms or mean is None or significant_digits(mean) > TYPED_IN_DIGITS:
        return None
    return f"{mean:g} ms"


def _samples_prove(evidence: Evidence, _: FileEvidence) -> str | None:
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


def _what_is_missing(evidence: Evidence) -> str:
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


def _label_remark(evidence: Evidence) -> str:
    for key, value in _scopes(evidence):
        if _is_label(key, value) and _REAL_TEXT.search(value):
            return f"; its label {value.strip()[:80]!r} is no evidence"
    return ""


RULES: tuple[Rule, ...] = (
    Rule("marked_simulated", "simulated", "the source marks it as simulated", _marked_simulated),
    Rule(
        "hardware_listed_as_simulated",
        "simulated",
        "the source lists its hardware as simulated",
        _hardware_listed_as_simulated,
    ),
    Rule("marked_mock", "mock", "the source says that a stand-in ran in place of the model", _marked_mock),
    Rule("too_fast", "mock", f"no model answers in less than {FASTEST_CALL_MS:g} ms, a stand-in does", _too_fast),
    Rule("samples_are_equal", "simulated", "no clock gives one value every time", _samples_equal),
    Rule("samples_follow_formula", "simulated", "the samples grow by one constant step", _samples_progress),
    Rule(
        "samples_are_scaled_copy",
        "simulated",
        "runs of different models, devices or configurations never share their noise",
        _samples_scaled,
    ),
    Rule(
        "latency_follows_batch_formula",
        "simulated",
        "the latencies lie exactly on a line over the batch size",
        _formula_over_batch,
    ),
    Rule("same_constant_repeats", "simulated", "different configurations have the very same latency", _same_constant),
    Rule("spread_is_typed_in", "simulated", "its spread is a round multiple of its mean", _spread_is_typed_in),
    Rule(
        "throughput_contradicts_latency",
        "simulated",
        "its throughput does not follow from its latency and batch size",
        _throughput_contradicts,
    ),
    Rule(
        "single_typed_in_value",
        "simulated",
        f"a single time of at most {TYPED_IN_DIGITS} significant digits was typed in, a clock gives more",
        _typed_in,
    ),
    Rule("raw_samples", "measured", "raw samples of a clock agree with the stated average", _samples_prove),
)
