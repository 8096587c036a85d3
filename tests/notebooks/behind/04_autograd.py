"""What stands behind the sentences of the page on autograd in practice."""


def graph_figure(unit, features, unit_graph):
    """The unit of the page before: z is 0, the loss 4; x is data."""
    z = (features * unit["w"]).sum() + unit["b"]
    assert z == 0 and (z - 2) ** 2 == 4 and len(unit_graph.nodes) == 7
    assert [node.leaf.name for node in unit_graph.nodes if node.leaf] == ["b", "w"]
    assert sorted(node.name for node in unit_graph.nodes if node.saved) == ["MulBackward0", "PowBackward0"]


def growing(model, held_out, batches, total):
    """What is the patients' own; the growth is the same for each batch; a loss that nobody holds frees its graph."""
    import gc
    import weakref

    import torch
    from torch.nn import functional as F

    from fpcourse import autograd_graph

    assert not model.training and len(held_out.X) == 2000 and len(batches) == 20
    assert autograd_graph(total).saved_bytes == 1_721_472 == 95_072 + 19 * (180_672 - 95_072)
    assert 0.09 < held_out.X.nbytes / 1_721_472 < 0.11 and 1_721_472 / 95_072 > 18
    with torch.no_grad():
        whole = F.binary_cross_entropy_with_logits(model(held_out.X), held_out.y)
    assert torch.allclose(total / 20, whole) and total.grad_fn is not None

    class Marked(torch.Tensor):
        pass

    assert 17.5 < 1_721_472 / 95_072 < 18.5
    marks = []
    for X, _ in batches[:3]:
        mark = Marked()
        marks.append(weakref.ref(mark))
        output = model(X)
        output.grad_fn.metadata["mark"] = mark
        del mark
    gc.collect()
    assert [mark() is not None for mark in marks] == [False, False, True]


def recorded(x, w, p, z, loss):
    """Data leave no node, and neither do a comparison, nor anything in no_grad; the output requires a gradient."""
    import torch

    assert (x * x).grad_fn is None and (z > 0).grad_fn is None
    assert p.requires_grad and z.item() == 0 and loss.item() == 4 and w.grad is not None and z.is_leaf is False
    with torch.no_grad():
        assert not (x * w).requires_grad


def graph_builder():
    """Step 9 frees what Mul keeps; the nodes stay; x is a leaf that requires a gradient in the first setting."""
    from fpcourse.explorables.autograd import graph_builder, run

    assert graph_builder("all", 8).values["bytes kept"] == 24 and graph_builder("all", 9).values["bytes kept"] == 0
    assert [name for name, *_ in graph_builder("all", 9).values["grad"]] == ["x", "w", "b"]
    assert run("all").tensors["loss"].grad_fn is not None
    assert graph_builder("x_frozen", 4).values["kept"] == ["z", "x"]
    assert graph_builder("b_only", 4).values["recorded"] == ["AddBackward0", "PowBackward0"]
    assert graph_builder("no_grad", 4).values["recorded"] == [] and "error" in graph_builder("no_grad", 5).values


