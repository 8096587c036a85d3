"""trace: the module calls of one forward pass, in order.

One pair of global forward hooks sees every call, so that no hook stands on the model itself: a copy or a pickle
made during the forward carries none. What hooks see is calls of modules. Operations that are no module
(``torch.relu``, ``x.view``) are not seen; for those there is the autograd graph (``fpcourse.autograd``).
"""

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock, get_ident
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils.hooks import RemovableHandle

from fpcourse.calls import Call, Trace, labels_of
from fpcourse.expectations import expectation
from fpcourse.hooks import TransientHook
from fpcourse.nested import shapes_of, shapes_text, sizes_of
from fpcourse.preserve import check_is_module, keep


def trace(model: nn.Module, /, *args: Any, **kwargs: Any) -> Trace:
    """Run ``model(*args, **kwargs)`` once and return its calls; the model is afterwards what it was.

    It runs in the mode the model is in (see ``in_mode``) and under the reader's grad mode; the output is
    dropped and no tensor is kept. What "what it was" covers is listed at ``unchanged``. A compiled model runs
    uncompiled, and ``nn.TransformerEncoder`` without its fused path, as hooks see nothing inside of these.
    Positional arguments are read before a call, keyword arguments after it.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        Exception: whatever the forward raises, with a note that names the module, its input shapes, what it
            expected where that is known, and the last call that worked; ``error.partial_trace`` is the Trace
            up to there.
    """
    check_is_module(model)
    recorder = _Recorder(model)
    try:
        try:
            with _fused_encoder_off, _eager() if "torch._dynamo" in sys.modules else nullcontext(), _hooks(recorder):
                model(*args, **kwargs)
        except BaseException as error:
            recorder.explain(error)
            raise
        return recorder.trace()
    finally:
        for put_back in reversed(recorder.put_back):
            put_back(stacklevel=3)


def trace_forward_pass(model: nn.Module, X: torch.Tensor) -> None:
    """Print one line a leaf call, with its input and output shape, as the article's function does.

    Unlike a run with hooks left to chance, the model is afterwards what it was; see ``trace``, which returns
    what this one prints.
    """
    print(trace(model, X).table(("layer", "input", "output")))


class _Entry:
    """A call being recorded. ``output`` is None until it has returned."""

    __slots__ = ("depth", "handling", "input", "is_leaf", "module", "output", "training")


