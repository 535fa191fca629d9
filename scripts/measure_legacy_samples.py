"""Time the models of the sample files in `data/legacy` on this machine's CPU, and write them anew in their old shapes.

Belongs here: what the old benchmark tools did around a timing (configuration keys, samples, derived values, time
stamps, description of the machine), so that every number which ingestion calls measured was measured. Does not belong
here: how the project itself measures (`hwbench_pipeline.bench`), and the sample files that say themselves that their
numbers are invented (`data/legacy/web`), or that hold none.

Run by hand, a minute or two, in an environment with the `[pipeline]` extra:
`python scripts/measure_legacy_samples.py`. The files themselves say which points are timed: every model, label and
configuration that stands in them and did not fail. Weights are random, at the published sizes; torch runs on the CPU
whatever the label of a row says, on one thread: threads that wait for each other would time the other load of a busy
machine. Several labels of one model take turns sample by sample, so that such load slows all of them alike. The host's
name is replaced, all else that is said of it is true.
"""

from __future__ import annotations

import copy
import functools
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openvino
import psutil
import torch
import transformers

from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.inputs import Tensors, make_inputs
from hwbench_pipeline.catalog.names import resolve
from hwbench_pipeline.hardware.host_lock import host_lock
from hwbench_pipeline.legacy.configuration import Configuration, parse_configuration

DATA = Path(__file__).parents[1] / "data" / "legacy"
CPU_SUITE = DATA / "suite" / "cpu_suite.json"
CPU_SUITE_COPY = DATA / "suite" / "cpu_suite_copy.json"
DISPUTED_SUITE = DATA / "suite" / "disputed_hardware_suite.json"
SUITE_MASTER = DATA / "suite" / "nested" / "suite_master.json"
DIRECT = DATA / "direct" / "t5_cpu.json"

WARM_UP_CALLS = 3
SAMPLES = 10
SMALL_MODEL_SAMPLES = 40  # the disputed rows are told by their means, which one interruption of a short call would bend
THREADS = 1
DIRECT_TOKENS = 32  # this shape states no length: its note does
SPEECH_RATE = 16_000

PSEUDONYM = "sample-machine"
ORIGIN = (
    "timed by scripts/measure_legacy_samples.py in this old shape: random weights, "
    f"torch {torch.__version__} on {THREADS} CPU thread"
)
SUITE_NOTE = f"{ORIGIN}; the host name is a pseudonym"
DISPUTED_NOTE = f"{SUITE_NOTE}; the cuda and openvino rows are CPU timings under a wrong label, on purpose"
DIRECT_NOTE = f"{ORIGIN}, one forward pass over {DIRECT_TOKENS} source and {DIRECT_TOKENS} target tokens per item"


@dataclass(frozen=True)
class SampleModel:
    """A model of the sample files: the transformers class that is timed, and what gives its true configuration."""

    class_name: str
    config: Callable[[], transformers.PretrainedConfig]


MODELS: dict[str, SampleModel] = {
    "bert-base-uncased": SampleModel("BertModel", lambda: model_config("bert", "reference")),
    "google/vit-base-patch16-224": SampleModel("ViTModel", lambda: model_config("vit", "reference")),
    "openai/whisper-tiny": SampleModel("WhisperForConditionalGeneration", lambda: model_config("whisper", "reference")),
    "facebook/wav2vec2-base": SampleModel("Wav2Vec2Model", lambda: model_config("wav2vec2", "reference")),
    "prajjwal1/bert-tiny": SampleModel(
        "BertModel",
        lambda: transformers.BertConfig(
            hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
        ),
    ),
    "google/t5-efficient-tiny": SampleModel(
        "T5ForConditionalGeneration",
        lambda: transformers.AutoConfig.for_model(
            "t5", d_model=256, d_kv=64, d_ff=1024, num_layers=4, num_heads=4, decoder_start_token_id=0
        ),
    ),
}


@dataclass
class Timed:
    """The samples of one row and the wall time of its turns, in seconds, each turn with its own clock readings."""

    samples_s: list[float] = field(default_factory=list)
    total_s: float = 0.0

    @property
    def mean_s(self) -> float:
        """The mean of the samples."""
        return sum(self.samples_s) / len(self.samples_s)


def load_model(name: str) -> transformers.PreTrainedModel:
    """The model with random weights of a fixed seed, in eval mode and fp32."""
    model = MODELS[name]
    torch.manual_seed(0)
    module: transformers.PreTrainedModel = getattr(transformers, model.class_name)(model.config())
    return module.eval()


def inputs_for(name: str, module: transformers.PreTrainedModel, configuration: Configuration) -> Tensors:
    """Random inputs of the size that a configuration states. Raises ValueError where it is not the size they get."""
    assert configuration.batch_size is not None
    inputs = make_inputs(
        resolve(name).key,
        module.config,
        batch_size=configuration.batch_size,
        sequence_length=configuration.sequence_length,
    )
    if configuration.input_shape not in (None, _shape_text(inputs)):
        raise ValueError(f"{name}: the file states {configuration.input_shape}, the inputs are {_shape_text(inputs)}")
    return inputs


def _shape_text(inputs: Tensors) -> str | None:
    if "pixel_values" in inputs:
        return "image={}x{}".format(*inputs["pixel_values"].shape[2:])
    if "input_values" in inputs:
        return f"audio={inputs['input_values'].shape[1] / SPEECH_RATE:g}s"
    return None


