"""What stands behind the sentences of the chapter on tracing."""


def line(model, X, calls):
    """The numbers that a pass works out, by the widths of the eight calls; and which of them the call hands over."""
    assert len(calls) == 8 and model(X).numel() == 16 and not model.training
    shapes = [call.output_shapes[0] for call in calls]
    assert 5648 == 16 * (4 * 64 + 3 * 32 + 1) == sum(rows * units for rows, units in shapes)


def one_after(model, X, look):
    """Keyword arguments; and a hook outlives its handle, of which each removes its own."""
    import torch
    from torch import nn

    attention, seen = nn.MultiheadAttention(4, 1).eval(), []
    x = torch.randn(3, 1, 4)
    attention.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs)))
    attention.register_forward_hook(lambda *call: seen.append((len(call), call[2])), with_kwargs=True)
    attention(x, x, x, need_weights=False)
    assert seen == [3, (4, {"need_weights": False})]

    relu = nn.ReLU()
    handle = relu.register_forward_hook(look)
    handle = relu.register_forward_hook(look)
    assert len(relu._forward_hooks) == 2
    handle.remove()
    handle.remove()
    assert len(relu._forward_hooks) == 1


def copy(model, X):
    import torch

    z = torch.tensor([1.5, -3.0, 0.5])
    kept = {"z": z, "detached": z.detach(), "copy": z.detach().clone()}
    torch.relu_(z)
    assert kept["z"].tolist() == kept["detached"].tolist() == [1.5, 0, 0.5] and kept["copy"].tolist() == [1.5, -3, 0.5]


def copy_after(kept, in_place, model, X):
    """All three were the same when the hook ran: 51 percent of them below 0. The detached one shares memory."""
    bn1 = model.bn1(model.layer1(X))
    assert f"{(bn1 < 0).float().mean():.0%}" == "51%" and bn1.equal(kept["output.detach().clone()"])
    assert kept["output"].data_ptr() == kept["output.detach()"].data_ptr()
    assert kept["output"].grad_fn is not None and kept["output.detach()"].grad_fn is None
    assert model(X).equal(in_place(X))


def late_after(model):
    assert list(dict(model.named_modules()))[-1] == "drop" and not any(m._forward_hooks for m in model.modules())
    tellers = [lambda: name for name in ("bn1", "drop")]  # noqa: B023
    assert [teller() for teller in tellers] == ["drop", "drop"]


def minimal_after(minimal_trace, model, X, calls, rows):
    """The lines are counted, and the rows are those of the library; an LSTM puts out a tuple."""
    import inspect

    from torch import nn

    lines = [line for line in inspect.getsource(minimal_trace).splitlines() if line.strip()]
    assert len(lines) == 15
    assert [(name, tuple(output.shape)) for name, output in rows] == [
        (call.name, call.output_shapes[0]) for call in calls
    ]
    assert not any(output.requires_grad for _, output in rows)
    assert isinstance(nn.LSTM(20, 2)(X), tuple)


def one_hook(model, X):
    """What is given by keyword goes past the tuple of inputs."""
    seen = []
    with model.layer1.register_forward_hook(lambda module, inputs, output: seen.append(inputs)):
        model.layer1(input=X)
    with model.layer1.register_forward_hook(lambda module, inputs, given, output: seen.append(given), with_kwargs=True):
        model.layer1(input=X)
    assert seen == [(), {"input": X}]


def functional(minimal_trace, Short, X):
    """No two names for one module; and print(model) has both."""
    from torch import nn

    short = Short()
    assert [name for name, _ in short.named_modules()] == ["", "layer1", "first", "layer2"]
    assert "(second)" in repr(short) and short.first is short.second

    class AsModule(Short):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.3)

        def forward(self, X):
            return self.layer2(self.drop(self.second(self.layer1(X)) + X))

    assert [name for name, _ in minimal_trace(AsModule(), X)] == ["layer1", "first", "drop", "layer2"]


