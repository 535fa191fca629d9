"""Inputs, labels and outputs of a forward pass of the catalog models.

Belongs here: tensors that a model takes, at the shapes its published preprocessing gives; labels for its own loss;
naming their shapes; the outputs by which backends are compared. Does not belong here: real data, and running models.

What `sequence_length` means, per model: the text tokens per item. bert, llama, qwen2: the whole input. t5: the source,
and as many target tokens. whisper: the decoder's tokens (the audio is 30 s at any length). clip, clap, xclip: the
tokens of each caption, one caption per image, audio or video. llava, llava_next: the text tokens beside the image's
placeholder tokens, so that `input_ids` is longer by one image. vit, detr and wav2vec2 take no text.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import PretrainedConfig

from hwbench_pipeline.catalog.names import resolve

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
MASKED_SHARE = 0.15  # of tokens, as BERT was trained
OBJECTS_PER_IMAGE = 3
IGNORED_LABEL = -100  # torch's ignore_index, which transformers losses use

# Inputs whose values steer the Python code of a forward pass: they stay on the CPU, and are constants when tracing.
CONSTANT_INPUTS = frozenset({"image_sizes"})

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
    model = resolve(key)
    if not model.takes_text:
        return None
    text = _text_config(config)
    limit = getattr(text, "max_target_positions", None) or getattr(text, "max_position_embeddings", None)
    if limit is None:
        return None
    if model.key == "clap":
        limit -= text.pad_token_id + 1  # RoBERTa counts positions from the padding id on
    return int(limit) - image_token_count(key, config)


def default_sequence_length(key: str, config: PretrainedConfig) -> int | None:
    """The text tokens per item to use where nothing else is asked: 32 tiny, 128 real, or the model's maximum if less.

    None for models that take no text.
    """
    if not resolve(key).takes_text:
        return None
    wanted = TINY_TEXT_TOKENS if _is_tiny(config) else REFERENCE_TEXT_TOKENS
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


def _ordinary_tokens(config: PretrainedConfig, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Token ids drawn evenly from those that mean nothing special; int64."""
    vocabulary_size = _text_config(config).vocab_size
    allowed = torch.ones(vocabulary_size, dtype=torch.bool)
    allowed[[i for i in special_token_ids(config) if 0 <= i < vocabulary_size]] = False
    ids = allowed.nonzero().squeeze(1)
    return ids[torch.randint(len(ids), shape, generator=generator)]


