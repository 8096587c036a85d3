"""What stands behind the sentences of the chapter on the forward pass."""


def one_unit(x, w, bias, z):
    assert z == x @ w + bias == -3


def patient_unit(total, model, batch):
    import torch

    assert torch.allclose(total, model.layer1(batch.X)[0, 0])


def plane_run(four):
    """The line's distance from (0, 0) is the bias over the length of the weights."""
    weights = four.new_tensor([1.0, 2.0])
    assert (four @ weights - 1).tolist() == [1.0, 1.0, 0.0, -1.0]
    assert 3 / weights.norm() == 3 * (1 / weights.norm())


def predict_products(X, W, Z):
    assert X.numel() * len(W) == 18 == 24 - Z.numel() and 5 * Z.numel() == 30


def layer_stepper(Z):
    import torch

    assert Z[0].tolist() == [-3, 2.5] and Z[2, 1] == 0 and torch.sigmoid(Z[2, 1]) == 0.5


def library_run(X, W, A, Z, b, layer):
    """The numbers of the layer of 64 units, and what a loss of plain tensors says of backward()."""
    import pytest
    import torch

    assert (64 * 21, 64 * 20, 64 * 20 + 20, 64 * 20 + 1) == (1344, 1280, 1300, 1281)
    with pytest.raises(RuntimeError, match="does not require grad"):
        Z.sum().backward()
    assert torch.equal(A, torch.relu(layer(X))) and torch.equal(W @ X[0] + b, Z[0])


def collapse(W1, b1, W2, b2):
    """By hand: the weight is 1 - 2 - 1, the bias 1 + 2 - 0.5 + 0.5, and 5 goes to 11 and to 32."""
    assert (W2 @ W1).item() == 1 - 2 - 1 == -2 and (W2 @ b1 + b2).item() == 1 + 2 - 0.5 + 0.5 == 3
    assert [3 * (2 * x + 1) - 1 - (6 * x + 2) for x in (5, -1.5)] == [0, 0] and (2 * 5 + 1, 3 * 11 - 1) == (11, 32)


def predict_middle(W1, b1, W2):
    """What each unit adds to the mean of the ends less the middle: only the third, which bends at -0.5."""
    import torch

    adds = torch.relu(torch.tensor([[-1.0], [1.0], [0.0]]) @ W1.T + b1) * W2
    assert (adds[:2].mean(dim=0) - adds[2]).tolist() == [0, 0, 0.25] and adds[:, 2].tolist() == [0.5, 0, 0]


def loss_run(p, by_hand, library, logit, batch):
    """The two cases by other formulas, and their slopes: p with y = 0, p - 1 with y = 1."""
    import torch
    from torch.nn import functional as F

    assert torch.allclose(by_hand, library) and f"{-torch.log(torch.sigmoid(torch.tensor(-0.16))):.3f}" == "0.776"
    assert f"{1 - 0.46:.3f}" == "0.540" and len(batch.X) == 16
    for target in (0.0, 1.0):
        z = torch.linspace(-5, 5, 11, dtype=torch.float64, requires_grad=True)
        loss = F.binary_cross_entropy_with_logits(z, torch.full_like(z, target), reduction="none")
        assert torch.allclose(loss, torch.log(1 + torch.exp(-z if target else z)))
        [slope] = torch.autograd.grad(loss.sum(), z)
        assert torch.allclose(slope, torch.sigmoid(z) - target)
        [of_mean] = torch.autograd.grad(F.binary_cross_entropy_with_logits(z, torch.full_like(z, target)), z)
        assert torch.allclose(of_mean, slope / len(z))


def breaks_run(model, batch, logits, bce):
    """The three slips repaired."""
    import torch

    assert torch.long is torch.int64 and model.layer1(torch.ones(16, 20, dtype=torch.long).float()).shape == (16, 64)
    assert torch.allclose(bce(logits, batch.y[:, 0].unsqueeze(1)), bce(logits, batch.y))
    assert (logits - batch.y[:, 0]).numel() == 256


def sigmoid_twice():
    """And logits that all lie between 0 and 1 pass for probabilities."""
    import torch
    from torch.nn import functional as F

    assert F.binary_cross_entropy(torch.full((2, 1), 0.3), torch.zeros(2, 1)) > 0
    assert f"{torch.sigmoid(torch.tensor(float('0.460'))):.3f}" == "0.613"


