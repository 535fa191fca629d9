"""One small document per shape, and exactly which columns its numbers give, in which unit.

A swapped unit or column fails here, whatever else the numbers could be. Belongs here: documents written for this test,
with numbers that differ from each other, and the whole of each row's quantities and configuration. Does not belong
here: what a number is worth.
"""

import json
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.reading import read_file
from hwbench_pipeline.legacy.shapes import SHAPES
from hwbench_pipeline.schema.tables.results import QUANTITY_COLUMNS

EXACT_COLUMNS = (
    *(*QUANTITY_COLUMNS, "n_samples", "load_ms", "batch_size", "sequence_length", "precision"),
    *("model_id", "hardware_requested", "mode"),
)

CLOCK_TIME_S = round(0.31 / 2**-22) * 2**-22
"""As the difference of two readings of a clock gives it: a time that states its unit by its digits."""

SUITE_RESULT = {"status": "completed", "latencies": [0.0512, 0.0504], "avg_latency": 0.0508, "throughput": 78.74}
ATTEMPT = {
    "status": "completed",
    "model_name": "bert-base-uncased",
    "hardware": "cpu",
    "benchmark_results": {"batch_4_seq_128": SUITE_RESULT},
    "model_load_time": 3.25,
}
OF_SUITE = {
    "model_id": "bert-base-uncased",
    "hardware_requested": "cpu",
    "mode": "inference",
    "batch_size": 4,
    "sequence_length": 128,
    "samples_ms": [51.2, 50.4],
    "n_samples": 2,
    "latency_ms_mean": 50.8,
    "latency_ms_std": 0.565685,
    "latency_ms_min": 50.4,
    "latency_ms_p50": 50.8,
    "latency_ms_p90": 51.12,
    "latency_ms_p95": 51.16,
    "latency_ms_max": 51.2,
    "throughput_items_per_s": 78.74,
    "load_ms": 3250.0,
}
BENCHMARKS = {"embedding": {"bert-base-uncased": {"cpu": ATTEMPT}}}
BATCH = {
    "success": True,
    "batch_size": 2,
    "avg_latency_ms": 6.25,
    "throughput_items_per_second": 320.5,
    "memory_mb": 533.5,
    "latencies_ms": [6.0, 6.5],
    "device": "cpu",
}
DIRECT = {"model": "prajjwal1/bert-tiny", "hardware": "cpu", "success": True, "batch_results": {"2": BATCH}}
OF_DIRECT = {
    "model_id": "prajjwal1/bert-tiny",
    "hardware_requested": "cpu",
    "mode": "inference",
    "batch_size": 2,
    "samples_ms": [6.0, 6.5],
    "n_samples": 2,
    "latency_ms_mean": 6.25,
    "latency_ms_std": 0.353553,
    "latency_ms_min": 6.0,
    "latency_ms_p50": 6.25,
    "latency_ms_p90": 6.45,
    "latency_ms_p95": 6.475,
    "latency_ms_max": 6.5,
    "throughput_items_per_s": 320.5,
    "peak_memory_mb": 533.5,
}
WEB = {
    "model_key": "bert",
    "model_name": "bert-base-uncased",
    "platform": "webgpu",
    "status": "success",
    "implementation_type": "REAL_WEBGPU",
    "is_simulation": True,
    "metrics": {
        "inference_time_ms": 90.5,
        "load_time_ms": 500.25,
        "memory_mb": 160.5,
        "throughput_items_per_second": 11.0497,
    },
}
OF_WEB = {
    "model_id": "bert-base-uncased",
    "hardware_requested": "webgpu",
    "mode": "inference",
    "latency_ms_mean": 90.5,
    "throughput_items_per_s": 11.0497,
    "peak_memory_mb": 160.5,
    "load_ms": 500.25,
}
FLAT = {
    "init": "Success",
    "cpu_init": "Success (REAL)",
    "cpu_handler": "Success (REAL)",
    "metadata": {"timestamp": 1740983825.72, "test_model": "google/t5-small"},
    "cpu_output_example": {
        "input": "a fox",
        "output": "a dog",
        "platform": "CPU",
        "elapsed_time": 0.528125,
        "metrics": {"tokens_per_second": 102.857, "gpu_memory_mb": 245.6},
    },
}
OF_FLAT = {
    "model_id": "google/t5-small",
    "hardware_requested": "cpu",
    "mode": "inference",
    "latency_ms_mean": 528.125,
    "tokens_per_s": 102.857,
    "peak_memory_mb": 245.6,
}
STRUCTURED = {
    "status": {"cpu_init": "Success (REAL)", "cuda_init": "Success (REAL)"},
    "examples": [
        {
            "input": "x",
            "output": {"batch_size": 4, "gpu_memory_mb": 11.5},
            "platform": "CUDA",
            "elapsed_time": 0.25125,
        }
    ],
    "metadata": {"model_name": "bert-base-uncased", "test_timestamp": "2025-02-27T15:29:35.763937"},
}
OF_STRUCTURED = {
    "model_id": "bert-base-uncased",
    "hardware_requested": "cuda",
    "mode": "inference",
    "latency_ms_mean": 251.25,
    "peak_memory_mb": 11.5,
    "batch_size": 4,
}
SPREAD = {"avg_time": 0.0105, "min_time": 0.0081, "max_time": 0.0124, "load_time": 4.125, "num_runs": 3}
MATRIX_ROW = {
    "model_name": "gpt2",
    "mean_latency": 1.125,
    "mean_throughput": 3.5,
    "timestamp": "2025-03-03T05:16:00.537589",
}
GENERIC = {
    "model": {"name": "gpt2"},
    "device": "cuda",
    "config": {"batch_size": 2, "seq_len": 128, "dtype": "torch.float16", "iterations": 120},
    "inference": {
        "latency_us": {"mean": 12345.5, "p50": 12000.25, "p90": 13000.5, "p95": 13500.5, "p99": 14000.5},
        "throughput": "162.0026 samples/s",
        "memory": {"peak_gb": 1.5},
    },
}
OF_GENERIC = {
    "model_id": "gpt2",
    "hardware_requested": "cuda",
    "mode": "inference",
    "precision": "fp16",
    "batch_size": 2,
    "sequence_length": 128,
    "n_samples": 120,
    "latency_ms_mean": 12.3455,
    "latency_ms_p50": 12.00025,
    "latency_ms_p90": 13.0005,
    "latency_ms_p95": 13.5005,
    "latency_ms_p99": 14.0005,
    "throughput_items_per_s": 162.0026,
    "peak_memory_mb": 1500.0,
}

