"""Wrong answers to the exercises of this page, as people give them."""

import math

import torch

from fpcourse.checks.forms import answer
from fpcourse.checks.gradients import EXP_AND_RELU, LAYER_BACKWARD, TIMES_AND_TANH


def _product(a, b, Value):
    return Value(a.data * b.data, ((a, b.data), (b, a.data)))


def _tanh(a, Value):
    t = math.tanh(a.data)
    return Value(t, ((a, 1 - t * t),))


def only_the_numbers(a, b, Value):
    return Value(a.data * b.data), Value(math.tanh(a.data))


def the_slope_of_a_sigmoid(a, b, Value):
    t = math.tanh(a.data)
    return _product(a, b, Value), Value(t, ((a, t * (1 - t)),))


def numbers_in_place_of_values(a, b, Value):
    return a.data * b.data, math.tanh(a.data)


def tanh_of_the_other(a, b, Value):
    return _product(a, b, Value), _tanh(b, Value)


def adds_to_the_gradients_at_once(a, b, Value):
    a.grad += b.data
    return _product(a, b, Value), _tanh(a, Value)


def the_product_alone(a, b, Value):
    return _product(a, b, Value)


def forgets_the_sum_over_the_batch(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, dZ.T @ X, dZ


def transposed(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, X.T @ dZ, dZ.sum(0)


def sums_over_the_units(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, dZ.T @ X, dZ.sum(1)


def one_bias_for_all(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, dZ.T @ X, dZ.sum()


def a_part_for_each_patient(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, dZ[:, :, None] * X[:, None], dZ.sum(0)


def keeps_the_axis(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, dZ.T @ X, dZ.sum(0, keepdim=True)


def ones_for_the_bias(X, W, Z, dA):
    dZ = dA * (Z > 0)
    return dZ @ W, dZ.T @ X, torch.ones(len(W))


def writes_into_its_input(X, W, Z, dA):
    dA *= Z > 0
    return dA @ W, dA.T @ X, dA.sum(0)


def _relu(value, Value):
    return Value(max(value.data, 0.0), ((value, float(value.data > 0)),))


def _exp(value, Value):
    return Value(math.exp(value.data), ((value, math.exp(value.data)),))


def forgets_the_way_back(value, Value):
    return Value(math.exp(value.data)), Value(max(value.data, 0.0))


def has_the_slope_of_relu_the_wrong_way_round(value, Value):
    return _exp(value, Value), Value(max(value.data, 0.0), ((value, float(value.data < 0)),))


def one_pair_without_its_tuple(value, Value):
    e = math.exp(value.data)
    return Value(e, (value, e)), _relu(value, Value)


def plain_numbers(value, Value):
    return math.exp(value.data), max(value.data, 0.0)


def tensors_inside(value, Value):
    e = torch.exp(torch.tensor(value.data))
    return Value(e, ((value, e),)), _relu(value, Value)


def the_exponential_alone(value, Value):
    return _exp(value, Value)


def writes_into_the_gradient(value, Value):
    value.grad = math.exp(value.data)
    return _exp(value, Value), _relu(value, Value)


WRONG = {
    "times_and_tanh": [
        (answer(TIMES_AND_TANH[0], "100"), "Each factor got itself", None),
        (answer(TIMES_AND_TANH[0], "200"), "Slopes of 1 are those of a sum", None),
        (answer(TIMES_AND_TANH[0], "002"), "1 minus the square of what went in", None),
        (answer(TIMES_AND_TANH[0], "003"), "without its square", None),
        (answer(TIMES_AND_TANH[0], "004"), "That is what tanh puts out", None),
        (answer(TIMES_AND_TANH[0], "005"), "what tanh has at 0, and nowhere else", None),
        (answer(TIMES_AND_TANH[1], "20"), "the sum of both factors", None),
        (the_slope_of_a_sigmoid, "the rule for a sigmoid", None),
        (only_the_numbers, "The way back is missing", None),
        (numbers_in_place_of_values, "wrap the number in a Value", None),
        (tanh_of_the_other, "That is tanh(b)", None),
        (adds_to_the_gradients_at_once, "backward() writes into grad", None),
        (the_product_alone, "two Values: the product and the tanh", None),
    ],
    "layer_backward": [
        (forgets_the_sum_over_the_batch, "the sum over the batch is missing", None),
        (answer(LAYER_BACKWARD[0], "002"), "divided by the batch once too often", None),
        (answer(LAYER_BACKWARD[0], "100"), "An open gate has a slope of 1", None),
        (answer(LAYER_BACKWARD[0], "020"), "The gate was left out", None),
        (transposed, "dW is transposed", None),
        (answer(LAYER_BACKWARD[1], "010"), "That is the last patient's part", None),
        (answer(LAYER_BACKWARD[1], "100"), "cannot be multiplied", None),
        (sums_over_the_units, "The sum ran over the units", None),
        (one_bias_for_all, "There is one bias per unit", None),
        (a_part_for_each_patient, "This has a part per patient", None),
        (keeps_the_axis, "b has one axis", None),
        (ones_for_the_bias, "1 is the local slope of each addition", None),
        (writes_into_its_input, "wrote into what it was given", None),
    ],
    "exp_and_relu": [
        (forgets_the_way_back, "The way back is missing", None),
        (answer(EXP_AND_RELU[1], "100"), "That is the rule for a power", None),
        (answer(EXP_AND_RELU[0], "020"), "That is the input", None),
        (answer(EXP_AND_RELU[0], "001"), "Below 0 nothing changes", None),
        (answer(EXP_AND_RELU[0], "100"), "That is what ReLU puts out", None),
        (has_the_slope_of_relu_the_wrong_way_round, "Above 0 ReLU's derivative is 1", None),
        (one_pair_without_its_tuple, "also when there is one", None),
        (plain_numbers, "wrap the number in a Value", None),
        (tensors_inside, "computes with plain numbers", None),
        (the_exponential_alone, "two Values: the exponential and the ReLU", None),
        (writes_into_the_gradient, "backward() writes into grad", None),
    ],
}
