"""Training cells: every recipe is a point of its own, with its evidence, and what cannot train says so."""

import json

import pytest

from hwbench_pipeline.bench.engine import distinct_points, run_cell
from hwbench_pipeline.bench.largest_batch import run_largest_batch
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling, sweep
from hwbench_pipeline.bench.storing import is_recorded, store_execution
from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.schema.tables import CORE_BENCH__TRAINING
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline.training.recipe import OPTIMIZER_KEYS, Recipe, recipe_sweep

pytestmark = pytest.mark.usefixtures("own_host_lock")
QUICK = Sampling(min_warmup=2, min_warmup_s=0, max_warmup_s=0, min_samples=5, min_duration_s=0, max_samples=5)
PARTS = ("forward", "backward", "optimizer")


def trained(processes, model, *points):
    execution = run_cell(CellPlan("cpu", model, "training", points, QUICK), processes)
    require_valid(CORE_BENCH__TRAINING, execution.rows)
    return execution


@pytest.mark.parametrize("model", model_keys())
def test_every_key_model_trains_with_its_evidence(processes, model):
    (row,) = trained(processes, model, Point(batch_size=4)).rows
    assert row["status"] == "ok", row["error_message"]
    assert row["recipe"] is None
    assert row["output_max_rel_error"] <= 1e-3
    assert sum(row[f"{part}_ms_mean"] for part in PARTS) == pytest.approx(row["latency_ms_mean"], rel=0.05)
    assert row["throughput_items_per_s"] == pytest.approx(4e3 / row["latency_ms_mean"])
    assert len(row["losses"]) >= 1 + row["n_warmup"] + row["n_samples"]
    assert (row["losses"][0], row["losses"][-1]) == (row["loss_first"], row["loss_last"])
    assert row["parameter_memory_mb"] == pytest.approx(row["n_parameters"] * 4e-6, rel=1e-6)
    assert 0 < row["gradient_memory_mb"] <= row["parameter_memory_mb"]
    # two moments, and of layers too that wav2vec2 dropped in the step whose gradients were counted
    assert 1.98 * row["gradient_memory_mb"] <= row["optimizer_memory_mb"] <= 2.02 * row["parameter_memory_mb"]
    assert row["activation_memory_mb"] > 0


def test_no_two_recipes_of_a_sweep_share_an_id_measured_or_not(processes, tmp_path):
    recipes = [
        *recipe_sweep(optimizers=OPTIMIZER_KEYS),
        *recipe_sweep(learning_rates=[1e-4, 2e-4], accumulations=[1, 2, 3], lora_ranks=[2]),
        *recipe_sweep(checkpointing=True),
        Recipe("sgd", 1e9),
    ]
    points = sweep(model_sizes=["tiny"], batch_sizes=[4], recipes=recipes)
    execution = trained(processes, "bert", *points)
    rows = execution.rows
    assert len(rows) == len(points) == len({row["result_id"] for row in rows}) == len({row["recipe"] for row in rows})
    by_recipe = {row["recipe"]: row for row in rows}
    assert by_recipe["sgd lr=1000000000.0"]["status"] == "failed"
    assert by_recipe["sgd lr=1000000000.0"]["error_class"] in ("LossError", "NotLearningError")
    uneven = [row for row in rows if "accumulation=3" in (row["recipe"] or "")]
    assert {(row["status"], row["batch_size"]) for row in uneven} == {("unsupported", 4)}
    assert "Fix: --batch-size 12" in uneven[0]["error_message"]
    others = [row for row in rows if row not in uneven and row is not by_recipe["sgd lr=1000000000.0"]]
    assert {row["status"] for row in others} == {"ok"}
    tokens = {row["input_shape"] for row in others}
    assert len(tokens) == 1  # whatever the recipe, a step is the same batch
    for row in others:
        assert row["tokens_per_s"] == pytest.approx(4 * 32 * 1e3 / row["latency_ms_mean"])
        assert (row["flops"] is None) == ("lora" in (row["recipe"] or ""))
    assert by_recipe["sgd lr=0.001"]["optimizer_memory_mb"] == 0
    lora = by_recipe["lora=2"]
    assert lora["gradient_memory_mb"] < 0.1 * lora["parameter_memory_mb"]
    assert json.loads(lora["options"])["lora_rank"] == 2
    assert lora["environment_id"] != by_recipe[None]["environment_id"]  # peft took part
    usual = by_recipe[None]["activation_memory_mb"]
    assert by_recipe["checkpointing"]["activation_memory_mb"] < 0.8 * usual
    store_execution(tmp_path, execution)
    assert is_recorded(tmp_path, execution.plan)
    more = CellPlan("cpu", "bert", "training", (Point(batch_size=4, recipe=Recipe(learning_rate=3e-4)),), QUICK)
    assert not is_recorded(tmp_path, more)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precisions_train_under_autocast(processes, precision):
    (row,) = trained(processes, "vit", Point(precision=precision, batch_size=4)).rows
    assert row["status"] == "ok", row["error_message"]
    assert row["output_max_rel_error"] > 0
    assert json.loads(row["options"])["precision_method"].startswith("autocast")
    assert row["parameter_memory_mb"] == pytest.approx(row["n_parameters"] * 4e-6, rel=1e-6)


def test_a_compiled_step_is_checked_and_its_compiling_timed_apart(processes):
    (row,) = trained(processes, "vit", Point(batch_size=2, variant="compile")).rows
    assert row["status"] == "ok", row["error_message"]
    assert (row["variant"], row["first_inference_ms"]) == ("compile", None)
    assert row["compile_ms"] > row["latency_ms_p50"]
    assert row["output_max_rel_error"] <= 1e-3
    assert json.loads(row["options"])["compile"] is True


def test_an_inference_has_no_recipe():
    plan = CellPlan("cpu", "bert", "inference", (Point(), Point(recipe=Recipe("sgd"))), QUICK)
    assert distinct_points(plan) == [Point(sequence_length=32)]


@pytest.mark.parametrize(
    ("model", "recipe", "smallest"), [("bert", Recipe(accumulation_steps=3), 3), ("clip", Recipe(), 2)]
)
def test_the_largest_batch_begins_where_a_step_can_train(processes, model, recipe, smallest):
    plan = CellPlan("cpu", model, "training", (Point(recipe=recipe),), QUICK)
    tried = []

    def too_small(limit_mb):
        return run_largest_batch(plan, processes, run_id="r", memory_limit_mb=limit_mb, on_try=tried.append).rows

    (alone,) = too_small(1.0)
    require_valid(CORE_BENCH__TRAINING, [alone])
    assert (alone["status"], alone["error_class"], alone["batch_size"]) == ("out_of_memory", "OverLimit", smallest)
    base_mb = float(alone["error_message"].split(" took ")[1].split(" MB")[0].replace(",", ""))
    tried.clear()
    best, refused = too_small(base_mb + 40)
    require_valid(CORE_BENCH__TRAINING, [best, refused])
    unit = recipe.accumulation_steps
    assert (best["status"], best["recipe"], refused["recipe"]) == ("ok", recipe.name, recipe.name)
    assert best["batch_size"] % unit == 0
    assert smallest <= best["batch_size"] < refused["batch_size"]
    assert all(batch % unit == 0 for batch in tried)
    assert best["throughput_items_per_s"] == pytest.approx(best["batch_size"] * 1e3 / best["latency_ms_mean"])
