"""Options that several verbs share, and the way from their text to checked values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from hwbench_pipeline.bench.plan import ALL_VARIANTS, may_run_variant
from hwbench_pipeline.catalog.names import UnknownModelError, resolve_exactly
from hwbench_pipeline.cli.failing import WrongCallError
from hwbench_pipeline.cli.output import say
from hwbench_pipeline.hardware.platforms import platform_of
from hwbench_pipeline.schema.tables.catalog import CATEGORIES

# the least that `catalog.inputs.make_inputs` takes: a causal loss needs a token to predict from another
MINIMUM_TOKENS = 2

MODES = ("inference", "training")
SIZES = ("tiny", "reference")

WarehouseOption = Annotated[
    Path | None,
    typer.Option(
        "--warehouse",
        metavar="DIR",
        help="Folder of the tables. Default: HWBENCH_WAREHOUSE, else data/warehouse.",
        file_okay=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else there.")
]
PartsOption = Annotated[
    bool,
    typer.Option("--parts", help="With --all-models or --category: parts of other models (towers, sub-models) too."),
]
VariantOption = Annotated[
    str | None,
    typer.Option(
        metavar="V,…",
        help="How it is run. torch: eager, compile; openvino: latency, throughput; on cpu also onnxruntime, by way of ONNX. "
        "Default: the first of each.",
    ),
]


FromHubOption = Annotated[
    bool,
    typer.Option(
        "--from-hub",
        help="With --model: fetch config.json, and nothing else, of a Hugging Face id whose configuration is not here.",
    ),
]


def existing_warehouse(given: Path | None) -> Path:
    """The warehouse folder. Raises `WarehouseError` where there is none: a question must not make one."""
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.writing import WarehouseError

    folder = warehouse_path(given)
    if not folder.is_dir():
        raise WarehouseError(
            f"there is no warehouse {folder}. Fix: `hwbench ingest` makes one; for another folder use --warehouse"
        )
    return folder


def listed(option: str, text: str | None) -> list[str]:
    """The members of a comma-separated option, without the blanks around them, each once; none where it is not given."""
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    members = list(dict.fromkeys(filter(None, parts)))
    if not members:  # an unset shell variable must not measure everything
        raise WrongCallError(f"{option} {text!r}: is empty. Fix: give it a value, or leave the option out")
    if not all(parts):
        raise WrongCallError(
            f"{option} {text!r:.80}: has an empty member, expected a value on each side of a comma. "
            f"Fix: {option} {','.join(members)}"
        )
    return members


def listed_numbers(option: str, text: str | None) -> list[int]:
    """Positive whole numbers of a comma-separated option."""
    numbers = []
    for part in listed(option, text):
        if not part.isdecimal() or len(part) > 10 or not 1 <= int(part) <= 2**31:
            raise WrongCallError(
                f"{option} {part!r:.40}: takes whole numbers from 1 on, separated by commas. Fix: {option} 1,8"
            )
        numbers.append(int(part))
    return numbers


def listed_seconds(option: str, text: str | None, longest_s: float) -> list[float]:
    """Seconds of a comma-separated option, more than 0 and no more than `longest_s`."""
    seconds = []
    for part in listed(option, text):
        try:
            value = float(part)
        except ValueError:
            value = 0.0
        if not 0 < value <= longest_s:
            raise WrongCallError(
                f"{option} {part!r:.40}: takes seconds, more than 0 and to {longest_s:g} at most, separated by commas. "
                f"Fix: {option} 1,5"
            )
        seconds.append(value)
    return seconds


def listed_rates(option: str, text: str | None) -> list[float]:
    """Learning rates of a comma-separated option, more than 0."""
    rates = []
    for part in listed(option, text):
        try:
            value = float(part)
        except ValueError:
            value = 0.0
        if not 0 < value < math.inf:
            raise WrongCallError(
                f"{option} {part!r:.40}: takes numbers more than 0, separated by commas. Fix: {option} 1e-4,1e-3"
            )
        rates.append(value)
    return rates


def listed_choices(option: str, text: str | None, choices: Sequence[str]) -> list[str]:
    """Members of a comma-separated option that must be among the choices."""
    chosen = listed(option, text)
    for part in chosen:
        if part not in choices:
            nearest = difflib.get_close_matches(part, choices, n=1, cutoff=0.0)[0]
            raise WrongCallError(f"{option} {part!r}: takes {', '.join(choices)}. Fix: {option} {nearest}")
    return chosen


def listed_hardware(text: str | None) -> list[str]:
    """Hardware keys. Raises `UnknownHardwareError`."""
    return [platform_of(key).key for key in listed("--hardware", text)]


def listed_variants(text: str | None, keys: Sequence[str], modes: Sequence[str]) -> list[str]:
    """Variants that something asked for can run; the others' rows would say for ever that the call was wrong.

    Of no keys (those of this machine are not known yet) any variant is taken.
    """
    known = list(ALL_VARIANTS)
    chosen = listed_choices("--variant", text, known)
    for name in chosen if keys else ():
        if not any(may_run_variant(key, mode, name) for key in keys for mode in modes):
            possible = [one for one in known if any(may_run_variant(key, mode, one) for key in keys for mode in modes)]
            raise WrongCallError(
                f"--variant {name}: {' and '.join(modes)} on {', '.join(keys)} takes {', '.join(possible) or 'none'}. Fix: "
                f"{f'--variant {possible[0]}, or ' if possible else ''}leave it out"
            )
    return chosen


def require_possible_lengths(models: Sequence[str], sizes: Sequence[str], lengths: Sequence[int]) -> None:
    """Refuse a sequence length that a model cannot take; say for which models one means nothing."""
    if not lengths:
        return
    from hwbench_pipeline.catalog.configs import model_config
    from hwbench_pipeline.catalog.inputs import default_sequence_length, max_sequence_length

    for key in models:
        configs = [model_config(key, size) for size in sizes]
        if default_sequence_length(key, configs[0]) is None:
            say(f"{key} takes no text: --sequence-length means nothing to it and is left out")
            continue
        limit = min((limit for config in configs if (limit := max_sequence_length(key, config))), default=None)
        for length in lengths:
            if length < MINIMUM_TOKENS or (limit is not None and length > limit):
                raise WrongCallError(
                    f"--sequence-length {length}: {key} takes {MINIMUM_TOKENS} to {limit or 'any number of'} tokens. "
                    f"Fix: --sequence-length {limit or MINIMUM_TOKENS}"
                )


def listed_categories(text: str | None) -> list[str]:
    """Categories; `text_encoders` is taken for text_encoder: people ask for all of a kind."""
    named = listed("--category", text)
    singular = [name.removesuffix("s") if name.removesuffix("s") in CATEGORIES else name for name in named]
    return listed_choices("--category", ",".join(singular) if singular else None, CATEGORIES)


def chosen_models(
    model: str | None, category: str | None, *, all_models: bool, parts: bool = False, from_hub: bool = False
) -> list[str]:
    """Catalog keys from --model, --category or --all-models, of which exactly one must be given; `parts` adds parts of
    other models to the latter two; `from_hub` lets the first fetch a configuration."""
    named = (("--model", model is not None), ("--category", category is not None), ("--all-models", all_models))
    given = [name for name, is_given in named if is_given]
    if len(given) != 1:
        got = " and ".join(given) or "none of them"
        raise WrongCallError(
            f"say which models: one of --model, --category and --all-models, got {got}. Fix: --model bert, or --all-models"
        )
    if category is None and not all_models:
        if parts:
            raise WrongCallError(f"--parts: --model {model} names its models. Fix: leave --parts out, or --all-models")
        return [asked_key(name, from_hub=from_hub) for name in listed("--model", model)]
    if from_hub:
        raise WrongCallError(
            f"--from-hub: fetches what --model names, not {given[0]}. Fix: leave it out, or --model org/name"
        )
    from hwbench_pipeline.bench.deriving import known_models

    wanted = listed_categories(category)
    return [found.key for found in known_models(on_need=say, parts=parts) if not wanted or found.category in wanted]


def asked_key(name: str, *, from_hub: bool = False) -> str:
    """The catalog key of one model that is asked for; the key models need no transformers to be found."""
    with suppress(UnknownModelError):
        if "--" not in name:  # which only keys of checkpoints hold
            return resolve_exactly(name).key
    from hwbench_pipeline.catalog.entries import asked_model

    model = asked_model(name, from_hub=from_hub)
    if model.key not in (name, model.architecture):
        say(f"{name} is {model.key} here, of architecture {model.architecture}")
    return model.key


def require_readable(path: Path) -> None:
    """Refuse a path that is not there, or a folder that cannot be listed."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        elif not path.exists() and not path.is_symlink():
            raise WrongCallError(f"{path} does not exist; takes files or folders. Fix: check the path")
    except PermissionError as error:
        raise WrongCallError(
            f"{path} cannot be listed: permission denied. Fix: make it readable for this user (chmod u+rx)"
        ) from error


def require_bundle_place(option: str, path: Path) -> None:
    """Refuse a name that says nothing of the format, or a folder that is not there."""
    if not path.name.endswith((".json", ".json.gz")):
        raise WrongCallError(
            f"{option} {path}: takes a file name that ends in .json or .json.gz. Fix: {option} {path}.json.gz"
        )
    if not path.absolute().parent.is_dir():
        raise WrongCallError(f"{option} {path}: there is no folder {path.parent}. Fix: mkdir -p {path.parent}")
