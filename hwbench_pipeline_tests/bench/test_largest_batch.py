"""The search for the largest batch, and what it records of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.largest_batch import largest_that_fits, run_largest_batch
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

QUICK = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=3, min_duration_s=0)


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_search_finds_the_border_in_few_questions(limit, largest):
    asked = []

    def fits(batch):
        asked.append(batch)
        return batch <= limit

    found = largest_that_fits(fits, largest=largest)
    assert found == (min(limit, largest) or None)
    assert max(asked) <= largest
    assert len(asked) == len(set(asked)) <= 2 * max(limit, 1).bit_length() + 3


@pytest.fixture(scope="module")
def processes():
    with CellProcesses() as shared:
        yield shared


def largest(processes, hardware, model, limit_mb):
    plan = CellPlan(hardware, model, points=(Point(),), sampling=QUICK)
    execution = run_largest_batch(plan, processes, run_id="r", memory_limit_mb=limit_mb)
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    return execution.rows


def test_the_largest_batch_under_a_limit_is_measured_and_the_next_recorded(processes):
    alone = largest(processes, "cpu", "vit", 1.0)
    assert [(row["status"], row["error_class"], row["batch_size"]) for row in alone] == [
        ("out_of_memory", "OverLimit", 1)
    ]
    base_mb = float(alone[0]["error_message"].split(" took ")[1].split(" MB")[0].replace(",", ""))
    best, refused = largest(processes, "cpu", "vit", base_mb + 60)
    assert best["status"] == "ok"
    assert best["batch_size"] > 1
    assert best["n_samples"] >= 3
    assert (refused["status"], refused["batch_size"] > best["batch_size"]) == ("out_of_memory", True)
    assert "allowed are" in refused["error_message"]


def test_what_is_not_about_memory_is_said_and_ends_the_search(processes):
    (row,) = largest(processes, "mps", "bert", None)
    assert row["status"] in ("no_hardware", "ok")
