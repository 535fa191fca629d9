"""Paths as tables hold them, and which lie under which."""

import os

from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.finding import lies_under, stored_text

NAMES = st.binary(min_size=1, max_size=12).map(os.fsdecode)
ESCAPED = st.text("\\ud0cf8", min_size=1, max_size=12)


@given(st.lists(NAMES | ESCAPED, min_size=2, max_size=8, unique=True))
def test_no_two_paths_are_stored_as_one_text(names):
    stored = [stored_text(name) for name in names]
    assert len(set(stored)) == len(names)
    assert all(text.encode("utf-8") for text in stored)


def test_bytes_and_the_escape_that_stands_for_them():
    assert stored_text(os.fsdecode(b"a\xff")) != stored_text("a\\udcff")
    assert stored_text("a\\b") == "a\\b"


def test_what_lies_under_a_root():
    assert lies_under("/a/b.json", ["/a"])
    assert lies_under("/a/b.json", ["/x", "/a/b.json"])
    assert lies_under("/a/b.json", ["/"])
    assert not lies_under("/ab/c.json", ["/a"])
    assert not lies_under("/a/b.json", [])
