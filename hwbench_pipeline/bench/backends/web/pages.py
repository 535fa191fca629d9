"""What a page is to a session, and which is opened in which browser.

Belongs here: the functions that pages of all browsers have, and the choice by what the executable is. Does not belong here: driving
a browser (`browser`, `firefox`), or a visitor's (`visitor`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from hwbench_pipeline.bench.backends.web.browser import BrowserMemory, BrowserPage
from hwbench_pipeline.bench.backends.web.firefox import FirefoxPage
from hwbench_pipeline.hardware.browsers import is_firefox


class Page(Protocol):
    """A page with the functions of `page/session.js`: in a browser that was started for it, or in a visitor's.

    `n_threads` is what the runtime may use there, `is_remote` says that another computer runs it.
    """

    n_threads: int
    is_remote: bool

    @property
    def console(self) -> list[str]:
        """What the page has logged so far."""
        ...

    @property
    def browser(self) -> str:
        """The browser's name and version."""
        ...

    def call(self, name: str, argument: object = None) -> Any:
        """What a function of the page gives. Raises `PageError`, `ProgramFailedError`."""
        ...

    def memory(self) -> BrowserMemory | None:
        """What the browser's processes hold; None where they are on another computer."""
        ...

    def identified(self, adapter: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A WebGPU adapter that the page told, with the names that the browser tells of it elsewhere."""
        ...


OwnPage = BrowserPage | FirefoxPage


def page_in(browser: Path, chromium_flags: Sequence[str], *, n_threads: int = 1) -> OwnPage:
    """A page in a browser of its own, to be entered by `with`; the flags are for a browser of Chromium."""
    if is_firefox(browser):
        return FirefoxPage(browser, n_threads=n_threads)
    return BrowserPage(browser, chromium_flags, n_threads=n_threads)
