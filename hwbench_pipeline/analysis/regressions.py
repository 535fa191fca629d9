"""What became slower or faster: a verdict on the newest runs of every series against those before.

Belongs here: the step in a series, the verdicts with their words, what is to be measured again. Does not belong here: which
results are one series and what the machine did (`series`), or telling anybody (`reports.notifying`).

A step is looked for in the current segment; its z is the difference of the levels over what the noise makes of them. One run is no regression: it is suspected, measured again, and then the runs since the step are judged together. Values
that nobody here can measure again need a larger z.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwbench_pipeline.analysis.failures import reproduction
from hwbench_pipeline.analysis.series import (
    FEWEST_FLEET,
    SERIES_COLUMNS,
    Fleet,
    Noise,
    Run,
    Series,
    family_of,
    history_of,
    is_software,
    scenario_of,
    sigma_of,
)
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.schema.table import sha256_of
from hwbench_pipeline.schema.tables import OUT__REGRESSIONS
from hwbench_pipeline.schema.tables.regressions import CHANGES
from hwbench_pipeline.schema.tables.results import BOUNDED_ERROR_CLASSES, OWN_SOURCES
from hwbench_pipeline.training.recipe import recipe_named

Row = Mapping[str, Any]

LEAST_CHANGE = math.log(1.05)
"""A change below this is nobody's business, however sure."""
Z_SUSPECTED = 1.75
"""A suspicion costs a few runs; a change that is missed costs a night."""
Z_REGRESSION = 3.5
"""Of runs that were measured again (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)."""
Z_ALONE = 5.0
"""Of a value that nobody here can measure again."""
FEWEST_CONFIRMING = 2
CRITICAL_PERCENT, HIGH_PERCENT = 25.0, 15.0
RUNS_TO_CONFIRM = 5
_FEWEST_BASELINE = 3
_NEWEST_RUNS = 3
"""Of so many the level must still be past the middle of the step: what is over by now was an outlier."""
_LONGEST_LOOKED_AT = 60
"""Runs of a series, two months of nights."""
_DISTURBING_FLAGS = frozenset({"noisy", "unsteady", "throttled", "loaded_machine", "few_samples"})
"""What a run says of itself. Not `slower_than_other_run`, which every regression to over twice the time is."""
_LOST_STATUSES = ("failed", "timeout", "out_of_memory", "unsupported")
_ONLY_WITH_A_NUMBER = frozenset({"model_id", "model_size", "category", "device_name", "input_shape", "backend"})
_POINT = tuple(name for name in SERIES_COLUMNS if name not in _ONLY_WITH_A_NUMBER)
"""What a row without a number says of its point for certain: a device that was not reached has no name, and the rest follows."""


def severity_of(change_percent: float) -> str:
    """How bad a regression is, by how much more time it takes."""
    if change_percent > CRITICAL_PERCENT:
        return "critical"
    return "high" if change_percent > HIGH_PERCENT else "moderate"


@dataclass(frozen=True)
class Step:
    """The step of a series: from the run at `place` on, by how much (logarithm), and its z."""

    place: int
    change: float
    z: float


def step_of(values: Sequence[float], sigma: float) -> Step:
    """Where the values step, from the second on, and by how much.

    The place is that of least squares: the largest difference of means for the numbers of values on each side. How large the
    step is there, and its z, is a matter of levels, which one outlier does not make. Before it stand at least three values where
    there are so many: one run that was an outlier is no baseline.
    """
    array = np.asarray(values)
    count = len(array)
    places = np.arange(min(_FEWEST_BASELINE, max(1, count - 2)), count)
    sums = np.cumsum(array)[places - 1]
    means = (array.sum() - sums) / (count - places) - sums / places
    place = int(places[np.argmax(np.abs(means) * np.sqrt(places * (count - places)))])
    change = level_of(values[place:]) - level_of(values[:place])
    z = change / (sigma * math.sqrt(_variance_of_level(place) + _variance_of_level(count - place)))
    return Step(place, change, z)


