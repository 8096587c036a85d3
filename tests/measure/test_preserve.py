"""preserve: after the block a model is bit for bit what it was, by value, by identity and in order."""

import random
import warnings

import numpy as np
import pytest
import torch
from helpers.models import state_of
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpcourse.measure.preserve import unchanged
from fpcourse.models import ClinicalMLP


def assert_unchanged(model, run, error=None):
    before = state_of(model)
    if error is None:
        with unchanged(model):
            run()
    else:
        with pytest.raises(error), unchanged(model):
            run()
    assert state_of(model) == before


class Unruly(nn.Module):
    """A forward that changes about everything a forward can change."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm1d(4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4).eval())
        self.body.requires_grad_(False)
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("nothing", None)
        self.bn.running_mean = self.bn.running_mean
        self.seen, self.config = None, {"a": 1}

    def forward(self, x):
        random.random(), np.random.rand(), torch.rand(1)
        self.count += 1
        self.count = self.count + 1
        self.nothing = torch.ones(1)
        self.seen, self.new = x, "new"
        del self.config
        self.bn.register_forward_hook(lambda *_: None)
        self.register_buffer("cache", torch.ones(1), persistent=False)
        self.body.append(nn.ReLU())
        self.body[0] = nn.Linear(4, 4, bias=False)
        self.frozen.requires_grad_(True)
        self.extra = nn.Parameter(torch.ones(1))
        out = self.body(self.bn(x))
        self.eval()
        self.body[0].weight.requires_grad_(True)
        torch.set_grad_enabled(not torch.is_grad_enabled())
        return out


@pytest.mark.parametrize("grad", [True, False])
def test_an_unruly_forward_leaves_nothing(grad):
    model = Unruly()
    with torch.set_grad_enabled(grad):
        assert_unchanged(model, lambda: model(torch.randn(8, 4)))
        assert torch.is_grad_enabled() is grad


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("layer", ["layer1", "bn1", "relu", "drop", "layer2", "bn2", "layer3", ""])
def test_an_exception_at_any_layer_leaves_nothing(layer, error):
    model = ClinicalMLP()

    def raising(*_):
        torch.rand(1)
        raise error

    model.get_submodule(layer).register_forward_hook(raising)
    assert_unchanged(model, lambda: model(torch.randn(8, 20)), error)


def test_the_block_sees_the_readers_random_state_and_mode():
    model = ClinicalMLP()
    x = torch.randn(8, 20)
    torch.manual_seed(3)
    with torch.no_grad(), unchanged(model):
        inside = model(x)
    torch.manual_seed(3)
    assert torch.equal(inside, model(x)) and inside.grad_fn is None


def test_training_flags_module_by_module():
    model = ClinicalMLP()
    model.bn1.eval()
    model.drop.eval()
    with unchanged(model):
        model.eval()
        model.relu.train()
    assert {name: module.training for name, module in model.named_modules()} == {
        "": True,
        "layer1": True,
        "layer2": True,
        "layer3": True,
        "relu": True,
        "bn1": False,
        "bn2": True,
        "drop": False,
    }


def test_batch_norm_moves_inside_and_not_outside():
    bn = nn.BatchNorm1d(3)
    x = torch.randn(10, 3) + 5
    mean, count = bn.running_mean, bn.num_batches_tracked
    with unchanged(bn):
        bn(x), bn(x)
        assert bn.num_batches_tracked.item() == 2
        torch.testing.assert_close(bn.running_mean, (0.1 + 0.09) * x.mean(0))
    assert bn.running_mean is mean and bn.num_batches_tracked is count
    assert mean.tolist() == [0, 0, 0] and count.item() == 0


def test_a_shared_buffer_stays_shared_inside_and_outside():
    first, second = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    shared = second.running_mean = first.running_mean
    model = nn.Sequential(first, second)
    with unchanged(model):
        assert first.running_mean is second.running_mean is not shared
        first(torch.randn(4, 2))
        assert second.running_mean.ne(0).all()
    assert first.running_mean is second.running_mean is shared
    assert shared.tolist() == [0, 0]


def test_a_module_registered_twice():
    relu, linear = nn.ReLU(), nn.Linear(2, 2)
    model = nn.Sequential(linear, relu, linear, relu)
    assert_unchanged(model, lambda: model(torch.randn(3, 2)))


def test_gradients_by_identity():
    model = ClinicalMLP()
    model(torch.randn(8, 20)).sum().backward()
    model.layer1.weight.grad = None
    kept = {name: p.grad for name, p in model.named_parameters()}
    with unchanged(model):
        model.zero_grad(set_to_none=True)
        model(torch.randn(8, 20)).sum().backward()
        assert model.layer1.weight.grad is not None
    assert all(p.grad is kept[name] for name, p in model.named_parameters())
    assert kept["layer2.weight"].abs().sum() > 0


def test_own_hooks_stay_in_order_and_new_ones_go():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    ran = []
    for number in range(3):
        model[0].register_forward_hook(lambda *_, number=number: ran.append(number))
        model[0].register_forward_pre_hook(lambda *_, number=number: ran.append(-number))
        model[0].register_full_backward_hook(lambda *_: None)
    handle = model[0].register_forward_hook(lambda *_: ran.append("first"), prepend=True, always_call=True)

    def run():
        handle.remove()
        model[0].register_forward_hook(lambda *_: ran.append("new"), prepend=True, with_kwargs=True)
        model[1].register_full_backward_pre_hook(lambda *_: None)
        model[0].register_state_dict_pre_hook(lambda *_: None)
        model(torch.randn(1, 2))

    assert_unchanged(model, run)
    ran.clear()
    model(torch.randn(1, 2))
    assert ran == [0, -1, -2, "first", 0, 1, 2]
    handle.remove()
    ran.clear()
    model(torch.randn(1, 2))
    assert ran == [0, -1, -2, 0, 1, 2]


def test_nested_blocks():
    model, x = Unruly(), torch.randn(8, 4)

    def run():
        model.bn(x)
        inner = state_of(model)
        with pytest.raises(ZeroDivisionError), unchanged(model):
            model(x)
            raise ZeroDivisionError
        assert state_of(model) == inner and model.bn.num_batches_tracked.item() == 1
        with unchanged(model.bn):
            model(x)

    assert_unchanged(model, run)


@pytest.mark.parametrize("training", [True, False])
def test_a_graph_made_before_the_block_runs_backward_after_it(training):
    torch.manual_seed(0)
    model, twin = ClinicalMLP(p=0.0).train(training), ClinicalMLP(p=0.0).train(training)
    twin.load_state_dict(model.state_dict())
    x = torch.randn(8, 20)
    loss = model(x).square().sum()
    with unchanged(model):
        model.train()
        model(torch.randn(8, 20)).sum().backward()
    loss.backward()
    twin(x).square().sum().backward()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


class Writer(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.inner, self.what = nn.Linear(2, 2), what

    def forward(self, x):
        if self.what == "parameter":
            with torch.no_grad():
                self.inner.bias.add_(1)
        if self.what == "gradient":
            self.inner.weight.grad.zero_()
        if self.what == "new gradient":
            self.inner.weight.grad = torch.zeros(2, 2).add_(1)
        return self.inner(x)


@pytest.mark.parametrize(
    ("what", "named"), [("parameter", "inner.bias"), ("gradient", "inner.weight"), ("new gradient", None)]
)
def test_a_forward_that_writes_into_its_parameters_is_reported(what, named):
    model = Writer(what)
    model.inner(torch.ones(1, 2)).sum().backward()
    with warnings.catch_warnings(record=True) as caught, unchanged(model):
        warnings.simplefilter("always")
        model(torch.ones(1, 2))
    if named is None:
        assert not caught
    else:
        (warning,) = caught
        assert warning.category is RuntimeWarning
        assert f"wrote into the parameters {named} or their gradients" in str(warning.message)


def test_the_report_does_not_stop_the_restoration():
    model = Writer("parameter").train()
    with pytest.raises(RuntimeWarning, match=r"inner\.bias"), unchanged(model):
        model.eval()
        torch.rand(1)
        model(torch.ones(1, 2))
    assert model.training


def test_parameters_made_under_inference_mode():
    with torch.inference_mode():
        model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        x = torch.randn(4, 2)
    # Not with a graph: of inference tensors torch saves none for backward.
    with torch.no_grad():
        assert_unchanged(model, lambda: model(x))
    with torch.inference_mode():
        assert_unchanged(model, lambda: model(x))


@pytest.mark.parametrize("model", [None, torch.relu, nn.Linear, {"a": nn.ReLU()}])
def test_no_module_is_a_type_error(model):
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got"), unchanged(model):
        pytest.fail("the block ran")


leaf = st.builds(lambda make: make(), st.sampled_from([
    lambda: nn.Linear(4, 4), lambda: nn.BatchNorm1d(4), nn.Dropout, nn.ReLU,
    lambda: nn.BatchNorm1d(4, track_running_stats=False), lambda: nn.utils.spectral_norm(nn.Linear(4, 4)),
]))  # fmt: skip
nested = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3).map(lambda m: nn.Sequential(*m)))


@given(nested, st.data())
def test_random_models(model, data):
    modules = list(model.modules())
    for module in data.draw(st.lists(st.sampled_from(modules))):
        module.training = not module.training
    for parameter in model.parameters():
        parameter.requires_grad_(data.draw(st.booleans()))
        if data.draw(st.booleans()):
            parameter.grad = torch.ones_like(parameter)
    fails = data.draw(st.sampled_from([None, *modules]))
    if fails is not None:
        fails.register_forward_hook(lambda *_: 1 / 0)

    def run():
        for module in data.draw(st.lists(st.sampled_from(modules))):
            module.train(not module.training)
            module.register_forward_hook(lambda *_: None)
            module.requires_grad_(False)
            module.zero_grad()
        model(torch.randn(6, 4))

    assert_unchanged(model, run, ZeroDivisionError if fails is not None else None)


class Counting(nn.Module):
    """Keeps a plain tensor attribute, no buffer, and writes into it."""

    def __init__(self):
        super().__init__()
        self.state = torch.zeros(2)

    def forward(self, x):
        self.state += 1
        return x + self.state


def test_a_plain_tensor_attribute_is_put_back_by_value_and_identity():
    model, x = Counting(), torch.zeros(2)
    state = model.state
    with unchanged(model):
        assert model(x).tolist() == [1.0, 1.0] and model(x).tolist() == [2.0, 2.0]
    assert model.state is state and state.tolist() == [0.0, 0.0]


def test_a_buffer_that_requires_grad_still_does_inside():
    model = nn.Module()
    model.register_buffer("scale", torch.ones(1, requires_grad=True))
    with unchanged(model):
        assert model.scale.requires_grad


def test_a_lazy_model_is_lazy_again_afterwards():
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d(), nn.LazyConv1d(2, 1))
    before = [(type(module), dict(vars(module))) for module in model.modules()]
    torch.manual_seed(0)
    with unchanged(model):
        first = model[:2](torch.ones(2, 5))
        assert type(model[0]) is nn.Linear
    assert [(type(module), dict(vars(module))) for module in model.modules()] == before
    assert all(nn.parameter.is_lazy(tensor) for tensor in [*model.parameters(), model[1].running_mean])
    torch.manual_seed(0)
    assert torch.equal(model[:2](torch.ones(2, 5)), first)


def test_an_embedding_with_max_norm_keeps_its_weight():
    model = nn.Sequential(nn.Embedding(5, 3, max_norm=0.1), nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    pending = model[1](torch.ones(2, 3, requires_grad=True)).sum()  # its graph saves the weight
    assert_unchanged(model, lambda: model(torch.tensor([1, 2])))
    assert model[1].weight is model[0].weight
    pending.backward()


def test_replaced_data_is_put_back():
    model = nn.Linear(2, 2)

    def replace():
        model.weight.data = torch.renorm(model.weight.data, 2, 0, 0.01)
        model.half()

    assert_unchanged(model, replace)
    assert model.weight.dtype is torch.float32


def test_the_warning_names_the_readers_line():
    model = nn.Linear(1, 1)
    with pytest.warns(RuntimeWarning) as caught, unchanged(model), torch.no_grad():
        model.weight.add_(1)
    assert caught[0].filename == __file__
