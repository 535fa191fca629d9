"""Run by the interpreter of a virtual environment that has the real optimum-benchmark: loads every folder of an export.

    python real_optimum_benchmark.py FOLDER

Prints one JSON document: for each folder what the package's own classes read, recompute and aggregate. Whatever they
raise ends the program. Imports nothing of hwbench.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import logging
import sys
from pathlib import Path

from optimum_benchmark import (
    Benchmark,
    BenchmarkConfig,
    BenchmarkReport,
    InferenceConfig,
    OVConfig,
    ProcessConfig,
    PyTorchConfig,
    TrainingConfig,
)
from optimum_benchmark.scenarios.training.scenario import TrainingScenario
from optimum_benchmark.trackers.latency import Latency, Throughput

BACKENDS = {"pytorch": PyTorchConfig, "openvino": OVConfig}
SCENARIOS = {"inference": InferenceConfig, "training": TrainingConfig}


def read(folder: Path) -> dict:
    benchmark = Benchmark.from_json(folder / "benchmark.json")
    config = BenchmarkConfig.from_json(folder / "benchmark_config.json")
    report = BenchmarkReport.from_json(folder / "benchmark_report.json")
    text = json.loads((folder / "benchmark.json").read_text())
    assert benchmark.config.to_dict() == config.to_dict() == text["config"]
    assert benchmark.report.to_dict() == report.to_dict() == text["report"]

    report.log()
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        report.print()
    report.save_markdown(folder / "again.md")
    config.save_json(folder / "again.json")
    assert BenchmarkConfig.from_json(folder / "again.json").to_dict() == config.to_dict()
    report.save_csv(folder / "again.csv")
    from_csv = BenchmarkReport.from_csv(folder / "again.csv")

    scenario = SCENARIOS[config.scenario["name"]](**config.scenario)
    constructed = [type(scenario).__name__]
    backend = config.backend
    if (
        backend["device"] == "cpu" and backend["task"] and backend["model_type"]
    ):  # else the package asks the Hugging Face hub
        constructed.append(type(BACKENDS[backend["name"]](**backend)).__name__)
    if config.launcher is not None:  # not known of rows that other tools measured
        constructed.append(type(ProcessConfig(**config.launcher)).__name__)

    twice = BenchmarkReport.aggregate_across_processes(
        [report, BenchmarkReport.from_json(folder / "benchmark_report.json")]
    )
    targets = {}
    for name in report.to_dict():
        found = getattr(report, name)
        batch = (
            scenario.training_arguments["per_device_train_batch_size"]
            if isinstance(scenario, TrainingConfig)
            else scenario.input_shapes["batch_size"]
        )
        recomputed = Latency.from_values(found.latency.values, unit="s")
        inflated = None
        if isinstance(scenario, TrainingConfig):
            volume = TrainingScenario(scenario).train_volume
            inflated = Throughput.from_latency(recomputed, volume=volume, unit="samples/s").value
        targets[name] = {
            "stated": {key: getattr(found.latency, key) for key in recomputed.__dict__ if key != "values"},
            "recomputed": {key: value for key, value in recomputed.__dict__.items() if key != "values"},
            "throughput": found.throughput and found.throughput.value,
            "throughput_recomputed": Throughput.from_latency(recomputed, volume=batch, unit="samples/s").value,
            "throughput_as_the_package_would_state_it": inflated,
            "unit": found.throughput and found.throughput.unit,
            "max_ram": found.memory and found.memory.max_ram,
            "max_allocated": found.memory and found.memory.max_allocated,
            "count_of_two_processes": getattr(twice, name).latency.count,
            "mean_of_two_processes": getattr(twice, name).latency.mean,
            "mean_from_csv": getattr(from_csv, name).latency.mean,
            "values_from_csv": getattr(from_csv, name).latency.values == found.latency.values,
        }
    return {
        "targets": targets,
        "constructed": constructed,
        "model": config.backend["model"],
        "provenance": config.environment["hwbench_provenance"],
        "plain_text": report.to_plain_text(),
        "printed": shown.getvalue(),
    }


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    folders = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir())
    with contextlib.redirect_stdout(sys.stderr):
        read_folders = {folder.name: read(folder) for folder in folders}
    json.dump(
        {"version": importlib.metadata.version("optimum-benchmark"), "folders": read_folders}, sys.stdout, default=float
    )


if __name__ == "__main__":
    main()
