"""An ingest killed at 20 random moments, and at every change it makes to the file system; then finished by the next.

HWBENCH_KILLED_FILES gives the number of files (default 3 000; a multiple of 200).
"""

import os
import random
import shutil

import pytest

from hwbench_pipeline_tests.benchmarks.legacy_corpus import folders_of, write_corpus
from hwbench_pipeline_tests.legacy.killing import Ingest, require_consistent, require_same, require_untorn, tables_of

N_FILES = int(os.environ.get("HWBENCH_KILLED_FILES", "3000"))
N_MOMENTS = 20
FILES_PER_FOLDER = N_FILES // 10
MOST_STEPS = 30
SEED = 20
pytestmark = [pytest.mark.benchmark, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Ingests to kill: the warehouse to begin with, the folders, the tables before and after, seconds and changes."""
    folder = tmp_path_factory.mktemp("killed")
    write_corpus(folder / "in", N_FILES, files_per_folder=FILES_PER_FOLDER)
    everything = folders_of(folder / "in", N_FILES, FILES_PER_FOLDER)
    half = everything[: len(everything) // 2]
    whole_s, whole_changes = Ingest(folder / "w", everything).finish()
    after = tables_of(folder / "w")
    require_consistent(folder / "w")
    Ingest(folder / "half", half).finish()
    before = tables_of(folder / "half")
    shutil.copytree(folder / "half", folder / "rest", symlinks=True)
    rest_s, rest_changes = Ingest(folder / "rest", everything).finish()
    require_same(folder / "rest", after)  # two ingests, of a half and of all, give the tables of one
    print(
        f"\n{N_FILES} files: {whole_s:.2f} s, {whole_changes} changes; the second half {rest_s:.2f} s, {rest_changes}"
    )
    return {
        "empty": (None, everything, None, after, whole_s, whole_changes),
        "half": (folder / "half", everything, before, after, rest_s, rest_changes),
    }


def _killed_and_ingested_again(case, warehouse, kill):
    start, folders, before, after, *_ = case
    if start is not None:
        shutil.copytree(start, warehouse, symlinks=True)
    was_killed = kill(warehouse)
    require_untorn(warehouse, before, after)
    has_new_tables = tables_of(warehouse) == after
    assert Ingest(warehouse, folders).finish() is not None
    require_same(warehouse, after)
    require_consistent(warehouse)
    shutil.rmtree(warehouse)
    return was_killed, has_new_tables


def test_killed_at_random_moments(cases, tmp_path):
    """Prints when it was killed, and how often the tables were already those of after."""
    draw = random.Random(SEED)
    n_killed = n_new = 0
    moments = []
    for number in range(N_MOMENTS):
        case = cases["empty" if number % 2 else "half"]
        folders, seconds = case[1], case[4]
        # one in each twentieth of the time, the last one up to a little past the usual end
        moment = seconds * (number + draw.random() * (1.5 if number == N_MOMENTS - 1 else 1)) / N_MOMENTS
        was_killed, has_new_tables = _killed_and_ingested_again(
            case, tmp_path / "w", lambda warehouse, f=folders, m=moment: Ingest(warehouse, f).kill_after(m)
        )
        moments.append(f"{moment / seconds:.0%}")
        n_killed += was_killed
        n_new += has_new_tables
    print(
        f"{N_MOMENTS} kills at {', '.join(moments)} of the time: {n_killed} hit the ingest at work, {n_new} after the switch"
    )
    assert n_killed >= N_MOMENTS * 3 // 4


@pytest.mark.parametrize("name", ["empty", "half"])
def test_killed_before_every_change_to_the_file_system(cases, tmp_path, name):
    """Every rename, link, sync, folder and removal; where there are very many, each one of the last and some others."""
    case = cases[name]
    folders, n_changes = case[1], case[5]
    steps = range(1, n_changes + 1)
    if n_changes > MOST_STEPS:
        earlier, last = steps[: -MOST_STEPS // 2], steps[-MOST_STEPS // 2 :]
        steps = sorted({*random.Random(SEED).sample(earlier, MOST_STEPS // 2), *last})
    n_new = 0
    for step in steps:
        was_killed, has_new_tables = _killed_and_ingested_again(
            case, tmp_path / "w", lambda warehouse, f=folders, s=step: Ingest(warehouse, f, die_at=s).finish() is None
        )
        assert was_killed, f"change {step} of {n_changes} did not come"
        n_new += has_new_tables
    print(f"\n{name}: killed before {len(steps)} of {n_changes} changes, {n_new} of them after the switch")
    assert 0 < n_new < len(steps)
