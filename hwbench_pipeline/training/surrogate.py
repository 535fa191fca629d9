"""A loss for architectures that have none, or whose labels nobody can make: any output can be trained by it.

Belongs here: that loss. Does not belong here: the losses of the models themselves (`catalog.labels`).
"""

from __future__ import annotations

import zlib
from typing import Any

import torch

from hwbench_pipeline.catalog.signal import primary_output


class SurrogateLoss:
    """The mean squared distance of a model's primary outputs from fixed numbers, drawn once and alike for every item.

    The mean square alone is a constant where outputs are normalised, as embeddings mostly are: no step would train anything.
    The numbers are the same on every device, and for a micro-batch as for the whole batch.
    """

    def __init__(self) -> None:
        self._targets: dict[tuple[str, torch.Size, torch.device], torch.Tensor] = {}

    def __call__(self, output: Any) -> torch.Tensor:
        """The loss of a model's output."""
        distances = [
            (tensor.float() - self._target(name, tensor)).square().mean()
            for name, tensor in primary_output(output).items()
        ]
        return torch.stack(distances).sum()

    def _target(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        key = (name, tensor.shape[1:], tensor.device)
        if key not in self._targets:
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            self._targets[key] = torch.randn(key[1], generator=generator).to(tensor.device)
        return self._targets[key]
