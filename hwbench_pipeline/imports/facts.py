"""When two imported rows are one fact: the same run, listed or stored more than once.

Belongs here: the identity of a fact, by format. Does not belong here: which of its rows stays (`importing`).

Most facts are known by their own numbers. A single coarse sample (a model loaded in 0.5 s) is not; it is known by its
siblings, the other targets of its run; and where all of a run is that coarse, a report without configuration is a copy
of the run that stands with equal values in the same folder, as optimum-benchmark writes it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from hwbench_pipeline.legacy.json_values import significant_digits
from hwbench_pipeline.schema.table import sha256_of
from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS

_DIGITS_OF_A_CLOCK = 8
"""Digits from which a single sample is as good as a fingerprint."""
_ACCURACY_TARGETS = ("-99.9", "-99")


_LATENCIES = tuple(name for name in LATENCY_COLUMNS if name not in ("latency_ms_std", "latency_ms_p99"))

Rows = Sequence[Mapping[str, Any]]
Run = tuple[str, list[int]]


def facts_of_files(files: Mapping[Hashable, Rows]) -> dict[Hashable, list[Hashable | None]]:
    """The identity of each row of each file, None where nothing tells two such runs apart."""
    facts: dict[Hashable, list[Hashable | None]] = {}
    coarse: list[tuple[Hashable, Rows, Run]] = []
    for key, rows in files.items():
        own = facts[key] = [fact_of(row) for row in rows]
        for run, positions in _runs_of(rows):
            siblings = frozenset(own[position] for position in positions) - {None}
            for position in positions:
                row = rows[position]
                if own[position] is None and siblings:
                    own[position] = ("sibling", siblings, row["scenario"], _likeness(row))
                elif own[position] is None and row.get("exported_result_id") is not None:
                    own[position] = ("exported", row["exported_result_id"], row["scenario"], _likeness(row))
            if not siblings:
                coarse.append((key, rows, (run, positions)))
    _join_bare_reports(coarse, facts)
    return facts


def _runs_of(rows: Rows) -> Iterator[Run]:
    """The runs of an optimum-benchmark file: each with the place of its report, and the positions of its rows."""
    runs: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        if row["source"] == "optimum_benchmark":
            place, _, name = str(row["source_pointer"]).rpartition("/")
            runs[f"{place}/{name.rpartition('.')[0]}"].append(position)
    yield from runs.items()


def _join_bare_reports(
    coarse: Sequence[tuple[Hashable, Rows, Run]], facts: dict[Hashable, list[Hashable | None]]
) -> None:
    """Give each report without configuration the facts of the run in its folder that has equal values."""
    configured: dict[Hashable, list[tuple[str, str, Hashable, Rows, list[int]]]] = defaultdict(list)
    bare: list[tuple[Hashable, Hashable, Rows, list[int]]] = []
    for key, rows, (run, positions) in coarse:
        values = sorted((str(rows[position]["scenario"]), str(_likeness(rows[position]))) for position in positions)
        if any(_likeness(rows[position]) is None for position in positions):
            continue
        path = PurePosixPath(str(rows[positions[0]]["source_path"]))
        place: Hashable = (path.parent, tuple(values))
        if all(_is_bare(rows[position]) for position in positions):
            bare.append((place, key, rows, positions))
        else:
            configured[place].append((str(path), run, key, rows, positions))
    for place, key, rows, positions in bare:
        # among several runs with these values the report is a copy of one of them, whichever
        candidates = [candidate for candidate in configured[place] if candidate[2] != key]
        if not candidates:
            continue
        path_of_first, run, holder, holder_rows, holder_positions = min(candidates, key=lambda candidate: candidate[:2])
        known: dict[Hashable, Hashable] = {}
        for position in holder_positions:
            row = holder_rows[position]
            target = (row["scenario"], _likeness(row))
            facts[holder][position] = known[target] = facts[holder][position] or ("place", path_of_first, run, *target)
        for position in positions:
            facts[key][position] = known[rows[position]["scenario"], _likeness(rows[position])]


def _is_bare(row: Mapping[str, Any]) -> bool:
    """Whether the row comes from a report of which nothing says what ran it."""
    return all(row[name] is None for name in ("model_id", "hardware", "harness_version"))


def _likeness(row: Mapping[str, Any]) -> Hashable | None:
    """What a target's row says happened, the same with and without a configuration; None where it says no time."""
    if row["status"] != "ok":
        return (row["error_class"], row["error_message"])
    samples = row.get("samples_ms") or [value for name in _LATENCIES if (value := row.get(name)) is not None]
    return tuple(f"{sample:.12g}" for sample in samples) or None


def fact_of(row: Mapping[str, Any]) -> Hashable | None:
    """The identity of what a row says happened; None where nothing tells two such runs apart."""
    source = row["source"]
    if source == "bundle":
        return ("bundle", row["result_id"])
    if source == "optimum_benchmark":
        return _by_samples(row)
    if source == "mlperf":
        return _by_submission(row)
    return _by_line(row) if source == "timm" else None


def _by_samples(row: Mapping[str, Any]) -> Hashable | None:
    """One run's report stands in benchmark.json, benchmark_report.json and .csv: its samples are its fingerprint."""
    samples = row.get("samples_ms")
    # twelve digits: 0.0571 s times 1000 is 57.099999999999994 ms, which is no finer than it was
    if not samples or (len(samples) == 1 and significant_digits(float(f"{samples[0]:.12g}")) < _DIGITS_OF_A_CLOCK):
        return None
    return ("optimum", row["scenario"], sha256_of([f"{sample:.12g}" for sample in samples]))


def _by_submission(row: Mapping[str, Any]) -> Hashable | None:
    """One run of a system that meets both accuracy targets is listed under both names (llama2-70b-99, -99.9)."""
    options, reported = (json.loads(row[name] or "{}") for name in ("options", "reported_values"))
    if not isinstance(options, dict) or not isinstance(reported, dict):
        return None
    identity = [options.get(name) for name in ("submitter", "category", "platform")]
    if None in identity or row["model_id"] is None or reported.get("Accuracy") is None:
        return None
    model = row["model_id"]
    for suffix in _ACCURACY_TARGETS:
        model = model.removesuffix(suffix)
    numbers = [reported.get(name) for name in ("Performance_Result", "Performance_Units", "Accuracy")]
    return ("mlperf", row["harness_version"], *identity, model, row["scenario"], sha256_of(numbers))


def _by_line(row: Mapping[str, Any]) -> Hashable | None:
    """A line that stands twice in one table: the same model, batch and image size with the same numbers."""
    names = ("mode", "model_id", "batch_size", "input_shape", "latency_ms_mean", "throughput_items_per_s")
    return ("timm", row["source_sha256"], *(row[name] for name in names))


def originality_of(row: Mapping[str, Any]) -> int:
    """Orders the places of one fact: below others a place that says more, here the model; an export is a copy."""
    if row["model_id"] is None:
        return 2
    return 0 if row.get("exported_result_id") is None else 1
