"""What tests of several backends share: processes to measure in, a lock of their own, a tiny BERT with its right outputs, and
counting the processes that a test left."""

from __future__ import annotations

import contextlib
import time
import uuid

import psutil
import pytest
import torch

from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE


@pytest.fixture
def own_host_lock(tmp_path, monkeypatch):
    """Cells wait for no other measurement on this host."""
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(tmp_path / "host.lock"))


@pytest.fixture(scope="module")
def processes():
    """Processes to measure cells in."""
    with CellProcesses() as running:
        yield running


@pytest.fixture(scope="module")
def bert():
    """The model, the inputs of a call, and what torch gives for them."""
    model = build_model("bert", "tiny", seed=0, attn_implementation="eager")
    inputs = make_inputs("bert", model.config, batch_size=1, sequence_length=None, seed=0)
    with torch.no_grad():
        expected = {name: value.numpy() for name, value in primary_output(model(**inputs)).items()}
    return model, inputs, expected


@pytest.fixture
def browsers_left(monkeypatch):
    """How many processes of browsers that the test started are there some seconds later."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("HWBENCH_TEST_MARK", mark)  # which processes inherit

    def started():
        found = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_browser = any(name in process.exe().lower() for name in ("chrom", "firefox"))
                found += is_browser and process.environ().get("HWBENCH_TEST_MARK") == mark
        return found

    def left():
        deadline = time.monotonic() + 10
        while started() and time.monotonic() < deadline:
            time.sleep(0.2)
        return started()

    return left
