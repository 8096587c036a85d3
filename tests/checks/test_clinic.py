"""The clinic's checkers: right answers of other forms pass, those of the page alone do not."""

import copy

import pytest
import torch
from helpers.odd_answers import verdict_on
from torch import nn
from torch.nn import functional as F

from fpcourse import capture, in_mode, unchanged
from fpcourse.checks import exercises
from fpcourse.training.clinic import case


def awake_by_copies(model, X):
    evaluated = copy.deepcopy(model).eval()
    found = []
    for name, module in model.named_modules():
        if name and module.training:
            one = copy.deepcopy(evaluated)
            one.get_submodule(name).train()
            if not torch.equal(one(X), evaluated(X)):
                found.append(name)
    return found


def risk_by_graph(model, X):
    with in_mode(model, "eval"):
        out = model(X)
    ends_in_sigmoid = "Sigmoid" in type(out.grad_fn).__name__
    return (out if ends_in_sigmoid else torch.sigmoid(out)).detach()


def loss_by_hand(model, X, y):
    z = model(X).reshape(-1)
    if len(z) != y.numel():
        raise ValueError("as many labels as patients, please")
    return sum(F.softplus(a) - b * a for a, b in zip(z, y.reshape(-1), strict=True)) / len(z)


def dead_by_hooks(model, X):
    relus = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    with capture(model, relus, reduce=lambda a: a.abs().max()) as largest:
        model(X)
    return next((name for name, value in largest.items() if value == 0), None)


def restored_in_batches(model, X):
    """A copy, layer by layer, by the mean of all passes."""
    model = copy.deepcopy(model)
    for bn in (model.bn1, model.bn2):
        bn.reset_running_stats()
        momentum, bn.momentum = bn.momentum, None
        bn.train()
        model(X)
        bn.eval()
        bn.momentum = momentum
    return model


def restored_by_many_passes(model, X):
    with in_mode(model, "train"):
        model.drop.eval()
        for _ in range(150):
            model(X)
    return model.eval()


def overwritten_by_versions(model, X):
    """autograd counts the writes into a tensor."""
    kept = []
    handles = []
    for name, module in model.named_modules():
        if not list(module.children()):

            def keep(module, inputs, output, name=name):
                kept.append((name, output, output._version))

            handles.append(module.register_forward_hook(keep))
    with unchanged(model):
        model(X)
    for handle in handles:
        handle.remove()
    return [name for name, output, version in kept if output._version != version]


def by_dictionary(model, X, names):
    columns = dict(zip(names, X.T, strict=True))
    with torch.no_grad():
        return torch.sigmoid(model(torch.stack([columns[name] for name in model.features], dim=1)))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("awake_layers", awake_by_copies),
        ("risk_once", risk_by_graph),
        ("mean_loss", loss_by_hand),
        ("dead_layer", dead_by_hooks),
        ("restored", restored_in_batches),
        ("restored", restored_by_many_passes),
        ("overwritten", overwritten_by_versions),
        ("risk_by_name", by_dictionary),
    ],
)
def test_a_right_answer_of_another_form_passes(name, function):
    found = verdict_on(function, name)
    assert found.state == "passed", found


NAMES = ["awake_layers", "risk_once", "mean_loss", "dead_layer", "restored", "overwritten", "risk_by_name"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("awake_layers", ["bn1", "bn2", "drop"]), ("dead_layer", "relu3"), ("overwritten", ["bn1", "bn2"])],
)
def test_the_answer_of_the_page_alone_does_not_pass(name, shown):
    def answer(model, X):
        return shown

    assert [verdict_on(answer, name).state for _ in range(3)] == ["not yet"] * 3


def test_the_order_of_the_page_alone_does_not_pass():
    today = case(7).validation.features

    def answer(model, X, names):
        with torch.no_grad():
            return torch.sigmoid(model(X[:, [today.index(name) for name in model.features]]))

    assert verdict_on(answer, "risk_by_name").state == "not yet"


def test_the_checkers_know_their_chapter():
    assert [name for name in exercises.checkers() if name in NAMES] == NAMES
