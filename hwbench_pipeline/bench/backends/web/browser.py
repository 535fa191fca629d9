"""A headless Chromium, Chrome or Edge with one page: started, asked to do things, and ended with all of its processes.

Belongs here: everything that imports Playwright for measuring, and what pages of all browsers share. Does not belong here:
Firefox (`firefox`), what the page is asked (`backend`), or where browsers lie (`hardware.browsers`).
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from hwbench_pipeline.bench.backends.protocol import ProgramFailedError
from hwbench_pipeline.hardware.leash import leashed

_LOG = "stderr.txt"
NO_DRIVER_CACHES = {"MESA_SHADER_CACHE_DISABLE": "1", "__GL_SHADER_DISK_CACHE": "0"}
"""A first inference compiles its shaders here as on a machine that never ran the model: drivers keep them beside the browser."""
PAGE_TIMEOUT_MS = 30_000
"""For the browser to start and the empty page to load; what the page then does is watched from outside of the cell."""

MEMORY_WORDS = ("out of memory", "OOM (", "allocation failed", "could not allocate memory")
"""By which a browser's log and a page's errors tell that memory ran out."""
NO_CAUSE = "; what ended it is not known"


class PageError(Exception):
    """What a page's own code raised."""


class BrowserFailedError(PageError, ProgramFailedError):
    """The browser did not start, its page did not load, or its tab or itself has ended."""


@dataclass(frozen=True)
class BrowserMemory:
    """Memory of a browser's processes in MB (1e6 bytes), each page of memory shared out among those that have it.

    Of `n_resident` processes the system tells no such share (macOS, Windows, a sandboxed process of another owner): they
    count with their resident size, shared pages in each.
    """

    total_mb: float
    n_resident: int


class BrowserPage:
    """One page in a browser of its own, from `with` to its end. What the page logs stands in `console`."""

    is_remote = False

    def __init__(self, executable: Path, flags: Sequence[str], *, n_threads: int = 1) -> None:
        self.console: list[str] = []
        self.n_threads = n_threads
        self.version = ""
        self._executable = executable
        self._flags = flags
        self._before: set[int] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="hwbench-browser-", ignore_cleanup_errors=True)
        self._has_crashed = False

    @property
    def browser(self) -> str:
        """The browser's name and version."""
        return f"{self._executable.name} {self.version}"

    def __enter__(self) -> BrowserPage:
        from playwright.sync_api import Error, sync_playwright

        self._before = {process.pid for process in psutil.Process().children()}
        self._playwright = sync_playwright().start()
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=str(_wrapped(self._executable, Path(self._folder.name))),
                args=list(self._flags),
                chromium_sandbox=not is_root,  # Chromium refuses to start its sandbox as root
                timeout=PAGE_TIMEOUT_MS,
                env={**os.environ, **NO_DRIVER_CACHES},
            )
            self.version = self._browser.version
            self._page = self._browser.new_page()
        except Error as error:
            self.__exit__()
            raise BrowserFailedError(f"the browser {self._executable} did not start: {_first_line(error)}") from error
        self._page.on("console", lambda message: self.console.append(message.text))
        self._page.on("crash", self._note_crash)
        return self

    def __exit__(self, *error: object) -> None:
        from playwright.sync_api import Error

        with suppress(Error, AttributeError):
            self._browser.close()
        with suppress(Error):
            self._playwright.stop()
        self._folder.cleanup()

    def open(self, address: str) -> None:
        """Load the page and wait for its own script. Raises `BrowserFailedError`."""
        from playwright.sync_api import Error

        try:
            self._page.goto(address, timeout=PAGE_TIMEOUT_MS)
            self._page.wait_for_function("() => window.hwbench", timeout=PAGE_TIMEOUT_MS)
        except Error as error:
            raise BrowserFailedError(f"the page {address} did not load: {_first_line(error)}") from error

    def call(self, name: str, argument: object = None) -> Any:
        """What a function of the page's `window.hwbench` gives. Raises `PageError` with what it said."""
        from playwright.sync_api import Error

        try:
            return self._page.evaluate(f"(argument) => window.hwbench.{name}(argument)", argument)
        except Error as error:
            if self._has_crashed or "crashed" in str(error):
                raise BrowserFailedError(f"the tab's process died while it worked{self._cause()}") from error
            if not self._browser.is_connected():
                raise BrowserFailedError(f"the browser died while it worked{self._cause()}") from error
            raise page_error(_first_line(error)) from error

    def memory(self) -> BrowserMemory:
        """What the browser's processes hold together."""
        return memory_of(self._processes())

    def identified(self, adapter: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A WebGPU adapter that the page told, as it told it: Chromium names adapters to pages."""
        return adapter

    def _processes(self) -> Iterator[psutil.Process]:
        for driver in psutil.Process().children():
            if driver.pid not in self._before:
                with suppress(psutil.Error):
                    yield from driver.children(recursive=True)

    def _note_crash(self, *_: object) -> None:
        self._has_crashed = True

    def _cause(self) -> str:
        """What the browser's own log says of a death: that memory ran out, or nothing."""
        with suppress(OSError):
            log = (Path(self._folder.name) / _LOG).read_text(encoding="utf-8", errors="replace")
            return memory_words(log.splitlines()) or NO_CAUSE
        return NO_CAUSE


def memory_of(processes: Iterable[psutil.Process]) -> BrowserMemory:
    """What processes hold together; one that has just ended holds nothing."""
    total, n_resident = 0, 0
    for process in processes:
        share = _proportional_bytes(process)
        if share is None:
            n_resident += 1
            with suppress(psutil.Error):
                share = process.memory_info().rss
        total += share or 0
    return BrowserMemory(total / 1e6, n_resident)


def memory_words(log: Sequence[str]) -> str | None:
    """The last line of a browser's log that says that memory ran out, as the cause of a death."""
    for line in reversed(log):
        if any(words in line for words in MEMORY_WORDS):
            return f": out of memory ({line.rpartition('] ')[2].strip()[:200]})"
    return None


def page_error(said: str) -> PageError:
    """What a page's own code raised, in its words, memory that ran out by its name."""
    if any(words in said for words in MEMORY_WORDS):
        said = f"out of memory in the page: {said}"
    return PageError(said)


def _proportional_bytes(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        return getattr(process.memory_full_info(), "pss", None)
    return None


def _wrapped(executable: Path, folder: Path) -> Path:
    """A script that starts the browser with its log in the folder, and on Linux so that it ends with who started it.

    Playwright puts a browser into a group of its own, which outlives a cell that was killed; a page that hangs then computes on.
    The browser itself where a script cannot be started: on Windows, and where the temporary folder is mounted `noexec`.
    """
    if os.name != "posix":
        return executable
    script = folder / executable.name
    script.write_text(
        f'#!/bin/sh\nexec {shlex.join(leashed([str(executable)]))} "$@" 2>{shlex.quote(str(folder / _LOG))}\n'
    )
    script.chmod(0o755)
    return script if os.access(script, os.X_OK) else executable


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("Page.evaluate: ")[:500] if lines else type(error).__name__
