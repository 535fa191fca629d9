"""One benchmark at a time per host: the machine-wide lock that every measurement holds, whoever started it.

Belongs here: where the lock lies, taking it, waiting for it, and saying who holds it. Does not belong here: what is
measured under it (the bench engine), or the queue limits of Dagster, which only know Dagster's own runs.

Why one per host and not per device: cpu, openvino, wasm and webgpu share the same cores, and a GPU benchmark is fed
by them. Two benchmarks at once make two wrong numbers.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import filelock
import psutil

HOST_LOCK_VARIABLE = "HWBENCH_HOST_LOCK"
"""Environment variable that names another lock file: for containers that share a host through a mounted folder."""

POLL_INTERVAL_S = 0.5
"""How often a waiter tries again; a try is two system calls, so that waiting does not disturb the running benchmark."""

_EVERY_USER = 0o666
_HOLDER_TEXT_LIMIT = 200


class HostLockError(RuntimeError):
    """The lock could not be used: its file or folder refuses, or this thread holds it already."""


class HostBusyError(TimeoutError):
    """Another benchmark held the host for the whole time that was allowed for waiting."""


@dataclass(frozen=True)
class LockHolder:
    """Who holds the lock, as it wrote down itself: its process id, host name, words and start (UTC)."""

    pid: int
    host: str
    holder: str
    since: datetime

    def __str__(self) -> str:
        place = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"pid {self.pid}{place} ({self.holder}) since {self.since:%Y-%m-%d %H:%M:%S} UTC"


_held_by_this_thread = threading.local()


def host_lock_path() -> Path:
    """The lock file: HWBENCH_HOST_LOCK if set, else one fixed place per machine.

    On POSIX that is `/tmp/hwbench-host.lock`, and not $TMPDIR, which differs from user to user. On Windows it is
    `%PROGRAMDATA%\\hwbench\\host.lock`.
    """
    chosen = os.environ.get(HOST_LOCK_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "hwbench" / "host.lock"
    return Path("/tmp/hwbench-host.lock")  # noqa: S108 — the shared place is the point; nothing secret is in it


def lock_holder(path: Path | None = None) -> LockHolder | None:
    """Who wrote down to hold the lock (default: `host_lock_path()`); None if nobody did, or that process is gone.

    The kernel lock decides, not this note: it is for messages.
    """
    try:
        note = json.loads(_note_path(path or host_lock_path()).read_text(encoding="utf-8"))
        holder = LockHolder(
            pid=int(note["pid"]),
            host=_one_line(note["host"]),
            holder=_one_line(note["holder"]),
            since=datetime.fromisoformat(note["since"]).astimezone(UTC),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A holder killed by SIGKILL leaves its note; a process of another container cannot be looked up by its id here.
    if holder.host == socket.gethostname() and not psutil.pid_exists(holder.pid):
        return None
    return holder


@contextmanager
def host_lock(
    *,
    holder: str,
    on_wait: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
) -> Iterator[Path]:
    """Hold the host for one benchmark; yields the path of the lock file.

    `holder` says what runs, in words a waiter understands (`hwbench bench cpu|bert`). `on_wait` is called with a
    message when waiting begins and whenever the holder changes. `timeout_s` bounds the wait in seconds: 0 tries once,
    None waits without end. Who has waited longest is not always served first, but nobody starves: a waiter stands at a
    turnstile, a second lock, which whoever lets go and asks again at once finds taken.

    The lock is a kernel lock (flock, LockFileEx): it ends with the process that holds it, even by SIGKILL. It is not
    re-entrant: the same thread asking again gets a `HostLockError`, for a silent second entry would hide that one
    benchmark runs inside another. Other threads and child processes wait like anybody else, so a process that
    measures in a child takes the lock itself and the child does not.

    Raises `HostBusyError` when the time is over, naming the holder; `HostLockError` when the lock cannot be used.
    """
    path = host_lock_path()
    held: set[Path] = _held_by_this_thread.__dict__.setdefault("paths", set())
    if path in held:
        raise HostLockError(
            f"{holder!r} asked for the host lock {path}, which this thread holds already ({lock_holder(path)}); a "
            "benchmark inside a benchmark measures both wrongly. Fix: take the lock once, around the whole measurement."
        )
    lock = _lock_at(path)
    turnstile = _lock_at(path.with_name(f"{path.name}.next"))
    wait = partial(_acquire, path=path, holder=holder, on_wait=on_wait, began=time.monotonic(), timeout_s=timeout_s)
    wait(turnstile)
    try:
        wait(lock)
    finally:
        turnstile.release()
    held.add(path)
    try:
        _write_note(path, holder)
        yield path
    finally:
        held.discard(path)
        _write_note(path, None)
        lock.release()


def _lock_at(path: Path) -> filelock.BaseFileLock:
    try:
        if path.parent.name == "hwbench" and sys.platform == "win32":
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise HostLockError(
                f"the host lock {path} lies in a folder that does not exist. Fix: create {path.parent}, or set "
                f"{HOST_LOCK_VARIABLE} to a file in a folder that every benchmark on this host can write."
            )
        # A soft lock, filelock's way out where a file system has no flock, would outlive a killed holder.
        return filelock.FileLock(path, mode=_EVERY_USER, fallback_to_soft=False)
    except OSError as error:
        raise _unusable(path, error) from error


def _acquire(
    lock: filelock.BaseFileLock,
    *,
    path: Path,
    holder: str,
    on_wait: Callable[[str], None] | None,
    began: float,
    timeout_s: float | None,
) -> None:
    said: str | None = None
    while True:
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            pass
        except OSError as error:
            raise _unusable(path, error) from error
        else:
            return
        owner = lock_holder(path)
        whom = str(owner) if owner else f"a process that did not say which (nothing in {_note_path(path)})"
        waited_s = time.monotonic() - began
        if timeout_s is not None and waited_s >= timeout_s:
            raise HostBusyError(
                f"{holder!r} did not get this host within {timeout_s:g} s: the benchmark lock {path} is held by {whom}. "
                "Fix: wait until it is done, or stop it, or allow a longer wait; two benchmarks at once would both "
                "measure wrongly."
            )
        message = f"waiting for {whom}"
        if on_wait is not None and message != said:
            on_wait(message)
            said = message
        remaining_s = POLL_INTERVAL_S if timeout_s is None else timeout_s - waited_s
        time.sleep(max(0.0, min(POLL_INTERVAL_S, remaining_s)))


def _unusable(path: Path, error: OSError) -> HostLockError:
    return HostLockError(
        f"the host lock {path} cannot be opened for writing ({error.strerror or error}); it must be a plain file that "
        f"every user who benchmarks can write. Fix: as its owner run `chmod 666 {path}`, or remove it while no "
        f"benchmark runs, or set {HOST_LOCK_VARIABLE} to one file that all of them can write."
    )


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def _write_note(path: Path, holder: str | None) -> None:
    """Write who holds the lock, or with None empty the note. Called under the lock; a failure only costs the name.

    The note is emptied and never removed: in a sticky folder like /tmp nobody may remove another user's file, and
    with fs.protected_regular nobody may open one with O_CREAT. So an existing note is opened without it.
    """
    text = ""
    if holder is not None:
        text = json.dumps(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "holder": _one_line(holder),
                "since": datetime.now(UTC).isoformat(),
            }
        )
    flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
    note = _note_path(path)
    with suppress(OSError):
        try:
            descriptor = os.open(note, flags)
        except FileNotFoundError:
            descriptor = os.open(note, flags | os.O_CREAT | os.O_EXCL, _EVERY_USER)
            if sys.platform != "win32":
                os.fchmod(descriptor, _EVERY_USER)  # the umask took bits away
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.truncate(0)
            file.write(text)


def _one_line(text: object) -> str:
    """Text from a file that anybody may write, fit for a terminal."""
    return "".join(character if character.isprintable() else " " for character in str(text))[:_HOLDER_TEXT_LIMIT]
