"""Every architecture that the installed transformers knows: derived from its own mappings, never listed here.

Belongs here: which model types there are, which are parts of others, the class to build for each, its tasks, modalities and
category, each by a rule over transformers' mappings and classes. Does not belong here: configurations (`shrinking`), inputs
(`fitting`), and the key models' published checkpoints (`names`).

A new transformers release, or a type registered with `AutoConfig.register` and `AutoModel….register`, appears by itself.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from transformers import CONFIG_MAPPING
from transformers.models.auto import modeling_auto

from hwbench_pipeline.catalog import memory
from hwbench_pipeline.catalog.exceptions import exception_of
from hwbench_pipeline.catalog.registrations import import_named_modules
from hwbench_pipeline.schema.tables.catalog import UNKNOWN_CATEGORY

# The task mappings of transformers in the order in which a type's class is chosen: what the type is mostly used for first,
# so that an encoder-decoder gets its generating class and not one of its halves. Mappings that are not named here (new
# tasks of a later release) follow, then those of bare models.
_TASK_ORDER = (
    "SPEECH_SEQ_2_SEQ",
    "RNNT",
    "TDT",
    "IMAGE_TEXT_TO_TEXT",
    "MULTIMODAL_LM",
    "SEQ_TO_SEQ_CAUSAL_LM",
    "TEXT_TO_WAVEFORM",
    "TEXT_TO_SPECTROGRAM",
    "MASKED_LM",
    "CAUSAL_LM",
    "CTC",
    "ZERO_SHOT_OBJECT_DETECTION",
    "OBJECT_DETECTION",
    "UNIVERSAL_SEGMENTATION",
    "INSTANCE_SEGMENTATION",
    "IMAGE_SEGMENTATION",
    "SEMANTIC_SEGMENTATION",
    "ZERO_SHOT_IMAGE_CLASSIFICATION",
    "DEPTH_ESTIMATION",
    "NORMAL_ESTIMATION",
    "POSE_ESTIMATION",
    "KEYPOINT_MATCHING",
    "KEYPOINT_DETECTION",
    "IMAGE_MATTING",
    "MASK_GENERATION",
    "VIDEO_CLASSIFICATION",
    "IMAGE_CLASSIFICATION",
    "AUDIO_CLASSIFICATION",
    "TIME_SERIES_PREDICTION",
    "IMAGE_TO_IMAGE",
)
_BARE = ("PRETRAINING", "BACKBONE", "IMAGE", "TEXT_ENCODING")  # what only says that there is a model
_EVERYTHING = "BASE"
_MAPPING_SUFFIX = "_MAPPING_NAMES"

# names of forward's arguments that carry a modality
CARRIERS: Mapping[str, tuple[str, ...]] = {
    "text": ("input_ids",),
    "image": (
        "pixel_values",
        "flattened_patches",
        "images",
        "image",
        "image_pixel_values",
        "visual_feats",
        "visual_embeds",
    ),
    "video": ("pixel_values_videos",),
    "audio": (
        "input_features",
        "input_values",
        "audio_values",
        "input_audio_embeds",
        "audio_input_features",
        "audio_input_ids",
        "audio_prompt_latents",
    ),
    "time": ("past_values", "series"),
}
_CATEGORY_OF_TASK: Mapping[str, str] = {
    "MULTIMODAL_LM": "multimodal",
    "IMAGE_TEXT_TO_TEXT": "vision_text",
    "SPEECH_SEQ_2_SEQ": "speech_text",
    "RNNT": "speech_text",
    "TDT": "speech_text",
    "TEXT_TO_WAVEFORM": "speech_text",
    "TEXT_TO_SPECTROGRAM": "speech_text",
    "CTC": "audio",
    "AUDIO_CLASSIFICATION": "audio",
    "VIDEO_CLASSIFICATION": "video",
    "TIME_SERIES_PREDICTION": "time_series",
    "SEQ_TO_SEQ_CAUSAL_LM": "encoder_decoder",
    "MASKED_LM": "text_encoder",
    "CAUSAL_LM": "text_decoder",
    "IMAGE_CLASSIFICATION": "vision",
    "OBJECT_DETECTION": "vision",
    "BACKBONE": "vision",
}
"""What a type is by the mappings that name it, the telling ones first, where its class cannot be asked."""
REMEMBERED_AS = "ARCHITECTURES"  # no type is written in capitals
MODALITIES = ("text", "image", "audio", "video", "time")


class NoModelClassError(ValueError):
    """A type of which the installed transformers has a configuration, but no model class that can be imported here."""


@dataclass(frozen=True)
class Architecture:
    """One model type of transformers.

    `model_class` is the name of the class that is built, `tasks` the auto mappings that name the type, in the order of
    `_TASK_ORDER`; `component_of` the types whose configuration holds this one as a part: towers and sub-models.
    """

    key: str
    model_class: str
    tasks: tuple[str, ...]
    component_of: tuple[str, ...]

    @property
    def is_standalone(self) -> bool:
        """Whether the type is a model of its own and no part of another one."""
        return not self.component_of


def _task_names() -> dict[str, str]:
    """Task name → attribute of `modeling_auto` that holds its mapping of types to class names."""
    names = {}
    for attribute in dir(modeling_auto):
        if attribute.endswith(_MAPPING_SUFFIX) and attribute.startswith("MODEL_"):
            task = attribute.removesuffix(_MAPPING_SUFFIX).removeprefix("MODEL").removeprefix("_FOR").lstrip("_")
            names[task or _EVERYTHING] = attribute
    return names


def _rank(task: str) -> int:
    if task in _TASK_ORDER:
        return _TASK_ORDER.index(task)
    if task == _EVERYTHING:
        return len(_TASK_ORDER) + 1
    return len(_TASK_ORDER) + (2 + _BARE.index(task) if task in _BARE else 0)


def _classes_by_task() -> Iterator[tuple[str, str, str]]:
    """Task, type and class name of everything in transformers' mappings, types registered by a user included."""
    for task, attribute in sorted(_task_names().items(), key=lambda item: (_rank(item[0]), item[0])):
        for key, names in getattr(modeling_auto, attribute).items():
            yield task, key, names if isinstance(names, str) else names[0]
        registered = getattr(modeling_auto, attribute.removesuffix("_NAMES"), None)
        for config, model in getattr(registered, "_extra_content", {}).items():
            found = model[0] if isinstance(model, list | tuple) else model
            yield task, config.model_type, f"{found.__module__}:{found.__name__}"


