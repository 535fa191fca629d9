"""Models in a browser's page by onnxruntime-web: the session that the engine measures, and the proof of what ran it.

Belongs here: what is asked of the page, and what its answers mean. Does not belong here: bytes and headers (`serving`),
processes and their deaths (`browser`, `firefox`), or the export (`bench.backends.onnx_files`).
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwbench_pipeline.bench.backends.onnx_files import graphs_told
from hwbench_pipeline.bench.backends.onnx_store import (
    MODEL_FILE,
    KeptExport,
    KeptGeneration,
    kept_export,
    kept_generation,
)
from hwbench_pipeline.bench.backends.protocol import Evidence, Session, SessionFacts, TokenTimes, Workload
from hwbench_pipeline.bench.backends.web.pages import Page, page_in
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.bench.memory import CALLS, PeakMemory
from hwbench_pipeline.bench.plan import WEB_VARIANTS
from hwbench_pipeline.catalog.exporting import ROUTES, TRACED, Graph, computed_outside, graph_inputs
from hwbench_pipeline.catalog.generating import LOGITS, TokenCall, handed_on
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
_GRAPH_BEGINS = "hwbench graph: "
"""How the page's log says of which graph the runtime logs next."""
CACHE_AT: Mapping[str, str] = {"webgpu": "gpu-buffer"}
"""Where the runtime is asked to leave what one graph hands on to the next, by hardware key; else in the page's memory."""
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
        opener = self.opener or _own_browser(self.hardware)
        if web_runtime_version() is None:
            raise UnsupportedError(f"onnxruntime-web is not installed. Fix: {RUNTIME_FIX}")
        route = workload.route or TRACED
        inputs: Mapping[str, torch.Tensor] = workload.inputs
        tokens = workload.forced_tokens
        export: KeptExport | KeptGeneration
        told: dict[str, Any]
        if tokens is None:
            inputs = graph_inputs(workload.model, inputs)
            export = kept_export(workload.model, inputs, route)
            given = _given_forward(export)
            told = export.graph.options
        else:
            export = kept_generation(workload.model, inputs, tokens, route)
            kept_at = CACHE_AT.get(self.hardware)
            given = _given_stages(export, TokenCall.of(workload.model, inputs, tokens), kept_at)
            told = {"new_tokens": tokens.shape[1], **graphs_told(export.stages)}
        session = WebSession if tokens is None else WebGeneration
        return session(
            self,
            workload,
            given,
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
                **told,
            },
        )


class WebSession:
    """A model in a page, whose call is a forward pass. The page's clock times it; `evidence` says what ran it.

    `session_ms` is what making the runtime's session took, in milliseconds by the page's clock.
    """

    def __init__(
        self,
        backend: WebBackend,
        workload: Workload,
        given: Given,
        runtime: Runtime,
        opener: Opener,
        options: Mapping[str, Any],
    ) -> None:
        self._hardware = backend.hardware
        self._runtime = runtime
        self._given = given
        self._open = contextlib.ExitStack()
        self._is_counted = backend.hardware in ("webgpu", "webnn")
        self._n_calls = 0
        self._n_dispatched = 0
        try:
            self._server, self._page = self._open.enter_context(opener(given.files))
            self.is_remote = self._page.is_remote
            self._asked = self._request(workload)
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

    def _request(self, workload: Workload) -> dict[str, Any]:
        return {
            "title": f"{type(workload.model).__name__} on {self._hardware}",
            "bundle": self._runtime.bundle,
            "providers": self._runtime.providers,
            "threads": self._page.n_threads,
            "graphs": self._given.graphs,
            "inputs": self._given.inputs,
            "further": self._given.further,
            "verbose": False,
        }

    def run(self) -> None:
        """One call; returns when its outputs are read back."""
        self.timed_run()

    def sync(self) -> None:
        """Nothing: a call returns finished."""

    def timed_run(self) -> float:
        """One call in milliseconds by the page's clock, the outputs' way back to the page's memory included."""
        took: float = self._called("run")
        return took

    def _called(self, name: str) -> Any:
        """What a call of the page's gives, its dispatches counted."""
        before = self._dispatches()
        given = self._page.call(name)
        self._n_calls += 1
        self._n_dispatched += self._dispatches() - before
        return given

    def make_again(self) -> float:
        """End the page's session and make it anew in the same page. Returns what making it took, in milliseconds."""
        took: float = self._page.call("open", self._asked)["session_ms"]
        return took

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one call."""
        told = self._page.call("outputs")
        return {name: self._sent(told[onnx_name]) for name, onnx_name in self._given.outputs.items()}

    def _sent(self, output: Mapping[str, Any]) -> Array:
        data = np.frombuffer(self._server.outputs[output["index"]], dtype=np.dtype(output["type"]))
        return data.reshape(output["dims"]).astype(np.float32)

    def peak_memory(self) -> PeakMemory:
        """The peak of what the browser's processes hold, asked for again and again while the calls run."""
        at_rest = self._page.memory()
        if at_rest is None:
            return PeakMemory(None, "not read: the browser is on another computer, whose processes are not seen here")
        held = [at_rest]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_POLL_S):
                if (now := self._page.memory()) is not None:
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
        by_graph = self._placement()
        if self._is_counted:
            _require_on_device(by_graph, self._hardware)
        placed = _summed(by_graph.values())
        options: dict[str, Any] = {"nodes_by_provider": placed or "not told"}
        if graphs := self.facts.options.get("graphs"):
            options["graphs"] = [
                {**graph, "nodes_by_provider": by_graph.get(graph["name"]) or "not told"} for graph in graphs
            ]
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

    def _placement(self) -> dict[str, dict[str, int]]:
        """Nodes by provider of each graph."""
        self._page.console.clear()
        self._page.call("open", {**self._asked, "verbose": True})
        placed: dict[str, dict[str, int]] = {}
        for line in self._page.console:
            if line.startswith(_GRAPH_BEGINS):
                of_graph = placed.setdefault(line.removeprefix(_GRAPH_BEGINS), {})
            for provider, count in _PLACED.findall(line):
                of_graph[provider] = of_graph.get(provider, 0) + int(count)
        return placed


