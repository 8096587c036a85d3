"""trace: the module calls of one forward pass, in order.

One pair of global forward hooks sees every call, so that no hook stands on the model itself: a copy or a pickle
made during the forward carries none. What hooks see is calls of modules. Operations that are no module
(``torch.relu``, ``x.view``) are not seen; for those there is the autograd graph (``fpcourse.autograd``).
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
from fpcourse.nested import Shape, bytes_of, shape_of, shapes_text, tensors_in
from fpcourse.preserve import check_is_module, unchanged


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
    with ExitStack() as stack:
        stack.enter_context(unchanged(model))
        recorder = _Recorder(model, stack)
        try:
            with _calls_visible(), recorder.hooks():
                model(*args, **kwargs)
        except BaseException as error:
            recorder.explain(error)
            raise
        return recorder.trace()


def trace_forward_pass(model: nn.Module, X: torch.Tensor) -> None:
    """Print one line a leaf call, with its input and output shape, as the article's function does.

    Unlike a run with hooks left to chance, the model is afterwards what it was; see ``trace``, which returns
    what this one prints.
    """
    print(trace(model, X).table(("layer", "input", "output")))


class _Entry:
    """A call being recorded. ``output`` is None until it has returned."""

    __slots__ = ("depth", "error", "input", "is_leaf", "module", "name", "output", "training")


class _Recorder:
    """The calls that a pair of global hooks has seen in this thread."""

    def __init__(self, model: nn.Module, stack: ExitStack):
        self.model = model
        self.stack = stack
        self.thread = get_ident()
        self.names = {id(module): name for name, module in model.named_modules()}
        self.unregistered: list[nn.Module] = []  # kept, so that no other module is given its id
        self.entries: list[_Entry] = []
        self.open: list[_Entry] = []
        self.last_hooks: dict[int, RemovableHandle] = {}
        self.last_completed: _Entry | None = None
        self.failed: tuple[BaseException, _Entry, str] | None = None

    @contextmanager
    def hooks(self) -> Iterator[None]:
        before = torch_module.register_module_forward_pre_hook(self._before)
        after = torch_module.register_module_forward_hook(self._after, with_kwargs=True, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()
            # torch 2.13's handle leaves its id in this dictionary, and compiled models warn of a hook then.
            vars(torch_module).get("_global_forward_hooks_with_kwargs", {}).pop(after.id, None)
            for handle in self.last_hooks.values():
                handle.remove()

    def _before(self, module: nn.Module, args: tuple) -> None:
        if get_ident() != self.thread:
            return
        entry = _Entry()
        entry.module = module
        entry.name = self.names.get(id(module))
        if entry.name is None:
            entry.name = self._name_unregistered(module)
        entry.depth = len(self.open)
        entry.is_leaf = True
        entry.training = module.training
        entry.input = _shapes(args)
        entry.output = None
        entry.error = sys.exception()
        if self.open and not isinstance(module, ParametrizationList):
            self.open[-1].is_leaf = False
        if module._forward_hooks and id(module) not in self.last_hooks:
            # The reader's own hooks may replace the output: be the last of them.
            self.last_hooks[id(module)] = module.register_forward_hook(
                lambda *call: self._close(*call), with_kwargs=True, always_call=True
            )
        self.entries.append(entry)
        self.open.append(entry)

    def _after(self, module: nn.Module, args: tuple, *rest: Any) -> None:
        if get_ident() == self.thread and id(module) not in self.last_hooks:
            # torch passes (kwargs, output), but the output alone after an exception.
            self._close(module, args, rest[0] if len(rest) > 1 else _kwargs_of_failed(module), rest[-1])

    def _close(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        while self.open:
            entry = self.open.pop()
            if entry.module is module:
                break
        else:
            return
        if kwargs:
            entry.input += _shapes(kwargs)
        # always_call also runs this when forward raised: then a new exception is being handled.
        error, before = sys.exception(), entry.error
        entry.error = None
        if error is before:
            entry.output = [(shape_of(tensor), tensor.dtype, bytes_of(tensor)) for tensor in tensors_in(output)]
            self.last_completed = entry
            if not self.open:
                self.failed = None  # the model has caught it, and its traceback holds tensors
        elif self.failed is None or self.failed[0] is not error:
            self.failed = error, entry, expectation(module, args, kwargs)

    def _name_unregistered(self, module: nn.Module) -> str:
        """Name a module that was not in the model when the forward began, and keep it from changing too."""
        self.stack.enter_context(unchanged(module))
        found = {id(one): name for name, one in self.model.named_modules()}
        top = found.get(id(module), f"<{type(module).__name__}>")
        for name, one in module.named_modules():
            self.names.setdefault(id(one), f"{top}.{name}" if name else top)
            self.unregistered.append(one)
        return top

    def trace(self) -> Trace:
        done = [entry for entry in self.entries if entry.output is not None]
        labels = labels_of([entry.name for entry in done])
        parameters, trainable = _count([p for module in self.model.modules() for p in module._parameters.values()])
        ran = {id(entry.module) for entry in done}
        calls = tuple([_call(entry, label, ran) for entry, label in zip(done, labels, strict=True)])
        return Trace(calls, parameters, trainable)

    def explain(self, error: BaseException) -> None:
        """Add to ``error`` where it came from: the innermost call that it passed through."""
        if self.failed and self.failed[0] is error:
            _, entry, expected = self.failed
        else:
            entry, expected = (self.open[-1] if self.open else None), ""  # KeyboardInterrupt runs no hook
        self.failed = None  # else the error and a frame of its own traceback would hold each other
        if entry:
            last = self.last_completed
            worked = f"the last call that worked: {last.name or type(last.module).__name__}" if last else ""
            error.add_note(
                f"in {entry.name or 'the model itself'} ({_one_line(entry.module)}), "
                f"called with {shapes_text(entry.input) or 'no tensor'}{expected}; "
                f"{worked or 'no call had finished yet'}"
            )
        error.partial_trace = self.trace()


def _shapes(values: tuple | dict) -> tuple[Shape, ...]:
    return tuple([shape_of(tensor) for tensor in tensors_in(values)])


def _kwargs_of_failed(module: nn.Module) -> dict:
    """The keyword arguments of the call that is raising, read off torch's own frame of it."""
    caught_in = sys.exception().__traceback__.tb_frame.f_locals
    return caught_in.get("kwargs", {}) if caught_in.get("self") is module else {}


