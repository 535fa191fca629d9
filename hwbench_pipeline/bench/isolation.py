"""A process of its own for every cell.

Belongs here: starting the cell server, handing it plans, the watchdog outside, and saying how a process ended.
Does not belong here: what happens inside the process (`cell`), or making rows of it (`recording`).

On Linux one server imports torch and transformers once and forks a child per cell, so a fresh process costs
milliseconds; the server never touches a device, since a CUDA context does not survive a fork. Elsewhere every
cell gets a new interpreter.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import psutil

from hwbench_pipeline.hardware.environment import container_memory_free_bytes

CAN_FORK = sys.platform == "linux"
_LOG_TAIL_BYTES = 4000
_SERVER_START_TIMEOUT_S = 120.0
# one look at a file's size: too little to disturb the measurement it waits for
_WATCH_INTERVAL_S = 1.0

_HOST_RESERVE_BYTES = 500_000_000
"""What the host keeps for everything else."""

OnEvent = Callable[[Mapping[str, Any]], object]
EndedBy = Literal["deadline", "output", "memory", "server"]


@dataclass(frozen=True)
class Limits:
    """What a cell may take: seconds per phase, bytes it prints, bytes it holds (None: what the host has to spare)."""

    phase_s: float
    printed_bytes: int = 200_000_000
    memory_bytes: float | None = None


@dataclass(frozen=True)
class _Files:
    """Where a cell's process writes its events and what it prints."""

    events: Path
    log: Path


@dataclass(frozen=True)
class ProcessOutcome:
    """How a cell's process ended and what it left.

    `events` are the JSON lines it wrote; `exit_code` is negative for a signal (−9 = SIGKILL); `log_tail` the end of what
    it printed. `ended_by` is None where it ended by itself, else who ended it: the watchdog, because a phase took too
    long (deadline), it printed without end (output) or took the host's memory (memory); or the server that forks cells,
    which died with it. `limit` says the numbers.
    """

    events: list[dict[str, Any]]
    exit_code: int
    log_tail: str
    ended_by: EndedBy | None = None
    limit: str = ""


class IsolationError(Exception):
    """The process that should start cells cannot be started or died; the message carries its last words."""


def _read_events(path: Path) -> list[dict[str, Any]]:
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        with suppress(json.JSONDecodeError):  # a line cut short by the process's death
            events.append(json.loads(line))
    return events


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
        return log.read().decode(errors="replace").strip()


class _Watch:
    """Looks at a running cell once a second: what it emits, how long the phase it is in takes, what it prints and holds.

    A phase is counted from the event that began it, so that a cell that goes on printing or writing is not spared.
    """

    def __init__(self, files: _Files, limits: Limits, on_event: OnEvent | None) -> None:
        self._files = files
        self._limits = limits
        self._on_event = on_event
        self._memory_limit = limits.memory_bytes or _memory_to_spare()
        self._size = -1
        self._n_events = 0
        self._since = time.monotonic()

    def tell_new(self) -> int:
        """Tell the events that came since the last time. Returns the size of all in bytes."""
        size = _size_of(self._files.events)
        if size != self._size:
            self._size = size
            events = _read_events(self._files.events)
            if len(events) > self._n_events:
                self._since = time.monotonic()
                for event in events[self._n_events :]:
                    if self._on_event is not None:
                        self._on_event(event)
                self._n_events = len(events)
        return size

    def reason_to_end(self, pid: int) -> tuple[EndedBy, str] | None:
        """Tell what is new. Returns why the cell must be ended, and the numbers, or None."""
        now = time.monotonic()
        size = self.tell_new()
        if now - self._since > self._limits.phase_s:
            return "deadline", f"a phase may take {self._limits.phase_s:.0f} s"
        printed = max(_size_of(self._files.log), size)
        if printed > self._limits.printed_bytes:
            return "output", f"it wrote {printed / 1e6:,.0f} MB, {self._limits.printed_bytes / 1e6:,.0f} MB are allowed"
        held = _resident_bytes(pid)
        if held > self._memory_limit:
            return "memory", f"it held {held / 1e6:,.0f} MB, {self._memory_limit / 1e6:,.0f} MB were to spare"
        return None


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _memory_to_spare() -> float:
    """What a cell may hold before the host runs out and kills whatever it likes, in bytes."""
    available = min(float(psutil.virtual_memory().available), container_memory_free_bytes() or math.inf)
    return max(available - _HOST_RESERVE_BYTES, _HOST_RESERVE_BYTES)


def _resident_bytes(pid: int) -> int:
    """The resident memory of a process and of what it started, together; shared pages count in each."""
    total = 0
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += member.memory_info().rss
    except psutil.Error:  # it has just ended
        return total
    return total


