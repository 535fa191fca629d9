"""A pytest plugin that makes one test of every cell: `pytest -p hwbench_pipeline.testing --hardware openvino --category audio`.

Belongs here: turning cells into pytest items. Does not belong here: verifying (`bench.verifying`) or choosing models.
With any of its options given, pytest runs these tests and no others; without, the plugin does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hwbench_pipeline.bench.isolation import CellProcesses

_OPTIONS = ("--hardware", "--model", "--category", "--all-models")
_HERE = Path(__file__)


class CellFailedError(Exception):
    """A cell that did not pass; the message is its reason."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `hwbench verify`."""
    group = parser.getgroup("hwbench", "cells of hardware × model")
    group.addoption(
        "--hardware",
        help="Hardware keys, separated by commas. Default: all that this machine has, but for a GPU that software plays.",
    )
    group.addoption("--model", help="Models, separated by commas.")
    group.addoption("--category", help="Categories, separated by commas.")
    group.addoption("--all-models", action="store_true", help="Every model of the catalog.")
    group.addoption(
        "--variant", dest="hwbench_variant", help="Ways to run them, separated by commas. Default: the usual."
    )
    group.addoption(
        "--mode", dest="hwbench_mode", default="inference,training", help="inference, training. Default: both."
    )


def _is_asked(config: pytest.Config) -> bool:
    return any(config.getoption(option) for option in _OPTIONS)


def pytest_configure(config: pytest.Config) -> None:
    """Collect cells in place of files."""
    if _is_asked(config):
        config.args = [str(_HERE)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """This file stands for the cells."""
    if file_path == _HERE and _is_asked(parent.config):
        cells: Cells = Cells.from_parent(parent, path=file_path)
        return cells
    return None


class Cells(pytest.File):
    """All cells that are asked for."""

    def collect(self) -> Iterable[pytest.Item]:
        """One item per mode × hardware × model."""
        from hwbench_pipeline.cli.failing import failure_of

        try:
            cells = list(self._cells())
        except Exception as error:
            message, _ = failure_of(error)
            raise pytest.UsageError(message) from error
        return cells

    def _cells(self) -> Iterator[pytest.Item]:
        from hwbench_pipeline.bench.plan import variants_on
        from hwbench_pipeline.cli.options import (
            MODES,
            chosen_models,
            listed_choices,
            listed_hardware,
            listed_variants,
        )
        from hwbench_pipeline.hardware.probing import usual_keys

        option = self.config.getoption
        models = chosen_models(option("--model"), option("--category"), all_models=option("--all-models"))
        keys = listed_hardware(option("--hardware")) or usual_keys()
        modes = listed_choices("--mode", option("hwbench_mode"), MODES)
        variants = listed_variants(option("hwbench_variant"), keys, modes)
        for mode, key, model in product(modes, keys, models):
            for way in variants_on(key, variants):
                name = "|".join(filter(None, (key, model, mode, way)))
                yield CellItem.from_parent(self, name=name, cell=(key, model, mode, way))


@cache
def _processes() -> CellProcesses:
    from hwbench_pipeline.bench.isolation import shared_processes

    return shared_processes()


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, cell: tuple[str, str, str, str | None], **more: Any) -> None:
        super().__init__(**more)
        self._cell = cell

    def runtest(self) -> None:
        """Verify the cell; a platform that cannot do it skips, with the reason."""
        from hwbench_pipeline.bench.verifying import verify_cell

        hardware, model, mode, variant = self._cell
        verdict = verify_cell(hardware, model, mode, _processes(), variant=variant)
        if verdict.outcome == "skipped":
            pytest.skip(str(verdict.reason))
        if verdict.outcome == "failed":
            raise CellFailedError(verdict.reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason alone, and how to see it again."""
        if isinstance(excinfo.value, CellFailedError):
            hardware, model, mode, variant = self._cell
            way = f" --variant {variant}" if variant else ""
            return f"{excinfo.value}\nhwbench verify --hardware {hardware} --model {model} --mode {mode}{way}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the report says the cell is."""
        return _HERE, None, " × ".join(filter(None, self._cell))
