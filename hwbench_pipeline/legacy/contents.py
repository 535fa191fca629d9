"""The bytes of a file, with the evidence that they belong to one state of it.

Belongs here: opening regular files read-only, their SHA-256, files too large to hold in memory, files that change while
they are read. Does not belong here: finding files (`finding`) or what the bytes mean (`documents`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hwbench_pipeline.legacy.finding import FileState

LARGEST_FILE_BYTES = 48 * 1024 * 1024
"""Files up to this are read whole. `[1.5,1.5,…]` takes 11 times its size: 743 MiB in all for 48 MiB, of 1 GB at most."""
_PIECE_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 2


@dataclass(frozen=True)
class FileContent:
    """The bytes of a file with their SHA-256; `problem` says why there are none.

    A file that is too large to be read has a hash and a problem. `state` is what the file was like when it was read;
    None where it could not be opened.
    """

    data: bytes | None
    sha256: str | None
    problem: str | None = None
    state: FileState | None = None


def read_content(path: Path) -> FileContent:
    """The bytes of a regular file. Never raises: what the system refuses is in `problem`.

    A file that changes while it is read is read once more; if it changes again, it has a problem and no bytes, for
    they may be half of one state and half of another.
    """
    try:
        for _ in range(_ATTEMPTS):
            content = _read_once(path)
            if content is not None:
                return content
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return FileContent(
            None, None, f"cannot be read: {reason}, expected a readable file. Fix: correct its permissions or the link"
        )
    return FileContent(
        None, None, "changed while it was read, expected a finished file. Fix: ingest again when its writer has ended"
    )


def _read_once(path: Path) -> FileContent | None:
    """One attempt; None where the file changed meanwhile. Raises OSError where the system refuses."""
    status = os.stat(path)  # noqa: PTH116 - opening a pipe or a device is not harmless
    if not stat.S_ISREG(status.st_mode):
        return FileContent(
            None,
            None,
            f"{_kind_of(status.st_mode)}, expected a regular file. Fix: correct its permissions, or leave it out",
        )
    # not blocking: what was a regular file may have become a pipe since
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
        before = os.fstat(descriptor)
        if before.st_size > LARGEST_FILE_BYTES:
            data, sha256 = None, _sha256_of_pieces(descriptor)
        else:
            data = file.readall()
            sha256 = hashlib.sha256(data).hexdigest()
        after = os.fstat(descriptor)
    state = FileState.of(after)
    if FileState.of(before) != state or (data is not None and len(data) != state.size):
        return None
    if data is None:
        problem = f"larger than {LARGEST_FILE_BYTES} bytes, expected less. Fix: split it into one file per run"
        return FileContent(None, sha256, problem, state)
    return FileContent(data, sha256, None, state)


def _sha256_of_pieces(descriptor: int) -> str:
    digest = hashlib.sha256()
    while piece := os.read(descriptor, _PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _kind_of(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder that cannot be listed"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
    )
    return next((name for test, name in kinds if test(mode)), "a special file")
