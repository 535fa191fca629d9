"""Runs of one thing over time: which results continue each other, what a machine's cells did together, what runs differ by.

Belongs here: fingerprints, the order of runs, the shift of a whole machine, and the noise between runs. Does not belong here:
verdicts (`regressions`, `comparison`).

The time of a run is taken apart, in logarithms: level of its series + shift of its machine on that occasion + noise. An
occasion is a stretch of time in which one host with one set of software measured many cells. Levels and shifts are found by
median polish (Tukey, Exploratory Data Analysis, 1977, chapter 11): a few cells that really changed move no median.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from hwbench_pipeline.schema.table import canonical_json, sha256_of

Row = Mapping[str, Any]

SERIES_COLUMNS = (
    "source",
    "model",
    "model_id",
    "config_sha256",
    "model_size",
    "category",
    "hardware",
    "device_name",
    "mode",
    "scenario",
    "variant",
    "recipe",
    "precision",
    "batch_size",
    "sequence_length",
    "sound_s",
    "input_shape",
    "backend",
)
READ_COLUMNS = (
    *SERIES_COLUMNS,
    "result_id",
    "run_id",
    "architecture",
    "provenance",
    "status",
    "error_class",
    "error_message",
    "backend_version",
    "options",
    "latency_ms_p50",
    "latency_ms_p50_low",
    "latency_ms_p50_high",
    "latency_ms_mean",
    "throughput_items_per_s",
    "n_samples",
    "flags",
    "environment_id",
    "harness_version",
    "started_at",
)
"""The columns of out__results that series are made of."""

FOUND_OUT_OPTIONS = frozenset(
    {
        "adapter",
        "browser",
        "bundle",
        "cache_at",
        "devices_used",
        "dispatches_per_call",
        "export_ms",
        "export_sha256",
        "graphs",
        "nodes_by_provider",
        "own_loss_failed",
        "page_load_ms",
        "page_memory_mb",
        "replaced_in_trace",
        "session_ms",
        "wasm_file",
        "webnn_graphs",
    }
)
"""Options that a run found out: they vary from run to run, or with versions, which stand apart."""
_FLEET_OPTIONS = ("compile", "memory_layout")
_MACHINE_KIND = ("cpu_name", "cpu_cores_logical", "cpu_affinity", "threads_intra_op")
"""What of an environment makes another machine. Not the host's name: a host may be a new one every night; all of its cells then
move together, which is what the shift is for."""

OCCASION_GAP = timedelta(hours=6)
OCCASION_SPAN = timedelta(hours=24)
FEWEST_FLEET = 8
"""Cells that a machine's shift needs: of fewer, one that changed moves the median."""
FEWEST_DIFFERENCES = 8
_FEWEST_OWN_DIFFERENCES = 4
"""Of fewer, a step that is looked for would be counted as noise."""
_POLISH_ROUNDS = 10
MAD_TO_SIGMA = 1.4826
NOISE_FLOOR = 0.01
"""No two runs are taken to agree better than this (logarithm, about 1 %): the MAD of few values may be zero by chance."""
_OWN_AGAINST_POOL = 4
"""The machine's noise counts like so many differences of the series' own."""
_NORMAL_95 = 1.959964


def metric_of(row: Row) -> tuple[str, float] | None:
    """The metric that a result is compared by, and its time in ms (of a rate, that of one item); None without a number.

    With several requests in flight latency is not the speed; the rate is.
    """
    rate = row.get("throughput_items_per_s")
    if row.get("variant") == "throughput" and rate:
        return "throughput_items_per_s", 1000.0 / rate
    for name in ("latency_ms_p50", "latency_ms_mean"):
        if row.get(name):
            return name, float(row[name])
    return ("throughput_items_per_s", 1000.0 / rate) if rate else None


def why_without_time(row: Row) -> str | None:
    """Why a result has no time of a known cell, whatever the time is worth; None where it has one."""
    for reason, holds in (
        ("no number", row["status"] != "ok"),
        ("from an old file, whose configuration nobody knows", row["source"] == "legacy"),
        ("hardware unknown", row["hardware"] is None),
        ("no time of a call and no rate", metric_of(row) is None),
        ("a mean over several runs or configurations", "is_aggregate" in (row.get("flags") or ())),
    ):
        if holds:
            return reason
    return None


