"""The recipe of a training step: what an optimizer step is made of beside the model, the batch and the precision.

Belongs here: plain values that travel as JSON, and their names in rows. Does not belong here: torch (`optimizers`, `adapters`,
`step`), or what a point is (`bench.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

USUAL_LEARNING_RATES: Mapping[str, float] = {"adamw": 1e-4, "adam": 1e-4, "sgd": 1e-3, "adafactor": 1e-2}
"""By optimizer, the rate that is taken where none is asked for: small enough that a fixed batch's loss falls for nearly every
architecture of the catalog, tiny or real, large enough that it shows in bf16. Adafactor multiplies it by the size of the
weights, and SGD by a gradient that is not divided by its own size."""

OPTIMIZER_KEYS = tuple(USUAL_LEARNING_RATES)

# copies of the fp32 weights that a step holds beside activations: weights, gradients, and the optimizer's moments
_WEIGHT_COPIES: Mapping[str, float] = {"adamw": 4.2, "adam": 4.2, "sgd": 2.2, "adafactor": 2.2}
_WEIGHT_COPIES_WITH_ADAPTERS = 1.4


@dataclass(frozen=True)
class Recipe:
    """What one optimizer step consists of; the defaults are the usual one, which has no name in rows.

    `learning_rate` None is the optimizer's usual one. The batch is cut into `accumulation_steps` micro-batches whose gradients
    are summed before the optimizer steps. With `checkpointing` activations are computed again in the backward pass instead of
    being kept. With `lora_rank` the model is frozen, and low-rank adapters beside its linear layers are trained.
    """

    optimizer: str = OPTIMIZER_KEYS[0]
    learning_rate: float | None = None
    accumulation_steps: int = 1
    checkpointing: bool = False
    lora_rank: int | None = None

    @property
    def rate(self) -> float:
        """The learning rate, the optimizer's usual one where none is named."""
        return USUAL_LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    def resolved(self) -> Self:
        """The recipe with its learning rate said: two recipes that mean the same are then equal."""
        return replace(self, learning_rate=self.rate)

    @property
    def name(self) -> str | None:
        """The recipe in rows: what is not usual in it, in canonical order; None for the usual recipe."""
        usual = type(self)().resolved()
        words = []
        if (self.optimizer, self.rate) != (usual.optimizer, usual.rate):
            words += [self.optimizer, f"lr={self.rate!r}"]
        if self.accumulation_steps != 1:
            words.append(f"accumulation={self.accumulation_steps}")
        if self.checkpointing:
            words.append("checkpointing")
        if self.lora_rank is not None:
            words.append(f"lora={self.lora_rank}")
        return " ".join(words) or None

    @property
    def weight_copies(self) -> float:
        """How many copies of the fp32 weights a step holds at least."""
        return _WEIGHT_COPIES[self.optimizer] if self.lora_rank is None else _WEIGHT_COPIES_WITH_ADAPTERS

    def divides(self, batch_size: int) -> bool:
        """Whether a batch can be cut into the recipe's micro-batches."""
        return batch_size % self.accumulation_steps == 0


def recipe_sweep(
    *,
    optimizers: Sequence[str] = (),
    learning_rates: Sequence[float] = (),
    accumulations: Sequence[int] = (),
    checkpointing: bool = False,
    lora_ranks: Sequence[int] = (),
) -> tuple[Recipe, ...]:
    """Every combination of what is asked for, each once; the usual one where nothing is."""
    combinations = product(
        dict.fromkeys(optimizers or OPTIMIZER_KEYS[:1]),
        dict.fromkeys(learning_rates or (None,)),
        sorted(set(accumulations or (1,))),
        dict.fromkeys(lora_ranks or (None,)),
    )
    return tuple(
        dict.fromkeys(
            Recipe(optimizer, rate, steps, checkpointing, rank).resolved()
            for optimizer, rate, steps, rank in combinations
        )
    )


def recipe_named(name: str | None) -> Recipe | None:
    """The recipe of this name in rows; None for the usual one."""
    if name is None:
        return None
    said = {key: value for key, _, value in (word.partition("=") for word in name.split())}
    optimizer = next((key for key in said if key in OPTIMIZER_KEYS), OPTIMIZER_KEYS[0])
    return Recipe(
        optimizer,
        float(said["lr"]) if "lr" in said else None,
        int(said.get("accumulation", 1)),
        "checkpointing" in said,
        int(said["lora"]) if "lora" in said else None,
    ).resolved()


def recipe_options(name: str | None) -> list[str]:
    """The options of `hwbench bench` that ask for the recipe of this name in rows."""
    options = []
    for word in (name or "").split():
        key, _, value = word.partition("=")
        option = {
            "lr": f"--learning-rate {value}",
            "accumulation": f"--gradient-accumulation {value}",
            "checkpointing": "--gradient-checkpointing",
            "lora": f"--lora-rank {value}",
        }
        options.append(option.get(key, f"--optimizer {word}"))
    return options
