"""tracing: against plain hooks, calls listed by hand and plain computation."""

import contextlib
import copy
import gc
import io
import pickle
import random
import re
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from helpers.models import Oracle, Output, Pair, Run, note_of, state_of, world
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpcourse.measure.capturing import capture, get_intermediate_activations
from fpcourse.measure.hooks import do_nothing
from fpcourse.measure.tracing import trace, trace_forward_pass
from fpcourse.models import ClinicalMLP

# The article's network


def test_clinical_mlp_has_these_eight_calls():
    calls = trace(ClinicalMLP(), torch.randn(16, 20))
    assert [
        (call.name, call.label, call.type, *call.input_shapes, *call.output_shapes, call.parameters) for call in calls
    ] == [
        ("layer1", "layer1", "Linear", (16, 20), (16, 64), 1344),
        ("bn1", "bn1", "BatchNorm1d", (16, 64), (16, 64), 128),
        ("relu", "relu:1", "ReLU", (16, 64), (16, 64), 0),
        ("drop", "drop", "Dropout", (16, 64), (16, 64), 0),
        ("layer2", "layer2", "Linear", (16, 64), (16, 32), 2080),
        ("bn2", "bn2", "BatchNorm1d", (16, 32), (16, 32), 64),
        ("relu", "relu:2", "ReLU", (16, 32), (16, 32), 0),
        ("layer3", "layer3", "Linear", (16, 32), (16, 1), 33),
    ]
    assert all(call.is_leaf and call.training and call.depth == 1 for call in calls)
    assert [call.output_bytes for call in calls] == [4 * 16 * n for n in (64, 64, 64, 64, 32, 32, 32, 1)]
    assert {call.output_dtypes for call in calls} == {("float32",)}
    assert calls.parameters == 3649
    root = calls.calls[0]
    assert (root.name, root.label, root.depth, root.is_leaf) == ("", "ClinicalMLP", 0, False)


leaf = st.sampled_from([lambda: nn.Linear(4, 4), lambda: nn.BatchNorm1d(4), nn.ReLU, nn.Dropout])
nested = st.recursive(
    leaf.map(lambda make: make()),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda modules: nn.Sequential(*modules)),
)


@given(nested, st.integers(2, 5), st.booleans(), st.data())
def test_random_models_agree_with_plain_hooks(model, batch, training, data):
    model.train(training)
    modules = list(model.modules())
    for module in data.draw(st.lists(st.sampled_from(modules), max_size=2)):
        if isinstance(module, nn.Sequential):  # a module that runs again elsewhere
            module.append(data.draw(st.sampled_from([m for m in modules if not list(m.children())] or [nn.ReLU()])))
    x = torch.randn(batch, 4)
    before = state_of(model)
    result = trace(model, x)
    assert state_of(model) == before
    oracle = Oracle(model, x)
    assert oracle.error is None and result.calls == oracle.calls
    # A leaf call is one after which the depth does not grow.
    depths = [call.depth for call in oracle.calls] + [0]
    leaves = [call for call, after in zip(oracle.calls, depths[1:], strict=True) if after <= call.depth]
    assert list(result) == leaves
    assert result.parameters == sum(p.numel() for p in model.parameters())


def test_labels_number_only_what_ran_twice():
    shared = nn.ReLU()
    model = nn.Sequential(OrderedDict(a=shared, b=nn.Tanh(), c=shared, d=nn.Sequential(OrderedDict(e=nn.ReLU()))))
    result = trace(model, torch.ones(2))
    assert [call.label for call in result] == ["a:1", "b", "a:2", "d.e"]
    assert [call.label for call in result.calls] == ["Sequential", "a:1", "b", "a:2", "d", "d.e"]
    assert [call.depth for call in result.calls] == [0, 1, 1, 1, 1, 2]


def test_a_single_layer_is_its_own_leaf():
    (call,) = trace(nn.Linear(2, 3), torch.ones(5, 2))
    assert (call.name, call.label, call.depth, call.is_leaf) == ("", "Linear", 0, True)


def test_mode_is_that_of_each_module():
    model = ClinicalMLP()
    model.bn1.eval()
    assert [call.label for call in trace(model, torch.randn(4, 20)) if not call.training] == ["bn1"]
    assert not any(call.training for call in trace(model.eval(), torch.randn(4, 20)).calls)


# Arguments and outputs of any form


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (lambda x: x, ((2, 3),)),
        (lambda x: (x, x.T), ((2, 3), (3, 2))),
        (lambda x: [x, [x.T, (x.sum(),)]], ((2, 3), (3, 2), ())),
        (lambda x: {"b": x, "a": {"c": x.T}}, ((2, 3), (3, 2))),
        (lambda x: Pair(x.T, x), ((3, 2), (2, 3))),
        (lambda x: Output(x, (x.T, None, "text")), ((2, 3), (3, 2))),
        (lambda x: OrderedDict(a=None, b=x), ((2, 3),)),
        (lambda x: x.max(0), ((3,), (3,))),
        (lambda x: None, ()),
        (lambda x: "text", ()),
        (lambda x: (7, None, Output, []), ()),
    ],
)
def test_outputs_and_arguments_of_any_form(make, shapes):
    x = torch.arange(6.0).reshape(2, 3)
    (call,) = trace(Run(lambda self, x: make(x)), x)
    assert call.output_shapes == shapes
    assert call.output_bytes == sum(
        np.prod(shape, dtype=int) * (8 if dtype == "int64" else 4)
        for shape, dtype in zip(shapes, call.output_dtypes, strict=True)
    )
    for args, kwargs in (((make(x),), {}), ((), {"only": make(x)})):
        (call,) = trace(Run(lambda self, *args, only=None: None), *args, **kwargs)
        assert call.input_shapes == shapes and call.output_shapes == ()


def test_every_argument_goes_to_the_model():
    seen = []
    inner = Run(lambda self, *args, **kwargs: seen.append((args, kwargs)))
    model = Run(lambda self, *args, **kwargs: self.inner(*args, **kwargs), inner=inner)
    x, mask = torch.ones(2, 3), torch.ones(2, dtype=torch.bool)
    result = trace(model, x, 3, None, mask=mask, columns="c", model="m", depth=1)
    assert seen == [((x, 3, None), {"mask": mask, "columns": "c", "model": "m", "depth": 1})]
    assert [call.input_shapes for call in result.calls] == [((2, 3), (2,))] * 2


