"""What stands behind the sentences of the page on where gradients come from."""


def gradients_figure(model, matrices):
    """All parameters have a gradient; the weights of the three layers are 3,360 of 3,649."""
    assert sum(p.numel() for p in model.parameters()) == 3649 and all(p.grad is not None for p in model.parameters())
    assert sum(grad.numel() for grad in matrices.values()) == 3360
    wide = [grad.std().item() for grad in matrices.values()]
    assert max(wide[:2]) < 0.005 < wide[2] and max(grad.abs().max() for grad in matrices.values()) < 0.1


def nudges(loss_at, w, x):
    """A two-sided difference on a parabola, one-sided, another loss, and what rounding does, in both precisions."""
    import pytest
    import torch

    def differences(h, function=loss_at, dtype=torch.float32):
        nudge = torch.tensor([h, 0, 0], dtype=dtype)
        higher, lower, here = (function(w.to(dtype) + each, x.to(dtype)) for each in (nudge, -nudge, 0))
        return ((higher - lower) / (2 * h)).item(), ((higher - here) / h).item()

    assert (w * x).tolist() == [1, -1, 0] and (w * x).sum() == 0 and 0.5 + 1 == 1.5
    assert [loss_at(w + torch.tensor([h, 0, 0]), x).item() for h in (0, 1, -1)] == [4, 0, 16]
    assert differences(float(1000))[0] == -8 and differences(1.0) == (-8, -8 + 4 * 1)
    for h in (1.0, 0.1, 1e-2, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        two, one = differences(h, dtype=torch.float64)
        assert two == pytest.approx(-8, rel=1e-6) and one == pytest.approx(-8 + 4 * h, rel=1e-6)
    assert abs(differences(1.0, lambda w, x: torch.exp((w * x).sum()))[0] - 2) > 1  # its slope is 2
    assert w[0] + 1e-8 == w[0] == 0.5 and f"{differences(1e-7)[0]:.2f}" == "-9.54"
    assert round(-torch.tensor(torch.finfo(torch.float32).eps).log10().item()) == 7
    assert 2 * 3649 == 7298


def reverse():
    """2, -1 and 0, each times -4."""
    assert [slope * -4 for slope in (2, -1, 0)] == [-8, 4, 0]


def chain(w, x):
    """By hand: -4 times each feature, and -4 for the bias."""
    import torch

    asked = w.clone().requires_grad_()
    bias = torch.zeros((), requires_grad=True)
    (((asked * x).sum() + bias - 2) ** 2).backward()
    assert asked.grad.tolist() == [-4 * 2, -4 * -1, -4 * 0] == [-8, 4, 0] and bias.grad == -4


def chain_run(weight, p, unit, x):
    import torch

    assert weight.grad == 10 * 2 == 20 and (3 * 2 - 1) ** 2 == 25 and 2 * (6 - 1) == 10 and 10 + 2 == 12
    assert p == 0.5 and -1 / p == -2 and p * (1 - p) == 0.25 and -2 * 0.25 == -0.5 == p - 1
    assert torch.equal(unit.grad, (p.detach() - 1) * x)
    assert round(0.25**4, 4) == 0.0039 and 0.25**10 < 1e-6
    z = torch.linspace(-8, 8, 1601, dtype=torch.float64, requires_grad=True)
    [slopes] = torch.autograd.grad(torch.sigmoid(z).sum(), z)
    assert slopes.max() == 0.25


def graph_played(model):
    """The figure's claims, by another formula: with the gate open L = (w(3w + b) - 1)**2."""
    import torch

    assert model.layer2.out_features == 32  # units that read each of layer1

    for b, by_w, by_b in ((-5.0, 14, 4), (-7.0, 0, 0)):
        w, bias = torch.tensor(2.0, requires_grad=True), torch.tensor(b, requires_grad=True)
        a = torch.relu(w * 3 + bias)
        ((w * a - 1) ** 2).backward()
        assert (w.grad.item(), bias.grad.item()) == (by_w, by_b) and by_w in (2 + 12, 0)
    w, step = 2.0, 1e-6
    rise = ((w + step) * (3 * w - 5) - 1) ** 2 - 1, (w * (3 * (w + step) - 5) - 1) ** 2 - 1  # one use at a time
    assert [round(each / step, 3) for each in rise] == [2, 12]


def engine(Value):
    """Numbers and gradients of sums, against torch; and a value that has its turn too early is short."""
    import torch

    x, y = (torch.tensor(number, requires_grad=True) for number in (2.0, 3.0))
    (x + y + x + (x + y)).backward()
    ours = Value(2.0), Value(3.0)
    a, b = ours
    (a + b + a + (a + b)).backward()
    assert [value.grad for value in ours] == [x.grad.item(), y.grad.item()] == [3, 2]
    x = Value(1.0)
    h = x + x
    end = h + (h + h)
    end.grad = 1.0
    for value in (end, h, end.made_from[1][0]):  # h too early
        for source, slope in value.made_from:
            source.grad += slope * value.grad
    assert x.grad == 2  # and not 6, as h passed on 1 of its 3
    x = Value(1.0)
    h = x + x
    (h + (h + h)).backward()
    assert (x.grad, h.grad) == (6, 3)


def overwritten(Value, backward_overwriting):
    """Each kind of reuse against torch in float64, and the order in which the overwritten parts came: 1, then 6."""
    import pytest
    import torch

    def formula(x, w, b):
        a = (x[0] * w[0] + b[0]).tanh()
        return a * a + a * w[1] + x[1] * (w[2] + a)

    start = {"x": [2.0, 3.0], "w": [0.5, -1.0, 0.3], "b": [0.1]}
    ours = {name: [Value(number) for number in numbers] for name, numbers in start.items()}
    theirs = {n: torch.tensor(numbers, dtype=torch.float64, requires_grad=True) for n, numbers in start.items()}
    formula(**ours).backward()
    formula(**theirs).backward()
    for name in start:
        assert [value.grad for value in ours[name]] == pytest.approx(theirs[name].grad.tolist(), abs=1e-12)
    w, x, b = 2.0, 3.0, -5.0
    assert (w * x + b, x * w) == (1, 6) and 1 + 6 == 7


def training(Value, facts):
    """The same network in torch from the same start: its gradients are the engine's at the first step and at the last.

    And of ten starts some get stuck, with two answers near 0.
    """
    import random

    import pytest
    import torch

    def start(seed):
        random.seed(seed)
        return [random.uniform(-1, 1) for _ in range(9)]

    def cost_of(nine):
        def answer(first, second):
            h1, h2 = ((nine[k] * first + nine[k + 1] * second + nine[k + 2]).tanh() for k in (0, 3))
            return nine[6] * h1 + nine[7] * h2 + nine[8]

        if isinstance(nine, torch.Tensor):
            return sum((answer(a, b) - y) ** 2 for a, b, y in facts)
        errors = [answer(Value(a), Value(b)) + Value(-y) for a, b, y in facts]
        return sum((error * error for error in errors), start=Value(0.0))

    def trained(seed, steps):
        nine = torch.tensor(start(seed), dtype=torch.float64, requires_grad=True)
        for step in range(steps):
            [gradient] = torch.autograd.grad(cost_of(nine), nine)
            if seed == 0 and step % 60 == 0:
                ours = [Value(number) for number in nine.tolist()]
                cost_of(ours).backward()
                assert [value.grad for value in ours] == pytest.approx(gradient.tolist(), abs=1e-9)
            nine = (nine - 0.1 * gradient).detach().requires_grad_()
        return cost_of(nine).item()

    assert trained(0, 121) < 0.01
    stuck = [seed for seed in (2, 4) if trained(seed, 1000) > 1.9]  # two answers at 0 cost 1 each
    assert stuck == [2, 4]


def training_after():
    """A deep graph meets no limit in torch."""
    import torch

    x = torch.ones((), requires_grad=True)
    y = x
    for _ in range(3000):
        y = y + 0
    y.backward()
    assert x.grad == 1


def layer_backward(X, W, dZ, Z, ours):
    """Number by number, as the three sentences say; and the values with torch's own layer."""
    import torch

    for j in range(2):
        assert ours["b"][j] == sum(dZ[i, j] for i in range(3))
        for k in range(3):
            assert torch.isclose(ours["W"][j, k], sum(dZ[i, j] * X[i, k] for i in range(3)))
    for i in range(3):
        for k in range(3):
            assert torch.isclose(ours["X"][i, k], sum(dZ[i, j] * W[j, k] for j in range(2)))
    assert Z.shape == dZ.shape and dZ[:, 0].tolist() == [1, 0, -1] and ours["W"][0].tolist() == [0, 1, -3]
    assert dZ.sum(1).tolist() == [1, 2, 0] and dZ.mean(0).tolist() == [0, 1]
    assert 0.5 * 2 - 0.3 * 0 == 1


def last_bias(batch16):
    """Each logit's gradient is (p - y) / 16. Dropout scales what survived; BatchNorm's reach every patient."""
    import torch
    from torch.nn import functional as F

    logits, y = torch.randn(16, 1, requires_grad=True), batch16.y
    [found] = torch.autograd.grad(F.binary_cross_entropy_with_logits(logits, y), logits)
    assert torch.allclose(found, (logits.sigmoid() - y) / 16) and len(batch16.X) == 16

    a = torch.ones(100, requires_grad=True)
    dropped = F.dropout(a, 0.3)
    dropped.sum().backward()
    assert torch.equal(a.grad, dropped) and set(a.grad.tolist()) == {0.0, dropped.max().item()}
    z = torch.randn(16, 4, requires_grad=True)
    normed = F.batch_norm(z, None, None, training=True)
    [alone] = torch.autograd.grad(normed[0].sum(), z)  # patient 0's results depend on everybody's numbers
    assert (alone[1:] != 0).all()


def passes(forward, back, numbers):
    """What a layer costs, product by product."""
    sizes = [(20, 64), (64, 32), (32, 1)]
    assert forward == sum(n * m for n, m in sizes) == 3360
    assert back == sum(2 * n * m for n, m in sizes) - 20 * 64 == 5440 and back < 2 * forward
    assert numbers == 3649 and 2 * numbers == 7298 and 7298 * 3360 == 24_521_280


def questions():
    """The numbers of questions 1 to 4, and the count of question 5."""
    import pytest
    import torch

    feature, dz = torch.tensor([0.0, 0, 2, 0]), torch.tensor([0.5, -0.3, 0.4, 0.1])
    assert feature @ dz == pytest.approx(0.8) and dz.sum() == pytest.approx(0.7)
    assert [round(number, 3) for number in (0.4 / 2, 2 * 0.7, 2 * 0.003, 2 + 2 * 0.003)] == [0.2, 1.4, 0.006, 2.006]

    from fpcourse import ClinicalMLP, patients

    model, eight = ClinicalMLP().eval(), patients(8)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    weights = list(model.parameters())
    once = torch.autograd.grad(bce(model(eight.X), eight.y), weights)
    twice = torch.autograd.grad(bce(model(eight.X.repeat(2, 1)), eight.y.repeat(2, 1)), weights)
    total = bce(model(eight.X.repeat(2, 1)), eight.y.repeat(2, 1), reduction="sum")
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(once, twice, strict=True))
    assert all(
        torch.allclose(16 * g, s, atol=1e-4) for g, s in zip(once, torch.autograd.grad(total, weights), strict=True)
    )

    X, W, dZ = torch.randn(7, 20), torch.randn(20, 20, requires_grad=True), torch.randn(7, 20)
    [right] = torch.autograd.grad(X @ W.T, W, dZ)
    assert torch.allclose(X.T @ dZ, right.T, atol=1e-5) and (X.T @ torch.randn(7, 10)).shape == (20, 10)

    dose = torch.tensor(0.7)
    levels = lambda dose: torch.exp(-dose * torch.arange(1000) / 100)  # noqa: E731
    _, rates = torch.func.jvp(levels, (dose,), (torch.tensor(1.0),))
    assert rates.shape == (1000,)


def modes_run(rate, J, ours, dZ):
    """The slope of x**3 is that of x**2 at 2/3; and how many slopes the first layer's table would have."""
    import torch

    assert rate == -8 and abs(2 * (2 / 3) - 3 * (2 / 3) ** 2) < 1e-12
    assert J.numel() == 6 * 6 == 36 and (16 * 64) * (64 * 20) == 1_310_720
    assert torch.equal(torch.tensordot(dZ, J, dims=2), ours["W"])
    # Z[i, j] moves with W[l, k] for l = j only: 1 in 64 slopes can be other than 0.
    assert all(not J[:, j, 1 - j].any() for j in range(2))
