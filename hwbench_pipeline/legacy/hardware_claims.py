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
# Devices by the words of their makers and product families, CPUs first: `Ryzen 7 with Radeon Graphics` is one.
_CPU_FAMILY = re.compile(
    r"\b(?:xeon|pentium|celeron|epyc|ryzen|threadripper|opteron|athlon|graviton\d*|neoverse|cortex-?a\d+|ampere altra)\b"
    r"|\bcore(?:\(tm\))?(?: ultra)? [im3579]|\bgrace cpu\b|\b(?:intel|amd|arm|apple)\b.*\bcpu\b",
    re.IGNORECASE,
)
_GRAPHICS_OF_CPU = re.compile(r"\b(?:with|w/) (?:amd )?radeon\b.*", re.IGNORECASE)
_DEVICE_FAMILIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "cuda",
        re.compile(
            r"\b(?:nvidia|geforce|quadro|jetson)\b|\btesla [kmptv]\d{1,4}|\btitan (?:xp?|v|rtx)\b|\b[rg]tx ?a?\d{3,4}"
            # alone only what is no percentile, batch or layer: not p100, b200 or l4
            r"|^(?:k80|t4|v100s?|a(?:10g|40|100|800|[2-6]000)|h(?:100|200|800)|l40s?|gb[23]00)"
            r"(?:[ -](?:sxm\d?|pcie|nvl|\d+ ?gb))*$",
            re.IGNORECASE,
        ),
    ),
    ("rocm", re.compile(r"\b(?:instinct|radeon|firepro)\b|^(?:amd )?mi\d{2,3}[axp]?$", re.IGNORECASE)),
    ("mps", re.compile(r"^(?:apple m\d+|m\d+ (?:pro|max|ultra))\b", re.IGNORECASE)),
)
_LONGEST_DEVICE_NAME = 120
_KEYS = frozenset(key for key, _ in _NAMES)
_DEVICE_MEMORY_KEY = re.compile(r"(?:max_)?(?:cuda_|gpu_)?memory_(?:allocated|reserved)(?:_mb|_gb|_bytes)?")
_HAVE_ALLOCATORS = frozenset({"cuda", "rocm"})
"""Where torch has an allocator of its own, whose word a claim can be held against; elsewhere it is the host's memory."""

# What a run says of the devices that torch finds, and where it says it.
_AVAILABILITY = frozenset(
    {"cuda_available", "is_cuda_available", "torch_cuda_is_available", "gpu_available", "has_cuda"}
)
_DEVICE_COUNTS = frozenset({"device_count", "cuda_device_count", "gpu_count", "num_gpus", "n_gpus", "cuda_devices"})
_OF_THE_SYSTEM = frozenset(
    {
        "system_info",
        "system",
        "environment",
        "env",
        "hardware",
        "hardware_info",
        "hardware_details",
        "capabilities",
        "platform_info",
        "device_info",
        "versions",
        "libraries",
        "software",
        "run",
        "run_info",
        "run_config",
    }
)
_OF_THE_FILE = frozenset({"metadata", "meta", "info"})
_TORCH_VERSIONS = frozenset({"torch_version", "pytorch_version", "torch", "pytorch"})
_HOSTS = ("hostname", "host", "host_name", "machine", "node")
_HOST_KEYS = frozenset(_HOSTS)
_DEVICE_STATEMENTS = _AVAILABILITY | _DEVICE_COUNTS | _TORCH_VERSIONS
_CPU_BUILD = re.compile(r"\d[\w.]*\+cpu(?:[.\w]*)")

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
    """The key of a hardware name: `CUDA:0` and `Tesla T4` are cuda; other names in lower case; None for none."""
    if name is None or not name.strip():
        return None
    lowered = name.strip().lower()
    return _platform_of(lowered) or device_platform(name) or lowered


def _platform_of(lowered: str) -> str | None:
    """The platform of its own name, also as ONNX Runtime calls it: `cudaexecutionprovider`."""
    plain = lowered.removesuffix("executionprovider")
    return next((key for key, pattern in _NAMES if pattern.fullmatch(plain)), None)


