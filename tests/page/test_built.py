"""built: each frame in the page is what a direct draw gives; the page reads without a script."""

import base64
import gzip
import itertools
import json
import re

import ipywidgets
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib import pyplot
from matplotlib.figure import Figure

from fpcourse import plots
from fpcourse.measure.capturing import get_intermediate_activations
from fpcourse.models import ClinicalMLP
from fpcourse.page import built
from fpcourse.page.explorable import Explorable, Try
from fpcourse.page.listing import Listing
from fpcourse.page.markup import frame_data
from fpcourse.page.palette import BATCH, HIDDEN
from fpcourse.page.show import explore
from fpcourse.page.view import View, failed

SOURCE = "def forward(x):\n    x = a(x)\n\n    return x < 1"
CONTROLS = {"n": [1, 2, 4], "kind": ["sin <i> & 'cos'", "<tan>"], "on": [False, True]}
START = {"n": 2, "on": True}
LABELS = {"n": 'number "n" <i>', "kind": "kind"}
TRIES = (
    Try({"n": 4, "kind": "<tan>"}, "What <b>happens</b>?", ["<up> & up", "down"], "It goes <u>up</u>."),
    Try({}, "And back?", ["yes", "no", "maybe"], "Yes."),
)


def wave(n, kind, on):
    if n == 4 and on:
        return failed(RuntimeError("no frame\nfor this <one>"), caption="It fails.")
    figure = Figure(figsize=(2, 1))
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    heights = torch.rand(n + 1)
    axes.plot(heights, color=BATCH if on else HIDDEN, marker="o")
    axes.set(ylim=(0, 1), title=kind)
    line = 1 if on else 3
    return View(
        (figure, Listing(SOURCE, (line,))),
        f"{kind}, {n} of them & more",
        f"alt {n}",
        {"y": heights, "kind": kind},
    )


def checked(draw=wave, controls=CONTROLS, start=START, labels=LABELS, play="n", tries=TRIES):
    return Explorable.checked(draw, controls, start, labels, play, tries)


def unpack(soup):
    """The frames, by the steps of explorables.js."""
    text = gzip.decompress(base64.b64decode(soup.find(class_="fp-packed").string))
    packed = json.loads(text)
    html = ["".join(packed["pieces"][piece] for piece in frame) for frame in packed["frames"]]
    return html, packed["captions"], packed["values"]


def inner_html(markup, css_class):
    """The HTML inside the first element of this class, to the letter."""
    opening = re.search(rf'<(\w+)[^>]*class="{css_class}"[^>]*>', markup)
    depth, end = 1, opening.end()
    for tag in re.finditer(rf"<(/?){opening[1]}\b[^>]*>", markup[opening.end() :]):
        depth += -1 if tag[1] else 1
        if depth == 0:
            end = opening.end() + tag.start()
            break
    return markup[opening.end() : end]


@pytest.fixture(scope="module")
def markup():
    return built.page_html(checked(), "explore-wave")


@pytest.fixture(scope="module")
def soup(markup):
    return BeautifulSoup(markup, "html.parser")


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr("fpcourse.page.markup.display", lambda bundle, raw: bundles.append(bundle))
    monkeypatch.setattr(built, "_TAKEN", set())
    monkeypatch.setenv("FPCOURSE_STATIC", "1")
    return bundles


def direct(n, kind, on):
    """What a reader's own call under the seed would put on the page."""
    torch.manual_seed(0)
    return frame_data(wave(n, kind, on), "explore-wave")


# Frames


def test_every_frame_is_the_one_of_a_direct_draw(soup):
    html, captions, values = unpack(soup)
    expected = [direct(*combination) for combination in itertools.product(*CONTROLS.values())]
    assert len(html) == 12
    assert html == [frame["html"] for frame in expected]
    assert captions == [frame["caption"] for frame in expected]
    assert values == [frame["values"] for frame in expected]
    assert len(set(html)) > 8 and len(set(captions)) == 7


def test_lines_of_a_listing_and_of_an_error_stay_lines(soup):
    html, _, _ = unpack(soup)
    listing, error = BeautifulSoup(html[0], "html.parser"), BeautifulSoup(html[-1], "html.parser")
    assert listing.find(class_="fp-listing").get_text() == SOURCE + "\n"
    assert error.find(class_="fp-error").pre.string == "no frame\nfor this <one>"


