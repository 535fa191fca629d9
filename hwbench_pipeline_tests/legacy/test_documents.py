"""From bytes to one document: which format they are, and what is refused with which reason."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy import documents
from hwbench_pipeline.legacy.documents import UnreadableDocumentError, parse_document

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def refused(data, name="a.json"):
    with pytest.raises(UnreadableDocumentError) as caught:
        parse_document(data, name)
    assert "Fix: " in str(caught.value)
    return str(caught.value)


@given(JSON, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.sampled_from([None, 2]))
def test_json_in_any_announced_encoding_is_the_document_itself(document, encoding, indent):
    assert parse_document(json.dumps(document, indent=indent).encode(encoding), "a.json") == document


@given(st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=3), min_size=2, max_size=5))
def test_json_lines_are_a_list_by_position(documents):
    data = "\n\n".join(map(json.dumps, documents)).encode() + b"\r\n"
    assert parse_document(data, "a.jsonl") == documents


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_an_error_with_its_fix(data):
    for head in (b"", b"PAR1", b"12345678DUCK", b"\xff\xfe", b"{", b"a,b\n"):
        try:
            parse_document(head + data, "a.json")
        except UnreadableDocumentError as error:
            assert "Fix: " in str(error)  # noqa: PT017 - most bytes raise, some are a document


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b'{"a": [1, 2', "truncated"),
        (b'{"a": 1}{"a": 2}', "more than one JSON document"),
        (b'{"a": 1}\n{"a": 2', "broken line 2"),
        (b'{"a": 1}\n{"b": 2, "b": 3}', "'b' stands twice"),
        (b'{"a": {"b": 2, "b": 3}}', "'b' stands twice"),
        (b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> x\n}', "conflict"),
        (b"model,latency_ms\n<<<<<<< HEAD\na,1\n=======\na,2\n>>>>>>> x\n", "conflict"),
        ('{"a": 1}'.encode("utf-16-le"), "iconv"),
        (b"\xff\xfe\x00", "broken UTF-16"),
        (b'{"a": "\xff"}', "byte 7"),
        (b"[" * 10_000 + b"]" * 10_000, "too deep"),
        (b"[1]\n" + b"[" * 10_000 + b"]" * 10_000, "too deep"),
        (b"[" + b"9" * 5000 + b"]", "not usable"),
        (b"SQLite format 3\0rest", "SQLite"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_refused_with_its_reason(data, words):
    assert words in refused(data)


@pytest.mark.parametrize("data", [b"[[],[],[]]", b'{"a": {}, "b": [], "c": 1}', b"{}\n[]\n{}\n[]"])
def test_too_many_objects_and_lists_are_refused_before_they_take_memory(monkeypatch, data):
    assert parse_document(data, "a.json")
    monkeypatch.setattr(documents, "MOST_CONTAINERS", 2)
    assert "objects and lists, expected at most 2" in refused(data)


def test_braces_in_a_table_are_not_counted(monkeypatch):
    monkeypatch.setattr(documents, "MOST_CONTAINERS", 2)
    assert parse_document(b"model,note\na,{[{\n", "a.csv") == [{"model": "a", "note": "{[{"}]


def test_a_conflict_mark_inside_a_string_is_no_conflict():
    text = "<<<<<<< a\n=======\n>>>>>>> b"
    assert parse_document(json.dumps({"log": text}).encode(), "a.json") == {"log": text}


def test_nan_and_infinity_are_taken_as_no_number():
    first, second = parse_document(b"[NaN, -Infinity]", "a.json")
    assert math.isnan(first)
    assert second == -math.inf


@pytest.mark.parametrize(("name", "is_foreign"), [("README.md", True), ("run.py", True), ("a.json", False)])
def test_text_of_another_kind_is_told_from_a_broken_result(name, is_foreign):
    with pytest.raises(UnreadableDocumentError) as caught:
        parse_document(b"def f(x):\n    return x, 1\n", name)
    assert caught.value.is_foreign is is_foreign


@pytest.mark.parametrize(
    "text",
    ["[2024-01-02 10:00:00] INFO begin\n[2024-01-02 10:00:01] took 5 ms\n", "[INFO] begin\n", " [1] first: {}\n"],
)
def test_a_log_with_brackets_is_no_broken_json(text):
    with pytest.raises(UnreadableDocumentError, match="text of another kind") as refused:
        parse_document(text.encode(), "run.log")
    assert refused.value.is_foreign


@pytest.mark.parametrize("text", ["[1, 2", "[1, 2] [3]\n", "[1, 2], [3]", '["a"] x', "[\n1\n] x"])
def test_broken_lists_are_no_logs(text):
    with pytest.raises(UnreadableDocumentError) as refused:
        parse_document(text.encode(), "run.log")
    assert not refused.value.is_foreign
