"""live: the widgets, driven without a kernel, show what the built page shows."""

import base64
import gzip
import json
import re

import ipywidgets as widgets
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib import pyplot
from matplotlib.figure import Figure

from fpcourse.page import built, live
from fpcourse.page.explorable import Explorable, Try
from fpcourse.page.listing import Listing
from fpcourse.page.live import Panel
from fpcourse.page.palette import BATCH
from fpcourse.page.show import explore
from fpcourse.page.view import View
from fpcourse.tables import Table

CONTROLS = {"n": [1, 2, 4], "kind": ["sin & cos", "<tan>"], "on": [False, True]}
START = {"n": 2, "on": True}
TRIES = (
    Try({"n": 4, "kind": "<tan>"}, "What <b>happens</b>?", ["up", "down"], "It goes <u>up</u>."),
    Try({}, "And back?", ["yes", "no", "maybe"], "Yes."),
)


def wave(n, kind, on):
    """A picture with marker and clip, whose numbers come from the seed that explore sets."""
    figure = Figure(figsize=(2, 1))
    heights = torch.rand(n + 1)
    figure.subplots().plot(heights, color=BATCH, marker="o")
    return View((figure, Listing(f"{kind}\n{on}", (0,))), f"{kind}, {n}, {on}", f"alt {n}", {"n": n, "y": heights})


def quick(n, kind, on):
    return View(Table(("n",), ((f"{n} {kind} {on}",),)), f"{n} {kind} {on}", "a table", {"state": [n, kind, on]})


def checked(draw=quick, controls=CONTROLS, start=START, labels=None, play="n", tries=TRIES):
    return Explorable.checked(draw, controls, start, labels or {}, play, tries)


class Box:
    """The parts of a built explorable, found by what they are."""

    def __init__(self, explorable):
        panel = live.Panel(explorable)
        self.box, self.picture, self.cover, self.controls = panel.box, panel.picture, panel.cover, panel.controls
        count = len(explorable.controls)
        self.style, *controls = self.box.children[: count + 1]
        self.row, picture, cover, *tries = self.box.children[count + 1 :]
        assert (controls, cover, picture) == (self.controls, self.cover, self.picture)
        self.buttons = {child.description: child for child in self.row.children if isinstance(child, widgets.Button)}
        self.players = [child for child in self.row.children if isinstance(child, widgets.Play)]
        self.tries = [self.parts_of(attempt) for attempt in tries]

    @staticmethod
    def parts_of(attempt):
        begin, question, row, answer = attempt.children
        return {"begin": begin, "question": question, "row": row, "guesses": row.children, "answer": answer}

    @property
    def caption(self):
        return BeautifulSoup(self.picture.value, "html.parser").figcaption.string

    @property
    def positions(self):
        return [control.index for control in self.controls]


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr("fpcourse.page.markup.display", lambda bundle, raw: bundles.append(bundle))
    monkeypatch.delenv("FPCOURSE_STATIC", raising=False)
    return bundles


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    assert pyplot.get_fignums() == []


def without_ids(html):
    return re.sub(r'(id="|"#|url\(#)(?:fp-live|explore)[\w-]*?-(\d+-\d+)(["\)])', r"\1\2\3", html)


# Controls


def test_controls_are_sliders_and_choices_at_their_start():
    box = Box(checked(labels={"n": "number <n>", "yes": "switched on"}))
    assert [type(control) for control in box.controls] == [
        widgets.SelectionSlider,
        widgets.ToggleButtons,
        widgets.ToggleButtons,
    ]
    assert [control.description for control in box.controls] == ["number <n>", "kind", "on"]
    assert box.positions == [1, 0, 1] and box.caption == "2 sin & cos True"
    texts = [[text for text, _ in control.options] for control in box.controls]
    assert texts == [["1", "2", "4"], ["sin & cos", "<tan>"], ["no", "switched on"]]
    assert box.style.value.startswith("<style>") and ".fp-view" in box.style.value


def test_each_change_draws_once_with_the_values_chosen():
    seen = []
    box = Box(checked(lambda n, kind, on: seen.append((n, kind, on)) or quick(n, kind, on)))
    seen.clear()
    for control, index, expected in (
        (0, 2, (4, "sin & cos", True)),
        (1, 1, (4, "<tan>", True)),
        (2, 0, (4, "<tan>", False)),
        (0, 0, (1, "<tan>", False)),
    ):
        box.controls[control].index = index
        assert seen == [expected]
        assert box.caption == "{} {} {}".format(*seen.pop())


