"""Comparing results that differ in one thing: the speed-up, its interval, and what that shows.

Belongs here: which results are two sides of one cell, the interval of a speed-up, and how a cell takes to larger batches.
Does not belong here: one cell over time (`regressions`), or how a comparison looks (`cli.compare`, `reports`).

The interval has two parts. From the raw samples of both sides: a bootstrap of the ratio of their medians, no narrower than the
intervals of the two medians, which know that samples follow each other. And from runs: two runs of the same cell differ by more
than their samples say, by an amount that is known from cells which were measured more than once, and assumed where none were.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwbench_pipeline.analysis.series import (
    History,
    fleet_of,
    is_software,
    mattering_options,
    metric_of,
    scenario_of,
    why_without_time,
)
from hwbench_pipeline.bench.plan import usual_variant
from hwbench_pipeline.bench.statistics import FEWEST_FOR_INTERVAL, median_interval
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.schema.tables import OUT__COMPARISON, OUT__SCALING
from hwbench_pipeline.schema.tables.comparison import (
    CELL_COLUMNS,
    COMPARISON_VERDICTS,
    STORED_DIMENSIONS,
)
from hwbench_pipeline.schema.tables.results import OWN_SOURCES

Row = Mapping[str, Any]

FASTER, SLOWER, NOT_SHOWN = COMPARISON_VERDICTS
COMPARED_COLUMNS = (
    "run_id",
    "result_id",
    "config_sha256",
    "provenance",
    "status",
    "error_message",
    "backend",
    "backend_version",
    "options",
    "output_max_rel_error",
    "latency_ms_p50",
    "latency_ms_mean",
    "throughput_items_per_s",
    "samples_ms",
    "n_samples",
    "peak_memory_mb",
    "memory_method",
    "roofline_ms",
    "roofline_limb",
    "flags",
    "environment_id",
    "harness_version",
    "started_at",
    "is_current",
    *(column.name for column in CELL_COLUMNS),
)
"""The columns of out__results that comparisons are made of."""

ASSUMED_BETWEEN_RUN = 0.06
"""One standard deviation of a run, as a logarithm, where no cell of the machine was measured often enough to know: that of ten runs
of one BERT-base cell on a virtual machine of two cores, on each of two quiet days (`docs/measured`; on a third it was 13 %)."""
_N_RESAMPLES = 1000
_SEED = 0
_NORMAL_95 = 1.959964
_UNSETTLED_FLAGS = frozenset({"unsteady", "throttled", "slower_than_other_run", "faster_than_roofline"})
"""Flags that say that a median is not that of the cell, so that no interval around it says anything."""

_NAMES = tuple(column.name for column in CELL_COLUMNS)
_FREE: Mapping[str, frozenset[str]] = {
    "hardware": frozenset({"hardware", "device_name"}),
    "precision": frozenset({"precision"}),
    "batch": frozenset({"batch_size"}),
    "variant": frozenset({"variant"}),
    "model": frozenset({"model", "model_id", "category", "config_sha256", "input_shape"}),
    "run": frozenset(),
    "environment": frozenset({"device_name"}),
}
"""By dimension, the columns in which the two sides of a cell may differ."""
_OPTIONS_BELONG = ("run", "environment", "batch")
"""Dimensions whose sides must have equal options; elsewhere they follow from what is compared, and are named where they differ.
Of imported rows they always belong: they tell configurations apart that no column does."""


@dataclass(frozen=True)
class SpeedUp:
    """Baseline time over candidate time with its interval, None where the samples give none, and why there is no verdict."""

    ratio: float
    low: float | None
    high: float | None
    reason: str | None

    @property
    def verdict(self) -> str | None:
        """What the interval shows; None where there is a reason for having no verdict."""
        if self.reason is not None or self.low is None or self.high is None:
            return None
        return FASTER if self.low > 1 else SLOWER if self.high < 1 else NOT_SHOWN


def speed_up(baseline_ms: Sequence[float], candidate_ms: Sequence[float], between_run: float) -> SpeedUp:
    """The speed-up from the raw samples of one run on each side, in the order they were taken.

    `between_run` is what the runs of a cell differ by: one standard deviation of the logarithm, of both sides together.
    """
    from scipy import stats

    ratio = float(np.median(baseline_ms) / np.median(candidate_ms))
    n_fewest = min(len(baseline_ms), len(candidate_ms))
    if n_fewest < FEWEST_FOR_INTERVAL:
        return SpeedUp(
            ratio, None, None, f"{n_fewest} samples on one side: an interval needs {FEWEST_FOR_INTERVAL} at least"
        )
    drawn = stats.bootstrap(
        (np.asarray(baseline_ms), np.asarray(candidate_ms)),
        lambda base, ours, axis: np.log(np.median(base, axis=axis) / np.median(ours, axis=axis)),
        n_resamples=_N_RESAMPLES,
        confidence_level=0.95,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    middle = math.log(ratio)
    follow = math.hypot(*(_reach_of_median(samples) for samples in (baseline_ms, candidate_ms)))
    runs = _NORMAL_95 * between_run
    below, above = (math.hypot(max(end, follow), runs) for end in (middle - drawn.low, drawn.high - middle))
    return SpeedUp(ratio, math.exp(middle - below), math.exp(middle + above), None)


def _reach_of_median(samples_ms: Sequence[float]) -> float:
    low, high = median_interval(samples_ms) or (1.0, 1.0)
    return math.log(high / low) / 2


@dataclass(frozen=True)
class Sides:
    """What is compared: the dimension, and where given the side to compare with and the one to compare."""

    by: str
    baseline: str | None = None
    candidate: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Rows of out__comparison, and how many cells have no other side, by what they lack."""

    rows: list[dict[str, Any]]
    left_out: Counter[str] = field(default_factory=Counter)


