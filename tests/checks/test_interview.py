"""What else the checkers of the interview chapter meet: constants, right answers of another form."""

import pytest
import torch
from helpers.odd_answers import verdict_on
from helpers.wrong import drills
from helpers.wrong import interview as given
from torch import nn

from fpcourse.checks.drills import DRILL_SHAPES
from fpcourse.checks.forms import answer
from fpcourse.checks.interview import _runs_of_sentences, mark_of

SHAPES_BY_HAND = answer(DRILL_SHAPES[0], "00000")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("predict_snippets", lambda n, width, passes, c: given.snippets(5, 20, 4, 3.0)),
        ("drill_shapes", lambda *widths: SHAPES_BY_HAND(16, 20, 64, 32)),
        ("drill_forward", lambda m, x: torch.zeros(len(x), 1)),
        ("drill_batchnorm", lambda x, *rest: x),
        ("drill_dropout", lambda x, p, training: x),
        ("drill_hook", lambda model, layer, x: [layer(x)] if x.shape[1] == 5 else []),
        ("drill_mean_loss", lambda model, batches: 0.693),
        ("forward_report", lambda model, X: given.report(nn.Sequential(nn.Linear(3, 1)).eval(), torch.randn(4, 3))),
    ],
)
def test_an_answer_for_one_case_is_refused(name, answer):
    assert verdict_on(answer, name).state == "not yet"


def by_bernoulli(x, p, training):
    return x * torch.bernoulli(torch.full(x.shape, 1 - p)) / (1 - p) if training else x.clone()


def in_a_tuple(model, layer, x):
    return tuple(drills.hooked(model, layer, x))


def total_under_no_grad(model, batches):
    with torch.no_grad():
        return drills.mean_loss(model, batches, add=lambda loss, y: loss * len(y))


def report_with_sets(model, X):
    found = given.report(model, X)
    return found | {key: set(found[key]) for key in ("never_called", "in_train_mode", "no_gradient")}


def sizes(batch, features, first, second):
    right = SHAPES_BY_HAND(batch, features, first, second)
    return right | {"layer1": torch.zeros(batch, first).shape, "logits": [batch, 1]}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("drill_dropout", by_bernoulli),
        ("drill_hook", in_a_tuple),
        ("drill_mean_loss", total_under_no_grad),
        ("forward_report", report_with_sets),
        ("drill_shapes", sizes),
    ],
)
def test_a_right_answer_of_another_form_passes(name, answer):
    assert [verdict_on(answer, name).state for _ in range(3)] == ["passed"] * 3


def test_the_truth_of_the_ten_sentences_comes_from_runs():
    for _ in range(5):
        runs = _runs_of_sentences()
        assert {number: mark_of(list(cases.values())) for number, cases in runs.items()} == given.MARKS


@pytest.mark.parametrize(("holds", "mark"), [([True], "true"), ([False, False], "false"), ([True, False], "depends")])
def test_a_mark_sums_the_runs_up(holds, mark):
    assert mark_of(holds) == mark
