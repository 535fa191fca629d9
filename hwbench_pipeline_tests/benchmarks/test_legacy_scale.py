"""What ingesting many old result files costs: ours, the plain way, and the floor below which nobody gets.

HWBENCH_LEGACY_FILES gives the number of files (default 100 000; a multiple of 100). Targets are asserted at the full
number only: below it the fixed cost of one ingest, which is printed apart, weighs too much.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hwbench_pipeline.schema.tables import TABLES
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline_tests.benchmarks.legacy_corpus import FILES_PER_FOLDER, folders_of, write_corpus

PROJECT = Path(__file__).parents[2]
FULL = 100_000
N_FILES = int(os.environ.get("HWBENCH_LEGACY_FILES", FULL))

TIMES_FASTER_THAN_PLAIN = 5
TIMES_THE_FLOOR = 3
PEAK_MB = 1000
GROWTH_PER_FILE = 1.3
SECOND_SHARE = 0.1


def run_way(way, out, folders):
    """One way in a fresh process; its seconds, files and peak memory."""
    command = [sys.executable, "-m", "hwbench_pipeline_tests.benchmarks.legacy_ways", way, str(out), *map(str, folders)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    return json.loads(done.stdout.splitlines()[-1])


def legacy_rows(warehouse):
    """The number of rows of every table about old files."""
    files = {table.name: table_file(warehouse, table) for table in TABLES if "legacy" in table.name}
    return {name: pq.read_metadata(path).num_rows for name, path in files.items() if path.exists()}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    start = time.perf_counter()
    n_bytes = write_corpus(folder, N_FILES, files_per_folder=_per_folder(), processes=os.cpu_count() or 1)
    print(f"\n{N_FILES} files, {n_bytes / 1e6:.0f} MB, written in {time.perf_counter() - start:.0f} s")
    return folder


def _per_folder():
    return min(FILES_PER_FOLDER, N_FILES // 100)


@pytest.mark.benchmark
def test_ingest_against_the_plain_way_and_the_floor(tree, tmp_path):
    """Prints files/s, peak memory, the ratios of one run, growth with the number of files, and the second ingest."""
    sizes = (N_FILES // 100, N_FILES // 10, N_FILES)
    folders = {size: folders_of(tree, size, _per_folder()) for size in sizes}
    everything = folders[N_FILES]
    run_way("warm", tmp_path, everything)
    one_file = tmp_path / "one"
    write_corpus(one_file, 1, files_per_folder=1)
    start_up = min(run_way("ours", tmp_path / f"w-one-{attempt}", [one_file])["seconds"] for attempt in range(3))

    floors = [run_way("floor", tmp_path, everything)]
    ours = {size: run_way("ours", tmp_path / f"w{size}", folders[size]) for size in sizes}
    before = legacy_rows(tmp_path / f"w{N_FILES}")
    second = run_way("ours", tmp_path / f"w{N_FILES}", everything)
    plain = run_way("plain", tmp_path / "plain", everything)
    floors.append(run_way("floor", tmp_path, everything))

    whole = ours[N_FILES]
    floor_s = sum(floor["seconds"] for floor in floors) / len(floors)
    # the plain way is spared the files that are no JSON: it is scaled to the others only
    n_json = sum(1 for path in tree.rglob("*.json") if path.is_file())
    plain_s = plain["seconds"] / plain["n_files"] * n_json
    per_file = {size: (ours[size]["seconds"] - start_up) / size for size in sizes}
    growth, whole_growth = (per_file[sizes[2]] / per_file[size] for size in (sizes[1], sizes[0]))
    print(f"start-up of one ingest: {start_up:.2f} s; tables: {before}")
    for name, seconds, peak, note in (
        ("ours", whole["seconds"], whole["peak_mb"], f"{whole['n_files']} files"),
        ("plain", plain_s, plain["peak_mb"], f"measured on {plain['n_files']} files, scaled to {n_json} of JSON"),
        ("floor", floor_s, floors[0]["peak_mb"], "runs " + ", ".join(f"{f['seconds']:.2f} s" for f in floors)),
        (
            "ours, second",
            second["seconds"],
            second["peak_mb"],
            f"{second['seconds'] / whole['seconds']:.1%} of the first",
        ),
    ):
        print(f"{name:13} {seconds:8.2f} s {N_FILES / seconds:9.0f} files/s {peak:7.0f} MB peak  ({note})")
    print(f"plain : ours = {plain_s / whole['seconds']:.1f} : 1; ours : floor = {whole['seconds'] / floor_s:.2f} : 1")
    told = "; ".join(f"{size}: {1e6 * per_file[size]:.0f} µs, {ours[size]['peak_mb']:.0f} MB" for size in sizes)
    print(f"per file without start-up: {told}; growth over the last tenfold {growth:.2f}, over both {whole_growth:.2f}")

    assert whole["n_files"] == N_FILES == before["raw_legacy__files"]
    assert legacy_rows(tmp_path / f"w{N_FILES}") == before
    if N_FILES >= FULL:
        assert plain_s >= TIMES_FASTER_THAN_PLAIN * whole["seconds"]
        assert whole["seconds"] <= TIMES_THE_FLOOR * floor_s
        assert max(whole["peak_mb"], second["peak_mb"]) < PEAK_MB
        assert max(growth, whole_growth) <= GROWTH_PER_FILE
        assert second["seconds"] < SECOND_SHARE * whole["seconds"]
