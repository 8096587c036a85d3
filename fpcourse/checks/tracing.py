"""The checkers of the exercises on tracing: numbered_calls, silenced, train_output."""

import copy
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from fpcourse.checks.exercises import Attempt, Suspect, describe, exercise, same
from fpcourse.checks.forms import Gaps
from fpcourse.models import ClinicalMLP

CLINICAL = ["layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3"]
OWN_HANDLES = "Keep the handles of your own hooks, and remove these."
EACH_HANDLE = "A hook stays until its own handle's remove() is called, whether the pass worked or raised."
FINALLY = "Take the hooks off in finally, which an error reaches too."
NUMBERED = (
    Gaps(
        """
        def numbered_calls(model, X):
            rows, handles = [], []

            def make_hook(name):
                def hook(module, inputs, output):
                    number = 1 + sum(row[0] == name for row in rows)
                    rows.append((name, number, tuple(output.shape)))
                return hook

            try:
                for name, module in model.named_modules():
                    if not list(module.children()):
                        handle = module.register_forward_hook(make_hook(name))
                        ⟦handles.append(handle) | handles.append(handle.remove) | handles = [handle]⟧
                with torch.no_grad():
                    model(X)
            ⟦= finally | except Exception⟧:
                ⟦for handle in handles: handle.remove() | for remove in handles: remove() | handles.clear()⟧
            return rows
        """,
        also_right=("101",),  # what is kept is called, or its remove is
    ),
    Gaps(
        """
        def numbered_calls(model, X):
            from functools import partial
            rows, handles = [], []

            def hook(⟦name, module, inputs, output | module, inputs, output, name⟧):
                number = ⟦= 1 | 0⟧ + sum(row[0] == name for row in rows)
                rows.append((name, number, tuple(output.shape)))

            try:
                for name, module in model.named_modules():
                    if not list(module.children()):
                        made = ⟦partial(hook, name) | partial(hook, name=name) | lambda *call: hook(name, *call)⟧
                        handles.append(module.register_forward_hook(made))
                with torch.no_grad():
                    model(X)
            finally:
                for handle in handles:
                    handle.remove()
            return rows
        """,
        also_right=("101",),  # a name by its own name may come last
    ),
)


@dataclass
class Case:
    """A model whose leaf modules run one after the other, with their names in the order of the calls."""

    model: nn.Module
    order: list[str]
    X: torch.Tensor

    def steps(self) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
        """Each call's name, input and output in eval mode, from the modules alone, without a hook."""
        x, model = self.X, copy.deepcopy(self.model).eval()
        for name in self.order:
            inputs, x = x, model.get_submodule(name)(x).detach()
            yield name, inputs, x


class Branching(nn.Module):
    """A block called twice, a layer that never runs, and an order of definition that is not that of the calls."""

    def __init__(self, n_features: int, width: int):
        super().__init__()
        self.head = nn.Linear(width, 3)
        self.spare = nn.Linear(width, 2)
        self.block = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.entry = nn.Linear(n_features, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.block(self.entry(x))))


class Fails(nn.Module):
    """A last layer that raises an error of its own."""

    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error

    def __deepcopy__(self, memo: dict) -> "Fails":
        return Fails(self.error)  # a copy raises the same error


def clinical() -> Case:
    n_features, *hidden = random.sample(range(3, 40), 3)
    return Case(ClinicalMLP(n_features, hidden), CLINICAL, _batch(n_features))


def shared() -> Case:
    """A sequential model with one activation between all its layers, here called "1"."""
    widths, act = random.sample(range(2, 30), random.choice((4, 5))), nn.ReLU()
    layers = [layer for sizes in pairwise(widths) for layer in (nn.Linear(*sizes), act)][:-1]
    order = ["1" if at % 2 else str(at) for at in range(len(layers))]
    return Case(nn.Sequential(*layers), order, _batch(widths[0]))


def branching() -> Case:
    n_features, width = random.sample(range(4, 30), 2)
    order = ["entry", "block.0", "block.1", "block.0", "block.1", "head"]
    return Case(Branching(n_features, width), order, _batch(n_features))


def _batch(n_features: int) -> torch.Tensor:
    return torch.randn(random.randint(3, 12), n_features)


