"""Model types that a user registered with transformers' `AutoConfig.register`, taken along into the processes that measure.

Belongs here: the modules to import for them, and moving registrations from one process to another. Does not belong here: what
is made of a registered type, which is derived like every other (`architectures`, `deriving`).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODULES_VARIABLE = "HWBENCH_MODELS"
"""Environment variable: modules, separated by commas, that register model types when they are imported."""


class RegistrationError(ValueError):
    """A registered model type that another process cannot have."""


def import_named_modules() -> None:
    """Import the modules that `HWBENCH_MODELS` names, once per process. Raises `RegistrationError` with what failed."""
    named = [name.strip() for name in os.environ.get(MODULES_VARIABLE, "").split(",") if name.strip()]
    for name in named:
        if name in sys.modules:
            continue
        folder = str(Path.cwd())
        if folder not in sys.path:  # an installed program does not look beside where it is called
            sys.path.append(folder)
        try:
            importlib.import_module(name)
        except Exception as error:
            raise RegistrationError(
                f"{MODULES_VARIABLE} names {name}, and importing it failed: {type(error).__name__}: {error}. Fix: a module "
                "that lies in this folder or is installed, and that registers its types when it is imported"
            ) from error


def registrations() -> dict[str, Any]:
    """What this process registered, as JSON: where its classes are, by auto mapping, and where modules are looked for."""
    from transformers import CONFIG_MAPPING

    configs = [_place(config) for config in CONFIG_MAPPING._extra_content.values()]
    if not configs:
        return {}
    models = [
        [mapping, _place(config), _place(model[0] if isinstance(model, list | tuple) else model)]
        for mapping, registered in _model_mappings().items()
        for config, model in registered._extra_content.items()
    ]
    return {"configs": configs, "models": models, "path": [folder for folder in sys.path if folder]}


def register(known: Mapping[str, Any]) -> None:
    """Register in this process what `registrations` gave in another one.

    Raises `RegistrationError` for a class that cannot be imported here, one of a `__main__` script for example.
    """
    from transformers import AutoConfig

    sys.path.extend(folder for folder in known.get("path", ()) if folder not in sys.path)
    for place in known.get("configs", ()):
        config = _class_at(place)
        AutoConfig.register(config.model_type, config, exist_ok=True)
    mappings = _model_mappings()
    for mapping, config, model in known.get("models", ()):
        mappings[mapping].register(_class_at(config), _class_at(model), exist_ok=True)


def _model_mappings() -> dict[str, Any]:
    from transformers.models.auto import modeling_auto

    return {
        name: mapping
        for name, mapping in vars(modeling_auto).items()
        if name.endswith("_MAPPING") and hasattr(mapping, "_extra_content")
    }


def _place(registered: type) -> str:
    return f"{registered.__module__}:{registered.__qualname__}"


def _class_at(place: str) -> Any:
    module, _, name = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise RegistrationError(
            f"the registered class {name} of {module} cannot be imported in the process that measures: {error}. Fix: put it "
            "into a module of its own, and import it from there"
        ) from error
    return found
