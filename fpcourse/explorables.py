"""explore: how a figure of some controls reaches the page, with and without a kernel.

Under a kernel the controls are core ipywidgets that call ``draw`` again. In the build of the book every
combination is drawn, and the frames are shipped in the page. Both show the same HTML.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fpcourse.controls import Explorable, Try
from fpcourse.views import View, static_build


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
        labels: what the reader sees instead of a parameter's name.
        play: a control to step and play through.
        tries: questions below the figure.

    Raises:
        ValueError: no control, an empty or repeated list of values, a value outside its list, an unknown name,
            too many combinations.
        TypeError: ``draw`` does not take these parameters, gives no ``View``, or a value is neither a number, a
            word nor a boolean.
        Exception: whatever ``draw`` raises, with a note that names the combination.
    """
    explorable = Explorable.checked(draw, controls, start or {}, labels or {}, play, tuple(tries))
    if static_build():
        from fpcourse import explorable_page as life
    else:
        from fpcourse import explorable_live as life
    life.present(explorable)
