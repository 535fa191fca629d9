"""Which model, hardware and configuration an object of any shape names, by the meaning of its field names.

Belongs here: the vocabulary of field names for what ran where and how, and what their values may be. Does not belong
here: numbers (`quantity_names`), or which object is a record (`shapes/generic`). What is not stated is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from hwbench_pipeline.catalog.names import catalog_key
from hwbench_pipeline.legacy.configuration import Configuration, parse_configuration
from hwbench_pipeline.legacy.hardware_claims import device_platform, hardware_key
from hwbench_pipeline.legacy.json_values import positive_integer, text
from hwbench_pipeline.legacy.outcomes import Failure, failure_of
from hwbench_pipeline.legacy.quantity_names import words_of

PLATFORM_NAMES = frozenset(
    {"cpu", "cuda", "rocm", "mps", "openvino", "webnn", "webgpu", "wasm", "qualcomm", "gpu", "tpu", "npu", "xpu"}
)
_NOT_NAMED = frozenset(
    {
        "",
        "-",
        "unknown",
        "unknown_model",
        "none",
        "null",
        "n/a",
        "na",
        "nan",
        "undefined",
        "default",
        "auto",
        "any",
        "all",
    }
)
_LONGEST_NAME = 200
_MODEL_FIELDS = (
    "model_id",
    "model_name",
    "model",
    "hf_model",
    "hf_model_id",
    "model_name_or_path",
    "model_path",
    "model_identifier",
    "model_key",
    "used_model",
    "checkpoint",
)
_NAME_FIELDS = (
    "id",
    "name",
    "model_id",
    "model_name",
    "hardware_name",
    "device_name",
    "type",
    "device",
    "hardware_type",
)
# Fields that name hardware whatever they say, the most specific first.
_HARDWARE_FIELDS = (
    "hardware_type",
    "hardware",
    "hardware_name",
    "hardware_platform",
    "hardware_key",
    "hw",
    "device",
    "device_type",
    "device_name",
    "target_device",
    "accelerator",
    "gpu_name",
    "gpu",
)
# Fields that name the hardware a run was meant for, and those that name what it ended up on.
_WANTED_FIELDS = ("requested_device", "requested_hardware", "target_hardware", "requested_backend", "target_platform")
_USED_FIELDS = (
    "actual_device",
    "actual_hardware",
    "effective_device",
    "effective_hardware",
    "device_used",
    "used_device",
    "hardware_used",
    "used_hardware",
    "actual_backend",
    "actual_platform",
)
# Fields that name hardware only where their value is a platform's: `platform` is an operating system elsewhere.
_PLATFORM_FIELDS = ("platform", "backend", "execution_provider", "provider", "runtime")
_BATCH_FIELDS = ("batch_size", "batch", "bs", "batchsize", "per_device_batch_size")
_SEQUENCE_FIELDS = ("sequence_length", "seq_length", "seq_len", "seqlen")
_PRECISION_FIELDS = ("precision", "dtype", "torch_dtype", "data_type", "compute_dtype")
_TIME_FIELDS = (
    "started_at",
    "start_time",
    "timestamp",
    "time_stamp",
    "created_at",
    "run_at",
    "datetime",
    "date",
    "submitted_at",
    "submitted_at_unix",
    "test_date",
    "benchmark_date",
)
_REPEAT_FIELDS = (
    "iterations",
    "num_iterations",
    "n_iterations",
    "iters",
    "num_iters",
    "num_runs",
    "n_runs",
    "runs",
    "repeats",
    "repetitions",
    "n_samples",
)
_OF_A_WARMUP_COUNT = frozenset(
    {
        "warmup",
        "warmups",
        "warm",
        "up",
        "n",
        "num",
        "number",
        "of",
        "count",
        "iterations",
        "iters",
        "iteration",
        "runs",
        "steps",
    }
    | {"calls", "repeats", "rounds", "batches", "samples"}
)
_MODE_FIELDS = ("mode", "test_type", "benchmark_type", "run_mode")
_ERROR_FIELDS = ("error", "error_message", "exception", "failure_reason", "err")
STATUS_FIELDS = ("status", "state", "outcome")
SUCCESS_FIELDS = ("success", "succeeded", "ok", "passed")
_FAILED_WORDS = frozenset(
    {"failed", "failure", "fail", "error", "errored", "timeout", "oom", "out_of_memory", "crashed", "unsupported"}
)
OUTCOME_FIELDS = frozenset((*_ERROR_FIELDS, *STATUS_FIELDS, *SUCCESS_FIELDS))
_PRECISIONS = {
    **dict.fromkeys(("fp32", "float32", "f32", "single"), "fp32"),
    **dict.fromkeys(("fp16", "float16", "f16", "half"), "fp16"),
    **dict.fromkeys(("bf16", "bfloat16"), "bf16"),
    **dict.fromkeys(("fp8", "float8"), "fp8"),
    "tf32": "tf32",
    "int8": "int8",
    "int4": "int4",
    "mixed": "mixed",
}
# Blocks of an object that describe the run the object is about.
_DESCRIPTIONS = frozenset(
    {
        *("config", "configuration", "parameters", "params", "settings", "metadata", "options", "arguments", "args"),
        *(
            "info",
            "run_info",
            "run_config",
            "setup",
            "input",
            "inputs",
            "input_shapes",
            "benchmark",
            "scenario",
            "test",
        ),
        *("benchmark_config", "backend", "model", "model_info", "hardware", "hardware_info", "device", "device_info"),
    }
)
_DEEPEST_DESCRIPTION = 2
_MODEL_SECTIONS = frozenset(
    {"models", "by_model", "model_results", "results_by_model", "per_model", "model_benchmarks"}
)
_BATCH_SECTIONS = frozenset(
    {"batch_results", "batch_sizes", "by_batch_size", "by_batch", "batches", "batch_size", "batch"}
)
_SEQUENCE_SECTIONS = frozenset({"sequence_lengths", "by_sequence_length", "sequence_length", "seq_len"})
# Names that everybody in the field reads as a model, beside those of the catalog.
_MODEL_NAME = re.compile(
    r"(?:[a-z]+-)?(?:distil|ro|al|de|mo[bd]ile|tiny|camem|big_?bird)?bert(?:a|[-_].+)?|(?:distil)?gpt-?[2-9j].*|gpt-neo.*"
    r"|(?:wide_?|se-?)?res(?:net|next)-?\d+.*|vgg-?\d+.*|(?:mobile|efficient|dense|squeeze|shuffle)net[-_]?[a-z0-9].*"
    r"|convnext.*|swin[-_].*|deit[-_].*|yolo[-_]?[v0-9].*|inception[-_]?v?\d.*|alexnet|llama[-_ ]?[0-9].*|mistral[-_].*"
    r"|mixtral[-_].*|gemma[-_]?[0-9].*|phi[-_]?[0-9].*|falcon[-_].*|bloom[-_].*|opt-\d.*|stable[-_]diffusion.*|sdxl.*"
    r"|deepseek[-_].*|qwen.*",
    re.IGNORECASE,
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/(?=[\w.-]*[A-Za-z])[A-Za-z0-9][\w.-]{0,95}")


def fields_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object by the words of their names: `batchSize`, `batch-size` and `Batch Size` are `batch_size`."""
    return {_field_name(key): value for key, value in found.items()}


