"""Deriving the numbers of a result row once more from the file they came from, independently of the readers.

Belongs here: an own reading of the bytes, the table of named unit factors, and the check that every number of a row
is one of the file's numbers times such a factor, or a statistic of the row's own samples. Does not belong here: what
a field means. A number passes wherever in its record it stands, in any unit; that column and
unit are the right ones `test_exact_columns` says, document by document.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.statistics import latency_statistics
from hwbench_pipeline.legacy.json_values import storable
from hwbench_pipeline.legacy.units import MS_PER
from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS

MS_FACTORS: dict[str, float] = {str(unit): factor for unit, factor in MS_PER.items()}
MB_FACTORS = {
    "bytes": 1e-6,
    "kB": 1e-3,
    "KiB": 2**10 / 1e6,
    "MB": 1.0,
    "MiB": 2**20 / 1e6,
    "GB": 1e3,
    "GiB": 2**30 / 1e6,
}
RATE_FACTORS = {"per s": 1.0}

FACTORS_OF: dict[str, Mapping[str, float]] = {
    **dict.fromkeys(LATENCY_COLUMNS, MS_FACTORS),
    **dict.fromkeys(("first_token_ms", "time_per_output_token_ms"), MS_FACTORS),
    **dict.fromkeys(("load_ms", "compile_ms", "first_inference_ms"), MS_FACTORS),
    **dict.fromkeys(("throughput_items_per_s", "tokens_per_s"), RATE_FACTORS),
    "peak_memory_mb": MB_FACTORS,
}
_OF_THE_LOAD = ("load_ms", "compile_ms")
_COUNTS = ("n_samples", "n_warmup", "batch_size", "sequence_length")
_RELATIVE_TOLERANCE = 1e-12
_NUMERIC_TEXT = re.compile(r"\s*([-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)\s*[%a-zA-Z/]{0,12}\s*")
_DIGITS = re.compile(r"\d+")
_LONGEST_NUMERIC_TEXT = 40


def document_in(data: bytes) -> Any:
    """The document in a file's bytes, read plainly: JSON, JSON lines, a CSV table, Parquet or DuckDB."""
    if data[:4] == b"PAR1":
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(data)).to_pylist()
    if data[8:12] == b"DUCK":
        return _database_in(data)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    content = data.decode(encoding)
    try:
        return json.loads(content)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    except ValueError:
        header = content.partition("\n")[0]
        delimiter = max(",\t;", key=header.count)
        return list(csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter))


def _database_in(data: bytes) -> dict[str, list[dict[str, Any]]]:
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.duckdb"
        path.write_bytes(data)
        with duckdb.connect(str(path), read_only=True) as connection:
            names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
            return {name: connection.execute(f'from "{name}"').fetch_arrow_table().to_pylist() for name in names}


def resolved(document: Any, pointer: str) -> list[Any]:
    """The values on the way of a JSON pointer: the document first, what the pointer names last.

    Raises LookupError where it leads nowhere.
    """
    values = [document]
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = values[-1]
        if isinstance(value, dict):
            if key not in value:  # keys with lone surrogates are stored as escapes
                key = next((name for name in value if storable(name) == key), key)
            values.append(value[key])
        elif isinstance(value, list) and key.isascii() and key.isdigit():
            values.append(value[int(key)])
        else:
            raise LookupError(f"{pointer!r} leads into {type(value).__name__} at {part!r}")
    return values


def number_in(value: Any) -> float | None:
    """The value as a float if it is a finite number or text of one, with or without a unit behind it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _NUMERIC_TEXT.fullmatch(value) if len(value) <= _LONGEST_NUMERIC_TEXT else None
        value = float(match[1]) if match else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def values_within(value: Any) -> Iterator[Any]:
    """The value and everything below it, without recursion."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        yield current
        if isinstance(current, dict):
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def _numbers(values: Iterator[Any]) -> set[float]:
    return {number for value in values if (number := number_in(value)) is not None}


def _scalars_of(value: Any) -> Iterator[Any]:
    members = value.values() if isinstance(value, dict) else ()
    yield from (member for member in members if not isinstance(member, dict | list))


def _beside_in_parallel_lists(pointer: str, enclosing: list[Any]) -> Iterator[Any]:
    """For a pointer to a member of a list, what stands at its position in lists of the same length beside that list.

    Summaries write one list per quantity, in which the position names the model.
    """
    position = pointer.rpartition("/")[2]
    if len(enclosing) < 2 or not isinstance(enclosing[-1], list) or not isinstance(enclosing[-2], dict):
        return
    for member in enclosing[-2].values():
        if isinstance(member, list) and len(member) == len(enclosing[-1]):
            yield member[int(position)]


