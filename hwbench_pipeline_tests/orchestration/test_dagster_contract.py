"""What this project leans on in Dagster 1.13, pinned: where one of these fails after an upgrade, a design decision falls.

The assets are toys; only the last tests load the project's own definitions.
"""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.partitions.context import partition_loading_context

REPOSITORY = Path(__file__).parents[2]

HARDWARE = dg.DynamicPartitionsDefinition(name="toy_hardware")
MODEL = dg.DynamicPartitionsDefinition(name="toy_model")
GRID = dg.MultiPartitionsDefinition({"hardware": HARDWARE, "model": MODEL})
RUN_TAG = "dagster/partition/hardware"

# Dagster complains of what it uses itself
pytestmark = [
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]


@dg.asset(partitions_def=GRID)
def cells(context: dg.AssetExecutionContext) -> None:
    for key in context.partition_keys:
        context.add_asset_metadata({"saw": key}, asset_key="cells", partition_key=key)


@dg.asset(deps=[cells])
def table() -> None: ...


def grid_check(**partitioning):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(asset=cells, blocking=True, **partitioning)
        def is_fine() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

    return is_fine


@pytest.fixture
def filled(instance):
    """An instance whose toy grid has 2 × 2 cells."""
    instance.add_dynamic_partitions("toy_hardware", ["cpu", "cuda"])
    instance.add_dynamic_partitions("toy_model", ["bert", "vit"])
    return instance


def run_cell(instance, key="cpu|bert", assets=(cells,)):
    return dg.materialize(list(assets), partition_key=key, instance=instance)


def run_range(instance, start, end, assets=(cells,)):
    defs = dg.Definitions(assets=list(assets), executor=dg.in_process_executor)
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end},
    )


def materialized(instance):
    return instance.get_materialized_partitions(dg.AssetKey("cells"))


def test_the_grid_has_two_dynamic_dimensions(filled):
    """The grid is hardware × model, and both grow while it runs."""
    assert GRID.get_partition_keys(dynamic_partitions_store=filled) == ["cpu|bert", "cpu|vit", "cuda|bert", "cuda|vit"]
    filled.add_dynamic_partitions("toy_model", ["t5"])
    assert len(GRID.get_partition_keys(dynamic_partitions_store=filled)) == 6


def test_a_third_dimension_is_refused():
    """That is why precision, batch size and sequence length are columns and not dimensions."""
    third = dg.StaticPartitionsDefinition(["fp32"])
    with pytest.raises(dg.DagsterInvalidInvocationError, match="only supports multi-partitions definitions with 2"):
        dg.MultiPartitionsDefinition({"hardware": HARDWARE, "model": MODEL, "precision": third})


@pytest.mark.parametrize("order", [("hardware", "model"), ("model", "hardware")])
def test_a_key_is_hardware_then_model_in_whatever_order_they_are_given(order):
    """`cell_of` splits at the bar: the dimensions are sorted by name."""
    values = {"hardware": "cpu", "model": "bert"}
    assert dg.MultiPartitionKey({name: values[name] for name in order}) == "cpu|bert"
    definitions = {"hardware": HARDWARE, "model": MODEL}
    grid = dg.MultiPartitionsDefinition({name: definitions[name] for name in order})
    assert [dimension.name for dimension in grid.partitions_defs] == ["hardware", "model"]


def test_a_dynamic_key_with_a_bar_vanishes_from_the_grid_in_silence(filled):
    """That is why every key passes the key rule of `warehouse.location` before Dagster sees it."""
    filled.add_dynamic_partitions("toy_model", ["a|b"])
    assert "a|b" in filled.get_dynamic_partitions("toy_model")
    assert len(GRID.get_partition_keys(dynamic_partitions_store=filled)) == 4


def test_a_partitioned_check_records_its_cell(filled):
    """A cell's failed check stays that cell's; without the partition the last cell to finish owns the status."""
    result = run_cell(filled, assets=(cells, grid_check(partitions_def=GRID)))
    assert [check.partition for check in result.get_asset_check_evaluations()] == ["cpu|bert"]