def test_dtypes_and_bytes():
    def forward(self, x):
        return x.half(), x.bool(), x.argmax(), x.double()

    (call,) = trace(Run(forward), torch.ones(2, 3))
    assert call.output_dtypes == ("float16", "bool", "int64", "float64")
    assert call.output_bytes == 6 * 2 + 6 + 8 + 6 * 8


def test_shared_weights_count_once_and_frozen_ones_apart():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    second.bias.requires_grad_(False)
    result = trace(nn.Sequential(first, second, first), torch.ones(1, 4))
    assert result.parameters == 4 * 4 + 4 + 4
    assert [(call.parameters, call.trainable_parameters) for call in result] == [(20, 20), (20, 16), (20, 20)]
    assert result.calls[0].parameters == 0
    assert [row[-1] for row in result.table().rows] == ["20"] * 3


# It leaves no trace


def test_train_mode_moves_nothing():
    model, twin = ClinicalMLP(), ClinicalMLP()
    twin.load_state_dict(model.state_dict())
    model(torch.randn(8, 20)).sum().backward()
    twin.load_state_dict(model.state_dict())
    x = torch.randn(8, 20)
    before = state_of(model)
    trace(model, x)
    trace_forward_pass(model, x)
    get_intermediate_activations(model, x, ["relu", "bn2"])
    assert state_of(model) == before
    torch.manual_seed(5)
    expected = twin(x)
    torch.manual_seed(5)
    trace(model, x)
    assert torch.equal(model(x), expected)


def test_the_forward_runs_in_the_readers_grad_mode():
    seen = []
    model = Run(lambda self, x: seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled())))
    trace(model, 1)
    with torch.no_grad():
        trace(model, 1)
    with torch.inference_mode():
        trace(model, 1)
    assert seen == [(True, False), (False, False), (False, True)]


def test_own_hooks_run_and_stay():
    model, ran = ClinicalMLP(), []
    model.relu.register_forward_hook(lambda module, args, out: ran.append("after") or out[:, :1].expand_as(out))
    model.relu.register_forward_pre_hook(lambda module, args: ran.append("before"))
    model.drop.register_forward_hook(lambda module, args, out: out[:3])
    x = torch.randn(4, 20)
    before = state_of(model)
    result = trace(model, x)
    assert state_of(model) == before
    assert ran == ["before", "after"] * 2
    assert result[3].output_shapes == ((3, 64),)  # what the next layer is given


def test_no_tensor_is_kept():
    made = []

    def forward(self, x):
        made.append(weakref.ref(out := self.layer(x)))
        try:
            self.wrong(x)
        except RuntimeError:
            made.append(weakref.ref(again := self.layer(x)))
        return out + again

    model = Run(forward, layer=nn.Linear(2, 2), wrong=nn.Linear(3, 3))
    x = torch.ones(1, 2)
    gc.collect()
    gc.disable()
    try:
        result = trace(model, x)
        assert [ref() for ref in made] == [None, None]  # without waiting for the garbage collector
    finally:
        gc.enable()
    ref, model_ref = weakref.ref(x), weakref.ref(model)
    del x, model
    gc.collect()
    assert ref() is None and model_ref() is None and len(result) == 2


def test_a_failed_trace_keeps_no_tensor_once_its_error_is_gone():
    x = torch.ones(1, 3)
    ref = weakref.ref(x)
    gc.collect()
    gc.disable()
    try:
        trace(nn.Sequential(nn.Linear(2, 2)), x)
    except RuntimeError as error:
        partial = error.partial_trace
    finally:
        gc.enable()
    del x
    assert ref() is None and [call.label for call in partial] == ["0"]


def test_traces_nest():
    inside = []

    def forward(self, x):
        inside.append(trace(self.sub, x))
        inside.append(trace(ClinicalMLP(), torch.randn(4, 20)))
        return self.last(self.sub(x))

    model = Run(forward, sub=nn.Sequential(nn.BatchNorm1d(3), nn.Dropout()), last=nn.ReLU())
    x = torch.randn(4, 3)
    before = state_of(model)
    result = trace(model, x)
    assert state_of(model) == before
    assert [call.label for call in inside[0]] == ["0", "1"] and len(inside[1]) == 8
    # The outer trace sees what the inner ones ran, the model that was made during the forward too.
    own = [call for call in result if not call.name.startswith("<")]
    assert [call.label for call in own] == ["sub.0:1", "sub.1:1", "sub.0:2", "sub.1:2", "last"]
    assert [call.depth for call in own] == [2, 2, 2, 2, 1]
    assert [call.label for call in result[2:10]] == [f"<ClinicalMLP>.{call.label}" for call in inside[1]]


class Unruly(nn.Module):
    """Draws from every random state and changes about everything that a forward can change."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.body = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(4).eval(), nn.ReLU())
        self.last = nn.Linear(4, 2).requires_grad_(False)
        self.register_buffer("count", torch.zeros(2))
        self.register_buffer("cache", torch.ones(1), persistent=False)
        self.state, self.config, self.nothing = torch.zeros(2), {"a": 1}, None
        self.body[2].register_forward_hook(own_hook)
        self.norm.register_forward_pre_hook(own_pre_hook)
        self.inside = None

    def forward(self, x):
        random.random(), random.gauss(), np.random.rand(), np.random.randn(), torch.rand(1)
        self.count += 1
        self.count, self.state = self.count + 1, self.state.add_(1)
        self.nothing, self.new = x, "new"
        del self.config
        self.cache.zero_()
        x = self.norm(self.first(x))
        if self.inside is not None:
            self.inside(self, x)
        self.eval()
        self.last.requires_grad_(True)
        self.first.weight.grad = None
        self.body[1].register_forward_hook(own_hook)
        self.body[0] = nn.Identity()
        torch.set_grad_enabled(not torch.is_grad_enabled())
        return self.last(self.body(x))


def own_hook(module, args, output):
    """The reader's own: changes nothing."""