def _is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_RELATIVE_TOLERANCE)


def unit_of(value: float, numbers: set[float], factors: Mapping[str, float]) -> str | None:
    """The name of the unit whose factor turns one of the numbers into the value; None if there is none."""
    for name, factor in factors.items():
        if value / factor in numbers or any(_is_close(number * factor, value) for number in numbers):
            return name
    return None


def _unit_of_samples(samples: list[float], record: Any) -> str | None:
    """The unit in which the samples are one list of the record, whole and in order."""
    for value in values_within(record):
        if isinstance(value, list) and len(value) == len(samples):
            numbers = [number_in(member) for member in value]
            for name, factor in MS_FACTORS.items():
                if all(n is not None and _is_close(n * factor, s) for n, s in zip(numbers, samples, strict=True)):
                    return name
    return None


def derive(row: Mapping[str, Any], document: Any) -> tuple[dict[str, str], list[str]]:
    """For each number of the row the unit, or statistic, that derives it; and what does not follow from the file.

    A number must stand at or below the row's pointer, or at its position in a parallel list. Load times may also stand directly in an object around it, where
    they are stated once for all configurations; so may counts, or in the pointer's own text (`batch_4_seq_128`).
    """
    derived: dict[str, str] = {}
    faults: list[str] = []
    pointer = row["source_pointer"]
    try:
        *enclosing, record = resolved(document, pointer)
    except LookupError as error:
        return {}, [f"the pointer {pointer!r} leads nowhere: {error}"]
    own = _numbers(values_within(record)) | _numbers(_beside_in_parallel_lists(pointer, enclosing))
    around = own | {number for value in enclosing for number in _numbers(_scalars_of(value))}
    samples = row.get("samples_ms")
    statistics: Mapping[str, float | None] = {}
    if samples is not None:
        samples = [float(sample) for sample in samples]
        statistics = latency_statistics(samples)
        unit = _unit_of_samples(samples, record)
        if unit is None:
            faults.append(f"samples_ms of {len(samples)} is no list of the record at {pointer!r} in any unit")
        else:
            derived["samples_ms"] = unit
    for column, factors in FACTORS_OF.items():
        value = row.get(column)
        if value is None:
            continue
        stated = statistics.get(column)
        if stated is not None and _is_close(stated, value):
            derived[column] = "statistic of the samples"
        elif unit := unit_of(value, around if column in _OF_THE_LOAD else own, factors):
            derived[column] = unit
        else:
            faults.append(f"{column} = {value!r} is no number of the record at {pointer!r} in any unit")
    faults += _invented_counts(row, pointer, around)
    return derived, faults


def _invented_counts(row: Mapping[str, Any], pointer: str, around: set[float]) -> Iterator[str]:
    in_pointer = {float(digits) for digits in _DIGITS.findall(pointer)}
    for column in _COUNTS:
        value = row.get(column)
        if value is None or value in around or value in in_pointer:
            continue
        if column == "n_samples" and row.get("samples_ms") is not None and value == len(row["samples_ms"]):
            continue
        yield f"{column} = {value!r} stands neither in the record at {pointer!r} nor around it"


_MARK_KEYS = ("is_simulated", "is_simulation", "simulated", "mocked", "is_mock", "mock")
_LABEL_KEYS = ("implementation", "implementation_type")


def simulation_mark(record: Any) -> str | None:
    """A mark on a record that what it holds was simulated or mocked, looked for plainly; None without one."""
    for value in values_within(record):
        if not isinstance(value, dict):
            continue
        for key in _MARK_KEYS:
            if value.get(key) is True:
                return f"{key} is true"
        for key in _LABEL_KEYS:
            label = value.get(key)
            if isinstance(label, str) and ("MOCK" in label.upper() or "SIMULATED" in label.upper()):
                return f"{key} is {label!r}"
    return None


def faults_of(row: Mapping[str, Any], document: Any) -> list[str]:
    """What in a row the file does not bear out: numbers from nowhere, and `measured` on a marked record."""
    _, faults = derive(row, document)
    if row["provenance"] == "measured" and not faults:
        mark = simulation_mark(resolved(document, row["source_pointer"])[-1])
        if mark:
            faults.append(f"measured at {row['source_pointer']!r}, although {mark}")
    return faults
