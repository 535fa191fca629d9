"""What a backend is: the small protocol through which the engine runs a model on any runtime and device.

Belongs here: the protocol and the plain values that cross it, for the backends of this package and for those of other
packages. Does not belong here: any runtime, the choice of a backend for a hardware key (`bench.backends`), or what the engine
does with the answers. Importing this module imports no runtime: neither torch nor numpy.

A session is used in this order, in the cell's own process: `Backend.prepare` → `outputs` (verify) → `peak_memory` (a
pass of its own) → `run` and `sync` again and again (warm up, sample).

A backend whose runtime needs a graph may have a further attribute `routes`: the names of the ways to one, the best first. The
next is tried where one fails or gives a wrong output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from hwbench_pipeline.bench.judging import Array
    from hwbench_pipeline.bench.memory import PeakMemory

SCENARIOS = ("forward", "generate")
"""What one timed call of an inference session is: a forward pass; a generation of a fixed number of tokens. A model from the
waveform on is a forward pass to a session, of a module that begins with the feature extraction."""


@dataclass(frozen=True)
class Workload:
    """What to run: a model in fp32 on the CPU in eval mode, the inputs of one call, and how to compute.

    `variant` is one of `Backend.variants`. `forced_tokens` (items × output tokens) are what a generating session feeds
    itself in place of its own choice: every backend and precision then does the same work on the same tokens. `route` is
    one of the backend's routes to a graph, None where it has none.
    """

    model: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    precision: str
    variant: str
    scenario: str = "forward"
    forced_tokens: torch.Tensor | None = None
    route: str | None = None


@dataclass(frozen=True)
class SessionFacts:
    """What is known of a session once it is prepared; it goes into the row.

    `options` are the settings in effect, read back from the runtime where it tells. `threads_*` are read back, None where
    the runtime does not tell. `compile_ms` is None where nothing is converted or compiled. `is_reference` says that this
    very module gave the reference outputs, so that its first call lies behind it. `libraries` are further distributions
    that take part, with their versions.
    """

    backend: str
    backend_version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    compile_ms: float | None = None
    threads_intra_op: int | None = None
    threads_inter_op: int | None = None
    is_reference: bool = False
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamSamples:
    """Requests of a session that keeps several in flight: the latency of each in milliseconds, in order of completion.

    `wall_s` is the time from the first start to the last completion: throughput is requests over it, not one over a
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

    def peak_memory(self) -> PeakMemory:
        """Run a few calls and read the peak of the memory the session works in, with the method in words."""
        ...


@runtime_checkable
class TokenSession(Session, Protocol):
    """A session that generates token by token; its `run` is `begin` and then `step` for every further forced token."""

    def begin(self) -> object:
        """Forget the cache and run the prompt, which gives the first token."""
        ...

    def step(self) -> object:
        """Run one further token with the cache."""
        ...


@runtime_checkable
class StreamSession(Session, Protocol):
    """A session that keeps several requests in flight (asynchronous, throughput)."""

    def stream(self, *, min_requests: int, min_duration_s: float, max_duration_s: float) -> StreamSamples:
        """Keep the device busy until both minima are met or the maximum is, and drain what is still under way."""
        ...

    def outputs_in_flight(self) -> list[dict[str, Array]]:
        """Run as many requests as `stream` keeps under way, at once, and give the named outputs of each."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What ran the calls of a session, found out afterwards: options and validity flags that the row gets beside the others.

    `device_name` is the device's own name, None where nothing but the platform's probe told one.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    device_name: str | None = None


class ProgramFailedError(Exception):
    """The program that a distant session works in did not start, or has ended: another route to a graph would not mend that."""


@runtime_checkable
class DistantSession(Session, Protocol):
    """A session whose work is done in another program, a browser's page for example, which times it by its own clock.

    One with a true attribute `is_remote` works on another computer: this host's condition says nothing of its numbers.
    """

    def timed_run(self) -> float:
        """One call, finished, in milliseconds by the clock beside the work: the way there and back is no part of it."""
        ...

    def evidence(self) -> Evidence:
        """What really ran the calls so far. May raise where it was not what was asked for."""
        ...

    def close(self) -> object:
        """End what was started for it."""
        ...


@dataclass(frozen=True)
class TokenTimes:
    """Milliseconds of one generation: to its first token, and from each token to the next. They add up to the whole call."""

    first_ms: float
    further_ms: tuple[float, ...]


@runtime_checkable
class DistantTokenSession(DistantSession, Protocol):
    """A distant session whose call is a generation: it cannot be a `TokenSession`, whose tokens this process would time.

    Its `timed_run` is the sum of what `timed_tokens` gives.
    """

    def timed_tokens(self) -> TokenTimes:
        """One generation, finished, by the clock beside the work; each token's logits are read back before the next step."""
        ...


@dataclass(frozen=True)
class ProbeAnswer:
    """What a platform of another package answers when it is asked for its device.

    `reason` is None where cells can run here, else why not, with the fix. `transcript` is what was asked and what it
    answered, in words. `device_memory_mb` is in MB (1e6 bytes). What is not known is None.
    """

    reason: str | None
    transcript: str
    device_name: str | None = None
    device_memory_mb: float | None = None
    driver_version: str | None = None
    runtime_version: str | None = None
    precisions: tuple[str, ...] | None = None


@runtime_checkable
class Backend(Protocol):
    """One runtime on one kind of device. Making a backend imports no runtime it can do without; `prepare` does."""

    @property
    def variants(self) -> tuple[str, ...]:
        """The ways it can run a workload, the default first: `eager`, `compile`; `latency`, `throughput`, …"""
        ...

    @property
    def attention(self) -> str | None:
        """The attention implementation to build models with: `eager` where the runtime traces them; None for the model's own."""
        ...

    def prepare(self, workload: Workload) -> Session:
        """Make a workload ready: a `TokenSession` or `DistantTokenSession` for generation, a `StreamSession` for variants that keep several in flight.

        Raises `hardware.devices.UnsupportedError` with the reason for what the runtime does not offer.
        """
        ...


@runtime_checkable
class PlatformBackend(Backend, Protocol):
    """A backend of another package, which brings a platform of its own (entry-point group of `hardware.plugins`).

    The engine asks it for its device before anything else, in a process of its own.
    """

    @property
    def title(self) -> str:
        """The platform in words."""
        ...

    @property
    def runtime(self) -> str:
        """The software that runs models on it, as rows name it: that of `SessionFacts.backend`."""
        ...

    @property
    def computes_on_host_cpu(self) -> bool:
        """Whether it computes on this host's CPU, so that the CPU's measured peaks are its ceiling too. Where not, its rows
        have no roofline time: nothing here measures the peaks of its device."""
        ...

    def probe(self) -> ProbeAnswer:
        """Ask for the device. May raise: that becomes the reason why it is absent."""
        ...