@exercise(then="Try it with an nn.LSTM in the model: what is its output, and why has that no shape?", forms=NUMBERED)
def numbered_calls(attempt: Attempt) -> None:
    """Rows (name, number of this module's call, output shape), in the order of the calls; no hook stays."""
    for make in (clinical, shared, branching):
        for training in (False, True):
            case = make()
            case.model.train(training)
            calls = list(case.steps())  # before the reader's hooks stand on the model
            with _left_as_found(attempt, case.model, looks_like=EACH_HANDLE), _run_once(attempt, case.model):
                _compare_rows(attempt, attempt(case.model, case.X), case, calls)
    for make in (clinical, branching):
        _fail_and_look(attempt, make())


@contextmanager
def _run_once(attempt: Attempt, model: nn.Module) -> Iterator[None]:
    """A block in which the model is to run no more than once."""
    passes = []
    handle = model.register_forward_pre_hook(lambda module, inputs: passes.append(module))
    try:
        yield
    finally:
        handle.remove()
    once = "In train mode each pass has effects."
    attempt.require(len(passes) <= 1, f"{len(passes)} passes of the model", "one pass", once)


def _compare_rows(attempt: Attempt, result: Any, case: Case, calls: Sequence[tuple]) -> None:
    seen, rows = Counter(), []
    for name, _, output in calls:
        seen[name] += 1
        rows.append((name, seen[name], tuple(output.shape)))
    if same(result, rows):
        return
    if isinstance(result, dict):
        attempt.fail("a dictionary", "a list of rows", "A key is there once, and a call may come twice.", 10)
    if not isinstance(result, (list, tuple)):
        nothing = "A function without a return statement returns None." if result is None else ""
        attempt.fail(describe(result), f"a list of {len(rows)} rows", nothing)
    suspect = next((one for one in _wrong_rows(case, calls, rows) if same(result, one.value)), Suspect(None, ""))
    text, misconception = suspect.looks_like, suspect.misconception
    if not text and (others := _names(result) - set(case.order)):
        names = ", ".join(sorted(map(repr, others)))
        text = f"Rows for {names} are not asked for: only modules without children, and only when they are called."
    at = next((at for at, pair in enumerate(zip(result, rows, strict=False)) if not same(*pair)), None)
    if len(result) != len(rows):
        attempt.fail(f"{len(result)} rows", f"{len(rows)} rows: {_short(rows)}", text, misconception)
    attempt.fail(f"row {at} is {describe(result[at])}", f"row {at} is {rows[at]}", text, misconception)


def _wrong_rows(case: Case, calls: Sequence[tuple], rows: list[tuple]) -> Iterator[Suspect]:
    leaves = [name for name, module in case.model.named_modules() if not list(module.children())]
    by_name = {row[0]: row for row in rows}
    for once in (list(by_name.values()), [(name, 1, shape) for name, _, shape in by_name.values()]):
        yield Suspect(once, "One row for each module: a later call has taken the place of an earlier one.", 10)
    yield Suspect(
        sorted(rows, key=lambda row: leaves.index(row[0])),
        "These rows follow the order of named_modules(), in which the modules were put into the model.",
        9,
    )
    late = [(leaves[-1], at, shape) for at, (_, _, shape) in enumerate(rows, 1)]
    yield Suspect(late, "One name for all: a hook made in the loop looks name up when it runs, after the loop.")
    yield Suspect([(name, at, shape) for at, (name, _, shape) in enumerate(rows, 1)], "The number counts all calls.")
    yield Suspect([(name, n - 1, shape) for name, n, shape in rows], "The number of a module's first call is 1.")
    yield Suspect([(name, 1, shape) for name, _, shape in rows], "The number stays at 1: count the earlier rows.")
    inputs = [(name, n, tuple(x.shape)) for (name, n, _), (_, x, _) in zip(rows, calls, strict=True)]
    yield Suspect(inputs, "These are the shapes of the inputs.")
    yield Suspect([(name, shape) for name, _, shape in rows], "The number is missing from each row.")


def _names(rows: Sequence) -> set[str]:
    firsts = [row[0] for row in rows if isinstance(row, (list, tuple)) and row]
    return {first for first in firsts if isinstance(first, str)}


def _short(rows: list[tuple]) -> str:
    return ", ".join(f"{name} {number}" for name, number, _ in rows)


