"""plots.gradients: boxes, arrows and what is kept stand where the tensors are, and say what was given."""

from dataclasses import replace

import pytest
from helpers.figures import STEPS, colour, of_kind
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from fpcourse import plots
from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT


def drawn(tensors=STEPS, **options):
    (axes,) = plots.recorded_steps(tensors, **options).axes
    return axes


def middle(box):
    return (box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2)


def boxes_at(axes, place):
    return [box for box in of_kind(axes, FancyBboxPatch) if middle(box) == pytest.approx(place)]


def arrows(axes):
    return [text for text in axes.texts if getattr(text, "arrowprops", None)]


def inside(point, place):
    return abs(point[0] - place[0]) < 0.25 and abs(point[1] - place[1]) < 0.4


def name_at(point):
    (name,) = [name for name, tensor in STEPS.items() if inside(point, tensor.place)]
    return name


def words(axes):
    return [text for text in axes.texts if text.get_text()]


def test_each_tensor_has_its_lines_in_its_box_from_top_to_bottom():
    axes = drawn()
    low, high = axes.get_ylim()
    assert low > high  # row 0 on top
    assert (low, high) == pytest.approx((3.47, -0.47)) and axes.figure.get_size_inches()[1] == pytest.approx(4 * 0.78)
    for tensor in STEPS.values():
        found = [text for text in words(axes) if text.get_position()[0] == tensor.place[0]]
        found = [text for text in found if inside(text.get_position(), tensor.place)]
        found.sort(key=lambda text: text.get_position()[1])
        wanted = [line for line in (tensor.value, tensor.note, tensor.gradient) if line]
        assert [text.get_text() for text in found] == wanted
        if tensor.gradient:
            assert found[-1].get_color() == OUTPUT


def test_outlines_tell_leaves_frozen_and_absent_tensors_apart():
    axes = drawn()
    looks = {}
    for name, tensor in STEPS.items():
        (outline,) = boxes_at(axes, tensor.place)
        looks[name] = (to_hex(outline.get_edgecolor()), outline.get_linestyle())
    assert looks == {
        "loss": (MUTED, "-"),
        "z": (MUTED, "-"),
        "b": (MUTED, "--"),
        "p": (MUTED, "-"),
        "w": (FEATURES, "-"),
        "x": (MUTED, ":"),
    }


def test_the_active_tensor_is_lit_and_no_other():
    lit = [box for box in of_kind(drawn(active="z"), FancyBboxPatch) if box.get_alpha() == 0.16]
    assert [middle(box) for box in lit] == [pytest.approx(STEPS["z"].place)]
    assert colour(lit[0]) == BATCH
    assert not [box for box in of_kind(drawn(), FancyBboxPatch) if box.get_alpha() == 0.16]


def test_arrows_run_from_results_to_inputs_that_require_a_gradient():
    axes = drawn(walked=[("loss", "z")])
    found = {(name_at(arrow.xyann), name_at(arrow.xy)): arrow.arrowprops for arrow in arrows(axes)}
    assert found.keys() == {("loss", "z"), ("z", "p"), ("p", "w")}
    assert {edge: style["color"] for edge, style in found.items()} == {
        ("loss", "z"): OUTPUT, ("z", "p"): MUTED, ("p", "w"): MUTED,
    }  # fmt: skip
    assert found["loss", "z"]["linewidth"] > found["z", "p"]["linewidth"]
    assert all(arrow.xyann[1] < arrow.xy[1] for arrow in arrows(axes))
    (line,) = axes.lines  # from z to b, which requires none
    assert [name_at(point) for point in line.get_xydata()] == ["z", "b"] and line.get_linestyle() == "--"


def test_a_result_that_was_not_recorded_has_no_arrow():
    tensors = {**STEPS, "p": replace(STEPS["p"], requires_grad=False)}
    axes = drawn(tensors)
    assert {(name_at(arrow.xyann), name_at(arrow.xy)) for arrow in arrows(axes)} == {("loss", "z")}
    assert len(axes.lines) == 3


def test_a_tensor_that_does_not_exist_yet_joins_nothing():
    axes = drawn({**STEPS, "loss": plots.Tracked((0.245, 0), ("z",))})
    assert "loss" not in {name_at(arrow.xyann) for arrow in arrows(axes)}
    assert len(axes.lines) == 1  # from z to b, as before


