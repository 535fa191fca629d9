"""Models of diffusers: declared consistently, built as published, called with a sound answer, and absent with a reason."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import CONFIG_MAPPING

from hwbench_pipeline.catalog.building import attention_implementation, build_model, count_parameters, meta_model
from hwbench_pipeline.catalog.configs import config_json, config_sha256, config_source, model_config
from hwbench_pipeline.catalog.diffusion import CATEGORY, DIFFUSERS
from hwbench_pipeline.catalog.entries import asked_model, catalog_keys, catalog_model
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import default_sequence_length, input_shape_text, make_inputs
from hwbench_pipeline.catalog.labels import make_labels, training_loss_kind
from hwbench_pipeline.catalog.rows import model_row
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.schema.tables.catalog import CATEGORIES, CORE_MODELS
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline.training.step import TrainingStep
from hwbench_pipeline.warehouse.location import checked_key

ALL = pytest.mark.parametrize("key", DIFFUSERS)
PUBLISHED = [key for key, found in DIFFUSERS.items() if found.parameters_millions]
LARGEST_TINY_PARAMETERS = 5_000_000
# of the published checkpoints, to the last parameter
EXACT_PARAMETERS = {
    "unet_2d": 35_746_307,
    "unet_2d_condition": 859_520_964,
    "unet_2d_condition_sdxl": 2_567_463_684,
    "controlnet": 361_279_120,
    "pixart_transformer_2d": 610_856_096,
    "flux_transformer_2d": 11_901_408_320,
    "unet_spatio_temporal_condition": 1_524_623_082,
    "wan_transformer_3d": 1_418_996_800,
    "autoencoder_kl": 83_653_863,
    "autoencoder_tiny": 2_445_063,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small are slower on several threads, and much slower where these wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def tiny(key: str, attention: str | None = None) -> torch.nn.Module:
    return build_model(key, "tiny", attn_implementation=attention)


def answer(key: str, *, seed: int = 0, attention: str | None = None) -> dict[str, torch.Tensor]:
    model = tiny(key, attention)
    inputs = make_inputs(key, model.config, batch_size=2, seed=seed)
    with torch.inference_mode():
        return primary_output(model(**inputs))


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max() / one[name].abs().max()) for name in one)


def test_keys_are_in_the_catalog_and_can_be_partitions():
    assert set(DIFFUSERS) <= set(catalog_keys())
    assert CATEGORY in CATEGORIES
    assert not set(DIFFUSERS) & set(CONFIG_MAPPING)
    for key in DIFFUSERS:
        assert checked_key(key) == key
        assert catalog_model(key).category == CATEGORY


def test_asked_for_by_key_in_any_spelling_or_by_checkpoint():
    assert asked_model("UNet-2D-Condition").key == "unet_2d_condition"
    assert asked_model("stabilityai/sd-vae-ft-mse").key == "autoencoder_kl"
    assert asked_model("black-forest-labs/FLUX.1-dev/transformer").key == "flux_transformer_2d"


@ALL
def test_builds_at_both_sizes_with_the_published_number_of_parameters(key):
    assert 0 < count_parameters(meta_model(key, "tiny")) < LARGEST_TINY_PARAMETERS
    model = meta_model(key, "reference")
    assert type(model).__name__ == catalog_model(key).model_class
    n_parameters = count_parameters(model)
    if key in PUBLISHED:
        assert n_parameters == pytest.approx(DIFFUSERS[key].parameters_millions * 1e6, rel=0.01)
        assert "million parameters that are published" in config_source(key, "reference")
    assert n_parameters == EXACT_PARAMETERS.get(key, n_parameters)


@ALL
def test_answers_depend_on_the_input_and_are_the_same_for_the_same(key):
    first = answer(key)
    assert all(torch.isfinite(value).all() and value.any() for value in first.values())
    assert difference(first, answer(key)) == 0
    assert difference(first, answer(key, seed=1)) > 0.01


class _Calls(TorchFunctionMode):
    """Whether torch's attention function is called."""

    seen = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen = self.seen or func is torch.nn.functional.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


@ALL
def test_attention_is_what_is_said_and_written_out_gives_the_same(key):
    with _Calls() as calls:
        fused = answer(key)
    assert calls.seen == DIFFUSERS[key].calls_sdpa
    assert attention_implementation(key) == ("sdpa" if calls.seen else "eager")
    with _Calls() as calls:
        assert difference(fused, answer(key, attention="eager")) < 1e-4
    assert not calls.seen


