"""nested: tensors in nested values, found and mapped, their shapes and bytes, against values by hand."""

from collections import OrderedDict, UserDict, defaultdict
from dataclasses import dataclass, field

import pytest
import torch
from helpers.models import Output, Pair
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpcourse.measure.nested import bytes_of, copy_nested, shape_of, shapes_text, tensors_in

A, B, C = torch.ones(1), torch.ones(2), torch.ones(3)


@dataclass(frozen=True)
class Frozen:
    left: torch.Tensor
    right: object


@dataclass
class WithMore:
    given: torch.Tensor
    made: object = field(init=False, default=None)


class Part(torch.Tensor):
    """A subclass of Tensor."""


def same(found, expected):
    return len(found) == len(expected) and all(map(lambda one, other: one is other, found, expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (A, [A]),
        ((A,), [A]),
        ((A, B), [A, B]),
        ([B, A, B], [B, A, B]),
        (((A,), [[B]], {"c": (C,)}), [A, B, C]),
        ({"b": B, "a": A}, [B, A]),
        (OrderedDict(b=B, a={"c": C}), [B, C]),
        (defaultdict(list, a=[A]), [A]),
        (UserDict(a=A), [A]),
        (Pair(A, Pair(B, None)), [A, B]),
        (Output(C, (A, "text")), [C, A]),
        (Frozen(A, [Frozen(B, C)]), [A, B, C]),
        (nn.Parameter(A), None),
        (A.as_subclass(Part), None),
        (torch.ones(2, 3).max(0), None),
        (None, []),
        ("text", []),
        (3.5, []),
        ((), []),
        ({}, []),
        (Output, []),
        ({A}, []),
        (object(), []),
        (((), [], {}, None), []),
    ],
)
def test_tensors_are_found_in_order(value, expected):
    if expected is None:  # made in the list of cases: the value itself, or what iterating gives
        expected = [value] if isinstance(value, torch.Tensor) else list(value)
    assert same(tensors_in(value), expected)


def test_a_container_that_holds_itself_is_entered_once():
    endless = [A]
    endless.append(endless)
    knot = {"a": endless, "b": B}
    knot["self"] = knot
    assert same(tensors_in(endless), [A])
    assert same(tensors_in(knot), [A, B])


def test_a_container_found_twice_is_read_twice():
    pair = [A, B]
    assert same(tensors_in((pair, pair)), [A, B, A, B])


def test_a_dataclass_that_lacks_a_field_is_read_all_the_same():
    value = Output(A, (B,))
    del value.logits
    assert same(tensors_in(value), [B])


def test_a_copy_keeps_the_form():
    value = (A, [B, {"c": C, "n": None}], Pair(A, "text"), Output(B, (C,)), 7)
    got = copy_nested(value, lambda tensor: len(tensor))
    assert got == (1, [2, {"c": 3, "n": None}], Pair(1, "text"), Output(2, (3,)), 7)
    assert type(got[2]) is Pair and type(got[3]) is Output
    assert value[0] is A and value[1][0] is B  # the original is left alone


def test_a_copy_of_frozen_dataclasses_and_of_fields_that_are_not_given():
    assert copy_nested(Frozen(A, [B]), len) == Frozen(1, [2])
    assert copy_nested(WithMore(C), len) == WithMore(3)


def test_a_copy_of_one_tensor_and_of_none():
    assert copy_nested(C, len) == 3
    assert copy_nested(None, len) is None and copy_nested((), len) == () and copy_nested("text", len) == "text"


class Cache:
    """An object that is no container."""

    def __init__(self, keys):
        self.keys, self.steps, self.owner = keys, [keys], self


class Slotted:
    __slots__ = ("keys",)


class Pinned(list):
    """A list that cannot be made from its items."""

    def __init__(self, items, *, name):
        super().__init__(items)
        self.name = name


def test_a_copy_goes_into_objects_of_any_class():
    keys = torch.ones(2, requires_grad=True) * 2  # with a graph, of which Python makes no deep copy
    slotted = Slotted()
    slotted.keys = keys
    cache, slotted, pinned = copy_nested((Cache(keys), slotted, Pinned([keys], name="p")), torch.detach)
    for tensor in (cache.keys, cache.steps[0], slotted.keys, pinned[0]):
        assert tensor is not keys and not tensor.requires_grad and tensor.equal(keys)
    assert cache.owner is cache and cache.steps[0] is cache.keys and pinned.name == "p"


def test_a_copy_takes_over_what_is_shared():
    cache, layer = Cache(A), torch.nn.Linear(2, 2)
    cache.layer = layer
    assert copy_nested(cache, torch.clone, {id(layer): layer}).layer is layer
    assert copy_nested(cache, torch.clone).layer is not layer


values = st.recursive(
    st.sampled_from([A, B, C, None, 1, "text"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from("xyz"), inner),
        st.builds(Pair, inner, inner),
        st.builds(Output, inner, st.lists(inner, max_size=2).map(tuple)),
    ),
    max_leaves=12,
)


@given(values)
def test_a_copy_has_the_tensors_that_are_found(value):
    tensors = tensors_in(value)
    again = copy_nested(value, lambda tensor: tensor)
    assert same(tensors_in(again), tensors)


def jagged(*lengths):
    return torch.nested.nested_tensor([torch.ones(length, 4) for length in lengths], layout=torch.jagged)


@pytest.mark.parametrize(
    ("make", "shape", "size"),
    [
        (lambda: torch.ones(()), (), 4),
        (lambda: torch.ones(0, 3), (0, 3), 0),
        (lambda: torch.ones(2, 3, dtype=torch.complex128), (2, 3), 96),
        (lambda: torch.ones(2, 3, dtype=torch.bool), (2, 3), 6),
        (lambda: torch.ones(2, 3, dtype=torch.bfloat16), (2, 3), 12),
        (lambda: torch.ones(1, 3).expand(1000, 3), (1000, 3), 12_000),
        (lambda: torch.ones(2, 3, device="meta"), (2, 3), 24),
        (lambda: torch.eye(4).to_sparse(), (4, 4), 4 * 4 + 2 * 4 * 8),
        (lambda: jagged(2, 3), (2, "*", 4), 5 * 4 * 4),
        (lambda: torch.ones(2, 3, dtype=torch.float64).T, (3, 2), 48),
    ],
)
def test_shapes_and_bytes(make, shape, size):
    tensor = make()
    assert shape_of(tensor) == shape and type(shape_of(tensor)) is tuple
    assert bytes_of(tensor) == size


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ((), ""),
        (((),), "()"),
        (((3,),), "(3,)"),
        (((16, 20), (16,)), "(16, 20), (16,)"),
        ((("batch", 20), (2, "*", 4), ()), "(batch, 20), (2, *, 4), ()"),
    ],
)
def test_shapes_are_written_as_python_writes_tuples(shapes, text):
    assert shapes_text(shapes) == text
