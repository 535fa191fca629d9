"""docs/tables.md is what the schema says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hwbench_pipeline.schema.markdown import table_markdown, tables_markdown
from hwbench_pipeline.schema.table import Column, ColumnType, Table
from hwbench_pipeline.schema.tables import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


@pytest.mark.skipif(not PAGE.exists(), reason="docs/tables.md is not generated here")
def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == tables_markdown(), "Fix: make docs"


def test_the_module_prints_the_page():
    done = subprocess.run(
        [sys.executable, "-m", "hwbench_pipeline.schema.markdown"], capture_output=True, text=True, check=True
    )
    assert done.stdout == tables_markdown()


def test_every_column_of_every_table_is_one_line_of_five_cells():
    page = tables_markdown()
    for table in TABLES:
        section = page.split(f"## `{table.name}`\n")[1].split("\n## ")[0]
        lines = [line for line in section.splitlines() if line.startswith("| `")]
        assert [line.split("`")[1] for line in lines] == list(table.column_names)
        for line in lines:
            assert line.replace("\\|", "").count("|") == 6, line
        for rule in table.rules:
            assert f"**{rule.name}**" in section


def test_bars_and_line_breaks_do_not_break_the_page():
    table = Table(
        "t", "A table.", (Column("a", ColumnType.STRING, "One | two\nthree.", nullable=False, unit="m"),), ("a",)
    )
    assert "| `a` | string | m | no | One \\| two three. |" in table_markdown(table)
