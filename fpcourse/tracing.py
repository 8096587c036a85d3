"""trace: the module calls of one forward pass, in order; capture: their outputs.

Both use forward hooks, so what they see is calls of modules. Operations that are no module (``torch.relu``,
``x.view``) are not seen; for those there is the autograd graph (``fpcourse.autograd``).
"""

import difflib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import nn

from fpcourse.parts import ShownAsTable, Table
from fpcourse.preserve import check_is_module, unchanged

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Call:
    """One call of one module. Shapes list every tensor in the arguments or in the output, in order.

    ``label`` is ``name`` where the module was called once, else ``name:1``, ``name:2``, ...; ``is_leaf`` is
    true when no further module ran inside. ``parameters`` and ``frozen_parameters`` count the module's own
    (not its children's), trainable and not. ``output_bytes`` is the size of the output's tensors.
    """

    name: str
    label: str
    type: str
    depth: int
    is_leaf: bool
    training: bool
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    output_dtypes: tuple[str, ...]
    output_bytes: int
    parameters: int
    frozen_parameters: int


COLUMNS: dict[str, Callable[[Call], str]] = {
    "layer": lambda call: call.label,
    "type": lambda call: call.type,
    "mode": lambda call: "train" if call.training else "eval",
    "input": lambda call: _shapes_text(call.input_shapes),
    "output": lambda call: _shapes_text(call.output_shapes),
    "dtype": lambda call: ", ".join(dict.fromkeys(call.output_dtypes)),
    "bytes": lambda call: f"{call.output_bytes:,}",
    "parameters": lambda call: f"{call.parameters + call.frozen_parameters:,}",
}


@dataclass(frozen=True, repr=False)
class Trace(ShownAsTable, Sequence):
    """The leaf calls of one forward pass, in the order in which they ran.

    ``calls`` also holds the containers, each before what ran inside it. ``parameters`` counts the model's
    parameters, tied ones once. A Trace holds numbers and names, no tensor.
    """

    calls: tuple[Call, ...]
    parameters: int

    def __getitem__(self, index):
        return self._leaves[index]

    def __iter__(self) -> Iterator[Call]:
        return iter(self._leaves)

    def __len__(self) -> int:
        return len(self._leaves)

    @property
    def _leaves(self) -> tuple[Call, ...]:
        return tuple(call for call in self.calls if call.is_leaf)

    def __repr__(self) -> str:
        return f"Trace({len(self)} calls: {', '.join(call.label for call in self)})"

    def table(
        self,
        columns: Sequence[str] = ("layer", "type", "input", "output", "parameters"),
        depth: int | None = None,
        leaves: bool = True,
    ) -> Table:
        """The calls as a table.

        Args:
            columns: any of ``layer``, ``type``, ``mode``, ``input``, ``output``, ``dtype``, ``bytes``,
                ``parameters``, in the order wanted.
            depth: leave out calls nested deeper than this; the model itself is at depth 0.
            leaves: only calls in which no further module ran; otherwise containers too, indented.

        Raises:
            ValueError: an unknown column.
        """
        for column in columns:
            if column not in COLUMNS:
                raise ValueError(f"unknown column {column!r}; choose from {', '.join(COLUMNS)}")
        calls = self if leaves else self.calls
        return Table(
            headers=tuple(columns),
            rows=tuple(
                tuple(
                    ("" if leaves or column != "layer" else "  " * call.depth) + COLUMNS[column](call)
                    for column in columns
                )
                for call in calls
                if depth is None or call.depth <= depth
            ),
            numeric=frozenset({"parameters", "bytes"}),
        )

    def symbolic(self, other: "Trace", name: str) -> "Trace":
        """This trace with the axes named that scale with one size, found by comparing with ``other``.

        Trace the same model on two batch sizes, then ``trace_16.symbolic(trace_24, "batch")``: an axis of 16
        here and 24 there becomes ``"batch"``, one of 32 and 48 ``"2*batch"``. Any other axis stays a number.

        Raises:
            ValueError: the traces are not of the same calls, or no input axis differs.
        """
        if [call.label for call in self.calls] != [call.label for call in other.calls]:
            raise ValueError("the two traces do not hold the same calls; trace the same model twice")
        pairs = [
            (here, there)
            for mine, theirs in zip(self.calls, other.calls, strict=True)
            for here, there in zip(chain(*mine.input_shapes), chain(*theirs.input_shapes), strict=False)
            if here != there
        ]
        if not pairs:
            raise ValueError(f"no input axis differs between the two traces: use two sizes of {name}")
        size, other_size = pairs[0]

        def named(here: Shape, there: Shape) -> Shape:
            if len(here) != len(there):
                return here
            return tuple(
                (name if a == size else f"{a // size}*{name}")
                if a != b and a * other_size == b * size and (a == size or a % size == 0)
                else a
                for a, b in zip(here, there, strict=True)
            )

        def all_named(here: tuple[Shape, ...], there: tuple[Shape, ...]) -> tuple[Shape, ...]:
            # A list of as many tensors as there are samples has no partner for each of them.
            return tuple(map(named, here, there)) if len(here) == len(there) else here

        return replace(
            self,
            calls=tuple(
                replace(
                    mine,
                    input_shapes=all_named(mine.input_shapes, theirs.input_shapes),
                    output_shapes=all_named(mine.output_shapes, theirs.output_shapes),
                )
                for mine, theirs in zip(self.calls, other.calls, strict=True)
            ),
        )


