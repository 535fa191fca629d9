"""Options that several verbs share, and the way from their text to checked values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hwbench_pipeline.catalog.names import MODELS, resolve_exactly
from hwbench_pipeline.cli.failing import WrongCallError
from hwbench_pipeline.hardware.platforms import platform_of

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


def listed(text: str | None) -> list[str]:
    """The members of a comma-separated option, blanks dropped, each once."""
    return list(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def listed_numbers(option: str, text: str | None) -> list[int]:
    """Positive whole numbers of a comma-separated option."""
    numbers = []
    for part in listed(text):
        if not part.isdecimal() or int(part) < 1 or int(part) > 2**31:
            raise WrongCallError(
                f"{option} {part!r}: takes whole numbers from 1 on, separated by commas. Fix: {option} 1,8"
            )
        numbers.append(int(part))
    return numbers


def listed_choices(option: str, text: str | None, choices: Sequence[str]) -> list[str]:
    """Members of a comma-separated option that must be among the choices."""
    chosen = listed(text)
    for part in chosen:
        if part not in choices:
            raise WrongCallError(f"{option} {part!r}: takes {', '.join(choices)}. Fix: {option} {choices[0]}")
    return chosen


def listed_hardware(text: str | None) -> list[str]:
    """Hardware keys. Raises `UnknownHardwareError`."""
    return [platform_of(key).key for key in listed(text)]


def chosen_models(model: str | None, category: str | None, *, all_models: bool) -> list[str]:
    """Catalog keys from --model, --category or --all-models, of which exactly one must be given."""
    given = [
        name for name, value in (("--model", model), ("--category", category), ("--all-models", all_models)) if value
    ]
    if len(given) != 1:
        got = " and ".join(given) or "none of them"
        raise WrongCallError(
            f"say which models: one of --model, --category and --all-models, got {got}. Fix: --model bert, or --all-models"
        )
    if category:
        categories = sorted({entry.category for entry in MODELS})
        wanted = listed_choices("--category", category, categories)
        return [entry.key for entry in MODELS if entry.category in wanted]
    if all_models:
        return [entry.key for entry in MODELS]
    keys = [resolve_exactly(name).key for name in listed(model)]
    if not keys:
        raise WrongCallError("--model is empty. Fix: --model bert,vit")
    return list(dict.fromkeys(keys))
