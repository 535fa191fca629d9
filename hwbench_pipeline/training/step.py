"""One training step: forward with a loss, backward, optimizer.

Belongs here: what a step does on one device. Does not belong here: timing whole steps (`bench/`), making labels (`catalog/`), or
the parts of a recipe (`optimizers`, `adapters`, `batches`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any, Self

import torch

from hwbench_pipeline.catalog.inputs import place_inputs
from hwbench_pipeline.catalog.labels import SURROGATE, make_labels, training_loss_kind
from hwbench_pipeline.hardware.devices import (
    DTYPES,
    UnsupportedError,
    compiler_needed,
    require_full_fp32,
    synchronizer,
)
from hwbench_pipeline.hardware.platforms import torch_device
from hwbench_pipeline.training.adapters import adapter_libraries, add_adapters
from hwbench_pipeline.training.batches import MicroBatch, cut_batch, whole_batch
from hwbench_pipeline.training.learning import LEARNING_STEPS, has_fallen, same_draws
from hwbench_pipeline.training.optimizers import make_optimizer
from hwbench_pipeline.training.phases import PhaseClock
from hwbench_pipeline.training.recipe import Recipe
from hwbench_pipeline.training.surrogate import SurrogateLoss

_PRECISION_METHODS = {"fp32": "as stored", "bf16": "autocast", "fp16": "autocast, gradients scaled"}
_SCALED_ON = ("cpu", "cuda")
"""Devices whose fp16 gradients torch's GradScaler is made for."""


class LossError(Exception):
    """The loss is not a number: no training took place."""


class NotLearningError(LossError):
    """The loss of the fixed batch does not fall: the steps trained nothing that shows."""