def level_of(values: Sequence[float]) -> float:
    """Where values lie: the median of the means of all pairs, each value with itself among them (Hodges and Lehmann, Annals of
    Mathematical Statistics 34, 1963). Nearly as exact as the mean, and hardly moved by one outlier in four."""
    array = np.asarray(values)
    below = np.tri(len(array), dtype=bool)
    return float(np.median(((array[:, None] + array) / 2)[below]))


def _variance_of_level(count: int) -> float:
    """The variance of a level of so many values against that of one: π / 3n for many, 1 / n for one or two."""
    return 1 / count if count <= FEWEST_CONFIRMING else math.pi / 3 / count


def regressions(
    results: Iterable[Row], environments: Iterable[Row], accepted: Iterable[Row] = ()
) -> list[dict[str, Any]]:
    """Rows of out__regressions: one for each series and one for each machine whose cells tell of a shift.

    `accepted` are rows of core_regressions__accepted.
    """
    every = list(results)
    starts: dict[str, set[str]] = {}
    for row in accepted:
        starts.setdefault(row["series_id"], set()).add(row["result_id"])
    history = history_of(every, environments, starts)
    lost = _failures_after(every, history.series)
    rows = []
    for series in history.series:
        found = lost.get(series.series_id)
        judged = _judged(series, history.noise_of(series.fleet)) if found is None else _lost(series, found)
        rows.append(_complete(_identity(series) | judged))
    rows += [
        _complete(found) for fleet in history.fleets.values() if (found := _machine_row(fleet, starts)) is not None
    ]
    order = {verdict: place for place, verdict in enumerate(_ORDER)}
    rows.sort(key=lambda row: (order[row["verdict"]], -abs(row["change_percent"] or 0.0), row["series_id"]))
    return rows


_ORDER = (*CHANGES, "inconclusive", "insufficient data", "no change shown")


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    return OUT__REGRESSIONS.complete(row)


def _identity(series: Series) -> dict[str, Any]:
    newest = series.runs[-1]
    row = newest.row
    return {
        "series_id": series.series_id,
        "scope": "cell",
        "family": family_of(row),
        **{name: row.get(name) for name in SERIES_COLUMNS if name in OUT__REGRESSIONS.column_by_name},
        "scenario": scenario_of(row),
        "options": series.options,
        "metric": newest.metric,
        "is_software": is_software(row),
        "newest_result_id": row["result_id"],
        "newest_at": row.get("started_at"),
        "candidate_backend_version": row.get("backend_version"),
        "candidate_harness_version": row.get("harness_version"),
    }


def _is_disturbed(run: Run) -> bool:
    return bool(_DISTURBING_FLAGS & set(run.row.get("flags") or ()))


def _usable(runs: Sequence[Run]) -> list[Run]:
    """The runs that say of themselves that nothing disturbed them; all where hardly one says so: then it is always like this."""
    undisturbed = [run for run in runs if not _is_disturbed(run)]
    return undisturbed if len(undisturbed) > len(runs) / 2 else list(runs)


def _judged(series: Series, pool: Noise | None) -> dict[str, Any]:
    runs = _usable(series.current[-_LONGEST_LOOKED_AT:])
    sigma = sigma_of(series, pool)
    if len(runs) < FEWEST_CONFIRMING:
        since = " since the accepted change" if len(series.segments) > 1 else ""
        return _verdict("insufficient data", f"one run{since}: nothing to compare it with")
    if sigma is None:
        return _verdict(
            "insufficient data",
            f"{len(runs)} runs, and too few of this machine to know what runs of one cell differ by",
        )
    is_own = series.runs[-1].row["source"] in OWN_SOURCES
    step = step_of([run.corrected for run in runs], sigma)
    before, after = runs[: step.place], runs[step.place :]
    numbers = _numbers(before, after, step, sigma, is_own=is_own)
    verdict, evidence, reason = _decided(series, runs, step, sigma, numbers, is_own=is_own)
    percent = numbers["change_percent"]
    return _verdict(
        verdict,
        reason,
        **numbers,
        evidence=evidence,
        severity=severity_of(percent) if verdict == "regression" else None,
    )


