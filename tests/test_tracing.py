"""tracing: against plain hooks written here, calls listed by hand and plain computation."""

import dataclasses
import gc
import random
import re
import weakref
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fpcourse.calls import COLUMNS
from fpcourse.capturing import capture, get_intermediate_activations
from fpcourse.models import ClinicalMLP, mlp
from fpcourse.tracing import trace, trace_forward_pass

Pair = namedtuple("Pair", "left right")


@dataclass
class Output:
    logits: torch.Tensor
    extra: tuple | None = None


class Run(nn.Module):
    """A module whose forward is the given function of itself and its arguments."""

    def __init__(self, function, **children):
        super().__init__()
        self.function = function
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


def state_of(model):
    """What a trace must not touch, by value and by number of hooks (identity: see test_preserve)."""
    numpy_state = np.random.get_state()
    return (
        {name: value.tolist() for name, value in model.state_dict().items()},
        [(module.training, len(module._forward_hooks), len(module._forward_pre_hooks)) for module in model.modules()],
        [len(module._forward_hooks_always_called) for module in model.modules()],
        [(p.requires_grad, None if p.grad is None else p.grad.tolist()) for p in model.parameters()],
        random.getstate(),
        (numpy_state[1].tolist(), *numpy_state[2:]),
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    )


def oracle(model, *args):
    """Order, nesting and shapes of the calls, by hooks of the plainest kind, on a model given away for it."""
    rows, open_rows = [], []

    def before(name):
        def hook(module, args):
            rows.append([name, type(module).__name__, len(open_rows), tuple(args[0].shape), None])
            open_rows.append(rows[-1])

        return hook

    def after(module, args, output):
        open_rows.pop()[-1] = tuple(output.shape)

    for name, module in model.named_modules():
        module.register_forward_pre_hook(before(name))
        module.register_forward_hook(after)
    model(*args)
    return [tuple(row) for row in rows]


def as_rows(calls):
    return [
        (call.name, call.type, call.depth, *call.input_shapes, *call.output_shapes)  # one tensor each
        for call in calls
    ]


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


def test_a_trace_is_a_sequence_of_its_leaves_and_plain_to_print():
    result = trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(1, 2))
    assert len(result) == 2 and result[-1].type == "ReLU" and [call.label for call in result[:1]] == ["0"]
    assert result[0] in result and len(result.calls) == 3
    assert repr(result) == "Trace(2 calls: 0, 1)"
    assert "0x" not in repr(result.calls)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.parameters = 0
    assert result == trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(1, 2))


leaf = st.sampled_from([lambda: nn.Linear(4, 4), lambda: nn.BatchNorm1d(4), nn.ReLU, nn.Dropout])
nested = st.recursive(
    leaf.map(lambda make: make()),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda modules: nn.Sequential(*modules)),
)


@settings(max_examples=40)
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
    rows = oracle(model, x)
    assert as_rows(result.calls) == rows
    # A leaf call is one after which the depth does not grow.
    depths = [row[2] for row in rows] + [0]
    assert as_rows(result) == [row for row, after in zip(rows, depths[1:], strict=True) if after <= row[2]]
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
    assert ref() is None and len(partial) == 0


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


# When the forward raises


def note_of(model, *args, error=RuntimeError):
    before = state_of(model)
    with pytest.raises(error) as caught:
        trace(model, *args)
    assert state_of(model) == before
    (note,) = caught.value.__notes__
    return note, caught.value.partial_trace


def test_the_first_layer_fails():
    note, partial = note_of(ClinicalMLP(), torch.randn(16, 19))
    assert note == (
        "in layer1 (Linear(in_features=20, out_features=64, bias=True)), called with (16, 19); "
        "it expects a last axis of 20; no call had finished yet"
    )
    assert len(partial) == 0 and partial.parameters == 3649


def test_a_later_layer_fails():
    model = ClinicalMLP()
    model.layer2 = nn.Linear(63, 32)
    note, partial = note_of(model, torch.randn(16, 20))
    assert "in layer2 (Linear(" in note and "called with (16, 64); it expects a last axis of 63" in note
    assert note.endswith("the last call that worked: drop")
    assert [call.label for call in partial] == ["layer1", "bn1", "relu", "drop"]
    assert partial == partial and partial[0].output_shapes == ((16, 64),)


def test_batch_norm_with_a_batch_of_one():
    note, partial = note_of(ClinicalMLP(), torch.randn(1, 20), error=ValueError)
    assert "in bn1 (BatchNorm1d(64" in note and "called with (1, 64)" in note
    assert "more than one value for each of its 64 features" in note and "worked: layer1" in note
    assert [call.label for call in partial] == ["layer1"]


def test_a_readers_own_hook_fails():
    for register in ("register_forward_pre_hook", "register_forward_hook"):
        model = ClinicalMLP()
        getattr(model.layer2, register)(lambda *_: 1 / 0)
        note, partial = note_of(model, torch.randn(16, 20), error=ZeroDivisionError)
        assert note.startswith("in layer2 (") and note.endswith("worked: drop") and len(partial) == 4


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
    assert [call.label for call in partial.calls] == ["0", "0.0", "0.1", "1.0"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt(error):
    def interrupt(self, x):
        raise error

    model = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.Dropout(), Run(interrupt)))
    note, partial = note_of(model, torch.randn(4, 3), error=error)
    assert note.startswith("in 1.1 (Run(") and "called with (4, 3)" in note and note.endswith("worked: 1.0")
    assert [call.label for call in partial] == ["0", "1.0"]


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
        ("wrong.0", 2, True),
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
    assert [call.label for call in partial] == ["fine"]


