"""The fuzz run: damaged result files through the reader, every number of every row derived once more.

Belongs here: drawing a file and a mutation by number, and judging what the reader made of it. Does not belong here:
the mutations (`mutations`) or the derivation (`rederivation`). Mutation `number` is always the same one, so a finding
is made again with `examine(number, seeds)`.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.reading import Reading, read_file
from hwbench_pipeline_tests.benchmarks.legacy_corpus import TEMPLATES, as_bytes, document_of
from hwbench_pipeline_tests.legacy.mutations import mutated
from hwbench_pipeline_tests.legacy.rederivation import derive, document_in, faults_of, resolved

REAL_FILES = Path(__file__).parents[3] / "shared" / "legacy" / "files"
LARGEST_REAL_SEED_BYTES = 60_000
LARGE_SEED_BYTES = 15_000
SMALL_SEED_SHARE = 0.85
EDITIONS_OF_A_TEMPLATE = 4
_KINDS_TOLD = 30
MUTATIONS_PER_MARK = 10
_PARTICULARS = re.compile(r"[0-9][0-9.e+-]*")


@dataclass
class Findings:
    """What a range of mutations gave: how many were read how, and every fault with the mutation's number."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __iadd__(self, other: Findings) -> Findings:
        self.counts += other.counts
        self.faults += other.faults
        return self

    def require_none(self) -> None:
        """Raises AssertionError that tells one fault of each kind, and how many there are of it."""
        kinds: dict[str, list[str]] = {}
        for fault in self.faults:
            kinds.setdefault(_PARTICULARS.sub("…", fault.partition(": ")[2]), []).append(fault)
        told = "\n".join(f"{len(found)} × {found[0]}" for found in list(kinds.values())[:_KINDS_TOLD])
        assert not self.faults, f"{len(self.faults)} faults of {len(kinds)} kinds, the first of each:\n{told}"


@cache
def seed_files(*, with_real: bool) -> tuple[tuple[str, bytes], ...]:
    """The files that are damaged: every template some times, and the smaller real files where they are there."""
    seeds = [
        (f"{name}.{edition}", as_bytes(document_of(name, f"fuzz-{edition}")))
        for name in TEMPLATES
        for edition in range(1 if name == "duckdb_results" else EDITIONS_OF_A_TEMPLATE)
    ]
    if with_real and REAL_FILES.is_dir():
        paths = sorted(path for path in REAL_FILES.rglob("*") if path.is_file())
        seeds += [
            (str(path.relative_to(REAL_FILES)), path.read_bytes())
            for path in paths
            if 0 < path.stat().st_size <= LARGEST_REAL_SEED_BYTES
        ]
    return tuple(seeds)


@cache
def _by_size(*, with_real: bool) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    seeds = seed_files(with_real=with_real)
    small = [seed for seed in seeds if len(seed[1]) <= LARGE_SEED_BYTES]
    return small, [seed for seed in seeds if len(seed[1]) > LARGE_SEED_BYTES]


def draw_damaged(number: int, *, with_real: bool) -> tuple[str, bytes]:
    """The name and the bytes of damaged file `number`; most are small ones, because large ones take their time."""
    draw = random.Random(f"mutation-{number}")
    small, large = _by_size(with_real=with_real)
    name, data = draw.choice(small if draw.random() < SMALL_SEED_SHARE else large)
    return name, mutated(data, draw)


def read_bytes(data: bytes, name: str = "fuzzed.json") -> Reading:
    """What the reader makes of a file with these bytes."""
    return read_file(Path("/fuzz") / name, FileContent(data, hashlib.sha256(data).hexdigest()), None)


def examine(number: int, findings: Findings, *, with_real: bool) -> None:
    """Read damaged file `number` and note what became of it, and any fault."""
    name, data = draw_damaged(number, with_real=with_real)
    place = f"mutation {number} of {name}"
    findings.counts["mutations"] += 1
    try:
        reading = read_bytes(data, Path(name).name)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        findings.faults.append(f"{place}: the reader raised {type(error).__name__}: {str(error)[:200]}")
        return
    findings.counts[f"files {reading.status}"] += 1
    findings.counts["rows"] += len(reading.rows)
    if reading.status == "quarantined" and not (reading.error and "Fix: " in reading.error):
        findings.faults.append(f"{place}: quarantined without a reason that ends with a fix: {reading.error!r}")
    if not reading.rows:
        return
    document = document_in(data)
    for row in reading.rows:
        findings.counts[f"rows {row['provenance']}"] += 1
        findings.counts["numbers derived"] += len(derive(row, document)[0])
        findings.faults += [f"{place}: {fault}" for fault in faults_of(row, document)]


MARKS: tuple[tuple[str, Any], ...] = (
    ("is_simulated", True),
    ("simulated", "yes"),
    ("isSimulation", 1),
    ("is_mock", True),
    ("used_mock", "true"),
    ("implementation_type", "MOCK"),
    ("implementation_type", "(SIMULATED)"),
    ("result_kind", "simulated"),
    ("data_source", "estimated"),
    ("is_real", False),
    ("note", "simulated values, not a run"),
    ("warning", "These are mock results"),
)
"""Ways in which a source says that its numbers were not measured."""
LABELS: tuple[tuple[str, Any], ...] = (
    ("implementation_type", "REAL"),
    ("is_real", True),
    ("implementation", "(REAL)"),
    ("is_simulated", False),
    ("simulation", "no"),
)
"""What says that a number is real, and proves nothing."""


def examine_marks(number: int, findings: Findings, *, with_real: bool) -> None:
    """Put a mark on a record, or on the document around it, and then a label: what was measured no longer is, what was
    not still is not."""
    draw = random.Random(f"mark-{number}")
    name, data = draw.choice(_by_size(with_real=with_real)[0])
    try:
        document = json.loads(data)
    except ValueError:
        return
    rows = {row["source_pointer"]: row["provenance"] for row in read_bytes(data, Path(name).name).rows}
    if not rows or not isinstance(document, dict):
        return
    pointer = draw.choice([key for key, provenance in rows.items() if provenance == "measured"] or list(rows))
    holders = [holder for holder in resolved(document, pointer) if isinstance(holder, dict)]
    holder = draw.choice((holders[0], holders[-1]))
    key, value = draw.choice(MARKS if rows[pointer] == "measured" else LABELS)
    if key in holder:
        return
    holder[key] = value
    findings.counts[f"marks on {rows[pointer]}"] += 1
    for row in read_bytes(json.dumps(document).encode(), Path(name).name).rows:
        if row["source_pointer"] == pointer and row["provenance"] == "measured":
            said = f"mark {number} of {name}: {key}={value!r} on the {'document' if holder is holders[0] else 'record'}"
            findings.faults.append(f"{said}: {pointer} was {rows[pointer]}, is measured by {row['provenance_reason']}")


def examine_range(numbers: Sequence[int], *, with_real: bool) -> Findings:
    """`examine` for each of the numbers."""
    findings = Findings()
    for number in numbers:
        examine(number, findings, with_real=with_real)
        if number % MUTATIONS_PER_MARK == 0:
            examine_marks(number, findings, with_real=with_real)
    return findings
