"""Tiny configurations of any architecture, by a few general rules over names of configuration fields.

Belongs here: the rules by which depth, vocabulary, experts and widths of a configuration shrink together, over all its
sub-configurations at once. Does not belong here: what is true of one architecture only (`exceptions`), or the hand-made
tiny stand-ins of the key models (`tiny_configs`).

The rules never copy a whole configuration: only what differs from a class's own defaults is given to it, so that fields it
derives from others are derived anew. Image, audio and patch geometry stays as it is, so that a tiny model takes the inputs
of the real one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from transformers import CONFIG_MAPPING, PretrainedConfig

from hwbench_pipeline.catalog.exceptions import exception_of

TINY_DEPTH = 2
"""Layers of each kind that a tiny model keeps at least."""
DEEPEST_PERIOD = 12
"""Layers after which a pattern of layer kinds has begun anew in every architecture that has one."""
TINY_VOCABULARY = 1024
TINY_EXPERTS = 8
TINY_EXPERTS_PER_TOKEN = 2
EVEN_WIDTH = 8
"""What a shrunk hidden size stays a multiple of, where it was: grouped matrix products of experts need 16 bytes."""
NARROWEST_WIDTH = 32
"""Channels below which no width is shrunk."""
FEWEST_HEADS = 2
"""Heads that stay where there are several, so that groups of heads still share keys and values."""

RUNGS = ("narrow", "narrow apart", "shallow", "as published")
"""How much is shrunk: depth, vocabulary, experts, and all widths by one factor; the same with a factor for every part; all
but widths; nothing. The first that builds, runs and is small enough counts."""

_DEPTH = re.compile(r"(^|_)(n_layers?|num_layers?|layers|depth|num_\w*layers|n_\w*layers?|num_blocks|num_\w*blocks)$")
_NO_DEPTH = re.compile(
    r"conv|feat|adapter|mtp|nextn|mlp|duration|postnet|prenet|predictor|shared|dense|skip|upsampl|wavenet|flow|fpn|proj"
    r"|residual|downsampl|resblock|codebook|classifier|landmark|query"
)
_VOCABULARY = re.compile(r"(^|_)vocab_size(_per_layer_input)?$")
_NO_VOCABULARY = re.compile(r"type_vocab|codebook|byte|image|audio|semantic|acoustic|visual")
_EXPERTS = re.compile(r"^(n_|num_|moe_num_)?(\w*_)?experts$|^n_routed_experts$|^num_local_experts$")
_EXPERTS_PER_TOKEN = re.compile(r"experts_per_tok(en)?$|^(moe_)?top_?k$|^moe_k$|^num_selected_experts$|^router_top_k$")
_EXPERT_GROUPS = re.compile(r"^(n_group|topk_group|num_expert_groups|n_expert_groups|num_expert_group|moe_n_group)$")
_HEADS = re.compile(r"(^|_)(num_(\w+_)?heads?|n_heads?|attention_heads|heads)$")
_SHARED_HEADS = re.compile(r"key_value_heads$|kv_heads$|n_head_kv$|num_key_value_groups$")
_STATE_HEADS = ("mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "num_heads")
_STATE_GROUPS = re.compile(r"^(mamba_)?n_?groups$")
_OTHERS_WIDTH = re.compile(r"out|text|encoder_hidden|cross|proj|language|llm|lm_|connector|qformer|vision|audio")
_KEPT_PARTS = re.compile(r"codec|vq|tokenizer|vocoder|hifigan|token2wav|bigvgan|quantizer")
_WIDTH = re.compile(
    r"(^|_)(hidden_size|d_model|d_ff|n_embd|n_embed|n_inner|embed_dim|embed_size|embedding_size|embedding_dim|hidden_dim|ffn_dim"
    r"|ffn_hidden_size|intermediate_size|intermediate_dim|projection_dim|projection_size|dim_feedforward|emb_dim|model_dim"
    r"|feedforward_dim|attention_dim|out_hidden_size|output_dim|proj_dims?|inner_dim|lru_width|mlp_dim|encoder_dim|decoder_dim"
    r"|word_embed_proj_dim|cross_attention_hidden_size|expert_dim|expert_ffn_hidden_size|shared_expert_intermediate_size|upsample_groups|dim)$"
)
_NO_WIDTH = re.compile(
    r"input_dim|head_dim|rope|rotary|position|patch|image|time_|conv_|codebook|conv|window|state|kernel"
)
_PLACEHOLDER = re.compile(r"^(image|video|audio)_token_(id|index)$")
_VOCABULARY_STEP = 64
_TOWER = re.compile(r"^(vision|image|video|audio)_config$")
_TOKEN_ID = re.compile(r"(_token_id|_token_ids|_token_index|_token_idx|_start_id|_end_id|_id)$")
_STAGE_WIDTHS = re.compile(r"(channels|hidden_sizes|embed_dims?|dim_per_stage)$")
_TAKEN_LAYERS = re.compile(r"(out|state)_indices$")
_LAYER_INDEXES = re.compile(r"index(es)?$|indices$|_layers$|_idx$|_indexs$")


def parts_of(config: PretrainedConfig) -> Iterator[tuple[str, PretrainedConfig]]:
    """Sub-configurations of a configuration with the names of the attributes that hold them."""
    for name in config.sub_configs or {}:
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig):
            yield name, part


def _tree(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    yield config
    for _, part in parts_of(config):
        yield from _tree(part)


def reference_config(key: str) -> PretrainedConfig:
    """The library's default configuration of a type, changed where its exception says so.

    May raise whatever a configuration class raises whose defaults cannot be built.
    """
    values = _copied(exception_of(key).reference_values())
    config: PretrainedConfig = CONFIG_MAPPING[key](**values)
    left_out = [
        name for name in config.sub_configs or {} if _TOWER.search(name) and getattr(config, name, None) is None
    ]
    if left_out:  # a tower that is optional belongs to the whole model
        config = CONFIG_MAPPING[key](**{**{name: {} for name in left_out}, **values})
    for part in _tree(config):
        _agree_on_output_width(part)
        if "vocab_size" not in values.get("text_config", {}):
            _place_placeholders(part)
        _close_heads(part)
    return config


def _place_placeholders(config: PretrainedConfig) -> None:
    """Give every placeholder a token id, and the text model a vocabulary that holds it; some defaults do neither."""
    text: Any = getattr(config, "text_config", None)
    size: Any = getattr(text, "vocab_size", None)
    if not _is_number(size) or hasattr(config, "vocabulary_map") or hasattr(text, "additional_vocab_size"):
        return
    names = [name for name in vars(config) if _PLACEHOLDER.search(name)]
    for place, name in enumerate(name for name in names if getattr(config, name) is None):
        setattr(config, name, size - 1 - place)
    largest = max((getattr(config, name) for name in names), default=0)
    if largest >= size:
        text.vocab_size = math.ceil((largest + 1) / _VOCABULARY_STEP) * _VOCABULARY_STEP


def _close_heads(config: PretrainedConfig) -> None:
    """Give heads their width, and keys and values their heads, where a class leaves them for its model to work out."""
    heads: Any = getattr(config, "num_attention_heads", None)
    hidden = _hidden_size(config)
    if not _is_number(heads) or hidden is None or hidden % heads:
        return
    for name, value in (("head_dim", hidden // heads), ("num_key_value_heads", heads)):
        if vars(config).get(name, value) is None:
            setattr(config, name, value)


def _agree_on_output_width(config: PretrainedConfig) -> None:
    """Let the towers put out embeddings as wide as the text model beside them reads; some defaults disagree."""
    read = getattr(getattr(config, "text_config", None), "hidden_size", None)
    if not _is_number(read):
        return
    for tower, width in (("vision_config", "out_hidden_size"), ("audio_config", "output_dim")):
        part = getattr(config, tower, None)
        if getattr(part, width, read) != read:
            setattr(part, width, read)


def set_use_cache(config: PretrainedConfig, *, use_cache: bool) -> None:
    """Say in every part of a configuration whether a forward pass keeps keys and values for a next one."""
    for part in _tree(config):
        if hasattr(part, "use_cache"):
            part.use_cache = use_cache


def tiny_config(key: str, rung: str) -> PretrainedConfig:
    """The tiny configuration of a type on a rung of `RUNGS`. May raise what its class raises."""
    base = reference_config(key)
    if rung == RUNGS[-1]:
        return base
    exception = exception_of(key)
    shrinking = _Shrinking(base, rung, exception.kept)
    return type(base)(**_copied(_merged(shrinking.values(base), exception.tiny_values())))


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class _Shrinking:
    """What one configuration tree shrinks by: a width factor common to all its parts, and one place for every token id."""

    def __init__(self, config: PretrainedConfig, rung: str, kept: frozenset[str]) -> None:
        self._kept = kept
        self._token_ids: dict[int, int] = {}
        self._factors = _width_factors(config, kept, rung)
        self._hidden = {
            width: self._factors[id(part)] for part in _tree(config) if (width := _hidden_size(part)) is not None
        }
        vocabularies = [value for part in _tree(config) for value in self._vocabularies(part)]
        self._smallest_vocabulary = min([TINY_VOCABULARY, *vocabularies])

    def _fields(self, config: PretrainedConfig) -> Iterator[tuple[str, Any]]:
        for name, value in vars(config).items():
            if not name.startswith("_") and name not in self._kept and not isinstance(value, PretrainedConfig):
                yield name, value

    def _vocabularies(self, config: PretrainedConfig) -> Iterator[int]:
        for name, value in self._fields(config):
            if _is_number(value) and value > 1 and _VOCABULARY.search(name) and not _NO_VOCABULARY.search(name):
                yield value

    def values(self, config: PretrainedConfig) -> dict[str, Any]:
        """Keyword arguments of the configuration's class: what differs from its defaults, shrunk."""
        values = _differing(config)
        depths = self._depths(config)
        for name, value in self._fields(config):
            new = depths.get(name, self._shrunk(config, name, value))
            if new is not None and new != value:
                values[name] = new
        self._share_heads(config, values)
        self._share_state_groups(config, values)
        self._shorten_lists(config, depths, values)
        values.update({name: value for name, value in _filled(config).items() if values.get(name) is None})
        for name, part in parts_of(config):
            values[name] = {"model_type": part.model_type, **self.values(part)}
        return values

    def _share_heads(self, config: PretrainedConfig, values: dict[str, Any]) -> None:
        """Key and value heads: as many as divide the query heads that are left, and fewer where there were fewer."""
        names = [name for name, value in self._fields(config) if _is_number(value) and _HEADS.search(name)]
        queries = next((name for name in _QUERY_HEADS if name in names), None)
        if queries is None:
            return
        before, after = int(getattr(config, queries)), int(values.get(queries, getattr(config, queries)))
        for name, value in self._fields(config):
            if not _is_number(value) or not _SHARED_HEADS.search(name) or value < 1:
                continue
            wanted = after if value == before else max(1, min(value, after) // (1 if value < before // after else 2))
            while after % wanted:
                wanted -= 1
            values[name] = wanted

    def _share_state_groups(self, config: PretrainedConfig, values: dict[str, Any]) -> None:
        """Groups of a state space: as many as divide the heads that are left."""
        heads = next((name for name in _STATE_HEADS if _is_number(getattr(config, name, None))), None)
        if heads is None:
            return
        left = int(values.get(heads, getattr(config, heads)))
        for name, value in self._fields(config):
            if _is_number(value) and value > 0 and _STATE_GROUPS.search(name):
                values[name] = math.gcd(value, left)

    def _shrunk(self, config: PretrainedConfig, name: str, value: Any) -> Any:
        factor = self._factors[id(config)]
        if _TOKEN_ID.search(name):
            return self._token_id(value)
        if name == "depths" and isinstance(value, list | tuple):
            return [min(depth, TINY_DEPTH) if _is_number(depth) else depth for depth in value]
        if name == "id2label":
            return None  # labels have numbers, as layers have elsewhere
        if isinstance(value, Mapping) and value and all(str(index).isdecimal() for index in value):
            deepest = max(self._depths(config).values(), default=None)
            if deepest is not None and deepest < self._deepest(config):
                return {index: inner for index, inner in value.items() if int(index) < deepest}
        if not _is_number(value):
            return None
        if _VOCABULARY.search(name) and not _NO_VOCABULARY.search(name):
            return min(value, TINY_VOCABULARY)
        if _EXPERTS_PER_TOKEN.search(name):
            return min(value, TINY_EXPERTS_PER_TOKEN)
        if _EXPERT_GROUPS.search(name):
            return min(value, 1)
        if _EXPERTS.search(name):
            return min(value, TINY_EXPERTS)
        if _HEADS.search(name):
            return value // factor if value > 1 and value % factor == 0 else value
        if _WIDTH.search(name) and not _NO_WIDTH.search(name):
            if value in self._hidden and value != _hidden_size(config) and _OTHERS_WIDTH.search(name):
                factor = self._hidden[value]  # the width of another part, which this one must agree with
            if value % factor == 0:
                return value // factor
        return None

    def _deepest(self, config: PretrainedConfig) -> int:
        return max((int(getattr(config, name)) for name in self._depths(config)), default=0)

    def _token_id(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._token_id(inner) for inner in value]
        if not _is_number(value) or value < self._smallest_vocabulary:
            return value
        # every id keeps a place of its own, from the end of the smallest vocabulary down
        return self._token_ids.setdefault(value, self._smallest_vocabulary - 1 - len(self._token_ids))

    def _depths(self, config: PretrainedConfig) -> dict[str, int]:
        found = {
            name: value
            for name, value in self._fields(config)
            if _is_number(value) and value > TINY_DEPTH and _DEPTH.search(name) and not _NO_DEPTH.search(name)
        }
        stages = getattr(config, "depths", None)
        if isinstance(stages, list | tuple):  # a depth per stage is shrunk there; the number of stages stays
            found = {name: value for name, value in found.items() if value != len(stages)}
        stages_out = getattr(config, "out_indices", None) or ()
        taken = [len(value) for name, value in self._fields(config) if _TAKEN_LAYERS.search(name) and value is not None]
        period = max(self._period(config, found), len(stages_out), *taken)
        return dict.fromkeys(found, period)

    def _period(self, config: PretrainedConfig, depths: Mapping[str, int]) -> int:
        """The fewest layers that hold one of every kind, where the configuration tells kinds of layers apart."""
        period = TINY_DEPTH
        for name, value in self._fields(config):
            if isinstance(value, list) and len(value) in depths.values() and "layer" in name and _are_kinds(value):
                kinds = set(map(str, value))
                period = max(period, next(n for n in range(1, len(value) + 1) if set(map(str, value[:n])) == kinds))
        return period if period <= DEEPEST_PERIOD else TINY_DEPTH

    def _shorten_lists(self, config: PretrainedConfig, depths: Mapping[str, int], values: dict[str, Any]) -> None:
        """Per-layer lists get as many entries as there are layers now; indexes of layers stay below that."""
        old = {int(getattr(config, name)): new for name, new in depths.items()}
        taken = getattr(config, "out_indices", None)
        if taken and hasattr(config, "_out_indices"):
            values["out_indices"] = list(taken)  # kept under a private name, which `_differing` does not see
        if not old:
            return
        deepest = max(old.values())
        if taken and getattr(config, "depths", None) is None:
            # stage 0 is the stem; the last layers stand for those that were taken
            values["out_indices"] = list(range(deepest - len(taken) + 1, deepest + 1))
            values.pop("out_features", None)
        for name, value in self._fields(config):
            if not isinstance(value, list | tuple) or not value or name in ("out_indices", "out_features"):
                continue
            if len(value) in old and name != "depths":
                if name in values or not _is_derived(config, name):
                    values[name] = list(value[: old[len(value)]])
            elif _TAKEN_LAYERS.search(name) and all(_is_number(index) for index in value) and max(value) >= deepest:
                values[name] = list(range(deepest - len(value), deepest))
            elif _LAYER_INDEXES.search(name) and all(_is_number(index) for index in value) and max(value) >= deepest:
                inside = [index for index in value if index < deepest]
                values[name] = inside or [deepest - 1]


@lru_cache(maxsize=2048)
def _default_of(config_class: Any) -> PretrainedConfig | None:
    try:
        default: PretrainedConfig = config_class()
    except Exception:  # noqa: BLE001 - some classes cannot be made without arguments, whatever they raise
        return None
    return default


def _differing(config: PretrainedConfig) -> dict[str, Any]:
    """What a configuration says otherwise than its class by default; its parts left out."""
    config_class: Any = type(config)
    default = _default_of(config_class)
    if default is None:
        said = config.to_dict()
        parts = {name for name, _ in parts_of(config)}
        return {name: value for name, value in said.items() if name not in _BOOKKEEPING | parts and value is not None}
    missing = object()
    return {
        name: value
        for name, value in vars(config).items()
        if not name.startswith("_")
        and name not in _BOOKKEEPING
        and not isinstance(value, PretrainedConfig)
        and vars(default).get(name, missing) != value
    }


def _filled(config: PretrainedConfig) -> dict[str, int]:
    """Values for what a class leaves open by default and its model cannot do without."""
    open_fields = {name for name, value in vars(config).items() if value is None}
    return {name: value for name, value in _OPEN_FIELDS.items() if name in open_fields}


_OPEN_FIELDS = {
    "vocab_size": TINY_VOCABULARY,
    "prediction_length": 8,
    "n_routed_experts": 8,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "num_local_experts": 8,
}
_BOOKKEEPING = frozenset({"model_type", "transformers_version", "architectures", "dtype", "_name_or_path"})


def _are_kinds(value: list[Any]) -> bool:
    return all(isinstance(kind, str | bool) or _is_number(kind) for kind in value) and len(set(map(str, value))) <= 6


def _is_derived(config: PretrainedConfig, name: str) -> bool:
    """Whether a class fills the field in from others: its own default instance has it, its signature has None."""
    field = getattr(type(config), "__dataclass_fields__", {}).get(name)
    return field is not None and field.default is None


_QUERY_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads", "attention_heads")


def _hidden_size(config: PretrainedConfig) -> int | None:
    for name in ("hidden_size", "d_model", "n_embd", "embed_dim", "dim"):
        value: Any = vars(config).get(name)
        if _is_number(value):
            return int(value)
    return None


def _width_factors(config: PretrainedConfig, kept: frozenset[str], rung: str) -> dict[int, int]:
    """What the widths and head counts of every part are divided by, by the id of the part.

    A divisor of every head count, so that the channels of a head stay as they are. One factor for the whole tree keeps
    widths that must agree across towers agreeing.
    """
    parts = list(_tree(config))
    if rung not in RUNGS[:2] or any(map(_has_stage_widths, parts)):
        return {id(part): 1 for part in parts}
    whole = {id(inner) for name, part in _named_parts(config) if _KEPT_PARTS.search(name) for inner in _tree(part)}
    shrunk = [part for part in parts if id(part) not in whole]
    together = _common_factor(shrunk, kept)
    factors = {id(part): 1 for part in parts}
    for part in shrunk:
        own = _common_factor([part], kept) if rung == RUNGS[1] else together
        factors[id(part)] = own
    return factors


def _has_stage_widths(config: PretrainedConfig) -> bool:
    """Whether a part takes features from a backbone whose stages have widths in a list: as lists do not shrink, nor may it."""
    backbone = getattr(config, "backbone_config", None)
    if not isinstance(backbone, PretrainedConfig):
        return False
    told = [value for name, value in vars(backbone).items() if _STAGE_WIDTHS.search(name)]
    taken = [value for name, value in vars(config).items() if name.endswith("in_channels")]
    return any(
        isinstance(value, list | tuple) and all(_is_number(width) for width in value) and len(set(value)) > 1
        for value in told + taken
    )


def _named_parts(config: PretrainedConfig) -> Iterator[tuple[str, PretrainedConfig]]:
    for name, part in parts_of(config):
        yield name, part
        yield from _named_parts(part)


def _common_factor(parts: list[PretrainedConfig], kept: frozenset[str]) -> int:
    heads, widths = [], []
    hidden = [width for part in parts if "hidden_size" not in kept and (width := _hidden_size(part)) is not None]
    for part in parts:
        for name, value in vars(part).items():
            if name in kept or not _is_number(value) or value < FEWEST_HEADS:
                continue
            if _SHARED_HEADS.search(name):
                continue
            if _HEADS.search(name):
                heads.append(value)
            elif _WIDTH.search(name) and not _NO_WIDTH.search(name):
                widths.append(value)
    if not heads or not widths:
        return 1
    common = math.gcd(*heads)
    fitting = [
        n
        for n in range(1, common + 1)
        if common % n == 0
        and all(width % n == 0 and (width // n % EVEN_WIDTH == 0 or width % EVEN_WIDTH) for width in hidden)
        and min(widths) // n >= NARROWEST_WIDTH
        and min(heads) // n >= FEWEST_HEADS
    ]
    return max(fitting, default=1)
