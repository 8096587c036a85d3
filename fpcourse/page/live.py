"""An explorable under a kernel: core ipywidgets that call ``draw`` again at each change."""

import itertools
from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as widgets

from fpcourse.page.explorable import Control, Explorable, Try
from fpcourse.page.markup import asset, display_bundle, fallback_picture, figure_html
from fpcourse.page.view import View, close

_COUNTER = itertools.count(1)
COVERED = "The figure is covered until you have guessed or skipped the question below."
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def present(explorable: Explorable) -> None:
    """Show the explorable, with a picture of the start frame for where no widget is shown."""
    start = explorable.view(explorable.start)
    display_widget(Panel(explorable).box, start)
    close(start)


def display_widget(widget: widgets.Widget, start: View) -> None:
    """Show a widget; beside it stands a picture of its start."""
    # As ipywidgets writes it, whose own function for this came with version 8.
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display_bundle({WIDGET_VIEW: view, **fallback_picture(start), "text/plain": repr(start)})


def display_html(html: str, start: View) -> None:
    """Show HTML whose scripts run; a notebook's file holds only the picture of its start."""
    output = {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}}
    display_widget(widgets.Output(outputs=(output,)), start)  # an HTML widget would run no script


class Panel:
    """The widgets of one explorable, wired to one another; ``box`` holds them all."""

    def __init__(self, explorable: Explorable):
        self.explorable = explorable
        self.identifier = f"fp-live-{next(_COUNTER)}"
        self.picture = widgets.HTML()
        self.cover = widgets.HTML(f"<p><b>{COVERED}</b></p>", layout={"display": "none"})
        self.controls = [_control(control) for control in explorable.controls]
        for control in self.controls:
            control.observe(self.redraw, names="index")
        self.guess_rows: list[widgets.HBox] = []
        self.answers: list[widgets.HTML] = []
        tries = [self._try(attempt) for attempt in explorable.tries]
        reset = _button("Reset", self.reset)
        style = widgets.HTML(f"<style>{asset('views.css')}</style>")
        self.steps = self._play()
        row = widgets.HBox([*self.steps, reset])
        self.box = widgets.VBox([style, *self.controls, row, self.picture, self.cover, *tries])
        self.move(explorable.start)

    def move(self, positions: Sequence[int]) -> None:
        """Set all controls, then draw once."""
        for control in self.controls:
            control.unobserve(self.redraw, names="index")
        for control, at in zip(self.controls, positions, strict=True):
            control.index = at
        for control in self.controls:
            control.observe(self.redraw, names="index")
        self.redraw()

    def redraw(self, change: dict | None = None) -> None:
        """Draw the combination that the controls are at."""
        self.picture.value = _frame_html(self.explorable, [c.index for c in self.controls], self.identifier)

    def reset(self) -> None:
        """Back to the start frame, uncovered, with no answer on view."""
        self.stop()
        self.uncover()
        for answer in self.answers:
            answer.layout.display = "none"
        self.move(self.explorable.start)

    def stop(self) -> None:
        """Stop playing."""
        for widget in self.steps:
            if isinstance(widget, widgets.Play):
                widget.playing = False

    def uncover(self) -> None:
        """Show the figure, free the controls and close the question that covered it."""
        self.picture.layout.visibility = "visible"
        self._disable(False)
        for hidden in (self.cover, *self.guess_rows):
            hidden.layout.display = "none"

    def _disable(self, disabled: bool) -> None:
        for widget in (*self.controls, *self.steps):
            widget.disabled = disabled

    def _play(self) -> list[widgets.Widget]:
        if self.explorable.play is None:
            return []
        names = [control.name for control in self.explorable.controls]
        control = self.controls[names.index(self.explorable.play)]
        last = len(control.options) - 1
        player = widgets.Play(min=0, max=last, value=control.index, interval=1200)
        widgets.link((player, "value"), (control, "index"))

        def step(by: int) -> None:
            player.value = min(max(player.value + by, 0), last)

        return [_button("Step back", lambda: step(-1)), _button("Step forward", lambda: step(1)), player]

    def _try(self, attempt: Try) -> widgets.VBox:
        """The question; the figure is covered from the moment its state is set until a guess or a skip."""
        positions = self.explorable.positions(attempt.state)
        question = widgets.HTML(f"<p>{escape(attempt.question)}</p>")
        answer = widgets.HTML(f"<p>{escape(attempt.answer)}</p>", layout={"display": "none"})

        def ask() -> None:
            self.stop()
            self.uncover()
            answer.layout.display = "none"
            self.picture.layout.visibility = "hidden"
            self.cover.layout.display = row.layout.display = ""
            self.move(positions)
            self._disable(True)  # the answer is about this state

        def reveal() -> None:
            self.uncover()
            answer.layout.display = ""

        row = widgets.HBox(
            [_button(text, reveal) for text in (*attempt.guesses, "Skip")],
            layout={"display": "none", "flex_flow": "row wrap"},
        )
        self.guess_rows.append(row)
        self.answers.append(answer)
        begin = _button(f"Try this: {self.explorable.changes(positions)}", ask)
        return widgets.VBox([begin, question, row, answer])


def _button(text: str, action: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=text, layout={"width": "auto", "align_self": "flex-start"})
    button.on_click(lambda _: action())
    return button


def _frame_html(explorable: Explorable, positions: list[int], identifier: str) -> str:
    """The frame, or the error that ``draw`` raised in its own words: a reader's change must not end silently."""
    try:
        view = explorable.view(positions)
    except Exception as error:
        text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        return f'<pre class="fp-error">{escape(text)}</pre>'
    try:
        return figure_html(view, identifier)
    finally:
        close(view)


def _control(control: Control) -> widgets.SelectionSlider | widgets.ToggleButtons:
    kind = widgets.SelectionSlider if control.is_slider else widgets.ToggleButtons
    return kind(
        options=[(words, at) for at, words in enumerate(control.words)],
        index=control.start,
        description=control.label,
        style={"description_width": "initial"},
        # At the widgets' own width of 300 px a long label leaves no room for the track.
        layout={"width": "36em", "max_width": "100%"} if control.is_slider else {},
    )
