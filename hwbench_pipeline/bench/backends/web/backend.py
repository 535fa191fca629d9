"""Models in a browser's page by onnxruntime-web: the session that the engine measures, and the proof of what ran it.

Belongs here: what is asked of the page, and what its answers mean. Does not belong here: bytes and headers (`serving`),
processes and their deaths (`browser`, `firefox`), or the export (`bench.backends.onnx_files`).
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwbench_pipeline.bench.backends.onnx_store import MODEL_FILE, KeptExport, kept_export
from hwbench_pipeline.bench.backends.protocol import Evidence, Session, SessionFacts, Workload
from hwbench_pipeline.bench.backends.web.pages import Page, page_in
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.bench.memory import CALLS, PeakMemory
from hwbench_pipeline.bench.plan import WEB_VARIANTS
from hwbench_pipeline.catalog.exporting import ROUTES, TRACED, Graph, computed_outside, graph_inputs
from hwbench_pipeline.hardware.browsers import (
    RUNTIME_FIX,
    UNNAMED_ADAPTER,
    adapter_name,
    adapter_names_itself,
    is_software_adapter,
    web_runtime_version,
)
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.probing import browser_of, webnn_device_name
from hwbench_pipeline.hardware.web_questions import BROWSER_FLAGS

_TYPES = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.int64: "int64",
    torch.int32: "int32",
    torch.uint8: "uint8",
    torch.int8: "int8",
    torch.bool: "bool",
}
_FLAGS = (
    *BROWSER_FLAGS,
    "--enable-blink-features=ForceEagerMeasureMemory",  # else measureUserAgentSpecificMemory waits for a garbage collection
)
_PLACED = re.compile(r"placed on \[(\w+)\]\.? Number of nodes: (\d+)")
_POLL_S = 0.02
_PAGE_MEMORY_WAIT_MS = 3_000
"""A browser's `measureUserAgentSpecificMemory` waits a minute for threads that the runtime keeps waiting, and then leaves them out."""
_CPU_PROVIDERS = ("CPUExecutionProvider",)


@dataclass(frozen=True)
class Runtime:
    """A build of onnxruntime-web and the execution provider asked of it."""

    bundle: str
    provider: str
    device: str | None = None

    @property
    def providers(self) -> list[Any]:
        """What its session option takes."""
        return [self.provider if self.device is None else {"name": self.provider, "deviceType": self.device}]


RUNTIMES: Mapping[tuple[str, str], Runtime] = {
    ("wasm", "wasm"): Runtime("ort.wasm.min.mjs", "wasm"),
    ("webgpu", "native"): Runtime("ort.webgpu.min.mjs", "webgpu"),
    ("webgpu", "jsep"): Runtime("ort.all.min.mjs", "webgpu"),
    ("webnn", "webnn-cpu"): Runtime("ort.all.min.mjs", "webnn", "cpu"),
    ("webnn", "webnn-gpu"): Runtime("ort.all.min.mjs", "webnn", "gpu"),
    ("webnn", "webnn-npu"): Runtime("ort.all.min.mjs", "webnn", "npu"),
}
"""By hardware key and variant. The native WebGPU provider is ONNX Runtime's own in C++, JSEP the older one in JavaScript."""


Opener = Callable[[Mapping[str, Path | bytes]], AbstractContextManager[tuple[PageServer, Page]]]
"""Gives a new page on a server of these files, from `with` to its end."""


class NotOnDeviceError(Exception):
    """The runtime gave right outputs, and the processor that was asked for computed none of them."""


@dataclass(frozen=True)
class WebBackend:
    """A browser's page on one of wasm, webgpu and webnn; `opener` is None where this host's browser is to be started."""

    hardware: str
    opener: Opener | None = None
    attention: str | None = "eager"  # traces where sdpa does not
    routes: tuple[str, ...] = ROUTES

    @property
    def variants(self) -> tuple[str, ...]:
        """The builds and devices that it can ask for, the usual one first."""
        return WEB_VARIANTS[self.hardware]

    def prepare(self, workload: Workload) -> Session:
        """Export, open a browser, and make the session in its page; `compile_ms` is the last alone.

        The export comes from the store where it was made before; `export_ms` is what it took then.
        """
        if workload.precision != "fp32":
            raise UnsupportedError(f"a page runs fp32 here, not {workload.precision}. Fix: --precision fp32")
        if workload.scenario != "forward":
            raise UnsupportedError(
                f"the scenario {workload.scenario} needs a graph with the cache among its inputs, which this version does "
                "not export. Fix: --scenario forward"
            )
        opener = self.opener or _own_browser(self.hardware)
        if web_runtime_version() is None:
            raise UnsupportedError(f"onnxruntime-web is not installed. Fix: {RUNTIME_FIX}")
        route = workload.route or TRACED
        inputs = graph_inputs(workload.model, workload.inputs)
        export = kept_export(workload.model, inputs, route)
        return WebSession(
            self,
            workload,
            export,
            RUNTIMES[self.hardware, workload.variant],
            opener,
            {
                "class": type(workload.model).__name__,
                "attention": self.attention,
                "export_ms": round(export.export_ms, 1),
                "export_sha256": export.sha256,
                "route": route,
                "weights": "random",
                **computed_outside(inputs, workload.inputs),
                **export.graph.options,
            },
        )


