"""A made-up corpus of old result files in the shapes, sizes and proportions of the real one, for benchmarks and fuzzing.

Belongs here: one template per shape, written for this project after the description of the real files, and the writer
of a tree of them. Does not belong here: copies of real files, or what the reader should make of a file.

Every file is a pure function of the seed and its number, so a corpus of 1 000 files is the beginning of one of 10 000.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILES_PER_FOLDER = 1000
COPY_SHARE = 0.12
"""Files that repeat an earlier one byte for byte; 74 of the 677 real files."""
TWIN_SHARE = 0.03
"""Files that repeat an earlier one with a bulk stamp added; 23 of the 677 real files."""

_MODELS = (
    ("bert", "bert-base-uncased", "embedding", "text"),
    ("distilbert", "distilbert-base-uncased", "embedding", "text"),
    ("roberta", "roberta-base", "embedding", "text"),
    ("t5", "google/t5-efficient-tiny", "text_generation", "text"),
    ("gpt2", "gpt2", "text_generation", "text"),
    ("llama", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "text_generation", "text"),
    ("qwen2", "Qwen/Qwen2-0.5B-Instruct", "text_generation", "text"),
    ("vit", "google/vit-base-patch16-224", "vision", "image"),
    ("detr", "facebook/detr-resnet-50", "vision", "image"),
    ("whisper", "openai/whisper-tiny", "audio", "audio"),
    ("wav2vec2", "facebook/wav2vec2-base", "audio", "audio"),
    ("clip", "openai/clip-vit-base-patch32", "multimodal", "multimodal"),
    ("llava", "llava-hf/llava-1.5-7b-hf", "multimodal", "multimodal"),
)
_PYTHON = "3.12.3 (main, Feb  4 2025, 14:48:35) [GCC 13.3.0]"
_SENTENCE = "The quick brown fox jumps over the lazy dog"
_LOG_LINE = "2025-02-28 01:01:37,576 - loader - INFO - Some weights of the model were newly initialized: encoder.layer."

JsonObject = dict[str, Any]


class _Draw(random.Random):
    """Random values that look like those of the old files."""

    def model(self) -> tuple[str, str, str, str]:
        return self.choice(_MODELS)

    def seconds(self, typical: float = 0.05) -> float:
        """The difference of two readings of the system's clock, around `typical`."""
        return round(typical * self.uniform(0.8, 1.6) * 2**22) / 2**22

    def milliseconds(self, typical: float) -> float:
        """As `seconds`, converted as old writers do."""
        return 1000 * self.seconds(typical / 1000)

    def epoch(self) -> float:
        return 1740000000 + self.uniform(0, 3e6)

    def iso(self) -> str:
        return (
            f"2025-{self.randint(2, 3):02}-{self.randint(1, 28):02}T{self.randint(0, 23):02}:"
            f"{self.randint(0, 59):02}:{self.randint(0, 59):02}.{self.randrange(10**6):06}"
        )

    def compact(self) -> str:
        return f"2025{self.randint(2, 3):02}{self.randint(1, 28):02}_{self.randint(0, 235959):06}"

    def log(self, size: int) -> str:
        """Captured output of about `size` characters that no other file holds."""
        line = f"{_LOG_LINE}{self.randrange(10**9)}\n"
        return (line * (size // len(line) + 1))[:size]


def _label(draw: _Draw) -> str:
    return draw.choice(("(REAL)", "(REAL)", "(MOCK)"))


def _flat_example(draw: _Draw, hardware: str, *, is_timed: bool) -> JsonObject:
    label = _label(draw)
    example: JsonObject = {
        "input": _SENTENCE,
        "output": f"{label} {hardware} response {draw.randrange(10**9)}: text with the provided content con...",
        "timestamp": draw.epoch(),
        "implementation": label,
        "platform": hardware.upper(),
    }
    if is_timed:
        example["elapsed_time"] = draw.choice((draw.seconds(0.003), 0.01, draw.seconds(0.00005)))
    return example


def skill_flat(draw: _Draw) -> JsonObject:
    """Status strings and examples under keys that begin with the platform; epoch times."""
    key, _, _, _ = draw.model()
    document: JsonObject = {"init": "Success"}
    for hardware in ("cpu", "cuda", "openvino", "qualcomm"):
        document[f"{hardware}_init"] = f"Success {_label(draw)}"
        document[f"{hardware}_handler"] = f"Success {_label(draw)}"
        document[f"{hardware}_output_example"] = _flat_example(draw, hardware, is_timed=draw.random() < 0.3)
    if draw.random() < 0.2:
        document["cuda_total_time"] = draw.seconds(0.2)
        document["cuda_tokens_per_second"] = draw.uniform(50, 200)
        document["cuda_memory_allocated_gb"] = draw.uniform(0.1, 2)
    document["apple_tests"] = "Apple Silicon not available"
    document["metadata"] = {
        "timestamp": draw.epoch(),
        "torch_version": "2.4.0+cu121",
        "numpy_version": "1.26.4",
        "transformers_version": "4.49.0",
        "cuda_available": True,
        "mps_available": False,
        "transformers_mocked": False,
        "test_model": f"/tmp/{key}_test_model",
        "test_run_id": f"{key}-test-{draw.randrange(10**10)}",
    }
    return document


def _structured_example(draw: _Draw, platform: str) -> JsonObject:
    is_simulated = platform == "CUDA" and draw.random() < 0.5
    output: JsonObject = {"embedding_shape": [1, 768], "embedding_type": None if is_simulated else "torch.float32"}
    seconds = draw.choice((draw.seconds(0.003), draw.seconds(0.003), 0.01, draw.seconds(0.00005)))
    example: JsonObject = {
        "input": _SENTENCE,
        "output": output,
        "timestamp": draw.iso(),
        "elapsed_time": seconds,
        "implementation_type": _label(draw).strip("()"),
        "platform": platform,
    }
    if is_simulated:
        output["performance_metrics"] = {
            "inference_time": seconds * 0.99,
            "gpu_memory_mb": draw.randrange(1, 400) / 256,
            "is_simulated": True,
        }
        example["is_simulated"] = True
    return example


def skill_structured(draw: _Draw) -> JsonObject:
    """A status object, a list of examples and metadata; ISO times without a zone."""
    key, name, _, _ = draw.model()
    return {
        "status": {
            "init": "Success",
            "cpu_init": "Success (REAL)",
            "cpu_handler": "Success (REAL)",
            "cpu_embedding_shape": [1, 768],
            "cuda_init": "Success (REAL)",
            "cuda_benchmark": {
                "average_inference_time": draw.seconds(0.4),
                "iterations": 1,
                "cuda_device": "Test GPU 4000",
                "cuda_memory_used_mb": draw.randrange(10_000, 40_000) / 256,
            },
            "openvino_init": draw.choice(("Success (REAL)", "Failed OpenVINO initialization")),
            "openvino_handler": "Success (REAL)",
            "apple_tests": "Apple Silicon not available",
            "qualcomm_init": "Success (MOCK)",
            "qualcomm_tests": f"Error: The size of tensor a ({draw.randint(2, 99)}) must match tensor b",
        },
        "examples": [_structured_example(draw, platform) for platform in ("CPU", "CUDA", "OpenVINO", "Qualcomm")],
        "metadata": {
            "model_name": draw.choice((name, f"/tmp/{key}_test_model")),
            "test_timestamp": draw.iso(),
            "python_version": _PYTHON,
            "torch_version": "2.4.0+cu121",
            "transformers_version": "4.49.0",
            "platform_status": {"cpu": "REAL", "cuda": "Ready (REAL)", "apple": "Apple Silicon not available"},
        },
    }


def bench_family_config(draw: _Draw) -> JsonObject:
    """What a run was asked to do; no result."""
    _, name, family, _ = draw.model()
    return {
        "batch_sizes": [1, 4, 8],
        "warmup_iterations": draw.randint(1, 10),
        "benchmark_iterations": draw.randint(5, 50),
        "timeout": draw.randint(300, 10**6),
        "model_families": {family: [name, draw.model()[1]]},
        "hardware_types": ["cpu", "cuda", "openvino"],
        "use_resource_pool": True,
        "parallel": draw.random() < 0.5,
        "generate_plots": True,
    }


def web_platform_result(draw: _Draw) -> JsonObject:
    """One invented browser result, labelled REAL and marked as simulated."""
    key, name, _, modality = draw.model()
    platform = draw.choice(("webgpu", "webnn"))
    milliseconds = 80 if platform == "webgpu" else 120
    return {
        "model_key": key,
        "model_name": name,
        "platform": platform,
        "status": "success",
        "test_file": f"web_platform_tests/{key}/{platform}_test.html",
        "browser_opened": False,
        "headless": draw.random() < 0.5,
        "timestamp": draw.iso(),
        "platform_support": {
            "available": True,
            "transformers_js": True,
            "onnx_runtime": False,
            "web_browser": True,
            "simulated": True,
        },
        "implementation_type": f"REAL_{platform.upper()}",
        "is_simulation": True,
        "modality": modality,
        "metrics": {
            "inference_time_ms": milliseconds,
            "load_time_ms": milliseconds * 3 + draw.randint(0, 200),
            "memory_mb": draw.choice((150, 250)),
            "throughput_items_per_second": 8000 / milliseconds,
        },
    }


def api_functional(draw: _Draw) -> JsonObject:
    """Pass or fail of an API client's methods."""
    calls = (
        "endpoint_handler",
        "test_endpoint",
        "post_request",
        "chat_method",
        "streaming",
        "model_list",
        "model_pull",
    )
    document: JsonObject = {call: draw.choice(("Success", f"Failed {call}")) for call in calls}
    document["request_id"] = f"{draw.randrange(10**12)}"
    return document


def model_functionality(draw: _Draw) -> JsonObject:
    """Pass or fail of one run per model, with its captured output."""
    hardware = draw.choice(("cpu", "cuda", "openvino"))
    keys = [key for key, *_ in _MODELS]
    return {
        "stats": {
            "timestamp": draw.compact(),
            "total_tests": len(keys),
            "successful_tests": 0,
            "failed_tests": len(keys),
            "hardware_platforms": [hardware],
            "success_rate": 0.0,
        },
        "model_results": {key: {hardware: False} for key in keys},
        "detailed_results": [
            {
                "model": key,
                "hardware": hardware,
                "success": False,
                "return_code": 1,
                "stdout": "",
                "stderr": draw.log(draw.randint(200, 1100)),
            }
            for key in keys
        ],
    }


def hw_fix_report(draw: _Draw) -> JsonObject:
    """What a code rewriter did; no result."""
    key = draw.model()[0]
    n_fixed = draw.randint(1, 10**6)
    return {
        "total_files": 1,
        "files_fixed": 1,
        "total_issues_fixed": n_fixed,
        "files_details": [
            {
                "file": f"test_hf_{key}.py",
                "model_name": key,
                "issues_fixed": n_fixed,
                "fixed_issues": ["Added asyncio import", "Fixed method indentation", "Integrated WebNN testing"],
            }
        ],
    }


def perf_skill_run(draw: _Draw) -> JsonObject:
    """A subprocess run of a skill test, which may hold the skill's own document."""
    key = draw.model()[0]
    run: JsonObject = {
        "test_file": f"test_hf_{key}.py",
        "elapsed_time": draw.seconds(12),
        "return_code": 0,
        "stdout": draw.log(600),
        "stderr": draw.log(500),
    }
    if draw.random() < 0.4:
        run["json_result"] = draw.choice((skill_flat, skill_structured))(draw)
    else:
        run["json_parse_error"] = "Expecting value: line 1 column 15 (char 14)"
    return {
        "timestamp": draw.iso(),
        "python_version": _PYTHON,
        "command": f"run_performance_tests.py --skills --filter {key}",
        "skill_tests": {f"test_hf_{key}.py": run},
    }


def hw_compat_matrix(draw: _Draw) -> JsonObject:
    """Which hardware runs a family, some with means over all configurations, in seconds."""
    family = draw.choice(("embedding", "vision", "audio"))
    hardware: JsonObject = {}
    for platform in ("cpu", "openvino", "cuda"):
        hardware[platform] = {
            "compatible": True,
            "performance_rating": "medium",
            "benchmark_results": [
                {
                    "mean_latency": draw.seconds(3),
                    "mean_throughput": draw.uniform(0.5, 20),
                    "timestamp": draw.iso(),
                    "model_name": name,
                }
                for _, name, *_ in draw.sample(_MODELS, 3)
            ]
            if draw.random() < 0.2
            else [],
        }
    return {
        "model_families": {family: {"hardware_compatibility": hardware}},
        "hardware_types": ["cpu", "cuda", "mps", "rocm", "openvino"],
        "timestamp": draw.iso(),
    }


def perf_result_wrapped(draw: _Draw) -> JsonObject:
    """A skill's document within the record of its run."""
    key = draw.model()[0]
    elapsed = draw.seconds(2.5)
    return {
        "metadata": {
            "timestamp": draw.iso(),
            "test_file": f"skills/test_hf_{key}.py",
            "model": f"hf_{key}",
            "execution_time": elapsed,
        },
        "results": {**skill_structured(draw), "total_execution_time": elapsed},
    }


def model_list(draw: _Draw) -> list[str]:
    """Names of models; no result."""
    return [f"vendor-{draw.randrange(10**6)}/{name}" for _, name, *_ in _MODELS]


def bench_model_map(draw: _Draw) -> JsonObject:
    """Aliases of models; no result."""
    sizes = ("small", "base")
    document: JsonObject = {
        key: {"name": name, "family": family, "size": draw.choice(sizes), "modality": modality}
        for key, name, family, modality in _MODELS
    }
    document[f"alias{draw.randrange(10**9)}"] = {"name": "bert-base-uncased", "family": "embedding"}
    return document


def bench_run_config(draw: _Draw) -> JsonObject:
    """What a whole run was asked to do; no result."""
    return {"models": bench_model_map(draw), **bench_family_config(draw), "timestamp": draw.compact()}


def _suite_result(draw: _Draw, mean_s: float, batch_size: int) -> JsonObject:
    latencies = [draw.seconds(mean_s) for _ in range(20)]
    mean = sum(latencies) / len(latencies)
    return {
        "status": "completed",
        "latencies": latencies,
        "avg_latency": mean,
        "throughput": batch_size / mean,
        "total_time": sum(latencies),
        "iterations": len(latencies),
    }


def _suite(draw: _Draw, n_attempts: int) -> JsonObject:
    attempts: dict[str, JsonObject] = {}
    for (_, name, family, _), hardware in zip(draw.sample(_MODELS, n_attempts), ("cpu", "cuda", "cpu"), strict=False):
        typical = draw.uniform(0.02, 0.2)
        attempts.setdefault(family, {}).setdefault(name, {})[hardware] = {
            "status": "completed",
            "model_name": name,
            "model_class": "AutoModel",
            "family": family,
            "hardware": hardware,
            "benchmark_results": {
                f"batch_{b}_seq_{s}": _suite_result(draw, typical * b * s / 128, b)
                for b in (1, 2, 4, 8, 16)
                for s in (32, 128, 512)
            },
            "timestamp": draw.iso(),
            "model_load_time": draw.seconds(3),
        }
    return {
        "timestamp": draw.compact(),
        "system_info": {
            "platform": "Linux-6.8.0-11-generic-x86_64-with-glibc2.39",
            "python_version": "3.12.3",
            "processor": "x86_64",
            "hostname": f"machine-{draw.randrange(5)}",
            "os": "Linux",
            "os_release": "6.8.0-11-generic",
            "timestamp": draw.iso(),
            "cpu_count_physical": 4,
            "cpu_count_logical": 8,
            "total_memory_gb": 62.21421432495117,
            "available_memory_gb": draw.uniform(20, 60),
            "memory_percent_used": draw.uniform(5, 80),
            "cuda_available": True,
            "cuda_devices": [{"name": "Test GPU 4000", "total_memory_gb": 7.923583984375}],
        },
        "hardware_info": {"cpu": True, "cuda": True, "mps": False, "rocm": False, "openvino": True},
        "benchmarks": attempts,
    }


def suite_benchmarks(draw: _Draw) -> JsonObject:
    """A suite's raw results: 45 records with 20 samples each, in seconds."""
    return _suite(draw, 3)


def suite_master(draw: _Draw) -> JsonObject:
    """A whole suite's results within the record of a run: 9 records in 15 places."""
    suite = _suite(draw, 3)
    return {
        "timestamp": draw.compact(),
        "models": bench_model_map(draw),
        "performance_benchmarks": {"embedding": suite, "audio": {"status": "failed", "error": "timeout"}},
        "functionality_verification": {"cpu": {"detailed_results": [{"model": "bert", "success": True}]}},
    }


def api_impl_status(draw: _Draw) -> JsonObject:
    """Which API clients are written; no result."""
    apis = ("groq", "claude", "ollama", "openai", "gemini", "vllm")
    document: JsonObject = {api: {"status": draw.choice(("COMPLETE", "INCOMPLETE")), "issues": []} for api in apis}
    document["checked_at"] = draw.iso()
    return document


def benchmark_progress(draw: _Draw) -> JsonObject:
    """A run's journal of what has been tried."""
    return {
        "timestamp": draw.compact(),
        "completed_benchmarks": [],
        "failed_benchmarks": [
            {
                "model_type": draw.model()[0],
                "hardware_type": "cpu",
                "error": f"Command failed with exit code {draw.randint(1, 99)}",
                "error_type": "execution_error",
                "stdout": "",
                "stderr": draw.log(draw.randint(300, 4000)),
                "timestamp": draw.iso(),
            }
        ],
        "skipped_benchmarks": [],
        "summary": {"total": 1, "completed": 0, "failed": 1, "skipped": 0, "completion_percentage": 0.0},
    }


def direct_benchmark(draw: _Draw) -> JsonObject:
    """One model on one device, one object per batch size, in milliseconds."""
    _, name, *_ = draw.model()
    batches: JsonObject = {}
    for batch_size in draw.choice(((1,), (1, 4))):
        if draw.random() < 0.15:
            batches[str(batch_size)] = {"success": False, "error": "CUDA out of memory", "batch_size": batch_size}
            continue
        latencies = [draw.milliseconds(25) for _ in range(5)]
        batches[str(batch_size)] = {
            "success": True,
            "batch_size": batch_size,
            "avg_latency_ms": sum(latencies) / 5,
            "throughput_items_per_second": batch_size * 5000 / sum(latencies),
            "memory_mb": draw.randrange(100_000, 200_000) / 256,
            "latencies_ms": latencies,
            "device": "cpu",
            "timestamp": draw.iso(),
        }
    return {"model": name, "hardware": "cpu", "success": True, "batch_results": batches, "timestamp": draw.iso()}


def batch_direct_benchmark(draw: _Draw) -> JsonObject:
    """Several direct benchmarks in one file."""
    runs = [direct_benchmark(draw) for _ in range(3)]
    return {
        "timestamp": draw.iso(),
        "hardware": "cpu",
        "results": {
            run["model"]: {
                "benchmark_data": run,
                "stdout": draw.log(400),
                "output_file": f"{draw.randrange(10**9)}.json",
            }
            for run in runs
        },
    }


def api_test_rollup(draw: _Draw) -> JsonObject:
    """Which API tests passed."""
    return {
        "timestamp": draw.iso(),
        "passed": ["queue", "backoff"],
        "failed": [],
        "groq": {"queue": True, "backoff": draw.random() < 0.5, "details": f"run {draw.randrange(10**9)}"},
    }


def perf_test_run(draw: _Draw) -> JsonObject:
    """A skill test's subprocess with its result beside the captured output."""
    key = draw.model()[0]
    return {
        "test_file": f"test_hf_{key}.py",
        "elapsed_time": draw.seconds(9),
        "return_code": 0,
        "stdout": draw.log(500),
        "stderr": draw.log(400),
        "json_result": {
            "status": {"cpu": "REAL", "cuda": "REAL", "openvino": "REAL"},
            "model_name": f"/tmp/{key}_test_model",
            "examples": [_structured_example(draw, platform) for platform in ("CPU", "CUDA", "OpenVINO")],
        },
    }


def skill_hw_bench(draw: _Draw) -> JsonObject:
    """A model's mean, least and greatest time of a few runs on one device, in seconds."""
    name = draw.model()[1]
    results: JsonObject = {}
    performance: JsonObject = {}
    for method in ("pipeline_cuda", "from_pretrained_cuda"):
        times = sorted(draw.seconds(0.009) for _ in range(3))
        prefix = method.removesuffix("_cuda")
        statistics = {"avg_time": sum(times) / 3, "min_time": times[0], "max_time": times[-1]}
        load_s = draw.seconds(4)
        results[method] = {
            "model": name,
            "device": "cuda",
            "task": "fill-mask",
            "class": "AutoModelForMaskedLM",
            f"{prefix}_success": True,
            **{f"{prefix}_{statistic}": value for statistic, value in statistics.items()},
            f"{prefix}_load_time": load_s,
            f"{prefix}_error_type": "none",
        }
        performance[method] = {**statistics, "load_time": load_s, "num_runs": 3}
    return {
        "results": results,
        "examples": [{"method": "pipeline() on cuda", "input": _SENTENCE, "output_preview": draw.log(300)}],
        "performance": performance,
        "hardware": {"cpu": True, "cuda": True},
        "metadata": {"model": name, "task": "fill-mask", "class": "AutoModelForMaskedLM", "timestamp": draw.iso()},
    }


def api_queue_log(draw: _Draw) -> JsonObject:
    """Times of API requests that all failed; functional, no benchmark."""
    return {
        "timestamp": draw.compact(),
        "model": "llama3",
        "total_requests": 20,
        "successful_requests": 20,
        "success_rate": 1.0,
        "results": {
            part: [
                {
                    "success": True,
                    "request_id": f"req_{part}_{number}_{draw.randrange(10**9)}",
                    "time_taken": draw.seconds(31),
                    "content": "Error: Circuit breaker is OPEN. Service unavailable.",
                    "error": None,
                    "tag": f"{part}_{number}",
                    "thread": f"ThreadPoolExecutor-0_{number}",
                    "timestamp": draw.iso(),
                }
                for number in range(9)
            ]
            for part in ("basic_queue", "backoff_recovery")
        },
    }


def suite_summary(draw: _Draw) -> JsonObject:
    """Means over all configurations of a suite, in lists that go by position, in milliseconds."""
    names = [name for _, name, *_ in draw.sample(_MODELS, 3)]
    return {
        "timestamp": draw.compact(),
        "system_info": {"platform": "Linux", "cpu": "x86_64", "cuda_available": True},
        "hardware_types": ["cpu", "cuda", "openvino"],
        "model_families": {
            "embedding": {
                "models_tested": names,
                "hardware_results": {
                    "cpu": {
                        "latency_ms": [draw.milliseconds(900) for _ in names],
                        "throughput": [draw.uniform(5, 30) for _ in names],
                    }
                },
            }
        },
        "performance_comparison": {"embedding": {}},
    }


def key_model_benchmark(draw: _Draw) -> JsonObject:
    """Numbers from a closed formula over the batch size, unmarked."""
    key, name, family, _ = draw.model()
    hardware = draw.choice(("cpu", "cuda", "rocm", "mps", "openvino"))
    return {
        "model": key.upper(),
        "model_key": key,
        "model_category": family,
        "model_path": name,
        "hardware": hardware.upper(),
        "hardware_key": hardware,
        "timestamp": draw.iso(),
        "batch_sizes": {
            str(batch_size): {
                "throughput": 75 * batch_size,
                "latency_ms": 10 + 5 * batch_size,
                "memory_usage_mb": 100 + 12 * batch_size,
                "success": True,
                "command": f"python run_model_benchmarks.py --device {hardware} --batch-sizes {batch_size}",
            }
            for batch_size in (1, 4)
        },
        "compatible": True,
    }


def hw_fix_analysis(draw: _Draw) -> JsonObject:
    """What a code checker found; no result."""
    return {
        "files": [
            {"file": f"test_hf_{key}.py", "issues": [draw.log(300) for _ in range(7)], "n_issues": draw.randint(0, 99)}
            for key, *_ in _MODELS
        ]
    }


def project_document(draw: _Draw) -> JsonObject:
    """A project's own plans; no result."""
    return {
        "version": draw.randrange(10**9),
        "moves": [{"from": f"a/{draw.randrange(10**6)}.py", "to": f"b/{number}.py"} for number in range(300)],
    }


def critical_model_tests(draw: _Draw) -> JsonObject:
    """Skill results of a few important models in one file."""
    return {
        "test_timestamp": draw.iso(),
        "summary": {"total": 2, "tested": 2, "passed": 2, "failed": 0, "pass_rate": "100.0%"},
        "model_results": {
            key: {
                "status": "passed",
                "return_code": 0,
                "elapsed_time": draw.seconds(5),
                "platform_status": {"cpu": "REAL", "cuda": "REAL", "openvino": "REAL"},
                "structured_data": {
                    "status": {"cpu": "REAL", "cuda": "REAL", "openvino": "REAL"},
                    "model_name": key,
                    "examples": [_structured_example(draw, platform) for platform in ("CPU", "CUDA", "OpenVINO")],
                },
            }
            for key in ("canine", "zoedepth")
        },
    }


def perf_results_batch(draw: _Draw) -> JsonObject:
    """Skill results of many tests, told apart by the test file only."""
    results: JsonObject = {}
    for key, *_ in _MODELS:
        metrics: JsonObject = {}
        for hardware in ("cpu", "cuda", "openvino"):
            examples = {
                f"{hardware}_{what}_example": _flat_example(draw, hardware, is_timed=True)
                for what in ("output", "text")
            }
            metrics[hardware] = {
                f"{hardware}_init": "Success (REAL)",
                f"{hardware}_handler": "Success (REAL)",
                **examples,
                "implementation_type": "REAL",
                "examples": list(examples.values()),
            }
        results[f"skills/test_hf_{key}.py"] = {
            "status": "Success",
            "execution_time": draw.seconds(10),
            "performance_metrics": metrics,
        }
    return {"metadata": {"timestamp": draw.iso(), "test_count": len(results)}, "results": results}


def simple_test(draw: _Draw) -> JsonObject:
    """One test that passed."""
    return {
        "model": draw.model()[1],
        "timestamp": draw.iso(),
        "success": True,
        "tests": {"pipeline": {"success": True, "output": f"token {draw.randrange(10**9)}"}},
    }


def cache_item(draw: _Draw) -> JsonObject:
    """Something a program put away; no result."""
    return {"cid": f"Qm{draw.randrange(10**12)}", "content": draw.log(120), "timestamp": draw.epoch()}


def web_platform_comparison(draw: _Draw) -> JsonObject:
    """Hand-written browser times of many models."""
    return {
        "timestamp": "2025-03-02T12:00:00Z",
        "summary": {"webnn": {"success_rate": 0.68, "avg_processing_time_ms": round(draw.uniform(20, 80), 1)}},
        "results_by_modality": {
            "text": [
                {
                    "model": name,
                    **{
                        platform: {
                            "time_ms": round(draw.uniform(5, 90), 1),
                            "memory_mb": draw.randint(30, 90),
                            "success": draw.random() < 0.7,
                            "implementation": f"REAL_{platform.upper()}",
                        }
                        for platform in ("webnn", "webgpu")
                    },
                }
                for _, name, *_ in _MODELS
            ]
        },
    }


def groq_performance(draw: _Draw) -> JsonObject:
    """Answer times of models behind a remote API, in seconds."""
    return {
        "timestamp": "2025-02-28 20:25:42",
        "models": [
            {
                "model": name,
                "response_time": draw.seconds(0.8),
                "queue_time": draw.seconds(0.018),
                "processing_time": draw.seconds(0.7),
                "tokens": draw.randint(100, 400),
                "tokens_per_second": draw.uniform(200, 900),
                "success": True,
            }
            for name in ("llama-3.3-70b-versatile", "mixtral-8x7b-32768", "gemma2-9b-it")
        ],
    }


def browser_compare(draw: _Draw) -> JsonObject:
    """Improvements in percent of one model in two browsers."""
    return {
        "model": "whisper",
        "tests": [
            {
                "success": True,
                "model": "whisper",
                "browser": browser,
                "performance": {"improvement_percentage": draw.uniform(40, 60)},
            }
            for browser in ("firefox", "chrome")
        ],
    }


def catalogue(draw: _Draw) -> JsonObject:
    """A list of models with properties; no result."""
    return {
        "models": [
            {"id": f"vendor/{draw.randrange(10**9)}", "context_window": 8192, "owned_by": "vendor", "active": True}
            for _ in range(200)
        ]
    }


def template_database(draw: _Draw) -> JsonObject:
    """Code templates in one file; no result. The real ones hold 250 kB."""
    return {key: {"template": draw.log(4000), "version": draw.randrange(10**6)} for key, *_ in _MODELS}


def _table_text(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def csv_suite_error(draw: _Draw) -> bytes:
    """A failed attempt as a table with one row."""
    head = ("model_id", "hardware", "batch_size", "sequence_length", "timestamp", "error")
    return _table_text([head, (draw.model()[1], "cpu", 1, 16, draw.iso(), "name 'np' is not defined")])


def csv_perf(draw: _Draw) -> bytes:
    """Invented performance results as a table; latency in ms, total in seconds."""
    head = [
        "result_id",
        "run_id",
        "model_id",
        "hardware_id",
        "test_case",
        "batch_size",
        "precision",
        "total_time_seconds",
        "average_latency_ms",
        "throughput_items_per_second",
        "memory_peak_mb",
        "iterations",
        "warmup_iterations",
        "metrics",
        "created_at",
    ]
    rows = [
        (
            *(number, draw.randrange(10**6), 1, 1, "embedding", 2**number, "fp32"),
            *(round(draw.uniform(0.5, 9), 6), round(draw.uniform(5, 90), 6), round(draw.uniform(50, 300), 5)),
            *(round(draw.uniform(2000, 4500), 4), 100, 10, "{}", "2025-03-03 05:31:01.215"),
        )
        for number in range(4)
    ]
    return _table_text([head, *rows])


def parquet_zeros(draw: _Draw) -> bytes:
    """The zero-filled table that an earlier migration wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = 51
    table = pa.table(
        {
            "model_name": ["unknown"] * n,
            "hardware_type": ["unknown"] * n,
            "batch_size": [1] * n,
            "precision": ["fp32"] * n,
            "latency_avg": [0.0] * n,
            "throughput": [0.0] * n,
            "source_file": [f"result_{draw.randrange(10**9)}.json" for _ in range(n)],
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def duckdb_results(draw: _Draw) -> bytes:
    """A small database with seeded platforms and zero-filled results. The real ones hold 1.2 MB."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "b.duckdb")
        with duckdb.connect(path) as connection:
            connection.execute("create table models (model_id integer, model_name varchar)")
            connection.execute("insert into models values (1, 'bert-base-uncased')")
            connection.execute(
                "create table performance_results (result_id integer, model_id integer, hardware varchar, "
                "batch_size integer, average_latency_ms double, throughput_items_per_second double)"
            )
            rows = [(draw.randrange(10**6), 1, "cpu", 1, 0.0, 0.0) for _ in range(5)]
            connection.executemany("insert into performance_results values (?, ?, ?, ?, ?, ?)", rows)
        return Path(path).read_bytes()


@dataclass(frozen=True)
class Template:
    """A shape: how many of the 677 real files have it, what builds a file of it, and the file's name."""

    weight: float
    build: Callable[[_Draw], Any]
    name: str
    """With the file's number for {n} and a model's short name for {m}."""


TEMPLATES: dict[str, Template] = {
    template.build.__name__: template
    for template in (
        # weights: files of that shape among the 677 of ../shared/legacy/truth_files.csv. Shapes with one to three files
        # and no number stand together as catalogue, cache_item and simple_test. There are fewer databases than the real
        # 15, and those as well as catalogues and code templates are smaller than the real ones, which hold 0.25 to
        # 3.7 MB each: of them 100 000 files would take 8 GB and measure the disk.
        Template(156, skill_flat, "hf_{m}_test_results_{n}.json"),
        Template(65, skill_structured, "hf_{m}_test_results@{n}.json"),
        Template(53, bench_family_config, "benchmark_config_{n}.json"),
        Template(50, web_platform_result, "{m}_webgpu_{n}/result.json"),
        Template(38, api_functional, "api_{n}_test_results.json"),
        Template(28, model_functionality, "model_functionality_{n}.json"),
        Template(28, hw_fix_report, "{m}_fixes_{n}.json"),
        Template(25, perf_skill_run, "performance_test_skills_{m}_{n}.json"),
        Template(22, hw_compat_matrix, "{n}/hardware_compatibility_matrix.json"),
        Template(17, perf_result_wrapped, "hf_{m}_performance_{n}.json"),
        Template(14, model_list, "models_{n}.json"),
        Template(14, bench_model_map, "benchmark_models_{n}.json"),
        Template(11, bench_run_config, "benchmark_config@{n}.json"),
        Template(9, suite_master, "{n}/benchmark_results.json"),
        Template(8, api_impl_status, "api_implementation_status_{n}.json"),
        Template(8, benchmark_progress, "benchmark_progress_{n}.json"),
        Template(7, direct_benchmark, "direct_benchmark_{m}_cpu_{n}.json"),
        Template(6, api_test_rollup, "queue_backoff_tests_{n}.json"),
        Template(6, perf_test_run, "test_hf_{m}_performance_{n}.json"),
        Template(6, skill_hw_bench, "bert_test_{m}_{n}.json"),
        Template(6, csv_suite_error, "benchmark_{m}_{n}.csv"),
        Template(5, api_queue_log, "backoff_queue_comprehensive_{n}.json"),
        Template(5, suite_benchmarks, "benchmark_results_{n}.json"),
        Template(5, suite_summary, "benchmark_summary_{n}.json"),
        Template(5, key_model_benchmark, "benchmark_{m}_rocm_{n}.json"),
        Template(5, hw_fix_analysis, "key_models_analysis_{n}.json"),
        Template(4, project_document, "move_map_{n}.json"),
        Template(3, critical_model_tests, "critical_model_tests_{n}.json"),
        Template(3, perf_results_batch, "performance_test_results_{n}.json"),
        Template(13, simple_test, "simple_test_{m}_{n}.json"),
        Template(9, cache_item, "Qm{n}.json"),
        Template(9, catalogue, "collection_{n}.json"),
        Template(2, template_database, "template_database_{n}.json"),
        Template(2, csv_perf, "performance_results_{n}.csv"),
        Template(1, batch_direct_benchmark, "batch_benchmarks_cpu_{n}.json"),
        Template(1, groq_performance, "groq_model_performance_{n}.json"),
        Template(1, browser_compare, "firefox_vs_chrome_{n}.json"),
        Template(1, web_platform_comparison, "web_platform_comparison_{n}.json"),
        Template(4, parquet_zeros, "benchmark_performance_{n}.parquet"),
        Template(1, duckdb_results, "benchmark_db_{n}.duckdb"),
    )
}

_BROKEN_SHARE = 0.012
"""Files that are empty, cut off or hold git conflict markers; 7 of the 677 real files."""


@cache
def _choices() -> tuple[tuple[str, ...], tuple[float, ...]]:
    return tuple(TEMPLATES), tuple(template.weight for template in TEMPLATES.values())


@dataclass(frozen=True)
class CorpusFile:
    """A made-up file: its path below its folder, its shape's template and its bytes."""

    path: str
    template: str
    data: bytes


def document_of(template: str, seed: int | str) -> Any:
    """What a template builds: a JSON document, or bytes for tables."""
    return TEMPLATES[template].build(_Draw(f"{template}-{seed}"))


def as_bytes(document: Any) -> bytes:
    """A file's bytes, in the indented JSON that nearly all old writers used."""
    return document if isinstance(document, bytes) else json.dumps(document, indent=2).encode()


def corpus_file(number: int, seed: int = 0) -> CorpusFile:
    """File `number` of the corpus; the same for every size of the corpus."""
    draw = _Draw(f"{seed}-{number}")
    kind = draw.random()
    if number and kind < COPY_SHARE:
        earlier = corpus_file(draw.randrange(number), seed)
        return CorpusFile(f"copy_{number}{Path(earlier.path).suffix}", earlier.template, earlier.data)
    if number and kind < COPY_SHARE + TWIN_SHARE:
        earlier = corpus_file(draw.randrange(number), seed)
        if twin := _annotated(earlier.data):
            return CorpusFile(f"twin_{number}.json", earlier.template, twin)
    names, weights = _choices()
    name = draw.choices(names, weights)[0]
    data = as_bytes(document_of(name, f"{seed}-{number}"))
    if kind > 1 - _BROKEN_SHARE:
        conflict = b"<<<<<<< HEAD\n" + data[: len(data) // 2] + b"\n=======\n" + data + b"\n>>>>>>> other\n"
        data = draw.choice((b"", data[: draw.randrange(len(data))], conflict))
    return CorpusFile(TEMPLATES[name].name.format(n=number, m=draw.model()[0]), name, data)


def _annotated(data: bytes) -> bytes | None:
    """The file with the stamp that a later clean-up put on many files, whatever they held."""
    try:
        document = json.loads(data)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    document["simulated_hardware"] = ["webgpu", "webnn", "rocm", "mps", "qnn", "openvino"]
    document["warnings"] = [{"type": "simulation", "message": "This data contains simulated hardware results"}]
    return as_bytes(document)


def _write_folder(task: tuple[Path, range, int]) -> int:
    folder, numbers, seed = task
    n_bytes = 0
    made: set[Path] = set()
    for number in numbers:
        file = corpus_file(number, seed)
        target = folder / file.path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        target.write_bytes(file.data)
        n_bytes += len(file.data)
    return n_bytes


def folders_of(tree: Path, n_files: int, files_per_folder: int = FILES_PER_FOLDER) -> list[Path]:
    """The folders that hold the first `n_files` files of a corpus; the number must fill its last folder."""
    if n_files % files_per_folder:
        raise ValueError(f"{n_files} files do not fill folders of {files_per_folder}. Fix: give a multiple")
    return [tree / f"part_{number:03}" for number in range(n_files // files_per_folder)]


def write_corpus(
    tree: Path, n_files: int, seed: int = 0, *, files_per_folder: int = FILES_PER_FOLDER, processes: int = 1
) -> int:
    """Write the first `n_files` files of the corpus into folders below the tree; gives the number of bytes."""
    folders = folders_of(tree, n_files, files_per_folder)
    tasks = [
        (folder, range(position * files_per_folder, (position + 1) * files_per_folder), seed)
        for position, folder in enumerate(folders)
    ]
    if processes == 1 or len(tasks) == 1:
        return sum(map(_write_folder, tasks))
    # spawned, because a process with threads (DuckDB, Arrow) must not be forked
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(pool.imap_unordered(_write_folder, tasks))
