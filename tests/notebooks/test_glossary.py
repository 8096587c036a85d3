"""Entries of the glossary that are easily said wrong, each against plain torch."""

import pytest
import torch
from torch import nn


def test_correlation_is_1_on_a_rising_line_and_less_for_what_merely_rises():
    x = torch.arange(1.0, 6)
    line, curve = 3 * x - 2, torch.tensor([1.0, 2, 3, 4, 500])
    assert torch.corrcoef(torch.stack([x, line]))[0, 1] == pytest.approx(1)
    assert torch.corrcoef(torch.stack([x, -line]))[0, 1] == pytest.approx(-1)
    assert 0.7 < torch.corrcoef(torch.stack([x, curve]))[0, 1] < 0.72


def test_the_variance_by_n_minus_1_is_right_on_average_and_its_root_is_not():
    samples = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(0))
    assert samples.var(1).mean() == pytest.approx(1, abs=0.01)
    assert samples.std(1).mean() == pytest.approx(0.92, abs=0.005)
    assert samples.var(1, correction=0).mean() == pytest.approx(3 / 4, abs=0.01)


def test_layernorm_normalises_each_position_by_itself():
    sequences = torch.randn(2, 5, 8) + torch.arange(5.0)[:, None]  # (batch, positions, features)
    assert nn.LayerNorm(8)(sequences).mean(2).abs().max() < 1e-5


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_a_frozen_parameter_moves_while_its_grad_is_left(optimizer):
    layer = nn.Linear(2, 1)
    optimizer = optimizer(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 2)).sum().backward()
    layer.requires_grad_(False)
    before = layer.weight.clone()
    optimizer.step()
    assert not torch.equal(layer.weight, before)
    optimizer.zero_grad()  # sets .grad to None
    before = layer.weight.clone()
    optimizer.step()
    assert torch.equal(layer.weight, before)


def test_sizes_of_1_are_repeated_and_other_mismatches_raise():
    assert (torch.ones(2, 3) * torch.ones(2, 1)).shape == (2, 3)
    assert (torch.ones(2, 3) * torch.ones(3)).shape == (2, 3)
    with pytest.raises(RuntimeError, match="must match the size"):
        torch.ones(2, 3) * torch.ones(2)


def test_a_gradient_has_the_shape_of_its_tensor_and_reaches_leaves_that_took_part():
    used, spare = nn.Linear(3, 2), nn.Linear(3, 2)
    x = torch.ones(4, 3)
    z = used(x)
    z.retain_grad()
    z.square().mean().backward()
    assert z.grad.shape == z.shape and used.weight.grad.shape == used.weight.shape
    assert spare.weight.grad is None and x.grad is None
