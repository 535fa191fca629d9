"""What the configuration of an optimum-benchmark run says, as columns that all its targets share.

Belongs here: model, device, precision, batch, environment, and the errors of those (B3 to B6). Does not belong here: the
numbers (`optimum_report`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hwbench_pipeline.catalog.names import catalog_key
from hwbench_pipeline.hardware.environment import rounded_memory_mb
from hwbench_pipeline.imports.environments import described_environment
from hwbench_pipeline.imports.own_export import OwnExport, read_own_export
from hwbench_pipeline.imports.records import count_of, json_text, object_of, quantity_of
from hwbench_pipeline.legacy.json_values import text

_DTYPES = {
    "float32": "fp32",
    "fp32": "fp32",
    "float16": "fp16",
    "fp16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "bf16": "bf16",
}
_BACKENDS = {"pytorch": "torch"}
_NOT_OPTIONS = frozenset(
    {
        "name",
        "version",
        "_target_",
        "model",
        "processor",
        "model_type",
        "device",
        "device_ids",
        "inter_op_num_threads",
        "intra_op_num_threads",
        "hub_kwargs",
    }
)
_NO_TEXT_TASK = re.compile(r"(?:image-|object-|semantic-|depth-|audio-|automatic-speech|text-to-image|video-)")
_LARGEST_VRAM_MB = 1e7  # ten terabytes: no device has them, in bytes every one does
_MAXIMUM_DEVICES = 64


@dataclass(frozen=True)
class Configuration:
    """What is the same for every target of a run. What the configuration does not say is None.

    `columns` are result columns; `corrections` and `reported` what was corrected in them, with the value as reported.
    `batch_size` counts items of one call; `per_step` those of one training step; `new_tokens` tokens generated per item.
    `own_export` is the row of ours that the file was made of.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] | None = None
    corrections: tuple[str, ...] = ()
    reported: dict[str, Any] = field(default_factory=dict)
    is_training: bool = False
    batch_size: int | None = None
    per_step: int | None = None
    n_warmup: int | None = None
    new_tokens: int | None = None
    n_beams: int = 1
    images_per_prompt: int = 1
    max_steps: int | None = None
    warmup_steps: int | None = None
    n_processes: int = 1
    is_rocm: bool = False
    has_gpu: bool | None = None
    harness: str = "optimum-benchmark of unknown version"
    own_export: OwnExport | None = None