def side_of(row: Row, by: str) -> str:
    """The name of the side that a result is on."""
    if by == "hardware":
        software = ", software" if is_software(row) else ""
        return f"{row['hardware']} ({row.get('device_name') or 'device unknown'}{software})"
    if by == "variant":
        hardware = row.get("hardware")
        usual = usual_variant(hardware) if hardware in hardware_keys() else None
        return str(row.get("variant") or usual or "usual")
    if by == "model":
        return str(row.get("model") or row.get("model_id"))
    column = {"batch": "batch_size", "run": "run_id", "environment": "environment_id"}.get(by, by)
    return str(row.get(column))


def is_on(row: Row, by: str, name: str) -> bool:
    """Whether a result is on a side as people name it: a hardware key, the beginning of a run's or environment's id."""
    if by == "hardware":
        return row["hardware"] == name or side_of(row, by) == name
    if by in ("run", "environment"):
        return side_of(row, by).startswith(name)
    return side_of(row, by) == name or (by == "model" and row.get("model_id") == name)


def compare(results: Iterable[Row], environments: Iterable[Row], history: History, sides: Sides) -> Comparison:
    """Compare every cell that two sides have, and count the cells that lack one, with the reason.

    Only measured rows are compared; of runs and environments also those that are not current, else only current ones.
    Without a baseline: cpu, fp32, batch 1, the usual variant, the run or environment before. Models need one.
    """
    environment_by_id: dict[str, Row] = {row["environment_id"]: row for row in environments}
    left_out: Counter[str] = Counter()
    cells: dict[tuple[Any, ...], list[Row]] = {}
    without_number: dict[tuple[Any, ...], list[Row]] = {}
    for row in results:
        why_not = _why_not_compared(row, sides.by)
        if why_not is None:
            cells.setdefault(_cell_of(row, sides.by), []).append(row)
        elif row["status"] != "ok" and row.get("is_current", True):
            without_number.setdefault(_rough_cell_of(row, sides.by, is_whole=row.get("batch_size") is None), []).append(
                row
            )
        elif row["status"] == "ok" and row.get("is_current", True):
            left_out[why_not] += 1
    rows = []
    for members in cells.values():
        pairs = list(_pairs(members, sides))
        if not pairs:
            failures = [
                row
                for is_whole in (True, False)
                for row in without_number.get(_rough_cell_of(members[0], sides.by, is_whole=is_whole), ())
            ]
            left_out[_why_alone(members, failures, sides)] += 1
        rows += [_compared(baseline, candidate, sides.by, environment_by_id, history) for baseline, candidate in pairs]
    return Comparison(rows, left_out)


