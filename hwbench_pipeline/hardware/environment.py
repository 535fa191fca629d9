"""The stable identity of the environment a measurement was made in, and its hash.

Belongs here: what stays the same from run to run on one machine with one installation. Does not belong here: what
varies (load, steal, clock, temperature: `condition`), and the table's columns (`schema/tables/catalog`).
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

import hwbench_pipeline
from hwbench_pipeline.schema.table import canonical_json, sha256_of
from hwbench_pipeline.schema.tables.catalog import ENVIRONMENT_COLUMNS

MEMORY_STEP_MB = 100
"""Host memory is rounded to this: kernels reserve a little more or less of it from boot to boot."""

ENVIRONMENT_ID_LENGTH = 32

_X86_FEATURES = frozenset(
    {
        "avx2",
        "fma",
        "f16c",
        "avx_vnni",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "avx512_fp16",
        "amx_tile",
        "amx_int8",
        "amx_bf16",
        "amx_fp16",
    }
)
_ARM_FEATURES = {
    "asimd": "neon",
    "neon": "neon",
    "asimdhp": "neon_fp16",
    "asimddp": "neon_dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
_MACOS_FEATURES = {
    "hw.optional.avx2_0": "avx2",
    "hw.optional.fma": "fma",
    "hw.optional.f16c": "f16c",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.AdvSIMD": "neon",
    "hw.optional.arm.FEAT_FP16": "neon_fp16",
    "hw.optional.arm.FEAT_DotProd": "neon_dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
}
_CPU_INFO = Path("/proc/cpuinfo")
_CGROUP_OF_PROCESS = Path("/proc/self/cgroup")
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CPU_SYSTEM = Path("/sys/devices/system/cpu")

# columns that came later count only where they say something: environments of older versions keep their ids
_LATER_COLUMNS = frozenset({"cpu_governor", "cpu_turbo", "cpu_affinity"})


def environment_row(
    *,
    device_name: str | None,
    device_memory_mb: float | None,
    driver_version: str | None,
    threads_intra_op: int | None,
    threads_inter_op: int | None,
    libraries: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The row of `core_bench__environments` for work that ran here and now; what cannot be found out is NULL.

    Threads are what the backend reported when asked, not what was wished for. `libraries` maps the names of further
    libraries that take part in the measurement to their versions.
    """
    row: dict[str, Any] = dict.fromkeys(column.name for column in ENVIRONMENT_COLUMNS)
    row |= {
        "machine": socket.gethostname() or None,
        "os": operating_system(),
        "cpu_name": cpu_name(),
        "cpu_cores_physical": psutil.cpu_count(logical=False),
        "cpu_cores_logical": psutil.cpu_count(logical=True),
        "cpu_features": list(cpu_features()),
        "memory_total_mb": memory_total_mb(),
        "container_memory_limit_mb": container_memory_limit_mb(),
        "device_name": device_name,
        "device_memory_mb": device_memory_mb,
        "driver_version": driver_version,
        "cpu_governor": cpu_governor(),
        "cpu_turbo": cpu_turbo(),
        "cpu_affinity": cpu_affinity(),
        "python_version": platform.python_version(),
        "torch_version": installed_version("torch"),
        "transformers_version": installed_version("transformers"),
        "openvino_version": installed_version("openvino"),
        "threads_intra_op": threads_intra_op,
        "threads_inter_op": threads_inter_op,
        "libraries": canonical_json(dict(libraries)) if libraries else None,
    }
    row["environment_id"] = environment_id_of(row)
    return row


def distant_environment_row(
    *,
    machine: str | None,
    operating_system_name: str | None,
    n_logical_cores: int | None,
    device_name: str | None,
    n_threads: int | None,
    libraries: Mapping[str, str],
) -> dict[str, Any]:
    """The row for work that a browser did on another computer: what it told, and NULL for all that it did not."""
    row: dict[str, Any] = dict.fromkeys(column.name for column in ENVIRONMENT_COLUMNS)
    row |= {
        "machine": machine,
        "os": operating_system_name,
        "cpu_cores_logical": n_logical_cores,
        "device_name": device_name,
        "torch_version": installed_version("torch"),
        "transformers_version": installed_version("transformers"),
        "threads_intra_op": n_threads,
        "libraries": canonical_json(dict(libraries)) if libraries else None,
    }
    row["environment_id"] = environment_id_of(row)
    return row


def environment_id_of(row: Mapping[str, Any]) -> str:
    """The first 32 hex digits of the hash of every environment column but environment_id itself."""
    names = (column.name for column in ENVIRONMENT_COLUMNS if column.name != "environment_id")
    known = {name: row.get(name) for name in names if name not in _LATER_COLUMNS or row.get(name) is not None}
    return sha256_of(known)[:ENVIRONMENT_ID_LENGTH]


