"""What stands behind the sentences of the start page."""


def opening():
    from fpcourse import ClinicalMLP

    assert ClinicalMLP.trained().layer1.in_features == 20


def loop_run(model, held_out, loss_of, average):
    """What it has learned, it has from the facts: the same facts in another order are worth less than none."""
    import torch

    learned = loss_of(model(held_out.X), held_out.y)
    assert learned < loss_of(average, held_out.y) - 0.02
    assert loss_of(model(held_out.X[torch.randperm(len(held_out.X))]), held_out.y) > loss_of(average, held_out.y)
    assert sum(p.numel() for p in model.parameters()) == 3649


def patient_numbers(networks, batch):
    """To two digits, as the sentence before the table has them."""
    spread = [f"{risk.item():.2f}" for risk in networks["learned"](batch.X).sigmoid().aminmax()]
    assert spread == ["0.04", "0.48"]


def eight_calls(forgetful, risk):
    """Nothing was learned, and every answer was far from the one in eval mode."""
    import torch

    from fpcourse import ClinicalMLP

    trained = ClinicalMLP.trained()
    assert all(map(torch.equal, forgetful.parameters(), trained.parameters()))
    assert not torch.equal(forgetful.bn1.running_mean, trained.bn1.running_mean)
    again = ClinicalMLP.trained().train()
    torch.manual_seed(0)
    assert max(risk(again) for _ in range(8)) < 0.09 < round(risk(trained), 3) == 0.126


def too_late(risk):
    """A network that is loaded again has its old answer; and half of it is near what two hundred calls leave."""
    from fpcourse import ClinicalMLP

    assert round(risk(ClinicalMLP.trained()), 3) == 0.126 and 0.5 < 0.069 / 0.126 < 0.6


def ten_lines(x, np):
    """What the paragraphs below say of shapes, of the mixture of dtypes, and of another device."""
    import pytest
    import torch
    from torch import nn

    assert torch.finfo(x.dtype).bits == 32 and torch.finfo(torch.from_numpy(np.ones(3)).dtype).bits == 64
    assert (x @ torch.ones(3, 4)).shape == (2, 4) and x.mean(dim=1, keepdim=True).shape == (2, 1)
    with pytest.raises(RuntimeError, match="must match the size"):
        x * torch.ones(2)
    with pytest.raises(RuntimeError, match="Double and Float"):
        nn.Linear(3, 1)(torch.from_numpy(np.ones((2, 3))))
    with pytest.raises(RuntimeError, match="device"):
        nn.Linear(3, 1)(x.to("meta"))
