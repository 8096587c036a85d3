"""plots.neuron: numbers stand in their cells, those at work are lit, lines and areas are what was given."""

import pytest
import torch
from helpers.figures import LINE, SQUARE, STEP, colour, of_kind
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from fpcourse import plots
from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, OUTPUT

CORNERS = {"X": (42, 22), "W": (42, 124), "b": (160, 124), "Z": (210, 22), "A": (300, 22)}


def cell_of(patch):
    """The table, row and column of a rectangle in layer_step, and how many columns it spans."""
    x, y, width, _ = patch.get_bbox().bounds
    for name, (left, top) in CORNERS.items():
        columns = {"X": 3, "W": 3, "b": 1, "Z": 2, "A": 2}[name]
        if left <= x < left + 36 * columns and top <= y < top + 63:
            return name, round((y - top) / 21), round((x - left) / 36), round(width / 36)
    raise AssertionError((x, y))


def lit(axes):
    patches = [patch for patch in of_kind(axes, Rectangle) if patch.get_facecolor()[3] > 0]
    return {(colour(patch), *cell_of(patch)[:3]) for patch in patches}


def outlined(axes):
    patches = [patch for patch in of_kind(axes, Rectangle) if patch.get_linewidth() == 2]
    return {(to_hex(patch.get_edgecolor()), *cell_of(patch)) for patch in patches}


def layer_step(at, sums, **other):
    return plots.layer_step(**{**STEP, **other}, at=at, sums=sums)


def test_a_neuron_shows_each_product_the_sum_and_what_relu_makes_of_it():
    (axes,) = plots.neuron((1.0, 0.0, 2.0), (1.0, -2.0, 0.5), -0.5).axes
    texts = {text.get_text() for text in axes.texts}
    assert {"x0 = 1", "× 1", "x1 = 0", "× (−2)", "0", "x2 = 2", "× 0.5", "1", "b = −0.5", "z = 1.5", "a = 1.5"} <= texts
    lines = axes.lines
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
    assert lines[1].get_linewidth() > lines[0].get_linewidth() > lines[2].get_linewidth()
    assert {"z = −2.5", "a = 0"} <= {text.get_text() for text in plots.neuron((2.0,), (-1.0,), -0.5).axes[0].texts}


@pytest.mark.parametrize(("features", "weights"), [((), ()), ((1.0,), (1.0, 2.0)), ((1.0,) * 4, (1.0,) * 4)])
def test_a_neuron_refuses_what_it_has_no_room_for(features, weights):
    with pytest.raises(ValueError, match="expected one to three features and a weight for each"):
        plots.neuron(features, weights, 0.0)


def test_every_number_stands_in_its_cell():
    (axes,) = layer_step((2, 1, 4), [1, 2, 1, 0]).axes
    places = {text.get_position(): text.get_text() for text in axes.texts}
    for name, table in STEP.items():
        left, top = CORNERS[name]
        for i, row in enumerate(table.reshape(len(table), -1).tolist()):
            for k, number in enumerate(row):
                text = places[left + 36 * k + 18, top + 21 * i + 10.5]
                assert float(text.replace("−", "-")) == pytest.approx(number, abs=5e-4)
    assert {"X  (3, 3)", "W  (2, 3)", "b  (2,)", "Z  (3, 2)", "A  (3, 2)"} <= set(places.values())
    names = [text for text in places.values() if text.startswith(("row", "unit"))]
    assert sorted(names) == ["row 0", "row 1", "row 2"] + ["unit 0"] * 3 + ["unit 1"] * 3
    low, high = axes.get_ylim()
    assert low > high  # row 0 on top


@pytest.mark.parametrize(
    ("part", "lights"),
    [
        (0, {(FEATURES, "X", 1, 0), (FEATURES, "W", 1, 0), (HIDDEN, "Z", 1, 1)}),
        (2, {(FEATURES, "X", 1, 2), (FEATURES, "W", 1, 2), (HIDDEN, "Z", 1, 1)}),
        (3, {(FEATURES, "b", 1, 0), (HIDDEN, "Z", 1, 1)}),
        (4, {(HIDDEN, "Z", 1, 1), (HIDDEN, "A", 1, 1)}),
    ],
)
def test_the_numbers_at_work_are_lit(part, lights):
    (axes,) = layer_step((1, 1, part), [0, -2, -2.5, -3.5][: part + 1]).axes
    assert lit(axes) == lights


