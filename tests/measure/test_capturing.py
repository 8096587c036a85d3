"""capturing: what named modules output, against plain computation."""

import copy
import gc
import io
import pickle
import weakref
from collections import OrderedDict

import pytest
import torch
from helpers.models import Output, Pair, Run, state_of, world
from torch import nn

from fpcourse.measure import capturing
from fpcourse.measure.calls import labels_of
from fpcourse.measure.capturing import capture, get_intermediate_activations
from fpcourse.measure.statistics import layer_statistics
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP


def by_hand(net, x):
    """The ClinicalMLP in eval mode, in plain operations."""

    def norm(z, bn):
        return (z - bn.running_mean) / torch.sqrt(bn.running_var + bn.eps) * bn.weight + bn.bias

    z1 = x @ net.layer1.weight.T + net.layer1.bias
    a1 = norm(z1, net.bn1).clamp(min=0)
    z2 = a1 @ net.layer2.weight.T + net.layer2.bias
    return {"layer1": z1, "relu:1": a1, "layer2": z2, "relu:2": norm(z2, net.bn2).clamp(min=0)}


def test_intermediate_activations_equal_plain_computation():
    net, x = ClinicalMLP().eval(), torch.randn(6, 20)
    got = get_intermediate_activations(net, x, ["layer2", "relu", "layer1"])
    expected = by_hand(net, x)
    assert list(got) == list(expected)  # by the order of the calls
    for label, value in expected.items():
        torch.testing.assert_close(got[label], value.detach())
        assert got[label].grad_fn is None and not got[label].requires_grad
    assert type(got) is dict


def test_intermediate_activations_are_computed_without_a_graph():
    seen = []
    model = Run(lambda self, x: seen.append(torch.is_grad_enabled()) or self.inner(x), inner=nn.Linear(2, 2))
    get_intermediate_activations(model, torch.ones(1, 2), ["inner"])
    assert seen == [False] and torch.is_grad_enabled()


def test_unknown_names_list_near_misses():
    net, x = ClinicalMLP(), torch.randn(4, 20)
    before = state_of(net)
    with pytest.raises(ValueError, match=r"no module 'layr1'; did you mean .*layer1"):
        get_intermediate_activations(net, x, ["relu", "layr1"])
    with pytest.raises(ValueError, match=r"did you mean relu"), capture(net, ["relu:1"]):
        pytest.fail("the block ran")
    with pytest.raises(ValueError, match=r"did you mean layer1, layer2, layer3, relu, bn1, bn2, drop\?"):
        get_intermediate_activations(net, x, ["zzz"])
    assert state_of(net) == before


def test_a_string_instead_of_a_list():
    with pytest.raises(ValueError, match=r"write \['relu'\]"), capture(ClinicalMLP(), "relu"):
        pytest.fail("the block ran")


def test_a_name_that_never_ran():
    net = ClinicalMLP()
    net.spare, net.unused = nn.Linear(2, 2), nn.ReLU()
    x = torch.randn(4, 20)
    before = state_of(net)
    with pytest.raises(ValueError, match=r"^spare, unused: in the model, but not called"):
        get_intermediate_activations(net, x, ["spare", "relu", "unused"])
    assert state_of(net) == before


def test_capture_keeps_clones():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    x = torch.randn(8, 3)
    expected = x @ model[0].weight.T + model[0].bias
    with capture(model, ["0", "1"]) as activations:
        out = model(x)
    torch.testing.assert_close(activations["0"], expected.detach())
    assert activations["0"].min() < 0 and torch.equal(activations["1"], expected.detach().clamp(min=0))
    assert out.grad_fn is not None and activations["1"].grad_fn is None
    assert activations["1"].data_ptr() != out.data_ptr()


