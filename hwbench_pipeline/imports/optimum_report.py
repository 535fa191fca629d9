"""The targets of an optimum-benchmark report (0.2 and newer) as result rows, one each.

Belongs here: statistics from the raw values, throughput with its errors (B1, B2), memory, energy (B8), and what a target's
numbers are worth. Does not belong here: what the configuration says (`optimum_configuration`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwbench_pipeline.bench.judging import is_noisy
from hwbench_pipeline.bench.statistics import latency_statistics
from hwbench_pipeline.imports.optimum_configuration import Configuration
from hwbench_pipeline.imports.records import ImportedRow, Refused, count_of, is_close, json_text, object_of, quantity_of
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.schema.tables.results import FLAGS, LATENCY_COLUMNS, MINIMUM_SAMPLES_FOR_P99

Pointer = Callable[[str], str]

_MEASUREMENTS = ("latency", "throughput", "memory", "energy", "efficiency")
_SCENARIOS = {"train": "train_step", "load": "load", "load_model": "load"}
_TRAINING_TARGETS = ("overall", "warmup", "train")
_STEADY_OF_FIRST = {"first_forward": "forward", "first_generate": "generate", "first_call": "call"}
_MS_PER = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_JOULES_PER_KWH = 3.6e6
_EXACT = 1e-6
_PER_PROCESS = 0.05  # torchrun averages the rates of its processes, which is not the rate of their pooled latencies
_LEAST_SAMPLES_TO_VARY = 3
_LONGEST_MESSAGE = 2000
_MEMORY = (
    ("max_allocated", "peak of torch's CUDA allocator"),
    ("max_reserved", "peak reserved by torch's CUDA allocator"),
    ("max_process_vram", "peak device memory of the process"),
    ("max_global_vram", "peak device memory of everything on it"),
)


def is_target(value: Any) -> bool:
    """Whether a member of a report is a target's measurements: an object of quantities that have a unit."""
    return isinstance(value, dict) and any(
        isinstance(value.get(name), dict) and "unit" in value[name] for name in _MEASUREMENTS
    )


@dataclass(frozen=True)
class _Latency:
    """A target's latency: statistics in ms, the samples where they are usable, and what speaks against it."""

    columns: dict[str, Any]
    mean_s: float | None = None
    count: int | None = None
    samples_ms: tuple[float, ...] | None = None
    contradiction: str | None = None
    correction: str | None = None
    reported: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Rate:
    """A target's throughput after correction; `remark` says what could not be checked, `contradiction` what is wrong."""

    items_per_s: float | None = None
    tokens_per_s: float | None = None
    correction: str | None = None
    contradiction: str | None = None
    remark: str | None = None


def read_report(
    configuration: Configuration, report: Mapping[str, Any], pointer: Pointer
) -> Iterator[ImportedRow | Refused]:
    """The rows of a report, and the targets that could not be understood."""
    traceback = report.get("traceback")
    if isinstance(traceback, str):
        yield _failure(configuration, traceback, pointer("traceback"))
        return
    targets = {name: value for name, value in report.items() if is_target(value)}
    if configuration.columns == {} and any(name in targets for name in _TRAINING_TARGETS):
        configuration = replace(configuration, is_training=True)
    latencies = {name: _latency(value.get("latency")) for name, value in targets.items()}
    volumes = {name: _volume(targets[name], latencies[name]) for name in targets}
    for name, target in targets.items():
        rate = _rate(name, target, latencies, volumes, configuration)
        yield _row(name, target, latencies, rate, configuration, pointer(name))


def _failure(configuration: Configuration, traceback: str, pointer: str) -> ImportedRow:
    failure = failure_of(traceback)
    last = next((line for line in reversed(traceback.splitlines()) if line.strip()), "the run failed without a message")
    columns = configuration.columns | {
        "source": "optimum_benchmark",
        "provenance": "none",
        "status": failure.status,
        "error_class": failure.error_class,
        "error_message": last.strip()[:_LONGEST_MESSAGE],
        "mode": "training" if configuration.is_training else "inference",
        **_notes(configuration.corrections, configuration.reported),
    }
    return ImportedRow(pointer, columns, configuration.environment)