def graph_run(model, sixteen, logits, logits_graph):
    """Dropout in eval mode hands its input on; a function has a node and no call."""
    import torch
    from torch import nn

    from fpcourse import autograd_graph, trace

    hidden = model.layer1(sixteen)
    assert model.drop(hidden) is hidden and not model.training
    assert sum(node.leaf is not None for node in logits_graph.nodes) == len(list(model.parameters())) == 10
    with torch.no_grad():
        assert torch.allclose(model(sixteen), logits, atol=1e-6)

    class WithFunction(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(20, 2)

        def forward(self, X):
            return torch.relu(self.layer(X))

    network = WithFunction()
    assert [call.name for call in trace(network, sixteen)] == ["layer"]
    assert autograd_graph(network(sixteen)).nodes[0].name == "ReluBackward0"


def adds_up(w, x, b):
    """Three passes add; None and 0 differ to an optimizer; zeros only where there was a gradient."""
    import torch
    from torch import nn

    assert w.grad.tolist() == [-8, 4, 0] and [3 * g for g in w.grad.tolist()] == [-24, 12, 0] and -2 * 8 == -16
    weight = nn.Parameter(torch.ones(2))
    for optimizer in (torch.optim.SGD([weight], lr=0.1, momentum=0.9), torch.optim.AdamW([weight], lr=0.1)):
        weight.grad = torch.ones(2)
        optimizer.step()
        optimizer.zero_grad()
        before = weight.detach().clone()
        optimizer.step()
        assert weight.grad is None and torch.equal(weight, before)
        optimizer.zero_grad(set_to_none=False)
        assert weight.grad is None
        weight.grad = torch.ones(2)
        optimizer.zero_grad(set_to_none=False)
        optimizer.step()
        assert not weight.grad.any() and not torch.equal(weight, before)


def off_run(double, copy, three, total, by_item, by_detach, by_no_grad):
    """One memory; a clone has its own; each of the three ways gives the mean of before; inference tensors."""
    import pytest
    import torch

    assert double.data_ptr() == copy.data_ptr() and double.item() == 7 and copy.grad_fn is None
    cloned = (three * 2).detach().clone()
    cloned += 1
    assert (three * 2).item() == 6
    assert isinstance(by_item, float) and [by_item, by_detach.item(), by_no_grad.item()] == pytest.approx(
        [total.item()] * 3, rel=1e-5
    )

    w = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        computed = torch.ones(3) * 2
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        w * computed
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        computed += 1
    assert (w * computed.clone()).requires_grad
    with torch.no_grad():
        ordinary = torch.ones(3) * 2
    assert (w * ordinary).requires_grad


def errors_after():
    """The three ways to the first error; numbers of shape (1,) are a single number; a step under no_grad."""
    import pytest
    import torch

    w = torch.ones(3, requires_grad=True)
    frozen = torch.ones(3)
    with torch.no_grad():
        silent = w.sum()
    for loss in (silent, w.sum().detach(), frozen.sum()):
        with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
            loss.backward()
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        (w > 0).float().mean().backward()
    w.sum().reshape(1).backward()
    w.grad = None
    (w * 2).backward(torch.ones(3))
    assert w.grad.tolist() == [2, 2, 2]
    w.grad = torch.ones(3)
    with torch.no_grad():
        w -= 0.1 * w.grad
    assert torch.allclose(w, torch.full((3,), 0.9)) and w.is_leaf


def saves(outputs, a):
    """By hooks, and by place in memory: the names say what is kept. Two inputs of GELU share an output."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from fpcourse import autograd_graph

    def saved_by(function):
        saved = []

        def pack(tensor):
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = function(a)
        known = {a.data_ptr(): "input", out.data_ptr(): "output"}
        return ", ".join(known.get(tensor.data_ptr(), str(tuple(tensor.shape))) for tensor in saved)

    by_output = (torch.relu, torch.sigmoid, torch.tanh, torch.exp)
    assert {saved_by(function) for function in by_output} == {"output"}
    assert {saved_by(function) for function in (F.leaky_relu, F.gelu)} == {"input"}
    assert saved_by(lambda a: a + 1) == saved_by(torch.sum) == "" and saved_by(nn.Linear(8, 3)) == "input, (8, 3)"
    names = {name: [saved.name for saved in autograd_graph(output).nodes[0].saved] for name, output in outputs.items()}
    assert {tuple(names[name]) for name in ("relu", "sigmoid", "tanh", "exp")} == {("result",)}
    assert names["gelu"] == names["leaky_relu"] == ["self"] and names["linear"] == ["mat1", "mat2"]
    line = torch.linspace(-4, 4, 801)
    assert (F.gelu(line).diff() < 0).any() and (F.gelu(line).diff() > 0).any() and (F.leaky_relu(line).diff() > 0).all()
    assert F.leaky_relu(torch.tensor(-1.0)) == torch.tensor(-0.01)
    p = torch.sigmoid(line.requires_grad_())
    [slope] = torch.autograd.grad(p.sum(), line)
    assert torch.allclose(slope, p * (1 - p), atol=1e-6)
    assert F.dropout(torch.ones(1000), 0.5).unique().tolist() == [0, 2]


def _run_and_bytes_saved(run):
    """The output, and the bytes that its graph saved, each storage once."""
    import torch

    storages = {}

    def pack(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = run()
    return output, sum(storages.values())


def network_bytes():
    """By the widths and by hooks, storages once; a patient's features are among what is kept."""
    from fpcourse import ClinicalMLP, autograd_graph, patients

    assert 20 + 2 * (64 + 32) == 212 and 4 * 212 == 848 and 4 * (212 + 128) == 1360 and 64 + 64 == 128
    for rows in (16, 100):
        for train, per_patient in ((True, 1360), (False, 848)):
            network = ClinicalMLP.trained().train(train)
            fixed = autograd_graph(network(patients(32).X)).saved_bytes - 32 * per_patient
            output, size = _run_and_bytes_saved(lambda: network(patients(rows).X))  # noqa: B023
            assert output.requires_grad and size == fixed + rows * per_patient
    numbers = sum(parameter.numel() for parameter in ClinicalMLP().parameters())
    assert numbers == 3649 and 4 * 4 * numbers == 58_384 and round(58_384, -3) == 58_000
    assert 20 * 58_384 < 1024 * 1360


def network_bytes_after():
    """Checkpointing keeps less, and gives the same gradients; a BatchNorm sees the batch twice."""
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    from fpcourse import mlp

    net, X = mlp([20, 64, 64, 1]), torch.randn(32, 20)
    gradients, kept = [], []
    for run in (lambda: net(X), lambda: checkpoint(net, X, use_reentrant=False)):
        output, size = _run_and_bytes_saved(run)
        kept.append(size)
        gradients.append(torch.autograd.grad(output.sum(), list(net.parameters())))
    assert kept[1] < kept[0] and all(map(torch.allclose, *gradients))
    norm = nn.BatchNorm1d(20)
    checkpoint(norm, X, use_reentrant=False).sum().backward()
    assert norm.num_batches_tracked == 2


def in_place_after():
    """What counts as a write and what doesn't, and who compares; ReLU in place behind other layers; the fixes."""
    import pytest
    import torch
    from torch import nn

    def raises(write):
        x = torch.ones(2, requires_grad=True)
        out = torch.sigmoid(x)
        write(out)
        try:
            out.sum().backward()
        except RuntimeError:
            return True
        return not torch.allclose(x.grad, torch.full((2,), 0.19661), atol=1e-4) and "wrong"

    assert raises(lambda out: out.detach().mul_(2)) is True
    assert raises(lambda out: out.data.mul_(2)) == "wrong" == raises(lambda out: out.detach().numpy().fill(3))
    assert raises(lambda out: out + 1) is False
    x = torch.ones(1, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        out = torch.sigmoid(x)
    out += 1
    out.sum().backward()
    assert x.grad < 0
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=0.1), net(torch.ones(1, 2)).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    weight = nn.Parameter(torch.ones(2))
    weight.grad, version = torch.ones(2), weight._version
    torch.optim.Adam([weight], fused=True).step()
    assert weight._version == version and not torch.equal(weight, torch.ones(2))
    norm = nn.BatchNorm1d(2)
    version = norm.running_mean._version
    norm(torch.randn(4, 2))
    assert norm.running_mean.any() and norm.running_mean._version == version
    hidden = nn.Linear(2, 2)(torch.ones(1, 2))
    smooth = nn.GELU()(hidden)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        (smooth + torch.relu_(hidden)).sum().backward()
    t = torch.ones(2)
    assert t._version == 0 and t.add_(1)._version == 1 and t.detach()._version == 1
    for layer, error in ((nn.Linear(4, 4), False), (nn.BatchNorm1d(4), False), (nn.Sigmoid(), True)):
        out = nn.ReLU(inplace=True)(layer(torch.randn(3, 4, requires_grad=True))).sum()
        if error:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                out.backward()
        else:
            out.backward()


def twice_after():
    """A plain number is saved, too. Two losses need one call. A carried state raises, and detached it doesn't."""
    import pytest
    import torch

    w = torch.tensor(2.0, requires_grad=True)
    doubled = w * 2
    doubled.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        doubled.backward()
    late, w.grad = torch.tensor(1.0, requires_grad=True), None
    both = w * w + late
    both.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        both.backward()
    assert late.grad == 2  # twice, before the error came
    w.grad, h = None, w * w
    (h + h * h).backward()
    assert w.grad == 4 + 4 * 8 == 36
    for detached in (False, True):
        state = torch.tensor(1.0)
        for step in range(2):
            state = torch.tanh(w * (state.detach() if detached else state))
            if step and not detached:
                with pytest.raises(RuntimeError, match="a second time"):
                    state.backward()
            else:
                state.backward()


def ex_accumulate(model):
    """With BatchNorm in train mode the parts' gradients add up to another one."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    X, y = torch.randn(8, 3), torch.rand(8, 1)
    for norm, same in ((nn.BatchNorm1d(3), False), (nn.LayerNorm(3), True)):
        network = nn.Sequential(norm, nn.Linear(3, 1))
        weights = list(network.parameters())
        whole = torch.autograd.grad(((network(X) - y) ** 2).mean(), weights)
        losses = [((network(part) - t) ** 2).mean() / 2 for part, t in zip(X.split(4), y.split(4), strict=True)]
        parts = [sum(pair) for pair in zip(*(torch.autograd.grad(loss, weights) for loss in losses), strict=True)]
        assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(whole, parts, strict=True)) == same


def questions():
    """What the five questions say of a run."""
    import pytest
    import torch
    from torch.nn import functional as F

    from fpcourse import ClinicalMLP, autograd_graph, patients

    w = torch.tensor(4.0, requires_grad=True)
    a = 3 * w.detach()
    (a * w).backward()
    assert w.grad == a == 12 and a * w == 48
    w.grad = None
    (3 * w * w).backward()
    assert w.grad == 24

    made = torch.randn(20, 64, requires_grad=True)
    weights = made * 0.1
    (torch.randn(3, 20) @ weights).mean().backward()
    assert not weights.is_leaf and made.grad is not None
    late = (torch.randn(20, 64) * 0.1).requires_grad_()
    assert late.is_leaf

    model = ClinicalMLP().eval()
    model.layer3.requires_grad_(False)
    model(patients(16).X).sum().backward()
    reached = [name for name, parameter in model.named_parameters() if parameter.grad is not None]
    assert len(reached) == 8 and not any("layer3" in name for name in reached)

    model, history, batch = ClinicalMLP(), [], patients(64)
    for _ in range(3):
        loss = F.binary_cross_entropy_with_logits(model(batch.X), batch.y)
        loss.backward()
        history.append(loss)
    seen, waiting = set(), [loss.grad_fn for loss in history]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    assert len(seen) == 10 + 3 * 12 and {autograd_graph(loss).saved_bytes for loss in history} == {0}

    def half_erased(write):
        z = torch.tensor([1.0, -1.0], requires_grad=True)
        h = write(torch.sigmoid(z))
        h.sum().backward()
        return z.grad.tolist()

    def under_no_grad(h):
        with torch.no_grad():
            h[h < 0.5] = 0
        return h

    def through_a_copy(h):
        h.detach()[h < 0.5] = 0
        return h

    for write in (under_no_grad, through_a_copy):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            half_erased(write)

    def in_a_clone(h):
        h = h.clone()
        h[h < 0.5] = 0
        return h

    kept, erased = half_erased(in_a_clone)
    assert kept > 0 and erased == 0


def mlp_after(gelu_net, relu_net):
    """The parts of both counts, by the sizes."""
    assert (32 * 64 * 4, 32 * 256 * 4, 256 * 10 * 4) == (8192, 32768, 10240)
    assert 8192 + 32768 + 10240 == 51200 and 51200 + 32768 == 83968


def ex_kept_bytes():
    assert 4 * 32 * (64 + 256) == 40960 and 4 * 256 * 10 == 10240


def ex_leaves_behind():
    """A leaf is no computed tensor; a node of one's own may have any attribute."""
    import torch

    w = torch.ones(1, requires_grad=True)
    assert w.grad_fn is None

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.variable = 1
            return x.clone()

        @staticmethod
        def backward(ctx, arrived):
            return arrived

    assert hasattr(Own.apply(w).grad_fn, "variable") and not hasattr((w + 1).grad_fn, "variable")
