"""The detector on real tables of others, and on nights simulated from our own samples. Prints the counts that it claims.

HWBENCH_DETECTOR_MACHINES simulates that many machines of fifty cells each way.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from hwbench_pipeline.analysis.answering import regressions_now, results_now
from hwbench_pipeline.imports.storing import import_into
from hwbench_pipeline_tests.benchmarks.detector_nights import N_CELLS, Simulation, jumps, published

TIMM = Path(__file__).parents[2] / ".." / "shared" / "external" / "timm"
_ELSEWHERE = Path("/work/shared/external/timm")
OLD, NEW = (f"benchmark-infer-amp-nchw-{name}.csv" for name in ("pt240-cu124-rtx4090", "pt291-cu128-4090"))
N_MACHINES = int(os.environ.get("HWBENCH_DETECTOR_MACHINES", "40"))
NAIVE_PERCENT = 7.0
INJECTED = 1.10


def timm_folder():
    for folder in (TIMM, _ELSEWHERE):
        if (folder / OLD).is_file() and (folder / NEW).is_file():
            return folder
    pytest.skip(f"timm's tables are in neither {TIMM.resolve()} nor {_ELSEWHERE}")


@pytest.mark.benchmark
def test_timm_tables_of_two_versions(tmp_path):
    """RTX 4090, PyTorch 2.4 → 2.9, one value for each version. Prints the alarms beside those of a plain threshold."""
    folder = timm_folder()
    import_into(tmp_path, "timm", [folder / OLD, folder / NEW])
    found, unreadable = regressions_now(tmp_path)
    assert not unreadable
    cells = [row for row in found if row["scope"] == "cell"]
    compared = [row for row in cells if row["change_percent"] is not None]
    (machine,) = [row for row in found if row["scope"] == "machine"]
    alarms = [row for row in compared if row["verdict"] == "regression"]
    slower = [row for row in compared if row["raw_change_percent"] > NAIVE_PERCENT]
    moved = [row for row in compared if abs(row["raw_change_percent"]) > NAIVE_PERCENT]
    print(f"\n{len(cells)} series, {len(compared)} measured with both versions at one batch size")
    print(f"the machine: {machine['reason']}; noise of a run {machine['noise_percent']:.2f} %")
    print(f"verdicts: {dict(Counter(row['verdict'] for row in compared))}")
    print(
        f"{len(alarms)} alarms; a plain {NAIVE_PERCENT:g} % threshold: {len(slower)} slower, {len(moved)} in both directions"
    )
    print(f"the same threshold without the batch size in the key: {naive_without_batch(tmp_path)}")
    for family, count in Counter(row["family"] for row in alarms).most_common():
        names = ", ".join(
            f"{row['model_id']} {row['change_percent']:+.0f} %" for row in alarms if row["family"] == family
        )
        print(f"  {family}: {count} ({names})")
    assert len(compared) == 1338
    assert len(alarms) <= 25
    named = {row["model_id"] for row in alarms}
    assert {"lambda_resnet26t", "lambda_resnet50ts"} <= named
    assert {"hiera_base_224", "hiera_small_224", "hiera_tiny_224", "hiera_base_plus_224"} <= named
    assert not [name for name in named if name.startswith("nest_small")]


def naive_without_batch(warehouse):
    """How many models a threshold accuses that compares rates of the same model whatever the batch size was."""
    rates = {}
    for row in results_now(warehouse).results:
        if row["throughput_items_per_s"]:
            rates.setdefault((row["model_id"], row["input_shape"]), {})[row["backend_version"]] = row[
                "throughput_items_per_s"
            ]
    changes = {key: 100 * (both["2.9.1"] / both["2.4.0"] - 1) for key, both in rates.items() if len(both) == 2}
    slower = {key[0] for key, change in changes.items() if change < -NAIVE_PERCENT}
    assert "nest_small" in slower, "its batch shrank: that is what a key without it calls slower"
    return f"{len(slower)} slower of {len(changes)}, nest_small among them ({changes['nest_small', 'img_size=224']:+.0f} %)"


@pytest.fixture(scope="module")
def measured():
    return published()


@pytest.mark.benchmark
def test_the_same_again_raises_no_alarms(measured):
    """A/A: nothing happens on any machine. Prints the alarms of each night, after confirmation."""
    jump, by_night, n_again = jumps(measured), {}, 0
    for seed in range(N_MACHINES):
        for number, (verdicts, again) in enumerate(Simulation(measured, jump, seed).nights()):
            by_night.setdefault(number, Counter()).update(verdicts.values())
            n_again += again
    n_judged = sum(counts.total() for counts in by_night.values())
    n_false = sum(counts["regression"] for counts in by_night.values())
    print(
        f"\n{len(measured)} published rows; {N_MACHINES} machines of {N_CELLS} cells, {len(by_night)} nights, each after re-runs"
    )
    for number, counts in by_night.items():
        print(f"  night {number + 1}: {counts['regression']} false alarms of {counts.total()}; {dict(counts)}")
    print(f"false alarms: {n_false} of {n_judged} ({100 * n_false / n_judged:.2f} %); measured again: {n_again} runs")
    assert n_false <= 0.01 * n_judged


@pytest.mark.benchmark
def test_one_cell_of_fifty_that_takes_a_tenth_longer_is_found(measured):
    """Prints after how many nights, the suspected cells measured again on each."""
    jump, found_by, n_others, n_judged = jumps(measured), Counter(), 0, 0
    for seed in range(N_MACHINES):
        injected, first = seed % N_CELLS, None
        for number, (verdicts, _) in enumerate(Simulation(measured, jump, 10_000 + seed).nights(injected, INJECTED)):
            if first is None and verdicts[injected] == "regression":
                first = number + 1
            n_others += sum(verdict == "regression" for cell, verdict in verdicts.items() if cell != injected)
            n_judged += N_CELLS - 1
        found_by[first] += 1
    n_found = N_MACHINES - found_by[None]
    print(f"\n{N_MACHINES} machines, one cell of {N_CELLS} made {100 * (INJECTED - 1):.0f} % slower on each")
    for night in sorted(night for night in found_by if night is not None):
        print(f"  found on night {night}: {found_by[night]}")
    print(f"found: {n_found} of {N_MACHINES}; alarms for other cells: {n_others} of {n_judged}")
    assert n_found >= 0.95 * N_MACHINES