@lru_cache(maxsize=1 << 16)
def _field_name(key: str) -> str:
    return "_".join(words_of(key))


def descriptions_in(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of the blocks of an object that describe its run, and of blocks within those."""
    waiting: list[tuple[Mapping[str, Any], int]] = [(fields, 0)]
    while waiting:
        members, depth = waiting.pop(0)
        for name, value in members.items():
            if isinstance(value, dict) and name in _DESCRIPTIONS:
                inner = fields_of(value)
                yield inner
                if depth < _DEEPEST_DESCRIPTION:
                    waiting.append((inner, depth + 1))


def is_description(key: str) -> bool:
    """Whether a block of this name describes the run of the object that holds it."""
    return _field_name(key) in _DESCRIPTIONS


def model_in(fields: Mapping[str, Any]) -> str | None:
    """The model that an object's fields name."""
    named = next((name for field in _MODEL_FIELDS if field in fields and (name := _name_in(fields[field]))), None)
    if named is not None:
        return named
    name = _name_in(fields.get("name"))
    return name if name is not None and is_model_name(name) else None


def is_model_name(name: str) -> bool:
    """Whether a text is the name of a model by itself, so that a key may stand for one."""
    return len(name) <= _LONGEST_NAME and (
        catalog_key(name) is not None or _MODEL_NAME.fullmatch(name) is not None or _HUB_ID.fullmatch(name) is not None
    )


def model_of_key(key: str, section: str) -> str | None:
    """The model that the key of an object stands for, below the key `section`."""
    if is_model_name(key):
        return key
    is_name = "_".join(words_of(section)) in _MODEL_SECTIONS and key.strip().lower() not in _NOT_NAMED
    return key if is_name and not key.isdigit() else None


def hardware_in(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The hardware that an object's fields claim, and the device its `device` field says."""
    named = [name for field in _HARDWARE_FIELDS if field in fields and (name := _name_in(fields[field]))]
    platforms = [
        name
        for field in _PLATFORM_FIELDS
        if field in fields and (name := _name_in(fields[field])) and is_platform(name)
    ]
    claimed = next((name for name in named if is_platform(name)), None) or next(iter((*platforms, *named)), None)
    used = _platform_named(fields, _USED_FIELDS)
    claimed = _platform_named(fields, _WANTED_FIELDS) or claimed or used
    device = used or _name_in(fields.get("device"))
    recorded = device if device not in (None, claimed) and is_platform(str(device)) else None
    return _with_device_name(claimed, named), recorded


def _platform_named(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    if fields.keys().isdisjoint(names):
        return None
    return next((name for field in names if (name := _name_in(fields.get(field))) and is_platform(name)), None)


def _with_device_name(claimed: str | None, named: Iterable[str]) -> str | None:
    """The claim by the name of its device where another field gives one: `gpu_name: Tesla T4` beside `cuda` or `gpu`."""
    key = hardware_key(claimed)
    if claimed is None or device_platform(claimed) is not None:
        return claimed
    return next((name for name in named if (of := device_platform(name)) is not None and (key in (of, "gpu"))), claimed)


def is_platform(name: str) -> bool:
    """Whether a text is the name of a platform that runs models; an operating system is none."""
    return hardware_key(name) in PLATFORM_NAMES


def has_numbered_identity(fields: Mapping[str, Any]) -> bool:
    """Whether model and hardware are given by their numbers in a database that wrote the row."""
    return all(positive_integer(fields.get(name)) is not None for name in ("model_id", "hardware_id")) and any(
        name in fields for name in ("result_id", "run_id")
    )


def configuration_in(fields: Mapping[str, Any]) -> Configuration:
    """Batch size and sequence length that an object's fields state."""
    return Configuration(_integer_in(fields, _BATCH_FIELDS), _integer_in(fields, _SEQUENCE_FIELDS))


def configuration_of_key(key: str, section: str) -> Configuration:
    """What the key of an object below the key `section` states: `batch_4_seq_32`, or `4` below `batch_sizes`."""
    if key.isascii() and key.isdigit():
        name = "_".join(words_of(section))
        number = positive_integer(key)
        return Configuration(
            batch_size=number if name in _BATCH_SECTIONS else None,
            sequence_length=number if name in _SEQUENCE_SECTIONS else None,
        )
    stated = parse_configuration(key) if len(key) <= _LONGEST_NAME else Configuration()
    return Configuration(stated.batch_size, stated.sequence_length)


def precision_in(fields: Mapping[str, Any]) -> str | None:
    """The numeric precision that an object's fields state, as a value of the result table."""
    for name in _PRECISION_FIELDS:
        stated = text(fields.get(name))
        if stated is not None:
            return _PRECISIONS.get(stated.lower().removeprefix("torch."))
    return None


def precision_of_key(key: str) -> str | None:
    """The numeric precision that the key of an object stands for; a word that may mean something else stands for none."""
    return _PRECISIONS.get(key.lower()) if any(map(str.isdigit, key)) else None


def backend_in(fields: Mapping[str, Any]) -> str | None:
    """The software that ran the model, where a field states it and it is no hardware."""
    name = next((name for field in ("framework", "backend") if (name := _name_in(fields.get(field)))), None)
    return None if name is None or is_platform(name) else name


def mode_in(fields: Mapping[str, Any]) -> str | None:
    """Inference or training, where a field says so."""
    for name in _MODE_FIELDS:
        stated = (text(fields.get(name)) or "").lower()
        if stated in ("inference", "training"):
            return stated
    return None


def time_in(fields: Mapping[str, Any]) -> Any:
    """The time stamp of an object as it stands there, None where it has none."""
    return next((fields[name] for name in _TIME_FIELDS if isinstance(fields.get(name), str | int | float)), None)


def repeats_in(fields: Mapping[str, Any]) -> int | None:
    """How many times the object says that its call was repeated."""
    return _integer_in(fields, _REPEAT_FIELDS)


def warmup_in(fields: Mapping[str, Any]) -> int | None:
    """How many calls the object says were made before the timed ones; none is a number too."""
    for name, value in fields.items():
        if _counts_warmup(name) and (value == 0 or positive_integer(value) is not None) and not isinstance(value, bool):
            return positive_integer(value) or 0
    return None


@lru_cache(maxsize=1 << 14)
def _counts_warmup(name: str) -> bool:
    words = set(name.split("_"))
    return words <= _OF_A_WARMUP_COUNT and ("warmup" in words or "warmups" in words or {"warm", "up"} <= words)


def says_failed(status: str) -> bool:
    """Whether a status word says that an attempt did not succeed."""
    return status.strip().lower().replace(" ", "_") in _FAILED_WORDS


def failure_in(fields: Mapping[str, Any]) -> Failure | None:
    """The failure that an object reports of itself, None where it reports none."""
    if OUTCOME_FIELDS.isdisjoint(fields):
        return None
    message = _first_text(fields, _ERROR_FIELDS)
    status = _first_text(fields, STATUS_FIELDS)
    has_failed_word = status is not None and says_failed(status)
    if message is None and not has_failed_word and not any(fields.get(name) is False for name in SUCCESS_FIELDS):
        return None
    return failure_of(message, status if has_failed_word else None)


def has_error_text(fields: Mapping[str, Any]) -> bool:
    """Whether an object holds the message of an error."""
    return _first_text(fields, _ERROR_FIELDS) is not None


def _first_text(fields: Mapping[str, Any], names: Iterable[str]) -> str | None:
    for name in names:
        said = text(fields.get(name))
        if said is not None:
            return said
    return None


def states_call(fields: Mapping[str, Any]) -> bool:
    """Whether an object states the input or the repetitions of one call, as only an attempt to measure one does."""
    return any(name in fields for name in (*_BATCH_FIELDS, *_SEQUENCE_FIELDS, *_REPEAT_FIELDS))


def _integer_in(fields: Mapping[str, Any], names: Iterable[str]) -> int | None:
    return next(
        (number for name in names if name in fields and (number := positive_integer(fields[name])) is not None), None
    )


def _name_in(value: Any) -> str | None:
    if isinstance(value, dict):
        inner = fields_of(value)
        return next((name for field in _NAME_FIELDS if (name := _name(inner.get(field)))), None)
    return _name(value)


def _name(value: Any) -> str | None:
    named = text(value)
    if named is None or len(named) > _LONGEST_NAME or named.lower() in _NOT_NAMED or "\n" in named:
        return None
    return named