@ALL
def test_inputs_are_the_same_by_seed_and_hold_as_many_items_as_asked(key):
    config = model_config(key, "tiny")
    one, again, three = (make_inputs(key, config, batch_size=n, seed=7) for n in (1, 1, 3))
    assert all(torch.equal(one[name], again[name]) for name in one)
    first = next(iter(three.values()))
    assert len(first) == 3
    assert default_sequence_length(key, config) is None


def test_batches_and_positions():
    flux = make_inputs("flux_transformer_2d", model_config("flux_transformer_2d", "tiny"), batch_size=2)
    assert input_shape_text(flux) == (
        "encoder_hidden_states=2x8x24;guidance=2;hidden_states=2x16x16;img_ids=16x3;pooled_projections=2x16;"
        "timestep=2;txt_ids=8x3"
    )
    assert flux["img_ids"][5].tolist() == [0, 1, 1]
    assert flux["guidance"].tolist() == [3.5, 3.5]
    motion = make_inputs("unet_motion", model_config("unet_motion", "tiny"), batch_size=2)
    text = motion["encoder_hidden_states"]
    assert len(text) == 2 * 4  # the text of an item stands there for every frame
    assert torch.equal(text[0], text[3])
    assert not torch.equal(text[3], text[4])


@pytest.mark.parametrize(
    ("key", "kind"),
    [("dit_transformer_2d", "denoising"), ("autoencoder_kl", "reconstruction"), ("controlnet", "surrogate")],
)
def test_a_training_step_lowers_its_own_loss(key, kind):
    model = build_model(key, "tiny")
    inputs = make_inputs(key, model.config, batch_size=2)
    assert training_loss_kind(key) == kind
    step = TrainingStep.prepare("cpu", key, model, inputs, precision="fp32", seed=0)
    assert step.options["loss"].startswith(kind)
    before = step.loss_without_dropout()
    for _ in range(5):
        step()
    assert step.loss_without_dropout() < before


def test_a_learned_variance_beside_the_noise_has_no_loss():
    model = tiny("dit_transformer_2d")
    inputs = make_inputs("dit_transformer_2d", model.config, batch_size=1)
    labels = make_labels("dit_transformer_2d", model.config, inputs)
    with torch.no_grad():
        output = model(**inputs, **labels)
    assert output["sample"].shape[1] == 2 * labels["labels"].shape[1]
    assert output["loss"] == (output["sample"][:, :4] - labels["labels"]).square().mean()


def test_the_configuration_is_every_argument_and_its_hash_follows_each():
    config = model_config("unet_2d_condition", "reference")
    assert config.arguments["cross_attention_dim"] == 768  # declared
    assert config.arguments["norm_eps"] == 1e-5  # the class's default
    assert '"class_embed_type":null' in config_json(config).replace(" ", "")
    before = config_sha256(config)
    config.arguments["norm_eps"] = 1e-6
    assert config_sha256(config) != before
    assert config_sha256(model_config("unet_2d_condition", "reference")) == before


def test_rows_count_operations_as_published():
    rows = [model_row(key, size) for key in ("unet_2d_condition", "autoencoder_tiny") for size in ("tiny", "reference")]
    require_valid(CORE_MODELS, rows)
    assert all(row["reason"] is None and row["component_of"] == [] for row in rows)
    # 401.7 G multiply-adds for a latent of 64×64, as the U-Net of Stable Diffusion 1 is usually quoted
    assert count_flops("unet_2d_condition", "reference", batch_size=1).flops == pytest.approx(2 * 401.7e9, rel=0.01)


ABSENT = """
import sys
import hwbench_pipeline.bench.cell as cell
assert "diffusers" not in sys.modules, "the catalog imports diffusers"
sys.modules["diffusers"] = None  # as if it were not installed
from hwbench_pipeline.analysis.failures import cause_of
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.catalog.facts import model_facts
from hwbench_pipeline.catalog.rows import model_row
row = model_row("unet_2d", "tiny")
print(row["reason"])
print(row["config_sha256"], model_facts("unet_2d", "tiny").n_parameters)
events = []
cell.preload_library("unet_2d")
cell.run_job({"plan": CellPlan("cpu", "unet_2d", "inference", (Point("tiny", "fp32", 1),)).to_json()}, events.append)
print(cause_of(events[-1]), events[-1]["status"], events[-1]["error_message"])
"""


def test_without_diffusers_the_reason_is_a_missing_dependency():
    done = subprocess.run([sys.executable, "-c", ABSENT], capture_output=True, text=True, check=True)
    reason = "UNet2DModel cannot be imported here: diffusers is not installed. Fix: pip install diffusers"
    assert done.stdout.splitlines() == [reason, "None None", f"dependency failed {reason}"]
