"""One skill result: what a test of one model on several platforms wrote about them, in its two forms.

Flat: keys that begin with the platform (`cpu_init`, `cuda_output_example`, `cpu_similarity_time`) beside `metadata`.
Structured: such keys in `status`, timed calls in `examples`, and `metadata`. Belongs here: which objects in it are timed
calls, and what speaks about their platform. Does not belong here: files that nest such results (`skill_files`), or
which key holds which quantity (`skill_quantities`).

One record per timed call. What repeats a call (`cuda_total_time`, `cuda_metrics`, `cuda_transcription`, an entry of
`examples` that stands under its own key too) is no second record; the time of the whole run is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from hwbench_pipeline.legacy.configuration import Configuration
from hwbench_pipeline.legacy.hardware_claims import hardware_key, is_hardware_name
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.legacy.records import Record, Unreadable
from hwbench_pipeline.legacy.shapes.skill_quantities import Quantities, latency_rank, quantity_name

_EXAMPLE_KEY = re.compile(r"(?:^|_)(?:example|benchmark)(?:_\d+)?$")
_STATUS_KEY = re.compile(r"(?:^|_)(?:init|handler|tests|endpoint_type|implementation_type|example|benchmark)$")
_SCALAR_TIME = re.compile(r"(?P<what>\w+)_time(?:_ms|_s|_seconds)?")
_NOT_OF_A_CALL = re.compile(
    r"(?:^|_)(?:load|loading|init|initialization|setup|compile|compilation|warmup|download)(?:_|$)"
)
_MODEL_KEYS = ("model_name", "test_model", "model_id", "model")
_TIME_STAMP_KEYS = ("test_timestamp", "timestamp", "test_date")
_SPEAKS_ABOUT_FILE = re.compile(r"mock|simulat|implementation|endpoint|environment", re.IGNORECASE)
_OPERATING_SYSTEM = re.compile(r"(?:linux|windows|darwin|macos|mac os|posix|nt)\b.*", re.IGNORECASE)
_PARTS_OF_CALL = frozenset({"preprocess", "preprocessing", "postprocess", "postprocessing", "first_token"})
_AFTER_ALL_TIMES = 1_000_000


@dataclass(frozen=True)
class SkillPlace:
    """A skill result and where it stands.

    `containers` are the objects whose keys begin with a platform, each with its pointer and, where the object belongs
    to one platform alone, that platform's name. `names` are what the content around it calls the model, the nearest
    first; `around` the objects around it that speak about the whole run.
    """

    pointer: tuple[str, ...]
    content: Mapping[str, Any]
    containers: tuple[tuple[tuple[str, ...], Mapping[str, Any], str | None], ...]
    names: tuple[Any, ...] = ()
    around: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class _Call:
    """Something that may be a timed call: its object, its platform as written, and its numbers."""

    pointer: tuple[str, ...]
    own: Mapping[str, Any]
    hardware: str | None
    quantities: Quantities


@dataclass
class _Platforms:
    """What a result says about each platform, by hardware key."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, hardware: str, key: str, value: Any) -> None:
        of_hardware = self.entries.setdefault(hardware_key(hardware) or "", {})
        while key in of_hardware:
            key = f"{key}_"
        of_hardware[key] = value

    def of(self, hardware: str | None) -> Mapping[str, Any]:
        return self.entries.setdefault(hardware_key(hardware) or "", {})


def place_of(
    content: Mapping[str, Any],
    pointer: tuple[str, ...] = (),
    names: tuple[Any, ...] = (),
    around: tuple[Mapping[str, Any], ...] = (),
) -> SkillPlace:
    """The place of a skill result in its flat or structured form."""
    containers: list[tuple[tuple[str, ...], Mapping[str, Any], str | None]] = [(pointer, content, None)]
    status = content.get("status")
    if isinstance(status, dict):
        containers.append(((*pointer, "status"), status, None))
    return SkillPlace(pointer, content, tuple(containers), names, around)


def is_skill_result(value: Any) -> bool:
    """Whether a value is a skill result in either form; looks at structure only."""
    return is_structured(value) or is_flat(value)


def is_structured(value: Any) -> bool:
    """Whether a value has `examples` of platforms, or a `status` by platform beside `examples`, a model or metadata."""
    if not isinstance(value, dict):
        return False
    status, examples = value.get("status"), value.get("examples")
    if isinstance(examples, list) and any(_is_example_of_platform(example) for example in examples):
        return True
    beside = isinstance(examples, list) or isinstance(value.get("metadata"), dict) or "model_name" in value
    return beside and isinstance(status, dict) and any(_hardware_of_key(key) is not None for key in status)


