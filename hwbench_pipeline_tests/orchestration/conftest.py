"""What every test of the Dagster layer stands on: an instance, a warehouse and a host lock of its own."""

from __future__ import annotations

import dagster as dg
import pytest

from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE
from hwbench_pipeline.warehouse.location import WAREHOUSE_VARIABLE


@pytest.fixture(autouse=True)
def own_host_lock(tmp_path, monkeypatch):
    """The machine's lock belongs to real benchmarks; a test waits for none, and none waits for it."""
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(tmp_path / "host.lock"))
    monkeypatch.delenv(WAREHOUSE_VARIABLE, raising=False)
    return tmp_path / "host.lock"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def warehouse(tmp_path):
    return tmp_path / "warehouse"
