"""How an exception is declared.

Belongs here: the types that the modules beside this one fill, and values that several of them share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

Values = Mapping[str, Any]
Inputs = dict[str, torch.Tensor]
MakeInputs = Callable[[Any, int, int, torch.Generator, Inputs], Inputs]


NARROW_MIMI: Values = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "intermediate_size": 512,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_filters": 16,
    "upsample_groups": 128,
}
"""A Mimi codec that a tiny model of sound decodes with: its channels double with every stage, which no rule shrinks."""


@dataclass(frozen=True)
class Exceptional:
    """What one architecture needs that no rule can know, and `why`.

    `reference` are arguments that its configuration class needs to make a whole model, laid over its defaults; `tiny` those
    laid over what the shrinking rules give; either may be a function that returns them. `kept` are fields that no rule
    may change, in any part. `model_class` names another class than the mappings do. `inputs` is called with the
    configuration, batch size, text length, generator and the inputs by rule, and returns all inputs.
    """

    why: str
    reference: Values | Callable[[], Values] = field(default_factory=dict)
    tiny: Values | Callable[[], Values] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    model_class: str | None = None
    inputs: MakeInputs | None = None

    def reference_values(self) -> Values:
        """`reference`, asked for where it is a function."""
        return self.reference() if callable(self.reference) else self.reference

    def tiny_values(self) -> Values:
        """`tiny`, asked for where it is a function."""
        return self.tiny() if callable(self.tiny) else self.tiny
