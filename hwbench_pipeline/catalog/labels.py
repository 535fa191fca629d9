"""Labels with which the catalog models give their own loss.

Belongs here: which loss a model has, and the labels for it. Does not belong here: training (`training/`), or inputs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import torch
from transformers import PretrainedConfig

from hwbench_pipeline.catalog.architectures import forward_parameters, model_class_named
from hwbench_pipeline.catalog.diffusion import DIFFUSERS, adapting
from hwbench_pipeline.catalog.entries import catalog_model
from hwbench_pipeline.catalog.inputs import batch_size_of, ordinary_tokens

MASKED_SHARE = 0.15  # of tokens, as BERT was trained
OBJECTS_PER_IMAGE = 3
IGNORED_LABEL = -100  # torch's ignore_index, which transformers losses use
SURROGATE = "surrogate: mean squared distance of the outputs from drawn numbers"
"""What a step trains on that has no loss of the model's own, as its row's options say it."""

Tensors = dict[str, torch.Tensor]

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


# What a class's name says of its loss, in the order in which it is asked; the first that ends or holds the words counts.
_KINDS_BY_CLASS = (
    ("ForMaskedLM", "masked_lm"),
    ("ForCTC", "ctc"),
    ("ForQuestionAnswering", "span"),
    ("ForTokenClassification", "token_classification"),
    ("ForSemanticSegmentation", "segmentation"),
    ("ForImageClassification", "classification"),
    ("ForVideoClassification", "classification"),
    ("ForAudioClassification", "classification"),
    ("ForSequenceClassification", "classification"),
    ("ForCausalLM", "causal_lm"),
    ("LMHeadModel", "causal_lm"),
    ("ForConditionalGeneration", "generation"),
    ("ForSpeechToText", "generation"),
    ("MTModel", "generation"),
    ("EncoderDecoderModel", "generation"),
)


def training_loss_kind(key: str) -> str:
    """The loss that `make_labels` makes the model return: masked_lm, classification, token_classification, segmentation,
    span, detection, seq2seq, causal_lm, ctc, contrastive, denoising or reconstruction; surrogate where it has none to give.

    DETR matches predictions to objects with scipy, which comes with the `[pipeline]` extra and not with the base
    install: without scipy its kind is surrogate.
    """
    model = catalog_model(key)
    if model.key in DIFFUSERS:
        return adapting.training_loss_kind(model.key)
    is_usual_class = model.model_class == catalog_model(model.architecture).model_class
    kind = (_LOSS_KINDS.get(model.architecture) if is_usual_class else None) or _kind_of(model.model_class)
    if kind == "detection" and importlib.util.find_spec("scipy") is None:
        return "surrogate"
    return kind


def _kind_of(class_name: str) -> str:
    model_class = model_class_named(class_name)
    kind = next((kind for words, kind in _KINDS_BY_CLASS if class_name.endswith(words)), "surrogate")
    parameters = forward_parameters(model_class)
    if kind == "generation":
        kind = "seq2seq" if "decoder_input_ids" in parameters else "causal_lm"
    if kind == "surrogate" and "return_loss" in parameters:
        return "contrastive"
    needed = {"span": "start_positions", "surrogate": ""}.get(kind, "labels")
    return kind if not needed or needed in parameters else "surrogate"


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
    Those of diffusers take noise, or their own input. None where `training_loss_kind` says surrogate. Deterministic by `seed`.
    """
    kind = training_loss_kind(key)
    if kind == "surrogate":
        return None
    model = catalog_model(key)
    if model.key in DIFFUSERS:
        return adapting.make_labels(model.key, inputs, seed=seed)
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
        return {"labels": ordinary_tokens(config, tuple(inputs["decoder_input_ids"].shape), generator)}
    if kind == "ctc":
        # a quarter of the frames leaves room for the blanks that CTC needs between equal labels
        length = (
            max(1, speech_frames(config, inputs["input_values"].shape[-1]) // 4)
            if hasattr(config, "conv_kernel")
            else 4
        )
        return {"labels": ordinary_tokens(config, (batch_size, length), generator)}
    if kind == "token_classification":
        return {"labels": torch.randint(_class_count(config), tuple(inputs["input_ids"].shape), generator=generator)}
    if kind == "span":
        length = inputs["input_ids"].shape[1]
        start = torch.randint(length // 2, (batch_size,), generator=generator)
        return {"start_positions": start, "end_positions": start + 1}
    if kind == "segmentation":
        height, width = inputs["pixel_values"].shape[-2:]
        return {"labels": torch.randint(_class_count(config), (batch_size, height, width), generator=generator)}
    ids = inputs["input_ids"]
    return {"labels": ids.masked_fill(ids == getattr(config, "image_token_index", -1), IGNORED_LABEL)}
