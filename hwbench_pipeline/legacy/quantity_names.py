"""What the name of a field says about its number: latency, throughput or memory, which statistic, and its unit.

Belongs here: the vocabulary of field names of any benchmark. Does not belong here: which object is a record
(`shapes/generic`) or what a stated unit is worth (`units`). A name that says no unit gives none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from hwbench_pipeline.legacy.units import MemoryUnit, TimeUnit

Kind = Literal[
    "latency",
    "items",
    "tokens",
    "rate",
    "memory",
    "first_token",
    "output_token",
    "load",
    "compile",
    "first_call",
    "elapsed",
    "foretold",
    "no_column",
]
"""`rate` is a throughput of what the name does not say; `output_token` the time per token after the first; `elapsed` a
time that need not be one call of a model; `foretold` a number that the name itself calls predicted, estimated or
simulated; `no_column` a quantity that the result table has no column for: energy, power, the time between tokens, a phase
such as tokenization."""

Statistic = Literal["mean", "minimum", "maximum", "std", "p50", "p90", "p95", "p99", "samples"]

_LONGEST_NAME = 80
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# A letter of any alphabet is part of its word: without its first letter the unit of `latency_<micro>s` would be a second.
_WORD = re.compile(r"p[0-9]+(?:[.][0-9]+)?(?![^\W\d_])|[^\W\d_]+[0-9]*[^\W\d_]*|[0-9]+(?:[.][0-9]+)?[^\W\d_]*")
# Both signs that are written for micro, and units whose capitals are no new words.
_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})
_BINARY_UNIT = re.compile(r"(?<![A-Z])([KMG])iB(?![a-z])")
_PERCENTILE = re.compile(r"p[0-9.]+(?:th)?|[0-9.]+th")


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


TIME_UNITS: dict[str, TimeUnit] = {
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("us", "usec", "usecs", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
}
MEMORY_UNITS: dict[str, MemoryUnit] = {
    "mb": "mb",
    "megabytes": "mb",
    "gb": "gb",
    "gigabytes": "gb",
    "kb": "kb",
    "bytes": "bytes",
    "kib": "kib",
    "mib": "mib",
    "gib": "gib",
}
_SECOND = frozenset({"s", "sec", "second", "seconds"})
_ITEMS = _set_of(
    "item items sample samples image images frame frames sequence sequences input inputs example examples sentence "
    "sentences text texts inference inferences embedding embeddings clip clips video videos"
)
_TOKENS = frozenset({"token", "tokens", "tok", "toks"})
_CALLS = _set_of(
    "it iter iters iteration iterations step steps batch batches request requests query queries call calls run runs "
    "forward forwards"
)
_STATISTICS: dict[str, Statistic] = {
    **dict.fromkeys(("mean", "avg", "average"), "mean"),
    **dict.fromkeys(("min", "minimum", "best", "fastest"), "minimum"),
    **dict.fromkeys(("max", "maximum", "worst", "slowest"), "maximum"),
    **dict.fromkeys(("std", "stddev", "stdev", "sd", "stdv"), "std"),
    **dict.fromkeys(("median", "p50", "50th", "p50th"), "p50"),
    **dict.fromkeys(("p90", "90th", "p90th"), "p90"),
    **dict.fromkeys(("p95", "95th", "p95th"), "p95"),
    **dict.fromkeys(("p99", "99th", "p99th"), "p99"),
    **dict.fromkeys(("samples", "values", "raw"), "samples"),
}
_FORETOLD = _set_of("predicted estimated estimate theoretical projected simulated expected ideal")
# Words that make a number something else than a quantity that was observed in a run.
_OTHER = _set_of(
    "ratio speedup percent percentage pct improvement improvements change delta diff difference reduction overhead "
    "threshold thresholds target targets limit limits budget required requirement requirements recommended allowed "
    "timeout score scores rank rating weight goal factor relative gain increase decrease variance cv count num number "
    "error errors available capacity free tolerance regression confidence priority penalty cost price unit units "
    "enabled sla slo baseline reference correlation mape rmse mae r2 bandwidth index bucket buckets histogram "
    "multiplier scale scaling sensitivity optimized optimization importance p999 variation stability"
)
# Phases that are not the answer of a model which is already running.
_PHASES = _set_of(
    "init initialization initialisation compile compilation warmup preprocess preprocessing postprocess postprocessing "
    "tokenization tokenize tokenizer download startup shader transfer queue wait waiting cold setup dispose connect "
    "connection network handshake build import export conversion save sleep delay backoff retry interval idle cpu_time "
    "audio video clip"
)
# Those that are a part of the run, so that their time is worth telling although no column holds it.
_TOLD_PHASES = _set_of(
    "init initialization initialisation warmup preprocess preprocessing postprocess postprocessing tokenization tokenize "
    "tokenizer startup shader transfer queue cold setup import export conversion"
)
_COMPILATION = _set_of("compile compilation compiling")
_CALL_TIMES = _set_of(
    "inference infer forward step iteration iter response generation generate decode prefill encode encoding "
    "prediction predict call batch"
)
_LATENCIES = frozenset({"latency", "latencies", "e2el"})
_TIMES = frozenset({"time", "times", "duration", "durations"})
_ELAPSED = frozenset({"elapsed", "processing", "execution", "total", "wall", "runtime", "duration", "time", "times"})
_MEMORY = frozenset({"memory", "mem", "vram", "ram", "rss"})
_MEMORY_IS_CAPACITY = frozenset(
    {"total", "size", "device", "system", "host", "physical", "installed", "min", "minimum"}
)
_ENERGY = _set_of("energy joule joules wh kwh mwh")
_POWER_UNITS = frozenset({"w", "mw", "watt", "watts"})
_RAW_LISTS = _set_of("samples values times timings durations measurements raw")
_PLACES = _set_of("metrics metric stats statistics summary timing timings forward generate serving report details data")
_NEUTRAL = _set_of(
    "latency latencies lat e2el tput time times duration durations inference infer forward response iteration iter call run runs "
    "model overall e2e end to wall clock query request batch measured observed per in of the op step throughput single "
    "item items sample samples image images frame frames sequence sequences token tokens tok toks tps fps rate "
    "benchmark result results perf performance percentile dev standard deviation raw values list all"
)


@dataclass(frozen=True)
class QuantityName:
    """What a field name says. `unit` is None where it says none; `qualifier` are the words that tell it from others.

    `words` are all words of the name, in lower case; `is_bare` where they are nothing but a statistic and a unit of time.
    """

    kind: Kind
    statistic: Statistic
    unit: TimeUnit | MemoryUnit | None
    qualifier: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def is_bare(self) -> bool:
        """Whether the name says which statistic and in which unit, but not of what: `P95 (ms)`, `samples_us`."""
        return all(word in _STATISTICS or word in TIME_UNITS or word in _RAW_LISTS for word in self.words)


@lru_cache(maxsize=65536)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a field name in lower case: `avgLatencyMs`, `avg-latency (ms)` and `avg_latency_ms` are one name."""
    if len(name) > _LONGEST_NAME:
        return ()
    plain = _CAMEL.sub("_", _BINARY_UNIT.sub(r"_\1ib_", name.translate(_MICRO)))
    return tuple(_WORD.findall(plain.lower().replace("std dev", "stddev").replace("std_dev", "stddev")))


