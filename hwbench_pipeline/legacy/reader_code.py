"""Which code decides what an old file says, and its hash: what another reader made of a file is made again.

Belongs here: following the imports of the reading module through this package. Does not belong here: what follows from a
changed hash (`ingest`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_READER = "hwbench_pipeline.legacy.reading"
# inside functions too: what is imported late decides as much
_IMPORT = re.compile(
    r"^[ \t]*(?:from (?P<source>hwbench_pipeline[\w.]*) import (?:\((?P<lines>[^)]*)\)|(?P<names>.*))"
    r"|import (?P<module>hwbench_pipeline[\w.]*))",
    re.MULTILINE,
)
_PACKAGE = _READER.partition(".")[0]


@cache
def reader_fingerprint() -> str:
    """The hash of every module of this package that reading an old file can run, tables and catalog among them."""
    return fingerprint_of(reader_modules())


def fingerprint_of(files: dict[str, Path]) -> str:
    """The hash of modules' names and sources."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def reader_modules(start: str = _READER) -> dict[str, Path]:
    """The module and all of this package that it imports, directly or not, with their files."""
    root = Path(str(find_spec(_PACKAGE).origin)).parent  # type: ignore[union-attr]
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += _imported_by(path.read_text(encoding="utf-8"))
    return found


def _file_of(name: str, root: Path) -> Path | None:
    """The file of a module or package of ours; None for a name that is something inside a module."""
    place = root.joinpath(*name.split(".")[1:])
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imported_by(source: str) -> Iterator[str]:
    for found in _IMPORT.finditer(source):
        if found["module"]:
            yield found["module"]
            continue
        yield found["source"]
        names = re.sub(r"#.*", "", found["lines"] or found["names"])
        yield from (f"{found['source']}.{name.split()[0]}" for name in names.split(",") if name.strip())
