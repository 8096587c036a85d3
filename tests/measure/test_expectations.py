"""expectations: the note on an error says what the layer wanted, by its own definition."""

import pytest
import torch
from helpers.models import Run, note_of
from torch import nn


def expected_in(note):
    """What stands between the shapes and the last call in the note."""
    _, *said, _ = note.split("; ")
    return said


def axes_of(number, channels):
    sample = ", ".join([str(channels), *("depth", "height", "width")[-(number - 2) :]])
    return f"it expects (batch, {sample}), or ({sample}) for one sample"


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (nn.Linear(20, 3), (16, 19), "it expects a last axis of 20"),
        (nn.Linear(20, 3, bias=False), (20, 16), "it expects a last axis of 20"),
        (nn.Conv1d(3, 8, 2), (4, 5, 9), axes_of(3, 3)),
        (nn.Conv2d(3, 8, 2), (4, 1, 9, 9), axes_of(4, 3)),
        (nn.Conv2d(3, 8, 2), (9, 9), axes_of(4, 3)),
        (nn.Conv3d(2, 8, 2), (4, 1, 9, 9, 9), axes_of(5, 2)),
        (
            nn.ConvTranspose2d(4, 2, 2),
            (1, 3, 5, 5),
            axes_of(4, 4),
        ),
        (
            nn.Conv2d(4, 8, 1, groups=2),
            (1, 2, 5, 5),
            axes_of(4, 4),
        ),
        (nn.GroupNorm(2, 6), (4, 5, 3), "it expects 6 channels in axis 1"),
        (nn.LayerNorm(7), (4, 6), "it expects the last axes to be (7,)"),
        (nn.LayerNorm((5, 7)), (4, 7), "it expects the last axes to be (5, 7)"),
        (nn.RMSNorm(7), (4, 6), "it expects the last axes to be (7,)"),
        (nn.RNN(5, 3), (4, 2, 6), "it expects a last axis of 5"),
        (nn.LSTM(5, 3), (4, 2, 6), "it expects a last axis of 5"),
        (nn.GRU(5, 3, batch_first=True), (4, 2, 6), "it expects a last axis of 5"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_wrong_shape(layer, shape, said):
    note, _ = note_of(layer, torch.ones(shape), error=(RuntimeError, ValueError))
    assert f"called with {shape}" in note and expected_in(note) == [said]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(6), (4, 5)),
        (nn.BatchNorm1d(6), (4, 5, 3)),
        (nn.BatchNorm1d(6).eval(), (4, 5)),
        (nn.BatchNorm2d(6), (4, 5, 2, 2)),
        (nn.BatchNorm3d(6), (4, 5, 2, 2, 2)),
        (nn.BatchNorm1d(6), (6,)),
    ],
    ids=str,
)
def test_batch_norm_of_other_features(layer, shape):
    note, _ = note_of(layer, torch.ones(shape), error=(RuntimeError, ValueError))
    assert expected_in(note) == ["it expects 6 features in axis 1"]


@pytest.mark.parametrize(("layer", "shape"), [(nn.BatchNorm1d(6), (1, 6)), (nn.BatchNorm2d(6), (1, 6, 1, 1))])
def test_batch_norm_of_one_value_a_feature(layer, shape):
    note, _ = note_of(layer, torch.ones(shape), error=ValueError)
    assert expected_in(note) == ["in train mode it expects more than one value for each of its 6 features"]


def test_batch_norm_of_a_wrong_number_of_axes_is_not_told_about_train_mode():
    """The features fit and there are enough values: what is wrong is the number of axes."""
    note, _ = note_of(nn.BatchNorm2d(6), torch.ones(4, 6), error=ValueError)
    assert "more than one value" not in note


@pytest.mark.parametrize(
    ("numbers", "found"), [([0, 10], "0 to 10"), ([-1, 3], "-1 to 3"), ([[2, 11], [4, -5]], "-5 to 11")]
)
def test_an_embedding_outside_its_range(numbers, found):
    note, _ = note_of(nn.Embedding(10, 3), torch.tensor(numbers), error=IndexError)
    assert expected_in(note) == [f"it expects whole numbers from 0 to 9, and was given {found}"]


def test_an_embedding_bag_outside_its_range():
    note, _ = note_of(nn.EmbeddingBag(10, 3), torch.tensor([[1, 10]]))
    assert expected_in(note) == ["it expects whole numbers from 0 to 9, and was given 1 to 10"]


def test_an_embedding_of_floats():
    note, _ = note_of(nn.Embedding(10, 3), torch.ones(2))
    assert expected_in(note) == ["it expects whole numbers from 0 to 9"]


