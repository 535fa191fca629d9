"""When sampling stops, and what it leaves behind."""

import gc
import time

from hwbench_pipeline.bench.plan import Sampling
from hwbench_pipeline.bench.sampling import take_samples, timed_ms


def test_takes_the_minimum_of_slow_calls():
    taken = take_samples(
        lambda: time.sleep(0.02), Sampling(min_warmup=2, min_warmup_s=0, min_samples=5, min_duration_s=0)
    )
    assert len(taken.samples_ms) == 5
    assert taken.n_warmup == 2
    assert all(sample >= 20 for sample in taken.samples_ms)


def test_samples_fast_calls_for_the_minimum_time():
    start = time.perf_counter()
    taken = take_samples(
        lambda: time.sleep(0.001), Sampling(min_warmup=1, min_warmup_s=0, min_samples=3, min_duration_s=0.3)
    )
    assert time.perf_counter() - start >= 0.3
    assert len(taken.samples_ms) > 3


def test_stops_at_the_maxima():
    assert len(take_samples(lambda: None, Sampling(max_samples=7, min_duration_s=5)).samples_ms) == 7
    slow = Sampling(min_warmup=50, min_samples=1000, max_duration_s=0.2)
    taken = take_samples(lambda: time.sleep(0.05), slow)
    assert taken.n_warmup < 50
    assert 1 <= len(taken.samples_ms) < 1000


def test_collects_no_garbage_while_sampling_and_restores_it():
    seen = set()
    take_samples(
        lambda: seen.add(gc.isenabled()), Sampling(min_warmup=0, min_warmup_s=0, min_samples=3, min_duration_s=0)
    )
    assert seen == {False}
    assert gc.isenabled()


def test_times_in_milliseconds():
    assert 10 <= timed_ms(lambda: time.sleep(0.01)) < 1000
