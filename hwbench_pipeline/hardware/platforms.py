"""The platforms of the grid, as data: what runs each, and whether training steps make sense on it.

Belongs here: what is true of a platform on every machine, ours and those of other packages. Does not belong here: whether
this machine has it (`probing`), or how other packages are found (`plugins`).
"""

from __future__ import annotations

from dataclasses import dataclass

from hwbench_pipeline.hardware.plugins import Plugin, installed_plugins

_WEB_TRAINING = (
    "training steps are not run in a browser: its runtimes execute exported inference graphs and compute no gradients"
)


@dataclass(frozen=True)
class Platform:
    """One platform of the grid.

    `backend` is the software of this project's runner that executes models on it; None where this version has no
    runner. `torch_device` is the device string for platforms that torch runs. `no_training_reason` is None where
    training steps can run, else the text for rows with status `unsupported`. `plugin` is set where another package brings
    the platform.
    """

    key: str
    title: str
    backend: str | None
    torch_device: str | None = None
    no_training_reason: str | None = None
    plugin: Plugin | None = None

    @property
    def supports_training(self) -> bool:
        """Whether training steps make sense on it."""
        return self.no_training_reason is None


OWN_PLATFORMS: tuple[Platform, ...] = (
    Platform("cpu", "CPU", "torch", "cpu"),
    Platform("cuda", "NVIDIA GPU (CUDA)", "torch", "cuda"),
    # a ROCm build of torch answers to the device name cuda
    Platform("rocm", "AMD GPU (ROCm)", "torch", "cuda"),
    Platform("mps", "Apple GPU (Metal Performance Shaders)", "torch", "mps"),
    Platform(
        "openvino",
        "OpenVINO on the CPU",
        "openvino",
        no_training_reason="OpenVINO is an inference runtime: it computes no gradients, so there is no training step to run",
    ),
    Platform("webnn", "WebNN in a browser", "onnxruntime-web", no_training_reason=_WEB_TRAINING),
    Platform("webgpu", "WebGPU in a browser", "onnxruntime-web", no_training_reason=_WEB_TRAINING),
    Platform("wasm", "WebAssembly in a browser", "onnxruntime-web", no_training_reason=_WEB_TRAINING),
)

_OWN = {platform.key: platform for platform in OWN_PLATFORMS}


class UnknownHardwareError(ValueError):
    """A hardware key that is no platform of the grid."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"hardware {key!r} is not known; expected one of {', '.join(hardware_keys())}. Fix: use one of these keys; "
            "`hwbench hardware` shows which of them this machine has."
        )


def hardware_keys() -> tuple[str, ...]:
    """The keys of the grid: ours in their order, then those of other packages by name."""
    return (*_OWN, *installed_plugins().usable)


def platform_of(key: str) -> Platform:
    """The platform of a hardware key. Raises `UnknownHardwareError`."""
    if key in _OWN:
        return _OWN[key]
    plugin = installed_plugins().usable.get(key)
    if plugin is None:
        raise UnknownHardwareError(key)
    return Platform(
        key,
        f"{key}, from the package {plugin.package}",
        plugin.package,
        no_training_reason=f"{key} comes from the package {plugin.package}, and platforms of other packages run inference only",
        plugin=plugin,
    )


def platforms() -> tuple[Platform, ...]:
    """The platforms of the grid, in the order of `hardware_keys`."""
    return tuple(map(platform_of, hardware_keys()))


def torch_device(key: str) -> str:
    """The torch device string of a platform that torch runs: cpu, cuda (also for rocm) or mps.

    Raises `UnknownHardwareError` for an unknown key, ValueError for a platform that torch does not run.
    """
    device = platform_of(key).torch_device
    if device is None:
        runnable = ", ".join(platform.key for platform in OWN_PLATFORMS if platform.torch_device is not None)
        raise ValueError(
            f"hardware {key!r} is not run by torch, so it has no torch device; expected one of {runnable}. "
            "Fix: send this platform to its own backend."
        )
    return device