def test_attention_of_other_queries():
    x = torch.ones(2, 3, 6)
    note, _ = note_of(nn.MultiheadAttention(8, 2), x, x, x, error=(AssertionError, RuntimeError))
    assert expected_in(note) == ["it expects queries with a last axis of 8"]


@pytest.mark.parametrize(
    ("layer", "x", "said"),
    [
        (nn.Linear(3, 2), torch.ones(4, 3, dtype=torch.float64), "its weights are float32, the input is float64"),
        (nn.Linear(3, 2).half(), torch.ones(4, 3), "its weights are float16, the input is float32"),
        (nn.Linear(3, 2), torch.ones(4, 3, dtype=torch.int64), "its weights are float32, the input is int64"),
        (nn.Conv1d(3, 2, 1), torch.ones(4, 3, 2).double(), "its weights are float32, the input is float64"),
        (nn.GRU(3, 2), torch.ones(4, 1, 3).double(), "its weights are float32, the input is float64"),
    ],
    ids=str,
)
def test_another_dtype(layer, x, said):
    note, _ = note_of(layer, x, error=(RuntimeError, ValueError))
    assert expected_in(note)[-1] == said


def test_another_device():
    # No device but the CPU is sure to be there; the meta device is one as well.
    note, _ = note_of(nn.Linear(3, 2, device="meta"), torch.ones(4, 3), error=RuntimeError)
    assert expected_in(note)[-1] == "its weights are on meta, the input on cpu"


@pytest.mark.parametrize(
    ("layer", "kwargs", "said"),
    [
        (nn.Linear(20, 3), {"input": torch.ones(4, 19)}, "it expects a last axis of 20"),
        (
            nn.Embedding(10, 3),
            {"input": torch.tensor([7, 12])},
            "it expects whole numbers from 0 to 9, and was given 7 to 12",
        ),
        (nn.BatchNorm1d(4), {"input": torch.ones(2, 5)}, "it expects 4 features in axis 1"),
        (
            nn.MultiheadAttention(8, 2),
            {"query": torch.ones(2, 6), "key": torch.ones(2, 6), "value": torch.ones(2, 6)},
            "it expects queries with a last axis of 8",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_keyword_only_call(layer, kwargs, said):
    model = Run(lambda self, inputs: self.layer(**inputs), layer=layer)
    note, _ = note_of(model, kwargs, error=(RuntimeError, IndexError, AssertionError, ValueError))
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in kwargs.values())
    assert f"called with {shapes};" in note and expected_in(note) == [said]
    note, _ = note_of(layer, error=(RuntimeError, IndexError, AssertionError, ValueError), **kwargs)
    assert expected_in(note) == [said]


def test_nothing_is_said_where_nothing_is_known():
    note, _ = note_of(nn.Bilinear(2, 3, 4), torch.ones(1, 5), torch.ones(1, 3))
    assert expected_in(note) == []
    note, _ = note_of(Run(lambda self, x: 1 / 0), torch.ones(3), error=ZeroDivisionError)
    assert expected_in(note) == []


def test_a_subclass_wants_what_its_parent_wants():
    class Head(nn.Linear):
        pass

    note, _ = note_of(Head(4, 2), torch.ones(1, 3))
    assert note.startswith("in the model itself (Head(") and expected_in(note) == ["it expects a last axis of 4"]


def test_a_parametrised_layer_wants_what_it_wanted_before():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    note, _ = note_of(nn.Sequential(layer), torch.ones(1, 3))
    assert note.startswith("in 0 (ParametrizedLinear") and expected_in(note) == ["it expects a last axis of 4"]


class Positions(nn.Embedding):
    """Its first argument is no index into the table."""

    def forward(self, ids, positions):
        return super().forward(positions)


class Graph(nn.Module):
    """A forward of its own beside weights: what its first tensor should be, nobody knows."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x, edges):
        return x * self.weight[edges]


def test_of_a_forward_of_ones_own_no_false_cause_is_told():
    note, _ = note_of(Positions(20, 4), torch.tensor([1, 5]), torch.arange(30), error=IndexError)
    assert expected_in(note) == []
    note, _ = note_of(Graph(), None, torch.zeros(2, dtype=torch.long), error=TypeError)
    assert expected_in(note) == []
    note, _ = note_of(Graph(), torch.ones(2, dtype=torch.double), torch.zeros(7, dtype=torch.long))
    assert expected_in(note) == ["its weights are float32, the input is float64"]


def test_under_autocast_other_dtypes_are_no_mistake():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        note, _ = note_of(nn.Sequential(nn.Linear(4, 3), nn.Linear(2, 1)), torch.ones(5, 4))
    assert expected_in(note) == ["it expects a last axis of 2"]
