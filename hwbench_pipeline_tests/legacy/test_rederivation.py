"""Every number of the results, from the warehouse back to the file: through its pointer, times a named unit factor."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.ingest import ingest_into
from hwbench_pipeline.schema.tables import CORE_LEGACY__RESULTS
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline_tests.benchmarks.legacy_corpus import TEMPLATES, as_bytes, document_of
from hwbench_pipeline_tests.legacy.fuzzing import REAL_FILES
from hwbench_pipeline_tests.legacy.killing import PROJECT
from hwbench_pipeline_tests.legacy.rederivation import FACTORS_OF, derive, document_in, faults_of

FAULTS_TOLD = 20
EDITIONS_OF_A_TEMPLATE = 5


@cache
def _document_at(path):
    return document_in(Path(path).read_bytes())


def rederive(folder, warehouse):
    """Ingest a folder and derive every number of its results; gives how many numbers came by which unit."""
    ingest_into(warehouse, [folder])
    rows, unreadable = read_rows(warehouse, CORE_LEGACY__RESULTS)
    assert not unreadable
    derived, faults = Counter(), []
    for row in rows:
        document = _document_at(row["source_path"])
        faults += [f"{row['source_path']}: {fault}" for fault in faults_of(row, document)]
        units, _ = derive(row, document)
        derived.update(units.items())
        if units.get("peak_memory_mb") in ("MiB", "GiB") and units["peak_memory_mb"] not in row["memory_method"]:
            faults.append(
                f"{row['source_path']}: memory in {units['peak_memory_mb']}, said to be {row['memory_method']}"
            )
    told = "\n".join(faults[:FAULTS_TOLD])
    assert not faults, f"{len(faults)} faults in {len(rows)} rows, the first of them:\n{told}"
    stated = sum(row[column] is not None for row in rows for column in (*FACTORS_OF, "samples_ms"))
    assert sum(derived.values()) == stated > 0, "a number was not looked at"
    print(
        f"\n{len(rows)} rows, {stated} numbers: "
        + ", ".join(f"{c} by {u} {n}" for (c, u), n in sorted(derived.items()))
    )
    return derived


def test_samples_of_the_project(tmp_path):
    derived = rederive(PROJECT / "data" / "legacy", tmp_path)
    assert derived["samples_ms", "s"] > 0
    assert derived["samples_ms", "ms"] > 0


def test_every_shape_of_the_made_up_corpus(tmp_path):
    for name, template in TEMPLATES.items():
        for edition in range(EDITIONS_OF_A_TEMPLATE if name != "duckdb_results" else 1):
            path = tmp_path / "in" / template.name.format(n=edition, m=f"model{edition}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_bytes(document_of(name, f"rederived-{edition}")))
    derived = rederive(tmp_path / "in", tmp_path / "w")
    assert derived["samples_ms", "s"] > 0
    assert derived["samples_ms", "ms"] > 0
    assert derived["peak_memory_mb", "MiB"] > 0


def test_real_files(tmp_path):
    if not REAL_FILES.is_dir():
        pytest.skip("the real legacy files (../shared/legacy) are not beside this checkout")
    rederive(REAL_FILES, tmp_path)