class WebSession:
    """A forward pass in a page. The page's clock times it; `evidence` says what ran it.

    `session_ms` is what making the runtime's session took, in milliseconds by the page's clock.
    """

    def __init__(
        self,
        backend: WebBackend,
        workload: Workload,
        export: KeptExport,
        runtime: Runtime,
        opener: Opener,
        options: Mapping[str, Any],
    ) -> None:
        self._hardware = backend.hardware
        self._runtime = runtime
        graph = export.graph
        self._names = _names(graph)
        self._open = contextlib.ExitStack()
        self._is_counted = backend.hardware in ("webgpu", "webnn")
        self._n_calls = 0
        self._n_dispatched = 0
        served = _served(export)
        try:
            self._server, self._page = self._open.enter_context(opener(served))
            self.is_remote = self._page.is_remote
            self._asked = self._request(workload, graph, served)
            made = self._page.call("open", self._asked)
            told = self._page.call("facts")
        except BaseException:
            self.close()
            raise
        self.session_ms: float = made["session_ms"]
        self.facts = SessionFacts(
            backend="onnxruntime-web",
            backend_version=told["version"],
            compile_ms=self.session_ms,
            threads_intra_op=told["threads"] if backend.hardware == "wasm" else None,
            options={
                **options,
                "browser": self._page.browser,
                "bundle": runtime.bundle,
                "cross_origin_isolated": told["cross_origin_isolated"],
                "page_load_ms": round(made["load_ms"], 1),
                "session_ms": round(self.session_ms, 1),
                "provider": runtime.provider,
                **({"device_type_asked": runtime.device} if runtime.device else {}),
            },
        )

    def _request(self, workload: Workload, graph: Graph, served: Mapping[str, Any]) -> dict[str, Any]:
        names_in, names_out = self._names
        return {
            "title": f"{type(workload.model).__name__} on {self._hardware}",
            "bundle": self._runtime.bundle,
            "providers": self._runtime.providers,
            "threads": self._page.n_threads,
            "model": MODEL_FILE,
            "external": [
                {"path": name, "url": name} for name in served if name != MODEL_FILE and not name.startswith("inputs/")
            ],
            "inputs": [
                {"name": name, "url": f"inputs/{index}", "type": _TYPES[tensor.dtype], "dims": list(tensor.shape)}
                for index, (name, tensor) in enumerate(zip(names_in, graph.inputs, strict=True))
            ],
            "outputs": list(names_out.values()),
            "verbose": False,
        }

    def run(self) -> None:
        """One call; returns when its outputs are read back."""
        self.timed_run()

    def sync(self) -> None:
        """Nothing: a call returns finished."""

    def timed_run(self) -> float:
        """One call in milliseconds by the page's clock, the outputs' way back to the page's memory included."""
        before = self._dispatches()
        took: float = self._page.call("run")
        self._n_calls += 1
        self._n_dispatched += self._dispatches() - before
        return took

    def make_again(self) -> float:
        """End the page's session and make it anew in the same page. Returns what making it took, in milliseconds."""
        took: float = self._page.call("open", self._asked)["session_ms"]
        return took

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one call."""
        told = self._page.call("outputs")
        given: dict[str, Array] = {}
        for name, onnx_name in self._names[1].items():
            output = told[onnx_name]
            data = np.frombuffer(self._server.outputs[output["index"]], dtype=np.dtype(output["type"]))
            given[name] = data.reshape(output["dims"]).astype(np.float32)
        return given

    def peak_memory(self) -> PeakMemory:
        """The peak of what the browser's processes hold, asked for again and again while the calls run."""
        at_rest = self._page.memory()
        if at_rest is None:
            return PeakMemory(None, "not read: the browser is on another computer, whose processes are not seen here")
        held = [at_rest]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_POLL_S):
                now = self._page.memory()
                if now is not None:
                    held.append(now)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            for _ in range(CALLS):
                self.run()
        finally:
            done.set()
            watcher.join()
        peak = max(held, key=lambda memory: memory.total_mb)
        resident = f" (resident size of {peak.n_resident}, which tell no share)" if peak.n_resident else ""
        method = (
            f"proportional set size of all processes of the browser{resident}, polled over {CALLS} calls apart from the timed "
            "ones: the browser itself, the runtime, weights and activations"
        )
        return PeakMemory(peak.total_mb, method, n_calls=CALLS)

    def evidence(self) -> Evidence:
        """What ran the calls so far: the adapter or devices, dispatches of a call, and nodes by execution provider.

        The placement comes from a second session, made with the runtime's log and never timed. Raises `NotOnDeviceError`
        where the processor that was asked for was given nothing to do, and `UnsupportedError` where it does not tell its name.
        """
        if self._is_counted and not self._n_dispatched:
            raise NotOnDeviceError(
                f"{self._n_calls} calls dispatched nothing to {self._hardware}: something else, the CPU most likely, gave "
                "these outputs"
            )
        told = self._page.call("facts")
        placed = self._placement()
        options: dict[str, Any] = {"nodes_by_provider": placed or "not told"}
        options["wasm_file"] = told["wasm_file"]  # its name says whether it has threads and SIMD
        flags = []
        if self._is_counted:
            options["dispatches_per_call"] = round(self._n_dispatched / max(self._n_calls, 1), 1)
        own_bytes = self._page.call("memory", _PAGE_MEMORY_WAIT_MS)
        options["page_memory_mb"] = "not told" if own_bytes is None else round(own_bytes / 1e6, 1)
        device_name = None
        if self._hardware == "webgpu":
            adapter = self._page.identified(told.get("adapter")) or {}
            if not adapter_names_itself(adapter):
                raise UnsupportedError(UNNAMED_ADAPTER)
            options["adapter"] = adapter
            device_name = adapter_name(adapter)
            if is_software_adapter(adapter):
                flags.append("software_adapter")
        used = told["webnn_devices"]
        if self._hardware == "webnn":
            options |= {"devices_used": used or "not told", "webnn_graphs": told["webnn_graphs"]}
            device_name = None if self.is_remote else webnn_device_name(used)
        on_another = self._runtime.device in ("gpu", "npu") and used == ["cpu"]
        if on_another or (self._is_counted and any(name in placed for name in _CPU_PROVIDERS)):
            flags.append("cpu_fallback")
        return Evidence(options, tuple(flags), device_name)

    def close(self) -> None:
        """End the browser and the server."""
        self._open.close()

    def _dispatches(self) -> int:
        return int(self._page.call("dispatches")[self._hardware]) if self._is_counted else 0

    def _placement(self) -> dict[str, int]:
        self._page.console.clear()
        self._page.call("open", {**self._asked, "verbose": True})
        placed: dict[str, int] = {}
        for provider, count in _PLACED.findall("\n".join(self._page.console)):
            placed[provider] = placed.get(provider, 0) + int(count)
        return placed


