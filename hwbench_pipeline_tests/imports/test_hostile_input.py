"""Nothing a file holds may raise, and no mutation invents a number."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hwbench_pipeline.imports.bundle_format import bundle_document
from hwbench_pipeline.imports.reading import READERS, read_file
from hwbench_pipeline.imports.records import count_of, number_of, plain_value, quantity_of
from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline_tests.imports import test_bundle, test_mlperf, test_optimum_benchmark
from hwbench_pipeline_tests.imports.test_timm import HEADER

NAMES = ("f.json", "benchmark-infer-amp-pt240-cu124-rtx3090.csv")

anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(10**30), 10**30) | st.text(max_size=12) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def read_bytes(format_name, data, name="f.json"):
    reading = read_file(format_name, f"/in/{name}", name, FileContent(data, "0" * 64))
    assert reading.error is not None or reading.status == "ingested"
    return reading


def mutated(document, data):
    """The document with one member, somewhere in it, replaced by anything."""
    document = json.loads(json.dumps(document))
    holder, key = None, None
    inner = document
    for _ in range(data.draw(st.integers(1, 6))):
        if isinstance(inner, dict) and inner:
            holder, key = inner, data.draw(st.sampled_from(sorted(inner)))
        elif isinstance(inner, list) and inner:
            holder, key = inner, data.draw(st.integers(0, len(inner) - 1))
        else:
            break
        inner = holder[key]
    holder[key] = data.draw(anything)
    return document


def samples():
    """A valid document of each JSON format."""
    target = test_optimum_benchmark.target
    report = {
        "load_model": target([0.5]),
        "prefill": target(test_optimum_benchmark.SAMPLES, 4),
        "generate": target([0.5, 0.75], 32),
    }
    return {
        "optimum-benchmark": test_optimum_benchmark.generating(report),
        "mlperf": [test_mlperf.result()],
        "bundle": bundle_document(test_bundle.own_rows(), [test_bundle.ENVIRONMENT]),
    }


@pytest.mark.parametrize("format_name", list(READERS))
@given(data=st.binary(max_size=200))
def test_any_bytes_have_an_outcome(format_name, data):
    for name in NAMES:
        read_bytes(format_name, data, name)


@pytest.mark.parametrize("format_name", list(READERS))
@given(document=anything)
def test_any_json_has_an_outcome(format_name, document):
    read_bytes(format_name, json.dumps(document).encode())


@pytest.mark.parametrize("format_name", ["optimum-benchmark", "mlperf", "bundle"])
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_mutation_has_an_outcome_and_valid_rows(format_name, data):
    document = mutated(samples()[format_name], data)
    for row in read_bytes(format_name, json.dumps(document).encode()).rows:
        for value in row.values():
            assert not isinstance(value, float) or math.isfinite(value)


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=9))
def test_any_cells_of_a_timm_table_have_an_outcome(cells):
    line = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    read_bytes("timm", f"{HEADER}\n{line}\n".encode(), NAMES[1])


@given(rate=st.floats(0.01, 1e6), batch=st.integers(1, 4096))
@example(rate=650251.0, batch=1)  # its step of 0.0015 ms is written as 0.002
def test_a_consistent_timm_line_is_always_measured(rate, batch):
    line = f"net,224,{rate:.2f},{1000 * batch / rate:.3f},{batch},,,"
    (row,) = read_bytes("timm", f"{HEADER}\n{line}\n".encode(), "t.csv").rows
    assert row["provenance"] == "measured"


@pytest.mark.parametrize(
    "text",
    ["1_000", "1e999", "inf", "nan", "0x10", "١٢", "", " ", "1,5", "9" * 500, "--1"],
)
def test_no_text_but_a_plain_decimal_is_a_number(text):
    assert number_of(text) is None
    assert plain_value(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back(number):
    assert number_of(repr(number)) == number
    assert quantity_of(number) in (None, number)


@given(anything)
def test_a_count_is_a_whole_number_from_one_on(value):
    count = count_of(value)
    assert count is None or (isinstance(count, int) and count >= 1)


@pytest.mark.parametrize("format_name", list(READERS))
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"a": ' + b"9" * 500 + b"}",
        b"[" + b"9" * 5000 + b"]",
        b"<<<<<<< a\n{}\n=======\n{}\n>>>>>>> b\n",
        b"PAR1" + b"\0" * 100,
        b"\x89PNG\r\n\x1a\n\0\0",
        '{"report": "<script>"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"report": {}}',
        b'{"a": 1, "a": 2}',
        b'{"a": NaN',
    ],
)
def test_known_traps(format_name, data):
    reading = read_bytes(format_name, data)
    assert reading.status in ("no_results", "quarantined")
    assert reading.rows == ()


def test_markup_in_strings_stays_text():
    row = test_mlperf.result(
        Submitter="<script>alert(1)</script>", System="'; DROP TABLE x; --", Location="../../etc/passwd"
    )
    reading = read_bytes("mlperf", json.dumps([row]).encode())
    assert "DROP TABLE" in reading.rows[0]["options"]
