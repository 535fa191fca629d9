"""What varies: load, steal, clock, temperature."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from hwbench_pipeline.hardware import condition
from hwbench_pipeline.hardware.condition import (
    OthersMeter,
    StealMeter,
    cpu_clock_mhz,
    is_loaded,
    load_average_1m,
    temperature_c,
)


def test_what_this_machine_tells_is_plausible_or_none():
    for value, low, high in (
        (load_average_1m(), 0, 10_000),
        (cpu_clock_mhz(), 100, 10_000),
        (temperature_c(), 1, 130),
    ):
        assert value is None or low <= value <= high


BUSY = "import time; end = time.monotonic() + 3\nwhile time.monotonic() < end: pass"


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell lets go of its child")
def test_another_process_at_work_is_seen():
    let_go = ["sh", "-c", '"$0" -c "$1" >/dev/null & echo $!', sys.executable, BUSY]  # the child of no one here
    busy = int(subprocess.run(let_go, check=True, stdout=subprocess.PIPE).stdout)
    time.sleep(0.3)
    with OthersMeter() as others:
        time.sleep(0.6)
    os.kill(busy, signal.SIGKILL)
    assert others.busy_cores > 0.5


def test_a_process_that_this_one_started_is_no_other():
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        time.sleep(0.6)
        spent_s = condition._own_cpu_s()
        busy.kill()
    assert spent_s[busy.pid] > 0.1
    assert spent_s.keys() >= {os.getpid(), busy.pid}


def test_this_process_and_stolen_time_are_no_others(monkeypatch):
    readings = [times_of(user=0.0, idle=0.0, steal=0.0), times_of(user=1.0, idle=1.0, steal=3.0)]
    clocks = iter([5.0, 6.0])  # one second of CPU time of our own
    monkeypatch.setattr(psutil, "cpu_times", lambda: readings.pop(0))
    monkeypatch.setattr(time, "process_time", lambda: next(clocks))
    with OthersMeter() as others:
        pass
    assert others.busy_cores == 0


@pytest.mark.parametrize(
    ("busy", "cores", "expected"), [(0.5, 2, False), (0.51, 2, True), (0.6, 4, False), (0.0, 1, False)]
)
def test_more_than_a_quarter_of_the_cores_busy_is_loaded(busy, cores, expected):
    assert is_loaded(busy, cores) is expected


def times_of(**seconds):
    fields = {"user": 0.0, "system": 0.0, "idle": 0.0, **seconds}
    return SimpleNamespace(**fields, _fields=tuple(fields))


def measured_steal(monkeypatch, *readings):
    remaining = list(readings)
    monkeypatch.setattr(psutil, "cpu_times", lambda: remaining.pop(0))
    with StealMeter() as meter:
        pass
    return meter.cpu_steal_percent


def test_steal_is_a_share_of_all_cpu_time_without_counting_guests_twice(monkeypatch):
    before = times_of(user=10.0, idle=10.0, steal=1.0, guest=5.0)
    after = times_of(user=13.0, idle=16.0, steal=2.0, guest=8.0)
    assert measured_steal(monkeypatch, before, after) == pytest.approx(10.0)


def test_steal_is_null_where_the_system_counts_none(monkeypatch):
    assert measured_steal(monkeypatch, times_of(), times_of(user=5.0)) is None


def test_steal_is_null_over_an_interval_too_short_for_the_clock(monkeypatch):
    assert measured_steal(monkeypatch, times_of(steal=1.0), times_of(steal=1.0)) is None


def test_the_steal_meter_runs_on_this_machine():
    meter = StealMeter()
    assert meter.stop() is None
    meter.start()
    time.sleep(0.2)
    percent = meter.stop()
    assert percent == meter.cpu_steal_percent
    assert percent is None or 0 <= percent <= 100


def test_the_package_sensor_is_preferred(monkeypatch):
    def sensors():
        return {
            "acpitz": [SimpleNamespace(label="", current=27.0)],
            "coretemp": [
                SimpleNamespace(label="Core 0", current=70.0),
                SimpleNamespace(label="Package id 0", current=65.0),
            ],
        }

    monkeypatch.setattr(psutil, "sensors_temperatures", sensors, raising=False)
    assert temperature_c() == 65.0


def test_no_sensor_is_null(monkeypatch):
    monkeypatch.setattr(psutil, "sensors_temperatures", dict, raising=False)
    assert temperature_c() is None


def test_kills_for_want_of_memory_are_counted_where_the_kernel_counts_them(tmp_path):
    from hwbench_pipeline.hardware.condition import kernel_memory_kills

    counters = tmp_path / "vmstat"
    assert kernel_memory_kills(counters) is None
    counters.write_text("pgfault 12\noom_kill 3\n", encoding="ascii")
    assert kernel_memory_kills(counters) == 3
