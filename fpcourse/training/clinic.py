"""case: seven networks for the clinic page, each with something wrong in its forward pass; harm: what that costs.

What is wrong with which, the docstrings do not say: readers look here. They train for a moment, once a process.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.cohort import FEATURES, Cohort, patients
from fpcourse.measure.preserve import same_random_state
from fpcourse.models import ClinicalMLP
from fpcourse.tables import Table
from fpcourse.training import metrics, one_thread, train

EPOCHS, BATCH_SIZE, LEARNING_RATE = 5, 256, 1e-2
NAMES = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True, repr=False, eq=False)
class Case:
    """A network as it was handed over, and the patients that belong to it.

    Attributes:
        model: the network, in the state in which it came.
        training: the patients it was trained on.
        validation: 2,000 others; the first is patient 0 of the course.
        healthy: the network as it was meant to be, in eval mode.
        losses: the mean training loss of each epoch, where the case is about training; else empty.
        answer: what the exercise's checker expects, where that is a name or names.
    """

    number: int
    model: nn.Module
    training: Cohort
    validation: Cohort
    healthy: nn.Module
    losses: tuple[float, ...] = ()
    answer: Any = None

    def __repr__(self) -> str:
        return f"Case({self.number}: {len(self.training.X):,} patients for training, {len(self.validation.X):,} others)"


class Network(ClinicalMLP):
    """A ClinicalMLP with a forward pass of its own."""

    _way: frozenset[str] = frozenset()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z1 = self.layer1(x)  # (batch, 64)
        if "first" in self._way:
            z1.mul_(2)
        a1 = self.drop(self.relu(self.bn1(z1)))  # (batch, 64)
        z2 = self.layer2(a1)  # (batch, 32)
        if "second" in self._way:
            z2.mul_(2)
        z3 = self.layer3(self.relu(self.bn2(z2)))  # (batch, 1)
        if "ends early" in self._way:
            return z3.squeeze(-1)
        return torch.sigmoid(z3) if "ends late" in self._way else z3


def case(number: int, seed: int = 0) -> Case:
    """Case ``number`` of the clinic, 1 to 7, anew each time: what is done to its model stays with this one.

    The patients are shared by all cases: do not write into them. ``seed`` 0 gives the case of the page. Others give
    other networks that come in the same way, of which some have nothing wrong with them; they were not trained for
    themselves.

    Raises:
        ValueError: there is no such case, or ``seed`` is not a whole number from 0 to 2**31 - 1.

    Example:
        >>> from fpcourse import case
        >>> case(4, seed=1)
        Case(4: 4,000 patients for training, 300 others)
    """
    if isinstance(number, bool) or not isinstance(number, int) or number not in _CASES:
        raise ValueError(f"there is no case {number!r}: the clinic's cases are numbered 1 to {len(_CASES)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be a whole number from 0 to 2**31 - 1; got {seed!r}")
    # Out of a reader's inference_mode, which turns the recording on, under no_grad too.
    with same_random_state(), torch.inference_mode(False), one_thread():
        torch.manual_seed(seed)
        return _CASES[number](number, seed)


def harm(risks: Mapping[str, torch.Tensor], y: torch.Tensor, auroc_digits: int = 2) -> Table:
    """A row for each of the ``risks``, by name: AUROC, log loss and mean risk, to the digits that every machine gives.

    Raises:
        ValueError: as ``metrics``.

    Example:
        >>> from fpcourse import harm, patients
        >>> cohort = patients(512)
        >>> print(harm({"as drawn": cohort.risk}, cohort.y))
        risks     AUROC  log loss  mean risk
        --------  -----  --------  ---------
        as drawn   0.79      0.26       0.12
    """
    rows = []
    for name, risk in risks.items():
        scores = metrics(risk, y)
        numbers = f"{scores.auroc:.{auroc_digits}f}", f"{scores.log_loss:.2f}", f"{risk.mean():.2f}"
        rows.append((name, *numbers))
    headers = ("risks", "AUROC", "log loss", "mean risk")
    return Table(headers, tuple(rows), frozenset(headers[1:]))


def _case_1(number: int, seed: int) -> Case:
    model = _network(seed)
    healthy = copy.deepcopy(model)
    model.train()
    model.training = False
    variant = seed % 5
    if variant == 1:
        model.bn2.eval()
        model.drop.eval()
    elif variant == 2:
        model.bn1.eval()
        model.drop.p = healthy.drop.p = 0.0
    elif variant == 3:
        model.bn1.eval()
        model.bn2.eval()
    elif variant == 4:
        model.eval()
        model.training = model.layer1.training = model.relu.training = True
    answer = (["bn1", "bn2", "drop"], ["bn1"], ["bn2"], ["drop"], [])[variant]
    return Case(number, model, *_cohorts(seed), healthy, answer=answer)


def _case_2(number: int, seed: int) -> Case:
    model = _network(seed)
    if seed % 4 == 1:
        with torch.no_grad():
            model.layer3.weight.mul_(0.05)
            model.layer3.bias.fill_(0.5)
    healthy = copy.deepcopy(model)
    if seed % 2 == 0:
        model._way = frozenset({"ends late"})
    return Case(number, model, *_cohorts(seed), healthy)


def _case_3(number: int, seed: int) -> Case:
    if seed == 0:
        model, losses = _mistrained()
        return Case(number, copy.deepcopy(model), *_cohorts(seed), _network(seed), losses)
    model = _network(seed)
    healthy = copy.deepcopy(model)
    if seed % 2 == 0:
        model._way = frozenset({"ends early"})
    return Case(number, model, *_cohorts(seed), healthy)


def _case_4(number: int, seed: int) -> Case:
    training, validation = _cohorts(seed)
    if seed == 0:
        (model, losses), (healthy, _) = _deep_and_trained(True), _deep_and_trained(False)
        return Case(number, copy.deepcopy(model), training, validation, copy.deepcopy(healthy), losses, "relu3")
    depth, variant = int(torch.randint(3, 6, ())), seed % 4
    model = _deep(depth)
    healthy = copy.deepcopy(model)
    answer, at = None, int(torch.randint(2, depth + 1, ()))
    with torch.no_grad():
        if variant == 0:
            answer = _silence(model, at)
        elif variant == 1:
            validation = _rarely_awake(model, validation)
        elif variant == 2:
            _silence(model, 1, units=31)
            answer = _silence(model, 2)
            _silence(model, depth)
        else:
            layer = model.get_submodule(f"layer{at}")
            layer.weight.zero_()
            layer.bias.abs_()
    return Case(number, model.eval(), training, validation, healthy.eval(), answer=answer)


def _case_5(number: int, seed: int) -> Case:
    model = _network(seed)
    healthy = copy.deepcopy(model)
    others = patients(2000, seed=2 + seed)
    gone_by = others.X[others.raw[:, NAMES.index("number_inpatient")] >= 2]
    if seed:
        gone_by = gone_by + torch.randn(20)
    model.train()
    with torch.no_grad():
        for _ in range(40):
            model(gone_by)
    return Case(number, model.eval(), *_cohorts(seed), healthy)


def _case_6(number: int, seed: int) -> Case:
    model = _network(seed)
    healthy = copy.deepcopy(model)
    way, inplace, answer = (
        ({}, True, ["bn1", "bn2"]),
        ({"first"}, False, ["layer1"]),
        ({}, False, []),
        ({"second"}, True, ["bn1", "layer2", "bn2"]),
    )[seed % 4]
    model._way, model.relu.inplace = frozenset(way), inplace
    return Case(number, model, *_cohorts(seed), healthy, answer=answer)


def _case_7(number: int, seed: int) -> Case:
    model = _network(seed)
    model.features = NAMES
    training, validation = _cohorts(seed)
    names = sorted(NAMES) if seed == 0 else [NAMES[i] for i in torch.randperm(len(NAMES))]
    order = [NAMES.index(name) for name in names]
    arrived = replace(validation, X=validation.X[:, order], raw=validation.raw[:, order], features=tuple(names))
    return Case(number, model, training, arrived, copy.deepcopy(model))


_CASES: dict[int, Callable[[int, int], Case]] = dict(
    enumerate((_case_1, _case_2, _case_3, _case_4, _case_5, _case_6, _case_7), start=1)
)


def _cohorts(seed: int) -> tuple[Cohort, Cohort]:
    """For training, and for validation; other seeds have other patients for validation, and fewer."""
    return _drawn(4000, 1), _drawn(300, 1000 + seed % 20) if seed else _drawn(2000, 0)


@cache
def _drawn(n: int, seed: int) -> Cohort:
    return patients(n, seed=seed)


@cache
def _trained() -> dict[str, torch.Tensor]:
    run = train(*_cohorts(0), learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, epochs=EPOCHS)
    return run.model.state_dict()


def _network(seed: int) -> Network:
    """The trained network in eval mode; for a seed other than 0 each weight times 1 and a little."""
    model = Network()
    model.load_state_dict(_trained())
    if seed:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1 + 0.1 * torch.randn_like(parameter))
    return model.eval()


def _fit(model: nn.Module, epochs: int) -> tuple[float, ...]:
    """Train by a loss written out by hand; the mean loss of each epoch."""
    cohort, losses = _cohorts(0)[0], []
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0)
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(cohort.X)).split(BATCH_SIZE):
            logits, y = model(cohort.X[rows]), cohort.y[rows]
            loss = (F.softplus(logits) - y * logits).mean()  # cross-entropy, from the logit
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(cohort.X))
    return tuple(losses)


@cache
def _mistrained() -> tuple[Network, tuple[float, ...]]:
    torch.manual_seed(0)
    model = Network().train()
    model._way = frozenset({"ends early"})
    losses = _fit(model, EPOCHS)
    return model.eval(), losses


@cache
def _deep_and_trained(silenced: bool) -> tuple[nn.Sequential, tuple[float, ...]]:
    torch.manual_seed(10)
    model = _deep(4)
    if silenced:
        _silence(model, 3)
    losses = _fit(model, EPOCHS)
    return model.eval(), losses


def _deep(depth: int, width: int = 32) -> nn.Sequential:
    """``depth`` hidden layers: layer1, relu1, layer2, ..., out."""
    layers, inputs = OrderedDict(), len(NAMES)
    for i in range(1, depth + 1):
        layers[f"layer{i}"], layers[f"relu{i}"] = nn.Linear(inputs, width), nn.ReLU()
        inputs = width
    layers["out"] = nn.Linear(width, 1)
    return nn.Sequential(layers)


def _silence(model: nn.Sequential, at: int, units: int | None = None) -> str:
    """Make the ReLU after layer ``at`` 0 in its first ``units``, by default in all, whatever comes in."""
    layer = model.get_submodule(f"layer{at}")
    with torch.no_grad():
        if at == 1:
            layer.bias[:units] = -1000  # far below what a sum of features reaches
        else:  # what comes in is not below 0
            layer.weight[:units] = -layer.weight[:units].abs()
            layer.bias[:units] = -layer.bias[:units].abs()
    return f"relu{at}"


def _rarely_awake(model: nn.Sequential, cohort: Cohort) -> Cohort:
    """Lower the biases until each unit of the first layer fires for one patient; these come last in the cohort."""
    z = model.layer1(cohort.X)
    top = z.topk(2, dim=0)
    model.layer1.bias.sub_(top.values.mean(0))
    last = top.indices[0].unique()
    others = torch.tensor([i for i in range(len(cohort.X)) if i not in set(last.tolist())])
    rows = torch.cat([others, last])
    return replace(cohort, X=cohort.X[rows], y=cohort.y[rows], raw=cohort.raw[rows], risk=cohort.risk[rows])
