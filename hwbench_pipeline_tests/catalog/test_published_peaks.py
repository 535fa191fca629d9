"""Published peaks by the names that drivers write."""

import pytest

from hwbench_pipeline.catalog.published_peaks import ANY_COMPUTER, fastest_of, published_peak


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("Tesla T4", "NVIDIA T4"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100"),
        ("NVIDIA A10G", "NVIDIA A10"),
        ("NVIDIA H200", "NVIDIA H200"),
        ("NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 3090"),
        ("AMD Instinct MI250X", "AMD Instinct MI250"),
    ],
)
def test_listed_devices(name, listed):
    found = published_peak(name)
    assert found is not None
    assert found[0] == listed


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 3090 Ti", "NVIDIA RTX A1000", "cuda", "", "Test GPU"])
def test_devices_that_are_not_listed(name):
    assert published_peak(name) is None


def test_a_platform_is_never_faster_than_any_computer():
    for platform in ("cpu", "wasm", "rocm", "mps", "qualcomm", "samsung", "mediatek", "tpu", "xpu", "cuda", None):
        assert fastest_of(platform)[1] <= ANY_COMPUTER[1]
