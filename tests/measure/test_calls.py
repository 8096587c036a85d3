"""calls: Trace, its tables, filters and comparisons, against calls listed by hand."""

import copy
import dataclasses
import pickle
from collections import OrderedDict

import pytest
import torch
from helpers.models import Run
from torch import nn

from fpcourse.measure.calls import COLUMNS, Call, Difference, Trace, labels_of
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP, mlp


def test_a_trace_is_a_sequence_of_its_leaves_and_plain_to_print():
    result = trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(1, 2))
    assert len(result) == 2 and result[-1].type == "ReLU" and [call.label for call in result[:1]] == ["0"]
    assert result[0] in result and len(result.calls) == 3
    assert repr(result) == "Trace(2 calls: 0, 1)"
    assert "0x" not in repr(result.calls)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.parameters = 0
    assert result == trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(1, 2))


# Tables


def test_every_column():
    model = nn.Sequential(nn.Linear(3, 500), nn.BatchNorm1d(500).eval())
    model[1].bias.requires_grad_(False)
    table = trace(model, torch.randn(4, 3)).table(tuple(COLUMNS))
    assert table.headers == ("layer", "type", "mode", "input", "output", "dtype", "bytes", "parameters", "trainable")
    assert table.rows == (
        ("0", "Linear", "train", "(4, 3)", "(4, 500)", "float32", "8,000", "2,000", "2,000"),
        ("1", "BatchNorm1d", "eval", "(4, 500)", "(4, 500)", "float32", "8,000", "1,000", "500"),
    )
    assert table.numeric == {"bytes", "parameters", "trainable"}


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


def test_a_folded_container_counts_what_ran_inside_it_each_module_once():
    shared = nn.Linear(3, 3)
    frozen = nn.Linear(3, 2).requires_grad_(False)
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), shared, nn.Sequential(shared, nn.ReLU())), frozen)
    result = trace(model, torch.ones(1, 3))

    def counts(**choice):
        return result.table(["layer", "parameters", "trainable"], leaves=False, **choice).rows

    assert counts(depth=0) == (("Sequential", "32", "24"),)
    assert counts(depth=1) == (("Sequential", "0", "0"), ("  0", "24", "24"), ("  1", "8", "0"))
    assert counts(depth=2)[1:5] == (
        ("  0", "0", "0"),
        ("    0.0", "12", "12"),
        ("    0.1:1", "12", "12"),
        ("    0.2", "12", "12"),
    )
    assert counts(depth=3) == counts() and ("      0.1:2", "12", "12") in counts()
    # Without containers nothing stands for what is left out.
    assert result.table(["parameters"], depth=1).rows == (("8",),)


def test_unknown_column():
    result = trace(nn.ReLU(), torch.ones(1))
    with pytest.raises(ValueError, match=r"unknown column 'shape'; choose from layer, type, .*parameters"):
        result.table(["layer", "shape"])


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


def test_symbolic_errors():
    model = ClinicalMLP().eval()
    result = trace(model, torch.randn(4, 20))
    with pytest.raises(ValueError, match="no input axis differs"):
        result.symbolic(trace(model, torch.randn(4, 20)), "batch")
    with pytest.raises(ValueError, match="same calls"):
        result.symbolic(trace(mlp([20, 1]), torch.randn(8, 20)), "batch")


# Labels


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("", ""),
        ("a", "a"),
        ("a b", "a b"),
        ("a b a", "a:1 b a:2"),
        ("a a b a b c", "a:1 a:2 b:1 a:3 b:2 c"),
        ("a.b a b", "a.b a b"),
    ],
)
def test_labels_are_numbered_where_a_name_comes_back(names, labels):
    assert labels_of(names.split()) == labels.split()


# A Trace as a value


def test_a_trace_holds_numbers_and_names_only():
    result = trace(ClinicalMLP(), torch.randn(4, 20))

    def plain(value):
        return all(map(plain, value)) if isinstance(value, tuple) else type(value) in (int, str, bool)

    assert type(result.calls) is tuple and all(type(call) is Call and plain(tuple(call)) for call in result.calls)
    assert type(result.parameters) is int and type(result.trainable_parameters) is int


def test_a_trace_can_be_copied_pickled_and_hashed():
    result = trace(ClinicalMLP(), torch.randn(4, 20))
    for again in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert again == result and hash(again) == hash(result)
    assert {result: "seen"}[trace(ClinicalMLP(), torch.ones(4, 20))] == "seen"
    assert result != trace(ClinicalMLP(), torch.randn(5, 20))


def test_the_counts_are_those_of_the_whole_model():
    model = Run(lambda self, x: self.used(x), used=nn.Linear(2, 3), unused=nn.Linear(10, 10))
    model.aside = nn.ParameterList([torch.ones(7)])
    model.used.weight.requires_grad_(False)
    result = trace(model, torch.ones(1, 2))
    assert result.parameters == sum(p.numel() for p in model.parameters()) == 2 * 3 + 3 + 110 + 7
    assert result.trainable_parameters == result.parameters - 6


