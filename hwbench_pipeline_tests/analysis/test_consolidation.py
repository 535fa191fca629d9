"""Which row is current, and what out__results and out__environments hold."""

from __future__ import annotations

import pytest

from hwbench_pipeline.analysis.consolidation import (
    consolidate_environments,
    consolidate_results,
    current_results,
)
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__RESULTS,
    OUT__ENVIRONMENTS,
    OUT__RESULTS,
)
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import connect, read_rows
from hwbench_pipeline.warehouse.writing import write_run, write_table
from hwbench_pipeline_tests import rows


@pytest.fixture
def united(tmp_path):
    """Store rows as their makers do, unite them, and give the united rows; they always keep the schema."""

    def _united(*given, warehouse=tmp_path):
        write_table(warehouse, CORE_LEGACY__RESULTS, [row for row in given if row["source"] == "legacy"])
        own = [row for row in given if row["source"] != "legacy"]
        for mode, table in (("inference", CORE_BENCH__INFERENCE), ("training", CORE_BENCH__TRAINING)):
            of_mode = [row for row in own if row["mode"] == mode]
            for key in {(row["hardware_requested"], row["model"], row["run_id"]) for row in of_mode}:
                of_run = [row for row in of_mode if (row["hardware_requested"], row["model"], row["run_id"]) == key]
                write_run(warehouse, table, Cell(*key[:2]), key[2], of_run)
        with connect() as connection:
            now, _ = current_results(warehouse, connection)
            assert consolidate_results(warehouse, connection).n_rows == len(given)
        back, unreadable = read_rows(warehouse, OUT__RESULTS)
        assert unreadable == []
        assert back == now
        assert find_problems(OUT__RESULTS, back) == []
        assert {row["result_id"] for row in back} == {row["result_id"] for row in given}
        return back

    return _united


@pytest.fixture
def current(united):
    """Ids of the current rows, in the order of the arguments, as booleans."""

    def _current(*given):
        by_id = {row["result_id"]: row["is_current"] for row in united(*given)}
        return [by_id[row["result_id"]] for row in given]

    return _current


def old_new(make_old, make_new, **shared):
    return make_old(run_id="run-1", **shared), make_new(run_id="run-2", started_at=rows.later(5), **shared)


def test_the_newer_run_of_a_point_is_current(current):
    old, new = old_new(rows.measured, rows.measured)
    assert current(old, new) == [False, True]


def test_the_newer_run_is_the_later_one_not_the_one_with_the_greater_id(current):
    old = rows.measured(run_id="z", started_at=rows.later(0))
    new = rows.measured(run_id="a", started_at=rows.later(1))
    assert current(new, old) == [True, False]


def test_three_runs_have_one_current(current):
    runs = [rows.measured(run_id=f"run-{n}", started_at=rows.later(n)) for n in (2, 0, 1)]
    assert current(*runs) == [True, False, False]


def test_a_failure_after_a_measurement_is_current(current):
    assert current(*old_new(rows.measured, rows.without_number)) == [False, True]


def test_a_measurement_after_a_failure_is_current(current):
    assert current(*old_new(rows.without_number, rows.measured)) == [False, True]


@pytest.mark.parametrize("status", ["timeout", "out_of_memory", "unsupported"])
def test_so_is_one_after_any_other_end(current, status):
    old = rows.without_number(status, run_id="run-1")
    assert current(old, rows.measured(run_id="run-2", started_at=rows.later(1))) == [False, True]


