"""replacing: a call's output is another one, for all that comes after it, and only inside the block."""

import copy
import re

import pytest
import torch
from helpers.models import Pair, Run, state_of
from torch import nn

from fpcourse.measure.capturing import capture, get_intermediate_activations
from fpcourse.measure.replacing import replace
from fpcourse.measure.statistics import layer_statistics
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP


@pytest.fixture
def net():
    torch.manual_seed(0)
    return ClinicalMLP().eval()


X = torch.randn(8, 20)


def by_hand(net, first=lambda a: a, second=lambda a: a):
    a1 = first(net.bn1(net.layer1(X)).clamp(min=0))
    return net.layer3(second(net.bn2(net.layer2(a1)).clamp(min=0)))


def without_unit_9(a):
    return a * (torch.arange(a.shape[1]) != 9)


@pytest.mark.parametrize(
    ("label", "first", "second"),
    [("relu:1", without_unit_9, None), ("relu:2", None, without_unit_9), ("relu", without_unit_9, without_unit_9)],
)
def test_the_pass_goes_on_with_what_the_function_returns(net, label, first, second):
    before, plain = state_of(net), net(X)
    expected = by_hand(net, first or (lambda a: a), second or (lambda a: a))
    with replace(net, label, without_unit_9):
        for _ in range(2):  # the second pass counts its calls anew
            assert torch.allclose(net(X), expected, atol=1e-6)
    assert torch.equal(net(X), plain) and state_of(net) == before


def test_gradients_flow_through_it(net):
    scale = torch.tensor(2.0, requires_grad=True)
    with replace(net, "relu:1", lambda a: a * scale):
        net(X).sum().backward()
    again = torch.tensor(2.0, requires_grad=True)
    (expected,) = torch.autograd.grad(by_hand(net, lambda a: a * again).sum(), again)
    assert torch.allclose(scale.grad, expected) and net.layer1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("outside", [True, False])
def test_capture_sees_the_replaced_output(net, outside):
    blocks = [lambda: capture(net, ["relu"]), lambda: replace(net, "relu:1", torch.zeros_like)]
    first, second = blocks if outside else blocks[::-1]
    with first() as one, second() as two:
        net(X)
    seen = one if outside else two
    assert seen["relu:1"].eq(0).all() and seen["relu:2"].ne(0).any()


def test_the_other_helpers_see_it_and_leave_it(net):
    with replace(net, "relu:1", torch.zeros_like):
        assert [call.label for call in trace(net, X)] == [call.label for call in trace(ClinicalMLP(), X)]
        assert get_intermediate_activations(net, X, ["relu"])["relu:1"].eq(0).all()
        assert layer_statistics(net, X, ["relu"])[0].zero_fraction == 1
        assert get_intermediate_activations(net, X, ["layer2"])["layer2"].std(0).max() < 1e-6
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_several_compose_the_innermost_first(net):
    with (
        replace(net, "relu:1", lambda a: a + 1),
        replace(net, "relu:1", lambda a: a * 3),
        replace(net, "bn2", torch.neg),
    ):
        got = get_intermediate_activations(net, X, ["relu"])
    a1 = net.bn1(net.layer1(X)).clamp(min=0) * 3 + 1
    assert torch.allclose(got["relu:1"], a1, atol=1e-6)
    assert torch.allclose(got["relu:2"], (-net.bn2(net.layer2(a1))).clamp(min=0), atol=1e-5)


def test_outputs_of_any_structure():
    lstm = Run(lambda self, x: self.lstm(x)[0], lstm=nn.LSTM(3, 4, batch_first=True))
    with replace(lstm, "lstm", lambda out: (out[0] * 0, out[1])):
        assert lstm(torch.randn(2, 5, 3)).eq(0).all()
    pairs = Run(lambda self, x: self.inner(x).left, inner=Run(lambda self, x: Pair(x, [x])))
    with replace(pairs, "inner", lambda pair: pair._replace(left=pair.left + 1)):
        assert pairs(torch.zeros(2)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a: a[:, :3], "a torch.float32 tensor of shape (8, 3) on cpu"),
        (lambda a: a.double(), "a torch.float64 tensor of shape (8, 64) on cpu"),
        (lambda a: (a,), "a tuple of (8, 64), float32"),
        (lambda a: None, "a NoneType"),
        (lambda a: a.to("meta"), "a torch.float32 tensor of shape (8, 64) on meta"),
    ],
)
def test_what_is_not_alike_is_refused(net, function, said):
    expected = "the function for relu:1 must return a torch.float32 tensor of shape (8, 64) on cpu, as it was given; "
    with (
        pytest.raises(ValueError, match=re.escape(f"{expected}got {said}") + "$"),
        replace(net, "relu:1", function),
    ):
        net(X)
    assert not net.relu._forward_hooks and not net._forward_pre_hooks


def test_errors_of_names(net):
    with (
        pytest.raises(ValueError, match="the model has no module 'layr1'; did you mean layer1"),
        replace(net, "layr1", abs),
    ):
        pass
    said = "relu:3: not called, so nothing was replaced; in the last pass relu ran 2 times"
    with pytest.raises(ValueError, match=f"^{said}$"), replace(net, "relu:3", torch.neg):
        net(X)
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"), replace("net", "relu", abs):
        pass
    with pytest.raises(ValueError, match="in the last pass relu ran 0 times"), replace(net, "relu", torch.neg):
        pass


def test_a_model_that_is_entered_by_another_method(net):
    net.encode = lambda X: net.relu(net.layer1(X))
    plain = net.encode(X)
    with replace(net, "relu:2", torch.zeros_like):  # counted over the whole block
        assert torch.equal(net.encode(X), plain) and not net.encode(X).any()
    with pytest.raises(ValueError, match="layer3: not called"), replace(net, "layer3", torch.neg):
        net.encode(X)


def test_after_an_error_the_hooks_are_gone(net):
    with pytest.raises(ZeroDivisionError), replace(net, "relu", lambda a: 1 / 0):
        net(X)
    assert not net.relu._forward_hooks and not net._forward_pre_hooks


def test_a_copy_made_inside_the_block_is_not_changed(net):
    with replace(net, "relu", torch.zeros_like):
        net(X)
        twin = copy.deepcopy(net)
    assert torch.equal(twin(X), net(X))


def test_in_compiled_code_it_says_so():
    torch.compiler.reset()
    model = torch.compile(nn.Sequential(nn.Linear(20, 2), nn.ReLU()), backend="eager")
    with torch.no_grad():
        model(X)
        with pytest.raises(RuntimeError, match="in compiled code"), replace(model, "_orig_mod.1", torch.neg):
            model(X)
    torch.compiler.reset()
