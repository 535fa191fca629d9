"""Operations counted without data against those of a real call on the CPU, for every architecture of the catalog.

HWBENCH_FLOPS_MODELS counts that many only, spread evenly.
"""

import os

import pytest

from hwbench_pipeline.bench.deriving import known_models
from hwbench_pipeline.bench.isolation import CellProcesses, Limits

N_MODELS = int(os.environ.get("HWBENCH_FLOPS_MODELS", "10000"))
LEAST_SHARE_COUNTED_BOTH_WAYS = 0.75
"""Of all tried; the rest cannot be run here, or asks for values that the meta device does not have."""


@pytest.mark.benchmark
def test_meta_device_and_cpu_count_the_same():
    """Prints how many agree of those that both ways count, and what the others said."""
    models = [model.key for model in known_models(on_need=print)]
    models = models[:: max(1, len(models) // N_MODELS)]
    agree, differ, one_way = [], {}, {}
    with CellProcesses("hwbench_pipeline_tests.benchmarks.flop_ways:count") as processes:
        for key in models:
            outcome = processes.run({"key": key}, Limits(120))
            counts = outcome.events[-1]["ways"] if outcome.events else {"process": f"exit code {outcome.exit_code}"}
            counted = {name: value for name, value in counts.items() if isinstance(value, int)}
            if len(counted) < 2:
                one_way[key] = {name: value for name, value in counts.items() if not isinstance(value, int)}
            elif len(set(counted.values())) == 1:
                agree.append(key)
            else:
                differ[key] = counted
    print(
        f"\n{len(agree)} of {len(agree) + len(differ)} architectures that both ways count agree, of {len(models)} tried"
    )
    for key, counted in differ.items():
        print(f"  {key}: {counted}")
    print(f"{len(one_way)} are counted in one way at most:")
    for key, said in one_way.items():
        print(f"  {key}: {said}")
    assert not differ
    assert len(agree) + len(differ) >= LEAST_SHARE_COUNTED_BOTH_WAYS * len(models), "too few to say that they agree"
