"""What the source itself says of a number: marks of simulation and of stand-ins, on the record or around it.

Belongs here: finding such words. Does not belong here: conclusions from values (`fingerprints`, `plausibility`). A label
that says REAL is no evidence: the writers of old files put it on simulations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

from hwbench_pipeline.legacy.hardware_claims import hardware_key, is_hardware_name
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence
from hwbench_pipeline.legacy.provenance.wording import names_generator, said_in
from hwbench_pipeline.legacy.quantity_names import words_of

_REAL_TEXT = re.compile(r"(?:^|\()REAL(?:\)|_|$)")
_IMPLEMENTATION_KEY = re.compile(r"implementation|simulat|mock", re.IGNORECASE)
_NOT_LABELS = re.compile(r"error|stderr|stdout|trace|message|warning|note|comment|model|path|file", re.IGNORECASE)
_LONGEST_LABEL = 120
_WORDS_OF_A_LABEL = 2
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
_SIMULATION_WORDS = re.compile(
    r"simulat|emulat|synthetic|estimat|projected|predicted|extrapolat|dryrun|theoretical|hypothetical|fabricat|placeholder"
    r"|hardcoded|invented|fictiti|madeup"
)
_MOCK_WORDS = re.compile(r"mock|fake|stub|dummy|standin")
_IN_ONE_WORD = frozenset({("dry", "run"), ("made", "up"), ("hard", "coded"), ("stand", "in"), ("place", "holder")})
_STRONG_WORDS = re.compile(r"simulat|emulat|mock")
_REAL_WORDS = frozenset({"real", "actual", "measured", "genuine", "executed", "ran"})
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
        "model",
        "inference",
        "execution",
        "measurement",
        "measurements",
        "timing",
        "timings",
    ]
)
_OF_THE_NUMBERS = frozenset({"source", "origin", "provenance", "quality"})
"""`data_source` says where the numbers come from, `data` alone what went in."""
_FORETELLING_VALUES = frozenset(["estimated", "estimate", "predicted", "projected", "extrapolated"])
"""No input is any of these."""
_SOURCE_OF_NUMBERS = _OF_THE_NUMBERS | {
    "generator",
    "generated",
    "values",
    "latency",
    "latencies",
    "timing",
    "timings",
    "results",
}
_DISTANCING = re.compile(r"(?:^|_)(?:warnings?|disclaimers?|caveats?|limitations?)$", re.IGNORECASE)
_ERRORS = frozenset({"error", "errors", "err", "exception", "traceback", "stderr"})
_QUOTED_NAME = re.compile(r"(['\"`])[\w.]+\1")
"""What an error names in quotes is a variable or a module, which is called whatever it is called."""
_COMMAND = frozenset({"command", "cmd", "cmdline", "argv", "args", "arguments", "flags", "invocation"})
_LIKE_A_COMMAND = re.compile(r"[-=./\s]")
_ASSIGNED = re.compile(r"(?:--?)?([A-Za-z][\w-]*)(?:=(.*))?", re.DOTALL)
# What holds names: of models, files, tasks and people, which are called whatever they are called.
_NAMES = frozenset(
    {
        *("path", "paths", "file", "files", "filename", "dir", "directory", "folder", "url", "uri", "script", "cwd"),
        *("id", "hash", "commit", "branch", "checkpoint", "tokenizer", "dataset", "task"),
        *("packages", "freeze", "pip", "conda", "requirements", "dependencies"),
        *("hostname", "host", "user", "author", "keys", "columns", "fields", "names", "headers"),
    }
)
_MODEL_NAMES = frozenset(
    {"model", "name", "id", "hf", "base", "display", "short", "full", "resolved", "key", "type", "family"}
)
_GPUS = frozenset({"gpu", "cuda", "rocm", "mps", "webgpu", "xpu"})
_DESCRIPTIONS = frozenset(
    {"metadata", "meta", "config", "configuration", "settings", "options", "env", "environment", "info"}
)
_REMARKS = re.compile(
    r"(?:^|_)(?:warnings?|notes?|comments?|remarks?|disclaimers?|caveats?|limitations?|messages?)$", re.IGNORECASE
)
_IS_THERE = frozenset({"detected", "found", "present", "available", "exists"})
_THE_HARDWARE = frozenset({"hardware", "hw", "device", "platform", "accelerator"})
_NOT_THERE = frozenset({"false", "no", "none", "not found", "not detected", "not available", "not present", "absent"})

_SWITCHES = ("enabled", "active", "on", "used")
_OFF = frozenset({"false", "no", "off", "0"})

_FLAGS_AS_NUMBERS = (0.0, 1.0)
_HOLD_OTHERS = (dict, list)
_NOT_NUMBERS = (dict, list, str)


class _Key(NamedTuple):
    """What a key by itself says of its value."""

    means_simulated: bool
    means_mock: bool
    means_real: bool
    means_there: bool
    is_plain_flag: bool
    is_of_input: bool
    is_source: bool
    is_command: bool
    may_label: bool
    may_say: bool
    is_distancing: bool
    is_error: bool
    is_output: bool
    names_implementation: bool


@lru_cache(maxsize=1 << 16)
def _key(name: str) -> _Key:
    """Files repeat their keys, so each is taken apart once."""
    is_input, is_output = _INPUTS.search(name) is not None, _OUTPUTS.search(name) is not None
    written = words_of(name)
    words = frozenset(written) | {"".join(pair) for pair in pairwise(written) if pair in _IN_ONE_WORD}
    parts = {part for pair in pairwise(written) if pair in _IN_ONE_WORD for part in pair}
    marking = {word for word in words if _SIMULATION_WORDS.match(word) or _MOCK_WORDS.match(word)}
    is_strong = any(_STRONG_WORDS.match(word) for word in marking)
    says_how = bool(marking) and words.isdisjoint(_NOT_OF_THE_RUN) and (is_strong or words.isdisjoint(_OF_THE_INPUT))
    is_name = not words.isdisjoint(_NAMES) or ("model" in words and words <= _MODEL_NAMES)
    # the load of a server goes in, the load of a model is how it started
    of_input = _OF_THE_INPUT - {"load"} if "model" in words else _OF_THE_INPUT
    is_of_input = not words.isdisjoint(of_input) and words.isdisjoint(_OF_THE_NUMBERS)
    return _Key(
        means_simulated=says_how and any(_SIMULATION_WORDS.match(word) for word in marking),
        means_mock=says_how and any(_MOCK_WORDS.match(word) for word in marking),
        means_real=bool(words & _REAL_WORDS) and words <= _REAL_WORDS | _OF_A_FLAG,
        means_there=bool(words & _IS_THERE)
        and bool(words & _THE_HARDWARE)
        and words <= _IS_THERE | _THE_HARDWARE | {"is", "was", "target", "requested"},
        is_plain_flag=says_how and words - marking - parts <= _OF_A_FLAG,
        is_of_input=is_of_input,
        is_source=not (is_input or is_of_input or words.isdisjoint(_SOURCE_OF_NUMBERS)),
        is_command=not words.isdisjoint(_COMMAND),
        may_label=not (is_input or is_output or _NOT_LABELS.search(name)),
        may_say=not (is_input or is_output or is_name),
        is_distancing=_DISTANCING.search(name) is not None,
        is_error=not words.isdisjoint(_ERRORS),
        is_output=is_output and not is_input,
        names_implementation=_IMPLEMENTATION_KEY.search(name) is not None,
    )


class PlatformMark(NamedTuple):
    """A mark in a text that speaks of some platforms only."""

    platforms: frozenset[str]
    simulated: str | None
    mock: str | None


@dataclass(slots=True)
class Marks:
    """The first mark of each kind among some keys and values, in words; None where there is none.

    `simulated` and `mock` are flags, labels and texts, `*_output` what a call gave back, `real_label` a label that claims
    that the number is real, `names_implementation` whether anything speaks of the implementation, in either way,
    `not_there` a flag that says that there was no hardware. `of_platforms` are marks that hold for some platforms only;
    where `is_own`, every text is about the record itself. `listed` are the platforms that the object lists as simulated,
    of which its texts then speak.
    """

    is_own: bool = True
    listed: frozenset[str] = frozenset()
    simulated: str | None = None
    mock: str | None = None
    simulated_output: str | None = None
    mock_output: str | None = None
    real_label: str | None = None
    not_there: str | None = None
    names_implementation: bool = False
    of_platforms: list[PlatformMark] = field(default_factory=list)

    def says_anything(self) -> bool:
        """Whether any mark was found."""
        return self != Marks(is_own=self.is_own, listed=self.listed)

    def note(self, name: str, value: Any) -> None:
        """Look at one key and its value."""
        key = _key(name)
        if key.names_implementation:
            self.names_implementation = True
        if value is True:
            self._note_flag(key, name, "true")
        elif value is False or (key.means_real and value == 0 and not isinstance(value, str)):
            if key.means_real:
                self.simulated = self.simulated or f"{name} is {str(value).lower()}"
            if key.means_there:
                self.not_there = self.not_there or f"{name} is {str(value).lower()}"
        elif not isinstance(value, str):
            if value == 1 and key.is_plain_flag:
                self._note_flag(key, name, str(value))
        else:
            if key.is_output:
                self._note_output(name, value)
            elif key.is_command and _LIKE_A_COMMAND.search(value):
                self._note_command(value)
            elif key.may_say and not key.is_of_input:
                self._note_text(key, name, value)
            if len(value) <= _LONGEST_LABEL:
                self._note_word(key, name, value.strip().lower())
            if "REAL" in value:
                self._note_real(key, value)

    def _note_word(self, key: _Key, name: str, word: str) -> None:
        """A text that is one word: yes, no, or the kind of number this is."""
        if word in ("true", "yes", "on") or (word == "1" and (key.is_plain_flag or name.isupper())):
            self._note_flag(key, name, word)
        elif key.means_real and word in ("false", "no", "off", "0"):
            self.simulated = self.simulated or f"{name} is {word}"
        elif key.means_there and word in _NOT_THERE:
            self.not_there = self.not_there or f"{name} is {word}"
        elif key.is_of_input and word in _FORETELLING_VALUES:
            self.simulated = self.simulated or f"{name} is {word!r}"
        elif key.is_source and names_generator(word):
            self.simulated = self.simulated or f"{name} is {word!r}, a generator of random numbers"

    def _note_flag(self, key: _Key, name: str, said: str) -> None:
        if key.means_simulated and self.simulated is None:
            self.simulated = f"{name} is {said}"
        if key.means_mock and self.mock is None:
            self.mock = f"{name} is {said}"

    def _note_text(self, key: _Key, name: str, value: str) -> None:
        if key.is_error:
            value = _QUOTED_NAME.sub("", value)
        said = said_in(value, distances=key.is_distancing or key.is_source)
        if said.simulated is None and said.mock is None:
            return
        simulated = None if said.simulated is None else f"{name} says {said.simulated!r}"
        mock = None if said.mock is None else f"{name} says {said.mock!r}"
        # a label may name the platform of the record, a sentence tells which of the records it is about
        platforms = (said.platforms if len(value.split()) > _WORDS_OF_A_LABEL else None) or self.listed
        if platforms and not self.is_own:
            self.of_platforms.append(PlatformMark(platforms, simulated, mock))
            return
        self.simulated = self.simulated or simulated
        self.mock = self.mock or mock

    def _note_command(self, command: str) -> None:
        """The options and variables of a command line: `--simulate`, `--mode=mock`, `SIMULATE=1`."""
        words = command.split()
        for word, follower in zip(words, [*words[1:], "-"], strict=True):
            found = _ASSIGNED.fullmatch(word)
            if found is None or not (word.startswith("-") or found[2]):
                continue
            option, stated = found[1], found[2] or ("" if follower.startswith("-") else follower)
            key = _key(option)
            if (key.means_simulated or key.means_mock) and stated.lower() not in _OFF:
                self._note_flag(key, option, "given")
            elif not key.is_command:
                self.note(option, stated)

    def _note_output(self, name: str, value: str) -> None:
        lowered = value[:_LONGEST_OUTPUT].lower()
        if self.simulated_output is None and "simulat" in lowered:
            self.simulated_output = _said(name, value, _SIMULATED_OUTPUT)
        if self.mock_output is None and "mock" in lowered:
            self.mock_output = _said(name, value, _MOCK_OUTPUT)

    def _note_real(self, key: _Key, value: str) -> None:
        if _REAL_TEXT.search(value):
            self.names_implementation = True
            if self.real_label is None and _is_label(key, value):
                self.real_label = value.strip()[:80]


def _is_label(key: _Key, value: str) -> bool:
    return key.may_label and len(value) <= _LONGEST_LABEL and "/" not in value


def _said(name: str, value: str, pattern: re.Pattern[str]) -> str | None:
    found = pattern.search(value[:_LONGEST_OUTPUT])
    if found is None:
        return None
    return f"{name} says {value[max(0, found.start() - 20) : found.end() + 40].strip()!r}"


def marks_in(members: Iterable[tuple[str, Any]], *, is_own: bool = True, listed: frozenset[str] = frozenset()) -> Marks:
    """The marks among keys and values; see `Marks` for what they are of."""
    marks = Marks(is_own, listed)
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
            waiting.extend(_members_of(key, value))
        elif isinstance(value, list):
            waiting += [(key, inner) for inner in value if isinstance(inner, _NOT_NUMBERS)]
        else:
            yield key, value


def _members_of(key: str, value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The members of an object, and what its own key says with them.

    `simulation: {enabled: true}` is a flag of the key's name; in `remarks: {text: …}` every text is a remark.
    """
    if is_remark(key):
        return [(key if isinstance(inner, str) else name, inner) for name, inner in value.items()]
    if _key(key).means_simulated or _key(key).means_mock:
        return [*value.items(), *((key, value[name]) for name in _SWITCHES if isinstance(value.get(name), bool))]
    return value.items()


