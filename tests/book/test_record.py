"""The keeper of a reader's progress by itself, in an empty page: what it reads, carries over, sets aside and writes."""

import json

import pytest
from helpers.built_book import ROOT

SCRIPT = (ROOT / "book/_static/record.js").read_text(encoding="utf8")
KEY = "fpcourse.record"
FRESH = {"version": 2, "answers": {}, "exercises": {}, "interview": {}}
# What browsers held after visits to the book while its scripts kept version 1, and what it is now.
VERSION_1 = json.loads((ROOT / "tests/book/version_1_records.json").read_text(encoding="utf8"))


@pytest.fixture(scope="module")
def keeper(browser):
    """Starts the script in a browser that holds some texts; the page's `ask` then evaluates a question to it."""
    page = browser.new_page()
    page.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.ask = lambda code: page.evaluate(f"(() => {{ const record = fpcourseRecord; return {code}; }})()")

    def start(texts: dict[str, str]):
        page.goto("http://keeper.test/")
        page.evaluate("(texts) => { localStorage.clear(); Object.assign(localStorage, texts); }", texts)
        page.evaluate(SCRIPT)
        return page

    yield start
    page.close()


def held(page) -> dict[str, str]:
    """All that the browser holds."""
    return page.evaluate("({...localStorage})")


def stored(page):
    return json.loads(held(page)[KEY])


@pytest.mark.parametrize("name", VERSION_1)
def test_version_1_is_carried_over_whole_and_stays(keeper, name):
    before, expected = VERSION_1[name]["browser"], VERSION_1[name]["record"]
    page = keeper(before)
    assert page.ask("record.read()") == expected
    assert held(page) == before
    page.ask("record.mark('new-one', 'pile', 'known')")
    assert held(page) == before | {KEY: held(page)[KEY]}
    expected["interview"]["new-one"] = {"pile": "known"}
    assert stored(page) == expected
    page.ask("record.reset()")
    assert page.ask("record.read()") == FRESH  # it is read once
    assert held(page) == before | {KEY: held(page)[KEY]}


def test_version_1_may_be_damaged_in_part(keeper):
    answers = '{"01_forward_pass#question-2": 3, "toString#question-1": 1, "04_autograd#question-6": {"first": 1}}'
    page = keeper(
        {
            "fpcourse.progress": f'{{"version": 1, "answers": {answers}, "exercises": {{"a#ex-b": true, "c": 0}}}}',
            "fpcourse.cards": '{"version": 1, "marks": {"a": "known", "b": "learned", "__proto__": "again"}}',
            "fpcourse.seen": '{"version": 1, "marks": ["a"]}',
            "fpcourse.ratings": "{not json",
        }
    )
    record = page.ask("record.read()")
    assert record["answers"] == {
        "01_forward_pass#question-relu": 3,
        "toString#question-1": 1,
        "04_autograd#question-6": {"first": 1},
    }
    assert record["exercises"] == {"a#ex-b": "said", "c": 0}
    assert page.ask("[...record.marks('pile')]") == [["a", "known"]]
    assert page.ask("record.isKept()")


NOT_OURS = [
    '{"version": 2, "answ',
    "{not json",
    "",
    "null",
    "2",
    "[]",
    '["mine"]',
    "{}",
    '{"version": 1, "answers": {}, "exercises": {}}',
    '{"version": "2", "answers": {}}',
    '{"version": 3, "answers": {}, "exercises": {}, "interview": {}, "more": {}}',
]


def test_what_is_no_record_is_set_aside(keeper):
    for text in NOT_OURS:
        page = keeper({KEY: text, f"{KEY}.kept-1": "earlier"})
        assert page.ask("record.read()") == FRESH, text
        page.ask("record.mark('a', 'pile', 'known')")
        page.evaluate(SCRIPT)
        assert page.ask("[...record.marks('pile')]") == [["a", "known"]]
        found = held(page)
        assert json.loads(found.pop(KEY)) == FRESH | {"interview": {"a": {"pile": "known"}}}
        assert found == {f"{KEY}.kept-1": "earlier", f"{KEY}.kept-2": text}
        assert page.ask("record.putAside()") == [f"{KEY}.kept-1", f"{KEY}.kept-2"]


ODD = {
    "version": 2,
    "answers": {
        "p#sound": {"first": 2, "last": 1, "right": True},
        "p#typed": {"first": "(16, 32)", "last": "", "right": False, "sure": True},
        "p#richer": {"first": 1, "last": 1, "right": True, "hints": 2},
        "p#number": 3,
        "p#null": None,
        "p#list": [1, 2],
        "p#text": "first",
        "p#no-last": {"first": 1, "right": True},
        "p#half": {"first": 1.5, "last": 1, "right": True},
        "p#deep": {"first": {"option": 1}, "last": {"option": 1}, "right": True},
        "p#rightly": {"first": 1, "last": 1, "right": "yes"},
    },
    "exercises": {"p#said": "said", "p#solved": "solved", "p#true": True, "p#other": "half", "p#object": {"at": 1}},
    "interview": {
        "sound": {"seen": True, "rating": "not yet", "pile": "again", "due": "2026-12-24"},
        "other": {"seen": "once", "rating": "fair", "pile": "learned"},
        "richer": {"pile": "known", "times": [1]},
        "number": 3,
        "null": None,
        "list": ["known"],
    },
    "notes": {"p": "mine"},
}


