"""capture: keep what named modules output, in the reader's own forward; get_intermediate_activations: in one call."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from fpcourse.measure.calls import labels_of
from fpcourse.measure.hooks import TransientHook
from fpcourse.measure.nested import copy_nested, outside_transforms
from fpcourse.measure.preserve import check_is_module, same_inputs, unchanged
from fpcourse.measure.uncompiled import calls_visible, check_uncompiled


@contextmanager
def capture(
    model: nn.Module, names: Sequence[str], reduce: Callable[[torch.Tensor], Any] | None = None
) -> Iterator["Captured"]:
    """Inside the block, keep a copy of what the named modules output in the reader's own forward.

    Adds hooks and removes them, nothing else: the mode, the grad mode and everything the forward changes are
    the reader's. ``with capture(model, ["relu"]) as activations: model(X)`` gives
    ``activations["relu:1"]`` and ``activations["relu:2"]``, detached clones. An output that is no tensor is copied
    as ``copy.deepcopy`` does, with detached clones of the tensors in it.

    Args:
        model: the model that will run.
        names: dotted names of modules in it.
        reduce: called with each output tensor, detached, as soon as it is there; what it returns is kept in
            the tensor's place: ``reduce=torch.std`` keeps one number a call and no activation.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: a name that the model does not have; the message lists near misses.
        RuntimeError: at the end of the block, if nothing was seen of a module inside compiled code, where torch
            need not call hooks.

    Example:
        >>> from fpcourse import ClinicalMLP, capture, patients
        >>> model = ClinicalMLP()
        >>> with capture(model, ["layer1", "relu"]) as activations:
        ...     logits = model(patients(16).X)
        >>> activations
        Captured(layer1, relu:1, relu:2)
    """
    check_is_module(model)
    modules = dict(model.named_modules(remove_duplicate=False))
    captured = Captured(check_names(model, names), {id(module): module for module in modules.values()})
    with ExitStack() as stack:
        for name in captured.names:
            hook = TransientHook(captured.keeper(name, reduce))
            stack.callback(modules[name].register_forward_hook(hook).remove)
        yield captured
    check_uncompiled(model, captured.names_not_called())


class _Uncopied(NamedTuple):
    """Stands for an output that could not be copied: never the live object in place of a copy."""

    type: str
    error: str


class Captured(Mapping):
    """Outputs by label (``relu:1``, or ``relu`` for a module that ran once), in the order they ran."""

    def __init__(self, names: Sequence[str], shared: Mapping[int, Any]):
        self.names = tuple(names)
        self._shared = shared  # the model's modules, by id: an output may hold them, and they are not copied
        self._outputs: list[tuple[str, Any]] = []
        self._labelled: dict[str, Any] | None = None  # made when asked for, as a second call changes the first label

    def keeper(self, name: str, reduce: Callable[[torch.Tensor], Any] | None) -> Callable[..., None]:
        """A forward hook that keeps under ``name`` what a module outputs, copied or reduced."""

        def detached(tensor: torch.Tensor) -> torch.Tensor:
            return outside_transforms(tensor).detach()

        def copied(tensor: torch.Tensor) -> Any:
            # What reduce gives may be a view of the activation, which a later in-place operation would overwrite.
            return copy_nested(reduce(tensor) if reduce else tensor, torch.clone)

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            with torch.no_grad():
                try:
                    output = copy_nested(output, detached, self._shared)
                except Exception as error:  # said when it is asked for: the reader's forward goes on
                    output = _Uncopied(type(output).__name__, str(error))
                else:
                    output = copy_nested(output, copied, self._shared)
            self._outputs.append((name, output))
            self._labelled = None

        return keep

    def names_not_called(self) -> list[str]:
        """The named modules of which nothing was seen."""
        return [name for name in self.names if name not in dict(self._outputs)]

    def check_all_ran(self) -> None:
        """Raise a ValueError that lists the named modules that were not called."""
        if missed := self.names_not_called():
            raise ValueError(f"{', '.join(missed)}: in the model, but not called in this forward pass")

    def _by_label(self) -> dict[str, Any]:
        if self._labelled is None:
            labels = labels_of([name for name, _ in self._outputs])
            self._labelled = dict(zip(labels, (output for _, output in self._outputs), strict=True))
        return self._labelled

    def __getitem__(self, label: str) -> Any:
        outputs = self._by_label()
        if label not in outputs:
            raise KeyError(f"nothing captured under {label!r}; captured so far: {', '.join(outputs) or 'nothing'}")
        output = outputs[label]
        if isinstance(output, _Uncopied):
            raise TypeError(
                f"{label} gives a {output.type}, which cannot be copied: {output.error}; name other modules"
            )
        return output

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
    The model and ``X`` are afterwards what they were.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``, or an output that cannot be copied.
        ValueError: a name that the model does not have, or whose module did not run.

    Example:
        >>> from fpcourse import ClinicalMLP, get_intermediate_activations, patients
        >>> outputs = get_intermediate_activations(ClinicalMLP(), patients(16).X, ["relu"])
        >>> {label: tuple(output.shape) for label, output in outputs.items()}
        {'relu:1': (16, 64), 'relu:2': (16, 32)}
    """
    visible = calls_visible(list(model.modules()))
    with unchanged(model), same_inputs(X), torch.no_grad(), visible, capture(model, layer_names) as captured:
        model(X)
    captured.check_all_ran()
    return dict(captured)


def check_names(model: nn.Module, names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once; a ValueError with near misses for one that the model does not have."""
    if isinstance(names, str):
        raise ValueError(f"names must be a list of names; got the string {names!r}: write [{names!r}]")
    known = [name for name, _ in model.named_modules(remove_duplicate=False)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or [*filter(None, known)][:12]
            raise ValueError(f"the model has no module {name!r}; did you mean {', '.join(near)}?")
    return tuple(dict.fromkeys(names))