def _caption(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    """Text of a CLIP-like tower, which reads its summary at the highest id: the end token, last in the vocabulary."""
    ids = _ordinary_tokens(config, (batch_size, length), generator)
    last = _text_config(config).vocab_size - 1
    ids[ids == last] = last - 1
    ids[:, -1] = last
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _text(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    ids = _ordinary_tokens(config, (batch_size, length), generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _decoder_text(config: PretrainedConfig, batch_size: int, length: int, generator: torch.Generator) -> Tensors:
    ids = _ordinary_tokens(config, (batch_size, length), generator)
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
    key = resolve(key).key
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
    `input_ids` B×(S+2340). Tiny configurations have the same inputs on small grids.

    Raises UnknownModelError; ValueError for a batch size below 1, or a sequence length that the model cannot take.
    """
    model = resolve(key)
    if batch_size < 1:
        raise ValueError(f"batch size {batch_size} for {key}: expected 1 or more. Fix: choose a positive batch size")
    length = _require_sequence_length(model.key, config, sequence_length)
    generator = torch.Generator().manual_seed(seed)
    return _MAKERS[model.key](config, batch_size, length, generator)


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


_LOSS_KINDS = {
    "bert": "masked_lm",
    "vit": "classification",
    "detr": "detection",
    "t5": "seq2seq",
    "llama": "causal_lm",
    "qwen2": "causal_lm",
    "whisper": "seq2seq",
    "wav2vec2": "ctc",
    "clap": "contrastive",
    "clip": "contrastive",
    "llava": "causal_lm",
    "llava_next": "causal_lm",
    "xclip": "contrastive",
}


def training_loss_kind(key: str) -> str:
    """The loss that `make_labels` makes the model return: masked_lm, classification, detection, seq2seq, causal_lm,
    ctc or contrastive; surrogate where it has none to give.

    DETR matches predictions to objects with scipy, which comes with the `[pipeline]` extra and not with the base
    install: without scipy its kind is surrogate.
    """
    kind = _LOSS_KINDS[resolve(key).key]
    if kind == "detection" and importlib.util.find_spec("scipy") is None:
        return "surrogate"
    return kind


def _class_count(config: PretrainedConfig) -> int:
    return int(config.num_labels or 0)


def _masked_lm_labels(ids: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    masked = torch.rand(ids.shape, generator=generator) < MASKED_SHARE
    masked[:, 0] = True  # a batch without any masked token has no loss
    return ids.masked_fill(~masked, IGNORED_LABEL)


def _objects(config: PretrainedConfig, batch_size: int, generator: torch.Generator) -> list[Tensors]:
    targets = []
    for _ in range(batch_size):
        centre = 0.3 + 0.4 * torch.rand(OBJECTS_PER_IMAGE, 2, generator=generator)
        extent = 0.1 + 0.4 * torch.rand(OBJECTS_PER_IMAGE, 2, generator=generator)
        classes = torch.randint(_class_count(config), (OBJECTS_PER_IMAGE,), generator=generator)
        targets.append({"class_labels": classes, "boxes": torch.cat([centre, extent], dim=1)})
    return targets


def speech_frames(config: PretrainedConfig, samples: int) -> int:
    """Frames that a wav2vec2-like convolutional feature encoder makes of that many samples."""
    frames = samples
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        frames = (frames - kernel) // stride + 1
    return frames


def make_labels(
    key: str, config: PretrainedConfig, inputs: Mapping[str, torch.Tensor], *, seed: int = 0
) -> dict[str, Any] | None:
    """Further keyword arguments that make the model return its own loss for these inputs, or None for a surrogate.

    `labels` is int64: token ids B×S with -100 where no loss is taken, classes B, or CTC targets; for detr a list of
    one dict per image, `class_labels` (3) and `boxes` (3×4, relative centre x, y, width, height). Contrastive models
    take `return_loss=True`, and their loss is 0 with gradient 0 at batch size 1, where nothing can be contrasted.
    None where `training_loss_kind` says surrogate. Deterministic by `seed`.
    """
    kind = training_loss_kind(key)
    if kind == "surrogate":
        return None
    if kind == "contrastive":
        return {"return_loss": True}
    generator = torch.Generator().manual_seed(seed)
    batch_size = batch_size_of(inputs)
    if kind == "masked_lm":
        return {"labels": _masked_lm_labels(inputs["input_ids"], generator)}
    if kind == "classification":
        return {"labels": torch.randint(_class_count(config), (batch_size,), generator=generator)}
    if kind == "detection":
        return {"labels": _objects(config, batch_size, generator)}
    if kind == "seq2seq":
        return {"labels": _ordinary_tokens(config, tuple(inputs["decoder_input_ids"].shape), generator)}
    if kind == "ctc":
        # a quarter of the frames leaves room for the blanks that CTC needs between equal labels
        length = max(1, speech_frames(config, inputs["input_values"].shape[-1]) // 4)
        return {"labels": _ordinary_tokens(config, (batch_size, length), generator)}
    ids = inputs["input_ids"]
    return {"labels": ids.masked_fill(ids == getattr(config, "image_token_index", -1), IGNORED_LABEL)}


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


# Parts of a model output that are no answer: inner states, caches, and the loss.
_NOT_AN_ANSWER = ("loss", "past_key_values", "hidden_states", "attentions", "logits_per_text")


def _is_head(name: str) -> bool:
    return name.startswith(("logits", "pred_")) or name.endswith(("logits", "_embeds"))


def primary_output(model_output: Any) -> Tensors:
    """The named float tensors by which two backends are compared, in the model's order.

    `model_output` is a transformers ModelOutput or another mapping. Where it has heads (logits, `logits_per_image`,
    `pred_boxes`, `image_embeds` …) only these; else every floating tensor (`last_hidden_state`, `pooler_output`).
    Never the loss, caches, hidden states or attentions; nor `logits_per_text`, another head's transpose.
    Raises ValueError where nothing is left.
    """
    tensors = {
        name: value
        for name, value in model_output.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not name.endswith(_NOT_AN_ANSWER)
    }
    heads = {name: value for name, value in tensors.items() if _is_head(name)}
    if not tensors:
        raise ValueError(
            f"model output with {', '.join(model_output) or 'no fields'}: expected a floating tensor to compare. "
            "Fix: call the model with return_dict=True"
        )
    return heads or tensors


def forced_tokens(config: PretrainedConfig, batch_size: int, new_tokens: int, *, seed: int = 0) -> torch.Tensor:
    """Ordinary tokens that a generation is made to take, items × tokens: none of them ends it."""
    return _ordinary_tokens(config, (batch_size, new_tokens), torch.Generator().manual_seed(seed + 1))
