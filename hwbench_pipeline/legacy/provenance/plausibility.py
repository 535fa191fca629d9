"""Values that contradict each other or what a machine can do.

Belongs here: plausibility of a number beside its record and the physical world. Does not belong here: patterns between
values (`fingerprints`).
"""

from __future__ import annotations

from hwbench_pipeline.legacy.provenance.evidence import Evidence, FileEvidence
from hwbench_pipeline.legacy.units import LatencyObservation, unit_by_throughput

FASTEST_CALL_MS = 0.1


def too_fast(evidence: Evidence, _: FileEvidence) -> str | None:
    """The call is shorter than any call of a model."""
    mean = evidence.mean_ms
    return f"{mean:.3g} ms" if mean is not None and mean < FASTEST_CALL_MS else None


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
