"""view, markup, svg, show: what reaches the page is the figure drawn, its text to the letter, and its numbers."""

import json
import math
import re
import xml.etree.ElementTree as ET
from decimal import Context, Decimal
from io import BytesIO

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot, rc_context
from matplotlib.figure import Figure
from matplotlib.image import imread

from fpcourse.page import palette
from fpcourse.page.listing import Listing
from fpcourse.page.markup import figure_html, frame_data, values_script
from fpcourse.page.show import show
from fpcourse.page.svg import svg
from fpcourse.page.view import ErrorText, View, failed
from fpcourse.tables import Table

WIDTH, HEIGHT = 288, 144  # points, of figure()
LEFT, BOTTOM, ACROSS, UP = 0.125, 0.25, 0.75, 0.5  # where figure() places its axes
CSS_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
TABLE = Table(("layer",), (("a < b",),))


def figure(**settings):
    """A figure whose axes stand where the arithmetic of these tests expects them."""
    drawn = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    axes = drawn.add_axes((LEFT, BOTTOM, ACROSS, UP))
    axes.set(xlim=(0, 10), ylim=(-1, 1), **settings)
    return drawn


def page_x(x, low=0, high=10):
    return WIDTH * (LEFT + ACROSS * (x - low) / (high - low))


def page_y(y, low=-1, high=1):
    return HEIGHT * (1 - BOTTOM - UP * (y - low) / (high - low))


def rich_figure():
    """Lines, markers, bars, hatches, text, a legend and an image: each leaves other tags and ids."""
    drawn = figure(title="x < 0.25 & y", xlabel="-0.194")
    (axes,) = drawn.axes
    axes.plot([1, 2, 3], [0.1, 0.2, -0.3], color=palette.BATCH, marker="o", label="batch #0072b2")
    axes.bar([5, 6], [0.5, -0.5], color=palette.HIDDEN, alpha=0.123, hatch="//")
    axes.imshow(np.eye(3), extent=(7, 9, 0, 1), aspect="auto")
    axes.scatter([1, 2], [0.5, 0.25], color=palette.ERROR)
    axes.text(4, 0.3, "tilted", rotation=33.333)
    axes.set(xlim=(0, 10), ylim=(-1, 1))
    axes.legend()
    return drawn


def texts(markup):
    return [element.text for element in ET.fromstring(markup).iter("text") if element.text]


def paths(markup, colour):
    """The points of each path that is filled or stroked in a colour of the palette."""
    name = f"var({palette.CSS_VARIABLES[colour]},{colour})"
    return [
        [tuple(map(float, point)) for point in re.findall(r"[ML] (\S+) (\S+)", path.get("d"))]
        for path in ET.fromstring(markup).iter("path")
        if name in path.get("style", "") and path.get("clip-path")
    ]


@pytest.fixture
def shown(monkeypatch):
    """The bundles that would have been displayed; live unless the test sets FPCOURSE_STATIC."""
    bundles = []

    def display(bundle, raw):
        assert raw
        bundles.append(bundle)

    monkeypatch.setattr("fpcourse.page.markup.display", display)
    monkeypatch.delenv("FPCOURSE_STATIC", raising=False)
    return bundles


@pytest.fixture(autouse=True)
def no_figure_is_left():
    assert pyplot.get_fignums() == []
    yield
    assert pyplot.get_fignums() == []


# View


def test_contents_of_a_view():
    one, two = figure(), figure()
    assert View(one, "c", "a").parts == (one,) and View(one, "c", "a").figures == (one,)
    several = View([one, TABLE, Listing("x"), two], "c", "a")
    assert several.parts == (one, TABLE, Listing("x"), two) and several.figures == (one, two)


@pytest.mark.parametrize(
    ("content", "kind"), [(3, "int"), ("text", "str"), (None, "NoneType"), ([TABLE, 3.0], "float")]
)
def test_other_contents_are_refused(content, kind):
    with pytest.raises(TypeError, match=rf"figures, tables and listings; got {kind}$"):
        View(content, "c", "a")


@pytest.mark.parametrize("name", ["caption", "alt"])
@pytest.mark.parametrize("text", ["", " \n", None, 3])
def test_a_view_needs_a_caption_and_an_alt_text(name, text):
    with pytest.raises(ValueError, match=re.escape(f"needs {name}=..., a sentence for the reader; got {text!r}")):
        View(TABLE, **{"caption": "c", "alt": "a", name: text})


