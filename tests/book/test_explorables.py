"""Every explorable of every page, driven as a reader drives it, and held against plain torch."""

import itertools
import json
import math
from functools import cached_property, partial

import expected
import pytest
from helpers.built_book import A_TICK, pages, press, stop_clock, wait_until_ready
from helpers.visits import opened
from playwright.sync_api import expect

CHAPTERS = [path for path in pages() if expected.of_page(path)]
SPECIMEN, PLAYED = "book/02_shapes.html", "book/01_forward_pass.html"

# What a figure shows now: its values, its caption and its HTML, but for what the theme's script sets on code, and
# for the picture of the frame before, which stays beside an error.
SHOWN = """(root) => {
    const frame = root.querySelector('.fp-frame').cloneNode(true);
    frame.querySelectorAll('.fp-stale').forEach((picture) => picture.remove());
    return {
        values: JSON.parse(root.querySelector('.fp-values').textContent),
        caption: root.querySelector('figcaption').textContent,
        html: frame.innerHTML.replaceAll(/ tabindex="-?\\d"/g, ''),
        alt: frame.querySelector('[role=img]')?.getAttribute('aria-label'),
    };
}"""

# Each combination is set by the reader's inputs, so that the page's own script shows it; then the start again.
FRAMES = """(root, read) => {
    const {controls} = JSON.parse(root.dataset.config);
    const combinations = controls.reduce(
        (begun, control) => begun.flatMap((places) => control.texts.map((_, at) => [...places, at])), [[]]);
    const frames = combinations.map((places) => {
        controls.forEach(({name}, i) => {
            const slider = root.querySelector(`input[type=range][name='${name}']`);
            const input = slider ?? root.querySelector(`[data-name='${name}'] [value='${places[i]}']`);
            if (slider) slider.value = places[i]; else input.checked = true;
            input.dispatchEvent(new Event('input', {bubbles: true}));
        });
        return [places, (read ?? (SHOWN))(root)];
    });
    root.querySelector('[data-do=reset]').click();
    return frames;
}""".replace("SHOWN", SHOWN)


class Explorable:
    """An explorable of an open page; its states are the places of its controls."""

    def __init__(self, page, root):
        self.page, self.root = page, root
        self.id = root.get_attribute("id")
        self.name = self.id.removeprefix("explore-").replace("-", "_")
        self.controls = json.loads(root.get_attribute("data-config"))["controls"]
        self.start = tuple(control["start"] for control in self.controls)

    @cached_property
    def frames(self) -> dict[tuple[int, ...], dict]:
        return {tuple(places): frame for places, frame in self.root.evaluate(FRAMES)}

    def shown(self) -> dict:
        return self.root.evaluate(SHOWN)

    def press(self, what: str) -> None:
        press(self.root, what)

    def focus(self, control: dict):
        """The control's input, reached by keyboard focus."""
        name = control["name"]
        field = self.root.locator(f"input[type=range][name='{name}'], [data-name='{name}'] input:checked")
        field.focus()
        return field

    def move(self, control: dict, by: int) -> None:
        self.focus(control)
        for _ in range(abs(by)):
            self.page.keyboard.press("ArrowRight" if by > 0 else "ArrowLeft")

    def texts(self, places: tuple[int, ...]) -> dict[str, str]:
        return {c["name"]: c["texts"][at] for c, at in zip(self.controls, places, strict=True)}


def explorables(page) -> list[Explorable]:
    return [Explorable(page, root) for root in page.locator(".fp-explore").all()]


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(browser, html, request):
    """The explorables of a chapter, all folded sections unfolded, and the module of their truths."""
    with opened(browser, (html / request.param).as_uri()) as page:
        yield explorables(page), expected.of_page(request.param)
        assert page.errors == []


def close_to(found, wanted) -> bool:
    """Equal up to the six digits that a page carries."""
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(close_to(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(close_to, found, wanted))
    if isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=2e-5, abs_tol=2e-6)
    return found == wanted


