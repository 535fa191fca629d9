"""A generation with a key-value cache taken apart into stages, each a module of named tensors in, named tensors out.

Belongs here: what the stages are, what one hands to the next, and the tensors of a call on forced tokens. Does not belong
here: exporters and runtimes, which live in `bench/backends/`, or the reference, which is torch's own cache there.

A stage's outputs reach the later ones by name: what it gives as `present_…` is their `past_…`, and what no later stage gives
anew stays as it was, like the keys and values of what an encoder made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hwbench_pipeline.catalog.inputs import CONSTANT_INPUTS
from hwbench_pipeline.catalog.traceable import traceable_code

ENCODER, PROMPT, STEP = "encoder", "prompt", "step"
LOGITS = "logits"
"""What the prompt and each step give: items × vocabulary, of the last position."""
_NEXT_IDS = "next_ids"
_MASK = "attention_mask"
_ENCODED = "encoder_hidden_states"
_PRESENT, _PAST, _ACROSS = "present_", "past_", "cross_"
_GROWING_AXIS = 2
"""Of keys and values, which are items × heads × tokens × width."""

Tensors = dict[str, torch.Tensor]


class NotTakenApartError(Exception):
    """A model keeps something else between tokens than keys and values, which no stage could hand on."""


def handed_on(name: str) -> str:
    """The name by which later stages take an output of this one."""
    return _PAST + name.removeprefix(_PRESENT) if name.startswith(_PRESENT) else name


class Stage(torch.nn.Module):
    """One part of a generation; called with named tensors it gives named tensors.

    `example` are the inputs of one call, `growing` the axes of those whose extent is another one with every token.
    `replaced` gets the names of what a trace has in place of the model's own code (`traceable`).
    """

    name: str

    def __init__(self, model: torch.nn.Module, example: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.model: Any = model
        self.fixed = {name: value for name, value in example.items() if name in CONSTANT_INPUTS}
        self.example = {name: value for name, value in example.items() if name not in CONSTANT_INPUTS}
        self.growing: dict[str, int] = {}
        self.replaced: set[str] = set()
        self.eval()

    def forward(self, **named: torch.Tensor) -> Tensors:
        """The stage's outputs for these inputs."""
        with traceable_code(self.model, self.replaced):
            return self._outputs(named)

    def _outputs(self, named: Tensors) -> Tensors:
        raise NotImplementedError


class _Encoder(Stage):
    name = ENCODER

    def _outputs(self, named: Tensors) -> Tensors:
        return {_ENCODED: self.model.get_encoder()(**named, **self.fixed).last_hidden_state}


class _Decoder(Stage):
    """The prompt, which begins with an empty cache, or a step, which has one among its inputs."""

    def __init__(self, name: str, model: torch.nn.Module, example: Mapping[str, torch.Tensor]) -> None:
        super().__init__(model, example)
        self.name = name
        if name == STEP:
            self.growing = {name: _GROWING_AXIS for name in example if name.startswith(_PAST) and _ACROSS not in name}
            if _ENCODED not in example:
                self.growing[_MASK] = 1

    def _outputs(self, named: Tensors) -> Tensors:
        inputs: dict[str, Any] = {name: value for name, value in named.items() if not name.startswith(_PAST)}
        is_across = _ENCODED in inputs
        if is_across:
            from transformers.modeling_outputs import BaseModelOutput

            inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=inputs.pop(_ENCODED))
        if _NEXT_IDS in inputs:
            inputs["decoder_input_ids" if is_across else "input_ids"] = inputs.pop(_NEXT_IDS)
        cache = _cache_of(named, is_across)
        output = self.model(**inputs, **self.fixed, past_key_values=cache, use_cache=True)
        return {LOGITS: output.logits[:, -1], **_held_by(output.past_key_values, with_across=self.name == PROMPT)}


def _cache_of(named: Tensors, is_across: bool) -> Any:
    """A cache of the keys and values among named tensors.

    Its layers keep every token, those of sliding windows too: a window is applied by the mask, and what is cut away depends on
    a count in Python, which a graph would fix.
    """
    from transformers import DynamicCache, EncoderDecoderCache

    def filled(prefix: str) -> Any:
        pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        while (key := f"{_PAST}{len(pairs)}_{prefix}key") in named:
            pairs.append((named[key], named[f"{_PAST}{len(pairs)}_{prefix}value"]))
        cache = DynamicCache()
        cache.layers = [_layer(*pair) for pair in pairs]
        return cache

    return EncoderDecoderCache(filled(""), filled(_ACROSS)) if is_across else filled("")


