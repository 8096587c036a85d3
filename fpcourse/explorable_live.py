"""An explorable under a kernel: core ipywidgets that call ``draw`` again at each change."""

import itertools
from html import escape
from importlib.resources import files

import ipywidgets as widgets

from fpcourse import views
from fpcourse.explorables import Control, Explorable, Try
from fpcourse.views import close, fallback_picture, page_html

_COUNTER = itertools.count(1)


def present(explorable: Explorable) -> None:
    """Show the explorable; beside the widget stands a picture of the start frame, for where no widget is shown."""
    start = explorable.view(explorable.start)
    box = build(explorable)
    bundle = box._repr_mimebundle_()
    views._display({**bundle, **fallback_picture(start), "text/plain": repr(start)})
    close(start)


def build(explorable: Explorable) -> widgets.VBox:
    """The controls, the figure and the questions, wired to one another."""
    style = files("fpcourse").joinpath("assets", "views.css").read_text(encoding="utf8")
    picture = widgets.HTML()
    identifier = f"fp-live-{next(_COUNTER)}"
    controls = [_control(control) for control in explorable.controls]

    def redraw(change=None) -> None:
        picture.value = _frame_html(explorable, [control.index for control in controls], identifier)

    def reset(button=None) -> None:
        _set(controls, explorable.start, redraw)

    for control in controls:
        control.observe(redraw, names="index")
    redraw()
    button = widgets.Button(description="Reset")
    button.on_click(reset)
    row = [*_play(explorable, controls), button]
    tries = [_try(explorable, attempt, controls, picture, redraw) for attempt in explorable.tries]
    return widgets.VBox([widgets.HTML(f"<style>{style}</style>"), *controls, widgets.HBox(row), picture, *tries])


def _frame_html(explorable: Explorable, positions: list[int], identifier: str) -> str:
    """The frame, or the error that ``draw`` raised in its own words: a reader's change must not end silently."""
    try:
        view = explorable.view(positions)
    except Exception as error:
        text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        return f'<pre class="fp-error">{escape(text)}</pre>'
    try:
        return page_html(view, identifier)
    finally:
        close(view)


def _control(control: Control) -> widgets.SelectionSlider | widgets.ToggleButtons:
    kind = widgets.SelectionSlider if control.is_slider else widgets.ToggleButtons
    return kind(
        options=[(text, at) for at, text in enumerate(control.texts)],
        index=control.start,
        description=control.label,
        style={"description_width": "initial"},
    )


def _set(controls: list, positions: tuple[int, ...], redraw) -> None:
    """Move all controls, then draw once."""
    for control in controls:
        control.unobserve(redraw, names="index")
    for control, at in zip(controls, positions, strict=True):
        control.index = at
    for control in controls:
        control.observe(redraw, names="index")
    redraw()


def _play(explorable: Explorable, controls: list) -> list[widgets.Widget]:
    if explorable.play is None:
        return []
    at = next(i for i, control in enumerate(explorable.controls) if control.name == explorable.play)
    last = len(explorable.controls[at].values) - 1
    player = widgets.Play(min=0, max=last, value=controls[at].index, interval=1200)
    widgets.link((player, "value"), (controls[at], "index"))
    buttons = []
    for text, by in (("Step back", -1), ("Step forward", 1)):
        button = widgets.Button(description=text)
        button.on_click(lambda _, by=by: player.set_trait("value", min(max(player.value + by, 0), last)))
        buttons.append(button)
    return [*buttons, player]


def _try(explorable: Explorable, attempt: Try, controls: list, picture: widgets.HTML, redraw) -> widgets.VBox:
    """The question; the figure is hidden from the moment its state is set until a guess or a skip."""
    begin = widgets.Button(description="Try this")
    question = widgets.HTML(f"<p>{escape(attempt.question)}</p>")
    guesses = [widgets.Button(description=text) for text in (*attempt.guesses, "Skip")]
    row = widgets.HBox(guesses, layout={"display": "none"})
    answer = widgets.HTML(f"<p>{escape(attempt.answer)}</p>", layout={"display": "none"})

    def ask(button) -> None:
        picture.layout.visibility = "hidden"
        answer.layout.display = "none"
        row.layout.display = ""
        _set(controls, explorable.positions(attempt.state), redraw)

    def reveal(button) -> None:
        picture.layout.visibility = "visible"
        row.layout.display = "none"
        answer.layout.display = ""

    begin.on_click(ask)
    for guess in guesses:
        guess.on_click(reveal)
    return widgets.VBox([widgets.HBox([begin, question]), row, answer])
