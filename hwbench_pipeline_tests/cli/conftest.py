"""Calling the command line: inside this process where that says the same, else as the installed program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwbench_pipeline.cli import main
from hwbench_pipeline.prediction.storing import fit_predictor, write_features
from hwbench_pipeline.schema.tables import CORE_HARDWARE, CORE_MODELS, OUT__RESULTS
from hwbench_pipeline.warehouse.writing import write_table
from hwbench_pipeline_tests.prediction import law

PROGRAM = Path(sys.executable).with_name("hwbench")


@dataclass(frozen=True)
class Called:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """What was said on standard error, line by line."""
        return self.err.splitlines()

    @property
    def document(self):
        """The one JSON document on standard output; fails if there is anything else."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test finds, or writes, the project's own warehouse."""
    folder = tmp_path / "working folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HWBENCH_WAREHOUSE", raising=False)
    monkeypatch.delenv("HWBENCH_TRACEBACK", raising=False)


@pytest.fixture
def call(capfd):
    """Call `main` in this process."""

    def _call(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return Called(stopped.value.code, printed.out, printed.err)

    return _call


@pytest.fixture
def program():
    """Call the installed program."""

    def _program(*arguments, before=(), **environment):
        done = subprocess.run(
            [*before, str(PROGRAM), *(str(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
            env=os.environ | environment,
        )
        return Called(done.returncode, done.stdout, done.stderr)

    return _program


@pytest.fixture(scope="session")
def _fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    models = law.model_rows()
    write_table(folder, CORE_HARDWARE, law.hardware_rows())
    write_table(folder, OUT__RESULTS, law.results(models))
    write_table(folder, CORE_MODELS, models)
    write_features(folder)
    assert fit_predictor(folder).reason is None
    return folder


@pytest.fixture
def predicting(_fitted, tmp_path):
    """A warehouse of the made-up world of `prediction/law.py`, with its predictor."""
    return Path(shutil.copytree(_fitted, tmp_path / "fitted"))
