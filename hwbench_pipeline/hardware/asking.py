"""Asking a question in a process of its own, which is killed with all its children when it takes too long.

Belongs here: starting, bounding and ending that process. Does not belong here: the questions themselves
(`torch_questions`, `openvino_questions`, `web_questions`, `peak_questions`), each a module that is run with
`python -m` and prints one JSON object as the last line of standard output.

Why a process: a driver or a browser that hangs cannot be interrupted inside this one, and a GPU runtime that was
only asked for its name would keep its memory on the device for as long as this process lives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

import hwbench_pipeline

_ERROR_TEXT_LIMIT = 400


class NoAnswerError(RuntimeError):
    """The process gave no answer: it took too long, failed, or printed something else."""


def answer_of(question: str, *arguments: str, timeout_s: float) -> dict[str, Any]:
    """The JSON object that `python -m hwbench_pipeline.hardware.<question> <arguments>` prints.

    Raises `NoAnswerError` after `timeout_s` seconds, or when the process fails.
    """
    command = [sys.executable, "-m", f"hwbench_pipeline.hardware.{question}", *arguments]
    package_folder = str(Path(hwbench_pipeline.__file__).parents[1])
    search_path = os.pathsep.join(filter(None, (package_folder, os.environ.get("PYTHONPATH"))))
    # a browser that is killed leaves its profile behind: everything temporary goes into a folder that goes with it
    with tempfile.TemporaryDirectory(prefix="hwbench-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={
                **os.environ,
                "PYTHONPATH": search_path,
                "PYTHONIOENCODING": "utf-8",
                **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder),
            },
        )
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise NoAnswerError(
                f"{question} {' '.join(arguments)}: no answer within {timeout_s:g} s, stopped"
            ) from None
        finally:
            _kill_tree(process)
    last_line = output.strip().rpartition("\n")[2]
    try:
        answer = json.loads(last_line)
    except ValueError:
        answer = None
    if process.returncode != 0 or not isinstance(answer, dict):
        raise NoAnswerError(
            f"{question} {' '.join(arguments)}: exit status {process.returncode}, {shortened(errors) or 'no message'}"
        )
    return answer


def shortened(text: str, limit: int = _ERROR_TEXT_LIMIT) -> str:
    """Text on one line, its end kept when it is too long: the end of a traceback is what says something."""
    line = " ".join(text.split())
    return line if len(line) <= limit else "… " + line[-limit:]


def print_answer(answer: Mapping[str, Any]) -> None:
    """Print the answer as the last line of standard output, for the process that asked."""
    sys.stdout.write("\n" + json.dumps(dict(answer)) + "\n")
    sys.stdout.flush()


def _kill_tree(process: subprocess.Popen[str]) -> None:
    """End the process and its children; a browser's processes are in a group of their own, so they are named first."""
    if process.poll() is not None:
        return
    with suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        # stopped first, so that it starts no child between being asked for them and being killed
        parent.suspend()
        for child in parent.children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    process.kill()
    process.communicate()