@lru_cache(maxsize=65536)
def quantity_named(name: str) -> QuantityName | None:
    """The quantity that a field name stands for, None where it names none."""
    words = words_of(name)
    present = frozenset(words)
    if not words or present & _OTHER:
        return None
    if any(word not in _STATISTICS and _PERCENTILE.fullmatch(word) for word in words):
        return None  # a percentile that the result table has no column for
    found = _kind_of(words, present)
    if found is None:
        return None
    kind, unit, statistic = found
    if present & _FORETOLD:
        kind = "foretold"
    qualifier = tuple(
        word
        for word in words
        if word not in _NEUTRAL
        and word not in _STATISTICS
        and word not in TIME_UNITS
        and word not in MEMORY_UNITS
        and word not in _MEMORY
    )
    return QuantityName(kind, statistic, unit, qualifier, words)


@lru_cache(maxsize=1024)
def statistic_named(name: str) -> tuple[Statistic, TimeUnit | None] | None:
    """The statistic that a member of a group of statistics stands for, with its unit where the name has one."""
    words = words_of(name)
    if not 1 <= len(words) <= 2:
        return None
    if words in (("value",), ("values",), ("samples",), ("raw",), ("p", "50"), ("p", "90"), ("p", "95"), ("p", "99")):
        return (cast("Statistic", {"value": "mean"}.get(words[0], _STATISTICS.get("".join(words), "samples"))), None)
    statistic = _STATISTICS.get(words[0])
    unit = TIME_UNITS.get(words[1]) if len(words) == 2 else None
    return None if statistic is None or (len(words) == 2 and unit is None) else (statistic, unit)


