"""A headless browser with one page: started, asked to do things, and ended with all of its processes.

Belongs here: everything that imports Playwright for measuring. Does not belong here: what the page is asked (`backend`), or
where browsers lie (`hardware.browsers`).
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

PAGE_TIMEOUT_MS = 30_000
"""For the browser to start and the empty page to load; what the page then does is watched from outside of the cell."""


class PageError(Exception):
    """What a page's own code raised, or that the page, its tab or its browser has died."""


class BrowserPage:
    """One page in a browser of its own, from `with` to its end. What the page logs stands in `console`."""

    def __init__(self, executable: Path, flags: Sequence[str]) -> None:
        self.console: list[str] = []
        self.version = ""
        self._executable = executable
        self._flags = flags
        self._before: set[int] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="hwbench-browser-", ignore_cleanup_errors=True)
        self._has_crashed = False

    def __enter__(self) -> BrowserPage:
        from playwright.sync_api import Error, sync_playwright

        self._before = {process.pid for process in psutil.Process().children()}
        self._playwright = sync_playwright().start()
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=str(_leashed(self._executable, Path(self._folder.name))),
                args=list(self._flags),
                chromium_sandbox=not is_root,  # Chromium refuses to start its sandbox as root
                timeout=PAGE_TIMEOUT_MS,
            )
            self.version = self._browser.version
            self._page = self._browser.new_page()
        except Error as error:
            self.__exit__()
            raise PageError(f"the browser {self._executable} did not start: {_first_line(error)}") from error
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
        """Load the page and wait for its own script. Raises `PageError`."""
        from playwright.sync_api import Error

        try:
            self._page.goto(address, timeout=PAGE_TIMEOUT_MS)
            self._page.wait_for_function("() => window.hwbench", timeout=PAGE_TIMEOUT_MS)
        except Error as error:
            raise PageError(f"the page {address} did not load: {_first_line(error)}") from error

    def call(self, name: str, argument: object = None) -> Any:
        """What a function of the page's `window.hwbench` gives. Raises `PageError` with what it said."""
        from playwright.sync_api import Error

        try:
            return self._page.evaluate(f"(argument) => window.hwbench.{name}(argument)", argument)
        except Error as error:
            if self._has_crashed or "crashed" in str(error):
                raise PageError("the tab's process died while it worked; what ended it is not known") from error
            if not self._browser.is_connected():
                raise PageError("the browser died while it worked") from error
            raise PageError(_first_line(error)) from error

    def memory_mb(self) -> float:
        """What the browser's processes hold together in MB: each page of memory shared out among those that have it.

        Where the system tells no such share (macOS, Windows) it is the resident size, shared pages counted in each.
        """
        total = 0
        for driver in psutil.Process().children():
            if driver.pid in self._before:
                continue
            with suppress(psutil.Error):
                for process in driver.children(recursive=True):
                    with suppress(psutil.Error):
                        held = process.memory_full_info()
                        total += getattr(held, "pss", held.rss)
        return total / 1e6

    def _note_crash(self, *_: object) -> None:
        self._has_crashed = True


def _leashed(executable: Path, folder: Path) -> Path:
    """A way to start the browser by which it ends with who started it, however that ends; itself where the system has none.

    Playwright puts a browser into a group of its own, which outlives a cell that was killed; a page that hangs then computes on.
    """
    leash = shutil.which("setpriv") if sys.platform == "linux" else None
    if leash is None:
        return executable
    script = folder / executable.name
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(leash)} --pdeathsig KILL {shlex.quote(str(executable))} "$@"\n')
    script.chmod(0o755)
    return script


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("Page.evaluate: ")[:500] if lines else type(error).__name__