class CellProcesses:
    """Starts one process per cell. A context manager: leaving it ends the server and any running cell.

    `entry` names the function that runs a job in the process, as `module:function`.
    """

    def __init__(self, entry: str = "hwbench_pipeline.bench.cell:run_job") -> None:
        self._entry = entry
        self._server: subprocess.Popen[bytes] | None = None
        self._server_log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server and any running cell; the next `run` starts a new one."""
        self._stop_server()

    def run(self, job: dict[str, Any], limits: Limits, on_event: OnEvent | None = None) -> ProcessOutcome:
        """Run one job (see `cell.run_job`) in a process of its own and wait for its end.

        The process is killed when it exceeds a limit. `on_event` is told each event about when it comes; the last ones
        may be in the outcome only, except where the wait is interrupted: then it is told all before the interruption
        goes on. Raises `IsolationError` if no process can be started.
        """
        with tempfile.TemporaryDirectory(prefix="hwbench-cell-") as folder:
            files = _Files(Path(folder) / "events.jsonl", Path(folder) / "log.txt")
            request = {
                "entry": self._entry,
                "job": job,
                "events": str(files.events),
                "log": str(files.log),
                "registered": _registered_here(),
            }
            run = self._run_forked if CAN_FORK else self._run_spawned
            watch = _Watch(files, limits, on_event)
            try:
                exit_code, reason = run(request, watch)
            finally:  # what came since the last look; after Ctrl-C too, when the cell is ended by now
                watch.tell_new()
            ended_by, limit = reason or (None, "")
            return ProcessOutcome(_read_events(files.events), exit_code, _tail(files.log), ended_by, limit)

    def _run_forked(self, request: dict[str, Any], watch: _Watch) -> tuple[int, tuple[EndedBy, str] | None]:
        server = self._started_server()
        pid = int(self._ask(server, request, _SERVER_START_TIMEOUT_S)["pid"])
        reason = None
        try:
            while (answer := self._answer(server, _WATCH_INTERVAL_S)) is None and reason is None:
                reason = watch.reason_to_end(pid)
            if answer is None:
                _kill_group(pid)
                answer = self._answer(server, _SERVER_START_TIMEOUT_S)
        except IsolationError as error:  # the server died, and nobody is left to tell how the cell ended
            _kill_group(pid)
            return -signal.SIGKILL, ("server", str(error))
        except BaseException:  # Ctrl-C included: the cell must not outlive the one who waits for it
            _kill_group(pid)
            self._stop_server()
            raise
        if answer is None:
            self._stop_server()
            raise IsolationError("the cell server does not answer after a cell was killed")
        return int(answer["exit_code"]), reason

    def _run_spawned(self, request: dict[str, Any], watch: _Watch) -> tuple[int, tuple[EndedBy, str] | None]:
        process = subprocess.Popen(
            [sys.executable, "-m", "hwbench_pipeline.bench.cell_server", "--once", json.dumps(request)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a group of its own, so that what the cell started ends with it
        )
        try:
            while (reason := watch.reason_to_end(process.pid)) is None:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_WATCH_INTERVAL_S), None
            _kill_group(process.pid)
            return process.wait(), reason
        finally:
            _kill_group(process.pid)
            process.wait()

    def _started_server(self) -> subprocess.Popen[bytes]:
        if self._server is not None and self._server.poll() is None:
            return self._server
        self._stop_server()
        self._server_log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self._server = subprocess.Popen(
            [sys.executable, "-m", "hwbench_pipeline.bench.cell_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._server_log,
            start_new_session=True,  # Ctrl-C reaches the waiting process, which then ends the cell in good order
        )
        return self._server

    def _ask(self, server: subprocess.Popen[bytes], request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        assert server.stdin is not None
        try:
            server.stdin.write(json.dumps(request).encode() + b"\n")
            server.stdin.flush()
        except OSError as error:
            raise self._server_died() from error
        answer = self._answer(server, timeout_s)
        if answer is None:
            self._stop_server()
            raise IsolationError(f"the cell server did not start a process within {timeout_s:.0f} s")
        return answer

    def _answer(self, server: subprocess.Popen[bytes], timeout_s: float) -> dict[str, Any] | None:
        """The server's next line, or None when there is none in time."""
        assert server.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(server.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, timeout_s)):
                return None
        line = server.stdout.readline()
        if not line:
            raise self._server_died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _server_died(self) -> IsolationError:
        last_words = ""
        if self._server_log is not None:
            self._server_log.seek(0)
            last_words = self._server_log.read().decode(errors="replace").strip()[-_LOG_TAIL_BYTES:]
        self._stop_server()
        return IsolationError(f"the cell server died: {last_words or 'it left no message'}")

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            assert server.stdin is not None
            assert server.stdout is not None
            with suppress(OSError):
                server.stdin.close()  # end of input: the server kills its child and ends
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            server.stdout.close()
        if self._server_log is not None:
            self._server_log.close()
            self._server_log = None


def _registered_here() -> dict[str, Any]:
    """Model types of a user's own; where transformers is not loaded nobody has registered any."""
    if "transformers" not in sys.modules:
        return {}
    from hwbench_pipeline.catalog.registrations import registrations

    return registrations()


def _kill_group(pid: int) -> None:
    """End a cell's process and what it started: its group, and children that made a group of their own, as browsers do."""
    members: list[psutil.Process] = []
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    if sys.platform != "win32":  # where there are no groups to signal
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for member in members:
        with suppress(psutil.Error):
            member.kill()


@cache
def shared_processes() -> CellProcesses:
    """The cell processes of this process, whose server is started once and ends with it.

    Use is serial: whoever measures holds the host's benchmark lock.
    """
    processes = CellProcesses()
    atexit.register(processes.close)
    return processes
