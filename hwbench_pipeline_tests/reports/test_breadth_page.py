"""The published coverage of the catalog: generated from bundles, and nothing in it that no row says."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

from hwbench_pipeline.hardware.environment import environment_row
from hwbench_pipeline.imports.bundle_format import write_bundle
from hwbench_pipeline.reports import breadth
from hwbench_pipeline_tests import rows

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def bundles(tmp_path):
    """One verified architecture, one whose trace failed, one part of another, in a folder of bundles."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    environment = environment_row(
        device_name="Test cpu", device_memory_mb=None, driver_version=None, threads_intra_op=1, threads_inter_op=1
    )
    identity = environment["environment_id"]
    made = [
        rows.measured(model="gpt2", model_size="tiny", category="text_decoder", environment_id=identity),
        rows.without_number(
            model="albert",
            model_size="tiny",
            error_message="no <such> operation: a|b",
            failed_phase="compile",
            environment_id=identity,
        ),
        rows.measured(model="clip_vision_model", model_size="tiny", category="vision", environment_id=identity),
    ]
    write_bundle(folder / "cpu.json.gz", made, [environment])
    return folder


def written(bundles, target, monkeypatch):
    target.mkdir()
    monkeypatch.setattr(sys, "argv", ["breadth", str(bundles), str(target)])
    breadth.main()
    return (target / "coverage.md").read_text(encoding="utf-8"), (target / "coverage.html").read_text(encoding="utf-8")


def test_counts_failures_and_parts_are_those_of_the_rows(bundles, tmp_path, monkeypatch):
    text, page = written(bundles, tmp_path / "docs", monkeypatch)
    published = breadth.read_bundles(bundles)
    found = breadth.catalog_entries(published.rows)
    standalone = [entry for entry in found if not entry.is_part and entry.category != "diffusion"]
    assert f"| cpu forward | 2 / {len(standalone)} | **1 / {len(standalone)}** (" in text
    with_class = [entry for entry in found if entry.category != "diffusion"]
    assert f"| 2 / {len(with_class)} (" in text
    assert "hwbench bench --hardware cpu --model albert --size tiny" in text
    assert "no &lt;such&gt; operation: a\\|b" in text
    assert "| `clip_vision_model` | `clip` | verified |" in text
    assert "3 rows in `data/coverage/cpu.json.gz`" in text
    assert page.count('data-key="') == len(found)
    assert "no &lt;such&gt; operation" in page


def test_a_bundle_that_was_changed_is_refused(bundles):
    file = bundles / "cpu.json.gz"
    document = json.loads(gzip.decompress(file.read_bytes()))
    document["results"][1]["status"] = "ok"
    file.write_bytes(gzip.compress(json.dumps(document).encode()))
    with pytest.raises(ValueError, match=r"/results/1: .*Fix: measure it again"):
        breadth.read_bundles(bundles)


def test_the_pages_of_the_project_are_those_of_its_bundles(tmp_path, monkeypatch):
    """`make docs` was run after the last change."""
    text, page = written(PROJECT / "data" / "coverage", tmp_path / "docs", monkeypatch)
    assert (PROJECT / "docs" / "coverage.md").read_text(encoding="utf-8") == text
    assert (PROJECT / "docs" / "coverage.html").read_text(encoding="utf-8") == page
