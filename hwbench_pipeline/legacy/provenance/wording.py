"""What a text says of the numbers beside it: that they were simulated, or that a stand-in gave them.

Belongs here: the words for it, what denies them, and what they are attached to. Does not belong here: which texts of a
file are looked at, and for which of its records (`markers`).

A text is taken clause by clause. A word that can mean nothing else marks a run wherever it is not denied; a word that is
as often said of inputs, tasks and models marks one only beside a word for numbers or for a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from hwbench_pipeline.legacy.hardware_claims import hardware_key, is_known_platform

_LONGEST_TEXT = 100_000
_LONGEST_CACHED = 120
_LONGEST_EXCERPT = 80


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STEMS = (
    *("sim", "emul", "mock", "fake", "stub", "dumm", "synth", "estim", "theor", "hypoth", "project", "predict"),
    *("extrap", "interpol", "placeh", "place-h", "place h", "fabric", "hardcod", "hard-cod", "hard cod", "invent"),
    *("made up", "made-up", "random", "rng", "dryrun", "dry-run", "dry run", "dry_run", "fict", "bogus", "stand-in"),
    *(
        "stand in",
        "standin",
        "guess",
        "illustrat",
        "real",
        "actual",
        "genuine",
        "measure",
        "analytic",
        "modeled",
        "modelled",
        "noop",
        "example",
        "replay",
    ),
)
"""Hardly any text holds one of these, which a cheap look tells."""
_WRITTEN_APART = (
    (re.compile(r"\bhard[-_ ]coded"), "hardcoded"),
    (re.compile(r"\bmade[-_ ]up\b"), "madeup"),
    (re.compile(r"\bdry[-_ ]?runs?\b"), "dryrun"),
    (re.compile(r"\bstand[-_ ]ins?\b"), "standin"),
    (re.compile(r"\bplace[-_ ]?holders?\b"), "placeholder"),
    (re.compile(r"\b(?:stubbed|faked|mocked)[-_ ]out\b"), "mocked"),
)
_CLAUSE_END = re.compile(
    r"[.;:!?](?=\s|$)|[;()\[\]{}<>\n|\"]"
    r"|\s[-\N{EN DASH}\N{EM DASH}]+\s"
    r"|\b(?:but|however|although|though|whereas|so|because|since|hence|therefore|thus|while)\b"
)
_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|,")
_STAND_IN_CLASS = re.compile(
    r"\b(?:Fake|Stub|Dummy|Mock)[A-Z]\w*|\b(?:[A-Z]\w*)?(?:Magic|Async|Property|Callable)Mock\b|\bunittest\.mock\b"
)
_GENERATOR = re.compile(
    r"\b(?:np|numpy|torch|jax)\.(?:random\b|rand\w*)|\brandom\.(?:gauss|uniform|normal|random|lognorm|rand|triangular|exp|beta|choice)\w*"
    r"|\bmath\.random\b|\bdefault_rng\b|\brandom (?:number )?generator\b",
    re.IGNORECASE,
)

_SIMULATED = _set_of("simulated simulates simulating emulated emulating fabricated fictional fictitious bogus dryrun")
_SIMULATION = _set_of("simulation simulations simulate simulator simulators sim emulation emulator emulate")
"""Nouns that are also what a model is about: `flight simulation`."""
_FORETOLD = _set_of(
    "estimated estimate estimates projected predicted extrapolated interpolated theoretical hypothetical synthetic "
    "synthesized synthesised placeholder hardcoded invented madeup random randomly guess guessed guesses illustrative "
    "analytical modeled modelled"
)
_MOCK = _set_of("mock mocks mocked mocking")
_STAND_IN = _set_of("fake faked stub stubs stubbed dummy dummies standin noop")
_REPLAYED = _set_of("replay replays replayed replaying")
"""Traffic is replayed too, so by itself it says nothing: `replay of recorded numbers` does."""
_MARKING = _SIMULATED | _SIMULATION | _FORETOLD | _MOCK | _STAND_IN | _REPLAYED

_NUMBERS = _set_of(
    "value values result results number numbers figure figures timing timings time times latency latencies throughput "
    "throughputs metric metrics performance measurement measurements sample samples benchmark benchmarks duration "
    "durations"
)
_PROGRAM = _set_of(
    "model models implementation implementations backend runner device hardware gpu accelerator driver endpoint handler "
    "server client service pipeline library module object objects class engine runtime session platform output outputs"
)
_INPUT = _set_of(
    "input inputs data dataset datasets prompt prompts weight weights image images audio text texts tensor tensors batch "
    "batches token tokens sequence sequences sentence sentences video videos quantization quantized quant load traffic "
    "request requests query queries user users tokenizer seed seeds initialization init projection"
)
_LEADS_TO_NOUN = _set_of(
    "a an the is was are were in by via using use uses used under from of with as to into only just pure purely this all "
    "be been mode no for on and or full ran run running results values numbers"
)
_FILLERS = _set_of(
    "a an the is are was were this these those it be only just all purely based type mode kind run data on and or by at "
    "test from not measured example examples"
)
_DERIVED_FROM = _set_of("from by with using via")
_STILL_TO_COME = _set_of("remaining left arrival completion")
_PRECISION = re.compile(r"(?:bf|fp|float|bfloat|int|tf)\d+")
_COPULAS = _set_of("is are was were be been being come came comes drawn generated taken filled")
_DENIALS = _set_of(
    "no not non never without neither nor none isn't aren't wasn't weren't don't doesn't didn't hasn't haven't unlike avoid "
    "avoids avoided disable disables disabled cannot zero"
)
_DENIED_THEMSELVES = _set_of(
    "available found present installed supported possible measured real run enough detected working yet accessible "
    "actual genuine executed loaded ready there gpu cuda hardware device"
)
"""In `not available, so simulated` the denial is of the first word, not of the last."""
_DENIAL_REACH = 4
_DENIED_AFTER = re.compile(
    r"(?:[a-z]+ )?(?:(?:is|was|were|are|has been|have been|mode) ){0,2}"
    r"(?:free|disabled|off|false|removed|unused|inactive|excluded|(?:not|never) (?:used|applied|enabled|active|involved|present"
    r"|needed|allowed))\b"
)
_UNREAL = re.compile(
    r"\b(?:not|no|never|isn't|aren't|wasn't|weren't|un)[ -]?(?:from |on |of )?(?:a |an |the |any )?(?:real|actual|genuine)\b(?!-)"
    r"(?: (?:hardware|device|gpu|accelerator|model|runs?|measure\w*|numbers?|results?|timings?|times?|data|execution|inference"
    r"|benchmarks?|values?|ones?|latenc\w+|performance)\b| ?(?=[,.;:!?)]|$))"
    rf"|\b(?:{'|'.join(sorted(_NUMBERS - {'time', 'times', 'measurement', 'measurements'}))}) (?:is|are|was|were) (?:not|never) "
    r"(?:actually |really )?measured\b"
    rf"|\b(?:none of (?:the|these|those)|no) (?:{'|'.join(sorted(_NUMBERS - {'time', 'times'}))})(?: here| below| above)? "
    r"(?:is|are|was|were) (?:actually |really )?measured\b"
    r"|^not (?:actually |really )?measured$|\bnot (?:a |any )?measurements?\b"
    rf"|\b(?:{'|'.join(sorted(_NUMBERS - {'example'}))}) (?:is|are|was|were) (?:only |just |purely )?examples?\b",
    re.IGNORECASE,
)
_OF_EVERYTHING = _set_of("all every everything entire whole each")


class Said(NamedTuple):
    """What a text says of the run: the clause that calls it simulated, the one that names a stand-in; None for neither.

    `platforms` are those that these clauses speak of; empty where they speak of none, or of everything.
    """

    simulated: str | None = None
    mock: str | None = None
    platforms: frozenset[str] = frozenset()


_NOTHING = Said()


def said_in(text: str, *, distances: bool = False) -> Said:
    """What a text says of the numbers beside it.

    `distances` is for texts whose very purpose is to distance themselves from the numbers, a warning or a disclaimer:
    the data they call synthetic are the results, elsewhere they are the inputs.
    """
    if len(text) <= _LONGEST_CACHED:
        return _said_in_short(text, distances)
    return _said_in(text[:_LONGEST_TEXT], distances)


@lru_cache(maxsize=1 << 16)
def _said_in_short(text: str, distances: bool) -> Said:
    return _said_in(text, distances)


def _said_in(text: str, distances: bool) -> Said:
    lowered = text.lower()
    if not any(stem in lowered for stem in _STEMS):
        return _NOTHING
    simulated = mock = None
    spoken = ""
    for clause, written in _clauses(text, lowered):
        says_simulated = _UNREAL.search(clause) is not None or _generates(clause)
        says_mock = False
        tokens = _TOKEN.findall(clause)
        for position, token in enumerate(tokens):
            if token in _MARKING and _marks(tokens, position, distances=distances):
                is_stand_in = token in _MOCK or token in _STAND_IN
                says_mock |= is_stand_in
                says_simulated |= not is_stand_in
                spoken += f"{_part_around(tokens, position)} "
        simulated = simulated or (written if says_simulated else None)
        mock = mock or (written if says_mock else None)
    if mock is None and (found := _STAND_IN_CLASS.search(text)) and not _is_denied_before(text[: found.start()]):
        mock = text[max(0, found.start() - 40) : found.end() + 20]
    if simulated is None and mock is None:
        return _NOTHING
    return Said(_excerpt(simulated), _excerpt(mock), _platforms_in(spoken))


def _part_around(tokens: Sequence[str], position: int) -> str:
    """The words between the commas around a position: `CUDA is missing, returning simulated times` is not about CUDA."""
    start = next((at + 1 for at in range(position - 1, -1, -1) if tokens[at] == ","), 0)
    end = next((at for at in range(position + 1, len(tokens)) if tokens[at] == ","), len(tokens))
    return " ".join(tokens[start:end])


def names_generator(text: str) -> bool:
    """Whether a text, said to be where numbers come from, names a generator of random ones."""
    return _GENERATOR.search(text) is not None or text.strip().lower() in ("random", "randomly generated", "rng")


def _clauses(text: str, lowered: str) -> Iterator[tuple[str, str]]:
    """The clauses that hold one of the words: in lower case with one spelling for each, and as they were written."""
    source = text if len(text) == len(lowered) else lowered  # some letters are longer in lower case
    start = 0
    for end, follower in [*(found.span() for found in _CLAUSE_END.finditer(lowered)), (len(lowered), len(lowered))]:
        clause, written = lowered[start:end], source[start:end]
        start = follower
        if any(stem in clause for stem in _STEMS):
            for pattern, joined in _WRITTEN_APART:
                clause = pattern.sub(joined, clause)
            yield clause.replace("_", " ").strip(), written


def _excerpt(clause: str | None) -> str | None:
    return None if clause is None else " ".join(clause.split())[:_LONGEST_EXCERPT]


def _generates(clause: str) -> bool:
    """Whether a clause says that numbers come from a generator of random ones."""
    found = _GENERATOR.search(clause)
    if found is None:
        return False
    words = set(_TOKEN.findall(clause))
    return bool(words & _NUMBERS) and not words & _INPUT


def _marks(tokens: Sequence[str], position: int, *, distances: bool) -> bool:
    """Whether the marking word at a position is said of the run, and not denied."""
    if _is_denied(tokens, position):
        return False
    token, before, after = tokens[position], tokens[:position], tokens[position + 1 :]
    following = [word for word in after[:2] if word != ","]
    if after[:1] == [","]:
        following = []
    of_input = next((word for word in following if word in _INPUT), None)
    is_of_numbers = any(word in _NUMBERS for word in after[:3])
    if of_input is not None and not is_of_numbers:
        of_data = of_input == "data"
        return of_data and (distances or token in _MOCK or token in _SIMULATED)
    if token.startswith("emul") and any(map(_PRECISION.fullmatch, tokens)):
        return False  # a number format that the hardware lacks, not the hardware
    if token in _SIMULATED or token in _MOCK:
        return True
    if token in _SIMULATION:
        return not before or before[-1] in _LEADS_TO_NOUN or before[-1] == "," or before[-1] in _REAL_NOUNS
    is_random = token in ("random", "randomly")
    says_nothing_alone = is_random or token in _REPLAYED
    if not _STILL_TO_COME.isdisjoint(after[:3]):
        return False
    if token in _FORETOLD and not is_random and (distances or (not before and not _DERIVED_FROM.isdisjoint(after[:1]))):
        return True
    stands_alone = not says_nothing_alone and all(
        word in _FILLERS or word in _MARKING or word in _NUMBERS or word == "," for word in tokens
    )
    if token in _STAND_IN:
        ends = not following and (not before or before[-1] in _LEADS_TO_NOUN or before[-1] == ",")
        return stands_alone or ends or is_of_numbers or any(word in _PROGRAM for word in following)
    is_called = any(
        word in _NUMBERS and any(between in _COPULAS for between in before[at + 1 :]) for at, word in enumerate(before)
    )
    return stands_alone or is_of_numbers or is_called


_REAL_NOUNS = _set_of(
    "hardware device gpu cuda cpu webgpu webnn rocm openvino software bench benchmark performance latency"
)
"""What is simulated where a simulation is one of these, unlike a `flight simulation`."""


def _is_denied(tokens: Sequence[str], position: int) -> bool:
    """Whether a denial before the word or after it takes it back: `no mock, stub or fake was used`."""
    for distance in range(1, _DENIAL_REACH + 1):
        at = position - distance
        if at < 0:
            break
        word = tokens[at]
        if word in (",", "or", "nor", "and"):
            earlier = next((other for other in range(at - 1, -1, -1) if tokens[other] in _MARKING), None)
            if earlier is not None and earlier >= at - 2 and _is_denied(tokens, earlier):
                return True
            if word == ",":
                break
        elif word in _DENIALS:
            consumed = position - at > 1 and tokens[at + 1] in _DENIED_THEMSELVES
            if not consumed:
                return True
        elif word in ("of", "than") and at > 0 and tokens[at - 1] in ("instead", "rather"):
            return True
    rest = " ".join(tokens[position + 1 : position + 7])
    return _DENIED_AFTER.match(rest.partition(" ,")[0]) is not None


def _is_denied_before(before: str) -> bool:
    """Whether the words before the name of a class deny it: `no MagicMock was used`."""
    clause = _CLAUSE_END.split(before.lower())[-1]
    return _is_denied([*_TOKEN.findall(clause)[-_DENIAL_REACH:], "mock"], len(_TOKEN.findall(clause)[-_DENIAL_REACH:]))


def _platforms_in(lowered: str) -> frozenset[str]:
    words = set(_TOKEN.findall(lowered.replace("_", " ")))
    if words & _OF_EVERYTHING:
        return frozenset()
    return frozenset(
        "gpu" if word == "gpu" else str(hardware_key(word))
        for word in words
        if word == "gpu" or is_known_platform(str(hardware_key(word)))
    )