class TrainingStep:
    """A model in train mode with its optimizer and one fixed batch; calling it makes one optimizer step.

    `losses` holds the loss of every step so far, `phases` when the parts of each ended; `options` says what a step consists of.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        batches: list[MicroBatch],
        recipe: Recipe,
        device: torch.device,
        *,
        precision: str,
        has_own_loss: bool,
        is_compiled: bool = False,
        options: dict[str, Any],
        libraries: dict[str, str],
    ) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        self.options, self.libraries = options, libraries
        self.optimizer = make_optimizer(recipe, model.parameters())
        self.losses: list[torch.Tensor] = []
        self.phases = PhaseClock(device)
        self.backend_version = torch.__version__
        self.threads = [torch.get_num_threads(), torch.get_num_interop_threads()]
        self._batches, self._has_own_loss = batches, has_own_loss
        self._surrogate = SurrogateLoss()
        self._autocast_dtype = None if precision == "fp32" else DTYPES[precision]
        self._scaler = torch.amp.GradScaler(device.type) if precision == "fp16" else None
        self._is_compiled = is_compiled
        self._measured: Any = torch.compile(model, dynamic=False) if is_compiled else model
        self._synchronize = synchronizer(device)

    @classmethod
    def prepare(
        cls,
        hardware: str,
        key: str,
        model: torch.nn.Module,
        inputs: Mapping[str, torch.Tensor],
        *,
        precision: str,
        seed: int,
        recipe: Recipe | None = None,
        part: Mapping[str, torch.Tensor] | None = None,
        own_loss: bool = True,
        is_compiled: bool = False,
    ) -> Self:
        """A step on the model's own loss where it has one and `own_loss`, else on a surrogate.

        `recipe` None is the usual one. `part` has the shapes of one micro-batch, where the recipe cuts the batch into some.
        fp32 trains as it is, bf16 and fp16 under autocast with fp32 weights, fp16 with its gradients scaled. Raises
        `UnsupportedError` for what the device or the model cannot do.
        """
        recipe = (recipe or Recipe()).resolved()
        device = torch.device(torch_device(hardware))
        require_full_fp32(device)
        _require_precision(precision, device)
        config: Any = model.config
        batches = _batches_of(key, config, inputs, part, recipe, device, seed=seed, own_loss=own_loss)
        has_labels = own_loss and training_loss_kind(key) != "surrogate"
        options: dict[str, Any] = {
            "attention": getattr(model.config, "_attn_implementation", None),
            "class": type(model).__name__,
            "learning_rate": recipe.rate,
            "loss": training_loss_kind(key) if has_labels else SURROGATE,
            "precision_method": _PRECISION_METHODS[precision],
            "weights": "random",
        }
        libraries: dict[str, str] = {}
        if recipe.lora_rank is not None:
            options |= add_adapters(model, recipe.lora_rank)
            libraries |= adapter_libraries()
        if recipe.checkpointing:
            _switch_on_checkpointing(model)
            options["gradient_checkpointing"] = True
        if recipe.accumulation_steps > 1:
            options["gradient_accumulation_steps"] = recipe.accumulation_steps
        if is_compiled:
            options["compile"] = True
        step = cls(
            model.to(device).train(),
            batches,
            recipe,
            device,
            precision=precision,
            has_own_loss=has_labels,
            is_compiled=is_compiled,
            options=options,
            libraries=libraries,
        )
        step.options["optimizer"] = type(step.optimizer).__name__
        return step

    def __call__(self) -> None:
        """One optimizer step, until the device has finished it."""
        loss = self.compute_gradients()
        if not self.losses:
            self._require_gradients()
        self.apply_gradients()
        self._synchronize()
        self.losses.append(loss)

    def forward_loss(self) -> torch.Tensor:
        """The first micro-batch's part of the loss, with all that its backward pass needs."""
        return self._loss(self._measured, self._batches[0])

    def compute_gradients(self) -> torch.Tensor:
        """Forward and backward over every micro-batch. Returns the loss of the whole batch."""
        self.phases.begin()
        total: torch.Tensor | None = None
        for batch in self._batches:
            loss = self._loss(self._measured, batch)
            self.phases.end("forward")
            (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
            total = loss.detach() if total is None else total + loss.detach()
            self.phases.end("backward")
        assert total is not None
        return total

    def apply_gradients(self) -> None:
        """The optimizer's part: change the weights, and forget the gradients."""
        if self._scaler is None:
            self.optimizer.step()
        else:
            self._scaler.step(self.optimizer)
            self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.phases.end("optimizer")

    def compile(self) -> None:
        """The first step of a compiled model, which compiles it. Raises `UnsupportedError` without a compiler."""
        with compiler_needed():
            self()

    def loss_without_dropout(self) -> float:
        """The batch's loss with the weights as they are and nothing dropped by chance: two devices agree on it."""
        self.model.eval()
        try:
            # some models draw noise in any mode
            with compiler_needed() if self._is_compiled else contextlib.nullcontext(), same_draws(self.device):
                return self._loss_without_gradient(self._measured)
        finally:
            self.model.train()

    def loss_with_same_draws(self) -> float:
        """The batch's loss in training mode, with the same draws every time: what changes it is the weights."""
        with same_draws(self.device):
            return self._loss_without_gradient(self.model)

    def require_learning(self, before: float) -> None:
        """Raise unless the batch's loss is less than `before`; makes further steps where there were too few to tell.

        Raises `NotLearningError`; `LossError` if any step's loss is NaN or infinite.
        """
        self._require_finite_losses()
        after = self.loss_with_same_draws()
        while not has_fallen(before, after) and len(self.losses) < LEARNING_STEPS:
            for _ in range(min(max(len(self.losses), 1), LEARNING_STEPS - len(self.losses))):
                self()
            after = self.loss_with_same_draws()
        self._require_finite_losses()
        if not has_fallen(before, after):
            raise NotLearningError(
                f"the loss of the fixed batch did not fall in {len(self.losses)} steps: {before:.7g} before, {after:.7g} "
                f"after them, with the same draws of chance: what was timed is no training. Fix: another --learning-rate "
                f"than {self.recipe.rate:g}, or another --optimizer"
            )

    def _require_finite_losses(self) -> None:
        for number, loss in enumerate(self.losses, start=1):
            if not math.isfinite(float(loss)):
                raise LossError(
                    f"the loss of step {number} is {float(loss)}: the step trained nothing. Fix: a smaller --learning-rate than "
                    f"{self.recipe.rate:g}"
                )

    def _require_gradients(self) -> None:
        """Raise `LossError` where the loss moves no parameter: such a step trains nothing, however long it takes."""
        parameters = self.model.parameters()
        if not any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in parameters):
            raise LossError("the loss gives no parameter a gradient other than zero: the step trained nothing")

    def _loss_without_gradient(self, module: Any) -> float:
        with torch.no_grad():
            return math.fsum(float(self._loss(module, batch)) for batch in self._batches)

    def _loss(self, module: Any, batch: MicroBatch) -> torch.Tensor:
        """A micro-batch's part of the loss of the whole batch."""
        with self._autocast():
            output = module(**batch.arguments)
            if not self._has_own_loss:
                return self._surrogate(output) * batch.share
            loss = output.get("loss")
            if not isinstance(loss, torch.Tensor):
                raise LossError(f"{type(self.model).__name__} gives no loss for its labels")
            return loss if batch.share == 1 else loss * batch.share

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self._autocast_dtype)


