"""Reading a file costs by its size, not by its square: counted in calls of functions, which no busy machine changes."""

import cProfile
import json
import random
from pathlib import Path

import pytest

from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.reading import read_file

FEW, TIMES = 150, 8
MOST_TIMES = 1.35 * TIMES
"""Calls per record may grow a little: sorting does."""


def time_ms(draw):
    return round(draw.uniform(3, 90), 6)


def table(n, draw):
    return [{"model": f"org/m-{i}", "hardware": f"gpu{i}", "latency_ms": time_ms(draw)} for i in range(n)]


def tree(n, draw):
    return {
        "results": {f"org/m-{i}": {key: {"latency_ms": time_ms(draw)} for key in ("cpu", "cuda")} for i in range(n)}
    }


def one_series(n, draw):
    rows = [{"batch_size": i + 1, "latency_ms": time_ms(draw)} for i in range(n)]
    return {"model": "bert-base-uncased", "hardware": "cpu", "results": rows}


def direct_benchmark(n, draw):
    batches = {
        str(i + 1): {
            "success": True,
            "device": "cuda",
            "avg_latency_ms": time_ms(draw),
            "latencies_ms": [time_ms(draw)] * 3,
        }
        for i in range(n)
    }
    return {"model": "bert-base-uncased", "hardware": "cuda", "batch_results": batches}


def suite(n, draw):
    points = {
        hardware: {
            "status": "completed",
            "benchmark_results": {
                f"batch_{i + 1}_seq_32": {"status": "completed", "avg_latency": time_ms(draw) / 1e3, "throughput": 1.0}
                for i in range(n)
            },
        }
        for hardware in ("cpu", "cuda")
    }
    return {"timestamp": "20250302_202226", "benchmarks": {"text": {"bert": points}}}


def n_calls(document):
    content = FileContent(json.dumps(document).encode(), "0" * 64)
    profile = cProfile.Profile()
    reading = profile.runcall(read_file, Path("x.json"), content, None)
    profile.create_stats()
    return sum(stats[1] for stats in profile.stats.values()), reading.n_records


@pytest.mark.parametrize("made", [table, tree, one_series, direct_benchmark, suite])
def test_calls_grow_as_the_records_do(made):
    few_calls, few = n_calls(made(FEW, random.Random(1)))
    many_calls, many = n_calls(made(FEW * TIMES, random.Random(1)))
    assert many == TIMES * few >= TIMES * FEW
    assert many_calls < MOST_TIMES * few_calls
