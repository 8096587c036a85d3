"""unchanged(model): run a model and find it afterwards as it was."""

import copy
import operator
import random
import sys
import warnings
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin, is_lazy

_DICTIONARIES = frozenset({dict, OrderedDict, defaultdict})
_CONTAINERS = _DICTIONARIES | {list, set, deque}
_HOLDERS = _CONTAINERS | {tuple}
_ITERATED = (tuple, list, set, deque)
_NOT_LOOKED_INTO = (str, int, float, type, FunctionType, ModuleType, nn.Module)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_COUNT_OF_EVERY_MODULE = len(vars(nn.Module()))
_SHARDED = {"FSDPModule", "FullyShardedDataParallel"}


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """A block in which ``model`` can be run, and after which it is bit for bit what it was.

    Put back, also when the block raises: each module's class, ``training`` flag, attributes, submodules and
    hooks; the contents of its lists, dictionaries, sets and deques, nested ones too; each parameter's
    ``requires_grad``, ``.grad`` and ``.data``; each buffer by value and identity (BatchNorm's running statistics
    too), and so each tensor that is an attribute or lies in such a container; the random state of Python, NumPy
    and torch; the grad mode.

    The forward works on copies of the buffers, and the originals come back: a graph made before the block
    still runs backward after it. A lazy module is initialised on copies too, and is lazy again afterwards.
    Parameters are not copied, as that would double a large model's memory, save those of an embedding with
    ``max_norm``, which writes into its weight. Another forward that writes into its own parameters or
    gradients is reported with a ``RuntimeWarning``: what it wrote stays, and so do the numbers, texts and flags that
    it set as attributes, since "rescaled already" belongs to the rescaled weights.

    Outside the promise: objects of other classes (their attributes, what ``__slots__`` hold; a generator of the
    model's own); what another thread writes to the same model or draws from the same random
    state meanwhile; and writes that torch does not count, which go unreported: those in place through ``.data``,
    and those into tensors made under ``inference_mode``. Buffers that are views of one another are copied apart.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: it is sharded (FSDP), and so keeps its own record of its parameters; nothing is touched.

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
    if any(map(_is_sharded, set(map(type, modules)))):
        raise ValueError(
            "the model is sharded (FSDP) and keeps its own record of its parameters, so it could not be put back; "
            "look into a copy of it that is not sharded"
        )
    grad_enabled = torch.is_grad_enabled()
    put_random_state_back = keep_random_state()
    written, put_parameters_back = _keep_parameters(modules)
    put_modules_back = _keep_modules(modules)

    def put_back(stacklevel: int) -> None:
        try:
            data, gradients = written()
            left = put_modules_back(leave_plain=bool(data))
        finally:
            try:
                put_parameters_back()
            finally:
                torch.set_grad_enabled(grad_enabled)
                put_random_state_back()  # last, as it covers the other restorations too
        if data or gradients:
            names = [name for name, parameter in model.named_parameters() if id(parameter) in data | gradients]
            warnings.warn(
                f"the forward pass wrote into the parameters {', '.join(names)} or their gradients; "
                "these values are not put back" + (f", nor are the attributes {', '.join(left)}" if left else ""),
                RuntimeWarning,
                stacklevel,
            )

    return put_back


@contextmanager
def same_inputs(*values: Any) -> Iterator[None]:
    """A block after which the tensors and containers anywhere in these values are what they were.

    So are the attributes of objects in them, such as a cache or a graph's data; not what lies in ``__slots__``.
    """
    put_back = keep_inputs(values)
    try:
        yield
    finally:
        put_back()


def keep_inputs(values: Iterable) -> Callable[[], None]:
    """Take down what ``same_inputs`` promises; the function returned puts it back."""
    tensors, containers = _reachable(values, objects=True)
    saved = [(tensor, tensor.detach().clone(), tensor.requires_grad) for tensor in tensors]
    versions = _versions(tensors)
    put_containers_back = _keep_containers(containers)

    def put_back() -> None:
        put_containers_back()
        for (tensor, values, requires_grad), before, after in zip(saved, versions, _versions(tensors), strict=True):
            if after is None or after != before:
                _overwrite(tensor, values)
            if tensor.requires_grad is not requires_grad and tensor.is_leaf:
                tensor.requires_grad_(requires_grad)

    return put_back


def _overwrite(tensor: torch.Tensor, values: torch.Tensor) -> None:
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        if tensor.shape == values.shape:
            tensor.data.copy_(values)
        else:
            tensor.data = values


def _reachable(values: Iterable, objects: bool) -> tuple[list[torch.Tensor], list]:
    """The tensors and Python's own containers among these values and inside one another, each once.

    With ``objects`` also those that objects hold, whose attributes count as a dictionary.
    """
    tensors, containers, seen, to_visit = [], [], set(), list(values)
    while to_visit:
        value = to_visit.pop()
        if value.__class__ is tuple and value:  # the arguments of most calls, so worth the lines
            if id(value) not in seen:
                seen.add(id(value))
                to_visit += value
            continue
        if id(value) in seen or isinstance(value, _NOT_LOOKED_INTO):
            continue
        if isinstance(value, torch.Tensor):
            seen.add(id(value))
            tensors.append(value)
            continue
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, _ITERATED) else ()
        attributes = getattr(value, "__dict__", None) if objects else None
        if inside or attributes or value.__class__ in _CONTAINERS:
            seen.add(id(value))
            to_visit += inside
        if value.__class__ in _CONTAINERS:
            containers.append(value)
        if attributes:
            containers.append(attributes)
            to_visit += attributes.values()
    return tensors, containers


def _keep_containers(containers: list) -> Callable[[], None]:
    contents = [(container, container.copy()) for container in containers]

    def put_back() -> None:
        for container, before in contents:
            if container.__class__ in _DICTIONARIES:
                _put_back(container, before)
            elif len(container) != len(before) or not all(map(operator.is_, container, before)):
                container.clear()
                (container.update if container.__class__ is set else container.extend)(before)

    return put_back


@cache
def _is_sharded(kind: type[nn.Module]) -> bool:
    return any(cls.__name__ in _SHARDED for cls in kind.__mro__)


def check_is_module(model: nn.Module) -> None:
    """Raise a TypeError for what is not a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")


