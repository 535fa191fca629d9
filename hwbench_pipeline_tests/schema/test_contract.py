"""What tools outside the project rely on (design, section 4), written down here once more on purpose."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from hwbench_pipeline.schema.arrow import arrow_schema, arrow_table, typed_pandas
from hwbench_pipeline.schema.duckdb_sql import cast_columns, column_definitions
from hwbench_pipeline.schema.table import ColumnType
from hwbench_pipeline.schema.tables import TABLE_BY_NAME, TABLES, table_named
from hwbench_pipeline.schema.tables.results import FLAGS, IMPORTED_KEY, OWN_KEY, result_id_of

RESULT_ROW = """
    result_id string
    run_id string
    source string
    source_path string
    source_sha256 string
    source_pointer string
    provenance string
    provenance_reason string
    status string
    error_class string
    error_message string
    model_id string
    model string
    architecture string
    category string
    model_size string
    config_sha256 string
    n_parameters int64
    backend string
    backend_version string
    options string
    output_max_rel_error double
    hardware string
    hardware_requested string
    device_name string
    mode string
    scenario string
    precision string
    batch_size int64
    sequence_length int64
    input_shape string
    latency_ms_mean double
    latency_ms_std double
    latency_ms_min double
    latency_ms_p50 double
    latency_ms_p90 double
    latency_ms_p95 double
    latency_ms_p99 double
    latency_ms_max double
    samples_ms list<double>
    n_samples int64
    n_warmup int64
    throughput_items_per_s double
    tokens_per_s double
    first_token_ms double
    time_per_output_token_ms double
    load_ms double
    compile_ms double
    first_inference_ms double
    peak_memory_mb double
    memory_method string
    energy_j double
    energy_source string
    flags list<string>
    environment_id string
    harness_version string
    started_at timestamp[us, tz=UTC]
"""
LEGACY_FILES = """
    path string
    sha256 string
    bytes int64
    shape string
    status string
    n_records int64
    n_measured int64
    n_simulated int64
    n_mock int64
    n_unknown int64
    n_failed int64
    n_duplicates int64
    n_quarantined int64
    error string
    first_seen_at timestamp[us, tz=UTC]
