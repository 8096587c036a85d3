"""The checkers of the exercises of this chapter."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

from fpcourse.checks.exercises import Attempt, Suspect, exercise
from fpcourse.checks.forms import Rows
from fpcourse.models import ClinicalMLP

Shape = tuple[int, ...]
HUGE = 10_000_000  # a weight of HUGE by HUGE takes 400 TB: no machine allocates it

TWELVE = """
def twelve_shapes(batch, features, first, second):
    return {
        "X[0]": ⟦(features,) | (1, features)⟧,
        "X.T": ⟦(features, batch) | (batch, features)⟧,
        "X.mean(dim=0)": ⟦(features,) | (batch,) | (1, features)⟧,
        "X.flatten()": ⟦(batch * features,) | (batch, features)⟧,
        "layer1.weight": ⟦(first, features) | (features, first)⟧,
        "layer2.bias": ⟦(second,) | (batch, second) | (second, 1)⟧,
        "layer1(X)": ⟦(batch, first) | (first, batch) | (batch, features)⟧,
        "layer1(X[0])": ⟦(first,) | (1, first)⟧,
        "layer1(week)": ⟦(7, batch, first) | (7 * batch, first) | (batch, first)⟧,
        "layer2(layer1(X))": ⟦(batch, second) | (second, batch) | (batch, first)⟧,
        "logits": ⟦(batch, 1) | (batch,)⟧,
        "logits - y": ⟦(batch, batch) | (batch, 1) | (batch,)⟧,
    }