def test_values_become_what_json_has():
    values = {
        "shape": torch.Size([16, 64]),
        "tensor": torch.tensor([[1.23456789, -2.0]], requires_grad=True),
        "scalar": torch.tensor(3),
        "flag": torch.tensor(True),
        "array": np.array([[0.1, 0.2]], dtype=np.float32),
        "numpy scalar": np.float64(1e-9) / 3,
        "half": torch.tensor(0.1, dtype=torch.bfloat16),
        "not finite": [math.nan, math.inf, -np.inf],
        "nested": [(1, [2.5, "word"]), None, True],
    }
    plain = View(TABLE, "c", "a", values).values
    assert plain == {
        "shape": [16, 64],
        "tensor": [[1.23457, -2.0]],
        "scalar": 3,
        "flag": True,
        "array": [[0.1, 0.2]],
        "numpy scalar": 3.33333e-10,
        "half": 0.100098,
        "not finite": ["nan", "inf", "-inf"],
        "nested": [[1, [2.5, "word"]], None, True],
    }
    assert plain["flag"] is True and plain["nested"][2] is True and type(plain["scalar"]) is int
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("value", [{"a": 1}, {1, 2}, 1 + 2j, b"bytes", object(), [1, [2, {}]], np.array([1j])])
def test_values_of_another_type_are_refused(value):
    kind = {list: "dict", np.ndarray: "complex"}.get(type(value), type(value).__name__)
    with pytest.raises(TypeError, match=rf"values\['std'\] must hold numbers or words; got {kind}$"):
        View(TABLE, "c", "a", {"std": value})


def inside(script):
    opening, closing = '<script type="application/json" class="fp-values">', "</script>"
    assert script.startswith(opening) and script.endswith(closing)
    return script[len(opening) : -len(closing)]


def rounded(number, digits):
    return float(Context(prec=digits).create_decimal(Decimal(number)))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_json_holds_six_digits_and_text_three(numbers):
    view = View(TABLE, "See this.", "a", {"n": numbers})
    six = [rounded(number, 6) for number in numbers]
    assert json.loads(inside(values_script(view.values))) == {"n": six}
    first, second = repr(view).split("\n")
    assert first == "See this." and second.startswith("  n: [") and second.endswith("]")
    shown = [float(text) for text in second.removeprefix("  n: [")[:-1].split(", ") if text]
    assert shown == [rounded(number, 3) for number in six]


def test_text_of_a_view():
    view = View(TABLE, "See this.", "a", {"std": [0.99961, 12.0], "n": 12345, "on": True, "word": "x", "none": None})
    assert repr(view) == "See this.\n  std: [1, 12]\n  n: 12345\n  on: True\n  word: x\n  none: None"
    assert repr(View(TABLE, "See this.", "a")) == "See this."


# svg


def test_svg_is_wellformed_and_stands_alone():
    markup = svg(rich_figure(), "p-")
    root = ET.fromstring(markup)
    assert root.tag == "svg" and root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    assert root.get("aria-hidden") == "true" and root.get("stroke-linejoin") == "round"
    assert root.get("fill") == "currentColor" and root.get("style") == f"--fp-width:{WIDTH}"
    assert not list(root.iter("style")) and not list(root.iter("metadata"))
    assert not re.search(r"<!--|<\?xml|<!DOCTYPE|xlink|\bxmlns|Matplotlib|\b20\d\d-\d\d|font-family|>\s+<", markup)
    (image,) = root.iter("image")
    assert image.get("href").startswith("data:image/png;base64,")


def test_no_ground_is_painted():
    drawn = rich_figure()
    drawn.set_facecolor("#123456")
    assert "#123456" not in svg(drawn, "p-") and "#ffffff" not in svg(figure(), "p-")


def references(markup):
    root = ET.fromstring(markup)
    found = [value for element in root.iter() for value in element.attrib.values()]
    return {name for value in found for name in re.findall(r"^#(.+)|url\(#([^)]+)\)", value) for name in name if name}


def ids(markup):
    return [element.get("id") for element in ET.fromstring(markup).iter() if "id" in element.attrib]


def test_ids_are_the_ones_referred_to():
    markup = svg(rich_figure(), "p-")
    assert len(ids(markup)) == len(set(ids(markup))) >= 5  # a clip, a marker, two ticks, a hatch
    assert set(ids(markup)) == references(markup)
    assert all(re.fullmatch(r"p-\d+", name) for name in ids(markup))