def read_configuration(config: Mapping[str, Any]) -> Configuration:
    """What a configuration object says; an empty one says nothing."""
    if not config:
        return Configuration()
    backend = object_of(config.get("backend"))
    scenario = object_of(config.get("scenario")) or object_of(config.get("benchmark"))
    launcher = object_of(config.get("launcher"))
    stated = object_of(config.get("environment"))
    gpus = _gpu_names(stated)
    is_rocm = _is_rocm(backend, gpus)
    device = text(backend.get("device")) or text(config.get("device"))
    name = text(backend.get("name"))
    hardware = _hardware(device, name, is_rocm=is_rocm)
    device_name = _device_name(hardware, stated, gpus, backend)
    corrections: list[str] = []
    reported: dict[str, Any] = {}
    threads = {
        key: backend[key] for key in ("inter_op_num_threads", "intra_op_num_threads") if backend.get(key) is not None
    }
    own = read_own_export(stated)
    if own is not None:
        reported["hwbench"] = dict(own.unplaced)
    elif threads and name in (None, "pytorch"):
        corrections.append("B6 thread settings are swapped by the PyTorch backend: which took effect is unknown")
    if threads and own is None:
        reported["threads"] = threads
    memory_mb, vram_correction = _device_memory(stated)
    if vram_correction:
        corrections.append(vram_correction)
        reported["gpu_vram_mb"] = stated.get("gpu_vram_mb")
    cpu = stated.get("cpu")
    if isinstance(cpu, str) and cpu != cpu.strip():
        corrections.append("B4 white space around the CPU's name")
        reported["cpu"] = cpu
    environment = _environment(stated, backend, hardware, device_name, memory_mb, own)
    shapes = object_of(scenario.get("input_shapes")) or object_of(scenario.get("dataset_shapes"))
    arguments = object_of(scenario.get("training_arguments"))
    is_training = "training" in (text(scenario.get("name")) or "") or bool(arguments)
    batch_size = count_of(shapes.get("batch_size"))
    if is_training:
        batch_size = count_of(arguments.get("per_device_train_batch_size"))
    accumulated = count_of(arguments.get("gradient_accumulation_steps")) or 1
    per_step = batch_size * accumulated if is_training and batch_size else None
    model_id = text(backend.get("model")) or text(config.get("model"))
    task = text(backend.get("task")) or text(config.get("task"))
    version = text(stated.get("optimum_benchmark_version"))
    options = {key: value for key, value in backend.items() if key not in _NOT_OPTIONS and not _is_default(value)}
    options |= {
        key: value
        for key, value in (
            ("task", task),
            ("generate_kwargs", scenario.get("generate_kwargs")),
            ("gradient_accumulation_steps", accumulated if is_training else None),
            ("launcher", text(launcher.get("name"))),
            ("n_processes", count_of(launcher.get("nproc_per_node"))),
        )
        if not _is_default(value)
    }
    return Configuration(
        columns={
            "model_id": model_id,
            "model": None if model_id is None else catalog_key(model_id),
            "architecture": text(backend.get("model_type")),
            "backend": _BACKENDS.get(name or "", name),
            "backend_version": text(backend.get("version")),
            "options": json_text(options),
            "hardware": hardware,
            "hardware_requested": device,
            "device_name": device_name,
            "precision": _precision(backend, hardware),
            "batch_size": per_step if is_training else batch_size,
            "sequence_length": None
            if task is not None and _NO_TEXT_TASK.match(task)
            else count_of(shapes.get("sequence_length")),
            "input_shape": ";".join(f"{key}={shapes[key]}" for key in sorted(shapes) if count_of(shapes[key])) or None,
            "environment_id": None if environment is None else environment["environment_id"],
            "harness_version": None if version is None else f"optimum-benchmark {version}",
        }
        | (dict(own.columns) if own is not None else {}),
        environment=environment,
        corrections=tuple(corrections),
        reported=reported,
        is_training=is_training,
        batch_size=batch_size,
        per_step=per_step,
        n_warmup=count_of(scenario.get("warmup_runs")),
        new_tokens=_new_tokens(scenario),
        n_beams=count_of(object_of(scenario.get("generate_kwargs")).get("num_beams")) or 1,
        images_per_prompt=count_of(object_of(scenario.get("call_kwargs")).get("num_images_per_prompt")) or 1,
        max_steps=count_of(arguments.get("max_steps")) or count_of(scenario.get("max_steps")),
        warmup_steps=count_of(arguments.get("warmup_steps")) or count_of(scenario.get("warmup_steps")),
        n_processes=count_of(launcher.get("nproc_per_node")) or 1,
        is_rocm=is_rocm,
        has_gpu=bool(gpus) if stated else None,
        harness=f"optimum-benchmark {version}" if version else "optimum-benchmark of unknown version",
        own_export=own,
    )


def _is_default(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _new_tokens(scenario: Mapping[str, Any]) -> int | None:
    """Tokens generated per item; None where the generation may stop earlier."""
    generation = object_of(scenario.get("generate_kwargs"))
    most, least = count_of(generation.get("max_new_tokens")), count_of(generation.get("min_new_tokens"))
    if most is not None:
        return most if least in (None, most) else None
    return count_of(scenario.get("new_tokens"))


def _gpu_names(stated: Mapping[str, Any]) -> list[str]:
    names = stated.get("gpu", stated.get("gpus"))
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list | tuple):
        return []
    return [name for member in names[:_MAXIMUM_DEVICES] if (name := text(member)) is not None]


def _is_rocm(backend: Mapping[str, Any], gpus: list[str]) -> bool:
    said = " ".join(gpus).lower()
    return "rocm" in (text(backend.get("version")) or "").lower() or any(
        word in said for word in ("advanced micro devices", "amd", "radeon", "instinct")
    )


