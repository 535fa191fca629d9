"""Low-rank adapters (LoRA) beside a model's linear layers, by peft.

Belongs here: which layers get one. Does not belong here: training them (`step`).
"""

from __future__ import annotations

import contextlib
import warnings
from importlib.metadata import version
from typing import Any

import torch

from hwbench_pipeline.hardware.devices import UnsupportedError

ALPHA_PER_RANK = 2
"""Adapters are scaled by alpha over rank; twice the rank is what peft's and QLoRA's recipes mostly take."""


def add_adapters(model: torch.nn.Module, rank: int) -> dict[str, Any]:
    """Freeze the model and put an adapter of this rank beside each linear layer but its output head; gives options of the row.

    An adapter begins as nothing: the model's output is as before. Raises `UnsupportedError` without peft, or where the model
    has no linear layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UnsupportedError(
            f"LoRA needs peft, which cannot be imported ({error}). Fix: pip install peft, or leave --lora-rank out"
        ) from error
    names = _adaptable(model)
    if not names:
        raise UnsupportedError(
            f"{type(model).__name__} has no linear layer that an adapter could stand beside. Fix: leave --lora-rank out"
        )
    alpha = ALPHA_PER_RANK * rank
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tied weights, which nobody saves here
        try:
            inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=names), model)
        except NotImplementedError as error:  # it asks every model for its embeddings, which some cannot name
            raise UnsupportedError(
                f"peft takes no {type(model).__name__}: {error}. Fix: leave --lora-rank out"
            ) from error
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {
        "lora_rank": rank,
        "lora_alpha": alpha,
        "lora_layers": len(names),
        "trained_parameters": trained,
    }


def adapter_libraries() -> dict[str, str]:
    """The distribution that adapters come from, with its version."""
    return {"peft": version("peft")}


def _adaptable(model: torch.nn.Module) -> list[str]:
    # torch's attention reads the weights of its own kind of linear layer itself, past any adapter: exact classes only
    head = None
    with contextlib.suppress(NotImplementedError):  # of classes that do not say which layer it is
        head = getattr(model, "get_output_embeddings", lambda: None)()
    return [name for name, module in model.named_modules() if type(module) is torch.nn.Linear and module is not head]
