"""Explorable: a ``draw`` function, its controls and its questions, found consistent.

What ``built`` and ``live`` have in common; readers call ``explore``.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fpcourse.page.view import View

MOST_COMBINATIONS = 128


@dataclass(frozen=True)
class Try:
    """A "Try this" below an explorable: a state to set, a question, guesses, and what the run shows.

    Args:
        state: controls to set, by name; the others go to their start.
        question: asked while the result is covered.
        guesses: two or more answers to choose from.
        answer: shown once the reader has guessed or skipped.

    Example:
        >>> from fpcourse import Try
        >>> question = Try({"batch_size": 128}, "Are there more parameters?", ["yes", "no"], "No: as many as before.")
        >>> question.state, question.guesses
        ({'batch_size': 128}, ['yes', 'no'])
    """

    state: Mapping[str, Any]
    question: str
    guesses: Sequence[str]
    answer: str


@dataclass(frozen=True)
class Control:
    """One parameter of an explorable and the values it can take."""

    name: str
    label: str
    values: tuple[Any, ...]
    start: int
    labels: Mapping[str, str] = field(default_factory=dict)  # of values, by their texts

    @property
    def is_slider(self) -> bool:
        return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in self.values)

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as they stand in the page's address."""
        return tuple(map(_value_text, self.values))

    @property
    def words(self) -> tuple[str, ...]:
        """The values as the reader sees them."""
        return tuple(self.labels.get(text, text) for text in self.texts)


@dataclass(frozen=True)
class Explorable:
    """A ``draw`` function and its controls, found consistent."""

    draw: Callable[..., View]
    controls: tuple[Control, ...]
    play: str | None = None
    tries: tuple[Try, ...] = ()

    @classmethod
    def checked(cls, draw, controls, start, labels, play, tries) -> "Explorable":
        """The explorable of these arguments of ``explore``; its errors are listed there."""
        if not controls:
            raise ValueError("explore needs at least one control, e.g. {'batch_size': [2, 16, 128]}")
        if not hasattr(draw, "__name__"):
            raise TypeError(f"draw must be a function with a name, written with def; got {type(draw).__name__}")
        for what, names in (("start", start), ("play", [play] if play else [])):
            for name in names:
                if name not in controls:
                    raise ValueError(f"{what} names {name!r}, which is not a control; controls: {', '.join(controls)}")
        try:
            inspect.signature(draw).bind(**dict.fromkeys(controls))
        except TypeError as error:
            raise TypeError(
                f"the parameters of {draw.__name__}{inspect.signature(draw)} "
                f"do not match the controls ({', '.join(controls)}): {error}"
            ) from None
        checked_values = {name: _checked_values(name, values) for name, values in controls.items()}
        checked_controls = tuple(
            Control(
                name,
                labels.get(name, name.replace("_", " ")),
                values,
                _position(name, values, start.get(name, values[0]), "start"),
                {text: labels[text] for text in map(_value_text, values) if text in labels},
            )
            for name, values in checked_values.items()
        )
        choices = {text for control in checked_controls if not control.is_slider for text in control.texts}
        for name in labels:
            if name not in controls and name not in choices:
                raise ValueError(
                    f"labels names {name!r}, which is neither a control nor a word among the values; "
                    f"controls: {', '.join(controls)}"
                )
        _check_count(checked_controls)
        explorable = cls(draw, checked_controls, play, tries)
        for number, attempt in enumerate(tries, start=1):
            explorable._check_try(number, attempt)
        return explorable

    def _check_try(self, number: int, attempt: Try) -> None:
        values = {control.name: control.values for control in self.controls}
        for name, value in attempt.state.items():
            if name not in values:
                raise ValueError(f"try {number} sets {name!r}, which is not a control; controls: {', '.join(values)}")
            _position(name, values[name], value, f"try {number}")
        if len(attempt.guesses) < 2:
            raise ValueError(f"try {number} needs two or more guesses; got {list(attempt.guesses)}")

    @property
    def title(self) -> str:
        """What the reader hears it called: "shape bench" for ``shape_bench``."""
        return self.draw.__name__.strip("_<>").replace("_", " ")

    @property
    def start(self) -> tuple[int, ...]:
        return tuple(control.start for control in self.controls)

    def positions(self, state: Mapping[str, Any]) -> tuple[int, ...]:
        """For each control the index of its value in ``state``, or of its start."""
        return tuple(
            _position(control.name, control.values, state[control.name], "the state")
            if control.name in state
            else control.start
            for control in self.controls
        )

    def changes(self, positions: Sequence[int]) -> str:
        """How a combination differs from the start, for the reader: "batch size 2, mode train"."""
        chosen = zip(self.controls, positions, strict=True)
        return ", ".join(f"{c.label} {c.words[at]}" for c, at in chosen if at != c.start) or "the start"

    def all_positions(self) -> Iterator[tuple[int, ...]]:
        """Every combination, the last control changing fastest."""
        return itertools.product(*(range(len(control.values)) for control in self.controls))

    def view(self, positions: Sequence[int]) -> View:
        """What ``draw`` gives for one combination."""
        values = {control.name: control.values[at] for control, at in zip(self.controls, positions, strict=True)}
        where = ", ".join(f"{name}={value!r}" for name, value in values.items())
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)  # torch.manual_seed would seed the GPUs too
                view = self.draw(**values)
        except Exception as error:
            error.add_note(f"raised by {self.draw.__name__}({where})")
            raise
        if not isinstance(view, View):
            raise TypeError(f"{self.draw.__name__}({where}) must return a View; got {type(view).__name__}")
        return view


def _checked_values(name: str, values: Any) -> tuple[Any, ...]:
    if hasattr(values, "tolist"):  # an array, a tensor
        values = values.tolist()
    if not isinstance(values, (list, tuple, range)):
        raise TypeError(f"control {name!r} takes a list, a range or an array of values; got {type(values).__name__}")
    if not values:
        raise ValueError(f"control {name!r} has no values")
    values = tuple(map(_as_python, values))
    for value in values:
        if not isinstance(value, (bool, int, float, str)):
            raise TypeError(f"control {name!r}: values are numbers, words or booleans; got {type(value).__name__}")
    texts = [_value_text(value) for value in values]
    for text in texts:
        if texts.count(text) > 1:
            raise ValueError(f"control {name!r} holds {text} twice")
    return values


def _as_python(value: Any) -> Any:
    """A number of NumPy's or torch's as Python's."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def _check_count(controls: Sequence[Control]) -> None:
    count = math.prod(len(control.values) for control in controls)
    if count > MOST_COMBINATIONS:
        longest = max(controls, key=lambda control: len(control.values))
        raise ValueError(
            f"{count} combinations, at most {MOST_COMBINATIONS}: "
            f"give {longest.name!r} fewer than its {len(longest.values)} values"
        )


def _position(name: str, values: Sequence[Any], value: Any, what: str) -> int:
    value = _as_python(value)
    for at, known in enumerate(values):
        if known == value and isinstance(known, bool) == isinstance(value, bool):  # True == 1
            return at
    raise ValueError(f"{what} sets {name!r} to {value!r}, which is not one of {list(values)}")


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
