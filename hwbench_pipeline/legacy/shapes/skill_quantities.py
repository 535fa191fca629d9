"""The numbers in one example of a skill test: which key holds which quantity, in which unit.

Belongs here: the keys these writers used for times, rates and memory, and which time is the latency where an example
has several. Does not belong here: which objects are examples (`skill_result`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import is_hardware_name
from hwbench_pipeline.legacy.json_values import positive_integer, positive_number
from hwbench_pipeline.legacy.records import MemoryStatement, Timing
from hwbench_pipeline.legacy.units import MemoryUnit, TimeUnit

# The latency is the first of these that an example holds: a mean before a single call, the call of the model before
# everything around it. Times without a unit in their name are seconds: all of these writers subtract time.time().
_LATENCIES: tuple[tuple[str, TimeUnit], ...] = (
    ("avg_latency_s", "s"),
    ("avg_latency_ms", "ms"),
    ("latency_ms", "ms"),
    ("mean_latency_ms", "ms"),
    ("mean_latency_s", "s"),
    ("latency_s", "s"),
    ("avg_inference_time_ms", "ms"),
    ("average_inference_time_ms", "ms"),
    ("inference_time_ms", "ms"),
    ("avg_time", "s"),
    ("average_time", "s"),
    ("mean_time", "s"),
    ("average_inference_time", "s"),
    ("avg_inference_time", "s"),
    ("inference_time", "s"),
    ("inference_time_seconds", "s"),
    ("inference_time_s", "s"),
    ("generation_time_seconds", "s"),
    ("generation_time_ms", "ms"),
    ("total_time", "s"),
    ("total_time_ms", "ms"),
    ("generation_time", "s"),
    ("elapsed_time", "s"),
    ("elapsed_time_seconds", "s"),
    ("elapsed_time_ms", "ms"),
    ("response_time", "s"),
    ("response_time_ms", "ms"),
    ("time_ms", "ms"),
    ("processing_time_ms", "ms"),
    ("processing_time", "s"),
    ("execution_time", "s"),
    ("execution_time_ms", "ms"),
)
_TOKEN_RATES = ("tokens_per_second", "tokens_per_s", "tokens_per_sec")
_ITEM_RATES = ("throughput_items_per_second", "items_per_second", "samples_per_second")
# Allocated or used, never reserved: an allocator reserves what no model needs.
_MEMORIES: tuple[tuple[str, MemoryUnit], ...] = (
    ("peak_memory_mb", "mb"),
    ("gpu_memory_mb", "mb"),
    ("gpu_memory_used_mb", "mb"),
    ("gpu_memory_allocated_mb", "mb"),
    ("memory_used_mb", "mb"),
    ("memory_allocated_mb", "mb"),
    ("memory_usage_mb", "mb"),
    ("memory_mb", "mb"),
    ("gpu_memory_allocated_gb", "gb"),
    ("memory_allocated_gb", "gb"),
)
_COUNTS = ("iterations", "num_runs", "n_runs", "num_iterations")
_BATCHES = ("batch_size",)
_LENGTHS = ("sequence_length", "seq_length", "seq_len")

_RANKS = {key: rank for rank, (key, _) in enumerate(_LATENCIES)}
_TIMES = frozenset(_RANKS)
_TIMES_AND_RATES = _TIMES.union(_TOKEN_RATES, _ITEM_RATES)
_WANTED = _TIMES_AND_RATES.union((key for key, _ in _MEMORIES), _COUNTS, _BATCHES, _LENGTHS)
_MEANS = frozenset(key for key in _TIMES if key.startswith(("avg_", "average_", "mean_")))

_NO_RESULTS = frozenset({"input", "inputs", "generation_config", "config", "parameters", "capabilities"})
_LARGEST_DEPTH = 3
_MOST_MEMBERS = 2000


class Quantities:
    """The quantities of one example, its own before those of the objects within it.

    `states_time` says whether it has a key for a time at all, whatever stands there.
    """

    def __init__(self, own: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = {}
        self._numbers: dict[str, float] = {}
        self.states_time = False
        for key, value in _members(own):
            name = quantity_name(key)
            if name in _WANTED:
                self.states_time |= name in _TIMES
                if name not in self._values and (number := positive_number(value)) is not None:
                    self._values[name] = value
                    self._numbers[name] = number
        self.is_timed = not _TIMES_AND_RATES.isdisjoint(self._values)
        """Whether there is a time or a rate above zero."""

    @cached_property
    def timing(self) -> Timing:
        """The latency and the rates; without a latency only the rates."""
        rank = min((_RANKS[name] for name in self._numbers if name in _RANKS), default=None)
        if rank is None:
            return Timing(declared_unit="s", throughput=self._rate(_ITEM_RATES), tokens_per_s=self._rate(_TOKEN_RATES))
        key, unit = _LATENCIES[rank]
        return Timing(
            declared_unit=unit,
            mean=self._numbers[key],
            n_samples=positive_integer(self._first(_COUNTS)) if key in _MEANS else None,
            throughput=self._rate(_ITEM_RATES),
            tokens_per_s=self._rate(_TOKEN_RATES),
        )

    def memory(self) -> MemoryStatement | None:
        """The memory that was allocated or used; None where none is stated."""
        for key, unit in _MEMORIES:
            if key in self._numbers:
                covers = f"{key} as the source states it; what it covers is not recorded"
                return MemoryStatement(self._numbers[key], covers, unit)
        return None

    def batch_size(self) -> int | None:
        """The stated batch size."""
        return positive_integer(self._first(_BATCHES))

    def sequence_length(self) -> int | None:
        """The stated sequence length in tokens."""
        return positive_integer(self._first(_LENGTHS))

    def _first(self, names: tuple[str, ...]) -> Any:
        for name in names:
            if name in self._values:
                return self._values[name]
        return None

    def _rate(self, names: tuple[str, ...]) -> float | None:
        for name in names:
            if name in self._numbers:
                return self._numbers[name]
        return None


@lru_cache(maxsize=4096)
def quantity_name(key: str) -> str:
    """A key in lower case without the hardware before it: `cuda_memory_used_mb` is memory_used_mb."""
    lowered = key.lower()
    if lowered in _WANTED:
        return lowered
    prefix, _, rest = lowered.partition("_")
    return rest if rest and is_hardware_name(prefix) else lowered


def latency_rank(name: str) -> int | None:
    """How early a quantity stands among the times that may be the latency; None for anything else."""
    return _RANKS.get(name)


def _members(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    level: list[Mapping[str, Any]] = [own]
    n_seen = 0
    for _ in range(_LARGEST_DEPTH):
        deeper: list[Mapping[str, Any]] = []
        for found in level:
            for key, value in found.items():
                n_seen += 1
                if n_seen > _MOST_MEMBERS:
                    return
                if isinstance(value, dict):
                    if key not in _NO_RESULTS:
                        deeper.append(value)
                else:
                    yield key, value
        level = deeper