def _verdict(verdict: str, reason: str, **numbers: Any) -> dict[str, Any]:
    return {"verdict": verdict, "reason": reason, **numbers}


def _numbers(before: Sequence[Run], after: Sequence[Run], step: Step, sigma: float, *, is_own: bool) -> dict[str, Any]:
    baseline, candidate = (level_of([run.log_ms for run in part]) for part in (before, after))
    shift = level_of([run.shift for run in after]) - level_of([run.shift for run in before])
    n_needed, z_needed = (FEWEST_CONFIRMING, Z_REGRESSION) if is_own else (1, Z_ALONE)
    visible = z_needed * sigma * math.sqrt(_variance_of_level(n_needed) + _variance_of_level(len(before)))
    is_known = all(run.is_shift_known for run in (before[-1], after[-1]))
    return {
        "change_percent": _percent(step.change),
        "raw_change_percent": _percent(candidate - baseline),
        "fleet_shift_percent": _percent(shift) if is_known else None,
        "z": step.z,
        "noise_percent": _percent(sigma),
        "smallest_visible_percent": _percent(max(visible, LEAST_CHANGE)),
        "n_baseline": len(before),
        "n_candidate": len(after),
        "baseline_ms": math.exp(baseline),
        "candidate_ms": math.exp(candidate),
        "change_result_id": after[0].row["result_id"],
        "baseline_backend_version": before[-1].row.get("backend_version"),
        "baseline_harness_version": before[-1].row.get("harness_version"),
    }


def _percent(logarithm: float) -> float:
    return 100 * math.expm1(logarithm)


def _decided(
    series: Series, runs: Sequence[Run], step: Step, sigma: float, numbers: Mapping[str, Any], *, is_own: bool
) -> tuple[str, str | None, str]:
    """The verdict, its evidence and its words."""
    after, percent, z = runs[step.place :], numbers["change_percent"], step.z
    words = f"{abs(percent):.1f} % {'more' if percent > 0 else 'less'} time, {abs(z):.1f} robust standard deviations"
    newest = series.current[-1]
    if newest not in runs and newest.corrected - _level(runs) > LEAST_CHANGE:
        flags = ", ".join(sorted(_DISTURBING_FLAGS & set(newest.row["flags"])))
        return "inconclusive", None, f"the newest run took more time and says of itself {flags}: measure again"
    is_large = abs(step.change) >= LEAST_CHANGE
    is_still_there = (_level(after[-_NEWEST_RUNS:]) - _level(runs[: step.place])) * step.change > step.change**2 / 2
    is_sure = abs(z) >= (Z_REGRESSION if is_own else Z_ALONE)
    is_confirmed = len(after) >= FEWEST_CONFIRMING or not is_own
    if is_large and is_still_there and _is_other_host(runs, step):
        return (
            "inconclusive",
            None,
            f"{words}; measured on another host, with too few other cells to tell it from the cell",
        )
    if is_large and is_still_there and is_sure and is_confirmed:
        evidence = "re-run" if len(after) >= FEWEST_CONFIRMING else "cross-section"
        how = (
            f"shown by {len(after)} runs"
            if evidence == "re-run"
            else "one value against all cells of the machine at the same change"
        )
        return "regression" if percent > 0 else "improvement", evidence, f"{words}; {how}{_fleet_words(numbers)}"
    if is_large and is_still_there and abs(z) >= Z_SUSPECTED:
        what = "one run" if len(after) == 1 else f"{len(after)} runs, not yet sure"
        if not is_own:
            return "inconclusive", None, f"{words}; {what}, which cannot be measured again here{_fleet_words(numbers)}"
        if percent > 0:
            return "suspected", None, f"{words}; {what}: measure again to confirm{_fleet_words(numbers)}"
        return "inconclusive", None, f"{words}; {what}: an improvement that is not confirmed"
    if numbers["smallest_visible_percent"] > CRITICAL_PERCENT:
        return (
            "inconclusive",
            None,
            f"runs differ by {_percent(sigma):.0f} %: a change below {numbers['smallest_visible_percent']:.0f} % would not show",
        )
    return "no change shown", None, f"a change of {numbers['smallest_visible_percent']:.0f} % and more would show"


