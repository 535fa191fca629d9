"""An ingest killed at a few moments; benchmarks/test_legacy_kill.py kills it at many."""

import os

import pytest

from hwbench_pipeline_tests.benchmarks.legacy_corpus import folders_of, write_corpus
from hwbench_pipeline_tests.legacy.killing import Ingest, require_consistent, require_same, require_untorn, tables_of

N_FILES = 300
pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The files, the tables of an ingest that nobody kills, its seconds and its changes to the file system."""
    folder = tmp_path_factory.mktemp("killed")
    write_corpus(folder / "in", N_FILES, files_per_folder=100)
    folders = folders_of(folder / "in", N_FILES, 100)
    seconds, n_changes = Ingest(folder / "w", folders).finish()
    require_consistent(folder / "w")
    tables = tables_of(folder / "w")
    assert sum(tables["raw_legacy__files"].values()) == N_FILES
    return folders, tables, seconds, n_changes


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_killed_after_some_time(undisturbed, tmp_path, share):
    folders, tables, seconds, _ = undisturbed
    Ingest(tmp_path, folders).kill_after(share * seconds)
    require_untorn(tmp_path, None, tables)
    assert Ingest(tmp_path, folders).finish() is not None
    require_same(tmp_path, tables)


@pytest.mark.parametrize("from_the_end", [20, 8, 0])
def test_killed_before_one_of_the_last_changes_to_the_file_system(undisturbed, tmp_path, from_the_end):
    folders, tables, _, n_changes = undisturbed
    assert Ingest(tmp_path, folders, die_at=n_changes - from_the_end).finish() is None
    require_untorn(tmp_path, None, tables)
    assert Ingest(tmp_path, folders).finish() is not None
    require_same(tmp_path, tables)