def own_pre_hook(module, args):
    """The reader's own: changes nothing."""


def unruly(nested=False):
    """With gradients, some of them None, mixed modes, and an odd number of Gaussians drawn: one is kept for later."""
    model = Unruly()
    model.norm(model.first(torch.randn(5, 3))).square().sum().backward()
    model.body[2].eval()
    if nested:
        model.inside = lambda self, x: [trace(self.body, x), trace(self.last, x)]
    random.seed(0), np.random.seed(0)
    random.gauss(), np.random.randn()
    assert random.getstate()[2] is not None and np.random.get_state()[3] == 1
    return model


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("grad", [True, False])
def test_an_unruly_forward_leaves_nothing(grad, nested):
    model, x = unruly(nested), torch.randn(5, 3)
    with torch.set_grad_enabled(grad):
        before = state_of(model)
        result = trace(model, x)
        assert state_of(model) == before
    if not nested:
        assert [call.label for call in result] == ["first", "norm", "body.0", "body.1", "body.2", "last"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("register", ["register_forward_pre_hook", "register_forward_hook"])
@pytest.mark.parametrize("layer", ["", "first", "norm", "body", "body.1", "body.2", "last"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_in_any_layer_leaves_nothing(error, layer, register, nested):
    def raising(*_):
        random.random(), np.random.randn(), torch.rand(1)
        raise error

    model, x = unruly(nested), torch.randn(5, 3)
    getattr(model.get_submodule(layer), register)(raising)
    before = state_of(model)
    with pytest.raises(error) as caught:
        trace(model, x)
    assert state_of(model) == before
    assert caught.value.__notes__[-1].startswith(f"in {layer or 'the model itself'} (")
    assert caught.value.partial_trace.parameters == 3 * 4 + 4 + 2 * 8 + 4 * 2 + 2


def test_the_random_numbers_after_a_trace_are_those_without_it():
    def draw():
        return (
            random.random(),
            random.gauss(),
            np.random.randn(3).tolist(),
            np.random.rand(),
            torch.randn(2).tolist(),
            torch.rand(1).item(),
        )

    def seed():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        random.gauss(), np.random.randn(), torch.randn(1)

    model, x = unruly(), torch.randn(5, 3)
    seed()
    expected = draw()
    seed()
    trace(model, x)
    assert draw() == expected
    model.last = nn.Linear(9, 9)
    seed()
    with pytest.raises(RuntimeError):
        trace(model, x)
    assert draw() == expected


@pytest.mark.parametrize("fails", [False, True])
def test_a_graph_made_before_a_trace_runs_backward_after_it(fails):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Linear(4, 1))
    twin, x = copy.deepcopy(model), torch.randn(8, 3)
    twin(x).square().sum().backward()
    loss = model(x).square().sum()
    if fails:
        with pytest.raises(RuntimeError):
            trace(model, torch.randn(8, 4))
    else:
        trace(model, torch.randn(8, 3))
        trace(model.eval(), torch.randn(8, 3))
    loss.backward()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


class Writing(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            self.weight.mul_(2)
        return super().forward(x)


def test_a_warning_of_a_written_weight_names_the_readers_line():
    with pytest.warns(RuntimeWarning, match="wrote into the parameters weight") as caught:
        trace(Writing(2, 2), torch.ones(1, 2))
    assert caught[0].filename == __file__


def test_a_warning_that_is_an_error_stops_no_restoration():
    """The module that is not registered is put back first."""
    model = Run(lambda self, x: self.loose[0](self.norm(x)), norm=nn.BatchNorm1d(2))
    model.loose, x = [Writing(2, 2)], torch.randn(4, 2)
    before = state_of(model)
    with pytest.raises(RuntimeWarning, match="weight"):
        trace(model, x)
    assert state_of(model) == before


# Copies made during a trace and after it


class Copying(nn.Module):
    """Copies and pickles itself in the middle of its forward."""

    copies = ()  # of the class: no attribute that would be copied with it

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)

    def forward(self, x):
        x = self.norm(self.first(x))
        if type(self).copies == ():
            type(self).copies = copies_of(self)
        return self.last(x)


def copies_of(model):
    saved = io.BytesIO()
    torch.save(model, saved)
    saved.seek(0)
    return [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(saved, weights_only=False)]


def hooks_of(model):
    """The hooks that act, by module."""
    return [
        [
            hook
            for key in ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks")
            for hook in vars(module)[key].values()
            if getattr(hook, "function", None) is not do_nothing
        ]
        for module in model.modules()
    ]


@pytest.mark.parametrize("own_hooks", [False, True])
def test_copies_made_inside_a_forward_carry_nothing_that_acts(own_hooks):
    model, x = Copying(), torch.randn(5, 3)
    if own_hooks:
        for module in model.modules():
            module.register_forward_hook(own_hook)
            module.register_forward_pre_hook(own_pre_hook)
    hooks = hooks_of(model)
    Copying.copies = ()
    before = state_of(model)
    result = trace(model, x)
    assert state_of(model) == before and len(result) == 3 and len(Copying.copies) == 3
    expected = model.eval()(x)
    for again in Copying.copies:
        assert hooks_of(again) == hooks
        # It was copied in the middle of a forward in train mode, so its statistics had moved.
        assert again.norm.num_batches_tracked.item() == 1 and again.training
        again.norm.load_state_dict(model.norm.state_dict())
        assert torch.equal(again.eval()(x), expected)
    assert len(result) == 3


@pytest.mark.parametrize("fails", [False, True])
def test_copies_made_after_a_trace_are_those_of_an_untraced_model(fails):
    model, x = ClinicalMLP(), torch.randn(4, 20)
    if fails:
        with pytest.raises(RuntimeError):
            trace(model, torch.randn(4, 19))
    else:
        trace(model, x)
    for again in copies_of(model):
        assert not any(hooks_of(again)) and state_of(again)["tensors"] != state_of(model)["tensors"]
        assert {key: value.tolist() for key, value in again.state_dict().items()} == {
            key: value.tolist() for key, value in model.state_dict().items()
        }
        assert torch.equal(again.eval()(x), copy.deepcopy(model).eval()(x))
    assert pickle.dumps(model) == pickle.dumps(model)


# Nothing is kept alive


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("own_hooks", [False, True])
def test_an_activation_is_free_as_soon_as_the_forward_drops_it(no_collector, own_hooks):
    refs, alive = [], []

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
            refs.append(weakref.ref(x))
            alive.append(sum(ref() is not None for ref in refs))
        return x

    model = Run(forward, layers=nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(4)))
    if own_hooks:
        for module in model.modules():
            module.register_forward_hook(own_hook)
    with torch.no_grad():
        trace(model, torch.ones(1, 2))
    assert alive == [1] * 4 and [ref() for ref in refs] == [None] * 4


def test_no_activation_outlives_an_interrupt(no_collector):
    refs = []

    def forward(self, x):
        x = self.first(x)
        refs.append(weakref.ref(x))
        self.stop(x)

    def stop(self, x):
        raise KeyboardInterrupt

    model = Run(forward, first=nn.Linear(2, 2), stop=Run(stop))
    try:
        trace(model, torch.ones(1, 2))
    except KeyboardInterrupt as error:
        partial = error.partial_trace
    assert refs[0]() is None and [call.label for call in partial] == ["first", "stop"]


def test_no_activation_outlives_an_error_that_the_model_caught(no_collector):
    refs = []

    def forward(self, x):
        x = self.first(x)
        refs.append(weakref.ref(x))
        with contextlib.suppress(RuntimeError):
            self.wrong(x)
        return self.first(self.first(x))

    model = Run(forward, first=nn.Linear(2, 2), wrong=nn.Sequential(nn.Linear(3, 3)))
    result = trace(model, torch.ones(1, 2))
    assert refs[0]() is None and len(result) == 3


def test_an_error_that_the_model_caught_holds_nothing_once_another_module_has_run(no_collector):
    refs, alive = [], []

    def forward(self, x):
        try:
            y = self.first(x)
            refs.append(weakref.ref(y))
            self.wrong(y)
        except RuntimeError:
            y = x
        y = self.first(y)
        alive.append(refs[0]() is not None)
        return y

    for run in (lambda model, x: model(x), trace):
        refs.clear(), alive.clear()
        with torch.no_grad():
            run(Run(forward, first=nn.Linear(2, 2), wrong=nn.Linear(3, 3)), torch.ones(1, 2))
        assert alive == [False]


def test_no_model_outlives_its_trace(no_collector):
    model, x = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), torch.randn(3, 2)
    refs = [weakref.ref(one) for one in (model, model[0], model[0].weight, model[1].running_mean, x)]
    result = trace(model, x)
    del model, x
    assert [ref() for ref in refs] == [None] * 5 and len(result) == 2


