"""Inputs of a forward pass of the catalog models.

Belongs here: tensors that a model takes, at the shapes its published preprocessing gives, and naming their shapes; the key
models' own makers. Does not belong here: inputs by rule (`fitting`), labels (`labels`), real data, and running models.

What `sequence_length` means, per model: the text tokens per item. bert, llama, qwen2: the whole input. t5: the source,
and as many target tokens. whisper: the decoder's tokens (the audio is 30 s at any length). clip, clap, xclip: the
tokens of each caption, one caption per image, audio or video. llava, llava_next: the text tokens beside the image's
placeholder tokens, so that `input_ids` is longer by one image. vit, detr and wav2vec2 take no text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

import torch
from transformers import CONFIG_MAPPING, PretrainedConfig

from hwbench_pipeline.catalog.architectures import forward_parameters, model_class_named
from hwbench_pipeline.catalog.configs import config_json
from hwbench_pipeline.catalog.deriving import derived
from hwbench_pipeline.catalog.diffusion import adapting
from hwbench_pipeline.catalog.entries import catalog_model
from hwbench_pipeline.catalog.fitting import InputMaker, text_part

REFERENCE_TEXT_TOKENS = 128
TINY_TEXT_TOKENS = 32
# A configuration whose text part has no more tokens in its vocabulary is a tiny one.
TINY_VOCABULARY = 4096

# Height and width in pixels of one image of COCO val2017 (480×640), as DETR's preprocessing resizes it (shortest edge
# 800), and as LLaVA-NeXT is given it.
DETR_IMAGE = (800, 1066)
DETR_TINY_IMAGE = (96, 128)
PHOTO = (480, 640)
# Samples at 16 kHz: 5 s for the real model, 1 s for the tiny one.
SPEECH_SAMPLES = 80_000
SPEECH_TINY_SAMPLES = 16_000
# Share of the frames an audio spectrogram fills of what the CLAP tower takes: 1001 of 1024 at 10 s, 48 kHz, hop 480.
CLAP_FRAMES_SHARE = 1001 / 1024

# Inputs whose values steer the Python code of a forward pass: they stay on the CPU, and are constants when tracing.
CONSTANT_INPUTS = frozenset(
    {
        "image_sizes",
        "image_grid_thw",
        "video_grid_thw",
        "image_grid_hw",
        "image_grid_hws",
        "grid_hws",
        "grid_thw",
        "spatial_shapes",
        "target_sizes",
    }
)

Tensors = dict[str, torch.Tensor]


def _text_config(config: PretrainedConfig) -> PretrainedConfig:
    found: PretrainedConfig = getattr(config, "text_config", None) or config
    return found


def _is_tiny(config: PretrainedConfig) -> bool:
    if config.model_type == "vit":
        return bool(config.image_size < 64)
    if config.model_type == "detr":
        return bool(config.d_model < 128)
    if config.model_type == "wav2vec2":
        return bool(config.hidden_size < 128)
    return bool(_text_config(config).vocab_size <= TINY_VOCABULARY)


def max_sequence_length(key: str, config: PretrainedConfig) -> int | None:
    """The most text tokens per item that a model's position table takes; None where it has no table or takes no text.

    For llava and llava_next the image's placeholder tokens are already taken off.
    """
    model = catalog_model(key)
    if not model.takes_text:
        return None
    if model.architecture not in _MAKERS:
        return _derived_limit(model.architecture, config)
    text = _text_config(config)
    limit = getattr(text, "max_target_positions", None) or getattr(text, "max_position_embeddings", None)
    if limit is None:
        return None
    if model.architecture == "clap":
        limit -= text.pad_token_id + 1  # RoBERTa counts positions from the padding id on
    return int(limit) - image_token_count(key, config)


def default_sequence_length(key: str, config: PretrainedConfig) -> int | None:
    """The text tokens per item to use where nothing else is asked: 32 tiny, 128 real, or the model's maximum if less.

    None for models that take no text.
    """
    model = catalog_model(key)
    if not model.takes_text:
        return None
    is_tiny = (
        _is_tiny(config)
        if model.architecture in _MAKERS
        else (getattr(text_part(config), "vocab_size", None) or 0) <= TINY_VOCABULARY
    )
    wanted = TINY_TEXT_TOKENS if is_tiny else REFERENCE_TEXT_TOKENS
    limit = max_sequence_length(key, config)
    return wanted if limit is None else min(wanted, limit)


def _require_sequence_length(key: str, config: PretrainedConfig, sequence_length: int | None) -> int:
    """The text tokens per item, checked; 0 for models that take no text."""
    default = default_sequence_length(key, config)
    if default is None:
        if sequence_length is not None:
            raise ValueError(
                f"sequence length {sequence_length} for {key}, which takes no text. Fix: leave the sequence length out"
            )
        return 0
    if sequence_length is None:
        return default
    limit = max_sequence_length(key, config)
    if sequence_length < 2 or (limit is not None and sequence_length > limit):
        raise ValueError(
            f"sequence length {sequence_length} for {key}: expected 2 to {limit or 'any number of'} tokens. "
            "Fix: choose a length in that range"
        )
    return sequence_length


def special_token_ids(config: PretrainedConfig) -> frozenset[int]:
    """Every token id that a configuration gives a meaning of its own (padding, begin, image placeholder …)."""
    found: set[int] = set()
    for name, value in config.to_dict().items():
        if name.endswith(("_token_id", "_token_ids", "_token_index")):
            found.update(v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int))
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig):
            found |= special_token_ids(part)
    return frozenset(found)


def ordinary_tokens(config: PretrainedConfig, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Token ids drawn evenly from those that mean nothing special; int64."""
    vocabulary_size = int(getattr(_text_config(config), "vocab_size", None) or text_part(config).vocab_size)
    allowed = torch.ones(vocabulary_size, dtype=torch.bool)
    allowed[[i for i in special_token_ids(config) if 0 <= i < vocabulary_size]] = False
    ids = allowed.nonzero().squeeze(1)
    return ids[torch.randint(len(ids), shape, generator=generator)]