def number(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return text


def controls_of(explorable: Explorable, places: tuple[int, ...]) -> dict:
    return {name: number(text) for name, text in explorable.texts(places).items()}


def test_the_start_frame_is_the_start_combination(chapter):
    for explorable in chapter[0]:
        at_first = explorable.shown()
        assert at_first == explorable.frames[explorable.start]
        explorable.move(explorable.controls[0], 1 if explorable.start[0] == 0 else -1)
        assert explorable.shown() != at_first
        explorable.press("reset")
        assert explorable.shown() == at_first


def test_every_combination_shows_plain_torchs_numbers(chapter, cohort_rows):
    them, truths = chapter
    for explorable in them:
        for places, frame in explorable.frames.items():
            controls = controls_of(explorable, places)
            wanted = expected.called(getattr(truths, explorable.name), cohort_rows, **controls)
            assert close_to(frame["values"], wanted), (explorable.id, controls, frame["values"], wanted)


def test_every_frames_caption_and_picture_say_its_numbers(chapter, cohort_rows):
    them, truths = chapter
    for explorable in them:
        frames = {tuple(controls_of(explorable, places).values()): frame for places, frame in explorable.frames.items()}
        check_captions(frames)
        if check := getattr(truths, f"check_{explorable.name}", None):
            expected.called(check, cohort_rows, frames=frames)


def check_captions(frames: dict) -> None:
    """Each frame has a caption, and different numbers never stand under the same picture."""
    for texts, frame in frames.items():
        assert frame["caption"].strip(), texts
        assert frame["alt"] is None or len(frame["alt"]) > 20, texts
    for (one, first), (two, second) in itertools.combinations(frames.items(), 2):
        if first["values"] != second["values"]:
            assert first["html"] != second["html"], f"{one} and {two} show the same picture"


HEIGHTS = """(root) => (FRAMES)(root, (root) => {
    const [bottom, top] = [root.querySelector('.fp-stage'), root.querySelector('.fp-controls')]
        .map((e) => e.getBoundingClientRect()).map((box, i) => i ? box.top : box.bottom);
    return Math.round(bottom - top);
})""".replace("FRAMES", FRAMES)


def test_a_figure_with_its_controls_and_caption_fits_a_laptop_at_one_height(chapter):
    for explorable in chapter[0]:
        explorable.root.scroll_into_view_if_needed()
        explorable.page.wait_for_function(
            "(root) => root.querySelector('.fp-stage').style.minHeight", arg=explorable.root.element_handle()
        )
        heights = {height for _, height in explorable.root.evaluate(HEIGHTS)}
        assert len(heights) == 1 and heights.pop() <= 720, explorable.id


def test_each_control_moves_by_keyboard_from_end_to_end(chapter):
    """The others at their start; what shows is what its input shows."""
    for explorable in chapter[0]:
        for i, control in enumerate(explorable.controls):
            explorable.press("reset")
            explorable.move(control, -explorable.start[i])
            for at in range(len(control["texts"])):
                if at:
                    explorable.page.keyboard.press("ArrowRight")
                places = (*explorable.start[:i], at, *explorable.start[i + 1 :])
                assert explorable.shown() == explorable.frames[places], (explorable.id, places)


@pytest.mark.exhaustive
def test_every_combination_is_reached_by_keyboard(chapter):
    for explorable in chapter[0]:
        explorable.press("reset")
        state = explorable.start
        for places, frame in explorable.frames.items():
            for control, before, after in zip(explorable.controls, state, places, strict=True):
                if before != after:
                    explorable.move(control, after - before)
            state = places
            assert explorable.shown() == frame, (explorable.id, places)


def test_each_try_asks_over_the_figure_before_and_answers_beside_its_state(chapter):
    for explorable in chapter[0]:
        page, attempts = explorable.page, explorable.root.locator(".fp-try").all()
        figure, card = explorable.root.locator(".fp-view"), explorable.root.locator(".fp-card")
        assert len(attempts) == 3
        for index, attempt in enumerate(attempts):
            attempt.locator(".fp-try-link").focus()
            page.keyboard.press("Enter")
            assert card.locator("p").inner_text() == attempt.locator(".fp-question").inner_text()
            assert figure.evaluate("(figure) => figure.inert")
            assert explorable.shown() == explorable.frames[explorable.start]
            # Focus is on the first guess: the keyboard goes on from there.
            for _ in range(index):
                page.keyboard.press("Tab")
            button = page.evaluate("document.activeElement.textContent")
            page.keyboard.press("Enter")
            said = "" if button == "Skip" else f"You said: {button}. "
            answer = attempt.locator(".fp-answer").text_content()
            assert card.locator("p").text_content() == said + answer
            assert figure.evaluate("(figure) => !figure.inert")
            places = tuple(json.loads(attempt.get_attribute("data-state")))
            assert explorable.shown() == explorable.frames[places]
            start, texts = explorable.texts(explorable.start), explorable.texts(places)
            # The address follows a pause.
            page.wait_for_function(
                "(pieces) => pieces.every((piece) => decodeURIComponent(location.hash).includes(piece))",
                arg=[f"{name}={text}" for name, text in texts.items() if text != start[name]],
            )


# On one page, and where a link leads


def first_explorable(page) -> Explorable:
    page.open_page(SPECIMEN)
    return explorables(page)[0]


def test_a_slider_announces_its_value(page):
    explorable = first_explorable(page)
    control = explorable.controls[0]
    slider = explorable.focus(control)
    explorable.move(control, -1)
    assert slider.get_attribute("aria-valuetext") == control["texts"][control["start"] - 1]
    assert slider.evaluate("(input) => input.labels[0].textContent") == "batch size"
    assert explorable.root.locator("figcaption[aria-live=polite]").count() == 1


def test_the_address_holds_the_state_and_a_link_restores_it(page):
    explorable = first_explorable(page)
    explorable.move(explorable.controls[0], 1)
    explorable.move(explorable.controls[3], -1)
    page.wait_for_url(f"**#{explorable.id}?batch_size=128&features=19")
    address, state = page.url, explorable.shown()
    page.goto("about:blank")
    page.goto(address)
    wait_until_ready(page)
    assert explorable.shown() == state
    assert explorable.root.locator("input[name=batch_size]").input_value() == "2"
    explorable.press("reset")
    page.wait_for_function("!location.href.includes('#')")


def test_what_is_moved_before_the_frames_have_come_is_shown_when_they_come(page, html):
    held = []
    page.route("**/_static/figures/*", lambda route: held.append(route))
    page.goto((html / SPECIMEN).as_uri(), wait_until="commit")
    bench = page.locator("#explore-shape-bench")
    bench.locator("input[name=batch_size]").fill("2")
    expect(bench.locator("output").first).to_have_text("128")
    assert json.loads(bench.locator(".fp-values").text_content())["shapes"][0] == [16, 64]
    page.wait_for_function("document.querySelector('script[src*=figures]')")
    held[0].continue_()
    wait_until_ready(page)
    assert Explorable(page, bench).shown()["values"]["shapes"][0] == [128, 64]


def test_a_figure_whose_frames_do_not_come_says_so_and_shows_the_start(page, html):
    page.route("**/_static/figures/*", lambda route: route.abort())
    page.goto((html / SPECIMEN).as_uri())
    card = page.get_by_text("This browser cannot move the figure; it shows the start.")
    expect(card.first).to_be_visible()
    assert not page.locator(".fp-controls").first.is_visible()
    assert page.locator("#explore-shape-bench .fp-picture, #explore-shape-bench .fp-table").first.is_visible()


def test_a_link_unfolds_the_section_of_its_explorable(page):
    page.open_page("book/03_tracing.html")
    caption = page.locator("#explore-kept-pre-activation figcaption")
    assert not caption.is_visible()
    page.goto("about:blank")
    page.open_page("book/03_tracing.html#explore-kept-pre-activation?calls_done=3")
    assert caption.is_visible()
    values = page.locator("#explore-kept-pre-activation .fp-values").text_content()
    assert json.loads(values)["share below 0"] == 0


def test_an_address_with_unknown_values_shows_the_start(page):
    page.open_page(SPECIMEN + "#explore-shape-bench?batch_size=99&colour=red&features=<b>")
    assert explorables(page)[0].shown()["values"]["shapes"][0] == [16, 64]
    assert page.errors == []


def test_copy_link(page):
    explorable = first_explorable(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    explorable.move(explorable.controls[0], 1)
    explorable.press("copy")
    status = explorable.root.locator("[role=status]")
    expect(status).not_to_be_empty()
    link = (
        page.evaluate("navigator.clipboard.readText()")
        if status.text_content() == "Link copied."
        else status.text_content()
    )
    assert link.endswith(f"#{explorable.id}?batch_size=128")


def test_step_and_play(page):
    page.clock.install()
    page.open_page(PLAYED)
    [explorable] = explorables(page)
    step = explorable.root.locator("input[name=step]")
    explorable.press("back")
    expect(step).to_have_value("0")
    for _ in range(3):
        explorable.press("forward")
    expect(step).to_have_value("3")
    stop_clock(page)
    explorable.press("play")
    assert explorable.root.locator("[data-do=play]").text_content() == "Pause"
    page.clock.run_for(A_TICK)
    expect(step).to_have_value("4")
    explorable.press("play")
    page.clock.run_for(A_TICK)
    expect(step).to_have_value("4")


# Presses the buttons one after the other, then says where in its picture the middle of each named element is, when it
# begins to move (0) and at the end (1).
PLACES = """(root, buttons) => {
    buttons.forEach((button) => root.querySelector(`[data-do=${button}]`).click());
    const named = [...root.querySelectorAll('.fp-frame [data-move]')];
    return [0, 1].map((share) => Object.fromEntries(named.map((element) => {
        element.getAnimations().forEach((motion) => {
            motion.pause();
            motion.currentTime = share * motion.effect.getComputedTiming().duration;
        });
        const [{x, y, width, height}, all] = [element, element.ownerSVGElement].map((e) => e.getBoundingClientRect());
        return [element.dataset.move.split(' ')[0], [x + width / 2 - all.x, y + height / 2 - all.y].map(Math.round)];
    })));
}"""


def test_what_has_a_name_moves_from_frame_to_frame(page):
    """In the stepper, from row to row; the end is the frame as it is without motion."""
    page.open_page("book/01_forward_pass.html#explore-layer-stepper?step=10")
    [explorable] = explorables(page)
    places = partial(explorable.root.evaluate, PLACES)
    _, before = places([])
    began, ended = places(["forward"])
    assert began["row"] == before["row"] != ended["row"] and began["unit"] == before["unit"] != ended["unit"]
    # A product comes out of its cell, which stays.
    assert began["part100"] == before["X10"] == began["X10"] == ended["X10"] != ended["part100"]
    assert places(["back", "forward"])[1] == ended
    page.emulate_media(reduced_motion="reduce")
    began, still = places(["back", "forward"])
    assert began == still == ended


def test_a_gradient_comes_from_the_result_it_arrives_from_and_a_value_stays(page):
    page.open_page("book/04_autograd.html#explore-graph-builder?step=6")
    [explorable] = explorables(page)
    _, before = explorable.root.evaluate(PLACES, [])
    began, ended = explorable.root.evaluate(PLACES, ["forward"])
    assert began["d-s"] == began["d-b"] == before["d-z"] != ended["d-b"]
    assert [began[name] for name in "xwzsp"] == [before[name] for name in "xwzsp"]


def test_reduced_motion_leaves_the_steps_and_hides_play(browser, html):
    with opened(browser, (html / PLAYED).as_uri(), reduced_motion="reduce") as page:
        assert not page.locator("[data-do=play]").is_visible()
        assert page.locator("[data-do=forward]").is_visible()


def test_touch_moves_a_slider(browser, html):
    address = (html / "book/02_shapes.html").as_uri()
    with opened(browser, address, width=390, has_touch=True, is_mobile=True) as page:
        slider = page.locator("input[name=batch_size]")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] - 6, box["y"] + box["height"] / 2)
        [explorable] = explorables(page)
        assert explorable.shown()["values"]["shapes"][0][0] == 128
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_picture_wider_than_a_phone_stays_where_the_reader_has_scrolled_it(browser, html):
    with opened(browser, (html / "book/01_forward_pass.html").as_uri(), width=390) as page:
        [explorable] = explorables(page)
        picture = explorable.root.locator(".fp-frame .fp-picture")
        assert picture.evaluate("(picture) => { picture.scrollLeft = 60; return picture.scrollLeft; }") == 60
        explorable.press("forward")
        assert picture.evaluate("(picture) => picture.scrollLeft") == 60
