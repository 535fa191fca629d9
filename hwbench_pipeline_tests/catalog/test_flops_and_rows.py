"""Operation counts, and the rows of core_models."""

from __future__ import annotations

import pytest
import torch

from hwbench_pipeline.catalog import flops as flops_module
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.entries import catalog_keys
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.catalog.rows import model_rows
from hwbench_pipeline.schema.tables.catalog import CORE_MODELS
from hwbench_pipeline.schema.validation import require_valid

ALL = pytest.mark.parametrize("key", model_keys())
# One caption or clip is compared with every other, a part that grows with the square of the batch.
QUADRATIC_SHARE = {"clip": 0.001, "clap": 0.001, "xclip": 0.02}


@ALL
def test_four_items_take_four_times_the_operations(key: str) -> None:
    one, four = (count_flops(key, "tiny", batch_size=size).flops for size in (1, 4))
    assert one is not None
    assert four is not None
    assert one > 0
    assert four / one == pytest.approx(4, rel=QUADRATIC_SHARE.get(key, 1e-9))


@ALL
def test_training_takes_up_to_three_times_the_forward(key: str) -> None:
    forward = count_flops(key, "tiny", batch_size=1).flops
    training = count_flops(key, "tiny", batch_size=1, training=True).flops
    assert forward is not None
    assert training is not None
    # less than 3 where inputs or frozen stems need no gradient: DETR's stem is most of the tiny one
    assert (1.4 if key == "detr" else 2.5) * forward < training <= 3 * forward


@ALL
@pytest.mark.parametrize("training", [False, True])
def test_meta_device_counts_what_a_real_call_counts(key: str, training: bool) -> None:
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=1)
    real = flops_module._on_cpu(key, "tiny", inputs, training=training)
    assert flops_module._on_meta(key, "tiny", inputs, training=training) == real


@pytest.mark.parametrize("key", ["bert", "clap", "llava"])
def test_fake_tensors_count_what_a_real_call_counts(key: str) -> None:
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=1)
    real = flops_module._on_cpu(key, "tiny", inputs, training=False)
    assert flops_module._on_fake_tensors(key, "tiny", inputs, training=False) == real


@pytest.mark.parametrize("key", ["bridgetower", "parakeet_rnnt", "hunyuan_dit_2d"])
def test_kernels_that_only_the_cpu_has_are_counted(key: str) -> None:
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=1)
    real = flops_module._on_cpu(key, "tiny", inputs, training=False)
    assert flops_module._on_meta(key, "tiny", inputs, training=False) == real


class _Attention(torch.nn.Module):
    def forward(self, values):
        return torch.nn.functional.scaled_dot_product_attention(values, values, values)


class _Recurrence(torch.nn.LSTM):
    def forward(self, values):
        return super().forward(values[0])[0]


@pytest.mark.parametrize(("model", "backward_per_forward"), [(_Attention(), 2.5), (_Recurrence(8, 8), 2)])
def test_the_backward_pass_of_the_cpu_kernels_is_counted(model, backward_per_forward) -> None:
    inputs = {"values": torch.randn(2, 4, 3, 8, requires_grad=True)}
    forward, both = (flops_module._call(model, inputs, training=training) for training in (False, True))
    assert both == forward * (1 + backward_per_forward) > 0


def test_a_loop_that_ends_by_a_value_is_not_counted_without_values() -> None:
    inputs = make_inputs("slanet", model_config("slanet", "tiny"), batch_size=1)
    with pytest.raises(flops_module.DependsOnValuesError, match="as the values of its tensors will have it"):
        flops_module._on_meta("slanet", "tiny", inputs, training=False)
    assert count_flops("slanet", "tiny", batch_size=1).method.endswith("forward on the CPU, eager attention")
    assert count_flops("slanet", "reference", batch_size=1).flops is None


def test_a_failing_way_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_named: object) -> int:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(flops_module, "_WAYS", (("first", fails), ("second", lambda *_a, **_k: 7)))
    count_flops.cache_clear()
    assert count_flops("vit", "tiny", batch_size=1) == flops_module.FlopCount(
        7, "torch FlopCounterMode, second, eager attention"
    )
    monkeypatch.setattr(flops_module, "_WAYS", (("first", fails),))
    count_flops.cache_clear()
    nothing = count_flops("vit", "tiny", batch_size=1)
    count_flops.cache_clear()
    assert nothing.flops is None
    assert nothing.method == "not counted: first: RuntimeError: no such kernel"


def test_known_operation_counts() -> None:
    # published multiply-adds: ViT-B/16 17.6 G (Dosovitskiy 2021), twice that in operations
    assert count_flops("vit", "reference", batch_size=1).flops == pytest.approx(2 * 17.56e9, rel=0.01)
    # two operations per weight and token, less the table of token embeddings, plus attention
    llama = count_flops("llama", "reference", batch_size=1, sequence_length=128).flops
    assert llama == pytest.approx(2 * 128 * (1100.05e6 - 32000 * 2048), rel=0.02)


def test_rows_are_valid_and_complete() -> None:
    everything = model_rows()
    require_valid(CORE_MODELS, everything)
    assert {(row["model"], row["model_size"]) for row in everything} == {
        (key, size) for key in catalog_keys(components=True) for size in ("tiny", "reference")
    }
    assert all(row.keys() == set(CORE_MODELS.column_names) for row in everything)
    # what has no number says why
    assert all(row["flops"] or row["flops_method"].startswith("not counted: ") for row in everything)
    assert all(row["config_sha256"] or row["reason"] for row in everything)
    rows = [row for row in everything if row["model"] in model_keys()]
    assert all(row["flops"] for row in rows)
    assert len({row["config_sha256"] for row in rows}) == 26
    llava = next(row for row in rows if (row["model"], row["model_size"]) == ("llava", "reference"))
    assert llava["n_parameters"] == 7_063_427_072
    assert llava["weight_bytes_fp32"] == pytest.approx(4 * 7_063_427_072, rel=1e-4)
    assert llava["sequence_length"] == 128
