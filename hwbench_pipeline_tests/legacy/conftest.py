"""Builders of old result documents, and an ingest whose rows are always checked against the schema."""

import json
import random
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.ingest import Previous, ingest
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import table_named
from hwbench_pipeline.schema.validation import require_valid


class Builder:
    """Documents of the four shapes with varied full-precision samples."""

    def __init__(self) -> None:
        self.random = random.Random(7)

    def samples(self, mean, n=10):
        return [mean * self.random.uniform(0.9, 1.2) for _ in range(n)]

    def result(self, mean_s, batch):
        samples = self.samples(mean_s)
        mean = sum(samples) / len(samples)
        return {
            "status": "completed",
            "latencies": samples,
            "avg_latency": mean,
            "throughput": batch / mean,
            "iterations": len(samples),
        }

    def attempt(self, hardware="cpu", mean_s=0.05, load_s=3.1, model="bert-base-uncased", **changes):
        results = {f"batch_{b}_seq_{s}": self.result(mean_s * b * s / 32, b) for b in (1, 4) for s in (32, 128)}
        return {
            "status": "completed",
            "model_name": model,
            "model_class": "BertModel",
            "hardware": hardware,
            "benchmark_results": results,
            "timestamp": f"2025-01-02T03:04:05.{self.random.randrange(10**6):06d}",
            "model_load_time": load_s,
            **changes,
        }

    def suite(self, *attempts, **changes):
        attempts = attempts or (self.attempt(),)
        benchmarks = {"embedding": {}}
        for attempt in attempts:
            benchmarks["embedding"].setdefault(attempt["model_name"], {})[attempt["hardware"]] = attempt
        return {
            "timestamp": "20250102_030405",
            "system_info": {
                "hostname": "test-machine",
                "os": "Linux",
                "os_release": "6.1",
                "processor": "x86_64",
                "cpu_count_logical": 8,
                "total_memory_gb": 62.21421432495117,
                "cuda_devices": [{"name": "Test GPU", "total_memory_gb": 7.923583984375}],
            },
            "benchmarks": benchmarks,
            "hardware_details": {"openvino_device_info": {"CPU": "Test CPU"}},
            **changes,
        }

    def master(self, **families):
        return {"timestamp": "20250102_030400", "models": {}, "performance_benchmarks": families}

    def batch(self, mean_ms, batch_size, **changes):
        samples = self.samples(mean_ms, 5)
        mean = sum(samples) / 5
        return {
            "success": True,
            "batch_size": batch_size,
            "avg_latency_ms": mean,
            "throughput_items_per_second": 1000 * batch_size / mean,
            "memory_mb": 533.89453125,
            "latencies_ms": samples,
            "device": "cpu",
            **changes,
        }

    def direct(self, hardware="cpu", **batches):
        batch_results = {key.removeprefix("b"): value for key, value in batches.items()}
        return {
            "model": "prajjwal1/bert-tiny",
            "hardware": hardware,
            "success": True,
            "batch_results": batch_results or {"1": self.batch(3.1, 1)},
            "timestamp": "2025-03-06T17:45:26.462134",
        }

    def web(self, **changes):
        return {
            "model_key": "bert",
            "model_name": "bert-base-uncased",
            "platform": "webgpu",
            "status": "success",
            "timestamp": "2025-03-05T19:33:36.524651",
            "platform_support": {"available": True, "simulated": True},
            "implementation_type": "REAL_WEBGPU",
            "is_simulation": True,
            "metrics": {"inference_time_ms": 90, "load_time_ms": 500, "memory_mb": 160},
            **changes,
        }


@pytest.fixture
def build():
    return Builder()


@pytest.fixture
def put(tmp_path):
    """Write a document, text or bytes to a file under the test's folder and give its path."""

    def _put(name, content):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return _put


def check(ingested):
    """The rows keep the schema of all three tables, and every file's counts agree with the rows."""
    for name, rows in (
        ("raw_legacy__files", ingested.files),
        ("core_legacy__results", ingested.results),
        ("core_legacy__environments", ingested.environments),
    ):
        table: Table = table_named(name)
        require_valid(table, rows)
    for file in ingested.files:
        rows = [row for row in ingested.results if row["source_path"] == file["path"]]
        assert file["n_records"] == len(rows) + file["n_duplicates"] + file["n_quarantined"]
    known = {row["environment_id"] for row in ingested.environments}
    assert {row["environment_id"] for row in ingested.results} - {None} == known
    return ingested


@pytest.fixture
def run(tmp_path):
    """Ingest paths (default: everything put), checked."""

    def _run(*paths: Path, previous=None, **options):
        before = Previous(previous.files, previous.results, previous.environments) if previous else None
        return check(ingest(paths or [tmp_path / "in"], before, **options))

    return _run


@pytest.fixture
def file_of():
    """The row of the file with that name."""

    def _file_of(ingested, name):
        (row,) = [row for row in ingested.files if row["path"].endswith(f"/{name}")]
        return row

    return _file_of
