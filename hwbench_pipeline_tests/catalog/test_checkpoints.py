"""Checkpoints that the catalog does not list: found in a Hugging Face cache or a folder, kept under a key, measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
import transformers
from huggingface_hub import constants
from transformers import BertConfig, LlamaConfig, PaliGemmaConfig, ViTConfig

from hwbench_pipeline.analysis.failures import reproduction
from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.catalog import checkpoints
from hwbench_pipeline.catalog.architectures import architectures
from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.checkpoints import CheckpointError, forget, kept, kept_keys
from hwbench_pipeline.catalog.configs import config_sha256, model_config
from hwbench_pipeline.catalog.entries import asked_model, catalog_keys, catalog_model
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.catalog.labels import training_loss_kind
from hwbench_pipeline.catalog.names import UnknownModelError
from hwbench_pipeline.catalog.rows import model_row
from hwbench_pipeline.cli import main, options
from hwbench_pipeline.cli.failing import WRONG_CALL, WrongCallError, failure_of
from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, CORE_MODELS, OUT__RESULTS
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline.state import STATE_VARIABLE, state_folder
from hwbench_pipeline.warehouse.location import checked_key
from hwbench_pipeline.warehouse.reading import read_rows

QUICK = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=2, min_duration_s=0, max_samples=3)
REVISION = "0123456789abcdef0123456789abcdef01234567"
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


def llama(**changes):
    return LlamaConfig(**SMALL, vocab_size=1000, num_key_value_heads=2, architectures=["LlamaForCausalLM"], **changes)


def published(hub, model_id, config, revision=REVISION):
    """A repository in a Hugging Face cache, with the layout of huggingface_hub; `config` is transformers' or a file's text."""
    repository = hub / f"models--{model_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(revision)
    if isinstance(config, transformers.PretrainedConfig):
        config.save_pretrained(snapshot)
    else:
        (snapshot / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return snapshot / "config.json"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty Hugging Face cache, for this process and those it starts, and nothing kept before or after."""
    cache = tmp_path / "huggingface" / "hub"
    cache.mkdir(parents=True)
    monkeypatch.setenv("HF_HOME", str(cache.parent))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv(HOST_LOCK_VARIABLE, str(tmp_path / "host.lock"))
    assert kept_keys() == ()
    folder = state_folder() / "checkpoints"
    yield cache
    shutil.rmtree(folder, ignore_errors=True)


def test_a_cached_checkpoint_is_a_model_of_its_own(hub):
    published(hub, "Acme/Small-Llama", llama())
    model = asked_model("Acme/Small-Llama")
    assert (model.key, model.model_id, model.architecture) == ("acme--small-llama", "Acme/Small-Llama", "llama")
    assert (model.model_class, model.category, model.modalities) == ("LlamaForCausalLM", "text_decoder", ("text",))
    assert catalog_model("acme--small-llama") == asked_model("acme--small-llama") == model
    assert checked_key(model.key) == model.key
    assert model_config(model.key, "reference").hidden_size == 64
    assert config_sha256(model_config(model.key, "reference")) == config_sha256(llama())
    assert model_config(model.key, "tiny").to_dict() == model_config("llama", "tiny").to_dict()
    rows = [model_row(model.key, size) for size in ("reference", "tiny")]
    require_valid(CORE_MODELS, rows)
    assert [row["model_id"] for row in rows] == ["Acme/Small-Llama", "hwbench/tiny-llama"]
    assert rows[0]["architecture"] == "llama"
    assert rows[0]["config_source"] == (
        f"config.json of Acme/Small-Llama in the local Hugging Face cache, revision {REVISION}"
    )
    assert rows[0]["flops"] > 0
    assert rows[1]["config_sha256"] == config_sha256(model_config("llama", "tiny"))


def test_what_is_kept_outlives_the_cache_and_follows_it(hub):
    """Later runs by key and by id find it when the cache is empty; a new revision in the cache takes its place."""
    file = published(hub, "acme/llama", llama())
    key = asked_model("acme/llama").key
    file.unlink()
    assert asked_model(key) == asked_model("acme/llama") == catalog_model(key)
    assert kept_keys() == (key,)
    assert key not in catalog_keys()
    published(hub, "acme/llama", llama(rope_theta=5.0), revision="f" * 40)
    assert asked_model("acme/llama").key == key
    assert kept(key).revision == "f" * 40


def test_forgetting_takes_it_out_of_the_catalog(hub):
    published(hub, "acme/llama", llama())
    key = asked_model("acme/llama").key
    assert forget(key)
    assert kept_keys() == ()
    assert not forget(key)
    assert not forget("../elsewhere")


def test_a_key_finds_the_cached_checkpoint_that_was_never_asked_for(hub):
    """The command that reproduces another machine's row names the key; the cache spells the id."""
    published(hub, "Acme/Small-Llama", llama())
    assert asked_model("acme--small-llama").model_id == "Acme/Small-Llama"