def _keep_modules(modules: list[nn.Module]) -> Callable[..., list[str]]:
    """Classes, attributes and containers; the function returned gives the plain attributes that it left as they are."""
    saved = [(module, module.__class__, module.__dict__, module.__dict__.copy()) for module in modules]
    by_module = [list(contents.values()) for *_, contents in saved]
    values = list(chain.from_iterable(by_module))
    dictionaries = [value for value in values if value.__class__ in _DICTIONARIES]
    # A module has many dictionaries that are empty: these need no copy.
    filled = [(dictionary, dictionary.copy()) for dictionary in dictionaries if dictionary]
    empty = [dictionary for dictionary in dictionaries if not dictionary]
    for _, _, attributes, contents in saved:
        if "_non_persistent_buffers_set" in contents:
            # A buffer registered during the forward may leave its name here.
            attributes["_non_persistent_buffers_set"] = set(contents["_non_persistent_buffers_set"])
    containers = _own_containers(by_module)
    put_containers_back = _keep_containers(containers)
    tensors = _buffers(modules) + _parameters_written_by_torch(modules) + _tensors_held(containers)
    if any(issubclass(kind, torch.Tensor) for kind in set(map(type, values))):  # few models have such attributes
        tensors += _tensor_attributes(modules)
    # One copy for a tensor that several modules share; all are made before the first is put in.
    copies = {id(tensor): tensor for *_, tensor in tensors}
    copies = {number: _copy(tensor) for number, tensor in copies.items()}
    for holder, name, tensor in tensors:
        holder[name] = copies[id(tensor)]

    def put_back(leave_plain: bool) -> list[str]:
        left = []
        for holder, name, tensor in tensors:
            if holder.__class__ not in _CONTAINERS:
                holder[name] = tensor  # a ScriptModule's buffers are no attribute of it
        for module, cls, attributes, contents in saved:
            if module.__class__ is not cls:
                module.__class__ = cls  # a lazy module that was initialised
            if leave_plain and (plain := _plain_changes(attributes, contents)):
                left += plain
                contents = contents | plain
            _put_back(attributes, contents)
        for dictionary, contents in filled:
            _put_back(dictionary, contents)
        for dictionary in filter(None, empty):
            dictionary.clear()
        put_containers_back()
        return left

    return put_back


