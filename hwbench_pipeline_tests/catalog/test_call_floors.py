"""The counted calls of the catalog, counted again."""

import pytest

from hwbench_pipeline.catalog.call_floors import COUNTED_CALLS, counted_call
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.names import model_keys


def _counted(key, length):
    return count_flops(key, "reference", batch_size=1, sequence_length=length).flops


@pytest.mark.parametrize("key", ["bert", "t5", "clip"])
def test_each_token_adds_what_was_counted(key):
    assert COUNTED_CALLS[key].flops == (_counted(key, 64) - _counted(key, 2)) // 62


@pytest.mark.parametrize("key", ["vit", "wav2vec2"])
def test_a_call_without_text_is_what_was_counted(key):
    assert COUNTED_CALLS[key].flops == _counted(key, None)


def test_every_catalog_model_is_there_and_only_checkpoints_are_known():
    assert COUNTED_CALLS.keys() == set(model_keys())
    assert counted_call("BERT-base-uncased") is COUNTED_CALLS["bert"]
    for name in ("bert", "hf_bert", "prajjwal1/bert-tiny", ""):
        assert counted_call(name) is None


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-2-7b-hf", 7),
        ("Qwen/Qwen2.5-0.5B-Instruct", 0.5),
        ("mistralai/Mixtral-8x7B-v0.1", 7),
        ("Qwen/Qwen3-30B-A3B", 3),
        ("t5-11b", 11),
        ("resnet50b", None),
        ("efficientnet-b7", None),
        ("vit-b-16", None),
        ("7b/bert", None),
        ("llama-0b", None),
    ],
)
def test_a_name_that_states_parameters_bounds_the_work_of_a_token(name, billions):
    found = counted_call(name)
    assert (found and (found.flops, found.per_token)) == (None if billions is None else (2e9 * billions, True))
