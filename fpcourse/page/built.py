"""An explorable in a built page: all frames drawn beforehand, unpacked and swapped by ``assets/explorables.js``."""

import json
import re
from html import escape
from itertools import chain, count
from typing import Any

from fpcourse.page.explorable import Control, Explorable, Try
from fpcourse.page.markup import compressed, display_bundle, frame_data, values_script
from fpcourse.page.view import View, close

_TAKEN: set[str] = set()


def present(explorable: Explorable) -> None:
    """Put the explorable on the page."""
    name = re.sub("[^a-z0-9]+", "-", explorable.draw.__name__.lower()).strip("-")
    names = chain([f"explore-{name}"], (f"explore-{name}-{number}" for number in count(2)))
    identifier = next(name for name in names if name not in _TAKEN)
    _TAKEN.add(identifier)
    start = explorable.view(explorable.start)
    close(start)
    display_bundle({"text/html": page_html(explorable, identifier), "text/plain": repr(start)})


def page_html(explorable: Explorable, identifier: str) -> str:
    """The explorable as one element: the start frame as it stands, then everything else to move it."""
    frames = {positions: _frame(explorable.view(positions), identifier) for positions in explorable.all_positions()}
    start = frames[explorable.start]
    config = {
        "controls": [{"name": c.name, "texts": c.texts, "start": c.start} for c in explorable.controls],
        "play": explorable.play,
    }
    return (
        f'<div class="fp-explore" id="{identifier}" role="group" '
        f'aria-label="Interactive figure: {escape(explorable.title)}" '
        f"data-config='{escape(json.dumps(config))}'>"
        f'<form class="fp-controls" autocomplete="off" hidden>'
        + "".join(_control_html(control, identifier) for control in explorable.controls)
        + _buttons_html(explorable)
        + "</form>"
        f'<div class="fp-stage"><figure class="fp-view"><div class="fp-frame">{start["html"]}</div>'
        f'<figcaption aria-live="polite">{escape(start["caption"])}</figcaption>'
        f"{values_script(start['values'])}</figure>"
        '<div class="fp-card" role="group" aria-label="Question" tabindex="-1" hidden></div></div>'
        + "".join(_try_html(explorable, attempt, identifier) for attempt in explorable.tries)
        + f'<script type="text/plain" class="fp-packed" id="{identifier}-packed">'
        f"{packed(list(frames.values()))}</script></div>"
    )


def packed(frames: list[dict[str, Any]]) -> str:
    """The frames for the page's script.

    Most of a frame's tags stand in many frames: each distinct tag is written once and named by its number.
    """
    numbers: dict[str, int] = {}
    coded = []
    for frame in frames:
        pieces = re.split(r"(?<=>)(?=<)", frame["html"])
        coded.append([numbers.setdefault(piece, len(numbers)) for piece in pieces])
    return compressed(
        {
            "pieces": list(numbers),
            "frames": coded,
            "captions": [frame["caption"] for frame in frames],
            "values": [frame["values"] for frame in frames],
        }
    )


def _frame(view: View, identifier: str) -> dict[str, Any]:
    try:
        return frame_data(view, identifier)
    finally:
        close(view)


def _control_html(control: Control, identifier: str) -> str:
    if control.is_slider:
        slider = f"{identifier}--{control.name}"
        text = escape(control.texts[control.start])
        return (
            f'<div class="fp-control"><label for="{slider}">{escape(control.label)}</label>'
            f'<input type="range" id="{slider}" name="{control.name}" min="0" max="{len(control.values) - 1}" '
            f'step="1" value="{control.start}" aria-valuetext="{text}">'
            f'<output for="{slider}" aria-live="off">{text}</output></div>'
        )
    choices = "".join(
        f'<label><input type="radio" name="{identifier}-{control.name}" value="{at}"'
        f"{' checked' if at == control.start else ''}>{escape(words)}</label>"
        for at, words in enumerate(control.words)
    )
    return (
        f'<fieldset class="fp-control" data-name="{control.name}"><legend>{escape(control.label)}</legend>'
        f"{choices}</fieldset>"
    )


def _buttons_html(explorable: Explorable) -> str:
    steps = {"back": "Step back", "play": "Play", "forward": "Step forward"} if explorable.play else {}
    menu = {"copy": "Copy link to this view", "reset": "Reset"}
    if explorable.play:
        menu["speed"] = "Play more slowly"
    return (
        f'<div class="fp-buttons"><span role="status"></span>{_buttons(steps)}'
        f'<details class="fp-menu"><summary>More</summary><div>{_buttons(menu)}</div></details></div>'
    )


def _buttons(names: dict[str, str]) -> str:
    return "".join(f'<button type="button" data-do="{do}">{text}</button>' for do, text in names.items())


def _try_html(explorable: Explorable, attempt: Try, identifier: str) -> str:
    positions = explorable.positions(attempt.state)
    guesses = "".join(f'<button type="button">{escape(guess)}</button>' for guess in attempt.guesses)
    return (
        f'<div class="fp-try" data-state="{json.dumps(positions, separators=(",", ":"))}">'
        f'<p><a class="fp-try-link" href="#{identifier}">Try this: {escape(explorable.changes(positions))}.</a> '
        f'<span class="fp-question">{escape(attempt.question)}</span></p>'
        f'<div class="fp-guesses" hidden>{guesses}<button type="button" data-skip>Skip</button></div>'
        f'<p class="fp-answer">{escape(attempt.answer)}</p></div>'
    )
