"""Real cells with a fault planted in their process: the job entry that plants what the plan's seed names.

The fault is put into the cell's own, forked process, so nothing of it is left for the next cell.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

import numpy as np
import torch

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
    """Spoil what the backend gives, and not the reference."""
    found = cell.backend_for

    def backend_for(hardware, variant=None):
        backend = found(hardware)
        prepare = backend.prepare

        def _prepare(workload):
            session = prepare(workload)
            outputs = session.outputs
            session.outputs = lambda: {name: spoil(value) for name, value in outputs().items()}
            return session

        object.__setattr__(backend, "prepare", _prepare)
        return backend

    cell.backend_for = backend_for


def _forget_the_seed():
    """A model whose outputs differ from call to call: the reference too."""
    outputs = TorchForward.outputs
    TorchForward.outputs = lambda session: {
        name: value * np.random.default_rng().normal(size=value.shape) for name, value in outputs(session).items()
    }


def _replace(name, function):
    return lambda: setattr(cell, name, function)


def _train_something_else():
    """After the reference's step was prepared, the weights are others."""
    prepare = cell.TrainingStep.prepare
    prepared = []

    def _prepare(hardware, key, model, *arguments, **named):
        if prepared:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.mul_(-3)
        prepared.append(key)
        return prepare(hardware, key, model, *arguments, **named)

    cell.TrainingStep.prepare = _prepare


def _train_nothing():
    """The optimizer's part leaves the weights as they are."""
    cell.TrainingStep.apply_gradients = lambda step: (step.optimizer.zero_grad(), step.phases.end("optimizer"))


PLANTS = {
    "segfault": _replace("_sample", lambda *_: ctypes.string_at(0)),
    "hang in load": _replace("_load", _hang),
    "hang in sampling": _replace("_sample", _hang),
    "memory bomb": _replace("_load", _bomb),
    "NaN output": lambda: _spoil_outputs(lambda value: np.where(value == value.max(), np.nan, value)),
    "output by chance": _forget_the_seed,
    "wrong loss": _train_something_else,
    "steps that train nothing": _train_nothing,
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