def test_a_gid_names_what_moves_and_is_no_id():
    first, second = (figure(), figure())
    for drawn in (first, second):
        drawn.axes[0].text(1, 0.5, "0.5", gid="sum X0")
        drawn.axes[0].axhline(0, gid="zero")
    markup = svg(first, "p-") + svg(second, "q-")
    root = ET.fromstring(f"<g>{markup}</g>")
    named = [element for element in root.iter() if element.get("data-move")]
    assert [element.get("data-move") for element in named] == ["zero", "sum X0"] * 2
    assert [texts for element in named if (texts := [text.text for text in element.iter("text")])] == [["0.5"]] * 2
    assert len(ids(f"<g>{markup}</g>")) == len(set(ids(f"<g>{markup}</g>"))) and "sum" not in ids(f"<g>{markup}</g>")


def test_an_element_may_refer_twice():
    drawn = figure()
    drawn.axes[0].bar([5], [0.5], hatch="//")
    (bar,) = [path for path in ET.fromstring(svg(drawn, "p-")).iter("path") if "url" in path.get("style", "")]
    assert bar.get("clip-path") == "url(#p-0)" and "fill: url(#p-1)" in bar.get("style")


def test_ids_of_two_figures_do_not_collide():
    first, second = (
        figure_html(View([rich_figure(), rich_figure()], "c", "a"), "one"),
        svg(rich_figure(), "one-2-"),
    )
    names = re.findall(r' id="([^"]+)"', first + second)
    assert len(names) == len(set(names)) > 15


def test_colours_are_those_of_the_theme():
    drawn = figure(title="all")
    for at, colour in enumerate(palette.CSS_VARIABLES):
        drawn.axes[0].plot([0, at], [0, 1], color=colour)
        drawn.axes[0].bar([at], [0.5], color=colour.upper())
    drawn.axes[0].plot([0, 1], [0, 0], color="black")
    drawn.axes[0].text(1, 1, "green", color="#00ff00")
    markup = svg(drawn, "p-")
    assert "#000000" not in markup and "stroke: currentColor" in markup
    for colour, variable in palette.CSS_VARIABLES.items():
        assert markup.count(f"stroke: var({variable},{colour})") == 1
        assert markup.count(f"fill: var({variable},{colour})") == 1
        assert markup.count(colour) == 2
    assert "fill: #00ff00" in markup


LABELS = [
    "-0.194",
    "x < 0.25 & y",
    "#000000",
    palette.BATCH,
    'an id="x" url(#y) href="#z"',
    'd="1.2345"',
    "font-family: a;",
]


@pytest.mark.parametrize("label", LABELS)
def test_text_is_untouched(label):
    assert label in texts(svg(figure(xlabel=label), "p-"))


@settings(max_examples=20)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_any_text_is_untouched(label):
    with rc_context({"text.parse_math": False}):
        drawn = Figure(figsize=(2, 1))
        drawn.text(0.5, 0.5, label)
        assert texts(svg(drawn, "p-")) == [label]


def test_opacities_and_widths_are_untouched():
    drawn = figure()
    drawn.axes[0].bar([5], [0.5], color=palette.BATCH, alpha=0.123456)
    drawn.axes[0].axhline(0, linewidth=0.125, color=palette.MUTED)
    markup = svg(drawn, "p-")
    assert "opacity: 0.123456" in markup and "stroke-width: 0.125" in markup


def test_coordinates_have_at_most_one_decimal():
    for element in ET.fromstring(svg(rich_figure(), "p-")).iter():
        for name in ("d", "x", "y", "width", "height", "points", "transform"):
            for number in re.findall(CSS_NUMBER, element.get(name, "")):
                assert re.fullmatch(r"-?\d+(\.[1-9])?", number), (element.tag, name, number)


@settings(max_examples=15)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_a_line_goes_where_it_was_drawn(heights):
    drawn = figure()
    drawn.axes[0].plot(range(len(heights)), heights, color=palette.BATCH)
    (points,) = paths(svg(drawn, "p-"), palette.BATCH)
    for (x, y), (at, height) in zip(points, enumerate(heights), strict=True):
        assert x == pytest.approx(page_x(at), abs=0.06) and y == pytest.approx(page_y(height), abs=0.06)