def trace(model: nn.Module, /, *args: Any, **kwargs: Any) -> Trace:
    """Run ``model(*args, **kwargs)`` once and return its calls; the model is afterwards what it was.

    It runs in the mode the model is in (see ``in_mode``) and under the reader's grad mode; the output is
    dropped and no tensor is kept. What "what it was" covers is listed at ``unchanged``.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        Exception: whatever the forward raises, with a note that names the module, its input shapes and the
            last call that worked; ``error.partial_trace`` is the Trace up to there.
    """
    with unchanged(model):
        recorder = _Recorder(model)
        try:
            with recorder.hooks():
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


@contextmanager
def capture(model: nn.Module, names: Sequence[str]) -> Iterator["Captured"]:
    """Inside the block, keep a copy of what the named modules output in the reader's own forward.

    Adds hooks and removes them, nothing else: the mode, the grad mode and everything the forward changes are
    the reader's. ``with capture(model, ["relu"]) as activations: model(X)`` gives
    ``activations["relu:1"]`` and ``activations["relu:2"]``, detached clones.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: a name that the model does not have; the message lists near misses.
    """
    check_is_module(model)
    captured = Captured(_check_names(model, names))
    modules = dict(model.named_modules(remove_duplicate=False))

    def keep(name: str):
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            captured._add(name, _map_tensors(lambda tensor: tensor.detach().clone(), output))

        return hook

    with ExitStack() as stack:
        for name in captured.names:
            stack.callback(modules[name].register_forward_hook(keep(name)).remove)
        yield captured


class Captured(Mapping):
    """Outputs by label (``relu:1``, or ``relu`` for a module that ran once), in the order they ran."""

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)
        self._outputs: list[tuple[str, Any]] = []

    def _add(self, name: str, output: Any) -> None:
        self._outputs.append((name, output))

    def check_all_ran(self) -> None:
        """Raise a ValueError that lists the named modules that were not called."""
        ran = {name for name, _ in self._outputs}
        missed = [name for name in self.names if name not in ran]
        if missed:
            raise ValueError(f"{', '.join(missed)}: in the model, but not called in this forward pass")

    def _by_label(self) -> dict[str, Any]:
        labels = _labels([name for name, _ in self._outputs])
        return dict(zip(labels, (output for _, output in self._outputs), strict=True))

    def __getitem__(self, label: str) -> Any:
        outputs = self._by_label()
        if label not in outputs:
            raise KeyError(f"nothing captured under {label!r}; captured so far: {', '.join(outputs) or 'nothing'}")
        return outputs[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_label())

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"Captured({', '.join(self) or 'nothing yet'})"


