"""What the source itself says of a number: marks of simulation and of stand-ins, on the record or around it.

Belongs here: finding such words. Does not belong here: conclusions from values (`fingerprints`, `plausibility`). A label
that says REAL is no evidence: the writers of old files put it on simulations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import hardware_key
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence

_SIMULATION_KEY = re.compile(r"(?:is_?)?simulat(?:ed|ion)", re.IGNORECASE)
_SIMULATION_TEXT = re.compile(r"\bSIMULATED(?:_|\b)|^simulat(?:ed|ion)\b", re.IGNORECASE)
_MOCK_KEY = re.compile(
    r"(?:is_?|using_?|use_?)?mock(?:s|ed|_implementation)?|transformers_mocked|\w+_mocked", re.IGNORECASE
)
_MOCK_TEXT = re.compile(r"\bmock(?:ed)?\b|MagicMock|\bMOCK_", re.IGNORECASE)
_REAL_TEXT = re.compile(r"(?:^|\()REAL(?:\)|_|$)")
_IMPLEMENTATION_KEY = re.compile(r"implementation|simulat|mock", re.IGNORECASE)
_NOT_LABELS = re.compile(r"error|stderr|stdout|trace|message|warning|note|comment|model|path|file", re.IGNORECASE)
_LONGEST_LABEL = 120
# What a model was given says nothing about it; what it gave back does where it speaks about itself.
_INPUTS = re.compile(r"(?:^|_)(?:inputs?|prompts?|question)(?:_|$)", re.IGNORECASE)
_OUTPUTS = re.compile(
    r"(?:^|_)(?:outputs?|text|transcription|response|answer|caption|translation|summary|content|generated|result)$",
    re.IGNORECASE,
)
_LONGEST_OUTPUT = 2000
_OF_A_PROGRAM = (
    r"(?:output|result|response|text|transcription|translation|caption|answer|embedding|generation|inference|model"
    r"|handler|endpoint|implementation|data|tensor|audio|image|video|tokenizer|processor|summary|value|vector)s?"
)


def _speaks_of(word: str) -> re.Pattern[str]:
    """A text that says of itself that it is `word`: in brackets, in front, or before what a program makes.

    A story in which somebody is mocked, or a sentence on flight simulation, says nothing of the kind.
    """
    return re.compile(
        rf"[(\[<{{]\s*{word}|^\W*(?:\((?:REAL|MOCK)\)\s*)?{word}|\b{word}\s+(?:[\w-]+\s+){{0,3}}?{_OF_A_PROGRAM}\b"
        rf"|\bis a {word}(?:ion)?\b",
        re.IGNORECASE,
    )


_MOCK_OUTPUT = _speaks_of("mock(?:ed)?\\b")
_SIMULATED_OUTPUT = _speaks_of("simulat(?:ed|ion|ing)\\b")

Mark = Callable[[Iterable[tuple[str, Any]]], str | None]
"""Looks for a mark among keys and values, and answers in words which it found."""


def _scopes(evidence: Evidence) -> Iterator[tuple[str, Any]]:
    """Key and value of everything that speaks about this number: its own object, all of it, and labels around it."""
    yield from members_within(evidence.own)
    for around in evidence.enclosing:
        for key, value in around.items():
            if not isinstance(value, dict | list):
                yield key, value
            elif isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values()):
                yield from value.items()


def members_within(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key and value of everything in an object that holds nothing itself; values of lists under the list's key."""
    waiting: list[tuple[str, Any]] = list(own.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((key, inner) for inner in value if isinstance(inner, dict | list | str))
        else:
            yield key, value


def _says_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in {"true", "yes"})


def _is_label(key: str, value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= _LONGEST_LABEL
        and "/" not in value
        and not (_NOT_LABELS.search(key) or _INPUTS.search(key) or _OUTPUTS.search(key))
    )


def _marked(
    members: Iterable[tuple[str, Any]], key_pattern: re.Pattern[str], text_pattern: re.Pattern[str]
) -> str | None:
    for key, value in members:
        if value is not True and not isinstance(value, str):
            continue
        if _says_yes(value) and key_pattern.fullmatch(key):
            return f"{key} is {str(value).lower()}"
        if isinstance(value, str) and text_pattern.search(value[:_LONGEST_LABEL]) and _is_label(key, value):
            return f"{key} is {value.strip()[:80]!r}"
    return None


def _said(members: Iterable[tuple[str, Any]], word: str, pattern: re.Pattern[str]) -> str | None:
    for key, value in members:
        if not isinstance(value, str):
            continue
        beginning = value[:_LONGEST_OUTPUT]
        if word in beginning.lower() and _OUTPUTS.search(key) and not _INPUTS.search(key):
            found = pattern.search(beginning)
            if found:
                return f"{key} says {value[max(0, found.start() - 20) : found.end() + 40].strip()!r}"
    return None


def mock_mark_in(members: Iterable[tuple[str, Any]]) -> str | None:
    """A label or an output that says that a stand-in ran."""
    found = list(members)
    return _marked(found, _MOCK_KEY, _MOCK_TEXT) or _said(found, "mock", _MOCK_OUTPUT)


def simulation_mark_in(members: Iterable[tuple[str, Any]]) -> str | None:
    """A flag, a label or an output that says that something was simulated."""
    found = list(members)
    return _marked(found, _SIMULATION_KEY, _SIMULATION_TEXT) or _said(found, "simulat", _SIMULATED_OUTPUT)


def output_is_mock(evidence: Evidence, _: FileEvidence) -> str | None:
    """What the call gave back says that it is a stand-in's."""
    return _said(members_within(evidence.own), "mock", _MOCK_OUTPUT)


def output_is_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    """What the call gave back says that it is simulated."""
    return _said(members_within(evidence.own), "simulat", _SIMULATED_OUTPUT)


def marked_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that it was simulated."""
    return _marked(_scopes(evidence), _SIMULATION_KEY, _SIMULATION_TEXT)


def hardware_listed_as_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    """The file lists the hardware of this record as simulated; that says nothing about others."""
    for around in (evidence.own, *evidence.enclosing):
        listed = around.get("simulated_hardware")
        if isinstance(listed, list) and evidence.claimed_hardware is not None:
            names = {hardware_key(name) for name in listed if isinstance(name, str)}
            if hardware_key(evidence.claimed_hardware) in names:
                return f"simulated_hardware lists {evidence.claimed_hardware}"
    return None


def marked_mock(evidence: Evidence, _: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that a stand-in ran."""
    return _marked(_scopes(evidence), _MOCK_KEY, _MOCK_TEXT)


def has_implementation_label(evidence: Evidence) -> bool:
    """Whether anything around the number labels its implementation, in either way: such writers also label stand-ins."""
    return bool(evidence.platform) or any(
        _IMPLEMENTATION_KEY.search(key) is not None or (isinstance(value, str) and _REAL_TEXT.search(value) is not None)
        for key, value in _scopes(evidence)
    )


def label_remark(evidence: Evidence) -> str:
    """What to add to a reason where a label claims that the number is real."""
    for key, value in _scopes(evidence):
        if isinstance(value, str) and "REAL" in value and _is_label(key, value) and _REAL_TEXT.search(value):
            return f"; its label {value.strip()[:80]!r} is no evidence"
    return ""
