"""The engine end to end: real cells in real processes, and every way they can fail as a row."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from hwbench_pipeline.bench import cell, engine
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.judging import WrongOutputError, require_right_output
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.hardware.peaks import Peaks
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS, CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

pytestmark = pytest.mark.usefixtures("own_host_lock")
FAULTS = "hwbench_pipeline_tests.bench.faults"
QUICK = Sampling(min_warmup=1, min_warmup_s=0, min_samples=3, min_duration_s=0.05, max_samples=30)


def plan(hardware, model, *points, mode="inference", **settings):
    return CellPlan(hardware, model, mode, points or (Point(),), QUICK, **settings)


@pytest.mark.parametrize("hardware", ["cpu", "openvino"])
@pytest.mark.parametrize("model", ["bert", "whisper", "llava_next"])
def test_a_measured_cell_has_its_evidence(processes, hardware, model):
    execution = run_cell(plan(hardware, model, Point(batch_size=2)), processes)
    (row,) = execution.rows
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    require_valid(CORE_BENCH__ENVIRONMENTS, execution.environments)
    assert (row["status"], row["provenance"], row.get("error_message")) == ("ok", "measured", None)
    assert row["hardware"] == row["hardware_requested"] == hardware
    assert row["backend"] == ("torch" if hardware == "cpu" else "openvino")
    assert row["model_id"] == f"hwbench/tiny-{model}"
    assert row["model_size"] == "tiny"
    assert 3 <= len(row["samples_ms"]) <= 30
    assert row["latency_ms_p50"] == pytest.approx(np.median(row["samples_ms"]))
    assert row["throughput_items_per_s"] == pytest.approx(2e3 / np.mean(row["samples_ms"]))
    assert row["output_max_rel_error"] <= 1e-3
    assert row["flops"] > 0
    assert row["latency_ms_p99"] is None
    assert (row["compile_ms"] is None) == (hardware == "cpu")
    assert [row["environment_id"]] == [environment["environment_id"] for environment in execution.environments]


def test_what_is_done_of_a_cell_is_kept_when_the_wait_is_interrupted(processes):
    kept = []

    def press_ctrl_c(point, phase):
        if point.batch_size == 3:
            raise KeyboardInterrupt

    # long enough that the watch, which looks once a second, sees every point
    slow = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_duration_s=2.5)
    points = tuple(Point(batch_size=size) for size in (1, 2, 3))
    asked = CellPlan("cpu", "bert", points=points, sampling=slow)
    with pytest.raises(KeyboardInterrupt):
        run_cell(asked, processes, run_id="r", on_phase=press_ctrl_c, keep=kept.append)
    (execution,) = kept
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    assert [(row["run_id"], row["batch_size"], row["status"]) for row in execution.rows] == [
        ("r", 1, "ok"),
        ("r", 2, "ok"),
    ]
    assert {row["environment_id"] for row in execution.rows} <= {
        environment["environment_id"] for environment in execution.environments
    }
    kept.clear()
    with pytest.raises(KeyboardInterrupt):
        run_cell(replace(asked, points=points[2:]), processes, on_phase=press_ctrl_c, keep=kept.append)
    assert kept == []
    assert run_cell(plan("cpu", "bert"), processes).rows[0]["status"] == "ok"


def test_a_length_means_nothing_to_a_model_without_text(processes):
    points = (Point(sequence_length=16), Point(sequence_length=32), Point())
    rows = run_cell(plan("cpu", "vit", *points), processes).rows
    assert [(row["status"], row["sequence_length"]) for row in rows] == [("ok", None)]
    rows = run_cell(plan("cpu", "bert", *points), processes).rows
    assert [(row["status"], row["sequence_length"]) for row in rows] == [("ok", 16), ("ok", 32)]


@pytest.mark.parametrize(("hardware", "is_first"), [("cpu", False), ("openvino", True)])
def test_the_first_inference_is_timed_only_where_it_is_the_first(processes, hardware, is_first):
    (row,) = run_cell(plan(hardware, "vit"), processes).rows
    assert (row["first_inference_ms"] is not None) is is_first


def test_training_is_measured_and_learns(processes):
    (row,) = run_cell(plan("cpu", "bert", Point(batch_size=4), mode="training"), processes).rows
    assert (row["status"], row["scenario"], row["mode"]) == ("ok", "train_step", "training")
    assert row["loss_last"] < row["loss_first"]


def test_training_on_one_pair_of_a_contrastive_model_is_no_training(processes):
    one, four = run_cell(plan("cpu", "clip", Point(), Point(batch_size=4), mode="training"), processes).rows
    assert (one["status"], one["batch_size"]) == ("unsupported", 1)
    assert "nothing to train on. Fix: --batch-size 2" in one["error_message"]
    assert (four["status"], four["batch_size"]) == ("ok", 4)
    assert four["loss_first"] > 0


def test_another_inputs_output_is_never_taken_for_right():
    """Of every model with a stand-in: what the reference gives for another input is further away than any tolerance lets pass."""
    for key in ("bert", "detr", "whisper", "clip", "llava_next"):
        asked = CellPlan("cpu", key, points=(Point(precision="int4"),))
        (point,) = asked.points
        loaded = cell._load(asked, point, None)
        workload = cell._workload(asked, point, loaded, cell.EAGER)
        effect = cell._reference(asked, point, workload).effect_of_input
        with pytest.raises(WrongOutputError):
            require_right_output(effect, "int4", effect)


def test_half_precision_is_compared_with_fp32(processes):
    (row,) = run_cell(plan("cpu", "bert", Point(precision="bf16")), processes).rows
    assert row["status"] == "ok"
    assert 0 < row["output_max_rel_error"] <= 0.1


def test_a_precision_the_backend_lacks_is_unsupported(processes):
    (row,) = run_cell(plan("cpu", "bert", Point(precision="int8"), mode="training"), processes).rows
    assert row["status"] == "unsupported"
    assert "Fix:" in row["error_message"]


def test_a_training_step_is_one_scenario_and_has_variants_of_torch_only(processes):
    points = [
        Point(variant=variant, scenario=scenario)
        for variant in (None, "onnxruntime")
        for scenario in ("forward", "generate")
    ]
    rows = run_cell(plan("cpu", "llama", *points, mode="training"), processes).rows
    assert [(row["status"], row.get("variant"), row["scenario"]) for row in rows] == [
        ("ok", None, "train_step"),
        ("unsupported", "onnxruntime", "train_step"),
    ]
    assert "training steps run eager or compile, not onnxruntime" in rows[1]["error_message"]
    assert len({row["result_id"] for row in rows}) == len(rows)


def test_training_on_an_inference_runtime_is_unsupported(processes):
    (row,) = run_cell(plan("openvino", "bert", mode="training"), processes).rows
    assert (row["status"], row["error_class"]) == ("unsupported", "TrainingUnsupported")


@pytest.mark.parametrize("hardware", ["cuda", "rocm", "mps", "webnn", "webgpu"])
def test_absent_hardware_says_so_with_the_probes_answer(processes, hardware):
    found = probe(hardware)
    if found.is_available:
        pytest.skip(f"this machine has {hardware}")
    execution = run_cell(plan(hardware, "bert", Point("tiny"), Point("reference")), processes)
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    assert [row["model_size"] for row in execution.rows] == ["tiny", "reference"]
    for row in execution.rows:
        # without the page's runtime the browser's GPU is here, and cannot be used
        assert (row["status"], row["provenance"]) == (found.absence, "none")
        assert found.absence in ("no_hardware", "unsupported")
        assert row["error_message"] == found.reason
        assert row["hardware"] == hardware
        assert row.get("latency_ms_p50") is None


def test_a_model_too_large_for_the_host_is_not_attempted(processes, monkeypatch):
    free = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=50_000_000))
    monkeypatch.setattr(engine, "psutil", free)
    rows = run_cell(plan("cpu", "bert", Point("tiny"), Point("reference")), processes).rows
    by_size = {row["model_size"]: row for row in rows}
    assert by_size["tiny"]["status"] == "ok"
    assert by_size["reference"]["status"] == "out_of_memory"
    assert "not attempted" in by_size["reference"]["error_message"]


@pytest.mark.parametrize(
    ("fault", "status", "error_class", "said"),
    [
        ("segfault", "failed", "ProcessDied", "signal 11"),
        ("exit_silently", "failed", "ProcessDied", "exit code 7"),
        ("killed", "failed", "Killed", "SIGKILL"),
        ("hang", "timeout", "Timeout", "watchdog"),
    ],
)
def test_every_death_becomes_a_row(fault, status, error_class, said):
    with CellProcesses(f"{FAULTS}:{fault}") as faulty:
        execution = run_cell(plan("cpu", "bert", phase_timeout_s=2.0), faulty)
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    (row,) = execution.rows
    assert (row["status"], row["error_class"]) == (status, error_class)
    assert said in row["error_message"]
    assert "'sample'" in row["error_message"]
    assert row["batch_size"] == 1
    assert isinstance(row["started_at"], datetime)


def test_points_after_a_death_get_a_process_of_their_own():
    points = tuple(Point(batch_size=size) for size in (1, 2, 3))
    with CellProcesses(f"{FAULTS}:die_at_second_point") as faulty:
        rows = run_cell(plan("cpu", "bert", *points), faulty).rows
    assert [(row["batch_size"], row["error_class"]) for row in rows] == [
        (1, "ValueError"),
        (2, "ProcessDied"),
        (3, "ValueError"),
    ]


def test_the_portable_path_imports_no_data_or_pipeline_package():
    program = (
        "import sys\n"
        "import hwbench_pipeline.bench.engine, hwbench_pipeline.bench.cell\n"
        "heavy = {'dagster', 'duckdb', 'pandas', 'pyarrow', 'xgboost', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_a_number_that_beats_the_roofline_is_flagged_only_after_another_probe(processes, monkeypatch):
    probes = []

    def known(hardware, **_):
        # a probe on a busy machine came out far too low; the next one is as good as the machine
        return Peaks({"fp32": 1e9 if probes else 1e-3}, 1e9, "a probe", last_level_cache_bytes=1)

    monkeypatch.setattr(engine, "known_peaks", known)
    monkeypatch.setattr(engine, "measure_peaks", lambda hardware, refresh: probes.append(hardware))
    (honest,) = run_cell(plan("cpu", "bert"), processes).rows
    assert probes == ["cpu"]
    assert "faster_than_roofline" not in honest["flags"]
    monkeypatch.setattr(engine, "known_peaks", lambda hardware, **_: Peaks({"fp32": 1e-3}, 1e9, "a probe"))
    points = (Point(), Point(batch_size=2))
    rows = run_cell(plan("cpu", "bert", *points), processes).rows
    assert probes == ["cpu", "cpu"]  # once per cell
    assert all("faster_than_roofline" in row["flags"] for row in rows)
    assert rows[0]["roofline_limb"] == "compute"
