"""The code location as people see it: groups, owners, schemas, checks, lineage, and what is switched on."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

import hwbench_pipeline
from hwbench_pipeline.definitions import build_defs, defs
from hwbench_pipeline.orchestration.checks import CHECK_NAME, RECONCILIATION_NAME, alarm_checks, records_reconcile
from hwbench_pipeline.orchestration.metadata import code_version, column_schema
from hwbench_pipeline.orchestration.partitions import grid, model_partitions
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS, CORE_REGRESSIONS__ACCEPTED, TABLES

PACKAGE = Path(hwbench_pipeline.__file__).parent
TABLE_ASSETS = [table for table in TABLES if table is not CORE_BENCH__ENVIRONMENTS]
GRID_ASSETS = {"core_bench__inference", "core_bench__training"}

GROUPS = {
    "legacy": {
        "raw_legacy__files",
        "core_legacy__results",
        "core_legacy__sources",
        "core_legacy__quarantine",
        "core_legacy__environments",
    },
    "imports": {"raw_imports__files", "core_imports__results", "core_imports__environments"},
    "catalog": {"core_models", "core_hardware"},
    "bench": GRID_ASSETS,
    "web": {"core_models__onnx", "core_bench__web_experiments"},
    "results": {
        "out__results",
        "out__environments",
        "out__coverage",
        "out__comparison",
        "out__scaling",
        "out__regressions",
    },
    "accepted": {"core_regressions__accepted"},
    "prediction": {
        "core_prediction__features",
        "core_prediction__predictor",
        "out__prediction_scores",
        "out__predictions",
    },
    "reports": {"warehouse_database", "coverage_report"},
}
CATALOG = {"core_models", "core_hardware"}
PARENTS = {
    "raw_legacy__files": set(),
    "core_legacy__results": {"raw_legacy__files"},
    "core_legacy__sources": {"raw_legacy__files", "core_legacy__results"},
    "core_legacy__quarantine": {"raw_legacy__files"},
    "core_legacy__environments": {"core_legacy__results"},
    "raw_imports__files": set(),
    "core_imports__results": {"raw_imports__files"},
    "core_imports__environments": {"raw_imports__files"},
    "core_models": set(),
    "core_hardware": set(),
    "core_models__onnx": {"core_models"},
    "core_bench__web_experiments": {"core_hardware"},
    "core_bench__inference": {*CATALOG, "core_models__onnx"},
    "core_bench__training": CATALOG,
    "out__results": {"core_legacy__results", "core_imports__results", *GRID_ASSETS},
    "out__environments": {"out__results", "core_legacy__environments", "core_imports__environments"},
    "out__coverage": {"out__results"},
    "out__comparison": {"out__results", "out__environments"},
    "out__scaling": {"out__results", "out__environments"},
    "core_regressions__accepted": set(),
    "out__regressions": {"out__results", "out__environments", "core_regressions__accepted"},
    "core_prediction__features": {"out__results", *CATALOG},
    "core_prediction__predictor": {"core_prediction__features"},
    "out__prediction_scores": {"core_prediction__features"},
    "out__predictions": {"core_prediction__predictor", "out__results", *CATALOG},
    "coverage_report": {"out__coverage", "out__prediction_scores"},
}


@pytest.fixture(scope="module")
def nodes():
    """Every asset of the code location, by name."""
    graph = defs.resolve_asset_graph()
    return {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}


@pytest.fixture(scope="module")
def checks():
    """The check of each table's schema, by table."""
    keys = defs.resolve_asset_graph().asset_check_keys
    return {key.asset_key.to_user_string(): key for key in keys if key.name == CHECK_NAME}


def test_the_groups_hold_what_the_design_puts_there(nodes):
    found = {}
    for name, node in nodes.items():
        found.setdefault(node.group_name, set()).add(name)
    assert found == GROUPS


def test_every_asset_has_owners_kinds_description_and_code_version(nodes):
    for name, node in nodes.items():
        assert node.owners == ["team:performance"], name
        assert node.kinds, name
        assert node.description, name
        assert node.code_version, name


def test_every_table_is_an_asset_with_its_schema(nodes):
    for table in TABLE_ASSETS:
        node = nodes[table.name]
        assert node.metadata["dagster/column_schema"] == column_schema(table), table.name
        assert node.metadata["dagster/table_name"] == table.name
        columns = node.metadata["dagster/column_schema"].columns
        assert [(column.name, column.type, column.description) for column in columns] == [
            (column.name, column.type.value, column.description) for column in table.columns
        ]
        assert [column.constraints.nullable for column in columns] == [column.nullable for column in table.columns]
        assert node.description == table.description


def test_units_and_allowed_values_stand_at_the_columns(nodes):
    columns = {column.name: column for column in nodes["out__results"].metadata["dagster/column_schema"].columns}
    assert "unit: ms" in columns["latency_ms_p50"].constraints.other
    assert any("no_hardware" in text for text in columns["status"].constraints.other)


def test_every_table_asset_has_one_blocking_check(checks):
    graph = defs.resolve_asset_graph()
    assert set(checks) == {table.name for table in TABLE_ASSETS if table is not CORE_REGRESSIONS__ACCEPTED}
    for name, key in checks.items():
        spec = graph.get_check_spec(key)
        assert spec.blocking, name
        assert spec.description, name


