"""What tests of several rooms need."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.state import STATE_VARIABLE
from hwbench_pipeline.warehouse.database import build_database
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import connect
from hwbench_pipeline.warehouse.writing import write_run
from hwbench_pipeline_tests import rows


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory):
    """What hwbench remembers of this machine, apart from the user's own; the programs that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_VARIABLE, str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def _built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    write_run(folder, CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", [rows.measured()])
    with connect() as connection:
        build_database(folder, connection)
    return folder


@pytest.fixture
def built(_built, tmp_path):
    """A warehouse with one measured row of cpu × bert and the database of it."""
    return Path(shutil.copytree(_built, tmp_path / "built"))


_CAPABILITIES = "-dac_override,-dac_read_search"


@pytest.fixture(scope="session")
def unprivileged(tmp_path_factory):
    """The start of a command line under which file permissions bind, also where the tests run as root."""
    if os.name == "nt":
        pytest.skip("POSIX permissions")
    command = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root, and no setpriv to give up its powers over files")
        command = ["setpriv", f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0)
    listed = subprocess.run([*command, "ls", str(closed)], capture_output=True, check=False)
    closed.chmod(0o700)
    if listed.returncode == 0 or b"ermission denied" not in listed.stderr:
        pytest.skip("file permissions do not bind here")
    return command
