"""replace: another output in place of a call's own, for the length of one block."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from fpcourse.measure.capturing import check_names
from fpcourse.measure.hooks import TransientHook
from fpcourse.measure.nested import shapes_text, sizes_of
from fpcourse.measure.preserve import check_is_module
from fpcourse.measure.uncompiled import check_uncompiled


@contextmanager
def replace(model: nn.Module, label: str, function: Callable[[Any], Any]) -> Iterator[None]:
    """Inside the block, a call's output is what ``function(output)`` returns: ablate or patch an activation.

    Gradients flow through what it returns. ``capture`` and ``trace`` see the replaced output; of several
    ``replace`` blocks on one call the innermost acts first. Afterwards the model is as it was. Calls are counted anew
    in each ``model(...)``; where only a part of the model is called, or another method of it, over the whole block.

    Args:
        model: the model that will run.
        label: ``"layer1"`` for every call of this module, ``"relu:2"`` for the second call in each pass of the model.
        function: called with the output, returns one of the same type, shape, dtype and device.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: a name that the model does not have; in the forward, an output that is not alike; at the end of the
            block, a call that was not made.
        RuntimeError: at the end of the block, if the call lies in compiled code, where torch need not call hooks.

    Example:
        >>> from fpcourse import ClinicalMLP, patients, replace
        >>> model, X = ClinicalMLP().eval(), patients(16).X
        >>> with replace(model, "relu:2", lambda a: a * 0):
        ...     logits = model(X)
        >>> logits.unique().shape  # without activations nothing but the last bias is left
        torch.Size([1])
    """
    check_is_module(model)
    modules = dict(model.named_modules(remove_duplicate=False))
    name, place = _name_and_place(label, modules)
    check_names(model, [name])
    calls = _Calls(label, place, function)
    with ExitStack() as stack:
        begin, swap = TransientHook(calls.begin), TransientHook(calls.swap)
        stack.callback(model.register_forward_pre_hook(begin, prepend=True).remove)
        # The first of the hooks on its module, so that all others see what it returns.
        stack.callback(modules[name].register_forward_hook(swap, prepend=True).remove)
        yield
    if not calls.replaced:
        check_uncompiled(model, [name])
        raise ValueError(
            f"{label}: not called, so nothing was replaced; in the last pass {name} ran {calls.count} times"
        )


class _Calls:
    """The calls of one module: how many in the last pass of the model, and whether any output has been replaced."""

    def __init__(self, label: str, place: int | None, function: Callable[[Any], Any]):
        self.label, self.place, self.function = label, place, function
        self.count = 0
        self.replaced = False

    def begin(self, *_: Any) -> None:
        self.count = 0

    def swap(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        self.count += 1
        if self.place not in (None, self.count):
            return None
        self.replaced = True
        new = self.function(output)
        if (got := _described(new)) != (expected := _described(output)):
            raise ValueError(f"the function for {self.label} must return {expected}, as it was given; got {got}")
        return new


def _name_and_place(label: str, modules: dict[str, nn.Module]) -> tuple[str, int | None]:
    """``relu:2`` is the second call of ``relu``; ``relu`` stands for all."""
    name, colon, place = label.rpartition(":")
    if label in modules or not colon or not place.isdecimal():
        return label, None
    return name, int(place)


def _described(output: Any) -> str:
    """What has to stay the same, in words."""
    if isinstance(output, torch.Tensor):
        return f"a {output.dtype} tensor of shape {tuple(output.shape)} on {output.device}"
    shapes, dtypes, _ = sizes_of(output)
    return f"a {type(output).__name__}" + (f" of {shapes_text(shapes)}, {', '.join(dtypes)}" if shapes else "")
