"""What stands behind the sentences of the chapter on shapes."""


def two_networks(first_a, last_a, risks_a, first_b, last_b, risks_b, known, others):
    """Longer training takes the differences of network B away; the best one answer is the share of the targets."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(5 * 200):
        rows = torch.randperm(4000)[:256]
        loss = (torch.sigmoid(net(known.X[rows])) - known.y[rows, 0]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        longer = torch.sigmoid(net(others.X))
    assert longer.max() - longer.min() < (risks_b.max() - risks_b.min()) / 2 and longer.std() < risks_b.std() / 2
    y = known.y[:500, 0]
    costs = [((p - y) ** 2).mean() for p in torch.linspace(0, 1, 501)]
    assert abs(costs.index(min(costs)) / 500 - y.mean()) < 2e-3
    assert [f"{loss:.2f}" for loss in (first_a, last_a, first_b, last_b)] == ["0.26", "0.09", "0.26", "0.10"]
    assert [f"{risk:.3f}" for risk in (risks_a.min(), risks_a.max())] == ["0.001", "0.879"]
    assert [f"{risk:.2f}" for risk in (risks_a.max(), risks_b.min(), risks_b.max())] == ["0.88", "0.04", "0.17"]


def leading_axes(model):
    """With 64 on axis 1 BatchNorm1d runs, along the wrong axis if the units are the last."""
    import torch

    assert not model.training and model.bn1(torch.zeros(7, 64, 64)).shape == (7, 64, 64) and 7 * 16 == 112


def cut(images, t):
    import torch

    assert torch.equal(images.flatten(1), images.reshape(16, -1)) and 1 * 28 * 28 == 784 and images.numel() == 12544
    assert torch.equal(t.unsqueeze(1), t[:, None]) and torch.equal(t.permute(1, 0), t.T)
    assert (
        torch.ones(16, 20).squeeze(1).shape == (16, 20)
        and torch.ones(16, 1).squeeze().shape == (16,)
        and torch.ones(7, 16, 20).permute(0, 2, 1).shape == (7, 20, 16)
    )


def error_text(model):
    """Leading axes are merged; and the fixes of the other two."""
    import numpy as np
    import torch

    try:
        model.layer1(torch.zeros(3, 5, 19))
    except RuntimeError as error:
        assert "(15x19 and 20x64)" in str(error)
    assert model(torch.from_numpy(np.zeros((16, 20))).float()).shape == (16, 1)
    assert model.to("meta")(torch.zeros(16, 20).to("meta")).shape == (16, 1)


def learned(known):
    """The mean is the best single answer; what an assertion and torch's own losses say to network B's shapes."""
    import warnings

    import torch
    from torch import nn

    y = torch.tensor([1.0] * 12 + [0.0] * 88)
    costs = [((p - y) ** 2).mean() for p in torch.linspace(0, 1, 101)]
    assert costs.index(min(costs)) == 12 and len(y) == 100
    share = known.y.mean()
    assert f"{share * (1 - share):.2f}" == "0.10"  # the mean square of the same answer for everybody
    risk, y = torch.rand(256, 1), torch.rand(256)
    assert (risk - y).shape == (256, 256) and risk.shape != y.shape and risk.shape == y.unsqueeze(1).shape
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nn.MSELoss()(risk, y)
        nn.PoissonNLLLoss()(risk, y)
    assert ["target size" in str(warning.message) for warning in caught] == [True]  # of the first alone
    try:
        nn.BCEWithLogitsLoss()(risk, y)
    except ValueError:
        return
    raise AssertionError("BCEWithLogitsLoss takes what broadcasts")


def silent_axis(three):
    """Columns add up to 1 with dim=0, rows with dim=1, which is also the last."""
    import torch

    assert torch.allclose(torch.softmax(three, dim=0).sum(dim=0), torch.ones(3))
    assert torch.equal(torch.softmax(three, dim=1), torch.softmax(three, dim=-1))


def costs_after(model, X):
    """Nothing inside outlives the pass."""
    import weakref

    import torch

    inside = []
    handles = [
        module.register_forward_hook(lambda module, inputs, output: inside.append(weakref.ref(output)))
        for module in model.children()
    ]
    try:
        with torch.no_grad():
            logits = model(X)
    finally:
        for handle in handles:
            handle.remove()
    assert [output() is not None for output in inside] == [False] * 7 + [True] and inside[-1]() is logits


def counts(model, X, outputs, eight_outputs, bytes_in_memory):
    """By the sizes, in eval mode and in train mode; the calls are those of the model; each number of the questions."""
    import torch

    from fpcourse import ClinicalMLP

    assert torch.equal(outputs[-1], model(X))
    per_patient = bytes_in_memory(outputs) // 16
    assert per_patient == 1156 == 4 * 289 and sum(t.nbytes for t in outputs) == 16 * 1412 and 1412 == 4 * 353
    assert 353 == 4 * 64 + 3 * 32 + 1 and sum(p.numel() for p in model.parameters()) == 3649
    assert 12 * 1156 == 13872 < 14596 < 13 * 1156 and 12.6 < 14596 / 1156 < 12.7
    assert 3 * 1156 < 3649 < 4 * 1156 and 50 * 289 < 14596 < 51 * 289
    in_train = eight_outputs(ClinicalMLP.trained().train(), X)
    assert bytes_in_memory(in_train) == 16 * 1412 and 10 * 1412 < 14596 < 11 * 1412
    assert len({t.untyped_storage().data_ptr() for t in outputs}) == 7
    linear = sum(p.numel() for layer in (model.layer1, model.layer2, model.layer3) for p in layer.parameters())
    assert linear == 3457 == 3649 - 192 and 192 == 2 * (64 + 32)


def bytes_figure(totals):
    assert totals[-1] == 1183744 and 80 < totals[-1] / 14596 < 82


def shape_bench(X):
    from fpcourse import ClinicalMLP, trace

    calls = trace(ClinicalMLP().eval(), X)
    wide = trace(ClinicalMLP(hidden=(256, 32)).eval(), X)
    gain = {call.name: call.parameters - old.parameters for call, old in zip(wide, calls, strict=True)}
    assert gain["layer2"] == 6144 == 8224 - 2080 and gain["layer1"] == 4032 == 5376 - 1344
    assert max(gain, key=gain.get) == "layer2" and sum(call.parameters for call in calls) == 3649


def ex_twelve_shapes_solution(eight_outputs, bytes_in_memory, model, X):
    """The five questions."""
    import torch
    from torch import nn

    from fpcourse import ClinicalMLP

    def parameters(module):
        return sum(p.numel() for p in module.parameters())

    def error_of(run):
        try:
            run()
        except (RuntimeError, ValueError) as error:
            return str(error)

    doubled = ClinicalMLP(hidden=(128, 64)).layer2
    assert parameters(model.layer2) == 2080 and parameters(doubled) == 8256 == 128 * 64 + 64
    assert doubled.weight.numel() == 8192 and 2 * 2080 == 4160 and 4 * 2080 == 8320

    of_fc2 = error_of(lambda: nn.Linear(512, 10)(torch.zeros(32, 784)))
    assert of_fc2 == "mat1 and mat2 shapes cannot be multiplied (32x784 and 512x10)"

    def stored(net, batch=128, features=20):
        return bytes_in_memory(eight_outputs(net.eval(), torch.zeros(batch, features)))

    full = stored(ClinicalMLP())
    assert full == 289 * 4 * 128 == 2 * stored(ClinicalMLP(), batch=64) == stored(ClinicalMLP(10), features=10)
    assert stored(ClinicalMLP(hidden=(32, 32))) == 193 * 4 * 128 and 0.66 < 193 / 289 < 0.67
    assert stored(ClinicalMLP(hidden=(64, 16))) == 241 * 4 * 128

    V = X.view(20, 16)
    assert V.shape == X.T.shape and torch.isclose(V.sum(), X.sum()) and V.numel() == 320
    assert not torch.equal(V[:, 0], X[0]) and torch.equal(X.T[:, 0], X[0])
    assert torch.equal(V[:, 0], X.flatten()[::16])

    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
    assert net(X[0]).shape == (1,) and net(X[:1]).shape == (1, 1)
    assert "expected 2D or 3D input" in error_of(lambda: model(X[0]))


def meta():
    import torch

    x = torch.empty(3, device="meta")
    try:
        x[x > 0]
    except NotImplementedError:
        return
    raise AssertionError("a shape that depends on numbers is known on meta")


def strides(grid):
    copy = grid.clone()
    copy.T[0, 1] = 9
    assert copy[1, 0] == 9


def conv(conv):
    """A layer for 16 channels takes sixteen grey images for one image; with the axis added it refuses them."""
    import torch
    from torch import nn

    sixteen = nn.Conv2d(16, 8, 3)
    assert sixteen(torch.zeros(16, 28, 28)).shape == (8, 26, 26)
    assert conv(torch.zeros(16, 28, 28).unsqueeze(1)).shape == (16, 8, 26, 26)
