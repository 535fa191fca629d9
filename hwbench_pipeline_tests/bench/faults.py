"""Jobs that end badly, run by real cell processes in place of `bench.cell.run_job`."""

import ctypes
import os
import signal
import time


def _begin(emit, point=0):
    emit({"event": "phase", "point": point, "phase": "sample"})


def segfault(job, emit):
    _begin(emit)
    ctypes.string_at(0)


def exit_silently(job, emit):
    _begin(emit)
    os._exit(7)


def killed(job, emit):
    _begin(emit)
    os.kill(os.getpid(), signal.SIGKILL)


def hang(job, emit):
    _begin(emit)
    time.sleep(600)


def talk(job, emit):
    """Takes longer than the silence allowed, and emits an event now and then."""
    for number in range(5):
        emit({"event": "phase", "point": 0, "phase": str(number)})
        time.sleep(1)


def flood(job, emit):
    """Prints 100 MB, then ends well."""
    line = "x" * 999 + "\n"
    for _ in range(100_000):
        os.write(1, line.encode())
    emit({"event": "done"})


def flood_forever(job, emit):
    """Prints without end."""
    _begin(emit)
    while True:
        os.write(1, b"again and again\n" * 10_000)
        time.sleep(0.01)


def hang_and_print(job, emit):
    """Hangs in one phase and goes on printing, as a library's retry loop does."""
    _begin(emit)
    while True:
        os.write(1, b"trying again\n")
        time.sleep(0.2)


def memory_bomb(job, emit):
    """Takes ever more memory, 50 MB at a time."""
    _begin(emit)
    held = []
    while True:
        held.append(bytearray(b"x") * 50_000_000)
        time.sleep(0.05)


def leave_child(job, emit):
    """Starts a process of its own and hangs; both must be ended."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    emit({"event": "child", "point": 0, "pid": pid})
    time.sleep(600)


def end_before_child(job, emit):
    """Starts a process of its own and ends well without waiting for it."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    emit({"event": "child", "point": 0, "pid": pid})


def echo(job, emit):
    emit({"event": "echo", "pid": os.getpid(), "job": job})


def die_at_second_point(job, emit):
    """The first of the remaining points fails in words, the next one kills the process."""
    points = job["plan"]["points"]
    if points[0]["batch_size"] == 2:
        emit({"event": "phase", "point": 0, "phase": "load"})
        os._exit(3)
    emit(
        {
            "event": "failed",
            "point": 0,
            "started_at": "2026-01-01T00:00:00+00:00",
            "status": "failed",
            "error_class": "ValueError",
            "error_message": "in words",
        }
    )
    if len(points) > 1:
        emit({"event": "phase", "point": 1, "phase": "load"})
        os._exit(3)
