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
from typing import IO, Any, Self

CAN_FORK = sys.platform == "linux"
_LOG_TAIL_BYTES = 4000
_SERVER_START_TIMEOUT_S = 120.0
# one look at a file's size: too little to disturb the measurement it waits for
_WATCH_INTERVAL_S = 1.0

OnEvent = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True)
class ProcessOutcome:
    """How a cell's process ended and what it left.

    `events` are the JSON lines it wrote; `exit_code` is negative for a signal (−9 = SIGKILL);
    `timed_out` when the watchdog ended it; `log_tail` the end of what it printed.
    """

    events: list[dict[str, Any]]
    exit_code: int
    timed_out: bool
    log_tail: str


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
    """What a cell emits while it runs, and how long it has emitted nothing, by the size of its event file."""

    def __init__(self, events: Path, timeout_s: float, on_event: OnEvent | None) -> None:
        self._events = events
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._size = -1
        self._n_told = 0
        self._since = time.monotonic()

    def is_over(self) -> bool:
        """Tell what is new. Returns whether nothing new has come for the time allowed."""
        size = self._events.stat().st_size if self._events.exists() else 0
        now = time.monotonic()
        if size != self._size:
            self._size, self._since = size, now
            if self._on_event is not None:
                events = _read_events(self._events)
                for event in events[self._n_told :]:
                    self._on_event(event)
                self._n_told = len(events)
        return now - self._since > self._timeout_s


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

    def run(self, job: dict[str, Any], silence_timeout_s: float, on_event: OnEvent | None = None) -> ProcessOutcome:
        """Run one job (see `cell.run_job`) in a process of its own and wait for its end.

        The process is killed when it has emitted no event for `silence_timeout_s` seconds. `on_event` is told each
        event about when it comes; the last ones may be in the outcome only. Raises `IsolationError` if no process can
        be started.
        """
        with tempfile.TemporaryDirectory(prefix="hwbench-cell-") as folder:
            events, log = Path(folder) / "events.jsonl", Path(folder) / "log.txt"
            request = {"entry": self._entry, "job": job, "events": str(events), "log": str(log)}
            run = self._run_forked if CAN_FORK else self._run_spawned
            exit_code, timed_out = run(request, _Watch(events, silence_timeout_s, on_event))
            return ProcessOutcome(_read_events(events), exit_code, timed_out, _tail(log))

    def _run_forked(self, request: dict[str, Any], watch: _Watch) -> tuple[int, bool]:
        server = self._started_server()
        pid = int(self._ask(server, request, _SERVER_START_TIMEOUT_S)["pid"])
        timed_out = False
        try:
            while (answer := self._answer(server, _WATCH_INTERVAL_S)) is None and not watch.is_over():
                pass
            if answer is None:
                timed_out = True
                _kill_group(pid)
                answer = self._answer(server, _SERVER_START_TIMEOUT_S)
        except BaseException:  # Ctrl-C included: the cell must not outlive the one who waits for it
            _kill_group(pid)
            self._stop_server()
            raise
        if answer is None:
            self._stop_server()
            raise IsolationError("the cell server does not answer after a cell was killed")
        return int(answer["exit_code"]), timed_out

    def _run_spawned(self, request: dict[str, Any], watch: _Watch) -> tuple[int, bool]:
        process = subprocess.Popen(
            [sys.executable, "-m", "hwbench_pipeline.bench.cell_server", "--once", json.dumps(request)],
            stdin=subprocess.DEVNULL,
        )
        try:
            while not watch.is_over():
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_WATCH_INTERVAL_S), False
            process.kill()
            return process.wait(), True
        except BaseException:
            process.kill()
            process.wait()
            raise

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


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@cache
def shared_processes() -> CellProcesses:
    """The cell processes of this process, whose server is started once and ends with it.

    Use is serial: whoever measures holds the host's benchmark lock.
    """
    processes = CellProcesses()
    atexit.register(processes.close)
    return processes
