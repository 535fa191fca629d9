"""Our page beside transformers.js, on the same ONNX file in the same browser's WebAssembly, in one run.

Each tool has a page of its own, and calls alternate in small blocks. transformers.js runs twice: with the onnxruntime-web
that our page pins, which shows what either harness adds, and with the one that it ships with.
`make bench` installs it: `npm ci --prefix hwbench_pipeline_tests/benchmarks/transformers_js`.
"""

from __future__ import annotations

import json
import statistics
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch

from hwbench_pipeline.bench.backends import backend_for
from hwbench_pipeline.bench.backends.protocol import Workload
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.judging import largest_relative_error
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.exporting import TRACED
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.hardware.browsers import RUNTIME_FOLDER, find_browser, web_runtime_version

PLACE = Path(__file__).with_name("transformers_js")
MODULES = PLACE / "node_modules"
ROUNDS, CALLS_PER_ROUND, WARMUP = 30, 5, 10
WITHIN = 1.1

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(
        find_browser() is None or web_runtime_version() is None, reason="needs a browser (make browser)"
    ),
    pytest.mark.skipif(not MODULES.is_dir(), reason=f"needs transformers.js: npm ci --ignore-scripts --prefix {PLACE}"),
]


def served_to_transformers_js(session, runtime: Path, bundle: str, config: str) -> dict[str, Path | bytes]:
    ours = {name: served for name, served in session._server._files.items() if name.startswith("inputs/")}
    page = (PLACE / "side.html").read_text().replace("RUNTIME", bundle)
    dist = runtime / "dist"
    return {
        **ours,
        "side.html": page.encode(),
        "side.js": PLACE / "side.js",
        "models/model/config.json": config.encode(),
        "models/model/onnx/model.onnx": session._server._files["model.onnx"],
        "tjs/transformers.web.js": MODULES / "@huggingface/transformers/dist/transformers.web.js",
        **{f"runtime/{path.name}": path for path in dist.iterdir() if path.suffix in (".mjs", ".wasm")},
        **{f"common/{path.name}": path for path in (MODULES / "onnxruntime-common/dist/esm").iterdir()},
    }


class Tab:
    """A further page in the browser of our own session: Playwright's sync interface takes one browser at a time."""

    def __init__(self, session, address):
        self._page = session._page._browser.new_page()
        self._page.goto(address)
        self._page.wait_for_function("() => window.hwbench")

    def call(self, name, argument=None):
        return self._page.evaluate(f"(argument) => window.hwbench.{name}(argument)", argument)


def opened_by_transformers_js(stack, session, runtime, bundle, config):
    served = served_to_transformers_js(session, runtime, bundle, config)
    server = stack.enter_context(PageServer(served))
    page = Tab(session, f"{server.address}side.html")
    told = page.call("open", {"inputs": session._asked["inputs"], "threads": torch.get_num_threads()})
    assert told["threads"] == session.facts.threads_intra_op
    return page


@pytest.mark.parametrize(("key", "size"), [("bert", "tiny"), ("bert", "reference"), ("vit", "reference")])
def test_the_same_file_takes_as_long(key, size, capsys):
    model = build_model(key, size, seed=0, attn_implementation="eager")
    inputs = make_inputs(key, model.config, batch_size=1, seed=0)
    with ExitStack() as stack:
        session = backend_for("wasm").prepare(Workload(model, inputs, "fp32", "wasm", route=TRACED))
        stack.callback(session.close)
        config = json.dumps({**model.config.to_dict(), "model_type": model.config.model_type})
        shipped = MODULES / "onnxruntime-web"
        pages = {
            "transformers.js on our onnxruntime-web": opened_by_transformers_js(
                stack, session, RUNTIME_FOLDER, "ort.wasm.min.mjs", config
            ),
            "transformers.js as it ships": opened_by_transformers_js(
                stack, session, shipped, "ort.webgpu.min.mjs", config
            ),
        }
        expected = session.outputs()
        errors = {}
        for name, page in pages.items():
            told = page.call("outputs")
            named = {
                ours: np.array(value["data"], dtype=np.float32).reshape(value["dims"])
                for ours, value in zip(expected, told.values(), strict=True)
            }
            errors[name] = largest_relative_error(expected, named)
        calls = {
            "hwbench": session.timed_run,
            **{name: lambda page=page: page.call("run") for name, page in pages.items()},
        }
        samples: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(ROUNDS + WARMUP // CALLS_PER_ROUND):
            for name, call in calls.items():
                taken = [call() for _ in range(CALLS_PER_ROUND)]
                if number >= WARMUP // CALLS_PER_ROUND:
                    samples[name] += taken
    ours = statistics.median(samples["hwbench"])
    with capsys.disabled():
        print(f"\n{key} {size}, WebAssembly, {torch.get_num_threads()} threads, {len(samples['hwbench'])} calls each:")
        print(f"  hwbench                                 p50 {ours:8.3f} ms")
        for name, error in errors.items():
            p50 = statistics.median(samples[name])
            print(f"  {name:39s} p50 {p50:8.3f} ms, hwbench : it = {ours / p50:.3f}, outputs differ by {error:.1g}")
    assert all(error < 1e-3 for error in errors.values())
    same_runtime = statistics.median(samples["transformers.js on our onnxruntime-web"])
    assert ours < WITHIN * same_runtime
    assert same_runtime < WITHIN * ours
