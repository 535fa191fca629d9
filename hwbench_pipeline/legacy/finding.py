"""Finding files: every file under the given paths, in one order, without running in circles.

Belongs here: walking folders. Does not belong here: reading what is found (`documents`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Everything under the paths that is not a folder, and folders that cannot be listed: absolute, sorted, once each.

    Pipes, devices and broken links are in the answer too, so that each is accounted for. Real folders are walked
    before linked ones; a link to a folder that was walked already adds nothing, which ends circles.
    """
    found: set[Path] = set()
    walked: set[str] = set()
    links: list[Path] = []
    for root in sorted(map(absolute_path, paths)):
        if _leads_to_folder(root):
            _walk(root, found, walked, links)
        else:
            found.add(root)
    while links:
        waiting, links = sorted(links), []
        for link in waiting:
            _walk(link, found, walked, links)
    return sorted(found, key=lambda path: os.fsencode(path))


def absolute_path(path: Path) -> Path:
    """The path from the root, without `..`, links in it kept as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _walk(top: Path, found: set[Path], walked: set[str], links: list[Path]) -> None:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        identity = os.path.realpath(folder)
        if identity in walked:
            continue
        walked.add(identity)
        try:
            entries = list(os.scandir(folder))
        except OSError:
            found.add(folder)
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_symlink() and _leads_to_folder(path):
                links.append(path)
            else:
                found.add(path)


def _leads_to_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
