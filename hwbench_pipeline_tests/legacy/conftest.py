"""Builders of old result documents, and an ingest whose rows are always checked against the schema."""

import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hwbench_pipeline.legacy.ingest import Ingested, ingest_into
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline_tests.legacy.killing import LEGACY_TABLES, OF_THE_INGEST

CLASSES = ("measured", "simulated", "mock", "unknown", "failed")
TICKS_PER_S = 2**22


class Builder:
    """Documents of the four shapes with varied samples as a clock gives them."""

    def __init__(self) -> None:
        self.random = random.Random(7)

    @staticmethod
    def dumped(document):
        return json.dumps(document).encode()

    def samples(self, mean, n=10, units_per_s=1):
        """Times around `mean` as the difference of two readings of the system's clock gives them."""
        return [
            round(mean / units_per_s * self.random.uniform(0.9, 1.2) * TICKS_PER_S) / TICKS_PER_S * units_per_s
            for _ in range(n)
        ]

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
        samples = self.samples(mean_ms, 5, units_per_s=1000)
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


@dataclass(frozen=True)
class Tables:
    """The rows of the legacy tables of a warehouse; `summary` is what the ingest said, and no part of them."""

    warehouse: Path = field(compare=False)
    files: list[dict[str, Any]]
    results: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    environments: list[dict[str, Any]]
    summary: Ingested | None = field(default=None, compare=False)

    @classmethod
    def of(cls, warehouse: Path, summary: Ingested | None = None) -> "Tables":
        """Read them; they keep their schemas and agree with each other."""
        rows_of = []
        for table in LEGACY_TABLES:
            rows = pq.read_table(table_file(warehouse, table)).to_pylist()
            require_valid(table, rows)
            rows_of.append(sorted(rows, key=lambda row: tuple(str(row[name]) for name in table.natural_key)))
        tables = cls(warehouse, *rows_of, summary)
        tables.require_consistent()
        return tables

    def require_consistent(self) -> None:
        """Records in = rows out + duplicates + quarantined, for every file; every row has one origin."""
        n_rows = Counter(row["source_path"] for row in self.results)
        paths = {file["path"] for file in self.files}
        assert n_rows.keys() <= paths
        for file in self.files:
            assert file["n_records"] == n_rows[file["path"]] + file["n_duplicates"] + file["n_quarantined"]
            assert n_rows[file["path"]] == sum(file[f"n_{name}"] for name in CLASSES)
        origins = {place["result_id"]: place["path"] for place in self.sources if place["relation"] == "itself"}
        assert origins == {row["result_id"]: row["source_path"] for row in self.results}
        assert {place["path"] for place in (*self.sources, *self.quarantine)} <= paths
        named = {row["environment_id"] for row in self.results} - {None}
        assert named == {row["environment_id"] for row in self.environments}
        for place in self.quarantine:
            assert place["kept_at"] is None or (self.warehouse / place["kept_at"]).is_file()

    def without_ingests(self) -> tuple[list[dict[str, Any]], ...]:
        """The rows without what says when and by which ingest they came."""
        return tuple(
            [{name: value for name, value in row.items() if name not in OF_THE_INGEST} for row in rows]
            for rows in (self.files, self.results, self.sources, self.quarantine, self.environments)
        )


@pytest.fixture
def run(tmp_path):
    """Ingest paths (default: everything put) into a new warehouse or into that of `previous`. Gives its checked tables."""
    numbers = itertools.count()

    def _run(*paths: Path, previous=None, **options):
        warehouse = previous.warehouse if previous else tmp_path / "warehouses" / str(next(numbers))
        summary = ingest_into(warehouse, paths or [tmp_path / "in"], **options)
        return Tables.of(warehouse, summary)

    return _run


@pytest.fixture
def file_of():
    """The row of the file with that name."""

    def _file_of(ingested, name):
        (row,) = [row for row in ingested.files if row["path"].endswith(f"/{name}")]
        return row

    return _file_of
