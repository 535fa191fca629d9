"""A result row as the documents that optimum-benchmark's own classes load.

Belongs here: which rows may become a report, and where each value stands in `{"config": …, "report": …}` of
optimum-benchmark 0.6. Does not belong here: files (`writing`) and reading such reports (`imports/`).

A report of optimum-benchmark has no field that says what its numbers are worth: whoever loads it takes them for
measured. So only measured rows with their raw samples are exported; every other row is refused with the reason. What
the format has no place for stands in `config.environment` as `hwbench_<column>`, which its classes carry along.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hwbench_pipeline.bench.statistics import percentile
from hwbench_pipeline.schema.table import Row
from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS, OWN_SOURCES, RESULT_COLUMNS

MILLISECONDS_PER_SECOND = 1e3
AGREEMENT = 0.01
"""How far, relatively, a stated number may lie from the one that the raw samples give."""


TARGETS = {
    ("inference", "forward"): "forward",
    ("inference", "prefill"): "prefill",
    ("inference", "decode"): "decode",
    ("inference", "generate"): "generate",
    ("training", "train_step"): "train",
}
"""The target of a report that one sample of a mode and scenario belongs to."""

_BACKENDS = {
    "torch": ("pytorch", "optimum_benchmark.backends.pytorch.backend.PyTorchBackend"),
    "openvino": ("openvino", "optimum_benchmark.backends.openvino.backend.OVBackend"),
}
_TORCH_DEVICES = {"cpu": "cpu", "cuda": "cuda", "rocm": "cuda", "mps": "mps"}
_TORCH_DTYPES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
# what transformers' head classes are for; a class that serves several tasks names none
_TASKS = {
    "ForCausalLM": "text-generation",
    "ForCTC": "automatic-speech-recognition",
    "ForImageClassification": "image-classification",
    "ForMaskedLM": "fill-mask",
    "ForObjectDetection": "object-detection",
}

_IN_THE_REPORT = frozenset({*LATENCY_COLUMNS, "samples_ms", "n_samples", "throughput_items_per_s"})
# paths and host names of whoever measured are nothing to hand on; the file's hash and the environment's id identify both
_PRIVATE = frozenset({"source_path", "machine"})
_ROW_COLUMNS = tuple(
    column.name for column in RESULT_COLUMNS if column.name not in _IN_THE_REPORT and column.name not in _PRIVATE
)


class RefusedRowError(Exception):
    """A row that must not become a report; the message is the reason, the same for all rows of its kind."""


def require_exportable(row: Row, *, include_imported: bool) -> None:
    """Raise `RefusedRowError` where a report of this row would say more than is known.

    `include_imported` allows measured rows that were read from other tools' files.
    """
    if row["status"] != "ok":
        raise RefusedRowError(f"status {row['status']}: there is no number")
    if row["provenance"] != "measured":
        raise RefusedRowError(
            f"provenance {row['provenance']}: the format cannot say that a number was not proven to be measured"
        )
    if row["source"] not in OWN_SOURCES and not include_imported:
        raise RefusedRowError(
            f"source {row['source']}: not measured by hwbench. Fix: --include-imported exports it too"
        )
    flags = row.get("flags") or ()
    if "is_aggregate" in flags:
        raise RefusedRowError("flag is_aggregate: it sums up other runs, which count on their own")
    if "faster_than_roofline" in flags:
        raise RefusedRowError("flag faster_than_roofline: the device cannot be that fast")
    if not row.get("samples_ms"):
        raise RefusedRowError("no raw samples: a report consists of them")
    if (row.get("mode"), row.get("scenario")) not in TARGETS:
        raise RefusedRowError(
            f"mode {row.get('mode') or 'unknown'}, scenario {row.get('scenario') or 'unknown'}: no target of a report says that"
        )
    if "lora=" in (row.get("recipe") or ""):
        raise RefusedRowError(f"recipe {row['recipe']}: a report has no field that says that adapters were trained")
    if row.get("model_id") is None and row.get("model") is None:
        raise RefusedRowError("the model is not known: the numbers would belong to nothing")
    if row.get("hardware") is None:
        raise RefusedRowError("the hardware that ran it is not known: the numbers would belong to nothing")
    _require_agreement(row)


def _require_agreement(row: Row) -> None:
    mean_ms = math.fsum(row["samples_ms"]) / len(row["samples_ms"])
    expected = {"latency_ms_mean": mean_ms}
    if row.get("batch_size") is not None:
        expected["throughput_items_per_s"] = row["batch_size"] * MILLISECONDS_PER_SECOND / mean_ms
    for column, value in expected.items():
        if row.get(column) is not None and not math.isclose(row[column], value, rel_tol=AGREEMENT):
            raise RefusedRowError(f"{column} contradicts the row's own raw samples")


def benchmark_document(row: Row, environment: Row | None) -> dict[str, Any]:
    """`{"config": …, "report": …}` of a row that `require_exportable` let pass.

    `environment` is the row of out__environments that `environment_id` names; None where there is none.
    """
    options = _options(row)
    config = {
        "name": folder_name(row),
        "backend": _backend(row, environment or {}, options),
        "scenario": _training(row) if row["mode"] == "training" else _inference(row),
        "launcher": _launcher(row),
        "environment": _environment(row, environment or {}),
        "print_report": False,
        "log_report": True,
    }
    return {"config": config, "report": _report(row)}


def folder_name(row: Row) -> str:
    """The row's folder: what it is, for people, and its `result_id`, which no other row has.

    ASCII letters, digits, `.`, `_` and `-` only, the same for the same row on every machine.
    """
    batch_size, sequence_length = row.get("batch_size"), row.get("sequence_length")
    parts = (
        row.get("model") or row.get("model_id"),
        row.get("model_size"),
        row["hardware"],
        row["mode"],
        row["scenario"],
        row.get("precision"),
        None if batch_size is None else f"b{batch_size}",
        None if sequence_length is None else f"s{sequence_length}",
        row["result_id"],
    )
    return "__".join(_safe(part) for part in parts if part is not None)


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip(".-")[:60] or "unnamed"


# ---- config ----------------------------------------------------------------------------------------------------------


def _options(row: Row) -> Mapping[str, Any]:
    try:
        options = json.loads(row.get("options") or "{}")
    except (ValueError, RecursionError):
        return {}
    return options if isinstance(options, dict) else {}


def _backend(row: Row, environment: Row, options: Mapping[str, Any]) -> dict[str, Any]:
    name, target = _BACKENDS.get(row.get("backend") or "", (row.get("backend"), None))
    model_class = options.get("class")
    backend: dict[str, Any] = {
        "name": name,
        "version": row.get("backend_version"),
        "_target_": target,
        "model": row.get("model_id") or row["model"],
        "processor": None,
        "task": next(
            (task for end, task in _TASKS.items() if isinstance(model_class, str) and model_class.endswith(end)), None
        ),
        "library": "transformers" if row["source"] in OWN_SOURCES else None,
        "model_type": row.get("architecture"),
        "device": _device(row, options),
        "device_ids": None,
        "seed": None,
        "inter_op_num_threads": None,
        "intra_op_num_threads": None,
        "model_kwargs": {},
        "processor_kwargs": {},
    }
    if row.get("backend") == "torch":
        backend |= {
            "inter_op_num_threads": environment.get("threads_inter_op"),
            "intra_op_num_threads": environment.get("threads_intra_op"),
        } | _torch_settings(row, options)
    elif row.get("backend") == "openvino":
        backend |= _openvino_settings(options)
    return backend


def _device(row: Row, options: Mapping[str, Any]) -> str | None:
    """The device in optimum-benchmark's words; None where it has no word for it."""
    if row.get("backend") == "torch":
        return _TORCH_DEVICES.get(row["hardware"])
    device = str(options.get("device", "")).lower()
    return device if row.get("backend") == "openvino" and device in ("cpu", "gpu") else None


