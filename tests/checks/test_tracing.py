"""The checkers of chapter 3 take other right answers too, and clean up."""

import copy

import pytest
import torch
from helpers.odd_answers import verdict_on
from helpers.wrong.tracing import _numbered, _recorded, _zeros
from torch.nn.modules import module as torch_module

from fpcourse import trace, unchanged
from fpcourse.checks.tracing import branching, clinical, normed, shared

NAMES = ("numbered_calls", "silenced", "train_output")


def labelled(model, X):
    seen = {}
    return [(call.name, seen.setdefault(call.name, []).append(1) or len(seen[call.name]), call.output_shapes[0])
            for call in trace(model, X)]  # fmt: skip


def with_lists_and_sizes(model, X):
    return tuple([name, number, torch.Size(shape)] for name, number, shape in _numbered(_recorded(model, X)))


def zeroed_in_place(model, names, X):
    with unchanged(model), torch.no_grad():
        for name in names:
            model.get_submodule(name).register_forward_hook(lambda module, inputs, output: output.clone().zero_())
        return model(X)


def of_a_copy(model, X):
    state = torch.get_rng_state()
    try:
        with torch.no_grad():
            return copy.deepcopy(model).train()(X)
    finally:
        torch.set_rng_state(state)


@pytest.mark.parametrize(
    ("name", "function"),
    [(NAMES[0], labelled), (NAMES[0], with_lists_and_sizes), (NAMES[1], zeroed_in_place), (NAMES[2], of_a_copy)],
)
def test_another_way_is_as_good(name, function):
    assert [verdict_on(function, name).state for _ in range(2)] == ["passed"] * 2


def leaves_a_hook_on_all_modules(model, names, X):
    torch_module.register_module_forward_hook(lambda module, inputs, output: None)
    with unchanged(model), torch.no_grad():
        for name in names:
            model.get_submodule(name).register_forward_hook(_zeros)
        return model(X)


def empties_what_it_was_given(model, names, X):
    names.clear()
    return model(X.zero_())


def test_names_and_batch_that_were_emptied_do_not_count_as_the_question():
    found = verdict_on(empties_what_it_was_given, "silenced")
    assert found.state == "not yet" and "Expected: " in found.message


def test_a_hook_left_on_all_modules_is_found_and_taken_off():
    before = dict(torch_module._global_forward_hooks)
    found = verdict_on(leaves_a_hook_on_all_modules, "silenced")
    assert "hooks left after a pass without an error: 1" in found.message
    assert torch_module._global_forward_hooks == before


@pytest.mark.parametrize("make", [clinical, shared, branching, normed])
def test_the_order_that_a_checker_expects_is_that_of_the_library(make):
    case = make()
    assert [call.name for call in trace(case.model, case.X)] == case.order
    assert [tuple(output.shape) for *_, output in case.steps()] == [
        call.output_shapes[0] for call in trace(case.model, case.X)
    ]


def test_the_cases_differ_from_check_to_check():
    assert len({clinical().model.layer1.weight.shape for _ in range(20)}) > 5