def test_keys_do_not_collide(hub):
    """No architecture holds what sets checkpoints apart; ids that differ in case are told apart or refused."""
    assert not [key for key in architectures() if checkpoints.SEPARATOR in key]
    published(hub, "xlm/roberta", llama())
    assert asked_model("xlm/roberta").key == "xlm--roberta"
    assert asked_model("xlm--roberta").architecture == "llama"
    assert asked_model("xlm_roberta").key == "xlm-roberta"
    published(hub, "small-llama", llama())
    assert asked_model("small-llama").key == "models--small-llama"
    published(hub, "acme/_odd_", llama())
    published(hub, "acme/odd", llama())
    odd = asked_model("acme/_odd_").key
    assert odd != asked_model("acme/odd").key
    assert checked_key(odd) == odd
    published(hub, "acme/same", llama())
    published(hub, "Acme/Same", llama())
    published(hub, "ACME/SAME", llama(rope_theta=5.0))
    assert asked_model("acme/same").key == asked_model("Acme/Same").key == "acme--same"
    with pytest.raises(CheckpointError, match=r"ACME/SAME would have the key acme--same.*Fix: "):
        asked_model("ACME/SAME")


def test_a_folder(tmp_path, monkeypatch):
    """A folder's key is its content: the same configuration elsewhere is the same model, a changed one another."""
    monkeypatch.chdir(tmp_path)
    llama().save_pretrained(tmp_path / "My Checkpoint")
    llama().save_pretrained(tmp_path / "elsewhere" / "My Checkpoint")
    model = asked_model("./My Checkpoint")
    assert model.key.startswith("local--my-checkpoint--")
    assert model.model_id == "./My Checkpoint"
    assert checked_key(model.key) == model.key
    assert asked_model(str(tmp_path / "elsewhere" / "My Checkpoint")) == model
    llama(rope_theta=5.0).save_pretrained(tmp_path / "My Checkpoint")
    assert asked_model("./My Checkpoint").key != model.key
    assert catalog_model(model.key) == model
    with pytest.raises(UnknownModelError, match=r"no folder's configuration is kept under it .*Fix: name the folder"):
        asked_model("local--gone--01234567")
    with pytest.raises(CheckpointError, match=r"there is no file .*nothing/config.json. Fix: "):
        asked_model("./nothing")
    llama().save_pretrained(tmp_path / "acme" / "here")
    with pytest.raises(CheckpointError, match=r"Fix: --model ./acme/here"):
        asked_model("acme/here")


def test_another_class_than_the_usual_one(hub):
    """A class that the file names is built, with the inputs that it takes and its own loss; one of a repository's code is not."""
    bert = BertConfig(**SMALL, vocab_size=1000, num_labels=3, architectures=["BertForSequenceClassification"])
    published(hub, "acme/judge", bert)
    published(
        hub, "acme/own-code", bert.to_dict() | {"architectures": ["BertForMyTask"], "auto_map": {"AutoModel": "m.M"}}
    )
    published(hub, "acme/module", bert.to_dict() | {"architectures": ["os:system"]})
    published(hub, "acme/other", bert.to_dict() | {"architectures": ["LlamaForCausalLM"]})
    key = asked_model("acme/judge").key
    assert catalog_model(key).model_class == "BertForSequenceClassification"
    assert training_loss_kind(key) == "classification"
    config = model_config(key, "reference")
    with torch.no_grad():
        output = build_model(key, "reference")(**make_inputs(key, config, batch_size=2))
    assert output.logits.shape == (2, 3)
    for name in ("acme/own-code", "acme/module", "acme/other"):
        assert asked_model(name).model_class == "BertForMaskedLM", name
    assert (
        "names the class BertForMyTask, built is BertForMaskedLM"
        in model_row("acme--own-code", "reference")["config_source"]
    )


def test_an_image_has_as_many_placeholders_as_this_checkpoint_makes_of_it(hub):
    """Not as many as the architecture's usual tower."""
    text = {**SMALL, "model_type": "gemma", "vocab_size": 1100, "num_key_value_heads": 1, "head_dim": 16}
    vision = {**SMALL, "model_type": "siglip_vision_model", "image_size": 56, "patch_size": 14}
    # what a file says of its weights' precision is not that of the measurement
    text["dtype"] = vision["dtype"] = "bfloat16"
    config = PaliGemmaConfig(text_config=text, vision_config=vision, image_token_id=1099, projection_dim=64)
    published(hub, "acme/pali", config)
    key = asked_model("acme/pali").key
    config = model_config(key, "reference")
    inputs = make_inputs(key, config, batch_size=1)
    assert int((inputs["input_ids"] == 1099).sum()) == 16
    with torch.no_grad():
        model = build_model(key, "reference")
        assert torch.isfinite(model(**inputs).logits).all()
    assert model.config.text_config.dtype in (None, torch.float32)