def _torch_settings(row: Row, options: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {"torch_dtype": _TORCH_DTYPES.get(row.get("precision") or "")}
    if options.get("precision_method") == "autocast":
        settings |= {"torch_dtype": "float32", "autocast_enabled": True, "autocast_dtype": settings["torch_dtype"]}
    if row.get("precision") == "tf32":
        settings["allow_tf32"] = True
    if "weights" in options:
        settings["no_weights"] = options["weights"] == "random"
    if isinstance(options.get("attention"), str):
        settings["attn_implementation"] = options["attention"]
    if isinstance(options.get("compile"), bool):
        settings["torch_compile"] = options["compile"]
    if row["source"] in OWN_SOURCES:
        settings["eval_mode"] = row["mode"] == "inference"
    return settings


def _openvino_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "INFERENCE_PRECISION_HINT": options.get("precision_hint"),
        "PERFORMANCE_HINT": options.get("performance_hint"),
        "NUM_STREAMS": options.get("streams"),
    }
    settings: dict[str, Any] = {
        "ov_config": {name: str(value) for name, value in properties.items() if value is not None}
    }
    if "weights" in options:
        settings["no_weights"] = options["weights"] == "random"
    return settings


def _shapes(row: Row, names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def _inference(row: Row) -> dict[str, Any]:
    return {
        "name": "inference",
        "_target_": "optimum_benchmark.scenarios.inference.scenario.InferenceScenario",
        "iterations": len(row["samples_ms"]),
        "duration": 0,
        "warmup_runs": row.get("n_warmup"),
        "input_shapes": _shapes(row, ("batch_size", "sequence_length")),
        "new_tokens": None,
        "memory": _memory(row) is not None,
        "latency": True,
        "energy": False,
        "forward_kwargs": {},
        "generate_kwargs": {},
        "call_kwargs": {},
    }


def _training(row: Row) -> dict[str, Any]:
    n_warmup = row.get("n_warmup")
    max_steps = None if n_warmup is None else n_warmup + len(row["samples_ms"])
    arguments: dict[str, Any] = {"max_steps": max_steps, "use_cpu": row["hardware"] == "cpu"}
    if row.get("batch_size") is not None:
        arguments["per_device_train_batch_size"] = row["batch_size"]
    if row["source"] in OWN_SOURCES:
        options = json.loads(row.get("options") or "{}")
        n_parts = options.get("gradient_accumulation_steps", 1)
        arguments["gradient_accumulation_steps"] = n_parts
        if row.get("batch_size") is not None:  # theirs counts a micro-batch, ours the whole step
            arguments["per_device_train_batch_size"] = row["batch_size"] // n_parts
        if options.get("gradient_checkpointing"):
            arguments["gradient_checkpointing"] = True
    return {
        "name": "training",
        "_target_": "optimum_benchmark.scenarios.training.scenario.TrainingScenario",
        "max_steps": max_steps,
        "warmup_steps": n_warmup,
        "dataset_shapes": _shapes(row, ("sequence_length",)),
        "training_arguments": arguments,
        "latency": True,
        "memory": _memory(row) is not None,
        "energy": False,
    }


def _launcher(row: Row) -> dict[str, Any] | None:
    if row["source"] not in OWN_SOURCES:
        return None
    return {
        "name": "process",
        "_target_": "optimum_benchmark.launchers.process.launcher.ProcessLauncher",
        "device_isolation": False,
        "device_isolation_action": None,
        "numactl": False,
        "numactl_kwargs": {},
        "start_method": "fork",
    }


def _environment(row: Row, environment: Row) -> dict[str, Any]:
    described: dict[str, Any] = {
        "cpu": environment.get("cpu_name"),
        "cpu_count": environment.get("cpu_cores_logical"),
        "cpu_ram_mb": environment.get("memory_total_mb"),
        "platform": environment.get("os"),
        "python_version": environment.get("python_version"),
        "optimum_benchmark_version": None,
        "transformers_version": environment.get("transformers_version"),
    }
    if row["hardware"] in ("cuda", "rocm") and row.get("device_name") is not None:
        described["gpu"] = [row["device_name"]]
    facts = {**environment, **{name: row.get(name) for name in _ROW_COLUMNS}}
    for name, value in facts.items():
        if value is not None and name not in _PRIVATE and name != "n_results":
            described[f"hwbench_{name}"] = value.isoformat() if isinstance(value, datetime) else value
    return described


# ---- report ----------------------------------------------------------------------------------------------------------


def _report(row: Row) -> dict[str, Any]:
    target = TARGETS[row["mode"], row["scenario"]]
    latency = _latency([sample / MILLISECONDS_PER_SECOND for sample in row["samples_ms"]])
    report = {target: _measurements(latency, _throughput(row, target, latency["mean"]), _memory(row))}
    first_ms = row.get("first_inference_ms")
    if target == "forward" and first_ms is not None:
        first = _measurements(_latency([first_ms / MILLISECONDS_PER_SECOND]), None, None)
        report = {"first_forward": first, **report}
    return report


def _measurements(
    latency: dict[str, Any], throughput: dict[str, Any] | None, memory: dict[str, Any] | None
) -> dict[str, Any]:
    # energy: optimum-benchmark wants it split into CPU, RAM and GPU, which no counter of ours gives; the whole
    # stands in the environment as hwbench_energy_j
    return {"memory": memory, "latency": latency, "throughput": throughput, "energy": None, "efficiency": None}


def _latency(values_s: Sequence[float]) -> dict[str, Any]:
    """optimum-benchmark's statistics: the standard deviation divides by n, and there is a p99 of any count."""
    ordered = sorted(values_s)
    total = math.fsum(ordered)
    mean = total / len(ordered)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / len(ordered))
    return {
        "unit": "s",
        "values": list(values_s),
        "count": len(ordered),
        "total": total,
        "mean": mean,
        "p50": percentile(ordered, 50),
        "p90": percentile(ordered, 90),
        "p95": percentile(ordered, 95),
        "p99": percentile(ordered, 99),
        "stdev": deviation,
        "stdev_": deviation / mean * 100,
    }


