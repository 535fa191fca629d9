"""Folders for private copies of what cannot be read from memory, and their removal where a process was killed.

Belongs here: their names, which tell whose they are, and what becomes of them. Does not belong here: what is copied into
them (`columnar`) or what a killed ingest leaves in the warehouse (`batches`).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_PREFIX = "hwbench-legacy-"


@contextmanager
def private_folder() -> Iterator[Path]:
    """An empty folder that only this user can enter; it is gone afterwards. Raises OSError where there is no room."""
    with tempfile.TemporaryDirectory(prefix=f"{_own_prefix()}{os.getpid()}-") as folder:
        yield Path(folder)


def remove_left_behind() -> None:
    """Remove the private folders of processes of this user and machine that no longer live. Never raises."""
    name_of_one = re.compile(rf"{re.escape(_own_prefix())}(\d{{1,9}})-[^-]+")
    try:
        with os.scandir(tempfile.gettempdir()) as entries:
            found = [(entry, match) for entry in entries if (match := name_of_one.fullmatch(entry.name))]
    except OSError:  # not ours to list: then there is nothing of ours to remove
        return
    for entry, match in found:
        if _is_own_folder(entry) and not psutil.pid_exists(int(match[1])):
            shutil.rmtree(entry.path, ignore_errors=True)


def _own_prefix() -> str:
    # the machine is named because process numbers mean nothing on another, or in another container, that shares the folder
    return f"{_PREFIX}{socket.gethostname()}-"


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_dir(follow_symlinks=False):
            return False
        return not hasattr(os, "getuid") or entry.stat(follow_symlinks=False).st_uid == os.getuid()
    except OSError:  # gone meanwhile
        return False
