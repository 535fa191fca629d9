"""What a backend is: the small protocol through which the engine runs a model on any runtime and device.

Belongs here: the protocol and the plain values that cross it, for the backends of this package and for those of other
packages, which are found through the entry-point group `ENTRY_POINT_GROUP`. Does not belong here: any runtime, the choice of
a backend for a hardware key, or what the engine does with the answers.

A session is used in this order, in the cell's own process: `Backend.prepare` → `Session.outputs` (verify) → `run` and `sync`
again and again (warm up, sample) → `reset_memory`, `run`, `sync`, `memory` (a pass of its own) → `close`.
Importing this module imports no runtime: neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Array = npt.NDArray[np.floating[Any]]

ENTRY_POINT_GROUP = "hwbench_pipeline.backends"
"""Each entry point is named by its hardware key and gives, when called without arguments, a `Backend`."""

SCENARIOS = ("forward", "prefill", "decode", "generate")
"""What one timed call of an inference session is: a forward pass; the prompt up to the first token, filling a new cache;
one further token with a full cache; a whole generation of a fixed number of tokens."""


@dataclass(frozen=True)
class Workload:
    """What to run: a model in fp32 on the CPU in eval mode, the inputs of one call, and how to compute.

    `variant` is one of `Backend.variants`. `forced_tokens` (items × output tokens, int64, on the CPU) are what a generating
    session feeds itself instead of its own choice, which it computes all the same: every backend and precision then does
    the same work on the same tokens. `threads` is the number of threads inside one operation; None leaves the runtime's
    own choice.
    """

    model: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    precision: str
    scenario: str
    variant: str
    forced_tokens: torch.Tensor | None = None
    threads: int | None = None


@dataclass(frozen=True)
class SessionFacts:
    """What is known of a session once it is prepared; it goes into the row.

    `options` are the settings in effect, read back from the runtime where it tells: device, compile, hint, streams,
    attention, how weights are stored. `compute_precision` is what the arithmetic runs in, which for compressed weights is
    not the precision of the row; the roofline needs it. `weight_bytes` are the weights as this session stores them.
    `waits_by` says how `sync` waits (`torch.cuda.synchronize`, `InferRequest.wait`, `calls return finished`). `threads_*` are read
    back, None where the runtime does not tell. `compile_ms` is None where nothing is converted or compiled.
    `is_reference` says that this very module gave the reference outputs, so that its first call lies behind it.
    `libraries` are further distributions that take part, with their versions.
    """

    backend: str
    backend_version: str
    compute_precision: str
    waits_by: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weight_bytes: int | None = None
    compile_ms: float | None = None
    threads_intra_op: int | None = None
    threads_inter_op: int | None = None
    is_reference: bool = False
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryReading:
    """One way of reading memory, in MB (1e6 bytes), and what it covers.

    `name` is the way: `rss_tree`, `torch_allocated`, `torch_reserved`, `nvml_process`, … `megabytes` is None where it cannot be read,
    and `method` then says why.
    """

    name: str
    megabytes: float | None
    method: str


@dataclass(frozen=True)
class StreamSamples:
    """Requests of a session that keeps several in flight: the latency of each in milliseconds, in order of completion.

    `wall_s` is the time from the first start to the last completion: throughput is requests over it, never one over a
    latency. `in_flight` is how many requests were under way at once.
    """

    latencies_ms: list[float]
    wall_s: float
    in_flight: int


@runtime_checkable
class Session(Protocol):
    """A workload on a device, ready to be run."""

    @property
    def facts(self) -> SessionFacts:
        """What is known of the session."""
        ...

    def run(self) -> object:
        """Run one call of the scenario. May return before the device has finished; `sync` waits for it."""
        ...

    def sync(self) -> object:
        """Return when the device has finished all that `run` gave it."""
        ...

    def outputs(self) -> dict[str, Array]:
        """Run one call and give its named outputs as fp32 arrays on the host, for comparison with the reference.

        Of a generating session: the logits at each forced token, items × tokens × vocabulary, under the name `logits`.
        """
        ...

    def reset_memory(self) -> object:
        """Begin a new peak, where the runtime counts one."""
        ...

    def memory(self) -> tuple[MemoryReading, ...]:
        """The peaks since `reset_memory`, of the device or the runtime; empty for what works in the host's memory alone."""
        ...

    def close(self) -> object:
        """Give back what the session holds of the device."""
        ...


