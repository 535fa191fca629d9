"""A batch is cut where its items lie, and micro-batches weigh as much as they count."""

import pytest
import torch

from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.training.batches import cut_batch


def test_tensors_are_cut_where_the_items_lie_and_shared_ones_are_not():
    whole = {
        "ids": torch.arange(8).reshape(4, 2),
        "patches": torch.arange(12),
        "frames": torch.zeros(3, 4),
        "step": torch.tensor(1),
    }
    part = {"ids": torch.zeros(2, 2), "patches": torch.zeros(6), "frames": torch.zeros(3, 2), "step": torch.tensor(1)}
    whole |= {"labels": [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}], "return_loss": True}
    first, second = cut_batch(whole, part, 2, kind="detection")
    assert second.arguments["ids"].tolist() == [[4, 5], [6, 7]]
    assert second.arguments["patches"].tolist() == list(range(6, 12))
    assert second.arguments["frames"].shape == (3, 2)
    assert second.arguments["step"] is whole["step"]
    assert [one["n"] for one in first.arguments["labels"]] == [1, 2]
    assert (first.share, second.share, second.arguments["return_loss"]) == (0.5, 0.5, True)


def test_micro_batches_weigh_as_much_as_they_have_labels():
    labels = torch.tensor([[1, 2, 3], [1, -100, -100]])
    shares = [one.share for one in cut_batch({"labels": labels}, {"labels": labels[:1]}, 2, kind="masked_lm")]
    assert shares == [0.75, 0.25]
    shares = [one.share for one in cut_batch({"labels": labels}, {"labels": labels[:1]}, 2, kind="causal_lm")]
    assert shares == [1.0, 0.0]  # a first token is predicted from nothing
    summed = cut_batch({"labels": labels}, {"labels": labels[:1]}, 2, kind="ctc", is_summed=True)
    assert [one.share for one in summed] == [1.0, 1.0]


@pytest.mark.parametrize("part", [torch.zeros(2, 1), torch.zeros(3, 2), torch.zeros(2)])
def test_a_tensor_whose_items_cannot_be_found_is_said(part):
    with pytest.raises(UnsupportedError, match="no single dimension of x holds its items"):
        cut_batch({"x": torch.zeros(4, 2)}, {"x": part}, 2, kind="surrogate")
