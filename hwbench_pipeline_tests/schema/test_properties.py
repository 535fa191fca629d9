"""What holds for every valid row, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwbench_pipeline.schema.arrow import arrow_table, typed_pandas
from hwbench_pipeline.schema.table import Column, ColumnType, canonical_json, sha256_of
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_LEGACY__RESULTS,
    CORE_MODELS,
    CORE_PREDICTION__FEATURES,
    OUT__RESULTS,
)
from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS, QUANTITY_COLUMNS, result_id_of
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_table

# sixty columns of one row are many choices: few rows find what many would
SETTINGS = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TEXTS = st.text(min_size=1, max_size=12)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-8)), timezone(timedelta(hours=5, minutes=45))])


def values(column: Column):
    if column.type in (ColumnType.STRING, ColumnType.LIST_STRING):
        found = st.sampled_from(column.allowed) if column.allowed else TEXTS
    elif column.type is ColumnType.INT64:
        least = -(2**63) if column.at_least is None else int(column.at_least)
        least = least if column.above is None else int(column.above) + 1
        found = st.integers(least, 2**63 - 1)
    elif column.type in (ColumnType.FLOAT64, ColumnType.LIST_FLOAT64):
        exclusive = column.above is not None
        found = st.floats(
            min_value=column.above if exclusive else column.at_least,
            exclude_min=exclusive,
            allow_nan=False,
            allow_infinity=False,
        ) | st.integers(1, 2**53)
    elif column.type is ColumnType.BOOL:
        found = st.booleans()
    else:
        found = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001 - see timezones
    if column.type in (ColumnType.LIST_FLOAT64, ColumnType.LIST_STRING):
        found = st.lists(found, max_size=4)
    return st.none() | found if column.nullable else found


def rows_of(table):
    return st.fixed_dictionaries({column.name: values(column) for column in table.columns})


@st.composite
def result_rows(draw, table):
    row = draw(rows_of(table))
    if row["status"] == "ok":
        row |= {"error_class": None, "error_message": None}
        row["provenance"] = draw(st.sampled_from(["measured", "simulated", "mock", "unknown"]))
        row["provenance_reason"] = draw(TEXTS)
        row["throughput_items_per_s"] = 1.5
        row |= dict.fromkeys(LATENCY_COLUMNS)
        row["latency_ms_p50"] = draw(values(table.column_by_name["latency_ms_mean"]))
        if row["samples_ms"] is not None:
            row["samples_ms"] = [*row["samples_ms"], 1.0]
            row["n_samples"] = len(row["samples_ms"])
    else:
        row |= dict.fromkeys(QUANTITY_COLUMNS)
        row |= {"provenance": "none", "error_class": draw(TEXTS), "error_message": draw(TEXTS)}
    if row["source"] in ("hwbench", "bundle"):
        row |= {"run_id": draw(TEXTS), "started_at": datetime(2026, 1, 2, tzinfo=UTC)}
        if row["status"] == "ok":
            row |= {"config_sha256": "c", "n_parameters": 1, "model_size": "tiny", "environment_id": "e"}
            row |= {"samples_ms": [1.5], "n_samples": 1}
    return row | {"result_id": result_id_of(row)}


CASES = [
    pytest.param(CORE_BENCH__ENVIRONMENTS, rows_of(CORE_BENCH__ENVIRONMENTS), id="environments"),
    pytest.param(CORE_MODELS, rows_of(CORE_MODELS), id="models"),
    pytest.param(CORE_PREDICTION__FEATURES, rows_of(CORE_PREDICTION__FEATURES), id="features"),
    pytest.param(CORE_LEGACY__RESULTS, result_rows(CORE_LEGACY__RESULTS), id="legacy results"),
    pytest.param(OUT__RESULTS, result_rows(OUT__RESULTS), id="results"),
]


@pytest.mark.parametrize(("table", "strategy"), CASES)
def test_a_valid_row_comes_back_from_the_warehouse_as_it_was(table, strategy):
    @SETTINGS
    @given(row=strategy)
    def check(row):
        assert find_problems(table, [row]) == []
        data = arrow_table(table, [row])
        assert data.to_pylist() == [row]
        with TemporaryDirectory() as folder:
            path = write_table(Path(folder), table, [row])
            assert pq.read_table(path).to_pylist() == [row]
            back, unreadable = read_rows(Path(folder), table)
        assert unreadable == []
        assert back == [row]
        # NULL stays NULL, and what is there stays there
        assert [name for name, value in back[0].items() if value is None] == [
            name for name in table.column_names if row[name] is None
        ]
        assert find_problems(table, back) == []

    check()


def test_a_missing_value_is_na_in_pandas_and_integers_stay_integers():
    row = {"environment_id": "e", "cpu_cores_logical": 2**62 + 1}
    frame = typed_pandas(arrow_table(CORE_BENCH__ENVIRONMENTS, [row, {"environment_id": "f"}]))
    assert frame["cpu_cores_logical"].dtype.name == "Int64"
    assert frame["cpu_cores_logical"][0] == 2**62 + 1
    assert frame["cpu_cores_logical"].isna().tolist() == [False, True]
    assert frame["machine"].isna().all()
    assert frame["memory_total_mb"].isna().all()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value, random):
    if isinstance(value, dict):
        items = [(key, shuffled(member, random)) for key, member in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(member, random) for member in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(value=JSON, random=st.randoms(use_true_random=False))
def test_canonical_json_and_its_hash_do_not_depend_on_the_order_of_keys(value, random):
    other = shuffled(value, random)
    assert canonical_json(other) == canonical_json(value)
    assert sha256_of(other) == sha256_of(value)
    assert json.loads(canonical_json(value)) == value


@given(value=JSON, other=JSON)
def test_different_values_have_different_text(value, other):
    if canonical_json(value) == canonical_json(other):
        assert value == other


def test_canonical_json_is_pinned():
    # ids in published tables are made of this text
    assert canonical_json({"b": [1, 2.5, None, True], "a": "ü"}) == '{"a":"ü","b":[1,2.5,null,true]}'
    assert sha256_of(["a", None, 1]) == "2dcc62c53b98b8e92287b0da6b2bf38388f35d3d66fd2aa7b294fe35f1604358"


@given(moment=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=ZONES))  # noqa: DTZ001
def test_an_instant_has_one_text_in_every_zone(moment):
    assert canonical_json(moment) == canonical_json(moment.astimezone(UTC))
    assert canonical_json(moment).endswith('+00:00"')


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", Path("x")])
def test_what_json_has_no_word_for_is_refused(value):
    with pytest.raises(TypeError, match="no canonical JSON form"):
        canonical_json({"a": value})