def _level(runs: Sequence[Run]) -> float:
    return level_of([run.corrected for run in runs])


def _is_other_host(runs: Sequence[Run], step: Step) -> bool:
    """Whether the step may be that of a host: none of the runs before was on it, and its shift is not known."""
    newest = runs[-1]
    return not newest.is_shift_known and newest.host not in {run.host for run in runs[: step.place]}


def _fleet_words(numbers: Mapping[str, Any]) -> str:
    shift = numbers["fleet_shift_percent"]
    if shift is None:
        return f"; fewer than {FEWEST_FLEET} cells of the machine say whether it moved as a whole"
    return f"; the machine's own {shift:+.1f} % is taken off"


def _point_of(row: Row) -> tuple[Any, ...]:
    return tuple(scenario_of(row) if name == "scenario" else row.get(name) for name in _POINT)


def _failures_after(results: Iterable[Row], series: Iterable[Series]) -> dict[str, Row]:
    """The newest failure of each series whose point was not measured since, by series. Accepted ones are known."""
    newest: dict[tuple[Any, ...], Row] = {}
    for row in results:
        if (
            row["status"] in _LOST_STATUSES
            and row["source"] in OWN_SOURCES
            and row.get("batch_size") is not None
            and row.get("error_class") not in BOUNDED_ERROR_CLASSES
        ):
            known = newest.get(_point_of(row))
            if known is None or row["started_at"] > known["started_at"]:
                newest[_point_of(row)] = row
    last_measured: dict[tuple[Any, ...], Series] = {}
    for one in series:
        if one.runs[-1].row["source"] in OWN_SOURCES:
            point = _point_of(one.runs[-1].row)
            known_series = last_measured.get(point)
            if known_series is None or one.runs[-1].order > known_series.runs[-1].order:
                last_measured[point] = one
    return {
        one.series_id: failure
        for point, one in last_measured.items()
        if (failure := newest.get(point)) is not None
        and failure["started_at"] > one.runs[-1].row["started_at"]
        and failure["result_id"] not in one.starts
    }


def _lost(series: Series, failure: Row) -> dict[str, Any]:
    last = series.runs[-1].row
    reason = f"measured until {last['started_at']:%Y-%m-%d %H:%M}, then {failure['status']}: {failure['error_message']}"
    return _verdict(
        "lost cell",
        reason,
        change_result_id=failure["result_id"],
        n_baseline=len(series.current),
        baseline_backend_version=last.get("backend_version"),
        baseline_harness_version=last.get("harness_version"),
        candidate_backend_version=failure.get("backend_version"),
        candidate_harness_version=failure.get("harness_version"),
    )