"""
TWELVE_SHAPES = tuple(
    Rows(TWELVE, sizes=tuple(zip(("batch", "features", "first", "second"), sizes, strict=True)))
    for sizes in ((16, 20, 64, 32), (5, 6, 10, 3))
)


@exercise(then="Give y a second axis, y[:, None]. What is the shape of logits - y then?", forms=TWELVE_SHAPES)
def twelve_shapes(attempt: Attempt) -> None:
    chapter = _shapes(16, 20, 64, 32)
    for _ in range(3):
        sizes = (torch.randperm(20)[:4] + 21).tolist()  # no two alike, none the 7 of a week
        expected, suspects = _shapes(*sizes), _suspects_of_shapes(*sizes)
        result = attempt(*sizes)
        attempt.dictionary(result, expected)
        for code, shape in expected.items():
            of_chapter = Suspect(chapter[code], "This is the chapter's shape; use the four names.")
            known = [*suspects[code], *_one_number(shape), of_chapter]
            attempt.equal(result[code], shape, known, what=f"the shape of {code} is")


def _shapes(batch: int, features: int, first: int, second: int) -> dict[str, Shape]:
    X, week, y = torch.zeros(batch, features), torch.zeros(7, batch, features), torch.zeros(batch)
    layer1, layer2, layer3 = (nn.Linear(*pair) for pair in pairwise((features, first, second, 1)))
    logits = layer3(layer2(layer1(X)))
    tensors = {
        "X[0]": X[0],
        "X.T": X.T,
        "X.mean(dim=0)": X.mean(dim=0),
        "X.flatten()": X.flatten(),
        "layer1.weight": layer1.weight,
        "layer2.bias": layer2.bias,
        "layer1(X)": layer1(X),
        "layer1(X[0])": layer1(X[0]),
        "layer1(week)": layer1(week),
        "layer2(layer1(X))": layer2(layer1(X)),
        "logits": logits,
        "logits - y": logits - y,
    }
    return {code: tuple(tensor.shape) for code, tensor in tensors.items()}


def _suspects_of_shapes(batch: int, features: int, first: int, second: int) -> dict[str, list[Suspect]]:
    a_row = "An index picks one row, and the batch axis goes; X[:1] would keep it."
    no_batch = "A bias belongs to the layer: it has a number for each unit and no batch axis."
    one_axis = "A bias has one axis, with a number for each unit."
    turned = "A layer gives one row per patient; the units are columns."
    return {
        "X[0]": [Suspect((1, features), a_row)],
        "X.T": [Suspect((batch, features), "The transpose exchanges the two axes.")],
        "X.mean(dim=0)": [
            Suspect((batch,), "dim names the axis that is averaged away, not the one that stays."),
            Suspect((1, features), "The averaged axis goes, unless keepdim=True keeps it as a 1."),
        ],
        "X.flatten()": [Suspect((batch, features), "flatten() takes the batch axis too; flatten(1) would keep it.")],
        "layer1.weight": [Suspect((features, first), "PyTorch keeps a weight as (out, in), one row per unit.", 5)],
        "layer2.bias": [Suspect((batch, second), no_batch), Suspect((second, 1), one_axis)],
        "layer1(X)": [Suspect((first, batch), turned), Suspect((batch, features), "The last axis becomes the units.")],
        "layer1(X[0])": [Suspect((1, first), "One patient without a batch axis comes out without one.")],
        "layer1(week)": [
            Suspect((7 * batch, first), "A linear layer keeps all axes before the last; it merges none."),
            Suspect((batch, first), "The axis of the days stays, as every axis before the last does."),
        ],
        "layer2(layer1(X))": [Suspect((second, batch), turned), Suspect((batch, first), "That is what goes in.")],
        "logits": [Suspect((batch,), "One unit still gives a column, and a column has two axes.")],
        "logits - y": [
            Suspect(shape, "y has one axis; torch lines shapes up from the right, and both sides are repeated.", 7)
            for shape in ((batch, 1), (batch,))
        ],
    }


def _one_number(shape: Shape) -> list[Suspect]:
    """What comes of ``(20)`` where ``(20,)`` was meant."""
    if len(shape) > 1:
        return []
    return [Suspect(shape[0], f"({shape[0]}) is a number. A tuple of one needs a comma: ({shape[0]},).")]


@exercise(then="Give it a model of yours, and a batch of a million.")
def leaf_shapes(attempt: Attempt) -> None:
    batch, features, first, second = (torch.randperm(20)[:4] + 2).tolist()
    wide, narrow = (batch, first), (batch, second)
    clinical = [wide, wide, wide, wide, narrow, narrow, narrow, (batch, 1)]
    by_name = [wide, wide, narrow, wide, narrow, narrow, (batch, 1)]
    _check_leaves(
        attempt,
        lambda: ClinicalMLP(features, (first, second)),
        (batch, features),
        clinical,
        [Suspect(by_name, "relu is called twice: kept by name, its second output has replaced the first.", 10)],
    )
    days = [(4, batch, first), (4, batch, second), (4, batch, second)]
    _check_leaves(attempt, lambda: _nested(features, first, second), (4, batch, features), days)
    _check_leaves(attempt, lambda: _nested(HUGE, HUGE, 2), (3, HUGE), [(3, HUGE), (3, 2), (3, 2)])


def _nested(features: int, first: int, second: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, first), nn.Sequential(nn.Linear(first, second), nn.Tanh()))


def _check_leaves(
    attempt: Attempt,
    build: Callable[[], nn.Module],
    input_shape: Shape,
    expected: list[Shape],
    suspects: Sequence[Suspect] = (),
) -> None:
    devices: list[str] = []

    def watched() -> nn.Module:
        model = build()
        devices.extend(parameter.device.type for parameter in model.parameters())
        return model

    with _default_device_stays(attempt):
        result = attempt(watched, input_shape, tried=f"a function that builds a model, with the input {input_shape}")
    attempt.require(bool(devices), "an answer without a call of build()", "the shapes of the model that build() makes")
    attempt.require(
        set(devices) == {"meta"},
        f"weights made on the device {devices[0]}",
        "weights made on the meta device",
        "They were allocated before anything could be moved. Call build() where meta is the default device.",
    )
    attempt.require(isinstance(result, (list, tuple)), result, "a list of shapes")
    attempt.equal(
        list(result),
        expected,
        [
            Suspect([(shape,) for shape in expected], "output_shapes holds a shape for each tensor; take the first."),
            Suspect([input_shape, *expected[:-1]], "These are the shapes that go in."),
            Suspect(list(expected[-1]), "That is the last output alone."),
            Suspect([expected[-1], *expected], "The model itself is in the list. It calls other modules: no leaf."),
            Suspect(
                [expected[0], expected[-1], *expected[1:]], "A container inside the model is in the list: no leaf."
            ),
            *suspects,
        ],
    )


@contextmanager
def _default_device_stays(attempt: Attempt) -> Iterator[None]:
    """A block after which torch's default device is the one of before; an attempt that has moved it has failed."""
    before = torch.get_default_device()
    try:
        yield
    finally:
        after = torch.get_default_device()
        if after != before:
            torch.set_default_device(None if before.type == "cpu" else before)
    attempt.require(
        after == before,
        f"{after} as the default device",
        f"{before}, as before",
        "Inside a with block it would have come back by itself.",
    )