def stored_comparisons(results: Sequence[Row], environments: Sequence[Row], history: History) -> Comparison:
    """What out__comparison holds: every dimension but batches and models, each against its usual baseline."""
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for by in STORED_DIMENSIONS:
        found = compare(results, environments, history, Sides(by))
        rows += found.rows
        left_out.update({f"{by}: {reason}": count for reason, count in found.left_out.items()})
    return Comparison(rows, left_out)


def _why_not_compared(row: Row, by: str) -> str | None:
    if row["status"] == "ok" and row["provenance"] != "measured":
        return f"not measured: {row['provenance']}"
    why_not = why_without_time(row)
    if why_not is not None:
        return why_not
    for reason, holds in (
        ("no batch size stated", by == "batch" and row.get("batch_size") is None),
        (f"no {by} stated", by in ("run", "environment", "precision") and side_of(row, by) == "None"),
        ("an older run", by not in ("run", "environment") and not row.get("is_current", True)),
    ):
        if holds:
            return reason
    return None


def _cell_of(row: Row, by: str) -> tuple[Any, ...]:
    """What both sides of a cell share."""
    free = _FREE[by]
    is_own = row["source"] in OWN_SOURCES
    columns = [
        scenario_of(row) if name == "scenario" else row.get(name)
        for name in (*_NAMES, "config_sha256")
        # of our rows the shape follows from batch and length, which have columns of their own
        if name not in free and not (by == "batch" and name == "input_shape" and is_own)
    ]
    has_options = not is_own or by in _OPTIONS_BELONG
    options = json.dumps(mattering_options(row), sort_keys=True) if has_options else None
    backend = row.get("backend") if by in ("run", "environment", "batch", "precision") else None
    software = is_software(row) if by != "hardware" else None
    return (*columns, options, backend, software)


def _rough_cell_of(row: Row, by: str, *, is_whole: bool) -> tuple[Any, ...]:
    """What a row without a number says of its cell; one that speaks for the whole cell, as where hardware is absent, has no
    point."""
    names = ("source", "model", "mode", "hardware", "model_size")
    point = () if is_whole else ("variant", "precision", "batch_size", "sequence_length")
    unnamed = row.get("model_id") if row.get("model") is None and by != "model" else None
    return (unnamed, *(row.get(name) for name in (*names, *point) if name not in _FREE[by]))


def _pairs(members: Sequence[Row], sides: Sides) -> Iterable[tuple[Row, Row]]:
    newest: dict[str, Row] = {}
    for row in sorted(members, key=_age):
        newest[side_of(row, sides.by)] = row
    by_age = sorted(newest.values(), key=_age)
    if len(by_age) < 2:
        return
    if sides.baseline is not None:
        name = sides.baseline
        baselines = [row for row in by_age if is_on(row, sides.by, name)][-1:]
    else:
        baselines = _usual_baseline(by_age, sides.by)
    chosen = {row["result_id"] for row in baselines}
    others = [row for row in by_age if row["result_id"] not in chosen]
    if sides.candidate is not None:
        others = [row for row in others if is_on(row, sides.by, sides.candidate)]
    elif sides.by in ("run", "environment"):
        others = others[-1:]
    for baseline in baselines:
        for candidate in others:
            yield baseline, candidate


def _age(row: Row) -> tuple[bool, Any, str]:
    started = row.get("started_at")
    return (started is not None, started.timestamp() if started is not None else 0.0, str(row["result_id"]))


def _usual_baseline(rows: Sequence[Row], by: str) -> list[Row]:
    """The side that the others are compared with where nobody chose one: cpu, fp32, the usual variant, or where that was not
    measured the first by name; batch 1 and no other; the run before the newest."""
    if by in ("run", "environment"):
        return [rows[-2]]
    usual: dict[str, tuple[str, Any]] = {
        "hardware": ("hardware", "cpu"),
        "precision": ("precision", "fp32"),
        "batch": ("batch_size", 1),
        "variant": ("variant", None),
    }
    if by not in usual:
        return []
    column, value = usual[by]
    found = [row for row in rows if row.get(column) == value][-1:]
    return found if found or by == "batch" else sorted(rows, key=lambda row: side_of(row, by))[:1]