def test_a_module_made_during_the_forward_does_not_outlive_it(no_collector):
    refs = []

    def forward(self, x):
        layer = nn.Linear(2, 2)
        refs.append(weakref.ref(layer))
        return layer(x)

    result = trace(Run(forward), torch.ones(1, 2))
    assert refs[0]() is None and [call.label for call in result] == ["<Linear>"]


# Threads


@pytest.fixture(autouse=True)
def compiling():
    """A trace that left compiling off would fail every later test; those here that are about it look before this."""
    yield
    if "torch._dynamo" in sys.modules:
        torch.compiler.set_stance("default")


def run_together(*functions):
    """Run the functions in a thread each, and give back what they return or raise."""
    results = [None] * len(functions)

    def run(number):
        try:
            results[number] = functions[number]()
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


def meeting(size, barrier, error=None):
    """A model that waits between its layers until the others are there as well."""

    def forward(self, x):
        barrier.wait()
        for layer in self.layers:
            x = layer(x)
            barrier.wait()
        if error:
            raise error
        return x

    layers = [nn.Linear(size, size), nn.Sequential(nn.BatchNorm1d(size), nn.Dropout()), nn.ReLU()]
    model = Run(forward, layers=nn.ModuleList(layers))
    model.layers[2].register_forward_hook(own_hook)
    return model


LABELS = ["Run", "layers.0", "layers.1", "layers.1.0", "layers.1.1", "layers.2"]


def test_traces_in_several_threads_see_their_own_calls():
    barrier, hooks = threading.Barrier(3, timeout=30), world()["hooks"]
    models = [meeting(size, barrier) for size in (2, 3, 5)]
    inputs = [torch.randn(4, size) for size in (2, 3, 5)]
    before = [(copy.deepcopy(model.state_dict()), hooks_of(model)) for model in models]
    results = run_together(*(lambda m=m, x=x: trace(m, x) for m, x in zip(models, inputs, strict=True)))
    for size, model, result, (state, its_hooks) in zip((2, 3, 5), models, results, before, strict=True):
        assert [call.label for call in result.calls] == LABELS
        assert {call.output_shapes for call in result.calls} == {((4, size),)}
        assert hooks_of(model) == its_hooks
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert world()["hooks"] == hooks and torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_one_thread_is_nothing_to_the_other(error):
    barrier, hooks = threading.Barrier(2, timeout=30), world()["hooks"]
    fails, works = meeting(2, barrier, error("own")), meeting(3, barrier)
    caught, result = run_together(lambda: trace(fails, torch.randn(4, 2)), lambda: trace(works, torch.randn(4, 3)))
    assert type(caught) is error and caught.__notes__[0].startswith("in the model itself (Run), called with (4, 2);")
    assert [call.label for call in caught.partial_trace.calls] == LABELS
    assert [call.label for call in result.calls] == LABELS
    assert world()["hooks"] == hooks


def test_calls_of_another_thread_are_not_in_the_trace():
    barrier = threading.Barrier(2, timeout=30)
    here, there = meeting(2, barrier), meeting(3, barrier)
    twin, x = copy.deepcopy(there.layers).eval(), torch.randn(4, 3)
    result, output = run_together(lambda: trace(here, torch.randn(4, 2)), lambda: there.eval()(x))
    assert [call.label for call in result.calls] == LABELS
    assert torch.equal(output, twin[2](twin[1](twin[0](x))))


