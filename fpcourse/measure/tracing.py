"""trace: the module calls of one forward pass, in order.

One pair of global forward hooks sees every call, also of modules that are made during the forward. No hook stands
on the model itself, save on modules that carry hooks of the reader's own. What hooks see is calls of modules.
Operations that are no module (``torch.relu``, ``x.view``) are not seen; for those there is the autograd graph
(``autograd``). A call is known by torch's frame of it, which tells whether it still runs: a hook is not
called after every exception, and a module may call itself.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import get_ident
from traceback import walk_tb
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils.hooks import RemovableHandle

from fpcourse.measure.calls import Call, Trace, depths_among, labels_of
from fpcourse.measure.expectations import expectation
from fpcourse.measure.hooks import TransientHook
from fpcourse.measure.nested import shapes_of, shapes_text, sizes_of
from fpcourse.measure.preserve import check_is_module, keep, keep_inputs
from fpcourse.measure.uncompiled import calls_visible


def trace(model: nn.Module, /, *args: Any, **kwargs: Any) -> Trace:
    """Run ``model(*args, **kwargs)`` once and return its calls; model and inputs are afterwards what they were.

    It runs in the mode the model is in (see ``in_mode``) and under the reader's grad mode; the output is
    dropped and no tensor is kept. What "what it was" covers is listed at ``unchanged``. A compiled model runs
    uncompiled, and ``nn.TransformerEncoder`` without its fused path, as hooks see nothing inside of these.
    Positional arguments are read before a call and before its pre-hooks, keyword arguments after it. A module
    registered under two names bears the first at every call; a call whose error the model catches has no row.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        Exception: whatever the forward raises, with a note that names the module, its input shapes, what it
            expected where that is known, and the last call that worked; ``error.partial_trace`` is the Trace
            up to there, the call that failed included.

    Example:
        >>> from fpcourse import ClinicalMLP, patients, trace
        >>> trace(ClinicalMLP(), patients(16).X)
        Trace(8 calls: layer1, bn1, relu:1, drop, layer2, bn2, relu:2, layer3)
    """
    check_is_module(model)
    recorder = _Recorder(model)
    try:
        recorder.restorations.callback(keep_inputs((args, kwargs)))
        try:
            with calls_visible(recorder.modules), _hooks(recorder):
                model(*args, **kwargs)
        except BaseException as error:
            recorder.explain(error)
            raise
        return recorder.trace()
    finally:
        recorder.restorations.close()


def trace_forward_pass(model: nn.Module, X: torch.Tensor) -> None:
    """Print one line a leaf call, with its input and output shape, as the article's function does.

    Unlike a run with hooks left to chance, the model is afterwards what it was; see ``trace``, which returns
    what this one prints.

    Example:
        >>> from fpcourse import mlp, patients, trace_forward_pass
        >>> trace_forward_pass(mlp([20, 64, 1])[:2], patients(16).X)
        layer  input     output
        -----  --------  --------
        0      (16, 20)  (16, 64)
        1      (16, 64)  (16, 64)
    """
    print(trace(model, X).table(("layer", "input", "output")))


class _Entry:
    """A call being recorded: ``frame`` is torch's, while it runs; ``output`` is None until it has ended."""

    __slots__ = ("depth", "error", "frame", "input", "is_leaf", "module", "output", "training")


