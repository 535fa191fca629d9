"""A person's own browser as the measuring one: the desk at which its page asks what to do, and that page as a backend's.

Belongs here: one visitor at a time, what its page is asked, and waiting for what it answers. Does not belong here: bytes and
headers (`serving`), or what a visitor is asked to measure (`bench.visits`).
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.backends.protocol import ProgramFailedError
from hwbench_pipeline.bench.backends.web.backend import Opener
from hwbench_pipeline.bench.backends.web.browser import BrowserMemory, PageError
from hwbench_pipeline.bench.backends.web.pages import Page
from hwbench_pipeline.bench.backends.web.serving import PageServer

_POLL_S = 20.0
"""How long a question for something to do stays unanswered at most: proxies and browsers end what hangs for longer."""
_SILENT_S = 60.0
"""A page that has nothing to do and does not ask for so long is gone."""
_LONGEST_ANSWER_S = 900.0
"""Of one thing that a page is asked: a slow network loads a large model in that time."""


class VisitorLeftError(PageError, ProgramFailedError):
    """The page was closed, or does not answer any more."""


@dataclass(frozen=True)
class Visitor:
    """Who came: what the person calls the computer, and what its browser says of itself (`hardware.web_questions` and more)."""

    machine: str
    facts: Mapping[str, Any]

    @property
    def browser(self) -> str:
        """The browser's name and version, of those that it goes by the most telling."""
        brands = {str(brand["brand"]): str(brand["version"]) for brand in self.facts.get("brands") or ()}
        for name, version in brands.items():
            if "Brand" not in name and name != "Chromium":
                return f"{name} {version}"
        agent = str(self.facts.get("user_agent") or "")
        known = re.findall(r"(Firefox|Edg|OPR|Chrome|Version)/([\d.]+)", agent)
        named = {"Version": "Safari", "Edg": "Edge", "OPR": "Opera"}
        return f"{named.get(known[-1][0], known[-1][0])} {known[-1][1]}" if known else agent[:80] or "a browser"

    @property
    def n_threads(self) -> int:
        """Threads that the runtime may use there: one for each core that the browser tells of."""
        cores = self.facts.get("hardware_concurrency")
        return cores if isinstance(cores, int) and cores > 0 and self.facts.get("cross_origin_isolated") else 1


