"""Warming up until the calls are steady, and taking samples.

Belongs here: the loops around one synchronous call. Does not belong here: what the call does (`backends/`), or
statistics of the samples (`statistics`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from hwbench_pipeline.bench.backends.protocol import StreamSamples, StreamSession
from hwbench_pipeline.bench.judging import has_drifted, is_noisy, upper_spread
from hwbench_pipeline.bench.plan import Sampling
from hwbench_pipeline.bench.statistics import percentile

STEADY_WINDOW = 3
STEADY = 0.05
MOST_ATTEMPTS = 2

Watch = Callable[[], AbstractContextManager[object]]
"""Makes what is entered around each attempt at sampling, warm-up left out."""

Clock = Callable[[Callable[[], object]], float]
"""Makes one call and gives its milliseconds."""


@dataclass(frozen=True)
class Samples:
    """Raw samples in milliseconds, in the order they were taken, and how many calls warmed up before them.

    `n_calls` counts every call made here, those thrown away too; the kept ones begin at number `first_kept` of them. `wall_s` is
    the time that requests in flight took together, None for calls one after the other. `n_attempts` is 2 where the first samples
    were noisy or drifted and others were taken; the steadier ones stand here, those of number `attempt`, from 0.
    """

    samples_ms: list[float]
    n_warmup: int
    n_calls: int
    first_kept: int = 0
    wall_s: float | None = None
    n_attempts: int = 1
    attempt: int = 0


def timed_ms(call: Callable[[], object]) -> float:
    """One call by the monotonic wall clock, in milliseconds. The call must return only when its work is done."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6


def take_samples(
    call: Callable[[], object],
    rules: Sampling,
    watch: Watch = nullcontext,
    *,
    warm_ms: Sequence[float] = (),
    timed: Clock = timed_ms,
) -> Samples:
    """Warm up, then sample until the rules are met; once more where the samples are noisy or drift.

    A neighbour's burst on the machine passes: the second attempt tells it from the model's own spread. `warm_ms` are
    calls of the same work that were made before, to check its output above all: they have warmed it up already.
    `timed` makes one call and gives its milliseconds.
    """
    n_warmup = _warm_up(call, rules, warm_ms, timed)
    attempts = _attempts(lambda: StreamSamples(_sample(call, rules, timed), 0.0, 1), watch)
    samples = _steadiest(attempts, n_warmup)
    return replace(samples, n_warmup=n_warmup + len(warm_ms))


def take_stream(session: StreamSession, rules: Sampling, watch: Watch = nullcontext) -> Samples:
    """Samples of a session that keeps several requests in flight, after a warm-up of the same kind; attempts as above."""
    warm = session.stream(
        min_requests=rules.min_warmup, min_duration_s=rules.min_warmup_s, max_duration_s=rules.max_duration_s
    )
    attempts = _attempts(
        lambda: session.stream(
            min_requests=rules.min_samples, min_duration_s=rules.min_duration_s, max_duration_s=rules.max_duration_s
        ),
        watch,
    )
    samples = _steadiest(attempts, len(warm.latencies_ms))
    return replace(samples, wall_s=attempts[samples.attempt].wall_s)


def _attempts(take: Callable[[], StreamSamples], watch: Watch) -> list[StreamSamples]:
    """One attempt at sampling, or two where the first was disturbed."""
    attempts = []
    for _ in range(MOST_ATTEMPTS):
        with watch():
            attempts.append(take())
        latest = attempts[-1].latencies_ms
        if not (is_noisy(latest) or has_drifted(latest)):
            break
    return attempts


def _steadiest(attempts: Sequence[StreamSamples], n_warmup: int) -> Samples:
    sizes = [len(attempt.latencies_ms) for attempt in attempts]
    # of two that are alike the later one: the model is warmer
    best = min(reversed(range(len(attempts))), key=lambda index: _disturbance(attempts[index].latencies_ms))
    return Samples(
        attempts[best].latencies_ms,
        n_warmup,
        n_warmup + sum(sizes),
        n_warmup + sum(sizes[:best]),
        n_attempts=len(attempts),
        attempt=best,
    )


def _disturbance(samples_ms: Sequence[float]) -> tuple[bool, float]:
    return has_drifted(samples_ms), upper_spread(samples_ms)


def _warm_up(call: Callable[[], object], rules: Sampling, warm_ms: Sequence[float], timed: Clock) -> int:
    """Call until the minima are met and the calls are steady, or the time for it is over. Returns how many calls."""
    times = list(warm_ms)
    start = time.perf_counter() - sum(warm_ms) / 1e3
    while True:
        elapsed = time.perf_counter() - start
        has_minima = len(times) >= rules.min_warmup and elapsed >= rules.min_warmup_s
        if elapsed > rules.max_duration_s or (has_minima and (elapsed >= rules.max_warmup_s or is_steady(times))):
            return len(times) - len(warm_ms)
        times.append(timed(call))


def is_steady(times_ms: Sequence[float]) -> bool:
    """Whether the last three calls took as long as the three before, by their medians, within `STEADY`."""
    if len(times_ms) < 2 * STEADY_WINDOW:
        return False
    last = percentile(sorted(times_ms[-STEADY_WINDOW:]), 50)
    before = percentile(sorted(times_ms[-2 * STEADY_WINDOW : -STEADY_WINDOW]), 50)
    return abs(last - before) <= STEADY * before


def _sample(call: Callable[[], object], rules: Sampling, timed: Clock) -> list[float]:
    """Samples of one attempt. The garbage collector is off meanwhile: its pauses belong to the harness, not to the model."""
    samples: list[float] = []
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        while True:
            samples.append(timed(call))
            elapsed = time.perf_counter() - start
            enough = len(samples) >= rules.min_samples and elapsed >= rules.min_duration_s
            if enough or len(samples) >= rules.max_samples or elapsed >= rules.max_duration_s:
                return samples
    finally:
        if was_enabled:
            gc.enable()
