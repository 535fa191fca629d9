"""What the warehouse holds already, so that a stopped sweep can go on."""

from __future__ import annotations

import pytest

from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.storing import TABLE_OF_MODE, is_recorded
from hwbench_pipeline.training.recipe import Recipe
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.writing import write_run
from hwbench_pipeline_tests import rows


def plan(*points, mode="inference", hardware="cpu"):
    return CellPlan(hardware, "bert", mode, points)


@pytest.fixture
def warehouse(tmp_path):
    """One measured point of cpu × bert, as the shared sample row says it."""
    write_run(tmp_path, TABLE_OF_MODE["inference"], Cell("cpu", "bert"), "r", [rows.measured()])
    return tmp_path


def test_a_measured_point_is_recorded_and_others_are_not(warehouse):
    """By size, precision and batch; by mode and hardware."""
    row = rows.measured()
    known = Point(row["model_size"], row["precision"], row["batch_size"])
    assert is_recorded(warehouse, plan(known))
    assert not is_recorded(warehouse, plan(known, Point(row["model_size"], row["precision"], row["batch_size"] + 1)))
    assert not is_recorded(warehouse, plan(Point(row["model_size"], "bf16", row["batch_size"])))
    assert not is_recorded(warehouse, plan(known, mode="training"))
    assert not is_recorded(warehouse, plan(known, hardware="openvino"))


def test_a_row_without_batch_speaks_for_every_point_of_its_size(tmp_path):
    """Absent hardware is recorded once, whatever was asked for."""
    absent = rows.whole_cell()
    write_run(tmp_path, TABLE_OF_MODE["inference"], Cell(absent["hardware"], absent["model"]), "r", [absent])
    wanted = CellPlan(absent["hardware"], absent["model"], "inference", (Point(absent["model_size"], "fp32", 8),))
    assert is_recorded(tmp_path, wanted)


def test_another_variant_is_another_point_and_the_usual_one_has_no_name(tmp_path):
    """A row by way of ONNX says nothing of the usual call; `eager` is the usual call."""
    exported = rows.measured(variant="onnxruntime")
    write_run(tmp_path, TABLE_OF_MODE["inference"], Cell("cpu", "bert"), "r", [exported])
    size, precision, batch = (exported[name] for name in ("model_size", "precision", "batch_size"))
    assert is_recorded(tmp_path, plan(Point(size, precision, batch, variant="onnxruntime")))
    assert not is_recorded(tmp_path, plan(Point(size, precision, batch)))
    write_run(tmp_path, TABLE_OF_MODE["inference"], Cell("cpu", "bert"), "s", [rows.measured()])
    assert is_recorded(tmp_path, plan(Point(size, precision, batch, variant="eager")))


def test_another_recipe_is_another_point_and_the_usual_one_has_no_name(tmp_path):
    """A row of the time before recipes is one of the usual; an inference has none, whatever is asked for."""
    trained = rows.measured(mode="training", scenario="train_step")
    size, precision, batch = (trained[name] for name in ("model_size", "precision", "batch_size"))
    usual, other = (Point(size, precision, batch, recipe=recipe) for recipe in (Recipe(), Recipe("sgd")))
    write_run(tmp_path, TABLE_OF_MODE["training"], Cell("cpu", "bert"), "r", [trained])
    assert is_recorded(tmp_path, plan(usual, mode="training"))
    assert is_recorded(tmp_path, plan(Point(size, precision, batch), mode="training"))
    assert not is_recorded(tmp_path, plan(usual, other, mode="training"))
    failed = rows.without_number(
        mode="training", scenario="train_step", recipe=Recipe("sgd").name, precision=precision, batch_size=batch
    )
    write_run(tmp_path, TABLE_OF_MODE["training"], Cell("cpu", "bert"), "s", [failed])
    assert is_recorded(tmp_path, plan(usual, other, mode="training"))
    write_run(tmp_path, TABLE_OF_MODE["inference"], Cell("cpu", "bert"), "t", [rows.measured()])
    assert is_recorded(tmp_path, plan(other))