def breaks_after(unlucky, X):
    """What is left runs in every pass, also of a copy; a model made again has the old numbers and no hooks."""
    import copy
    import inspect

    from fpcourse import ClinicalMLP

    assert sum(len(module._forward_hooks) for module in copy.deepcopy(unlucky).modules()) == 21
    left = next(iter(unlucky.layer1._forward_hooks.values()))
    its_list = inspect.getclosurevars(left).nonlocals["kept"]
    assert its_list == []
    logits = unlucky(X)
    assert len(its_list) == 8
    again = ClinicalMLP().eval()
    again.load_state_dict(unlucky.state_dict())
    assert again(X).equal(logits) and not any(module._forward_hooks for module in again.modules())


def tidy_after(hooks_on, X):
    """With except, the hook stays when nothing goes wrong; a name that is not there raises."""
    import pytest

    from fpcourse import ClinicalMLP

    model = ClinicalMLP.trained()
    handle = model.drop.register_forward_hook(lambda *call: None)
    try:
        model(X)
    except RuntimeError:
        handle.remove()
    assert hooks_on(model) == 1
    with pytest.raises(AttributeError):
        model.get_submodule("layer4")


def changes_output(model, X):
    logit = model(X)[0, 0]
    assert f"{logit:.3f}" == "-1.940" and f"{logit.sigmoid():.3f}" == "0.126"
    assert f"{-logit:.3f}" == "1.940" and f"{(-logit).sigmoid():.3f}" == "0.874"


def replace_after(model, X, run_with_hook):
    assert not run_with_hook(model, model.layer3, lambda module, inputs, output: 0 * output, X).any()
    assert not any(module._forward_hooks for module in model.modules())


def changes_after(suspect, before, changed, X, minimal_trace, risk_of_patient_0):
    """Weights as before; without hooks, and under inference_mode, the same; two hundred calls; dropout's draws."""
    import torch

    from fpcourse import ClinicalMLP, mlp

    assert len(changed) == 6 and set(changed) == {name for name, _ in suspect.named_buffers()}
    assert all(torch.equal(value, before[name]) for name, value in suspect.named_parameters())
    for calls, risk in ((1, "0.117"), (200, "0.069")):
        model = ClinicalMLP.trained().train()
        torch.manual_seed(0)
        with torch.inference_mode():
            for _ in range(calls):
                model(X)
        assert f"{risk_of_patient_0(model.eval(), X):.3f}" == risk
    assert f"{risk_of_patient_0(ClinicalMLP.trained(), X):.3f}" == "0.126"

    def marks(model):
        state, values = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
        minimal_trace(model, X)
        drew = not torch.equal(state, torch.get_rng_state())
        return drew, [name for name, value in model.state_dict().items() if not torch.equal(value, values[name])]

    assert marks(ClinicalMLP.trained().train()) == (True, changed)
    assert marks(ClinicalMLP.trained()) == marks(mlp([20, 8, 1]).train()) == (False, [])


def theatre(X):
    """What trace gives, and what it leaves: also after an error."""
    import pytest
    import torch

    from fpcourse import ClinicalMLP, trace

    model = ClinicalMLP.trained().train()
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    calls = trace(model, X)
    assert [call.label for call in calls][6] == "relu:2" and sum(call.parameters for call in calls) == 3649
    with pytest.raises(RuntimeError):
        trace(model, X[:, :19])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state()) and not any(module._forward_hooks for module in model.modules())


