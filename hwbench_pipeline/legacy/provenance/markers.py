"""What the source itself says of a number: marks of simulation and of stand-ins, on the record or around it.

Belongs here: finding such words. Does not belong here: conclusions from values (`fingerprints`, `plausibility`). A label
that says REAL is no evidence: the writers of old files put it on simulations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

from hwbench_pipeline.legacy.hardware_claims import hardware_key
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence
from hwbench_pipeline.legacy.quantity_names import words_of

_SIMULATION_TEXT = re.compile(r"\bSIMULATED(?:_|\b)|^simulat(?:ed|ion|or)\b", re.IGNORECASE)
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

# A key says it in one of many spellings; taken apart into words, a few stems cover them.
_SIMULATION_WORDS = re.compile(r"simulat|emulat|synthetic|estimat|projected|predicted|extrapolat")
_MOCK_WORDS = re.compile(r"mock|fake|stub|dummy")
_STRONG_WORDS = re.compile(r"simulat|emulat|mock")
_REAL_WORDS = frozenset({"real", "actual", "measured", "genuine"})
_NOT_OF_THE_RUN = frozenset(
    [
        "available",
        "support",
        "supported",
        "supports",
        "allow",
        "allowed",
        "can",
        "fallback",
        "if",
        "on_failure",
        "no",
        "not",
        "non",
        "without",
        "disable",
        "disabled",
    ]
)
"""`mock_available: true` says what could be, not what was."""
_OF_THE_INPUT = frozenset(
    [
        "input",
        "inputs",
        "data",
        "dataset",
        "prompt",
        "prompts",
        "weights",
        "weight",
        "image",
        "images",
        "audio",
        "text",
        "tensor",
        "batch",
        "token",
        "tokens",
        "load",
    ]
)
"""Made-up inputs and weights are how one measures; made-up numbers are not."""
_OF_A_FLAG = frozenset(
    [
        "is",
        "are",
        "was",
        "be",
        "use",
        "using",
        "used",
        "mode",
        "enabled",
        "run",
        "runs",
        "result",
        "results",
        "flag",
        "hardware",
        "device",
        "gpu",
    ]
)
_OF_THE_NUMBERS = frozenset({"source", "origin", "provenance"})
"""`data_source` says where the numbers come from, `data` alone what went in."""
_FORETELLING_VALUES = frozenset(["estimated", "estimate", "predicted", "projected", "extrapolated"])
"""No input is any of these."""
_MADE_UP_VALUES = frozenset(["placeholder", "fabricated", "hardcoded", "hard-coded", "made up", "made-up", "invented"])
_MARKING_VALUES = (
    _FORETELLING_VALUES
    | _MADE_UP_VALUES
    | {"simulated", "simulation", "simulator", "emulated", "emulator", "synthetic"}
)
_MOCK_VALUES = frozenset(["mock", "mocked", "fake", "stub", "stubbed", "dummy"])
_STAND_IN_CLASS = re.compile(r"\b(?:Fake|Stub|Dummy|Mock)[A-Z]\w*")
_WARNED = re.compile(r"(?:^|_)(?:warnings?|notes?|comments?|remarks?|disclaimer)$", re.IGNORECASE)
_NUMBERS = r"(?:values?|results?|numbers?|timings?|times|latenc\w+|metrics?|performance|measurements?)"
_WARNING_TEXT = re.compile(
    r"(?<!\bno )(?<!\bnot )(?<!\bnon-)(?<!\bnever )(?<!\bwithout )"
    r"\b(?:simulated|emulated|(?P<mock>mocked|mock|fake)|synthetic|estimated|placeholder|fabricated|hard-?coded"
    r"|randomly[ -]generated|made[ -]up|invented)"
    rf"\s+(?:[\w-]+\s+){{0,2}}?(?:{_NUMBERS}|implementation|hardware|run)\b"
    # and the other way round: `values are placeholders`, `numbers were made up`
    rf"|\b{_NUMBERS}\s+(?:[\w-]+\s+){{0,2}}?(?:are|were|is|was)\s+(?:all\s+|only\s+|just\s+)?"
    r"(?:simulated|(?P<mocked>mocked|fake)|synthetic|estimate[sd]|placeholders?|fabricated|hard-?coded|random\b|randomly[ -]generated"
    r"|generated\s+(?:at\s+)?random|made[ -]up|invented|not\s+real)\b",
    re.IGNORECASE,
)

_FLAGS_AS_NUMBERS = (0.0, 1.0)
_HOLD_OTHERS = (dict, list)
_NOT_NUMBERS = (dict, list, str)


class _Key(NamedTuple):
    """What a key by itself says of its value."""

    means_simulated: bool
    means_mock: bool
    means_real: bool
    is_plain_flag: bool
    is_of_input: bool
    may_label: bool
    is_warning: bool
    is_output: bool
    names_implementation: bool


@lru_cache(maxsize=1 << 16)
def _key(name: str) -> _Key:
    """Files repeat their keys, so each is taken apart once."""
    is_input, is_output = _INPUTS.search(name) is not None, _OUTPUTS.search(name) is not None
    words = frozenset(words_of(name))
    marking = {word for word in words if _SIMULATION_WORDS.match(word) or _MOCK_WORDS.match(word)}
    is_strong = any(_STRONG_WORDS.match(word) for word in marking)
    says_how = bool(marking) and words.isdisjoint(_NOT_OF_THE_RUN) and (is_strong or words.isdisjoint(_OF_THE_INPUT))
    return _Key(
        means_simulated=says_how and any(_SIMULATION_WORDS.match(word) for word in marking),
        means_mock=says_how and any(_MOCK_WORDS.match(word) for word in marking),
        means_real=bool(words & _REAL_WORDS) and words <= _REAL_WORDS | _OF_A_FLAG,
        is_plain_flag=says_how and words - marking <= _OF_A_FLAG,
        is_warning=_WARNED.search(name) is not None,
        is_of_input=not words.isdisjoint(_OF_THE_INPUT) and words.isdisjoint(_OF_THE_NUMBERS),
        may_label=not (is_input or is_output or _NOT_LABELS.search(name)),
        is_output=is_output and not is_input,
        names_implementation=_IMPLEMENTATION_KEY.search(name) is not None,
    )


@dataclass(slots=True)
class Marks:
    """The first mark of each kind among some keys and values, in words; None where there is none.

    `simulated` and `mock` are flags and labels, `*_output` what a call gave back, `real_label` a label that claims that
    the number is real, `names_implementation` whether anything speaks of the implementation, in either way.
    """

    simulated: str | None = None
    mock: str | None = None
    simulated_output: str | None = None
    mock_output: str | None = None
    real_label: str | None = None
    names_implementation: bool = False

    def note(self, name: str, value: Any) -> None:
        """Look at one key and its value."""
        key = _key(name)
        if key.names_implementation:
            self.names_implementation = True
        if value is True:
            self._note_flag(key, name, "true")
        elif value is False or (key.means_real and value == 0 and not isinstance(value, str)):
            if key.means_real and self.simulated is None:
                self.simulated = f"{name} is {str(value).lower()}"
        elif not isinstance(value, str):
            if value == 1 and key.is_plain_flag:
                self._note_flag(key, name, str(value))
        else:
            # cheap tests first: hardly any text holds one of these words
            beginning = value[:_LONGEST_OUTPUT]
            lowered = beginning.lower()
            if (
                "simulat" in lowered
                or "mock" in lowered
                or (
                    ("fake" in lowered or "stub" in lowered or "dummy" in lowered) and _STAND_IN_CLASS.search(beginning)
                )
            ):
                self._note_text(key, name, value, lowered)
            if key.is_warning and (found := _WARNING_TEXT.search(beginning)):
                said = f"{name} says {value.strip()[:80]!r}"
                if found["mock"] or found["mocked"]:
                    self.mock = self.mock or said
                else:
                    self.simulated = self.simulated or said
            if len(lowered) <= _LONGEST_LABEL:
                self._note_word(key, name, lowered.strip())
            if "REAL" in value:
                self._note_real(key, value)

    def _note_word(self, key: _Key, name: str, word: str) -> None:
        """A text that is one word: yes, no, or the kind of number this is."""
        if word in ("true", "yes", "on") or (word == "1" and key.is_plain_flag):
            self._note_flag(key, name, word)
        elif key.means_real and word in ("false", "no", "off", "0"):
            self.simulated = self.simulated or f"{name} is {word}"
        elif not (key.may_label or key.is_warning):
            return
        elif word in (_FORETELLING_VALUES if key.is_of_input else _MARKING_VALUES):
            self.simulated = self.simulated or f"{name} is {word!r}"
        elif word in _MOCK_VALUES and not key.is_of_input:
            self.mock = self.mock or f"{name} is {word!r}"

    def _note_flag(self, key: _Key, name: str, said: str) -> None:
        if key.means_simulated and self.simulated is None:
            self.simulated = f"{name} is {said}"
        if key.means_mock and self.mock is None:
            self.mock = f"{name} is {said}"

    def _note_text(self, key: _Key, name: str, value: str, lowered: str) -> None:
        if _is_label(key, value):
            if self.simulated is None and _SIMULATION_TEXT.search(value):
                self.simulated = f"{name} is {value.strip()[:80]!r}"
            if self.mock is None and (_MOCK_TEXT.search(value) or _STAND_IN_CLASS.search(value)):
                self.mock = f"{name} is {value.strip()[:80]!r}"
        if key.is_output:
            if self.simulated_output is None and "simulat" in lowered:
                self.simulated_output = _said(name, value, _SIMULATED_OUTPUT)
            if self.mock_output is None and "mock" in lowered:
                self.mock_output = _said(name, value, _MOCK_OUTPUT)

    def _note_real(self, key: _Key, value: str) -> None:
        if _REAL_TEXT.search(value):
            self.names_implementation = True
            if self.real_label is None and _is_label(key, value):
                self.real_label = value.strip()[:80]


_NO_MARKS = Marks()


def _is_label(key: _Key, value: str) -> bool:
    return key.may_label and len(value) <= _LONGEST_LABEL and "/" not in value


def _said(name: str, value: str, pattern: re.Pattern[str]) -> str | None:
    found = pattern.search(value[:_LONGEST_OUTPUT])
    if found is None:
        return None
    return f"{name} says {value[max(0, found.start() - 20) : found.end() + 40].strip()!r}"


def marks_in(members: Iterable[tuple[str, Any]]) -> Marks:
    """The marks among keys and values."""
    marks = Marks()
    note = marks.note
    for name, value in members:
        if type(value) is float and value not in _FLAGS_AS_NUMBERS:
            # by far the most values, which can say nothing: only their key can
            if _key(name).names_implementation:
                marks.names_implementation = True
        elif value is not None:
            note(name, value)
    return marks


def members_within(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key and value of everything in an object that holds nothing itself; values of lists under the list's key."""
    waiting: list[tuple[str, Any]] = list(own.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting += [(key, inner) for inner in value if isinstance(inner, _NOT_NUMBERS)]
        else:
            yield key, value


def _labels_around(around: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key and value of an object that encloses a record: its own, and those of objects in it that hold nothing deeper."""
    for key, value in around.items():
        if isinstance(value, dict):
            if not any(isinstance(inner, _HOLD_OTHERS) for inner in value.values()):
                yield from value.items()
        elif not isinstance(value, list):
            yield key, value


def _marks_around(around: Mapping[str, Any]) -> Marks:
    return marks_in(_labels_around(around))


def _marks_of(evidence: Evidence, file_evidence: FileEvidence) -> tuple[Marks, ...]:
    """The marks of a record's own object, all of it, then of each object around it; each object is looked at once."""
    return file_evidence.once((id(evidence), "marks"), lambda: _find_marks(evidence, file_evidence))


def _find_marks(evidence: Evidence, file_evidence: FileEvidence) -> tuple[Marks, ...]:
    own = file_evidence.once((id(evidence.own), "own"), lambda: marks_in(members_within(evidence.own)))
    around = [
        file_evidence.once((id(around), "around"), partial(_marks_around, around)) for around in evidence.enclosing
    ]
    # what says nothing at all need not be asked again
    return (own, *(marks for marks in around if marks != _NO_MARKS))


def output_is_mock(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """What the call gave back says that it is a stand-in's."""
    return _marks_of(evidence, file_evidence)[0].mock_output


def output_is_simulated(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """What the call gave back says that it is simulated."""
    return _marks_of(evidence, file_evidence)[0].simulated_output


def marked_simulated(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that it was simulated."""
    return next((marks.simulated for marks in _marks_of(evidence, file_evidence) if marks.simulated), None)


def hardware_listed_as_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    """The file lists the hardware of this record as simulated; that says nothing about others."""
    for around in (evidence.own, *evidence.enclosing):
        listed = around.get("simulated_hardware")
        if isinstance(listed, list) and evidence.claimed_hardware is not None:
            names = {hardware_key(name) for name in listed if isinstance(name, str)}
            if hardware_key(evidence.claimed_hardware) in names:
                return f"simulated_hardware lists {evidence.claimed_hardware}"
    return None


def marked_mock(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that a stand-in ran."""
    return next((marks.mock for marks in _marks_of(evidence, file_evidence) if marks.mock), None)


def has_implementation_label(evidence: Evidence, file_evidence: FileEvidence) -> bool:
    """Whether anything around the number labels its implementation, in either way: such writers also label stand-ins."""
    return bool(evidence.platform) or any(marks.names_implementation for marks in _marks_of(evidence, file_evidence))


def label_remark(evidence: Evidence, file_evidence: FileEvidence) -> str:
    """What to add to a reason where a label claims that the number is real."""
    label = next((marks.real_label for marks in _marks_of(evidence, file_evidence) if marks.real_label), None)
    return "" if label is None else f"; its label {label!r} is no evidence"
