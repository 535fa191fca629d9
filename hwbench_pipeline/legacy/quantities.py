"""The quantities that stand in one object of any shape: by field name, in groups of statistics, or as metric and value.

Belongs here: finding the numbers of an object, with the unit that the name or a field beside states. Does not belong
here: the vocabulary (`quantity_names`), or whose numbers they are (`shapes/generic`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, positive_number, text
from hwbench_pipeline.legacy.quantity_names import (
    MEMORY_UNITS,
    TIME_UNITS,
    Kind,
    QuantityName,
    Statistic,
    quantity_named,
    rate_in,
    raw_list_named,
    says_phase,
    statistic_named,
    time_unit_in,
    words_of,
)
from hwbench_pipeline.legacy.tabular import cell_value
from hwbench_pipeline.legacy.units import MemoryUnit, TimeUnit

_ONCE_KINDS = frozenset({"load", "compile", "first_call"})
_TIME_KINDS = frozenset({"latency", "first_token", "output_token", "elapsed"}) | _ONCE_KINDS
_PIVOT_KINDS = frozenset({"latency", "items", "tokens", "rate"})
_COLUMN_LISTS = ("columns", "headers", "header", "fields")
_ROW_LISTS = ("data", "rows", "values")
_RATE_KINDS = frozenset({"items", "tokens", "rate"})
_WITH_UNIT = re.compile(
    r"\s*([0-9][0-9,]{0,24}(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?)\s*([A-Za-z\N{MICRO SIGN}\N{GREEK SMALL LETTER MU}][A-Za-z/ ]{0,29})\s*"
)
# Commas that can only part thousands: a decimal point follows, or there are two of them.
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+\.[0-9]{1,40}|(?:,[0-9]{3}){2,5})")
_LONGEST_WRITTEN = 80
_ABSENT_WORDS = frozenset({"", "-", "--", "n/a", "na", "none", "null", "not available", "not measured", "unknown"})
_JSON_WORDS: dict[Any, str] = {None: "null", True: "true", False: "false"}
_UNIT_ENDS = ("_unit", "_units")
_METRIC_FIELDS = ("metric", "metric_name", "measurement", "quantity", "key")
_VALUE_FIELDS = ("value", "metric_value", "measured_value")
_NAMING_FIELDS = (*_METRIC_FIELDS, "name", "phase", "stage", "step")
_PLURALS = frozenset({"latencies", "times", "durations", "samples", "values", "raw", "timings", "measurements"})
_CALLS = frozenset(
    {
        "samples",
        "values",
        "raw",
        "measurements",
        "timings",
        "iterations",
        "iters",
        "runs",
        "repeats",
        "repetitions",
        "trials",
    }
    | {"calls", "latencies", "times", "data", "all", "per", "iteration"}
)
_OF_A_CALL = frozenset(
    {
        "iteration",
        "iter",
        "i",
        "n",
        "idx",
        "index",
        "id",
        "run",
        "call",
        "number",
        "num",
        "no",
        "step",
        "sample",
        "trial",
    }
    | {"repeat", "timestamp", "time", "at", "started", "start", "end", "ts", "seed"}
)
_LEAST_CALLS = 2
_VOCABULARY_SIZE = 64
_SAME = 1e-3
# Names that were found to be part of no quantity: most objects have no others, which one comparison of sets tells.
_SILENT_FIELDS: set[str] = set()
_MOST_SILENT_FIELDS = 1 << 16
_VOCABULARY_SHARE = 0.9


@dataclass(frozen=True)
class Quantity:
    """One number of an object: what its name says, where it stands below the object, and its unit where one is stated.

    `number` is None for raw `samples`, for zero and for what is no number; `is_zero`, `unusable` and `absent`, each the value
    in words, tell those apart: `absent` is what stands there without trying to be a number. `is_list` marks samples that may as well be one value for each member of another list.
    """

    name: QuantityName
    path: tuple[str, ...]
    unit: TimeUnit | MemoryUnit | None
    number: float | None = None
    samples: list[Any] | None = None
    is_zero: bool = False
    is_list: bool = False
    unusable: str | None = None
    absent: str | None = None
    is_used: bool = False

    @property
    def kind(self) -> Kind:
        """What kind of quantity it is."""
        return self.name.kind

    @property
    def statistic(self) -> Statistic:
        """Which statistic it is."""
        return self.name.statistic

    @property
    def is_stated(self) -> bool:
        """Whether there is a number at all."""
        return self.number is not None or self.samples is not None

    @property
    def in_words(self) -> str:
        """The quantity as a reason shows it."""
        value = f"{len(self.samples)} samples" if self.samples is not None else f"{self.number:g}"
        lacks_unit = self.unit is None and (self.kind == "rate" or self.kind in _TIME_KINDS or self.kind == "memory")
        return f"{'.'.join(self.path)[:80]}={value}{' without a unit' if lacks_unit else ''}"


def is_vocabulary(found: Mapping[str, Any]) -> bool:
    """Whether an object maps very many names to numbers, most of which mean nothing measured: words to their ids."""
    if len(found) <= _VOCABULARY_SIZE:
        return False
    numbers = sum(finite_number(value) is not None for value in found.values())
    meaning = sum(quantity_named(name) is not None for name in found)
    return numbers >= _VOCABULARY_SHARE * len(found) and meaning < (1 - _VOCABULARY_SHARE) * len(found)


def may_hold_quantity(found: Mapping[str, Any]) -> bool:
    """Whether any field of an object can be part of a quantity: what `quantities_in` and its companions look for."""
    if _SILENT_FIELDS.issuperset(found):
        return False
    if any(map(_is_telling_field, found)):
        return True
    if len(_SILENT_FIELDS) < _MOST_SILENT_FIELDS:
        _SILENT_FIELDS.update(found)
    return False


@lru_cache(maxsize=1 << 16)
def _is_telling_field(key: str) -> bool:
    return (
        quantity_named(key) is not None
        or statistic_named(key) is not None
        or raw_list_named(key) is not None
        or key == "metric"
        or key in _METRIC_FIELDS
        or _names_calls(key)
        or key.lower().endswith(_UNIT_ENDS)
    )


def quantities_in(found: Mapping[str, Any]) -> tuple[list[Quantity], frozenset[str]]:
    """The quantities of an object, and which of its members were read as groups of statistics."""
    quantities: list[Quantity] = []
    groups: set[str] = set()
    for key, value in found.items():
        name = quantity_named(key)
        if name is None:
            if isinstance(value, str) and (written := _written_statistic(key, value)) is not None:
                quantities.append(written)
            continue
        if isinstance(value, dict):
            group = _statistics_in(name, key, value)
            if group:
                quantities += group
                groups.add(key)
        elif isinstance(value, list):
            if name.kind == "latency" and _are_numbers(value):
                samples_name = replace(name, statistic="samples")
                quantities.append(
                    Quantity(samples_name, (key,), _unit_of(name, found), samples=value, is_list=_is_list(key, found))
                )
        else:
            quantities.append(_quantity(name, (key,), value, _unit_of(name, found)))
    quantities += _metric_and_value(found)
    latencies = [quantity for quantity in quantities if quantity.kind == "latency"]
    named = [quantity for quantity in latencies if not quantity.name.is_bare]
    if latencies and not named:
        quantities += _beside_percentiles(found)
    elif len(named) == 1 and named[0].samples is not None:
        quantities += _beside_samples(found, named[0].samples, named[0].unit)
    if not any(quantity.samples is not None for quantity in latencies):
        quantities += _raw_lists(found) or _repeated_calls(found, groups)
    return quantities, frozenset(groups)


def _written_statistic(key: str, written: str) -> Quantity | None:
    """A statistic whose value itself says that it is a time, and of nothing else: `"p95": "15.2 ms"`."""
    named = statistic_named(key)
    if named is None or named[0] == "samples":
        return None
    quantity = _quantity(QuantityName("latency", named[0], named[1], (), words_of(key)), (key,), written, named[1])
    return quantity if quantity.unit is not None and quantity.number is not None else None


def _beside_percentiles(found: Mapping[str, Any]) -> list[Quantity]:
    """The other statistics of an object whose percentiles are named like `P95 (ms)`: `Mean (ms)`, `std_ms`."""
    quantities = []
    for key, value in found.items():
        named = None if quantity_named(key) is not None else statistic_named(key)
        if named is not None and named[0] != "samples" and named[1] is not None and not isinstance(value, dict | list):
            name = QuantityName("latency", named[0], named[1], (), words_of(key))
            quantities.append(_quantity(name, (key,), value, named[1]))
    return quantities


def _beside_samples(found: Mapping[str, Any], samples: list[Any], unit: TimeUnit | MemoryUnit | None) -> list[Quantity]:
    """The statistics of an object's one list of times: `{"latencies_ms": […], "mean": …, "p95": …}`.

    Names without a unit are those of the list where the mean among them is the list's own.
    """
    numbers = [number for sample in samples if (number := positive_number(sample)) is not None]
    stated = positive_number(found.get("mean")) or positive_number(found.get("avg"))
    is_of_list = bool(numbers) and stated is not None and abs(stated - sum(numbers) / len(numbers)) <= _SAME * stated
    quantities = []
    for key, value in found.items():
        named = None if quantity_named(key) is not None else statistic_named(key)
        if named is None or named[0] == "samples" or isinstance(value, dict | list):
            continue
        own_unit = named[1] or (unit if is_of_list else None)
        if own_unit is not None:
            name = QuantityName("latency", named[0], named[1], (), words_of(key))
            quantities.append(_quantity(name, (key,), value, own_unit))
    return quantities


def _raw_lists(found: Mapping[str, Any]) -> list[Quantity]:
    """The lists of raw times of an object, named so and nothing more, where their name or a field beside states a unit."""
    quantities: list[Quantity] = []
    for key, value in found.items():
        name = raw_list_named(key) if isinstance(value, list) and _are_numbers(value) else None
        unit = None if name is None else _unit_of(name, found)
        if name is None or unit is None:
            continue
        said = [stated for field in _NAMING_FIELDS if (stated := text(found.get(field)))]
        named = [quantity for stated in said if (quantity := quantity_named(stated)) is not None]
        if not any(map(says_phase, said)) and all(quantity.kind == "latency" for quantity in named):
            quantities.append(Quantity(name, (key,), unit, samples=value, is_list=_is_list(key, found)))
    return quantities


def _repeated_calls(found: Mapping[str, Any], groups: set[str]) -> list[Quantity]:
    """The raw times of an object that holds each call as an object: `{"samples": [{"latency_ms": 4.24}, …]}`.

    The members that are read so are added to `groups`.
    """
    for key, value in found.items():
        if not isinstance(value, list) or len(value) < _LEAST_CALLS or not _names_calls(key):
            continue
        times = _times_of_calls(value)
        if times is not None:
            name, samples = times
            groups.add(key)
            return [Quantity(replace(name, statistic="samples"), (key,), name.unit, samples=samples)]
    return []


@lru_cache(maxsize=1 << 14)
def _names_calls(key: str) -> bool:
    words = words_of(key)
    return bool(words) and all(word in _CALLS for word in words)


def _times_of_calls(calls: list[Any]) -> tuple[QuantityName, list[Any]] | None:
    """The one time of each call and its name; None where a member is more than the time of a call and its number."""
    first = calls[0]
    if not isinstance(first, dict):
        return None
    fields = [key for key in first if (name := quantity_named(key)) is not None and name.kind == "latency"]
    if len(fields) != 1 or any(key != fields[0] and not _OF_A_CALL.issuperset(words_of(key)) for key in first):
        return None
    name = quantity_named(fields[0])
    if (
        name is None
        or name.unit is None
        or not all(isinstance(call, dict) and call.keys() == first.keys() for call in calls)
    ):
        return None
    return name, [call[fields[0]] for call in calls]


def pivots_in(found: Mapping[str, Any], groups: frozenset[str]) -> list[str]:
    """The members that are named like a quantity and hold numbers by something else, which may be two things:
    `{"latency_ms": {"a": 1, "b": 2}}`, `{"latency_ms": {"cpu": {"a": 1}}}`."""
    return [
        key
        for key, value in found.items()
        if isinstance(value, dict)
        and key not in groups
        and (name := quantity_named(key)) is not None
        and name.kind in _PIVOT_KINDS
        and any(_holds_number_of_no_name(member) for member in value.values())
        and not any(quantity_named(inner) for inner in value)
    ]


def _holds_number_of_no_name(member: Any) -> bool:
    """Whether a member is a number, or an object of numbers whose names mean neither a quantity nor a statistic."""
    if not isinstance(member, dict):
        return positive_number(member) is not None
    return any(positive_number(inner) is not None for inner in member.values()) and not any(
        quantity_named(name) is not None or statistic_named(name) is not None for name in member
    )


def split_table_in(found: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Of a table that is written as names of columns and rows of cells: the member with the rows, and its columns that
    are named like a quantity; None where the object is no such table, or none of its columns is a quantity."""
    columns = next((found[name] for name in _COLUMN_LISTS if isinstance(found.get(name), list)), None)
    rows = next((name for name in _ROW_LISTS if isinstance(found.get(name), list) and found[name]), None)
    if not columns or rows is None or not all(isinstance(column, str) for column in columns):
        return None
    first = found[rows][0]
    if not isinstance(first, list) or len(first) != len(columns):
        return None
    named = [(column, quantity_named(column)) for column in columns]
    telling = [column for column, name in named if name is not None and name.kind in _PIVOT_KINDS]
    return (rows, telling) if telling else None


