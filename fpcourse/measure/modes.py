"""in_mode: a mode for one block of code; mode_report: what the modes and the grad contexts each change.

``model.train()`` and ``model.eval()`` tell layers how to behave. ``torch.no_grad()`` and
``torch.inference_mode()`` tell autograd not to record. These are independent switches.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fpcourse.measure.autograd import autograd_graph
from fpcourse.measure.preserve import check_is_module, same_inputs, unchanged
from fpcourse.tables import ShownAsTable, Table

MODES = ("train", "eval")
CONTEXTS = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}


@contextmanager
def in_mode(model: nn.Module, mode: str) -> Iterator[None]:
    """A block in which ``model`` is in ``mode``, ``"eval"`` or ``"train"``.

    Afterwards, also when the block raises, each module has its own flag back: a BatchNorm that was frozen by
    ``eval()`` inside a model in train mode is still frozen, which ``model.train()`` would undo.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: another ``mode``.

    Example:
        >>> from fpcourse import ClinicalMLP, in_mode
        >>> model = ClinicalMLP()
        >>> with in_mode(model, "eval"):
        ...     inside = model.training
        >>> inside, model.training
        (False, True)
    """
    check_is_module(model)
    if mode not in MODES:
        raise ValueError(f'mode must be "train" or "eval", got {mode!r}')
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.train(mode == "train")
        yield
    finally:
        for module, training in flags:
            module.training = training


@dataclass(frozen=True, repr=False)
class ModeRow:
    """What one mode (``train``, ``eval``) and one context (``grad``, ``no_grad``, ``inference_mode``) do.

    ``output_spread`` is the largest std of any output element over repeated passes on the same input (biased;
    0.0 where all passes agree). ``graph``: the output has a ``grad_fn``; ``saved_bytes`` is what that graph
    keeps, each storage once (see ``autograd_graph``). ``statistics_moved`` is the largest change of any element of
    any buffer that is no whole number, in one pass (so ``num_batches_tracked`` is no part of it); infinite for one
    that took another shape. ``random_state_used``: one pass drew from torch's random state.
    """

    mode: str
    context: str
    output_spread: float
    graph: bool
    saved_bytes: int
    statistics_moved: float
    random_state_used: bool

    def __repr__(self) -> str:
        # Rounded: the last digits differ between processors.
        return (
            f"ModeRow({self.mode!r}, {self.context!r}, output_spread={self.output_spread:.3g}, "
            f"graph={self.graph}, saved_bytes={self.saved_bytes}, "
            f"statistics_moved={self.statistics_moved:.3g}, random_state_used={self.random_state_used})"
        )


@dataclass(frozen=True, repr=False)
class ModeReport(ShownAsTable, Sequence):
    """Six rows: train and eval, each with grad, under no_grad and under inference_mode."""

    rows: tuple[ModeRow, ...]
    repeats: int

    def __getitem__(self, index):
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"ModeReport({len(self)} rows, {self.repeats} passes each)"

    def table(self) -> Table:
        """One row for each mode and context; ``statistics`` is how far the running statistics moved."""
        return Table(
            headers=("mode", "context", "spread", "graph", "bytes", "statistics", "random state"),
            rows=tuple(
                (
                    row.mode,
                    row.context,
                    f"{row.output_spread:.3g}",
                    "yes" if row.graph else "no",
                    f"{row.saved_bytes:,}",
                    f"{row.statistics_moved:.3g}",
                    "used" if row.random_state_used else "untouched",
                )
                for row in self
            ),
            numeric=frozenset({"spread", "bytes", "statistics"}),
        )


def mode_report(model: nn.Module, X: torch.Tensor, repeats: int = 20) -> ModeReport:
    """Run ``model(X)`` ``repeats`` times in each mode and context, and report what each changes.

    Every row starts from the model as it is and from the same seed, so that a report can be repeated; the
    model, ``X`` and the reader's random state are afterwards what they were.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``, or its output is not one floating tensor.
        ValueError: fewer than two ``repeats``.
        Exception: whatever the forward raises; in train mode a BatchNorm needs more than one sample.

    Example:
        >>> from fpcourse import ClinicalMLP, mode_report, patients
        >>> report = mode_report(ClinicalMLP(), patients(16).X)
        >>> [(row.mode, row.context) for row in report if row.graph]
        [('train', 'grad'), ('eval', 'grad')]
    """
    if repeats < 2:
        raise ValueError(f"repeats must be at least 2, as a spread needs two passes; got {repeats}")
    rows = []
    for mode in MODES:
        for context in CONTEXTS:
            # The outer guard: under a reader's own inference_mode no row could have a graph.
            with torch.inference_mode(False), unchanged(model), in_mode(model, mode), CONTEXTS[context]():
                rows.append(_measured(model, X, repeats, mode, context))
    return ModeReport(tuple(rows), repeats)


def _measured(model: nn.Module, X: torch.Tensor, repeats: int, mode: str, context: str) -> ModeRow:
    generators = _generators(model)
    for generator in generators:
        generator.manual_seed(0)
    random_before = [generator.get_state() for generator in generators]
    before = _statistics(model)
    output = _output(model, X)
    if not isinstance(output, torch.Tensor) or not output.is_floating_point():
        kind = output.dtype if isinstance(output, torch.Tensor) else type(output).__name__
        raise TypeError(f"the model must give one floating tensor, got {kind}")
    random_state_used = not all(
        torch.equal(before, generator.get_state()) for before, generator in zip(random_before, generators, strict=True)
    )
    after = _statistics(model)
    changes = [_largest_change(before[name], after[name]) for name in before.keys() & after.keys()]
    graph = output.grad_fn is not None
    saved_bytes = autograd_graph(output).saved_bytes if graph else 0
    outputs = [output.detach(), *(_output(model, X).detach() for _ in range(repeats - 1))]
    return ModeRow(
        mode=mode,
        context=context,
        output_spread=torch.stack(outputs).to("cpu", torch.float64).std(0, correction=0).max().item(),
        graph=graph,
        saved_bytes=saved_bytes,
        statistics_moved=max(changes, default=0.0),
        random_state_used=random_state_used,
    )


def _output(model: nn.Module, X: torch.Tensor) -> Any:
    """Of one pass on what the reader gave, even where the forward writes into it, and puts that out."""
    with same_inputs(X):
        output = model(X)
        return output.clone() if isinstance(output, torch.Tensor) else output


def _generators(model: nn.Module) -> list[torch.Generator]:
    """torch's random generators, those that ``unchanged`` keeps: the CPU's and the model's devices'."""
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    return [torch.default_generator, *(torch.cuda.default_generators[device.index] for device in devices)]


def _statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """The buffers that are no whole numbers, as float64 on the CPU; complex ones as pairs."""
    with torch.no_grad():
        return {
            name: _as_numbers(buffer)
            for name, buffer in model.named_buffers()
            if (buffer.is_floating_point() or buffer.is_complex() or buffer.is_quantized) and not buffer.is_meta
        }


def _as_numbers(buffer: torch.Tensor) -> torch.Tensor:
    if buffer.is_quantized:
        buffer = buffer.dequantize()
    if buffer.is_nested:
        buffer = buffer.to_padded_tensor(0.0)
    elif buffer.layout is not torch.strided:
        buffer = buffer.to_dense()
    if buffer.is_complex():
        buffer = torch.view_as_real(buffer.resolve_conj())
    return buffer.to("cpu", torch.float64, copy=True)


def _largest_change(before: torch.Tensor, after: torch.Tensor) -> float:
    if before.shape != after.shape:
        return float("inf")
    # Equal elements first: the difference of two infinities, as in an attention mask, is not a number.
    equal = (before == after) | (before.isnan() & after.isnan())
    change = torch.where(equal, 0.0, (after - before).abs())
    return change.max().item() if change.numel() else 0.0