@lru_cache(maxsize=4096)
def device_platform(name: str) -> str | None:
    """The platform of a device by its own name, `Tesla T4` or `Intel(R) Xeon(R) CPU @ 2.20GHz`; None for other names.

    A name of several devices on different platforms is of none.
    """
    if len(name) > _LONGEST_DEVICE_NAME:
        return None
    plain = " ".join(re.sub(r"\((?:r|tm|c)\)|[®™_]", " ", name, flags=re.IGNORECASE).split())
    is_cpu = _CPU_FAMILY.search(plain) is not None
    if is_cpu:
        plain = _GRAPHICS_OF_CPU.sub("", plain)
    found = [key for key, pattern in _DEVICE_FAMILIES if pattern.search(plain)]
    return (["cpu"] * is_cpu + found)[0] if len(found) + is_cpu == 1 else None


@lru_cache(maxsize=4096)
def device_name_of(claimed: str | None) -> str | None:
    """The claimed device's own name where the claim gives one, None where it names a platform only."""
    if claimed is None or _platform_of(claimed.strip().lower()) is not None:
        return None
    return claimed.strip() if device_platform(claimed) is not None else None


@lru_cache(maxsize=4096)
def requested_hardware(claimed: str | None) -> str | None:
    """A claim as the results hold it: the key of what is known here, else the name as it was written."""
    key = hardware_key(claimed)
    return key if claimed is None or key is None or is_known_platform(key) else claimed.strip()


def is_known_platform(key: str) -> bool:
    """Whether a hardware key is that of a platform known here, so that it can be said to have run something."""
    return key in _KEYS


@lru_cache(maxsize=4096)
def is_hardware_name(name: str) -> bool:
    """Whether a word is a name of hardware known here, in any letter case: `cuda`, `QNN`, not `linux`."""
    return _platform_of(name.strip().lower()) is not None


