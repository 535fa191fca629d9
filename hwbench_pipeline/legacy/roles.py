"""Which files are expected (golden) copies of results, by what their folders and names say.

Belongs here: the role of a path. Does not belong here: what follows from it (`publishing`).
"""

from __future__ import annotations

import re
from functools import lru_cache

_GOLDEN = r"(?:expected|golden|known[_-]good)"
_KEPT = r"(?:results?|outputs?|values?|data|files?|cop(?:y|ies)|runs?|benchmarks?|responses?|master)"
# "reference" alone names reference models and hardware as well; "reference_results" can only be a copy to compare with
_FOLDER = re.compile(
    rf"(?:\w+[_.-])?{_GOLDEN}(?:[_.-]{_KEPT})*|{_KEPT}[_.-]{_GOLDEN}|reference[_.-](?:results?|outputs?|cop(?:y|ies))",
    re.IGNORECASE,
)
_FILE = re.compile(
    rf"(?:^|[_.-]){_GOLDEN}(?:[_.@-]|$)|(?:^|[_.-])reference[_.-](?:results?|outputs?|cop(?:y|ies))(?:[_.@-]|$)",
    re.IGNORECASE,
)


def role_of(path: str) -> str:
    """`expected` for a path in a folder, or of a file, whose name says that it is an expected or golden copy, else `run`."""
    folder, _, name = path.rpartition("/")
    return "expected" if _is_golden_folder(folder) or _FILE.search(name) else "run"


@lru_cache(maxsize=4096)
def _is_golden_folder(folder: str) -> bool:
    return any(_FOLDER.fullmatch(part) for part in folder.split("/"))