def _batches_of(
    key: str,
    config: Any,
    inputs: Mapping[str, torch.Tensor],
    part: Mapping[str, torch.Tensor] | None,
    recipe: Recipe,
    device: torch.device,
    *,
    seed: int,
    own_loss: bool,
) -> list[MicroBatch]:
    def with_labels(of: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        labels = make_labels(key, config, of, seed=seed) if own_loss else None
        return place_inputs({**of, **(labels or {})}, device=device)

    if recipe.accumulation_steps == 1:
        return whole_batch(with_labels(inputs))
    assert part is not None
    return cut_batch(
        with_labels(inputs),
        with_labels(part),
        recipe.accumulation_steps,
        kind=training_loss_kind(key) if own_loss else "surrogate",
        is_summed=getattr(config, "ctc_loss_reduction", None) == "sum" and training_loss_kind(key) == "ctc",
    )


def _require_precision(precision: str, device: torch.device) -> None:
    if precision not in _PRECISION_METHODS:
        raise UnsupportedError(
            f"training steps run in {', '.join(_PRECISION_METHODS)} here, not {precision}. Fix: --precision fp32"
        )
    if precision == "fp16" and device.type not in _SCALED_ON:
        raise UnsupportedError(
            f"fp16 trains with scaled gradients, and torch's GradScaler is not made for {device.type}. Fix: --precision bf16"
        )


def _switch_on_checkpointing(model: torch.nn.Module) -> None:
    """Let the model compute activations again in the backward pass. Raises `UnsupportedError` where its class has no such way."""
    own: Any = model
    try:
        if getattr(own, "supports_gradient_checkpointing", False):
            # its name of the time before transformers 5.23 warns there
            enable = getattr(own, "activation_checkpointing_enable", own.gradient_checkpointing_enable)
            enable({"use_reentrant": False})
        module: Any
        for module in model.modules():  # those of diffusers lie in an adapter of ours, which has no such way itself
            if getattr(module, "_supports_gradient_checkpointing", False):
                module.enable_gradient_checkpointing()
    except ValueError as error:  # a class that says so and has no layer that does
        raise UnsupportedError(f"{error}. Fix: leave --gradient-checkpointing out") from error
    if not any(getattr(module, "gradient_checkpointing", False) is True for module in model.modules()):
        raise UnsupportedError(
            f"{type(model).__name__} supports no gradient checkpointing. Fix: leave --gradient-checkpointing out"
        )