def test_true_stands_next_to_one():
    box = Box(
        checked(
            lambda n: View(Table(("n",), ()), repr(n), "a"),
            {"n": [1, True, 0, False]},
            {},
            play=None,
            tries=(),
        )
    )
    for index, caption in ((1, "True"), (3, "False"), (2, "0"), (0, "1")):
        box.controls[0].index = index
        assert box.positions == [index] and box.caption == caption


def test_every_combination_is_the_frame_of_the_built_page():
    explorable = checked(wave)
    box = Box(explorable)
    page = BeautifulSoup(built.page_html(explorable, "explore-wave"), "html.parser")
    packed = json.loads(gzip.decompress(base64.b64decode(page.find(class_="fp-packed").string)))
    frames = zip(packed["frames"], packed["captions"], packed["values"], strict=True)
    for positions, (pieces, caption, values) in zip(explorable.all_positions(), frames, strict=True):
        for control, at in zip(box.controls, positions, strict=True):
            control.index = at
        frame = "".join(packed["pieces"][piece] for piece in pieces)
        assert f'<div class="fp-frame">{without_ids(frame)}</div><figcaption>' in without_ids(box.picture.value)
        assert box.caption == caption
        shown = BeautifulSoup(box.picture.value, "html.parser").find("script", class_="fp-values")
        assert json.loads(shown.string) == values


def test_two_explorables_of_one_notebook_share_no_id():
    names = []
    for _ in range(2):
        names += re.findall(r' id="([^"]+)"', Box(checked(wave)).picture.value)
    assert len(names) == len(set(names)) >= 8


# Buttons


def test_reset_goes_to_the_start_in_one_draw():
    seen = []
    box = Box(checked(lambda n, kind, on: seen.append((n, kind, on)) or quick(n, kind, on)))
    for control in box.controls:
        control.index = 0
    seen.clear()
    box.buttons["Reset"].click()
    assert box.positions == [1, 0, 1] and seen == [(2, "sin & cos", True)]
    assert box.caption == "2 sin & cos True" and box.players[0].value == 1
    box.controls[0].index = 2  # the controls still draw after a reset
    assert seen[1:] == [(4, "sin & cos", True)]


def test_play_and_steps_move_the_control_they_name():
    box = Box(checked(play="n"))
    (player,) = box.players
    assert (player.min, player.max, player.value) == (0, 2, 1)
    player.value = 2
    assert box.positions == [2, 0, 1] and box.caption == "4 sin & cos True"
    box.buttons["Step forward"].click()
    assert box.positions[0] == 2
    for expected in (1, 0, 0):
        box.buttons["Step back"].click()
        assert box.positions == [expected, 0, 1] and player.value == expected
    box.buttons["Step forward"].click()
    assert box.caption == "2 sin & cos True"
    box.controls[0].index = 2
    assert player.value == 2


def test_a_choice_can_be_played_and_nothing_need_be():
    box = Box(checked(play="kind"))
    box.buttons["Step forward"].click()
    assert box.caption == "2 <tan> True"
    still = Box(checked(play=None))
    assert not still.players and list(still.buttons) == ["Reset"]


# Questions


@pytest.mark.parametrize("choice", ["up", "down", "Skip"])
def test_a_try_covers_the_picture_until_a_guess_or_a_skip(choice):
    box = Box(checked())
    attempt, other = box.tries
    assert [guess.description for guess in attempt["guesses"]] == ["up", "down", "Skip"]
    assert attempt["question"].value == "<p>What &lt;b&gt;happens&lt;/b&gt;?</p>"
    assert attempt["answer"].value == "<p>It goes &lt;u&gt;up&lt;/u&gt;.</p>"
    assert attempt["row"].layout.display == attempt["answer"].layout.display == "none"
    assert box.picture.layout.visibility != "hidden"
    box.controls[2].index = 0
    for _ in range(2):  # a question can be asked again
        attempt["begin"].click()
        assert box.picture.layout.visibility == "hidden" and box.cover.layout.display != "none"
        assert attempt["row"].layout.display != "none" and attempt["answer"].layout.display == "none"
        assert box.positions == [2, 1, 1] and box.caption == "4 <tan> True"
        next(guess for guess in attempt["guesses"] if guess.description == choice).click()
        assert box.picture.layout.visibility == "visible" and box.cover.layout.display == "none"
        assert attempt["row"].layout.display == "none" and attempt["answer"].layout.display != "none"
        assert box.positions == [2, 1, 1]
    assert other["row"].layout.display == other["answer"].layout.display == "none"
    other["begin"].click()
    assert box.positions == [1, 0, 1]
    attempt["begin"].click()
    assert other["row"].layout.display == "none"
    box.buttons["Reset"].click()
    assert box.picture.layout.visibility == "visible" and attempt["row"].layout.display == "none"
    assert [part["begin"].description for part in box.tries] == ["Try this: n 4, kind <tan>", "Try this: the start"]


