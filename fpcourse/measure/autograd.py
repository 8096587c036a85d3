"""autograd_graph: the nodes that a forward pass left for backward, and the tensors they keep.

This is the other graph: ``fpcourse.measure.tracing`` sees calls of modules, this one sees operations, also those that
are no module. It exists once the forward has run, before any ``backward()``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fpcourse.tables import ShownAsTable, Table

RAW = "_raw_saved_"


@dataclass(frozen=True)
class SavedTensor:
    """One save of one node: the operation's name for it (``result``, ``mat1``), its shape and its ``nbytes``.

    ``storage`` numbers the memory behind it in the order met: two saves of the same number share memory.
    ``is_parameter`` is true when that memory is a parameter's, as in ``weight.t()``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    is_parameter: bool
    storage: int


@dataclass(frozen=True)
class Storage:
    """Memory that one or more saves share. ``bytes`` is the stretch of it that they span, counted once."""

    bytes: int
    is_parameter: bool


@dataclass(frozen=True)
class Leaf:
    """The tensor whose gradient an ``AccumulateGrad`` node collects; ``name`` as in the model given."""

    name: str | None
    shape: tuple[int, ...]
    is_parameter: bool


@dataclass(frozen=True)
class Node:
    """One operation of the graph. ``leaf`` is set for ``AccumulateGrad`` only.

    ``freed`` is true once a backward has dropped what the node had saved: ``saved`` is then empty. (After a
    backward, a custom ``torch.autograd.Function`` says so even when it had saved nothing.)
    """

    index: int
    name: str
    saved: tuple[SavedTensor, ...]
    leaf: Leaf | None
    freed: bool


@dataclass(frozen=True, repr=False)
class AutogradGraph(ShownAsTable):
    """The nodes reachable from a tensor, breadth first; node 0 is the tensor's own ``grad_fn``.

    ``edges`` run as backward does, from a node to those it passes gradients to, one for each input that needs
    a gradient: ``a * a`` has two edges to the same node. Numbers and names only, no tensor is kept.

    Bytes come in two counts. Per storage, memory that several saves share counts once: what the graph keeps
    alive. Per save, every save counts. In both, what is no parameter counts as activation: outputs of layers,
    the input batch, dropout masks, batch statistics.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]
    storages: tuple[Storage, ...]

    @property
    def saved(self) -> tuple[SavedTensor, ...]:
        """Every save, in the order of the nodes."""
        return tuple(saved for node in self.nodes for saved in node.saved)

    @property
    def saved_bytes(self) -> int:
        """Bytes saved for backward, each storage counted once."""
        return _bytes(self.storages)

    @property
    def parameter_bytes(self) -> int:
        """The part of ``saved_bytes`` that is parameters, which are in memory anyway."""
        return _bytes(self.storages, of_parameters=True)

    @property
    def activation_bytes(self) -> int:
        """The part of ``saved_bytes`` that is no parameter."""
        return _bytes(self.storages, of_parameters=False)

    @property
    def saved_bytes_per_save(self) -> int:
        """Bytes saved for backward, every save counted, also of memory counted before."""
        return _bytes(self.saved)

    def __repr__(self) -> str:
        return f"AutogradGraph({len(self.nodes)} nodes, {self.saved_bytes:,} bytes saved)"

    def table(self) -> Table:
        """One row a node: what it saved, in which storages, and the bytes of its saves.

        The last row gives both counts: each storage once, and the sum of the column.
        """
        return Table(
            headers=("node", "operation", "saved", "storage", "bytes"),
            rows=tuple(
                (
                    str(node.index),
                    node.name,
                    _saved_text(node),
                    ", ".join(str(saved.storage) for saved in node.saved),
                    f"{_bytes(node.saved):,}",
                )
                for node in self.nodes
            ),
            numeric=frozenset({"node", "bytes"}),
            total=(
                "",
                "every save",
                f"each storage once: {self.saved_bytes:,} bytes",
                "",
                f"{self.saved_bytes_per_save:,}",
            ),
        )


def autograd_graph(tensor: torch.Tensor, model: nn.Module | None = None) -> AutogradGraph:
    """The autograd graph behind ``tensor``, a model's output or a loss, and what it saved for backward.

    Nothing is run and nothing changed: a save packed by ``torch.autograd.graph.saved_tensors_hooks`` is not
    unpacked, and counts only where it was packed into a tensor. Given the ``model``, leaves bear the dotted
    names of its parameters. The number in ``x * 2`` is listed as torch keeps it, a tensor of shape ``()``;
    saved tensor hooks are not shown it. Not seen, and so not in the bytes: what a custom ``torch.autograd.Function``
    hangs on its ``ctx`` without ``save_for_backward``, and what an in-place operation on a view saved, which torch
    keeps inside a ``CopySlices`` node.

    Raises:
        TypeError: ``tensor`` is not a tensor, or ``model`` not a ``torch.nn.Module``.
        ValueError: ``tensor`` has no ``grad_fn``.
        NotImplementedError: a saved tensor is sparse, so that its bytes are not those of one storage.

    Example:
        >>> from fpcourse import autograd_graph, mlp, patients
        >>> autograd_graph(mlp([20, 64, 1])(patients(16).X))
        AutogradGraph(9 nodes, 5,632 bytes saved)
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"expected a tensor, e.g. the model's output; got {type(tensor).__name__}")
    if model is not None and not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module as model, got {type(model).__name__}")
    if tensor.grad_fn is None:
        raise ValueError(f"the tensor has no autograd graph (grad_fn is None): {_why_no_graph(tensor)}")
    functions, edges = _walk(tensor.grad_fn)
    node_saves = [_saved_by(function) for function in functions]
    parameters = {} if model is None else dict(model.named_parameters())
    names = {id(parameter): name for name, parameter in parameters.items()}
    leaves = [getattr(function, "variable", None) for function in functions]
    tensors = [tensor for saves, _ in node_saves for _, tensor in saves]
    storages = _Storages([*parameters.values(), *leaves, *tensors])
    nodes = tuple(
        Node(
            index=index,
            name=function.name().rpartition("::")[-1],
            saved=tuple(storages.add(name, saved) for name, saved in saves),
            leaf=None if leaf is None else Leaf(names.get(id(leaf)), tuple(leaf.shape), isinstance(leaf, nn.Parameter)),
            freed=freed,
        )
        for index, (function, leaf, (saves, freed)) in enumerate(zip(functions, leaves, node_saves, strict=True))
    )
    return AutogradGraph(nodes, edges, storages.counted())


