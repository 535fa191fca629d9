"""Real cells with a fault planted in their process: the job entry that plants what the plan's seed names.

The fault is put into the cell's own, forked process, so nothing of it is left for the next cell.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

import numpy as np

from hwbench_pipeline.bench import cell
from hwbench_pipeline.bench.backends.torch import TorchForward


def _hang(*_):
    time.sleep(600)


def _bomb(*_):
    held = []
    while True:
        held.append(bytearray(b"x") * 50_000_000)
        time.sleep(0.02)


def _flood(*_):
    line = b"again and again\n" * 65536
    while True:
        os.write(1, line)


def _kill_server(*_):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def _spoil_outputs(spoil):
    """Spoil what the backend gives after the reference was computed."""
    reference_of, outputs = cell._reference_outputs, TorchForward.outputs

    def _reference_outputs(workload):
        found = reference_of(workload)
        TorchForward.outputs = lambda session: {name: spoil(value) for name, value in outputs(session).items()}
        return found

    cell._reference_outputs = _reference_outputs


def _replace(name, function):
    return lambda: setattr(cell, name, function)


PLANTS = {
    "segfault": _replace("_sample", lambda *_: ctypes.string_at(0)),
    "hang in load": _replace("_load", _hang),
    "hang in sampling": _replace("_sample", _hang),
    "memory bomb": _replace("_load", _bomb),
    "NaN output": lambda: _spoil_outputs(lambda value: np.where(value == value.max(), np.nan, value)),
    "wrong output": lambda: _spoil_outputs(lambda value: value[..., ::-1]),
    "stdout flood": _replace("_sample", _flood),
    "killed by a signal": _replace("_sample", lambda *_: os.kill(os.getpid(), signal.SIGKILL)),
    "os._exit": _replace("_sample", lambda *_: os._exit(3)),
    "fork server killed": _replace("_sample", _kill_server),
}
SEEDS = {name: seed for seed, name in enumerate(PLANTS, start=1000)}


def run_job(job, emit):
    """The entry of the cell's process."""
    plant = next((PLANTS[name] for name, seed in SEEDS.items() if seed == job["plan"]["seed"]), None)
    if plant is not None:
        plant()
    cell.run_job(job, emit)
