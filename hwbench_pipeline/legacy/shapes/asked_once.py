"""Answers about a document that is being read, found once although several shapes ask.

Belongs here: keeping such answers as long as the document is read, and no longer. Does not belong here: the questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_ANSWERS: ContextVar[dict[tuple[str, int], tuple[Any, Any]] | None] = ContextVar("answers", default=None)


@contextmanager
def answers_kept() -> Iterator[None]:
    """Within this, `once` asks once; afterwards nothing is held of any document."""
    token = _ANSWERS.set({})
    try:
        yield
    finally:
        _ANSWERS.reset(token)


def once(question: str, document: Any, answer: Callable[[Any], T]) -> T:
    """The answer about a document, or a part of one, which must not change meanwhile. Outside `answers_kept` a new one."""
    answers = _ANSWERS.get()
    if answers is None:
        return answer(document)
    key = (question, id(document))
    if key not in answers:
        answers[key] = (document, answer(document))  # held, so that its id is of nothing else
    found: T = answers[key][1]
    return found