def test_the_old_results_have_a_second_check_which_goes_along_wherever_they_are_united(checks):
    key = records_reconcile.check_key
    graph = defs.resolve_asset_graph()
    alarms = {check.check_key for check in alarm_checks()}
    assert graph.asset_check_keys == {*checks.values(), *alarms, key}
    assert not any(graph.get_check_spec(alarm).blocking for alarm in alarms)
    assert (key.asset_key.to_user_string(), key.name) == ("core_legacy__results", RECONCILIATION_NAME)
    assert graph.get_check_spec(key).blocking
    for job in ("ingest_legacy_files", "refresh_tables"):
        assert key in defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys, job


def test_the_checks_of_the_grid_are_partitioned_and_no_other(checks):
    for name, key in checks.items():
        assert defs.resolve_asset_graph().get(key).partitions_def == (grid if name in GRID_ASSETS else None), name


def test_the_grid_is_the_partitioning_of_the_bench_assets_and_its_models_that_of_the_exports(nodes):
    found = {name: node.partitions_def for name, node in nodes.items() if node.partitions_def is not None}
    assert found == {**dict.fromkeys(GRID_ASSETS, grid), "core_models__onnx": model_partitions}


def test_a_cell_depends_on_the_export_of_its_own_model():
    """Dagster infers the mapping from the model dimension; were it all partitions, one export would stale every cell."""
    grid_asset, exports = (dg.AssetKey(name) for name in ("core_bench__inference", "core_models__onnx"))
    mapping = defs.resolve_asset_graph().get_partition_mapping(grid_asset, exports)
    assert isinstance(mapping, dg.MultiToSingleDimensionPartitionMapping)


def test_the_lineage_is_as_designed(nodes):
    found = {name: {key.to_user_string() for key in node.parent_keys} for name, node in nodes.items()}
    database = found.pop("warehouse_database")
    assert found == PARENTS
    assert {name for name in nodes if name.startswith("out__")} <= database, "people open every out__ table"
    assert {"core_legacy__sources", "core_legacy__quarantine"} <= database, "nothing else shows them"


def test_raw_comes_before_core_and_core_before_out(nodes):
    order = {"raw": 0, "core": 1, "out": 2}
    for name, node in nodes.items():
        for parent in node.parent_keys:
            layers = [order.get(each.split("_")[0]) for each in (parent.to_user_string(), name)]
            if None not in layers and name != "core_prediction__features":  # the training set is made of results
                assert layers[0] <= layers[1], (parent, name)


def test_nothing_starts_runs_by_itself_until_it_is_switched_on():
    statuses = {definition.name: definition.default_status for definition in (*defs.schedules, *defs.sensors)}
    assert statuses == {
        "nightly_measurements": dg.DefaultScheduleStatus.STOPPED,
        "nightly_tables": dg.DefaultScheduleStatus.STOPPED,
        "new_legacy_files": dg.DefaultSensorStatus.STOPPED,
        "register_grid": dg.DefaultSensorStatus.RUNNING,
    }


@pytest.mark.parametrize(
    ("job", "groups"),
    [
        ("measure_cells", {"bench"}),
        ("refresh_tables", {"results", "prediction", "reports"}),
        ("ingest_legacy_files", {"legacy"}),
        ("probe_host", {"catalog"}),
    ],
)
def test_jobs_select_whole_groups(job, groups):
    selected = {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys}
    assert selected == set().union(*(GROUPS[group] for group in groups))


def test_runs_stay_in_one_process():
    assert defs.executor is dg.in_process_executor
    for job in ("measure_cells", "refresh_tables", "ingest_legacy_files", "probe_host"):
        assert defs.resolve_job_def(job).executor_def.name == "in_process", job


def test_build_defs_is_fresh_and_takes_other_resources(tmp_path):
    other = WarehouseResource(root=str(tmp_path))
    built = build_defs({"warehouse": other})
    assert built is not build_defs()
    assert built.resources["warehouse"] is other
    assert set(built.resources) == set(defs.resources) == {"warehouse", "legacy_files", "import_files", "duckdb"}
    dg.Definitions.validate_loadable(built)


def test_a_changed_column_changes_the_code_version(nodes):
    table = TABLE_ASSETS[0]
    assert nodes[table.name].code_version == code_version(table)
    columns = (replace(table.columns[0], nullable=not table.columns[0].nullable), *table.columns[1:])
    assert code_version(replace(table, columns=columns)) != code_version(table)


def imported_packages(path):
    """The top-level packages that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_only_the_dagster_layer_imports_dagster():
    importing = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("dagster") for name in imported_packages(path))
    }
    outside = {path for path in importing if path.parts[0] != "orchestration" and path != Path("definitions.py")}
    # `hwbench demo` opens the local instance, inside its function
    assert outside == set()
    assert Path("orchestration/assets/bench.py") in importing, "the scan sees imports"


def test_the_command_line_loads_dagster_for_the_demo_only():
    path = PACKAGE / "cli" / "demo.py"
    top_level = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("dagster" in ast.unparse(node) for node in top_level)


def modules_after(import_line):
    code = f"import sys\n{import_line}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(answer.stdout.split())


def test_the_engine_runs_without_the_pipeline_s_packages():
    loaded = modules_after("import hwbench_pipeline.bench.engine")
    assert "psutil" in loaded
    assert not loaded & {"dagster", "duckdb", "pandas", "pyarrow", "xgboost", "matplotlib", "playwright"}


def test_importing_the_package_loads_nothing():
    assert not modules_after("import hwbench_pipeline") & {"dagster", "duckdb", "pandas", "pyarrow", "torch", "numpy"}
