"""Simulated nights with the noise of our own samples: what the detector is tried on.

A cell is one published row whose samples were steady. A run of it draws its samples in blocks of neighbours (they follow each
other), moves all of them by a jump that one of the published rows made between the halves of its samples, and by what the whole
machine does that night.
"""

from __future__ import annotations

import gzip
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from hwbench_pipeline.analysis.regressions import RUNS_TO_CONFIRM, regressions
from hwbench_pipeline.bench.statistics import latency_statistics, median_interval
from hwbench_pipeline_tests import rows

BUNDLES = Path(__file__).parents[2] / "data" / "coverage"
N_CELLS = 50
N_HISTORY = 14
"""Nights before anything happens: two weeks."""
N_LOOKED_AT = 3
"""Nights after it; on each the suspected cells are measured again."""
MACHINE_SPREAD = 0.03
MOST_ROUNDS = 3
"""Of re-runs of what is suspected still."""
_BLOCK = 3


def published():
    """The rows of the published coverage that have ten samples and say of themselves that these agree."""
    found = []
    for path in sorted(BUNDLES.glob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found += json.load(file)["results"]
    return [
        row
        for row in found
        if row["status"] == "ok" and len(row["samples_ms"]) >= 10 and not {"noisy", "unsteady"} & set(row["flags"])
    ]


def jumps(measured):
    """What the halves of the samples of these rows differ by, as that of one run."""
    halves = [(row["samples_ms"][:5], row["samples_ms"][5:10]) for row in measured]
    found = np.array([math.log(np.median(late) / np.median(early)) for early, late in halves]) / math.sqrt(2)
    return found - np.median(found)


class Simulation:
    """One machine with `N_CELLS` cells drawn from the published rows."""

    def __init__(self, measured, jump, seed):
        self._generator = np.random.default_rng(seed)
        self._jump = jump
        self._cells = [measured[place] for place in self._generator.choice(len(measured), N_CELLS, replace=False)]
        self.rows = []

    def run(self, cell, at, shift, slower):
        samples = np.array(self._cells[cell]["samples_ms"][:10])
        starts = self._generator.integers(0, len(samples) - _BLOCK + 1, size=4)
        drawn = np.concatenate([samples[start : start + _BLOCK] for start in starts])[:10]
        drawn = [float(value) for value in drawn * math.exp(shift + self._generator.choice(self._jump)) * slower]
        low, high = median_interval(drawn)
        made = rows.own(model=f"cell{cell:02d}", run_id=f"{len(self.rows):06d}", started_at=at) | {
            "result_id": f"{cell}-{len(self.rows)}",
            "provenance": "measured",
            "status": "ok",
            "scenario": "forward",
            "precision": "fp32",
            "batch_size": 1,
            "options": "{}",
            "backend_version": "2.13",
            "harness_version": "0.1",
            "flags": [],
            "latency_ms_p50": latency_statistics(drawn)["latency_ms_p50"],
            "latency_ms_p50_low": low,
            "latency_ms_p50_high": high,
        }
        self.rows.append(made)

    def nights(self, injected=None, factor=1.0):
        """Yields, for each night that is looked at, the verdict of every cell and how many runs confirming took."""
        begin = datetime(2026, 1, 1, 1, tzinfo=UTC)
        for night in range(N_HISTORY + N_LOOKED_AT):
            shift = float(self._generator.normal(0, MACHINE_SPREAD))
            slower = {injected: factor} if night >= N_HISTORY else {}
            for cell in range(N_CELLS):
                self.run(cell, begin + timedelta(days=night, minutes=cell), shift, slower.get(cell, 1.0))
            if night < N_HISTORY:
                continue
            found, n_again = self._judged(), 0
            for step in range(MOST_ROUNDS):
                suspected = [cell for cell, verdict in found.items() if verdict == "suspected"]
                for number in range(RUNS_TO_CONFIRM):
                    for cell in suspected:
                        at = begin + timedelta(days=night, minutes=60 + 10 * step + number)
                        self.run(cell, at, shift, slower.get(cell, 1.0))
                        n_again += 1
                if not suspected:
                    break
                found = self._judged()
            yield found, n_again

    def _judged(self):
        found = regressions(self.rows, [rows.environment()])
        return {int(row["model"][4:]): row["verdict"] for row in found if row["scope"] == "cell"}