def _are_numbers(values: list[Any]) -> bool:
    return bool(values) and all(_is_number(member) for member in values)


def _is_list(key: str, beside: Mapping[str, Any]) -> bool:
    """Whether numbers may stand for several configurations: their name is no plural, or another list is as long."""
    length = len(beside[key])
    has_twin = any(
        isinstance(other, list) and len(other) == length and quantity_named(name) is None
        for name, other in beside.items()
        if name != key
    )
    return has_twin or _PLURALS.isdisjoint(words_of(key))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _quantity(name: QuantityName, path: tuple[str, ...], value: Any, unit: TimeUnit | MemoryUnit | None) -> Quantity:
    if isinstance(value, str):
        name, value, unit = _of_text(name, value, unit)
    if name.kind in _ONCE_KINDS and unit is None:
        value = None
    if name.statistic == "samples":  # one number where several are named
        name = replace(name, statistic="mean")
    number, is_zero = positive_number(value), finite_number(value) == 0
    states_unit = unit is not None or name.kind in ("items", "tokens")
    unusable = None if number is not None or is_zero else _unusable(value, states_unit=states_unit)
    is_absent = number is None and not is_zero and unusable is None
    return Quantity(
        name,
        path,
        unit,
        number,
        is_zero=is_zero,
        unusable=unusable,
        absent=_JSON_WORDS.get(value, repr(value)[:40]) if is_absent else None,
    )


