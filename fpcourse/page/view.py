"""View: what one frame shows, with its caption, its alt text and its numbers; failed: the view of an error."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class View:
    """What one frame shows.

    Args:
        content: a matplotlib Figure, anything with ``_repr_html_`` (a Table, a Listing), or a sequence of them.
        caption: what to see in it, a sentence or two.
        alt: what the figure shows, for a reader who does not see it.
        values: the numbers shown, by name: numbers, words, or lists of them; tensors are converted.

    Raises:
        TypeError: content of another kind, or values that are neither numbers nor words.
        ValueError: an empty caption or alt text.

    Example:
        >>> from fpcourse import ClinicalMLP, View, patients, trace
        >>> calls = trace(ClinicalMLP(), patients(16).X)
        >>> View(calls.table(), "One forward pass.", "A table: a row a call, with its shapes.", {"calls": len(calls)})
        One forward pass.
          calls: 8
    """

    content: Any
    caption: str
    alt: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.values, Mapping):
            raise TypeError(f"values must be a dictionary of numbers by name; got {type(self.values).__name__}")
        for part in self.parts:
            if not isinstance(part, Figure) and not hasattr(part, "_repr_html_"):
                raise TypeError(f"a view shows matplotlib figures, tables and listings; got {type(part).__name__}")
        for name in ("caption", "alt"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"a view needs {name}=..., a sentence for the reader; got {text!r}")
        object.__setattr__(self, "values", {name: _plain(name, value) for name, value in self.values.items()})

    @property
    def parts(self) -> tuple[Any, ...]:
        return tuple(self.content) if isinstance(self.content, (tuple, list)) else (self.content,)

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(part for part in self.parts if isinstance(part, Figure))

    def __repr__(self) -> str:
        return "\n".join([self.caption, *(f"  {name}: {_text(value)}" for name, value in self.values.items())])


@dataclass(frozen=True)
class ErrorText:
    """An exception as content: its type, its own words and its notes.

    Example:
        >>> from fpcourse import ErrorText
        >>> print(ErrorText("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (16x20 and 64x32)"))
        RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x20 and 64x32)
    """

    type: str
    message: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.type}: {self.message}", *self.notes])

    def _repr_html_(self) -> str:
        return (
            '<div class="fp-error" role="group" aria-label="Error">'
            f"<p><strong>torch raises {escape(self.type)}</strong></p>"
            f'<pre tabindex="0" role="group" aria-label="Error text">{escape(self.message)}</pre>'
            + "".join(f"<p>{escape(note)}</p>" for note in self.notes)
            + "</div>"
        )


def failed(error: BaseException, content: Any = (), caption: str | None = None, values: Mapping | None = None) -> View:
    """The view of an error that is the lesson: its own text, marked as an error, above ``content``.

    ``caption`` says what the reader should take from it; by default it names the error.

    Example:
        >>> from fpcourse import failed
        >>> failed(RuntimeError("mat1 and mat2 shapes cannot be multiplied (16x20 and 64x32)"))
        This combination raises RuntimeError.
          error: RuntimeError
    """
    text = ErrorText(type(error).__name__, str(error), tuple(getattr(error, "__notes__", ())))
    parts = tuple(content) if isinstance(content, (tuple, list)) else (content,)
    caption = caption or f"This combination raises {text.type}."
    return View((text, *parts), caption, alt=str(text), values={"error": text.type, **(values or {})})


def close(view: View) -> None:
    """Release the view's figures, should pyplot hold them; else each would be shown once more, or pile up."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    for figure in view.figures if pyplot else ():
        pyplot.close(figure)


def _plain(name: str, value: Any) -> Any:
    """A value as JSON has it, floats at six significant digits."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    raise TypeError(f"values[{name!r}] must hold numbers or words; got {type(value).__name__}")


def _text(value: Any) -> str:
    """A value as text with three significant digits: what every CPU agrees on."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
