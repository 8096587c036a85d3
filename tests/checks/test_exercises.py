"""check(): what becomes of a right, a wrong, an empty, a raising and an endless answer; and that it leaves no trace."""

import contextlib
import random
import sys

import numpy as np
import pytest
import torch

from fpcourse.checks import check, exercises
from fpcourse.checks.exercises import Suspect, Verdict, describe, exercise, same


@pytest.fixture(autouse=True)
def linear_exercise(monkeypatch):
    """An exercise to check with: a linear layer by hand."""
    monkeypatch.setattr(exercises, "_CHECKERS", dict(exercises.checkers()))

    @exercise(then="Try it on (4, 5, 20).")
    def linear(attempt):
        for batch in (1, 5):
            X, W, b = torch.randn(batch, 20), torch.randn(3, 20), torch.randn(3)
            attempt.equal(attempt(X, W, b), X @ W.T + b, [Suspect(X @ W.T, "The bias is missing.", 5)])


def verdict_on(function, name="linear") -> Verdict:
    function.__name__ = name
    return check(function)


def empty(X, W, b): ...


def documented(X, W, b):
    """A layer."""


def passing(X, W, b):
    pass


def not_implemented(X, W, b):
    raise NotImplementedError


def unfilled(X, W, b):
    return {"out": [..., 1], "more": ...}


@pytest.mark.parametrize("function", [empty, documented, passing, not_implemented])
def test_a_function_without_a_body_is_not_attempted(function):
    assert verdict_on(function) == Verdict("linear", "not attempted", "Write its body, then run this cell again.")


def test_an_answer_with_places_left_is_not_attempted():
    found = verdict_on(unfilled)
    assert (found.state, "2 to go" in found.message) == ("not attempted", True)


def test_a_right_answer_passes_and_says_what_to_try_next():
    assert verdict_on(lambda X, W, b: X @ W.T + b) == Verdict("linear", "passed", "Try it on (4, 5, 20).")


def test_a_solution_is_checked_like_the_readers_function():
    def solution_linear(X, W, b):
        return torch.nn.functional.linear(X, W, b)

    assert check(solution_linear).state == "passed"


def endless(X, W, b):
    while True:
        with contextlib.suppress(Exception):
            X = X + 1


