"""lean_styles: a rule stays if a page can use it, and the sheet of a build outlives a build that changes nothing."""

import pytest
from helpers.small_books import build, lay_out, write_notebook
from lean_styles import parse, used

WORDS = {"card", "open", "note"}


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (".card{a:b}", ".card{a:b}"),
        (".cards{a:b}", ""),
        ("p > .card.open:hover{a:b}", "p > .card.open:hover{a:b}"),
        ("p > .card.shut{a:b}", ""),
        (".shut,.note,h1{a:b}", ".note,h1{a:b}"),
        ("#shut p{a:b}", "#shut p{a:b}"),
        (".card:not(.shut){a:b}", ".card:not(.shut){a:b}"),
        (".card:is(.shut, .open){a:b}", ".card:is(.shut, .open){a:b}"),
        ("@media print{.shut{a:b}.card{a:b}}", "@media print{.card{a:b}}"),
        ("@media print{.shut{a:b}}", ""),
        ("@supports (a:b){@media print{.shut{a:b}.note{a:b}}}", "@supports (a:b){@media print{.note{a:b}}}"),
        ("@font-face{a:b}", ""),
        ("@page{a:b}", "@page{a:b}"),
        ('/* a note */ h1{a:b} @charset "x";', 'h1{a:b}\n@charset "x";'),
        (".card{background:url(data:image/svg+xml,%3Csvg%3E)}", ".card{background:url(data:image/svg+xml,%3Csvg%3E)}"),
    ],
)
def test_a_rule_stays_if_its_classes_are_words_of_a_page(css, kept):
    assert used(parse(css), WORDS) == kept


def test_the_sheet_is_that_of_the_pages_and_stays_when_none_is_written(tmp_path):
    book = lay_out(tmp_path)
    write_notebook(book / "book" / "page.ipynb", "print(1)", "# A page")
    assert build(book).returncode == 0
    static = book / "_build" / "html" / "_static"
    sheet = (static / "all.css").read_text(encoding="utf8")
    page = (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf8")
    assert page.count('rel="stylesheet"') == 1 and "_static/all.css" in page
    # From each source: the theme's base, the theme, colours of code, MyST-NB, the course.
    for rule in ("div.body", ".bd-article", ".highlight .k", "div.cell_output", "--course-ribbon", ".noprint"):
        assert rule in sheet
    assert "fa-dragon" not in sheet and len(sheet) < 150_000
    assert build(book).returncode == 0
    assert (static / "all.css").read_text(encoding="utf8") == sheet