def scenario_of(row: Row) -> str:
    """The scenario, which rows without a number did not always state."""
    return str(row.get("scenario") or ("train_step" if row.get("mode") == "training" else "forward"))


def is_software(row: Row) -> bool:
    """Whether software on the CPU played the device."""
    return "software_adapter" in (row.get("flags") or ())


def mattering_options(row: Row) -> dict[str, Any]:
    """The options that make it another point: those that were asked for, not those that a run found out."""
    options = json.loads(row.get("options") or "{}")
    return {name: value for name, value in options.items() if name not in FOUND_OUT_OPTIONS}


def machine_kind(environment: Row | None) -> str:
    """What kind of machine an environment is, as text."""
    return canonical_json([(environment or {}).get(name) for name in _MACHINE_KIND])


def family_of(row: Row) -> str | None:
    """Models alike: the architecture, else the first word of the model's name without what follows a digit (`hiera_base_224`:
    hiera); a generation stays (`mobilenetv4`)."""
    if row.get("architecture"):
        return str(row["architecture"])
    name = str(row.get("model_id") or row.get("model") or "").rsplit("/", 1)[-1]
    found = re.match(r"[A-Za-z]*v\d+|[A-Za-z]+", name)
    return found[0].lower() if found else name or None


@dataclass(frozen=True)
class Occasion:
    """A stretch of time in which one host with one set of software measured; `number` counts within the fleet."""

    number: int
    environment_id: str | None
    backend_version: str | None
    harness_version: str | None
    began_at: datetime | None


@dataclass
class Run:
    """One number of a series: its time as a logarithm, how well that is known from within, and the machine's shift."""

    row: Row
    metric: str
    log_ms: float
    error: float | None
    order: tuple[Any, ...]
    host: str | None = None
    occasion: Occasion | None = None
    shift: float = 0.0
    is_shift_known: bool = False

    @property
    def corrected(self) -> float:
        """The logarithm of its time without the machine's shift."""
        return self.log_ms - self.shift


@dataclass(frozen=True)
class Series:
    """The runs of one fingerprint in their order. `starts` are where people said that a new baseline begins."""

    series_id: str
    fleet: tuple[Any, ...]
    options: str
    runs: list[Run]
    starts: Collection[str] = ()

    @cached_property
    def segments(self) -> list[list[Run]]:
        """The runs between accepted changes; the last is the current one."""
        parts: list[list[Run]] = [[]]
        for run in self.runs:
            if run.row["result_id"] in self.starts and parts[-1]:
                parts.append([])
            parts[-1].append(run)
        return parts

    @property
    def current(self) -> list[Run]:
        """The runs since the last accepted change."""
        return self.segments[-1]


@dataclass(frozen=True)
class Noise:
    """One robust standard deviation of a run, as a logarithm, and from how many pairs of runs that is known."""

    sigma: float
    n_pairs: int


@dataclass
class Fleet:
    """The series of one machine and software: its occasions, the shift of each that enough cells tell, and the noise."""

    key: tuple[Any, ...]
    series: list[Series]
    occasions: list[Occasion] = field(default_factory=list)
    shifts: dict[int, float] = field(default_factory=dict)
    n_cells: dict[int, int] = field(default_factory=dict)
    noise: Noise | None = None


@dataclass(frozen=True)
class History:
    """All series, the fleets they belong to, and how many results are in none, by reason."""

    series: list[Series]
    fleets: dict[tuple[Any, ...], Fleet]
    left_out: Counter[str]

    def noise_of(self, fleet: tuple[Any, ...]) -> Noise | None:
        """What runs of one cell differ by on a machine; None where too few cells were measured twice."""
        found = self.fleets.get(fleet)
        return found.noise if found else None


def fleet_of(row: Row, environments: Mapping[str, Row]) -> tuple[Any, ...]:
    """What a result shares with all that move together with it: machine, software, and way of running."""
    options = mattering_options(row)
    return (
        row["source"],
        row["hardware"],
        row.get("device_name"),
        machine_kind(environments.get(str(row.get("environment_id")))),
        row.get("backend"),
        row.get("mode"),
        row.get("variant"),
        is_software(row),
        *(options.get(name) for name in _FLEET_OPTIONS),
    )