TABLE_DOCUMENT = [
    {
        "model": "vit",
        "device": "cuda",
        "latency_s": 0.0125,
        "p95_ms": 15.5,
        "tokens_per_second": 250.5,
        "ttft_ms": 3.25,
        "tpot_ms": 1.125,
        "peak_memory_mib": 100,
    }
]
OF_TABLE = {
    "model_id": "vit",
    "hardware_requested": "cuda",
    "mode": "inference",
    "latency_ms_mean": 12.5,
    "latency_ms_p95": 15.5,
    "tokens_per_s": 250.5,
    "first_token_ms": 3.25,
    "time_per_output_token_ms": 1.125,
    "peak_memory_mb": 104.8576,
}


def of(model, hardware, **numbers):
    return {"model_id": model, "hardware_requested": hardware, "mode": "inference", **numbers}


CASES = {
    "suite_benchmarks": ({"system_info": {"hostname": "a"}, "benchmarks": BENCHMARKS}, [OF_SUITE]),
    "suite_master": (
        {
            "timestamp": "20250102_030400",
            "models": {},
            "performance_benchmarks": {"embedding": {"benchmarks": BENCHMARKS}},
        },
        [OF_SUITE],
    ),
    "suite_summary": (
        {
            "model_families": {
                "embedding": {
                    "models_tested": ["a", "b"],
                    "hardware_results": {"cpu": {"latency_ms": [812.5, 912.25], "throughput": [3.5, 4.5]}},
                }
            }
        },
        [of("a", "cpu", latency_ms_mean=812.5), of("b", "cpu", latency_ms_mean=912.25)],
    ),
    "direct_benchmark": (DIRECT, [OF_DIRECT]),
    "batch_direct_benchmark": (
        {
            "models": ["prajjwal1/bert-tiny"],
            "hardware": "cpu",
            "results": {
                "prajjwal1/bert-tiny": {"model": "prajjwal1/bert-tiny", "success": True, "benchmark_data": DIRECT}
            },
        },
        [OF_DIRECT],
    ),
    "web_platform_result": (WEB, [OF_WEB]),
    "web_platform_batch": ({"results": [WEB, WEB]}, [OF_WEB, OF_WEB]),
    "hw_compat_matrix": (
        {"model_families": {"x": {"hardware_compatibility": {"cpu": {"benchmark_results": [MATRIX_ROW]}}}}},
        [of("gpt2", "cpu", latency_ms_mean=1125.0, throughput_items_per_s=3.5)],
    ),
    "key_model_benchmark": (
        {
            "model": "BERT",
            "model_path": "bert-base-uncased",
            "hardware": "Apple MPS",
            "hardware_key": "mps",
            "batch_sizes": {"4": {"throughput": 200.5, "latency_ms": 50.25, "memory_usage_mb": 160.5, "success": True}},
        },
        [
            of(
                "bert-base-uncased",
                "mps",
                batch_size=4,
                latency_ms_mean=50.25,
                throughput_items_per_s=200.5,
                peak_memory_mb=160.5,
            )
        ],
    ),
    "skill_hw_bench": (
        {
            "results": {"pipeline_cpu": {"model": "gpt2", "device": "cpu", "pipeline_success": True}},
            "performance": {"pipeline_cpu": SPREAD},
            "hardware": {"cpu": True},
            "metadata": {"model": "gpt2"},
        },
        [
            of(
                "gpt2",
                "cpu",
                latency_ms_mean=10.5,
                latency_ms_min=8.1,
                latency_ms_max=12.4,
                load_ms=4125.0,
                n_samples=3,
            )
        ],
    ),
    "web_platform_comparison": (
        {
            "results_by_modality": {
                "text": [{"model": "gpt2", "webnn": {"time_ms": 15.25, "memory_mb": 35.5, "success": True}}]
            }
        },
        [of("gpt2", "webnn", latency_ms_mean=15.25, peak_memory_mb=35.5)],
    ),
    "remote_api_timings": (
        {
            "models": [
                {
                    "model": "llama3-8b-8192",
                    "response_time": 0.325,
                    "queue_time": 0.025,
                    "processing_time": 0.3,
                    "tokens": 264,
                    "tokens_per_second": 880.5,
                    "success": True,
                }
            ]
        },
        [of("llama3-8b-8192", "remote", latency_ms_mean=325.0, tokens_per_s=880.5)],
    ),
    "hardware_test": (
        {
            "model_name": "openai/clip-vit-base-patch32",
            "results": {"cpu": {"success": True, "inference_time": CLOCK_TIME_S, "output_shape": [1, 512]}},
        },
        [of("openai/clip-vit-base-patch32", "cpu", latency_ms_mean=1000 * CLOCK_TIME_S)],
    ),
    "skill_flat": (FLAT, [OF_FLAT]),
    "skill_structured": (STRUCTURED, [OF_STRUCTURED]),
    "perf_test_run": ({"test_file": "t.py", "status": "passed", "json_result": FLAT}, [OF_FLAT]),
    "perf_skill_run": ({"tests": {"t.py": {"status": "passed", "json_result": STRUCTURED}}}, [OF_STRUCTURED]),
    "critical_model_tests": ({"models": {"bert": {"status": "passed", "result": STRUCTURED}}}, [OF_STRUCTURED]),
    "perf_result_wrapped": ({"metadata": {"test_file": "t.py"}, "results": FLAT}, [OF_FLAT]),
    "perf_results_batch": (
        {
            "results": {
                "skills/test_hf_gpt2.py": {
                    "performance_metrics": {
                        "cpu": {"cpu_init": "Success (REAL)", "cpu_example": FLAT["cpu_output_example"]}
                    }
                }
            }
        },
        [{**OF_FLAT, "model_id": "skills/test_hf_gpt2.py"}],
    ),
    "browser_compare": (
        {
            "model": "whisper",
            "tests": [
                {
                    "success": True,
                    "browser": "firefox",
                    "platform": "webgpu",
                    "performance": {"inference_time_ms": 51.25, "improvement_percentage": 20.5},
                }
            ],
        },
        [of("whisper", "webgpu", latency_ms_mean=51.25)],
    ),
    "pytest_benchmark": (
        {
            "machine_info": {"node": "box"},
            "datetime": "2025-01-01T00:00:00",
            "benchmarks": [
                {
                    "name": "test_forward[cpu-2]",
                    "params": {"model": "gpt2", "device": "cpu", "batch_size": 2},
                    "extra_info": {"seq_len": 32, "dtype": "float32", "mode": "inference"},
                    "stats": {
                        "mean": 0.0125,
                        "min": 0.011,
                        "max": 0.0145,
                        "stddev": 0.001,
                        "median": 0.012,
                        "rounds": 7,
                    },
                },
            ],
        },
        [
            of(
                "gpt2",
                "cpu",
                latency_ms_mean=12.5,
                latency_ms_min=11.0,
                latency_ms_max=14.5,
                latency_ms_std=1.0,
                latency_ms_p50=12.0,
                n_samples=7,
                batch_size=2,
                sequence_length=32,
                precision="fp32",
            )
        ],
    ),
    "generic_json": (GENERIC, [OF_GENERIC]),
    "generic_table": (TABLE_DOCUMENT, [OF_TABLE]),
    "collection": ([DIRECT, {**WEB}, {"note": "between"}], [OF_DIRECT, OF_WEB]),
}


