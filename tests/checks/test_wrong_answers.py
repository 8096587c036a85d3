"""Every exercise meets at least four wrong answers that people give; each fails with its own message.

A module ``helpers.wrong.<chapter>`` holds them: ``WRONG``, for each exercise a list of (function, what its message
says, number of the misconception or None).
"""

import re
from importlib import import_module
from pathlib import Path

import pytest

from fpcourse.checks import check
from fpcourse.checks.exercises import CHAPTERS, checkers

MODULES = [import_module(f"helpers.wrong.{chapter}") for chapter in CHAPTERS]
WRONG = {name: answers for module in MODULES for name, answers in module.WRONG.items()}
CASES = [
    pytest.param(name, *answer, id=f"{name}-{answer[0].__name__}")
    for name, answers in WRONG.items()
    for answer in answers
]


def test_each_exercise_has_at_least_four_and_each_its_own_message():
    assert WRONG.keys() == checkers().keys()
    for name, answers in WRONG.items():
        said = [fragment for _, fragment, _ in answers]
        assert len(set(said)) == len(said) >= 4, name


@pytest.mark.parametrize(("name", "function", "said", "misconception"), CASES)
def test_a_wrong_answer_gets_its_own_message(name, function, said, misconception):
    original = function.__name__
    function.__name__ = name
    try:
        found = check(function)
    finally:
        function.__name__ = original
    others = {fragment for _, fragment, _ in WRONG[name]} - {said}
    assert found.state == "not yet" and said in found.message, found
    assert not [fragment for fragment in others if fragment in found.message]
    assert found.misconception == misconception


def test_a_misconception_is_in_the_list():
    page = (Path(__file__).resolve().parents[2] / "book/reference/misconceptions.md").read_text(encoding="utf8")
    numbers = {int(number) for number in re.findall(r"(?m)^### (\d+)\. ", page)}
    assert {number for _, _, _, number in (case.values for case in CASES) if number} <= numbers
