"""modes: against loops in plain torch."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpcourse.measure.modes import ModeReport, in_mode, mode_report
from fpcourse.models import ClinicalMLP, mlp

ORDER = [(m, c) for m in ("train", "eval") for c in ("grad", "no_grad", "inference_mode")]


@pytest.fixture(scope="module")
def clinical():
    torch.manual_seed(0)
    return ClinicalMLP(), torch.randn(16, 20)


@pytest.fixture(scope="module")
def rows(clinical):
    return {(row.mode, row.context): row for row in mode_report(*clinical)}


def flags(model):
    return [module.training for module in model.modules()]


# --- in_mode


@given(
    training=st.lists(st.booleans(), min_size=8, max_size=8),
    mode=st.sampled_from(["train", "eval"]),
    fails=st.booleans(),
)
def test_every_module_has_its_own_flag_back(training, mode, fails):
    model = ClinicalMLP()
    for module, flag in zip(model.modules(), training, strict=True):
        module.training = flag
    try:
        with in_mode(model, mode):
            assert flags(model) == [mode == "train"] * 8
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert flags(model) == training


def test_a_frozen_batchnorm_stays_frozen():
    model, X = ClinicalMLP().train(), torch.randn(8, 20)
    model.bn1.eval()
    with in_mode(model, "eval"):
        model(X)
    assert model.training and model.bn2.training and not model.bn1.training
    before = model.bn1.running_mean.clone()
    model(X)
    assert torch.equal(model.bn1.running_mean, before)


def test_a_model_that_keeps_its_batchnorm_frozen_is_obeyed():
    class Frozen(ClinicalMLP):
        def train(self, mode=True):
            super().train(mode)
            self.bn1.training = False
            return self

    model = Frozen()
    with in_mode(model, "train"):
        assert model.bn2.training and not model.bn1.training


def test_modes_nest():
    model = ClinicalMLP().eval()
    with in_mode(model, "train"):
        with in_mode(model, "eval"):
            assert not model.training
        assert model.training and model.drop.training
    assert not model.training


def test_in_mode_errors():
    with (
        pytest.raises(ValueError, match=r"mode must be \"train\" or \"eval\", got 'test'"),
        in_mode(nn.ReLU(), "test"),
    ):
        pass
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got str"), in_mode("model", "eval"):
        pass


# --- mode_report, against plain loops


def test_six_rows_in_order(rows):
    assert list(rows) == ORDER


def test_output_spread_equals_a_plain_loop(clinical, rows):
    model, X = copy.deepcopy(clinical[0]).train(), clinical[1]
    torch.manual_seed(0)
    outputs = torch.stack([model(X).detach() for _ in range(20)]).double()
    expected = ((outputs - outputs.mean(0)) ** 2).mean(0).sqrt().max().item()
    for context in ("grad", "no_grad", "inference_mode"):
        assert rows["train", context].output_spread == pytest.approx(expected, rel=1e-9)
        assert rows["eval", context].output_spread == 0.0
    assert expected > 0.1


def test_only_grad_makes_a_graph_in_either_mode(clinical, rows):
    for mode in ("train", "eval"):
        assert [rows[mode, c].graph for c in ("grad", "no_grad", "inference_mode")] == [True, False, False]
        model, kept = copy.deepcopy(clinical[0]).train(mode == "train"), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):  # noqa: B023
            output = model(clinical[1])
        assert output.grad_fn is not None
        assert rows[mode, "grad"].saved_bytes == sum({t.data_ptr(): t.nbytes for t in kept}.values()) > 0
        assert rows[mode, "no_grad"].saved_bytes == rows[mode, "inference_mode"].saved_bytes == 0


def test_statistics_move_in_train_mode_also_without_gradients(clinical, rows):
    model, X = copy.deepcopy(clinical[0]).train(), clinical[1]
    names = [f"{bn}.running_{what}" for bn in ("bn1", "bn2") for what in ("mean", "var")]
    before = {name: model.get_buffer(name).clone() for name in names}
    torch.manual_seed(0)
    model(X)
    expected = max((model.get_buffer(name) - before[name]).abs().max().item() for name in names)
    for context in ("grad", "no_grad", "inference_mode"):
        assert rows["train", context].statistics_moved == pytest.approx(expected, rel=1e-6)
        assert rows["eval", context].statistics_moved == 0.0
    assert expected > 0.01


def test_random_state_is_used_in_train_mode_also_without_gradients(rows):
    assert [row.random_state_used for row in rows.values()] == [True] * 3 + [False] * 3


def test_an_mlp_has_no_modes():
    report = mode_report(mlp([64, 256, 10]), torch.randn(32, 64), repeats=2)
    assert [row.saved_bytes for row in report] == [51_200, 0, 0, 51_200, 0, 0]
    assert {(row.output_spread, row.statistics_moved, row.random_state_used) for row in report} == {(0.0, 0.0, False)}


def test_the_three_effects_come_from_different_layers():
    X = torch.randn(16, 4)
    row = mode_report(nn.BatchNorm1d(4), X)[0]
    assert (row.output_spread, row.random_state_used) == (0.0, False) and row.statistics_moved > 0
    row = mode_report(nn.Dropout(0.5), X)[0]
    assert row.output_spread > 0 and row.random_state_used
    assert (row.statistics_moved, row.graph, row.saved_bytes) == (0.0, False, 0)


def test_only_floating_buffers_count_and_infinite_ones_that_stay_have_not_moved():
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
            self.register_buffer("seen", torch.tensor(0))
            self.register_buffer("total", torch.tensor([1.0, 1.0]))
            self.register_buffer("empty", torch.empty(0))
            self.register_buffer("late", None)

        def forward(self, x):
            self.seen += 100
            self.total += torch.tensor([0.5, -2.0])
            self.late = torch.ones(2)
            return x

    assert [row.statistics_moved for row in mode_report(Buffers(), torch.ones(1, 2))] == [2.0] * 6


def quantised(value):
    return torch.quantize_per_tensor(torch.full((2,), value), 0.5, 0, torch.qint8)


# A buffer, and what one pass makes of it.
KINDS = {
    "sparse": lambda: (torch.eye(2).to_sparse(), lambda b: b * 2),
    "csr": lambda: (torch.eye(2).to_sparse_csr(), lambda b: b * 2),
    "float8": lambda: (torch.ones(2).to(torch.float8_e4m3fn), lambda b: (b.float() * 2).to(b.dtype)),
    "bfloat16": lambda: (torch.ones(2, dtype=torch.bfloat16), lambda b: b * 2),
    "complex": lambda: (torch.ones(2, dtype=torch.complex64).conj(), lambda b: b + 1j),
    "quantised": lambda: (quantised(1.0), lambda b: quantised(2.0)),
    "jagged": lambda: (
        torch.nested.nested_tensor([torch.ones(2, 1), torch.ones(1, 1)], layout=torch.jagged),
        lambda b: b * 2,
    ),
    "not a number": lambda: (torch.tensor([torch.nan, 1.0]), lambda b: b + 1),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, on the state of some of these layouts
@pytest.mark.parametrize("kind", KINDS)
def test_a_buffer_of_any_kind_is_compared_by_its_numbers(kind):
    buffer, after = KINDS[kind]()

    class Moving(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", buffer)

        def forward(self, x):
            if self.training:
                self.total = after(self.total)
            return x

    model = Moving()
    report = mode_report(model, torch.ones(1, 2), repeats=2)
    assert [row.statistics_moved for row in report] == [1.0] * 3 + [0.0] * 3
    assert model.total is buffer


@pytest.mark.parametrize("dropout_last", [True, False])
def test_each_pass_is_on_the_readers_own_input(dropout_last):
    torch.manual_seed(0)
    last = [nn.Dropout(0.5, inplace=True)] if dropout_last else [nn.Linear(4, 2)]
    plain, in_place = (nn.Sequential(nn.Dropout(0.5, inplace=flag), *last) for flag in (False, True))
    X = torch.ones(3, 4)
    expected, report = mode_report(plain, X), mode_report(in_place, X)
    assert [row.output_spread for row in report] == [row.output_spread for row in expected]
    assert report[0].output_spread > 0 and X.tolist() == [[1.0] * 4] * 3


# --- no trace left


def test_model_and_random_state_are_afterwards_what_they_were(clinical):
    model, X = copy.deepcopy(clinical[0]).train(), clinical[1]
    model.bn1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags_before, random_before = flags(model), torch.get_rng_state()
    report = mode_report(model, X, repeats=3)
    assert flags(model) == flags_before
    assert torch.equal(torch.get_rng_state(), random_before)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    torch.rand(5)
    assert mode_report(model, X, repeats=3) == report


@pytest.mark.parametrize("grad_mode", [torch.no_grad, torch.inference_mode])
def test_the_readers_own_context_does_not_matter(clinical, grad_mode):
    report = mode_report(*clinical, repeats=2)
    with grad_mode():
        assert mode_report(*clinical, repeats=2) == report
        assert not torch.is_grad_enabled()


def test_a_failing_forward_leaves_no_trace():
    model, X = ClinicalMLP().eval(), torch.randn(1, 20)
    before, random_before = flags(model), torch.get_rng_state()
    with pytest.raises(ValueError, match=r"more than 1 value per channel"):
        mode_report(model, X)
    assert flags(model) == before
    assert torch.equal(torch.get_rng_state(), random_before)


# --- errors and views


def test_errors(clinical):
    with pytest.raises(ValueError, match=r"repeats must be at least 2.*got 1"):
        mode_report(*clinical, repeats=1)
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got str"):
        mode_report("model", clinical[1])

    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    class Whole(nn.Module):
        def forward(self, x):
            return x.argmax(1)

    with pytest.raises(TypeError, match=r"one floating tensor, got tuple"):
        mode_report(Pair(), clinical[1])
    with pytest.raises(TypeError, match=r"one floating tensor, got torch.int64"):
        mode_report(Whole(), clinical[1])


def test_table_and_repr():
    report = mode_report(nn.Linear(2, 1), torch.ones(4, 2), repeats=2)
    assert isinstance(report, ModeReport) and repr(report) == "ModeReport(6 rows, 2 passes each)"
    assert report.table().rows[0] == ("train", "grad", "0", "yes", "32", "0", "untouched")
    assert report.table().rows[5] == ("eval", "inference_mode", "0", "no", "0", "0", "untouched")
    assert repr(report[0]) == (
        "ModeRow('train', 'grad', output_spread=0, graph=True, saved_bytes=32, "
        "statistics_moved=0, random_state_used=False)"
    )
    assert "inference_mode" in str(report) and "inference_mode" in report._repr_html_()
