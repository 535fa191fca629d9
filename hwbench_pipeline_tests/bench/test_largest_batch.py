"""The search for the largest batch, and what it records of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.bench import largest_batch
from hwbench_pipeline.bench.engine import CellExecution
from hwbench_pipeline.bench.largest_batch import largest_that_fits, run_largest_batch
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.tables.results import result_id_of
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
    for row, limit_mb in ((alone[0], 1.0), (refused, base_mb + 60)):
        assert json.loads(row["options"])["memory_limit_mb"] == limit_mb
    assert "memory_limit_mb" not in json.loads(best["options"])  # its call was bounded by nothing


def test_what_is_not_about_memory_is_said_and_ends_the_search(processes):
    (row,) = largest(processes, "mps", "bert", None)
    assert row["status"] in ("no_hardware", "ok")


ONE = (Point(),)


class FakeRuns:
    """Stands in for `run_cell`, for ends that a test cannot bring about: what each batch size gives."""

    def __init__(self, monkeypatch, answer):
        self.asked = []

        def run_cell(plan, processes, **_):
            (point,) = plan.points
            self.asked.append(point.batch_size)
            row = {"batch_size": point.batch_size, "environment_id": "e", "memory_method": "by a test"}
            row |= answer(point.batch_size)
            return CellExecution(plan, "r", [row], [{"environment_id": "e"}])

        monkeypatch.setattr(largest_batch, "run_cell", run_cell)

    def rows(self, limit_mb=None, points=ONE, keep=None):
        plan = CellPlan("cpu", "vit", points=points, sampling=QUICK)
        return run_largest_batch(plan, None, run_id="r", memory_limit_mb=limit_mb, keep=keep).rows

    def search(self, limit_mb=None, points=ONE, keep=None):
        found = self.rows(limit_mb, points, keep)
        return [(row["status"], row["batch_size"], row.get("error_class")) for row in found]


def ok(memory_mb=100.0):
    return {"status": "ok", "peak_memory_mb": memory_mb, "error_class": None}


@pytest.mark.parametrize(("status", "error_class"), [("failed", "Killed"), ("timeout", "Timeout"), ("failed", "E")])
def test_a_larger_batch_that_is_killed_or_takes_too_long_does_not_fit(monkeypatch, status, error_class):
    runs = FakeRuns(monkeypatch, lambda n: ok() if n <= 12 else {"status": status, "error_class": error_class})
    assert runs.search() == [("ok", 12, None), (status, 13, error_class)]


def test_what_fails_at_batch_one_is_the_answer(monkeypatch):
    runs = FakeRuns(monkeypatch, lambda _: {"status": "failed", "error_class": "WrongOutputError"})
    assert runs.search() == [("failed", 1, "WrongOutputError")]
    assert runs.asked == [1]


def test_a_limit_that_nothing_can_be_held_against_is_refused(monkeypatch):
    runs = FakeRuns(monkeypatch, lambda _: ok(None))
    assert runs.search(limit_mb=100) == [("unsupported", 1, "MemoryUnreadable")]
    assert runs.search()[0][:2] == ("ok", 4096)


@pytest.mark.parametrize("answer", [ok(), ok(None)], ids=["over", "unreadable"])
def test_what_a_limit_refused_states_the_limit_in_its_identity(monkeypatch, answer):
    runs = FakeRuns(monkeypatch, lambda _: answer | {"options": '{"a":1}', "run_id": "r", "source": "hwbench"})
    (row,) = runs.rows(limit_mb=99.5)
    assert json.loads(row["options"]) == {"a": 1, "memory_limit_mb": 99.5}
    assert row["result_id"] == result_id_of(row)


@pytest.mark.parametrize(
    ("took_mb", "limit_mb", "said"),
    [
        (600.4, 600.0, "took 600.4 MB, allowed are 600.0 MB"),
        (335.2, 1.0, "took 335 MB, allowed are 1 MB"),
        (1234.567892, 1234.567891, "took 1,234.567892 MB, allowed are 1,234.567891 MB"),
        (1000.0, 0.5, "took 1,000.0 MB, allowed are 0.5 MB"),
    ],
)
def test_the_message_shows_that_the_limit_was_passed(monkeypatch, took_mb, limit_mb, said):
    runs = FakeRuns(monkeypatch, lambda _: ok(took_mb))
    assert said in runs.rows(limit_mb=limit_mb)[0]["error_message"]


def test_an_interrupted_search_keeps_the_points_that_are_done(monkeypatch):
    kept = []

    def answer(batch):
        if len(runs.asked) > 4:
            raise KeyboardInterrupt
        return ok() if batch == 1 else {"status": "out_of_memory", "error_class": "OutOfMemoryError"}

    runs = FakeRuns(monkeypatch, answer)
    with pytest.raises(KeyboardInterrupt):
        runs.search(points=(Point(), Point(precision="bf16")), keep=kept.append)
    (execution,) = kept
    assert [(row["status"], row["batch_size"]) for row in execution.rows] == [("ok", 1), ("out_of_memory", 2)]