def _latency(stated: Any) -> _Latency:
    stated = object_of(stated)
    if not stated:
        return _Latency({})
    factor = _MS_PER.get(text(stated.get("unit")) or "")
    if factor is None:
        return _Latency({}, contradiction=f"latency in {stated.get('unit')!r:.40}, expected s, ms, us or ns")
    values = stated.get("values")
    samples = _samples(values, factor)
    count, mean = count_of(stated.get("count")), quantity_of(stated.get("mean"))
    correction, reported = _deviation_in_percent(stated)
    if samples is None:
        return _aggregate(
            stated, factor, count, mean, has_values=bool(values), correction=correction, reported=reported
        )
    statistics = latency_statistics(samples)
    mean_ms = statistics["latency_ms_mean"]
    assert mean_ms is not None
    contradiction = None
    if mean is not None and not is_close(mean * factor, mean_ms, _EXACT):
        contradiction = f"the stated mean {mean:g} {stated['unit']} is not that of the samples, {mean_ms / factor:g}"
    elif count is not None and count != len(samples):
        contradiction = f"{count} samples stated, {len(samples)} given"
    elif len(samples) >= _LEAST_SAMPLES_TO_VARY and len(set(samples)) == 1:
        contradiction = f"{len(samples)} samples are all {samples[0]:g} ms: no machine is that even"
    return _Latency(
        columns={**statistics, "samples_ms": list(samples), "n_samples": len(samples)},
        mean_s=mean_ms / 1e3,
        count=len(samples),
        samples_ms=samples,
        contradiction=contradiction,
        correction=correction,
        reported=reported,
    )


def _aggregate(
    stated: Mapping[str, Any],
    factor: float,
    count: int | None,
    mean: float | None,
    *,
    has_values: bool,
    correction: str | None,
    reported: Mapping[str, Any] | None,
) -> _Latency:
    """A latency without usable samples: the statistics as stated, the standard deviation brought from n to n − 1."""
    columns: dict[str, Any] = dict.fromkeys(LATENCY_COLUMNS)
    for name in ("mean", "p50", "p90", "p95", "p99"):
        number = quantity_of(stated.get(name))
        if number is not None and (name != "p99" or (count or 0) >= MINIMUM_SAMPLES_FOR_P99):
            columns[f"latency_ms_{name}"] = number * factor
    deviation = positive_number(stated.get("stdev"))
    if deviation is not None and count is not None and count > 1:
        columns["latency_ms_std"] = deviation * factor * math.sqrt(count / (count - 1))
    columns["n_samples"] = count if mean is not None else None
    return _Latency(
        columns=columns,
        mean_s=None if mean is None else mean * factor / 1e3,
        count=count,
        contradiction="values that are not all numbers above zero" if has_values else None,
        correction=correction,
        reported=reported,
    )


def _samples(values: Any, factor: float) -> tuple[float, ...] | None:
    if not isinstance(values, list | tuple) or not values:
        return None
    numbers = [positive_number(value) for value in values]
    usable = tuple(number * factor for number in numbers if number is not None)
    return usable if len(usable) == len(numbers) else None


