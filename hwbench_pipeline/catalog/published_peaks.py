"""Published peaks of devices: bounds on what any program can do there, for judging whether a number is possible at all.

Belongs here: the vendors' highest dense rates as data, by device and by platform. Does not belong here: peaks measured
on a machine (`hardware.peaks`), or the work of a model (`call_floors`). Imports no torch.

All are upper bounds, in operations per second with a multiply-add counted as two, from the vendors' data sheets, without
sparsity. A device that is not listed has the bound of its platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

ANY_DEVICE_HALF_FLOP_PER_S = 1e16
"""Above twice the dense 16-bit peak of the fastest accelerator (NVIDIA Rubin, CES 2026: about 4e15)."""
CLOCK_MARGIN = 1.25
"""Boost clocks above the vendor's figure, and operations that a source rounds."""


@dataclass(frozen=True)
class PublishedPeak:
    """Dense peaks of a device: `half` the highest that 16-bit kernels can use, `any_precision` of its narrowest type."""

    half_flop_per_s: float
    any_precision_flop_per_s: float


# NVIDIA's and AMD's data sheets of each product; the narrowest type is INT4, FP4, INT8 or FP8, whichever is fastest
_DEVICES: tuple[tuple[str, str, PublishedPeak], ...] = (
    ("NVIDIA Tesla K80", r"\bk80\b", PublishedPeak(8.74e12, 8.74e12)),
    ("NVIDIA Tesla P100", r"\bp100\b", PublishedPeak(21.2e12, 21.2e12)),
    ("NVIDIA Tesla P4", r"\btesla p4\b", PublishedPeak(5.5e12, 22e12)),
    ("NVIDIA Tesla P40", r"\bp40\b", PublishedPeak(12e12, 47e12)),
    ("NVIDIA V100", r"\bv100s?\b", PublishedPeak(130e12, 130e12)),
    ("NVIDIA T4", r"\bt4\b", PublishedPeak(65e12, 260e12)),
    ("NVIDIA A10", r"\ba10g?\b", PublishedPeak(125e12, 500e12)),
    ("NVIDIA A30", r"\ba30\b", PublishedPeak(165e12, 661e12)),
    ("NVIDIA A40", r"\ba40\b", PublishedPeak(149.7e12, 598.7e12)),
    ("NVIDIA A100", r"\ba[18]00\b", PublishedPeak(312e12, 1248e12)),
    ("NVIDIA L4", r"\bl4\b", PublishedPeak(121e12, 485e12)),
    ("NVIDIA L40", r"\bl40s?\b", PublishedPeak(366e12, 1466e12)),
    ("NVIDIA H100", r"\bh[18]00\b", PublishedPeak(990e12, 1979e12)),
    ("NVIDIA H200", r"\bh200\b", PublishedPeak(990e12, 1979e12)),
    ("NVIDIA GeForce RTX 3090", r"\brtx 3090\b(?! ti)", PublishedPeak(142e12, 568e12)),
    ("NVIDIA GeForce RTX 4090", r"\brtx 4090\b(?! d)", PublishedPeak(330.3e12, 1321e12)),
    ("AMD Instinct MI100", r"\bmi100\b", PublishedPeak(184.6e12, 184.6e12)),
    ("AMD Instinct MI210", r"\bmi210\b", PublishedPeak(181e12, 181e12)),
    ("AMD Instinct MI250", r"\bmi250x?\b", PublishedPeak(383e12, 383e12)),
    ("AMD Instinct MI300", r"\bmi3(?:00[ax]|25x)\b", PublishedPeak(1307e12, 2615e12)),
)
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE), peak) for name, pattern, peak in _DEVICES)

ANY_COMPUTER = ("accelerator", 50e15)
"""Dense 4-bit peak of the fastest single accelerator announced (NVIDIA Rubin, 50 PFLOP/s NVFP4, CES 2026)."""
_PLATFORMS: dict[str, tuple[str, float]] = {
    # above the 8-bit matrix peak of two Xeon 6980P: 2 sockets × 128 cores × 2048 operations a cycle (AMX) × 3.2 GHz
    "cpu": ("CPU", 2e15),
    "wasm": ("CPU", 2e15),
    # FP4 of an Instinct MI355X, AMD's data sheet
    "rocm": ("AMD accelerator", 10.1e15),
    # the GPU of an M3 Ultra does 28e12 in fp32, the Neural Engine of an M4 38e12 in 8 bit: far above both together
    "mps": ("Apple chip", 400e12),
    # INT8 of a Cloud AI 100 Ultra, Qualcomm's data sheet; its phones' chips do about a tenth
    "qualcomm": ("Qualcomm accelerator", 870e12),
    # no maker states above 100e12 for a phone
    "samsung": ("phone", 200e12),
    "mediatek": ("phone", 200e12),
    # FP8 of an Ironwood chip, Google's announcement
    "tpu": ("TPU chip", 4.62e15),
    # INT8 of a Data Center GPU Max 1550, Intel's data sheet
    "xpu": ("Intel GPU", 1.7e15),
}


@lru_cache(maxsize=4096)
def published_peak(device_name: str) -> tuple[str, PublishedPeak] | None:
    """The device that a name as drivers write it means, and its peaks; None for any that is not listed."""
    name = " ".join(re.split(r"[\s_-]+", device_name))
    return next(((listed, peak) for listed, pattern, peak in _PATTERNS if pattern.search(name)), None)


def fastest_of(platform: str | None) -> tuple[str, float]:
    """In words, the fastest device of a platform (a key such as `cpu`), and its peak; of any where it is not known."""
    return _PLATFORMS.get(platform or "", ANY_COMPUTER)
