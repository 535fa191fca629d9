"""`hwbench compare`: what it prints, and what it says of a wrong call."""

from __future__ import annotations

import pytest

from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.writing import write_environments, write_run
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import ENVIRONMENT
from hwbench_pipeline_tests.analysis.test_comparison import samples


@pytest.fixture
def compared(tmp_path):
    """Two models on two platforms, one of them at two batch sizes and tiny too."""
    folder = tmp_path / "warehouse"
    write_environments(folder, [ENVIRONMENT])
    made = [
        rows.measured(samples_ms=samples(10.0)),
        rows.measured(samples_ms=samples(20.0), batch_size=8, run_id="2"),
        rows.measured(samples_ms=samples(5.0), hardware="openvino", run_id="3"),
        rows.measured(samples_ms=samples(10.1), model="vit", sequence_length=None, run_id="4"),
        rows.measured(samples_ms=samples(1.0), model_size="tiny", run_id="5"),
        rows.measured(samples_ms=samples(1.0), model_size="tiny", hardware="openvino", run_id="6"),
    ]
    for row in made:
        write_run(folder, CORE_BENCH__INFERENCE, Cell(row["hardware"], row["model"]), row["run_id"], [row])
    return folder


def test_cells_verdicts_and_what_is_left_out_are_printed(call, compared):
    called = call("compare", "--by", "hardware", "--warehouse", compared)
    assert called.code == 0
    said = " ".join(called.out.split())
    assert "cpu (Test cpu) → openvino (Test openvino), reference inference hwbench: 1 cells, 1 faster" in said
    assert "cpu (Test cpu) → openvino (Test openvino), tiny inference hwbench: 1 cells, 1 no difference shown" in said
    assert "intervals are widened by 8.9 % between runs (assumed)" in said
    assert "left out: 2 2 only cpu (Test cpu); nothing else was tried" in said


def test_json_is_the_tables_rows_with_summaries_and_what_is_left_out(call, compared):
    document = call("compare", "--by", "hardware", "--size", "reference", "--warehouse", compared, "--json").document
    (row,) = document["rows"]
    assert row["verdict"] == "faster"
    assert set(document["columns"]) == set(row)
    assert document["summaries"][0]["n_cells"] == 1
    assert document["left_out"] == [{"reason": "only cpu (Test cpu); nothing else was tried", "n_cells": 2}]


def test_batches_show_their_efficiency(call, compared):
    called = call("compare", "--by", "batch", "--model", "bert", "--hardware", "cpu", "--warehouse", compared)
    assert called.code == 0
    assert "efficiency" in called.out
    assert "faster" in called.out


def test_models_are_compared_with_the_one_that_is_named(call, compared):
    called = call("compare", "--by", "model", "--baseline", "vit", "--warehouse", compared)
    assert called.code == 1
    assert called.lines[-1] == (
        "hwbench compare: no cell has two sides to compare. Fix: measure the other side, or other filters"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "colour"], "--by 'colour': takes hardware, precision"),
        (["--by", "hardware,precision"], "takes one of hardware"),
        (["--by", "model"], "--by model: which models to compare with? Fix: --baseline bert"),
        (["--by", "hardware", "--baseline", "cuda"], "--baseline 'cuda': nothing that was asked for was measured"),
        (["--by", "hardware", "--candidate", "mps"], "there are cpu, openvino. Fix: --candidate cpu"),
        (["--by", "hardware", "--precision", "fp99"], "--precision 'fp99': takes"),
        (["--by", "hardware", "--batch-size", "many"], "--batch-size 'many': takes whole numbers"),
        (["--by", "hardware", "--mode", "both"], "--mode 'both': takes inference, training"),
        (["--by", "hardware", "--size", "huge"], "--size 'huge': takes reference, tiny, custom"),
        ([], "Missing option '--by'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_names_the_option_and_the_fix(call, compared, arguments, said):
    called = call("compare", *arguments, "--warehouse", compared)
    assert called.code == 2
    assert called.out == ""
    assert said in called.err
    assert "Fix:" in called.err


def test_without_a_warehouse_it_says_so_and_makes_none(call, tmp_path):
    called = call("compare", "--by", "hardware", "--warehouse", tmp_path / "none")
    assert called.code == 1
    assert "there is no warehouse" in called.err
    assert not (tmp_path / "none").exists()
