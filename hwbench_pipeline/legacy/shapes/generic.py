"""Documents of shapes that nobody wrote a module for: JSON of any form, and tables of results.

A record is an object that states a latency, a throughput or used memory in a unit that is certain, and whose model and
hardware are named by it or around it. What states such a quantity and lacks one of these is put aside with what was
seen; nothing is guessed. Belongs here: finding records and failed attempts in any document. Does not belong here: the
vocabulary (`quantity_names`, `identities`) or shapes that are known. It is asked last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, NamedTuple, cast

from hwbench_pipeline.legacy.configuration import Configuration
from hwbench_pipeline.legacy.hardware_claims import device_platform
from hwbench_pipeline.legacy.identities import (
    OUTCOME_FIELDS,
    backend_in,
    configuration_in,
    configuration_of_key,
    descriptions_in,
    failure_in,
    fields_of,
    hardware_in,
    has_error_text,
    has_numbered_identity,
    is_description,
    is_platform,
    mode_in,
    model_in,
    model_of_key,
    precision_in,
    precision_of_key,
    repeats_in,
    states_call,
    time_in,
    warmup_in,
)
from hwbench_pipeline.legacy.json_values import pointer_text, positive_number
from hwbench_pipeline.legacy.provenance.markers import describes_whole, is_remark
from hwbench_pipeline.legacy.quantities import (
    Quantity,
    is_peak,
    is_vocabulary,
    may_be_capacity,
    may_hold_quantity,
    pivots_in,
    quantities_in,
    split_table_in,
    timed_statistics,
    unnamed_statistics,
)
from hwbench_pipeline.legacy.quantity_names import is_plain_place, words_of
from hwbench_pipeline.legacy.records import MemoryStatement, Record, Shape, Timing, Unreadable
from hwbench_pipeline.legacy.resemblance import is_result_object
from hwbench_pipeline.legacy.shapes.asked_once import once
from hwbench_pipeline.legacy.units import (
    MS_PER,
    LatencyObservation,
    MemoryUnit,
    TimeUnit,
    converted,
    memory_of,
    unit_by_throughput,
)

_MEMORY_COVERS = "as the source names it; what it covers is not recorded"
_PROCESS_FIELDS = frozenset({"return_code", "returncode", "exit_code"})
_PHASE_WORDS = frozenset({"load", "loading", "warmup", "compile", "compilation", "init", "startup", "first", "setup"})
_SCENARIOS = frozenset({"forward", "prefill", "decode", "generate"})
_AGGREGATE_WORDS = frozenset({"summary", "aggregate", "aggregated", "aggregates", "averages", "overall"})
# Objects under such keys say what should be, not what was.
_DEMAND_WORDS = frozenset(
    {"requirement", "requirements", "limit", "limits", "threshold", "thresholds", "target", "targets", "budget"}
    | {"budgets", "constraints", "expected", "expectations", "policy", "sla", "slo", "defaults", "recommended"}
)
# What describes a published model; several of them beside a number make it a claim about the model, not a run.
_CATALOGUE_FIELDS = frozenset(
    {"downloads", "likes", "license", "tags", "author", "pipeline_tag", "library_name", "gated", "private", "languages"}
)
_LEAST_CATALOGUE_FIELDS = 3
_SAME = 1e-3
_QUANTITIES_IN_REASON = 5
_QUANTITIES_IN_NOTE = 20
_MOST_LABELS = 200
_ROWS_TO_JUDGE = 20
_MOST_REMARKS = 20


class _Place(NamedTuple):
    """An object or list of the document, the key it has in the one around it, and that one."""

    value: Any
    key: str
    around: _Place | None

    @property
    def pointer(self) -> tuple[str, ...]:
        keys: list[str] = []
        place: _Place | None = self
        while place is not None and place.around is not None:
            keys.append(place.key)
            place = place.around
        return tuple(reversed(keys))


@dataclass(frozen=True)
class _Remark:
    """A place with numbers that are no record, and why; `is_faint` where they alone do not make a document results."""

    pointer: tuple[str, ...]
    said: str
    is_faint: bool = False


_ONCE_KINDS = ("load", "compile", "first_call")
_RATE_KINDS = frozenset({"items", "tokens", "rate"})
_TELLING_KINDS = frozenset({"latency", "items", "tokens", "rate", "first_token", "output_token"})
_INFERENCE_WORDS = frozenset(
    {"inference", "inferences", "infer", "forward", "prefill", "decode", "generation", "generate", "generated"}
    | {"serve", "serving", "ttft", "tpot", "itl"}
)
# a loss is what evaluating a model gives too
_TRAINING_WORDS = frozenset({"train", "training", "backward", "optimizer", "finetune", "finetuning"})
_DESCRIBING_FIELDS = frozenset(
    {"scenario", "phase", "type", "test", "test_name", "benchmark", "benchmark_name", "metric", "operation"}
)
# Of several calls at a time the throughput is not one batch over one latency.
_CONCURRENCY_WORDS = frozenset(
    {"concurrency", "concurrent", "clients", "workers", "streams", "num_threads", "parallel"}
)
_CALL_WORDS = frozenset({"request", "requests", "query", "queries", "qps", "rps", "step", "steps", "batches", "calls"})

_Outcome = Record | Unreadable | _Remark


@dataclass(frozen=True)
class _Identity:
    """What is known of the run at a place: by its own fields, the blocks and objects around it, and their keys."""

    model: str | None
    hardware: str | None
    device: str | None
    configuration: Configuration
    precision: str | None
    backend: str | None
    mode: str | None
    started_at: Any
    n_samples: int | None
    n_warmup: int | None
    is_aggregate: bool


def is_table(document: Any) -> bool:
    """Whether a document is a list of flat rows, or an object of such lists only."""
    if isinstance(document, dict):
        return bool(document) and all(isinstance(rows, list) and _are_rows(rows) for rows in document.values())
    return isinstance(document, list) and bool(document) and _are_rows(document)


def _are_rows(rows: Sequence[Any]) -> bool:
    return all(
        isinstance(row, dict) and not any(isinstance(cell, dict) for cell in row.values())
        for row in rows[:_ROWS_TO_JUDGE]
    )


def _recognises_table(document: Any) -> bool:
    return is_table(document) and recognises(document)


def recognises(document: Any) -> bool:
    """True where anything in the document may be a result: a quantity, also one of zero, or a failed attempt."""
    return any(not (isinstance(outcome, _Remark) and outcome.is_faint) for outcome in _all_outcomes(document))


def read(document: Any) -> Iterator[Record | Unreadable]:
    """The records, and the places that may be records and lack something."""
    for outcome in _settled(document):
        if not isinstance(outcome, _Remark):
            yield outcome


def remarks(document: Any) -> list[str]:
    """What holds numbers and is no record; places with the same remark are counted together."""
    said: dict[str, list[tuple[str, ...]]] = {}
    for outcome in _settled(document):
        if isinstance(outcome, _Remark):
            said.setdefault(outcome.said, []).append(outcome.pointer)
    return [
        f"{pointer_text(pointers[0]) or 'the document'}{f' and {len(pointers) - 1} more places' if pointers[1:] else ''}: {why}"
        for why, pointers in said.items()
    ]


def _settled(document: Any) -> list[_Outcome]:
    """The outcomes of a document, without what repeats another of its records."""
    outcomes = _all_outcomes(document)
    records = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    originals = {}
    timed = set()
    for record in records:
        if "is_aggregate" not in record.flags and record.timing is not None:
            originals[_fact(record)] = record.pointer
            timed.add((record.model_id, record.claimed_hardware))
    settled: list[_Outcome] = []
    for outcome in outcomes:
        if isinstance(outcome, Record) and "is_aggregate" in outcome.flags and _fact(outcome) in originals:
            said = f"repeats {pointer_text(originals[_fact(outcome)])}"
            settled.append(_Remark(outcome.pointer, said))
        elif (
            isinstance(outcome, Record)
            and outcome.timing is None
            and outcome.failure is None
            and (outcome.model_id, outcome.claimed_hardware) in timed
        ):
            settled.append(_Remark(outcome.pointer, "memory apart from the times of its run"))
        else:
            settled.append(outcome)
    return settled


def _fact(record: Record) -> tuple[Any, ...]:
    timing = record.timing
    if timing is None:
        return (record.model_id, record.claimed_hardware, None)
    time = timing.mean or timing.p50
    value = timing.throughput or timing.tokens_per_s if time is None else time * MS_PER[timing.declared_unit]
    return (record.model_id, record.claimed_hardware, None if value is None else f"{value:.6g}")


def _all_outcomes(document: Any) -> list[_Outcome]:
    return once("outcomes", document, lambda asked: list(_outcomes(asked)))


def _outcomes(document: Any) -> Iterator[_Outcome]:
    survey = _Survey(document)
    waiting = [_Place(document, "", None)]
    while waiting:
        place = waiting.pop()
        value = place.value
        if isinstance(value, list):
            inner_places = [
                _Place(inner, str(position), place)
                for position, inner in enumerate(value)
                if isinstance(inner, (dict, list)) and inner
            ]
            waiting += reversed(inner_places)
            if inner_places and len(inner_places) < len(value):
                yield from survey.no_objects_among(place)
            continue
        if not isinstance(value, dict) or is_vocabulary(value):
            continue
        # most objects hold nothing of the kind: known from their keys, each of which is taken apart once
        holds_any = may_hold_quantity(value)
        quantities, groups = quantities_in(value) if holds_any else ([], frozenset())
        if quantities and _PROCESS_FIELDS.isdisjoint(value):
            yield from survey.outcomes_of(place, quantities)
        elif not OUTCOME_FIELDS.isdisjoint(value):
            yield from list(survey.failed_attempt(place, [])) or survey.without_quantity(place)
        elif holds_any and (unnamed := unnamed_statistics(value)):
            yield Unreadable(place.pointer, f"saw {', '.join(unnamed)[:120]} of a quantity that nothing names")
        elif holds_any and (timed := timed_statistics(value)) and survey.is_named(place):
            yield Unreadable(place.pointer, f"saw {', '.join(timed)[:120]} of a quantity that nothing names")
        elif place.around is not None:
            yield from survey.without_quantity(place)
        for key in pivots_in(value, groups) if holds_any else ():
            numbers = ", ".join(str(name)[:40] for name in list(value[key])[:_QUANTITIES_IN_REASON])
            yield Unreadable(
                (*place.pointer, key), f"saw numbers by {numbers}; what these keys stand for is not certain"
            )
        if (split := split_table_in(value)) is not None:
            rows, columns = split
            saw = ", ".join(column[:40] for column in columns[:_QUANTITIES_IN_REASON])
            yield Unreadable(
                (*place.pointer, rows),
                f"saw the columns {saw} over {len(value[rows])} rows of cells; expected one object per row. "
                'Fix: write it as rows of named fields (pandas: orient="records")',
            )
        waiting += [
            _Place(inner, key, place)
            for key, inner in reversed(value.items())
            if isinstance(inner, (dict, list)) and inner and key not in groups
        ]


class _Survey:
    """One pass over a document: what is known of the objects around its records, each looked at once."""

    def __init__(self, document: Any) -> None:
        self._fields: dict[int, dict[str, Any]] = {}
        self._descriptions: dict[int, list[dict[str, Any]]] = {}
        self._labels: dict[int, dict[str, Any]] = {}
        self._holds_results: dict[int, bool] = {}
        self._used_memory: dict[tuple[int, tuple[str, ...]], bool] = {}
        self._remarks: dict[int, list[Mapping[str, Any]]] = {}
        self._rows_by_key = _primary_keys(document)
        self._document = document

    def outcomes_of(self, place: _Place, quantities: Sequence[Quantity]) -> Iterator[_Outcome]:
        """What the quantities of an object are: records, something to put aside, or nothing."""
        stated = [quantity for quantity in quantities if quantity.is_stated]
        own = self._fields_of(place.value)
        if not stated:
            found = list(self.failed_attempt(place, quantities))
            yield from found or self._unusable(place, quantities)
            return
        if not any(_is_telling(quantity) for quantity in stated) and not self._states_own_memory(place, stated):
            # its times may be those of the attempt until it failed
            yield from list(self.failed_attempt(place, [])) or self._elapsed(place, stated)
            return
        if any(not _DEMAND_WORDS.isdisjoint(words_of(key)) for key in place.pointer):
            yield _Remark(place.pointer, "says what is demanded, not what was measured")
            return
        if not _PHASE_WORDS.isdisjoint(words_of(place.key)) and place.around is not None:
            yield _Remark(place.pointer, "a phase before the model runs steadily")
            return
        identity = self._identity(place)
        is_memory_only = not any(_is_telling(quantity) and quantity.kind != "memory" for quantity in stated)
        stated = self._without_capacities(place, stated)
        if is_memory_only and (identity.model is None or identity.hardware is None or _memory(stated) is None):
            yield from self._memory_of_unknown(place, stated, identity)
            return
        if identity.hardware is None and self._describes_model(place):
            yield _Remark(place.pointer, "describes a published model; what its numbers were measured on is not said")
            return
        if self._is_detail(place):
            yield _Remark(place.pointer, "details a record of another table")
            return
        yield from self._records(place, own, stated, identity, [q for q in quantities if q.unusable])

    def is_named(self, place: _Place) -> bool:
        """Whether a model and its hardware are named at a place or around it."""
        identity = self._identity(place)
        return identity.model is not None and identity.hardware is not None

    def _states_own_memory(self, place: _Place, stated: Sequence[Quantity]) -> bool:
        """Whether an object that itself names a model and hardware states memory, which is then that of its run.

        A block about a machine names no model, or its hardware in the model's place.
        """
        if not any(quantity.kind == "memory" and quantity.unit is not None for quantity in stated):
            return False
        fields = self._fields_of(place.value)
        model = model_in(fields)
        is_model = model is not None and not is_platform(model) and device_platform(model) is None
        return is_model and hardware_in(fields)[0] is not None

    def _without_capacities(self, place: _Place, stated: Sequence[Quantity]) -> list[Quantity]:
        """The quantities, those of memory marked as used where the same field of another row can be no capacity."""
        rows = None if place.around is None else place.around.value
        if not isinstance(rows, list):
            return list(stated)
        return [
            replace(quantity, is_used=True)
            if quantity.kind == "memory" and may_be_capacity(quantity) and self._is_used_memory(rows, quantity.path)
            else quantity
            for quantity in stated
        ]

    def _is_used_memory(self, rows: Sequence[Any], path: tuple[str, ...]) -> bool:
        """Whether a field of some rows holds amounts of memory that no device has as its capacity."""
        key = (id(rows), path)
        if key not in self._used_memory:
            self._used_memory[key] = len(path) == 1 and any(
                quantity.path == path and quantity.number is not None and not may_be_capacity(quantity)
                for row in rows
                if isinstance(row, dict) and path[0] in row
                for quantity in quantities_in({path[0]: row[path[0]]})[0]
            )
        return self._used_memory[key]

    def _memory_of_unknown(self, place: _Place, stated: Sequence[Quantity], identity: _Identity) -> Iterator[_Outcome]:
        """Used memory without model, hardware or one certain amount: put aside where a model is named, else remarked."""
        used = [quantity for quantity in stated if quantity.kind == "memory"]
        if used and all(map(may_be_capacity, used)) and not any(map(is_peak, used)):
            said = "whether that much was used, or is what the device has, is not certain"
            yield Unreadable(place.pointer, f"{_saw(used, identity)}; {said}")
        elif used and identity.model is not None:
            yield Unreadable(place.pointer, f"{_saw(used, identity)}; memory alone is no result without the rest")
        elif used:
            said = f"{_saw(used, identity)}; memory alone is no result without the rest"
            yield _Remark(place.pointer, said, is_faint=True)

    def _elapsed(self, place: _Place, stated: Sequence[Quantity]) -> Iterator[_Outcome]:
        """Numbers that need not be those of one call: put aside where a model and its hardware are named, or where
        they may well be a latency, else remarked."""
        timed = [
            quantity for quantity in stated if quantity.kind in ("elapsed", "foretold") and quantity.unit is not None
        ]
        if not timed:
            if any(quantity.kind == "no_column" for quantity in stated):
                identity = self._identity(place)
                if identity.model is not None and identity.hardware is not None:
                    yield _Remark(place.pointer, f"{_saw(stated, identity)}; the results have no column for it")
            return
        identity = self._identity(place)
        is_named = identity.model is not None and identity.hardware is not None
        said = "a time that need not be one call of the model"
        if any(quantity.kind == "foretold" for quantity in timed):
            said = "a number that its own name calls foretold or simulated"
        if is_named or (identity.model is not None and is_result_object(place.value)):
            yield Unreadable(place.pointer, f"{_saw(timed, identity)}; {said}")
        else:
            yield _Remark(place.pointer, f"{_saw(timed, identity)}; {said}", is_faint=True)

    def _unusable(self, place: _Place, quantities: Sequence[Quantity]) -> Iterator[_Outcome]:
        """What names a model, its hardware and a quantity, with something in the number's place that is none."""
        unusable = [quantity for quantity in quantities if quantity.unusable and quantity.kind in _TELLING_KINDS]
        telling = [q for q in quantities if q.kind in _TELLING_KINDS or (q.kind == "memory" and is_peak(q))]
        if not telling:
            return
        identity = self._identity(place)
        is_named = identity.model is not None and identity.hardware is not None
        shown = telling if is_named else unusable
        if not shown:
            if any(quantity.is_zero for quantity in telling):
                yield _Remark(place.pointer, "every quantity is zero: nothing was measured")
            return
        saw = ", ".join(f"{'.'.join(q.path)[:80]}={q.unusable or q.absent or 0}" for q in shown[:_QUANTITIES_IN_REASON])
        said = f"no number above zero: saw {saw}; {_named(identity)}"
        if any(map(_has_comma, unusable)):
            said += f"; {_COMMA}"
        if identity.model is not None:
            yield Unreadable(place.pointer, said)
        else:
            yield _Remark(place.pointer, said)

    def without_quantity(self, place: _Place) -> Iterator[_Outcome]:
        """What stands among records and names its model, but states nothing that could be measured."""
        if place.around is None or not isinstance(place.around.value, list) or not self._is_among_results(place):
            return
        if model_in(self._fields_of(place.value)) is not None:
            identity = self._identity(place)
            if identity.hardware is not None:
                yield Unreadable(place.pointer, f"no number above zero: saw none at all; {_named(identity)}")

    def no_objects_among(self, place: _Place) -> Iterator[_Outcome]:
        """The members of a list of records that are no objects."""
        rows = place.value
        if not isinstance(rows[0], dict) and not any(isinstance(row, dict) for row in rows[:_ROWS_TO_JUDGE]):
            return
        strays = [position for position, row in enumerate(rows) if not isinstance(row, (dict, list))]
        if strays and self._hold_results(rows):
            for position in strays:
                said = f"saw {repr(rows[position])[:40]} in a list of records; expected an object"
                yield Unreadable((*place.pointer, str(position)), said)

    def failed_attempt(self, place: _Place, quantities: Sequence[Quantity]) -> Iterator[_Outcome]:
        """A record of a failure, where an object without a number is certainly a benchmark that was tried."""
        own = self._fields_of(place.value)
        failure = failure_in(own)
        # a status alone is also what an index of runs has
        is_attempt = bool(quantities) or (states_call(own) and has_error_text(own))
        if failure is not None and not is_attempt:
            # nothing runs out of memory but what ran
            is_attempt = failure.status == "out_of_memory" or self._is_among_results(place)
        if failure is not None and is_attempt:
            identity = self._identity(place)
            if identity.model is not None and identity.hardware is not None:
                identity = self._with_mode(identity, place, quantities)
                yield self._record(place, place.pointer, place.value, identity, failure=failure)

    def _records(
        self,
        place: _Place,
        own: Mapping[str, Any],
        stated: Sequence[Quantity],
        identity: _Identity,
        unusable: Sequence[Quantity],
    ) -> Iterator[_Outcome]:
        saw = _saw(stated, identity)
        failure = failure_in(own)
        if failure is not None and has_error_text(own):
            yield Unreadable(place.pointer, f"{saw}; yet it reports an error: {failure.error_message[:120]}")
            return
        is_numbered = identity.model is None and identity.hardware is None and has_numbered_identity(own)
        by_hardware = _by_hardware(stated)
        identity = self._with_mode(identity, place, stated)
        if not is_numbered and (identity.model is None or (identity.hardware is None and not by_hardware)):
            yield Unreadable(place.pointer, saw)
            return
        if by_hardware:
            for key_hardware, members in by_hardware.items():
                numbers = _numbers(members, identity.configuration, is_concurrent=False)
                pointer = (*place.pointer, *members[0].path)
                if isinstance(numbers, str):
                    yield Unreadable(pointer, f"{saw}; {numbers}")
                else:
                    own_object = {member.path[0]: place.value[member.path[0]] for member in members}
                    yield self._record(
                        place, pointer, own_object, identity, numbers=numbers, hardware=key_hardware, around=place.value
                    )
            return
        bare = [quantity for quantity in stated if quantity.kind == "latency" and quantity.name.is_bare]
        if bare and not is_plain_place(place.key) and not self._names_run(place):
            yield Unreadable(place.pointer, f"{saw}; what the times of {place.key!r:.80} are times of is not certain")
            return
        is_concurrent = any(map(_says_concurrency, own))
        numbers = _numbers(stated, identity.configuration, is_concurrent=is_concurrent)
        if isinstance(numbers, str):
            yield Unreadable(place.pointer, f"{saw}; {numbers}")
            return
        if is_numbered:
            yield _Remark(place.pointer, "model and hardware are numbers of a database that is not here")
        if unusable:
            numbers = replace(numbers, notes=(*numbers.notes, *_unread(unusable)))
        yield self._record(place, place.pointer, place.value, identity, numbers=numbers)

    def _names_run(self, place: _Place) -> bool:
        """Whether the key of an object stands for a model, a platform, a precision or a configuration."""
        section = "" if place.around is None else place.around.key
        return (
            is_platform(place.key)
            or precision_of_key(place.key) is not None
            or model_of_key(place.key, section) is not None
            or configuration_of_key(place.key, section) != Configuration()
        )

    def _with_mode(self, identity: _Identity, place: _Place, stated: Sequence[Quantity]) -> _Identity:
        mode = identity.mode or self._mode_in_words(place, stated)
        return identity if mode == identity.mode else replace(identity, mode=mode)

    def _mode_in_words(self, place: _Place, stated: Sequence[Quantity]) -> str | None:
        """Inference or training, where the words of a record and of its keys speak of one of them only."""
        words: set[str] = set()
        for key, value in place.value.items():
            # a switch that is off and a name say nothing: `"training": false`, `"generation": "Ampere"`
            if (told := _words_of_mode(key)) and value is not False and isinstance(value, int | float | dict | list):
                words |= told
        for key in place.pointer:
            words.update(_words_of_mode(key))
        for level in (place.value, *self._objects_around(place)):
            fields = self._fields_of(level)
            for name in _DESCRIBING_FIELDS & fields.keys():
                if isinstance(said := fields[name], str):
                    words |= _words_of_mode(said)
        if any(q.kind in ("tokens", "rate") and "output" in q.name.words for q in stated):
            words.add("generate")
        is_training = not _TRAINING_WORDS.isdisjoint(words)
        # a training step runs forward too
        is_inference = not _INFERENCE_WORDS.isdisjoint(words - {"forward"} if is_training else words)
        if is_training == is_inference:
            return None
        return "training" if is_training else "inference"

    def _record(
        self,
        place: _Place,
        pointer: tuple[str, ...],
        own: Mapping[str, Any],
        identity: _Identity,
        *,
        numbers: _RecordNumbers | None = None,
        failure: Any = None,
        hardware: str | None = None,
        around: Mapping[str, Any] | None = None,
    ) -> Record:
        enclosing = [self._labels_of(found) for found in self._objects_around(place)]
        if around is not None:
            enclosing.insert(0, self._labels_of(around))
        timing = None
        if numbers is not None and numbers.timing is not None:
            timing = replace(numbers.timing, n_samples=identity.n_samples)
        return Record(
            pointer=pointer,
            model_id=identity.model,
            claimed_hardware=hardware or identity.hardware,
            own=own,
            enclosing=tuple(enclosing),
            configuration=identity.configuration,
            timing=timing,
            failure=failure,
            recorded_device=identity.device,
            memory=None if numbers is None else numbers.memory,
            load_s=None if numbers is None else numbers.once_s.get("load"),
            compile_s=None if numbers is None else numbers.once_s.get("compile"),
            first_inference_s=None if numbers is None else numbers.once_s.get("first_call"),
            n_warmup=identity.n_warmup,
            started_at=identity.started_at,
            mode=identity.mode,
            scenario=place.key if place.key in _SCENARIOS else None,
            precision=identity.precision,
            backend=identity.backend,
            notes=() if numbers is None else numbers.notes,
            flags=("is_aggregate",) if identity.is_aggregate else (),
        )

    def _fields_of(self, found: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._fields.get(id(found))
        if fields is None:
            fields = fields_of(found)
            self._fields[id(found)] = fields
        return fields

    def _descriptions_of(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The fields of the blocks that describe an object, looked for once: thousands of records may stand in it."""
        descriptions = self._descriptions.get(id(found))
        if descriptions is None:
            descriptions = list(descriptions_in(self._fields_of(found)))
            self._descriptions[id(found)] = descriptions
        return descriptions

    def _labels_of(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """What an object says of everything within it: its single values and its flat descriptions, not its records."""
        labels = self._labels.get(id(found))
        if labels is None:
            labels = {}
            for key, value in found.items():
                if len(labels) < _MOST_LABELS and (label := _label_of(key, value)) is not None:
                    labels[key] = label
                elif isinstance(value, dict) and is_description(key):
                    # a description that holds others: what it says itself, and what they say
                    said = {name: inner for name, inner in value.items() if not isinstance(inner, dict | list)}
                    labels |= {name: inner for name, inner in value.items() if _describes(name, inner)} | {key: said}
            self._labels[id(found)] = labels
        return labels

    def _objects_around(self, place: _Place) -> list[Mapping[str, Any]]:
        """The objects around a place, nearest first, with what stands among the records of a list and is about all of
        them; for a row of a database, the rows it refers to before them."""
        around: list[Mapping[str, Any]] = self._rows_referred_to(place)
        outer = place.around
        while outer is not None:
            if isinstance(outer.value, dict) and outer.value is not self._document_of_tables:
                around.append(outer.value)
            elif isinstance(outer.value, list):
                around += self._remarks_among(outer.value)
            outer = outer.around
        return around

    def _remarks_among(self, rows: Sequence[Any]) -> list[Mapping[str, Any]]:
        """The members of a list that state no quantity and name no model, as the first line of a JSON lines file may."""
        if id(rows) not in self._remarks:
            found = (
                row for row in rows if isinstance(row, dict) and not may_hold_quantity(row) and _describes("", row)
            )
            named = (row for row in found if model_in(self._fields_of(row)) is None)
            self._remarks[id(rows)] = list(islice(named, _MOST_REMARKS))
        return self._remarks[id(rows)]

    def _is_among_results(self, place: _Place) -> bool:
        """Whether an object stands among others whose first hold results: where it failed, its numbers are absent."""
        around = None if place.around is None else place.around.value
        rows = around
        if isinstance(around, dict) and self._names_run(place):
            rows = list(around.values())
        return isinstance(rows, list) and self._hold_results(rows, of=around)

    def _hold_results(self, rows: Sequence[Any], of: Any = None) -> bool:
        """Whether the first of some rows hold results; `of` is what the answer is kept for, where it is not the rows."""
        key = id(rows if of is None else of)
        if key not in self._holds_results:
            self._holds_results[key] = any(
                _is_telling(quantity)
                for row in rows[:_ROWS_TO_JUDGE]
                if isinstance(row, dict) and _PROCESS_FIELDS.isdisjoint(row)
                for quantity in quantities_in(row)[0]
            )
        return self._holds_results[key]

    def _describes_model(self, place: _Place) -> bool:
        levels = [place.value, *self._objects_around(place)]
        return any(
            len(_CATALOGUE_FIELDS & self._fields_of(level).keys()) >= _LEAST_CATALOGUE_FIELDS for level in levels
        )

    @property
    def _document_of_tables(self) -> Any:
        return self._document if self._rows_by_key else None

    def _rows_referred_to(self, place: _Place) -> list[Mapping[str, Any]]:
        if not self._rows_by_key or place.around is None:
            return []
        own_table = place.around.key
        rows: list[Mapping[str, Any]] = []
        waiting: list[Mapping[str, Any]] = [place.value]
        seen = {own_table}
        while waiting:
            row = waiting.pop(0)
            for column, value in row.items():
                table, by_key = self._rows_by_key.get(column, ("", {}))
                if table in seen or not isinstance(value, int | str) or value not in by_key:
                    continue
                seen.add(table)
                rows.append(by_key[value])
                waiting.append(by_key[value])
        return rows

    def _is_detail(self, place: _Place) -> bool:
        """Whether a row of a database refers to a row that states the quantities of the whole run."""
        return any(
            _is_telling(quantity) and quantity.is_stated
            for row in self._rows_referred_to(place)
            for quantity in quantities_in(row)[0]
        )

    def _identity(self, place: _Place) -> _Identity:
        model = hardware = device = precision = backend = mode = None
        batch_size = sequence_length = None
        started_at = n_samples = n_warmup = None
        is_aggregate = False
        level: _Place | None = place
        referred = [self._fields_of(row) for row in self._rows_referred_to(place)]
        while level is not None:
            if isinstance(level.value, dict) and level.value is not self._document_of_tables:
                fields = self._fields_of(level.value)
                blocks = [fields, *(referred if level is place else ()), *self._descriptions_of(level.value)]
                for block in blocks:
                    model = model or model_in(block)
                    if hardware is None:
                        hardware, device = hardware_in(block)
                    configuration = configuration_in(block)
                    batch_size = batch_size or configuration.batch_size
                    sequence_length = sequence_length or configuration.sequence_length
                    precision = precision or precision_in(block)
                    backend = backend or backend_in(block)
                    mode = mode or mode_in(block)
                    started_at = started_at if started_at is not None else time_in(block)
                    n_samples = n_samples or repeats_in(block)
                    n_warmup = n_warmup if n_warmup is not None else warmup_in(block)
            section = level.around.key if level.around is not None else ""
            key = level.key
            if key:
                if hardware is None and is_platform(key):
                    hardware = key
                elif model is None and not isinstance(level.around and level.around.value, list):
                    model = model_of_key(key, section)
                precision = precision or precision_of_key(key)
                configuration = configuration_of_key(key, section)
                batch_size = batch_size or configuration.batch_size
                sequence_length = sequence_length or configuration.sequence_length
                is_aggregate = is_aggregate or not _AGGREGATE_WORDS.isdisjoint(words_of(key))
            level = level.around
        return _Identity(
            model=model,
            hardware=hardware,
            device=device,
            configuration=Configuration(batch_size, sequence_length),
            precision=precision,
            backend=backend,
            mode=mode,
            started_at=started_at,
            n_samples=n_samples,
            n_warmup=n_warmup,
            is_aggregate=is_aggregate,
        )


def _label_of(key: str, value: Any) -> Any:
    """What a member says of the whole object that holds it, None where it is about something in particular."""
    if isinstance(value, list):
        # the texts of a list, and what remarks hold: `warnings: [{"message": …}]`
        if key != "simulated_hardware" and not any(isinstance(inner, str | dict) for inner in value[:_ROWS_TO_JUDGE]):
            return None
        said = [
            inner
            for inner in value[:_MOST_LABELS]
            if isinstance(inner, str) or (is_remark(key) and _describes("", inner))
        ]
        return said or None
    if isinstance(value, dict):
        return value if _describes(key, value) or (describes_whole(key) and not quantities_in(value)[0]) else None
    return value


def _describes(key: str, value: Any) -> bool:
    """Whether a member is a small block about the whole object, such as metadata or the platform's support."""
    return (
        isinstance(value, dict)
        and len(value) <= _MOST_LABELS
        and not any(isinstance(inner, dict | list) for inner in value.values())
        and not quantities_in(value)[0]
        and not is_platform(key)
    )


def _primary_keys(document: Any) -> dict[str, tuple[str, dict[Any, Mapping[str, Any]]]]:
    """Of a database: the table and rows that each `…_id` column identifies, where it is the first column of one table."""
    keys: dict[str, tuple[str, dict[Any, Mapping[str, Any]]]] = {}
    if not isinstance(document, dict) or len(document) < 2 or not is_table(document):
        return keys
    for table, rows in document.items():
        column = next(iter(rows[0]), None) if rows else None
        if column is None or not column.endswith("_id") or column in keys:
            continue
        by_key: dict[Any, Mapping[str, Any]] = {}
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get(column), int | str):
                by_key[row[column]] = row
        if len(by_key) == len(rows):
            keys[column] = (table, by_key)
    return keys


def _is_telling(quantity: Quantity) -> bool:
    """Whether a quantity can make an object a record: not the load time, nor the memory of a machine."""
    return quantity.is_stated and (quantity.kind in _TELLING_KINDS or (quantity.kind == "memory" and is_peak(quantity)))


def _saw(stated: Sequence[Quantity], identity: _Identity) -> str:
    shown = ", ".join(quantity.in_words for quantity in stated[:_QUANTITIES_IN_REASON])
    more = f" and {len(stated) - _QUANTITIES_IN_REASON} more" if len(stated) > _QUANTITIES_IN_REASON else ""
    return f"saw {shown}{more}; {_named(identity)}"


def _named(identity: _Identity) -> str:
    model = "no model" if identity.model is None else f"model {identity.model!r:.80}"
    hardware = "no hardware" if identity.hardware is None else f"hardware {identity.hardware!r:.80}"
    return f"{model}; {hardware}"


@lru_cache(maxsize=1 << 14)
def _says_concurrency(name: str) -> bool:
    return name in _CONCURRENCY_WORDS or not _CONCURRENCY_WORDS.isdisjoint(words_of(name))


@lru_cache(maxsize=1 << 14)
def _words_of_mode(name: str) -> frozenset[str]:
    """The words of a name that tell inference from training; the time of a step is one of training."""
    words = words_of(name)
    told = (_INFERENCE_WORDS | _TRAINING_WORDS).intersection(words)
    is_step_time = any(pair in (("step", "time"), ("step", "latency"), ("fine", "tuning")) for pair in pairwise(words))
    return told | {"train"} if is_step_time else told


@dataclass(frozen=True)
class _RecordNumbers:
    """The numbers of a record; `once_s` holds the times in seconds of what happens once, by kind: loading, compiling."""

    timing: Timing | None
    memory: MemoryStatement | None
    once_s: Mapping[str, float]
    notes: tuple[str, ...] = ()


def _by_hardware(stated: Sequence[Quantity]) -> dict[str, list[Quantity]]:
    """The latencies by the platform in their names, where every latency names one: `cpu_latency_ms`, `cuda_latency_ms`."""
    latencies = [quantity for quantity in stated if quantity.kind == "latency"]
    grouped: dict[str, list[Quantity]] = {}
    for quantity in latencies:
        if len(quantity.name.qualifier) != 1 or not is_platform(quantity.name.qualifier[0]):
            return {}
        grouped.setdefault(quantity.name.qualifier[0], []).append(quantity)
    return grouped


def _numbers(stated: Sequence[Quantity], configuration: Configuration, *, is_concurrent: bool) -> _RecordNumbers | str:
    """The numbers of one record, or why they are not certain."""
    by_kind: dict[str, list[Quantity]] = {}
    for quantity in stated:
        by_kind.setdefault(quantity.kind, []).append(quantity)
    first = _of_one_group(by_kind.get("first_token", [])) or []
    per_token = _of_one_group(by_kind.get("output_token", [])) or []
    # only what generates tokens has a first one
    token_rates = [q for q in by_kind.get("rate", []) if (first or per_token) and _counts_tokens(q)]
    rates = [q for q in by_kind.get("rate", []) if q not in token_rates]
    items = _one(by_kind.get("items", []))
    tokens = _one(_of_output(by_kind.get("tokens", []) or token_rates))
    rate = _one(rates)
    if "several" in (items, tokens):
        return "several throughputs, and nothing says which one is the model's"
    throughput, tokens_per_s = cast("float | None", items), cast("float | None", tokens)
    latencies = _of_one_group(by_kind.get("latency", []))
    if latencies is None:
        return "several latencies, and nothing says which one is the model's"
    if any(_may_be_positional(quantity, latencies) for quantity in latencies):
        return "a list that may hold raw samples, or one value for each of several configurations"
    if any(quantity.unit is not None for quantity in latencies):
        latencies = [quantity for quantity in latencies if quantity.unit is not None]
    unit = _unit_of_times(latencies, throughput, rate, configuration)
    values: dict[str, float] = {}
    samples: list[Any] | None = None
    if latencies:
        if unit is None:
            return "the unit of its latency is not certain"
        found = _values_in(latencies, unit)
        if found is None:
            return "its latency stands there twice with different values"
        values, samples = found
    if isinstance(rate, float) and unit is not None:
        meaning = _meaning_of_rate(
            rate, _central(values, samples), unit, configuration, may_contradict=not is_concurrent and _are_plain(rates)
        )
        if meaning == "items" and throughput is None:
            throughput = rate
        elif meaning == "tokens" and tokens_per_s is None:
            tokens_per_s = rate
    per_call = [("first_token", _central_of(first)), ("output_token", _central_of(per_token))]
    timing_unit: TimeUnit = (
        unit if unit is not None else next((cast("TimeUnit", q.unit) for _, q in per_call if q is not None), "ms")
    )
    for name, chosen in per_call:
        if chosen is not None:
            values[name] = converted(cast("float", chosen.number), cast("TimeUnit", chosen.unit), timing_unit)
    memory = _memory(by_kind.get("memory", []))
    has_time = samples is not None or not values.keys().isdisjoint({"mean", "p50", "first_token", "output_token"})
    if not has_time and not (throughput or tokens_per_s) and memory is None:
        return "no mean, no median and no throughput in it has a certain unit"
    once = {kind: _once(by_kind.get(kind, [])) for kind in _ONCE_KINDS}
    once_s = {kind: found[0] for kind, found in once.items() if found is not None}
    used = {id(quantity) for quantity in (*latencies, *(chosen for _, chosen in per_call))}
    used |= {id(quantity) for found in once.values() if found is not None for quantity in found[1]}
    left = [
        quantity
        for quantity in stated
        if id(quantity) not in used
        and not (quantity.kind in _RATE_KINDS and quantity.number in (throughput, tokens_per_s))
        and not (memory is not None and _is_amount(quantity, memory))
    ]
    return _RecordNumbers(
        timing=Timing(
            declared_unit=timing_unit,
            samples=samples,
            throughput=throughput,
            tokens_per_s=tokens_per_s,
            **cast("dict[str, Any]", values),
        )
        if has_time or throughput or tokens_per_s
        else None,
        memory=memory,
        once_s=once_s,
        notes=_notes_of(left),
    )


def _once(times: Sequence[Quantity]) -> tuple[float, list[Quantity]] | None:
    """The one time, in seconds, of what happens once, and the statements that agree on it; None where they differ."""
    stated = [q for q in times if q.number is not None and q.unit is not None and q.statistic == "mean"]
    plain = [q for q in stated if not q.name.qualifier] or stated
    seconds = [converted(cast("float", q.number), cast("TimeUnit", q.unit), "s") for q in plain]
    if not seconds or max(seconds) - min(seconds) > _SAME * max(seconds):
        return None
    return seconds[0], plain


def _is_amount(quantity: Quantity, memory: MemoryStatement) -> bool:
    """Whether a quantity is the amount of memory that is stored."""
    if quantity.kind != "memory" or quantity.number is None or quantity.unit is None:
        return False
    stored = memory_of(memory.amount, memory.declared_unit).mb
    return abs(memory_of(quantity.number, cast("MemoryUnit", quantity.unit)).mb - stored) <= _SAME * stored


_COMMA = "whether its comma is a decimal or a thousands one is not certain"


def _has_comma(quantity: Quantity) -> bool:
    return "," in str(quantity.unusable)


def _unread(unusable: Sequence[Quantity]) -> Iterator[str]:
    """What stands where numbers should beside those that a record is made of, and why it is not read."""
    for why, has_comma in ("no number above zero: {}", False), (f"not read: {{}}: {_COMMA}", True):
        shown = [f"{'.'.join(q.path)[:80]}={q.unusable}" for q in unusable if _has_comma(q) == has_comma]
        if shown:
            yield why.format(", ".join(shown))


def _notes_of(left: Sequence[Quantity]) -> tuple[str, ...]:
    """What a record states beside the numbers that are stored of it, with the values."""
    if not left:
        return ()
    shown = ", ".join(quantity.in_words for quantity in left[:_QUANTITIES_IN_NOTE])
    more = f" and {len(left) - _QUANTITIES_IN_NOTE} more" if len(left) > _QUANTITIES_IN_NOTE else ""
    return (f"stated beside and not stored: {shown}{more}: no column holds it, or what it counts is not certain",)


def _counts_tokens(rate: Quantity) -> bool:
    """Whether the rate of what generates tokens counts tokens: `tps`, `output_throughput`, `total_token_throughput`."""
    return not {"tps", "output", "token", "tokens"}.isdisjoint(rate.name.words)


def _of_output(rates: Sequence[Quantity]) -> Sequence[Quantity]:
    """The rates of the tokens that came out, where others stand beside that count what went in, or both together."""
    output = [rate for rate in rates if "output" in rate.name.words]
    other = [rate for rate in rates if not {"total", "input"}.isdisjoint(rate.name.words)]
    return output if output and len(output) + len(other) == len(rates) else rates


def _are_plain(rates: Sequence[Quantity]) -> bool:
    """Whether rates are called throughput and nothing more, so that they are one batch over its latency or are wrong."""
    return all("throughput" in rate.name.words and _CALL_WORDS.isdisjoint(rate.name.words) for rate in rates)


def _central(values: Mapping[str, float], samples: Sequence[Any] | None) -> float | None:
    stated = values.get("mean") or values.get("p50")
    numbers = [number for sample in samples or () if (number := positive_number(sample)) is not None]
    return sum(numbers) / len(numbers) if stated is None and numbers else stated


def _central_of(times: Sequence[Quantity]) -> Quantity | None:
    """The mean, else the median, of times in a stated unit."""
    stated = [quantity for quantity in times if quantity.number is not None and quantity.unit is not None]
    return next((q for name in ("mean", "p50") for q in stated if q.statistic == name), None)


def _meaning_of_rate(
    rate: float, latency: float | None, unit: TimeUnit, configuration: Configuration, *, may_contradict: bool
) -> str | None:
    """What a throughput counts whose name does not say it: items, tokens of the input, or None where nothing tells.

    Where it follows from the latency in another unit than the stated one, it counts items: the file's unit is then
    settled by it. Where it follows in no way, it contradicts the latency and is kept as items for the rules to judge.
    """
    batch_size, length = configuration.batch_size, configuration.sequence_length
    if latency is None or batch_size is None:
        return None
    proven = unit_by_throughput(LatencyObservation(latency, rate, batch_size))
    if proven == unit or (proven is not None and may_contradict):
        return "items"
    if length is not None and unit_by_throughput(LatencyObservation(latency, rate, batch_size * length)) == unit:
        return "tokens"
    is_of_calls = unit_by_throughput(LatencyObservation(latency, rate, 1)) == unit
    return "items" if may_contradict and not is_of_calls else None


def _one(quantities: Sequence[Quantity]) -> float | str | None:
    """The one value of quantities of a kind: the plain one or the mean; `several` where they differ."""
    plain = [q for q in quantities if q.number is not None and q.statistic == "mean"]
    plain = [q for q in plain if not q.name.qualifier] or plain
    values = [cast("float", q.number) for q in plain]
    if not values:
        return None
    return values[0] if max(values) - min(values) <= _SAME * max(values) else "several"


def _of_one_group(quantities: Sequence[Quantity]) -> list[Quantity] | None:
    """Those of the plain name, or of the only name there is; None where several names stand side by side."""
    plain = [quantity for quantity in quantities if not quantity.name.qualifier]
    if plain:
        return plain
    return list(quantities) if len({quantity.name.qualifier for quantity in quantities}) <= 1 else None


def _may_be_positional(quantity: Quantity, latencies: Sequence[Quantity]) -> bool:
    """Whether numbers that stand like a list of configurations are not proven to be samples by their stated mean."""
    if not quantity.is_list or quantity.samples is None:
        return False
    numbers = [number for sample in quantity.samples if (number := positive_number(sample)) is not None]
    mean = sum(numbers) / len(numbers) if numbers else 0.0
    stated = [q.number for q in latencies if q.number is not None and q.statistic == "mean" and q.unit == quantity.unit]
    return not any(abs(mean - number) <= _SAME * mean for number in stated)


def _unit_of_times(
    latencies: Sequence[Quantity], throughput: float | None, rate: float | str | None, configuration: Configuration
) -> TimeUnit | None:
    """The unit of the latencies: stated by one of them, or proven by the throughput."""
    # raw samples stay as they stand: the other times are turned into their unit
    ordered = sorted(latencies, key=lambda quantity: quantity.samples is None)
    stated = next((cast("TimeUnit", quantity.unit) for quantity in ordered if quantity.unit is not None), None)
    if stated is not None:
        return stated
    proof = throughput if throughput is not None else rate if isinstance(rate, float) else None
    central = next((q.number for q in latencies if q.statistic == "mean" and q.number is not None), None)
    return unit_by_throughput(LatencyObservation(central, proof, configuration.batch_size))


def _values_in(latencies: Sequence[Quantity], unit: TimeUnit) -> tuple[dict[str, float], list[Any] | None] | None:
    """The statistics by the names of `Timing`, and the samples, in one unit; None where two of them disagree."""
    values: dict[str, float] = {}
    samples: list[Any] | None = None
    for quantity in latencies:
        own = cast("TimeUnit", quantity.unit or unit)
        if quantity.samples is not None:
            if own != unit or samples not in (None, quantity.samples):
                return None
            samples = quantity.samples
        elif quantity.number is not None:
            name = quantity.statistic
            value = converted(quantity.number, own, unit)
            if name in values and abs(values[name] - value) > _SAME * max(values[name], value):
                return None
            values.setdefault(name, value)
    return values, samples


def _memory(quantities: Sequence[Quantity]) -> MemoryStatement | None:
    """The memory that the run used, where one amount is certain."""
    stated = [q for q in quantities if q.number is not None and q.unit is not None]
    stated = [q for q in stated if q.kind == "memory"]
    chosen = (
        [q for q in stated if "peak" in q.name.words]
        or [q for q in stated if q.statistic == "maximum"]
        or [q for q in stated if is_peak(q)]
        or [q for q in stated if not may_be_capacity(q)]
    )
    amounts = {(cast("float", q.number), cast("MemoryUnit", q.unit)) for q in chosen}
    if len(amounts) != 1:
        return None
    ((amount, unit),) = amounts
    return MemoryStatement(amount, f"{'.'.join(chosen[0].path)[:80]}: {_MEMORY_COVERS}", unit)


TABLE = Shape("generic_table", 0, _recognises_table, read, remarks)
SHAPE = Shape("generic_json", 0, recognises, read, remarks)
