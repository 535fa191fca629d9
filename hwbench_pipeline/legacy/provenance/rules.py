"""The ordered rules that tell measured from simulated, mocked and unknown numbers.

Belongs here: the list, each rule with its name and reason; the first that holds decides, the most pessimistic stand
first. Does not belong here: the predicates (the modules beside), or which hardware really ran (`hardware_claims`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwbench_pipeline.legacy.provenance import fingerprints, markers, platforms, plausibility, positive
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence


@dataclass(frozen=True)
class Rule:
    """A named rule: where `holds` answers a detail, the number has this provenance, for this reason."""

    name: str
    provenance: str
    reason: str
    holds: Callable[[Evidence, FileEvidence], str | None]


@dataclass(frozen=True)
class Verdict:
    """The provenance of a number, the rule that gave it, and the evidence in words."""

    provenance: str
    rule: str
    reason: str
    flags: tuple[str, ...] = ()


def judge(evidence: Evidence, file_evidence: FileEvidence) -> Verdict:
    """The verdict of the first rule that holds; without any, `unknown`.

    Its flags are of the result table: `faster_than_roofline` whatever rule decided, since it holds beside the others.
    """
    is_impossible = plausibility.faster_than_its_device(evidence, file_evidence) is not None
    flags = ("faster_than_roofline",) if is_impossible else ()
    for rule in RULES:
        detail = rule.holds(evidence, file_evidence)
        if detail is not None:
            return Verdict(
                rule.provenance,
                rule.name,
                f"{rule.name}: {rule.reason} ({detail}){markers.label_remark(evidence, file_evidence)}",
                flags,
            )
    return Verdict(
        "unknown",
        "no_evidence",
        f"no_evidence: nothing proves that this was measured: {positive.what_is_missing(evidence)}{markers.label_remark(evidence, file_evidence)}",
        flags,
    )


RULES: tuple[Rule, ...] = (
    Rule("marked_simulated", "simulated", "the source marks it as simulated", markers.marked_simulated),
    Rule(
        "hardware_listed_as_simulated",
        "simulated",
        "the source lists its hardware as simulated",
        markers.hardware_listed_as_simulated,
    ),
    Rule("marked_mock", "mock", "the source says that a stand-in ran in place of the model", markers.marked_mock),
    Rule("output_is_mock", "mock", "what the call gave back is a stand-in's", markers.output_is_mock),
    Rule("output_is_simulated", "simulated", "what the call gave back is simulated", markers.output_is_simulated),
    Rule("platform_is_mock", "mock", "its platform is a stand-in", platforms.platform_is_mock),
    Rule("start_failed", "mock", "its platform did not start, so a stand-in answered", platforms.start_failed),
    Rule("platform_is_simulated", "simulated", "its platform is simulated", platforms.platform_is_simulated),
    Rule("stand_in_model", "mock", "the model is named as a stand-in", platforms.stand_in_model),
    Rule(
        "single_typed_in_value",
        "simulated",
        f"a single call's time of at most {fingerprints.TYPED_IN_DIGITS} significant digits was typed in, a clock gives more",
        fingerprints.typed_in,
    ),
    Rule(
        "other_time_is_typed_in",
        "simulated",
        "another time of the same call was typed in",
        platforms.other_time_is_typed_in,
    ),
    Rule("sleeps", "simulated", "a single time is that of a sleep, not of a model", platforms.sleeps),
    Rule(
        "nothing_on_device",
        "mock",
        f"less than {platforms.LEAST_MODEL_MB:g} MB allocated on the device holds no model",
        platforms.nothing_on_device,
    ),
    Rule(
        "too_fast",
        "mock",
        f"no model answers in less than {plausibility.FASTEST_CALL_MS:g} ms, a stand-in does",
        plausibility.too_fast,
    ),
    Rule(
        "faster_than_any_computer",
        "mock",
        "no computer does the arithmetic of this model in that time",
        plausibility.faster_than_any_computer,
    ),
    Rule(
        "other_call_too_fast",
        "mock",
        f"a platform that answered in less than {plausibility.FASTEST_CALL_MS:g} ms ran no model",
        platforms.other_call_too_fast,
    ),
    Rule("samples_are_equal", "simulated", "no clock gives one value every time", fingerprints.samples_equal),
    Rule("samples_follow_formula", "simulated", "the samples grow by one constant step", fingerprints.samples_progress),
    Rule(
        "samples_are_scaled_copy",
        "simulated",
        "runs of different models, devices or configurations never share their noise",
        fingerprints.samples_scaled,
    ),
    Rule(
        "latency_follows_batch_formula",
        "simulated",
        "the latencies lie exactly on a line over the batch size",
        fingerprints.formula_over_batch,
    ),
    Rule(
        "same_constant_repeats",
        "simulated",
        "different configurations have the very same latency",
        fingerprints.same_constant,
    ),
    Rule(
        "spread_is_typed_in", "simulated", "its spread is a round multiple of its mean", fingerprints.spread_is_typed_in
    ),
    Rule(
        "percentile_is_typed_in",
        "simulated",
        "its percentile is a round multiple of its mean",
        fingerprints.percentile_is_typed_in,
    ),
    Rule(
        "statistics_contradict",
        "simulated",
        "its statistics cannot be those of one set of samples",
        plausibility.statistics_contradict,
    ),
    Rule(
        "throughput_contradicts_latency",
        "simulated",
        "its throughput does not follow from its latency and batch size",
        plausibility.throughput_contradicts,
    ),
    Rule(
        "beside_invented_values",
        "simulated",
        f"it has at most {fingerprints.TYPED_IN_DIGITS} significant digits, and its writer made up the numbers beside it",
        fingerprints.beside_invented,
    ),
    Rule(
        "faster_than_its_device",
        "unknown",
        "the device it claims cannot do the arithmetic of this model in that time, so another ran it or none",
        plausibility.faster_than_its_device,
    ),
    Rule(
        "hardware_not_there",
        "unknown",
        "the source says that the hardware was not there, so another ran it or none",
        markers.hardware_not_there,
    ),
    Rule(
        "time_of_failed_attempt",
        "unknown",
        "it gives a time although it says that the attempt failed",
        plausibility.attempt_failed,
    ),
    Rule(
        "rounded_value",
        "unknown",
        f"it was rounded to at most {fingerprints.TYPED_IN_DIGITS} significant digits, so nothing proves that it was measured",
        positive.rounded_value,
    ),
    Rule("raw_samples", "measured", "raw samples of a clock agree with the stated average", positive.samples_prove),
    Rule(
        "spread_of_runs",
        "measured",
        "average and extremes of several runs are differences of clock readings",
        positive.spread_of_runs,
    ),
    Rule(
        "aggregate_of_clock_times",
        "measured",
        "the mean over several configurations is one of clock readings",
        positive.aggregate_of_clock,
    ),
    Rule(
        "single_timer_with_output",
        "measured",
        "one reading of a clock around a call whose output is recorded",
        positive.single_timer_with_output,
    ),
)
