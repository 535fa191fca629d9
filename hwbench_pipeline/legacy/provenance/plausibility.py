"""Values that contradict each other or what a machine can do.

Belongs here: plausibility of a number beside its record and the physical world. Does not belong here: patterns between
values (`fingerprints`).
"""

from __future__ import annotations

import itertools

from hwbench_pipeline.catalog.call_floors import counted_call
from hwbench_pipeline.catalog.published_peaks import ANY_COMPUTER, CLOCK_MARGIN, fastest_of, published_peak
from hwbench_pipeline.legacy.identities import STATUS_FIELDS, SUCCESS_FIELDS, says_failed
from hwbench_pipeline.legacy.json_values import text
from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence
from hwbench_pipeline.legacy.units import LatencyObservation, unit_by_throughput
from hwbench_pipeline.schema.tables.results import ORDERED_LATENCY_COLUMNS

FASTEST_CALL_MS = 0.1
LEAST_SHARE_OF_TOKEN = 0.1
"""A call may leave out the head, the decoder or a tower; a tenth also leaves room for ten such accelerators."""
LEAST_SHARE_OF_CALL = 0.01
"""Without tokens the size of the input is not known: a clip or an image may be a hundred times smaller."""
_ROUNDING = 1.01


def too_fast(evidence: Evidence, _: FileEvidence) -> str | None:
    """The call is shorter than any call of a model."""
    mean = evidence.mean_ms
    return f"{mean:.3g} ms" if mean is not None and mean < FASTEST_CALL_MS else None


def faster_than_any_computer(evidence: Evidence, _: FileEvidence) -> str | None:
    """The arithmetic of this model alone takes longer, at the peak of the fastest computer there is.

    A claim of the CPU is held against the fastest CPU: nothing falls back to something faster.
    """
    fastest = fastest_of("cpu") if evidence.claimed_hardware == "cpu" else ANY_COMPUTER
    return _beyond(evidence, f"the fastest {fastest[0]}", fastest[1])


def faster_than_its_device(evidence: Evidence, _: FileEvidence) -> str | None:
    """The arithmetic of this model alone takes longer, at the peak of the device it claims or of its platform's fastest."""
    listed = None if evidence.device_name is None else published_peak(evidence.device_name)
    if listed is not None:
        return _beyond(evidence, f"the {listed[0]}", listed[1].any_precision_flop_per_s * CLOCK_MARGIN)
    name, peak = fastest_of(evidence.claimed_hardware)
    return _beyond(evidence, f"the fastest {name}", peak)


def _beyond(evidence: Evidence, device: str, flop_per_s: float) -> str | None:
    """In words, that a device of this peak could not do it. What is not stated counts least: one item, one token."""
    call = None if evidence.model_id is None else counted_call(evidence.model_id)
    if call is None:
        return None
    if call.per_token:
        flops_per_item = LEAST_SHARE_OF_TOKEN * call.flops * (evidence.sequence_length or 1)
    else:
        flops_per_item = LEAST_SHARE_OF_CALL * call.flops
    most_items_per_s = flop_per_s / flops_per_item
    mean = evidence.mean_ms
    rates = [evidence.throughput or 0.0]
    if mean is not None:
        rates.append(1000 * (evidence.batch_size or 1) / mean)
    if max(rates) <= most_items_per_s:
        return None
    return (
        f"{max(rates):.3g} items/s of {evidence.model_id}, at least {flops_per_item:.3g} operations each; "
        f"{device} could do {most_items_per_s:.3g}"
    )


def attempt_failed(evidence: Evidence, _: FileEvidence) -> str | None:
    """The record itself says that the attempt did not succeed."""
    own = evidence.own
    told = next((name for name in (*SUCCESS_FIELDS, "valid") if own.get(name) is False), None)
    if told is not None:
        return f"{told} is false"
    status = next((said for name in STATUS_FIELDS if (said := text(own.get(name)))), None)
    return f"status is {status}" if status is not None and says_failed(status) else None


def statistics_contradict(evidence: Evidence, _: FileEvidence) -> str | None:
    """A stated statistic is above one that cannot be below it, by more than rounding."""
    ordered = [(name, evidence.stated_ms[name]) for name in ORDERED_LATENCY_COLUMNS if name in evidence.stated_ms]
    for (low_name, low), (high_name, high) in itertools.pairwise(ordered):
        if low > _ROUNDING * high:
            return f"{low_name} {low:g} is above {high_name} {high:g}"
    mean = evidence.stated_mean_ms
    lowest, highest = evidence.stated_min_ms, evidence.stated_max_ms
    if mean is not None and lowest is not None and lowest > _ROUNDING * mean:
        return f"latency_ms_min {lowest:g} is above the mean {mean:g}"
    if mean is not None and highest is not None and mean > _ROUNDING * highest:
        return f"the mean {mean:g} is above latency_ms_max {highest:g}"
    return None


def throughput_contradicts(evidence: Evidence, _: FileEvidence) -> str | None:
    """The throughput does not follow from latency and batch size in any unit."""
    observation = LatencyObservation(evidence.mean_ms, evidence.throughput, evidence.batch_size)
    if not observation.is_checkable or unit_by_throughput(observation) is not None:
        return None
    assert evidence.mean_ms is not None
    assert evidence.batch_size is not None
    return (
        f"{evidence.throughput:g} items/s stated, batch {evidence.batch_size} in {evidence.mean_ms:g} ms is "
        f"{1000 * evidence.batch_size / evidence.mean_ms:g}"
    )
