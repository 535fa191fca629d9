"""Energy from counters, and the reason where there are none."""

import threading
import time

import pytest

from hwbench_pipeline.bench import energy
from hwbench_pipeline.bench.energy import EnergyMeter


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A RAPL package whose counter a test sets, in joules, with a core domain that must not count."""
    monkeypatch.setattr(energy, "SHORTEST_S", 0.01)
    for name, label in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "psys")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(f"{label}\n")
        (folder / "max_energy_range_uj").write_text("1000000000")
        (folder / "energy_uj").write_text("5000000")

    def set_joules(joules):
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(str(int(joules * 1e6)))

    return tmp_path, set_joules


def metered(powercap, work, hardware="cpu"):
    with EnergyMeter(hardware, powercap) as meter:
        work()
    return meter.energy


def test_the_gain_of_the_package_is_the_energy(package):
    powercap, set_joules = package
    found = metered(powercap, lambda: (time.sleep(0.02), set_joules(17.5)))
    assert found.energy_j == pytest.approx(12.5)
    assert found.energy_source.startswith("RAPL, 1 package(s)")


def test_a_counter_that_begins_again_is_unwrapped(package):
    powercap, set_joules = package
    set_joules(999.0)
    assert metered(powercap, lambda: (time.sleep(0.02), set_joules(3.0))).energy_j == pytest.approx(4.0)


def test_too_short_a_time_and_a_counter_that_stands_still_give_none(package, monkeypatch):
    powercap, set_joules = package
    assert "stood still" in metered(powercap, lambda: time.sleep(0.02)).energy_source
    monkeypatch.setattr(energy, "SHORTEST_S", 10)
    found = metered(powercap, lambda: set_joules(9.0))
    assert found.energy_j is None
    assert "too short" in found.energy_source


def test_a_counter_that_refuses_says_so(package):
    powercap, _ = package
    path = powercap / "intel-rapl:0" / "energy_uj"
    path.unlink()
    path.mkdir()  # cannot be read as a file, by root either
    found = metered(powercap, lambda: None)
    assert found.energy_j is None
    assert found.energy_source.startswith("not read: RAPL refuses")
    assert "Fix: " in found.energy_source


@pytest.mark.parametrize(
    ("hardware", "said"), [("cpu", "no RAPL package"), ("mps", "no energy counter"), ("webgpu", "no energy counter")]
)
def test_no_counter_is_a_reason_and_no_number(tmp_path, hardware, said):
    found = metered(tmp_path, threading.Event().is_set, hardware)
    assert found.energy_j is None
    assert said in found.energy_source
