"""Files and warehouses that the import tests share. Every number in the samples is made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwbench_pipeline.imports.reading import read_file
from hwbench_pipeline.imports.storing import import_into
from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.schema.tables import CORE_IMPORTS__ENVIRONMENTS, CORE_IMPORTS__RESULTS, RAW_IMPORTS__FILES
from hwbench_pipeline.schema.validation import find_problems

EXTERNAL = Path(__file__).parents[3] / "shared" / "external"


@pytest.fixture(scope="session")
def external():
    if not EXTERNAL.is_dir():
        pytest.skip(f"{EXTERNAL} is not there: other people's files are not part of the project")
    return EXTERNAL


@pytest.fixture
def read(tmp_path):
    """Read bytes, text or a document as a file of a format; the rows are checked by the reader."""

    def _read(format_name, content, name="file.json"):
        path = tmp_path / name
        if not isinstance(content, bytes | str):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_file(format_name, path.as_posix(), name, read_content(path))

    return _read


@pytest.fixture
def bring(tmp_path):
    """Import paths into a warehouse, check the tables against their schema, and give them."""

    def _bring(format_name, *paths, warehouse=None):
        tables = import_into(warehouse or tmp_path / "w", format_name, list(paths))
        for table, rows in (
            (RAW_IMPORTS__FILES, tables.files),
            (CORE_IMPORTS__RESULTS, tables.results),
            (CORE_IMPORTS__ENVIRONMENTS, tables.environments),
        ):
            assert find_problems(table, rows) == []
        for file in tables.files:
            source = file["format"].replace("-", "_")
            n_rows = sum((row["source"], row["source_path"]) == (source, file["path"]) for row in tables.results)
            assert file["n_records"] == n_rows + file["n_duplicates"] + file["n_quarantined"], file
        return tables

    return _bring


def said(row, name="corrections"):
    """The text of a column, or nothing."""
    return row[name] or ""


def reported(row):
    """The values as reported."""
    return json.loads(row["reported_values"] or "{}")


def options(row):
    return json.loads(row["options"])
