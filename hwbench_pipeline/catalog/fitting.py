"""Inputs for any architecture: what its forward asks for by name, at the shapes that its configuration and processor say.

Belongs here: one maker per kind of argument, and how placeholders are counted. Does not belong here: the key models' own
inputs (`inputs`), what one architecture needs that no rule can know (`exceptions`), and running models for any other reason
than to ask how many features a tower makes.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PretrainedConfig

from hwbench_pipeline.catalog.architectures import forward_parameters, required_arguments
from hwbench_pipeline.catalog.exceptions import exception_of

Tensors = dict[str, torch.Tensor]

TEXT_TOKENS = 32
DECODER_TOKENS = 8
VIDEO_FRAMES = 4
DEFAULT_IMAGE_SIDE = 224
LARGEST_UNSTATED_SIDE = 448
LARGEST_EDGE = 10_000
"""Largest edge of an image in any processor; what is larger is an area, which some processors state under that name."""
AUDIO_SECONDS = 1.0
SAMPLING_RATE = 16_000
FEATURE_FRAMES = 128
MEL_BINS = 80
"""Channels of a spectrogram where neither configuration nor feature extractor tells."""

_PLACEHOLDERS: Mapping[str, tuple[str, ...]] = {
    "image": (
        "image_token_id",
        "image_token_index",
        "image_patch_id",
        "media_placeholder_token_id",
        "im_patch_id",
        "img_context_token_id",
    ),
    "video": ("video_token_id", "video_token_index"),
    "audio": ("audio_token_id", "audio_token_index"),
}
_TYPE_IDS = {"image": 1, "video": 2, "audio": 3}
_MISMATCH = re.compile(
    r"(?P<what>image|video|audio|multimodal|vision|placeholder)?[^.]*?(?:do not|does not|don't|doesn't) match\D*?"
    r"tokens\D*(?P<tokens>\d+)\D+?(?P<features>\d+)",
    re.IGNORECASE | re.DOTALL,
)
_GROUPED_IMAGES = re.compile(r"not enough values to unpack \(expected (5, got 4|4, got 3)\)")
_MISPLACED = re.compile(r"shape mismatch: value tensor|expanded size of the tensor")
_IMAGES_IN_GROUPS = "images in groups"
_FRAMES_APART = "frames apart"
_NO_VIDEO_WITH_IMAGES = "no video with images"
_VIDEO_AS_IMAGES = "video as images"
_SQUARE_PATCHES = "square patches"
"""What an error can tell of the inputs beyond counts and missing arguments; learnt among `InputMaker.extra`."""
_MISSING = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (?P<names>.+)")


def attribute(config: Any, names: tuple[str, ...]) -> Any:
    """The first of these attributes that a configuration or one of its parts has, None where none has."""
    for name in names:
        found = getattr(config, name, None)
        if found is not None:
            return found
    for part_name in getattr(config, "sub_configs", None) or {}:
        part = getattr(config, part_name, None)
        if isinstance(part, PretrainedConfig):
            found = attribute(part, names)
            if found is not None:
                return found
    return None


def text_part(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of the text tower, or of the whole where there is none."""
    try:
        found: PretrainedConfig = config.get_text_config(decoder=True)
    except (ValueError, AttributeError):
        found = config
    if getattr(found, "vocab_size", None) is None:
        for name in ("text_config", "decoder", "text_encoder", "language_config", "llm_config", "qformer_config"):
            part = getattr(config, name, None)
            if isinstance(part, PretrainedConfig) and getattr(part, "vocab_size", None):
                return part
    return found


