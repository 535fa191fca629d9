"""What was found out about architectures, kept: shipped with the package, and in this machine's state folder.

Belongs here: recalling and remembering JSON values by name, for one version of transformers and one state of the rules.
Does not belong here: finding anything out (`architectures`, `deriving`).

The shipped file saves the minutes that trying every architecture takes. It counts only for the transformers and the rules
that it was made with; otherwise everything is found out anew, once per machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import transformers

from hwbench_pipeline.schema.table import sha256_of
from hwbench_pipeline.state import state_folder

SHIPPED = Path(__file__).with_name("derived.json")
_RULES = ("architectures.py", "deriving.py", "fitting.py", "shrinking.py", "signal.py", "exceptions/*.py")


@cache
def rules_sha256() -> str:
    """Hash of the rules' own source: what was found with other rules is not what these would find."""
    files = sorted(path for pattern in _RULES for path in Path(__file__).parent.glob(pattern))
    return sha256_of([path.read_text(encoding="utf-8") for path in files])


@cache
def _shipped() -> Mapping[str, Any]:
    try:
        document: dict[str, Any] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    made_with = (document.get("transformers"), document.get("rules_sha256"))
    found: Mapping[str, Any] = document.get("found", {})
    return found if made_with == (transformers.__version__, rules_sha256()) else {}


def _file_of(name: str) -> Path:
    folder = state_folder() / "catalog" / f"transformers-{transformers.__version__}-{rules_sha256()[:12]}"
    return folder / f"{name}.json"


def recall(name: str) -> Any:
    """What was remembered under a name; None where nothing was."""
    shipped = _shipped().get(name)
    if shipped is not None:
        return shipped
    try:
        return json.loads(_file_of(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remember(name: str, value: Any) -> None:
    """Keep a JSON value on this machine. A folder that cannot be written to costs nothing but time later."""
    path = _file_of(name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(value), encoding="utf-8")
        draft.replace(path)


def ship(found: Mapping[str, Any]) -> None:
    """Write the file that is shipped: one line per name, so that a change shows what changed."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found[name], sort_keys=True)}" for name in sorted(found))
    head = f'"transformers": {json.dumps(transformers.__version__)},\n "rules_sha256": {json.dumps(rules_sha256())}'
    SHIPPED.write_text(f'{{{head},\n "found": {{\n{lines}\n }}\n}}\n', encoding="utf-8")