def time_unit_in(text: str) -> TimeUnit | None:
    """The unit of time that a text such as `ms`, `Seconds` or `Latency (ms)` names, None where it is another one."""
    words = words_of(text)
    return TIME_UNITS.get(words[-1]) if words and "per" not in words and "/" not in text else None


def rate_in(text: str) -> Kind | None:
    """What a unit of throughput such as `samples/s` or `tokens per second` counts, None where it is no such unit."""
    words = words_of(text.replace("/", " per "))
    return _rate_of(words) if 2 <= len(words) <= 3 or words == ("fps",) else None


@lru_cache(maxsize=65536)
def raw_list_named(name: str) -> QuantityName | None:
    """What a name says that means a list of raw times and nothing else: `samples`, `values`, `times_us`."""
    words = words_of(name)
    if not any(word in _RAW_LISTS for word in words):
        return None
    if not all(word in _RAW_LISTS or word in TIME_UNITS for word in words):
        return None
    return QuantityName("latency", "samples", _time_unit_of(words), (), words)


def is_plain_place(key: str) -> bool:
    """Whether a key says no more of what is within it than that it is a call's result: `metrics`, `latency`, `3`."""
    words = words_of(key)
    return all(word in _NEUTRAL or word in _STATISTICS or word in _PLACES or word.isdigit() for word in words)


def says_phase(name: str) -> bool:
    """Whether a name speaks of a phase before or after the model's answer, or of what is no quantity of a run."""
    return not (_PHASES | _OTHER).isdisjoint(words_of(name))


def _kind_of(
    words: tuple[str, ...], present: frozenset[str]
) -> tuple[Kind, TimeUnit | MemoryUnit | None, Statistic] | None:
    statistics = (_STATISTICS[word] for word in words if word in _STATISTICS and word != "samples")
    statistic: Statistic = next(statistics, "mean")
    rate = _rate_of(words)
    if rate is not None:
        return rate, None, statistic
    if present & _MEMORY or ("footprint" in present and present & MEMORY_UNITS.keys()):
        return _memory_of(words, present, statistic)
    if "throughput" in present or present & {"qps", "rps", "ips", "tput"}:
        return "rate", None, statistic
    if present & _ENERGY or ("power" in present and present & _POWER_UNITS):
        return "no_column", None, statistic
    return _time_of(words, present, statistic)


