"""Call and Trace: what ran in one forward pass, as numbers and names; tables, filters and comparisons of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain, count
from typing import Any, NamedTuple

from fpcourse.measure.nested import Shape, shapes_text
from fpcourse.tables import ShownAsTable, Table, check_columns


class Call(NamedTuple):
    """One call of one module. Shapes list every tensor in the arguments or in the output, in order.

    ``name`` is the module's dotted path in the model, ``label`` the same with ``:1``, ``:2``, ... where the
    module was called more than once. A module that is not registered in the model (made during the forward,
    or kept in a plain list) is named by its type: ``<Linear>``. ``depth`` counts the calls of the trace inside which
    it ran. ``is_leaf`` is true when no further module ran inside, parametrizations of its own tensors apart.
    ``parameters`` counts the module's own (not its children's; but a leaf's with those of submodules whose weights it
    uses without a call, as ``nn.MultiheadAttention`` does), and ``trainable_parameters`` those of them that require a
    gradient. ``output_bytes`` is the size of the output's tensors. ``error`` is empty but for the call that failed:
    the type of what it raised, and what it expected. The containers around that one have no output.
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
    trainable_parameters: int
    error: str = ""


COLUMNS: dict[str, Callable[[Call], str]] = {
    "layer": lambda call: call.label,
    "type": lambda call: call.type,
    "mode": lambda call: "train" if call.training else "eval",
    "input": lambda call: shapes_text(call.input_shapes),
    "output": lambda call: "raised" if call.error else shapes_text(call.output_shapes),
    "dtype": lambda call: ", ".join(dict.fromkeys(call.output_dtypes)),
    "bytes": lambda call: f"{call.output_bytes:,}",
    "parameters": lambda call: f"{call.parameters:,}",
    "trainable": lambda call: f"{call.trainable_parameters:,}",
}
NUMERIC = frozenset({"bytes", "parameters", "trainable"})


@dataclass(frozen=True, repr=False)
class Trace(ShownAsTable, Sequence):
    """The leaf calls of one forward pass, in the order in which they ran.

    ``calls`` also holds the containers, each before what ran inside it. After a pass that raised, the call that failed
    is the last one of the leaf calls, be it a leaf or not. ``parameters`` and ``trainable_parameters`` count those of
    the whole model, tied ones once. A Trace holds numbers and names, no tensor.
    """

    calls: tuple[Call, ...]
    parameters: int
    trainable_parameters: int

    def __getitem__(self, index):
        return self._leaves[index]

    def __iter__(self) -> Iterator[Call]:
        return iter(self._leaves)

    def __len__(self) -> int:
        return len(self._leaves)

    @cached_property
    def _leaves(self) -> tuple[Call, ...]:
        leaves = [call for call in self.calls if call.is_leaf and not call.error]
        return (*leaves, self.failed) if self.failed else tuple(leaves)

    @property
    def failed(self) -> Call | None:
        """The innermost call that raised, in the trace that an error carries; None in any other."""
        return next((call for call in self.calls if call.error), None)

    def __repr__(self) -> str:
        labels = (call.label + " (raised)" * bool(call.error) for call in self)
        return f"Trace({len(self)} calls: {', '.join(labels)})"

    def table(
        self,
        columns: Sequence[str] = ("layer", "type", "input", "output", "parameters"),
        depth: int | None = None,
        leaves: bool = True,
    ) -> Table:
        """The calls as a table.

        Args:
            columns: any of ``layer``, ``type``, ``mode``, ``input``, ``output``, ``dtype``, ``bytes``,
                ``parameters``, ``trainable``, in the order wanted.
            depth: leave out calls nested deeper than this; the model itself is at depth 0.
            leaves: only calls in which no further module ran; otherwise containers too, indented. A container
                whose calls are left out counts their parameters as its own.

        Raises:
            ValueError: an unknown column.
        """
        check_columns(columns, COLUMNS)
        calls = self if leaves else self.calls if depth is None else _folded(self.calls, depth)
        calls = [call for call in calls if depth is None or call.depth <= depth]
        return Table(
            headers=tuple(columns),
            rows=tuple(
                tuple(
                    ("" if leaves or column != "layer" else "  " * call.depth) + COLUMNS[column](call)
                    for column in columns
                )
                for call in calls
            ),
            numeric=NUMERIC,
            error=next(((at, call.error) for at, call in enumerate(calls) if call.error), None),
            depths=() if leaves else tuple(call.depth for call in calls),
        )

    def filter(self, type: str = "*", name: str = "*") -> "Trace":
        """The calls whose type and dotted name match these patterns (``*``, ``?``, ``[...]``, case counts).

        ``trace.filter(type="Linear")``, ``trace.filter(name="encoder.*")``. A call is then as deep as there are calls
        around it that match too. The counts of the model's parameters stay those of the whole model.
        """
        matches = [fnmatchcase(call.type, type) and fnmatchcase(call.name, name) for call in self.calls]
        depths = depths_among(matches, [call.depth for call in self.calls])
        calls = zip(self.calls, matches, depths, strict=True)
        return replace(self, calls=tuple(call._replace(depth=depth) for call, match, depth in calls if match))

    def compare(self, other: "Trace") -> "Comparison":
        """What differs between this trace and ``other``: two models, two inputs, two modes.

        Calls are matched by label, in order; containers are compared too.
        """
        mine, theirs = ([call.label for call in trace.calls] for trace in (self, other))
        differences = []
        for what, i, i_end, j, j_end in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
            if what == "equal":
                for here, there in zip(self.calls[i:i_end], other.calls[j:j_end], strict=True):
                    differences += _differences(here, there)
            else:
                differences += [Difference(call.label, "call", call.type, None) for call in self.calls[i:i_end]]
                differences += [Difference(call.label, "call", None, call.type) for call in other.calls[j:j_end]]
        return Comparison(tuple(differences))

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
                mine._replace(
                    input_shapes=all_named(mine.input_shapes, theirs.input_shapes),
                    output_shapes=all_named(mine.output_shapes, theirs.output_shapes),
                )
                for mine, theirs in zip(self.calls, other.calls, strict=True)
            ),
        )