def test_the_start_frame_stands_in_the_page(markup, soup):
    start = direct(2, "sin <i> & 'cos'", True)
    assert inner_html(markup, "fp-frame") == start["html"]
    assert soup.figcaption.string == start["caption"] == "sin <i> & 'cos', 2 of them & more"
    assert json.loads(soup.figure.find("script", class_="fp-values").string) == start["values"]
    config = json.loads(soup.div["data-config"])
    assert config == {
        "controls": [
            {"name": "n", "texts": ["1", "2", "4"], "start": 1},
            {"name": "kind", "texts": ["sin <i> & 'cos'", "<tan>"], "start": 0},
            {"name": "on", "texts": ["no", "yes"], "start": 1},
        ],
        "play": "n",
    }
    number = 0  # as the script counts: the last control changes fastest
    for control in config["controls"]:
        number = number * len(control["texts"]) + control["start"]
    assert unpack(soup)[0][number] == start["html"]


def test_pieces_are_shared_and_the_bytes_carry_no_date(soup):
    raw = base64.b64decode(soup.find(class_="fp-packed").string)
    assert raw[4:8] == bytes(4)  # gzip's time
    packed = json.loads(gzip.decompress(raw))
    assert len(packed["pieces"]) == len(set(packed["pieces"]))
    assert len(packed["pieces"]) < sum(map(len, packed["frames"])) / 3


