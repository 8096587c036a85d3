"""statistics: against plain torch on activations kept by plain hooks."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpcourse.measure.statistics import ModelStatistics, layer_statistics
from fpcourse.models import ClinicalMLP, mlp


def outputs_of(model, X, names):
    """What the named modules put out for the whole of X, by plain hooks, in float64, in calling order."""
    kept, handles = [], []
    for name in names:
        module = model.get_submodule(name)
        handles.append(
            module.register_forward_hook(lambda m, i, o, name=name: kept.append((name, o.detach().double().clone())))
        )
    with torch.no_grad():
        model(X)
    for handle in handles:
        handle.remove()
    return kept


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def close(layer, other):
    numbers = ("mean", "std", "std_over_batch", "rms", "zero_fraction", "saturated_fraction")
    for name in numbers:
        mine, theirs = getattr(layer, name), getattr(other, name)
        assert (mine is None and theirs is None) or mine == pytest.approx(theirs, rel=1e-6, abs=1e-7), name
    assert (layer.label, layer.shape, layer.units, layer.dead_units) == (
        other.label,
        other.shape,
        other.units,
        other.dead_units,
    )


@given(
    widths=st.lists(st.integers(1, 8), min_size=2, max_size=4),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid]),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.01, 1.0, 30.0]),
)
def test_equals_plain_torch_on_stored_outputs(widths, activation, sizes, seed, scale):
    torch.manual_seed(seed)
    model, X = mlp(widths, activation), scale * torch.randn(sum(sizes), widths[0]) + 3
    statistics = layer_statistics(model, iter(X.split(sizes)))
    kept = outputs_of(model, X, [str(i) for i in range(len(model))])
    assert len(statistics) == len(kept) == len(model)
    for layer, (name, output) in zip(statistics, kept, strict=True):
        assert (layer.label, layer.shape, layer.units) == (name, tuple(output.shape[1:]), output.shape[1])
        near = {"rel": 1e-5, "abs": 1e-6}
        assert layer.mean == pytest.approx(output.mean().item(), **near)
        assert layer.std == pytest.approx(output.std(correction=0).item(), **near)
        assert layer.std_over_batch == pytest.approx(output.std(0, correction=0).mean().item(), **near)
        assert layer.rms == pytest.approx(output.square().mean().sqrt().item(), **near)
        assert layer.zero_fraction == pytest.approx((output == 0).double().mean().item(), abs=1e-12)
        assert layer.dead_units == (output == 0).all(0).sum().item()
        if isinstance(model[int(name)], nn.Tanh):
            assert layer.saturated_fraction == pytest.approx((output.abs() > 0.99).double().mean().item())
        elif isinstance(model[int(name)], nn.Sigmoid):
            expected = ((output < 0.01) | (output > 0.99)).double().mean().item()
            assert layer.saturated_fraction == pytest.approx(expected)
        else:
            assert layer.saturated_fraction is None


@given(data=st.data(), sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_neither_the_cut_into_batches_nor_their_order_matters(data, sizes):
    torch.manual_seed(0)
    model, X = ClinicalMLP().eval(), torch.randn(sum(sizes), 20)
    whole = layer_statistics(model, X)
    batches = data.draw(st.permutations(X.split(sizes)))
    streamed = layer_statistics(model, (batch for batch in batches))
    assert whole.samples == streamed.samples == len(X)
    for one, other in zip(whole, streamed, strict=True):
        close(one, other)


def test_streaming_is_stable_where_the_mean_dwarfs_the_spread():
    # The sum of squares would lose all digits: 1e8 squared is 1e16, the end of float64.
    X = 1e8 + torch.randn(4000, 3, dtype=torch.float64)
    layer = layer_statistics(nn.Identity(), X.split(7))[0]
    assert layer.label == "Identity"
    assert layer.std_over_batch == pytest.approx((X - 1e8).std(0, correction=0).mean().item(), rel=1e-6)


def test_by_hand():
    X = torch.tensor([[-1.0, 0.0, 2.0], [-3.0, 0.0, 4.0]])
    layer = layer_statistics(nn.ReLU(), X)[0]  # [[0, 0, 2], [0, 0, 4]]
    assert (layer.mean, layer.zero_fraction) == (1.0, pytest.approx(4 / 6))
    assert layer.std == pytest.approx((14 / 6) ** 0.5)  # squares 4 * 1 + 1 + 9
    assert layer.std_over_batch == pytest.approx(1 / 3)  # 0, 0 and 1
    assert layer.rms == pytest.approx((20 / 6) ** 0.5)
    assert layer.relative_std_over_batch == pytest.approx((1 / 3) / (20 / 6) ** 0.5)
    assert (layer.units, layer.dead_units) == (3, 2)
    assert layer_statistics(nn.ReLU(), -X.abs())[0].relative_std_over_batch == 0  # nothing but zeros
    # A unit is dead only when it is zero in every batch.
    assert layer_statistics(nn.ReLU(), [X, torch.tensor([[5.0, -1, -1]])])[0].dead_units == 1


def test_half_of_the_outputs_are_zero_and_no_unit_is_dead():
    torch.manual_seed(0)
    model, X = ClinicalMLP().eval(), torch.randn(2000, 20)
    relu = [layer for layer in layer_statistics(model, X.split(256)) if layer.label.startswith("relu")]
    for layer, (_, output) in zip(relu, outputs_of(model, X, ["relu"]), strict=True):
        assert layer.zero_fraction == pytest.approx((output == 0).double().mean().item())
        assert 0.4 < layer.zero_fraction < 0.6 and layer.dead_units == 0


def test_the_relative_std_has_no_scale():
    X = torch.randn(8, 3)
    small, large = (layer_statistics(nn.Identity(), scale * X)[0] for scale in (0.001, 1000))
    assert small.relative_std_over_batch == pytest.approx(large.relative_std_over_batch, rel=1e-5)


def test_the_mode_in_which_units_were_counted_is_said():
    """A unit that is dead in one mode may fire in the other."""
    torch.manual_seed(0)
    model, X = ClinicalMLP(), torch.randn(512, 20)
    with torch.no_grad():
        model.bn2.bias[20] = -1.5
    train, eval_ = layer_statistics(model, X, ["relu"]), layer_statistics(model.eval(), X, ["relu"])
    assert (train[1].dead_units, eval_[1].dead_units) == (0, 1)
    assert [statistics.table().headers[-1] for statistics in (train, eval_)] == [
        "dead units (train)",
        "dead units (eval)",
    ]
    model.bn1.train()
    assert layer_statistics(model, X, ["relu"]).mode == "mixed"


def test_labels_in_calling_order_by_default_and_by_name():
    model, X = ClinicalMLP(), torch.randn(8, 20)
    assert [layer.label for layer in layer_statistics(model, X)] == [
        "layer1",
        "bn1",
        "relu:1",
        "drop",
        "layer2",
        "bn2",
        "relu:2",
        "layer3",
    ]
    assert [layer.label for layer in layer_statistics(model, X, ["layer3", "relu"])] == [
        "relu:1",
        "relu:2",
        "layer3",
    ]


def test_saturation_of_a_module_called_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.tanh = nn.Tanh()

        def forward(self, x):
            return self.tanh(10 * self.tanh(x))

    first, second = layer_statistics(Twice(), torch.tensor([[0.1], [5.0]]))
    assert (first.label, first.saturated_fraction) == ("tanh:1", 0.5)
    assert (second.label, second.saturated_fraction) == ("tanh:2", 0.5)  # tanh(0.997) is .76


def test_units_are_channels_of_images_and_the_last_axis_elsewhere():
    image = torch.zeros(2, 3, 4, 5)
    image[1, 0, 2, 2] = 1
    layer = layer_statistics(nn.Identity(), image)[0]
    assert (layer.shape, layer.units, layer.dead_units) == ((3, 4, 5), 3, 2)
    sequence = torch.zeros(2, 6, 7)
    sequence[0, 3, 1] = 1
    layer = layer_statistics(nn.Identity(), sequence)[0]
    assert (layer.shape, layer.units, layer.dead_units) == ((6, 7), 7, 6)
    layer = layer_statistics(nn.Identity(), torch.tensor([1.0, 3.0]))[0]
    assert (layer.shape, layer.units, layer.std_over_batch) == ((), 1, 1.0)


def test_the_empty_container_is_a_leaf_and_modules_that_do_not_run_have_no_row():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential())
    model.add_module("block", nn.Sequential(nn.Sequential()))
    model[0].unused = nn.ReLU()
    assert [layer.label for layer in layer_statistics(model, torch.ones(3, 2))] == ["1", "block.0"]


# --- no trace left


def test_runs_without_a_graph():
    seen = []

    class Watching(nn.Linear):
        def forward(self, x):
            seen.append(super().forward(x).requires_grad)
            return x

    layer_statistics(Watching(3, 2), torch.randn(4, 3))
    assert seen == [False]


def test_train_mode_runs_in_train_mode_and_leaves_no_trace():
    torch.manual_seed(0)
    model, X = ClinicalMLP(p=0.9), torch.randn(200, 20)
    model.bn2.eval()
    before, random_before = state_of(model), torch.get_rng_state()
    flags = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    dropped = layer_statistics(model, X.split(50), ["drop"])[0]
    assert dropped.zero_fraction > 0.9
    assert torch.equal(torch.get_rng_state(), random_before)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == flags
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()


def test_outputs_are_not_kept_from_batch_to_batch():
    import weakref

    alive, largest = [], 0

    class Watched(nn.Module):
        def forward(self, x):
            return x + 1

    def batches():
        nonlocal largest
        for _ in range(5):
            batch = torch.randn(4, 3)
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            largest = max(largest, sum(ref() is not None for ref in alive))

    layer_statistics(Watched(), batches())
    assert largest <= 1


def test_in_place_layers_do_not_show_in_the_layer_before():
    model, X = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True)), torch.randn(20, 3)
    with torch.no_grad():
        expected = (X @ model[0].weight.T + model[0].bias).mean().item()
    assert layer_statistics(model, X)[0].mean == pytest.approx(expected, abs=1e-6)


# --- errors


class Gives(nn.Module):
    """Its child puts out what the function makes of the input."""

    def __init__(self, function):
        super().__init__()
        self.child = nn.Identity()
        self.child.forward = function

    def forward(self, x):
        self.child(x)
        return x


def test_no_batches():
    with pytest.raises(ValueError, match=r"no batches"):
        layer_statistics(ClinicalMLP(), [])
    batches = iter([torch.randn(4, 20)])
    layer_statistics(ClinicalMLP(), batches)
    with pytest.raises(ValueError, match=r"generator gives its batches only once"):
        layer_statistics(ClinicalMLP(), batches)
    with pytest.raises(ValueError, match=r"at least one sample, got shape \(0, 20\)"):
        layer_statistics(ClinicalMLP(), torch.empty(0, 20))


def test_wrong_types():
    with pytest.raises(TypeError, match=r"iterable of tensors, got int"):
        layer_statistics(ClinicalMLP(), 3)
    with pytest.raises(TypeError, match=r"got tuple; from a loader of pairs pass \(X for X, y in loader\)"):
        layer_statistics(ClinicalMLP(), [(torch.randn(4, 20), torch.ones(4))])
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got function"):
        layer_statistics(lambda x: x, torch.randn(4, 20))


def test_unknown_and_unused_names():
    with pytest.raises(ValueError, match=r"no module 'layr1'; did you mean .*layer1"):
        layer_statistics(ClinicalMLP(), torch.randn(4, 20), ["layr1"])
    model = ClinicalMLP()
    model.spare = nn.ReLU()
    with pytest.raises(ValueError, match=r"spare: in the model, but not called"):
        layer_statistics(model, torch.randn(4, 20), ["relu", "spare"])


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x: (x, x), "a tuple"),
        (lambda x: x > 0, r"a torch.bool tensor of shape \(4, 3\)"),
        (lambda x: x.sum(), r"a torch.float32 tensor of shape \(\)"),
    ],
)
def test_outputs_that_are_not_one_floating_tensor(function, found):
    with pytest.raises(ValueError, match=f"child gives {found}, not one floating tensor"):
        layer_statistics(Gives(function), torch.randn(4, 3))


def test_shapes_and_calls_that_differ_between_batches():
    batches = [torch.randn(4, 3), torch.randn(4, 5)]
    with pytest.raises(ValueError, match=r"Identity gives \(3,\) for a sample in one batch and \(5,\) in another"):
        layer_statistics(nn.Identity(), batches)

    class Uneven(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.relu(x)) if len(x) > 4 else self.relu(x)

    with pytest.raises(ValueError, match=r"first relu, then relu:1, relu:2"):
        layer_statistics(Uneven(), torch.randn(9, 3).split([4, 5]))


# --- views


def test_table_and_repr():
    X = torch.tensor([[-1.0, 2.0], [-3.0, 4.0]])
    statistics = layer_statistics(nn.Sequential(nn.ReLU(), nn.Tanh()), X)
    assert isinstance(statistics, ModelStatistics)
    assert repr(statistics) == "ModelStatistics(2 layers over 2 samples, mode train: 0, 1)"
    assert statistics.table().rows[0] == ("0", "(2,)", "1.5000", "1.66", "0.5", "0.224", "50.0%", "-", "1 of 2")
    assert statistics.table().rows[1][7] == "25.0%"  # tanh(2) is .964, tanh(4) is .9993
    assert repr(statistics[0]) == (
        "LayerStatistics('0', mean=1.5000, std=1.66, std_over_batch=0.5, rms=2.24, zero_fraction=0.5000, "
        "dead_units=1 of 2)"
    )
    assert "1.66" in str(statistics) and "1.66" in statistics._repr_html_()
    # A mean that is zero but for rounding has no sign.
    assert "-0.0000" not in str(layer_statistics(nn.Identity(), torch.tensor([[-1e-9]])))


# Extremes, and what is no number


def test_extremes_over_batches():
    torch.manual_seed(0)
    X = torch.randn(64, 5)
    (layer,) = layer_statistics(nn.Sequential(nn.Identity()), X.split(7))
    assert (layer.minimum, layer.maximum) == (X.min().item(), X.max().item())


def test_what_is_no_number_is_counted():
    X = torch.tensor([[torch.nan, torch.nan], [1.0, torch.nan], [-torch.inf, 0.5], [torch.inf, torch.nan]])
    statistics = layer_statistics(nn.Sequential(nn.Identity()), X.split(1))
    (layer,) = statistics
    assert (layer.nans, layer.infinities) == (4, 2)
    assert (layer.minimum, layer.maximum) == (-torch.inf, torch.inf)
    assert statistics.table().headers[-3:] == ("NaN", "inf", "dead units (train)")
    assert statistics.table().rows[0][-3:-1] == ("4", "2")
    (layer,) = layer_statistics(nn.Sequential(nn.Identity()), X[:1])
    assert math.isnan(layer.minimum) and math.isnan(layer.maximum)


def test_columns_on_request():
    statistics = layer_statistics(nn.Sequential(nn.Identity()), torch.tensor([[1.0], [-3.0]]))
    table = statistics.table(("layer", "min", "max"))
    assert table.headers == ("layer", "min", "max") and table.rows == (("0", "-3", "1"),)
    assert table.numeric == {"min", "max"}
    with pytest.raises(ValueError, match="unknown column 'median'; choose from layer, shape, mean"):
        statistics.table(("median",))