def history_of(
    results: Iterable[Row], environments: Iterable[Row], accepted: Mapping[str, Collection[str]] | None = None
) -> History:
    """The series of out__results, their machines' shifts and noise.

    `accepted` names, by series, the runs from which on it has a new baseline.
    """
    environment_by_id: dict[str, Row] = {row["environment_id"]: row for row in environments}
    left_out: Counter[str] = Counter()
    by_key: dict[tuple[Any, ...], list[Run]] = {}
    for row in results:
        why_not = _why_in_no_series(row)
        if why_not is not None:
            left_out[why_not] += 1
            continue
        metric, time_ms = metric_of(row) or ("", 1.0)
        options = canonical_json(mattering_options(row))
        fleet = fleet_of(row, environment_by_id)
        columns = tuple(scenario_of(row) if name == "scenario" else row.get(name) for name in SERIES_COLUMNS)
        host = environment_by_id.get(str(row.get("environment_id")), {}).get("machine")
        run = Run(row, metric, math.log(time_ms), _error_within(row), _order(row), host)
        by_key.setdefault((columns, options, metric, fleet), []).append(run)
    series = []
    for (columns, options, metric, fleet), runs in by_key.items():
        series_id = sha256_of([columns, options, metric, fleet])[:16]
        runs.sort(key=lambda run: run.order)
        series.append(Series(series_id, fleet, options, runs, (accepted or {}).get(series_id, ())))
    fleets: dict[tuple[Any, ...], Fleet] = {}
    for one in series:
        fleets.setdefault(one.fleet, Fleet(one.fleet, [])).series.append(one)
    for fleet_found in fleets.values():
        _place_on_occasions(fleet_found)
        _find_shifts(fleet_found)
        fleet_found.noise = _noise(fleet_found.series)
    return History(series, fleets, left_out)


def _why_in_no_series(row: Row) -> str | None:
    if row["status"] == "ok" and row["provenance"] != "measured":
        return "not measured"
    why_not = why_without_time(row)
    if why_not is not None:
        return why_not
    if "faster_than_roofline" in (row.get("flags") or ()):
        return "faster than the device can be"
    if row.get("started_at") is None and row.get("backend_version") is None:
        return "neither a time nor a version says when"
    return None


def _order(row: Row) -> tuple[Any, ...]:
    if row.get("started_at") is not None:
        return (1, row["started_at"].timestamp(), str(row.get("run_id")))
    version = tuple(int(part) for part in re.findall(r"\d+", str(row["backend_version"]))[:3])
    return (0, version, str(row["result_id"]))


def _error_within(row: Row) -> float | None:
    low, high = row.get("latency_ms_p50_low"), row.get("latency_ms_p50_high")
    return math.log(high / low) / (2 * _NORMAL_95) if low and high else None


def _place_on_occasions(fleet: Fleet) -> None:
    open_ones: dict[tuple[Any, ...], tuple[Occasion, Any, Any]] = {}
    for run in sorted((run for one in fleet.series for run in one.runs), key=lambda run: run.order):
        row = run.row
        software = (row.get("environment_id"), row.get("backend_version"), row.get("harness_version"))
        at = row.get("started_at")
        found = open_ones.get(software)
        is_same = found is not None and (
            at is None or found[1] is None or (at - found[2] <= OCCASION_GAP and at - found[1] <= OCCASION_SPAN)
        )
        if found is None or not is_same:
            found = (Occasion(len(fleet.occasions), *software, at), at, at)
            fleet.occasions.append(found[0])
        open_ones[software] = (found[0], found[1], at)
        run.occasion = found[0]


def _find_shifts(fleet: Fleet) -> None:
    """Median polish over the segments and occasions of a fleet, and the shift of every run."""
    values: dict[tuple[int, int], list[float]] = {}
    parts = [part for one in fleet.series for part in one.segments]
    for place, part in enumerate(parts):
        for run in part:
            if run.occasion is not None:
                values.setdefault((place, run.occasion.number), []).append(run.log_ms)
    cells = {key: float(np.median(found)) for key, found in values.items()}
    while True:  # a cell tells of a shift where it was measured on two occasions that others tell of too
        by_part = Counter(place for place, _ in cells)
        cells = {key: value for key, value in cells.items() if by_part[key[0]] > 1}
        by_occasion = Counter(number for _, number in cells)
        kept = {key: value for key, value in cells.items() if by_occasion[key[1]] >= FEWEST_FLEET}
        if len(kept) == len(cells):
            break
        cells = kept
    shifts = _polished(cells)
    fleet.shifts = shifts
    fleet.n_cells = dict(Counter(number for _, number in cells))
    known = sorted(shifts)
    for part in parts:
        for run in part:
            if run.occasion is not None:
                run.shift, run.is_shift_known = _shift_on(run.occasion, fleet.occasions, shifts, known)