def _why_alone(members: Sequence[Row], failures: Sequence[Row], sides: Sides) -> str:
    """Why a cell has no two sides to compare: which it has, and how the others ended."""
    if sides.by in ("run", "environment"):
        return f"only one {sides.by} of the cell" if len(members) == 1 else f"not in both of the {sides.by}s"
    has = ", ".join(sorted({side_of(row, sides.by) for row in members}))
    ended = sorted({f"{side_of(row, sides.by).split(' (')[0]}: {row['status']}" for row in failures})
    return f"only {has}; {', '.join(ended) or 'nothing else was tried'}"


def _compared(
    baseline: Row, candidate: Row, by: str, environments: Mapping[str, Row], history: History
) -> dict[str, Any]:
    metric, baseline_ms, candidate_ms = _times(baseline, candidate, by)
    between, source = _between_runs((baseline, candidate), environments, history)
    effect = _effect(baseline, candidate, metric, baseline_ms / candidate_ms, by, between)
    row: dict[str, Any] = {
        "dimension": by,
        **{name: candidate.get(name) for name in _NAMES if candidate.get(name) == baseline.get(name)},
        "source": candidate["source"],
        "is_software": is_software(baseline) or is_software(candidate),
        "metric": metric,
        "speed_up": effect.ratio,
        "speed_up_low": effect.low,
        "speed_up_high": effect.high,
        "between_run_percent": 100 * math.expm1(between),
        "between_run_source": source,
        "verdict": effect.verdict,
        "reason": effect.reason,
        "memory_ratio": _memory_ratio(baseline, candidate),
        "also_differs": _also_differs(baseline, candidate, by),
    }
    for side, result, time_ms in (("baseline", baseline, baseline_ms), ("candidate", candidate, candidate_ms)):
        row |= {
            f"{side}_side": side_of(result, by),
            f"{side}_result_id": result["result_id"],
            f"{side}_ms": time_ms,
            f"{side}_n_samples": result.get("n_samples"),
            f"{side}_flags": list(result.get("flags") or ()),
            f"{side}_limb": result.get("roofline_limb"),
            f"{side}_roofline_percent": _roofline_percent(result),
            f"{side}_output_max_rel_error": result.get("output_max_rel_error"),
        }
    return OUT__COMPARISON.complete(row)


def _times(baseline: Row, candidate: Row, by: str) -> tuple[str, float, float]:
    """The metric of both, and their times in it: of a call, by batch of an item."""
    both = [metric_of(row) for row in (baseline, candidate)]
    metrics = {found[0] for found in both if found}
    if len(metrics) > 1 and all(row.get("throughput_items_per_s") for row in (baseline, candidate)):
        return (
            "throughput_items_per_s",
            1000 / baseline["throughput_items_per_s"],
            1000 / candidate["throughput_items_per_s"],
        )
    (metric, first), (_, second) = [found for found in both if found]
    if by != "batch" or metric == "throughput_items_per_s":
        return metric, first, second
    return metric, first / baseline["batch_size"], second / candidate["batch_size"]


def _between_runs(rows: Sequence[Row], environments: Mapping[str, Row], history: History) -> tuple[float, str]:
    """What runs of the two sides differ by, together, and where that is known from."""
    known = [history.noise_of(fleet_of(row, environments)) for row in rows]
    sigmas = [ASSUMED_BETWEEN_RUN if noise is None else noise.sigma for noise in known]
    texts = dict.fromkeys("assumed" if noise is None else f"{noise.n_pairs} pairs of runs" for noise in known)
    return math.hypot(*sigmas), ", ".join(texts)


def _effect(baseline: Row, candidate: Row, metric: str, ratio: float, by: str, between: float) -> SpeedUp:
    if metric == "throughput_items_per_s":
        return SpeedUp(
            ratio, None, None, "a rate of requests in flight, or of a whole run: it has no samples of its own"
        )
    samples = [row.get("samples_ms") for row in (baseline, candidate)]
    if not all(samples):
        return SpeedUp(ratio, None, None, "no raw samples on one side: nothing says how sure its number is")
    items = [row["batch_size"] if by == "batch" else 1 for row in (baseline, candidate)]
    first, second = ([one / n for one in found or ()] for found, n in zip(samples, items, strict=True))
    found = speed_up(first, second, between)
    # of two runs the slower one has that flag from this very comparison
    unsettled = _UNSETTLED_FLAGS - ({"slower_than_other_run"} if by in ("run", "environment") else set())
    flags = sorted(unsettled & {flag for row in (baseline, candidate) for flag in row.get("flags") or ()})
    if flags and found.reason is None:
        return SpeedUp(found.ratio, found.low, found.high, f"{', '.join(flags)}: a median in doubt decides nothing")
    return found


