"""What is known of a number, and of the numbers beside it in its file: what the rules look at.

Belongs here: the evidence and its indexes. Does not belong here: what follows from it (the rules).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from hwbench_pipeline.legacy.json_values import digits_without_blur

T = TypeVar("T")

FULL_PRECISION_DIGITS = 7
FORMULA_POINTS = 3
"""From so many values on a pattern can be told from chance."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one number: its record, what encloses it, and its values in milliseconds.

    `stated_*` are the source's own statistics; `samples_are_usable` is False where something stood in place of the
    samples that no clock gives. `n_runs` is over how many runs they are stated; `is_aggregate` marks a mean over several
    configurations; `stated_ms` holds all its statistics by result column. `platform` is what the source says about the
    hardware beside the record; records of one platform share one object. `sequence_length` is in tokens. `device_name` is the claimed device's own name, None where only
    its platform is claimed. `point` names model, claimed hardware and
    configuration.
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
    n_runs: int | None = None
    is_aggregate: bool = False
    stated_ms: Mapping[str, float] = field(default_factory=dict)
    platform: Mapping[str, Any] = field(default_factory=dict)
    sequence_length: int | None = None
    device_name: str | None = None

    # found once each: many rules ask for them
    @cached_property
    def mean_ms(self) -> float | None:
        """The mean of the samples, or as stated where there are none; the stated median where there is no mean."""
        if self.samples_ms:
            return sum(self.samples_ms) / len(self.samples_ms)
        return self.stated_mean_ms if self.stated_mean_ms is not None else self.stated_ms.get("latency_ms_p50")

    @cached_property
    def point(self) -> Hashable:
        """Model, claimed hardware and configuration."""
        return (self.model_id, self.claimed_hardware, self.batch_size, self.input_key)

    @cached_property
    def profile(self) -> Hashable:
        """The samples up to a common factor; None where they are too few to be a pattern."""
        samples = self.samples_ms
        if samples is None or len(samples) < FORMULA_POINTS or len(set(samples)) == 1:
            return None
        first = samples[0]
        return tuple([f"{sample / first:.9g}" for sample in samples])

    @cached_property
    def series(self) -> Hashable:
        """What the points of one series over the batch size have in common."""
        return (self.model_id, self.claimed_hardware, self.input_key)

    @cached_property
    def mean_digits(self) -> int | None:
        """Significant digits of the stated mean, without those that a change of unit adds: 1000 × 0.0023 has 2."""
        return None if self.stated_mean_ms is None else digits_without_blur(self.stated_mean_ms)

    @cached_property
    def n_precise_samples(self) -> int:
        """How many different samples have the digits of a clock."""
        return sum(digits_without_blur(sample) >= FULL_PRECISION_DIGITS for sample in set(self.samples_ms or ()))


@dataclass(frozen=True)
class FileEvidence:
    """The evidence of every number of a file, indexed for the rules that compare numbers with each other."""

    members: tuple[Evidence, ...]
    by_profile: dict[Hashable, set[Hashable]] = field(init=False)
    by_constant: dict[float, set[Hashable]] = field(init=False)
    by_series: dict[Hashable, dict[int, float]] = field(init=False)
    fastest_by_platform: dict[Hashable, float] = field(init=False)
    _found: dict[Hashable, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        profiles: dict[Hashable, set[Hashable]] = defaultdict(set)
        constants: dict[float, set[Hashable]] = defaultdict(set)
        series: dict[Hashable, dict[int, float]] = defaultdict(dict)
        fastest: dict[Hashable, float] = {}
        for member in self.members:
            if member.profile is not None:
                profiles[member.profile].add(member.point)
            if not member.samples_ms and member.stated_mean_ms is not None:
                constants[member.stated_mean_ms].add(member.point)
            if member.batch_size is not None and member.mean_ms is not None:
                series[member.series][member.batch_size] = member.mean_ms
            if member.platform and member.mean_ms is not None:
                key = id(member.platform)
                fastest[key] = min(member.mean_ms, fastest.get(key, member.mean_ms))
        object.__setattr__(self, "fastest_by_platform", fastest)
        object.__setattr__(self, "by_profile", dict(profiles))
        object.__setattr__(self, "by_constant", dict(constants))
        object.__setattr__(self, "by_series", dict(series))

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """The answer to a question about an object of the file, found once for all the records it belongs to."""
        if question not in self._found:
            self._found[question] = answer()
        found: T = self._found[question]
        return found

    def on_platform(self, evidence: Evidence, question: str, answer: Callable[[], str | None]) -> str | None:
        """The answer to a question about a record's platform, found once for all its records."""
        return self.once((id(evidence.platform), question), answer)
