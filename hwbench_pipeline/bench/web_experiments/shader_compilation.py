"""Shaders compiled in advance: what a first call gains when the page has made one before, and what that costs.

Belongs here: cold, precompiled and warm sessions of a model on WebGPU, in turns. A cold session has a browser of its own with
an empty profile, so that no shader is in its cache, and drivers' own caches are switched off where that can be asked for; a
precompiled one makes a call while it loads; a warm one is made again in a page that had one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwbench_pipeline.bench.backends import backend_for
from hwbench_pipeline.bench.backends.protocol import Evidence, Workload
from hwbench_pipeline.bench.backends.web.backend import WebBackend, WebSession
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.inputs import make_inputs

COLD, COLD_AGAIN, PRECOMPILED, WARM = "cold", "cold again", "precompiled", "warm"
FIRST_CALL_MS, UNTIL_FIRST_RESULT_MS = "first_call_ms", "until_first_result_ms"
"""The first call that a user waits for; that and all before it, the session's making and any call in advance."""


@dataclass(frozen=True)
class Found:
    """Milliseconds by metric and variant, what computed the last cold session, and the browser with its version."""

    samples_ms: dict[str, dict[str, list[float]]]
    evidence: Evidence
    browser: str


def workload_of(model: str, size: str) -> Workload:
    """A forward pass of one item on WebGPU by the usual build."""
    backend = backend_for("webgpu")
    module = build_model(model, size, seed=0, attn_implementation=backend.attention)
    config: Any = module.config
    inputs = make_inputs(model, config, batch_size=1, seed=0)
    return Workload(module, inputs, "fp32", backend.variants[0])


def compare(workload: Workload, n_rounds: int, *, on_round: Callable[[int], object] = lambda _: None) -> Found:
    """Milliseconds by metric and variant, one of each a round, in an order of its own every round; a warm session always
    follows the cold one in whose page it is made.

    Raises what preparing a session raises, and `NotOnDeviceError` where something else than WebGPU computed.
    """
    backend = WebBackend("webgpu")
    samples: dict[str, dict[str, list[float]]] = {
        metric: {name: [] for name in (COLD, COLD_AGAIN, PRECOMPILED, WARM)}
        for metric in (FIRST_CALL_MS, UNTIL_FIRST_RESULT_MS)
    }

    def note(name: str, before_ms: float, first_ms: float) -> None:
        samples[FIRST_CALL_MS][name].append(first_ms)
        samples[UNTIL_FIRST_RESULT_MS][name].append(before_ms + first_ms)

    def opened() -> WebSession:
        session = backend.prepare(workload)
        assert isinstance(session, WebSession)  # what this backend prepares
        return session

    proof: list[tuple[Evidence, str]] = []

    def cold(name: str) -> None:
        session = opened()
        try:
            note(name, session.session_ms, session.timed_run())
            if name == COLD:
                note(WARM, session.make_again(), session.timed_run())
                proof.append((session.evidence(), session.facts.options["browser"]))
        finally:
            session.close()

    def precompiled(name: str) -> None:
        session = opened()
        try:
            before_ms = session.session_ms + session.timed_run()
            note(name, before_ms, session.timed_run())
        finally:
            session.close()

    order = [(cold, COLD), (cold, COLD_AGAIN), (precompiled, PRECOMPILED)]
    generator = np.random.default_rng(0)
    for number in range(n_rounds):
        on_round(number)
        for place in generator.permutation(len(order)):
            run, name = order[place]
            run(name)
    return Found(samples, *proof[-1])