def test_a_check_without_partitions_records_none(filled):
    """The reason for `partitions_def=grid`, which is in preview; when this changes, the plain check will do."""
    result = run_cell(filled, assets=(cells, grid_check()))
    assert [check.partition for check in result.get_asset_check_evaluations()] == [None]


def test_partitioned_checks_are_in_preview():
    """`checks.py` silences exactly this warning."""
    with pytest.warns(dg.PreviewWarning, match="partitions_def"):

        @dg.asset_check(asset=cells, partitions_def=GRID)
        def is_fine() -> dg.AssetCheckResult: ...


def test_consolidation_below_a_sparse_grid_works_with_deps(filled):
    """Tables below the grid take it by `deps` and scan the folder."""
    run_cell(filled)
    assert dg.materialize([cells, table], selection=[table], instance=filled).success


def test_a_sparse_grid_as_a_loaded_input_raises(filled, tmp_path):
    """The reason for `deps`: an IO manager wants a file of every cell."""

    @dg.asset(partitions_def=GRID)
    def stored() -> int:
        return 1

    @dg.asset
    def loading(stored: dict) -> int:
        return len(stored)

    resources = {"io_manager": dg.FilesystemIOManager(base_dir=str(tmp_path))}
    dg.materialize([stored], partition_key="cpu|bert", instance=filled, resources=resources)
    with pytest.raises(FileNotFoundError, match=r"stored/cpu/vit"):
        dg.materialize([stored, loading], selection=[loading], instance=filled, resources=resources)


def test_eager_below_a_sparse_grid_waits_for_the_last_cell(filled):
    """Our grid is sparse for ever: tables are refreshed by a schedule and not by `AutomationCondition.eager()`."""

    @dg.asset(deps=[cells], automation_condition=dg.AutomationCondition.eager())
    def eager_table() -> None: ...

    defs = dg.Definitions(assets=[cells, eager_table])
    cursor, requested = None, []
    for key in (None, "cpu|bert", "cpu|vit", "cuda|bert", "cuda|vit"):
        if key:
            run_cell(filled, key)
        answer = dg.evaluate_automation_conditions(defs=defs, instance=filled, cursor=cursor)
        cursor = answer.cursor
        requested.append(answer.total_requested)
    assert requested == [0, 0, 0, 0, 1]


def test_the_run_of_a_cell_carries_its_hardware_as_a_tag(filled):
    """`dagster.yaml` limits runs by this tag: one benchmark at a time."""
    tags = filled.get_run_by_id(run_cell(filled, "cuda|vit").run_id).tags
    assert (tags[RUN_TAG], tags["dagster/partition/model"], tags["dagster/partition"]) == ("cuda", "vit", "cuda|vit")


def test_the_run_of_a_range_does_not_carry_that_tag(filled):
    """The queue does not see such a run, and only the engine's own lock keeps benchmarks apart."""
    assert RUN_TAG not in filled.get_run_by_id(run_range(filled, "cpu|bert", "cuda|bert").run_id).tags


def test_a_range_run_gives_all_keys_and_takes_metadata_for_each(filled):
    """The bench asset loops over `partition_keys` and speaks of each cell apart."""
    result = run_range(filled, "cpu|bert", "cpu|vit")
    shown = {
        event.partition: event.materialization.metadata["saw"].value
        for event in result.get_asset_materialization_events()
    }
    assert shown == {"cpu|bert": "cpu|bert", "cpu|vit": "cpu|vit"}
    assert materialized(filled) == {"cpu|bert", "cpu|vit"}


def test_a_range_runs_over_one_dimension_at_a_time(filled):
    """`cpu|bert…cuda|bert` is two cells and not everything between them in the list of keys."""
    run_range(filled, "cpu|bert", "cuda|bert")
    assert materialized(filled) == {"cpu|bert", "cuda|bert"}


def test_a_range_against_the_order_of_registration_is_empty_and_succeeds(filled):
    """Whoever launches a range by hand must name its ends in the order of the grid."""
    assert run_range(filled, "cuda|bert", "cpu|bert").success
    assert materialized(filled) == set()


