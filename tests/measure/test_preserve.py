"""preserve: after the block a model is bit for bit what it was, by value, by identity and in order."""

import random
import warnings
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from helpers.models import state_of
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpcourse.measure.capturing import get_intermediate_activations
from fpcourse.measure.modes import mode_report
from fpcourse.measure.preserve import same_inputs, unchanged
from fpcourse.measure.statistics import layer_statistics
from fpcourse.measure.tracing import trace
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


# Containers of Python


class Diary(nn.Module):
    """Keeps state in lists, dictionaries, a set and a deque, nested ones too, as metrics and recurrent cells do."""

    def __init__(self):
        super().__init__()
        self.pages, self.empty, self.by_name = [torch.ones(2)], [], {"scores": [1.0], "last": {"at": 0}}
        self.types, self.recent = {"Linear"}, deque([1, 2], maxlen=2)
        self.pair = ([torch.zeros(1)], "text")

    def forward(self, x):
        self.pages[0].mul_(3)
        self.pages[:] = [x]
        self.empty.append(x)
        self.by_name["scores"].append(2.0)
        self.by_name["last"]["at"] = 5
        self.by_name["new"] = [x]
        self.types.add("ReLU")
        self.recent.append(3)
        self.pair[0][0] += 1
        self.pages = None
        return x


def test_lists_dictionaries_sets_and_deques_get_their_contents_back():
    model = Diary()
    pages, page, scores, inner = model.pages, model.pages[0], model.by_name["scores"], model.pair[0][0]
    with unchanged(model):
        model(torch.randn(2))
        assert scores == [1.0, 2.0] and model.empty and list(model.recent) == [2, 3]
    assert model.pages is pages and pages[0] is page and page.tolist() == [1.0, 1.0]
    assert model.by_name == {"scores": [1.0], "last": {"at": 0}} and model.by_name["scores"] is scores
    assert model.empty == [] and model.types == {"Linear"}
    assert list(model.recent) == [1, 2] and model.recent.maxlen == 2
    assert model.pair[0][0] is inner and inner.tolist() == [0.0]


def test_a_list_of_parameters_holds_the_parameters_themselves_inside():
    model = nn.Linear(2, 2)
    model.used = [model.weight]
    with unchanged(model):
        assert model.used[0] is model.weight


def test_a_list_that_holds_itself():
    model = Diary()
    model.empty.append(model.empty)
    with unchanged(model):
        model.empty.append(1)
    assert len(model.empty) == 1 and model.empty[0] is model.empty


# Weights that the forward changes once


class Rescaled(nn.Module):
    """Divides its weights on its first pass in eval mode, as some language models do."""

    def __init__(self):
        super().__init__()
        self.inner, self.rescaled, self.passes = nn.Linear(2, 2), False, 0

    def forward(self, x):
        self.passes += 1
        if not self.training and not self.rescaled:
            with torch.no_grad():
                self.inner.weight.div_(2)
            self.rescaled, self.factor = True, 2
        return self.inner(x)


def test_a_flag_stays_with_the_weights_that_it_is_about():
    model, plain = Rescaled().eval(), Rescaled().eval()
    plain.load_state_dict(model.state_dict())
    said = r"inner\.weight .* are not put back, nor are the attributes rescaled, passes, factor$"
    with pytest.warns(RuntimeWarning, match=said), unchanged(model):
        model(torch.ones(1, 2))
    assert (model.rescaled, model.factor, model.passes, model.training) == (True, 2, 1, False)
    plain(torch.ones(1, 2))
    assert torch.equal(model(torch.ones(1, 2)), plain(torch.ones(1, 2)))


def test_without_such_a_write_flags_are_put_back():
    model = Rescaled().train()
    with unchanged(model):
        model(torch.ones(1, 2))
    assert model.passes == 0 and not hasattr(model, "factor")


# Lazy and sharded parameters