@exercise(then="For each of the four: which assertion would have found it?")
def repaired(attempt: Attempt) -> None:
    """First sizes at which every wrong line runs, then sizes at which no two axes are alike."""
    side, *sizes = (torch.randperm(12)[:5] + 4).tolist()
    for batch, features, height, width in [(side, side, side, side), sizes]:
        X, weight = torch.randn(batch, features) + 1, torch.rand(batch) + 0.5
        logits, y = _predictions(4 * batch)
        images = torch.randn(batch, height, width, 3)
        expected = {
            "centred": X - X.mean(dim=0),
            "share right": float(((logits[:, 0] > 0) == (y == 1)).double().mean()),
            "weighted": torch.einsum("bf,b->bf", X, weight),
            "channels first": torch.einsum("bhwc->bchw", images),
        }
        given = [tensor.clone() for tensor in (X, logits, y, weight, images)]
        result = attempt(X, logits, y, weight, images)
        changed = any(not torch.equal(*pair) for pair in zip((X, logits, y, weight, images), given, strict=True))
        attempt.require(not changed, "an input that was written into", "the inputs as they were given")
        attempt.dictionary(result, expected)
        suspects = _suspects_of_repairs(X, logits, y, weight, images)
        for key, value in expected.items():
            attempt.equal(result[key], value, suspects[key], what=f"{key}:")


def _predictions(patients: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (patients, 1), half of them above 0, and targets (patients,), a quarter of which disagree."""
    order = torch.randperm(patients)
    logits, y = torch.rand(patients) + 0.1, torch.ones(patients)
    logits[: patients // 2] *= -1
    y[: patients // 2] = 0
    y[: patients // 4] = 1
    return logits[order, None], y[order]


def _suspects_of_repairs(X, logits, y, weight, images) -> dict[str, list[Suspect]]:
    batch, height, width, channels = images.shape
    over_all = float(((logits > 0) == (y == 1)).double().mean())
    right = int(((logits[:, 0] > 0) == (y == 1)).sum())
    square = X.shape[0] == X.shape[1]  # elsewhere these lines raise an error
    by_column, by_patient = (X * weight, X - X.mean(dim=1)) if square else (None, None)
    return {
        "centred": [
            Suspect(X - X.mean(dim=1, keepdim=True), "Each patient's own mean was subtracted, not each feature's."),
            Suspect(X - X.mean(), "One mean over everything was subtracted, not one per feature."),
            Suspect(by_patient, "dim names the axis that is averaged away: dim=1 gives one mean per patient."),
        ],
        "share right": [
            Suspect(over_all, "Each prediction was compared with each target, in a square table.", 7),
            Suspect(float(right), "That is how many are right; a share is divided by the number of patients."),
        ],
        "weighted": [
            Suspect(by_column, "Weight j went to feature j of each patient: shapes line up from the right.", 7),
        ],
        "channels first": [
            Suspect(
                images.reshape(batch, channels, height, width),
                "reshape cut the same row of numbers at other places; no axis was moved.",
                8,
            ),
            Suspect(images.transpose(1, 3), "Height and width have changed places too."),
        ],
    }