def _rate_of(words: tuple[str, ...]) -> Kind | None:
    if "fps" in words:
        return "items"
    if "tps" in words:
        return "rate"
    # the time of a token in seconds is no rate: `first_token_s`
    is_rate = {"time", "first", "latency"}.isdisjoint(words)
    for position, word in enumerate(words[:-1]):
        follower = words[position + 1 : position + 3]
        if (follower[0] in _SECOND and is_rate) or (follower[0] == "per" and follower[1:] and follower[1] in _SECOND):
            if word in _TOKENS:
                return "tokens"
            if word in _ITEMS and (follower[0] == "per" or word != "inference"):
                return "items"
            if word in _CALLS and follower[0] == "per":
                return "rate"
    return None


def _memory_of(
    words: tuple[str, ...], present: frozenset[str], statistic: Statistic
) -> tuple[Kind, MemoryUnit | None, Statistic] | None:
    if present & _MEMORY_IS_CAPACITY or present & {"gbps", "speed", "access", "leak", "type", "efficiency"}:
        return None
    unit = next((MEMORY_UNITS[word] for word in words if word in MEMORY_UNITS), None)
    return "memory", unit, statistic


def _time_of(
    words: tuple[str, ...], present: frozenset[str], statistic: Statistic
) -> tuple[Kind, TimeUnit | None, Statistic] | None:
    unit = _time_unit_of(words)
    if "timestamp" in present or ("time" in present and "stamp" in present) or present & {"start", "at", "date"}:
        return None
    if "ttft" in present or ("first" in present and "token" in present):
        return "first_token", unit, statistic
    if "tpot" in present or {"time", "per", "output", "token"} <= present:
        return "output_token", unit, statistic
    if "itl" in present or {"inter", "token"} <= present:
        return "no_column", unit, statistic
    if (
        unit is not None
        and statistic.startswith("p")
        and all(word in _STATISTICS or word in TIME_UNITS for word in words)
    ):
        return "latency", unit, statistic
    if "lat" in present:  # without a unit of time it is as often a latitude
        return ("latency", unit, statistic) if unit is not None and not present & _PHASES else None
    is_time = bool(present & (_LATENCIES | _TIMES)) or unit is not None
    if not is_time:
        return None
    if present & {"load", "loading"}:
        return ("load", unit, statistic) if not present & _PHASES else None
    if present & _COMPILATION and not present & (_PHASES - _COMPILATION):
        return "compile", unit, statistic
    if "first" in present and not present & _PHASES:
        return ("first_call", unit, statistic) if present & (_CALL_TIMES | _LATENCIES | {"run", "pass"}) else None
    if present & _PHASES:
        is_told = unit is not None and present & _TOLD_PHASES and statistic != "samples"
        return ("no_column", unit, statistic) if is_told else None
    if "per" in present:
        counted = words[words.index("per") + 1 :][:1]
        if not counted or counted[0] not in _CALLS | {"inference"}:
            return None
        return "latency", unit, statistic
    if present & _LATENCIES:
        return "latency", unit, "samples" if "latencies" in present and statistic == "mean" else statistic
    has_call = bool(present & _CALL_TIMES)
    is_statistic = any(word in _STATISTICS for word in words)
    if has_call and (present & _TIMES or unit is not None) and "total" not in present:
        is_list = bool(present & {"times", "durations"}) and statistic == "mean" and not is_statistic
        return "latency", unit, "samples" if is_list else statistic
    if is_statistic and present & _TIMES and not present & (_ELAPSED - _TIMES) and len(words) <= 3:
        return "latency", unit, statistic
    if present & _ELAPSED and unit is not None:
        return "elapsed", unit, statistic
    return None


def _time_unit_of(words: tuple[str, ...]) -> TimeUnit | None:
    for position, word in enumerate(words):
        is_rate = position > 0 and words[position - 1] == "per"
        # a lone s is a unit only where nothing but statistics follows: `latency_s`, `latency_s_p50`
        is_certain = word != "s" or all(later in _STATISTICS for later in words[position + 1 :])
        if word in TIME_UNITS and is_certain and not is_rate:
            return TIME_UNITS[word]
    return None