class WebGeneration(WebSession):
    """A generation in a page, which hands the cache from graph to graph and times each token."""

    _cache_at: Sequence[str] = ()

    def timed_tokens(self) -> TokenTimes:
        """One generation by the page's clock; a token is there when its logits are in the page's memory."""
        first, *further = self._called("generate")
        return TokenTimes(first, tuple(further))

    def timed_run(self) -> float:
        """One generation in milliseconds by the page's clock."""
        times = self.timed_tokens()
        return times.first_ms + sum(times.further_ms)

    def outputs(self) -> dict[str, Array]:
        """The logits at every token."""
        told = self._page.call("logits")
        self._cache_at = told["cache_at"]
        return {LOGITS: np.stack([self._sent(token) for token in told["tokens"]], axis=1)}

    def evidence(self) -> Evidence:
        """As of a forward pass, and where the cache lay between two calls of a graph."""
        found = super().evidence()
        return replace(found, options={**found.options, "cache_at": list(self._cache_at) or "not told"})


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


def _require_on_device(by_graph: Mapping[str, Mapping[str, int]], hardware: str) -> None:
    """Raise `NotOnDeviceError` for a graph that the CPU ran alone: the dispatches of another would hide it."""
    for name, counts in by_graph.items():
        if counts and set(counts) <= set(_CPU_PROVIDERS):
            raise NotOnDeviceError(f"the CPU ran the whole graph {name}, and nothing of it was given to {hardware}")


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for of_graph in counts:
        for provider, count in of_graph.items():
            total[provider] = total.get(provider, 0) + count
    return total


@dataclass(frozen=True)
class Given:
    """What a page is given: files by the URL they are served under, and what `session.js` is told of them.

    `outputs` are the names of a forward pass's primary outputs in the file, by the model's own.
    """

    files: Mapping[str, Path | bytes]
    graphs: Sequence[Mapping[str, Any]]
    inputs: Sequence[Mapping[str, Any]]
    further: Sequence[Sequence[Mapping[str, Any]]] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


def _given_forward(export: KeptExport) -> Given:
    names_in, names_out = _names(export.graph)
    beside = [path.name for path in export.files if path.name != MODEL_FILE]
    graph = _graph("model", "", MODEL_FILE, beside, list(names_out.values()))
    inputs = [
        _told_of(name, f"inputs/{index}", tensor)
        for index, (name, tensor) in enumerate(zip(names_in, export.graph.inputs, strict=True))
    ]
    return Given(_served(export), [graph], inputs, outputs=names_out)


def _given_stages(export: KeptGeneration, call: TokenCall, kept_at: str | None) -> Given:
    import onnx

    files: dict[str, Path | bytes] = {}
    graphs = []
    for stage in export.stages:
        folder = f"{stage.name}/"
        files |= {f"{folder}{path.name}": path for path in stage.files}
        described = onnx.load(str(stage.path), load_external_data=False).graph
        outputs = [value.name for value in described.output]
        beside = [path.name for path in stage.files if path != stage.path]
        graphs.append(
            {
                **_graph(stage.name, folder, stage.path.name, beside, outputs),
                "handed_on": {name: handed_on(name) for name in outputs},
                "kept_at": {name: kept_at for name in outputs if name != LOGITS} if kept_at else None,
            }
        )

    def told(place: str, tensors: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
        files.update({f"{place}/{name}": _bytes_of(tensor) for name, tensor in tensors.items()})
        return [_told_of(name, f"{place}/{name}", tensor) for name, tensor in tensors.items()]

    inputs = told("inputs", call.known)
    further = [told(f"further/{index}", brought) for index, brought in enumerate(call.further)]
    return Given(files, graphs, inputs, further)


def _graph(name: str, folder: str, model: str, beside: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
    """What the page is told of a graph: its file, and the weights beside it, in a folder of the server."""
    return {
        "name": name,
        "model": f"{folder}{model}",
        "external": [{"path": path, "url": f"{folder}{path}"} for path in beside],
        "outputs": list(outputs),
    }


def _told_of(name: str, url: str, tensor: torch.Tensor) -> dict[str, Any]:
    return {"name": name, "url": url, "type": _TYPES[tensor.dtype], "dims": list(tensor.shape)}


def _bytes_of(tensor: torch.Tensor) -> bytes:
    return np.ascontiguousarray(tensor.numpy()).tobytes()


def _served(export: KeptExport) -> dict[str, Path | bytes]:
    files: dict[str, Path | bytes] = {path.name: path for path in export.files}
    for index, tensor in enumerate(export.graph.inputs):
        files[f"inputs/{index}"] = _bytes_of(tensor)
    return files


def _names(graph: Graph) -> tuple[Sequence[str], Mapping[str, str]]:
    """The names of the file's inputs in order, and those of its primary outputs by the model's own."""
    import onnx

    described = onnx.load(str(graph.program), load_external_data=False).graph
    outputs = [value.name for value in described.output]
    return [value.name for value in described.input], {name: outputs[index] for name, index in graph.outputs.items()}
