"""The platforms as data."""

from __future__ import annotations

import pytest

from hwbench_pipeline.hardware.platforms import (
    OWN_PLATFORMS,
    UnknownHardwareError,
    hardware_keys,
    platform_of,
    torch_device,
)


def test_the_keys_of_the_project_come_first():
    keys = hardware_keys()
    assert keys[:8] == ("cpu", "cuda", "rocm", "mps", "openvino", "webnn", "webgpu", "wasm")
    assert [platform_of(key) for key in keys[:8]] == list(OWN_PLATFORMS)


def test_training_is_for_torch_devices_and_the_rest_say_why_not():
    trainable = {platform.key for platform in OWN_PLATFORMS if platform.supports_training}
    assert trainable == {"cpu", "cuda", "rocm", "mps"}
    assert all(platform.no_training_reason for platform in OWN_PLATFORMS if platform.key not in trainable)


def test_torch_devices():
    assert [torch_device(key) for key in ("cpu", "cuda", "rocm", "mps")] == ["cpu", "cuda", "cuda", "mps"]
    with pytest.raises(ValueError, match=r"'webgpu' is not run by torch.*expected one of cpu, cuda, rocm, mps. Fix:"):
        torch_device("webgpu")


def test_an_unknown_key_lists_the_keys_and_the_fix():
    with pytest.raises(
        UnknownHardwareError, match=r"'gpu' is not known; expected one of cpu, cuda, .*webgpu, wasm. Fix:"
    ):
        platform_of("gpu")
