"""torch, eager and compiled, on cpu, cuda, rocm and mps: forward passes, and generation with a key-value cache.

Belongs here: moving a workload to a torch device, running it, and waiting for it. Does not belong here: training
(`training/`) or building models (`catalog/`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch

from hwbench_pipeline.bench.backends.protocol import Session, SessionFacts, Workload
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.bench.memory import PeakMemory, measure_peak
from hwbench_pipeline.bench.plan import VARIANTS
from hwbench_pipeline.catalog.inputs import place_inputs
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.hardware.devices import DTYPES, UnsupportedError, compiler_needed, require_full_fp32, synchronizer
from hwbench_pipeline.hardware.platforms import torch_device

EAGER, COMPILE = VARIANTS["torch"]
_SEED = 0


def forward_outputs(model: Callable[..., Any], inputs: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """One forward call; its named outputs as fp32 arrays on the host.

    What a model draws at random in the call is the same every time; torch's random state is left as it was.
    """
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return {
            name: tensor.detach().to("cpu", torch.float32).numpy()
            for name, tensor in primary_output(model(**inputs)).items()
        }


@dataclass(frozen=True)
class TorchBackend:
    """torch on one device."""

    hardware: str
    device: torch.device
    variants: tuple[str, ...] = VARIANTS["torch"]
    attention: str | None = None

    @classmethod
    def for_hardware(cls, hardware: str) -> Self:
        """The backend for a hardware key."""
        return cls(hardware, torch.device(torch_device(hardware)))

    def prepare(self, workload: Workload) -> Session:
        """Move the model and the inputs to the device in the precision asked for; compile where that is asked for."""
        dtype = DTYPES.get(workload.precision)
        if dtype is None:
            raise UnsupportedError(
                f"torch runs {', '.join(DTYPES)} here, not {workload.precision}: its maintained integer kernels are those of "
                "torchao, which this version does not use. Fix: ask for one of these, or for openvino"
            )
        require_full_fp32(self.device)
        model = workload.model.to(self.device, dtype).eval()
        inputs = place_inputs(workload.inputs, device=self.device, dtype=dtype)
        facts = SessionFacts(
            backend="torch",
            backend_version=torch.__version__,
            threads_intra_op=torch.get_num_threads(),
            threads_inter_op=torch.get_num_interop_threads(),
            is_reference=self.device.type == "cpu" and dtype is torch.float32 and workload.variant == EAGER,
            options={
                "attention": getattr(model.config, "_attn_implementation", None),
                "class": type(model).__name__,
                "compile": workload.variant == COMPILE,
                "weights": "random",
            },
        )
        if workload.scenario == "generate":
            if workload.variant == COMPILE:
                raise UnsupportedError(
                    "generation is not compiled here: its cache grows with every token, and each length would be compiled "
                    "anew. Fix: --variant eager"
                )
            return TorchGeneration(self, facts, model, inputs, workload)
        if workload.variant == COMPILE:
            return _compiled(self, facts, model, inputs)
        return TorchForward(self, facts, model, inputs)


class TorchForward:
    """A forward pass."""

    def __init__(
        self, backend: TorchBackend, facts: SessionFacts, model: Callable[..., Any], inputs: Mapping[str, torch.Tensor]
    ) -> None:
        self.facts = facts
        self.sync = synchronizer(backend.device)
        self._hardware = backend.hardware
        self._model, self._inputs = model, inputs

    def run(self) -> None:
        """One forward pass."""
        with torch.inference_mode():
            self._model(**self._inputs)

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one forward pass."""
        return forward_outputs(self._model, self._inputs)

    def peak_memory(self) -> PeakMemory:
        """The peak of the device's allocator, or of the host where the device works in its memory."""
        return measure_peak(self._call, self._hardware)

    def _call(self) -> None:
        self.run()
        self.sync()


def _compiled(
    backend: TorchBackend, facts: SessionFacts, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]
) -> TorchForward:
    """The forward pass through `torch.compile`, whose first call compiles."""
    compiled = torch.compile(model, dynamic=False)
    session = TorchForward(backend, facts, compiled, inputs)
    start = time.perf_counter()
    with compiler_needed():
        session.run()
        session.sync()
    compile_ms = (time.perf_counter() - start) * 1e3
    session.facts = SessionFacts(**{**vars(facts), "compile_ms": compile_ms})
    return session


class TorchGeneration:
    """A generation of a fixed number of tokens with a key-value cache, on forced tokens."""

    def __init__(
        self,
        backend: TorchBackend,
        facts: SessionFacts,
        model: torch.nn.Module,
        inputs: Mapping[str, torch.Tensor],
        workload: Workload,
    ) -> None:
        assert workload.forced_tokens is not None
        self._tokens = workload.forced_tokens.to(backend.device)
        self.facts = SessionFacts(**{**vars(facts), "options": {**facts.options, "new_tokens": self._tokens.shape[1]}})
        self.sync = synchronizer(backend.device)
        self._hardware = backend.hardware
        self._model: Any = model
        self._prompt = dict(inputs)
        self._kept: dict[str, Any] = {}
        self._n_done = 0

    def begin(self) -> torch.Tensor:
        """Run the prompt with an empty cache. Returns the logits of the first token."""
        self._n_done = 1
        with torch.inference_mode():
            prompt = self._prompt
            if self._model.config.is_encoder_decoder:
                names = [name for name in prompt if not name.startswith("decoder_")]
                encoded = self._model.get_encoder()(**{name: prompt[name] for name in names})
                self._kept = {"encoder_outputs": encoded}
                if "attention_mask" in prompt:
                    self._kept["attention_mask"] = prompt["attention_mask"]
                start = torch.full_like(self._tokens[:, :1], self._model.config.decoder_start_token_id)
                return self._answer(decoder_input_ids=start)
            self._kept = {"attention_mask": prompt["attention_mask"]}
            return self._answer(**{name: value for name, value in prompt.items() if name != "attention_mask"})

    def step(self) -> torch.Tensor:
        """Run the next forced token with the cache. Returns the logits of the one after it."""
        with torch.inference_mode():
            token = self._tokens[:, self._n_done - 1 : self._n_done]
            self._n_done += 1
            if self._model.config.is_encoder_decoder:
                return self._answer(decoder_input_ids=token)
            mask = self._kept["attention_mask"]
            self._kept["attention_mask"] = torch.cat([mask, mask.new_ones(mask.shape[0], 1)], dim=1)
            return self._answer(input_ids=token)

    def _answer(self, **inputs: Any) -> torch.Tensor:
        output = self._model(**self._kept, **inputs, use_cache=True)
        self._kept["past_key_values"] = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def run(self) -> None:
        """One generation."""
        self.begin()
        for _ in range(self._tokens.shape[1] - 1):
            self.step()

    def outputs(self) -> dict[str, Array]:
        """The logits at every token."""
        logits = [self.begin(), *(self.step() for _ in range(self._tokens.shape[1] - 1))]
        return {"logits": torch.stack(logits, dim=1).to("cpu", torch.float32).numpy()}

    def peak_memory(self) -> PeakMemory:
        """As of a forward pass; the cache is full at its end."""
        return measure_peak(self._call, self._hardware)

    def _call(self) -> None:
        self.run()
        self.sync()
