"""models: the article's network against the same operations written as plain torch functions."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from trained_weights import WEIGHTS, trained, worth

from fpcourse.cohort import patients
from fpcourse.models import ClinicalMLP, mlp


def batch_norm(z, bn, training):
    """BatchNorm by its definition: the biased variance normalises, in eval the running one does."""
    mean = z.mean(0) if training else bn.running_mean
    variance = ((z - mean) ** 2).mean(0) if training else bn.running_var
    return (z - mean) / torch.sqrt(variance + 1e-5) * bn.weight + bn.bias


def plain_forward(net, x, training, p=0.3):
    a1 = batch_norm(x @ net.layer1.weight.T + net.layer1.bias, net.bn1, training).clamp(min=0)
    a1 = F.dropout(a1, p, training)
    a2 = batch_norm(a1 @ net.layer2.weight.T + net.layer2.bias, net.bn2, training).clamp(min=0)
    return a2 @ net.layer3.weight.T + net.layer3.bias


@pytest.fixture
def net():
    """A ClinicalMLP whose BatchNorm is not at its starting values, so that a mistake would show."""
    torch.manual_seed(0)
    net = ClinicalMLP()
    for bn in (net.bn1, net.bn2):
        nn.init.uniform_(bn.weight, 0.5, 2.0)
        nn.init.uniform_(bn.bias, -1.0, 1.0)
        bn.running_mean.uniform_(-1, 1)
        bn.running_var.uniform_(0.5, 2)
    return net


def test_parameters_counted_by_hand(net):
    counts = {name: sum(p.numel() for p in child.parameters()) for name, child in net.named_children()}
    assert counts == {
        "layer1": 20 * 64 + 64,
        "layer2": 64 * 32 + 32,
        "layer3": 32 + 1,
        "relu": 0,
        "bn1": 64 + 64,
        "bn2": 32 + 32,
        "drop": 0,
    }
    assert list(counts) == ["layer1", "layer2", "layer3", "relu", "bn1", "bn2", "drop"]
    assert sum(counts.values()) == 3649


@pytest.mark.parametrize("training", [True, False])
def test_forward_equals_plain_torch(net, training):
    x = torch.randn(16, 20)
    net.train(training)
    torch.manual_seed(1)
    expected = plain_forward(net, x, training)
    torch.manual_seed(1)
    logits = net(x)
    assert logits.shape == (16, 1)
    torch.testing.assert_close(logits, expected)


def test_logits_are_raw(net):
    net.layer3.bias.data.fill_(-7.0)
    assert net.eval()(torch.randn(16, 20)).min() < -1


@pytest.mark.parametrize("p", [0.0, 0.9])
def test_p_is_the_share_dropped_once(net, p):
    net = ClinicalMLP(p=p)
    x = torch.randn(512, 20)
    kept = []
    net.drop.register_forward_hook(lambda module, args, out: kept.append((args[0] > 0, out > 0)))
    net(x)
    ((before, after),) = kept
    assert after[before].float().mean().item() == pytest.approx(1 - p, abs=0.02)


def test_widths_are_adjustable():
    net = ClinicalMLP(n_features=7, hidden=(5, 3))
    assert [net.layer1.weight.shape, net.layer2.weight.shape, net.layer3.weight.shape] == [
        (5, 7),
        (3, 5),
        (1, 3),
    ]
    assert net(torch.randn(4, 7)).shape == (4, 1)


def test_clinical_mlp_errors():
    for width in (0, -1, 2.0, True, "20", None):
        with pytest.raises(ValueError, match="positive whole number"):
            ClinicalMLP(n_features=width)
        with pytest.raises(ValueError, match="positive whole number"):
            ClinicalMLP(hidden=(8, width))
    for hidden in ((), (64,), (64, 32, 16), 64):
        with pytest.raises(ValueError, match="two hidden widths"):
            ClinicalMLP(hidden=hidden)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.sampled_from([nn.ReLU, nn.Tanh]))
def test_mlp_equals_plain_torch(widths, activation):
    torch.manual_seed(0)
    net = mlp(widths, activation)
    kinds = [type(layer) for layer in net]
    assert kinds == ([nn.Linear, activation] * (len(widths) - 1))[:-1]
    a = x = torch.randn(3, widths[0])
    linears = net[::2]
    for number, linear in enumerate(linears):
        assert linear.weight.shape == (widths[number + 1], widths[number])
        a = a @ linear.weight.T + linear.bias
        if number < len(linears) - 1:
            a = a.clamp(min=0) if activation is nn.ReLU else torch.tanh(a)
    torch.testing.assert_close(net(x), a)


def test_mlp_makes_each_activation_anew():
    net = mlp([2, 3, 3, 1])
    assert net[1] is not net[3]


def test_mlp_errors():
    for widths in ([], [20]):
        with pytest.raises(ValueError, match="input and an output width"):
            mlp(widths)
    for widths in ([20, 0], [20.0, 1], [True, 1]):
        with pytest.raises(ValueError, match="positive whole number"):
            mlp(widths)


TRAINED = {"first unit of layer1": 0.122, "logit": -1.940, "probability": 0.126}  # patient 0


def test_the_trained_network_gives_patient_0_its_three_numbers_and_draws_nothing():
    before = torch.get_rng_state()
    net, X = ClinicalMLP.trained(), patients(16).X
    assert torch.equal(torch.get_rng_state(), before)
    assert not net.training and all(p.requires_grad for p in net.parameters())
    with torch.no_grad():
        logit = plain_forward(net, X, training=False)[0].item()
        numbers = (net.layer1(X)[0, 0].item(), logit, 1 / (1 + math.exp(-logit)))
    assert [round(number, 3) for number in numbers] == list(TRAINED.values())
    net.layer1.weight.data.zero_()
    assert ClinicalMLP.trained().layer1.weight.any()  # each caller's own


def test_the_note_beside_the_weights_says_what_its_risks_are_worth():
    scores, said = worth(ClinicalMLP.trained()), WEIGHTS.with_name("README.md").read_text(encoding="utf8")
    auroc, loss = re.search(r"AUROC ([\d.]+), log loss ([\d.]+)\.\n", said).groups()
    assert float(auroc) == pytest.approx(scores.auroc, abs=6e-4)
    assert float(loss) == pytest.approx(scores.log_loss, abs=6e-4)


@pytest.mark.exhaustive
def test_training_again_gives_the_shipped_network():
    X, shipped, again = patients(16).X, ClinicalMLP.trained(), trained().model
    assert (shipped(X) - again(X)).abs().max() < 0.05
    assert abs(worth(shipped).auroc - worth(again).auroc) < 0.005
