"""Wrong answers to the exercises of this chapter, as people give them."""

import torch

from fpcourse import trace


def twelve(batch, features, first, second):
    return {
        "X[0]": (features,),
        "X.T": (features, batch),
        "X.mean(dim=0)": (features,),
        "X.flatten()": (batch * features,),
        "layer1.weight": (first, features),
        "layer2.bias": (second,),
        "layer1(X)": (batch, first),
        "layer1(X[0])": (first,),
        "layer1(week)": (7, batch, first),
        "layer2(layer1(X))": (batch, second),
        "logits": (batch, 1),
        "logits - y": (batch, batch),
    }


def a_row_is_a_table(batch, features, first, second):
    return twelve(batch, features, first, second) | {"X[0]": (1, features)}


def no_comma(batch, features, first, second):
    return twelve(batch, features, first, second) | {"X[0]": (features)}


def transpose_does_nothing(batch, features, first, second):
    return twelve(batch, features, first, second) | {"X.T": (batch, features)}


def dim_0_stays(batch, features, first, second):
    return twelve(batch, features, first, second) | {"X.mean(dim=0)": (batch,)}


def mean_keeps_its_axis(batch, features, first, second):
    return twelve(batch, features, first, second) | {"X.mean(dim=0)": (1, features)}


def flatten_keeps_the_batch(batch, features, first, second):
    return twelve(batch, features, first, second) | {"X.flatten()": (batch, features)}


def weight_in_the_order_of_the_arguments(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer1.weight": (features, first)}


def a_bias_for_each_patient(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer2.bias": (batch, second)}


def a_bias_is_a_column(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer2.bias": (second, 1)}


def units_are_rows(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer1(X)": (first, batch)}


def one_patient_becomes_a_batch(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer1(X[0])": (1, first)}


def days_are_merged(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer1(week)": (7 * batch, first)}


def days_are_lost(batch, features, first, second):
    return twelve(batch, features, first, second) | {"layer1(week)": (batch, first)}


def logits_are_a_row(batch, features, first, second):
    return twelve(batch, features, first, second) | {"logits": (batch,)}


def target_lines_up_with_the_rows(batch, features, first, second):
    return twelve(batch, features, first, second) | {"logits - y": (batch, 1)}


def the_chapters_numbers(batch, features, first, second):
    return twelve(16, 20, 64, 32)


def a_tuple_of_shapes(batch, features, first, second):
    return tuple(twelve(batch, features, first, second).values())


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
        (a_row_is_a_table, "X[:1] would keep it", None),
        (no_comma, "A tuple of one needs a comma", None),
        (transpose_does_nothing, "The transpose exchanges the two axes", None),
        (dim_0_stays, "dim names the axis that is averaged away", None),
        (mean_keeps_its_axis, "unless keepdim=True", None),
        (flatten_keeps_the_batch, "flatten(1) would keep it", None),
        (weight_in_the_order_of_the_arguments, "a row a unit", 5),
        (a_bias_for_each_patient, "A bias belongs to the layer", None),
        (a_bias_is_a_column, "A bias has one axis", None),
        (units_are_rows, "the units are columns", None),
        (one_patient_becomes_a_batch, "comes out without one", None),
        (days_are_merged, "it merges none", None),
        (days_are_lost, "The axis of the days is carried along", None),
        (logits_are_a_row, "still a table", None),
        (target_lines_up_with_the_rows, "both sides are repeated", 7),
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
        (means_of_patients_line_up_with_features, "dim=1 gives one mean a patient", None),
        (over_everything, "One mean over everything", None),
        (each_against_each, "Each prediction was compared with each target", 7),
        (a_count, "That is how many are right", None),
        (weight_lines_up_with_the_features, "Weight j went to feature j", 7),
        (reshaped, "reshape cut the same row of numbers", 8),
        (two_axes_exchanged, "Height and width have changed places", None),
        (centred_in_place, "an input that was written into", None),
    ],
}
