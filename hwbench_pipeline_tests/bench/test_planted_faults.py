"""Faults planted in real cells: each gives the right row, and the following cell is measured."""

import sys

import pytest

from hwbench_pipeline.bench import isolation
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline_tests.bench.planted_faults import SEEDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are planted in forked processes")

QUICK = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=3, min_duration_s=0)
EXPECTED = {
    "segfault": ("failed", "ProcessDied", "signal 11 in phase 'sample'"),
    "hang in load": ("timeout", "Timeout", "in phase 'load': a phase may take 3 s"),
    "hang in sampling": ("timeout", "Timeout", "in phase 'sample'"),
    "memory bomb": ("out_of_memory", "OverHostMemory", "1,500 MB were to spare"),
    "NaN output": ("failed", "WrongOutputError", "holds NaN"),
    "wrong output": ("failed", "WrongOutputError", "differs from the torch fp32 reference"),
    "output by chance": ("failed", "WrongOutputError", "two runs of the torch reference"),
    "wrong loss": ("failed", "WrongOutputError", "differs from the torch fp32 reference"),
    "steps that train nothing": ("failed", "NotLearningError", "did not fall in 30 steps"),
    "stdout flood": ("failed", "EndlessOutput", "200 MB are allowed"),
    "killed by a signal": ("failed", "Killed", "SIGKILL"),
    "os._exit": ("failed", "ProcessDied", "exit code 3"),
    "fork server killed": ("failed", "ServerDied", "ended with the cell server in phase 'sample'"),
}


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(tmp_path / "host.lock"))
    monkeypatch.setattr(isolation, "_memory_to_spare", lambda: 1.5e9)


@pytest.fixture(scope="module")
def processes():
    with CellProcesses("hwbench_pipeline_tests.bench.planted_faults:run_job") as shared:
        yield shared


def measure(processes, model, seed=0):
    mode = "training" if seed in (SEEDS["wrong loss"], SEEDS["steps that train nothing"]) else "inference"
    # filling memory and thirty steps take a slow machine their time
    deadline_s = 60.0 if seed in (SEEDS["memory bomb"], SEEDS["steps that train nothing"]) else 3.0
    plan = CellPlan("cpu", model, mode, points=(Point(),), sampling=QUICK, seed=seed, phase_timeout_s=deadline_s)
    rows = run_cell(plan, processes).rows
    require_valid(CORE_BENCH__INFERENCE if mode == "inference" else CORE_BENCH__TRAINING, rows)
    return rows


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_a_row_and_the_next_cell_is_measured(processes, fault):
    (row,) = measure(processes, "bert", SEEDS[fault])
    status, error_class, said = EXPECTED[fault]
    assert (row["status"], row["error_class"], row["provenance"]) == (status, error_class, "none")
    assert said in row["error_message"]
    assert row.get("latency_ms_p50") is None
    (following,) = measure(processes, "vit")
    assert (following["status"], following["provenance"]) == ("ok", "measured")


def test_of_24_cells_with_6_faults_18_are_measured_6_recorded_and_none_is_lost(processes):
    planted = dict(
        zip(
            range(1, 24, 4),
            ("segfault", "hang in sampling", "NaN output", "os._exit", "killed by a signal", "fork server killed"),
            strict=True,
        )
    )
    models = ("bert", "vit", "t5", "clip")
    rows = [
        row
        for number in range(24)
        for row in measure(processes, models[number % 4], SEEDS.get(planted.get(number), number))
    ]
    assert len(rows) == 24
    measured = [number for number, row in enumerate(rows) if row["status"] == "ok"]
    assert len(measured) == 18
    assert sorted(set(range(24)) - set(measured)) == sorted(planted)
    for number, fault in planted.items():
        assert rows[number]["error_class"] == EXPECTED[fault][1]
