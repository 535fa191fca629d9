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
from functools import lru_cache
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, positive_integer, text

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
    ("samsung", re.compile(r"samsung")),
    ("mediatek", re.compile(r"mediatek")),
    ("xpu", re.compile(r"xpu(?::\d+)?")),
    ("tpu", re.compile(r"tpu(?::\d+)?")),
    ("directml", re.compile(r"directml|dml")),
)
_DEVICE_MEMORY_KEY = re.compile(r"(?:max_)?(?:cuda_|gpu_)?memory_(?:allocated|reserved)(?:_mb|_gb|_bytes)?")
_HAVE_ALLOCATORS = frozenset({"cuda", "rocm"})
"""Where torch has an allocator of its own, whose word a claim can be held against; elsewhere it is the host's memory."""

REMOTE = "remote"
"""The claim of a number that a remote service gave, alone or as `remote:<provider>`."""

SAME_DEVICE_RATIO = (0.8, 1.25)
SAME_MEAN_RATIO = (0.95, 1.05)
"""Means over many configurations average the noise away: on one device they agree within this."""
FASTER_THAN_CPU = 0.5
LEAST_RATIOS = 3
LEAST_SHARE_WITHIN = 0.8
SHARED_LOAD_TOLERANCE = 0.02
NO_LOAD_SHARE = 0.01


@dataclass(frozen=True)
class Attempt:
    """One record as far as its hardware is concerned.

    `run` and `model` group what one process did; `point` is the configuration; `mean_ms` is None for a failure and
    for numbers that were not measured. `own` is the record's JSON object, `enclosing` the
    objects around it. `is_aggregate` marks a mean over several configurations.
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
    enclosing: tuple[Mapping[str, Any], ...] = ()
    is_aggregate: bool = False


@dataclass(frozen=True)
class Finding:
    """The hardware that ran an attempt (None: not known) and, where the claim is not simply taken, why.

    `is_load` is False where the stated load time is that of an object which was loaded already.
    """

    hardware: str | None
    reason: str | None = None
    is_load: bool = True


@lru_cache(maxsize=4096)
def hardware_key(name: str | None) -> str | None:
    """The key of a hardware name: `CUDA:0` is cuda, `QNN` is qualcomm; other names in lower case; None for none."""
    if name is None or not name.strip():
        return None
    lowered = name.strip().lower()
    return next((key for key, pattern in _NAMES if pattern.fullmatch(lowered)), lowered)


@lru_cache(maxsize=4096)
def is_hardware_name(name: str) -> bool:
    """Whether a word is a name of hardware known here, in any letter case: `cuda`, `QNN`, not `linux`."""
    lowered = name.strip().lower()
    return any(pattern.fullmatch(lowered) for _, pattern in _NAMES)


def settle_hardware(attempts: Sequence[Attempt]) -> list[Finding]:
    """The hardware of every attempt of a file, in their order.

    A claim of the CPU is taken: nothing falls back to something faster. Any other claim needs the device's own word
    (memory allocated there, or a run that states the device it used beside a probe that found one); it is disproved where
    the timings and load times are those of the CPU row beside it. What a remote service ran on is not known.
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
    if is_remote(claimed):
        return Finding(None, "hardware not known: a remote service ran it and says nothing about its machines")
    is_load = not _is_reused_object(attempt, siblings)
    if claimed == "cpu":
        if device not in (None, "cpu"):
            return Finding(None, f"the source claims cpu, its device field says {attempt.recorded_device}")
        return Finding("cpu", is_load=is_load)
    if device == "cpu":
        return Finding("cpu", f"ran on the CPU: the source claims {claimed}, its device field says cpu", is_load)
    allocated = _device_memory(attempt.own) if claimed in _HAVE_ALLOCATORS else None
    if allocated is not None and device in (None, claimed):
        return Finding(claimed, f"{claimed} is proven by {allocated}", is_load)
    if disproof is not None:
        return Finding(None if attempt.is_failure else "cpu", disproof, is_load)
    if attempt.is_failure:
        return Finding(claimed)  # nothing ran: the platform it was tried on
    probed = _probed_device(attempt, siblings)
    if probed is not None:
        return Finding(claimed, f"{claimed} is proven: {probed}", is_load)
    return Finding(
        None,
        f"hardware not known: {claimed} is claimed, but nothing in the file proves it (no memory allocated on the "
        "device) and no CPU row disproves it",
        is_load,
    )


