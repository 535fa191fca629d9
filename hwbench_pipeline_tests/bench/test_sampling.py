"""When sampling stops, and what it leaves behind."""

import gc
import time
from contextlib import contextmanager

from hwbench_pipeline.bench.backends.protocol import StreamSamples
from hwbench_pipeline.bench.plan import Sampling
from hwbench_pipeline.bench.sampling import is_steady, take_samples, take_stream, timed_ms


def test_takes_the_minimum_of_slow_calls():
    taken = take_samples(
        lambda: time.sleep(0.02),
        Sampling(min_warmup=2, min_warmup_s=0, max_warmup_s=0, min_samples=5, min_duration_s=0),
    )
    assert len(taken.samples_ms) == 5
    assert taken.n_warmup == 2
    assert all(sample >= 20 for sample in taken.samples_ms)


def test_samples_fast_calls_for_the_minimum_time():
    start = time.perf_counter()
    taken = take_samples(
        lambda: time.sleep(0.001),
        Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=3, min_duration_s=0.3),
    )
    assert time.perf_counter() - start >= 0.3
    assert len(taken.samples_ms) > 3


class Call:
    """A call that takes the given milliseconds, the last of them from then on."""

    def __init__(self, *milliseconds):
        self.milliseconds = list(milliseconds)
        self.n_calls = 0

    def __call__(self):
        time.sleep(self.milliseconds[min(self.n_calls, len(self.milliseconds) - 1)] / 1e3)
        self.n_calls += 1


def test_warms_up_until_the_calls_are_steady():
    rules = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=2, min_samples=6, min_duration_s=0)
    taken = take_samples(Call(80, 60, 40, 30, 20, 15, 10), rules)
    assert taken.n_warmup > 7
    assert max(taken.samples_ms) < 15


def test_noise_that_passes_costs_a_second_attempt():
    rules = Sampling(min_warmup=0, min_warmup_s=0, max_warmup_s=0, min_samples=10, max_samples=10, min_duration_s=0)
    taken = take_samples(Call(*[10, 40, 10, 60, 10, 50, 10, 45, 10, 55], 10), rules)
    assert taken.n_attempts == 2
    assert max(taken.samples_ms) < 20
    assert take_samples(Call(10), rules).n_attempts == 1


def test_drift_costs_a_second_attempt():
    rules = Sampling(min_warmup=0, min_warmup_s=0, max_warmup_s=0, min_samples=10, max_samples=10, min_duration_s=0)
    taken = take_samples(Call(*[20] * 5, *[14] * 5, 14), rules)
    assert taken.n_attempts == 2
    assert max(taken.samples_ms) < 18


class Stream:
    """Requests that take the given milliseconds in one attempt after the other."""

    def __init__(self, *attempts):
        self.attempts = list(attempts)

    def stream(self, **_):
        latencies_ms = self.attempts.pop(0)
        return StreamSamples(latencies_ms, wall_s=sum(latencies_ms) / 1e3, in_flight=1)


def test_a_noisy_stream_is_tried_again_and_the_steadier_one_stands():
    watches = []

    @contextmanager
    def watch():
        watches.append("entered")
        yield
        watches.append("left")

    noisy, steady = [10.0, 40.0, 10.0, 60.0, 10.0, 50.0] * 4, [10.0] * 24
    taken = take_stream(Stream([9.0], noisy, steady), Sampling(), watch)
    assert (taken.samples_ms, taken.n_attempts, taken.attempt) == (steady, 2, 1)
    assert taken.wall_s == sum(steady) / 1e3
    assert (taken.n_warmup, taken.n_calls, taken.first_kept) == (1, 49, 25)
    assert watches == ["entered", "left"] * 2
    worse = [10.0, 10.0, 90.0] * 8
    assert take_stream(Stream([9.0], noisy, worse), Sampling()).attempt == 0


def test_the_watch_is_around_the_samples_and_not_around_the_warm_up():
    n_calls, at = Call(5), []

    @contextmanager
    def watch():
        at.append(n_calls.n_calls)
        yield
        at.append(n_calls.n_calls)

    rules = Sampling(min_warmup=4, min_warmup_s=0, max_warmup_s=0, min_samples=6, max_samples=6, min_duration_s=0)
    taken = take_samples(n_calls, rules, watch)
    assert at[:2] == [taken.n_warmup, taken.n_warmup + 6]


def test_steadiness_needs_six_calls():
    assert not is_steady([1.0] * 5)
    assert is_steady([9.0, 1.0, 1.0, 1.01, 1.0, 1.0, 1.02])
    assert not is_steady([1.5, 1.4, 1.3, 1.2, 1.1, 1.0])


def test_stops_at_the_maxima():
    assert len(take_samples(lambda: None, Sampling(max_samples=7, min_duration_s=5)).samples_ms) == 7
    slow = Sampling(min_warmup=50, min_samples=1000, max_duration_s=0.2)
    taken = take_samples(lambda: time.sleep(0.05), slow)
    assert taken.n_warmup < 50
    assert 1 <= len(taken.samples_ms) < 1000


def test_collects_no_garbage_while_sampling_and_restores_it():
    seen = set()
    take_samples(
        lambda: seen.add(gc.isenabled()),
        Sampling(min_warmup=0, min_warmup_s=0, max_warmup_s=0, min_samples=3, min_duration_s=0),
    )
    assert seen == {False}
    assert gc.isenabled()


def test_times_in_milliseconds():
    assert 10 <= timed_ms(lambda: time.sleep(0.01)) < 1000
