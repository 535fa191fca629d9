"""The runtimes that can execute a model, one module each, and the protocol they keep (`protocol`).

Belongs here: the choice of backend for a hardware key. Only `backends/<x>` imports `<x>`'s runtime.
"""

from __future__ import annotations

from hwbench_pipeline.bench.backends.protocol import Backend


def backend_for(hardware: str, variant: str | None = None) -> Backend:
    """The backend that runs a variant (None: the usual one) on a hardware key's platform, ours or that of another package.

    Raises `UnsupportedError` where this version has none, `PluginError` or what its own code raises where another
    package's cannot be made.
    """
    from hwbench_pipeline.bench.plan import backend_of
    from hwbench_pipeline.hardware.devices import UnsupportedError
    from hwbench_pipeline.hardware.platforms import platform_of

    platform = platform_of(hardware)
    if platform.plugin is not None:
        brought: Backend = platform.plugin.load()
        return brought
    backend = backend_of(hardware, variant)
    if backend == "onnxruntime":
        from hwbench_pipeline.bench.backends.onnxruntime import OnnxruntimeBackend

        return OnnxruntimeBackend()
    if backend == "openvino":
        from hwbench_pipeline.bench.backends.openvino import OpenvinoBackend

        return OpenvinoBackend()
    if backend == "onnxruntime-web":
        from hwbench_pipeline.bench.backends.web.backend import WebBackend

        return WebBackend(hardware)
    if backend is None:
        raise UnsupportedError(f"this version has no runner for {hardware}. Fix: `hwbench hardware` shows what has one")
    from hwbench_pipeline.bench.backends.torch import TorchBackend

    return TorchBackend.for_hardware(hardware)
