"""One training step: forward with a loss, backward, optimizer.

Belongs here: what a step does on one device. Does not belong here: timing it (`bench/`), or making labels (`catalog/`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from hwbench_pipeline.catalog.inputs import place_inputs
from hwbench_pipeline.catalog.labels import SURROGATE, make_labels, training_loss_kind
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.hardware.devices import DTYPES, UnsupportedError, require_full_fp32, synchronizer
from hwbench_pipeline.hardware.platforms import torch_device

# small enough that a fixed batch's loss falls for every architecture of the catalog, tiny or real
LEARNING_RATE = 1e-4


class LossError(Exception):
    """The loss is not a number: no training took place."""


@dataclass
class TrainingStep:
    """A model in train mode with its optimizer and one fixed batch.

    `losses` holds the loss of every step run so far; `options` says what a step consists of. `loss_without_dropout` computes the
    batch's loss with the weights as they are and without anything drawn by chance: two devices agree on it.
    """

    run: Callable[[], None]
    loss_without_dropout: Callable[[], float]
    losses: list[torch.Tensor]
    options: dict[str, Any]
    backend_version: str = torch.__version__
    threads: list[int] = field(default_factory=lambda: [torch.get_num_threads(), torch.get_num_interop_threads()])

    @property
    def first_loss(self) -> float:
        """Loss of the first step."""
        return float(self.losses[0])

    @property
    def last_loss(self) -> float:
        """Loss of the latest step."""
        return float(self.losses[-1])

    def require_finite_losses(self) -> None:
        """Raise `LossError` if the first or the latest loss is NaN or infinite."""
        for name, loss in (("first", self.first_loss), ("last", self.last_loss)):
            if not math.isfinite(loss):
                raise LossError(f"the loss of the {name} step is {loss}: the step trained nothing")

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
        own_loss: bool = True,
    ) -> Self:
        """A step with AdamW on the model's own loss where it has one and `own_loss`, else the mean square of its outputs.

        fp32 trains as it is, bf16 under autocast with fp32 weights. Raises `UnsupportedError` for other precisions.
        """
        require_full_fp32(torch.device(torch_device(hardware)))
        if precision not in ("fp32", "bf16"):
            raise UnsupportedError(
                f"training steps run in fp32 or bf16 autocast here, not {precision}. Fix: --precision fp32"
            )
        device = torch.device(torch_device(hardware))
        config: Any = model.config
        model = model.to(device).train()
        labels = make_labels(key, config, inputs, seed=seed) if own_loss else None
        batch: dict[str, Any] = place_inputs({**inputs, **(labels or {})}, device=device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
        synchronize = synchronizer(device)
        losses: list[torch.Tensor] = []

        def autocast() -> contextlib.AbstractContextManager[Any]:
            if precision == "fp32":
                return contextlib.nullcontext()
            return torch.autocast(device.type, dtype=DTYPES[precision])

        def forward() -> torch.Tensor:
            with autocast():
                output = model(**batch)
                if labels is None:
                    return _surrogate_loss(output)
                loss = output.get("loss")
                if not isinstance(loss, torch.Tensor):
                    raise LossError(f"{type(model).__name__} gives no loss for its labels")
                return loss

        def loss_without_dropout() -> float:
            model.eval()
            try:
                with torch.no_grad():
                    return float(forward())
            finally:
                model.train()

        def run() -> None:
            loss = forward()
            loss.backward()  # type: ignore[no-untyped-call]
            if not losses:
                _require_gradients(model)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            synchronize()
            losses.append(loss.detach())

        return cls(
            run=run,
            loss_without_dropout=loss_without_dropout,
            losses=losses,
            options={
                "attention": getattr(model.config, "_attn_implementation", None),
                "class": type(model).__name__,
                "learning_rate": LEARNING_RATE,
                "loss": training_loss_kind(key) if labels is not None else SURROGATE,
                "optimizer": "AdamW",
                "precision_method": "autocast" if precision == "bf16" else "as stored",
                "weights": "random",
            },
        )


def _require_gradients(model: torch.nn.Module) -> None:
    """Raise `LossError` where the loss moves no parameter: such a step trains nothing, however long it takes."""
    if not any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters()):
        raise LossError("the loss gives no parameter a gradient other than zero: the step trained nothing")


def _surrogate_loss(output: Any) -> torch.Tensor:
    return torch.stack([tensor.float().pow(2).mean() for tensor in primary_output(output).values()]).sum()