def _components(owners: Iterable[str]) -> dict[str, set[str]]:
    """Type → those of the owners whose `sub_configs` name its configuration class."""
    found: dict[str, set[str]] = {}
    for key in owners:
        for part in (CONFIG_MAPPING[key].sub_configs or {}).values():
            name = getattr(part, "model_type", "")
            if name and name != key:
                found.setdefault(name, set()).add(key)
    return found


def registered_types() -> tuple[str, ...]:
    """Types that were registered with `AutoConfig.register` in this process, or by the modules of `HWBENCH_MODELS`."""
    import_named_modules()
    return tuple(getattr(CONFIG_MAPPING, "_extra_content", {}))


def architectures() -> Mapping[str, Architecture]:
    """Every type with a model class, standalone ones and components, sorted by key.

    Asked for the first time it imports all of transformers' configurations, which takes seconds.
    """
    return _architectures(registered_types())


@lru_cache(maxsize=4)
def _architectures(registered: tuple[str, ...]) -> Mapping[str, Architecture]:
    recalled = memory.recall(REMEMBERED_AS)
    if recalled is None:
        found = _found(key for key in CONFIG_MAPPING if key not in registered)
        memory.remember(REMEMBERED_AS, [asdict(architecture) for architecture in found])
    else:
        found = [
            Architecture(row["key"], row["model_class"], tuple(row["tasks"]), tuple(row["component_of"]))
            for row in recalled
        ]
    both = {architecture.key: architecture for architecture in (*found, *_found(registered))}
    return dict(sorted(both.items()))


def _found(keys: Iterable[str]) -> list[Architecture]:
    asked = tuple(keys)
    tasks: dict[str, list[tuple[str, str]]] = {key: [] for key in asked}
    for task, key, name in _classes_by_task() if asked else ():
        if key in tasks:
            tasks[key].append((task, name))
    parts = _components(asked)
    return [
        Architecture(
            key,
            exception_of(key).model_class or found[0][1],
            tuple(dict.fromkeys(task for task, _ in found)),
            tuple(sorted(parts.get(key, ()))),
        )
        for key, found in sorted(tasks.items())
        if found
    ]


def without_model_class() -> tuple[str, ...]:
    """Types that have a configuration and no model class in any mapping: parts that only their owners build."""
    return tuple(sorted(set(CONFIG_MAPPING) - set(architectures())))