# Errors


def picky(n):
    if n == 3:
        return torch.zeros(2, n) @ torch.zeros(2, n)
    return View(Table(("n",), ()), f"n is {n}", "a")


def test_an_error_on_a_change_is_shown_in_its_own_words():
    box = Box(checked(picky, {"n": [2, 3]}, {}, play=None, tries=()))
    box.controls[0].index = 1
    error = BeautifulSoup(box.picture.value, "html.parser").pre
    assert error["class"] == ["fp-error"]
    assert error.string == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)\nraised by picky(n=3)"
    )
    box.controls[0].index = 0
    assert box.caption == "n is 2"


def test_an_errors_text_is_escaped():
    def broken(n):
        raise ValueError("<b>")

    assert "ValueError: &lt;b&gt;" in Box(checked(broken, {"n": [1]}, {}, play=None, tries=())).picture.value


def test_a_start_frame_that_raises_fails_the_cell(shown):
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        explore(picky, {"n": [3, 2]})
    assert caught.value.__notes__ == ["raised by picky(n=3)"] and shown == []


# What the notebook keeps


def test_explore_shows_the_widget_a_picture_and_the_numbers(shown):
    explore(wave, CONTROLS, START)
    (bundle,) = shown
    assert bundle["image/png"].startswith(b"\x89PNG\r\n\x1a\n")
    heights = torch.rand(3, generator=torch.Generator().manual_seed(0)).tolist()
    numbers = ", ".join(f"{height:.3g}" for height in heights)
    assert bundle["text/plain"] == f"sin & cos, 2, True\n  n: 2\n  y: [{numbers}]"
    model = bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert isinstance(widgets.widget.widget_serialization["from_json"](f"IPY_MODEL_{model}", None), widgets.VBox)
    assert set(bundle) == {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"}


def test_explore_shows_what_ipywidgets_would_and_does_not_need_its_newest(shown, monkeypatch):
    made = []
    monkeypatch.setattr(live, "Panel", lambda it: made.append(Panel(it)) or made[-1])
    explore(quick, CONTROLS)
    view = "application/vnd.jupyter.widget-view+json"
    assert shown[0][view] == made[0].box._repr_mimebundle_()[view]
    monkeypatch.delattr(widgets.Widget, "_repr_mimebundle_")  # version 7 has none
    explore(quick, CONTROLS)
    assert shown[1][view]


def test_explore_of_tables_shows_a_table_where_no_widget_is(shown):
    explore(quick, CONTROLS)
    assert shown[0]["text/html"] == quick(1, "sin & cos", False).content._repr_html_()
    assert shown[0]["text/plain"] == "1 sin & cos False\n  state: [1, sin & cos, False]"


def test_figures_do_not_pile_up_in_pyplot(shown):
    def pyplot_wave(n):
        figure, axes = pyplot.subplots(figsize=(1, 1))
        axes.plot([0, n])
        return View(figure, "c", "a")

    explorable = checked(pyplot_wave, {"n": [1, 2, 3]}, {}, play=None, tries=())
    live.present(explorable)
    assert pyplot.get_fignums() == [] and len(shown) == 1
    box = Box(explorable)
    for at in (1, 2, 0):
        box.controls[0].index = at
        assert pyplot.get_fignums() == []


def test_a_question_stops_play_and_holds_the_controls():
    box = Box(checked())
    (player,) = box.players
    attempt = box.tries[0]
    player.playing = True
    attempt["begin"].click()
    assert not player.playing and player.disabled and all(control.disabled for control in box.controls)
    attempt["guesses"][0].click()
    assert not player.disabled and not any(control.disabled for control in box.controls)
    player.playing = True
    box.buttons["Reset"].click()
    assert not player.playing and attempt["answer"].layout.display == "none"
