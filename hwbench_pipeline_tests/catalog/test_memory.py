"""What was found out is shipped for exactly these rules and this transformers, and otherwise found out anew."""

from __future__ import annotations

import json

import transformers

from hwbench_pipeline.catalog import memory
from hwbench_pipeline.catalog.architectures import REMEMBERED_AS, architectures
from hwbench_pipeline.catalog.configs import SIZES
from hwbench_pipeline.catalog.deriving import derive
from hwbench_pipeline.catalog.diffusion import DIFFUSERS
from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.catalog.rows import remembered_as


def test_the_shipped_file_is_of_these_rules():
    """Fix: `make catalog`, after a change of the rules or of the pinned transformers."""
    document = json.loads(memory.SHIPPED.read_text(encoding="utf-8"))
    assert document["transformers"] == transformers.__version__
    assert document["rules_sha256"] == memory.rules_sha256(), "the rules changed. Fix: make catalog"


def test_the_shipped_file_is_whole():
    """Every architecture by rule and of diffusers, at every size, and the list itself."""
    found = json.loads(memory.SHIPPED.read_text(encoding="utf-8"))["found"]
    by_rule = [key for key in architectures() if key not in model_keys()]
    counted = {remembered_as(key, size) for key in (*by_rule, *DIFFUSERS) for size in SIZES}
    assert set(found) == {REMEMBERED_AS, *by_rule, *counted}


def test_the_shipped_file_says_what_trying_says():
    """A few architectures tried again: nothing in the file is older than the rules or made by hand."""
    found = json.loads(memory.SHIPPED.read_text(encoding="utf-8"))["found"]
    for key in ("gpt2", "hubert", "internvl", "dinat"):
        assert json.loads(json.dumps(derive(key).to_json())) == found[key]


def test_another_release_or_other_rules_are_not_answered_from_the_file(monkeypatch, tmp_path):
    """Neither a new transformers nor a changed rule."""
    monkeypatch.setenv("HWBENCH_STATE", str(tmp_path))
    for name, value in (("transformers.__version__", "99.0.0"), ("rules_sha256", lambda: "other")):
        with monkeypatch.context() as patch:
            memory._shipped.cache_clear()
            patch.setattr(f"hwbench_pipeline.catalog.memory.{name}", value)
            assert memory.recall("gpt2") is None
    memory._shipped.cache_clear()
    assert memory.recall("gpt2") is not None


def test_what_this_machine_found_is_kept_and_a_spoilt_file_is_none(monkeypatch, tmp_path):
    """Written whole or not at all; what cannot be read counts as unknown."""
    monkeypatch.setenv("HWBENCH_STATE", str(tmp_path))
    assert memory.recall("a_type_of_tomorrow") is None
    memory.remember("a_type_of_tomorrow", {"rung": "narrow"})
    assert memory.recall("a_type_of_tomorrow") == {"rung": "narrow"}
    (file,) = tmp_path.rglob("a_type_of_tomorrow.json")
    file.write_text("{", encoding="utf-8")
    assert memory.recall("a_type_of_tomorrow") is None
