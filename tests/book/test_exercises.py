"""Exercises in the page: solved where nothing runs, by what the real checker has said of each answer."""

import json
from pathlib import Path

import pytest
from helpers.built_book import ROOT, pages, revisit, violations
from playwright.sync_api import expect

FORMS = json.loads((ROOT / "book/exercises.json").read_text(encoding="utf8"))
LAYERS, ENGINE = ("book/01_forward_pass.html", "ex-third-layer"), ("book/gradients.html", "ex-exp-and-relu")
DRILLS = "book/07_interview.html"


def open_exercise(page, path: str, name: str):
    """The form of an exercise, with what folds it open."""
    page.open_page(path)
    page.evaluate("document.querySelectorAll('details.go-deeper').forEach((fold) => { fold.open = true; })")
    return page.locator(f".exercise-form[data-record$='#{name}']")


def fill(task, *values: str) -> None:
    for place, value in zip(task.locator("select, input").all(), values, strict=True):
        if place.evaluate("(place) => place.matches('select')"):
            place.select_option(value)
        else:
            place.fill(value)


def check(task) -> str:
    task.get_by_role("button", name="Check").click()
    return task.locator(".quiz-status").inner_text()


def chosen(form: dict, key: str) -> list[str]:
    return [gap["choices"][int(number)] for gap, number in zip(form["gaps"], key, strict=True)]


def record(page) -> dict:
    return page.evaluate("JSON.parse(localStorage.getItem('fpcourse.record'))")


def test_each_answer_gets_its_verdict(page):
    """Of every gap exercise and its twin, every answer that the page offers."""
    for (path, name), function in (
        (LAYERS, "three_hidden_layers"),
        (ENGINE, "exp_and_relu"),
        ((DRILLS, "ex-drill-loss"), "drill_mean_loss"),
    ):
        root = open_exercise(page, path, name)
        page.evaluate("document.querySelectorAll('.exercise-task').forEach((task) => { task.hidden = false; })")
        for task, form in zip(root.locator(".exercise-task").all(), FORMS[function], strict=True):
            for key, number in form["verdicts"].items():
                fill(task, *chosen(form, key))
                said, (state, message, misconception) = check(task), form["messages"][number]
                assert message in said and said.startswith("It passes." if state == "passed" else "Not yet."), key
                assert (f"This looks like misconception {misconception}: " in said) == bool(misconception)


def test_three_tries_open_the_solution_and_a_twin_and_the_first_try_is_kept_apart(page):
    root = open_exercise(page, *LAYERS)
    task, twin = root.locator(".exercise-task").all()
    form = FORMS["three_hidden_layers"][0]
    assert check(task) == "Fill every place first, then check."
    solution, to_twin = page.locator("#ex-third-layer-solution"), root.get_by_role("button", name="another way")
    for key in ("010", "020", "030"):
        assert not solution.is_visible() and not to_twin.is_visible()
        fill(task, *chosen(form, key))
        assert "Nothing has changed" not in check(task)
    expect(solution).to_be_visible()
    fill(task, *chosen(form, "012"))
    check(task)
    assert check(task).endswith("Nothing has changed since the last check.")
    to_twin.click()
    assert twin.is_visible() and not task.is_visible()
    assert page.evaluate("document.activeElement.matches('.exercise-task:not([hidden]) *')")
    assert record(page)["exercises"] == {}
    fill(twin, *chosen(FORMS["three_hidden_layers"][1], "00"))
    assert not solution.is_visible() and check(twin).startswith("It passes.")
    assert check(twin).startswith("It passes.")
    entry = record(page)["answers"]["01_forward_pass#ex-third-layer"]
    assert entry["right"] is False and json.loads(entry["first"]) == chosen(form, "010") and entry["tries"] == 4
    assert record(page)["exercises"] == {"01_forward_pass#ex-third-layer": "solved"}
    assert page.get_by_role("checkbox", name="Solved on this page").is_checked()
    revisit(page)
    assert "count 357" in page.locator(".exercise-form").get_by_role("status").first.inner_text()
    page.open_page("book/00_start.html")
    assert "1 of 3, 1 solved here" in page.locator(".progress-table").inner_text()


def test_tries_are_counted_over_visits_each_wrong_answer_once_and_a_reset_forgets_them(page):
    root = open_exercise(page, *LAYERS)
    form, to_twin = FORMS["three_hidden_layers"][0], root.get_by_role("button", name="another way")
    first = root.locator(".exercise-task").first
    for text in ("third + 1", "1 + third", "(third+1)"):
        fill(first, *chosen(form, "001")[:2], text)
        assert check(first).startswith("Not yet.")
    # The next two fail with the same words.
    fill(first, *chosen(form, "100"))
    verdict = check(first)
    assert record(page)["answers"]["01_forward_pass#ex-third-layer"]["tries"] == 2
    revisit(page)
    fill(first, *chosen(form, "120"))
    assert check(first) == verdict
    expect(to_twin).to_be_visible()
    revisit(page)
    expect(to_twin).to_be_visible()
    to_twin.click()
    page.evaluate("window.fpcourseRecord.reset()")
    expect(first).to_be_visible()
    assert not to_twin.is_visible() and first.locator(".quiz-status").inner_text() == ""
    assert [place.input_value() for place in first.locator("select, input").all()] == ["", "", ""]
    fill(first, *chosen(form, "000"))
    assert check(first).startswith("It passes.") and record(page)["exercises"] != {}


