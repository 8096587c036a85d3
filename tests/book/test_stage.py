"""The start page's figure in a real browser: what a reader points at, moves and asks, held against torch."""

import random
import re

import pytest
import torch
from expected.clinical_mlp import forward, layers, trained_layers
from helpers.built_book import violations, wait_until_ready
from helpers.visits import opened
from playwright.sync_api import expect
from torch.nn import functional as F

PAGE = "book/00_start.html"
NAMES = ["input", "layer1", "bn1", "relu:1", "drop", "layer2", "bn2", "relu:2", "layer3"]


def tensors(X: torch.Tensor, weights: str = "learned", mode: str = "eval", mask: int = 0) -> dict[str, torch.Tensor]:
    """The pass by plain torch; in train mode dropout draws from the seed of this number."""
    torch.manual_seed(0)
    parts = trained_layers() if weights == "learned" else layers()
    torch.manual_seed(mask)
    return forward(parts, X, mode == "train")


def number(text: str) -> float:
    return float(text.replace("−", "-"))


class Stage:
    def __init__(self, page):
        self.page, self.root = page, page.locator(".fp-network")

    def open(self, state: str = "") -> "Stage":
        self.page.goto("about:blank")
        self.page.open_page(f"{PAGE}#network?{state}" if state else PAGE)
        return self

    @property
    def risk(self) -> str:
        return self.root.locator(".fp-risk b").inner_text()

    @property
    def title(self) -> str:
        return self.root.locator(".fp-title").inner_text()

    @property
    def shown(self) -> float:
        """The number of the chosen cell: what came out."""
        return number(self.root.locator(".fp-big").inner_text().split("→")[-1].split()[0])

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def slider(self, name: str):
        return self.root.get_by_role("slider", name=name)

    @property
    def card(self):
        return self.root.get_by_role("group", name="Question")


@pytest.fixture
def stage(page) -> Stage:
    return Stage(page).open()


def test_on_arrival_the_whole_figure_is_in_view_with_a_risk_and_a_question(stage, cohort_rows):
    page = stage.page
    page.set_viewport_size({"width": 1366, "height": 768})
    box = stage.root.locator(".fp-hands").bounding_box()
    assert box["y"] > 0 and box["y"] + box["height"] <= 768 and box["width"] > 1000
    assert stage.risk == f"{tensors(cohort_rows['X'][:16])['layer3'][0, 0].sigmoid():.3f}" == "0.126"
    assert "how many of the 64 numbers in the next row change?" in stage.card.inner_text()
    assert "#" not in page.url


def test_a_cell_clicked_shows_torchs_number_and_stays_until_escape(stage, cohort_rows):
    """At thirty places: what the title names is what the pass has there."""
    wanted, page = tensors(cohort_rows["X"][:16]), stage.page
    facts, seen = cohort_rows["feature_names"], set()
    box = stage.root.locator(".fp-fields").bounding_box()
    chosen = random.Random(0)
    for _ in range(30):
        x, y = 150 + chosen.random() * (box["width"] - 220), chosen.random() * box["height"]
        page.mouse.click(box["x"] + x, box["y"] + y)
        name, cell, patient = re.match(r"([\w:]+), (.+?) patient (\d+)", stage.title).groups()
        unit = facts.index(cell.replace(" ", "_")) if name == "input" else int(cell.removeprefix("unit "))
        seen.add(name)
        if name != "input":
            assert stage.shown == pytest.approx(wanted[name][int(patient), unit].item(), abs=6e-4), (name, unit)
    assert len(seen) >= 6
    page.mouse.click(box["x"] + 300, box["y"] + 60)
    held = stage.title
    page.mouse.move(box["x"] + 400, box["y"] + 20)
    assert stage.title == held and "held" in held and "layer1" in held
    page.keyboard.press("Escape")
    page.mouse.move(box["x"] + 402, box["y"] + 20)
    expect(stage.root.locator(".fp-title")).to_contain_text("input, ")


def test_a_sum_is_taken_apart_into_torchs_products(stage, cohort_rows):
    parts, wanted = trained_layers(), tensors(cohort_rows["X"][:16])
    stage.open("call=5&unit=3&patient=2")
    products = (parts["layer2"].weight[3] * wanted["drop"][2]).detach()
    rows = [row.split("\t") for row in stage.root.locator(".fp-story table").inner_text().splitlines()]
    largest, more, bias, total = number(rows[1][3]), number(rows[5][-1]), number(rows[6][-1]), number(rows[7][-1])
    assert rows[1][0] == f"unit {products.abs().argmax()}"
    assert largest == pytest.approx(products[products.abs().argmax()].item(), abs=6e-4)
    assert more == pytest.approx((products.sum() - products[products.abs().topk(4).indices].sum()).item(), abs=6e-4)
    assert bias == pytest.approx(parts["layer2"].bias[3].item(), abs=6e-4)
    assert total == pytest.approx(wanted["layer2"][2, 3].item(), abs=6e-4)