def _deviation_in_percent(stated: Mapping[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    """`stdev_` that is a copy of `stdev` (B7). It has no column: the spread follows from samples or standard deviation."""
    percent, deviation, mean = (quantity_of(stated.get(name)) for name in ("stdev_", "stdev", "mean"))
    if percent is None or deviation is None or mean is None or percent != deviation:
        return None, None
    if is_close(percent, 100 * deviation / mean, _EXACT):
        return None, None
    return "B7 stdev_ is a copy of stdev, not percent of the mean: left out", {"stdev_": stated["stdev_"]}


def _volume(target: Mapping[str, Any], latency: _Latency) -> float | None:
    """Throughput × mean latency: what the harness took for the work of one call."""
    stated = object_of(target.get("throughput"))
    value, mean = quantity_of(stated.get("value")), quantity_of(object_of(target.get("latency")).get("mean"))
    factor = _MS_PER.get(text(object_of(target.get("latency")).get("unit")) or "")
    if value is None or mean is None or factor is None:
        return None if value is None or latency.mean_s is None else value * latency.mean_s
    return value * mean * factor / 1e3


def _rate(
    name: str,
    target: Mapping[str, Any],
    latencies: Mapping[str, _Latency],
    volumes: Mapping[str, float | None],
    configuration: Configuration,
) -> _Rate:
    stated = object_of(target.get("throughput"))
    value, unit = quantity_of(stated.get("value")), text(stated.get("unit"))
    if value is None:
        return _Rate()
    mean_s, volume = latencies[name].mean_s, volumes[name]
    tolerance = _PER_PROCESS if configuration.n_processes > 1 else _EXACT
    if unit in ("samples/s", "images/s", "tokens/s") and (mean_s is None or volume is None):
        remark = "its throughput stands without a latency to check it with"
        return (
            _Rate(tokens_per_s=value, remark=remark) if unit == "tokens/s" else _Rate(items_per_s=value, remark=remark)
        )
    if unit not in ("samples/s", "images/s", "tokens/s") or mean_s is None or volume is None:
        return _Rate(remark=f"throughput in {unit!r:.40} has no column")
    if configuration.is_training:
        return _training_rate(name, latencies, volumes, configuration, tolerance)
    if unit == "tokens/s":
        expected = _tokens(name, configuration)
        if expected and not any(is_close(volume, number, tolerance) for number in expected):
            return _Rate(contradiction=f"{value:g} tokens/s is {volume:g} tokens a call, expected {expected[0]}")
        return _Rate(tokens_per_s=volume / mean_s)
    items = _items(name, volumes, configuration)
    if items is None:
        return _Rate(items_per_s=volume / mean_s, remark="no batch size is stated to check its throughput with")
    if is_close(volume, items, tolerance):
        return _Rate(items_per_s=items / mean_s)
    tokens = [*_tokens("decode", configuration), volumes.get("decode")]
    if name == "generate" and any(number and is_close(volume, number, tolerance) for number in tokens):
        return _Rate(
            items_per_s=items / mean_s,
            tokens_per_s=volume / mean_s,
            correction=f"B2 generate.throughput counts {volume:g} tokens as samples: {items:g} items a call",
        )
    return _Rate(contradiction=f"{value:g} {unit} is {volume:g} items a call, expected {items:g}")


def _items(name: str, volumes: Mapping[str, float | None], configuration: Configuration) -> float | None:
    """Items of one call: the batch size, for a generation without one that of its prefill; None where not known."""
    if configuration.batch_size is not None:
        return configuration.batch_size * (configuration.images_per_prompt if name == "call" else 1)
    return volumes.get("prefill") if name == "generate" else None


def _tokens(name: str, configuration: Configuration) -> list[float]:
    """Tokens of one call that the generations of optimum-benchmark have taken for it; empty where not known."""
    if configuration.batch_size is None or configuration.new_tokens is None:
        return []
    new_tokens = configuration.new_tokens - 1 if name == "decode" else configuration.new_tokens
    numbers = (configuration.batch_size * configuration.n_beams * new_tokens, configuration.batch_size * new_tokens)
    return [float(number) for number in dict.fromkeys(numbers) if number > 0]


def _training_rate(
    name: str,
    latencies: Mapping[str, _Latency],
    volumes: Mapping[str, float | None],
    configuration: Configuration,
    tolerance: float,
) -> _Rate:
    mean_s, count, volume = latencies[name].mean_s, latencies[name].count, volumes[name]
    assert mean_s is not None
    assert volume is not None
    per_step = configuration.per_step or _per_step_by_siblings(latencies, volumes)
    if per_step is None:
        return _Rate(
            remark=f"its throughput is {volume:g} items a step; older versions multiply by the number of steps (B1), and no "
            "batch size is stated to tell"
        )
    if is_close(volume, per_step, tolerance):
        return _Rate(items_per_s=per_step / mean_s)
    steps: dict[float, str] = {} if count is None else {count: "count"}
    if count is not None and configuration.n_processes > 1:
        steps[count / configuration.n_processes] = "count per process"
    inflated = next((number for number in steps if is_close(volume, per_step * number, tolerance)), None)
    if inflated is None:
        return _Rate(contradiction=f"its throughput is {volume:g} items a step, expected {per_step:g}")
    return _Rate(
        items_per_s=per_step / mean_s,
        correction=f"B1 throughput is inflated by latency.count: reported / recomputed = {volume / per_step:g} = {steps[inflated]}",
    )


def _per_step_by_siblings(latencies: Mapping[str, _Latency], volumes: Mapping[str, float | None]) -> float | None:
    """Items per step without a configuration: what several targets of different length agree on after dividing by it."""
    found = [
        (latency.count, volume / latency.count)
        for name in _TRAINING_TARGETS
        if (latency := latencies.get(name)) is not None
        and latency.count is not None
        and (volume := volumes.get(name)) is not None
    ]
    if len({count for count, _ in found}) < 2 or not all(is_close(found[0][1], each, _EXACT) for _, each in found):
        return None
    whole = round(found[0][1])
    return float(whole) if whole >= 1 and is_close(whole, found[0][1], _EXACT) else None


def _row(
    name: str,
    target: Mapping[str, Any],
    latencies: Mapping[str, _Latency],
    rate: _Rate,
    configuration: Configuration,
    pointer: str,
) -> ImportedRow | Refused:
    latency = latencies[name]
    memory, memory_reported, memory_correction = _memory(target.get("memory"), configuration)
    energy, energy_reported, energy_correction = _energy(target.get("energy"), name, configuration)
    columns: dict[str, Any] = {
        **configuration.columns,
        "source": "optimum_benchmark",
        "status": "ok",
        "mode": "training" if configuration.is_training and name in _TRAINING_TARGETS else _mode(name, configuration),
        "scenario": _SCENARIOS.get(name, name),
        **latency.columns,
        "throughput_items_per_s": rate.items_per_s,
        "tokens_per_s": rate.tokens_per_s,
        **memory,
        **energy,
        **_cold_start(name, latencies),
    }
    if name in ("load", "load_model"):  # a model is loaded whatever it is called with later
        columns |= dict.fromkeys(("batch_size", "sequence_length", "input_shape"))
    if name == "per_token":
        columns["time_per_output_token_ms"] = latency.columns.get("latency_ms_mean")
    if name in ("forward", "prefill", "decode", "generate", "call", "per_token", "per_step"):
        columns["n_warmup"] = configuration.n_warmup
    if latency.samples_ms is not None and len(latency.samples_ms) > 1 and is_noisy(latency.samples_ms):
        columns["flags"] = ["noisy"]
    stated = object_of(target.get("throughput"))
    reported: dict[str, Any] = (
        dict(configuration.reported) | memory_reported | energy_reported | dict(latency.reported or {})
    )
    if rate.correction or rate.contradiction or rate.remark:
        reported["throughput"] = dict(stated)
    corrections = (
        *configuration.corrections,
        rate.correction,
        memory_correction,
        energy_correction,
        latency.correction,
    )
    columns |= _notes(corrections, reported)
    if configuration.own_export is not None and columns["scenario"] not in ("load", *_STEADY_OF_FIRST):
        columns |= _of_our_row(configuration.own_export.steady_columns, columns)
    if all(columns.get(column) is None for column in _NUMBERS):
        return Refused(
            pointer, f"no number to take: {latency.contradiction or rate.contradiction or rate.remark or 'all empty'}"
        )
    columns |= _worth(latency, rate, configuration)
    return ImportedRow(pointer, columns, configuration.environment)


_NUMBERS = ("latency_ms_mean", "throughput_items_per_s", "tokens_per_s", "peak_memory_mb", "energy_j")


def _of_our_row(stated: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """What a row of ours says beside its numbers: how memory was read only of memory, flags beside those found here."""
    taken = dict(stated)
    if columns.get("peak_memory_mb") is None:
        taken.pop("memory_method", None)
    flags = {*taken.pop("flags", ()), *columns.get("flags", ())}
    return taken | {"flags": sorted(flags, key=FLAGS.index)} if flags else taken


def _mode(name: str, configuration: Configuration) -> str | None:
    if name in ("load", "load_model"):
        return "training" if configuration.is_training else "inference" if configuration.columns else None
    return "inference"


def _cold_start(name: str, latencies: Mapping[str, _Latency]) -> dict[str, Any]:
    """Loading and the first call beside the steady target they belong to; each is also a row of its own."""
    if name in ("load", "load_model") or name.startswith("first_"):
        return {}
    load = latencies.get("load_model") or latencies.get("load")
    first = next((latencies.get(key) for key, steady in _STEADY_OF_FIRST.items() if steady == name), None)
    return {
        "load_ms": load.columns.get("latency_ms_mean") if load and not load.contradiction else None,
        "first_inference_ms": first.columns.get("latency_ms_mean") if first and not first.contradiction else None,
    }


def _memory(stated: Any, configuration: Configuration) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """Columns, what was reported, and the correction: one number of the device that ran it, else of the process."""
    stated = object_of(stated)
    if not stated or text(stated.get("unit")) != "MB":
        return {}, {"memory": dict(stated)} if stated else {}, None
    reported = {"memory": {name: value for name, value in stated.items() if value is not None}}
    correction = None
    hardware = configuration.columns.get("hardware")
    if configuration.is_rocm and quantity_of(stated.get("max_global_vram")) is not None:
        correction = "B5 max_global_vram is the capacity on ROCm: left out"
    names = [
        (name, covers)
        for name, covers in _MEMORY
        if hardware in ("cuda", "rocm") and not (configuration.is_rocm and name.endswith("vram"))
    ]
    if hardware in ("cpu", "openvino"):
        names = [("max_ram", "peak resident memory of the process")]
    for name, covers in names:
        amount = quantity_of(stated.get(name))
        if amount is not None:
            columns = {"peak_memory_mb": amount, "memory_method": f"{covers} ({name} of optimum-benchmark)"}
            others = {key: value for key, value in reported["memory"].items() if key not in (name, "unit")}
            return columns, {"memory": others} if others else {}, correction
    if hardware is None and quantity_of(stated.get("max_ram")) is not None:
        # the file does not say what ran it, so it does not say whose memory counts
        return {"memory_method": "not taken: the device is not stated; see reported_values"}, reported, correction
    return {}, reported, correction


def _energy(stated: Any, name: str, configuration: Configuration) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """Columns, what was reported, and the correction. codecarbon reads counters for GPUs only; the rest are estimates."""
    stated = object_of(stated)
    if not stated:
        return {}, {}, None
    reported = {key: value for key, value in stated.items() if value is not None}
    gpu = quantity_of(stated.get("gpu"))
    correction = None
    if stated.get("gpu") == 0 and configuration.has_gpu is False:
        correction = "B8 energy.gpu is 0.0 without a GPU: it was not measured"
    if (
        configuration.columns.get("hardware") == "cuda"
        and gpu is not None
        and name not in _TRAINING_TARGETS
        and stated.get("unit") == "kWh"
    ):
        columns = {
            "energy_j": gpu * _JOULES_PER_KWH,
            "energy_source": "the GPU's own counter through codecarbon, GPU alone; CPU and RAM are estimates, see reported_values",
        }
        return columns, {"energy": reported}, correction
    return {"energy_source": "not taken: codecarbon estimates it"}, {"energy": reported}, correction


def _notes(corrections: Any, reported: Mapping[str, Any]) -> dict[str, Any]:
    said = "; ".join(part for part in corrections if part) or None
    return {"corrections": said, "reported_values": json_text(dict(reported))}


def _worth(latency: _Latency, rate: _Rate, configuration: Configuration) -> dict[str, Any]:
    contradiction = latency.contradiction or rate.contradiction
    harness, own = configuration.harness, configuration.own_export
    if contradiction:
        who, worth = (harness, "unknown") if own is None else (own.origin, own.provenance)
        worth = "unknown" if worth == "measured" else worth
        return {"provenance": worth, "provenance_reason": f"{who}: {contradiction}"}
    if latency.samples_ms is not None:
        n = len(latency.samples_ms)
        evidence = f"{n} raw samples that vary, their mean is the stated one" if n > 1 else "one raw sample"
    elif latency.mean_s is not None:
        evidence = "an aggregate without raw samples"
    else:
        evidence = "no latency stands beside it"
    if own is None:
        reason = "; ".join(part for part in (f"measured by others with {harness}: {evidence}", rate.remark) if part)
        return {"provenance": "measured", "provenance_reason": reason}
    stated = None if own.stated_reason is None else f"said there: {own.stated_reason}"
    reason = "; ".join(part for part in (f"{own.origin}: {evidence}", rate.remark, stated) if part)
    if own.provenance != "measured":
        reason = f"the file does not call it measured; {reason}"
    return {"provenance": own.provenance, "provenance_reason": reason}