def _call(entry: _Entry, label: str, ran: set[int]) -> Call:
    kind = type(entry.module).__name__
    return Call(
        entry.name,
        label or kind,
        kind,
        entry.depth,
        entry.is_leaf,
        entry.training,
        entry.input,
        tuple([shape for shape, _, _ in entry.output]),
        tuple([str(dtype).removeprefix("torch.") for _, dtype, _ in entry.output]),
        sum([size for _, _, size in entry.output]),
        *_count(_parameters_of(entry, ran)),
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


def _count(parameters: list[nn.Parameter | None]) -> tuple[int, int]:
    """Elements of all and of the trainable ones, tied ones once; what no forward has initialised counts 0."""
    total = trainable = 0
    if not parameters:
        return total, trainable
    for parameter in {id(parameter): parameter for parameter in parameters}.values():
        if parameter is not None and not is_lazy(parameter):
            total += parameter.numel()
            trainable += parameter.numel() * parameter.requires_grad
    return total, trainable


def _one_line(module: nn.Module) -> str:
    """The module as it prints itself, or its type where that takes more than a line."""
    text = repr(module)
    return text if "\n" not in text else type(module).__name__


@contextmanager
def _calls_visible() -> Iterator[None]:
    """Run compiled models and TransformerEncoder module by module: hooks see nothing inside compiled or fused code."""
    with ExitStack() as stack:
        stack.enter_context(_fused_encoder_off)
        if "torch._dynamo" in sys.modules:  # else nothing has been compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(warnings.catch_warnings())
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
