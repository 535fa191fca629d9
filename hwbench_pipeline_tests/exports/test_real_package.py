"""The real optimum-benchmark, in a virtual environment of its own, loads every exported file and agrees."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from hwbench_pipeline.exports.writing import export_optimum_benchmark
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.exports.conftest import ENVIRONMENT, inference, training

PROGRAM = Path(__file__).with_name("real_optimum_benchmark.py")

EXPORTED = [
    inference(),
    inference(run_id="one sample", samples_ms=[12.5], n_samples=1, throughput_items_per_s=None, latency_ms_mean=12.5),
    inference(
        model="vit",
        backend="openvino",
        hardware="openvino",
        options='{"class":"ViTForImageClassification","device":"CPU","weights":"random"}',
    ),
    inference(hardware="cuda", memory_method="torch.cuda.max_memory_allocated"),
    inference(
        model=None,
        model_id="größe/模型:../../etc",
        architecture=None,
        peak_memory_mb=None,
        memory_method="not read: “why”",
    ),
    inference(source="legacy", source_sha256="a", source_pointer="/0", backend=None, options=None, n_warmup=None),
    training(),
    training(model="t5", precision="fp32", options='{"class":"T5ForConditionalGeneration","weights":"random"}'),
]


@pytest.fixture(scope="module")
def loaded(real_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    exported = export_optimum_benchmark(folder, EXPORTED, {rows.ENVIRONMENT_ID: ENVIRONMENT}, include_imported=True)
    assert len(exported.written) == len(EXPORTED)
    python, environment = real_python
    done = subprocess.run(
        [*python, str(PROGRAM), str(shutil.copytree(folder, folder.with_name("copy for the package")))],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    assert document["version"] == "0.6.0"
    assert sorted(document["folders"]) == sorted(path.name for path in folder.iterdir())
    return document["folders"]


def test_its_statistics_are_ours(loaded):
    for folder in loaded.values():
        for target in folder["targets"].values():
            for name, value in target["recomputed"].items():
                assert target["stated"][name] == (
                    value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=1e-15)
                ), name
            if target["throughput"] is not None:
                assert target["throughput"] == pytest.approx(target["throughput_recomputed"], rel=1e-9)
                assert target["unit"] == "samples/s"


def test_it_aggregates_prints_and_turns_into_csv(loaded):
    for folder in loaded.values():
        for name, target in folder["targets"].items():
            assert target["count_of_two_processes"] == 2 * target["stated"]["count"]
            assert target["mean_of_two_processes"] == pytest.approx(target["stated"]["mean"], rel=1e-9)
            assert target["mean_from_csv"] == pytest.approx(target["stated"]["mean"], rel=1e-9)
            assert target["values_from_csv"]
            assert f"+ {name}:" in folder["plain_text"]
            assert name in folder["printed"]
        assert folder["provenance"] == "measured"


def test_its_configuration_classes_take_ours(loaded):
    constructed = [folder["constructed"] for folder in loaded.values()]
    assert ["TrainingConfig", "PyTorchConfig", "ProcessConfig"] in constructed
    assert ["InferenceConfig", "PyTorchConfig", "ProcessConfig"] in constructed
    assert ["InferenceConfig", "OVConfig", "ProcessConfig"] in constructed


def test_it_keeps_our_true_training_throughput(loaded):
    trained = [folder["targets"]["train"] for folder in loaded.values() if "train" in folder["targets"]]
    assert len(trained) == 2
    for target in trained:
        assert target["throughput"] == pytest.approx(4 / 0.0119)
        # the package's own formula: too much by exactly the count of steps
        assert target["throughput_as_the_package_would_state_it"] == pytest.approx(
            target["throughput"] * target["stated"]["count"]
        )


def test_each_row_is_the_one_it_was(loaded):
    by_id = {name.rpartition("__")[2]: folder for name, folder in loaded.items()}
    for row in EXPORTED:
        folder = by_id[row["result_id"]]
        assert folder["model"] == row["model_id"]
        target = folder["targets"]["train" if row["mode"] == "training" else "forward"]
        assert target["stated"]["mean"] * 1e3 == pytest.approx(row["latency_ms_mean"])
        assert target["stated"]["count"] == row["n_samples"]
        of_device = row["hardware"] == "cuda"
        assert target["max_allocated" if of_device else "max_ram"] == row["peak_memory_mb"]
        assert target["max_ram" if of_device else "max_allocated"] is None