def rows_of(document):
    reading = read_file(Path("/in/a.json"), FileContent(json.dumps(document).encode(), "0" * 64), None)
    return reading, [{name: row[name] for name in EXACT_COLUMNS if row[name] is not None} for row in reading.rows]


@pytest.mark.parametrize("shape", CASES)
def test_each_number_stands_in_its_column_in_its_unit(shape):
    document, expected = CASES[shape]
    reading, rows = rows_of(document)
    assert reading.shape == shape
    assert reading.quarantined == ()
    assert [sorted(row) for row in rows] == [sorted(row) for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        assert row == {
            name: pytest.approx(value, rel=1e-5) if isinstance(value, float | list) else value
            for name, value in wanted.items()
        }


def test_every_shape_has_its_document():
    assert {shape.name for shape in SHAPES} - CASES.keys() == set()


def test_one_record_whose_throughput_disagrees_moves_no_other(tmp_path):
    """Its rate may be what is in another unit: the others keep the unit that their field states."""
    rows = [{"model": "org/a", "hardware": "cpu", "latency_ms": 12.2345 + i} for i in range(5)]
    odd = {
        "model": "org/a",
        "hardware": "cpu",
        "latency_ms": 20.5,
        "batch_size": 8,
        "throughput_items_per_second": 0.39,
    }
    content = FileContent(json.dumps([*rows, odd]).encode(), "0" * 64)
    reading = read_file(Path("x.json"), content, None)
    assert [row["latency_ms_mean"] for row in reading.rows[:5]] == [row["latency_ms"] for row in rows]


@pytest.mark.parametrize(
    ("name", "stated", "expected_mb"),
    [
        ("gpu_memory_mb", 24576, None),
        ("vram_gb", 24, None),
        ("gpu_memory_mb", 1311.25, 1311.25),
        ("gpu_memory_used_mb", 24576, 24576),
        ("memory_mb", 2048, 2048),
    ],
)
def test_what_a_device_has_is_no_memory_that_was_used(name, stated, expected_mb):
    record = {"model": "org/a", "hardware": "cuda", "latency_ms": 12.2345, name: stated}
    (row,) = read_file(Path("x.json"), FileContent(json.dumps([record]).encode(), "0" * 64), None).rows
    assert row["peak_memory_mb"] == (None if expected_mb is None else pytest.approx(expected_mb, rel=0.05))
