"""layer_statistics: mean, spread, zeros and saturation of each layer's outputs, over any amount of data."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from fpcourse.measure.capturing import capture
from fpcourse.measure.preserve import same_inputs, unchanged
from fpcourse.measure.uncompiled import calls_visible
from fpcourse.tables import ShownAsTable, Table, check_columns

SATURATED_WITHIN = 0.01  # of a limit of the range
LIMITS: dict[type[nn.Module], tuple[float, float]] = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}


@dataclass(frozen=True, repr=False)
class LayerStatistics:
    """What one layer put out over all samples. ``shape`` is that of one sample, without the batch axis.

    ``mean`` and ``std`` are over all elements of all samples. ``std_over_batch`` is the std over the samples
    of each element of a sample, averaged over the elements. Both are biased (population) stds. ``rms`` is the
    root mean square of all elements, and ``relative_std_over_batch`` the std over the batch divided by it: what
    differs between samples as a share of what is there, whatever the scale.

    ``zero_fraction`` is the share of elements that are exactly 0. ``saturated_fraction`` is the share closer
    than 0.01 to a limit of the range (``|tanh| > 0.99``, sigmoid below 0.01 or above 0.99), and None for
    modules other than ``nn.Sigmoid`` and ``nn.Tanh``.

    A unit is one place on the last axis, or a channel (the second axis) of an output of four axes,
    ``(batch, channels, height, width)``. ``dead_units`` counts those that are 0 for every sample, in the mode
    in which the model ran: after a ReLU, the dead ones.

    ``minimum`` and ``maximum`` are over all numbers, infinities among them, and NaN where there is none; ``nans`` and
    ``infinities`` count what is not finite.
    """

    label: str
    shape: tuple[int, ...]
    mean: float
    std: float
    std_over_batch: float
    rms: float
    zero_fraction: float
    saturated_fraction: float | None
    units: int
    dead_units: int
    minimum: float
    maximum: float
    nans: int
    infinities: int

    @property
    def relative_std_over_batch(self) -> float:
        """``std_over_batch / rms``; 0 for a layer that is 0 throughout."""
        return self.std_over_batch / self.rms if self.rms else 0.0

    def __repr__(self) -> str:
        # Rounded: the last digits differ between processors.
        return (
            f"LayerStatistics({self.label!r}, mean={self.mean:z.4f}, std={self.std:.3g}, "
            f"std_over_batch={self.std_over_batch:.3g}, rms={self.rms:.3g}, zero_fraction={self.zero_fraction:.4f}, "
            f"dead_units={self.dead_units} of {self.units})"
        )


@dataclass(frozen=True, repr=False)
class ModelStatistics(ShownAsTable, Sequence):
    """The statistics of the layers, one for each call, in the order in which they ran.

    ``mode`` is the one they were counted in: ``"train"``, ``"eval"``, or ``"mixed"`` if modules differ.
    """

    layers: tuple[LayerStatistics, ...]
    samples: int
    mode: str

    def __getitem__(self, index):
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        labels = ", ".join(layer.label for layer in self)
        return f"ModelStatistics({len(self)} layers over {self.samples:,} samples, mode {self.mode}: {labels})"

    def table(self, columns: Sequence[str] | None = None) -> Table:
        """One row a layer; a dash where a layer's range has no limits to saturate at.

        Args:
            columns: any of ``layer``, ``shape``, ``mean``, ``std``, ``std over batch``, ``over rms``, ``zeros``,
                ``saturated``, ``min``, ``max``, ``NaN``, ``inf``, ``dead units``, in the order wanted. By default all
                but ``min`` and ``max``, and the two counts only where they are not 0.

        Raises:
            ValueError: an unknown column.
        """
        strange = any(layer.nans or layer.infinities for layer in self)
        columns = columns or [name for name in COLUMNS if name not in EXTRA and (strange or name not in ("NaN", "inf"))]
        check_columns(columns, COLUMNS)
        headers = {"dead units": f"dead units ({self.mode})"}
        return Table(
            headers=tuple(headers.get(column, column) for column in columns),
            rows=tuple(tuple(COLUMNS[column](layer) for column in columns) for layer in self),
            numeric=frozenset(headers.get(column, column) for column in columns if column not in TEXT),
        )


COLUMNS: dict[str, Callable[[LayerStatistics], str]] = {
    "layer": lambda layer: layer.label,
    "shape": lambda layer: str(layer.shape),
    "mean": lambda layer: f"{layer.mean:z.4f}",
    "std": lambda layer: f"{layer.std:.3g}",
    "std over batch": lambda layer: f"{layer.std_over_batch:.3g}",
    "over rms": lambda layer: f"{layer.relative_std_over_batch:.3g}",
    "zeros": lambda layer: f"{layer.zero_fraction:.1%}",
    "saturated": lambda layer: "-" if layer.saturated_fraction is None else f"{layer.saturated_fraction:.1%}",
    "min": lambda layer: f"{layer.minimum:.3g}",
    "max": lambda layer: f"{layer.maximum:.3g}",
    "NaN": lambda layer: f"{layer.nans:,}",
    "inf": lambda layer: f"{layer.infinities:,}",
    "dead units": lambda layer: f"{layer.dead_units} of {layer.units}",
}
TEXT = frozenset({"layer", "shape"})
EXTRA = frozenset({"min", "max"})  # on request


def layer_statistics(
    model: nn.Module,
    batches: torch.Tensor | Iterable[torch.Tensor],
    layer_names: Sequence[str] | None = None,
) -> ModelStatistics:
    """Run ``model`` on all ``batches``, without a graph, and reduce what each layer puts out.

    Args:
        model: runs in the mode it is in, and is afterwards what it was (see ``unchanged``). In train mode a
            BatchNorm's outputs depend on how the data are cut into batches.
        batches: one input ``(batch, features)``, or an iterable of such. The first axis of inputs and
            outputs counts samples. Outputs are kept for one batch at a time.
        layer_names: dotted names of modules; by default every module that has no children. One that is called
            several times gives a row a call (``relu:1``, ``relu:2``).

    Raises:
        TypeError: ``model``, ``batches`` or a batch is not what is asked for above.
        ValueError: there are no batches, a batch is empty, an unknown name, a named layer that did not run,
            an output that is not one floating tensor with a batch axis, or calls or shapes that differ from
            one batch to the next.

    The running update of mean and variance is that of Chan, Golub and LeVeque, "Updating Formulae and a
    Pairwise Algorithm for Computing Sample Variances", 1979, in float64.

    Example:
        >>> from fpcourse import ClinicalMLP, layer_statistics, patients
        >>> layer_statistics(ClinicalMLP(), patients(512).X.split(128), ["relu"])
        ModelStatistics(2 layers over 512 samples, mode train: relu:1, relu:2)
    """
    running: dict[str, _Running] = {}
    samples = 0
    with unchanged(model), torch.no_grad(), calls_visible(list(model.modules())):
        names = _leaf_names(model) if layer_names is None else layer_names
        for batch in _checked(batches):
            with same_inputs(batch), capture(model, names) as captured:
                model(batch)
            outputs = dict(captured)
            if samples == 0:
                if layer_names is not None:
                    captured.check_all_ran()
                modules = dict(model.named_modules(remove_duplicate=False))
                running = {label: _Running(label, _module(modules, label)) for label in outputs}
            elif list(running) != list(outputs):
                raise ValueError(
                    f"the calls differ between batches: first {', '.join(running)}, "
                    f"then {', '.join(outputs)}; name layers that run alike on every batch"
                )
            for label, output in outputs.items():
                running[label].add(output)
            samples += len(batch)
    if samples == 0:
        raise ValueError("there are no batches; a generator gives its batches only once: make a new one")
    return ModelStatistics(tuple(layer.statistics() for layer in running.values()), samples, _mode(model))


def _mode(model: nn.Module) -> str:
    """``"train"``, ``"eval"``, or ``"mixed"`` if its modules are not all in one mode."""
    flags = {module.training for module in model.modules()}
    return "mixed" if len(flags) == 2 else "train" if True in flags else "eval"


class _Running:
    """Count, mean and sum of squared deviations of each element of a sample, updated batch by batch."""

    def __init__(self, label: str, module: nn.Module):
        self.label = label or type(module).__name__  # the model itself has no name
        self.limits = LIMITS.get(type(module))
        self.shape: tuple[int, ...] = ()
        self.count = 0
        self.mean = self.squares = self.zeros = torch.zeros((), dtype=torch.float64)
        self.saturated = self.nans = self.infinities = 0
        self.minimum = self.maximum = torch.nan

    def add(self, output: torch.Tensor) -> None:
        """Merge the outputs ``(batch, ...)`` for one more batch."""
        self._check(output)
        values = output.to("cpu", torch.float64)  # not every device computes in float64
        count, mean = len(values), values.mean(0)
        delta, total = mean - self.mean, self.count + count
        self.squares = self.squares + ((values - mean) ** 2).sum(0) + delta**2 * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.count = total
        self.zeros = self.zeros + (values == 0).sum(0)
        self.nans += int(values.isnan().sum())
        self.infinities += int(values.isinf().sum())
        if len(numbers := values[~values.isnan()]):
            self.minimum = min(numbers.min().item(), self.minimum)  # in this order a NaN gives way
            self.maximum = max(numbers.max().item(), self.maximum)
        if self.limits:
            low, high = self.limits
            near = (values < low + SATURATED_WITHIN) | (values > high - SATURATED_WITHIN)
            self.saturated += int(near.sum())

    def _check(self, output: torch.Tensor) -> None:
        if not isinstance(output, torch.Tensor) or not output.is_floating_point() or output.dim() == 0:
            kind = (
                f"a {output.dtype} tensor of shape {tuple(output.shape)}"
                if isinstance(output, torch.Tensor)
                else f"a {type(output).__name__}"
            )
            raise ValueError(f"{self.label} gives {kind}, not one floating tensor (batch, ...); name other layers")
        shape = tuple(output.shape[1:])
        if self.count == 0:
            self.shape = shape
        elif shape != self.shape:
            raise ValueError(
                f"{self.label} gives {self.shape} for a sample in one batch and {shape} in another; "
                "give batches that differ in the number of samples only"
            )

    def statistics(self) -> LayerStatistics:
        variance = self.squares / self.count
        # Law of total variance: within the elements of a sample, and between them.
        std = (variance.mean() + self.mean.var(correction=0)).sqrt()
        rms = (variance + self.mean**2).mean().sqrt()
        dead = _by_unit(self.zeros == self.count).all(0)
        return LayerStatistics(
            label=self.label,
            shape=self.shape,
            mean=self.mean.mean().item(),
            std=std.item(),
            std_over_batch=variance.sqrt().mean().item(),
            rms=rms.item(),
            zero_fraction=(self.zeros / self.count).mean().item(),
            saturated_fraction=self.saturated / (self.count * self.mean.numel()) if self.limits else None,
            units=len(dead),
            dead_units=int(dead.sum()),
            minimum=self.minimum,
            maximum=self.maximum,
            nans=self.nans,
            infinities=self.infinities,
        )


def _by_unit(sample: torch.Tensor) -> torch.Tensor:
    """The elements of one sample as ``(places, units)``."""
    if sample.dim() == 3:  # (channels, height, width)
        return sample.flatten(1).T
    return sample.reshape(-1, sample.shape[-1] if sample.dim() else 1)


def _checked(batches: torch.Tensor | Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    if not isinstance(batches, Iterable):
        raise TypeError(f"batches must be a tensor or an iterable of tensors, got {type(batches).__name__}")
    for batch in [batches] if isinstance(batches, torch.Tensor) else batches:
        if not isinstance(batch, torch.Tensor):
            raise TypeError(
                f"each batch must be a tensor, got {type(batch).__name__}; from a loader of pairs pass "
                "(X for X, y in loader)"
            )
        if batch.dim() == 0 or len(batch) == 0:
            raise ValueError(f"a batch needs at least one sample, got shape {tuple(batch.shape)}")
        yield batch


def _leaf_names(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if not list(module.children())]


def _module(modules: Mapping[str, nn.Module], label: str) -> nn.Module:
    return modules[label if label in modules else label.rpartition(":")[0]]
