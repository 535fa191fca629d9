"""How an architecture of diffusers is declared.

Belongs here: the types that the modules of data beside this one fill, and short ways to write a tensor of a call. Does not belong
here: values, and anything that imports torch or diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DENOISING = "denoising"
"""Mean square error to drawn noise, which is what a denoiser predicts, or all but a constant of it (the velocity of a flow)."""
RECONSTRUCTION = "reconstruction"
"""Mean square error to the input, as of an autoencoder."""


@dataclass(frozen=True)
class Input:
    """One tensor of a call. `shape` is that of one item, or the whole where not `per_item`.

    `kind`: `normal` and `uniform` (from 0 to `value`) are drawn; `whole` are drawn whole numbers below `value`; `constant` is
    `value`, a number for every element, or the elements themselves; `grid` are the positions (0, row, column) of an image's
    patches; `cosine` and `sine` are of a rotary embedding's angles. Each item stands there `frames` times, for a model that
    takes a clip's frames as items.
    """

    kind: str
    shape: tuple[int, ...] = ()
    value: int | float | tuple[int | float, ...] = 0
    per_item: bool = True
    frames: int = 1


def noise(*shape: int, frames: int = 1) -> Input:
    """Standard normal values: latents, and what stands for embeddings of text and images."""
    return Input("normal", shape, frames=frames)


def up_to(limit: int) -> Input:
    """A number from 0 on: how much of an item is noise (1), or a time step that is no whole number (1000)."""
    return Input("uniform", value=limit)


def below(limit: int) -> Input:
    """A whole number: a time step, or a class."""
    return Input("whole", value=limit)


def same(value: int | float | tuple[int | float, ...], *shape: int) -> Input:
    """The same for every item: guidance, sizes, masks that hide nothing."""
    return Input("constant", (len(value),) if isinstance(value, tuple) else shape, value)


def positions(rows: int, columns: int) -> Input:
    """Positions of an image's patches, one table for all items."""
    return Input("grid", (rows, columns), per_item=False)


def origin(tokens: int) -> Input:
    """Positions of text tokens beside an image's: all zero."""
    return Input("constant", (tokens, 3), 0.0, per_item=False)


def rotary(kind: str, tokens: int, width: int) -> Input:
    """One half, `cosine` or `sine`, of a rotary position embedding, one table for all items."""
    return Input(kind, (tokens, width), per_item=False)


@dataclass(frozen=True)
class Form:
    """An architecture at one size: `arguments` of its class where they are not the defaults, and one call of it.

    `inputs` are its tensors, what is denoised or encoded first; `fixed` are further arguments of forward that are no tensors.
    """

    arguments: Mapping[str, Any]
    inputs: Mapping[str, Input]
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DiffusersArchitecture:
    """One model class of diffusers, with the published checkpoint that stands for it.

    `class_name` is diffusers' own, after `module:` where its top level does not have it. `checkpoint` is the repository on
    Hugging Face, with the folder of the part; None where the class's defaults stand for it. `parameters_millions` is the
    published count, as rounded there, None where none is known for certain; `note` says what else is to be known of the values. `loss` is
    `DENOISING`, `RECONSTRUCTION` or None: a part that trains only inside another model. `groups` are arguments of forward
    that hold several inputs, as a tuple or by name. `calls_sdpa` says whether its attention is torch's own function.
    """

    key: str
    class_name: str
    modalities: tuple[str, ...]
    checkpoint: str | None
    reference: Form
    tiny: Form
    parameters_millions: float | None = None
    note: str = ""
    loss: str | None = DENOISING
    groups: Mapping[str, tuple[str, ...] | Mapping[str, str]] = field(default_factory=dict)
    calls_sdpa: bool = True

    @property
    def model_class(self) -> str:
        """The class's own name."""
        return self.class_name.rpartition(":")[2]

    def form(self, size: str) -> Form:
        """The form at a size: tiny or reference."""
        return self.tiny if size == "tiny" else self.reference