def _own_containers(by_module: list[list]) -> list:
    """The containers among the attributes of modules, nested ones too, without those that every module has.

    torch's constructor sets these first, beginning with the flag ``training``; a model may have set some before it.
    """
    own = [
        value
        for values in by_module
        for value in (values[_COUNT_OF_EVERY_MODULE:] if values and isinstance(values[0], bool) else values)
        if value.__class__ in _HOLDERS
    ]
    return _reachable(own, objects=False)[1] if own else []


def _plain_changes(attributes: dict, before: dict) -> dict[str, Any]:
    """The numbers, texts and flags that were set in place of such, or as new attributes."""
    return {
        name: value
        for name, value in attributes.items()
        if name != "training" and isinstance(value, _PLAIN) and isinstance(before.get(name), _PLAIN)
        if name not in before or value != before[name]
    }


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


def _tensors_held(containers: list) -> list[_Held]:
    """The tensors in lists and dictionaries; a parameter there is one that is used, and no state."""
    return [
        (container, key, value)
        for container in containers
        if container.__class__ is not set
        for key, value in (container.items() if container.__class__ in _DICTIONARIES else enumerate(container))
        if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter)
    ]


def _parameters_written_by_torch(modules: list[nn.Module]) -> list[_Held]:
    """Parameters into which torch's own forward writes: of modules with a lazy one, or embeddings with ``max_norm``."""
    writing = [module for module in modules if module.__dict__.get("max_norm") is not None]
    kinds = {kind for module in modules if module._parameters for kind in map(type, module._parameters.values())}
    if any(issubclass(kind, UninitializedTensorMixin) for kind in kinds):
        writing += [module for module in modules if any(map(is_lazy, module._parameters.values()))]
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


def _keep_parameters(modules: list[nn.Module]) -> tuple[Callable[[], tuple[set[int], set[int]]], Callable[[], None]]:
    """Data, gradients and flags.

    The first function returned gives the ids of the parameters whose data, and of those whose gradients, were
    written into; the second puts back.
    """
    slots = [p for module in modules if module._parameters for p in module._parameters.values()]
    parameters = [p for p in {id(p): p for p in slots}.values() if p is not None and not is_lazy(p)]
    saved = [(parameter, parameter.requires_grad, parameter.data, parameter.grad) for parameter in parameters]
    with_grad = [parameter for parameter in parameters if parameter.grad is not None]
    grads = [parameter.grad for parameter in with_grad]
    versions, grad_versions = _versions(parameters), _versions(grads)

    def written() -> tuple[set[int], set[int]]:
        return _moved(parameters, parameters, versions), _moved(with_grad, grads, grad_versions)

    def put_back() -> None:
        for parameter, requires_grad, data, grad in saved:
            # torch refuses these, needed or not, on a parameter made under inference_mode.
            if parameter.requires_grad is not requires_grad:
                parameter.requires_grad_(requires_grad)
            if not _same_memory(parameter, data):
                parameter.data = data
            parameter.grad = grad

    return written, put_back


def _moved(owners: list[nn.Parameter], tensors: list[torch.Tensor], versions: list[int | None]) -> set[int]:
    """The ids of the owners of tensors that are no longer of these versions."""
    now = _versions(tensors)
    return (
        set() if now == versions else {id(o) for o, was, is_ in zip(owners, versions, now, strict=True) if was != is_}
    )


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
