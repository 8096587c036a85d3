"""Wrong answers to the exercises of this chapter, as people give them."""

import torch

from fpcourse import trace
from fpcourse.checks.exercises import answer
from fpcourse.checks.shapes import TWELVE_SHAPES


def twelve(*rows: int):
    """The answer with these rows wrong: by place of a row, and number of its wrong choice."""
    key = ["0"] * 12
    for row, choice in zip(rows[::2], rows[1::2], strict=True):
        key[row] = str(choice)
    return answer(TWELVE_SHAPES[0], "".join(key))


def no_comma(batch, features, first, second):
    return twelve()(batch, features, first, second) | {"X[0]": (features)}


def the_chapters_numbers(batch, features, first, second):
    return twelve()(16, 20, 64, 32)


def a_tuple_of_shapes(batch, features, first, second):
    return tuple(twelve()(batch, features, first, second).values())


def on_meta(build, input_shape):
    with torch.device("meta"):
        return trace(build(), torch.empty(input_shape))


def moved_afterwards(build, input_shape):
    return [call.output_shapes[0] for call in trace(build().to("meta"), torch.empty(input_shape, device="meta"))]


def input_on_the_cpu(build, input_shape):
    with torch.device("meta"):
        model = build()
    return [call.output_shapes[0] for call in trace(model, torch.empty(input_shape))]


def all_tensors_of_a_call(build, input_shape):
    return [call.output_shapes for call in on_meta(build, input_shape)]


def what_goes_in(build, input_shape):
    return [call.input_shapes[0] for call in on_meta(build, input_shape)]


def the_model_too(build, input_shape):
    return [call.output_shapes[0] for call in on_meta(build, input_shape).calls]


def containers_inside_too(build, input_shape):
    return [call.output_shapes[0] for call in on_meta(build, input_shape).calls[1:]]


def keyed_by_name(build, input_shape):
    return list({call.name: call.output_shapes[0] for call in on_meta(build, input_shape)}.values())


def the_output_alone(build, input_shape):
    with torch.device("meta"):
        return build()(torch.empty(input_shape)).shape


def default_device_left(build, input_shape):
    torch.set_default_device("meta")
    return [call.output_shapes[0] for call in trace(build(), torch.empty(input_shape))]


def allocated_after_all(build, input_shape):
    with torch.device("meta"):
        model = build()
    return [call.output_shapes[0] for call in trace(model.to_empty(device="cpu"), torch.empty(input_shape))]


def mended(X, logits, y, weight, images):
    return {
        "centred": X - X.mean(dim=0),
        "share right": ((logits > 0) == y[:, None]).float().mean(),
        "weighted": X * weight[:, None],
        "channels first": images.permute(0, 3, 1, 2),
    }


def over_the_features(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"centred": X - X.mean(dim=1, keepdim=True)}


def over_everything(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"centred": X - X.mean()}


def each_against_each(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"share right": ((logits > 0) == y).float().mean()}


def a_count(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"share right": ((logits > 0) == y[:, None]).sum()}


def means_of_patients_line_up_with_features(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"centred": X - X.mean(dim=1)}


def weight_lines_up_with_the_features(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"weighted": X * weight}


def reshaped(X, logits, y, weight, images):
    batch, height, width, channels = images.shape
    return mended(X, logits, y, weight, images) | {"channels first": images.reshape(batch, channels, height, width)}


def two_axes_exchanged(X, logits, y, weight, images):
    return mended(X, logits, y, weight, images) | {"channels first": images.transpose(1, 3)}


def centred_in_place(X, logits, y, weight, images):
    X -= X.mean(dim=0)
    return mended(X, logits, y, weight, images)


WRONG = {
    "twelve_shapes": [
        (twelve(0, 1), "X[:1] would keep it", None),
        (no_comma, "A tuple of one needs a comma", None),
        (twelve(1, 1), "The transpose exchanges the two axes", None),
        (twelve(2, 1), "dim names the axis that is averaged away", None),
        (twelve(2, 2), "unless keepdim=True", None),
        (twelve(3, 1), "flatten(1) would keep it", None),
        (twelve(4, 1), "one row per unit", 5),
        (twelve(5, 1), "A bias belongs to the layer", None),
        (twelve(5, 2), "A bias has one axis", None),
        (twelve(6, 1), "the units are columns", None),
        (twelve(7, 1), "comes out without one", None),
        (twelve(8, 1), "it merges none", None),
        (twelve(8, 2), "The axis of the days stays", None),
        (twelve(10, 1), "a column has two axes", None),
        (twelve(11, 1), "both sides are repeated", 7),
        (the_chapters_numbers, "use the four names", None),
        (a_tuple_of_shapes, "Came out: tuple of 12", None),
    ],
    "leaf_shapes": [
        (moved_afterwards, "allocated before anything could be moved", None),
        (input_on_the_cpu, "is not on the expected device", None),
        (all_tensors_of_a_call, "take the first", None),
        (what_goes_in, "These are the shapes that go in", None),
        (the_model_too, "The model itself is in the list", None),
        (containers_inside_too, "A container inside the model", None),
        (keyed_by_name, "kept by name", 10),
        (the_output_alone, "That is the last output alone", None),
        (default_device_left, "Inside a with block", None),
        (allocated_after_all, "can't allocate memory", None),
    ],
    "repaired": [
        (over_the_features, "Each patient's own mean", None),
        (means_of_patients_line_up_with_features, "dim=1 gives one mean per patient", None),
        (over_everything, "One mean over everything", None),
        (each_against_each, "Each prediction was compared with each target", 7),
        (a_count, "That is how many are right", None),
        (weight_lines_up_with_the_features, "Weight j went to feature j", 7),
        (reshaped, "reshape cut the same row of numbers", 8),
        (two_axes_exchanged, "Height and width have changed places", None),
        (centred_in_place, "an input that was written into", None),
    ],
}
