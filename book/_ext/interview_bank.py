"""Questions of the interview bank: ``{interview-questions} senior`` in full, ``{question-list} senior`` to tick off.

Everything is in the page without JavaScript; practice.js takes from there what it shows. A question can be linked to by
its id, ``[a question](10_practice.md#batchnorm-in-eval)``. A bank that is not of its schema's form fails the build.
"""

import json
import re
from functools import cache
from pathlib import Path

import jsonschema
import yaml
from docutils import nodes
from mdit_py_plugins.anchors.index import slugify
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

FOLDER = "book/interview"
MISCONCEPTIONS = "book/reference/misconceptions.md"
REPLIES = {"strong": "Strong", "adequate": "Adequate", "red_flag": "Red flag"}


@cache  # once a build: it takes a second
def read(root: Path) -> list[dict]:
    """The entries of the bank.

    Raises:
        ExtensionError: the bank is not of the form that its schema asks for.
    """
    bank = yaml.safe_load((root / FOLDER / "bank.yml").read_text(encoding="utf8"))
    schema = json.loads((root / FOLDER / "bank.schema.json").read_text(encoding="utf8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(bank):
        name = bank[error.path[0]].get("id", f"number {error.path[0] + 1}") if error.path else "the whole bank"
        raise ExtensionError(
            f"{FOLDER}/bank.yml, {name}: {error.message}. Mend the entry: bank.schema.json says what is expected."
        )
    return bank


def headings(root: Path) -> dict[int, tuple[str, str]]:
    """By their numbers, the misconceptions: each sentence and its anchor."""
    matches = re.findall(r"^### ((\d+)\. (.+))$", (root / MISCONCEPTIONS).read_text(encoding="utf8"), flags=re.M)
    return {int(number): (sentence, slugify(whole)) for whole, number, sentence in matches}


def run_link(run: str) -> str:
    """A link to a cell, named by its chapter and its id."""
    notebook, _, cell = run.partition("#")
    chapter = re.match("0([1-7])_", notebook)
    return f"[{f'chapter {chapter[1]}' if chapter else notebook}, `{cell}`](/book/{run})"


class Bank(SphinxDirective):
    required_arguments = 1

    def entries(self) -> list[dict]:
        root = Path(self.env.srcdir)
        for file in (f"{FOLDER}/bank.yml", f"{FOLDER}/bank.schema.json", MISCONCEPTIONS):
            self.env.note_dependency(str(root / file))
        entries = [entry for entry in read(root) if entry["level"] == self.arguments[0]]
        if not entries:
            raise self.error(
                f"no question has the level {self.arguments[0]!r}; {FOLDER}/bank.schema.json lists the levels"
            )
        return entries

    def block(self, text: str) -> list[nodes.Node]:
        return self.parse_text_to_nodes(text)

    def inline(self, text: str) -> nodes.Node:
        [paragraph] = self.block(text)
        return nodes.inline("", "", *paragraph.children)


class Questions(Bank):
    def run(self):
        self.sentences = headings(Path(self.env.srcdir))
        return [self.question(entry) for entry in self.entries()]

    def question(self, entry: dict) -> nodes.Node:
        """A folded question; its id stands outside of the fold, so that a link to it does not give the answer away."""
        data = "".join(f' data-{name}="{entry[name]}"' for name in ("id", "level", "topic"))
        body = [
            self.part("skeleton", "Say, in this order", "\n".join(f"1. {point}" for point in entry["skeleton"])),
            self.part("listens", "The interviewer listens for", entry["listens_for"]),
            self.part("replies", "Three replies", self.replies(entry)),
            self.part("answer", "A model answer", entry["answer"]),
            self.follow_ups(entry),
            self.part("backing", "Backed by", self.backing(entry)),
        ]
        asked = self.inline(entry["question"])
        asked["classes"] = ["bank-asked"]
        about = self.inline(f"{entry['topic']}, {entry['minutes']} min")
        about["classes"] = ["bank-about"]
        fold = [
            raw(f"<details{data}><summary>"),
            asked,
            nodes.Text(" "),
            about,
            raw("</summary>"),
            *body,
            raw("</details>"),
        ]
        return nodes.container("", *fold, classes=["bank-question"], ids=[entry["id"]])

    def part(self, name: str, label: str, text: str) -> nodes.Node:
        return container(name, label, self.block(text))

    def replies(self, entry: dict) -> str:
        return "\n".join(f"- **{label}:** “{entry['replies'][name]}”" for name, label in REPLIES.items())

    def follow_ups(self, entry: dict) -> nodes.Node:
        chain = []
        for follow_up in entry["follow_ups"]:
            question, answer = self.inline(follow_up["question"]), self.block(follow_up["answer"])
            chain += [raw("<details><summary>"), question, raw("</summary>"), *answer, raw("</details>")]
        return container("follow-ups", "Then you are asked", chain)

    def backing(self, entry: dict) -> str:
        lines = ["Runs: " + "; ".join(map(run_link, entry["runs"]))] if entry["runs"] else []
        for number in entry["misconceptions"]:
            if number not in self.sentences:
                raise self.error(
                    f"question {entry['id']!r} names misconception {number}, which {MISCONCEPTIONS} does not have"
                )
            sentence, anchor = self.sentences[number]
            lines.append(f"Misconception {number}: [{sentence}](/{MISCONCEPTIONS}#{anchor})")
        tests = (test.partition("::")[2].removeprefix("test_").replace("_", " ") for test in entry["tests"])
        lines.append(f"Tests: {'; '.join(tests)}")
        return "\n".join(f"- {line}" for line in lines)


class QuestionList(Bank):
    def run(self):
        links = [f"- [{entry['question']}](/book/10_practice.md#{entry['id']})" for entry in self.entries()]
        listed = self.block("\n".join(links))
        listed[0]["classes"].append("bank-list")
        return listed


def raw(html: str) -> nodes.Node:
    return nodes.raw("", html, format="html")


def container(name: str, label: str, body: list[nodes.Node]) -> nodes.Node:
    title = nodes.paragraph("", "", nodes.strong("", label), classes=["bank-label"])
    return nodes.container("", title, *body, classes=[f"bank-{name}"])


class NameQuestions(SphinxTransform):
    default_priority = 870  # before MyST resolves the links within a page

    def apply(self, **kwargs):
        for question in self.document.findall(nodes.container):
            if "bank-question" in question["classes"]:
                [name] = question["ids"]
                slugs = self.document.myst_slugs
                if name in slugs or name in self.document.ids:
                    logging.getLogger(__name__).warning("question %r has the id of a heading", name, location=question)
                slugs[name] = (question.line, name, name)  # as of a heading: line, id, text of a link that has none


def setup(app):
    app.add_directive("interview-questions", Questions)
    app.add_directive("question-list", QuestionList)
    app.add_transform(NameQuestions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