def _own_browser(hardware: str) -> Opener:
    """Opens pages in this host's browser for a platform. Raises `UnsupportedError` where there is none."""
    browser = browser_of(hardware)
    if browser is None:
        raise UnsupportedError("no browser is installed. Fix: install Chrome, Chromium, Edge or Firefox")

    @contextlib.contextmanager
    def opened(files: Mapping[str, Path | bytes]) -> Iterator[tuple[PageServer, Page]]:
        with PageServer(files) as server, page_in(browser, _FLAGS, n_threads=torch.get_num_threads()) as page:
            page.open(server.address)
            yield server, page

    return opened


def _served(export: KeptExport) -> dict[str, Path | bytes]:
    files: dict[str, Path | bytes] = {path.name: path for path in export.files}
    for index, tensor in enumerate(export.graph.inputs):
        files[f"inputs/{index}"] = np.ascontiguousarray(tensor.numpy()).tobytes()
    return files


def _names(graph: Graph) -> tuple[Sequence[str], Mapping[str, str]]:
    """The names of the file's inputs in order, and those of its primary outputs by the model's own."""
    import onnx

    described = onnx.load(str(graph.program), load_external_data=False).graph
    outputs = [value.name for value in described.output]
    return [value.name for value in described.input], {name: outputs[index] for name, index in graph.outputs.items()}