def is_flat(value: Any) -> bool:
    """Whether a value has several keys that begin with a platform, one of which says how it went there."""
    if not isinstance(value, dict):
        return False
    of_platforms = [key for key in value if _hardware_of_key(key) is not None]
    return len(of_platforms) > 1 and any(_STATUS_KEY.search(key) for key in of_platforms)


def _is_example_of_platform(example: Any) -> bool:
    return isinstance(example, dict) and text(example.get("platform")) is not None and "timestamp" in example


def records_of(place: SkillPlace) -> Iterator[Record | Unreadable]:
    """The records of one skill result: one per timed call, and per call that states an error instead."""
    platforms = _platforms_of(place)
    enclosing = tuple(view for around in (place.content, *place.around) if (view := _file_view(around)))
    model_id = model_name(place)
    stamp = _run_stamp(place)
    calls = list(_calls(place))
    timed = {hardware_key(call.hardware) for call in calls if call.quantities.is_timed}
    for call in (*calls, *_loose_times(place, timed)):
        yield _record(call, platforms.of(call.hardware), enclosing, model_id, stamp)


def model_name(place: SkillPlace) -> str | None:
    """The model as the result names it, else as what is around it does; None for `Unknown` and no name."""
    metadata = place.content.get("metadata")
    sources = (metadata if isinstance(metadata, dict) else {}, place.content)
    stated = [source.get(key) for source in sources for key in _MODEL_KEYS]
    for name in (*stated, *place.names):
        found = text(name)
        if found is not None and found.lower() != "unknown":
            return found
    return None


@lru_cache(maxsize=4096)
def _is_example_key(key: str) -> bool:
    return _EXAMPLE_KEY.search(key) is not None


@lru_cache(maxsize=4096)
def _speaks_about_file(key: str) -> bool:
    return _SPEAKS_ABOUT_FILE.search(key) is not None and _hardware_of_key(key) is None


@lru_cache(maxsize=4096)
def _hardware_of_key(key: str) -> str | None:
    """The platform a key begins with, as written there."""
    prefix = key.partition("_")[0]
    return prefix if is_hardware_name(prefix) else None


def _hardware_of_call(own: Mapping[str, Any], otherwise: str | None) -> str | None:
    for key in ("platform", "hardware", "device"):
        stated = text(own.get(key))
        if stated is not None and not _OPERATING_SYSTEM.fullmatch(stated):
            if key == "device" and otherwise is not None:
                break
            return stated
    return otherwise


def _calls(place: SkillPlace) -> Iterator[_Call]:
    """Every call that has a number or an error: under its own key, or in a list of examples."""
    for pointer, container, hardware in place.containers:
        examples = container.get("examples")
        examples = examples if isinstance(examples, list) else []
        stamps: set[tuple[str, str]] = set()
        for key, value in container.items():
            of_key = _hardware_of_key(key) or hardware
            if of_key is not None and isinstance(value, dict) and _is_example_key(key):
                call = _Call((*pointer, key), value, _hardware_of_call(value, of_key), Quantities(value))
                if _is_attempt(call):
                    if examples:
                        stamps.add(_signature(call))
                    yield call
        for position, value in enumerate(examples):
            if not isinstance(value, dict):
                continue
            of_call = _hardware_of_call(value, hardware)
            call = _Call((*pointer, "examples", str(position)), value, of_call, Quantities(value))
            if _is_attempt(call) and not (stamps and _signature(call) in stamps):
                yield call


def _is_attempt(call: _Call) -> bool:
    return call.quantities.is_timed or call.quantities.states_time or text(call.own.get("error")) is not None


def _signature(call: _Call) -> tuple[str, str]:
    """What a repeated example has in common with the one it repeats."""
    return repr(call.own.get("timestamp")), repr(call.quantities.timing)


