"""Tensors in nested values: tuples, lists, dicts, named tuples, dataclasses, and any of these inside another."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

Shape = tuple[int | str, ...]


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Every tensor in a nested value, in order. A container that holds itself is entered once."""
    tensors: list[torch.Tensor] = []
    _collect(value, tensors, ())
    return tensors


def _collect(value: Any, tensors: list[torch.Tensor], inside: tuple[int, ...]) -> None:
    if isinstance(value, torch.Tensor):
        tensors.append(value)
    elif isinstance(value, (tuple, list)):
        _collect_items(value, value, tensors, inside)
    elif isinstance(value, Mapping):
        _collect_items(value, value.values(), tensors, inside)
    elif is_dataclass(value) and not isinstance(value, type):
        _collect_items(value, (getattr(value, field.name, None) for field in fields(value)), tensors, inside)


def _collect_items(holder: Any, items: Iterable, tensors: list[torch.Tensor], inside: tuple[int, ...]) -> None:
    if id(holder) not in inside:
        for item in items:
            _collect(item, tensors, (*inside, id(holder)))


def copy_nested(
    value: Any, function: Callable[[torch.Tensor], Any], shared: Mapping[int, Any] = MappingProxyType({})
) -> Any:
    """A deep copy of a value, objects of any class in it included, with ``function`` applied to every tensor.

    ``shared`` holds, by their ids, what the copy takes over as it is.

    Raises:
        Exception: whatever an object in it raises where it cannot be copied.
    """
    if isinstance(value, torch.Tensor):
        return function(value)
    with _TensorsCopiedBy(function):
        return copy.deepcopy(value, {**shared, **{id(tensor): function(tensor) for tensor in tensors_in(value)}})


class _TensorsCopiedBy(TorchFunctionMode):
    """In its block a deep copy takes, for each tensor, what a function gives: a tensor with a graph has none else."""

    def __init__(self, function: Callable[[torch.Tensor], Any]):
        super().__init__()
        self.function = function

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is not torch.Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        memo[id(tensor)] = self.function(tensor)
        return memo[id(tensor)]


def outside_transforms(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as it is outside of ``torch.func``'s ``grad`` and ``jvp``, which wrap it while they run.

    Raises:
        TypeError: it is inside ``vmap``, where it stands for one sample of many.
    """
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        if torch._C._functorch.is_batchedtensor(tensor):
            raise TypeError("inside vmap it stands for one sample of many")
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def shapes_of(value: Any) -> tuple[Shape, ...]:
    """The shape of every tensor in a nested value, in order."""
    if value.__class__ is tuple and len(value) == 1 and value[0].__class__ is torch.Tensor:
        return (shape_of(value[0]),)  # the arguments of most calls, so worth the lines
    return tuple([shape_of(tensor) for tensor in tensors_in(value)])


def sizes_of(value: Any) -> tuple[tuple[Shape, ...], tuple[str, ...], int]:
    """The shape and the dtype of every tensor in a nested value, in order, and the bytes of all together."""
    if value.__class__ is torch.Tensor:
        return (shape_of(value),), (dtype_name(value.dtype),), bytes_of(value)
    tensors = tensors_in(value)
    return (
        tuple([shape_of(tensor) for tensor in tensors]),
        tuple([dtype_name(tensor.dtype) for tensor in tensors]),
        sum([bytes_of(tensor) for tensor in tensors]),
    )


@cache
def dtype_name(dtype: torch.dtype) -> str:
    """``float32``, as in ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def shape_of(tensor: torch.Tensor) -> Shape:
    """The tensor's shape; ``"*"`` for an axis along which the parts of a nested tensor differ in length."""
    if not tensor.is_nested:
        return tuple(tensor.shape)
    sizes = [tuple(part.shape) for part in tensor.unbind()]
    axes = (set(lengths) for lengths in zip(*sizes, strict=True))
    return (len(sizes), *(lengths.pop() if len(lengths) == 1 else "*" for lengths in axes))


def bytes_of(tensor: torch.Tensor) -> int:
    """Bytes of the tensor's elements; of a sparse tensor, of the values and indices that it stores."""
    if tensor.layout is torch.strided or tensor.layout is torch.jagged:
        return tensor.nbytes
    if tensor.layout is torch.sparse_coo:
        return tensor._indices().nbytes + tensor._values().nbytes
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices().nbytes + tensor.col_indices().nbytes + tensor.values().nbytes
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices().nbytes + tensor.row_indices().nbytes + tensor.values().nbytes
    return tensor.numel() * tensor.element_size()


def shapes_text(shapes: tuple[Shape, ...]) -> str:
    """``(16, 20), (16,)``, as Python writes tuples."""
    return ", ".join("(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")" for shape in shapes)