@pytest.mark.parametrize(
    ("weights", "mode", "mask"), [("learned", "train", 5), ("random", "eval", 0), ("random", "train", 2)]
)
def test_a_link_opens_a_state_and_its_numbers_are_torchs(stage, cohort_rows, weights, mode, mask):
    wanted = tensors(cohort_rows["X"][:16], weights, mode, mask)
    for call, unit, patient in ((1, 63, 3), (2, 17, 15), (4, 9, 0), (6, 31, 8), (8, 0, 2)):
        state = f"weights={weights}&mode={mode}&mask={mask}&call={call}&unit={unit}&patient={patient}"
        stage.open(state)
        assert f"patient {patient}" in stage.title
        assert stage.shown == pytest.approx(wanted[NAMES[call]][patient, unit].item(), abs=6e-4)
        assert number(stage.risk) == pytest.approx(wanted["layer3"][patient, 0].sigmoid().item(), abs=6e-4)


def test_an_address_with_nonsense_opens_the_start(stage):
    stage.open("call=99&unit=x&patient=-4&weights=<b>&mode=sleep&edit=0.age&edit=77.age.5&edit=0.size.3&mask=1e9")
    assert stage.risk == "0.126" and stage.page.errors == []


def test_keys_lead_through_the_pass_and_a_screen_reader_hears_where(stage):
    canvas = stage.root.locator("canvas").last
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown"):
        stage.page.keyboard.press(key)
    assert stage.title == "layer1, unit 2 patient 1"
    expect(stage.root.get_by_role("status").last).to_contain_text("layer1, unit 2, patient 1: ")
    expect(stage.root.get_by_role("status").last).to_contain_text("Largest product: ")
    stage.slider("step").press("End")
    assert stage.title.startswith("layer3, unit 0")
    assert stage.slider("step").get_attribute("aria-valuetext") == "layer3"
    stage.page.wait_for_url("**#network?call=8&patient=1")
    canvas.press("ArrowUp")
    assert stage.title.startswith("relu:2, unit ") and not stage.title.startswith(
        "relu:2, unit 0 "
    )  # the largest product


def test_moving_a_fact_moves_all_below_and_it_can_be_put_back(stage, cohort_rows):
    X = cohort_rows["X"][:16].clone()
    X[0, 0] = (5 - 65.97) / 15.94
    for _ in range(8):  # from 85 by decades
        stage.slider("age").press("ArrowLeft")
    wanted = f"{tensors(X)['layer3'][0, 0].sigmoid():.3f}"
    assert stage.risk == wanted != "0.126"
    stage.page.wait_for_url("**#network?edit=0.age.5")
    stage.page.reload()
    wait_until_ready(stage.page)
    assert stage.risk == wanted
    stage.press("Put it back")
    assert stage.risk == "0.126"


def test_a_fact_is_dragged_with_the_mouse_in_one_go(stage):
    box = stage.slider("age").bounding_box()
    mouse, y = stage.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * 0.86, y)
    mouse.down()
    for share in (0.7, 0.5, 0.3, 0.1, 0.01):
        mouse.move(box["x"] + box["width"] * share, y)
    mouse.up()
    assert stage.slider("age").input_value() == "5"


def test_a_click_on_another_patients_stripe_chooses_them(stage):
    box = stage.root.locator(".fp-fields").bounding_box()
    stage.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
    assert re.search(r"input, .+ patient 1[0-5]", stage.title)


def test_calling_again_in_train_mode_draws_anew_and_leaves_moved_statistics_behind(stage, cohort_rows):
    X = cohort_rows["X"][:16]
    assert stage.root.get_by_role("button", name="Call again").is_disabled()
    stage.press("model.train()")
    assert stage.root.get_by_text("Nothing is learned here").is_visible()
    for mask in range(1, 4):
        stage.press("Call again")
        wanted = tensors(X, "learned", "train", mask)["layer3"][0, 0].sigmoid().item()
        assert number(stage.risk) == pytest.approx(wanted, abs=6e-4)
    stage.open("mode=train&call=2&unit=7")
    stage.press("Leave all moved")
    stage.press("Leave all moved")
    stage.press("model.eval()")
    parts, out = trained_layers(), tensors(X, "learned", "train")
    for name, before in (("bn1", "layer1"), ("bn2", "layer2")):
        for _ in range(2):
            F.batch_norm(out[before], parts[name].running_mean, parts[name].running_var, training=True)  # moves both
    moved = forward(parts, X, False)["layer3"][0, 0].sigmoid()
    assert number(stage.risk) == pytest.approx(moved.item(), abs=6e-4) and stage.risk != "0.126"
    assert stage.root.get_by_text("Moved 2 times").is_visible()
    stage.press("random")
    assert not stage.root.get_by_text("Moved 2 times").is_visible()
    stage.press("learned")
    stage.press("Put them back")
    assert stage.risk == "0.126"