"""
RESULT_TABLES = ("core_legacy__results", "core_bench__inference", "core_bench__training", "out__results")
ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "list<double>": pa.list_(pa.float64()),
    "list<string>": pa.list_(pa.string()),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
}
DUCKDB = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INT64: "BIGINT",
    ColumnType.FLOAT64: "DOUBLE",
    ColumnType.BOOL: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.LIST_FLOAT64: "DOUBLE[]",
    ColumnType.LIST_STRING: "VARCHAR[]",
}
ARROW_OF_TYPE = {
    ColumnType.STRING: pa.string(),
    ColumnType.INT64: pa.int64(),
    ColumnType.FLOAT64: pa.float64(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    ColumnType.LIST_FLOAT64: pa.list_(pa.float64()),
    ColumnType.LIST_STRING: pa.list_(pa.string()),
}
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def _columns(text):
    return [tuple(line.strip().split(" ", 1)) for line in text.strip().splitlines()]


@pytest.mark.parametrize("name", RESULT_TABLES)
def test_the_result_row_has_the_columns_and_types_of_the_contract(name):
    schema = arrow_schema(table_named(name))
    for column, type_name in _columns(RESULT_ROW):
        assert schema.field(column).type == ARROW[type_name], column


def test_the_account_of_files_has_the_columns_of_the_contract_and_three_of_our_own():
    schema = arrow_schema(table_named("raw_legacy__files"))
    assert [(field.name, field.type) for field in schema] == [
        *((name, ARROW[kind]) for name, kind in _columns(LEGACY_FILES)),
        ("role", ARROW["string"]),
        ("batch_id", ARROW["string"]),
        ("derived_zone", ARROW["string"]),
    ]


def test_the_words_of_the_contract():
    columns = table_named("out__results").column_by_name
    assert set(columns["provenance"].allowed) == {"measured", "simulated", "mock", "unknown", "predicted", "none"}
    assert set(columns["status"].allowed) == {
        "ok",
        "failed",
        "unsupported",
        "out_of_memory",
        "timeout",
        "no_hardware",
    }
    assert {"legacy", "hwbench", "bundle", "optimum_benchmark", "timm", "mlperf"} <= set(columns["source"].allowed)
    assert set(columns["model_size"].allowed) == {"tiny", "reference", "custom"}
    assert set(columns["mode"].allowed) == {"inference", "training"}
    assert {"fp32", "fp16", "bf16", "int8", "int4"} <= set(columns["precision"].allowed)
    assert {
        "noisy",
        "throttled",
        "loaded_machine",
        "software_adapter",
        "cpu_fallback",
        "faster_than_roofline",
        "is_aggregate",
    } <= set(columns["flags"].allowed)
    assert set(table_named("raw_legacy__files").column_by_name["status"].allowed) == {
        "ingested",
        "no_results",
        "duplicate",
        "quarantined",
    }
    # other machines' devices are registered under keys of their own, so the column takes any text
    assert columns["hardware"].allowed is None


def test_the_tables_of_the_contract_are_there():
    assert {
        "raw_legacy__files",
        "core_legacy__results",
        "core_models",
        "core_hardware",
        "core_bench__inference",
        "core_bench__training",
        "out__results",
        "out__environments",
        "out__coverage",
        "out__predictions",
    } <= TABLE_BY_NAME.keys()


def test_the_natural_keys_of_the_contract():
    assert OWN_KEY == (
        "run_id",
        "config_sha256",
        "hardware",
        "device_name",
        "backend",
        "options",
        "mode",
        "scenario",
        "precision",
        "batch_size",
        "sequence_length",
        "input_shape",
    )
    assert IMPORTED_KEY == ("source_sha256", "source_pointer")


@pytest.mark.parametrize("source", ["hwbench", "bundle", "legacy", "timm"])
def test_the_result_id_depends_on_the_natural_key_and_on_nothing_else(source):
    key = OWN_KEY if source in ("hwbench", "bundle") else IMPORTED_KEY
    row = {name: f"some {name}" for name in (*OWN_KEY, *IMPORTED_KEY)} | {"source": source}
    known = result_id_of(row)
    assert result_id_of(dict(reversed(row.items()))) == known
    for name in {*OWN_KEY, *IMPORTED_KEY}:
        for other in ("another", None):
            changed = result_id_of(row | {name: other}) != known
            assert changed == (name in key), name
    assert result_id_of(row | {"latency_ms_mean": 3.0, "started_at": None}) == known


@every_table
def test_arrow_says_what_the_definition_says(table):
    schema = arrow_schema(table)
    assert schema.names == list(table.column_names)
    for column in table.columns:
        field = schema.field(column.name)
        assert field.type == ARROW_OF_TYPE[column.type], column.name
        assert field.nullable == column.nullable
        assert field.metadata[b"description"].decode() == column.description
        assert field.metadata.get(b"unit", b"").decode() == (column.unit or "")
    assert schema.metadata[b"table"].decode() == table.name
    assert schema.metadata[b"description"].decode() == table.description


@every_table
def test_duckdb_says_what_the_definition_says(table):
    expected = [(column.name, DUCKDB[column.type]) for column in table.columns]
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE made ({column_definitions(table)})")
        made = connection.execute("DESCRIBE made").fetchall()
        cast = connection.execute(f"DESCRIBE SELECT {cast_columns(table, ())}").fetchall()
    assert [row[:2] for row in made] == expected
    assert [row[:2] for row in cast] == expected


@every_table
def test_an_empty_table_has_every_type_in_pandas(table):
    frame = typed_pandas(arrow_table(table, []))
    names = {"string": "string", "int64": "Int64", "double": "Float64", "bool": "boolean"}
    for field in arrow_schema(table):
        expected = names.get(str(field.type))
        if expected:
            assert str(frame[field.name].dtype) == expected, field.name
        elif field.type == pa.timestamp("us", tz="UTC"):
            assert str(frame[field.name].dtype) == "datetime64[us, UTC]"


@every_table
def test_every_column_says_what_it_means_and_in_which_unit(table):
    assert len(table.description) > 20
    units = {"_ms": "ms", "_mb": "MB", "_j": "J", "_percent": "%", "_mhz": "MHz", "_gb_per_s": "GB/s"}
    for column in table.columns:
        assert len(column.description) > 4, column.name
        for suffix, unit in units.items():
            if column.name.endswith(suffix) or column.name.startswith("latency_ms"):
                assert column.unit == ("ms" if column.name.startswith("latency_ms") else unit), column.name
                break


def test_an_unknown_table_names_those_there_are():
    with pytest.raises(KeyError, match=r"no table 'nosuch'.*out__results"):
        table_named("nosuch")


def test_every_flag_that_excludes_or_marks_a_number_is_described():
    description = table_named("core_legacy__results").column_by_name["flags"].description
    assert [flag for flag in FLAGS if f"{flag}: " not in description] == []