@exercise(then="Silence one layer after the other: for which does patient 0's logit change most?")
def silenced(attempt: Attempt) -> None:
    """The model's output with zeros in place of what some modules put out; the hooks are gone, whatever happens."""
    for make in (clinical, shared, branching):
        case = make()
        case.model.eval()
        for names in ([], [case.order[1]], random.sample(sorted(set(case.order)), 2)):
            with _left_as_found(attempt, case.model, "after a pass without an error"):
                _compare_output(attempt, attempt(case.model, list(names), case.X.clone()), case, names)
    for case in (clinical(), branching()):
        _fail_and_look(attempt, case, case.order[:2])
    case = clinical()
    names, missing = ["layer1", "relu", "layer4"], "after an unknown name, when two hooks stood already"
    with _left_as_found(attempt, case.model.eval(), missing, "Registering may fail half way: do it inside try."):
        raised = attempt.error(case.model, names, case.X)
        attempt.require(
            isinstance(raised, AttributeError),
            repr(raised) if raised else "no error",
            "the AttributeError of get_submodule",
            "Somebody misspelt a name, and must hear of it: let the error out.",
        )


def _compare_output(attempt: Attempt, result: Any, case: Case, names: Sequence[str]) -> None:
    x = case.X
    for name in case.order:
        x = case.model.get_submodule(name)(x).detach()
        x = torch.zeros_like(x) if name in names else x
    as_ever = list(case.steps())[-1][2]
    unheard = "The model's usual output: what a hook returns takes the output's place, if it returns something."
    attempt.equal(result, x, [Suspect(as_ever, unheard)])


def _fail_and_look(attempt: Attempt, case: Case, *names: list[str]) -> None:
    """A pass that raises late: the error comes out as it is, and the hooks are gone."""
    error = ValueError("no beds left")
    last = case.order[-1]
    setattr(case.model, last, Fails(error))
    arguments = ", ".join(["model", *map(str, names), "X"])
    tried = f"{attempt.name}({arguments}) on a {type(case.model).__name__} whose {last} raises {error!r}"
    with _left_as_found(attempt, case.model.eval(), "after the pass had raised", FINALLY, 13):
        _compare_error(attempt, attempt.error(case.model, *names, case.X, tried=tried), error)


def _compare_error(attempt: Attempt, raised: Exception | None, error: Exception) -> None:
    kept = "It was caught and kept: whoever calls the function must hear of it."
    attempt.require(raised is not None, "no error", f"the error itself, {error!r}", kept)
    changed = "A new error took its place. With finally, none has to be caught."
    attempt.require(raised is error, repr(raised), f"the error itself, {error!r}", changed)


@contextmanager
def _left_as_found(
    attempt: Attempt, model: nn.Module, when: str = "", looks_like: str = "", misconception: int | None = None
) -> Iterator[None]:
    """A block after which the model's hooks, modules and parameters are to be what they were.

    A hook stands on each module before, as somebody else's. Hooks that the reader leaves for all modules are taken off.
    """
    handles = [module.register_forward_hook(lambda module, inputs, output: None) for module in model.modules()]
    all_modules = (torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks)
    at_first = [dict(hooks) for hooks in all_modules]
    before, parts = _hooks_on(model), _parts_of(model)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    try:
        yield
        attempt.require(parts == _parts_of(model), "a module was exchanged", "the same modules and forwards as before")
        after = _hooks_on(model)
        left = len([hook for hook in after if hook not in before])
        gone = len([hook for hook in before if hook not in after])
        when = f" {when}" if when else ""
        attempt.require(not left, f"hooks left{when}: {left}", "no hook of yours is left", looks_like, misconception)
        attempt.require(not gone, f"hooks gone that were not yours: {gone}", "the hooks of others stay", OWN_HANDLES)
        stayed = same([parameter.detach() for parameter in model.parameters()], weights)
        attempt.require(stayed, "parameters that have changed", "the parameters as before", "A hook needs no weights.")
    finally:
        for handle in handles:
            handle.remove()
        for hooks, first in zip(all_modules, at_first, strict=True):
            for key in hooks.keys() - first.keys():
                del hooks[key]
            hooks.update(first)


