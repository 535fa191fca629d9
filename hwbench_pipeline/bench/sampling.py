"""Warming up and taking samples.

Belongs here: the loop around one synchronous call. Does not belong here: what the call does (`backends/`), or
statistics of the samples (`statistics`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

from hwbench_pipeline.bench.plan import Sampling


@dataclass(frozen=True)
class Samples:
    """Raw samples in milliseconds, in the order they were taken, and how many calls warmed up before them."""

    samples_ms: list[float]
    n_warmup: int


def timed_ms(call: Callable[[], object]) -> float:
    """One call by the monotonic wall clock, in milliseconds. The call must return only when its work is done."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6


def take_samples(call: Callable[[], object], rules: Sampling) -> Samples:
    """Warm up, then sample until the rules are met.

    The garbage collector is off while sampling: its pauses belong to the harness, not to the model.
    """
    n_warmup = 0
    start = time.perf_counter()
    while n_warmup < rules.min_warmup or time.perf_counter() - start < rules.min_warmup_s:
        call()
        n_warmup += 1
        if time.perf_counter() - start > rules.max_duration_s:
            break
    samples: list[float] = []
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        while True:
            samples.append(timed_ms(call))
            elapsed = time.perf_counter() - start
            enough = len(samples) >= rules.min_samples and elapsed >= rules.min_duration_s
            if enough or len(samples) >= rules.max_samples or elapsed >= rules.max_duration_s:
                return Samples(samples, n_warmup)
    finally:
        if was_enabled:
            gc.enable()
