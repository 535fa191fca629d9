"""The loss of architectures that have none moves whatever comes out, the same way everywhere."""

import pytest
import torch

from hwbench_pipeline.training.surrogate import SurrogateLoss


def outputs(n_items=4, *, normalised=True):
    raw = torch.randn(n_items, 3, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    return raw, {"text_embeds": torch.nn.functional.normalize(raw, dim=-1) if normalised else raw}


def test_normalised_outputs_have_a_gradient_whose_mean_square_has_none():
    raw, output = outputs()
    SurrogateLoss()(output).backward()
    moved = raw.grad.abs().max()
    raw.grad = None
    torch.nn.functional.normalize(raw, dim=-1).square().mean().backward()
    assert moved > 1e-3
    assert raw.grad.abs().max() < 1e-6


def test_it_falls_when_it_is_followed():
    raw, _ = outputs()
    loss_of = SurrogateLoss()
    optimizer = torch.optim.SGD([raw], lr=0.5)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = loss_of({"text_embeds": torch.nn.functional.normalize(raw, dim=-1)})
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_micro_batches_have_the_loss_of_the_whole():
    _, output = outputs(normalised=False)
    whole = SurrogateLoss()(output)
    parts = [SurrogateLoss()({"text_embeds": part}) for part in output["text_embeds"].chunk(2)]
    assert torch.stack(parts).mean().item() == pytest.approx(whole.item(), rel=1e-6)


def test_every_output_counts_and_scalars_too():
    loss = SurrogateLoss()({"pred_boxes": torch.zeros(2, 4), "logits": torch.tensor([1.0, 2.0])})
    assert loss.isfinite()
    assert loss > SurrogateLoss()({"pred_boxes": torch.zeros(2, 4)})
