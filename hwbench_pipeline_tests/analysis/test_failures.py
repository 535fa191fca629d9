"""Causes of failures from what a row says, and alike ones together."""

from __future__ import annotations

import pytest

from hwbench_pipeline.analysis.failures import CAUSES, cause_of, clusters, reproduction


def row(**values):
    return {
        "source": "hwbench",
        "is_current": True,
        "status": "failed",
        "error_class": "RuntimeError",
        "error_message": "shapes 3 and 4 do not match",
        "failed_phase": "reference",
        "hardware": "cpu",
        "model": "gpt2",
        "mode": "inference",
        "model_size": "tiny",
        "precision": "fp32",
        "batch_size": 1,
        "scenario": "forward",
    } | values


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"status": "ok"}, None),
        ({"status": "no_hardware"}, None),
        ({"status": "out_of_memory"}, "out_of_memory"),
        ({"status": "timeout"}, "timeout"),
        ({"error_class": "WrongOutputError", "failed_phase": "verify"}, "wrong_output"),
        ({"error_class": "ProcessDied", "failed_phase": "sample"}, "crash"),
        ({"error_class": "ImportError", "failed_phase": "load"}, "dependency"),
        ({"error_message": "X requires the timm library but it was not found", "failed_phase": "load"}, "dependency"),
        ({"failed_phase": "load"}, "config"),
        ({"failed_phase": None}, "config"),
        ({}, "input"),
        ({"failed_phase": "compile"}, "operator_unsupported"),
        ({"failed_phase": "sample"}, "execution"),
        ({"status": "unsupported", "failed_phase": "compile"}, "unsupported"),
        ({"status": "unsupported", "failed_phase": None}, "unsupported"),
    ],
)
def test_cause(values, cause):
    """One cause for every way to end without a number, none for absent hardware."""
    assert cause_of(row(**values)) == cause
    assert cause is None or cause in CAUSES


def test_alike_failures_stand_together_whatever_their_numbers():
    """The same words with other shapes are one cluster; another platform is another; the shortest name is the example."""
    found = clusters(
        [
            row(model="a_long_name"),
            row(model="opt", error_message="shapes 7 and 8 do not match"),
            row(model="opt", hardware="openvino"),
            row(model="gone", is_current=False),
            row(model="theirs", source="legacy"),
            row(model="fine", status="ok"),
        ]
    )
    assert [(cluster.hardware, cluster.models) for cluster in found] == [
        ("cpu", ("a_long_name", "opt")),
        ("openvino", ("opt",)),
    ]
    assert found[0].example == "hwbench bench --hardware cpu --model opt --size tiny"
    assert found[0].message == "RuntimeError: shapes 7 and 8 do not match", "the example as it was said"


def test_the_reproduction_says_only_what_is_not_usual():
    """Nothing that the command line takes by default."""
    assert reproduction(row(model_size="reference")) == "hwbench bench --hardware cpu --model gpt2"
    trained = row(mode="training", scenario="train_step", precision="bf16", batch_size=4)
    assert reproduction(trained) == (
        "hwbench bench --hardware cpu --model gpt2 --mode training --size tiny --precision bf16 --batch-size 4"
    )
    accumulated = trained | {"recipe": "sgd lr=0.001 accumulation=2 checkpointing lora=8"}
    assert reproduction(accumulated).endswith(
        "--batch-size 4 --optimizer sgd --learning-rate 0.001 --gradient-accumulation 2 --gradient-checkpointing "
        "--lora-rank 8"
    )
