"""controls and explore: what explore accepts, what it refuses and in which words, and how it calls draw."""

import itertools
import math
import re
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fpcourse.page import built, live
from fpcourse.page.explorable import Control, Explorable, Try
from fpcourse.page.show import explore
from fpcourse.page.view import View
from fpcourse.tables import Table

TRY = Try({"n": 2}, "What happens?", ["up", "down"], "It goes up.")


def draw(n, kind):
    return View(Table(("n",), ((str(n),),)), f"{n} {kind}", "a table", {"n": n, "kind": kind})


def table_of(values):
    return View(Table(("x",), ()), "c", "a", values)


CONTROLS = {"n": [1, 2, 3], "kind": ["sin", "cos"]}


def checked(draw=draw, controls=CONTROLS, start=None, labels=None, play=None, tries=()):
    return Explorable.checked(draw, controls, start or {}, labels or {}, play, tries)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"controls": {}}, "explore needs at least one control, e.g. {'batch_size': [2, 16, 128]}"),
        ({"controls": {"n": [], "kind": ["a"]}}, "control 'n' has no values"),
        ({"controls": {"n": [1, 2, 1], "kind": ["a"]}}, "control 'n' holds 1 twice"),
        ({"controls": {"n": [1, 1.0], "kind": ["a"]}}, "control 'n' holds 1 twice"),
        ({"controls": {"n": [True, "yes"], "kind": ["a"]}}, "control 'n' holds yes twice"),
        ({"start": {"n": 4}}, "start sets 'n' to 4, which is not one of [1, 2, 3]"),
        ({"start": {"n": True}}, "start sets 'n' to True, which is not one of [1, 2, 3]"),
        ({"start": {"m": 1}}, "start names 'm', which is not a control; controls: n, kind"),
        (
            {"labels": {"m": "x"}},
            "labels names 'm', which is neither a control nor a word among the values; controls: n, kind",
        ),
        (
            {"labels": {"1": "x"}},
            "labels names '1', which is neither a control nor a word among the values; controls: n, kind",
        ),
        ({"play": "m"}, "play names 'm', which is not a control; controls: n, kind"),
        (
            {"controls": {"n": list(range(43)), "kind": ["a", "b", "c"]}},
            "129 combinations, at most 128: give 'n' fewer than its 43 values",
        ),
        (
            {"tries": (TRY, Try({"m": 1}, "?", ["a", "b"], "!"))},
            "try 2 sets 'm', which is not a control; controls: n, kind",
        ),
        (
            {"tries": (Try({"n": 4}, "?", ["a", "b"], "!"),)},
            "try 1 sets 'n' to 4, which is not one of [1, 2, 3]",
        ),
        ({"tries": (Try({}, "?", ["a"], "!"),)}, "try 1 needs two or more guesses; got ['a']"),
    ],
)
def test_inconsistent_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        checked(**arguments)


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        (
            {"n": [1]},
            "the parameters of draw(n, kind) do not match the controls (n): missing a required argument: 'kind'",
        ),
        (
            {"n": [1], "kind": ["a"], "p": [0]},
            "the parameters of draw(n, kind) do not match the controls (n, kind, p): "
            "got an unexpected keyword argument 'p'",
        ),
        ({"n": [1, None], "kind": ["a"]}, "control 'n': values are numbers, words or booleans; got NoneType"),
        ({"n": [(1, 2)], "kind": ["a"]}, "control 'n': values are numbers, words or booleans; got tuple"),
    ],
)
def test_arguments_of_another_type_are_refused(controls, message):
    with pytest.raises(TypeError, match=re.escape(message) + "$"):
        checked(controls=controls)


@pytest.mark.parametrize("values", [np.arange(3), list(np.arange(3)), torch.arange(3), range(3), (0, 1, 2)])
def test_arrays_and_ranges_are_values(values):
    explorable = checked(controls={"n": values, "kind": ["a"]}, start={"n": np.int64(1)}, play=None, tries=())
    assert explorable.controls[0].values == (0, 1, 2) and type(explorable.controls[0].values[0]) is int
    assert explorable.start == (1, 0)


@pytest.mark.parametrize("values", [iter([1, 2]), {"low": 1}, {1, 2}, 5, "train", torch.tensor(3), None])
def test_other_values_get_one_error_that_names_the_control(values):
    with pytest.raises(TypeError, match=r"^control 'n' takes a list, a range or an array of values; got \w+$"):
        checked(controls={"n": values, "kind": ["a"]})


def test_128_combinations_are_not_too_many():
    explorable = checked(controls={"n": list(range(64)), "kind": ["a", "b"]})
    assert len(list(explorable.all_positions())) == 128


def test_a_draw_that_gives_no_view_is_refused():
    explorable = checked(draw=lambda n, kind: {"n": n})
    with pytest.raises(TypeError, match=re.escape("<lambda>(n=1, kind='sin') must return a View; got dict")):
        explorable.view((0, 0))


def test_an_error_of_draw_comes_out_with_a_note_of_the_combination():
    def broken(n, kind, p):
        return torch.zeros(2, n) @ torch.zeros(2, n)

    explorable = checked(broken, {"n": [3], "kind": ["sin"], "p": [0.25, True]})
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        explorable.view((0, 0, 1))
    assert caught.value.__notes__ == ["raised by broken(n=3, kind='sin', p=True)"]


# Controls and combinations


