"""What our engine is compared with, each run as a process of its own: a bare loop, optimum-benchmark, benchmark_app.

`python -m hwbench_pipeline_tests.benchmarks.other_tools prepare FOLDER MODEL SIZE` writes a model's weights, and of BERT its
OpenVINO graph; `… loop MODEL SIZE SECONDS` prints the p50 in ms of a loop that anybody would write. `optimum.py` text in here runs in the venv of
optimum-benchmark, which has no hwbench.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TOKENS = 128
TASKS = {"bert": "fill-mask", "gpt2": "text-generation"}

OPTIMUM = """
import json, sys, time
from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, ProcessConfig, PyTorchConfig
def main():
    model, task, tokens, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    generation = {"generate_kwargs": {"max_new_tokens": 2, "min_new_tokens": 2}} if task == "text-generation" else {}
    config = BenchmarkConfig(
        name="peer",
        launcher=ProcessConfig(),
        scenario=InferenceConfig(latency=True, memory=False, iterations=10, duration=seconds, warmup_runs=5,
                                 input_shapes={"batch_size": 1, "sequence_length": tokens}, **generation),
        backend=PyTorchConfig(model=model, task=task, device="cpu", library="transformers"),
    )
    start = time.perf_counter()
    report = Benchmark.launch(config)
    told = report.to_dict()["prefill" if generation else "forward"]
    print(json.dumps({"wall_s": time.perf_counter() - start, "p50_ms": told["latency"]["p50"] * 1e3}))
if __name__ == "__main__":
    main()
"""


def _inputs(name: str, size: str) -> tuple[Any, Any]:
    from hwbench_pipeline.catalog.building import build_model
    from hwbench_pipeline.catalog.inputs import make_inputs

    model = build_model(name, size)
    return model, make_inputs(name, model.config, batch_size=1, sequence_length=TOKENS if size == "reference" else 32)


def prepare(folder: Path, name: str, size: str) -> dict[str, str]:
    """A model with random weights, for tools that load: as a transformers folder, BERT as an OpenVINO graph too."""
    import openvino as ov

    from hwbench_pipeline.catalog.building import build_model
    from hwbench_pipeline.catalog.exporting import TracedForward

    model, inputs = _inputs(name, size)
    model.save_pretrained(folder / "hub")
    if name != "bert":
        return {"hub": str(folder / "hub")}
    forward = TracedForward(build_model("bert", size, attn_implementation="eager"), inputs)
    graph = ov.convert_model(forward, example_input=forward.example_input)
    graph.reshape({port: list(tensor.shape) for port, tensor in zip(graph.inputs, forward.example_input, strict=True)})
    ov.save_model(graph, folder / "bert.xml", compress_to_fp16=False)
    return {"hub": str(folder / "hub"), "graph": str(folder / "bert.xml")}


def loop(name: str, size: str, seconds: float) -> dict[str, float]:
    """The p50 of a loop by hand: warm up, then time each call with perf_counter."""
    import torch

    model, inputs = _inputs(name, size)
    samples: list[float] = []
    with torch.inference_mode():
        for _ in range(5):
            model(**inputs)
        until = time.perf_counter() + seconds
        while len(samples) < 10 or time.perf_counter() < until:
            start = time.perf_counter()
            model(**inputs)
            samples.append(time.perf_counter() - start)
    return {"p50_ms": statistics.median(samples) * 1e3}


def run_loop(name: str, size: str, seconds: float) -> float:
    """`loop` in a fresh process; p50 in ms."""
    command = [sys.executable, "-m", "hwbench_pipeline_tests.benchmarks.other_tools", "loop", name, size, str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["p50_ms"])


def run_optimum(
    python: list[str], environment: dict[str, str], hub: str, task: str, tokens: int, seconds: float
) -> dict[str, float]:
    """optimum-benchmark's process launcher; its p50 in ms, of a generation's prefill, and the seconds from its call to its
    report."""
    script = Path(hub).parent / "optimum_run.py"
    script.write_text(OPTIMUM)
    command = [*python, str(script), hub, task, str(tokens), str(seconds)]
    folder = script.parent  # it writes a log where it stands
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=folder, timeout=300)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def run_benchmark_app(graph: str, seconds: float) -> float:
    """OpenVINO's benchmark_app, one synchronous request at a time in fp32; its median latency in ms."""
    app = Path(sys.executable).with_name("benchmark_app")
    options = [
        "-m",
        graph,
        "-d",
        "CPU",
        "-api",
        "sync",
        "-hint",
        "latency",
        "-infer_precision",
        "f32",
        "-t",
        str(int(seconds)),
    ]
    done = subprocess.run([str(app), *options], check=True, capture_output=True, text=True, timeout=300)
    found = re.search(r"Median:\s+([0-9.]+) (us|ms)", done.stdout)
    assert found, done.stdout[-2000:]
    return float(found[1]) * {"us": 1e-3, "ms": 1.0}[found[2]]


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    if verb == "prepare":
        print(json.dumps(prepare(Path(arguments[0]), arguments[1], arguments[2])))
    else:
        print(json.dumps(loop(arguments[0], arguments[1], float(arguments[2]))))
