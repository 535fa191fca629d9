"""Measuring a torch device's matrix-multiply rates by precision and its copy bandwidth; run as a process by `asking`.

Belongs here: the two measurements. Does not belong here: for which platforms they are made and what they stand for
(`peaks`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hwbench_pipeline.hardware.asking import print_answer

if TYPE_CHECKING:
    import torch

GEMM_SECONDS = 2.5
GEMM_SECONDS_OF_OTHERS = 1.2
"""For bf16 and fp16 each; what the device has no units for is slow there, and then stands for nothing."""
SLOWEST_FIRST_PRODUCT_S = 1.0
COPY_SECONDS = 1.5
TARGET_GEMM_S = 0.1
"""A product of about this length is long against the clock's and the launch's overhead, and still often repeated."""

SMALLEST_COPY_BYTES = 256_000_000
CACHES_PER_COPY = 4
_MINIMUM_REPEATS = 3
_FIRST_SIZE = 512
_SIZE_STEP = 64
_FP32_BYTES = 4


def measure(device: str) -> dict[str, Any]:
    """Best GFLOP/s of repeated n×n×n products (2n³ operations each) by precision, best GB/s of copies, and how."""
    import torch

    # fp32 means fp32: no TF32 on NVIDIA, no bf16 inside oneDNN
    torch.set_float32_matmul_precision("highest")
    from hwbench_pipeline.hardware.devices import DTYPES, synchronizer

    synchronize = synchronizer(torch.device(device))
    memory = _memory_bytes(device)
    products: dict[str, dict[str, float]] = {}
    refused: dict[str, str] = {}
    for name, seconds in (("fp32", GEMM_SECONDS), *((name, GEMM_SECONDS_OF_OTHERS) for name in ("bf16", "fp16"))):
        try:
            gflops, size, repeats = _gemm(device, DTYPES[name], seconds, synchronize, memory)
        except (RuntimeError, _TooSlowError) as error:
            if name == "fp32":
                raise
            refused[name] = str(error).splitlines()[0][:120]
            continue
        products[name] = {"gflops": gflops, "size": size, "repeats": repeats}
    gb_per_s, copy_bytes, n_copies = _copy(device, synchronize, memory)
    return {
        "products": products,
        "refused": refused,
        "memory_bandwidth_gb_per_s": gb_per_s,
        "last_level_cache_bytes": last_level_cache_bytes(),
        "copy_bytes": copy_bytes,
        "copy_repeats": n_copies,
        "threads": torch.get_num_threads(),
        "torch_version": str(torch.__version__),
    }


def last_level_cache_bytes() -> int | None:
    """All last-level caches of the host together, from sysfs; None where the system does not tell."""
    caches: dict[tuple[int, str], int] = {}
    for index in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index[0-9]*"):
        try:
            level = int((index / "level").read_text())
            shared = (index / "shared_cpu_list").read_text().strip()
            size = (index / "size").read_text().strip()
            caches[level, shared] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    last = max((level for level, _ in caches), default=None)
    return None if last is None else sum(size for (level, _), size in caches.items() if level == last)


def _memory_bytes(device: str) -> int:
    """What may be counted on: free memory of the GPU, available memory of the host."""
    import torch

    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free)
    return int(psutil.virtual_memory().available)


def _seconds_of(work: Callable[[], object], synchronize: Callable[[], object]) -> float:
    synchronize()
    began = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - began


def _best_seconds(work: Callable[[], object], synchronize: Callable[[], object], until: float) -> tuple[float, int]:
    """The fastest of the repeats that fit before `until` (perf_counter), at least three, and how many they were."""
    best, repeats = float("inf"), 0
    while repeats < _MINIMUM_REPEATS or time.perf_counter() + best < until:
        best = min(best, _seconds_of(work, synchronize))
        repeats += 1
    return best, repeats


class _TooSlowError(Exception):
    """A precision without units of its own: its products are emulated."""


def _gemm(
    device: str, dtype: torch.dtype, seconds_allowed: float, synchronize: Callable[[], object], memory: int
) -> tuple[float, int, int]:
    import torch

    until = time.perf_counter() + seconds_allowed
    # three matrices in a quarter of the memory
    largest = max(_FIRST_SIZE, int((memory / 4 / 3 / _FP32_BYTES) ** 0.5) // _SIZE_STEP * _SIZE_STEP)

    def product(n: int) -> Callable[[], torch.Tensor]:
        left, right = torch.rand(n, n, device=device).to(dtype), torch.rand(n, n, device=device).to(dtype)
        out = torch.empty(n, n, device=device, dtype=dtype)
        return lambda: torch.mm(left, right, out=out)

    size = _FIRST_SIZE
    work = product(size)
    first = _seconds_of(work, synchronize)
    if first > SLOWEST_FIRST_PRODUCT_S:
        raise _TooSlowError(f"a product of {size}×{size} took {first:.1f} s")
    for _ in range(3):  # a small product runs below the peak, so the right size is approached in steps
        work()
        seconds = _seconds_of(work, synchronize)
        wanted = int(size * (TARGET_GEMM_S / seconds) ** (1 / 3)) // _SIZE_STEP * _SIZE_STEP
        wanted = min(largest, max(_SIZE_STEP, wanted))
        if seconds >= TARGET_GEMM_S / 2 or wanted == size:
            break
        size = wanted
        work = product(size)
    best, repeats = _best_seconds(work, synchronize, until)
    return 2 * size**3 / best / 1e9, size, repeats


def _copy(device: str, synchronize: Callable[[], object], memory: int) -> tuple[float, int, int]:
    import torch

    wanted = max(SMALLEST_COPY_BYTES, CACHES_PER_COPY * (last_level_cache_bytes() or 0))
    n_bytes = min(wanted, memory // 8) // _FP32_BYTES * _FP32_BYTES
    source = torch.ones(n_bytes // _FP32_BYTES, device=device)
    target = torch.zeros_like(source)
    until = time.perf_counter() + COPY_SECONDS

    def work() -> None:
        target.copy_(source)

    work()
    best, repeats = _best_seconds(work, synchronize, until)
    return 2 * n_bytes / best / 1e9, n_bytes, repeats


if __name__ == "__main__":
    print_answer(measure(sys.argv[1]))
