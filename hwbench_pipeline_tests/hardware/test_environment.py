"""The environment's identity: stable between calls and processes, and different where something differs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import hwbench_pipeline
from hwbench_pipeline.hardware import environment
from hwbench_pipeline.hardware.environment import (
    cpu_affinity,
    cpu_governor,
    cpu_turbo,
    environment_id_of,
    environment_row,
)
from hwbench_pipeline.schema.tables.catalog import CORE_BENCH__ENVIRONMENTS
from hwbench_pipeline.schema.validation import require_valid

REPOSITORY = Path(__file__).parents[2]
ARGUMENTS = {
    "device_name": "a CPU",
    "device_memory_mb": 1000.0,
    "driver_version": None,
    "threads_intra_op": 2,
    "threads_inter_op": 1,
    "libraries": {"optimum": "2.0", "accelerate": "1.5"},
}


def test_the_row_is_valid():
    row = environment_row(**ARGUMENTS)
    require_valid(CORE_BENCH__ENVIRONMENTS, [row])
    assert row["torch_version"]
    assert row["cpu_name"]
    assert row["libraries"] == '{"accelerate":"1.5","optimum":"2.0"}'
    assert len(row["environment_id"]) == 32


def test_two_processes_give_the_same_identity():
    code = (
        "import json, sys; from hwbench_pipeline.hardware.environment import environment_row\n"
        "print(json.dumps(environment_row(**json.loads(sys.argv[1]))))"
    )
    rows = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code, json.dumps(ARGUMENTS)],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert rows[0] == rows[1] == environment_row(**ARGUMENTS)


@pytest.mark.parametrize("column", ["device_name", "driver_version", "threads_intra_op", "libraries"])
def test_another_value_is_another_environment(column):
    other = {"device_name": "a GPU", "driver_version": "1", "threads_intra_op": 1, "libraries": {"optimum": "2.1"}}
    assert (
        environment_row(**{**ARGUMENTS, column: other[column]})["environment_id"]
        != environment_row(**ARGUMENTS)["environment_id"]
    )


def test_the_id_does_not_depend_on_itself_or_on_other_tables_columns():
    row = environment_row(**ARGUMENTS)
    assert environment_id_of({**row, "environment_id": "other", "n_results": 3}) == row["environment_id"]


def test_memory_is_rounded_so_that_a_few_megabytes_do_not_matter(monkeypatch):
    class Memory:
        total = 25_276_502_016

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory)
    before = environment_row(**ARGUMENTS)
    Memory.total += 4_000_000
    assert before["memory_total_mb"] == 25_300
    assert environment_row(**ARGUMENTS) == before


@pytest.fixture
def cpu_info(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(environment, "_CPU_INFO", path)
    environment.cpu_features.cache_clear()
    environment.cpu_name.cache_clear()
    yield path
    environment.cpu_features.cache_clear()
    environment.cpu_name.cache_clear()


def test_features_of_an_x86_cpu(cpu_info):
    cpu_info.write_text(
        "model name\t: Intel(R) Xeon(R) Platinum 8480+\nflags\t\t: fpu sse2 avx avx2 avx512f amx_tile amx_int8 amx_bf16 avx512_vnni\n"
    )
    assert environment.cpu_name() == "Intel(R) Xeon(R) Platinum 8480+"
    assert environment.cpu_features() == ("amx_bf16", "amx_int8", "amx_tile", "avx2", "avx512_vnni", "avx512f")


def test_features_of_an_arm_cpu(cpu_info):
    cpu_info.write_text(
        "processor\t: 0\nFeatures\t: fp asimd evtstrm aes asimdhp asimddp sve i8mm bf16\nCPU part\t: 0xd40\n"
    )
    assert environment.cpu_features() == ("bf16", "i8mm", "neon", "neon_dotprod", "neon_fp16", "sve")


@pytest.fixture
def control_groups(tmp_path, monkeypatch):
    membership = tmp_path / "self-cgroup"
    root = tmp_path / "cgroup"
    root.mkdir()
    monkeypatch.setattr(environment, "_CGROUP_OF_PROCESS", membership)
    monkeypatch.setattr(environment, "_CGROUP_ROOT", root)
    return membership, root


def write_limit(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text + "\n")


def test_the_tightest_limit_of_control_groups_v2_counts(control_groups):
    membership, root = control_groups
    membership.write_text("0::/outer/inner\n")
    write_limit(root / "outer" / "inner", "memory.max", "max")
    write_limit(root / "outer", "memory.max", "512000000")
    assert environment.container_memory_limit_mb() == 512


def test_in_a_container_the_mounts_root_is_its_own_group(control_groups):
    membership, root = control_groups
    membership.write_text("0::/docker/0123\n")
    write_limit(root, "memory.max", "256000000")
    assert environment.container_memory_limit_mb() == 256


def test_control_groups_v1(control_groups):
    membership, root = control_groups
    membership.write_text("5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n")
    write_limit(root / "memory" / "x", "memory.limit_in_bytes", "300000000")
    assert environment.container_memory_limit_mb() == 300


def test_no_limit_is_null(control_groups):
    membership, root = control_groups
    membership.write_text("4:memory:/\n0::/\n")
    write_limit(root / "memory", "memory.limit_in_bytes", "9223372036854771712")
    write_limit(root, "memory.max", "max")
    assert environment.container_memory_limit_mb() is None


def test_governor_and_turbo_are_read_and_missing_where_there_are_none(tmp_path):
    assert (cpu_governor(tmp_path), cpu_turbo(tmp_path)) == (None, None)
    for cpu, governor in (("cpu0", "powersave"), ("cpu1", "performance"), ("cpu2", "powersave")):
        (tmp_path / cpu / "cpufreq").mkdir(parents=True)
        (tmp_path / cpu / "cpufreq" / "scaling_governor").write_text(f"{governor}\n", encoding="utf-8")
    assert cpu_governor(tmp_path) == "performance, powersave"
    (tmp_path / "cpufreq").mkdir()
    (tmp_path / "cpufreq" / "boost").write_text("0\n", encoding="utf-8")
    assert cpu_turbo(tmp_path) == "off"
    (tmp_path / "intel_pstate").mkdir()
    (tmp_path / "intel_pstate" / "no_turbo").write_text("0\n", encoding="utf-8")
    assert cpu_turbo(tmp_path) == "on"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes to CPUs")
def test_a_process_bound_to_some_cpus_has_another_environment():
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one CPU cannot be narrowed")
    free = environment_row(**ARGUMENTS)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cpu_affinity() == str(min(allowed))
        bound = environment_row(**ARGUMENTS)
    finally:
        os.sched_setaffinity(0, allowed)
    assert bound["environment_id"] != free["environment_id"]


def test_columns_that_came_later_leave_older_identities_alone():
    old = {"machine": "a", "cpu_name": "b"}
    assert environment_id_of(old) == environment_id_of({**old, "cpu_governor": None, "cpu_affinity": None})
    assert environment_id_of(old) != environment_id_of({**old, "cpu_governor": "powersave"})
    assert environment_id_of(old) == "0e90a6e49631397e0c96b30f36f32a32"


def test_the_harness_names_its_commit_only_in_its_own_checkout(tmp_path):
    program = "from hwbench_pipeline.hardware.environment import harness_version; print(harness_version())"

    def version_at(folder):
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, check=True, text=True
        )
        return done.stdout.strip()

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(["git", "-C", tmp_path, *who, *arguments], capture_output=True, check=True, text=True)
        return done.stdout.strip()

    package = tmp_path / "hwbench_pipeline"
    shutil.copytree(REPOSITORY / "hwbench_pipeline", package, ignore=shutil.ignore_patterns("__pycache__"))
    git("init", "-q")
    (tmp_path / ".gitignore").write_text("__pycache__\n", encoding="utf-8")
    git("add", ".gitignore")
    git("commit", "-qm", "a checkout of somebody else")
    assert version_at(tmp_path) == hwbench_pipeline.__version__
    git("add", ".")
    git("commit", "-qm", "the package is in it")
    commit = git("rev-parse", "--short=9", "HEAD")
    assert version_at(tmp_path) == f"{hwbench_pipeline.__version__}+{commit}"
    with (package / "__init__.py").open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert version_at(tmp_path) == f"{hwbench_pipeline.__version__}+{commit}.dirty"