class _Recorder:
    """The calls that a pair of global hooks has seen in this thread."""

    def __init__(self, model: nn.Module):
        named = dict(model.named_modules())
        self.model = model
        self.modules = list(named.values())
        self.names = {id(module): name for name, module in named.items()}
        self.put_back = [keep(model, self.modules)]
        self.thread = get_ident()
        self.unregistered: list[nn.Module] = []  # kept, so that no other module is given its id
        self.entries: list[_Entry] = []
        self.open: list[_Entry] = []
        self.last_hooks: dict[int, RemovableHandle] = {}
        self.last_completed: _Entry | None = None
        self.failed: tuple[BaseException, _Entry, str] | None = None

    def before(self, module: nn.Module, args: tuple) -> None:
        if get_ident() != self.thread:
            return
        opened = self.open
        entry = _Entry()
        entry.module = module
        entry.depth = len(opened)
        entry.is_leaf = True
        entry.training = module.training
        entry.input = shapes_of(args)
        entry.output = None
        entry.handling = sys.exception()
        if opened and module.__class__ is not ParametrizationList:
            opened[-1].is_leaf = False
        if id(module) not in self.names:
            self.add(module)
        if module._forward_hooks and id(module) not in self.last_hooks:
            # The reader's own hooks may replace the output: be the last of them.
            self.last_hooks[id(module)] = module.register_forward_hook(
                TransientHook(self.last), with_kwargs=True, always_call=True
            )
        self.entries.append(entry)
        opened.append(entry)

    def after(self, module: nn.Module, args: tuple, *rest: Any) -> None:
        if get_ident() == self.thread and not (self.last_hooks and id(module) in self.last_hooks):
            # torch passes (kwargs, output), but the output alone after an exception.
            self.close(module, args, rest[0] if len(rest) > 1 else _kwargs_of_failed(module), rest[-1])

    def last(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if get_ident() == self.thread:
            self.close(module, args, kwargs, output)

    def close(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        opened = self.open
        while opened:
            entry = opened.pop()
            if entry.module is module:
                break
        else:
            return
        if kwargs:
            entry.input += shapes_of(kwargs)
        # always_call also runs this when forward raised: then a new exception is being handled.
        error, before = sys.exception(), entry.handling
        entry.handling = None
        if error is before:
            entry.output = sizes_of(output)
            self.last_completed = entry
            if not opened:
                self.failed = None  # the model has caught it, and its traceback holds tensors
        elif self.failed is None or self.failed[0] is not error:
            self.failed = error, entry, expectation(module, args, kwargs)

    def add(self, module: nn.Module) -> None:
        """Name a module that was not in the model when the forward began, and keep it from changing too."""
        found = {id(one): name for name, one in self.model.named_modules()}
        top = found.get(id(module), f"<{type(module).__name__}>")
        modules = dict(module.named_modules())
        self.put_back.append(keep(module, list(modules.values())))
        for name, one in modules.items():
            self.names.setdefault(id(one), f"{top}.{name}" if name else top)
            self.unregistered.append(one)

    def trace(self) -> Trace:
        done = [entry for entry in self.entries if entry.output is not None]
        names = [self.names[id(entry.module)] for entry in done]
        ran = {id(entry.module) for entry in done}
        labelled = zip(done, names, labels_of(names), strict=True)
        calls = tuple([_call(entry, name, label, ran) for entry, name, label in labelled])
        return Trace(calls, *_count([one for module in self.modules for one in module._parameters.values()]))

    def explain(self, error: BaseException) -> None:
        """Add to ``error`` where it came from: the innermost call that it passed through."""
        if self.failed and self.failed[0] is error:
            _, entry, expected = self.failed
        else:
            entry, expected = (self.open[-1] if self.open else None), ""  # KeyboardInterrupt runs no hook
        self.failed = None  # else the error and a frame of its own traceback would hold each other
        if entry:
            last = self.last_completed
            worked = f"the last call that worked: {self._name(last)}" if last else "no call had finished yet"
            name = self.names[id(entry.module)] or "the model itself"
            error.add_note(
                f"in {name} ({_one_line(entry.module)}), "
                f"called with {shapes_text(entry.input) or 'no tensor'}{expected}; {worked}"
            )
        error.partial_trace = self.trace()

    def _name(self, entry: _Entry) -> str:
        return self.names[id(entry.module)] or type(entry.module).__name__


def _kwargs_of_failed(module: nn.Module) -> dict:
    """The keyword arguments of the call that is raising, read off torch's own frame of it."""
    caught_in = sys.exception().__traceback__.tb_frame.f_locals
    return caught_in.get("kwargs", {}) if caught_in.get("self") is module else {}


def _call(entry: _Entry, name: str, label: str, ran: set[int]) -> Call:
    module = entry.module
    kind = module.__class__.__name__
    return Call(
        name,
        label or kind,
        kind,
        entry.depth,
        entry.is_leaf,
        entry.training,
        entry.input,
        *entry.output,
        *(_count(_parameters_of(entry, ran)) if module._parameters or module._modules else (0, 0)),
    )


def _parameters_of(entry: _Entry, ran: set[int]) -> list[nn.Parameter | None]:
    """The module's own parameters, those kept for it by a parametrization, and those of submodules it never called."""
    module = entry.module
    if isinstance(module, ParametrizationList):
        return []
    own = list(module._parameters.values())
    if entry.is_leaf and module._modules:
        for inner in module.modules():
            if id(inner) not in ran or isinstance(inner, ParametrizationList):
                own += inner._parameters.values()
    return own


def _count(parameters: Iterable[nn.Parameter | None]) -> tuple[int, int]:
    """Elements of all and of the trainable ones, tied ones once; what no forward has initialised counts 0."""
    total = trainable = 0
    counted = set()
    for parameter in parameters:
        if parameter is None or id(parameter) in counted or is_lazy(parameter):
            continue
        counted.add(id(parameter))
        size = parameter.numel()
        total += size
        if parameter.requires_grad:
            trainable += size
    return total, trainable


def _one_line(module: nn.Module) -> str:
    """The module as it prints itself, or its type where that takes more than a line."""
    text = repr(module)
    return text if "\n" not in text else type(module).__name__


@contextmanager
def _hooks(recorder: _Recorder) -> Iterator[None]:
    before = torch_module.register_module_forward_pre_hook(recorder.before)
    after = torch_module.register_module_forward_hook(recorder.after, with_kwargs=True, always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()
        # torch 2.13's handle leaves its id in this dictionary, and compiled models warn of a hook then.
        vars(torch_module).get("_global_forward_hooks_with_kwargs", {}).pop(after.id, None)
        for handle in recorder.last_hooks.values():
            handle.remove()


@contextmanager
def _eager() -> Iterator[None]:
    """Compiled models and functions run uncompiled, module by module."""
    with torch.compiler.set_stance("force_eager"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using `torch.compile\\(module\\)` when there are global hooks")
        yield


class _FusedEncoderOff:
    """The switch is one for the process, so traces in several threads share it: off until the last one ends."""

    def __init__(self):
        self.lock = Lock()
        self.users = 0

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.was_on = torch.backends.mha.get_fastpath_enabled()
                torch.backends.mha.set_fastpath_enabled(False)
            self.users += 1

    def __exit__(self, *error: Any) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                torch.backends.mha.set_fastpath_enabled(self.was_on)


_fused_encoder_off = _FusedEncoderOff()