def _layer(keys: torch.Tensor, values: torch.Tensor) -> Any:
    from transformers.cache_utils import DynamicLayer

    layer: Any = DynamicLayer()  # type: ignore[no-untyped-call]
    layer.dtype, layer.device = keys.dtype, keys.device
    layer.keys, layer.values, layer.is_initialized = keys, values, True
    return layer


def _held_by(cache: Any, *, with_across: bool) -> Tensors:
    """The keys and values of a cache by name, those of attention to an encoder's output only `with_across`."""
    of_itself = getattr(cache, "self_attention_cache", cache)
    parts = [("", of_itself)]
    if with_across and of_itself is not cache:
        parts.append((_ACROSS, cache.cross_attention_cache))
    named: Tensors = {}
    for prefix, part in parts:
        for index, layer in enumerate(part.layers):
            named[f"{_PRESENT}{index}_{prefix}key"] = layer.keys
            named[f"{_PRESENT}{index}_{prefix}value"] = layer.values
    return named


@dataclass(frozen=True)
class TokenCall:
    """The tensors of a generation on forced tokens: those known before it, and what each further token brings.

    What a token brings takes the place of what had its name.
    """

    known: Tensors
    further: tuple[Tensors, ...]

    @classmethod
    def of(cls, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> TokenCall:
        """The tensors of a generation that begins with these inputs and takes these tokens (items × tokens)."""
        config: Any = model.config
        known = dict(inputs)
        if config.is_encoder_decoder:
            known = {name: value for name, value in known.items() if not name.startswith("decoder_")}
            known[_NEXT_IDS] = torch.full_like(tokens[:, :1], config.decoder_start_token_id)
        further: list[Tensors] = []
        for index in range(tokens.shape[1] - 1):
            brought = {_NEXT_IDS: tokens[:, index : index + 1].contiguous()}
            if not config.is_encoder_decoder:
                mask = known[_MASK]
                brought[_MASK] = torch.cat([mask, mask.new_ones(mask.shape[0], index + 1)], dim=1)
            further.append(brought)
        return cls(known, tuple(further))


def stages(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> tuple[Stage, ...]:
    """The stages of a generation in the order they run; the last is the step, which runs for each further token.

    The step's example has one token more in its cache than the prompt leaves there: an extent of 1, which an encoder–decoder
    has after its first token, would be taken for one that never changes. Raises `NotTakenApartError`.
    """
    _require_keys_and_values(model.eval(), inputs)
    call = TokenCall.of(model, inputs, tokens[:, :1].expand(-1, 3))
    found: list[Stage] = []
    held = call.known
    if _NEXT_IDS in held:
        found.append(_Encoder(model, {name: value for name, value in held.items() if name != _NEXT_IDS}))
        held = {name: value for name, value in _after(found[-1], held).items() if name in (_MASK, _ENCODED, _NEXT_IDS)}
    found.append(_Decoder(PROMPT, model, held))
    held = _after(found[-1], held)
    for brought in call.further:
        held = {
            name: value for name, value in held.items() if name in (_MASK, _ENCODED) or name.startswith(_PAST)
        } | brought
        step = _Decoder(STEP, model, held)
        held = _after(step, held)
    return (*found, step)


def _after(stage: Stage, held: Tensors) -> Tensors:
    """What is held once a stage has run on it."""
    with torch.no_grad():
        given = stage(**stage.example)
    return held | {handed_on(name): value for name, value in given.items()}


def _require_keys_and_values(model: Any, inputs: Mapping[str, torch.Tensor]) -> None:
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    if _MASK not in inputs and not model.config.is_encoder_decoder:
        raise NotTakenApartError(f"{type(model).__name__} is called without {_MASK}, by which a step knows its tokens")
    with torch.no_grad():
        cache: Any = getattr(model(**inputs, use_cache=True), "past_key_values", None)
    kinds = {type(cache).__name__} - {"DynamicCache", "EncoderDecoderCache"}
    if not kinds:
        parts = (
            [cache] if isinstance(cache, DynamicCache) else [cache.self_attention_cache, cache.cross_attention_cache]
        )
        layers: list[Any] = [layer for part in parts for layer in part.layers]
        plain = (DynamicLayer, DynamicSlidingWindowLayer)
        kinds = {type(layer).__name__ for layer in layers if type(layer) not in plain or layer.keys is None}
    if cache is None or kinds:
        raise NotTakenApartError(
            f"{type(model).__name__} keeps {', '.join(sorted(kinds)) if cache else 'a state of its own'} between tokens: "
            "expected keys and values of each layer"
        )
