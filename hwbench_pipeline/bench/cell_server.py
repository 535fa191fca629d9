"""The program that starts cell processes: imports torch and transformers once, then forks a child per request.

Run by `isolation` as `python -m hwbench_pipeline.bench.cell_server`. One JSON request per line on standard input;
for each, `{"pid": …}` and, when the child has ended, `{"exit_code": …}` on standard output. Ends, and ends its
child, when standard input closes. Belongs here: process life only. It must never touch a device before forking.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from contextlib import suppress
from typing import Any


def _preload() -> None:
    import torch  # noqa: F401
    import transformers  # noqa: F401

    from hwbench_pipeline.bench import cell

    cell.preload()
    gc.collect()
    gc.freeze()  # what every cell shares is never looked through again, by the cells' own collections either


def _preload_library(request: dict[str, Any]) -> None:
    """Import the library of the requested model where not every model needs it: the cells after this one have it then."""
    from hwbench_pipeline.bench import cell

    cell.preload_library(request["job"].get("plan", {}).get("model"))


def _run_in_child(request: dict[str, Any]) -> int:
    """Redirect what the child prints to its log and run the job. Returns the exit code."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    module, _, function = request["entry"].partition(":")
    try:
        if request.get("registered"):
            from hwbench_pipeline.catalog.registrations import register

            register(request["registered"])
        run_job = getattr(importlib.import_module(module), function)
        with open(request["events"], "w", encoding="utf-8", buffering=1) as events:  # noqa: PTH123 - a plain path
            run_job(request["job"], lambda event: events.write(json.dumps(event) + "\n"))
    except BaseException:  # noqa: BLE001 - the last frame of the process: everything becomes its exit code
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _serve() -> None:
    _preload()
    requests = sys.stdin.buffer
    while line := requests.readline():
        request = json.loads(line)
        _preload_library(request)
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)  # a group of its own, so that the watchdog also ends what the cell started
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            code = _run_in_child(request)
            os._exit(code)  # no clean-up of what belongs to the server
        with suppress(OSError):  # the child may have done it already, or ended
            os.setpgid(pid, pid)
        _reply({"pid": pid})
        _reply({"exit_code": _wait(pid)})


def _wait(pid: int) -> int:
    """Wait for the child's end, or end it if standard input closes first; what it started ends with it either way."""
    child = os.pidfd_open(pid)
    try:
        select.select([child, 0], [], [])
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # a child that has ended still holds the number until it is waited for
    finally:
        os.close(child)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _reply(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        sys.exit(_run_in_child(json.loads(sys.argv[2])))
    _serve()
