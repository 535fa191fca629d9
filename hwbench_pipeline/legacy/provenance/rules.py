"""The ordered rules that tell measured from simulated, mocked and unknown numbers.

Belongs here: the list, each rule with its name and reason; the first that holds decides, the most pessimistic stand
first. Does not belong here: the predicates (the modules beside), or which hardware really ran (`hardware_claims`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwbench_pipeline.legacy.provenance import fingerprints, markers, plausibility, positive
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


def judge(evidence: Evidence, file_evidence: FileEvidence) -> Verdict:
    """The verdict of the first rule that holds; without any, `unknown`."""
    for rule in RULES:
        detail = rule.holds(evidence, file_evidence)
        if detail is not None:
            return Verdict(
                rule.provenance, rule.name, f"{rule.name}: {rule.reason} ({detail}){markers.label_remark(evidence)}"
            )
    return Verdict(
        "unknown",
        "no_evidence",
        f"no_evidence: nothing proves that this was measured: {positive.what_is_missing(evidence)}{markers.label_remark(evidence)}",
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
    Rule(
        "too_fast",
        "mock",
        f"no model answers in less than {plausibility.FASTEST_CALL_MS:g} ms, a stand-in does",
        plausibility.too_fast,
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
        "throughput_contradicts_latency",
        "simulated",
        "its throughput does not follow from its latency and batch size",
        plausibility.throughput_contradicts,
    ),
    Rule(
        "single_typed_in_value",
        "simulated",
        f"a single time of at most {fingerprints.TYPED_IN_DIGITS} significant digits was typed in, a clock gives more",
        fingerprints.typed_in,
    ),
    Rule("raw_samples", "measured", "raw samples of a clock agree with the stated average", positive.samples_prove),
)
