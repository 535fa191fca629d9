"""Which code is the reader's: all that decides what a file says, and nothing else."""

from pathlib import Path

import pytest

import hwbench_pipeline
from hwbench_pipeline.legacy.reader_code import fingerprint_of, reader_fingerprint, reader_modules

ROOT = Path(hwbench_pipeline.__file__).parent


@pytest.mark.parametrize(
    "name",
    [
        "legacy.units",
        "legacy.provenance.rules",
        "catalog.names",
        "catalog.call_floors",
        "catalog.published_peaks",
        "bench.statistics",
        "imports.timm",
        "schema.tables.results",
    ],
)
def test_what_decides_a_reading_is_part_of_the_reader(name):
    assert reader_modules()[f"hwbench_pipeline.{name}"] == ROOT.joinpath(*name.split(".")).with_suffix(".py")


def test_every_shape_is_part_of_the_reader():
    shapes = {path.stem for path in (ROOT / "legacy/shapes").glob("*.py")} - {"__init__"}
    assert {f"hwbench_pipeline.legacy.shapes.{shape}" for shape in shapes} <= reader_modules().keys()


@pytest.mark.parametrize(
    "name", ["legacy.publishing", "legacy.batches", "legacy.ingest", "cli.ingest", "orchestration"]
)
def test_what_comes_after_reading_is_not(name):
    assert f"hwbench_pipeline.{name}" not in reader_modules()


def test_a_changed_module_makes_another_reader(tmp_path):
    files = reader_modules()
    copies = {name: tmp_path / f"{name}.py" for name in files}
    for name, path in files.items():
        copies[name].write_bytes(path.read_bytes())
    assert fingerprint_of(copies) == reader_fingerprint()
    copies["hwbench_pipeline.catalog.names"].write_text("MODELS = ()")
    assert fingerprint_of(copies) != reader_fingerprint()


def test_imports_inside_functions_and_over_several_lines_count(tmp_path, monkeypatch):
    package = tmp_path / "hwbench_pipeline"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text(
        "from hwbench_pipeline import (\n    b,  # why\n    c as d,\n)\ndef f():\n    from hwbench_pipeline.e import g\n"
    )
    for name in "bcefg":
        (package / f"{name}.py").write_text("import os\n")

    class Spec:
        origin = str(package / "__init__.py")

    monkeypatch.setattr("hwbench_pipeline.legacy.reader_code.find_spec", lambda name: Spec)
    found = reader_modules("hwbench_pipeline.a")
    assert set(found) == {"hwbench_pipeline", *(f"hwbench_pipeline.{name}" for name in "abce")}
