"""The catalog as a whole: the key models, every other architecture of transformers as derived, the declared ones of diffusers,
and the checkpoints that were found on this machine.

Belongs here: asking for a model by name, and listing what there is. Does not belong here: the key models' data (`names`),
deriving (`architectures`, `deriving`), declaring (`diffusion`), finding checkpoints (`checkpoints`), configurations.
"""

from __future__ import annotations

import difflib
import re

from hwbench_pipeline.catalog import checkpoints, names
from hwbench_pipeline.catalog.architectures import architectures, without_model_class
from hwbench_pipeline.catalog.checkpoints import Checkpoint
from hwbench_pipeline.catalog.deriving import derived
from hwbench_pipeline.catalog.diffusion import DIFFUSERS, diffusers_model
from hwbench_pipeline.catalog.names import CatalogModel, UnknownModelError


def _folded(name: str) -> str:
    return re.sub(r"[-_.\s]+", "-", name.strip().lower())


def _architecture_key(name: str) -> str | None:
    if name in DIFFUSERS:
        return name
    known = architectures()
    if name in known:
        return name
    folded = _folded(name)
    return next((key for key in (*known, *DIFFUSERS) if _folded(key) == folded), _published_key(folded))


def _published_key(folded: str) -> str | None:
    """The key of the declared architecture with this published checkpoint."""
    return next((key for key, found in DIFFUSERS.items() if _folded(found.checkpoint or "") == folded), None)


def catalog_model(name: str) -> CatalogModel:
    """The model a name stands for: a key model as `names.catalog_key` understands names, or an architecture by its type
    or, one of diffusers, by its key or published checkpoint, or a checkpoint by the key under which it is kept here.

    Raises `UnknownModelError` with the nearest names.
    """
    checkpoint = checkpoints.kept(name)
    if checkpoint is not None:
        return _checkpoint_model(checkpoint)
    key = names.catalog_key(name)
    if key is not None:
        return names.resolve(key)
    found = _architecture_key(name)
    if found is not None and found in DIFFUSERS:
        return diffusers_model(found)
    return names.resolve(name) if found is None else _derived_model(found)


def asked_model(name: str, *, from_hub: bool = False) -> CatalogModel:
    """As `catalog_model`, but another checkpoint of a key model's architecture is another model: one that `checkpoints.find`
    finds, which asks the Hub only where `from_hub`, else refused."""
    if checkpoints.kept(name) is not None:
        return catalog_model(name)
    if _architecture_key(name) is not None and names.catalog_key(name) is None:
        return catalog_model(name)
    try:
        return names.resolve_exactly(name)
    except UnknownModelError as error:
        checkpoint = checkpoints.find(name, from_hub=from_hub)
        if checkpoint is not None:
            return _checkpoint_model(checkpoint)
        why_not = checkpoints.why_not_found(name)
        if why_not is not None:
            what, _, fix = str(error).partition(". Fix: ")
            raise UnknownModelError(f"{what}, and {why_not}; or {fix}") from error
        if name in without_model_class():
            raise UnknownModelError(
                f"{name!r} has a configuration in transformers and no class in its mappings (AutoModel and its like): it is a part of "
                "another type, or an old name of another type's checkpoints. Fix: name the model that it belongs to; "
                "`hwbench models` lists them"
            ) from error
        nearest = difflib.get_close_matches(_folded(name), catalog_keys(), n=3, cutoff=0.6)
        if not nearest or names.catalog_key(name) is not None:
            raise
        raise UnknownModelError(
            f"{name!r} is not a model of the catalog (nearest: {', '.join(nearest)}). Fix: `hwbench models` lists them"
        ) from error


def _derived_model(key: str) -> CatalogModel:
    known = derived(key)
    takes = known.modalities if not known.takes_text or "text" in known.modalities else (*known.modalities, "text")
    return CatalogModel(key, key, f"hwbench/default-{key}", known.model_class, known.category, takes)


def _checkpoint_model(checkpoint: Checkpoint) -> CatalogModel:
    of_type = catalog_model(checkpoint.model_type)
    return CatalogModel(
        checkpoint.key,
        checkpoint.model_id,
        checkpoint.model_id,
        checkpoint.class_name(of_type.model_class),
        of_type.category,
        of_type.modalities,
        of_type.key,
    )


def catalog_keys(*, components: bool = False) -> tuple[str, ...]:
    """Every key that ships: the key models first, then the standalone architectures by name, those of diffusers, and, if asked
    for, parts. Checkpoints of this machine are `checkpoints.kept_keys`."""
    others = [key for key, found in architectures().items() if found.is_standalone or components]
    first = names.model_keys()
    standalone = [key for key in others if key not in first and architectures()[key].is_standalone]
    parts = [key for key in others if not architectures()[key].is_standalone]
    return (*first, *standalone, *DIFFUSERS, *parts)