class _Siblings:
    """Attempts that are held against each other, with what is asked of them for each one found once."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self._of_claim: dict[str | None, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            self._of_claim[attempt.claimed].append(attempt)
        self._cpu_ms = {
            (attempt.model, attempt.point): attempt.mean_ms
            for attempt in self._of_claim.get("cpu", ())
            if attempt.mean_ms is not None
        }
        self._ratios: dict[str | None, list[float]] = {}
        self.has_cpu = "cpu" in self._of_claim
        self.longest_load_s = max((attempt.load_s for attempt in attempts if attempt.load_s), default=None)

    def ratios_to_cpu(self, claimed: str | None) -> list[float]:
        """The times of a claim over those of the CPU, of the configurations that both have."""
        if claimed not in self._ratios:
            self._ratios[claimed] = [
                attempt.mean_ms / base
                for attempt in self._of_claim.get(claimed, ())
                if attempt.mean_ms is not None
                and (base := self._cpu_ms.get((attempt.model, attempt.point))) is not None
            ]
        return self._ratios[claimed]

    def load_s(self, claimed: str | None) -> float | None:
        """The first load time of a claim."""
        return next((attempt.load_s for attempt in self._of_claim.get(claimed, ()) if attempt.load_s), None)

    def has_device_memory(self, claimed: str | None) -> bool:
        """Whether an attempt of a claim says that memory was allocated on its device."""
        return any(_device_memory(attempt.own) for attempt in self._of_claim.get(claimed, ()))


def settle_hardware(attempts: Sequence[Attempt]) -> list[Finding]:
    """The hardware of every attempt of a file, in their order.

    A claim of the CPU is taken: nothing falls back to something faster. Any other claim needs the device's own word
    (memory allocated there, or a run that states the device it used beside a probe that found one); it is disproved where
    the timings and load times are those of the CPU row beside it, or its run says that there is no such device. What a
    remote service ran on is not known.
    """
    of_model: dict[Hashable, list[Attempt]] = defaultdict(list)
    of_run: dict[Hashable, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        of_model[(attempt.run, attempt.model)].append(attempt)
        of_run[attempt.run].append(attempt)
    by_model = {key: _Siblings(found) for key, found in of_model.items()}
    by_run = {key: _Siblings(found) for key, found in of_run.items()}
    disproofs: dict[Hashable, str | None] = {}
    findings = []
    for attempt in attempts:
        key = (attempt.run, attempt.model, attempt.claimed)
        if key not in disproofs:
            siblings = by_model[(attempt.run, attempt.model)]
            disproofs[key] = _disproof(attempt, siblings, by_run[attempt.run])
        findings.append(_finding(attempt, by_model[(attempt.run, attempt.model)], disproofs[key]))
    return findings


def _finding(attempt: Attempt, siblings: _Siblings, disproof: str | None) -> Finding:
    claimed = attempt.claimed
    if claimed is None:
        return Finding(None, "the source names no hardware")
    device = hardware_key(attempt.recorded_device)
    if is_remote(claimed):
        if attempt.is_simulated:
            return Finding(None)
        return Finding(None, "hardware not known: a remote service ran it and says nothing about its machines")
    if attempt.is_simulated:
        return Finding(claimed if is_known_platform(claimed) else None)
    if not is_known_platform(claimed) and device != "cpu":
        return Finding(None, f"hardware not known: the name {claimed[:80]!r} is of no platform known here")
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
    absent = _absence(attempt)
    if absent is not None:
        ran = attempt.mean_ms is not None
        return Finding(
            "cpu" if ran else None,
            f"{'ran on the CPU' if ran else 'hardware not known'}, not on {claimed}: its run states {absent}",
            is_load,
        )
    probed = _probed_device(attempt, siblings)
    if probed is not None:
        return Finding(claimed, f"{claimed} is proven: {probed}", is_load)
    return Finding(
        None,
        f"hardware not known: {claimed} is claimed, but nothing in the file proves it (no memory allocated on the "
        f"device) and {_cpu_rows_beside(attempt, siblings)}",
        is_load,
    )


def _cpu_rows_beside(attempt: Attempt, siblings: _Siblings) -> str:
    """In words, what the CPU rows of the same model and configurations say, where that disproves nothing."""
    if not siblings.has_cpu:
        return "no CPU row stands beside it"
    ratios = siblings.ratios_to_cpu(attempt.claimed)
    if not ratios:
        return "the CPU row beside it has no measured time of the same configuration to compare with"
    median, low = statistics.median(ratios), SAME_DEVICE_RATIO[0]
    compared = f"{median:.3f} times that of the CPU row beside it (median of {len(ratios)})"
    if low <= median:
        return f"its latency, {compared}, speaks against it without disproving it"
    return f"its latency, {compared}, does not disprove it"


def _absence(attempt: Attempt) -> str | None:
    """What the record's own run says that leaves no device for a claim of torch's accelerators.

    The nearest object that speaks of it counts. What is said of another host says nothing about this run.
    """
    if attempt.claimed not in _HAVE_ALLOCATORS:
        return None
    host: str | None = None
    for around in (attempt.own, *attempt.enclosing):
        blocks = [around, *_blocks_in(around, _OF_THE_SYSTEM)]
        host = host or next((name for block in blocks if (name := _host_of(block)) is not None), None)
        of_this_host = [block for block in blocks if _host_of(block) in (None, host)]
        # a file's metadata may be of who wrote the file
        of_this_host += [block for block in _blocks_in(around, _OF_THE_FILE) if _host_of(block) in (None, host)]
        if _host_of(around) not in (None, host):
            continue
        said = [statement for block in of_this_host for statement in _statements(block, attempt.claimed)]
        if said:
            return None if any(is_there for _, is_there in said) else said[0][0]
    return None


def _blocks_in(around: Mapping[str, Any], names: frozenset[str]) -> list[Mapping[str, Any]]:
    return [value for key, value in around.items() if isinstance(value, dict) and key.lower() in names]


def _host_of(block: Mapping[str, Any]) -> str | None:
    if _HOST_KEYS.isdisjoint(block):
        return None
    return next((name for field in _HOSTS if (name := text(block.get(field))) is not None), None)


def _statements(block: Mapping[str, Any], claimed: str) -> Iterator[tuple[str, bool]]:
    """What an object says about the devices that torch finds: in words, and whether there are any."""
    # most objects speak of something else
    if (_DEVICE_STATEMENTS | {claimed}).isdisjoint(map(str.lower, block)):
        return
    for key, value in block.items():
        if value is None or isinstance(value, dict):
            continue
        lowered = key.lower()
        if isinstance(value, bool) and (lowered in _AVAILABILITY or lowered == claimed):
            yield f"{key} is {str(value).lower()}", value
        elif lowered in _DEVICE_COUNTS:
            count = len(value) if isinstance(value, list) else finite_number(value)
            if count is not None:
                yield f"{key} is {count:g}", count > 0
        elif lowered in _TORCH_VERSIONS and isinstance(value, str) and _CPU_BUILD.fullmatch(value.strip()):
            yield f"{key} {value.strip()[:40]}, a build for the CPU alone", False


def is_remote(claimed: str | None) -> bool:
    """Whether a claim is that of a remote service."""
    return claimed is not None and claimed.partition(":")[0] == REMOTE


def _probed_device(attempt: Attempt, siblings: _Siblings) -> str | None:
    """That a measured run states the claimed device and the same file holds a probe that found such devices.

    A CPU row beside it must be slower; frameworks raise an error for a device that is not there, so a success on a
    device that the probe found ran there.
    """
    if attempt.mean_ms is None or hardware_key(attempt.recorded_device) != attempt.claimed or attempt.claimed is None:
        return None
    found = next((said for around in attempt.enclosing if (said := _probe_in(around, attempt.claimed))), None)
    ratios = siblings.ratios_to_cpu(attempt.claimed)
    if found is None or (slowest := max(ratios, default=0.0)) > FASTER_THAN_CPU:
        return None
    compared = f", and it took at most {slowest:.3f} times the cpu row's time" if ratios else ""
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
        if _is_device_memory(key) and (number := finite_number(value)) is not None and number > 0:
            return f"{key} = {number:g}"
    return None


@lru_cache(maxsize=4096)
def _is_device_memory(key: str) -> bool:
    return _DEVICE_MEMORY_KEY.fullmatch(key) is not None


def _disproof(attempt: Attempt, siblings: _Siblings, run: _Siblings) -> str | None:
    """Why a claim other than the CPU is false, None where that is not proven."""
    claimed = attempt.claimed
    if claimed in (None, "cpu"):
        return None
    if claimed in _HAVE_ALLOCATORS and siblings.has_device_memory(claimed):
        return None
    load = _load_evidence(claimed, siblings)
    if attempt.is_failure:
        return f"hardware not known: {claimed} is claimed, but {load}" if load else None
    ratios, scope = siblings.ratios_to_cpu(claimed), "this model"
    if len(ratios) < LEAST_RATIOS:
        ratios, scope = run.ratios_to_cpu(claimed), "this run"
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


def _load_evidence(claimed: str | None, siblings: _Siblings) -> str | None:
    """What the load times say against a claim: one load shared with the CPU row, or none at all."""
    own, cpu = siblings.load_s(claimed), siblings.load_s("cpu")
    if own is None or cpu is None:
        return None
    if min(own, cpu) < NO_LOAD_SHARE * max(own, cpu):
        return f"one loaded model was reused for both ({own:.3g} s, and {cpu:.3g} s for the cpu row)"
    if abs(own - cpu) <= SHARED_LOAD_TOLERANCE * cpu:
        return f"its load is the one of the cpu row ({own:.4g} s and {cpu:.4g} s)"
    return None


def _is_reused_object(attempt: Attempt, siblings: _Siblings) -> bool:
    if attempt.load_s is None:
        return False
    longest = siblings.longest_load_s
    return longest is not None and attempt.load_s < NO_LOAD_SHARE * longest
