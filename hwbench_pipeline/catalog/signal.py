"""Whether a model with random weights says anything: weights that let a signal through, and the answers to look at.

Belongs here: drawing weights anew through which nothing would come, and picking what a call answered out of any output.
Does not belong here: building models (`building`) or comparing answers (`bench.judging`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

# Share of its input's spread that a linear layer must pass on, else its weights are drawn anew.
SIGNAL_KEPT = 0.5
# Deviation of what replaces all-zero matrices: transformers' own `initializer_range`, small since they are added.
ZERO_WEIGHT_STD = 0.02


_LINEAR = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


def strengthen_weights(module: torch.nn.Module, *, kept_as_drawn: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Draw anew the weights through which no signal would come, and name them.

    These are weight matrices that are all zero, and weights of linear layers and convolutions so small that a layer passes on less
    than `SIGNAL_KEPT` of its input's spread: published initialisation has a fixed deviation of 0.02, which narrow
    layers turn into outputs that hardly depend on the input, on which any two backends agree. The former get
    deviation `ZERO_WEIGHT_STD`, the latter 1/√(inputs), which keeps the spread. Embeddings, tied heads, biases and norms stay, and so do names that end like one of `kept_as_drawn`.
    Uses torch's global random state.
    """
    kept = {id(inner.weight) for inner in module.modules() if isinstance(inner, torch.nn.Embedding)}
    linear = {id(inner.weight) for inner in module.modules() if isinstance(inner, _LINEAR)} - kept
    names = []
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() < 2 or parameter.numel() == 1 or name.endswith(kept_as_drawn):
                continue
            fan_in = parameter[0].numel()
            if not parameter.any():
                parameter.normal_(std=ZERO_WEIGHT_STD)
            elif id(parameter) in linear and parameter.std() * fan_in**0.5 < SIGNAL_KEPT:
                parameter.normal_(std=fan_in**-0.5)
            else:
                continue
            names.append(name)
    return tuple(names)


# Parts of a model output that are no answer: inner states, caches, and the loss.
_NOT_AN_ANSWER = ("loss", "past_key_values", "hidden_states", "attentions", "logits_per_text")


def _is_head(name: str) -> bool:
    return name.startswith(("logits", "pred_")) or name.endswith(("logits", "_embeds"))


def _named_tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.numel():
            yield name, value
    elif isinstance(value, Mapping):
        for inner_name, inner in value.items():
            if not str(inner_name).endswith(_NOT_AN_ANSWER):
                yield from _named_tensors(f"{name}.{inner_name}" if name else str(inner_name), inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _named_tensors(f"{name}.{index}" if name else f"output.{index}", inner)


def primary_output(model_output: Any) -> dict[str, torch.Tensor]:
    """The named float tensors by which two backends are compared, in the model's order.

    `model_output` is a transformers ModelOutput, another mapping, a tensor, or a tuple or list of any of these. Where it has
    heads (logits, `logits_per_image`, `pred_boxes`, `image_embeds` …) only these; else every floating tensor
    (`last_hidden_state`, `pooler_output`); where only inner states are left (a backbone's `hidden_states`), these.
    Never the loss, caches or attentions; nor `logits_per_text`, another head's transpose.
    Raises ValueError where nothing is left.
    """
    tensors = dict(_named_tensors("output" if isinstance(model_output, torch.Tensor) else "", model_output))
    heads = {name: value for name, value in tensors.items() if _is_head(name)}
    if not tensors and isinstance(model_output, Mapping) and model_output.get("hidden_states") is not None:
        tensors = dict(_named_tensors("hidden_states", model_output["hidden_states"]))
    if not tensors:
        fields = ", ".join(model_output) if isinstance(model_output, Mapping) else type(model_output).__name__
        raise ValueError(
            f"model output with {fields or 'no fields'}: expected a floating tensor to compare. "
            "Fix: call the model with return_dict=True"
        )
    return heads or tensors