def test_what_is_kept_stands_on_the_right_and_is_filled_until_it_is_freed():
    axes = drawn()
    for name, text, face in (("p", "keeps x and w, 24 bytes", HIDDEN), ("loss", "freed", None)):
        (found,) = [word for word in words(axes) if word.get_text() == text]
        x, row = found.get_position()
        assert row == STEPS[name].place[1] and x > STEPS[name].place[0] + 0.235
        around = boxes_at(axes, (x, row))
        assert all(box.get_x() > STEPS[name].place[0] + 0.235 and box.get_x() + box.get_width() <= 1 for box in around)
        fills = [box for box in around if box.get_alpha() == 0.25]
        assert [colour(box) for box in fills] == ([face] if face else [])
        assert to_hex(around[-1].get_edgecolor()) == (face or MUTED)
    assert len([word for word in words(axes) if word.get_text() == "freed"]) == 1


def test_a_value_comes_from_an_input_and_a_gradient_from_its_result():
    gids = {text.get_text(): text.get_gid() for text in words(drawn())}
    assert gids["z = [-0.7]"] == "z p" and gids["b = [0.1]"] == "b"
    assert gids["dL/dz = [-1.4]"] == "d-z d-loss" and gids["w.grad = [-2.8, -4.2, -5.6]"] == "d-w d-p"


def test_unknown_names_and_impossible_walks_are_refused():
    with pytest.raises(ValueError, match=r"q is not among the tensors \(loss, z, b, p, w, x\)"):
        plots.recorded_steps(STEPS, active="q")
    with pytest.raises(ValueError, match="y is not among the tensors"):
        plots.recorded_steps({"z": plots.Tracked((0.2, 0), ("y",), "z = 1")})
    for edge in (("z", "b"), ("z", "w"), ("w", "p")):
        with pytest.raises(ValueError, match=f"no arrow from {edge[0]} to {edge[1]}"):
            plots.recorded_steps(STEPS, walked=[edge])


def test_boxes_stay_inside_and_apart_and_where_they_were():
    def outlines(tensors):
        return [box.get_bbox().bounds for box in of_kind(drawn(tensors), FancyBboxPatch) if box.get_alpha() is None]

    empty = {name: plots.Tracked(tensor.place, tensor.inputs) for name, tensor in STEPS.items()}
    assert set(outlines(empty)) <= set(outlines(STEPS))
    for x, y, width, height in outlines(STEPS):
        assert x >= 0 and x + width <= 1 and y > -0.47 and y + height < 3.47
    places = outlines(empty)
    for at, (x, y, width, height) in enumerate(places):
        for other_x, other_y, *_ in places[at + 1 :]:
            assert abs(x - other_x) > width or abs(y - other_y) > height


PASSED = {
    "w": plots.Number((4, -2), "w = 2", "grad 2 + 12 = 14", leaf=True),
    "x": plots.Number((0.85, 2), "x = 3"),
    "u": plots.Number((0.85, 0), "u = 6", "grad 4"),
    "q": plots.Number((7, 0), "q = 2", "grad 2"),
    "L": plots.Number((9, 0)),
}
SLOPES = {("w", "u"): "× 3", ("x", "u"): "", ("w", "q"): "× 1", ("q", "L"): ""}


def passed(**options):
    (axes,) = plots.slopes_and_gradients(PASSED, SLOPES, **options).axes
    return axes


def ends_of(axes):
    """The arrows of a figure, as pairs of the numbers nearest to tail and head."""

    def nearest(point):
        return min(PASSED, key=lambda name: sum((a - b) ** 2 for a, b in zip(point, PASSED[name].place, strict=True)))

    return {(nearest(arrow.xyann), nearest(arrow.xy)): arrow.arrowprops for arrow in arrows(axes)}


def test_a_number_has_its_gradient_below_it_and_an_edge_its_slope():
    axes = passed()
    texts = {text.get_text(): text for text in words(axes)}
    assert set(texts) == {"w = 2", "grad 2 + 12 = 14", "x = 3", "u = 6", "grad 4", "q = 2", "grad 2", "× 3", "× 1"}
    assert texts["u = 6"].get_position()[1] < texts["grad 4"].get_position()[1]
    assert texts["grad 4"].get_color() == OUTPUT
    assert texts["u = 6"].get_gid() == "u w" and texts["grad 4"].get_gid() == "d-u"
    assert texts["grad 2"].get_gid() == "d-q d-L" and texts["w = 2"].get_gid() == "w"


def test_arrows_turn_round_on_the_way_back_and_only_where_a_gradient_is_sent():
    forward, back = ends_of(passed()), ends_of(passed(back=True, walked=[("w", "u")]))
    assert forward.keys() == {("w", "u"), ("x", "u"), ("w", "q")}
    assert back.keys() == {("u", "w"), ("q", "w")}  # none to x, which is data
    assert back["u", "w"]["color"] == OUTPUT and back["q", "w"]["color"] == MUTED


def test_edges_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"y is not among the numbers \(w, x, u, q, L\)"):
        plots.slopes_and_gradients(PASSED, {("y", "u"): ""})
    with pytest.raises(ValueError, match="no edge"):
        passed(walked=[("u", "q")])