def _of_text(
    name: QuantityName, written: str, unit: TimeUnit | MemoryUnit | None
) -> tuple[QuantityName, Any, TimeUnit | MemoryUnit | None]:
    """A quantity written as text: its name with what its unit counts, its number, or the text if none, and its unit."""
    match = _WITH_UNIT.fullmatch(written) if len(written) <= _LONGEST_WRITTEN else None
    if match is None:
        number = _written_number(written.strip()) if "," in written and len(written) <= _LONGEST_WRITTEN else None
        return name, cell_value(written) if number is None else number, unit
    number = _written_number(match[1])
    if number is None:
        return name, written, unit
    if name.kind in _RATE_KINDS:
        counted = rate_in(match[2])
        is_said = counted is not None and name.kind in ("rate", counted)
        return (replace(name, kind=counted), number, unit) if counted and is_said else (name, written, unit)
    said = _unit_word(name.kind, match[2].strip())
    return (name, number, said) if said is not None and unit in (None, said) else (name, written, unit)


def _written_number(written: str) -> float | None:
    """A number with or without commas between thousands; None where a comma may as well be a decimal one."""
    if "," in written:
        return float(written.replace(",", "")) if _GROUPED.fullmatch(written) else None
    return finite_number(float(written))


def _unusable(value: Any, *, states_unit: bool) -> str | None:
    """What stands where a number should, in words: NaN, a negative number, or text that begins or is named like one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:40]
    if not isinstance(value, str) or value.strip().lower() in _ABSENT_WORDS:
        return None
    is_said = states_unit or value.strip()[:1].isdecimal()
    return repr(value[:40]) if is_said else None


def _unit_word(kind: Kind, word: str) -> TimeUnit | MemoryUnit | None:
    words = words_of(word)
    if len(words) != 1:
        return None
    return MEMORY_UNITS.get(words[0]) if kind == "memory" else TIME_UNITS.get(words[0])


def _unit_of(name: QuantityName, beside: Mapping[str, Any]) -> TimeUnit | MemoryUnit | None:
    """The unit that the name states, else the one that a unit field beside it states."""
    if name.unit is not None:
        return name.unit
    if name.kind in ("items", "tokens"):
        return None
    fields = ("memory_unit",) if name.kind == "memory" else ("latency_unit", "latency_units", "time_unit", "time_units")
    for field in (*fields, "unit", "units"):
        said = text(beside.get(field))
        if said is not None and name.kind == "memory":
            return MEMORY_UNITS.get(said.lower())
        if said is not None:
            return time_unit_in(said)
    return None


def _statistics_in(name: QuantityName, key: str, group: Mapping[str, Any]) -> list[Quantity]:
    """The quantities of a group of statistics such as `{"mean": …, "p50": …, "unit": "ms"}`."""
    quantities = []
    unit = _unit_of(name, group)
    said = text(group.get("unit"))
    if name.kind == "rate" and said is not None:
        name = replace(name, kind=rate_in(said) or "rate")
    for inner, value in group.items():
        found = statistic_named(inner)
        if found is None:
            words = words_of(inner)
            memory_unit = next((MEMORY_UNITS[word] for word in words if word in MEMORY_UNITS), None)
            if name.kind == "memory" and memory_unit is not None:
                quantities.append(
                    _quantity(replace(name, words=(*name.words, *words)), (key, inner), value, memory_unit)
                )
            continue
        statistic, own_unit = found
        own = replace(name, statistic=statistic)
        if isinstance(value, list):
            if statistic == "samples" and _are_numbers(value):
                quantities.append(Quantity(own, (key, inner), own_unit or unit, samples=value))
        elif statistic != "samples" and not isinstance(value, dict):
            quantities.append(_quantity(own, (key, inner), value, own_unit or unit))
    return quantities


def _metric_and_value(found: Mapping[str, Any]) -> list[Quantity]:
    """The one quantity of a row that names its metric in one field and holds the number in another."""
    stated = _value_beside_unit(found)
    if stated:
        return stated
    nested = found.get("metric")
    if isinstance(nested, dict):
        return _named_metric(nested)
    metric = next((said for field in _METRIC_FIELDS if (said := text(found.get(field)))), None)
    field = next((field for field in _VALUE_FIELDS if field in found), None)
    name = None if metric is None or field is None else quantity_named(metric)
    if name is None or field is None:
        return []
    said = text(found.get("unit")) or text(found.get("units"))
    if name.kind == "rate" and said is not None:
        name = replace(name, kind=rate_in(said) or "rate")
    return [_quantity(name, (field,), found[field], _unit_of(name, found))]


def _value_beside_unit(found: Mapping[str, Any]) -> list[Quantity]:
    """The throughput of a row such as `{"Performance_Result": 12.3, "Performance_Units": "Samples/s"}`."""
    for key, said in found.items():
        if not isinstance(said, str) or not key.lower().endswith(_UNIT_ENDS):
            continue
        stem = key[: key.rindex("_") + 1]
        kind = rate_in(said)
        field = next((name for name in found if name != key and name.startswith(stem)), None)
        if kind is not None and field is not None and quantity_named(field) is None:
            return [_quantity(QuantityName(kind, "mean", None, (), words_of(field)), (field,), found[field], None)]
    return []


def _named_metric(metric: Mapping[str, Any]) -> list[Quantity]:
    """The quantity of a block `{"name": "latency (ms)", "benchmark_values": [4.2]}`."""
    said = text(metric.get("name"))
    name = None if said is None else quantity_named(said)
    values = metric.get("benchmark_values")
    if name is None or not isinstance(values, list) or not _are_numbers(values):
        return []
    path = ("metric", "benchmark_values")
    if len(values) == 1:
        return [_quantity(name, (*path, "0"), values[0], _unit_of(name, metric))]
    return [Quantity(replace(name, statistic="samples"), path, _unit_of(name, metric), samples=values)]


def unnamed_statistics(found: Mapping[str, Any]) -> list[str]:
    """The percentiles and means of an object that names no quantity; none where they are fewer than statistics have."""
    names = [
        key for key, value in found.items() if positive_number(value) is not None and statistic_named(key) is not None
    ]
    statistics = {found_statistic[0] for key in names if (found_statistic := statistic_named(key)) is not None}
    has_percentiles = len(statistics & {"p90", "p95", "p99"}) > 1
    return names if has_percentiles and statistics & {"mean", "p50"} else []


def timed_statistics(found: Mapping[str, Any]) -> list[str]:
    """The statistics of an object in a unit of time, and the lists of raw times, whose quantity nothing names: `mean_ns`."""
    return [
        key
        for key, value in found.items()
        if quantity_named(key) is None
        and (
            (
                positive_number(value) is not None
                and (named := statistic_named(key)) is not None
                and named[1] is not None
            )
            or (
                isinstance(value, list)
                and _are_numbers(value)
                and (raw := raw_list_named(key)) is not None
                and raw.unit
            )
        )
    ]


_DEVICE_WORDS = frozenset({"gpu", "vram", "device", "ram", "system", "host", "card", "cuda"})


def may_be_capacity(quantity: Quantity) -> bool:
    """Whether an amount of memory may be what a device has: it is named after the device and is a whole number of GiB or GB."""
    amount = quantity.number
    if amount is None or quantity.is_used or _DEVICE_WORDS.isdisjoint(quantity.name.words):
        return False
    per_whole = {"mb": 1024, "mib": 1024, "gb": 1, "gib": 1, "bytes": 2**30, "kb": 2**20, "kib": 2**20}
    return amount % per_whole.get(str(quantity.unit), 1) == 0


def is_peak(quantity: Quantity) -> bool:
    """Whether an amount of memory is what a run used, by its name, and not what a machine has."""
    used = {
        "peak",
        "used",
        "usage",
        "use",
        "allocated",
        "reserved",
        "consumed",
        "consumption",
        "max",
        "rss",
        "footprint",
    }
    return not used.isdisjoint(quantity.name.words)
