"""Comparisons and regressions in words."""

from __future__ import annotations

from collections import Counter

import pytest

from hwbench_pipeline.analysis.comparison import Comparison
from hwbench_pipeline.reports.comparison import (
    alarm_lines,
    bound_text,
    cell_text,
    comparison_markdown,
    interval_text,
    regressions_markdown,
    scaling_markdown,
)
from hwbench_pipeline.reports.notifying import message_of
from hwbench_pipeline.schema.tables import OUT__COMPARISON, OUT__REGRESSIONS, OUT__SCALING


def pair(**changes):
    return OUT__COMPARISON.complete(
        {
            "dimension": "hardware",
            "baseline_side": "cpu",
            "candidate_side": "cuda",
            "source": "hwbench",
            "model_size": "reference",
            "mode": "inference",
            "is_software": False,
            "speed_up": 2.0,
            "speed_up_low": 1.5,
            "speed_up_high": 2.5,
            "verdict": "faster",
        }
        | changes
    )


def judged(**changes):
    return OUT__REGRESSIONS.complete(
        {
            "series_id": "3f2a",
            "scope": "cell",
            "family": "bert",
            "model": "bert",
            "source": "hwbench",
            "hardware": "cpu",
            "verdict": "regression",
            "severity": "high",
            "change_percent": 20.0,
            "reason": "slower",
        }
        | changes
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            {"model": "bert", "model_size": "reference", "hardware": "cpu", "mode": "inference", "scenario": "forward"},
            "bert cpu",
        ),
        (
            {
                "model": "t5",
                "model_size": "tiny",
                "mode": "training",
                "precision": "bf16",
                "batch_size": 8,
                "sound_s": 5.0,
            },
            "t5 tiny training bf16 batch 8 5 s",
        ),
        ({"model_id": "nest", "source": "timm", "input_shape": "img_size=224"}, "nest img_size=224"),
        ({"model": "vit", "hardware": "webgpu", "is_software": True}, "vit webgpu (software device)"),
    ],
)
def test_a_cell_in_words_names_what_is_not_usual(row, text):
    assert cell_text(row) == text


def test_intervals_and_bounds_in_words():
    assert interval_text(pair()) == "1.50 to 2.50"
    assert interval_text(pair(speed_up_low=None)) is None
    assert bound_text(pair(baseline_limb="memory", baseline_roofline_percent=81.26), "baseline_") == "memory 81.3 %"
    assert bound_text(pair(), "baseline_") is None


def test_comparisons_are_summed_up_with_what_is_left_out():
    text = comparison_markdown(Comparison([pair(), pair(speed_up=8.0)], Counter({"only cpu; cuda: no_hardware": 7})))
    assert "| cpu | cuda | hwbench | reference | inference | — | 2 | 4 | 2 | 8 | 2 faster |" in text
    assert "| 7 | only cpu; cuda: no_hardware |" in text


def test_scaling_is_counted_by_batch_and_verdict():
    found = [OUT__SCALING.complete({"batch_size": 8, "verdict": "faster"})] * 2
    assert "| 8 | faster | 2 |" in scaling_markdown(Comparison(found))


def test_changes_are_listed_and_the_rest_counted():
    text = regressions_markdown([judged(), judged(verdict="no change shown", severity=None, model="vit")])
    assert "| cell | regression | 1 |" in text
    assert "| 3f2a | regression | high | bert | bert cpu | +20.0 | slower |" in text
    assert "vit" not in text


def test_a_message_has_one_line_for_each_family_and_ends_somewhere():
    found = [
        judged(),
        judged(severity="critical", change_percent=31.0, model="bert-large"),
        judged(family="vit", model="vit", verdict="lost cell", severity=None, change_percent=None),
        judged(family=None, model=None, scope="machine"),
    ]
    assert alarm_lines(found) == [
        "bert: 2 critical, up to +31 % time (bert cpu; bert-large cpu)",
        "vit: 1 lost (vit cpu)",
        "all cells on cpu: 1 high, up to +20 % time (cpu)",
    ]
    assert message_of(found).splitlines()[0] == "hwbench: 4 new regressions or lost cells"
    assert message_of(found[:1]).splitlines()[0] == "hwbench: 1 new regression or lost cell"
    assert len(message_of([judged(family=f"family{number}") for number in range(500)])) == 3001
