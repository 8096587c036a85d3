"""plots.modes: dots stand at their values, lamps are lit where the effect is there."""

import pytest
from helpers.figures import EFFECTS, texts_by_row
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from fpcourse import plots
from fpcourse.page.palette import MUTED, OUTPUT

LIMITS = (0.3, 0.7)


def dots_and_line(axes):
    line, dots = axes.lines
    return dots, line


def check_passes(axes, values, reference):
    dots, line = dots_and_line(axes)
    assert dots.get_xydata().tolist() == [[number, value] for number, value in enumerate(values, start=1)]
    assert (dots.get_linestyle(), dots.get_marker(), to_hex(dots.get_color())) == ("None", "o", OUTPUT)
    assert list(line.get_ydata()) == [reference] * 2
    assert (line.get_linestyle(), to_hex(line.get_color())) == ("--", MUTED)
    assert axes.get_ylim() == LIMITS and axes.get_xlim() == (0, len(values) + 1)
    ticks = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    assert [(place, label.get_text()) for place, label in ticks] == [(0.3, "0.3"), (0.5, "0.5"), (0.7, "0.7")]
    assert axes.get_xlabel() == "pass" and axes.get_title(loc="left") == "probability; dashed: eval mode"


@settings(max_examples=15)
@given(st.lists(st.floats(*LIMITS), min_size=1, max_size=60))
def test_a_dot_for_each_pass_and_a_line_for_eval_mode(values):
    (axes,) = plots.repeated_passes(values, reference=0.46, limits=LIMITS).axes
    check_passes(axes, values, 0.46)
    ticks = axes.get_xticks().tolist()
    assert ticks[0] == 1 and ticks[-1] == len(values)


def test_switchboard_shows_the_passes_and_a_lamp_for_each_effect():
    values = [0.45, 0.5] * 10
    passes, lamps = plots.switchboard(values, 0.46, LIMITS, EFFECTS).axes
    check_passes(passes, values, 0.46)
    assert texts_by_row(lamps) == [[words, number] for words, (_, number) in EFFECTS.items()]
    for row, ((words, (lit, number)), lamp) in enumerate(zip(EFFECTS.items(), lamps.lines, strict=True)):
        assert lamp.get_xydata().tolist() == [[0.2, row]]
        assert (lamp.get_markerfacecolor() != "none") == lit
        assert to_hex(lamp.get_color()) == ("#000000" if lit else MUTED)
        weights = [text.get_weight() for text in lamps.texts if text.get_text() in (words, number)]
        assert weights == ["bold" if lit else "normal"] * 2


def test_the_first_effect_is_on_top():
    _, lamps = plots.switchboard([0.5], 0.5, LIMITS, EFFECTS).axes
    bottom, top = lamps.get_ylim()
    assert bottom > top


def test_neither_the_values_nor_the_effects_move_the_axes():
    first = plots.switchboard([0.31], 0.3, LIMITS, EFFECTS)
    second = plots.switchboard([0.69] * 200, 0.7, LIMITS, dict.fromkeys(EFFECTS, (False, "a longer number")))
    assert first.get_layout_engine() is None
    assert [axes.get_position().bounds for axes in first.axes] == [axes.get_position().bounds for axes in second.axes]
    assert (first.get_size_inches() == second.get_size_inches()).all()


@pytest.mark.parametrize(
    ("values", "reference", "message"),
    [
        ([0.5, 0.71], 0.5, r"0\.71 is outside the axis, which runs from 0\.3 to 0\.7"),
        ([0.29], 0.5, r"0\.29 is outside"),
        ([0.5], 0.1, r"0\.1 is outside"),
        ([float("nan")], 0.5, r"nan is outside"),
        ([], 0.5, r"no values to draw"),
    ],
)
def test_what_would_not_be_seen_is_refused(values, reference, message):
    with pytest.raises(ValueError, match=message):
        plots.repeated_passes(values, reference, LIMITS)
    with pytest.raises(ValueError, match=message):
        plots.switchboard(values, reference, LIMITS, EFFECTS)
    with pytest.raises(ValueError, match=r"no effects to draw"):
        plots.switchboard([0.5], 0.5, LIMITS, {})


AUROCS = {"batches of 8": [0.65, 0.7, 0.72], "batches of 32": [0.71, 0.75, 0.7]}


def test_a_column_of_dots_for_each_setting_and_a_line_for_eval_mode():
    (axes,) = plots.evaluations(AUROCS, reference=0.73, limits=(0.6, 0.8)).axes
    *columns, line = axes.lines
    for at, (column, (label, values)) in enumerate(zip(columns, AUROCS.items(), strict=True)):
        assert list(column.get_ydata()) == values and column.get_label() == label
        assert column.get_xdata() == pytest.approx([at - 0.25, at, at + 0.25])
        assert to_hex(column.get_color()) == OUTPUT and column.get_linestyle() == "None"
    assert list(line.get_ydata()) == [0.73] * 2 and line.get_linestyle() == "--"
    assert [label.get_text() for label in axes.get_xticklabels()] == list(AUROCS)
    assert axes.get_ylim() == (0.6, 0.8)


@pytest.mark.parametrize(
    ("values", "reference", "said"),
    [({}, 0.7, "no values"), ({"a": [0.9]}, 0.7, "0.9 is outside"), ({"a": [0.7]}, 0.5, "0.5 is outside")],
)
def test_an_evaluation_that_would_not_be_seen_is_refused(values, reference, said):
    with pytest.raises(ValueError, match=said):
        plots.evaluations(values, reference, limits=(0.6, 0.8))