@pytest.mark.parametrize(
    ("function", "said", "misconception"),
    [
        (lambda X, W, b: X @ W.T, "The bias is missing.", 5),
        (lambda X, W, b: X @ W.T - b, "Expected: ", None),
        (lambda X, W, b: X @ W, "cannot be multiplied (1x20 and 3x20). It came from", None),
        (lambda X, W, b: print(end=""), "A function without a return statement returns None.", None),
        (lambda X, W, b: (X @ W.T + b).tolist(), "Expected: a tensor of shape (1, 3)", None),
        (lambda X, W, b: (X @ W.T + b).sum(0), "Came out: a tensor of shape (3,)", None),
        (lambda X: X, "takes 1 positional argument but 3 were given", None),
        (endless, "stopped after 300,000 lines", None),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_told_what_was_tried_and_what_came_out(function, said, misconception):
    found = verdict_on(function)
    assert found.state == "not yet" and found.misconception == misconception
    assert found.message.startswith("Tried linear(a tensor of shape (1, 20), a tensor of shape (3, 20)")
    assert said in found.message and "checks/" not in found.message


def test_a_verdict_reads_alike_in_a_terminal_and_in_a_notebook():
    found = Verdict("f", "not yet", "1 < 2", 12)
    assert repr(found) == str(found) == "f: not yet. 1 < 2 See misconception 12, reference/misconceptions.md."
    assert found._repr_html_() == (
        '<p class="fp-verdict"><strong>f: not yet.</strong> 1 &lt; 2 '
        'See <a href="reference/misconceptions.md">misconception 12</a>.</p>'
    )


def rude(X, W, b):
    torch.manual_seed(0)
    random.seed(0)
    torch.set_grad_enabled(False)
    return X @ W.T + b


@pytest.mark.parametrize("function", [rude, endless])
def test_the_random_state_the_grad_mode_and_the_trace_function_stay(function):
    before = torch.get_rng_state(), random.getstate(), sys.gettrace()
    verdict_on(function)
    assert torch.equal(before[0], torch.get_rng_state()) and before[1:] == (random.getstate(), sys.gettrace())
    assert torch.is_grad_enabled()


def test_inputs_are_fresh_each_time():
    seen = []
    for _ in range(2):
        torch.manual_seed(0)
        verdict_on(lambda X, W, b: seen.append(X))
    assert not torch.equal(*seen)


def test_what_a_checker_draws_from_random_is_fresh_too():
    drawn = []
    for _ in range(2):
        verdict_on(lambda X, W, b: drawn.append(random.random()))
    assert len(set(drawn)) == len(drawn) == 2


def test_an_error_that_is_asked_for_is_handed_over():
    @exercise(then="")
    def refuses(attempt):
        attempt.require(isinstance(attempt.error(-1), ValueError), "no ValueError", "a ValueError")

    def solution_refuses(number):
        if number < 0:
            raise ValueError("negative")

    assert check(solution_refuses).state == "passed"
    found = verdict_on(lambda number: number, "refuses")
    assert found.message == "Tried refuses(-1). Came out: no ValueError. Expected: a ValueError."


def test_an_answer_that_its_checker_does_not_foresee_becomes_the_verdict():
    @exercise(then="")
    def length(attempt):
        attempt.require(len(attempt([1, 2])) == 2, "another length", "2")

    found = verdict_on(lambda numbers: 3, "length")
    assert found.state == "not yet" and found.message.startswith(
        "Tried length([1, 2]). Came out: 3. Expected: an answer of the form that the task asks for. "
        "Comparing it raised TypeError: object of type 'int' has no len()."
    )

    @exercise(then="")
    def broken(attempt):
        raise KeyError("the checker's own")

    with pytest.raises(KeyError, match="own"):
        verdict_on(lambda numbers: 3, "broken")


def test_what_is_no_exercise_is_refused():
    with pytest.raises(TypeError, match="without calling it"):
        check(3)

    def liner(X, W, b): ...

    with pytest.raises(ValueError, match=r"no exercise is called 'liner'.*linear"):
        check(liner)


@pytest.mark.parametrize(
    ("result", "expected", "equal"),
    [
        (torch.ones(2), torch.ones(2) + 1e-7, True),
        (torch.ones(2), torch.ones(2, 1), False),
        ([1.0, 1.0], torch.ones(2), False),
        (torch.tensor(torch.nan), torch.tensor(torch.nan), True),
        (torch.tensor(2.0), 2.0, True),
        (2, 2.0, True),
        (True, 1, False),
        (1, True, False),
        (torch.Size([2, 3]), (2, 3), True),
        ((2, 3), [2, 4], False),
        ({"a": (1, 2)}, {"a": (1, 2)}, True),
        ({"a": (1, 2)}, {"b": (1, 2)}, False),
        (torch.ones(2), "text", False),
        (torch.ones(2, device="meta"), torch.ones(2), False),
        (torch.tensor(2.0, requires_grad=True), 2.0, True),
        (np.ones(2), 1, False),
        (np.ones(2), "text", False),
    ],
)
def test_what_counts_as_equal(result, expected, equal):
    assert same(result, expected) is equal


def test_an_argument_is_described_in_few_words():
    assert describe(torch.nn.Linear(2, 3).eval()) == "Linear in eval mode"
    assert describe(torch.tensor(1.5)) == "tensor(1.5)"
    assert describe(list(range(9))) == "list of 9"
    assert len(describe("x" * 200)) == 80
    assert describe(torch.empty((), device="meta")) == "a value of type Tensor"


def test_an_answer_without_values_is_told_what_was_expected():
    found = verdict_on(lambda X, W, b: (X @ W.T + b).to("meta"))
    assert found.message.endswith("Came out: a tensor of shape (1, 3). Expected: a tensor of shape (1, 3).")
