"""show and explore: how a figure, or one with controls, reaches the page, with and without a kernel.

Under a kernel a figure is a PNG, and controls are core ipywidgets that call ``draw`` again. In the build of the book
(``FPCOURSE_STATIC=1``, set by the book's own Sphinx extension) a figure is inline SVG that follows the page's theme;
of one with controls every combination is drawn and shipped in the page. Both carry the same numbers as text, since
neither a reader who does not see the picture nor a test can read them off the pixels.
"""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from fpcourse.page.explorable import Explorable, Try
from fpcourse.page.markup import display_bundle, figure_html, part_bundle
from fpcourse.page.view import View, close

_COUNTER = itertools.count(1)


def show(content: Any, *, caption: str, alt: str, values: Mapping[str, Any] | None = None) -> None:
    """Put one figure or table on the page. The arguments and the errors are those of ``View``.

    Example:
        >>> from fpcourse import ClinicalMLP, patients, show, trace
        >>> calls = trace(ClinicalMLP(), patients(16).X)
        >>> show(calls.table(), caption="The calls of one forward pass.", alt="A table: a row a call, with its shapes.")
    """
    view = View(content, caption, alt, values or {})
    try:
        if static_build():
            display_bundle({"text/html": figure_html(view, f"fp-figure-{next(_COUNTER)}"), "text/plain": repr(view)})
        else:
            for number, part in enumerate(view.parts):
                display_bundle({**part_bundle(part), "text/plain": caption if number else repr(view)})
            display_bundle({"text/html": f"<p><em>{escape(caption)}</em></p>", "text/plain": caption})
    finally:
        close(view)


def explore(
    draw: Callable[..., View],
    controls: Mapping[str, Sequence[Any]],
    start: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    play: str | None = None,
    tries: Sequence[Try] = (),
) -> None:
    """Show ``draw(**values)`` with a control for each of its parameters.

    Args:
        draw: gives a ``View`` for one value of each control. It runs from the same seed of
            torch's CPU generator, whatever was drawn before, and that generator's state is put back.
        controls: the values of each control, by parameter name. Numbers make a slider, words and booleans a
            choice. At most 128 combinations.
        start: the values shown first; a control not named starts at its first value.
        labels: what the reader sees instead of a parameter's name, or of a word among the values.
        play: a control to step and play through.
        tries: questions below the figure.

    Raises:
        ValueError: no control, an empty or repeated list of values, a value outside its list, an unknown name,
            too many combinations.
        TypeError: ``draw`` does not take these parameters, gives no ``View``, or a value is neither a number, a
            word nor a boolean.
        Exception: whatever ``draw`` raises, with a note that names the combination.

    Example:
        >>> from fpcourse import View, explore, mlp, patients, trace
        >>> def shapes(batch_size):
        ...     calls = trace(mlp([20, 64, 1]), patients(batch_size).X)
        ...     return View(calls.table(), "Only the batch axis grows.", "A table: a row a call, with its shapes.")
        >>> explore(shapes, {"batch_size": [2, 16, 128]})
    """
    explorable = Explorable.checked(draw, controls, start or {}, labels or {}, play, tuple(tries))
    if static_build():
        from fpcourse.page import built as life
    else:
        from fpcourse.page import live as life
    life.present(explorable)


def static_build() -> bool:
    """Whether this runs in the build of the book, where there will be no kernel."""
    return os.environ.get("FPCOURSE_STATIC") == "1"