def theatre_after(Short, model, X):
    """A pre-hook replaces what goes in; torch.fx sees modules, functions and operators, and no values."""
    import pytest
    import torch
    from torch import fx, nn

    handle = model.register_forward_pre_hook(lambda module, inputs: (0 * inputs[0],))
    zeros = model(X)
    handle.remove()
    assert zeros.equal(model(0 * X)) and not zeros.equal(model(X))

    nodes = fx.symbolic_trace(Short()).graph.nodes
    kinds = [(node.op, getattr(node.target, "__name__", node.target)) for node in nodes]
    assert ("call_function", "relu") in kinds and ("call_function", "add") in kinds
    assert ("call_module", "layer1") in kinds and ("call_function", "dropout") in kinds

    class Decides(nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x
            return -x

    with pytest.raises(fx.proxy.TraceError):
        fx.symbolic_trace(Decides())
    assert torch.equal(Decides()(torch.ones(2)), torch.ones(2))


def rebuilt_after(fields, risks, pulls, model):
    """Each field is what the modules put out one after the other, without hooks."""
    import torch

    from fpcourse import ClinicalMLP

    model, x = ClinicalMLP.trained(), fields["facts"]
    for name, label in zip(
        ("layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3"), list(fields)[1:], strict=True
    ):
        x = model.get_submodule(name)(x)
        assert torch.equal(x, fields[label])
    assert (fields["relu"] >= 0).all() and (fields["relu:2"] >= 0).all() and fields["drop"].equal(fields["relu"])
    assert [f"{risk:.3f}" for risk in (risks[0, 0], risks.min(), risks.max())] == ["0.126", "0.040", "0.484"]
    assert f"{fields['layer1'][0, 0]:.3f}" == "0.122"
    assert [output.shape[1] for output in fields.values()] == [20, 64, 64, 64, 64, 32, 32, 32, 1] and len(x) == 16
    bias = model.layer3.bias.item()
    assert f"{pulls.sum():.3f}" == "-1.701" and f"{pulls.sum() + bias:.3f}" == "-1.940" and (pulls == 0).sum() == 13
    assert pulls.abs().argmax() == pulls.argmin() == 27 and f"{-pulls[27]:.3f}" == "0.403"
    assert (pulls < 0).sum() > 4 * (pulls > 0).sum()


def questions(minimal_trace, X):
    """What all five questions say of a run."""
    import pytest
    import torch
    from torch import nn
    from torch.nn import functional as F

    from fpcourse import ClinicalMLP

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
            self.out = nn.Linear(8, 1)
            self.first = nn.Linear(20, 8)
            self.spare = nn.Linear(20, 8)

        def forward(self, x):
            x = self.act(self.first(x))
            return self.act(self.out(x))

    assert [name for name, _ in minimal_trace(Model(), X)] == ["first", "act", "out", "act"]
    assert [name for name, _ in Model().named_modules()][1:] == ["act", "out", "first", "spare"]

    model, seen = ClinicalMLP.trained(), []
    for _ in range(3):
        handle = model.layer1.register_forward_hook(lambda module, inputs, output: seen.append("seen"))
    handle.remove()
    model(X)
    assert len(seen) == 2

    class WithFunctions(ClinicalMLP):
        def forward(self, x):
            a1 = torch.relu(self.bn1(self.layer1(x)))
            return self.layer3(F.relu(self.bn2(self.layer2(self.drop(a1)))))

    changed = WithFunctions().eval()
    changed.load_state_dict(ClinicalMLP.trained().state_dict())
    assert len(minimal_trace(changed, X)) == 6 and changed(X).equal(ClinicalMLP.trained()(X))

    model, first = ClinicalMLP.trained(), {}
    model.relu.register_forward_hook(lambda module, inputs, output: first.setdefault("relu", output))
    with pytest.raises(RuntimeError, match="16x64 and 32x1"):
        model(X)
    assert first["relu"].shape == (16, 64)

    model = ClinicalMLP.trained()
    torch.manual_seed(1)
    assert model(X).equal(model(X))
    minimal_trace(model.train(), X)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.eval()(X).equal(ClinicalMLP.trained()(X))


def nested(by_hand, layer):
    assert len(by_hand) == 7 and "self_attn" not in by_hand
    assert "self_attn.out_proj" not in by_hand and len(list(layer.modules())) == 10


def fast_path(seen):
    assert len(seen) == 9


def kept_pre_activation(X, model):
    """Of what bn1 puts out; and the network's answer is the same, in place or not."""
    from torch import nn

    from fpcourse import ClinicalMLP

    assert f"{(model.bn1(model.layer1(X)) < 0).float().mean():.0%}" == "51%"
    in_place = ClinicalMLP.trained()
    in_place.relu = nn.ReLU(inplace=True)
    assert in_place(X).equal(model(X))
