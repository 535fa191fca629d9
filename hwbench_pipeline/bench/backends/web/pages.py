"""Which page is opened in which browser.

Belongs here: the choice by what the executable is. Does not belong here: driving a browser (`browser`, `firefox`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwbench_pipeline.bench.backends.web.browser import BrowserPage
from hwbench_pipeline.bench.backends.web.firefox import FirefoxPage
from hwbench_pipeline.hardware.browsers import is_firefox

Page = BrowserPage | FirefoxPage


def page_in(browser: Path, chromium_flags: Sequence[str]) -> Page:
    """A page in a browser of its own, to be entered by `with`; the flags are for a browser of Chromium."""
    return FirefoxPage(browser) if is_firefox(browser) else BrowserPage(browser, chromium_flags)
