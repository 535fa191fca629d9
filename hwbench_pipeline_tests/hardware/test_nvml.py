"""What NVIDIA's library is asked. Its answers are played by a stand-in: no GPU can be had here; without one, the real one refuses."""

import sys
import types

import pytest

from hwbench_pipeline.bench.energy import EnergyMeter
from hwbench_pipeline.hardware import condition, nvml

UUID = "GPU-1b2c"


class RefusedError(Exception):
    """pynvml.NVMLError"""


@pytest.fixture
def library(monkeypatch):
    """A library that knows one GPU; `.millijoules` and `.reasons` are what it answers."""
    played = types.ModuleType("pynvml")
    played.NVMLError = RefusedError
    played.millijoules, played.reasons = 5_000_000, 0
    played.nvmlInit = lambda: None
    played.nvmlClocksThrottleReasonHwThermalSlowdown = 0x40
    played.nvmlClocksThrottleReasonSwThermalSlowdown = 0x20
    played.nvmlClocksThrottleReasonHwPowerBrakeSlowdown = 0x80

    def handle(uuid):
        if uuid != UUID.encode():
            raise RefusedError("Not Found")
        return "device"

    played.nvmlDeviceGetHandleByUUID = handle
    played.nvmlDeviceGetTotalEnergyConsumption = lambda device: played.millijoules
    played.nvmlDeviceGetCurrentClocksThrottleReasons = lambda device: played.reasons
    monkeypatch.setitem(sys.modules, "pynvml", played)
    monkeypatch.setattr(nvml, "_torch_uuid", lambda: UUID)
    return played


def test_energy_is_the_gain_of_the_gpu_that_torch_uses(library, monkeypatch):
    monkeypatch.setattr("hwbench_pipeline.bench.energy.SHORTEST_S", 0)
    with EnergyMeter("cuda") as meter:
        library.millijoules += 2500
    assert meter.energy.energy_j == pytest.approx(2.5)
    assert "NVML" in meter.energy.energy_source


def test_a_gpu_that_nvml_does_not_know_gives_no_energy_and_the_reason(library, monkeypatch):
    monkeypatch.setattr(nvml, "_torch_uuid", lambda: "GPU-other")
    with EnergyMeter("cuda") as meter:
        library.millijoules += 2500
    assert meter.energy.energy_j is None
    assert meter.energy.energy_source == "not read: NVML says Not Found"


@pytest.mark.parametrize(("reasons", "expected"), [(0x40, True), (0x20, True), (0x80, True), (0x04, False), (0, False)])
def test_heat_slows_a_gpu_and_its_power_cap_does_not(library, reasons, expected):
    library.reasons = reasons
    assert nvml.is_slowed() is expected
    with condition.ThrottleMeter("cuda") as meter:
        pass
    assert meter.has_throttled is expected


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(nvml.NvmlError, match="Fix: pip install nvidia-ml-py"):
        nvml.energy_counter()


def test_the_real_library_is_asked_by_the_names_it_has():
    """Where there is no driver it refuses at its first call; the names used later are there all the same."""
    real = pytest.importorskip("pynvml")
    for name in ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetCurrentClocksThrottleReasons"):
        assert callable(getattr(real, name))
    try:
        real.nvmlInit()
    except real.NVMLError:
        with pytest.raises(nvml.NvmlError, match="NVML says"):
            nvml.is_slowed()
    else:
        pytest.skip("this machine has an NVIDIA driver")
