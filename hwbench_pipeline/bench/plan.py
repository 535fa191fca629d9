"""What to measure: points, sampling rules, and the plan of one cell.

Belongs here: plain values that travel as JSON into the measuring process. Does not belong here: doing any of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from hwbench_pipeline.bench.backends.protocol import SCENARIOS
from hwbench_pipeline.hardware.platforms import platform_of
from hwbench_pipeline.training.recipe import Recipe

FLOATING_PRECISIONS = ("fp32", "bf16", "fp16")
PRECISIONS = (*FLOATING_PRECISIONS, "int8", "int4")
"""What a point may ask for; a backend that lacks one says so."""

VARIANTS: Mapping[str, tuple[str, ...]] = {
    "torch": ("eager", "compile"),
    "openvino": ("latency", "throughput"),
    "onnxruntime": ("onnxruntime",),
}
"""By backend, the ways it can run a point, its usual one first."""

WEB_VARIANTS: Mapping[str, tuple[str, ...]] = {
    "wasm": ("wasm",),
    "webgpu": ("native", "jsep"),
    "webnn": ("webnn-cpu", "webnn-gpu", "webnn-npu"),
}
"""By hardware key, what a page can ask of onnxruntime-web: its native WebGPU provider or the older one in JavaScript; the
device of a WebNN context, which need not be the one that it gets."""

ALL_VARIANTS: tuple[str, ...] = tuple(
    name for of_one in (VARIANTS, WEB_VARIANTS) for names in of_one.values() for name in names
)

_FURTHER_BACKENDS: Mapping[str, tuple[str, ...]] = {"cpu": ("onnxruntime",)}
"""By hardware key, backends beside the usual one; a point asks for one by its variant."""

FROM_SOUND = "from_sound"
"""A scenario: a forward pass from the waveform on, feature extraction included."""
POINT_SCENARIOS = (*SCENARIOS, FROM_SOUND)
LONGEST_SOUND_S = 3600.0
DEFAULT_SOUNDS_S = (1.0, 5.0, 15.0, 30.0)
"""A word, a sentence, a passage, and the window that Whisper hears."""
DEFAULT_NEW_TOKENS = 32
"""Enough steps for their median, few enough that a slow CPU makes them in seconds."""


@dataclass(frozen=True)
class Point:
    """One thing to measure inside a cell.

    `sequence_length` is tokens per item; None takes the model's default, and stays None for models without text.
    `scenario` is what one call is (`POINT_SCENARIOS`), `variant` the way of the backend that runs it; None is
    the backend's first. `new_tokens` are those that a generation makes, `sound_s` the seconds of the clip that a model hears
    from the waveform on. `recipe` is what a training step is made of, None the usual one; of a training step `batch_size` counts
    the items of the whole optimizer step.
    """

    model_size: str = "tiny"
    precision: str = "fp32"
    batch_size: int = 1
    sequence_length: int | None = None
    scenario: str = "forward"
    variant: str | None = None
    new_tokens: int | None = None
    sound_s: float | None = None
    recipe: Recipe | None = None

    def __str__(self) -> str:
        length = f" × {self.sequence_length} tokens" if self.sequence_length else ""
        more = "".join(f", {name}" for name in (self.variant, self.scenario) if name not in (None, "forward"))
        generated = f" of {self.new_tokens} tokens" if self.new_tokens else ""
        heard = f" of {self.sound_s:g} s" if self.sound_s else ""
        trained = f", {self.recipe.name}" if self.recipe and self.recipe.name else ""
        return f"{self.model_size} {self.precision} batch {self.batch_size}{length}{more}{generated}{heard}{trained}"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Point:
        """The point whose fields these are."""
        recipe = value.get("recipe")
        return cls(**{**value, "recipe": None if recipe is None else Recipe(**recipe)})


@dataclass(frozen=True)
class Sampling:
    """When to stop warming up and sampling: both minima are met, or one maximum is.

    Warming up also goes on until the calls are steady, for `max_warmup_s` at most.

    Ten samples and a second are the least that optimum-benchmark and torchbench take; the maxima keep one slow
    point from holding the machine.
    """

    min_warmup: int = 3
    min_warmup_s: float = 0.5
    max_warmup_s: float = 3.0
    min_samples: int = 10
    min_duration_s: float = 1.0
    max_samples: int = 1000
    max_duration_s: float = 10.0

    @classmethod
    def at_least(cls, *, duration_s: float, samples: int | None = None) -> Sampling:
        """Sampling for so long and so often at least: half as long warms up, and no more than three times as long."""
        fewest = cls.min_samples if samples is None else samples
        return cls(
            min_warmup=min(cls.min_warmup, fewest),
            min_samples=fewest,
            min_duration_s=duration_s,
            min_warmup_s=duration_s / 2,
            max_warmup_s=duration_s * 3,
            max_duration_s=max(cls.max_duration_s, duration_s),
        )


@dataclass(frozen=True)
class CellPlan:
    """Everything one cell measures in one process.

    `hardware` and `model` are the cell's keys; `seed` fixes weights and inputs; `phase_timeout_s` is the time each
    phase of a point (load, compile, sample, …) may take before the process is ended.
    """

    hardware: str
    model: str
    mode: str = "inference"
    points: tuple[Point, ...] = (Point(),)
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    phase_timeout_s: float = 300.0

    @property
    def name(self) -> str:
        """The cell as people read it."""
        return f"{self.hardware} × {self.model} ({self.mode})"

    @property
    def model_sizes(self) -> tuple[str, ...]:
        """The sizes of the points, each once, in order."""
        return tuple(dict.fromkeys(point.model_size for point in self.points))

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CellPlan:
        """The plan that `to_json` gave."""
        return cls(
            **{
                **value,
                "points": tuple(Point.from_json(point) for point in value["points"]),
                "sampling": Sampling(**value["sampling"]),
            }
        )


def sweep(
    *,
    model_sizes: Sequence[str],
    precisions: Sequence[str] = ("fp32",),
    batch_sizes: Sequence[int] = (1,),
    sequence_lengths: Sequence[int | None] = (None,),
    scenarios: Sequence[str] = ("forward",),
    variants: Sequence[str | None] = (None,),
    new_tokens: int = DEFAULT_NEW_TOKENS,
    sounds_s: Sequence[float] = DEFAULT_SOUNDS_S,
    recipes: Sequence[Recipe | None] = (None,),
) -> tuple[Point, ...]:
    """Every combination, smallest first, so that what may run out of memory comes last."""
    return tuple(
        Point(
            size,
            precision,
            batch,
            length,
            scenario,
            variant,
            new_tokens if scenario == "generate" else None,
            sound_s,
            recipe,
        )
        for size, precision, batch, length, scenario, variant, recipe in product(
            dict.fromkeys(model_sizes),
            dict.fromkeys(precisions),
            sorted(set(batch_sizes)),
            sorted(set(sequence_lengths), key=lambda length: length or 0),
            dict.fromkeys(scenarios),
            dict.fromkeys(variants),
            dict.fromkeys(recipes),
        )
        for sound_s in (sorted(set(sounds_s)) if scenario == FROM_SOUND else (None,))
    )


def variants_of(key: str) -> tuple[str, ...]:
    """The ways a hardware key can run a point, its usual one first; none where no backend of ours runs it."""
    if key in WEB_VARIANTS:
        return WEB_VARIANTS[key]
    backends = (platform_of(key).backend or "", *_FURTHER_BACKENDS.get(key, ()))
    return tuple(name for backend in backends for name in VARIANTS.get(backend, ()))


def usual_variant(key: str) -> str | None:
    """The way of a hardware key that has no name in rows: the first of its own; None where no backend of ours runs it."""
    return next(iter(variants_of(key)), None)


def backend_of(key: str, variant: str | None) -> str | None:
    """The name of the backend that runs a variant on a hardware key: the platform's usual one, but for a variant of another."""
    others = _FURTHER_BACKENDS.get(key, ())
    return next((name for name in others if variant in VARIANTS[name]), platform_of(key).backend)


def variants_on(key: str, asked: Sequence[str]) -> list[str | None]:
    """Of the variants asked for, those of a hardware key; all where it has none of them, which their rows will
    say; the usual one where none is asked for."""
    known = variants_of(key)
    return [name for name in asked if name in known] or list(asked) or [None]


def may_run_variant(key: str, mode: str, variant: str) -> bool:
    """Whether a hardware key's backend has a variant in a mode; a platform of another package is only known by asking it."""
    platform = platform_of(key)
    if mode == "training":  # training steps are torch's
        return platform.supports_training and variant in VARIANTS["torch"]
    return platform.plugin is not None or variant in variants_of(key)