def get_intermediate_activations(
    model: nn.Module, X: torch.Tensor, layer_names: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Run ``model(X)`` without a graph and return what the named modules output, by label.

    A module called several times gives all its calls, in order: ``relu`` gives ``relu:1`` and ``relu:2``.
    The model is afterwards what it was.

    Raises:
        ValueError: a name that the model does not have, or whose module did not run.
    """
    with unchanged(model), torch.no_grad(), capture(model, layer_names) as captured:
        model(X)
    captured.check_all_ran()
    return captured._by_label()


class _Recorder:
    """Hooks on every module of a model, and the calls they have seen."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.thread = threading.get_ident()
        self.entries: list[dict] = []
        self.open: list[dict] = []
        self.last_completed: dict | None = None
        self.last_failed: tuple[BaseException, dict] | None = None

    @contextmanager
    def hooks(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name, module in self.model.named_modules():
                before, after = self._hooks_for(name, module)
                stack.callback(module.register_forward_pre_hook(before, prepend=True, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(after, with_kwargs=True, always_call=True).remove)
            yield

    def _hooks_for(self, name: str, module: nn.Module):
        counts = {
            flag: sum(p.numel() for p in module.parameters(False) if p.requires_grad is flag) for flag in (True, False)
        }

        def before(module: nn.Module, args: tuple, kwargs: dict) -> None:
            if threading.get_ident() != self.thread:
                return
            if self.open:
                self.open[-1]["is_leaf"] = False
            entry = {
                "name": name,
                "module": module,
                "depth": len(self.open),
                "is_leaf": True,
                "training": module.training,
                "input_shapes": tuple(tuple(t.shape) for t in _tensors_in((args, kwargs))),
                "parameters": counts[True],
                "frozen_parameters": counts[False],
                "output": None,
                "error": sys.exception(),
            }
            self.entries.append(entry)
            self.open.append(entry)

        def after(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            if threading.get_ident() != self.thread:
                return
            while self.open:
                entry = self.open.pop()
                if entry["module"] is module:
                    break
            # always_call also runs this hook when forward raised: then a new exception is being handled.
            if sys.exception() is entry.pop("error"):
                entry["output"] = [
                    (tuple(t.shape), str(t.dtype).removeprefix("torch."), t.nbytes) for t in _tensors_in(output)
                ]
                self.last_completed = entry
                if not self.open:
                    self.last_failed = None  # the model has caught it, and its traceback holds tensors
            elif self.last_failed is None or self.last_failed[0] is not sys.exception():
                self.last_failed = sys.exception(), entry

        return before, after

    def trace(self) -> Trace:
        done = [entry for entry in self.entries if entry["output"] is not None]
        labels = _labels([entry["name"] for entry in done])
        calls = tuple(
            Call(
                label=label or type(entry["module"]).__name__,
                type=type(entry["module"]).__name__,
                output_shapes=tuple(shape for shape, _, _ in entry["output"]),
                output_dtypes=tuple(dtype for _, dtype, _ in entry["output"]),
                output_bytes=sum(size for _, _, size in entry["output"]),
                **{
                    key: entry[key]
                    for key in (
                        "name",
                        "depth",
                        "is_leaf",
                        "training",
                        "input_shapes",
                        "parameters",
                        "frozen_parameters",
                    )
                },
            )
            for entry, label in zip(done, labels, strict=True)
        )
        return Trace(calls, parameters=sum(p.numel() for p in self.model.parameters()))

    def explain(self, error: BaseException) -> None:
        """Add to ``error`` where it came from: the innermost call that it passed through."""
        entry = self.open[-1] if self.open else None  # KeyboardInterrupt runs no hook
        if self.last_failed and self.last_failed[0] is error:
            entry = self.last_failed[1]
        self.last_failed = None  # else the error and a frame of its own traceback would hold each other
        if entry:
            module = entry["module"]
            note = (
                f"in {entry['name'] or 'the model itself'} ({module}), "
                f"called with {_shapes_text(entry['input_shapes']) or 'no tensor'}{_expectation(module)}"
            )
            last = self.last_completed
            note += (
                f"; the last call that worked: {last['name'] or type(last['module']).__name__}"
                if last
                else "; no call had finished yet"
            )
            error.add_note(note)
        error.partial_trace = self.trace()


def _expectation(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return f"; it expects a last axis of {module.in_features}"
    if isinstance(module, nn.BatchNorm1d) and module.training:
        return f"; in train mode it expects more than one value for each of its {module.num_features} features"
    return ""


def _check_names(model: nn.Module, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"names must be a list of names; got the string {names!r}: write [{names!r}]")
    known = [name for name, _ in model.named_modules(remove_duplicate=False)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or [other for other in known if other]
            raise ValueError(f"the model has no module {name!r}; did you mean {', '.join(near)}?")
    return tuple(dict.fromkeys(names))


def _labels(names: Sequence[str]) -> list[str]:
    """``relu, fc, relu`` becomes ``relu:1, fc, relu:2``."""
    totals, seen = Counter(names), Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(f"{name}:{seen[name]}" if totals[name] > 1 else name)
    return labels


def _tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested tuples, lists, dicts and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _tensors_in(getattr(value, field.name))


def _map_tensors(function: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """The same nested value with ``function`` applied to every tensor."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: _map_tensors(function, getattr(value, f.name)) for f in fields(value) if f.init}
        )
    if isinstance(value, Mapping):
        return {key: _map_tensors(function, item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_tensors(function, item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_map_tensors(function, item) for item in value)
    return value


def _shapes_text(shapes: Sequence[Shape]) -> str:
    return ", ".join("(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")" for shape in shapes)
