"""Tensors in nested values: tuples, lists, dicts, named tuples, dataclasses, and any of these inside another."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import torch

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


def map_tensors(function: Callable[[torch.Tensor], Any], value: Any) -> Any:
    """The same nested value with ``function`` applied to every tensor."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: map_tensors(function, getattr(value, f.name)) for f in fields(value) if f.init}
        )
    if isinstance(value, Mapping):
        return {key: map_tensors(function, item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(function, item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(function, item) for item in value)
    return value


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