@functools.cache
def harness_version() -> str:
    """The version of this package; with `+commit` where it runs from its own git checkout, and `.dirty` where its code
    there was changed since."""
    version = hwbench_pipeline.__version__
    package = Path(hwbench_pipeline.__file__).parent
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:  # installed below somebody else's checkout
        return version
    commit = _git(package, "rev-parse", "--short=9", "HEAD")
    if commit is None:
        return version
    return f"{version}+{commit}{'.dirty' if _git(package, 'status', '--porcelain', '--', '.') else ''}"


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def cpu_governor(system: Path = _CPU_SYSTEM) -> str | None:
    """The frequency governor of the CPUs, e.g. `performance`; several with commas where they differ; None without one."""
    governors = {_text_of(place) for place in system.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {None}
    return ", ".join(sorted(map(str, governors))) or None


def cpu_turbo(system: Path = _CPU_SYSTEM) -> str | None:
    """`on` or `off`: whether the CPU may exceed its base clock; None where the system does not tell."""
    for place, value_of_on in (("intel_pstate/no_turbo", "0"), ("cpufreq/boost", "1")):
        found = _text_of(system / place)
        if found is not None:
            return "on" if found == value_of_on else "off"
    return None


def cpu_affinity() -> str | None:
    """The CPUs that this process is bound to, e.g. `0,2`; None where it may use all, or the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    bound = os.sched_getaffinity(0)
    return None if len(bound) >= (os.cpu_count() or 1) else ",".join(map(str, sorted(bound)))


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, without importing it; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def operating_system() -> str:
    """Operating system and release, e.g. `Linux 6.8.0 (Debian GNU/Linux 12 (bookworm))` or `macOS 15.1`."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    name = f"{platform.system()} {platform.release()}"
    if sys.platform == "win32":
        return f"{name} ({platform.version()})"
    try:
        return f"{name} ({platform.freedesktop_os_release()['PRETTY_NAME']})"
    except (OSError, KeyError):
        return name


@functools.cache
def cpu_name() -> str | None:
    """The CPU's model name from /proc/cpuinfo, sysctl or the registry; None if the system does not tell."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    if sys.platform == "win32":
        import winreg

        place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as processor:
                return str(winreg.QueryValueEx(processor, "ProcessorNameString")[0]).strip() or None
        except OSError:
            return platform.processor() or None
    # ARM kernels give no model name
    return _cpu_info_field("model name") or _device_tree_model() or platform.machine() or None


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """The vector instruction sets that matter for inference, sorted: avx2, avx512_vnni, amx_bf16, neon, sve, …"""
    if sys.platform == "darwin":
        return tuple(sorted(name for key, name in _MACOS_FEATURES.items() if _sysctl(key) == "1"))
    flags = (_cpu_info_field("flags") or _cpu_info_field("Features") or "").split()
    if not flags:
        return _features_that_torch_sees()
    names = {flag for flag in flags if flag in _X86_FEATURES} | {
        _ARM_FEATURES[flag] for flag in flags if flag in _ARM_FEATURES
    }
    return tuple(sorted(names))


def memory_total_mb() -> float:
    """Host memory in MB (1e6 bytes), rounded to 100 MB."""
    return rounded_memory_mb(psutil.virtual_memory().total / 1e6) or float(MEMORY_STEP_MB)


def rounded_memory_mb(memory_mb: float) -> float | None:
    """Host memory rounded to 100 MB, as environments hold it; None for what rounds to nothing."""
    return float(round(memory_mb / MEMORY_STEP_MB) * MEMORY_STEP_MB) or None


def container_memory_limit_mb() -> float | None:
    """The tightest memory limit of this process's control groups (v2 or v1) in MB; None where there is none."""
    try:
        memberships = _CGROUP_OF_PROCESS.read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in memberships:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            limits += _limits_up_from(_CGROUP_ROOT, group, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits_up_from(_CGROUP_ROOT / "memory", group, "memory.limit_in_bytes")
    # without a limit, v2 says "max" and v1 a number near 2^63
    real = [limit for limit in limits if 0 < limit < psutil.virtual_memory().total]
    return float(round(min(real) / 1e6)) if real else None


def container_memory_free_bytes() -> float | None:
    """What the control group's limit leaves beside what the group holds now; None where there is no limit.

    What it holds includes file pages that the kernel would give up first, so this is the least that is free.
    """
    limit_mb = container_memory_limit_mb()
    if limit_mb is None:
        return None
    held = 0
    for place in (_CGROUP_ROOT / "memory.current", _CGROUP_ROOT / "memory" / "memory.usage_in_bytes"):
        text = _text_of(place)
        if text is not None and text.isdecimal():
            held = int(text)
            break
    return max(limit_mb * 1e6 - held, 0.0)


def _limits_up_from(mount: Path, group: str, file_name: str) -> list[int]:
    """Limits in bytes of a group and all groups above it: each of them binds.

    In a container the group's path is often the host's, while the mount shows the container's own group as its root:
    folders that are not there are passed over.
    """
    folder = mount / group.lstrip("/")
    limits = []
    for place in (folder, *folder.parents):
        if not place.is_relative_to(mount):
            break
        try:
            limits.append(int((place / file_name).read_text()))
        except (OSError, ValueError):
            continue
    return limits


def _cpu_info_field(name: str) -> str | None:
    try:
        text = _CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        field, colon, value = line.partition(":")
        if colon and field.strip() == name:
            return value.strip() or None
    return None


def _device_tree_model() -> str | None:
    try:
        return Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def _sysctl(name: str) -> str | None:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _features_that_torch_sees() -> tuple[str, ...]:
    """Where the system has no list (Windows): the level torch dispatches to."""
    import torch

    level = torch.backends.cpu.get_cpu_capability().lower()
    return {"avx2": ("avx2",), "avx512": ("avx2", "avx512f")}.get(level, ())
