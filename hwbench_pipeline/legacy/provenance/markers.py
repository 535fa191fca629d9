"""What the source itself says of a number: marks of simulation and of stand-ins, on the record or around it.

Belongs here: finding such words. Does not belong here: conclusions from values (`fingerprints`, `plausibility`). A label
that says REAL is no evidence: the writers of old files put it on simulations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
_NOT_LABELS = re.compile(r"error|stderr|stdout|trace|message|warning|note|comment|model|path|file", re.IGNORECASE)


def _scopes(evidence: Evidence) -> Iterator[tuple[str, Any]]:
    """Key and value of everything that speaks about this number: its own object, all of it, and labels around it."""
    yield from _members_within(evidence.own)
    for around in evidence.enclosing:
        for key, value in around.items():
            if not isinstance(value, dict | list):
                yield key, value
            elif isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values()):
                yield from value.items()


def _members_within(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
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
    return isinstance(value, str) and "/" not in value and not _NOT_LABELS.search(key)


def _marked(evidence: Evidence, key_pattern: re.Pattern[str], text_pattern: re.Pattern[str]) -> str | None:
    for key, value in _scopes(evidence):
        if key_pattern.fullmatch(key) and _says_yes(value):
            return f"{key} is {str(value).lower()}"
        if _is_label(key, value) and text_pattern.search(value):
            return f"{key} is {value.strip()[:80]!r}"
    return None


def marked_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that it was simulated."""
    return _marked(evidence, _SIMULATION_KEY, _SIMULATION_TEXT)


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
    return _marked(evidence, _MOCK_KEY, _MOCK_TEXT)


def label_remark(evidence: Evidence) -> str:
    """What to add to a reason where a label claims that the number is real."""
    for key, value in _scopes(evidence):
        if _is_label(key, value) and _REAL_TEXT.search(value):
            return f"; its label {value.strip()[:80]!r} is no evidence"
    return ""