def test_another_link_and_the_way_back_open_their_states_and_a_change_of_theme_keeps_it(stage):
    page = stage.page
    page.evaluate("location.hash = '#network?mode=train&call=2'")
    expect(stage.root.locator(".fp-title")).to_contain_text("bn1")
    assert stage.root.get_by_text("Nothing is learned here").is_visible()
    for theme in ("dark", "light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert "bn1" in stage.title
    page.evaluate("location.hash = ''")
    expect(stage.root.locator(".fp-title")).to_contain_text("input, age")
    assert stage.risk == "0.126"


def test_five_cards_lead_through_and_the_figure_shows_what_they_say(stage):
    for at, risk in enumerate(("0.073", "0.054", "0.035", "0.054", "0.460")):
        assert stage.card.inner_text().startswith(f"{at + 1} of 5")
        guess = stage.card.get_by_role("button").last
        text = guess.inner_text()
        guess.click()
        said = "Right. " if at in (0, 3, 4) else f"You said “{text}”. The answer: "
        assert stage.card.inner_text().startswith(said.strip()) and stage.risk == risk
        assert stage.page.evaluate("document.activeElement.textContent").startswith(said)
        if at < 4:
            stage.press("Next question")
    stage.press("Close")
    assert not stage.card.is_visible()
    stage.press("Questions")
    assert stage.card.is_visible()


def test_fewer_patients_leave_the_others_as_they_are_in_eval_mode_alone(stage, cohort_rows):
    for mode in ("eval", "train"):
        stage.open(f"n=3&mode={mode}")
        wanted = tensors(cohort_rows["X"][:3], "learned", mode)["layer3"][0, 0].sigmoid()
        assert number(stage.risk) == pytest.approx(wanted.item(), abs=6e-4)
        assert (stage.risk == "0.126") == (mode == "eval")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_figure_keeps_nobody_out(browser, html, scheme, width):
    for state in ("", "#network?call=5&unit=3", "#network?mode=train&call=2"):
        with opened(browser, (html / PAGE).as_uri() + state, scheme, width) as page:
            assert violations(page, ".fp-network") == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_and_on_paper_the_still_picture_stands(new_context, html):
    page = new_context(java_script_enabled=False).new_page()
    page.goto((html / PAGE).as_uri())
    assert page.locator(".fp-network .fp-picture svg").is_visible()
    assert "0.126" in page.locator(".fp-network figcaption").inner_text()
    page = new_context().new_page()
    page.goto((html / PAGE).as_uri())
    wait_until_ready(page)
    assert not page.locator(".fp-network .fp-picture").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".fp-network .fp-picture").is_visible() and not page.locator(".fp-hands").is_visible()


def test_play_walks_through_the_steps(page):
    page.clock.install()
    stage = Stage(page).open()
    stage.press("Play")
    page.clock.run_for(2000)
    assert stage.title.startswith("bn1")
    stage.press("Pause")
    page.clock.run_for(2000)
    assert stage.title.startswith("bn1")


def test_a_finger_moves_along_one_field_under_a_loupe(new_context, html):
    page = new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    page.goto((html / PAGE).as_uri())
    wait_until_ready(page)
    stage = Stage(page)
    fields, cover = stage.root.locator(".fp-fields"), stage.root.locator("canvas").last
    fields.scroll_into_view_if_needed()
    box = fields.bounding_box()
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    units, title = [], stage.root.locator(".fp-title")
    touch("touchStart", (60, 80))  # in layer1, which is open at the start
    expect(title).to_contain_text("layer1, unit ")
    for x, y in ((80, 80), (140, 95), (200, 140)):  # a finger does not keep to a line
        before = stage.title
        touch("touchMove", (x, y))
        expect(title).not_to_have_text(before)
        units.append(int(re.search(r"layer1, unit (\d+)", stage.title)[1]))
    assert units == sorted(units) and units[-1] > units[0] + 10
    under_the_finger = cover.evaluate("(canvas) => canvas.toDataURL()")
    touch("touchEnd")
    expect(stage.root.locator(".fp-title")).to_contain_text(f"layer1, unit {units[-1]}")
    assert cover.evaluate("(canvas) => canvas.toDataURL()") != under_the_finger
    inspector = stage.root.locator(".fp-inspector").bounding_box()
    assert inspector["y"] + inspector["height"] - fields.bounding_box()["y"] < 844  # both in one view
