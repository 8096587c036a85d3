"""capture: keep what named modules output, in the reader's own forward; get_intermediate_activations: in one call."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from fpcourse.measure.calls import labels_of
from fpcourse.measure.hooks import TransientHook
from fpcourse.measure.nested import map_tensors
from fpcourse.measure.preserve import check_is_module, unchanged


@contextmanager
def capture(
    model: nn.Module, names: Sequence[str], reduce: Callable[[torch.Tensor], Any] | None = None
) -> Iterator["Captured"]:
    """Inside the block, keep a copy of what the named modules output in the reader's own forward.

    Adds hooks and removes them, nothing else: the mode, the grad mode and everything the forward changes are
    the reader's. ``with capture(model, ["relu"]) as activations: model(X)`` gives
    ``activations["relu:1"]`` and ``activations["relu:2"]``, detached clones.

    Args:
        model: the model that will run.
        names: dotted names of modules in it.
        reduce: called with each output tensor, detached, as soon as it is there; what it returns is kept in
            the tensor's place: ``reduce=torch.std`` keeps one number a call and no activation.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: a name that the model does not have; the message lists near misses.

    Example:
        >>> from fpcourse import ClinicalMLP, capture, patients
        >>> model = ClinicalMLP()
        >>> with capture(model, ["layer1", "relu"]) as activations:
        ...     logits = model(patients(16).X)
        >>> activations
        Captured(layer1, relu:1, relu:2)
    """
    check_is_module(model)
    captured = Captured(_check_names(model, names))
    modules = dict(model.named_modules(remove_duplicate=False))
    with ExitStack() as stack:
        for name in captured.names:
            hook = TransientHook(captured.keeper(name, reduce))
            stack.callback(modules[name].register_forward_hook(hook).remove)
        yield captured


class Captured(Mapping):
    """Outputs by label (``relu:1``, or ``relu`` for a module that ran once), in the order they ran."""

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)
        self._outputs: list[tuple[str, Any]] = []

    def keeper(self, name: str, reduce: Callable[[torch.Tensor], Any] | None) -> Callable[..., None]:
        """A forward hook that keeps under ``name`` what a module outputs, copied or reduced."""

        def copy_of(tensor: torch.Tensor) -> Any:
            if reduce is None:
                return tensor.detach().clone()
            # The result may be a view of the activation, which a later in-place operation would overwrite.
            return map_tensors(torch.clone, reduce(tensor.detach()))

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            with torch.no_grad():
                self._outputs.append((name, map_tensors(copy_of, output)))

        return keep

    def check_all_ran(self) -> None:
        """Raise a ValueError that lists the named modules that were not called."""
        ran = {name for name, _ in self._outputs}
        missed = [name for name in self.names if name not in ran]
        if missed:
            raise ValueError(f"{', '.join(missed)}: in the model, but not called in this forward pass")

    def _by_label(self) -> dict[str, Any]:
        labels = labels_of([name for name, _ in self._outputs])
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

    Example:
        >>> from fpcourse import ClinicalMLP, get_intermediate_activations, patients
        >>> outputs = get_intermediate_activations(ClinicalMLP(), patients(16).X, ["relu"])
        >>> {label: tuple(output.shape) for label, output in outputs.items()}
        {'relu:1': (16, 64), 'relu:2': (16, 32)}
    """
    with unchanged(model), torch.no_grad(), capture(model, layer_names) as captured:
        model(X)
    captured.check_all_ran()
    return captured._by_label()


def _check_names(model: nn.Module, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"names must be a list of names; got the string {names!r}: write [{names!r}]")
    known = [name for name, _ in model.named_modules(remove_duplicate=False)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or [known_name for known_name in known if known_name]
            raise ValueError(f"the model has no module {name!r}; did you mean {', '.join(near)}?")
    return tuple(dict.fromkeys(names))
