"""What samples of variants that ran in turns show: an effect with its interval, and a verdict that may be none.

Belongs here: the statistics and the words of an experiment. Does not belong here: taking the samples.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwbench_pipeline.schema.tables.web_experiments import VERDICTS

FASTER, SLOWER, NOT_SHOWN, WRONG = VERDICTS
CONFIDENCE = 0.95
"""For all comparisons with one baseline together: each of k intervals covers with probability 1 - 0.05 / k (Bonferroni)."""
FEWEST_ROUNDS = 6


@dataclass(frozen=True)
class Effect:
    """How long a variant takes for each unit of time of the baseline: the ratio, its interval, and what that shows."""

    ratio: float
    low: float
    high: float
    verdict: str


def samples_in_turns(
    variants: Mapping[str, Callable[[], float]], n_rounds: int, *, seed: int = 0, n_warmup: int = 1
) -> dict[str, list[float]]:
    """Samples of each variant in milliseconds: one per round, every round in an order of its own.

    So what drifts, a clock or another process, meets all of them alike. The first `n_warmup` rounds are not kept.
    """
    generator = np.random.default_rng(seed)
    samples: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(n_warmup + n_rounds):
        for name in generator.permutation(list(variants)):
            took = variants[name]()
            if number >= n_warmup:
                samples[name].append(took)
    return samples


def effect(variant_ms: Sequence[float], baseline_ms: Sequence[float], *, n_comparisons: int = 1) -> Effect:
    """The effect of a variant against the baseline, from samples of the same rounds.

    The ratio is the geometric mean of the rounds' ratios, its interval Student's t of their logarithms, at `CONFIDENCE` for
    `n_comparisons` together. Raises ValueError for fewer than `FEWEST_ROUNDS` rounds or samples that do not pair.
    """
    from scipy import stats

    if len(variant_ms) != len(baseline_ms) or len(variant_ms) < FEWEST_ROUNDS:
        raise ValueError(
            f"{len(variant_ms)} samples and {len(baseline_ms)} of the baseline: expected pairs of at least {FEWEST_ROUNDS} rounds"
        )
    logs = [math.log(ours / base) for ours, base in zip(variant_ms, baseline_ms, strict=True)]
    mean = statistics.fmean(logs)
    spread = statistics.stdev(logs) / math.sqrt(len(logs))
    outside = (1 - CONFIDENCE) / n_comparisons
    reach = float(stats.t.ppf(1 - outside / 2, len(logs) - 1)) * spread
    low, high = math.exp(mean - reach), math.exp(mean + reach)
    verdict = FASTER if high < 1 else SLOWER if low > 1 else NOT_SHOWN
    return Effect(math.exp(mean), low, high, verdict)
