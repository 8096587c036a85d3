"""Whatever comes back, each checker foresees it and says what was expected instead."""

import pytest
from helpers.odd_answers import ODD, verdict_on

from fpcourse.checks.exercises import UNFORESEEN, checkers


@pytest.mark.parametrize("name", checkers())
def test_an_odd_answer_is_told_what_was_expected(name):
    for odd in ODD:
        found = verdict_on(lambda *arguments, odd=odd: odd, name)
        kind = type(odd).__name__
        assert found.state == "not yet" and found.message.startswith("Tried "), kind
        assert "Expected: " in found.message or "It raised" in found.message, (kind, found.message)
        assert UNFORESEEN not in found.message and "checks/" not in found.message, (kind, found.message)


@pytest.mark.parametrize("name", [name for name in checkers() if name != "mark_sentences"])
@pytest.mark.parametrize("place", [0, -1])
def test_what_was_handed_in_is_no_answer(name, place):
    assert verdict_on(lambda *arguments: arguments[place], name).state == "not yet"
