"""The interview bank: the tests that an entry names exist, and its texts keep to their lengths.

Its form, its links to cells and its misconceptions are the build's to check (``book/_ext/interview_bank.py``).
"""

import ast
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml
from helpers.prose import digits, numbers

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
BANK = yaml.safe_load((BOOK / "interview" / "bank.yml").read_text(encoding="utf8"))
SCHEMA = json.loads((BOOK / "interview" / "bank.schema.json").read_text(encoding="utf8"))
CLAIMS = "tests/interview/test_claims.py"
FORBIDDEN = re.compile(r"\b(simply|just|obviously|best|the only|no other|TODO)\b", re.IGNORECASE)
# A hyphen before a digit is a minus sign that is not one, but for 1e-8 and for names and lines of code.
HYPHENS = re.compile(r"(?<![\w`])-\d")
# How many words a part may have.
LENGTHS = {"question": (5, 45), "skeleton": (1, 22), "listens_for": (6, 30), "replies": (4, 40), "answer": (60, 150)}
FOLLOW_UPS = {"question": (3, 30), "answer": (1, 35)}

every_question = pytest.mark.parametrize("entry", BANK, ids=lambda entry: entry["id"])


@cache
def functions(file: str) -> dict[str, list[str]]:
    """The test functions of a file, each with the ids of its cases that can be read from the source."""
    found = {}
    for node in ast.parse((ROOT / file).read_text(encoding="utf8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found[node.name] = [
                value.value
                for mark in node.decorator_list
                for value in ast.walk(mark)
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            ]
    return found


@cache
def numbers_run(file: str, name: str) -> set[float]:
    """The numbers in the source of a test function, also those in its texts."""
    [node] = [n for n in ast.parse((ROOT / file).read_text(encoding="utf8")).body if getattr(n, "name", "") == name]
    constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return {float(digits) for value in constants for digits in re.findall(r"\d+\.?\d*(?:e-?\d+)?", str(value))}


@cache
def misconceptions() -> set[int]:
    page = (BOOK / "reference" / "misconceptions.md").read_text(encoding="utf8")
    return {int(number) for number in re.findall(r"^### (\d+)\. ", page, flags=re.M)}


def texts(entry) -> list[str]:
    """All that a reader reads of an entry."""
    chain = [text for follow_up in entry["follow_ups"] for text in follow_up.values()]
    lists = [*entry["skeleton"], *entry["replies"].values(), *chain]
    return [entry["question"], entry["listens_for"], entry["answer"], *lists]


def faults(entry) -> list[str]:
    """What is wrong with an entry of the right form."""
    found = []
    for test in entry["tests"]:
        file, _, name = test.partition("::")
        name, _, case = name.partition("[")
        known = functions(file) if (ROOT / file).exists() else {}
        if name not in known or (case and case.removesuffix("]") not in known[name]):
            found.append(f"no such test: {test}")
    if not entry["tests"]:
        found.append("names no test")
    for part, bounds in LENGTHS.items():
        value = entry[part]
        for text in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            found += wrong_length(part, text, bounds)
    for follow_up in entry["follow_ups"]:
        for part, bounds in FOLLOW_UPS.items():
            found += wrong_length(f"follow-up's {part}", follow_up[part], bounds)
    for text in texts(entry):
        found += [f"{word!r} in {text[:40]!r}" for word in FORBIDDEN.findall(text) + HYPHENS.findall(text)]
        if text.count("`") % 2:
            found.append(f"a code span is left open: {text[:40]!r}")
    return found


def wrong_length(part: str, text: str, bounds: tuple[int, int]) -> list[str]:
    count = len(text.split())
    return [] if bounds[0] <= count <= bounds[1] else [f"{part} has {count} words, not {bounds[0]} to {bounds[1]}"]


def test_ids_and_questions_are_unique():
    for part in ("id", "question"):
        assert [value for value, count in Counter(entry[part] for entry in BANK).items() if count > 1] == []


def test_there_are_forty_and_ten_of_each_level():
    levels = Counter(entry["level"] for entry in BANK)
    assert len(BANK) >= 40 and min(levels.values()) >= 10 and len(levels) == 3


def test_every_topic_and_every_misconception_is_asked_about():
    assert {entry["topic"] for entry in BANK} == set(SCHEMA["$defs"]["question"]["properties"]["topic"]["enum"])
    assert {number for entry in BANK for number in entry["misconceptions"]} == misconceptions()


@every_question
def test_every_number_said_stands_in_a_test_that_the_question_names(entry):
    """A number of two digits or more; a red flag, an adequate reply and the question itself may say what they like."""
    run = set().union(*(numbers_run(*test.partition("[")[0].split("::")) for test in entry["tests"]))
    answers = [follow_up["answer"] for follow_up in entry["follow_ups"]]
    texts = [*entry["skeleton"], entry["replies"]["strong"], entry["answer"], *answers]
    said = numbers(" ".join(texts).replace("`", " "))
    assert [number for number in said if digits(number) > 1 and abs(float(number)) not in run] == []


@every_question
def test_what_a_question_names_exists_and_its_texts_keep_to_their_lengths(entry):
    assert faults(entry) == []


def test_every_claim_is_some_questions():
    named = {test for entry in BANK for test in entry["tests"]}
    assert [name for name in functions(CLAIMS) if f"{CLAIMS}::{name}" not in named] == []


BROKEN = {
    "no such test": {"tests": [f"{CLAIMS}::test_nothing"]},
    "no such test: tests/plots": {"tests": ["tests/plots/test_style.py::test_nothing[case]"]},
    "answer has 151 words": {"answer": "word " * 150 + "word."},
    "follow-up's answer has 36": {"follow_ups": [{"question": "Is it so?", "answer": "word " * 36}]},
    "'just' in": {"listens_for": "One word just stands in the way of it."},
    "'-0' in": {"skeleton": ["A logit of -0.160."]},
    "a code span is left open": {"skeleton": ["A logit of `−0.160."]},
}


def test_a_fault_is_noticed():
    for message, change in BROKEN.items():
        assert any(message in fault for fault in faults(BANK[0] | change)), message


# The pages that are written by hand around the bank

PRACTICE = (BOOK / "10_practice.md").read_text(encoding="utf8")
SHEET = (BOOK / "reference" / "question_sheet.md").read_text(encoding="utf8")
NUMBERS = {"thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17}


def test_the_page_says_how_many_questions_there_are():
    said = re.search(
        r"\n(\d+) questions .+?: (\w+) of a first screen, (\w+) for an ML engineer, (\w+) for a senior", PRACTICE
    )
    levels = Counter(entry["level"] for entry in BANK)
    counts = [levels["screen"], levels["ml-engineer"], levels["senior"]]
    for file in ("README.md", "CHANGELOG.md"):
        assert re.findall(r"(\d+) questions", (ROOT / file).read_text(encoding="utf8")) == [said[1]]
    assert int(said[1]) == len(BANK) and [NUMBERS[word] for word in said.groups()[1:]] == counts


def test_both_pages_hold_the_questions_of_every_level():
    levels = SCHEMA["$defs"]["question"]["properties"]["level"]["enum"]
    assert re.findall(r"```\{interview-questions\} (\S+)", PRACTICE) == levels
    assert re.findall(r"```\{question-list\} (\S+)", SHEET) == levels


def plan(text: str) -> list[tuple[str, list[str], list[str]]]:
    """The days of the plan: title, what to answer aloud, and the ids of these questions."""
    rows = re.findall(r"^\| \d\. ([^|]+?) \| [^|]+ \| ([^|]+?) \|$", text, flags=re.M)
    links = [(title, re.findall(r"\[([^]]+)\]\(#([\w-]+)\)", asked) or [(asked, "")]) for title, asked in rows]
    return [(title, [name for name, _ in found], [anchor for _, anchor in found]) for title, found in links]


def test_the_plan_has_seven_days_of_thirty_minutes_and_asks_nothing_twice():
    days = plan(PRACTICE)
    assert len(days) == 7 and "ten minutes to read, fifteen to answer aloud, five with the flashcards" in PRACTICE
    asked = [anchor for _, _, anchors in days for anchor in anchors if anchor]
    assert len(asked) == len(set(asked)) == 30
    minutes = {entry["id"]: entry["minutes"] for entry in BANK}
    assert all(sum(minutes[anchor] for anchor in anchors if anchor) <= 15 for _, _, anchors in days)


def test_the_sheet_has_the_plan_of_the_page_and_the_answer_of_chapter_7():
    days = [
        f"- **Day {n}. {title}:** {'; '.join(names)}" for n, (title, names, _) in enumerate(plan(PRACTICE), start=1)
    ]
    assert re.findall(r"^- \*\*Day.+$", SHEET, flags=re.M) == days
    chapter = json.loads((BOOK / "07_interview.ipynb").read_text(encoding="utf8"))["cells"]
    [answer] = ["".join(cell["source"]) for cell in chapter if cell["id"] == "thirty"]
    sentences = re.findall(r"^\d\. .+$", answer, flags=re.M)
    assert len(sentences) == 5 and re.findall(r"^\d\. .+$", SHEET, flags=re.M) == sentences