def test_a_module_that_another_thread_runs_as_well():
    """The two models share an activation that carries a hook of the reader."""
    shared = nn.ReLU()
    shared.register_forward_hook(own_hook)
    started, done = threading.Event(), threading.Event()

    def forward(self, x):
        x = self.act(self.first(x))
        started.set()
        assert done.wait(30)
        return self.act(self.last(x))

    def other():
        assert started.wait(30)
        nn.Sequential(nn.Linear(5, 5), shared)(torch.randn(1, 5))
        done.set()

    model = Run(forward, first=nn.Linear(2, 3), act=shared, last=nn.Linear(3, 1))
    result, _ = run_together(lambda: trace(model, torch.randn(4, 2)), other)
    assert [(call.label, call.depth, call.output_shapes) for call in result.calls] == [
        ("Run", 0, ((4, 1),)),
        ("first", 1, ((4, 3),)),
        ("act:1", 1, ((4, 3),)),
        ("last", 1, ((4, 1),)),
        ("act:2", 1, ((4, 1),)),
    ]


def traced_in_turn(inner, x):
    """Two traces of models around ``inner``: the second begins within the first, and runs ``inner`` after its end."""
    first_runs, second_runs, first_ended = threading.Event(), threading.Event(), threading.Event()

    def early(self, x):
        first_runs.set()
        assert second_runs.wait(30)
        return self.inner(x)

    def late(self, x):
        second_runs.set()
        assert first_ended.wait(30)
        return self.inner(x)

    def first():
        try:
            return trace(Run(early, inner=inner), x)
        finally:
            first_ended.set()

    def second():
        assert first_runs.wait(30)
        return trace(Run(late, inner=inner), x)

    return run_together(first, second)


@pytest.mark.parametrize("fast", [True, False])
def test_encoders_traced_in_overlapping_threads_are_both_seen_inside(fast):
    inner = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1).eval()
    inner.requires_grad_(False)  # the fused path's own condition
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        one, other = traced_in_turn(inner, torch.randn(2, 3, 8))
        assert torch.backends.mha.get_fastpath_enabled() is fast
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert [call.label for call in one] == [call.label for call in other]
    assert "inner.layers.0.self_attn" in [call.label for call in one] and len(one) == 8


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo reads it
@pytest.mark.exhaustive
def test_compiled_models_traced_in_overlapping_threads_stay_compiled():
    compiled = []

    def backend(graph, inputs):
        compiled.append(0)

        def run(*args):
            compiled[-1] += 1
            return graph(*args)

        return run

    torch._dynamo.reset()
    inner = torch.compile(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), backend=backend)
    inner(torch.ones(2, 3))
    assert compiled == [1]
    before = world()
    results = traced_in_turn(inner, torch.ones(2, 3))
    assert world() == before
    for result in results:
        assert [call.label for call in result] == ["inner._orig_mod.0", "inner._orig_mod.1"]
    assert compiled == [1]
    inner(torch.ones(2, 3))
    assert compiled == [2]


# The reader's own hooks


def test_the_readers_own_hooks_keep_their_order():
    model, ran = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), []
    for number in range(3):
        model[0].register_forward_hook(lambda *_, number=number: ran.append(number))
        model[0].register_forward_pre_hook(lambda *_, number=number: ran.append(-number))
    model[0].register_forward_hook(lambda *_: ran.append("first"), prepend=True, always_call=True)
    model[0].register_forward_hook(lambda *_: ran.append("named"), with_kwargs=True)
    model.register_forward_hook(lambda *_: ran.append("whole"))
    order = [0, -1, -2, "first", 0, 1, 2, "named", "whole"]
    before = state_of(model)
    for run in (model, lambda x: trace(model, x), lambda x: trace(model, x), model):
        run(torch.ones(1, 2))
        assert ran == order
        ran.clear()
    assert state_of(model) == before


def test_the_readers_global_hooks_run_and_stay():
    ran, register = [], nn.modules.module
    handles = [
        register.register_module_forward_pre_hook(lambda module, args: ran.append(("before", type(module).__name__))),
        register.register_module_forward_hook(lambda module, args, out: ran.append(("after", type(module).__name__))),
        register.register_module_forward_hook(lambda module, args, out: out[:2]),  # of four rows it leaves two
    ]
    try:
        model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        before = state_of(model)
        result = trace(model, torch.ones(4, 2))
        assert state_of(model) == before
        assert ran == [
            ("before", "Sequential"),
            ("before", "Linear"),
            ("after", "Linear"),
            ("before", "ReLU"),
            ("after", "ReLU"),
            ("after", "Sequential"),
        ]
        assert [(call.input_shapes, call.output_shapes) for call in result] == [
            (((4, 2),), ((2, 3),)),  # what the next layer is given
            (((2, 3),), ((2, 3),)),
        ]
        ran.clear()
        model(torch.ones(4, 2))
        assert len(ran) == 6
    finally:
        for handle in handles:
            handle.remove()


def test_a_hook_registered_during_the_forward_may_change_the_output():
    def forward(self, x):
        x = self.act(x)
        handle = self.act.register_forward_hook(lambda module, args, out: out[:1])
        x = self.act(x)
        handle.remove()
        return self.act(x)

    for own in (False, True):
        model = Run(forward, act=nn.ReLU())
        if own:
            model.act.register_forward_hook(own_hook)
        before = state_of(model)
        result = trace(model, torch.ones(4, 2))
        assert state_of(model) == before
        assert [call.output_shapes for call in result] == [((4, 2),), ((1, 2),), ((1, 2),)]


@pytest.mark.parametrize("own", [False, True])
def test_a_nested_trace_of_a_module_hides_no_later_call(own):
    def forward(self, x):
        inside.append(trace(self.sub, x))
        return self.sub(self.sub(x))

    inside, model = [], Run(forward, sub=nn.Sequential(nn.ReLU(), nn.Tanh()))
    if own:
        for module in model.modules():
            module.register_forward_hook(own_hook)
    before = state_of(model)
    result = trace(model, torch.ones(2))
    assert state_of(model) == before
    assert [call.label for call in inside[0].calls] == ["Sequential", "0", "1"]
    assert [call.label for call in result.calls] == [
        "Run",
        *("sub:1", "sub.0:1", "sub.1:1"),
        *("sub:2", "sub.0:2", "sub.1:2"),
        *("sub:3", "sub.0:3", "sub.1:3"),
    ]