def test_controls_of_an_explorable():
    explorable = checked(
        lambda batch_size, p, on: table_of({}),
        {"batch_size": range(2, 5), "p": (0.0, 0.3), "on": [True, False]},
        start={"p": 0.3},
        labels={"p": "dropout p"},
    )
    assert explorable.controls == (
        Control("batch_size", "batch size", (2, 3, 4), 0),
        Control("p", "dropout p", (0.0, 0.3), 1),
        Control("on", "on", (True, False), 0),
    )
    assert explorable.start == (0, 1, 0)
    assert [control.is_slider for control in explorable.controls] == [True, True, False]


@pytest.mark.parametrize(
    ("values", "texts", "slider"),
    [
        ((2, 16, 128), ("2", "16", "128"), True),
        ((0.0, 0.3, 1e-5, 100000.0, 2.0), ("0", "0.3", "1e-05", "100000", "2"), True),
        ((1, 2.5), ("1", "2.5"), True),
        ((True, False), ("yes", "no"), False),
        ((1, True), ("1", "yes"), False),
        (("eval", "train"), ("eval", "train"), False),
        ((1, "all"), ("1", "all"), False),
        ((-math.inf, 0.5), ("-inf", "0.5"), True),
    ],
)
def test_texts_of_a_control(values, texts, slider):
    control = Control("n", "n", values, 0)
    assert control.texts == texts and control.is_slider is slider


def test_combinations_run_with_the_last_control_fastest():
    controls = {"a": [10, 20], "b": ["x", "y", "z"], "c": [False, True]}
    seen = []
    explorable = checked(lambda a, b, c: seen.append((a, b, c)) or table_of({}), controls)
    for positions in explorable.all_positions():
        explorable.view(positions)
    assert seen == [(a, b, c) for a in (10, 20) for b in ("x", "y", "z") for c in (False, True)]
    assert len(seen) == 12 and seen[1] == (10, "x", True)


@given(st.data())
def test_positions_find_the_values_of_a_state(data):
    controls = {"n": [0, 1, 2], "on": [False, True], "p": [0.0, 0.5, 1.5]}
    indices = {name: data.draw(st.integers(0, len(values) - 1)) for name, values in controls.items()}
    named = data.draw(st.sets(st.sampled_from(list(controls))))
    start = {name: data.draw(st.sampled_from(values)) for name, values in controls.items()}
    explorable = checked(lambda n, on, p: table_of({}), controls, start=start)
    state = {name: controls[name][indices[name]] for name in named}
    assert explorable.positions(state) == tuple(
        indices[name] if name in named else values.index(start[name]) for name, values in controls.items()
    )


def test_true_is_not_one():
    explorable = checked(
        lambda n, kind: table_of({"n": n}), {"n": [0, 1, False, True], "kind": ["a"]}, start={"n": True}
    )
    assert explorable.start == (3, 0)
    assert [explorable.positions({"n": value})[0] for value in (0, 1, False, True)] == [0, 1, 2, 3]
    assert [explorable.view((at, 0)).values["n"] for at in range(4)] == [0, 1, False, True]
    assert explorable.view((3, 0)).values["n"] is True and explorable.view((1, 0)).values["n"] is not True
    assert explorable.positions({"n": 1.0}) == (1, 0)


# Randomness


def random_draw(n):
    return table_of({"numbers": torch.rand(n), "seed": torch.initial_seed()})


def test_every_combination_is_drawn_from_the_same_seed_whatever_was_drawn_before():
    explorable = checked(random_draw, {"n": [2, 5, 3]})
    for order in itertools.permutations(range(3)):
        for at in order:
            torch.rand(7)
            n = (2, 5, 3)[at]
            expected = torch.rand(n, generator=torch.Generator().manual_seed(0))
            values = explorable.view((at,)).values
            assert values["numbers"] == [float(f"{number:.6g}") for number in expected.tolist()]
            assert values["seed"] == 0


@pytest.mark.parametrize("fails", [False, True])
def test_the_readers_random_state_is_unchanged(fails):
    def used(n):
        torch.rand(n)
        torch.manual_seed(99)
        if fails:
            raise RuntimeError("after using it")
        return table_of({})

    torch.manual_seed(1234)
    before = torch.random.get_rng_state()
    explorable = checked(used, {"n": [3]})
    with pytest.raises(RuntimeError, match="after using it") if fails else nullcontext():
        explorable.view((0,))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.initial_seed() == 1234


# explore


@pytest.mark.parametrize(("flag", "life"), [(None, live), ("0", live), ("1", built)])
def test_explore_takes_the_life_that_fits(monkeypatch, flag, life):
    given = []
    monkeypatch.delenv("FPCOURSE_STATIC", raising=False)
    if flag:
        monkeypatch.setenv("FPCOURSE_STATIC", flag)
    for module in (live, built):
        monkeypatch.setattr(module, "present", lambda explorable, module=module: given.append((module, explorable)))
    result = explore(draw, CONTROLS, start={"n": 3}, labels={"n": "number"}, play="n", tries=[TRY])
    assert result is None
    expected = Explorable(
        draw, (Control("n", "number", (1, 2, 3), 2), Control("kind", "kind", ("sin", "cos"), 0)), "n", (TRY,)
    )
    assert given == [(life, expected)]


def test_explore_refuses_before_it_draws():
    def never(n):
        raise AssertionError("drawn")

    with pytest.raises(ValueError, match="start sets 'n' to 3"):
        explore(never, {"n": [1, 2]}, start={"n": 3})


def test_a_draw_without_a_name_is_refused():
    import functools

    with pytest.raises(TypeError, match="draw must be a function with a name, written with def; got partial"):
        Explorable.checked(functools.partial(dict), {"n": [1]}, {}, {}, None, ())