@pytest.mark.parametrize(
    "other",
    [
        {"device_name": "Another device"},
        {"hardware": "cuda"},
        {"model": "vit"},
        {"model_size": "tiny"},
        {"config_sha256": "f" * 64},
        {"precision": "bf16"},
        {"variant": "compile"},
        {"recipe": "sgd lr=0.001"},
        {"scenario": "generate"},
        {"batch_size": 8},
        {"sequence_length": 128},
        {"sequence_length": None},
        {"mode": "training", "scenario": "train_step"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_point_makes_nothing_outdated(current, other):
    assert current(rows.measured(run_id="run-1"), rows.measured(run_id="run-2", started_at=rows.later(5), **other)) == [
        True,
        True,
    ]


OVER_LIMIT = {"status": "out_of_memory", "error_class": "OverLimit"}
NEWER = {"run_id": "run-2", "started_at": rows.later(5)}


@pytest.mark.parametrize("error_class", ["OverLimit", "MemoryUnreadable"])
@pytest.mark.parametrize("options", [None, '{"memory_limit_mb":1.0}'], ids=["before options said it", "with its limit"])
def test_a_limit_that_somebody_set_says_nothing_of_the_point_without_one(current, error_class, options):
    bounded = rows.without_number(error_class=error_class, options=options, **NEWER)
    assert current(rows.measured(run_id="run-1"), bounded) == [True, True]
    older = rows.without_number(error_class=error_class, options=options, run_id="run-1")
    assert current(older, rows.measured(**NEWER)) == [True, True]


def test_a_limit_has_a_history_of_its_own(current):
    old, new = (
        rows.without_number(**OVER_LIMIT, options='{"a":1,"memory_limit_mb":9.5}', run_id="run-1"),
        rows.without_number(**OVER_LIMIT, options='{"memory_limit_mb":9.5}', **NEWER),
    )
    other = rows.without_number(**OVER_LIMIT, options='{"memory_limit_mb":10.0}', run_id="run-3")
    assert current(old, new, other) == [False, True, True]


def test_memory_that_was_really_short_is_the_points_own_end(current):
    newer = rows.without_number("out_of_memory", error_class="KernelOutOfMemory", **NEWER)
    assert current(rows.measured(run_id="run-1"), newer) == [False, True]


LOADED = {"flags": ["loaded_machine"]}


def test_a_run_on_a_loaded_machine_replaces_no_undisturbed_one(current):
    disturbed = rows.measured(**NEWER, **LOADED)
    assert current(rows.measured(run_id="run-1"), disturbed) == [True, False]


@pytest.mark.parametrize(
    "other",
    [
        {"harness_version": "0.1.0+another"},
        {"environment_id": "f" * 32},
        {"options": '{"attention":"eager"}'},
    ],
    ids=lambda other: next(iter(other)),
)
def test_but_one_of_another_setting_does(current, other):
    """Then it is the only one that answers for the setting of now."""
    assert current(rows.measured(run_id="run-1"), rows.measured(**NEWER, **LOADED, **other)) == [False, True]


@pytest.mark.parametrize(
    ("flags_of_runs", "expected"),
    [
        ([["loaded_machine"], ["loaded_machine"]], 1),
        ([["loaded_machine"], [], [], ["loaded_machine"]], 2),
        ([["loaded_machine"], ["noisy"]], 1),
        ([[], ["noisy"]], 1),
        ([[], ["noisy", "loaded_machine"]], 0),
    ],
)
def test_of_undisturbed_runs_and_of_disturbed_ones_the_newest_is_current(current, flags_of_runs, expected):
    runs = [
        rows.measured(run_id=f"run-{n}", started_at=rows.later(n), flags=flags) for n, flags in enumerate(flags_of_runs)
    ]
    assert current(*runs) == [n == expected for n in range(len(runs))]


def test_a_failure_after_an_undisturbed_run_is_current_still(current):
    assert current(rows.measured(run_id="run-1"), rows.without_number(**NEWER)) == [False, True]


@pytest.fixture
def flags(united):
    """The flags that uniting gives rows which have none, in the order of the arguments."""

    def _flags(*given):
        by_id = {row["result_id"]: row["flags"] for row in united(*given)}
        return [by_id[row["result_id"]] for row in given]

    return _flags


def of_median(n, median_ms, **more):
    samples = [median_ms * (1 + 0.01 * position) for position in range(-5, 6)]
    return rows.measured(run_id=f"run-{n}", started_at=rows.later(n), samples_ms=samples, **more)


CONTRADICTED = ["slower_than_other_run"]


def test_a_run_that_another_one_was_twice_as_fast_as_says_so(flags):
    """The medians of one point on a busy machine within minutes, whatever each run said of itself."""
    runs = [of_median(n, ms) for n, ms in enumerate((6.36, 2.88, 128.0, 1.77))]
    assert flags(*runs) == [CONTRADICTED, [], CONTRADICTED, []]


def test_it_keeps_the_flags_it_had(flags):
    assert flags(of_median(1, 10.0), of_median(2, 30.0, **LOADED)) == [[], ["loaded_machine", *CONTRADICTED]]


@pytest.mark.parametrize(
    "other",
    [
        {"harness_version": "0.1.0+another"},
        {"environment_id": "f" * 32},
        {"options": '{"new_tokens":64}'},
        {"batch_size": 8},
        {"source": "bundle"},
        {"flags": ["faster_than_roofline"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_measured_something_else_or_is_impossible_contradicts_nothing(flags, other):
    assert flags(of_median(1, 10.0), of_median(2, 1.0, **other)) == [[], other.get("flags", [])]


def test_a_failure_and_a_number_of_others_contradict_nothing(flags):
    given = [of_median(1, 10.0), rows.without_number(**NEWER), rows.legacy(latency_ms_p50=0.1, batch_size=1)]
    assert flags(*given) == [[], None, None]


def test_points_without_tokens_are_one_point(current):
    old, new = old_new(rows.measured, rows.measured, sequence_length=None, model="vit")
    assert current(old, new) == [False, True]


def test_all_rows_of_the_newest_run_are_current(current):
    given = [
        rows.measured(run_id="run-1"),
        rows.measured(run_id="run-2", scenario="forward", started_at=rows.later(1)),
        rows.measured(run_id="run-2", scenario="prefill", started_at=rows.later(2)),
    ]
    assert current(*given) == [False, True, True]


def test_a_run_that_leaves_a_point_out_does_not_make_it_outdated(current):
    given = [
        rows.measured(run_id="run-1"),
        rows.measured(run_id="run-1", batch_size=8),
        rows.measured(run_id="run-2", started_at=rows.later(1)),
    ]
    assert current(*given) == [False, True, True]


def test_no_hardware_then_measured(current):
    absent = rows.whole_cell(run_id="run-1")
    assert current(absent, rows.measured(run_id="run-2", started_at=rows.later(1))) == [False, True]


def test_measured_then_no_hardware_are_both_current(current):
    """The machine changed; the measurement stays what is known of its device."""
    absent = rows.whole_cell(run_id="run-2", started_at=rows.later(1))
    assert current(rows.measured(run_id="run-1"), absent) == [True, True]


def test_no_hardware_twice_then_measured_then_no_hardware(current):
    given = [
        rows.whole_cell(run_id="run-1"),
        rows.whole_cell(run_id="run-2", started_at=rows.later(1)),
        rows.measured(run_id="run-3", started_at=rows.later(2)),
        rows.whole_cell(run_id="run-4", started_at=rows.later(3)),
    ]
    assert current(*given) == [False, False, True, True]


def test_no_hardware_at_tiny_size_says_nothing_of_the_reference_size(current):
    given = [
        rows.whole_cell(run_id="run-1", model_size="tiny"),
        rows.whole_cell(run_id="run-1", model_size="reference"),
        rows.measured(run_id="run-2", model_size="tiny", started_at=rows.later(1)),
    ]
    assert current(*given) == [False, True, True]


def test_unsupported_training_is_current_beside_measured_inference(current):
    training = rows.whole_cell("unsupported", mode="training")
    assert current(training, rows.measured(run_id="run-2", started_at=rows.later(1))) == [True, True]


def test_imported_rows_are_always_current_and_never_outdate_ours(current):
    given = [
        rows.legacy(),
        rows.legacy(source_pointer="/1", started_at=rows.later(60)),
        rows.legacy(source_pointer="/2", started_at=None, batch_size=1, precision="fp32"),
        rows.measured(),
    ]
    assert current(*given) == [True, True, True, True]


def test_a_bundle_from_another_machine_is_a_source_of_its_own(current):
    assert current(
        rows.measured(run_id="run-1"), rows.measured(run_id="run-2", source="bundle", started_at=rows.later(1))
    ) == [True, True]
    # and has a history of its own


def test_the_history_of_bundles(current):
    assert current(*old_new(rows.measured, rows.measured, source="bundle")) == [False, True]


def test_what_ran_on_the_cpu_is_compared_with_the_cpu(current):
    fell_back = rows.measured(
        run_id="run-2", hardware="cpu", hardware_requested="cuda", flags=["cpu_fallback"], started_at=rows.later(1)
    )
    on_cuda = rows.measured(run_id="run-1", hardware="cuda")
    assert current(on_cuda, fell_back) == [True, True]


def test_every_value_of_every_source_comes_through(united):
    given = [rows.legacy(), rows.measured(flags=["noisy", "loaded_machine"]), rows.whole_cell(hardware="cuda")]
    back = united(*given)
    for row in given:
        (found,) = [one for one in back if one["result_id"] == row["result_id"]]
        assert found == OUT__RESULTS.complete(row) | {"is_current": True}


def test_uniting_again_gives_the_same_file(united, tmp_path):
    given = [rows.legacy(), *old_new(rows.measured, rows.measured), rows.whole_cell(hardware="cuda")]
    united(*given)
    first = (tmp_path / "out__results.parquet").read_bytes()
    united(*reversed(given))
    assert (tmp_path / "out__results.parquet").read_bytes() == first


def test_nothing_is_not_an_error(united):
    assert united() == []


def test_environments_are_united_once_each_and_count_their_measurements(tmp_path, united):
    write_table(
        tmp_path,
        CORE_BENCH__ENVIRONMENTS,
        [
            rows.environment(),
            rows.environment(environment_id="only failures"),
            rows.environment(environment_id="shared"),
        ],
    )
    write_table(
        tmp_path,
        CORE_LEGACY__ENVIRONMENTS,
        [rows.environment(environment_id="old", machine="sample"), rows.environment(environment_id="shared")],
    )
    united(
        rows.measured(),
        rows.measured(batch_size=2),
        rows.measured(batch_size=4, run_id="older"),
        rows.without_number(batch_size=8),
        rows.without_number(batch_size=16, environment_id="only failures"),
        rows.legacy(environment_id="old"),
        rows.legacy(source_pointer="/1", environment_id="shared"),
        rows.measured(batch_size=32, environment_id="shared"),
        rows.legacy(source_pointer="/2"),
        rows.legacy(source_pointer="/3", environment_id="old", provenance="simulated"),
    )
    with connect() as connection:
        written = consolidate_environments(tmp_path, connection)
    assert written.n_rows == 4
    back, _ = read_rows(tmp_path, OUT__ENVIRONMENTS)
    assert {row["environment_id"]: row["n_results"] for row in back} == {
        rows.ENVIRONMENT_ID: 3,
        "only failures": 0,
        "old": 1,
        "shared": 2,
    }
    assert next(row for row in back if row["environment_id"] == "old")["machine"] == "sample"
    assert find_problems(OUT__ENVIRONMENTS, back) == []