def test_markers_and_text_stand_where_they_were_drawn():
    drawn = figure()
    drawn.axes[0].scatter([3], [0.5], color=palette.BATCH)
    drawn.axes[0].plot([4.4], [-0.3], "s", color=palette.OUTPUT)
    drawn.axes[0].text(6, -0.25, "here")
    root = ET.fromstring(svg(drawn, "p-"))
    uses = {
        name: [(float(use.get("x")), float(use.get("y"))) for use in root.iter("use") if name in use.get("style")]
        for name in ("--fp-batch", "--fp-output")
    }
    assert uses["--fp-batch"] == [(pytest.approx(page_x(3), abs=0.06), pytest.approx(page_y(0.5), abs=0.06))]
    assert uses["--fp-output"] == [(pytest.approx(page_x(4.4), abs=0.06), pytest.approx(page_y(-0.3), abs=0.06))]
    (text,) = [element for element in root.iter("text") if element.text == "here"]
    moved = re.findall(CSS_NUMBER, text.get("transform", "")) or [text.get("x"), text.get("y")]
    assert list(map(float, moved)) == [
        pytest.approx(page_x(6), abs=0.06),
        pytest.approx(page_y(-0.25), abs=0.06),
    ]


def test_renders_are_the_same_byte_for_byte_and_leave_the_figure():
    drawn, again = rich_figure(), rich_figure()
    ground = drawn.get_facecolor()
    assert svg(drawn, "p-") == svg(drawn, "p-") == svg(again, "p-")
    assert drawn.get_facecolor() == ground
    with rc_context({"svg.fonttype": "path"}):
        assert svg(drawn, "p-") == svg(again, "p-")


# In a page


def test_caption_and_alt_text_are_escaped():
    words = "<b>\"a\" & 'b'</b>"
    html = figure_html(View([figure(), TABLE], words, words, {"std": 1.5}), "fp-figure-7")
    soup = BeautifulSoup(html, "html.parser")
    assert soup.figure["id"] == "fp-figure-7" and soup.figcaption.string == words and not soup.find("b")
    (picture,) = soup.find_all(role="img")
    assert picture["aria-label"] == words and picture["class"] == ["fp-picture"]
    assert picture.svg["viewbox"] == f"0 0 {WIDTH} {HEIGHT}"
    assert soup.td.string == "a < b"
    assert json.loads(soup.find("script", class_="fp-values").string) == {"std": 1.5}


def test_parts_stand_in_their_order_and_only_figures_are_pictures():
    frame = frame_data(View([TABLE, figure(), Listing("x = 1")], "See.", "a", {"n": 1}), "id")
    assert re.findall(r'class="(fp-table|fp-picture|fp-listing)"', frame["html"]) == [
        "fp-table",
        "fp-picture",
        "fp-listing",
    ]
    assert frame["caption"] == "See." and frame["values"] == {"n": 1}


def test_figures_that_follow_one_another_are_one_picture():
    frame = frame_data(View([figure(), rich_figure(), TABLE, figure()], "See.", "a", {}), "id")
    pictures = BeautifulSoup(frame["html"], "html.parser").find_all(role="img")
    assert [len(picture.find_all("svg")) for picture in pictures] == [2, 1]
    assert frame["html"].startswith(
        f'<div class="fp-picture" role="img" tabindex="0" aria-label="a">{svg(figure(), "id-0-")}<svg'
    )
    assert svg(rich_figure(), "id-1-") in frame["html"] and svg(figure(), "id-3-") in frame["html"]


@pytest.mark.parametrize("word", ["</script><b>", "<!--<script>", "</SCRIPT >", "<\\/"])
def test_a_value_cannot_end_its_script(word):
    text = inside(values_script({word: [word, 1]}))
    assert "<" not in text
    assert json.loads(text) == {word: [word, 1]}


# Errors that are the lesson


def torch_error():
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    return caught.value


def test_failed_shows_the_errors_own_words():
    error = torch_error()
    error.add_note("in layer1, <input> (2, 3)")
    view = failed(error)
    assert view.values == {"error": "RuntimeError"} and view.caption == "This combination raises RuntimeError."
    assert view.alt == f"RuntimeError: {error}\nin layer1, <input> (2, 3)" == str(view.content[0])
    soup = BeautifulSoup(figure_html(view, "f"), "html.parser")
    box = soup.find(class_="fp-error")
    assert box["role"] == "group" and box["aria-label"] == "Error"
    assert box.strong.string == "torch raises RuntimeError"
    assert box.pre.string == str(error) == "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"
    assert [note.string for note in box.find_all("p")[1:]] == ["in layer1, <input> (2, 3)"]


