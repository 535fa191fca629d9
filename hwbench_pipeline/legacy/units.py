"""Units of old numbers, decided by cross-checks: the name of a field does not fix its unit.

Belongs here: seconds or milliseconds, decimal or binary megabytes, and the checks that decide. Does not belong
here: which field holds what (`shapes/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TimeUnit = Literal["s", "ms", "us", "ns"]
MemoryUnit = Literal["mb", "gb", "bytes", "kb", "kib", "mib", "gib"]

MS_PER: dict[TimeUnit, float] = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_NS_PER: dict[TimeUnit, int] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_WRITTEN_DIGITS = 12
"""Numbers that people and their programs round have fewer digits, differences of clock readings have more."""
_BLUR_OF_A_PRODUCT = 4e-16
THROUGHPUT_TOLERANCE = 0.05
BYTES_PER_MB = 1e6
_BYTES_PER_BINARY: dict[MemoryUnit, int] = {"kib": 2**10, "mib": 2**20, "gib": 2**30}
_PAGES_PER_MIB = 256  # pages of 4 KiB
_PAGES_PER_GIB = 2**18
_DECIMALS_OF_A_FRACTION = 3


def converted(time: float, unit: TimeUnit, to: TimeUnit) -> float:
    """A time in another unit, with the digits of the source where these are the same time: 0.0312345 s is 31.2345 ms.

    A product alone would add digits that nobody wrote: 31.234499999999997.
    """
    per, per_target = _NS_PER[unit], _NS_PER[to]
    if per == per_target:
        return time
    exact = time * (per // per_target) if per > per_target else time / (per_target // per)
    short = float(f"{exact:.{_WRITTEN_DIGITS}g}")
    return short if abs(short - exact) <= _BLUR_OF_A_PRODUCT * exact else exact


@dataclass(frozen=True)
class LatencyObservation:
    """A latency in an unknown unit beside the throughput (items/s) and batch size stated with it."""

    latency: float | None
    throughput: float | None
    batch_size: int | None

    @property
    def is_checkable(self) -> bool:
        """Whether throughput = batch size / latency can be checked."""
        return bool(self.latency and self.throughput and self.batch_size)


def unit_by_throughput(observation: LatencyObservation) -> TimeUnit | None:
    """The unit in which throughput = batch size / latency holds within 5 %; None if in neither, or not checkable."""
    if not (observation.latency and observation.throughput and observation.batch_size):
        return None
    units: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")
    for unit in units:
        expected = observation.batch_size / (observation.latency * MS_PER[unit] / 1000)
        if abs(observation.throughput - expected) <= THROUGHPUT_TOLERANCE * expected:
            return unit
    return None


def decide_time_unit(proven: Sequence[TimeUnit], declared: TimeUnit, *, n_records: int) -> TimeUnit:
    """The unit of those of a file's `n_records` latencies whose own throughput proves none.

    That which the throughputs of the others prove, else the one declared for the shape. Proofs of several units, or of another
    unit than the declared one for fewer than half of the records, prove nothing about the rest: the throughput of the one record
    that disagrees may be what is in another unit.
    """
    units = set(proven)
    if len(units) != 1:
        return declared
    (unit,) = units
    return unit if unit == declared or 2 * len(proven) >= n_records else declared


@dataclass(frozen=True)
class Memory:
    """An amount of memory in MB (1e6 bytes) and how its unit was decided."""

    mb: float
    unit_evidence: str


def memory_from_mb(stated: float) -> Memory:
    """Memory stated as "mb": binary where it is a whole number of 4 KiB pages only as MiB, else as stated."""
    if _is_whole_pages(stated, _PAGES_PER_MIB):
        return Memory(stated * 2**20 / BYTES_PER_MB, "a whole number of 4 KiB pages as MiB")
    return Memory(stated, "taken as MB, nothing in the file decides between MB and MiB")


def memory_from_gb(stated: float) -> Memory:
    """Memory stated as "gb": binary where it is a whole number of 4 KiB pages only as GiB, else as stated."""
    if _is_whole_pages(stated, _PAGES_PER_GIB):
        return Memory(stated * 2**30 / BYTES_PER_MB, "a whole number of 4 KiB pages as GiB")
    return Memory(stated * 1e9 / BYTES_PER_MB, "taken as GB, nothing in the file decides between GB and GiB")


def memory_of(stated: float, unit: MemoryUnit) -> Memory:
    """Memory in MB (1e6 bytes) from an amount in the source's unit."""
    if unit == "mb":
        return memory_from_mb(stated)
    if unit == "gb":
        return memory_from_gb(stated)
    if unit in _BYTES_PER_BINARY:
        return Memory(stated * _BYTES_PER_BINARY[unit] / BYTES_PER_MB, "stated in binary units")
    if unit == "kb":
        return Memory(stated * 1000 / BYTES_PER_MB, "taken as kB, nothing in the file decides between kB and KiB")
    return Memory(stated / BYTES_PER_MB, "bytes")


def _is_whole_pages(stated: float, pages_per_unit: int) -> bool:
    """True for a fraction that only whole pages explain; a whole or short decimal number fits both units."""
    decimals = len(repr(stated).partition(".")[2])
    return decimals >= _DECIMALS_OF_A_FRACTION and (stated * pages_per_unit).is_integer()
