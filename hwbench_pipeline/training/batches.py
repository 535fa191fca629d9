"""Cutting a batch into the micro-batches of gradient accumulation.

Belongs here: which dimension holds the items, and what each micro-batch's loss counts. Does not belong here: making batches
(`catalog/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hwbench_pipeline.catalog.labels import IGNORED_LABEL
from hwbench_pipeline.hardware.devices import UnsupportedError

# losses that are means over the labels that count: micro-batches weigh as much as they have of them
_MEANS_OVER_LABELS = ("masked_lm", "seq2seq", "causal_lm", "token_classification", "segmentation")


@dataclass(frozen=True)
class MicroBatch:
    """Keyword arguments of one forward pass, and the share of its loss in the loss of the whole batch."""

    arguments: dict[str, Any]
    share: float


def whole_batch(batch: Mapping[str, Any]) -> list[MicroBatch]:
    """The batch as its own only micro-batch."""
    return [MicroBatch(dict(batch), 1.0)]


def cut_batch(
    batch: Mapping[str, Any], part: Mapping[str, Any], n_parts: int, *, kind: str, is_summed: bool = False
) -> list[MicroBatch]:
    """The batch's micro-batches, of the shape of `part`, which is a batch of so many times fewer items.

    Where a tensor of the two differs in shape, there lie the items; one that does not differ belongs to every micro-batch.
    `kind` is the loss (`catalog.labels`), `is_summed` says that it adds up items instead of averaging them. The shares make the
    sum of the losses the loss of the whole batch, but for losses that compare the items of a batch, and for batch norm.
    Raises `UnsupportedError` where no single dimension holds the items.
    """
    cut = {name: _cut(name, value, part.get(name), n_parts) for name, value in batch.items()}
    parts = [{name: values[place] for name, values in cut.items()} for place in range(n_parts)]
    counts = [_n_counting(one, kind) for one in parts]
    total = sum(counts)
    shares = [1.0] * n_parts if is_summed else [count / total if total else 1 / n_parts for count in counts]
    return [MicroBatch(arguments, share) for arguments, share in zip(parts, shares, strict=True)]


def _cut(name: str, value: Any, part: Any, n_parts: int) -> list[Any]:
    if isinstance(value, list):
        size = len(value) // n_parts
        return [value[place * size : (place + 1) * size] for place in range(n_parts)]
    if not isinstance(value, torch.Tensor):
        return [value] * n_parts
    differing = (
        [
            place
            for place, (of_whole, of_part) in enumerate(zip(value.shape, part.shape, strict=True))
            if of_whole != of_part
        ]
        if isinstance(part, torch.Tensor) and part.dim() == value.dim()
        else None
    )
    if differing == []:
        return [value] * n_parts
    if differing is None or len(differing) > 1 or value.shape[differing[0]] != n_parts * part.shape[differing[0]]:
        raise UnsupportedError(
            f"the batch cannot be cut into {n_parts} micro-batches: no single dimension of {name} holds its items. "
            "Fix: leave --gradient-accumulation out"
        )
    return list(torch.chunk(value, n_parts, dim=differing[0]))


def _n_counting(arguments: Mapping[str, Any], kind: str) -> int:
    """Of a micro-batch, how many labels its mean is taken over; 1 where all micro-batches count alike."""
    labels = arguments.get("labels")
    if kind not in _MEANS_OVER_LABELS or not isinstance(labels, torch.Tensor):
        return 1
    if kind == "causal_lm":  # the first token is predicted from nothing
        labels = labels[..., 1:]
    return int((labels != IGNORED_LABEL).sum())