def test_capture_adds_hooks_removes_them_and_nothing_else():
    net, twin = ClinicalMLP(), ClinicalMLP()
    twin.load_state_dict(net.state_dict())
    x = torch.randn(8, 20)
    net.relu.register_forward_hook(lambda *_: None)
    hooks = dict(net.relu._forward_hooks)
    torch.manual_seed(0)
    expected = twin(x)
    torch.manual_seed(0)
    with capture(net, ["relu", "bn1"]) as activations:
        assert len(activations) == 0 and repr(activations) == "Captured(nothing yet)"
        out = net(x)
        assert activations["relu:1"].shape == (8, 64)  # readable inside the block
    assert torch.equal(out, expected) and out.grad_fn is not None
    assert net.bn1.num_batches_tracked.item() == 1  # the reader's own forward moves it
    assert dict(net.relu._forward_hooks) == hooks and not net.bn1._forward_hooks
    net(x)
    assert list(activations) == ["bn1", "relu:1", "relu:2"] and len(activations) == 3
    assert repr(activations) == "Captured(bn1, relu:1, relu:2)"
    assert "relu" not in activations
    with pytest.raises(KeyError, match="captured so far: bn1, relu:1, relu:2"):
        activations["relu"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_capture_removes_its_hooks_after_an_exception(error):
    net = ClinicalMLP()

    def raising(*_):
        raise error

    handle = net.layer2.register_forward_hook(raising)
    with pytest.raises(error), capture(net, ["layer1", "layer2", "relu"]) as activations:
        net(torch.randn(8, 20))
    handle.remove()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert list(activations) == ["layer1", "relu"]


def test_capture_copies_outputs_of_any_form():
    def forward(self, x):
        return Output(x, (Pair(x, "text"), [x, None], {"key": x}, x.max(0)))

    x = torch.randn(2, 3)
    model = Run(lambda self, x: self.inner(x), inner=Run(forward))
    got = get_intermediate_activations(model, x, ["inner"])["inner"]
    expected = x.clone()
    x.zero_()
    assert isinstance(got, Output)
    pair, as_list, as_dict, largest = got.extra
    assert isinstance(pair, Pair) and pair.right == "text"
    for tensor in (got.logits, pair.left, as_list[0], as_dict["key"]):
        assert torch.equal(tensor, expected)
    assert as_list[1] is None and torch.equal(largest.values, expected.max(0).values)


class Box:
    def __init__(self, hidden):
        self.hidden = hidden


class Encoder(nn.Linear):
    def forward(self, x):
        return Box(super().forward(x))


def scaled_to_zero(self, x):
    box = self.encoder(x)
    box.hidden = box.hidden * 0
    return self.head(box.hidden)


def test_an_object_is_captured_as_it_was_at_the_call():
    model, x = Run(scaled_to_zero, encoder=Encoder(4, 4), head=nn.Linear(4, 2)), torch.ones(1, 4)
    expected = x @ model.encoder.weight.T + model.encoder.bias
    with capture(model, ["encoder"]) as seen:
        model(x)
    for box in (seen["encoder"], get_intermediate_activations(model, x, ["encoder"])["encoder"]):
        assert torch.allclose(box.hidden, expected) and not box.hidden.requires_grad


def test_what_cannot_be_copied_is_said_and_stops_no_forward():
    def forward(self, x):
        return (step for step in x)

    model = Run(lambda self, x: sum(self.inner(x)), inner=Run(forward))
    with capture(model, ["inner"]) as seen:
        assert model(torch.ones(3, 2)).tolist() == [3.0, 3.0]
    said = "inner gives a generator, which cannot be copied: .*; name other modules"
    for ask in (lambda: seen["inner"], lambda: get_intermediate_activations(model, torch.ones(3, 2), ["inner"])):
        with pytest.raises(TypeError, match=said):
            ask()


def test_an_output_that_holds_its_model_does_not_copy_it():
    model = Run(lambda self, x: self.inner(x).hidden, inner=Encoder(4, 4))
    model.inner.register_forward_hook(lambda module, inputs, box: setattr(box, "made_by", module))
    with capture(model, ["inner"]) as seen:
        model(torch.ones(1, 4))
    assert seen["inner"].made_by is model.inner


def test_labels_are_made_once_however_many_calls(monkeypatch):
    made = []
    monkeypatch.setattr(capturing, "labels_of", lambda names: made.append(len(names)) or labels_of(names))
    model = Run(lambda self, x: [self.cell(x) for _ in range(50)], cell=nn.Identity())
    with capture(model, ["cell"]) as seen:
        model(torch.ones(2))
    assert len(list(seen.items())) == 50 and made == [50]
    model(torch.ones(2))
    assert list(seen)[-1] == "cell:50"


# Compiled code


@torch.compile(backend="eager")
def doubled(layer, x):
    return 2 * layer(x)


class Decorated(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    @torch.compile(backend="eager")
    def forward(self, x):
        return self.layer(x)


def with_a_function(block):
    model = Run(lambda self, x: self.call(self.layer, x), layer=nn.Linear(4, 4))
    model.call = torch.compile(lambda layer, x: layer(x), backend="eager")
    return model


def in_place(block):
    block.compile(backend="eager")
    return block


COMPILED = {
    "model": lambda block: torch.compile(block, backend="eager"),
    "block": lambda block: nn.Sequential(torch.compile(block, backend="eager"), nn.Linear(4, 2)),
    "in place": in_place,
    "a function it keeps": with_a_function,
    "a function it names": lambda block: Run(lambda self, x: doubled(self.layer, x), layer=nn.Linear(4, 4)),
    "its forward": lambda block: Decorated(),
}


@pytest.mark.parametrize("how", COMPILED)
def test_compiled_code_is_seen_whether_it_has_run_or_not(how):
    torch.compiler.reset()
    model, x = COMPILED[how](nn.Sequential(nn.Linear(4, 4), nn.ReLU())), torch.randn(5, 4)
    for _ in range(2):
        calls = list(trace(model, x))
        assert "Linear" in {call.type for call in calls}
        assert [layer.label for layer in layer_statistics(model, x)] == [call.label for call in calls]
        names = [call.name for call in calls]
        assert list(get_intermediate_activations(model, x, names)) == [call.label for call in calls]
        with torch.no_grad():
            model(x)
    torch.compiler.reset()


@pytest.mark.parametrize("how", ["model", "block"])
def test_capture_says_why_it_saw_nothing(how):
    torch.compiler.reset()
    model, x = COMPILED[how](nn.Sequential(nn.Linear(4, 4), nn.ReLU())), torch.randn(5, 4)
    name = next(name for name, module in model.named_modules() if isinstance(module, nn.ReLU))
    with torch.no_grad():
        model(x)
    with pytest.raises(RuntimeError, match=f"^{name}: in compiled code"), torch.no_grad(), capture(model, [name]):
        model(x)
    with torch.compiler.set_stance("force_eager"), capture(model, [name]) as seen:
        model(x)
    assert list(seen) == [name]
    torch.compiler.reset()


def test_a_module_under_two_names_can_be_asked_for_by_either():
    relu = nn.ReLU()
    model = nn.Sequential(OrderedDict(a=relu, b=nn.Linear(2, 2), c=relu))
    x = torch.randn(3, 2)
    for name in "ac":
        got = get_intermediate_activations(model, x, [name, name])
        assert list(got) == [f"{name}:1", f"{name}:2"]
        assert torch.equal(got[f"{name}:1"], x.clamp(min=0))


def test_capture_of_something_else_is_a_type_error():
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got str"), capture("x", []):
        pass


# reduce


def test_reduce_keeps_its_result_in_place_of_the_activation():
    net, x = ClinicalMLP().eval(), torch.randn(6, 20)
    expected = by_hand(net, x)
    with capture(net, ["relu", "layer2"], reduce=torch.std) as stds:
        net(x)
    assert list(stds) == ["relu:1", "layer2", "relu:2"]
    for label, value in stds.items():
        assert value.shape == () and value.grad_fn is None
        torch.testing.assert_close(value, expected[label].detach().std())


def test_reduce_may_return_anything():
    net, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.randn(5, 2)
    with capture(net, ["0", "1"], reduce=lambda out: {"mean": out.mean().item(), "shape": tuple(out.shape)}) as kept:
        net(x)
    plain = x @ net[0].weight.T + net[0].bias
    assert kept["1"] == {"mean": pytest.approx(plain.clamp(min=0).mean().item()), "shape": (5, 3)}
    with capture(net, ["0"], reduce=lambda out: None) as kept:
        net(x)
    assert dict(kept) == {"0": None}


def test_reduce_is_given_each_tensor_of_an_output_detached_and_without_a_graph():
    given = []

    def reduce(tensor):
        given.append((tensor.requires_grad, torch.is_grad_enabled()))
        return tensor.sum()

    model = Run(lambda self, x: self.inner(x), inner=Run(lambda self, x: Output(x * 2, (x, None))))
    x = torch.ones(3, requires_grad=True)
    with capture(model, ["inner"], reduce=reduce) as kept:
        model(x).logits.sum().backward()
    assert kept["inner"] == Output(torch.tensor(6.0), (torch.tensor(3.0), None))
    assert given == [(False, False)] * 2 and x.grad.tolist() == [2, 2, 2]


def test_what_reduce_returns_is_safe_from_later_operations_in_place():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    x = torch.randn(8, 3)
    expected = (x @ model[0].weight.T + model[0].bias).detach()
    with capture(model, ["0"], reduce=lambda out: {"row": out[0], "all": [out]}) as kept:
        model(x)
    assert expected.min() < 0
    torch.testing.assert_close(kept["0"]["row"], expected[0])
    torch.testing.assert_close(kept["0"]["all"][0], expected)


def test_reduce_keeps_no_activation():
    seen = []
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[0].register_forward_hook(lambda module, args, out: seen.append(weakref.ref(out)))
    gc.collect()
    gc.disable()
    try:
        with capture(net, ["0"], reduce=lambda out: out[0]) as kept, torch.no_grad():
            net(torch.ones(3, 2))
        assert seen[0]() is None and kept["0"].untyped_storage().nbytes() == 8
    finally:
        gc.enable()


def test_an_error_of_reduce_comes_out_and_leaves_no_hook():
    net, x = ClinicalMLP().eval(), torch.randn(4, 20)
    before = state_of(net)
    with pytest.raises(ZeroDivisionError), capture(net, ["relu"], reduce=lambda out: 1 / 0):
        net(x)
    assert state_of(net) == before


# What capture is careful about


def test_the_readers_random_state_is_not_drawn_from():
    net = ClinicalMLP().eval()
    before = world()
    with capture(net, ["relu"], reduce=torch.std):
        net(torch.ones(2, 20))
    assert world() == before


def test_two_captures_at_the_same_time_do_not_mix():
    net, x = ClinicalMLP().eval(), torch.randn(3, 20)
    expected = by_hand(net, x)
    with capture(net, ["relu"]) as outer:
        net(x)
        with capture(net, ["relu", "layer1"], reduce=torch.amax) as inner:
            net(x)
        net(x)
    assert list(outer) == [f"relu:{n}" for n in range(1, 7)] and list(inner) == ["layer1", "relu:1", "relu:2"]
    torch.testing.assert_close(outer["relu:5"], expected["relu:1"].detach())
    torch.testing.assert_close(inner["layer1"], expected["layer1"].detach().amax())


def copies_of(model):
    saved = io.BytesIO()
    torch.save(model, saved)
    saved.seek(0)
    return [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(saved, weights_only=False)]


@pytest.mark.parametrize("reduce", [None, lambda out: out.sum()])
def test_a_copy_made_inside_the_block_captures_nothing(reduce):
    net, x = ClinicalMLP().eval(), torch.randn(4, 20)
    expected = net(x)
    with capture(net, ["relu", "layer3"], reduce=reduce) as activations:
        copies = copies_of(net)
        for again in copies:
            assert torch.equal(again(x), expected)
        assert len(activations) == 0
        net(x)
    assert list(activations) == ["relu:1", "relu:2", "layer3"]
    for again in copies:
        assert torch.equal(again(x), expected) and len(activations) == 3
        assert {name: value.tolist() for name, value in again.state_dict().items()} == {
            name: value.tolist() for name, value in net.state_dict().items()
        }


def test_a_module_may_be_captured_on_the_meta_device():
    with torch.device("meta"):
        net, x = ClinicalMLP(hidden=(10**6, 32)), torch.empty(4, 20)
    got = get_intermediate_activations(net, x, ["layer1"])
    assert got["layer1"].shape == (4, 10**6) and got["layer1"].is_meta


# Functions of modules: torch.func


def test_what_grad_wraps_is_captured_as_plain_numbers():
    model = Run(lambda self, x: torch.func.grad(lambda x: self.inner(x).sum())(x), inner=nn.Linear(3, 2))
    x = torch.randn(5, 3)
    got = get_intermediate_activations(model, x, ["inner"])["inner"]
    assert torch.allclose(got, x @ model.inner.weight.T + model.inner.bias) and got.mean().item() is not None


def test_inside_vmap_nothing_is_captured_and_that_is_said():
    model, x = Run(lambda self, x: torch.vmap(self.inner)(x), inner=nn.Linear(3, 2)), torch.randn(5, 3)
    with capture(model, ["inner"]) as seen:
        assert model(x).shape == (5, 2)
    with pytest.raises(TypeError, match="inside vmap it stands for one sample of many; name other modules"):
        seen["inner"]