def _hardware(device: str | None, backend: str | None, *, is_rocm: bool) -> str | None:
    if backend == "openvino":
        return "openvino"
    if device == "cuda":
        return "rocm" if is_rocm else "cuda"
    return device if device in ("cpu", "mps") else None


def _device_name(
    hardware: str | None, stated: Mapping[str, Any], gpus: list[str], backend: Mapping[str, Any]
) -> str | None:
    """The device that ran it, where the file leaves no choice; on ROCm `gpu` is the vendor's name, not the device's (B5)."""
    if hardware in ("cpu", "openvino"):
        return text(stated.get("cpu")) if text(backend.get("device")) in (None, "cpu") else None
    if hardware != "cuda" or not gpus:
        return None
    wanted = (text(backend.get("device_ids")) or "").split(",")
    picked = [
        gpus[int(part)] for part in wanted if part.strip().isdecimal() and len(part) < 4 and int(part) < len(gpus)
    ]
    names = picked or gpus
    if len(set(names)) > 1:
        return None
    return names[0] if len(picked) < 2 else f"{len(picked)} x {names[0]}"


def _device_memory(stated: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """Memory of the one device in MB, and the correction where it was made (B3); several devices' sum is no device's."""
    amount = quantity_of(stated.get("gpu_vram_mb"))
    if amount is None:
        return None, None
    correction = None
    if amount > _LARGEST_VRAM_MB:
        amount /= 1e6
        correction = "B3 gpu_vram_mb holds bytes: divided by 1e6"
    return (amount if count_of(stated.get("gpu_count")) == 1 else None), correction


def _environment(
    stated: Mapping[str, Any],
    backend: Mapping[str, Any],
    hardware: str | None,
    device_name: str | None,
    device_memory_mb: float | None,
    own: OwnExport | None,
) -> dict[str, Any] | None:
    backend_name, backend_version = text(backend.get("name")), text(backend.get("version"))
    memory_mb = quantity_of(stated.get("cpu_ram_mb"))
    libraries = {
        key.removesuffix("_version"): value
        for key in sorted(stated)
        if isinstance(key, str)
        and key.endswith("_version")
        and key not in ("python_version", "transformers_version")
        and (value := text(stated[key])) is not None
    }
    if backend_name is not None and backend_version is not None and backend_name not in ("pytorch", "openvino"):
        libraries[backend_name] = backend_version
    described: dict[str, Any] = {
        "os": text(stated.get("platform")) or text(stated.get("system")),
        "cpu_name": text(stated.get("cpu")),
        "cpu_cores_logical": count_of(stated.get("cpu_count")),
        "memory_total_mb": None if memory_mb is None else rounded_memory_mb(memory_mb),
        "device_name": device_name,
        "device_memory_mb": device_memory_mb if hardware == "cuda" else None,
        "python_version": text(stated.get("python_version")),
        "torch_version": backend_version if backend_name == "pytorch" else None,
        "openvino_version": backend_version if backend_name == "openvino" else None,
        "transformers_version": text(stated.get("transformers_version")),
    }
    if own is not None:
        described |= own.environment
        libraries = dict(own.libraries)
    return described_environment(libraries=libraries, **described)


def _precision(backend: Mapping[str, Any], hardware: str | None) -> str | None:
    """The precision the configuration asks for; None where it leaves it to the model, or a quantisation hides it."""
    quantization = object_of(backend.get("quantization_config"))
    bits = count_of(quantization.get("bits"))
    if quantization.get("load_in_4bit") is True or bits == 4:
        return "int4"
    if quantization.get("load_in_8bit") is True or bits == 8:
        return "int8"
    names = ("quantization_scheme", "quantization_strategy", "quantization", "auto_quantization", "auto_optimization")
    if quantization or any(not _is_default(backend.get(name)) for name in names):
        return None
    if backend.get("autocast_enabled") is True or backend.get("amp_autocast") is True:
        return "mixed"
    precision = _DTYPES.get(
        (text(backend.get("torch_dtype")) or text(backend.get("dtype")) or "").removeprefix("torch.")
    )
    if precision == "fp32" and backend.get("allow_tf32") is True and hardware == "cuda":
        return "tf32"
    return precision