@pytest.mark.exhaustive
def test_45_frames_of_four_histograms_stay_light():
    def four(batch_size, width, p):
        model = ClinicalMLP(hidden=(width, width // 2), p=p)
        X = torch.randn(batch_size, 20)
        activations = get_intermediate_activations(model, X, ["layer1", "bn1", "drop", "layer2"])
        return View(plots.histograms(activations), f"{batch_size} {width} {p}", "four histograms")

    explorable = checked(
        four,
        {"batch_size": [8, 16, 32, 64, 128], "width": [16, 64, 256], "p": [0.1, 0.3, 0.6]},
        {},
        {},
        None,
        (),
    )
    page = built.page_html(explorable, "explore-four")
    assert len(set(unpack(BeautifulSoup(page, "html.parser"))[0])) == 45
    assert len(gzip.compress(page.encode())) <= 70 * 1024


# What the page holds before, and without, the script


def test_controls_are_hidden_until_the_script_runs(soup):
    form = soup.find(class_="fp-controls")
    assert form.has_attr("hidden") and form["autocomplete"] == "off"
    assert soup.find(class_="fp-card").has_attr("hidden")
    assert not soup.figure.has_attr("hidden")


def test_a_try_can_be_read_without_the_script(soup):
    first, second = soup.find_all(class_="fp-try")
    paragraph = first.find("p")
    assert paragraph.get_text() == 'Try this: number "n" <i> 4, kind <tan>. What <b>happens</b>?'
    assert first.a["href"] == "#explore-wave" and json.loads(first["data-state"]) == [2, 1, 1]
    *guesses, skip = first.find(class_="fp-guesses").find_all("button")
    assert [guess.string for guess in guesses] == ["<up> & up", "down"]
    assert skip.string == "Skip" and skip.has_attr("data-skip")
    assert first.find(class_="fp-answer").string == "It goes <u>up</u>."
    assert first.find(class_="fp-guesses").has_attr("hidden")  # buttons do nothing without it
    for element in [paragraph, first.find(class_="fp-answer")]:
        assert not any(
            parent.has_attr("hidden") for parent in (element, *element.parents) if parent.name != "[document]"
        )
    assert second.a.string == "Try this: the start." and json.loads(second["data-state"]) == [1, 0, 1]


def test_a_word_among_the_values_can_have_a_label_and_keeps_its_place_in_the_address():
    tries = (Try({"kind": "<tan>"}, "?", ["a", "b"], "!"),)
    explorable = checked(labels={"<tan>": "the tangent", "yes": "on"}, start={}, tries=tries)
    soup = BeautifulSoup(built.page_html(explorable, "e"), "html.parser")
    assert [choice.get_text() for choice in soup.select("fieldset label")] == [
        "sin <i> & 'cos'", "the tangent", "no", "on",
    ]  # fmt: skip
    assert [control["texts"] for control in json.loads(soup.div["data-config"])["controls"]][1][1] == "<tan>"
    assert soup.find(class_="fp-try-link").string == "Try this: kind the tangent."


def test_a_try_names_each_control_it_moves_even_under_one_label():
    tries = (Try({"n": 4, "kind": "<tan>"}, "?", ["a", "b"], "!"),)
    explorable = checked(labels={"n": "it", "kind": "it"}, start={}, tries=tries)
    soup = BeautifulSoup(built.page_html(explorable, "e"), "html.parser")
    assert soup.find(class_="fp-try-link").string == "Try this: it 4, it <tan>."


def test_the_page_announces_and_fetches_nothing(markup, soup):
    assert soup.div["role"] == "group" and soup.div["aria-label"] and soup.figcaption["aria-live"] == "polite"
    (picture,) = soup.find_all(role="img")
    assert picture["aria-label"] == "alt 2"
    assert not re.search(r"""(src|href)=["'](?!#)|https?://(?!www\.w3\.org)|@import|\bfetch\(""", markup)
    assert {script["type"] for script in soup.find_all("script")} == {"text/plain", "application/json"}
    assert not soup.find_all(["i", "b", "u", "tan", "up"])


def test_ids_are_unique_on_a_page(shown):
    controls = {"n": [1, 2], "kind": ["sin"], "on": [False]}

    def wave_2(n, kind, on):
        return wave(n, kind, on)

    for draw in (wave, wave_2, wave, wave):
        explore(draw, controls, labels=LABELS)
    explore(lambda n, kind, on: wave(n, kind, on), controls)
    page = BeautifulSoup("".join(bundle["text/html"] for bundle in shown), "html.parser")
    names = [element["id"] for element in page.find_all(id=True)]
    assert len(names) == len(set(names))
    roots = [element["id"] for element in page.find_all(class_="fp-explore")]
    assert roots == ["explore-wave", "explore-wave-2", "explore-wave-3", "explore-wave-4", "explore-lambda"]
    for label in page.find_all("label", attrs={"for": True}):
        assert label["for"] in names
    for root in page.find_all(class_="fp-explore"):
        assert {use["href"][1:] for use in root.find_all("use")} <= {e["id"] for e in root.find_all(id=True)}
    radios = [{radio["name"] for radio in root.find_all("input", type="radio")} for root in page.find_all("form")]
    assert not set.intersection(*radios)


# explore in the build


def test_explore_shows_the_page_and_the_start_as_text(shown, markup):
    explore(wave, CONTROLS, START, LABELS, "n", TRIES)
    (bundle,) = shown
    assert bundle["text/html"] == markup
    heights = torch.rand(3, generator=torch.Generator().manual_seed(0)).tolist()
    numbers = ", ".join(f"{height:.3g}" for height in heights)
    assert bundle["text/plain"] == f"sin <i> & 'cos', 2 of them & more\n  y: [{numbers}]\n  kind: sin <i> & 'cos'"
    assert set(bundle) == {"text/html", "text/plain"}


@pytest.mark.parametrize("bad", [1, 2])
def test_a_combination_that_raises_fails_the_cell(shown, bad):
    def broken(n):
        if n == bad:
            raise RuntimeError("not this one")
        return View(Listing("x"), "c", "a")

    with pytest.raises(RuntimeError, match="not this one") as caught:
        explore(broken, {"n": [1, 2, 3]})
    assert caught.value.__notes__ == [f"raised by broken(n={bad})"] and shown == []


def test_no_widget_is_made_and_no_figure_left(shown, monkeypatch):
    def pyplot_wave(n):
        figure, axes = pyplot.subplots(figsize=(1, 1))
        axes.plot([0, n])
        return View(figure, "c", "a")

    def never(*args, **kwargs):
        raise AssertionError("a widget was made")

    monkeypatch.setattr(ipywidgets.Widget, "open", never)
    explore(pyplot_wave, {"n": [1, 2]})
    assert pyplot.get_fignums() == [] and len(shown) == 1
