"""Keys that may be partition keys, and paths from which the cell can be read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hwbench_pipeline.catalog.names import MODELS
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, OUT__RESULTS
from hwbench_pipeline.warehouse.location import (
    WAREHOUSE_VARIABLE,
    Cell,
    InvalidKeyError,
    checked_key,
    run_id_of_file,
    table_file,
    warehouse_path,
)

ALPHABET = "abcxyz0189._-/"
GOOD = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,118}[a-z0-9])?")


def is_good(key):
    """The key rule, said a second way."""
    return GOOD.fullmatch(key) is not None and ".." not in key and "//" not in key


@pytest.mark.parametrize(
    "key", ["cpu", "a", "0", "llava_next", "meta-llama/llama-3.2-1b", "h200-sxm.141gb", "1e5", "a/b/c", "a" * 120]
)
def test_good_keys(key):
    assert checked_key(key) == key


def test_every_key_of_the_grid_is_good():
    for key in (*hardware_keys(), *(model.key for model in MODELS)):
        assert checked_key(key) == key


@pytest.mark.parametrize(
    ("key", "proposal"),
    [
        ("a|b", "a-b"),
        ("a,b", "a-b"),
        ("a..b", "a.b"),
        ("a...b", "a.b"),
        ("../a", "a"),
        ("a//b", "a/b"),
        ("a b", "a-b"),
        (" a ", "a"),
        ("CPU", "cpu"),
        ("google/ViT-Base", "google/vit-base"),
        ("a\nb", "a-b"),
        ("a\n", "a"),
        ("a\x00b", "a-b"),
        ("a\x1bb", "a-b"),
        ("/a", "a"),
        ("a/", "a"),
        (".a", "a"),
        ("a=b", "a-b"),
        ("a%2fb", "a-2fb"),
        ("modèle", "mod-le"),
        ("a\\b", "a-b"),
        ("a*?[b]", "a-b"),
        ("a" * 121, "a" * 120),
        ("A" * 300, "a" * 120),
    ],
)
def test_a_bad_key_is_refused_with_a_key_that_would_do(key, proposal):
    with pytest.raises(InvalidKeyError) as caught:
        checked_key(key)
    assert f"use {proposal!r}" in str(caught.value)
    assert checked_key(proposal) == proposal


@pytest.mark.parametrize("key", ["", " ", "..", "|", "模型", "/", "\x00"])
def test_a_key_of_which_nothing_is_left_is_refused_without_a_proposal(key):
    with pytest.raises(InvalidKeyError, match="is not a valid key: lower-case letters") as caught:
        checked_key(key)
    assert "; use" not in str(caught.value)


@given(key=st.text(max_size=130) | st.text(ALPHABET, max_size=130) | st.text("aB./", min_size=110, max_size=140))
@example("a" * 121)
@example("a/../b")
@example("a.//./b")
@example("a" * 119 + "./b")
def test_every_key_is_good_or_refused_with_a_good_proposal(key):
    if is_good(key):
        assert checked_key(key) == key
        return
    with pytest.raises(InvalidKeyError) as caught:
        checked_key(key)
    proposal = re.search(r"; use '(.*)'$", str(caught.value))
    if proposal:
        assert is_good(proposal[1])


KEYS = st.text(ALPHABET, min_size=1, max_size=40).filter(is_good)


@given(hardware=KEYS, model=KEYS, run_id=st.text(min_size=1, max_size=20).filter(lambda text: len(text.encode()) < 60))
def test_a_cell_and_its_run_can_be_read_back_from_the_path(hardware, model, run_id):
    cell = Cell(hardware, model)
    path = cell.run_file(Path("/warehouse"), CORE_BENCH__INFERENCE, run_id)
    assert Cell.of_file(path) == cell
    assert run_id_of_file(path) == run_id
    # whatever the keys are, a run is a file exactly three folders below the table's
    assert path.relative_to("/warehouse/core_bench__inference").parts == (
        f"cell_hardware={hardware}".replace("/", "%2F"),
        f"cell_model={model}".replace("/", "%2F"),
        path.name,
    )
    assert path.suffix == ".parquet"
    assert path.name.startswith("run=")


def test_the_path_of_a_run_is_the_contract():
    cell = Cell("cuda", "meta-llama/llama-3.2-1b")
    assert cell.run_file(Path("/w"), CORE_BENCH__INFERENCE, "20260102T030405-0a1b2c3d") == Path(
        "/w/core_bench__inference/cell_hardware=cuda/cell_model=meta-llama%2Fllama-3.2-1b"
        "/run=20260102T030405-0a1b2c3d.parquet"
    )
    assert table_file(Path("/w"), OUT__RESULTS) == Path("/w/out__results.parquet")


@pytest.mark.parametrize("cell", [("CPU", "bert"), ("cpu", "a|b"), ("", "bert")])
def test_no_cell_of_a_bad_key(cell):
    with pytest.raises(InvalidKeyError):
        Cell(*cell)


@pytest.mark.parametrize(
    "path", ["/w/out__results.parquet", "/w/cell_hardware=cpu/x.parquet", "/w/cell_hardware=CPU/cell_model=b/r.parquet"]
)
def test_other_files_are_of_no_cell(path):
    assert Cell.of_file(Path(path)) is None


def test_the_warehouse_is_the_one_given_else_the_variable_else_the_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(WAREHOUSE_VARIABLE, raising=False)
    assert warehouse_path() == tmp_path / "data" / "warehouse"
    monkeypatch.setenv(WAREHOUSE_VARIABLE, str(tmp_path / "elsewhere"))
    assert warehouse_path() == tmp_path / "elsewhere"
    assert warehouse_path("given") == tmp_path / "given"
    monkeypatch.setenv(WAREHOUSE_VARIABLE, "")
    assert warehouse_path() == tmp_path / "data" / "warehouse"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert warehouse_path("~/w") == tmp_path / "w"
