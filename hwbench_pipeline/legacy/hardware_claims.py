"""Which hardware really ran a number: what the source claims, held against the evidence in the same file.

Belongs here: names of hardware, and the tests that prove or disprove a claim. Does not belong here: whether the
number itself was measured (`provenance`). A claim that is neither proven nor disproved gives no hardware.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number

_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("cpu", re.compile(r"cpu(?::\d+)?")),
    ("cuda", re.compile(r"cuda(?::\d+)?")),
    ("rocm", re.compile(r"rocm|hip|amd rocm")),
    ("mps", re.compile(r"mps(?::\d+)?|apple mps|apple")),
    ("openvino", re.compile(r"openvino")),
    ("webnn", re.compile(r"webnn")),
    ("webgpu", re.compile(r"webgpu")),
    ("wasm", re.compile(r"wasm")),
    ("qualcomm", re.compile(r"qualcomm|qnn")),
)
_DEVICE_MEMORY_KEY = re.compile(r"(?:max_)?(?:cuda_|gpu_)?memory_(?:allocated|reserved)(?:_mb|_gb|_bytes)?")

SAME_DEVICE_RATIO = (0.8, 1.25)
LEAST_RATIOS = 3
LEAST_SHARE_WITHIN = 0.8
SHARED_LOAD_TOLERANCE = 0.02
NO_LOAD_SHARE = 0.01


@dataclass(frozen=True)
class Attempt:
    """One record as far as its hardware is concerned.

    `run` and `model` group what one process did; `point` is the configuration; `mean_ms` is None for a failure and
    for numbers that were not measured. `own` is the record's JSON object.
    """

    run: Hashable
    model: str | None
    claimed: str | None
    recorded_device: str | None
    point: Hashable
    mean_ms: float | None
    is_failure: bool
    is_simulated: bool
    load_s: float | None
    own: Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """The hardware that ran an attempt (None: not known) and, where the claim is not simply taken, why.

    `is_load` is False where the stated load time is that of an object which was loaded already.
    """

    hardware: str | None
    reason: str | None = None
    is_load: bool = True


def hardware_key(name: str | None) -> str | None:
    """The key of a hardware name: `CUDA:0` is cuda, `QNN` is qualcomm; other names in lower case; None for none."""
    if name is None or not name.strip():
        return None
    lowered = name.strip().lower()
    return next((key for key, pattern in _NAMES if pattern.fullmatch(lowered)), lowered)


def settle_hardware(attempts: Sequence[Attempt]) -> list[Finding]:
    """The hardware of every attempt of a file, in their order.

    A claim of the CPU is taken: nothing falls back to something faster. Any other claim needs the device's own word
    (memory allocated there, or the device the run read back); it is disproved where the timings and load times are
    those of the CPU row beside it.
    """
    by_model: dict[Hashable, list[Attempt]] = defaultdict(list)
    by_run: dict[Hashable, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_model[(attempt.run, attempt.model)].append(attempt)
        by_run[attempt.run].append(attempt)
    disproofs: dict[Hashable, str | None] = {}
    findings = []
    for attempt in attempts:
        key = (attempt.run, attempt.model, attempt.claimed)
        if key not in disproofs:
            siblings = by_model[(attempt.run, attempt.model)]
            disproofs[key] = _disproof(attempt, siblings, by_run[attempt.run])
        findings.append(_finding(attempt, by_model[(attempt.run, attempt.model)], disproofs[key]))
    return findings


def _finding(attempt: Attempt, siblings: Sequence[Attempt], disproof: str | None) -> Finding:
    claimed = attempt.claimed
    if claimed is None:
        return Finding(None, "the source names no hardware")
    device = hardware_key(attempt.recorded_device)
    if attempt.is_simulated:
        return Finding(claimed)
    is_load = not _is_reused_object(attempt, siblings)
    if claimed == "cpu":
        if device not in (None, "cpu"):
            return Finding(None, f"the source claims cpu, its device field says {attempt.recorded_device}")
        return Finding("cpu", is_load=is_load)
    if device == "cpu":
        return Finding("cpu", f"ran on the CPU: the source claims {claimed}, its device field says cpu", is_load)
    allocated = _device_memory(attempt.own)
    if allocated is not None and device in (None, claimed):
        return Finding(claimed, f"{claimed} is proven by {allocated}", is_load)
    if disproof is not None:
        return Finding(None if attempt.is_failure else "cpu", disproof, is_load)
    if attempt.is_failure:
        return Finding(claimed)  # nothing ran: the platform it was tried on
    return Finding(
        None,
        f"hardware not known: {claimed} is claimed, but nothing in the file proves it (no memory allocated on the "
        "device) and no CPU row disproves it",
        is_load,
    )


def _device_memory(own: Mapping[str, Any]) -> str | None:
    for key, value in own.items():
        number = finite_number(value)
        if _DEVICE_MEMORY_KEY.fullmatch(key) and number is not None and number > 0:
            return f"{key} = {number:g}"
    return None


def _disproof(attempt: Attempt, siblings: Sequence[Attempt], run: Sequence[Attempt]) -> str | None:
    """Why a claim other than the CPU is false, None where that is not proven."""
    claimed = attempt.claimed
    if claimed in (None, "cpu") or any(_device_memory(other.own) for other in siblings if other.claimed == claimed):
        return None
    load = _load_evidence(claimed, siblings)
    if attempt.is_failure:
        return f"hardware not known: {claimed} is claimed, but {load}" if load else None
    ratios = list(_ratios_to_cpu(claimed, siblings))
    scope = "this model"
    if len(ratios) < LEAST_RATIOS:
        ratios, scope = list(_ratios_to_cpu(claimed, run)), "this run"
    if len(ratios) < LEAST_RATIOS or load is None:
        return None
    low, high = SAME_DEVICE_RATIO
    median = statistics.median(ratios)
    within = sum(low <= ratio <= high for ratio in ratios)
    if not low <= median <= high or within < LEAST_SHARE_WITHIN * len(ratios):
        return None
    return (
        f"ran on the CPU, not on {claimed}: over {len(ratios)} configurations of {scope} its latency is "
        f"{median:.3f} times that of the cpu row (median), {load}, and no memory was allocated on a device"
    )


def _ratios_to_cpu(claimed: str | None, attempts: Sequence[Attempt]) -> Iterator[float]:
    cpu = {
        (attempt.model, attempt.point): attempt.mean_ms
        for attempt in attempts
        if attempt.claimed == "cpu" and attempt.mean_ms is not None
    }
    for attempt in attempts:
        base = cpu.get((attempt.model, attempt.point))
        if attempt.claimed == claimed and attempt.mean_ms is not None and base is not None:
            yield attempt.mean_ms / base


def _load_evidence(claimed: str | None, siblings: Sequence[Attempt]) -> str | None:
    """What the load times say against a claim: one load shared with the CPU row, or none at all."""
    own = next((other.load_s for other in siblings if other.claimed == claimed and other.load_s), None)
    cpu = next((other.load_s for other in siblings if other.claimed == "cpu" and other.load_s), None)
    if own is None or cpu is None:
        return None
    if min(own, cpu) < NO_LOAD_SHARE * max(own, cpu):
        return f"one loaded model was reused for both ({own:.3g} s, and {cpu:.3g} s for the cpu row)"
    if abs(own - cpu) <= SHARED_LOAD_TOLERANCE * cpu:
        return f"its load is the one of the cpu row ({own:.4g} s and {cpu:.4g} s)"
    return None


def _is_reused_object(attempt: Attempt, siblings: Sequence[Attempt]) -> bool:
    longest = max((other.load_s for other in siblings if other.load_s), default=None)
    return attempt.load_s is not None and longest is not None and attempt.load_s < NO_LOAD_SHARE * longest
