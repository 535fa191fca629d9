"""At least 100 000 damaged result files through the reader: no crash and no invented number.

HWBENCH_FUZZ_MUTATIONS gives another number.
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from hwbench_pipeline_tests.legacy.fuzzing import Findings, examine_range, seed_files

N_MUTATIONS = int(os.environ.get("HWBENCH_FUZZ_MUTATIONS", "100000"))
PROCESSES = 2
MUTATIONS_PER_TASK = 500
FIRST = 1_000_000
"""The default suite's short run takes the numbers below."""


@pytest.mark.benchmark
def test_no_crash_and_no_invented_number():
    """Prints mutations/s and what became of the files; a reader that kills its process breaks the pool."""
    tasks = [
        range(FIRST + start, FIRST + min(start + MUTATIONS_PER_TASK, N_MUTATIONS))
        for start in range(0, N_MUTATIONS, MUTATIONS_PER_TASK)
    ]
    findings = Findings()
    start = time.perf_counter()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for found in pool.map(partial(examine_range, with_real=True), tasks):
            findings += found
    seconds = time.perf_counter() - start
    n_seeds = len(seed_files(with_real=True))
    print(f"\n{N_MUTATIONS} mutations of {n_seeds} files in {seconds:.0f} s, {N_MUTATIONS / seconds:.0f} per s")
    for name, count in sorted(findings.counts.items()):
        print(f"{count:9} {name}")
    findings.require_none()
    assert findings.counts["mutations"] == N_MUTATIONS
