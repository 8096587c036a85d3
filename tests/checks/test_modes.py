"""What the checkers of chapter 6 must survive, and what they must not let through."""

import copy

import pytest
import torch
from wrong_modes import batchnorm, moments

from fpcourse.checks import check

NAMES = ["predict_risk", "batch_norm", "dropout_moments"]
ODD = [None, 3, "text", (1, 2), (1, 2, 3), ("a", "b", "c"), {1: 2}, torch.ones(3, requires_grad=True), torch.nn.ReLU()]


def state_of(function, name):
    function.__name__ = name
    return check(function)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_an_odd_answer_is_told_what_was_expected(name, odd):
    found = state_of(lambda *arguments: odd, name)
    assert found.state == "not yet" and "Expected: " in found.message


@pytest.mark.parametrize("name", NAMES)
def test_a_generator_is_no_answer(name):
    assert state_of(lambda *arguments: (one for one in [1]), name).state == "not yet"


def test_another_way_to_the_same_risks_passes():
    def by_copy(model, X):
        with torch.inference_mode():
            return copy.deepcopy(model).eval()(X).sigmoid()

    assert state_of(by_copy, "predict_risk").state == "passed"


def test_statistics_that_are_put_back_too_late_are_noticed():
    def looks_first(model, X):
        with torch.no_grad():
            if model.training and len(X) > 1:
                model(X)
            return copy.deepcopy(model).eval()(X).sigmoid()

    assert state_of(looks_first, "predict_risk").state == "not yet"


def test_a_hook_left_behind_is_noticed():
    def hooks(model, X):
        model.bn1.register_forward_pre_hook(lambda module, inputs: None)
        with torch.no_grad():
            return copy.deepcopy(model).eval()(X).sigmoid()

    assert "a hook on bn1" in state_of(hooks, "predict_risk").message


def test_batch_norm_may_write_in_place_as_torch_does():
    def in_place(z, running_mean, running_var, training, momentum, eps):
        out, mean, var = batchnorm()(z, running_mean, running_var, training, momentum, eps)
        return out, running_mean.copy_(mean), running_var.copy_(var)

    assert state_of(in_place, "batch_norm").state == "passed"


def test_a_batch_norm_without_a_graph_is_noticed():
    def cuts(z, *others):
        return batchnorm()(z.detach(), *others)

    assert "out without a graph" in state_of(cuts, "batch_norm").message


def test_defaults_written_into_the_function_are_refused():
    def fixed(z, running_mean, running_var, training, momentum, eps):
        return batchnorm()(z, running_mean, running_var, training, 0.1, 1e-5)

    assert state_of(fixed, "batch_norm").state == "not yet"


def test_moments_known_for_one_p_are_refused():
    assert state_of(lambda x, p, scaled: moments(x, 0.3, scaled), "dropout_moments").state == "not yet"


def test_moments_may_come_as_a_list():
    assert state_of(lambda *arguments: list(moments(*arguments)), "dropout_moments").state == "passed"
