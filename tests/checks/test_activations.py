"""What the checkers of chapter 5 must survive, and what they must not let through."""

import pytest
import torch
from wrong_activations import activations_of, zero_throughout

from fpcourse.checks import check


def state_of(function, name):
    function.__name__ = name
    return check(function)


ODD = [None, 3, 2.5, "text", (1, 2), [[1], [2]], {1: 2}, {1, 2}, torch.ones(3, requires_grad=True)]


@pytest.mark.parametrize("name", ["dead_units", "streaming_hook", "keeping_gain"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_an_odd_answer_is_told_what_was_expected(name, odd):
    found = state_of(lambda *arguments: odd, name)
    assert found.state == "not yet" and "Expected: " in found.message


@pytest.mark.parametrize("name", ["dead_units", "streaming_hook", "keeping_gain"])
def test_a_generator_is_no_answer(name):
    assert state_of(lambda *arguments: (one for one in [1]), name).state == "not yet"


@pytest.mark.parametrize("odd", ["text", torch.zeros(2, 2), 1.0, None, torch.ones(3, requires_grad=True), [1.0]])
def test_odd_values_in_the_dictionary_of_the_hook_are_named(odd):
    def answer(found):
        return lambda module, inputs, output: found.update(mean=odd, std=odd)

    assert state_of(answer, "streaming_hook").state == "not yet"


def test_a_list_known_by_heart_is_refused():
    seen = []

    def known(model, layer, batches):
        seen.append(zero_throughout(torch.cat(activations_of(model, layer, batches))))
        return seen[0]

    assert state_of(known, "dead_units").state == "not yet"


def test_one_gain_for_all_activations_is_refused():
    by_heart = {torch.relu: 1.59, torch.tanh: 1.25}
    found = state_of(lambda activation, rows: by_heart.get(activation, 1.1), "keeping_gain")
    assert found.state == "not yet" and "a leaky ReLU" in found.message


def test_a_model_that_was_taken_apart_is_noticed():
    def takes_apart(model, layer, batches):
        silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
        del model.drop
        return silent

    assert "another mode: drop" in state_of(takes_apart, "dead_units").message


def test_another_dtype_is_noticed():
    def doubles(model, layer, batches):
        silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
        model.double()
        return silent

    assert "other weights" in state_of(doubles, "dead_units").message


def test_a_hook_that_raises_becomes_the_verdict():
    def answer(found):
        return lambda module, inputs: None

    assert "TypeError" in state_of(answer, "streaming_hook").message
