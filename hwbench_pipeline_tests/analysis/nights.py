"""Made-up nights: cells of one machine, measured again and again, with a machine that is a little slower or faster each night.

Every number is made up, by a seed. A test says which cell becomes slower, and when.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from hwbench_pipeline.bench.statistics import median_interval
from hwbench_pipeline_tests import rows

ENVIRONMENT = rows.environment(cpu_name="Test CPU", cpu_cores_logical=2)


class Nights:
    """A machine with so many cells. `spread` is what its runs differ by, `drift` what it moves as a whole from night to night."""

    def __init__(self, n_cells=12, *, spread=0.01, drift=0.05, seed=0):
        self._generator = np.random.default_rng(seed)
        self._spread, self._drift = spread, drift
        self._n_runs = 0
        self.models = [f"model{number}" for number in range(n_cells)]
        self.rows = []
        self.night = 0

    def run(self, model, slower=1.0, shift=0.0, minutes=0.0, **changes):
        """Measure one cell once, some minutes into the night."""
        level = 5.0 + self.models.index(model) if model in self.models else 5.0
        middle = level * slower * math.exp(shift + self._generator.normal(0, self._spread))
        samples = [float(value) for value in middle * np.exp(self._generator.normal(0, 0.01, 20))]
        low, high = median_interval(samples)
        self._n_runs += 1
        row = rows.measured(
            **{
                "model": model,
                "run_id": f"run-{self._n_runs:05d}",
                "samples_ms": samples,
                "latency_ms_p50_low": low,
                "latency_ms_p50_high": high,
                "backend_version": "2.9",
                "harness_version": "0.1",
                "started_at": rows.later(24 * 60 * self.night + minutes),
            }
            | changes
        )
        self.rows.append(row)
        return row

    def sweep(self, slower=None, *, all_slower=1.0, **changes):
        """One night: every cell once. `slower` names cells with the factor that they take longer by."""
        shift = float(self._generator.normal(0, self._drift)) + math.log(all_slower)
        for number, model in enumerate(self.models):
            self.run(model, (slower or {}).get(model, 1.0), shift, minutes=number, **changes)
        self.night += 1
        return shift

    def sweeps(self, count):
        """So many nights on which nothing happens. Returns itself."""
        for _ in range(count):
            self.sweep()
        return self

    def again(self, model, slower=1.0, shift=0.0, count=1, **changes):
        """Measure one cell again after the last night."""
        self.night -= 1
        for number in range(count):
            self.run(model, slower, shift, minutes=60 + number, **changes)
        self.night += 1


def at(days):
    """A time so many days after the first run."""
    return rows.STARTED + timedelta(days=days)