def _throughput(row: Row, target: str, mean_s: float) -> dict[str, Any] | None:
    """Items, or for decoding tokens, per second of one call; None where it is not known.

    In training too it is one batch over one step. optimum-benchmark itself divides all steps' items by one step's time,
    too much by the count of steps; its classes take the value as it stands, so a true one survives loading.
    """
    if target == "decode":
        tokens_per_s = row.get("tokens_per_s")
        return None if tokens_per_s is None else {"unit": "tokens/s", "value": tokens_per_s}
    if row.get("batch_size") is None:
        return None
    return {"unit": "samples/s", "value": row["batch_size"] / mean_s}


_MEMORY_NAMES = ("max_ram", "max_global_vram", "max_process_vram", "max_reserved", "max_allocated")
_OF_THE_FORMAT = re.compile(rf"\(({'|'.join(_MEMORY_NAMES)}) of optimum-benchmark\)")
_NAME_BY_METHOD = (
    (re.compile(r"\bVmHWM\b|\bresident\b"), "max_ram"),
    (re.compile(r"\bmax_memory_allocated\b|^peak of torch's (?:CUDA )?allocator\b"), "max_allocated"),
)


def _memory(row: Row) -> dict[str, Any] | None:
    """Peak memory under the name that fits how it was read; None where no name does, as for what another tool does not
    say and for a lower bound."""
    peak_mb, method = row.get("peak_memory_mb"), row.get("memory_method") or ""
    own = _OF_THE_FORMAT.search(method)
    fitting = own[1] if own else next((name for words, name in _NAME_BY_METHOD if words.search(method)), None)
    if peak_mb is None or fitting is None:
        return None
    return {"unit": "MB"} | {name: peak_mb if name == fitting else None for name in _MEMORY_NAMES}