def _machine_row(fleet: Fleet, starts: Mapping[str, Collection[str]]) -> dict[str, Any] | None:
    """What all cells of a machine did together on its last occasions; None where that is not known of two since the last
    change that was accepted."""
    series_id = sha256_of(["machine", fleet.key])[:16]
    runs = sorted((run for one in fleet.series for run in one.runs), key=lambda run: run.order)
    first_run = {run.occasion.number: run for run in reversed(runs) if run.occasion is not None}
    accepted = starts.get(series_id, ())
    since = max((number for number, run in first_run.items() if run.row["result_id"] in accepted), default=0)
    known = [number for number in sorted(fleet.shifts) if number >= since]
    if len(known) < FEWEST_CONFIRMING:
        return None
    shifts = [fleet.shifts[number] for number in known]
    # a shift is a median of many cells: its own noise is far below the least change
    step = step_of(shifts, LEAST_CHANGE / Z_REGRESSION)
    before, after = fleet.occasions[known[step.place - 1]], fleet.occasions[known[-1]]
    percent, n_after = _percent(step.change), len(known) - step.place
    sample = runs[-1]
    is_software_new = (before.environment_id, before.backend_version) != (after.environment_id, after.backend_version)
    words = f"all {fleet.n_cells[known[-1]]} cells together take {abs(percent):.1f} % {'more' if percent > 0 else 'less'} time"
    if abs(step.change) < LEAST_CHANGE:
        verdict, reason = "no change shown", words
    elif not is_software_new:
        verdict = "inconclusive"
        reason = f"{words}, with the same environment: the machine (or hwbench itself), not the models"
    elif n_after < FEWEST_CONFIRMING and sample.row["source"] in OWN_SOURCES:
        verdict = "suspected" if percent > 0 else "inconclusive"
        reason = f"{words} in another environment, on one occasion: measure again to confirm"
    else:
        verdict = "regression" if percent > 0 else "improvement"
        reason = f"{words} in another environment (environment {before.environment_id} → {after.environment_id})"
    changed = verdict in ("regression", "improvement")
    return {
        "series_id": series_id,
        "scope": "machine",
        **{name: sample.row.get(name) for name in ("source", "hardware", "device_name", "mode", "variant", "backend")},
        "metric": sample.metric,
        "verdict": verdict,
        "reason": reason,
        "severity": severity_of(percent) if verdict == "regression" else None,
        "evidence": None if not changed else "re-run" if n_after >= FEWEST_CONFIRMING else "cross-section",
        "change_percent": percent,
        "n_fleet": fleet.n_cells[known[-1]],
        "change_result_id": first_run[known[step.place]].row["result_id"],
        "n_baseline": step.place,
        "n_candidate": n_after,
        "noise_percent": _percent(fleet.noise.sigma) if fleet.noise else None,
        "baseline_backend_version": before.backend_version,
        "candidate_backend_version": after.backend_version,
        "baseline_harness_version": before.harness_version,
        "candidate_harness_version": after.harness_version,
        "newest_at": sample.row.get("started_at"),
    }


def plans_to_confirm(rows: Iterable[Row], *, verdicts: Collection[str] = ("suspected",)) -> list[CellPlan]:
    """What to measure again: one plan for each cell with suspected points of our own, each point once. Run it
    `RUNS_TO_CONFIRM` times, each time in a new process."""
    points: dict[tuple[str, str, str], dict[Point, None]] = {}
    for row in rows:
        if row["verdict"] not in verdicts or row["source"] != "hwbench" or row["scope"] != "cell":
            continue
        options = json.loads(row["options"] or "{}")
        point = Point(
            model_size=row["model_size"],
            precision=row["precision"],
            batch_size=row["batch_size"],
            sequence_length=row["sequence_length"],
            scenario="forward" if row["mode"] == "training" else row["scenario"],
            variant=row["variant"],
            new_tokens=options.get("new_tokens"),
            sound_s=row["sound_s"],
            recipe=recipe_named(row["recipe"]),
        )
        points.setdefault((row["hardware"], row["model"], row["mode"]), {})[point] = None
    return [CellPlan(hardware, model, mode, tuple(found)) for (hardware, model, mode), found in points.items()]


def command_to_confirm(row: Row) -> str:
    """The command that measures a series again."""
    text = reproduction(row)
    for option, name in (("--sequence-length", "sequence_length"), ("--sound-seconds", "sound_s")):
        if row.get(name) is not None:
            text += f" {option} {row[name]:g}"
    return text


def by_family(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each family, in the order in which the families first come; machines stand for themselves."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row["family"] or "(whole machine)", []).append(row)
    return families