def test_what_is_of_another_form_is_not_shown_and_carried_along(keeper):
    page = keeper({KEY: json.dumps(ODD)})
    ids = json.dumps([*ODD["answers"], "p#gone", "toString"])
    assert page.ask(f"{ids}.filter(record.answer)") == [f"p#{name}" for name in ("sound", "typed", "richer")]
    assert page.ask("record.answer('p#typed')") == ODD["answers"]["p#typed"]
    ids = json.dumps([*ODD["exercises"], "p#gone", "toString"])
    assert page.ask(f"{ids}.filter(record.isDone)") == ["p#said", "p#solved"]
    assert page.ask("['seen', 'rating', 'pile'].map((field) => [...record.marks(field)])") == [
        [["sound", True]],
        [["sound", "not yet"]],
        [["sound", "again"], ["richer", "known"]],
    ]
    page.ask("record.change(({ exercises }) => { exercises['p#new'] = 'said'; })")
    for name, field, value in (("richer", "rating", "strong"), ("sound", "pile", None), ("list", "seen", True)):
        page.ask(f"record.mark('{name}', '{field}', {json.dumps(value) if value else 'undefined'})")
    expected = json.loads(json.dumps(ODD))
    expected["exercises"]["p#new"] = "said"
    expected["interview"]["richer"]["rating"] = "strong"
    del expected["interview"]["sound"]["pile"]
    expected["interview"]["list"] = {"seen": True}
    assert held(page).keys() == {KEY}
    assert stored(page) == expected


def test_a_part_of_another_form_leaves_the_rest_readable(keeper):
    page = keeper({KEY: '{"version": 2, "exercises": {"a": "said"}}'})  # parts that are missing are empty
    assert page.ask("record.read()") == FRESH | {"exercises": {"a": "said"}}
    for part in ("[]", "null", "3", '"text"'):
        text = f'{{"version": 2, "answers": {part}, "exercises": {{"a": "said"}}, "more": 1}}'
        page = keeper({KEY: text})
        expected = FRESH | {"exercises": {"a": "said"}, "more": 1}
        assert page.ask("record.read()") == expected
        assert stored(page) == expected and held(page)[f"{KEY}.kept-1"] == text


def test_what_another_tab_writes_is_kept(keeper):
    page = keeper({})
    page.ask("record.mark('a', 'pile', 'known')")
    record = stored(page)
    record["answers"]["p#q"] = {"first": 1, "last": 1, "right": True}
    record["interview"]["a"]["rating"] = "strong"
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, json.dumps(record)])
    page.ask("record.mark('a', 'seen', true)")
    record["interview"]["a"]["seen"] = True
    assert stored(page) == record


def test_without_a_store_all_is_kept_in_the_page(keeper):
    for text, blocked in (
        ("not ours", "Storage.prototype.setItem"),
        (json.dumps(ODD), "Storage.prototype.setItem"),
        ("not ours", "Storage.prototype.getItem"),
    ):
        page = keeper({KEY: text})
        page.evaluate(f"() => {{ window.own = {blocked}; {blocked} = () => {{ throw new DOMException('no'); }}; }}")
        for name in "ab":
            page.ask(f"record.mark('{name}', 'pile', 'known')")
        assert {("a", "known"), ("b", "known")} <= set(map(tuple, page.ask("[...record.marks('pile')]")))
        assert bool(page.ask("record.answer('p#sound')")) == (text != "not ours")
        assert not page.ask("record.isKept()")
        page.ask("record.reset()")
        assert page.ask("record.read()") == FRESH
        page.evaluate(f"() => {{ {blocked} = window.own; }}")
        assert held(page) == {KEY: text}


def test_every_change_is_told(keeper):
    page = keeper({})
    page.ask("record.onChange(() => { window.told = (window.told ?? 0) + 1; })")
    for code in ("record.mark('a', 'seen', true)", "record.reset()", "dispatchEvent(new Event('storage'))"):
        page.ask(code)
    assert page.evaluate("told") == 3


def test_an_export_of_either_version_is_read_and_no_other_file(keeper):
    page = keeper({})

    def parsed(text):
        return page.evaluate("(text) => fpcourseRecord.parseExport(text)", text)

    assert parsed(json.dumps(ODD)) == ODD
    for visit in VERSION_1.values():
        if text := visit["browser"].get("fpcourse.progress"):
            assert parsed(text) == visit["record"] | {"interview": {}}
    for text in (*NOT_OURS[:8], NOT_OURS[-1], '{"version": 2}', '{"version": 1}', '{"version": 1, "marks": {}}'):
        assert parsed(text) is None, text


def test_what_is_here_stays_and_what_is_imported_is_added(keeper):
    mine = {
        "version": 2,
        "answers": {
            "p#both": {"first": 1, "last": 2, "right": False},
            "p#mine": {"first": 1, "last": 1, "right": True},
        },
        "exercises": {"p#both": "said"},
        "interview": {"both": {"pile": "known", "seen": True}, "odd": 3, "mine": {"seen": True}},
        "notes": "mine",
    }
    theirs = {
        "version": 2,
        "answers": {"p#both": {"first": 2, "last": 2, "right": True, "sure": True}, "p#odd": 3},
        "exercises": {"p#both": "solved", "p#theirs": "solved"},
        "interview": {
            "both": {"pile": "again", "rating": "strong"},
            "odd": {"seen": True},
            "theirs": {"seen": True},
            "mine": "text",
        },
        "notes": "theirs",
        "more": 1,
    }
    page = keeper({KEY: json.dumps(mine)})
    page.evaluate("(theirs) => fpcourseRecord.add(theirs)", theirs)
    assert stored(page) == {
        "version": 2,
        "answers": theirs["answers"] | mine["answers"],
        "exercises": {"p#both": "said", "p#theirs": "solved"},
        "interview": {
            "both": {"pile": "known", "seen": True, "rating": "strong"},
            "odd": 3,
            "mine": {"seen": True},
            "theirs": {"seen": True},
        },
        "notes": "mine",
        "more": 1,
    }
