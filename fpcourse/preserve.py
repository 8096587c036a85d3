"""unchanged(model): run a model and find it afterwards as it was."""

import copy
import random
import sys
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

_DICTIONARIES = frozenset({dict, OrderedDict, defaultdict})
# What nearly all attributes of a module are: a look at the types alone says that none is a tensor.
_TENSORLESS = _DICTIONARIES | {bool, int, float, str, tuple, set, type(None)}


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
    dictionary, what its values hold); what another thread writes to the same model meanwhile; and writes that
    torch does not count, which go unreported: those in place through ``.data``, and those into tensors made
    under ``inference_mode``. Buffers that are views of one another are copied apart.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
    """
    check_is_module(model)
    modules = list(model.modules())
    written: list[str] = []
    try:
        with ExitStack() as stack:
            # Undone last to first, so that the random state, saved first, also covers the other restorations.
            stack.callback(_random_state_keeper())
            stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
            stack.callback(_parameters_keeper(model, modules, written))
            stack.callback(_modules_keeper(modules))
            yield
    finally:
        if written:
            warnings.warn(
                f"the forward pass wrote into the parameters {', '.join(written)} or their gradients; "
                "these values are not put back",
                RuntimeWarning,
                stacklevel=3,
            )


def check_is_module(model: nn.Module) -> None:
    """Raise a TypeError for what is not a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")


def _modules_keeper(modules: list[nn.Module]) -> Callable[[], None]:
    """Puts back each module's class and attributes, one level of dictionaries in them (hooks, buffers) included."""
    saved = []
    tensors: list[tuple[dict, str, torch.Tensor]] = []  # the dictionary that holds it, its name there, the tensor
    for module in modules:
        attributes = module.__dict__
        # A module has many dictionaries that are empty: these need no copy.
        held = [(one, one.copy() if one else None) for one in attributes.values() if one.__class__ in _DICTIONARIES]
        if not _TENSORLESS.issuperset(map(type, attributes.values())):
            tensors += [(attributes, key, one) for key, one in attributes.items() if isinstance(one, torch.Tensor)]
        saved.append((module, module.__class__, attributes, attributes.copy(), held))
        if "_non_persistent_buffers_set" in attributes:
            # A buffer registered during the forward may leave its name here.
            attributes["_non_persistent_buffers_set"] = attributes["_non_persistent_buffers_set"].copy()
        tensors += [(module._buffers, name, buffer) for name, buffer in module._buffers.items() if buffer is not None]
    tensors += _written_parameters(modules)
    # One copy for a tensor that several modules share; all are made before the first is put in.
    copies = {number: _copy(tensor) for number, tensor in {id(tensor): tensor for *_, tensor in tensors}.items()}
    for holder, name, tensor in tensors:
        holder[name] = copies[id(tensor)]

    def put_back() -> None:
        for holder, name, tensor in tensors:
            if holder.__class__ not in _DICTIONARIES:
                holder[name] = tensor  # a ScriptModule's buffers are no attribute of it
        for module, cls, attributes, contents, held in saved:
            if module.__class__ is not cls:
                module.__class__ = cls  # a lazy module that was initialised
            _put_back(attributes, contents)
            for dictionary, its_contents in held:
                if its_contents is not None:
                    _put_back(dictionary, its_contents)
                elif dictionary:
                    dictionary.clear()

    return put_back


def _written_parameters(modules: list[nn.Module]) -> list[tuple[dict, str, nn.Parameter]]:
    """Parameters into which torch's own forward writes: lazy ones, and an embedding's with ``max_norm``."""
    written = {
        id(parameter)
        for module in modules
        if module.__dict__.get("max_norm") is not None or isinstance(module, LazyModuleMixin)
        for parameter in module._parameters.values()
        if parameter is not None
    }
    return [
        (module._parameters, name, parameter)
        for module in (modules if written else ())
        for name, parameter in module._parameters.items()
        if id(parameter) in written
    ]


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    if type(tensor) is torch.Tensor and not tensor.requires_grad:
        return tensor.clone()
    if isinstance(tensor, nn.Parameter):
        return copy.deepcopy(tensor)
    if is_lazy(tensor):
        return type(tensor)(requires_grad=tensor.requires_grad, device=tensor.device, dtype=tensor.dtype)
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _put_back(held: dict, contents: dict) -> None:
    """Make ``held`` equal to ``contents``, order included, without ever leaving it empty on the way."""
    if list(held) == list(contents):
        held.update(contents)
        return
    for key in held.keys() - contents.keys():
        del held[key]
    for key, value in contents.items():
        held.pop(key, None)
        held[key] = value


def _parameters_keeper(model: nn.Module, modules: list[nn.Module], written: list[str]) -> Callable[[], None]:
    """Puts back the parameters' data, gradients and flags; adds to ``written`` the names of those written into."""
    parameters = {
        id(parameter): parameter
        for module in modules
        for parameter in module._parameters.values()
        if parameter is not None and not is_lazy(parameter)
    }
    saved = [
        (parameter, parameter.data, parameter.requires_grad, parameter.grad, _versions(parameter))
        for parameter in parameters.values()
    ]

    def put_back() -> None:
        changed = set()
        for parameter, data, requires_grad, grad, versions in saved:
            # torch refuses these, needed or not, on a parameter made under inference_mode.
            if parameter.requires_grad is not requires_grad:
                parameter.requires_grad_(requires_grad)
            if not _same_memory(parameter, data):
                parameter.data = data
            parameter.grad = grad
            if _versions(parameter) != versions:
                changed.add(id(parameter))
        if changed:
            written.extend(name for name, parameter in model.named_parameters() if id(parameter) in changed)

    return put_back


def _same_memory(parameter: nn.Parameter, data: torch.Tensor) -> bool:
    if parameter.dtype is not data.dtype or parameter.device != data.device:
        return False
    return parameter.is_meta or parameter.layout is not torch.strided or parameter.is_set_to(data)


def _versions(parameter: nn.Parameter) -> tuple[int | None, int | None]:
    grad = parameter.grad
    return _version(parameter), None if grad is None else _version(grad)


def _version(tensor: torch.Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def _random_state_keeper() -> Callable[[], None]:
    numpy = sys.modules.get("numpy")
    python_state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    # Every device: a module without parameters draws on the device of its input.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    generators = [torch.default_generator, *(torch.cuda.default_generators[device] for device in devices)]
    states = [generator.get_state() for generator in generators]

    def put_back() -> None:
        random.setstate(python_state)
        if numpy_state is not None:
            numpy.random.set_state(numpy_state)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)

    return put_back