class Desk:
    """Where one visitor's page at a time asks what to do, and tells what came of it. `listeners` are for the server.

    `cells` are what a visitor is shown as the list of what will be measured.
    """

    def __init__(self, cells: Sequence[Mapping[str, str]]) -> None:
        self._cells = [dict(cell) for cell in cells]
        self._change = threading.Condition()
        self._numbers = itertools.count()
        self._visitor: Visitor | None = None
        self._secret = ""
        self._task: dict[str, Any] | None = None
        self._answers: list[dict[str, Any]] = []
        self._end: dict[str, Any] | None = None
        self._heard_at = 0.0
        self.printed: list[str] = []

    @property
    def listeners(self) -> dict[str, Callable[[Any], Any]]:
        """What a page says, by the URL path that it posts to."""
        return {"arrive": self._arrive, "next": self._next, "answer": self._take_answer, "leave": self._leave}

    def wait(self) -> Visitor:
        """The next visitor. Returns when somebody came; a signal ends the wait."""
        with self._change:
            while (visitor := self._visitor) is None:
                self._change.wait(1.0)
            return visitor

    def ask(self, kind: str, **task: Any) -> Any:
        """What the page gives for a task. Raises `PageError` with what its code said, `VisitorLeftError`."""
        with self._change:
            self._require_visitor()
            number = next(self._numbers)
            self._task = {"id": number, "kind": kind, **task}
            self._answers.clear()
            self._heard_at = time.monotonic()
            self._change.notify_all()
            ends_at = time.monotonic() + _LONGEST_ANSWER_S
            while not self._answers:
                self._change.wait(1.0)
                self._require_visitor()
                now = time.monotonic()
                if self._is_waiting and now - self._heard_at > _SILENT_S:
                    raise VisitorLeftError(
                        f"the page asked for nothing in {_SILENT_S:g} s: it was closed, or its computer sleeps"
                    )
                if now > ends_at:
                    raise VisitorLeftError(f"the page did not answer in {_LONGEST_ANSWER_S:g} s")
            told = self._answers.pop()
        self.printed += [str(line) for line in told.get("printed") or ()]
        if "error" in told:
            raise PageError(str(told["error"])[:500])
        return told.get("value")

    def dismiss(self, end: Mapping[str, Any]) -> None:
        """Tell the visitor that it is done, and be free for the next one once its page has what it is told of, or is gone."""
        with self._change:
            self._end = dict(end)
            self._change.notify_all()
            ends_at = time.monotonic() + _SILENT_S
            while self._visitor is not None and time.monotonic() < ends_at:
                self._change.wait(1.0)
            self._visitor, self._end, self._task = None, None, None

    @property
    def _is_waiting(self) -> bool:
        """Whether the page has not yet fetched what it is asked."""
        return self._task is not None

    def _require_visitor(self) -> None:
        if self._visitor is None:
            raise VisitorLeftError("the page was closed before it was done")

    def _arrive(self, told: Mapping[str, Any]) -> dict[str, Any]:
        visitor = Visitor(" ".join(str(told["machine"]).split())[:100], dict(told["facts"]))
        with self._change:
            if self._visitor is not None:
                return {"busy": True}
            self._visitor, self._secret = visitor, secrets.token_hex(8)
            self._heard_at = time.monotonic()
            self._change.notify_all()
            return {"visitor": self._secret, "cells": self._cells}

    def _is_here(self, told: Mapping[str, Any]) -> bool:
        self._heard_at = time.monotonic()
        return self._visitor is not None and secrets.compare_digest(str(told["visitor"]), self._secret)

    def _next(self, told: Mapping[str, Any]) -> dict[str, Any]:
        with self._change:
            ends_at = time.monotonic() + _POLL_S
            while time.monotonic() < ends_at:
                if not self._is_here(told):
                    raise ValueError("nobody who is being measured")
                if self._end is not None:
                    return {"end": self._end}
                if self._task is not None:
                    task, self._task = self._task, None
                    return task
                self._change.wait(1.0)
            return {}

    def _take_answer(self, told: Mapping[str, Any]) -> None:
        with self._change:
            if not self._is_here(told):
                raise ValueError("nobody who is being measured")
            self._answers.append(dict(told))
            self._change.notify_all()

    def _leave(self, told: Mapping[str, Any]) -> None:
        with self._change:
            if self._is_here(told):
                self._visitor = None
                self._change.notify_all()


class VisitorPage:
    """A frame in a visitor's page, with the functions of `page/session.js`."""

    is_remote = True

    def __init__(self, desk: Desk, visitor: Visitor) -> None:
        self.console = desk.printed
        self.browser = visitor.browser
        self.n_threads = visitor.n_threads
        self._desk = desk

    def call(self, name: str, argument: object = None) -> Any:
        """What a function of the page gives. Raises `PageError` with what it said, `VisitorLeftError`."""
        return self._desk.ask("call", name=name, argument=argument)

    def memory(self) -> BrowserMemory | None:
        """None: the browser's processes are on another computer."""
        return None

    def identified(self, adapter: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A WebGPU adapter as the page told it: nothing else of a visitor's browser is asked."""
        return adapter


def visitor_opener(desk: Desk, server: PageServer, visitor: Visitor, always: Mapping[str, Path | bytes]) -> Opener:
    """Opens pages in a visitor's browser; the server serves `always` what its own page needs."""

    @contextlib.contextmanager
    def opened(files: Mapping[str, Path | bytes]) -> Iterator[tuple[PageServer, Page]]:
        server.serve({**always, **files})
        desk.printed.clear()
        desk.ask("open")
        try:
            yield server, VisitorPage(desk, visitor)
        finally:
            server.serve(always)

    return opened