def test_a_range_run_has_no_single_key(filled):
    """The asset must never ask for `partition_key`."""

    @dg.asset(partitions_def=GRID)
    def asking(context: dg.AssetExecutionContext) -> None:
        assert context.partition_key

    with pytest.raises(dg.DagsterInvariantViolationError, match="partition_key_range"):
        run_range(filled, "cpu|bert", "cpu|vit", assets=[asking])


def test_a_cell_that_nobody_registered_does_not_run(filled):
    """A typing error is an error and not a new cell."""
    with pytest.raises(dg.DagsterUnknownPartitionError):
        run_cell(filled, "tpu|bert")


def test_a_backfill_makes_one_run_for_each_cell_where_nothing_else_is_said(filled):
    """Every cell has its own run, with its tag, its log and its history."""

    def requested(asset):
        asked = [
            AssetKeyPartitionKey(asset.key, key) for key in GRID.get_partition_keys(dynamic_partitions_store=filled)
        ]
        graph = dg.Definitions(assets=[asset]).resolve_asset_graph()
        with partition_loading_context(dynamic_partitions_store=filled):
            requests = build_run_requests_with_backfill_policies(asked, graph, filled)
        return [request.partition_key for request in requests]

    @dg.asset(partitions_def=GRID, backfill_policy=dg.BackfillPolicy.single_run())
    def in_one_run() -> None: ...

    assert sorted(requested(cells)) == ["cpu|bert", "cpu|vit", "cuda|bert", "cuda|vit"]
    assert requested(in_one_run) == [None, None], "one run per key of one dimension, as a range"


@pytest.mark.parametrize("kind", ["ephemeral", "local_temp"])
def test_a_schedule_s_context_wants_an_instance_on_disk(kind, tmp_path):
    """Tests of the nightly stand on `local_temp`."""
    if kind == "local_temp":
        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            assert dg.build_schedule_context(instance=instance).instance.get_dynamic_partitions("toy_model") == []
        return
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.DagsterInvariantViolationError, match="ref"):
        dg.build_schedule_context(instance=instance).instance  # noqa: B018


def test_a_request_to_add_keys_wants_a_list():
    """`register_grid` makes lists of its tuples; Dagster checks the type."""
    HARDWARE.build_add_request(["cpu"])
    with pytest.raises(Exception, match="is not a list"):
        HARDWARE.build_add_request(("cpu",))


def test_postponed_annotations_are_refused():
    """That is why modules which define assets do without `from __future__ import annotations`."""
    code = "from __future__ import annotations\nimport dagster as dg\n@dg.asset\ndef a(context: dg.AssetExecutionContext): ..."
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "Cannot annotate `context` parameter" in answer.stderr


def toy_job():
    @dg.asset
    def where() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"pid": os.getpid()})

    defs = dg.Definitions(assets=[where], jobs=[dg.define_asset_job("toy")], executor=dg.in_process_executor)
    return defs.resolve_job_def("toy")


def test_the_in_process_executor_runs_a_step_in_the_process_of_the_run(tmp_path):
    """Cells isolate themselves: a process for each step would cost seconds and isolate nothing more."""
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as local,
        dg.execute_job(dg.reconstructable(toy_job), instance=local) as result,
    ):
        (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["pid"].value == os.getpid()


def test_the_workspace_is_valid_and_our_files_warn_of_nothing(tmp_path):
    """What `make ui` and the daemon load."""
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
    said = said_by("-m", "dagster", "definitions", "validate", "-w", "workspace.yaml", DAGSTER_HOME=str(tmp_path))
    assert "Validation successful for code location hwbench_pipeline" in said
    assert f"{REPOSITORY}/hwbench_pipeline" not in said


def test_the_definitions_load_without_a_warning_of_dagster_s():
    """`validate` loads them in a process whose warnings nobody sees; nothing of preview or going away is used unsaid."""
    said = said_by("-W", "default", "-c", "import hwbench_pipeline.definitions")
    assert not re.search(r"dagster.*Warning|hwbench_pipeline.*Warning", said), said


def said_by(*arguments, **environment):
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout + answer.stderr
