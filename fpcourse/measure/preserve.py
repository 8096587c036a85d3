"""unchanged(model): run a model and find it afterwards as it was."""

import copy
import random
import sys
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

_DICTIONARIES = frozenset({dict, OrderedDict, defaultdict})


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """A block in which ``model`` can be run, and after which it is bit for bit what it was.

    Put back, also when the block raises: each module's class, ``training`` flag, attributes, submodules and
    hooks; each parameter's ``requires_grad``, ``.grad`` and ``.data``; each buffer by value and identity
    (BatchNorm's running statistics too), and so each tensor that is a plain attribute; the random state of
    Python, NumPy and torch; the grad mode.

    The forward works on copies of the buffers, and the originals come back: a graph made before the block
    still runs backward after it. A lazy module is initialised on copies too, and is lazy again afterwards.
    Parameters are not copied, as that would double a large model's memory, save those of an embedding with
    ``max_norm``, which writes into its weight. Another forward that writes into its own parameters or
    gradients is reported with a ``RuntimeWarning``.

    Outside the promise: the contents of the model's own Python containers (a list it appends to; of a
    dictionary, what its values hold); what another thread writes to the same model or draws from the same random
    state meanwhile; and writes that torch does not count, which go unreported: those in place through ``.data``,
    and those into tensors made under ``inference_mode``. Buffers that are views of one another are copied apart.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.

    Example:
        >>> from fpcourse import ClinicalMLP, patients, unchanged
        >>> model = ClinicalMLP()
        >>> with unchanged(model):
        ...     logits = model(patients(16).X)
        >>> model.bn1.num_batches_tracked
        tensor(0)
    """
    check_is_module(model)
    put_back = keep(model, list(model.modules()))
    try:
        yield
    finally:
        put_back(stacklevel=4)


def keep(model: nn.Module, modules: list[nn.Module]) -> Callable[..., None]:
    """Take down what ``unchanged`` promises of these modules of ``model``; the function returned puts it back.

    Its ``stacklevel`` is that of its warning.
    """
    grad_enabled = torch.is_grad_enabled()
    put_random_state_back = keep_random_state()
    put_parameters_back = _keep_parameters(modules)
    put_modules_back = _keep_modules(modules)

    def put_back(stacklevel: int) -> None:
        try:
            put_modules_back()
        finally:
            try:
                written = put_parameters_back()
            finally:
                torch.set_grad_enabled(grad_enabled)
                put_random_state_back()  # last, as it covers the other restorations too
        if written:
            names = [name for name, parameter in model.named_parameters() if id(parameter) in written]
            warnings.warn(
                f"the forward pass wrote into the parameters {', '.join(names)} or their gradients; "
                "these values are not put back",
                RuntimeWarning,
                stacklevel,
            )

    return put_back


