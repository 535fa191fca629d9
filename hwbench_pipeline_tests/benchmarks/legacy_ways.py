"""The ways of taking in old result files that are compared, each run as a process of its own on one core.

`python -m hwbench_pipeline_tests.benchmarks.legacy_ways WAY OUT FOLDER…` prints one JSON object: the seconds the work
took, without the interpreter's start and imports, the files it covered and the process's peak memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PLAIN_SAMPLE_FILES = 10_000


def files_below(folders: list[Path]) -> Iterator[str]:
    """Every file, in no certain order."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                yield f"{place}/{name}"


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - the floor must not pay for Path objects
        return file.read()


def warm(out: Path, folders: list[Path]) -> Callable[[], int]:
    """Read every byte once, so that all ways find the files in the page cache."""
    return lambda: sum(1 for path in files_below(folders) if _bytes_of(path) is not None)


def floor(out: Path, folders: list[Path]) -> Callable[[], int]:
    """Read the bytes and parse them, nothing else: what no reader of these formats can go below."""
    from hwbench_pipeline.legacy.documents import UnreadableDocumentError, parse_document

    def _work() -> int:
        n_files = 0
        for path in files_below(folders):
            n_files += 1
            data = _bytes_of(path)
            try:
                if path.endswith(".json"):
                    json.loads(data)
                else:
                    parse_document(data, path)
            except (ValueError, UnreadableDocumentError):
                continue
        return n_files

    return _work


def plain(out: Path, folders: list[Path]) -> Callable[[], int]:
    """`json.load`, one DataFrame and one Parquet file per file, on an even sample; what is no JSON is skipped."""
    import pandas as pd
    import pyarrow as pa

    paths = sorted(path for path in files_below(folders) if path.endswith(".json"))
    step = max(1, len(paths) // PLAIN_SAMPLE_FILES)
    sample = paths[::step]
    out.mkdir(parents=True, exist_ok=True)

    def _work() -> int:
        for number, path in enumerate(sample):
            try:
                with open(path, encoding="utf-8") as file:  # noqa: PTH123
                    document = json.load(file)
            except ValueError:
                continue
            frame = pd.json_normalize(document) if isinstance(document, dict) else pd.DataFrame({"value": document})
            try:
                frame.to_parquet(out / f"{number}.parquet")
            except (pa.ArrowException, ValueError):  # members of several types in one column
                frame.astype(str).to_parquet(out / f"{number}.parquet")
        return len(sample)

    return _work


def ours(out: Path, folders: list[Path]) -> Callable[[], int]:
    """`ingest_into` the warehouse `out`."""
    from hwbench_pipeline.legacy.ingest import ingest_into

    return lambda: ingest_into(out, folders).n_files


WAYS: dict[str, Callable[[Path, list[Path]], Callable[[], int]]] = {
    way.__name__: way for way in (warm, floor, plain, ours)
}


def peak_memory_mb() -> float | None:
    """The largest resident set of this process in MB (1e6 bytes); None where the system does not tell it."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    # not `ru_maxrss`, which a process inherits from the one that started it
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM")), None)


def _main(way: str, out: str, *folders: str) -> dict[str, Any]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    work = WAYS[way](Path(out), [Path(folder) for folder in folders])
    start = time.perf_counter()
    n_files = work()
    return {"seconds": time.perf_counter() - start, "n_files": n_files, "peak_mb": peak_memory_mb()}


if __name__ == "__main__":
    print(json.dumps(_main(*sys.argv[1:])))