def is_remote(claimed: str | None) -> bool:
    """Whether a claim is that of a remote service."""
    return claimed is not None and claimed.partition(":")[0] == REMOTE


def _probed_device(attempt: Attempt, siblings: Sequence[Attempt]) -> str | None:
    """That a measured run states the claimed device and the same file holds a probe that found such devices.

    A CPU row beside it must be slower; frameworks raise an error for a device that is not there, so a success on a
    device that the probe found ran there.
    """
    if attempt.mean_ms is None or hardware_key(attempt.recorded_device) != attempt.claimed or attempt.claimed is None:
        return None
    found = next((said for around in attempt.enclosing if (said := _probe_in(around, attempt.claimed))), None)
    ratios = list(_ratios_to_cpu(attempt.claimed, siblings))
    if found is None or any(ratio > FASTER_THAN_CPU for ratio in ratios):
        return None
    compared = f", and it took at most {max(ratios):.3f} times the cpu row's time" if ratios else ""
    return f"the run states device {attempt.recorded_device}, the probe beside it found {found}{compared}"


def _probe_in(around: Mapping[str, Any], claimed: str) -> str | None:
    """What a block such as `hardware: {cuda: true, cuda_version: 12.4, cuda_devices: 1}` says about a device."""
    for name in ("hardware", "hardware_info", "capabilities"):
        block = around.get(name)
        for found in (block, block.get("capabilities")) if isinstance(block, dict) else ():
            if not isinstance(found, dict) or found.get(claimed) is not True:
                continue
            count, version = positive_integer(found.get(f"{claimed}_devices")), text(found.get(f"{claimed}_version"))
            if count is not None and version is not None:
                return f"{claimed} {version} with {count} device(s)"
    return None


def _device_memory(own: Mapping[str, Any]) -> str | None:
    for key, value in own.items():
        number = finite_number(value)
        if _DEVICE_MEMORY_KEY.fullmatch(key) and number is not None and number > 0:
            return f"{key} = {number:g}"
    return None


def _disproof(attempt: Attempt, siblings: Sequence[Attempt], run: Sequence[Attempt]) -> str | None:
    """Why a claim other than the CPU is false, None where that is not proven."""
    claimed = attempt.claimed
    if claimed in (None, "cpu"):
        return None
    if claimed in _HAVE_ALLOCATORS and any(_device_memory(other.own) for other in siblings if other.claimed == claimed):
        return None
    load = _load_evidence(claimed, siblings)
    if attempt.is_failure:
        return f"hardware not known: {claimed} is claimed, but {load}" if load else None
    ratios = list(_ratios_to_cpu(claimed, siblings))
    scope = "this model"
    if len(ratios) < LEAST_RATIOS:
        ratios, scope = list(_ratios_to_cpu(claimed, run)), "this run"
    if load is None and attempt.is_aggregate:
        return _same_means(claimed, ratios)
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


def _same_means(claimed: str | None, ratios: Sequence[float]) -> str | None:
    """What means over configurations say alone: a device of its own is not as fast as the CPU for every model."""
    low, high = SAME_MEAN_RATIO
    if len(ratios) < LEAST_RATIOS or not all(low <= ratio <= high for ratio in ratios):
        return None
    return (
        f"ran on the CPU, not on {claimed}: for each of {len(ratios)} models its mean over all configurations is "
        f"{min(ratios):.3f} to {max(ratios):.3f} times that of the cpu row"
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
    if attempt.load_s is None:
        return False
    longest = max((other.load_s for other in siblings if other.load_s), default=None)
    return longest is not None and attempt.load_s < NO_LOAD_SHARE * longest
