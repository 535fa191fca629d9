"""A page in Firefox, with the same interface as a page in Chromium (`browser.BrowserPage`).

Belongs here: what its answers and deaths mean for a row. Does not belong here: the process and WebDriver BiDi
(`hardware.firefox`), or what the page is asked (`backend`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.backends.web.browser import (
    NO_CAUSE,
    NO_DRIVER_CACHES,
    PAGE_TIMEOUT_MS,
    BrowserFailedError,
    BrowserMemory,
    memory_of,
    memory_words,
    page_error,
)
from hwbench_pipeline.hardware.firefox import (
    Firefox,
    FirefoxEndedError,
    FirefoxError,
    PageCodeError,
    PageGoneError,
    with_names,
)

_UNTIL_READY = """(longest_ms) => new Promise((resolve, reject) => {
  const late = performance.now() + longest_ms;
  const look = () => window.hwbench ? resolve(true)
    : performance.now() > late ? reject(new Error("its script is not ready")) : setTimeout(look, 20);
  look();
})"""

_LOG_WAIT_S = 1.0
"""Firefox may tell of the page before it has written to its log what ended it."""


class FirefoxPage:
    """One page in a Firefox of its own, from `with` to its end. What the page logs stands in `console`."""

    is_remote = False

    def __init__(self, executable: Path, *, n_threads: int = 1) -> None:
        self.n_threads = n_threads
        self._executable = executable
        self._firefox = Firefox(executable, NO_DRIVER_CACHES)

    @property
    def console(self) -> list[str]:
        """What the page has logged so far."""
        return self._firefox.console

    @property
    def version(self) -> str:
        """Firefox's version."""
        return self._firefox.version

    @property
    def browser(self) -> str:
        """The browser's name and version."""
        return f"{self._executable.name} {self.version}"

    def __enter__(self) -> FirefoxPage:
        try:
            self._firefox.__enter__()
        except FirefoxError as error:
            raise BrowserFailedError(f"the browser {self._executable} did not start: {error}") from error
        return self

    def __exit__(self, *error: object) -> None:
        self._firefox.__exit__(*error)

    def open(self, address: str) -> None:
        """Load the page and wait for its own script. Raises `BrowserFailedError`."""
        try:
            self._firefox.open(address)
            self._firefox.call(_UNTIL_READY, PAGE_TIMEOUT_MS, timeout_s=2 * PAGE_TIMEOUT_MS / 1000)
        except FirefoxError as error:
            raise BrowserFailedError(f"the page {address} did not load: {error}") from error

    def call(self, name: str, argument: object = None) -> Any:
        """What a function of the page's `window.hwbench` gives. Raises `PageError` with what it said."""
        try:
            return self._firefox.call(f"(argument) => window.hwbench.{name}(argument)", argument)
        except PageGoneError as error:
            raise BrowserFailedError(f"the tab's process died while it worked{self._cause_of_the_tab()}") from error
        except FirefoxEndedError as error:
            raise BrowserFailedError(f"the browser died while it worked{self._cause_of_the_browser()}") from error
        except PageCodeError as error:
            raise page_error(str(error)) from error
        except FirefoxError as error:
            raise BrowserFailedError(f"the browser refused to call {name} in its page: {error}") from error

    def memory(self) -> BrowserMemory:
        """What the browser's processes hold together."""
        return memory_of(self._firefox.processes())

    def identified(self, adapter: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A WebGPU adapter that the page told, with its names: Firefox tells them to its own window, and to no page."""
        return None if adapter is None else with_names(adapter, self._firefox.named_adapter())

    def _cause_of_the_tab(self) -> str:
        ended = f"process {self._firefox.page_pid} exited on signal "
        deadline = time.monotonic() + _LOG_WAIT_S
        while True:
            log = self._firefox.log()
            numbers = [line.partition(ended)[2].partition(":")[0] for line in log if ended in line]
            cause = memory_words(log) or (f": it was ended by {_signal_name(int(numbers[0]))}" if numbers else None)
            if cause is not None or time.monotonic() > deadline:
                return cause or NO_CAUSE
            time.sleep(0.05)

    def _cause_of_the_browser(self) -> str:
        status = self._firefox.exit_status()
        by_status = NO_CAUSE if status is None else f": exit status {status}"
        if status is not None and status < 0:
            by_status = f": it was ended by {_signal_name(-status)}"
        return memory_words(self._firefox.log()) or by_status


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
