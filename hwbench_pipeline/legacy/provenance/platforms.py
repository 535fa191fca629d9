"""What a source says of a number through its platform: how the platform started, its other calls, its output texts.

Belongs here: evidence beside a record, on the same hardware in the same result, and in the texts that a call gave back.
Does not belong here: marks on the record itself (`markers`) and patterns between values (`fingerprints`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from hwbench_pipeline.legacy.json_values import digits_without_blur, finite_number, positive_number
from hwbench_pipeline.legacy.provenance import markers
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence
from hwbench_pipeline.legacy.provenance.fingerprints import TYPED_IN_DIGITS
from hwbench_pipeline.legacy.provenance.plausibility import FASTEST_CALL_MS

LEAST_MODEL_MB = 1.0
"""The weights of the smallest models people run (bert-tiny: 17 MB in fp32, 4 MB in 8 bit) are above this."""
_SLEEPS_MS = (50.0, 100.0, 200.0, 250.0, 500.0, 1000.0, 2000.0)
_SLEEP_OVERSHOOT_MS = (0.04, 1.0)
"""`time.sleep(0.1)` returns 0.05 to 0.9 ms late."""
_STARTS_PLATFORM = re.compile(r"(?:^|_)(?:init|initialization|initialisation|load)_?$", re.IGNORECASE)
_FAILED_START = re.compile(r"\W*(?:fail|error|could not|cannot|unable)", re.IGNORECASE)
_CALL_TIME = re.compile(
    r"(?:^|_)(?:generation|inference|total|elapsed|processing|preprocess|preprocessing|forward|decode|execution)_time"
    r"(?:_ms|_s|_seconds)?$|(?:^|_)latency(?:_ms|_s)?$"
)
_DEVICE_MEMORY = re.compile(
    r"(?:^|_)(?:(?:gpu|cuda|device)_memory(?:_allocated|_used)?|memory_(?:allocated|used))(?P<unit>_mb|_gb|_bytes)?$"
)
_MB_PER = {"_mb": 1.0, "_gb": 1000.0, "_bytes": 1e-6, None: 1000.0}
"""Without a unit only what is too little in the largest one is too little."""
_STAND_IN_MODEL = re.compile(
    r"\s*::.*::\s*|(?:.*[\W_])?(?:stub|mock|mocked|dummy|fake|simulated)(?:[\W_].*)?", re.IGNORECASE | re.DOTALL
)

Members = Iterable[tuple[str, Any]]


def platform_is_mock(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A label or a text of the record's platform says that a stand-in ran there."""
    found = _marks_on_platform(evidence, file_evidence)
    return None if found is None else found.mock or found.mock_output


def platform_is_simulated(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A flag, a label or a text of the record's platform says that it was simulated."""
    found = _marks_on_platform(evidence, file_evidence)
    return None if found is None else found.simulated or found.simulated_output


def start_failed(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """The platform did not start, so what answered was not the model on it."""
    return _asked_once(evidence, file_evidence, "start", _failed_start)


def _failed_start(members: Members) -> str | None:
    for key, value in members:
        if isinstance(value, str) and _STARTS_PLATFORM.search(key) and _FAILED_START.match(value):
            return f"{key} is {value.strip()[:80]!r}"
    return None


def stand_in_model(evidence: Evidence, _: FileEvidence) -> str | None:
    """The model's own name says that it is a stand-in."""
    name = evidence.model_id
    return f"model {name[:80]!r}" if name is not None and _STAND_IN_MODEL.fullmatch(name[:200]) else None


def other_time_is_typed_in(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """Another time of the same single call has so few digits that a person typed it."""
    if evidence.samples_ms or evidence.stated_mean_ms is None or not evidence.platform:
        return None
    beside = _asked_once(evidence, file_evidence, "typed in", _typed_in_time)
    return _typed_in_time(markers.members_within(evidence.own)) or beside


def _typed_in_time(members: Members) -> str | None:
    for key, value in members:
        number = positive_number(value)
        if number is not None and _CALL_TIME.search(key.lower()) and digits_without_blur(number) <= TYPED_IN_DIGITS:
            return f"{key} is {number:g}"
    return None


def sleeps(evidence: Evidence, _: FileEvidence) -> str | None:
    """A single time lies as far above a round one as a sleeping process wakes up late."""
    mean = evidence.stated_mean_ms
    if evidence.samples_ms or mean is None or not evidence.platform:
        return None
    low, high = _SLEEP_OVERSHOOT_MS
    slept = next((sleep for sleep in _SLEEPS_MS if low <= mean - sleep <= high), None)
    return None if slept is None else f"{mean:.6g} ms is sleep({slept / 1000:g}) and the delay of waking up"


def nothing_on_device(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """An accelerator is claimed, and the memory allocated on it holds no model."""
    if evidence.claimed_hardware not in ("cuda", "rocm"):
        return None
    beside = _asked_once(evidence, file_evidence, "memory", _too_little_memory)
    found = _too_little_memory(markers.members_within(evidence.own)) or beside
    return None if found is None else f"{evidence.claimed_hardware} is claimed, but {found}"


def _too_little_memory(members: Members) -> str | None:
    for key, value in members:
        number = finite_number(value)
        found = None if number is None else _DEVICE_MEMORY.search(key.lower())
        if found and number is not None and 0 <= number * _MB_PER[found["unit"]] < LEAST_MODEL_MB:
            return f"{key} is {number:g}"
    return None


def other_call_too_fast(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """Another call on the same platform was shorter than any call of a model."""
    fastest = file_evidence.fastest_by_platform.get(id(evidence.platform)) if evidence.platform else None
    if fastest is None or fastest >= FASTEST_CALL_MS:
        return None
    return f"another call there took {fastest:.3g} ms"


def _asked_once(
    evidence: Evidence, file_evidence: FileEvidence, question: str, find: Callable[[Members], str | None]
) -> str | None:
    """What stands alone beside the record on its platform, asked once for all records there."""
    if not evidence.platform:
        return None
    return file_evidence.on_platform(evidence, question, lambda: find(evidence.platform.items()))


def _marks_on_platform(evidence: Evidence, file_evidence: FileEvidence) -> markers.Marks | None:
    """The marks of everything on the record's platform, also of what its objects hold."""
    platform = evidence.platform
    if not platform:
        return None
    return file_evidence.once((id(platform), "marks"), lambda: markers.marks_in(markers.members_within(platform)))