def _loose_times(place: SkillPlace, timed: set[str | None]) -> Iterator[_Call]:
    """Times that stand alone: those of a named step, and those of platforms without any timed call."""
    for pointer, container, of_container in place.containers:
        repeated = {_step_of(key) for key in container if _is_example_key(key)}
        whole: dict[str, tuple[int, _Call]] = {}
        for key, value in container.items():
            if isinstance(value, str) or (not isinstance(value, dict) and positive_number(value) is None):
                continue
            hardware = _hardware_of_key(key) or of_container
            if hardware is None:
                continue
            name = hardware_key(hardware) or hardware
            if isinstance(value, dict):
                if name in timed or _is_example_key(key) or key == "capabilities":
                    continue
                call = _Call((*pointer, key), value, hardware, Quantities(value))
                if call.quantities.is_timed:
                    whole.setdefault(name, (_AFTER_ALL_TIMES, call))
                continue
            quantity = quantity_name(key)
            rank = latency_rank(quantity)
            call = _Call((*pointer, key), {key: value}, hardware, Quantities({_as_elapsed(quantity): value}))
            if rank is not None:
                if name not in timed and (name not in whole or rank < whole[name][0]):
                    whole[name] = (rank, call)
            elif _is_step_time(quantity) and _step_of(key) not in repeated:
                yield call
        yield from (call for _, call in whole.values())


def _is_step_time(quantity: str) -> bool:
    step = _SCALAR_TIME.fullmatch(quantity)
    return step is not None and not _NOT_OF_A_CALL.search(step["what"]) and step["what"] not in _PARTS_OF_CALL


def _step_of(key: str) -> str:
    return re.sub(r"_(?:example|benchmark)$|_time(?:_ms|_s|_seconds)?$", "", key)


def _as_elapsed(quantity: str) -> str:
    """The name under which a loose time is read: its own where it has a known one, else its unit's."""
    if latency_rank(quantity) is not None:
        return quantity
    return "elapsed_time_ms" if quantity.endswith("_ms") else "elapsed_time"


def _record(
    call: _Call,
    platform: Mapping[str, Any],
    enclosing: tuple[Mapping[str, Any], ...],
    model_id: str | None,
    stamp: Any,
) -> Record | Unreadable:
    error = text(call.own.get("error"))
    if not call.quantities.is_timed and error is None:
        return Unreadable(call.pointer, "the time it states is no number above zero")
    failed = not call.quantities.is_timed
    return Record(
        pointer=call.pointer,
        model_id=model_id,
        claimed_hardware=call.hardware,
        own=call.own,
        enclosing=enclosing,
        platform=platform,
        configuration=Configuration(
            batch_size=call.quantities.batch_size(), sequence_length=call.quantities.sequence_length()
        ),
        timing=None if failed else call.quantities.timing,
        failure=failure_of(error, call.own.get("status")) if failed else None,
        recorded_device=text(call.own.get("device")) or text(call.own.get("cuda_device")),
        memory=None if failed else call.quantities.memory(),
        started_at=call.own.get("timestamp", stamp),
        mode="inference",
    )


def _run_stamp(place: SkillPlace) -> Any:
    metadata = place.content.get("metadata")
    for source in (metadata if isinstance(metadata, dict) else {}, place.content, *place.around):
        for key in _TIME_STAMP_KEYS:
            if source.get(key) is not None:
                return source[key]
    return None


def _platforms_of(place: SkillPlace) -> _Platforms:
    """What the keys of a platform, and the platform's entries in `status` and `platform_status`, say about it."""
    platforms = _Platforms()
    for _, container, of_container in place.containers:
        for key, value in container.items():
            hardware = _hardware_of_key(key) or of_container
            if hardware is not None:
                platforms.add(hardware, key, value)
        examples = container.get("examples")
        for position, value in enumerate(examples if isinstance(examples, list) else ()):
            hardware = _hardware_of_call(value, of_container) if isinstance(value, dict) else None
            if hardware is not None:
                platforms.add(hardware, f"examples/{position}", value)
    metadata = place.content.get("metadata")
    for source in (metadata if isinstance(metadata, dict) else {}, place.content, *place.around):
        status = source.get("platform_status")
        for key, value in status.items() if isinstance(status, dict) else ():
            hardware = _hardware_of_key(key)
            if hardware is not None:
                platforms.add(hardware, key, value)
    return platforms


def _file_view(around: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an object around the calls says about all of them: nothing of single platforms, nothing of inputs."""
    view = {
        key: value for key, value in around.items() if not isinstance(value, (dict, list)) and _speaks_about_file(key)
    }
    metadata = around.get("metadata")
    if isinstance(metadata, dict):
        view |= {
            key: value
            for key, value in metadata.items()
            if not isinstance(value, (dict, list)) and _hardware_of_key(key) is None
        }
    for source in (metadata if isinstance(metadata, dict) else {}, around):
        if isinstance(source.get("simulated_hardware"), list):
            view["simulated_hardware"] = source["simulated_hardware"]
    return view