def _polished(cells: Mapping[tuple[int, int], float]) -> dict[int, float]:
    """The shift of each occasion against the first; none where there are no cells."""
    if not cells:
        return {}
    places, part_index = np.unique([place for place, _ in cells], return_inverse=True)
    numbers, occasion_index = np.unique([number for _, number in cells], return_inverse=True)
    times = np.array(list(cells.values()))
    levels, shifts = np.zeros(len(places)), np.zeros(len(numbers))
    of_part, of_occasion = _groups(part_index, len(places)), _groups(occasion_index, len(numbers))
    for _ in range(_POLISH_ROUNDS):
        rest = times - shifts[occasion_index]
        levels = np.array([np.median(rest[group]) for group in of_part])
        rest = times - levels[part_index]
        before, shifts = shifts, np.array([np.median(rest[group]) for group in of_occasion])
        if np.abs(shifts - before).max() < NOISE_FLOOR / 1000:
            break
    return {int(number): float(shift - shifts[0]) for number, shift in zip(numbers, shifts, strict=True)}


def _groups(index: Any, count: int) -> list[Any]:
    order = np.argsort(index, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(index, minlength=count))[:-1]))


def _shift_on(
    occasion: Occasion, occasions: Sequence[Occasion], shifts: Mapping[int, float], known: Sequence[int]
) -> tuple[float, bool]:
    """The shift of an occasion, and whether it is known: a few cells measured again soon after belong to the sweep of the same
    host and software; else the last shift is a guess."""
    if occasion.number in shifts:
        return shifts[occasion.number], True
    before = [number for number in known if number < occasion.number]
    if not before:
        return 0.0, False
    last = occasions[before[-1]]
    is_same = (last.environment_id, last.backend_version) == (occasion.environment_id, occasion.backend_version)
    is_near = (
        last.began_at is None or occasion.began_at is None or occasion.began_at - last.began_at <= 2 * OCCASION_SPAN
    )
    return shifts[before[-1]], is_same and is_near


def differences(part: Sequence[Run]) -> list[float]:
    """How far each run is from the one before it, the machine's shift removed, over √2: each of two runs has its noise."""
    return [(after.corrected - before.corrected) / math.sqrt(2) for before, after in pairwise(part)]


def robust_sigma(values: Sequence[float]) -> float:
    """A standard deviation about zero that a few outliers do not move: the scaled median of absolute values."""
    return MAD_TO_SIGMA * float(np.median(np.abs(values)))


def _noise(series: Iterable[Series]) -> Noise | None:
    pairs = [value for one in series for part in one.segments for value in differences(part)]
    if len(pairs) < FEWEST_DIFFERENCES:
        return None
    return Noise(max(robust_sigma(pairs), NOISE_FLOOR), len(pairs))


def sigma_of(series: Series, pool: Noise | None) -> float | None:
    """The noise of one run of a series: its own differences, the machine's noise and what the samples say, and never below
    the floor. None where too few runs tell.

    Differences inside all segments count: a change that was accepted moved the level, not the noise.
    """
    own = [value for part in series.segments for value in differences(part)]
    if pool is None and len(own) < FEWEST_DIFFERENCES:
        return None
    parts = [(robust_sigma(own) ** 2, len(own))] if len(own) >= _FEWEST_OWN_DIFFERENCES else []
    if pool is not None:
        parts.append((pool.sigma**2, _OWN_AGAINST_POOL))
    variance = sum(one * weight for one, weight in parts) / sum(weight for _, weight in parts)
    within = [run.error for run in series.runs if run.error is not None]
    return max(math.sqrt(variance), float(np.median(within)) if within else 0.0, NOISE_FLOOR)