def _hooks_on(model: nn.Module) -> list[tuple[int, int]]:
    """Each hook that would run in a pass, as its place and its key there."""
    owners = [torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks]
    owners += [hooks for module in model.modules() for hooks in (module._forward_hooks, module._forward_pre_hooks)]
    return [(place, key) for place, hooks in enumerate(owners) for key in hooks]


def _parts_of(model: nn.Module) -> list[tuple]:
    return [(name, id(module), "forward" in vars(module)) for name, module in model.named_modules()]


@exercise(then="fpcourse.unchanged does this for any model: see what else it puts back.")
def train_output(attempt: Attempt) -> None:
    """The output in train mode; flags, buffers and random state are afterwards as before, also after an error."""
    for case, modes in ((clinical(), {"": True, "bn1": False}), (clinical(), {}), (normed(), {"2": True})):
        _set_modes(case.model, modes)
        expected = _passed(copy.deepcopy(case.model).train(), case.X)
        suspects = [
            Suspect(_passed(copy.deepcopy(case.model), case.X), "The modes in which the model was found were used."),
            Suspect(_passed(copy.deepcopy(case.model).eval(), case.X), "This is the output in eval mode."),
        ]
        with _state_as_found(attempt, case.model):
            output = attempt(case.model, case.X)
            attempt.equal(output, expected, suspects)
            graph = "Nobody goes back through this pass: run it under no_grad."
            attempt.require(not output.requires_grad, "an output with a graph", "an output without one", graph)
    case, error = clinical(), ValueError("no beds left")
    case.model.layer3 = Fails(error)
    _set_modes(case.model, {"drop": True})
    tried = f"{attempt.name}(model, X) on a ClinicalMLP whose layer3 raises {error!r}"
    with _state_as_found(attempt, case.model, "after the pass had raised", "Put them back in finally."):
        _compare_error(attempt, attempt.error(case.model, case.X, tried=tried), error)


def normed() -> Case:
    """A sequential model with two normalisations and a dropout."""
    n, m, k = random.sample(range(4, 30), 3)
    layers = (nn.Linear(n, m), nn.BatchNorm1d(m), nn.Dropout(0.4), nn.Linear(m, k), nn.BatchNorm1d(k))
    return Case(nn.Sequential(*layers), list("01234"), _batch(n))


def _set_modes(model: nn.Module, modes: dict[str, bool]) -> None:
    """Eval mode, and then for each name its own: a model need not be in one mode."""
    model.eval()
    for name, training in modes.items():
        model.get_submodule(name).train(training)


def _passed(model: nn.Module, X: torch.Tensor) -> torch.Tensor:
    """The output, from the random state of now, which stays."""
    state = torch.get_rng_state()
    with torch.no_grad():
        output = model(X)
    torch.set_rng_state(state)
    return output


@contextmanager
def _state_as_found(attempt: Attempt, model: nn.Module, when: str = "", looks_like: str = "") -> Iterator[None]:
    """A block after which each module's flag, each buffer and torch's random state are to be what they were."""
    flags = {name: module.training for name, module in model.named_modules()}
    clones = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    yield
    drew = not torch.equal(state, torch.get_rng_state())
    when = f" {when}" if when else ""
    new_flags = {name: module.training for name, module in model.named_modules()}
    turned = [name or "the model" for name in flags if new_flags.get(name) is not flags[name]]
    advice = looks_like or "The modules of one model may be in two modes: keep the flag of each."
    attempt.require(not turned, f"another mode{when}: {', '.join(turned)}", "each module's mode as before", advice)
    values = model.state_dict()
    moved = [name for name in clones if name not in values or not same(values[name], clones[name])]
    advice, misconception = "Keep clones: state_dict() and buffers() hand out the tensors themselves.", 14
    if all(name.endswith("num_batches_tracked") for name in moved):
        advice, misconception = "A BatchNorm has three buffers: it also counts its batches.", None
    if looks_like:
        advice, misconception = looks_like, None
    came_out, expected = f"other values{when}: {', '.join(moved)}", "parameters and buffers as before"
    attempt.require(not moved, came_out, expected, advice, misconception)
    advice = looks_like or "Dropout has drawn numbers: whatever draws next draws others."
    attempt.require(not drew, f"another random state{when}", "the random state as before", advice)
