"""What the checkers of chapter 6 must not let through."""

import copy

import pytest
import torch
from helpers.odd_answers import verdict_on
from helpers.wrong.modes import batchnorm, moments


def test_another_way_to_the_same_risks_passes():
    def by_copy(model, X):
        with torch.inference_mode():
            return copy.deepcopy(model).eval()(X).sigmoid()

    assert verdict_on(by_copy, "predict_risk").state == "passed"


def test_statistics_that_are_put_back_too_late_are_noticed():
    def looks_first(model, X):
        with torch.no_grad():
            if model.training and len(X) > 1:
                model(X)
            return copy.deepcopy(model).eval()(X).sigmoid()

    assert verdict_on(looks_first, "predict_risk").state == "not yet"


@pytest.mark.parametrize("change", [lambda model: model.to("meta"), lambda model: model.double()])
def test_a_model_that_was_moved_is_noticed(change):
    def moves(model, X):
        risks = torch.sigmoid(copy.deepcopy(model).eval()(X)).detach()
        change(model)
        return risks

    assert " changed. Expected: the model as it was" in verdict_on(moves, "predict_risk").message


def test_a_hook_left_behind_is_noticed():
    def hooks(model, X):
        model.bn1.register_forward_pre_hook(lambda module, inputs: None)
        with torch.no_grad():
            return copy.deepcopy(model).eval()(X).sigmoid()

    assert "the hooks of bn1" in verdict_on(hooks, "predict_risk").message


def test_batch_norm_may_write_in_place_as_torch_does():
    def in_place(z, running_mean, running_var, training, momentum, eps):
        out, mean, var = batchnorm()(z, running_mean, running_var, training, momentum, eps)
        return out, running_mean.copy_(mean), running_var.copy_(var)

    assert verdict_on(in_place, "batch_norm").state == "passed"


def test_a_batch_norm_without_a_graph_is_noticed():
    def cuts(z, *others):
        return batchnorm()(z.detach(), *others)

    assert "out without a graph" in verdict_on(cuts, "batch_norm").message


def test_defaults_written_into_the_function_are_refused():
    def fixed(z, running_mean, running_var, training, momentum, eps):
        return batchnorm()(z, running_mean, running_var, training, 0.1, 1e-5)

    assert verdict_on(fixed, "batch_norm").state == "not yet"


def test_moments_known_for_one_p_are_refused():
    assert verdict_on(lambda x, p, scaled: moments(x, 0.3, scaled), "dropout_moments").state == "not yet"


def test_moments_may_come_as_a_list():
    assert verdict_on(lambda *arguments: list(moments(*arguments)), "dropout_moments").state == "passed"