NEWER = {"model_type": "of_tomorrow", "transformers_version": "99.0"}
REFUSED = {
    "damaged": ('{"model_type": "llama", ', "damaged"),
    "list": ("[1]", "holds a list, expected a JSON object"),
    "untyped": ({"hidden_size": 3}, "names no model_type"),
    "unknown": ({"model_type": "lama"}, "model_type 'lama' is unknown to transformers"),
    "newer": (NEWER, r"pip install 'transformers>=99.0'"),
    "code": ({"model_type": "mine", "auto_map": {"AutoConfig": "configuration.C"}}, "hwbench runs no such code"),
    "quantised": (llama().to_dict() | {"quantization_config": {"quant_method": "gptq"}}, r"quantised \(gptq\)"),
    "wrong": (llama().to_dict() | {"hidden_size": "wide"}, "makes no llama configuration of it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_line(hub, name):
    """The line names the file and the fix; the call was wrong."""
    content, says = REFUSED[name]
    file = published(hub, f"acme/{name}", content)
    with pytest.raises(CheckpointError, match=says) as refused:
        asked_model(f"acme/{name}")
    message, code = failure_of(refused.value)
    assert code == WRONG_CALL
    assert str(file) in message
    assert ". Fix: " in message
    assert kept_keys() == ()


def test_nothing_is_fetched_unless_asked_for(hub, monkeypatch):
    """Without --from-hub the Hub is not asked; with it config.json alone is, and a failure says why."""
    asked = []

    def fetch(model_id, file):
        asked.append((model_id, file))
        return str(published(hub, model_id, llama()))

    monkeypatch.setattr(checkpoints.huggingface_hub, "hf_hub_download", fetch)
    with pytest.raises(UnknownModelError, match=r"not in the local Hugging Face cache .*Fix: --from-hub fetches"):
        asked_model("acme/far")
    assert asked == []
    assert asked_model("acme/far", from_hub=True).key == "acme--far"
    assert asked == [("acme/far", "config.json")]
    with pytest.raises(WrongCallError, match="--from-hub"):
        options.chosen_models(None, "audio", all_models=False, from_hub=True)


def test_a_failed_fetch_says_why(hub):
    with pytest.raises(CheckpointError, match=r"HF_HUB_OFFLINE forbids fetching it. Fix: unset HF_HUB_OFFLINE"):
        asked_model("acme/far", from_hub=True)


def test_a_damaged_copy_is_written_anew(hub):
    published(hub, "acme/llama", llama())
    key = asked_model("acme/llama").key
    copy = state_folder() / "checkpoints" / f"{key}.json"
    copy.write_text("{")
    assert kept_keys() == ()
    with pytest.raises(CheckpointError, match=rf"{key}.json is damaged.*Fix: delete it"):
        catalog_model(key)
    assert asked_model("acme/llama").key == key
    assert kept_keys() == (key,)


def test_a_whole_cell_at_reference_size(hub):
    """The measuring process finds the configuration by key; its rows say which one ran."""
    vit = ViTConfig(**SMALL, image_size=64, architectures=["ViTForImageClassification"])
    key = asked_model_of(hub, "acme/vit", vit)
    with CellProcesses() as processes:
        execution = run_cell(CellPlan("cpu", key, points=(Point("reference"),), sampling=QUICK), processes)
    (row,) = execution.rows
    require_valid(CORE_BENCH__INFERENCE, execution.rows)
    assert (row["status"], row.get("error_message")) == ("ok", None)
    assert (row["model"], row["model_id"], row["architecture"], row["category"]) == (key, "acme/vit", "vit", "vision")
    assert row["config_sha256"] == config_sha256(vit)
    assert row["input_shape"] == "pixel_values=1x3x64x64"
    assert json.loads(row["options"])["weights"] == "random"
    assert reproduction(row) == f"hwbench bench --hardware cpu --model {key}"


def asked_model_of(hub, model_id, config):
    published(hub, model_id, config)
    return asked_model(model_id).key


def test_bench_into_a_bundle_and_its_import_where_the_checkpoint_is_unknown(hub, tmp_path, monkeypatch, capsys):
    """The whole way by the command line, and a bundle whose model nobody knows on the machine with the warehouse."""
    published(hub, "Acme/Small-Llama", llama())
    bundle, warehouse = str(tmp_path / "b.json"), tmp_path / "warehouse"
    program = "import sys; from hwbench_pipeline.cli import main; main(sys.argv[1:])"
    asked = ("--hardware", "cpu", "--model", "Acme/Small-Llama", "--min-duration", "0", "--bundle", bundle)
    done = subprocess.run(
        [sys.executable, "-c", program, "bench", *asked],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Acme/Small-Llama is acme--small-llama here, of architecture llama" in done.stderr
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "another machine"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another machine" / "hub"))
    assert called(capsys, "import", "bundle", bundle, "--warehouse", str(warehouse))[0] == 0
    (row,) = read_rows(warehouse, OUT__RESULTS)[0]
    assert (row["status"], row["source"], row["is_current"]) == ("ok", "bundle", True)
    assert (row["model"], row["model_id"], row["architecture"]) == ("acme--small-llama", "Acme/Small-Llama", "llama")
    code, said = called(capsys, "bench", "--hardware", "cpu", "--model", row["model"], "--bundle", bundle)
    assert code == WRONG_CALL
    assert said.count("\n") == 1
    assert "Fix: --from-hub fetches that one file" in said


def called(capsys, *arguments):
    """The exit code of the command line, and what it said."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return stopped.value.code, capsys.readouterr().err
