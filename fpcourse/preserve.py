"""unchanged(model): run a model and find it afterwards as it was."""

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain

import torch
from torch import nn


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """A block in which ``model`` can be run, and after which it is bit for bit what it was.

    Put back, also when the block raises: each module's ``training`` flag, attributes, submodules and hooks;
    each parameter's ``requires_grad`` and ``.grad``; each buffer by value and identity (BatchNorm's running
    statistics too), and so each tensor that is a plain attribute; the random state of Python, NumPy and torch;
    the grad mode.

    The forward works on copies of these tensors, and the originals come back: a graph made before the block
    still runs backward after it. Parameters are not copied, as that would double a large model's memory: a
    forward that writes into its own parameters or gradients is reported with a ``RuntimeWarning``. Outside
    the promise: the contents of Python containers that the model holds (a list it appends to), and writes
    that torch does not count, which go unreported: those through ``.data``, and those into tensors made
    under ``inference_mode``. Buffers that are views of one another are copied apart.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: the model has lazy parameters that no forward has initialised yet.
    """
    check_is_module(model)
    if any(map(nn.parameter.is_lazy, chain(model.parameters(), model.buffers()))):
        raise ValueError("the model has lazy parameters that are not initialised yet; run it once first")
    with ExitStack() as stack:
        # Undone last to first, so that the random state, saved first, also covers the other restorations.
        stack.enter_context(_random_state_kept())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.enter_context(_modules_kept(model))
        stack.enter_context(_parameters_kept(model))
        yield


def check_is_module(model: nn.Module) -> None:
    """Raise a TypeError for what is not a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")


@contextmanager
def _modules_kept(model: nn.Module) -> Iterator[None]:
    """Each module's attribute dictionary, one level of dictionaries in it (hooks, buffers) included."""
    saved = [
        (module, dict(module.__dict__), [(held, dict(held)) for held in _own_dictionaries(module)])
        for module in model.modules()
    ]
    copies: dict[int, torch.Tensor] = {}
    for module, _, _ in saved:
        # A buffer registered during the forward may leave its name here.
        module._non_persistent_buffers_set = set(module._non_persistent_buffers_set)
        for held in (module._buffers, module.__dict__):
            for name, tensor in held.items():
                if isinstance(tensor, torch.Tensor):
                    # One copy for a tensor that several modules share.
                    held[name] = copies.setdefault(id(tensor), _copy(tensor))
    try:
        yield
    finally:
        for module, attributes, dictionaries in saved:
            _put_back(module.__dict__, attributes)
            for held, contents in dictionaries:
                _put_back(held, contents)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    copy = tensor.detach().clone()
    return copy.requires_grad_() if tensor.requires_grad else copy


def _put_back(held: dict, contents: dict) -> None:
    """Make ``held`` equal to ``contents``, order included, without ever leaving it empty on the way."""
    for key in held.keys() - contents.keys():
        del held[key]
    held.update(contents)
    for key in contents if list(held) != list(contents) else ():
        held[key] = held.pop(key)


def _own_dictionaries(module: nn.Module) -> list[dict]:
    """The dictionaries in which nn.Module keeps parameters, buffers, submodules and hooks."""
    return [value for key, value in module.__dict__.items() if key.startswith("_") and isinstance(value, dict)]


@contextmanager
def _parameters_kept(model: nn.Module) -> Iterator[None]:
    saved = [
        (name, parameter, parameter.requires_grad, parameter.grad, _versions(parameter))
        for name, parameter in model.named_parameters()
    ]
    try:
        yield
    finally:
        for _, parameter, requires_grad, grad, _ in saved:
            # torch refuses the call, needed or not, on a parameter made under inference_mode.
            if parameter.requires_grad is not requires_grad:
                parameter.requires_grad_(requires_grad)
            parameter.grad = grad
        written = [name for name, parameter, *_, versions in saved if _versions(parameter) != versions]
        if written:
            warnings.warn(
                f"the forward pass wrote into the parameters {', '.join(written)} or their gradients; "
                "these values are not put back",
                RuntimeWarning,
                stacklevel=6,
            )


def _versions(parameter: nn.Parameter) -> tuple[int | None, int | None]:
    return _version(parameter), None if parameter.grad is None else _version(parameter.grad)


def _version(tensor: torch.Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


@contextmanager
def _random_state_kept() -> Iterator[None]:
    numpy = sys.modules.get("numpy")
    python_state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    # Every device: a module without parameters draws on the device of its input.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        if numpy_state is not None:
            numpy.random.set_state(numpy_state)