def _why_no_graph(tensor: torch.Tensor) -> str:
    if tensor.is_inference():
        return "it was made under torch.inference_mode()"
    if tensor.requires_grad:
        return "it is a leaf, nothing was computed yet; pass what was computed from it"
    return (
        "it was computed under torch.no_grad(), or detached, or no input and no parameter behind it requires a gradient"
    )


def _walk(first: Any) -> tuple[list[Any], tuple[tuple[int, int], ...]]:
    """All nodes from ``first`` on, and their edges; a queue, as recursion ends at a depth of 1,000."""
    functions, indices, edges = [first], {first: 0}, []
    for function in functions:  # grows while it is walked
        for following, _ in function.next_functions:
            if following is None:
                continue
            if following not in indices:
                indices[following] = len(functions)
                functions.append(following)
            edges.append((indices[function], indices[following]))
    return functions, tuple(edges)


def _saved_by(function: Any) -> tuple[list[tuple[str, torch.Tensor]], bool]:
    """The tensors that a node saved, by name, and whether a backward has freed them.

    Read through ``_raw_saved_*``: ``_saved_*`` would run unpack hooks (with activation checkpointing, the
    forward again) and raise where a saved tensor was overwritten in place.
    """
    saves, freed = [], False
    for attribute in dir(type(function)):
        if not attribute.startswith(RAW):
            continue
        try:
            raw = getattr(function, attribute)
        except RuntimeError:
            freed = True
            continue
        name, several = attribute.removeprefix(RAW), isinstance(raw, tuple)
        for position, saved in enumerate(raw if several else [raw]):
            if isinstance(saved.data, torch.Tensor):
                saves.append((f"{name}[{position}]" if several else name, saved.data))
            else:
                freed = freed or _is_freed(saved)
    return saves, freed


def _is_freed(saved: Any) -> bool:
    """Tell a save that was freed from one that never held a tensor, or that a hook has packed away."""
    if saved.unpack_hook is not None:
        return False
    try:
        saved.unpack()
    except RuntimeError:
        return True
    return False


class _Storages:
    """The storages met, numbered, with the stretches of bytes that saves span in each."""

    def __init__(self, tensors: Sequence[torch.Tensor | None]):
        """``tensors``: where parameters may be found, as themselves or as the base of a view."""
        self.of_parameters = {
            _storage_id(tensor)
            for tensor in tensors
            if isinstance(tensor, nn.Parameter)
            or (isinstance(tensor, torch.Tensor) and isinstance(tensor._base, nn.Parameter))
        }
        self.numbers: dict[int, int] = {}
        self.spans: dict[int, list[tuple[int, int]]] = {}

    def add(self, name: str, tensor: torch.Tensor) -> SavedTensor:
        if tensor.layout is not torch.strided:
            raise NotImplementedError(
                f"the saved tensor {name!r} has layout {tensor.layout}; only dense ones can be counted"
            )
        storage = _storage_id(tensor)
        self.spans.setdefault(storage, []).append(_span(tensor))
        return SavedTensor(
            name=name,
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            bytes=tensor.nbytes,
            is_parameter=storage in self.of_parameters,
            storage=self.numbers.setdefault(storage, len(self.numbers)),
        )

    def counted(self) -> tuple[Storage, ...]:
        return tuple(Storage(_covered(spans), storage in self.of_parameters) for storage, spans in self.spans.items())


def _storage_id(tensor: torch.Tensor) -> int:
    # Not data_ptr(): on the meta device and for empty tensors that is 0 for all.
    return tensor.untyped_storage()._cdata


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """First byte of ``tensor`` in its storage, and one past its last."""
    if tensor.numel() == 0:
        return (0, 0)
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    first = tensor.storage_offset()
    return (first * tensor.itemsize, (first + last + 1) * tensor.itemsize)


def _covered(spans: Sequence[tuple[int, int]]) -> int:
    """Bytes in the union of ``spans``: a batch that is a slice of a data set counts as the slice."""
    covered, reached = 0, 0
    for start, stop in sorted(spans):
        covered += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return covered


def _bytes(counted: Sequence[SavedTensor | Storage], of_parameters: bool | None = None) -> int:
    return sum(item.bytes for item in counted if of_parameters in (None, item.is_parameter))


def _saved_text(node: Node) -> str:
    if node.leaf:
        kind = node.leaf.name or ("parameter" if node.leaf.is_parameter else "leaf")
        return f"(gradient of {kind} {node.leaf.shape})"
    if node.freed:
        return "(freed by backward)"
    if node.name == "CopySlices":
        return "(what the operation inside saved is not seen)"
    return ", ".join(f"{saved.name} {saved.shape}" for saved in node.saved)
