"""What is found out about an architecture by trying: how small it can be made, what it takes, and what it says no to.

Belongs here: trying the rungs of `shrinking` with the inputs of `fitting` until a forward pass gives an answer, and
remembering what was found (`memory`). Does not belong here: the rules themselves, measuring, or isolating
(`bench.deriving` runs this in processes of their own: a model's code may end the process it runs in).
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig

from hwbench_pipeline.catalog import memory
from hwbench_pipeline.catalog.architectures import (
    Architecture,
    architectures,
    category,
    category_by_tasks,
    main_input,
    modalities,
    model_class_named,
    output_modalities,
    registered_types,
)
from hwbench_pipeline.catalog.fitting import TEXT_TOKENS, InputMaker
from hwbench_pipeline.catalog.shrinking import RUNGS, set_use_cache, tiny_config
from hwbench_pipeline.catalog.signal import primary_output, strengthen_weights

SMALL_PARAMETERS = 30_000_000
"""A stand-in larger than this is left for a smaller one, where there is one."""
LARGEST_TINY_PARAMETERS = 120_000_000
"""Above this a stand-in is no stand-in: it takes seconds to build."""
TRIED_BATCH = 2
MOST_REPAIRS = 8
"""Errors that inputs may be mended from before they are given up."""
SEED = 0


class NotRunnableError(Exception):
    """No rung of an architecture could be built and run; the message says what came of each."""


@dataclass(frozen=True)
class Derived:
    """What was found out about an architecture.

    `rung` is that of `shrinking.RUNGS` which runs, `counts` the placeholder tokens per item by modality, `extra` the
    arguments that only an error named. `reason` is None where a forward pass gave an answer, else why none did, and
    `error_class` its kind; `rung` is then the smallest whose model can be built, None where none can.
    """

    key: str
    model_class: str
    category: str
    modalities: tuple[str, ...]
    tasks: tuple[str, ...]
    component_of: tuple[str, ...]
    rung: str | None
    counts: Mapping[str, int] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    takes_text: bool = False
    output_modalities: tuple[str, ...] | None = None
    main_input: str | None = None
    error_class: str | None = None
    reason: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Derived:
        """What `to_json` gave."""
        lists = ("modalities", "tasks", "component_of", "extra", "output_modalities")
        values: dict[str, Any] = {
            name: tuple(inner) if name in lists and inner is not None else inner for name, inner in value.items()
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@lru_cache(maxsize=2048)
def derived(key: str) -> Derived:
    """What is known of an architecture: remembered, else found out here and now, in this process."""
    if key in registered_types():  # its code is the user's, and changes when they change it
        return derive(key)
    recalled = memory.recall(key)
    if recalled is not None:
        return Derived.from_json(recalled)
    found = derive(key)
    memory.remember(key, found.to_json())
    return found


def derive(key: str) -> Derived:
    """Try an architecture, rung by rung. Raises KeyError for a type that transformers does not know; nothing else."""
    architecture = architectures()[key]
    failures: list[str] = []
    error_class = "NoModelClassError"
    built: tuple[str, dict[str, Any]] | None = None
    try:
        model_class = model_class_named(architecture.model_class)
    except ValueError as error:
        return failed(architecture, None, error_class, str(error), {})
    facts = _facts_of_class(architecture, model_class, is_encoder_decoder=False)
    largest, found = 0, []
    for rung in RUNGS:
        if largest > LARGEST_TINY_PARAMETERS and rung == RUNGS[-1]:
            break  # nothing shrunk is no smaller than what was shrunk a little
        try:
            config = tiny_config(key, rung)
            facts = _facts(architecture, model_class, config)
            n_parameters = _count(model_class, config)
            largest = max(largest, n_parameters)
            if n_parameters > LARGEST_TINY_PARAMETERS:
                failures.append(f"{rung}: {n_parameters / 1e6:.0f} million parameters are no stand-in")
                continue
            built = built or (rung, facts)
            maker = _tried(key, model_class, config)
        except Exception as error:  # noqa: BLE001 - any model code may raise anything, which is what is asked here
            error_class = error_class if failures else type(error).__name__
            failures.append(_told(rung, error))
            continue
        runs = Derived(key=key, rung=rung, counts=maker.counts, extra=maker.extra, **facts)
        found.append((n_parameters, runs))
        if n_parameters <= SMALL_PARAMETERS:
            break
    if found:
        return min(found, key=lambda one: one[0])[1]
    rung_built, facts = built or (None, facts)
    return failed(architecture, rung_built, error_class, "; ".join(failures[:2]), facts)


def _told(rung: str, error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if "transformers" in frame.filename), frames[-1])
    return f"{rung}: {type(error).__name__}: {' '.join(str(error).split())[:300]} ({Path(where.filename).name}:{where.lineno})"


def failed(
    architecture: Architecture, rung: str | None, error_class: str, reason: str, facts: Mapping[str, Any]
) -> Derived:
    """What is known of an architecture that gave no answer: why, what `facts` tell, and what its mappings do."""
    unknown = {
        "model_class": architecture.model_class,
        "category": category_by_tasks(architecture),
        "modalities": (),
        "tasks": architecture.tasks,
        "component_of": architecture.component_of,
    }
    return Derived(key=architecture.key, rung=rung, error_class=error_class, reason=reason, **{**unknown, **facts})


def _facts_of_class(architecture: Architecture, model_class: Any, *, is_encoder_decoder: bool) -> dict[str, Any]:
    """What the class and the mappings tell without a configuration."""
    return {
        "model_class": architecture.model_class,
        "category": category(architecture, model_class, is_encoder_decoder=is_encoder_decoder),
        "modalities": modalities(model_class),
        "output_modalities": output_modalities(model_class),
        "main_input": main_input(model_class),
        "tasks": architecture.tasks,
        "component_of": architecture.component_of,
    }


def _facts(architecture: Architecture, model_class: Any, config: PretrainedConfig) -> dict[str, Any]:
    is_encoder_decoder = bool(getattr(config, "is_encoder_decoder", False))
    names = set(InputMaker(architecture.key, model_class, config).names)
    facts = _facts_of_class(architecture, model_class, is_encoder_decoder=is_encoder_decoder)
    takes_text = "text" in facts["modalities"] or (is_encoder_decoder and "decoder_input_ids" in names)
    return facts | {"takes_text": takes_text}


def _count(model_class: Any, config: PretrainedConfig) -> int:
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        module = model_class._from_config(config)
    return sum(parameter.numel() for parameter in module.parameters())


def _tried(key: str, model_class: Any, config: PretrainedConfig) -> InputMaker:
    """The maker of inputs that a forward pass of this configuration took, with a sound answer."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(SEED)
        set_use_cache(config, use_cache=False)
        module = model_class._from_config(config, dtype=torch.float32).eval()
        strengthen_weights(module)
        maker = InputMaker(key, model_class, config)
        for _ in range(MOST_REPAIRS):
            inputs = maker.fitted(module, TRIED_BATCH, TEXT_TOKENS)
            try:
                with torch.no_grad():
                    outputs = primary_output(module(**inputs))
                break
            except Exception as error:
                if not maker.repair(error, TRIED_BATCH, inputs):
                    raise
        else:
            raise NotRunnableError(f"inputs could not be mended in {MOST_REPAIRS} tries")
    wrong = [name for name, value in outputs.items() if not torch.isfinite(value).all()]
    if wrong:
        raise NotRunnableError(f"{', '.join(wrong)} of the tiny model hold NaN or infinity")
    if not any(value.numel() and bool(value.any()) for value in outputs.values()):
        raise NotRunnableError("every output of the tiny model is zero")
    return maker