@runtime_checkable
class TokenSession(Session, Protocol):
    """A session that generates token by token; its `run` is `begin` and then `step` for every further forced token."""

    def begin(self) -> object:
        """Forget the cache, run the prompt, and choose the first token."""
        ...

    def step(self) -> object:
        """Run one further token with the cache. Raises IndexError when all forced tokens are used up."""
        ...


@runtime_checkable
class StreamSession(Session, Protocol):
    """A session that keeps several requests in flight (asynchronous, throughput)."""

    def stream(self, *, min_requests: int, min_duration_s: float, max_duration_s: float) -> StreamSamples:
        """Keep the device busy until both minima are met or the maximum is, and drain what is still under way."""
        ...


@dataclass(frozen=True)
class DeviceCondition:
    """A device's state at one moment; None is what cannot be read.

    `throttle_reasons` are the driver's own words for what holds the clock down now, empty where it says nothing does.
    """

    clock_mhz: float | None = None
    temperature_c: float | None = None
    power_limit_w: float | None = None
    throttle_reasons: tuple[str, ...] | None = None


@dataclass(frozen=True)
class EnergyCounter:
    """A hardware counter of energy at one moment: joules since some beginning, and where they are read.

    `joules` is None where there is no counter or it cannot be read, and `source` then says why. Never an estimate. A counter
    that wraps around is unwrapped by whoever reads it.
    """

    joules: float | None
    source: str


class DeviceMonitor(Protocol):
    """What can be read of a device beside the runtime (NVML, amdsmi, RAPL); nothing here disturbs it."""

    def condition(self) -> DeviceCondition:
        """The device's state now."""
        ...

    def energy(self) -> EnergyCounter:
        """The device's energy counter now."""
        ...


@dataclass(frozen=True)
class ProbeAnswer:
    """What a backend finds out about its device.

    `reason` is None where cells can run here; else it says why not, with the fix, and `absence` the kind of why: `no_hardware`,
    `unsupported` or `failed`. `transcript` is what was asked and answered, word for word and short. `precisions` are those that
    really ran when tried, or that the device says it computes in. Memory in MB (1e6 bytes). All values are JSON values: the
    answer comes from a process of its own.
    """

    transcript: tuple[str, ...]
    reason: str | None = None
    absence: str | None = None
    device_name: str | None = None
    device_memory_mb: float | None = None
    driver_version: str | None = None
    backend_version: str | None = None
    precisions: tuple[str, ...] | None = None


class Backend(Protocol):
    """One runtime on one kind of device: everything the project asks of a new platform.

    Making a backend imports no runtime; `probe` and `prepare` do.
    """

    @property
    def key(self) -> str:
        """The hardware key: lower-case letters, digits and `. _ -`; for another package's backend, its entry point's name."""
        ...

    @property
    def title(self) -> str:
        """The platform as people read it."""
        ...

    @property
    def software(self) -> str:
        """The runtime, as the row's `backend` names it."""
        ...

    @property
    def variants(self) -> tuple[str, ...]:
        """The ways it can run a workload, the default first: `eager`, `compile`; `latency`, `throughput`, …"""
        ...

    @property
    def attention(self) -> str | None:
        """The attention implementation to build models with: `eager` where the runtime traces them; None for the model's own."""
        ...

    @property
    def no_training_reason(self) -> str | None:
        """Why there are no training steps on it, or None where torch trains on it."""
        ...

    def probe(self) -> ProbeAnswer:
        """Ask the device. Called in a process of its own, which is killed when it takes too long."""
        ...

    def prepare(self, workload: Workload) -> Session:
        """Make a workload ready: a `TokenSession` for generation, a `StreamSession` for variants that keep several in flight.

        Raises `hardware.devices.UnsupportedError` with the reason for what the runtime does not offer.
        """
        ...

    def monitor(self) -> DeviceMonitor | None:
        """What reads the device beside the runtime; None where there is nothing to read."""
        ...
