"""Finding files: every file under the given paths, in one order, without running in circles.

Belongs here: walking folders, and what the system says about a file without opening it. Does not belong here: reading
what is found (`contents`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hwbench_pipeline.legacy.json_values import storable

_LARGEST_INT64 = 2**63 - 1
_ESCAPE = "\\ud"


class FileState(NamedTuple):
    """What tells that a file was not touched: its size in bytes, modification time in ns, and inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """The state in what `stat` says."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino & _LARGEST_INT64)


class FoundFile(NamedTuple):
    """A path that is no folder, or a folder that cannot be listed. `state` is None where the system refuses to say."""

    path: str
    state: FileState | None


def find_entries(paths: Sequence[Path], leave_out: Collection[str] = ()) -> list[FoundFile]:
    """Everything under the paths that is not a folder, and folders that cannot be listed: absolute, sorted, once each.

    Pipes, devices and broken links are in the answer too, so that each is accounted for. Real folders are walked
    before linked ones; a link to a folder that was walked already adds nothing, which ends circles. `leave_out` holds
    the real paths of folders that are not walked.
    """
    found: dict[str, FileState | None] = {}
    walked: set[str] = set(leave_out)
    links: list[str] = []
    for root in sorted({str(absolute_path(path)) for path in paths}):
        if _leads_to_folder(root):
            _walk(root, found, walked, links)
        else:
            found[root] = _state_of(root)
    while links:
        waiting, links = sorted(links), []
        for link in waiting:
            _walk(link, found, walked, links)
    return [FoundFile(path, found[path]) for path in sorted(found, key=os.fsencode)]


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The paths of `find_entries`."""
    return [Path(entry.path) for entry in find_entries(paths)]


def absolute_path(path: Path) -> Path:
    """The path from the root, without `..`, links in it kept as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def stored_text(path: str) -> str:
    """A path as tables hold it: bytes that are no UTF-8 are written as escapes, so that no two paths have one text."""
    if path.isascii() and _ESCAPE not in path:
        return path
    written = storable(path)
    # a name that holds such an escape, or looks like it, has its own backslashes doubled
    return storable(path.replace("\\", "\\\\")) if _ESCAPE in written else written


def lies_under(path: str, roots: Iterable[str]) -> bool:
    """Whether a path is one of the roots or below one; all of them as `stored_text`."""
    return any(path == root or path.startswith(f"{root.rstrip('/')}/") for root in roots)


def _walk(top: str, found: dict[str, FileState | None], walked: set[str], links: list[str]) -> None:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        identity = os.path.realpath(folder)
        if identity in walked:
            continue
        walked.add(identity)
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError:
            found[folder] = _state_of(folder)
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_symlink() and _leads_to_folder(entry.path):
                links.append(entry.path)
            else:
                found[entry.path] = _state_of(entry)


def _state_of(place: str | os.DirEntry[str]) -> FileState | None:
    try:
        return FileState.of(os.stat(place) if isinstance(place, str) else place.stat())  # noqa: PTH116 - 100 000 of them
    except (OSError, ValueError):
        return None


def _leads_to_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):
        return False
