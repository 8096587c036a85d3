"""Tensors in nested values: tuples, lists, dicts, named tuples, dataclasses, and any of these inside another."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch

Shape = tuple[int | str, ...]


def tensors_in(value: Any, inside: tuple[int, ...] = ()) -> Iterator[torch.Tensor]:
    """Every tensor in a nested value, in order. A container that holds itself is entered once."""
    if isinstance(value, torch.Tensor):
        yield value
    elif id(value) not in inside:
        for item in _items(value):
            yield from tensors_in(item, (*inside, id(value)))


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        return iter(value.values())
    if isinstance(value, (tuple, list)):
        return iter(value)
    if is_dataclass(value) and not isinstance(value, type):
        return (getattr(value, field.name, None) for field in fields(value))
    return iter(())


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


def shape_of(tensor: torch.Tensor) -> Shape:
    """The tensor's shape; ``"*"`` for an axis along which the parts of a nested tensor differ in length."""
    if not tensor.is_nested:
        return tuple(tensor.shape)
    sizes = [tuple(part.shape) for part in tensor.unbind()]
    axes = (set(lengths) for lengths in zip(*sizes, strict=True))
    return (len(sizes), *(lengths.pop() if len(lengths) == 1 else "*" for lengths in axes))


def shapes_text(shapes: tuple[Shape, ...]) -> str:
    """``(16, 20), (16,)``, as Python writes tuples."""
    return ", ".join("(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")" for shape in shapes)