def test_a_capture_inside_a_forward_and_a_trace_inside_a_capture():
    def forward(self, x):
        with capture(self, ["act"]) as kept:
            x = self.act(self.act(x))
        seen.append(list(kept))
        return self.act(x)

    seen, model = [], Run(forward, act=nn.ReLU())
    before = state_of(model)
    result = trace(model, torch.ones(2))
    assert state_of(model) == before and seen == [["act:1", "act:2"]]
    assert [call.label for call in result] == ["act:1", "act:2", "act:3"]
    with capture(model, ["act"]) as kept:
        inside = state_of(model)
        trace(model, torch.ones(2))
        assert state_of(model) == inside
    assert list(kept) == ["act:1", "act:2", "act:3"]


# Unusual calls


def test_a_model_that_calls_itself():
    model = Run(lambda self, x, n: self(self.step(x), n - 1) if n else x, step=nn.ReLU())
    result = trace(model, torch.ones(2), 2)
    assert [(call.label, call.depth, call.is_leaf) for call in result.calls] == [
        ("Run:1", 0, False),
        ("step:1", 1, True),
        ("Run:2", 1, False),
        ("step:2", 2, True),
        ("Run:3", 2, True),
    ]


def test_a_part_that_calls_itself():
    inner = Run(lambda self, x, n: self.step(self(x, n - 1)) if n else x, step=nn.ReLU())
    result = trace(Run(lambda self, x: self.inner(x, 2), inner=inner), torch.ones(2))
    assert [(call.label, call.depth, call.is_leaf) for call in result.calls] == [
        ("Run", 0, False),
        ("inner:1", 1, False),
        ("inner:2", 2, False),
        ("inner:3", 3, True),
        ("inner.step:1", 3, True),
        ("inner.step:2", 2, True),
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_part_that_calls_itself_and_catches_its_error(error):
    def forward(self, x, n):
        if n == 0:
            raise error
        try:
            return self(x, n - 1)
        except error:
            return self.step(x) if self.step else x

    def calls(step):
        inner = Run(forward, step=step)
        result = trace(Run(lambda self, x: self.inner(x, 2), inner=inner), torch.ones(2))
        return [(call.label, call.depth) for call in result.calls]

    assert calls(nn.ReLU()) == [("Run", 0), ("inner:1", 1), ("inner:2", 2), ("inner.step", 3)]
    assert calls(None) == [("Run", 0), ("inner:1", 1), ("inner:2", 2)]


# When the forward raises


def test_the_first_layer_fails():
    note, partial = note_of(ClinicalMLP(), torch.randn(16, 19))
    assert note == (
        "in layer1 (Linear(in_features=20, out_features=64, bias=True)), called with (16, 19); "
        "it expects a last axis of 20; no call had finished yet"
    )
    assert [call.label for call in partial] == ["layer1"] and partial.parameters == 3649
    assert partial[0].error == "RuntimeError; it expects a last axis of 20" and partial[0].input_shapes == ((16, 19),)


def test_a_later_layer_fails():
    model = ClinicalMLP()
    model.layer2 = nn.Linear(63, 32)
    note, partial = note_of(model, torch.randn(16, 20))
    assert "in layer2 (Linear(" in note and "called with (16, 64); it expects a last axis of 63" in note
    assert note.endswith("the last call that worked: drop")
    assert [call.label for call in partial] == ["layer1", "bn1", "relu", "drop", "layer2"]
    assert partial == partial and partial[0].output_shapes == ((16, 64),)


def test_the_call_that_failed_is_the_last_row_and_says_what_it_expected():
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
    _, partial = note_of(model, torch.ones(2, 3))
    assert partial.failed == partial[-1] and partial.failed.label == "1.1"
    assert repr(partial) == "Trace(4 calls: 0.0, 0.1, 1.0, 1.1 (raised))"
    error = "RuntimeError; it expects a last axis of 5"
    assert str(partial.table(("layer", "output"))).splitlines()[2:] == [
        "0.0    (2, 4)", "0.1    (2, 4)", "1.0    (2, 4)", "1.1    raised", f"  ^ {error}",
    ]  # fmt: skip
    tree = partial.table(("layer", "output"), leaves=False)
    assert tree.rows[0] == ("Sequential", "") and tree.rows[1] == ("  0", "(2, 4)") and tree.error == (6, error)
    folded = partial.table(("layer", "output"), leaves=False, depth=1)
    assert folded.rows[1:] == (("  0", "(2, 4)"), ("  1", "raised")) and folded.error == (2, error)
    assert partial.filter(type="Sequential").failed is None
    assert trace(nn.ReLU(), torch.ones(2)).failed is None


def test_a_container_that_fails_on_its_own_is_the_last_row():
    model = Run(lambda self, x: self.first(x) + torch.ones(7), first=nn.Linear(3, 2))
    _, partial = note_of(model, torch.ones(2, 3))
    assert [(call.label, call.error) for call in partial] == [("first", ""), ("Run", "RuntimeError")]
    assert [call.label for call in partial.calls] == ["Run", "first"]


def test_a_container_that_fails_at_once_counts_its_own_parameters():
    block = Run(lambda self, x: x + torch.ones(7), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    _, partial = note_of(nn.Sequential(block), torch.ones(2, 3))
    assert partial.failed.label == "0" and partial.failed.parameters == 0


def test_inputs_that_cannot_be_looked_into():
    class Unreadable(Mapping):
        def __getitem__(self, key):
            raise RuntimeError("closed")

        def __iter__(self):
            return iter("a")

        def __len__(self):
            return 1

    model = nn.Sequential(nn.BatchNorm1d(3))
    before = state_of(model)
    with pytest.raises(RuntimeError, match="closed"):
        trace(model, Unreadable())
    assert state_of(model) == before


def test_a_call_by_keyword_that_fails_has_its_shapes():
    model = Run(lambda self, x: self.inner(input=x), inner=nn.Linear(4, 2))
    _, partial = note_of(model, torch.ones(2, 3))
    assert partial.failed.input_shapes == ((2, 3),) and partial.failed.error.endswith("a last axis of 4")


def test_batch_norm_with_a_batch_of_one():
    note, partial = note_of(ClinicalMLP(), torch.randn(1, 20), error=ValueError)
    assert "in bn1 (BatchNorm1d(64" in note and "called with (1, 64)" in note
    assert "more than one value for each of its 64 features" in note and "worked: layer1" in note
    assert [call.label for call in partial] == ["layer1", "bn1"]


def test_a_readers_own_hook_fails():
    for register in ("register_forward_pre_hook", "register_forward_hook"):
        model = ClinicalMLP()
        getattr(model.layer2, register)(lambda *_: 1 / 0)
        note, partial = note_of(model, torch.randn(16, 20), error=ZeroDivisionError)
        assert note.startswith("in layer2 (") and note.endswith("worked: drop")
        assert len(partial) == 5 and partial.failed == partial[-1] and partial.failed.label == "layer2"


def test_the_original_error_comes_out():
    class Own(Exception):
        pass

    error = Own("mine")

    def forward(self, *args):
        raise error

    with pytest.raises(Own) as caught:
        trace(Run(forward), torch.ones(3), [torch.ones(2, 2)])
    assert caught.value is error
    assert "in the model itself" in error.__notes__[0] and "called with (3,), (2, 2);" in error.__notes__[0]


def test_called_with_no_tensor():
    note, _ = note_of(Run(lambda self: 1 / 0), error=ZeroDivisionError)
    assert "called with no tensor" in note


def test_the_innermost_module_of_a_nested_failure():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    note, partial = note_of(model, torch.ones(1, 4))
    assert note.startswith("in 1.1 (Linear(") and note.endswith("worked: 1.0")
    assert [call.label for call in partial.calls] == ["Sequential", "0", "0.0", "0.1", "1", "1.0", "1.1"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt(error):
    def interrupt(self, x):
        raise error

    model = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.Dropout(), Run(interrupt)))
    note, partial = note_of(model, torch.randn(4, 3), error=error)
    assert note.startswith("in 1.1 (Run(") and "called with (4, 3)" in note and note.endswith("worked: 1.0")
    assert [call.label for call in partial] == ["0", "1.0", "1.1"]


def test_a_model_that_catches_its_own_error_is_traced_through():
    def forward(self, x):
        try:
            self.wrong(x)
        except RuntimeError:
            x = self.rescue(x)  # runs while the error is being handled
        return self.last(x)

    model = Run(
        forward,
        wrong=nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(9, 9))),
        rescue=nn.Sequential(nn.Tanh()),
        last=nn.Linear(3, 1),
    )
    result = trace(model, torch.ones(2, 3))
    assert [(call.label, call.depth, call.is_leaf) for call in result.calls] == [
        ("Run", 0, False),
        ("wrong.0", 1, True),
        ("rescue", 1, False),
        ("rescue.0", 2, True),
        ("last", 1, True),
    ]


