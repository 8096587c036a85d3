"""Forms in which a page without Python asks for an exercise: gaps to fill, lines to put in order, a table to fill in.

Each form is the code of an answer with choices in it, and each choice of a reader has a key, ``"021"``. Every key is an
answer that the checker can run, so its verdict can be shown where nothing runs.
"""

import linecache
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from textwrap import dedent, indent

import torch
from torch import nn
from torch.nn import functional as F

GAP = re.compile(r"⟦(=?)\s*(.*?)\s*⟧", re.DOTALL)
IMPORTED = {"torch": torch, "nn": nn, "F": F, "math": math}  # what an answer may use


@dataclass(frozen=True)
class Gap:
    """A place to fill; the first of its choices is the solution's. A typed gap takes text in place of a choice."""

    choices: tuple[str, ...]
    typed: bool


@dataclass(frozen=True)
class Gaps:
    """``code`` with gaps, ``⟦right | wrong | wrong⟧``, or ``⟦= right | wrong⟧`` for one that is typed.

    A key has the number of the choice in each gap; ``also_right`` are the keys that pass beside the solution's.
    """

    code: str
    also_right: tuple[str, ...] = ()

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        found = GAP.findall(self.code)
        return tuple(Gap(tuple(re.split(r"\s+\|\s+", choices)), typed == "=") for typed, choices in found)

    def pieces(self) -> list[str]:
        """The code around the gaps."""
        return GAP.split(dedent(self.code).strip())[::3]

    def every_key(self) -> Iterator[str]:
        return map("".join, product(*(map(str, range(len(gap.choices))) for gap in self.gaps)))

    @property
    def right(self) -> set[str]:
        return {"0" * len(self.gaps), *self.also_right}

    def source(self, key: str) -> str:
        """The answer of this key, as code."""
        first, *rest = self.pieces()
        chosen = (gap.choices[int(number)] for gap, number in zip(self.gaps, key, strict=True))
        return first + "".join(text + piece for text, piece in zip(chosen, rest, strict=True))


@dataclass(frozen=True)
class Rows(Gaps):
    """A table: each row is a gap, ``name: ⟦right | wrong⟧`` by the arguments; the page asks for it at ``sizes``."""

    sizes: tuple[tuple[str, int], ...] = ()

    @property
    def names(self) -> list[str]:
        return re.findall(r'"(.+?)": $', "\n".join(self.pieces()), re.MULTILINE)

    def every_key(self) -> Iterator[str]:
        """The solution's, and those of one wrong row: a page judges each row for itself."""
        right = "0" * len(self.gaps)
        yield right
        for row, gap in enumerate(self.gaps):
            yield from (f"{right[:row]}{number}{right[row + 1 :]}" for number in range(1, len(gap.choices)))

    def answers(self, row: int) -> list[str]:
        """What a reader would type in a row for each of its choices."""
        return [str(eval(choice, {}, dict(self.sizes))) for choice in self.gaps[row].choices]


@dataclass(frozen=True)
class Lines:
    """``lines`` to put in order between the code ``before`` and ``after`` them; they are given in the right order.

    A key has the number of the line in each place; ``also_right`` are the orders that pass beside the one given.
    """

    before: str
    lines: tuple[str, ...]
    after: str
    also_right: tuple[str, ...] = ()

    def every_key(self) -> Iterator[str]:
        return map("".join, permutations(map(str, range(len(self.lines)))))

    @property
    def right(self) -> set[str]:
        return {next(self.every_key()), *self.also_right}

    def source(self, key: str) -> str:
        body = "\n".join(self.lines[int(number)] for number in key)
        return "\n".join((self.before, indent(body, "    "), self.after))


def answer(form: Gaps | Lines, key: str) -> Callable:
    """The function that a reader's choices make."""
    source = form.source(key)
    name = re.search(r"def (\w+)", source)[1]
    file = f"<{name} {key}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file  # a traceback quotes its line
    names = dict(IMPORTED)
    exec(compile(source, file, "exec"), names)
    return names[name]


def data(form: Gaps | Lines, verdicts: dict) -> dict:
    """What a page needs to show a form and its verdicts, which are given by key: each message once."""
    said = {key: (verdict.state, _said(form, verdict), verdict.misconception) for key, verdict in verdicts.items()}
    messages = list(dict.fromkeys(said.values()))
    numbers = {key: messages.index(message) for key, message in said.items()}
    return {**_shape(form), "verdicts": numbers, "messages": messages}


def _said(form: Gaps | Lines, verdict) -> str:
    # The checker draws sizes of its own, which would be none of a table's.
    return verdict.looks_like if isinstance(form, Rows) and verdict.state != "passed" else verdict.message


def _shape(form: Gaps | Lines) -> dict:
    if isinstance(form, Lines):
        return {"form": "lines", "code": [form.before, form.after], "lines": form.lines}
    if isinstance(form, Rows):
        answers = [form.answers(row) for row in range(len(form.gaps))]
        return {"form": "rows", "sizes": dict(form.sizes), "names": form.names, "answers": answers}
    choices = [{"choices": gap.choices, "typed": gap.typed} for gap in form.gaps]
    return {"form": "gaps", "code": form.pieces(), "gaps": choices}