def check_is_module(model: nn.Module) -> None:
    """Raise a TypeError for what is not a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")


def _keep_modules(modules: list[nn.Module]) -> Callable[[], None]:
    """Classes and attributes, one level of dictionaries in them (hooks, buffers, submodules) included."""
    saved = [(module, module.__class__, module.__dict__, module.__dict__.copy()) for module in modules]
    values = list(chain.from_iterable([contents.values() for *_, contents in saved]))
    dictionaries = [value for value in values if value.__class__ in _DICTIONARIES]
    # A module has many dictionaries that are empty: these need no copy.
    filled = [(dictionary, dictionary.copy()) for dictionary in dictionaries if dictionary]
    empty = [dictionary for dictionary in dictionaries if not dictionary]
    for _, _, attributes, contents in saved:
        if "_non_persistent_buffers_set" in contents:
            # A buffer registered during the forward may leave its name here.
            attributes["_non_persistent_buffers_set"] = set(contents["_non_persistent_buffers_set"])
    tensors = _buffers(modules) + _parameters_written_by_torch(modules)
    if any(issubclass(kind, torch.Tensor) for kind in set(map(type, values))):  # few models have such attributes
        tensors += _tensor_attributes(modules)
    # One copy for a tensor that several modules share; all are made before the first is put in.
    copies = {id(tensor): tensor for *_, tensor in tensors}
    copies = {number: _copy(tensor) for number, tensor in copies.items()}
    for holder, name, tensor in tensors:
        holder[name] = copies[id(tensor)]

    def put_back() -> None:
        for holder, name, tensor in tensors:
            if holder.__class__ not in _DICTIONARIES:
                holder[name] = tensor  # a ScriptModule's buffers are no attribute of it
        for module, cls, attributes, contents in saved:
            if module.__class__ is not cls:
                module.__class__ = cls  # a lazy module that was initialised
            _put_back(attributes, contents)
        for dictionary, contents in filled:
            _put_back(dictionary, contents)
        for dictionary in filter(None, empty):
            dictionary.clear()

    return put_back


# A tensor to be copied, with the dictionary that holds it and its name there.
_Held = tuple[dict, str, torch.Tensor]


def _buffers(modules: list[nn.Module]) -> list[_Held]:
    filled = [buffers for module in modules if (buffers := module._buffers)]
    return [(buffers, name, buffer) for buffers in filled for name, buffer in buffers.items() if buffer is not None]


def _tensor_attributes(modules: list[nn.Module]) -> list[_Held]:
    return [
        (module.__dict__, name, value)
        for module in modules
        for name, value in module.__dict__.items()
        if isinstance(value, torch.Tensor)
    ]


def _parameters_written_by_torch(modules: list[nn.Module]) -> list[_Held]:
    """Parameters into which torch's own forward writes: lazy ones, and an embedding's with ``max_norm``."""
    writing = [one for one in modules if isinstance(one, LazyModuleMixin) or one.__dict__.get("max_norm") is not None]
    written = {
        id(parameter) for module in writing for parameter in module._parameters.values() if parameter is not None
    }
    return [
        (module._parameters, name, parameter)
        for module in (modules if written else ())
        for name, parameter in module._parameters.items()
        if id(parameter) in written
    ]


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.__class__ is torch.Tensor and not tensor.requires_grad:
        return tensor.clone()
    if isinstance(tensor, nn.Parameter):
        return copy.deepcopy(tensor)
    if is_lazy(tensor):
        return type(tensor)(requires_grad=tensor.requires_grad, device=tensor.device, dtype=tensor.dtype)
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _put_back(dictionary: dict, contents: dict) -> None:
    """Make ``dictionary`` equal to ``contents``, order included, without ever leaving it empty on the way."""
    if list(dictionary) == list(contents):
        dictionary.update(contents)
        return
    for key in dictionary.keys() - contents.keys():
        del dictionary[key]
    for key, value in contents.items():
        dictionary.pop(key, None)
        dictionary[key] = value


def _keep_parameters(modules: list[nn.Module]) -> Callable[[], set[int]]:
    """Data, gradients and flags; the function returned also gives the ids of the parameters written into."""
    slots = [p for module in modules if module._parameters for p in module._parameters.values()]
    parameters = [p for p in {id(p): p for p in slots}.values() if p is not None and not is_lazy(p)]
    saved = [(parameter, parameter.requires_grad, parameter.data, parameter.grad) for parameter in parameters]
    grads = [(parameter, grad) for parameter, _, _, grad in saved if grad is not None]
    watched = parameters + [grad for _, grad in grads]
    versions = _versions(watched)

    def put_back() -> set[int]:
        for parameter, requires_grad, data, grad in saved:
            # torch refuses these, needed or not, on a parameter made under inference_mode.
            if parameter.requires_grad is not requires_grad:
                parameter.requires_grad_(requires_grad)
            if not _same_memory(parameter, data):
                parameter.data = data
            parameter.grad = grad
        new_versions = _versions(watched)
        if new_versions == versions:
            return set()
        owners = parameters + [parameter for parameter, _ in grads]
        return {id(owner) for owner, was, is_ in zip(owners, versions, new_versions, strict=True) if was != is_}

    return put_back


def _same_memory(parameter: nn.Parameter, data: torch.Tensor) -> bool:
    try:
        return parameter.is_set_to(data)
    except RuntimeError:  # a layout or a device that knows no place in memory
        return (parameter.dtype, parameter.device, parameter.layout) == (data.dtype, data.device, data.layout)


def _versions(tensors: list[torch.Tensor]) -> list[int | None]:
    """torch's counts of in-place writes; it keeps none for tensors made under inference_mode."""
    try:
        return [tensor._version for tensor in tensors]
    except RuntimeError:
        return [None if tensor.is_inference() else tensor._version for tensor in tensors]


@contextmanager
def same_random_state() -> Iterator[None]:
    """A block after which the random state of Python, NumPy and torch is what it was."""
    put_back = keep_random_state()
    try:
        yield
    finally:
        put_back()


def keep_random_state() -> Callable[[], None]:
    """Take down the random state of Python, NumPy and torch, on every device; the function returned puts it back."""
    numpy_random = sys.modules.get("numpy.random")  # not loaded: nothing has drawn from it, and it has no state yet
    python_state = random.getstate()
    numpy_state = numpy_random.get_state() if numpy_random else None
    # Every device: a module without parameters draws on the device of its input.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    generators = [torch.default_generator, *(torch.cuda.default_generators[device] for device in devices)]
    states = [generator.get_state() for generator in generators]

    def put_back() -> None:
        random.setstate(python_state)
        if numpy_state is not None:
            numpy_random.set_state(numpy_state)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)

    return put_back