def _roofline_percent(row: Row) -> float | None:
    least, time_ms = row.get("roofline_ms"), row.get("latency_ms_p50")
    return 100 * least / time_ms if least and time_ms else None


def _memory_ratio(baseline: Row, candidate: Row) -> float | None:
    first, second = baseline.get("peak_memory_mb"), candidate.get("peak_memory_mb")
    is_same = baseline.get("memory_method") == candidate.get("memory_method")
    return second / first if first and second and is_same else None


def _also_differs(baseline: Row, candidate: Row, by: str) -> list[str]:
    names = [
        name
        for name in ("backend", "backend_version", "environment_id", "harness_version")
        if baseline.get(name) != candidate.get(name) and name.removesuffix("_id") != by
    ]
    first, second = mattering_options(baseline), mattering_options(candidate)
    return names + [f"options.{name}" for name in sorted(first | second) if first.get(name) != second.get(name)]


def scaling(results: Sequence[Row], environments: Sequence[Row], history: History) -> Comparison:
    """Rows of out__scaling: every result at a batch size above 1 against batch 1 of its cell, or why it has none."""
    compared = compare(results, environments, history, Sides("batch", baseline="1"))
    by_id = {row["result_id"]: row for row in results}
    rows = []
    for found in compared.rows:
        result = by_id[found["candidate_result_id"]]
        shared = {name: found[name] for name in OUT__SCALING.column_names if name in found}
        rows.append(
            shared
            | {name: result.get(name) for name in _NAMES}
            | {
                "result_id": found["candidate_result_id"],
                "ms_per_item": found["candidate_ms"],
                "baseline_ms_per_item": found["baseline_ms"],
                "efficiency": found["speed_up"] / result["batch_size"],
                "limb": found["candidate_limb"],
                "roofline_percent": found["candidate_roofline_percent"],
            }
        )
    done = {row["result_id"] for row in rows}
    for result in results:
        batch = result.get("batch_size")
        if _why_not_compared(result, "batch") is None and batch is not None and batch > 1:
            if result["result_id"] in done:
                continue
            metric, time_ms = metric_of(result) or ("", 0.0)
            rows.append(
                {name: result.get(name) for name in _NAMES}
                | {
                    "result_id": result["result_id"],
                    "is_software": is_software(result),
                    "ms_per_item": time_ms if metric == "throughput_items_per_s" else time_ms / batch,
                    "reason": "batch 1 of the same cell was not measured",
                    "limb": result.get("roofline_limb"),
                    "roofline_percent": _roofline_percent(result),
                }
            )
    return Comparison([OUT__SCALING.complete(row) for row in rows], compared.left_out)


@dataclass(frozen=True)
class Summary:
    """What the comparisons of two sides come to, apart by model size, mode, source and software. The speed-ups are those of
    cells with a verdict where there are any: a median in doubt is no part of a mean."""

    baseline: str
    candidate: str
    source: str
    model_size: str | None
    mode: str | None
    is_software: bool
    n_cells: int
    verdicts: Mapping[str, int]
    n_averaged: int
    geometric_mean: float
    least: float
    most: float


def summaries(rows: Iterable[Row]) -> list[Summary]:
    """One summary for each pair of sides; tiny cells and software devices are never mixed with others."""
    groups: dict[tuple[str, str, str, str | None, str | None, bool], list[Row]] = {}
    for row in rows:
        is_of_time = row["dimension"] in ("run", "environment")
        sides = ("before", "after") if is_of_time else (row["baseline_side"], row["candidate_side"])
        key = (*sides, row["source"], row["model_size"], row["mode"], row["is_software"])
        groups.setdefault(key, []).append(row)
    made = []
    for key, members in groups.items():
        ratios = [row["speed_up"] for row in members if row["verdict"]] or [row["speed_up"] for row in members]
        mean = math.exp(sum(math.log(ratio) for ratio in ratios) / len(ratios))
        verdicts = dict(Counter(row["verdict"] or "no verdict" for row in members))
        made.append(Summary(*key, len(members), verdicts, len(ratios), mean, min(ratios), max(ratios)))
    return made