@pytest.mark.parametrize("at", ["self", "later", "handler", "interrupt"])
def test_the_note_names_the_call_that_raised_not_one_whose_error_was_caught(at):
    def forward(self, x):
        try:
            self.wrong(x)
        except RuntimeError:
            self.fine(x)
            if at == "handler":
                raise
        if at == "later":
            self.other(x)
        raise KeyboardInterrupt if at == "interrupt" else ValueError("own")

    model = Run(forward, wrong=nn.Linear(9, 9), fine=nn.ReLU(), other=nn.Linear(8, 8))
    expected, error = {
        "self": ("the model itself", ValueError),
        "later": ("other", RuntimeError),
        "handler": ("wrong", RuntimeError),
        "interrupt": ("the model itself", KeyboardInterrupt),
    }[at]
    note, partial = note_of(model, torch.ones(2, 3), error=error)
    assert note.startswith(f"in {expected} (") and note.endswith("worked: fine")
    # A call that has raised once before has no row.
    assert [call.label for call in partial] == ["fine", "other" if at == "later" else "Run"]


def test_a_trace_started_while_an_error_is_handled():
    try:
        raise KeyError
    except KeyError:
        assert len(trace(ClinicalMLP(), torch.randn(4, 20))) == 8
        note, _ = note_of(ClinicalMLP(), torch.randn(4, 19))
        assert note.startswith("in layer1")


def stopping(self, x):
    raise KeyboardInterrupt


def test_a_model_that_catches_an_interrupt_is_traced_through():
    def forward(self, x):
        try:
            self.wrong(x)
        except KeyboardInterrupt:
            x = self.rescue(x)  # runs while the interrupt is being handled
        return self.last(x)

    model = Run(
        forward,
        wrong=nn.Sequential(nn.ReLU(), nn.Sequential(Run(stopping))),
        rescue=nn.Sequential(nn.Tanh()),
        last=nn.Linear(3, 1),
    )
    before = state_of(model)
    result = trace(model, torch.ones(2, 3))
    assert state_of(model) == before
    assert [(call.label, call.depth, call.is_leaf) for call in result.calls] == [
        ("Run", 0, False),
        ("wrong.0", 1, True),
        ("rescue", 1, False),
        ("rescue.0", 2, True),
        ("last", 1, True),
    ]