class _Recorder:
    """The calls that a pair of global hooks has seen in this thread."""

    def __init__(self, model: nn.Module):
        named = dict(model.named_modules())
        self.model = model
        self.modules = list(named.values())
        self.names = {id(module): name for name, module in named.items()}
        self.restorations = ExitStack()  # puts all back, also where one of them raises
        self.preserve(model, self.modules)
        self.thread = get_ident()
        self.entries: list[_Entry] = []
        self.open_calls: list[_Entry] = []
        self.handles: dict[int, RemovableHandle] = {}
        self.last_completed: _Entry | None = None

    def preserve(self, model: nn.Module, modules: list[nn.Module]) -> None:
        self.restorations.callback(keep(model, modules), stacklevel=6)  # a warning names the line that called trace

    def start_call(self, module: nn.Module, args: tuple) -> None:
        if get_ident() != self.thread:
            return
        if id(module) not in self.names:
            self.adopt_module(module)
        if module._forward_hooks:
            self.hook_last(module)
        entry = _Entry()
        entry.module = module
        entry.frame = frame = sys._getframe(1)
        entry.is_leaf = True
        entry.training = module.training
        entry.input = shapes_of(args)
        entry.output = None
        entry.error = ""
        opened = self.open_calls
        while opened and not _runs(opened[-1].frame, inside=frame):
            opened.pop().frame = None  # ended by an exception, which the model has caught
        if opened and module.__class__ is not ParametrizationList:
            opened[-1].is_leaf = False
        entry.depth = len(opened)
        self.entries.append(entry)
        opened.append(entry)

    def on_global_hook(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if get_ident() != self.thread:
            return
        if self.handles and (handle := self.handles.get(id(module))) and handle.id in module._forward_hooks:
            return
        self.finish_call(sys._getframe(1), kwargs, output)

    def on_last_hook(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if get_ident() == self.thread:
            self.finish_call(sys._getframe(2), kwargs, output)  # above it, TransientHook

    def hook_last(self, module: nn.Module) -> None:
        """The reader's own hooks may replace the output: be the last of them. ``keep`` takes this one away again."""
        handle = self.handles.get(id(module))
        if handle is not None and handle.id in module._forward_hooks:
            module._forward_hooks.move_to_end(handle.id)
        else:
            self.handles[id(module)] = module.register_forward_hook(TransientHook(self.on_last_hook), with_kwargs=True)

    def finish_call(self, frame: FrameType, kwargs: dict, output: Any) -> None:
        while self.open_calls:
            entry = self.open_calls.pop()
            is_this_call = entry.frame is frame
            entry.frame = None
            if is_this_call:
                if kwargs:
                    entry.input += shapes_of(kwargs)
                entry.output = sizes_of(output)
                self.last_completed = entry
                return

    def adopt_module(self, module: nn.Module) -> None:
        """Name a module that was not in the model when the forward began, and keep it from changing too."""
        current_names = {id(submodule): name for name, submodule in self.model.named_modules()}
        top = current_names.get(id(module), f"<{type(module).__name__}>")
        modules = dict(module.named_modules())
        with suppress(RuntimeError):  # under vmap, a function of its weights: torch then gives no access to their data
            self.preserve(module, list(modules.values()))  # which keeps them alive, and so their ids
        for name, submodule in modules.items():
            self.names.setdefault(id(submodule), f"{top}.{name}" if name else top)

    def trace(self) -> Trace:
        done = [entry for entry in self.entries if entry.output is not None]
        if len(done) < len(self.entries):  # a call whose error the model caught is not around those inside it
            depths = depths_among([e.output is not None for e in self.entries], [e.depth for e in self.entries])
            for entry, depth in zip(self.entries, depths, strict=True):
                entry.depth = depth
        names = [self.names[id(entry.module)] for entry in done]
        ran = {id(entry.module) for entry in done}
        labelled = zip(done, names, labels_of(names), strict=True)
        calls = tuple([_call(entry, name, label, ran) for entry, name, label in labelled])
        return Trace(calls, *_count([p for module in self.modules for p in module._parameters.values()]))

    def explain(self, error: BaseException) -> None:
        """Add to ``error`` where it came from: the innermost call that it passed through."""
        frames = _calls_passed(error)
        expected = ""
        if frames and id(frames[-1].f_locals["self"]) in self.names:
            module, args, kwargs = (frames[-1].f_locals[name] for name in ("self", "args", "kwargs"))
            shapes = shapes_text(shapes_of((args, kwargs))) or "no tensor"
            expected = expectation(module, args, kwargs)
            last = self.last_completed
            name = last is not None and (self.names[id(last.module)] or type(last.module).__name__)
            worked = f"the last call that worked: {name}" if name else "no call had finished yet"
            error.add_note(
                f"in {self.names[id(module)] or 'the model itself'} ({_one_line(module)}), "
                f"called with {shapes}{expected}; {worked}"
            )
        # The others were ended by an exception that the model has caught.
        passed = [entry for entry in self.open_calls if entry.frame in frames]
        for entry in passed:
            entry.input += shapes_of(entry.frame.f_locals["kwargs"])
            entry.output = (), (), 0
        if passed:
            passed[-1].error = type(error).__name__ + (expected if passed[-1].frame is frames[-1] else "")
        for entry in self.open_calls:
            entry.frame = None  # it holds tensors
        self.open_calls.clear()
        error.partial_trace = self.trace()


def _runs(frame: FrameType, inside: FrameType) -> bool:
    """Whether ``frame`` is still on the stack on which ``inside`` runs."""
    while inside is not None and inside is not frame:
        inside = inside.f_back
    return inside is frame


def _calls_passed(error: BaseException) -> list[FrameType]:
    """torch's frames of the module calls in the traceback, outermost first."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    return [frame for frame in frames if frame.f_code.co_qualname == "Module._call_impl.<locals>.inner"]


def _call(entry: _Entry, name: str, label: str, ran: set[int]) -> Call:
    module = entry.module
    kind = module.__class__.__name__
    return Call(
        name,
        label if name else kind + label,  # the model itself has no name
        kind,
        entry.depth,
        entry.is_leaf,
        entry.training,
        entry.input,
        *entry.output,
        *(_count(_parameters_of(entry, ran)) if module._parameters or module._modules else (0, 0)),
        entry.error,
    )


def _parameters_of(entry: _Entry, ran: set[int]) -> list[nn.Parameter | None]:
    """The module's own parameters, those kept for it by a parametrization, and those of submodules it never called."""
    module = entry.module
    if isinstance(module, ParametrizationList):
        return []
    own = list(module._parameters.values())
    if entry.is_leaf and module._modules and not entry.error:
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
    """The module as it prints itself, or its type where that fails or takes more than a line."""
    try:
        text = repr(module)
    except Exception:  # of a module half made, perhaps; the reader's own error must come out
        text = "\n"
    return text if "\n" not in text else type(module).__name__


@contextmanager
def _hooks(recorder: _Recorder) -> Iterator[None]:
    pre_hook = torch_module.register_module_forward_pre_hook(recorder.start_call)
    hook = torch_module.register_module_forward_hook(recorder.on_global_hook, with_kwargs=True)
    try:
        yield
    finally:
        pre_hook.remove()
        hook.remove()
        # torch 2.13's handle leaves its id in this dictionary, and compiled models warn of a hook then.
        vars(torch_module).get("_global_forward_hooks_with_kwargs", {}).pop(hook.id, None)