def time_in_turns(module: transformers.PreTrainedModel, inputs: Tensors, rows: int, samples: int) -> list[Timed]:
    """That many samples for each of the rows, which take turns after a common warm-up."""
    timed = [Timed() for _ in range(rows)]
    with torch.inference_mode():
        for _ in range(WARM_UP_CALLS):
            module(**inputs)
        for _ in range(samples):
            for row in timed:
                turn_began = time.perf_counter()
                began = time.perf_counter()
                module(**inputs)
                row.samples_s.append(time.perf_counter() - began)
                row.total_s += time.perf_counter() - turn_began
    return timed


def measure_direct(document: dict[str, Any]) -> None:
    """Put new timings into a document of the shape `direct_benchmark`; batches that failed stay as they are."""
    name = document["model"]
    document.update(note=DIRECT_NOTE, timestamp=_iso(_now()))
    module = load_model(name)
    for batch in document["batch_results"].values():
        if not batch["success"]:
            continue
        inputs = inputs_for(name, module, Configuration(batch["batch_size"], DIRECT_TOKENS))
        (timed,) = time_in_turns(module, inputs, rows=1, samples=SAMPLES)
        batch.update(
            avg_latency_ms=timed.mean_s * 1000,
            throughput_items_per_second=batch["batch_size"] / timed.mean_s,
            memory_mb=psutil.Process().memory_info().rss / 2**20,
            latencies_ms=[sample * 1000 for sample in timed.samples_s],
            timestamp=_iso(_now()),
        )
        _report(f"{name} batch {batch['batch_size']}, RSS {batch['memory_mb']:.1f} MiB", timed)


def measure_suite(run: dict[str, Any], note: str, samples: int) -> None:
    """Put new timings and the truth about this machine into a document of the shape `suite_benchmarks`."""
    run["timestamp"] = _compact(_now())
    run["system_info"] = system_info(note)
    run["hardware_info"] = {
        name: {"cpu": True, "cuda": torch.cuda.is_available(), "openvino": True}[name] for name in run["hardware_info"]
    }
    for models in run["benchmarks"].values():
        for name, attempts in models.items():
            _measure_attempts(name, attempts, samples)
    devices = openvino.Core()
    run["hardware_details"] = {
        "openvino_devices": list(devices.available_devices),
        "openvino_device_info": {
            device: str(devices.get_property(device, "FULL_DEVICE_NAME")).strip()
            for device in devices.available_devices
        },
    }


def _measure_attempts(name: str, attempts: Mapping[str, dict[str, Any]], samples: int) -> None:
    """Time one model for all its labels; like the old suite, only the first of them really loads it."""
    load = functools.cache(load_model)
    for attempt in attempts.values():
        attempt["model_class"] = MODELS[name].class_name
        attempt["timestamp"] = _iso(_now())
        began = time.perf_counter()
        module = load(name)
        attempt["model_load_time"] = time.perf_counter() - began
    for key in next(iter(attempts.values()))["benchmark_results"]:
        rows = [attempt["benchmark_results"][key] for attempt in attempts.values()]
        if rows[0]["status"] != "completed":
            continue
        configuration = parse_configuration(key)
        assert configuration.batch_size is not None
        inputs = inputs_for(name, module, configuration)
        for label, row, timed in zip(attempts, rows, time_in_turns(module, inputs, len(rows), samples), strict=True):
            row.update(
                latencies=timed.samples_s,
                avg_latency=timed.mean_s,
                throughput=len(timed.samples_s) * configuration.batch_size / timed.total_s,
                total_time=timed.total_s,
                iterations=len(timed.samples_s),
            )
            _report(f"{name} {label} {key}", timed)


def system_info(note: str) -> dict[str, Any]:
    """This machine in the words of the old suite, under a pseudonym."""
    return {
        "platform": platform.platform(),
        "python_version": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "hostname": PSEUDONYM,
        "os": platform.system(),
        "os_release": platform.release(),
        "architecture": platform.machine(),
        "cpu_count_physical": psutil.cpu_count(logical=False),
        "cpu_count_logical": psutil.cpu_count(),
        "total_memory_gb": psutil.virtual_memory().total / 2**30,
        "note": note,
        "openvino_version": openvino.__version__,
    }


def _now() -> datetime:
    """Local time without a zone, as the old tools wrote it."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _compact(moment: datetime) -> str:
    return moment.strftime("%Y%m%d_%H%M%S")


def _report(what: str, timed: Timed) -> None:
    low, high = min(timed.samples_s) * 1000, max(timed.samples_s) * 1000
    _say(f"{what}: {timed.mean_s * 1000:.3f} ms mean of {len(timed.samples_s)} ({low:.3f} to {high:.3f})")


def _say(message: str) -> None:
    sys.stdout.write(f"{message}\n")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(document: Any, paths: Sequence[Path]) -> None:
    text = json.dumps(document, indent=2) + "\n"
    for path in paths:
        path.write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    """Measure everything under the host lock, then write all files: a run that is cut off changes none."""
    torch.set_num_threads(THREADS)
    direct, cpu_suite, disputed, master = map(_read, (DIRECT, CPU_SUITE, DISPUTED_SUITE, SUITE_MASTER))
    with host_lock(holder="measure legacy samples", on_wait=_say):
        measure_direct(direct)  # first: its memory is that of the whole process
        measure_suite(cpu_suite, SUITE_NOTE, SAMPLES)
        master["timestamp"] = _compact(_now())
        measure_suite(disputed, DISPUTED_NOTE, SMALL_MODEL_SAMPLES)
    master["note"] = f"holds a copy of the run in {DISPUTED_SUITE.name}, {ORIGIN}"
    master["performance_benchmarks"]["embedding"] = copy.deepcopy(disputed)
    _write(direct, [DIRECT])
    _write(cpu_suite, [CPU_SUITE, CPU_SUITE_COPY])
    _write(disputed, [DISPUTED_SUITE])
    _write(master, [SUITE_MASTER])


if __name__ == "__main__":
    main()