def vision_part(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of the vision tower, or of the whole where there is none."""
    for name in (
        "vision_config",
        "image_config",
        "vit_config",
        "encoder",
        "backbone_config",
        "question_encoder",
        "vision_encoder_config",
    ):
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig):
            inner = getattr(part, "vision_config", None)
            return inner if isinstance(inner, PretrainedConfig) else part
    whole = getattr(config, "vlm_config", None)
    return vision_part(whole) if isinstance(whole, PretrainedConfig) else config


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return int(value[0]), int(value[1])
    if isinstance(value, Mapping):
        if "height" in value and "width" in value:
            return int(value["height"]), int(value["width"])
        for name in ("shortest_edge", "longest_edge"):
            if isinstance(value.get(name), int):
                return int(value[name]), int(value[name])
    return None


def image_sides(config: PretrainedConfig, processor: Any = None) -> tuple[int, int]:
    """Height and width of one image: the configuration's, the processor's, or `DEFAULT_IMAGE_SIDE`."""
    vision = vision_part(config)
    for owner in (vision, getattr(vision, "backbone_config", None), config):
        for name in ("image_size", "img_size", "input_image_size", "crop_size", "input_size", "max_img_size"):
            found = _pair(getattr(owner, name, None))
            if found:
                return found
    for name in ("crop_size", "size"):
        found = _pair(dict(getattr(processor, name, None) or {})) if processor is not None else None
        if found:
            return min(found[0], LARGEST_UNSTATED_SIDE), min(found[1], LARGEST_UNSTATED_SIDE)
    return DEFAULT_IMAGE_SIDE, DEFAULT_IMAGE_SIDE


def channels(config: PretrainedConfig) -> int:
    """Channels of an image."""
    found = attribute(vision_part(config), ("num_channels", "in_channels", "in_chans", "num_input_channels"))
    return int(found) if isinstance(found, int) else 3


def _processor_names() -> Mapping[str, Any]:
    from transformers.models.auto import image_processing_auto

    return vars(image_processing_auto)["IMAGE_PROCESSOR_MAPPING_NAMES"]  # type: ignore[no-any-return]


def image_processor(key: str, config: PretrainedConfig) -> Any:
    """The type's image processor with the configuration's patch sizes; None where it has none that runs here."""

    names = _processor_names().get(key)
    name = names.get("pil") if isinstance(names, Mapping) else None
    if name is None:
        return None
    import transformers

    vision = vision_part(config)
    settings: dict[str, Any] = {}
    made_by_default = None
    try:
        made_by_default = getattr(transformers, name)()
        for setting, own in (
            ("patch_size", "patch_size"),
            ("merge_size", "spatial_merge_size"),
            ("temporal_patch_size", "temporal_patch_size"),
        ):
            value = getattr(vision, own, None)
            if isinstance(value, int) and hasattr(made_by_default, setting):
                settings[setting] = value
        largest, side = getattr(made_by_default, "max_image_size", None), getattr(vision, "image_size", None)
        if largest is not None and isinstance(side, int):
            settings["max_image_size"] = side if isinstance(largest, int) else {"longest_edge": side}
        if hasattr(made_by_default, "do_image_splitting"):
            settings["do_image_splitting"] = False  # one tile for an image of one tile's size
        return getattr(transformers, name)(**settings)
    except Exception:  # noqa: BLE001 - a processor that cannot be made here is none: the configuration's sides are used
        return made_by_default


@dataclass(frozen=True)
class _Call:
    """One forward pass to make inputs for: its items, its text tokens, where numbers come from, and what is made by now."""

    batch: int
    length: int
    generator: torch.Generator
    made: Tensors


class InputMaker:
    """Inputs of one architecture at one configuration.

    `counts` are placeholder tokens per item by modality, found by `fit`. Deterministic by the seed given to `make`.
    """

    def __init__(self, key: str, model_class: Any, config: PretrainedConfig) -> None:
        self.key = key
        self.config = config
        self.names = forward_parameters(model_class)
        self.counts: dict[str, int] = {}
        self.extra: tuple[str, ...] = ()
        main = getattr(model_class, "main_input_name", "input_ids")
        self._main = main[0] if isinstance(main, list | tuple) else main
        self._modalities = getattr(model_class, "input_modalities", ())
        self._required = required_arguments(model_class)

    def make(self, batch_size: int, length: int, seed: int = 0) -> Tensors:
        """Keyword arguments of one forward pass; floats fp32, ids int64."""
        generator = torch.Generator().manual_seed(seed)
        inputs: Tensors = {}
        call = _Call(batch_size, length, generator, inputs)
        own = exception_of(self.key).inputs
        for makes in (
            self._images,
            self._videos,
            self._audio,
            self._series,
            self._text,
            self._decoder,
            self._required_rest,
        ):
            for name, value in makes(call).items():
                inputs.setdefault(name, value)
        if own is not None:
            return own(self.config, batch_size, length, generator, inputs)
        return {name: value for name, value in inputs.items() if name in self.names or "kwargs" in self.names}

    def fitted(self, module: Any, batch_size: int, length: int) -> Tensors:
        """`make`, after asking the towers of the model how many features they make of each modality of it."""
        inputs = self.make(batch_size, length)
        asked = {kind: self._n_features(module, kind, inputs) for kind in self._placeholder_ids()}
        found = {kind: count // batch_size for kind, count in asked.items() if count and count % batch_size == 0}
        if found == self.counts or not found:
            return inputs
        self.counts = {**self.counts, **found}
        return self.make(batch_size, length)

    @staticmethod
    def _n_features(module: Any, kind: str, inputs: Tensors) -> int:
        """How many embeddings the model's own method makes of these inputs; 0 where it cannot be asked."""
        name = f"get_{kind}_features"
        for owner in (getattr(module, "base_model", None), getattr(module, "model", None), module):
            ask = getattr(owner, name, None)
            if ask is None:
                continue
            taken = {name: inputs[name] for name in inspect.signature(ask).parameters if name in inputs}
            try:
                with torch.no_grad():
                    return _rows(ask(**taken)) if taken else 0
            except Exception:  # noqa: BLE001, S112 - the forward pass tells what is wrong with these inputs
                continue
        return 0

    # -- text ---------------------------------------------------------------------------------------------------------

    def _placeholder_ids(self) -> dict[str, int]:
        found = {}
        for kind, names in _PLACEHOLDERS.items():
            value = attribute(self.config, names)
            if isinstance(value, int):
                found[kind] = value
        named = attribute(self.config, ("vocabulary_map",))
        if isinstance(named, Mapping) and "<image>" in named:
            found.setdefault("image", named["<image>"])
        return found

    def special_ids(self) -> set[int]:
        """Token ids of a meaning of their own."""
        found: set[int] = set()

        def collect(config: PretrainedConfig) -> None:
            for name, value in config.to_dict().items():
                if re.search(r"_token_ids?$|_token_index$|_patch_id$|_start_id$|_end_id$", name):
                    found.update(v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int))
            for part in config.sub_configs or {}:
                inner = getattr(config, part, None)
                if isinstance(inner, PretrainedConfig):
                    collect(inner)

        collect(self.config)
        return found

    def tokens(self, shape: tuple[int, ...], generator: torch.Generator, vocabulary: int | None = None) -> torch.Tensor:
        """Ordinary token ids."""
        told = getattr(text_part(self.config), "vocab_size", None) or attribute(self.config, ("vocab_size",))
        size = vocabulary or int(told or 1000)
        allowed = torch.ones(size, dtype=torch.bool)
        allowed[[i for i in self.special_ids() if 0 <= i < size]] = False
        allowed[: min(4, size // 2)] = (
            False  # padding, begin, end and unknown stand first where a configuration says nothing
        )
        ids = allowed.nonzero().squeeze(1)
        if not len(ids):
            ids = torch.arange(size)
        return ids[torch.randint(len(ids), shape, generator=generator)]

    def _length(self, length: int) -> int:
        text = text_part(self.config)
        for name in ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len", "n_ctx"):
            limit = getattr(text, name, None)
            if isinstance(limit, int) and limit > 4:
                return min(length, limit - 4 if limit <= length else length)
        return length

    def _read_vocabulary(self) -> int | None:
        """Size of the vocabulary of an encoder that reads other tokens than its decoder writes, None without such."""
        parts = {name: getattr(self.config, name, None) for name in _READERS}
        if not any(
            isinstance(getattr(self.config, name, None), PretrainedConfig) for name in ("decoder_config", "decoder")
        ):
            return None
        sizes = (getattr(part, "vocab_size", None) for part in parts.values() if isinstance(part, PretrainedConfig))
        return next((int(size) for size in sizes if isinstance(size, int) and size), None)

    def _text(self, call: _Call) -> Tensors:
        batch, length, generator, inputs = call.batch, call.length, call.generator, call.made
        if "input_ids" not in self.names:
            return {}
        if (
            self._main not in ("input_ids", None)
            and "text" not in self._modalities
            and "input_ids" not in self._required
        ):
            return {}
        ids = self.tokens((batch, self._length(length)), generator, self._read_vocabulary())
        eos = getattr(text_part(self.config), "eos_token_id", None)
        placeholders = self._placeholder_ids()
        if _VIDEO_AS_IMAGES in self.extra:
            placeholders["video"] = placeholders["image"]
        middle = [ids[:, :1]]
        spans: list[tuple[int, int, int]] = []
        for kind, count in self.counts.items():
            start = attribute(
                self.config,
                (f"{kind}_start_token_id", f"{kind}_begin_token_id", f"{kind}_bos_token_id", "vision_start_token_id")
                if kind != "audio"
                else ("audio_start_token_id", "audio_bos_token_id", "audio_begin_token_id"),
            )
            end = attribute(
                self.config,
                (f"{kind}_end_token_id", f"{kind}_eos_token_id", "vision_end_token_id")
                if kind != "audio"
                else ("audio_end_token_id", "audio_eos_token_id"),
            )
            if isinstance(start, int):
                middle.append(torch.full((batch, 1), start))
            frames = self._frames_apart(kind, inputs)
            for frame in range(frames):
                if frame and not isinstance(start, int):
                    middle.append(ids[:, :1])
                elif frame:
                    middle.append(torch.full((batch, 1), start))
                middle.append(
                    torch.full((batch, count // frames), placeholders.get(kind, next(iter(placeholders.values()), 0)))
                )
                spans.append(
                    (sum(part.shape[1] for part in middle) - count // frames, count // frames, _TYPE_IDS[kind])
                )
                if isinstance(end, int):
                    middle.append(torch.full((batch, 1), end))
        ids = torch.cat([*middle, ids[:, 1:]], dim=1)
        if (
            isinstance(eos, int)
            and getattr(self.config, "text_config", None) is not None
            and not self.counts
            and 0 <= eos < int(getattr(text_part(self.config), "vocab_size", 0) or 0)
        ):
            ids[:, -1] = eos  # a CLIP-like tower reads its summary there
        made = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        types = torch.zeros_like(ids)
        if "mm_token_type_ids" in self.names:
            for first, count, kind_id in spans:
                types[:, first : first + count] = kind_id
            made["mm_token_type_ids"] = types
        if "token_type_ids" in self.names:
            image = placeholders.get("image")
            made["token_type_ids"] = (
                (ids == image).long() if image is not None and self.counts else torch.zeros_like(ids)
            )
        n_latent = attribute(self.config, ("latent_query_num",))
        if "image_embeds_position_mask" in self.names and isinstance(n_latent, int):
            image_places = torch.zeros_like(ids).repeat(1, 1 + math.ceil(n_latent / ids.shape[1]))
            image_places[:, 1 : 1 + n_latent] = 1
            made["input_ids"] = ids.repeat(1, image_places.shape[1] // ids.shape[1])
            made["attention_mask"] = torch.ones_like(image_places)
            made["image_embeds_position_mask"] = image_places
        if "bbox" in self.names:
            low = torch.randint(0, 400, (batch, ids.shape[1], 2), generator=generator)
            made["bbox"] = torch.cat([low, low + torch.randint(1, 500, low.shape, generator=generator)], dim=2)
        return made

    def _frames_apart(self, kind: str, inputs: Tensors) -> int:
        """Groups that the placeholders of one item come in: one, or one for every step of a video's grid."""
        if kind != "video" or _FRAMES_APART not in self.extra:
            return 1
        grid = inputs.get("video_grid_thw")
        return int(grid[0, 0]) if grid is not None else VIDEO_FRAMES

    def _decoder(self, call: _Call) -> Tensors:
        batch, length, generator, inputs = call.batch, call.length, call.generator, call.made
        if "decoder_input_ids" not in self.names or not getattr(self.config, "is_encoder_decoder", False):
            return {}
        decoder = getattr(self.config, "decoder", None)
        vocabulary = getattr(decoder, "vocab_size", None) or getattr(text_part(self.config), "vocab_size", None)
        n_tokens = length if "input_ids" in inputs else DECODER_TOKENS
        return {"decoder_input_ids": self.tokens((batch, self._length(n_tokens)), generator, vocabulary)}

    # -- images and video ----------------------------------------------------------------------------------------------

    def _takes_images(self) -> bool:
        return "pixel_values" in self.names or "flattened_patches" in self.names or "images" in self.names

    def _images(self, call: _Call) -> Tensors:
        batch, generator = call.batch, call.generator
        if not self._takes_images():
            return {}
        if "image_position_ids" in self.names:
            pixels, places = self._placed_patches(batch, generator)
            return {"pixel_values": pixels, "image_position_ids": places}
        processor = image_processor(self.key, self.config)
        height, width = self._sides(processor)
        frames = attribute(vision_part(self.config), ("num_frames", "frames_per_clip"))
        is_video = "video" in self._modalities and "image" not in self._modalities
        if is_video or (
            isinstance(frames, int) and "pixel_values_videos" not in self.names and self._main == "pixel_values"
        ):
            n_frames = int(frames) if isinstance(frames, int) else VIDEO_FRAMES
            return {
                "pixel_values": torch.randn(batch, n_frames, channels(self.config), height, width, generator=generator)
            }
        made = _processed(processor, batch, height, width, generator) if processor is not None else {}
        made = {name: value for name, value in made.items() if name in self.names}
        if "input_ids" in self.names:
            made.pop("attention_mask", None)  # the text's, where there is text
        if self._main in made or "pixel_values" in made or "flattened_patches" in made:
            if "pixel_values" in made:
                shape = made["pixel_values"].shape
                made["pixel_values"] = torch.randn(self._grouped(shape), generator=generator)
            return made
        if "image_grid_thw" in self.names:
            return self._packed(batch, height, width, generator)
        if "target_sizes" in self.names:
            return dict(zip(("pixel_values", "target_sizes"), self._packed_in_a_row(batch, generator), strict=True))
        if "spatial_shapes" in self.names:
            return self._packed_by_item(batch, height, width, generator)
        shape = self._grouped(torch.Size((batch, channels(self.config), height, width)))
        return {"pixel_values": torch.randn(shape, generator=generator)}

    def _sides(self, processor: Any) -> tuple[int, int]:
        """Sides of an image; a processor of packed patches states an area where others state sides, so it is not asked."""
        if "image_grid_thw" not in self.names:
            return image_sides(self.config, processor)
        height, width = image_sides(self.config)
        return min(height, LARGEST_UNSTATED_SIDE), min(width, LARGEST_UNSTATED_SIDE)

    def _grouped(self, shape: torch.Size) -> torch.Size:
        """The shape of pixels with a place for the images of one item, where the model wants one."""
        if _IMAGES_IN_GROUPS in self.extra and len(shape) == 4:
            return torch.Size((shape[0], 1, *shape[1:]))
        return shape

    def _packed(self, batch: int, height: int, width: int, generator: torch.Generator) -> Tensors:
        """Patches of all images in one row each, with the grid of every image: what has no processor that runs here."""
        vision = vision_part(self.config)
        patch = int(attribute(vision, ("patch_size",)) or 14)
        merged = attribute(vision, ("spatial_merge_size", "merge_size", "merge_kernel_size")) or 1
        unit = patch * (merged if isinstance(merged, int) else int(merged[0]))
        rows, columns = (max(1, min(side, LARGEST_UNSTATED_SIDE) // unit) * unit // patch for side in (height, width))
        steps = attribute(vision, ("temporal_patch_size", "patch_temporal"))
        values: tuple[int, ...] = (channels(self.config) * patch**2 * (steps if isinstance(steps, int) else 1),)
        if _SQUARE_PATCHES in self.extra:
            values = (channels(self.config), patch, patch)
        return {
            "pixel_values": torch.randn(batch * rows * columns, *values, generator=generator),
            "image_grid_thw": torch.tensor([[1, rows, columns]] * batch),
        }

    def _placed_patches(self, n_images: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches of images, a row each, and the column and row that each stands at."""
        vision = vision_part(self.config)
        patch, merged = int(vision.patch_size), int(getattr(vision, "pooling_kernel_size", None) or 1)
        whole = getattr(vision, "model_patch_size", patch)  # some towers read patches that are merged before
        side = DEFAULT_IMAGE_SIDE // (patch * merged) * (patch * merged) // whole
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        places = torch.stack([columns.flatten(), rows.flatten()], dim=-1).repeat(n_images, 1, 1)
        return torch.rand(n_images, side**2, channels(self.config) * whole**2, generator=generator), places

    def _packed_in_a_row(self, n_images: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches of all images side by side in one picture, with rows and columns of every image."""
        patch = int(vision_part(self.config).patch_size)
        side = DEFAULT_IMAGE_SIDE // (4 * patch) * 4  # such towers merge two by two twice
        pixels = torch.randn(1, channels(self.config), patch, n_images * side**2 * patch, generator=generator)
        return pixels, torch.tensor([[side, side]] * n_images)

    def _packed_by_item(self, batch: int, height: int, width: int, generator: torch.Generator) -> Tensors:
        """Patches of an image in one row each, as many for every image, with the shape that they came from."""
        patch = int(attribute(vision_part(self.config), ("patch_size",)) or 16)
        rows, columns = height // patch, width // patch
        return {
            "pixel_values": torch.randn(batch, rows * columns, channels(self.config) * patch**2, generator=generator),
            "spatial_shapes": torch.tensor([[rows, columns]] * batch),
            "pixel_attention_mask": torch.ones(batch, rows * columns, dtype=torch.long),
        }

    def _videos(self, call: _Call) -> Tensors:
        batch, generator, inputs = call.batch, call.generator, call.made
        if "pixel_values_videos" not in self.names or _NO_VIDEO_WITH_IMAGES in self.extra:
            return {}
        if "video_position_ids" in self.names:
            patches, places = self._placed_patches(batch * VIDEO_FRAMES, generator)
            counts = torch.tensor([VIDEO_FRAMES] * batch)
            return {"pixel_values_videos": patches, "video_position_ids": places, "num_frames_per_video": counts}
        if "target_sizes_videos" in self.names:
            packed = self._packed_in_a_row(batch * VIDEO_FRAMES, generator)
            return dict(zip(("pixel_values_videos", "target_sizes_videos"), packed, strict=True))
        pixels = inputs.get("pixel_values")
        grid = inputs.get("image_grid_thw")
        if grid is not None and pixels is not None and "video_grid_thw" in self.names:
            thw = grid.clone()
            thw[:, 0] = 2
            made = {
                "pixel_values_videos": torch.randn(2 * pixels.shape[0], *pixels.shape[1:], generator=generator),
                "video_grid_thw": thw,
            }
            if "image_merge_sizes" in inputs:
                made["video_merge_sizes"] = inputs["image_merge_sizes"]
            return made
        height, width = self._sides(image_processor(self.key, self.config))
        frames = attribute(self.config, ("num_frames", "frames_per_clip", "num_image_frames"))
        n_frames = int(frames) if isinstance(frames, int) else VIDEO_FRAMES
        return {
            "pixel_values_videos": torch.randn(
                batch, n_frames, channels(self.config), height, width, generator=generator
            )
        }

    # -- audio -----------------------------------------------------------------------------------------------------------

    def _audio(self, call: _Call) -> Tensors:
        batch, generator = call.batch, call.generator
        if not {"input_features", "input_values", "audio_values", "input_audio_embeds"}.intersection(self.names):
            return {}
        made = self._extracted(batch, generator) or self._sounds_by_configuration(batch, generator)
        features = made.get("input_features")
        mask = next((name for name in _FEATURE_MASKS if name in self.names), None)
        if features is not None and mask is not None and not set(_FEATURE_MASKS).intersection(made):
            frames = features.shape[1] if features.shape[-1] == self._bins() else features.shape[-1]
            made[mask] = torch.ones(batch, frames, dtype=torch.long)
        return made

    def _bins(self) -> int:
        """Channels of a spectrogram."""
        stacked = attribute(self.config, ("num_stacked_frames",))
        return int(attribute(self.config, _FEATURE_WIDTHS) or MEL_BINS) * (stacked if isinstance(stacked, int) else 1)

    def _sounds_by_configuration(self, batch: int, generator: torch.Generator) -> Tensors:
        """Noise of the shape that the configuration names, where no feature extractor runs here."""
        if "input_features" in self.names:
            bins = self._bins()
            positions = attribute(self.config, ("max_source_positions",))
            is_whole = (
                isinstance(positions, int) and attribute(self.config, _FRAMES_FIRST) is None
            )  # Whisper's fixed window
            frames = 2 * positions if is_whole else FEATURE_FRAMES
            spectrogram = (batch, bins, frames) if is_whole else (batch, frames, bins)
            return {"input_features": torch.randn(spectrogram, generator=generator)}
        samples = int(AUDIO_SECONDS * SAMPLING_RATE)
        name = "input_values" if "input_values" in self.names else "audio_values"
        channel = attribute(self.config, ("audio_channels",))
        wave = (batch, int(channel), samples) if isinstance(channel, int) else (batch, samples)
        return {name: torch.randn(wave, generator=generator)}

    def _types_of_sound(self) -> tuple[str, ...]:
        """Types whose feature extractor is this one's: its own, that of its audio tower, and of the models they belong to."""
        names = [self.key]
        for name in ("audio_config", "audio_encoder_config", "encoder_config", "encoder", "audio_encoder"):
            part = getattr(self.config, name, None)
            if isinstance(part, PretrainedConfig):
                names.append(part.model_type)
        return tuple(dict.fromkeys(part for name in names for part in (name, name.rpartition("_")[0]) if part))

    def _extracted(self, batch: int, generator: torch.Generator) -> Tensors:
        """What the type's default feature extractor makes of noise, with noise of the same shape in place of its numbers."""
        import transformers
        from transformers.models.auto import feature_extraction_auto

        extractors: Mapping[str, str] = vars(feature_extraction_auto)["FEATURE_EXTRACTOR_MAPPING_NAMES"]

        name = next(filter(None, map(extractors.get, self._types_of_sound())), None)
        if name is None:
            return {}
        try:
            extractor = getattr(transformers, name)()
            rate = int(getattr(extractor, "sampling_rate", SAMPLING_RATE))
            rng = np.random.default_rng(0)
            sounds = [rng.standard_normal(int(AUDIO_SECONDS * rate)).astype(np.float32) for _ in range(batch)]
            settings = {"sampling_rate": rate, "return_tensors": "pt"}
            try:
                made = extractor(sounds, return_attention_mask=True, **settings)
            except TypeError:
                made = extractor(sounds, **settings)
        except Exception:  # noqa: BLE001 - an extractor that cannot run here is none: the configuration's shapes are used
            return {}
        found: Tensors = {}
        for field, value in made.items():
            # beside text the mask of that name is the text's; in a tower it counts what is left of the frames
            is_other = "input_ids" in self.names or self.key not in extractors
            is_other = is_other and field == "attention_mask"
            is_wave = field == "input_values" and value.dim() == 2  # no spectrogram, whatever the forward calls its own
            aliases = tuple(
                name for name in _AUDIO_ALIASES.get(field, ()) if not (is_wave and name == "input_features")
            )
            renamed = next((name for name in (field, *aliases)[is_other:] if name in self.names), field)
            if is_other and renamed == field:
                continue
            if renamed in self.names and isinstance(value, torch.Tensor):
                is_signal = value.is_floating_point()
                found[renamed] = torch.randn(value.shape, generator=generator) if is_signal else value
        bins = attribute(self.config, ("num_mel_bins",))
        features = found.get("input_features")
        if features is not None and isinstance(bins, int) and bins not in features.shape and features.dim() == 3:
            axis = 1 if features.shape[1] < features.shape[2] else 2
            shape = list(features.shape)
            shape[axis] = bins
            found["input_features"] = torch.randn(shape, generator=generator)
        return found if {"input_features", "input_values", "audio_values"}.intersection(found) else {}

    # -- the rest --------------------------------------------------------------------------------------------------------

    def _series(self, call: _Call) -> Tensors:
        batch, generator = call.batch, call.generator
        if "past_values" not in self.names:
            return {}
        config: Any = self.config
        context = int(getattr(config, "context_length", 0) or 64)
        lags = max(getattr(config, "lags_sequence", None) or [0]) if "past_time_features" in self.names else 0
        n_channels = attribute(config, ("num_input_channels",))
        shape = (batch, context + lags, int(n_channels)) if isinstance(n_channels, int) else (batch, context + lags)
        made = {"past_values": torch.randn(shape, generator=generator).abs() + 0.1}
        if "past_time_features" in self.names:
            n_time = int(getattr(config, "num_time_features", 0) or 0)
            horizon = int(getattr(config, "prediction_length", 0) or 1)
            made["past_time_features"] = torch.randn(batch, context + lags, n_time, generator=generator)
            made["past_observed_mask"] = torch.ones(shape)
            made["future_values"] = torch.randn(batch, horizon, generator=generator).abs() + 0.1
            made["future_time_features"] = torch.randn(batch, horizon, n_time, generator=generator)
        return made

    def _required_rest(self, call: _Call) -> Tensors:
        """Arguments without a default, and those that an error named, that nothing else has made."""
        made: Tensors = {}
        for name in (*self._required, *self.extra):
            if name in call.made:
                continue
            maker = _BY_NAME.get(name)
            if maker is not None:
                made[name] = maker(self, call)
        return made

    def repair(self, error: BaseException, batch_size: int, inputs: Mapping[str, torch.Tensor]) -> bool:
        """Learn from an error of forward; whether anything was learnt."""
        text = str(error)
        match = _MISMATCH.search(text)
        if match:
            kind = self._kind_of(match["what"] or "", text)
            features = int(match["features"])
            hidden = int(getattr(text_part(self.config), "hidden_size", 0) or 0)
            if kind is None or features == 0:
                return False
            count = math.ceil(features / batch_size)
            n_images = self.counts.get("image")
            if (
                kind == "video"
                and self.counts.get(kind) == count
                and int(match["tokens"]) == batch_size * (n_images or 0)
            ):
                del self.counts[kind]  # images and videos have one placeholder, so that a call takes one of them
                return self._learnt(_NO_VIDEO_WITH_IMAGES)
            if kind == "video" and self.counts.get(kind) == count and int(match["tokens"]) == 0 and n_images:
                return self._learnt(_VIDEO_AS_IMAGES)  # start and end alone tell a video's placeholders from an image's
            if self.counts.get(kind) == count:
                # the number told is that of elements, not of rows
                count = count // hidden if hidden and count % hidden == 0 else 0
            if count <= 0 or self.counts.get(kind) == count:
                return False
            self.counts[kind] = count
            return True
        missing = _MISSING.search(text)
        if missing:
            names = tuple(re.findall(r"'(\w+)'", missing["names"]))
            if set(names) <= set(self.extra) or not all(name in _BY_NAME for name in names):
                return False
            self.extra = (*self.extra, *names)
            return True
        if _GROUPED_IMAGES.search(text) and "pixel_values" in inputs:
            return self._learnt(_IMAGES_IN_GROUPS)
        if "input to conv2d" in text and "image_grid_thw" in inputs:
            return self._learnt(_SQUARE_PATCHES)
        is_position = isinstance(error, StopIteration) or _MISPLACED.search(text)
        if "video" in self.counts and {"video_grid_thw", "target_sizes_videos"}.intersection(inputs) and is_position:
            return self._learnt(_FRAMES_APART)
        return False

    def _learnt(self, what: str) -> bool:
        if what in self.extra:
            return False
        self.extra = (*self.extra, what)
        return True

    def _kind_of(self, word: str, text: str) -> str | None:
        word = word.lower()
        placeholders = self._placeholder_ids()
        if word in placeholders:
            return word
        for kind in ("video", "audio", "image"):
            if kind in text.lower() and kind in placeholders:
                return kind
        return next(iter(placeholders), None)


# Names under which forward passes take what feature extractors make, by the extractor's name for it.
_AUDIO_ALIASES: Mapping[str, tuple[str, ...]] = {
    "input_features_mask": ("feature_attention_mask", "attention_mask"),
    "attention_mask": ("feature_attention_mask", "input_features_mask"),
    "audio_input_features": ("input_features",),
    "input_features": ("input_values",),
    "input_values": ("input_features",),
}
_FEATURE_MASKS = ("input_features_mask", "feature_attention_mask")
_READERS = ("encoder_config", "encoder", "text_config", "text_encoder")  # parts that read text which another answers
_FRAMES_FIRST = ("input_feat_per_channel", "feature_projection_input_dim")
# Fields that hold the channels of a spectrogram, frames that are stacked before the model counted.
_FEATURE_WIDTHS = (
    "num_mel_bins",
    "n_mels",
    "feature_size",
    "num_mel_channels",
    "input_feat_per_channel",
    "feature_projection_input_dim",
    "input_dim",
    "num_chroma",
)


def _rows(features: Any) -> int:
    """Embeddings in what a model's own method for features of a modality gives: a tensor, lists of them, or an output."""
    if isinstance(features, torch.Tensor):
        return features.numel() // features.shape[-1]
    for name in ("pooler_output", "last_hidden_state"):
        found = getattr(features, name, None)
        if found is not None:
            return _rows(found)
    return sum(_rows(inner) for inner in features) if isinstance(features, list | tuple) else 0


def _processed(processor: Any, batch: int, height: int, width: int, generator: torch.Generator) -> Tensors:
    """What an image processor makes of random images of a size; nothing where it cannot."""
    pixels = torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator).numpy()
    settings: dict[str, Any] = {}
    for name in ("size", "crop_size", "pad_size"):
        own: Any = getattr(processor, name, None)
        keys = set(dict(own)) if own else set()
        if keys >= {"height", "width"}:
            settings[name] = {"height": height, "width": width}
        elif keys == {"shortest_edge"}:
            settings[name] = {"shortest_edge": min(height, width)}
        elif keys == {"longest_edge"}:
            settings[name] = {"longest_edge": max(height, width)}
        elif keys == {"shortest_edge", "longest_edge"} and own["longest_edge"] <= LARGEST_EDGE:
            settings[name] = {"shortest_edge": min(height, width), "longest_edge": max(height, width)}
    for attempt in (settings, {}):
        try:
            made = processor([pixels[i] for i in range(batch)], return_tensors="pt", **attempt)
            tensors = _tensors(made)
            if "pixel_values" in tensors and tensors["pixel_values"].shape[:2] == (
                1,
                batch,
            ):  # all taken for one item's
                tensors = _tensors(processor([[pixels[i]] for i in range(batch)], return_tensors="pt", **attempt))
        except Exception:  # noqa: BLE001, S112 - the next attempt, or the configuration's own sides
            continue
        return tensors
    return {}


def _tensors(made: Any) -> Tensors:
    items = made.items() if isinstance(made, Mapping) or hasattr(made, "items") else ()
    return {name: value for name, value in items if isinstance(value, torch.Tensor)}


def _decoder_ids(maker: InputMaker, call: _Call) -> torch.Tensor:
    decoder = getattr(maker.config, "decoder", None)
    return maker.tokens((call.batch, DECODER_TOKENS), call.generator, getattr(decoder, "vocab_size", None))


def _ids(maker: InputMaker, call: _Call) -> torch.Tensor:
    return maker.tokens((call.batch, call.length), call.generator)


def _qformer_ids(maker: InputMaker, call: _Call) -> torch.Tensor:
    config: Any = maker.config
    return maker.tokens((call.batch, call.length), call.generator, config.qformer_config.vocab_size)


def _states(maker: InputMaker, call: _Call) -> torch.Tensor:
    config: Any = maker.config
    return torch.randn(call.batch, call.length, int(config.hidden_size), generator=call.generator)


def _text_embeddings(maker: InputMaker, call: _Call) -> torch.Tensor:
    config: Any = text_part(maker.config)
    return torch.randn(call.batch, call.length, int(config.hidden_size), generator=call.generator)


def _decoder_embeddings(maker: InputMaker, call: _Call) -> torch.Tensor:
    config: Any = maker.config
    return torch.randn(call.batch, DECODER_TOKENS, int(config.hidden_size), generator=call.generator)


_BY_NAME: dict[str, Callable[[InputMaker, _Call], torch.Tensor]] = {
    "decoder_input_ids": _decoder_ids,
    "input_ids": _ids,
    "decoder_inputs_embeds": _decoder_embeddings,
    "inputs_embeds": _text_embeddings,
    "qformer_input_ids": _qformer_ids,
    "hidden_states": _states,
}