def softmax(three):
    """Targets as probabilities must be floats of the logits' shape; a row of integers is refused."""
    import pytest
    import torch
    from torch.nn import functional as F

    powers = three[0].exp()
    assert [f"{power:.2f}" for power in powers] == ["7.39", "2.72", "1.00"] and f"{powers.sum():.2f}" == "11.11"
    assert [f"{p:.3f}" for p in powers / powers.sum()] == ["0.665", "0.245", "0.090"]
    row = torch.tensor([[1, 0, 0]])
    assert torch.allclose(F.cross_entropy(three, row.float()), F.cross_entropy(three, torch.tensor([0])))
    with pytest.raises(RuntimeError):
        F.cross_entropy(three, row)
    assert torch.softmax(100 * three, dim=1).max() > 0.999


def questions(model, batch):
    """The numbers of all five questions."""
    import pytest
    import torch
    from torch import nn
    from torch.nn import functional as F

    linears = [model.layer1, model.layer2, model.layer3]
    assert sum(p.numel() for linear in linears for p in linear.parameters()) == 3457
    assert sum(p.numel() for p in model.layer3.parameters()) == 33
    assert sum(p.numel() for p in nn.Linear(20, 1).parameters()) == 21 == 20 + 1
    W, b = torch.eye(20), torch.zeros(20)
    for linear in linears:
        W, b = linear.weight @ W, linear.weight @ b + linear.bias
    assert W.shape == (1, 20) and linears[0].out_features == 64 and linears[1].out_features == 32
    assert torch.allclose(nn.Sequential(*linears)(batch.X), batch.X @ W.T + b, atol=1e-5)

    z = torch.tensor([0.5, -1.0]) @ torch.tensor([0.0, 1.0]) + 0.4
    assert torch.isclose(z, torch.tensor(-0.6)) and torch.relu(z) == 0

    assert f"{torch.sigmoid(torch.tensor(0.3)):.3f}" == "0.574" and torch.sigmoid(torch.tensor(0.0)) == 0.5

    bce = F.binary_cross_entropy_with_logits
    same = torch.logit(torch.tensor([0.9, 0.9], dtype=torch.double))
    losses = bce(same, torch.tensor([1.0, 0.0], dtype=torch.double), reduction="none")
    numbers = [*losses.tolist(), losses.mean().item(), losses.sum().item()]
    assert [round(number, 3) for number in numbers] == [0.105, 2.303, 1.204, 2.408]
    assert [f"{number:.2f}" for number in (1.204, 2.408, 0.1054)] == ["1.20", "2.41", "0.11"]
    assert same.sigmoid().tolist() == pytest.approx([0.9, 1 - 0.1])
    assert f"{-torch.log(torch.tensor(0.5)):.3f}" == "0.693"

    ends = torch.tensor([0.0, 1.0])
    assert [f"{loss:.3f}" for loss in bce(ends, ends, reduction="none")] == ["0.693", "0.313"]
    assert f"{torch.sigmoid(ends[1]):.3f}" == "0.731" and torch.sigmoid(ends[0]) == 0.500
    assert bce(torch.tensor(0.02), ends[0]) > bce(torch.tensor(0.01), ends[0]) > 0.693


def sure():
    """A confident no lasts longer: log(p) at -80 still works, at -200 p is 0."""
    import torch

    z = torch.tensor([-80.0, -200.0])
    assert torch.isclose(torch.sigmoid(z[0]).log(), z[0]) and torch.sigmoid(z[1]) == 0
    assert torch.sigmoid(torch.tensor(16.64)) == 1 > torch.sigmoid(torch.tensor(16.63))
    assert torch.isclose(torch.sigmoid(torch.tensor(-20.0)).double(), 1 - torch.sigmoid(torch.tensor(20.0).double()))


def three_ways():
    import torch
    from torch.nn import functional as F

    assert F.binary_cross_entropy(torch.tensor(1.0), torch.tensor(0.0)) == 100  # its logarithm stops at -100


def saturation_figure(curves):
    assert round(0.25**4, 4) == 0.0039 and curves["sigmoid"][1].max() == 0.25
    assert curves["relu"][1][60] == 0 and curves["tanh"][1][60] == 1


def surface_figure(answers, targets):
    right = {name: int(((logit > 0) == (targets == 1)).sum()) for name, logit in answers.items()}
    assert right == {"no activation": 3, "ReLU": 4}


def others_figure(others, axis):
    import torch

    assert torch.allclose(others["leaky_relu"][0], torch.where(axis > 0, axis, 0.01 * axis))
    assert torch.allclose(others["silu"][0], axis * torch.sigmoid(axis))
    assert torch.allclose(others["gelu"][0], axis * torch.special.ndtr(axis), atol=1e-6)
    assert all(value.min() < 0 for value, _ in others.values())
