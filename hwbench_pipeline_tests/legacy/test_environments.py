"""Environments that an old run describes."""

from hwbench_pipeline.hardware.environment import environment_id_of
from hwbench_pipeline.imports.environments import described_environment
from hwbench_pipeline.legacy.environments import environment_row


def test_one_description_has_one_id_wherever_it_comes_from():
    run = {"system_info": {"hostname": "box", "torch_version": "2.1.0", "total_memory_gb": 62.21421432495117}}
    row = environment_row(run, None)
    assert row is not None
    stated = {name: row[name] for name in ("machine", "torch_version", "memory_total_mb")}
    assert row["memory_total_mb"] % 100 == 0
    assert described_environment(**stated) == row
    assert environment_id_of(row) == row["environment_id"]


def test_memory_that_rounds_to_nothing_is_not_stated():
    row = environment_row({"system_info": {"hostname": "box", "total_memory_gb": 0.01}}, None)
    assert row is not None
    assert row["memory_total_mb"] is None
