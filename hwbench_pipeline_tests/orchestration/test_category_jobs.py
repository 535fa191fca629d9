"""Jobs per category: every model of it, in one run, into the same assets as the grid."""

from __future__ import annotations

import dagster as dg
import pytest

from hwbench_pipeline.bench.deriving import known_models
from hwbench_pipeline.definitions import build_defs
from hwbench_pipeline.orchestration.category_jobs import CATEGORY_JOBS
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.warehouse.reading import read_rows

QUICK = {"model_sizes": ["tiny"], "min_samples": 1, "min_duration_s": 0}


def run(instance, warehouse, job, **config):
    defs = build_defs({"warehouse": WarehouseResource(root=str(warehouse))})
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        run_config={"ops": {f"measure_models_of_{job.removeprefix('measure_')}": {"config": QUICK | config}}},
        raise_on_error=False,
    )


def test_every_category_has_a_job():
    assert {"measure_vision", "measure_diffusion", "measure_text_encoder"} <= {job.name for job in CATEGORY_JOBS}


def test_all_models_of_a_category_are_measured_and_reported_as_partitions(instance, warehouse):
    models = {model.key for model in known_models(on_need=print) if model.category == "decision"}
    assert len(models) >= 2
    assert run(instance, warehouse, "measure_decision", hardware=["cpu"]).success
    done = instance.get_materialized_partitions(dg.AssetKey(CORE_BENCH__INFERENCE.name))
    assert done == {f"cpu|{model}" for model in models}
    rows, unreadable = read_rows(warehouse, CORE_BENCH__INFERENCE)
    assert (unreadable, {row["model"] for row in rows}) == ([], models)
    assert {row["status"] for row in rows} == {"ok"}
    assert len({row["run_id"] for row in rows}) == len(models), "models of one configuration would be one row"


@pytest.mark.parametrize(("config", "said"), [({"hardware": ["gpu9"]}, "gpu9"), ({"mode": "sleep"}, "sleep")])
def test_a_wrong_configuration_says_what_it_takes(instance, warehouse, config, said):
    result = run(instance, warehouse, "measure_decision", **config)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    text = str(failure.step_failure_data.error)
    assert said in text
    assert "Fix:" in text