@pytest.mark.parametrize(
    ("choice", "labels"),
    [
        ({}, ["layer1", "bn1", "relu:1", "drop", "layer2", "bn2", "relu:2", "layer3"]),
        ({"type": "Linear"}, ["layer1", "layer2", "layer3"]),
        ({"type": "linear"}, []),
        ({"type": "*1d"}, ["bn1", "bn2"]),
        ({"name": "layer?"}, ["layer1", "layer2", "layer3"]),
        ({"name": "*[12]"}, ["layer1", "bn1", "layer2", "bn2"]),
        ({"name": "relu"}, ["relu:1", "relu:2"]),
        ({"name": "relu:1"}, []),
        ({"name": "*2", "type": "Linear"}, ["layer2"]),
        ({"type": "Nothing"}, []),
    ],
)
def test_filter_by_type_and_name(choice, labels):
    result = trace(ClinicalMLP(), torch.randn(4, 20))
    kept = result.filter(**choice)
    assert type(kept) is Trace and [call.label for call in kept] == labels
    assert (kept.parameters, kept.trainable_parameters) == (3649, 3649)
    assert len(result) == 8 and all(call._replace(depth=1) in result.calls for call in kept)


def test_a_filtered_tree_has_no_strangers_in_it():
    part = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8))))
    result = trace(part, torch.randn(1, 8))
    layers = result.filter(type="Linear")
    assert [(call.name, call.depth) for call in layers] == [("0", 0), ("1.0", 0), ("1.1.0", 0)]
    table = layers.table(("layer", "parameters"), leaves=False, depth=1)
    assert table.rows == (("0", "72"), ("1.0", "72"), ("1.1.0", "72")) and table.depths == (0, 0, 0)
    rows = result.filter(name="1*").table(("layer",), leaves=False).rows
    assert [row[0] for row in rows] == ["1", "  1.0", "  1.1", "    1.1.0"]


def test_filter_keeps_containers_too():
    model = nn.Sequential(OrderedDict(encoder=nn.Sequential(nn.Linear(2, 2), nn.ReLU()), head=nn.Linear(2, 1)))
    result = trace(model, torch.ones(1, 2))
    assert [call.label for call in result.filter(type="Sequential").calls] == ["Sequential", "encoder"]
    assert [call.label for call in result.filter(name="encoder*").calls] == ["encoder", "encoder.0", "encoder.1"]
    assert [call.label for call in result.filter(name="encoder.*")] == ["encoder.0", "encoder.1"]


# Comparisons


def differences_of(here, there):
    return [(one.label, one.field, one.here, one.there) for one in here.compare(there)]


def test_equal_traces_have_no_difference():
    comparison = trace(ClinicalMLP(), torch.randn(4, 20)).compare(trace(ClinicalMLP(), torch.randn(4, 20)))
    assert not comparison and len(comparison) == 0 and comparison.table().rows == ()
    assert repr(comparison) == "Comparison(0 differences)"


def test_two_modes_differ_in_each_call():
    model, x = ClinicalMLP(), torch.randn(4, 20)
    train = trace(model, x)
    comparison = train.compare(trace(model.eval(), x))
    assert list(comparison) == [Difference(call.label, "training", True, False) for call in train.calls]
    assert comparison.table().rows[:2] == (
        ("ClinicalMLP", "training", "True", "False"),
        ("layer1", "training", "True", "False"),
    )


def test_two_inputs_differ_in_shapes_and_bytes():
    model = nn.Linear(2, 3)
    comparison = trace(model, torch.ones(4, 2)).compare(trace(model, torch.ones(5000, 2)))
    assert [(one.label, one.field, one.here, one.there) for one in comparison] == [
        ("Linear", "input_shapes", ((4, 2),), ((5000, 2),)),
        ("Linear", "output_shapes", ((4, 3),), ((5000, 3),)),
        ("Linear", "output_bytes", 48, 60000),
    ]
    assert comparison.table().headers == ("layer", "field", "here", "there")
    assert comparison.table().rows == (
        ("Linear", "input_shapes", "(4, 2)", "(5000, 2)"),
        ("Linear", "output_shapes", "(4, 3)", "(5000, 3)"),
        ("Linear", "output_bytes", "48", "60,000"),
    )
    assert comparison[-1].there == 60000 and len(comparison) == 3


def test_a_call_that_one_of_them_lacks():
    def forward(self, x):
        return self.last(self.extra(x)) if self.training else self.last(x)

    model, x = Run(forward, extra=nn.Dropout(), last=nn.Linear(2, 1)), torch.ones(1, 2)
    train, evaluated = trace(model, x), trace(model.eval(), x)
    assert ("extra", "call", "Dropout", None) in differences_of(train, evaluated)
    assert ("extra", "call", None, "Dropout") in differences_of(evaluated, train)
    assert ("extra", "call", "Dropout", "-") in train.compare(evaluated).table().rows
    assert ("last", "training", True, False) in differences_of(train, evaluated)  # still matched