def test_what_is_typed_may_be_spelled_in_other_ways_and_is_not_judged_where_it_was_never_run(page):
    root = open_exercise(page, *LAYERS)
    form = FORMS["three_hidden_layers"][0]
    task = root.locator(".exercise-task").first
    for text in ("third / 2", "th ird", "[third]", "third)"):
        fill(task, *chosen(form, "000")[:2], text)
        assert check(task).startswith("Not run here.") and record(page) is None, text
    for text in ("(1+third)", "third*1 + 1", " third+1.0"):
        fill(task, *chosen(form, "011")[:2], text)
        assert check(task).startswith("It passes."), text


def test_lines_are_put_in_order_by_keyboard(page):
    root = open_exercise(page, DRILLS, "ex-drill-forward")
    task = root.locator(".exercise-task").first
    assert check(task) == "Move a line first, then check."
    line = page.get_by_role("button", name="Move x = m.relu(x) up")
    line.focus()
    page.keyboard.press("Space")
    assert task.get_by_role("status").first.inner_text() == "x = m.relu(x): line 4 of 5"
    assert "Your order is layer1, bn1, bn2, drop, relu, layer2, relu, layer3." in check(task)
    line.press("Space")
    line.press("Enter")
    expect(line).to_be_focused()
    last = page.get_by_role("button", name="Move x = m.bn2(x) down")
    for _ in range(3):
        last.press("Enter")  # below drop and layer2, and no further
    assert last.get_attribute("aria-disabled") == "true"
    assert check(task).startswith("It passes.")
    revisit(page)
    assert task.locator(".quiz-status").text_content().startswith("It passes.")


def test_each_row_of_a_table_is_judged_for_itself(page):
    root = open_exercise(page, DRILLS, "ex-drill-shapes")
    task = root.locator(".exercise-task").first
    for text in ("no idea", "16*64", "[16, 64)", "-3"):
        fill(task, "(64, 20)", text, "(16, 32)", "(16, 1)", "3649")
        assert check(task).startswith("Not run here.") and f"{text} is neither a number" in check(task)
    assert record(page) is None
    fill(task, "20, 64", "(16,64)", "[16, 32]", "16", "3650")
    said = check(task)
    assert "weight1 is not 20, 64. That is (in, out). This looks like misconception 5: " in said
    assert "logits is not 16." in said and "parameters is not 3650." in said and "layer1 is not" not in said
    fill(task, "(64, 20)", "(16, 64)", "16 × 32", "(16, 1)", "3585")
    assert "parameters is not 3585." in check(task)
    fill(task, "64 20", "(16, 64)", "16 × 32", "torch.Size([16, 1])", "3,649")
    assert check(task).startswith("It passes.")


@pytest.mark.parametrize(
    "answer", ["01239", '"01239"', "[]", "null", '["1"]', '["x", {}, 3]', "{", '["(1, 2)", "", ""]']
)
def test_a_damaged_record_stops_no_exercise_and_passes_none(page, answer):
    names = ("ex-drill-forward", "ex-drill-loss", "ex-drill-shapes")
    answers = {
        f"07_interview#{name}": {"first": answer, "last": answer, "right": False, "tries": "x"} for name in names
    }
    page.open_page(DRILLS)
    stored = {"version": 2, "answers": answers, "exercises": {}, "interview": {}}
    page.evaluate("(record) => localStorage.setItem('fpcourse.record', JSON.stringify(record))", stored)
    revisit(page)
    assert page.locator(".exercise-form.live").count() == 3
    assert page.locator(".exercise-form .quiz-status:not(:empty)").count() == 0


def test_without_scripts_and_on_paper_the_task_its_choices_and_its_solution_are_there(new_context, html):
    page = new_context(java_script_enabled=False).new_page()
    page.goto((html / LAYERS[0]).as_uri())
    root = page.locator(".exercise-form")
    assert [gap.inner_text() for gap in root.locator(".exercise-task >> nth=0").locator(".gap").all()] == [
        "①",
        "②",
        "③",
    ]
    assert "nn.Linear(third, 1) or nn.Linear(third, 1), nn.ReLU()" in root.locator(".gap-choices").first.inner_text()
    assert root.locator("select, input, button").count() == 0
    page = new_context().new_page()
    page.goto((html / LAYERS[0]).as_uri())
    page.emulate_media(media="print")
    root = page.locator(".exercise-form")
    assert root.locator("select, input, button").evaluate_all("(all) => all.every((place) => !place.checkVisibility())")
    assert root.locator(".gap-choices").first.is_visible()


def test_no_page_asks_to_run_a_cell_and_each_exercise_leads_to_its_notebook(page, html):
    for path in pages():
        text = (html / path).read_text(encoding="utf8")
        assert "run this cell again" not in text, path
        assert text.count("data-exercise=") == text.count("The place is headed"), path
    page.open_page(LAYERS[0])
    page.locator("details.write-it > summary").click()
    link = page.get_by_role("link", name="download this page’s notebook").first
    assert Path((html / LAYERS[0]).parent / link.get_attribute("href")).resolve().exists()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_an_exercise_keeps_nobody_out(new_context, html, scheme, width):
    page = new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
    for path, name in (LAYERS, (DRILLS, "ex-drill-shapes"), (DRILLS, "ex-drill-forward")):
        page.goto((html / path).as_uri())
        page.evaluate("document.querySelectorAll('details.go-deeper').forEach((fold) => { fold.open = true; })")
        form = f".exercise-form[data-record$='#{name}']"
        if name == "ex-drill-forward":
            check(page.locator(form).locator(".exercise-task").first)
        assert violations(page, form) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