def _labels_around(around: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key and value of what an object says of all that it encloses.

    That are its own values and texts in lists; those of objects in it that hold nothing deeper; and everything in blocks
    that describe the whole, but for what such a block says of single platforms.
    """
    for key, value in around.items():
        if isinstance(value, dict):
            if not any(isinstance(inner, _HOLD_OTHERS) for inner in value.values()):
                yield from _members_of(key, value)
            elif describes_whole(key):
                yield from _labels_around({name: inner for name, inner in value.items() if not is_hardware_name(name)})
        elif isinstance(value, list):
            yield from ((key, inner) for inner in value if isinstance(inner, str))
            if is_remark(key):
                yield from (label for inner in value if isinstance(inner, dict) for label in _members_of(key, inner))
        else:
            yield key, value


@lru_cache(maxsize=1 << 14)
def describes_whole(key: str) -> bool:
    """Whether a block of this name describes all of the object that holds it: `metadata`, `run_config`, `_notes`."""
    return not _DESCRIPTIONS.isdisjoint(words_of(key)) or is_remark(key)


@lru_cache(maxsize=1 << 14)
def is_remark(key: str) -> bool:
    """Whether a member of this name holds remarks on the object that holds it: `warnings`, `_note`."""
    return _REMARKS.search(key) is not None


def listed_as_simulated(around: Mapping[str, Any]) -> frozenset[str]:
    """The keys of the hardware that an object lists as simulated."""
    listed = around.get("simulated_hardware")
    names = (hardware_key(name) for name in listed if isinstance(name, str)) if isinstance(listed, list) else ()
    return frozenset(name for name in names if name is not None)


def _marks_around(around: Mapping[str, Any]) -> Marks:
    return marks_in(_labels_around(around), is_own=False, listed=listed_as_simulated(around))


def _marks_of(evidence: Evidence, file_evidence: FileEvidence) -> tuple[Marks, ...]:
    """The marks of a record's own object, all of it, then of each object around it; each object is looked at once."""
    return file_evidence.once((id(evidence), "marks"), lambda: _find_marks(evidence, file_evidence))


def _find_marks(evidence: Evidence, file_evidence: FileEvidence) -> tuple[Marks, ...]:
    own = file_evidence.once((id(evidence.own), "own"), lambda: marks_in(members_within(evidence.own)))
    around = [
        file_evidence.once((id(around), "around"), partial(_marks_around, around)) for around in evidence.enclosing
    ]
    # what says nothing at all need not be asked again
    return (own, *(marks for marks in around if marks.says_anything()))


def output_is_mock(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """What the call gave back says that it is a stand-in's."""
    return _marks_of(evidence, file_evidence)[0].mock_output


def output_is_simulated(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """What the call gave back says that it is simulated."""
    return _marks_of(evidence, file_evidence)[0].simulated_output


def marked_simulated(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that it was simulated."""
    found = _marks_of(evidence, file_evidence)
    plain = next((marks.simulated for marks in found if marks.simulated), None)
    return plain or next((mark.simulated for mark in _of_platform(found, evidence) if mark.simulated), None)


def hardware_listed_as_simulated(evidence: Evidence, _: FileEvidence) -> str | None:
    """The file lists the hardware of this record as simulated; that says nothing about others."""
    for around in (evidence.own, *evidence.enclosing):
        if hardware_key(evidence.claimed_hardware) in listed_as_simulated(around):
            return f"simulated_hardware lists {evidence.claimed_hardware}"
    return None


def marked_mock(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that a stand-in ran."""
    found = _marks_of(evidence, file_evidence)
    plain = next((marks.mock for marks in found if marks.mock), None)
    return plain or next((mark.mock for mark in _of_platform(found, evidence) if mark.mock), None)


def hardware_not_there(evidence: Evidence, file_evidence: FileEvidence) -> str | None:
    """A field of the record, or of what encloses it, says that there was no hardware."""
    return next((marks.not_there for marks in _marks_of(evidence, file_evidence) if marks.not_there), None)


def _of_platform(found: Iterable[Marks], evidence: Evidence) -> Iterator[PlatformMark]:
    """The marks in texts around a record that speak of its platform; of any, where it names none."""
    claimed = hardware_key(evidence.claimed_hardware)
    for mark in (mark for marks in found for mark in marks.of_platforms):
        if claimed is None or claimed in mark.platforms or ("gpu" in mark.platforms and claimed in _GPUS):
            yield mark


def has_implementation_label(evidence: Evidence, file_evidence: FileEvidence) -> bool:
    """Whether anything around the number labels its implementation, in either way: such writers also label stand-ins."""
    return bool(evidence.platform) or any(marks.names_implementation for marks in _marks_of(evidence, file_evidence))


def label_remark(evidence: Evidence, file_evidence: FileEvidence) -> str:
    """What to add to a reason where a label claims that the number is real."""
    label = next((marks.real_label for marks in _marks_of(evidence, file_evidence) if marks.real_label), None)
    return "" if label is None else f"; its label {label!r} is no evidence"
