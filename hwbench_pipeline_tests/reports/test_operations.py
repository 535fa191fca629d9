"""The page of operations: counted, never typed, and every row without a count says why."""

from __future__ import annotations

from pathlib import Path

import hwbench_pipeline
from hwbench_pipeline.reports.operations import operations_markdown


def row(model, size="tiny", flops=None, method="not counted: meta device: ValueError: no; FakeTensor: x", reason=None):
    return {"model": model, "model_size": size, "flops": flops, "flops_method": method, "reason": reason}


def test_counts_by_way_and_reasons_alike_together():
    page = operations_markdown(
        [
            row("bert", flops=5, method="torch FlopCounterMode, meta device, eager attention"),
            row("mra", flops=7, method="torch FlopCounterMode, forward on the CPU, eager attention"),
            row("led"),
            row("blt", method="not counted: meta device: ValueError: no; forward on the CPU: y"),
            row("edgetam", reason="A1Class requires the timm library"),
            row("fast_vlm", reason="B2Class requires the timm library"),
            row("bert", "reference", flops=9, method="torch FlopCounterMode, FakeTensor, eager attention"),
        ]
    )
    assert "| tiny | 2 / 6 | 1 | 0 | 1 |" in page
    assert "| reference | 1 / 1 | 0 | 1 | 0 |" in page
    assert "| 2: `led`, `blt` | meta device: ValueError: no |" in page
    assert "| 2: `edgetam`, `fast_vlm` | A1Class requires the timm library |" in page


def test_the_projects_page_names_every_row_without_a_count():
    page = (Path(hwbench_pipeline.__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    for size in ("tiny", "reference"):
        (head,) = [line for line in page.splitlines() if line.startswith(f"| {size} |")]
        counted, total = map(int, head.split("|")[2].split("/"))
        listed = page.split(f"## {size}: ")[1].split("\n## ")[0]
        assert listed.startswith(f"{total - counted} not counted")
        assert listed.count("`") // 2 >= total - counted