@cache
def model_class_named(name: str) -> Any:
    """The class of that name in transformers, or `module:name` for a registered one. Raises `NoModelClassError`."""
    module, _, own = name.rpartition(":")
    try:
        found = getattr(importlib.import_module(module or "transformers"), own)
        forward = found.forward  # stand-ins for classes whose libraries are not installed raise here
    except (ImportError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise NoModelClassError(
            f"{own} cannot be imported here: {reason}. Fix: install what it names, or another transformers"
        ) from error
    if forward is torch.nn.Module.forward:
        raise NoModelClassError(
            f"{own} has no forward pass: only generating calls its parts, one by one. Fix: measure its parts, which are "
            "types of their own"
        )
    return found


@cache
def forward_parameters(model_class: Any) -> tuple[str, ...]:
    """Names of the arguments of a class's forward, in order."""
    return tuple(inspect.signature(model_class.forward).parameters)


@cache
def required_arguments(model_class: Any) -> tuple[str, ...]:
    """Names of the arguments of a class's forward that have no default."""
    return tuple(
        name
        for name, parameter in inspect.signature(model_class.forward).parameters.items()
        if name != "self"
        and parameter.default is inspect.Parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    )


def _said(model_class: Any, attribute: str) -> tuple[str, ...]:
    """What a class says of itself in an attribute that holds one name or several; nothing where it has none."""
    said = getattr(model_class, attribute, None) or ()
    return (said,) if isinstance(said, str) else tuple(said)


def modalities(model_class: Any) -> tuple[str, ...]:
    """What a forward pass takes, of `MODALITIES`: what the class says, less what its forward has no argument for.

    Classes that say nothing inherit `text`; there the arguments of forward alone decide.
    """
    declared = _said(model_class, "input_modalities")
    names = {*forward_parameters(model_class), *_said(model_class, "main_input_name")}
    carried = {modality for modality, carriers in CARRIERS.items() if names.intersection(carriers)}
    if declared and set(declared) != {"text"} and "video" in declared and "image" not in declared:
        carried = {"video" if modality == "image" else modality for modality in carried}  # frames are its pixel values
    found = carried.intersection(declared) or carried or set(declared)
    if declared == ("text",):
        found = carried or {"text"}
        # an encoder of another modality has decoder tokens under another name
    return tuple(modality for modality in MODALITIES if modality in found)


def output_modalities(model_class: Any) -> tuple[str, ...] | None:
    """What the class says its forward pass gives, of `MODALITIES`; None where it says nothing."""
    return _said(model_class, "output_modalities") or None


def main_input(model_class: Any) -> str | None:
    """The argument of forward that the class names as its main one: the first of several; None where it names none."""
    return next(iter(_said(model_class, "main_input_name")), None)


def category_by_tasks(architecture: Architecture) -> str:
    """The category of a type whose class cannot be asked, from transformers' mappings; `unknown` where they tell none."""
    return next((name for task, name in _CATEGORY_OF_TASK.items() if task in architecture.tasks), UNKNOWN_CATEGORY)


def category(architecture: Architecture, model_class: Any, *, is_encoder_decoder: bool) -> str:
    """One of `schema.tables.catalog.CATEGORIES`, from the modalities, tasks and what the class can do."""
    found = set(modalities(model_class))
    tasks = set(architecture.tasks)
    if "time" in found or any("TIME_SERIES" in task for task in tasks):
        return "time_series"
    if architecture.tasks[0] == "DECISION" or "decision" in architecture.model_class.lower():
        return "decision"
    if found >= {"audio", "image"} or found >= {"audio", "video"}:
        return "multimodal"
    if "audio" in found:
        return "speech_text" if "text" in found or tasks & {"SPEECH_SEQ_2_SEQ", "RNNT", "TDT"} else "audio"
    if "image" in found or "video" in found:
        named_for_it = "video" in found and "video" in architecture.model_class.lower()
        if "image" not in found or named_for_it or tasks & {"VIDEO_CLASSIFICATION"}:
            return "video"
        if len(found) > 2:
            return "multimodal"
        return "vision_text" if "text" in found or tasks & {"IMAGE_TEXT_TO_TEXT"} else "vision"
    if tasks & {"TEXT_TO_WAVEFORM", "TEXT_TO_SPECTROGRAM"}:
        return "speech_text"
    if is_encoder_decoder:
        return "encoder_decoder"
    generates = bool(model_class.can_generate()) if hasattr(model_class, "can_generate") else False
    makes_text = generates or "CAUSAL_LM" in tasks
    return "text_decoder" if makes_text and "MASKED_LM" not in tasks else "text_encoder"
