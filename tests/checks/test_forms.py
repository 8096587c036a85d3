"""What a page's exercises offer: exactly the right answers pass, and the page's verdicts are the checkers'."""

import json
import re
from itertools import combinations

import pytest
from refresh import EXERCISES, judged

from fpcourse.checks.exercises import check_form, checkers
from fpcourse.checks.forms import Gaps, Lines, Rows, data

COMMITTED = json.loads(EXERCISES.read_text(encoding="utf8"))
FORMS = [
    pytest.param(name, number, form, id=f"{name}-{('exercise', 'twin')[number]}")
    for name, checker in checkers().items()
    for number, form in enumerate(checker.forms)
]
EACH = pytest.mark.parametrize(("name", "number", "form"), FORMS)
NUMBER = re.compile(r"-?\d+\.?\d*(e-?\d+)?")


def near_the_solution(form) -> list[str]:
    """The right answers, and those with a single fault: another choice in a gap, two neighbours the other way round."""
    right = min(form.right)
    faults = [key for key in form.every_key() if sum(a != b for a, b in zip(key, right, strict=True)) == 1]
    if isinstance(form, Lines):
        faults = [right[:at] + right[at + 1] + right[at] + right[at + 2 :] for at in range(len(right) - 1)]
    return [*form.right, *faults]


def same_words(text: str, other: str) -> bool:
    """Whether two texts are equal, but for the last digits of numbers that another processor rounds its own way."""
    words = NUMBER.sub("#", text) == NUMBER.sub("#", other)
    numbers = [[float(match[0]) for match in NUMBER.finditer(each)] for each in (text, other)]
    return words and numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=1e-6)


def compare(name: str, number: int, made: dict) -> None:
    """A form as made now with the same in the committed file, for the answers that were made."""
    committed = json.loads(json.dumps(COMMITTED[name][number]))
    made = json.loads(json.dumps(made))
    assert {k: v for k, v in made.items() if k not in ("verdicts", "messages")} == {
        k: v for k, v in committed.items() if k not in ("verdicts", "messages")
    }, "run: make notebooks"
    for key, place in made["verdicts"].items():
        state, message, misconception = committed["messages"][committed["verdicts"][key]]
        now = made["messages"][place]
        assert (now[0], now[2]) == (state, misconception) and same_words(now[1], message), (key, now, message)


@EACH
def test_the_pages_verdicts_near_the_solution_are_the_checkers(name, number, form):
    verdicts = {key: check_form(form, key) for key in near_the_solution(form)}
    assert {key for key, verdict in verdicts.items() if verdict.state == "passed"} == form.right
    compare(name, number, data(form, verdicts))


@pytest.mark.exhaustive
@EACH
def test_exactly_the_right_answers_pass_and_every_verdict_is_the_checkers(name, number, form):
    made = judged(form)
    passed = {key for key, place in made["verdicts"].items() if made["messages"][place][0] == "passed"}
    assert passed == form.right
    compare(name, number, made)


def test_the_committed_file_has_these_exercises_and_no_other_each_with_its_twin():
    assert {name: len(forms) for name, forms in COMMITTED.items()} == {
        name: 2 for name, checker in checkers().items() if checker.forms
    }


@EACH
def test_a_form_is_small_enough_and_a_wrong_answer_runs(name, number, form):
    committed = COMMITTED[name][number]
    assert len(committed["verdicts"]) <= (120 if isinstance(form, Lines) else 36)
    if not isinstance(form, Rows):
        assert any("Came out" in message for state, message, _ in committed["messages"] if state == "not yet")
    if type(form) is Gaps:
        assert 2 <= len(form.gaps) <= 3 and all(2 <= len(gap.choices) <= (6 if gap.typed else 4) for gap in form.gaps)


@pytest.mark.parametrize("name", [name for name, checker in checkers().items() if type([*checker.forms, 0][0]) is Gaps])
def test_two_gaps_depend_on_each_other(name):
    """Two right answers differ in two gaps, and one half of each makes a wrong one."""
    form = checkers()[name].forms[0]
    mixed = [
        "".join(b if at == swapped else a for at, (a, b) in enumerate(zip(first, second, strict=True)))
        for first, second in combinations(sorted(form.right), 2)
        for swapped in range(len(first))
        if first[swapped] != second[swapped]
    ]
    assert any(key not in form.right for key in mixed)


def test_each_chapter_with_gaps_has_one_to_type():
    chapters = {}
    for checker in checkers().values():
        for form in checker.forms[:1]:
            typed = isinstance(form, Rows) or any(gap.typed for gap in getattr(form, "gaps", ()))
            chapters.setdefault(checker.run.__module__, []).append(typed)
    assert chapters and all(map(any, chapters.values()))