def test_a_container_that_catches_an_interrupt_of_its_part():
    def catching(self, x):
        try:
            self.part(x)
        except KeyboardInterrupt:
            return self.instead(x)

    inner = Run(catching, part=Run(stopping), instead=nn.ReLU())
    result = trace(nn.Sequential(inner, nn.Tanh()), torch.ones(2))
    assert [(call.label, call.depth, call.is_leaf) for call in result.calls] == [
        ("Sequential", 0, False),
        ("0", 1, False),
        ("0.instead", 2, True),
        ("1", 1, True),
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_note_after_an_interrupt_that_was_caught(error):
    def raising(self, x):
        raise error

    def forward(self, x):
        try:
            self.first(x)
        except KeyboardInterrupt:
            x = self.fine(x)
        return self.last(x)

    model = Run(forward, first=nn.Sequential(Run(stopping)), fine=nn.ReLU(), last=Run(raising))
    note, partial = note_of(model, torch.ones(2), error=error)
    assert note.startswith("in last (Run()") and note.endswith("worked: fine")
    assert [(call.label, call.depth) for call in partial.calls] == [("Run", 0), ("fine", 1), ("last", 1)]


def test_an_interrupt_caught_again_and_again():
    def forward(self, x):
        for _ in range(3):
            try:
                self.stop(self.fine(x))
            except KeyboardInterrupt:
                x = self.fine(x)
        return x

    result = trace(Run(forward, stop=Run(stopping), fine=nn.ReLU()), torch.ones(2))
    assert [(call.label, call.depth) for call in result.calls[1:]] == [(f"fine:{n}", 1) for n in range(1, 7)]


def test_an_interrupt_of_a_call_by_keyword():
    def forward(self, *, x, mask):
        raise KeyboardInterrupt

    model = Run(lambda self, x: self.inner(x=x, mask=x[0]), inner=Run(forward))
    note, _ = note_of(model, torch.ones(2, 3), error=KeyboardInterrupt)
    assert note == "in inner (Run()), called with (2, 3), (3,); no call had finished yet"


def test_an_error_raised_from_another():
    def forward(self, x):
        try:
            self.wrong(x)
        except RuntimeError as error:
            raise ValueError("own") from error

    model = Run(lambda self, x: self.inner(x), inner=Run(forward, wrong=nn.Linear(9, 9)))
    note, partial = note_of(model, torch.ones(2, 3), error=ValueError)
    assert note.startswith("in inner (") and [call.label for call in partial] == ["inner"]


def test_an_error_that_is_raised_again_later_is_still_that_of_its_layer():
    def forward(self, x):
        try:
            self.wrong(x)
        except RuntimeError as error:
            kept = error
        self.fine(x)
        raise kept

    model = Run(forward, wrong=nn.Linear(9, 9), fine=nn.ReLU())
    note, partial = note_of(model, torch.ones(2, 3))
    assert note.startswith("in wrong (Linear(") and note.endswith("worked: fine")
    assert [call.label for call in partial] == ["fine", "Run"]


def test_a_nested_trace_that_fails():
    def forward(self, x):
        return trace(self.sub, self.first(x))

    model = Run(forward, first=nn.ReLU(), sub=nn.Sequential(nn.Tanh(), nn.Linear(9, 9)))
    before = state_of(model)
    with pytest.raises(RuntimeError) as caught:
        trace(model, torch.ones(2, 3))
    assert state_of(model) == before
    inner, outer = caught.value.__notes__
    assert inner.startswith("in 1 (Linear(") and inner.endswith("worked: 0")
    assert outer.startswith("in sub.1 (Linear(") and outer.endswith("worked: sub.0")
    # It is the reader's own trace that the error carries.
    assert [call.label for call in caught.value.partial_trace] == ["first", "sub.0", "sub.1"]


def test_a_nested_trace_whose_error_is_caught():
    def forward(self, x):
        try:
            trace(self.sub, x)
        except RuntimeError as error:
            partial.append(error.partial_trace)
        return self.last(x)

    partial, model = [], Run(forward, sub=nn.Sequential(nn.Tanh(), nn.Linear(9, 9)), last=nn.ReLU())
    result = trace(model, torch.ones(2, 3))
    assert [(call.label, call.depth) for call in result.calls] == [("Run", 0), ("sub.0", 1), ("last", 1)]
    assert [call.label for call in partial[0]] == ["0", "1"]


class WithoutName(nn.Module):
    def forward(self, x):
        raise ValueError("the reader's")

    def __repr__(self):
        raise AttributeError("not set yet")


class HalfMade(nn.Linear):
    """A layer of one's own that never called Linear's __init__."""

    def __init__(self):
        nn.Module.__init__(self)

    def forward(self, x):
        raise ValueError("the reader's")

    def extra_repr(self):
        return ""


@pytest.mark.parametrize("make", [WithoutName, HalfMade])
def test_a_module_that_cannot_describe_itself_does_not_hide_the_error(make):
    model = nn.Sequential(nn.ReLU(), make())
    note, partial = note_of(model, torch.ones(2), error=ValueError)
    assert note.startswith("in 1 (") and make.__name__ in note and "called with (2,)" in note
    assert [call.label for call in partial] == ["0", "1"]


def test_wrong_arguments_of_the_model_itself():
    note, partial = note_of(ClinicalMLP(), torch.ones(2, 20), torch.ones(3), error=TypeError)
    assert note.startswith("in the model itself (ClinicalMLP), called with (2, 20), (3,);")
    assert partial.calls == (partial.failed,) and partial.failed.error == "TypeError"


def test_no_module_is_a_type_error():
    for function in (trace, trace_forward_pass):
        with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got function"):
            function(lambda x: x, torch.ones(1))


TABLE = """\
layer   input    output
------  -------  -------
layer1  (5, 20)  (5, 64)
bn1     (5, 64)  (5, 64)
relu:1  (5, 64)  (5, 64)
drop    (5, 64)  (5, 64)
layer2  (5, 64)  (5, 32)
bn2     (5, 32)  (5, 32)
relu:2  (5, 32)  (5, 32)
layer3  (5, 32)  (5, 1)
"""


def test_trace_forward_pass_prints_and_returns_none(capsys):
    assert trace_forward_pass(ClinicalMLP(), torch.randn(5, 20)) is None
    assert capsys.readouterr() == (TABLE, "")
    result = trace(ClinicalMLP(), torch.randn(5, 20))
    get_intermediate_activations(ClinicalMLP(), torch.randn(5, 20), ["relu"])
    assert capsys.readouterr() == ("", "")
    assert str(result).splitlines()[0].split() == ["layer", "type", "input", "output", "parameters"]
    cells = re.findall("<td[^>]*>(.*?)</td>", result._repr_html_())
    assert cells == [cell for row in result.table().rows for cell in row]


def test_meta_device_gives_shapes_without_memory():
    with torch.device("meta"):
        model, x = ClinicalMLP(n_features=10**6, hidden=(10**6, 32)), torch.empty(16, 10**6)
    result = trace(model, x)
    assert result[0].output_shapes == ((16, 10**6),) and result[0].output_bytes == 4 * 16 * 10**6
    assert result[0].parameters == 10**12 + 10**6
    assert [call.label for call in result][-1] == "layer3"