@dataclass(frozen=True)
class Difference:
    """One difference between two traces: a ``field`` of the call ``label``, or a call that one of them lacks."""

    label: str
    field: str
    here: Any
    there: Any


@dataclass(frozen=True, repr=False)
class Comparison(ShownAsTable, Sequence):
    """The differences between two traces; empty, and so false, where there are none."""

    differences: tuple[Difference, ...]

    def __getitem__(self, index):
        return self.differences[index]

    def __len__(self) -> int:
        return len(self.differences)

    def __repr__(self) -> str:
        return f"Comparison({len(self)} differences)"

    def table(self) -> Table:
        """One row a difference; "-" where a trace does not have the call."""
        return Table(
            headers=("layer", "field", "here", "there"),
            rows=tuple((diff.label, diff.field, _text(diff.here), _text(diff.there)) for diff in self),
        )


def _differences(here: Call, there: Call) -> list[Difference]:
    return [
        Difference(here.label, field, mine, theirs)
        for field, mine, theirs in zip(Call._fields, here, there, strict=True)
        if mine != theirs
    ]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return shapes_text(value) if value and isinstance(value[0], tuple) else ", ".join(value)
    return f"{value:,}" if type(value) is int else str(value)


def _folded(calls: Sequence[Call], depth: int) -> list[Call]:
    """The calls down to this depth; those at it with the parameters of what ran inside, each module once."""
    folded: list[Call] = []
    inside: dict[str, Call] = {}
    for call in reversed(calls):  # from its last to its first, a container comes after what ran inside it
        if call.depth > depth:
            inside[call.name] = call
            continue
        if call.depth == depth:
            call = call._replace(
                parameters=call.parameters + sum(inner.parameters for inner in inside.values()),
                trainable_parameters=call.trainable_parameters
                + sum(inner.trainable_parameters for inner in inside.values()),
                error=call.error or "".join(inner.error for inner in inside.values()),
            )
        inside.clear()
        folded.append(call)
    return folded[::-1]


def depths_among(chosen: Sequence[bool], depths: Sequence[int]) -> list[int]:
    """For each call how many of the chosen ones lie around it, by the depths of all."""
    around: list[int] = []
    path: list[tuple[int, bool]] = []
    for is_chosen, depth in zip(chosen, depths, strict=True):
        while path and path[-1][0] >= depth:
            path.pop()
        around.append(sum(outer for _, outer in path))
        path.append((depth, is_chosen))
    return around


def labels_of(names: Sequence[str]) -> list[str]:
    """``relu, fc, relu`` becomes ``relu:1, fc, relu:2``."""
    counts = Counter(names)
    places = {name: count(1) for name in counts}
    return [f"{name}:{next(places[name])}" if counts[name] > 1 else name for name in names]