def test_failed_stands_above_other_content():
    drawn = figure()
    view = failed(
        ValueError("<no>"),
        [drawn, TABLE],
        caption="Look at the shapes.",
        values={"calls": 2, "error": "mine"},
    )
    assert view.parts == (ErrorText("ValueError", "<no>"), drawn, TABLE)
    assert view.caption == "Look at the shapes." and view.values == {"calls": 2, "error": "mine"}
    assert "<no>" not in figure_html(view, "f")
    assert failed(ValueError("x"), drawn).parts[1] is drawn


# show


def test_show_under_a_kernel_is_a_picture_and_its_numbers(shown):
    drawn = figure(title="t")
    drawn.set_facecolor("none")
    show(drawn, caption="See <this>.", alt="a line", values={"std": 0.12345})
    picture, caption = shown
    assert set(picture) == {"image/png", "text/plain"}
    assert picture["text/plain"] == "See <this>.\n  std: 0.123"
    header = picture["image/png"][:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    size = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    assert size == (WIDTH / 72 * 110, HEIGHT / 72 * 110)
    assert imread(BytesIO(picture["image/png"]))[0, 0].tolist() == [1, 1, 1, 1]  # white also on a dark ground
    assert caption == {"text/html": "<p><em>See &lt;this&gt;.</em></p>", "text/plain": "See <this>."}


def test_show_under_a_kernel_drops_no_part(shown):
    show([figure(), TABLE, figure()], caption="See.", alt="a", values={"n": 1})
    assert [sorted(bundle)[0] for bundle in shown] == ["image/png", "text/html", "image/png", "text/html"]
    assert [bundle["text/plain"] for bundle in shown] == ["See.\n  n: 1", "See.", "See.", "See."]
    assert shown[1]["text/html"] == TABLE._repr_html_()


def test_show_in_the_build_is_one_figure(shown, monkeypatch):
    monkeypatch.setenv("FPCOURSE_STATIC", "1")
    show(figure(), caption="See.", alt="a line", values={"std": 0.12345})
    show(TABLE, caption="See.", alt="a table")
    names = []
    for bundle in shown:
        assert set(bundle) == {"text/html", "text/plain"}
        names.append(BeautifulSoup(bundle["text/html"], "html.parser").figure["id"])
    assert shown[0]["text/plain"] == "See.\n  std: 0.123"
    first, second = (int(name.removeprefix("fp-figure-")) for name in names)
    assert second == first + 1


@pytest.mark.parametrize("value", ["0", "", "true"])
def test_only_the_builds_own_flag_makes_it_static(shown, monkeypatch, value):
    monkeypatch.setenv("FPCOURSE_STATIC", value)
    show(TABLE, caption="See.", alt="a")
    assert shown[0] == {"text/html": TABLE._repr_html_(), "text/plain": "See."}


@pytest.mark.parametrize("static", ["0", "1"])
def test_pyplot_figures_are_closed(shown, monkeypatch, static):
    monkeypatch.setenv("FPCOURSE_STATIC", static)
    drawn, _ = pyplot.subplots()
    show(drawn, caption="See.", alt="a")
    assert pyplot.get_fignums() == []
    broken, axes = pyplot.subplots()
    axes.set_title(r"$\frac$")
    with pytest.raises(ValueError, match="frac"):
        show(broken, caption="See.", alt="a")


def test_show_refuses_what_a_view_refuses(shown):
    with pytest.raises(ValueError, match="needs alt="):
        show(figure(), caption="c", alt="")
    with pytest.raises(TypeError, match="got int"):
        show(3, caption="c", alt="a")
    assert shown == []


def test_values_that_are_no_dictionary_are_refused():
    with pytest.raises(TypeError, match="values must be a dictionary of numbers by name; got list"):
        View(Figure(), "A caption.", "An alt text.", [1, 2])


def test_a_legends_white_ground_follows_the_theme():
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], label="a line")
    axes.legend(frameon=True)
    text = svg(figure, "p-")
    assert "#ffffff" not in text.replace("var(--fp-ground,#ffffff)", "") and "var(--fp-ground,#ffffff)" in text


def test_the_scale_of_an_image_is_not_rounded():
    figure = Figure()
    figure.add_subplot().imshow([[0.0, 1.0], [1.0, 0.0]], interpolation="none")
    (scale,) = re.findall(r"matrix\(([\d.]+) ", svg(figure, "p-"))
    assert len(scale.partition(".")[2]) > 1