def _caption(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    """Text of a CLIP-like tower, which reads its summary at the highest id: the end token, last in the vocabulary."""
    ids = ordinary_tokens(config, (batch_size, length), generator)
    last = _text_config(config).vocab_size - 1
    ids[ids == last] = last - 1
    ids[:, -1] = last
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _text(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    ids = ordinary_tokens(config, (batch_size, length), generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _decoder_text(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    ids = ordinary_tokens(config, (batch_size, length), generator)
    ids[:, 0] = config.decoder_start_token_id
    return {"decoder_input_ids": ids, "decoder_attention_mask": torch.ones_like(ids)}


def _square_image(config: PretrainedConfig, batch_shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    vision = getattr(config, "vision_config", None) or config
    channels = getattr(vision, "num_channels", 3)
    return torch.randn(*batch_shape, channels, vision.image_size, vision.image_size, generator=generator)


def _bert(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    inputs = _text(config, batch_size, length, generator)
    return {**inputs, "token_type_ids": torch.zeros_like(inputs["input_ids"])}


def _vit(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:  # noqa: ARG001
    return {"pixel_values": _square_image(config, (batch_size,), generator)}


def _detr(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:  # noqa: ARG001
    height, width = DETR_TINY_IMAGE if _is_tiny(config) else DETR_IMAGE
    return {
        "pixel_values": torch.randn(batch_size, config.num_channels, height, width, generator=generator),
        "pixel_mask": torch.ones(batch_size, height, width, dtype=torch.int64),
    }


def _t5(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    return {
        **_text(config, batch_size, length, generator),
        **_decoder_text(config, batch_size, length, generator),
    }


def _whisper(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    # the encoder's second convolution halves the frames
    frames = 2 * config.max_source_positions
    # a steady spectrum under the noise, as recordings have: attention over 1500 frames averages mere noise away
    spectrum = torch.randn(batch_size, config.num_mel_bins, 1, generator=generator)
    features = spectrum + torch.randn(batch_size, config.num_mel_bins, frames, generator=generator)
    return {"input_features": features, **_decoder_text(config, batch_size, length, generator)}


def _wav2vec2(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:  # noqa: ARG001
    samples = SPEECH_TINY_SAMPLES if _is_tiny(config) else SPEECH_SAMPLES
    return {"input_values": torch.randn(batch_size, samples, generator=generator)}


def _clap(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    audio = config.audio_config
    most_frames = audio.spec_size * (audio.spec_size // audio.num_mel_bins)
    frames = int(most_frames * CLAP_FRAMES_SHARE)
    return {
        "input_features": torch.randn(batch_size, 1, frames, audio.num_mel_bins, generator=generator),
        **_text(config, batch_size, length, generator),
    }


def _clip(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    return {
        **_caption(config, batch_size, length, generator),
        "pixel_values": _square_image(config, (batch_size,), generator),
    }


def _xclip(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    return {
        **_caption(config, batch_size, length, generator),
        "pixel_values": _square_image(config, (batch_size, config.vision_config.num_frames), generator),
    }


def _photo(config: PretrainedConfig) -> tuple[int, int]:
    """Height and width of the photo given to LLaVA-NeXT, scaled with the side of its vision tower (336 pixels)."""
    side = config.vision_config.image_size
    return PHOTO[0] * side // 336, PHOTO[1] * side // 336


def _best_grid(config: PretrainedConfig) -> tuple[int, int]:
    """Rows and columns of tiles into which LLaVA-NeXT cuts the photo."""
    from transformers.image_processing_utils import select_best_resolution

    side = config.vision_config.image_size
    height, width = select_best_resolution(_photo(config), config.image_grid_pinpoints)
    return height // side, width // side


def image_token_count(key: str, config: PretrainedConfig) -> int:
    """Placeholder tokens of one image inside `input_ids`; 0 for models whose text holds no image.

    llava: one per patch. llava_next: those of the whole photo, and those of its tiles after padding is cut away, with
    one newline token per row.
    """
    key = catalog_model(key).architecture
    if key not in ("llava", "llava_next"):
        return 0
    patches = config.vision_config.image_size // config.vision_config.patch_size
    if config.vision_feature_select_strategy != "default":
        raise ValueError(
            f"vision_feature_select_strategy {config.vision_feature_select_strategy!r} of {key}: expected 'default', "
            "which leaves out the class token. Fix: use the published configuration"
        )
    if key == "llava":
        return int(patches * patches)
    from transformers.models.llava_next.modeling_llava_next import unpad_image

    rows, columns = _best_grid(config)
    grid = torch.empty(1, rows * patches, columns * patches, device="meta")
    _, height, width = unpad_image(grid, _photo(config)).shape  # type: ignore[no-untyped-call]
    return int(patches * patches + height * (width + 1))


def _text_with_image(
    key: str, config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator
) -> Tensors:
    """Text whose first token is followed by the placeholder tokens of one image, as the published prompts begin."""
    text = _text(config, batch_size, length, generator)["input_ids"]
    image = torch.full((batch_size, image_token_count(key, config)), config.image_token_index)
    ids = torch.cat([text[:, :1], image, text[:, 1:]], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _llava(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    return {
        **_text_with_image("llava", config, batch_size, length, generator),
        "pixel_values": _square_image(config, (batch_size,), generator),
    }


def _llava_next(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    rows, columns = _best_grid(config)
    return {
        **_text_with_image("llava_next", config, batch_size, length, generator),
        "pixel_values": _square_image(config, (batch_size, 1 + rows * columns), generator),
        "image_sizes": torch.tensor([_photo(config)] * batch_size),
    }


_MAKERS: dict[str, Callable[[PretrainedConfig, int, int, torch.Generator], Tensors]] = {
    "bert": _bert,
    "vit": _vit,
    "detr": _detr,
    "t5": _t5,
    "llama": _text,
    "qwen2": _text,
    "whisper": _whisper,
    "wav2vec2": _wav2vec2,
    "clap": _clap,
    "clip": _clip,
    "llava": _llava,
    "llava_next": _llava_next,
    "xclip": _xclip,
}


def make_inputs(
    key: str, config: PretrainedConfig, *, batch_size: int, sequence_length: int | None = None, seed: int = 0
) -> Tensors:
    """Keyword arguments of one forward pass over all modalities, on the CPU; floats are fp32, ids and masks int64.

    Deterministic by `seed`. `sequence_length` is the text tokens per item, as the module docstring tells per model;
    None takes `default_sequence_length`. Masks are explicit and all ones. Shapes, B items, S tokens:
    bert, llama, qwen2 `input_ids` B×S · vit `pixel_values` B×3×224×224 · detr B×3×800×1066 ·
    t5 `input_ids`, `decoder_input_ids` B×S · whisper `input_features` B×80×3000, `decoder_input_ids` B×S ·
    wav2vec2 `input_values` B×80000 · clap `input_features` B×1×1001×64, `input_ids` B×S · clip `pixel_values`
    B×3×224×224, `input_ids` B×S · xclip `pixel_values` B×8×3×224×224, `input_ids` B×S · llava `pixel_values`
    B×3×336×336, `input_ids` B×(S+576) · llava_next `pixel_values` B×5×3×336×336, `image_sizes` B×2,
    `input_ids` B×(S+2340). Tiny configurations have the same inputs on small grids. Those of diffusers: `catalog.diffusion`.

    Raises UnknownModelError; ValueError for a batch size below 1, or a sequence length that the model cannot take.
    """
    model = catalog_model(key)
    if batch_size < 1:
        raise ValueError(f"batch size {batch_size} for {key}: expected 1 or more. Fix: choose a positive batch size")
    length = _require_sequence_length(model.key, config, sequence_length)
    if isinstance(config, adapting.DiffusersConfig):
        return adapting.make_inputs(config, batch_size=batch_size, seed=seed)
    own = _MAKERS.get(model.architecture)
    if own is None:
        return input_maker(model.key, config).make(batch_size, length or TINY_TEXT_TOKENS, seed)
    inputs = own(config, batch_size, length, torch.Generator().manual_seed(seed))
    if model.key == model.architecture:
        return inputs
    # a checkpoint may name another class than its architecture's: a classifier on the encoder alone
    taken = forward_parameters(model_class_named(model.model_class))
    return {name: value for name, value in inputs.items() if name in taken}


def input_maker(key: str, config: PretrainedConfig) -> InputMaker:
    """The maker of inputs by rule, with what was found out about the architecture by trying. Raises `NoModelClassError`."""
    model = catalog_model(key)
    known = derived(model.architecture)
    maker = InputMaker(model.architecture, model_class_named(model.model_class), config)
    maker.counts = dict(known.counts)
    maker.extra = known.extra
    if known.counts and model.key != model.architecture:
        maker.counts |= _own_counts(model.key, config_json(config))
    return maker


@lru_cache(maxsize=64)
def _own_counts(key: str, configuration: str) -> Mapping[str, int]:
    """Placeholder tokens per item of a checkpoint whose towers are not its architecture's usual ones, asked of the towers.

    Without weights, so what reads values in its tower cannot be asked and is left out.
    """
    model = catalog_model(key)
    values = json.loads(configuration)
    model_class = model_class_named(model.model_class)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        config = CONFIG_MAPPING[model.architecture].from_dict(values)
        module = model_class._from_config(config)
    maker = InputMaker(model.architecture, model_class, config)
    maker.extra = derived(model.architecture).extra
    maker.fitted(_WithoutWeights(module.to("meta")), 1, TINY_TEXT_TOKENS)
    return maker.counts


class _WithoutWeights:
    """A module on the meta device whose `get_…_features` take inputs from the CPU."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, torch.nn.Module):
            return _WithoutWeights(found)
        if not name.startswith("get_"):
            return found

        @wraps(found)
        def ask(**inputs: Any) -> Any:
            return found(**place_inputs(inputs, device="meta"))

        return ask


def _derived_limit(key: str, config: PretrainedConfig) -> int | None:
    text = text_part(config)
    for name in ("max_position_embeddings", "n_positions", "max_target_positions"):
        limit = getattr(text, name, None)
        if isinstance(limit, int) and limit > 0:
            return max(2, limit - sum(derived(key).counts.values()))
    return None


def place_inputs(
    inputs: Mapping[str, Any], *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> dict[str, Any]:
    """Inputs or labels on a device, floating tensors cast to `dtype` where given; `CONSTANT_INPUTS` stay on the CPU."""

    def placed(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to(device=device, dtype=dtype if dtype and value.is_floating_point() else value.dtype)
        if isinstance(value, list):
            return [placed(inner) for inner in value]
        if isinstance(value, Mapping):
            return {name: placed(inner) for name, inner in value.items()}
        return value

    return {name: value if name in CONSTANT_INPUTS else placed(value) for name, value in inputs.items()}


def input_shape_text(inputs: Mapping[str, torch.Tensor]) -> str:
    """Canonical text of every input dimension, names sorted: `attention_mask=1x32;input_ids=1x32`."""
    return ";".join(f"{name}={'x'.join(map(str, inputs[name].shape))}" for name in sorted(inputs))


def batch_size_of(inputs: Mapping[str, torch.Tensor]) -> int:
    """Items in the inputs: their common first dimension."""
    return next(iter(inputs.values())).shape[0]


def items_and_tokens(inputs: Mapping[str, torch.Tensor]) -> tuple[int, int | None]:
    """Items and tokens of one forward call, for throughput; tokens are None where the inputs hold no text.

    Tokens are the elements of `input_ids`, image placeholders included since the language model works on them too;
    for t5 that is the source alone; for whisper, which has no `input_ids`, those of `decoder_input_ids`.
    """
    ids = inputs.get("input_ids", inputs.get("decoder_input_ids"))
    return batch_size_of(inputs), None if ids is None else ids.numel()


def forced_tokens(config: PretrainedConfig, batch_size: int, new_tokens: int, *, seed: int = 0) -> torch.Tensor:
    """Ordinary tokens that a generation is made to take, items × tokens: none of them ends it."""
    return ordinary_tokens(config, (batch_size, new_tokens), torch.Generator().manual_seed(seed + 1))