def test_a_trace_started_while_an_error_is_handled():
    try:
        raise KeyError
    except KeyError:
        assert len(trace(ClinicalMLP(), torch.randn(4, 20))) == 8
        note, _ = note_of(ClinicalMLP(), torch.randn(4, 19))
        assert note.startswith("in layer1")


def test_no_module_is_a_type_error():
    for function in (trace, trace_forward_pass):
        with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got function"):
            function(lambda x: x, torch.ones(1))


# Tables


def test_every_column():
    model = nn.Sequential(nn.Linear(3, 500), nn.BatchNorm1d(500).eval())
    table = trace(model, torch.randn(4, 3)).table(tuple(COLUMNS))
    assert table.headers == ("layer", "type", "mode", "input", "output", "dtype", "bytes", "parameters", "trainable")
    assert table.rows == (
        ("0", "Linear", "train", "(4, 3)", "(4, 500)", "float32", "8,000", "2,000"),
        ("1", "BatchNorm1d", "eval", "(4, 500)", "(4, 500)", "float32", "8,000", "1,000"),
    )
    assert table.numeric == {"bytes", "parameters"}


def test_several_tensors_in_a_cell():
    result = trace(Run(lambda self, x: (x, x[0], x.sum(), x.long())), torch.ones(3, 2))
    assert result.table(["output", "dtype"]).rows == (("(3, 2), (2,), (), (3, 2)", "float32, int64"),)


def test_depth_and_containers():
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh()), nn.ReLU())
    result = trace(model, torch.ones(1))

    def layers(**choice):
        return [row[0] for row in result.table(["layer"], **choice).rows]

    assert layers() == ["0.0.0", "0.1", "1"]
    assert layers(depth=2) == ["0.1", "1"]
    assert layers(depth=0) == []
    assert layers(leaves=False) == ["Sequential", "  0", "    0.0", "      0.0.0", "    0.1", "  1"]
    assert layers(leaves=False, depth=1) == ["Sequential", "  0", "  1"]


def test_unknown_column():
    result = trace(nn.ReLU(), torch.ones(1))
    with pytest.raises(ValueError, match=r"unknown column 'shape'; choose from layer, type, .*parameters"):
        result.table(["layer", "shape"])


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


# Symbolic sizes


def test_symbolic_names_the_batch_axis():
    model = ClinicalMLP()
    named = trace(model, torch.randn(16, 20)).symbolic(trace(model, torch.randn(24, 20)), "batch")
    assert [(*call.input_shapes, *call.output_shapes) for call in named][::7] == [
        (("batch", 20), ("batch", 64)),
        (("batch", 32), ("batch", 1)),
    ]
    assert named.calls[0].input_shapes == (("batch", 20),)
    assert "(batch, 64)" in str(named) and "16" not in str(named)


@pytest.mark.parametrize(("one", "two"), [(16, 24), (24, 16), (2, 3), (5, 10), (0, 4)])
def test_symbolic_names_multiples_only(one, two):
    def forward(self, x):
        n = len(x)
        return (
            x.repeat(2, 1),
            x.repeat(1, n),
            x.new_ones(n + 1),
            x.new_ones(16),
            x.new_ones(3, 3 * n),
            x.new_ones(3 * n // 2),
            x.sum(),
        )

    model = Run(forward)
    named = trace(model, torch.ones(one, 7)).symbolic(trace(model, torch.ones(two, 7)), "n")
    shapes = named.calls[0].output_shapes
    if one:
        assert shapes == (("2*n", 7), ("n", "7*n"), (one + 1,), (16,), (3, "3*n"), (3 * one // 2,), ())
    else:
        assert shapes[2:4] == ((1,), (16,)) and shapes[-1] == ()


def test_symbolic_keeps_shapes_without_a_partner():
    model = Run(lambda self, x: (list(self.ranks(x)), x), ranks=Run(lambda self, x: x.unbind()))
    small, large = trace(model, torch.ones(2, 3)), trace(model, torch.ones(4, 3))
    for here, there, n in ((small, large, 2), (large, small, 4)):
        named = here.symbolic(there, "n")
        assert named.calls[0].input_shapes == (("n", 3),)
        assert named.calls[0].output_shapes == ((3,),) * n + ((n, 3),)


def test_symbolic_errors():
    model = ClinicalMLP().eval()
    result = trace(model, torch.randn(4, 20))
    with pytest.raises(ValueError, match="no input axis differs"):
        result.symbolic(trace(model, torch.randn(4, 20)), "batch")
    with pytest.raises(ValueError, match="same calls"):
        result.symbolic(trace(mlp([20, 1]), torch.randn(8, 20)), "batch")


def test_meta_device_gives_shapes_without_memory():
    with torch.device("meta"):
        model, x = ClinicalMLP(n_features=10**6, hidden=(10**6, 32)), torch.empty(16, 10**6)
    result = trace(model, x)
    assert result[0].output_shapes == ((16, 10**6),) and result[0].output_bytes == 4 * 16 * 10**6
    assert result[0].parameters == 10**12 + 10**6
    assert [call.label for call in result][-1] == "layer3"


# capture and get_intermediate_activations


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