def test_the_row_and_the_unit_are_outlined():
    (axes,) = layer_step((2, 0, 0), [0.5]).axes
    assert outlined(axes) == {(BATCH, "X", 2, 0, 3), (HIDDEN, "W", 0, 0, 3)}


def test_the_sum_line_by_line():
    (axes,) = layer_step((0, 1, 4), [1, 3, 3.5, 2.5]).axes
    written = {text.get_position(): text for text in axes.texts}
    lines = [[written[x, 135 + 20 * at].get_text() for x in (210, 312, 372)] for at in range(4)]
    assert lines == [["1 · 1", "1", "1"], ["2 · 1", "2", "3"], ["−1 · (−0.5)", "0.5", "3.5"], ["b[1]", "−1", "2.5"]]
    assert written[210, 115].get_text() == "Z[0, 1]"
    assert [written[x, 219].get_text() for x in (210, 372)] == ["activation: A[0, 1]", "0.924"]


def test_a_number_names_the_cell_it_comes_from():
    (axes,) = layer_step((1, 0, 4), [0, 2, 4, 4.5]).axes
    source = {text.get_text(): text.get_gid().split()[1:] for text in axes.texts if text.get_gid()}
    cells = {text.get_gid(): text.get_text() for text in axes.texts if text.get_gid() and " " not in text.get_gid()}
    lines = {name: cells[from_[0]] for name, from_ in source.items() if "·" in name or name == "b[0]"}
    assert lines == {"0 · 0.5": "0", "−2 · (−1)": "−2", "1 · 2": "1", "b[0]": "0.5"}
    activated = {text.get_text(): text.get_gid() for text in axes.texts if (text.get_gid() or "").startswith("A")}
    assert {number: cells[gid.split()[1]] for number, gid in activated.items()} == {
        "0.047": "−3", "0.924": "2.5", "0.989": "4.5", "0.029": "−3.5", "0.982": "4", "0.5": "0",
    }  # fmt: skip


@pytest.mark.parametrize("part", [0, 1, 3])
def test_what_is_not_computed_yet_is_not_there(part):
    nothing = torch.full((3, 2), torch.nan)
    sums = [0.5, -1.5, -3.5, -3.0][: part + 1]
    begun = nothing.clone()
    begun[0, 0] = sums[-1]
    (axes,) = layer_step((0, 0, part), sums, Z=begun, A=nothing).axes
    texts = {text.get_position(): text for text in axes.texts}
    assert [at for at in range(6) if (210, 135 + 20 * at) in texts] == list(range(part + 1))
    assert texts[210, 135 + 20 * part].get_weight() == "bold"
    assert not any("activation" in text.get_text() or "nan" in text.get_text() for text in axes.texts)
    assert len([1 for x, y in texts if x > 205 and 22 < y < 85]) == 1  # the one cell of Z


@pytest.mark.parametrize(
    ("at", "sums", "message"),
    [
        ((3, 0, 0), [1], "no row, unit and part"),
        ((0, 2, 0), [1], "no row, unit and part"),
        ((0, 0, 5), [1, 1, 1, 1], "no row, unit and part"),
        ((0, 0, 1), [1], "part 1 comes after 2 sums; got 1"),
        ((0, 0, 4), [1, 2, 3, 4, 5], "part 4 comes after 4 sums; got 5"),
    ],
)
def test_a_step_that_is_not_there_is_refused(at, sums, message):
    with pytest.raises(ValueError, match=message):
        layer_step(at, sums)


def test_there_is_room_for_three_rows():
    with pytest.raises(ValueError, match="has room for 3 rows, 3 features, 2 units; got 4, 3, 2"):
        layer_step((0, 0, 0), [1], X=torch.ones(4, 3))


