"""The optimizers that a recipe can name: torch's own, with torch's own settings beside the learning rate.

Belongs here: from a recipe to an optimizer. Does not belong here: which learning rate is usual (`recipe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from hwbench_pipeline.training.recipe import Recipe

OPTIMIZERS: Mapping[str, Any] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "adafactor": torch.optim.Adafactor,
}
"""By key; SGD is torch's without momentum, and keeps no state."""


def make_optimizer(recipe: Recipe, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimizer over those of the parameters that are trained."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    optimizer: torch.optim.Optimizer = OPTIMIZERS[recipe.optimizer](trained, lr=recipe.rate)
    return optimizer
