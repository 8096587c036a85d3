"""What stands behind the sentences of the page on building and training a network."""


def ribbon(calls):
    assert calls[0].input_shapes[0] == (16, 20) and len(calls) == 8
    assert len({call.label.split(":")[0] for call in calls}) == 7


def called_or_not(small, X):
    """The numbers are the same, and the hook is gone."""
    import torch

    assert torch.equal(small(X), small.forward(X)) and not small._forward_hooks


def listed_run(Listed, Registered, known, after):
    """backward() computes gradients for the layers that no optimizer is given; and the numbers of both classes."""
    network = Listed([20, 64, 32])
    network(known.X[:8]).sum().backward()
    assert network.hidden[0].weight.grad.abs().sum() > 0
    assert sum(p.numel() for p in network.parameters()) == 33 == 32 + 1
    assert sum(p.numel() for p in Registered([20, 64, 32]).parameters()) == 3457
    assert after < 0.32 and 3457 - 33 == 3424


def listed_after():
    """A dropout in a list, or made in forward, drops after eval(), too."""
    import torch
    from torch import nn

    class Careless(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = [nn.Dropout(0.5)]

        def forward(self, X):
            return self.parts[0](X), nn.Dropout(0.5)(X)

    assert all((out == 0).any() for out in Careless().eval()(torch.ones(1000)))


def dotted(saved):
    """Buffers are in the state_dict and are no parameters."""
    from fpcourse import ClinicalMLP

    bn1 = ClinicalMLP().bn1
    assert {name for name, _ in bn1.named_buffers()} == {"running_mean", "running_var", "num_batches_tracked"}
    assert {name for name, _ in bn1.named_parameters()} == {"weight", "bias"}


def by_hand(clinical, batchnorm, dropout, z):
    """The formula in both modes for the other BatchNorm, and dropout by the same draw."""
    import torch
    from torch.nn import functional as F

    assert sum(p.numel() for p in clinical.parameters()) == 3649 == 3457 + 192 and 192 == 2 * (64 + 32)
    for train in (True, False):
        bn = clinical.bn2.train(train)
        values = torch.randn(16, 32)
        assert torch.allclose(batchnorm(values, bn, train), bn(values), atol=1e-5)
    assert torch.equal(dropout(z, 0.3, False), z)
    out = F.dropout(torch.ones(1000), 0.3)
    assert set(out.tolist()) == {0.0, out.max().item()} and torch.isclose(out.max(), torch.tensor(1 / 0.7))


def trained(optimizer, model, loader, known):
    """The optimizer holds all that is registered."""
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters())) == 4
    assert len(known.X) == 4000 and len(loader) == 63


def trained_after():
    import torch

    w = torch.ones(2, requires_grad=True)
    for _ in range(3):
        (2 * w).sum().backward()
    assert w.grad.tolist() == [6, 6]


def company():
    """The numbers of the start page, once more; and for one patient alone the formula leaves only the bias."""
    import torch

    from fpcourse import ClinicalMLP, patients

    def risk(model):
        with torch.no_grad():
            return model(patients(16).X)[0].sigmoid().item()

    model = ClinicalMLP.trained().train()
    torch.manual_seed(0)
    answers = [risk(model) for _ in range(200)]
    assert [f"{min(answers[:8]):.3f}", f"{max(answers[:8]):.3f}"] == ["0.033", "0.080"]
    assert f"{risk(model.eval()):.3f}" == "0.069" and f"{risk(ClinicalMLP.trained()):.3f}" == "0.126"
    z = torch.randn(1, 64)
    assert torch.equal((z - z.mean(0)) / torch.sqrt(z.var(0, correction=0) + 1e-5), torch.zeros(1, 64))


def ex_tower_solution():
    """The five questions."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from fpcourse import ClinicalMLP

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(20, 20)

        def forward(self, X):
            return self.layer(torch.relu(self.layer(X)))

    shared = Shared()
    assert shared(torch.zeros(3, 20)).shape == (3, 20)
    assert sum(p.numel() for p in shared.parameters()) == 420 == 20 * 20 + 20 and 2 * 420 == 840

    bn, two = nn.BatchNorm1d(1), torch.tensor([[3.0], [5.0]])
    assert torch.allclose(bn(two)[1], torch.tensor(1.0), atol=1e-4) and f"{two.std():.2f}" == "1.41"
    assert f"{1 / two.std():.2f}" == "0.71"
    assert torch.allclose(nn.BatchNorm1d(1).eval()(two)[1], torch.tensor(5.0), atol=1e-3)

    assert (F.dropout(torch.ones(1000), 0.3) == 0).any()
    assert not (F.dropout(torch.ones(1000), 0.3, training=False) == 0).any()

    model = ClinicalMLP()
    optimizer = torch.optim.Adam(model.parameters())
    model.layer3 = nn.Linear(32, 3)
    before = [p.clone() for p in model.parameters()]
    model(torch.randn(16, 20)).square().sum().backward()
    optimizer.step()
    moved = {n for (n, p), old in zip(model.named_parameters(), before, strict=True) if not torch.equal(p, old)}
    assert "layer1.weight" in moved and not {"layer3.weight", "layer3.bias"} & moved

    model.train().bn1.eval()
    assert not model.bn1.training and model.drop.training
    assert model.train().bn1.training