def test_contributions_are_the_columns_and_the_totals():
    parts = {"straight": LINE[:, None] * torch.tensor([1.0, -2.0]), "bent": LINE[:, None].clamp(min=0) * torch.ones(3)}
    totals = {name: columns.sum(1) for name, columns in parts.items()}
    one_layer = -LINE
    figure = plots.contributions(LINE, parts, totals, one_layer, limits=(-3, 5))
    for axes, (title, columns) in zip(figure.axes, parts.items(), strict=True):
        *units, total, dots, zero = axes.lines
        assert axes.get_title(loc="left") == title and axes.get_ylim() == (-3, 5) and axes.get_xlim() == (-1, 1)
        assert [line.get_ydata().tolist() for line in units] == columns.T.tolist()
        assert total.get_ydata().tolist() == totals[title].tolist()
        assert {line.get_color() for line in units} == {HIDDEN} and {line.get_linestyle() for line in units} == {"--"}
        assert (total.get_color(), dots.get_color(), dots.get_linestyle()) == (OUTPUT, FEATURES, "None")
        assert dots.get_xydata().tolist() == [[x, -x] for x in LINE[::4].tolist()]
        assert set(zero.get_ydata()) == {0}


@pytest.mark.parametrize(("parts", "totals"), [({}, {}), ({"a": LINE[:, None]}, {"b": LINE})])
def test_contributions_need_the_same_titles(parts, totals):
    with pytest.raises(ValueError, match="need the same titles"):
        plots.contributions(LINE, parts, totals, LINE, (-1, 1))


def test_a_surface_is_shaded_where_the_logit_is_above_0():
    surface = LINE[:, None] - 0.5 + 0 * LINE  # row, the second feature: above 0 in the upper quarter
    figure = plots.decision_surfaces(LINE, {"a": surface}, SQUARE, torch.tensor([0.0, 1.0, 1.0, 0.0]))
    (axes,) = figure.axes
    area, line = axes.collections
    assert to_hex(area.get_facecolor()[0]) == OUTPUT == to_hex(line.get_edgecolor()[0])
    corners = area.get_paths()[0].vertices
    assert corners.min(0).tolist() == [-1, 0.5] and corners.max(0).tolist() == [1, 1]
    assert set(line.get_paths()[0].vertices[:, 1]) == {0.5}
    hollow, solid = axes.lines
    assert hollow.get_xydata().tolist() == [[0, 0], [1, 1]] and solid.get_xydata().tolist() == [[0, 1], [1, 0]]
    assert (hollow.get_markerfacecolor(), solid.get_markerfacecolor()) == ("white", "black")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("feature 0", "feature 1")
    assert axes.get_xlim() == axes.get_ylim() == (-1, 1) and axes.get_title(loc="left") == "a"


def test_a_surface_without_a_boundary_is_refused():
    with pytest.raises(ValueError, match="'flat': the logit does not change its sign"):
        plots.decision_surfaces(LINE, {"flat": torch.full((9, 9), -0.5)}, SQUARE, torch.zeros(4))


def test_curves_are_values_and_slopes():
    curves = {"tanh": (torch.tanh(LINE), 1 - torch.tanh(LINE) ** 2), "relu": (LINE.clamp(min=0), (LINE > 0).float())}
    figure = plots.activation_curves(LINE, curves)
    for axes, (title, (values, slopes)) in zip(figure.axes, curves.items(), strict=True):
        _, value, slope = axes.lines
        assert axes.get_title(loc="left") == title
        assert value.get_xydata().tolist() == [list(pair) for pair in zip(LINE.tolist(), values.tolist(), strict=True)]
        assert slope.get_ydata().tolist() == slopes.tolist()
        assert (value.get_color(), value.get_linestyle()) == (HIDDEN, "-")
        assert (slope.get_color(), slope.get_linestyle()) == (FEATURES, "--")
        assert axes.get_ylim() == (-1.2, 2.2) and axes.get_xlim() == (-1, 1)


def test_no_activation_is_refused():
    with pytest.raises(ValueError, match="no activations to draw"):
        plots.activation_curves(LINE, {})
