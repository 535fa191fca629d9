"""CSV and TSV as rows: header, cells, and what is no table."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.documents import UnreadableDocumentError, parse_document
from hwbench_pipeline.legacy.tabular import cell_value

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("0", 0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("+2.5", 2.5),
        ("True", True),
        ("007", "007"),
        ("1.2.3", "1.2.3"),
        ("12 ms", "12 ms"),
        ("1,5", "1,5"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("١٢", "١٢"),
        ("9" * 30, "9" * 30),
    ],
)
def test_only_what_is_written_like_a_number_is_one(cell, value):
    found = cell_value(cell)
    assert (found, type(found)) == (value, type(value))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**17), 10**17))
def test_numbers_read_back_as_they_were_written(number):
    assert cell_value(repr(number)) == number


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5), st.sampled_from([",", "\t", ";"]))
def test_cells_keep_their_text(rows, delimiter):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(["model", "device", "note"])
    writer.writerows(rows)
    table = parse_document(out.getvalue().encode("utf-8-sig"), "a.csv")
    expected = [
        {name: cell_value(cell) for name, cell in zip(("model", "device", "note"), row, strict=True) if cell.strip()}
        for row in rows
    ]
    assert table == expected


def test_quotes_newlines_long_fields_and_blank_lines():
    samples = "[" + ", ".join(["0.123456789"] * 20_000) + "]"
    data = f'model,"latency, ms",values\n"a ""b""\nc",1.5,"{samples}"\n\nd,,\n'.encode()
    assert parse_document(data, "a.csv") == [
        {"model": 'a "b"\nc', "latency, ms": 1.5, "values": samples},
        {"model": "d"},
    ]


def test_a_table_is_told_by_its_structure_not_by_its_name():
    data = b"model\tlatency_ms\nbert\t1.5\n"
    assert parse_document(data, "noname") == [{"model": "bert", "latency_ms": 1.5}]
    assert parse_document(b',model\n0,"bert"\n', "x") == [{"": 0, "model": "bert"}]
    assert parse_document(b"a,b\n", "empty.csv") == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"model,model\na,b\n", "'model' twice"),
        (b"model,latency\na,1\nb,2,3\n", "row 1 has 3 cells"),
        (b"model,latency\na,1\nb\n", "row 1 has 1 cells"),
        (b"just text\n", "header"),
        (b'model,latency\n"a,1\n', "not a usable table"),
    ],
)
def test_refused_with_its_reason(data, words):
    with pytest.raises(UnreadableDocumentError, match="Fix: ") as caught:
        parse_document(data, "a.csv")
    assert words in str(caught.value)


def test_prose_is_no_table():
    with pytest.raises(UnreadableDocumentError) as caught:
        parse_document(b"First, we load it.\nThen, after that, we run it.\n", "notes.txt")
    assert caught.value.is_foreign


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_where_they_are_certain(delimiter):
    lines = ["model;batch;ms", "a;1;6,83", "b;2;1.027,125", "c;4;0,125", "d;8;2,5e-3"]
    data = "\n".join(lines).replace(";", delimiter).encode()
    table = parse_document(data, "a.csv")
    assert [row["ms"] for row in table] == [6.83, 1027.125, 0.125, 0.0025]
    assert [row["batch"] for row in table] == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "data",
    [
        "model;ms\na;6,831\nb;12,125\n",  # thousands or decimals
        "model;ms;s\na;6,83;0.5\n",  # a decimal point beside
        'model,ms\na,"6,83"\n',  # the comma parts columns
    ],
)
def test_commas_that_are_not_certain_stay_text(data):
    assert "," in parse_document(data.encode(), "a.csv")[0]["ms"]


@pytest.mark.parametrize("data", ["model;device;latency_ms\na;cpu;6,831\n", 'model,device,latency_ms\na,cpu,"6,83"\n'])
def test_a_table_with_uncertain_commas_is_quarantined(put, run, file_of, data):
    put("a.csv", data)
    file = file_of(run(), "a.csv")
    assert (file["status"], file["n_quarantined"]) == ("quarantined", 1)
    assert "a decimal or a thousands one" in file["error"]
    assert "Fix: " in file["error"]