class LazyByHand(nn.Module):
    """Lazy without ``LazyModuleMixin``, as graph libraries have it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.parameter.UninitializedParameter()

    def forward(self, x):
        if nn.parameter.is_lazy(self.weight):
            self.weight.materialize((3, x.shape[1]))
            nn.init.ones_(self.weight)
        return x @ self.weight.T


def test_what_is_lazy_is_lazy_again():
    model = nn.Sequential(LazyByHand(), nn.LazyLinear(2))
    lazy = model[0].weight
    with unchanged(model):
        assert model(torch.ones(1, 5)).shape == (1, 2)
    assert model[0].weight is lazy and nn.parameter.is_lazy(lazy) and nn.parameter.is_lazy(model[1].weight)
    assert model(torch.ones(1, 7)).shape == (1, 2)


def test_a_sharded_model_is_refused_before_anything_is_touched(tmp_path):
    if not torch.distributed.is_available():
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        model(torch.ones(2, 4)).sum().backward()
        with pytest.raises(ValueError, match="the model is sharded"), unchanged(model):
            pytest.fail("the block ran")
        model(torch.ones(2, 4)).sum().backward()
    finally:
        torch.distributed.destroy_process_group()


# Inputs


@dataclass
class Batch:
    x: torch.Tensor
    more: tuple


def test_inputs_are_what_they_were_wherever_they_lie():
    x, deep, inference = torch.zeros(3), torch.zeros(2), torch.inference_mode()(torch.zeros)(2)
    leaf, rows = torch.zeros(2), [torch.ones(1)]
    batch = Batch(x, ({"deep": [deep]}, rows))
    graph = (x * torch.ones(3, requires_grad=True)).sum()
    with same_inputs(batch, inference, leaf):
        x.add_(1)
        deep.resize_(4).fill_(7)
        rows.append("new")
        leaf.requires_grad_()
        with torch.inference_mode():
            inference.add_(1)
    assert x.tolist() == [0.0] * 3 and deep.tolist() == [0.0] * 2 and inference.tolist() == [0.0] * 2
    assert len(rows) == 1 and not leaf.requires_grad and graph.requires_grad


class Layer:
    def __init__(self):
        self.keys = torch.zeros(1, 2)


class Cache:
    """As a cache of keys: objects in a list, one of which is written into, and one gets another tensor."""

    def __init__(self):
        self.layers, self.seen = [Layer(), Layer()], 0

    def update(self):
        self.layers[0].keys = torch.cat([self.layers[0].keys, torch.ones(1, 2)])
        self.layers[1].keys += 1
        self.layers.append(Layer())
        self.seen += 1


def test_objects_among_the_inputs_are_what_they_were():
    cache = Cache()
    keys = [layer.keys for layer in cache.layers]
    with same_inputs({"cache": cache}):
        cache.update()
        assert cache.layers[0].keys.shape == (2, 2)
    assert cache.seen == 0 and [layer.keys for layer in cache.layers] == keys and len(keys) == 2
    assert keys[1].tolist() == [[0.0, 0.0]]


def test_inputs_come_back_after_an_error_and_untouched_ones_keep_their_graph():
    x, weight = torch.zeros(3), torch.ones(3, requires_grad=True)
    loss = (x * weight).sum()
    other = torch.zeros(2)
    with pytest.raises(ZeroDivisionError), same_inputs(x, other):
        other.add_(1)
        raise ZeroDivisionError
    loss.backward()
    assert other.tolist() == [0.0, 0.0] and weight.grad.tolist() == [0.0] * 3


class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x):
        x += 1
        return self.inner(x)


@pytest.mark.parametrize(
    "look",
    [
        lambda model, x: trace(model, x),
        lambda model, x: get_intermediate_activations(model, x, ["inner"]),
        lambda model, x: layer_statistics(model, [x, x]),
        lambda model, x: mode_report(model, x),
    ],
    ids=["trace", "activations", "statistics", "modes"],
)
def test_a_forward_that_writes_into_its_input_leaves_the_readers(look):
    model, x = Shift(), torch.zeros(3, 2)
    look(model, x)
    assert x.tolist() == [[0.0, 0.0]] * 3
