"""there_and_back: each edge's part is its local slope times what arrived, and the parts add up to torch's gradient."""

import itertools

import pytest
import torch

from fpcourse.explorables import GATES, there_and_back
from fpcourse.explorables.gradients import LAST, LINES


def gradients(gate: str) -> dict[str, float]:
    """By Python itself: the lines of the listing, run in their order."""
    names = {"x": 3.0, "w": 2.0, "b": {"open": -5.0, "shut": -7.0}[gate], "relu": lambda number: max(number, 0.0)}
    kept = {f"{name}.grad": 0.0 for name in "wbuzaqL"}
    for line in LINES.splitlines():
        for name in kept:
            line = line.replace(name, f"{name[0]}_grad")
            names.setdefault(f"{name[0]}_grad", 0.0)
        exec(line, {}, names)
    return {name[0]: names[f"{name[0]}_grad"] for name in kept}


@pytest.mark.parametrize("gate", GATES)
def test_the_listing_the_figure_and_torch_agree_at_the_end(gate):
    w, b = torch.tensor(2.0, requires_grad=True), torch.tensor(float(bias(gate)), requires_grad=True)
    ((w * torch.relu(w * 3 + b) - 1) ** 2).backward()
    shown, run = dict(there_and_back(gate, LAST).values["gradients"]), gradients(gate)
    assert shown == run
    assert (shown["w"], shown["b"]) == (w.grad.item(), b.grad.item())


def bias(gate: str) -> int:
    return dict(there_and_back(gate, 0).values["known"])["b"]


@pytest.mark.parametrize("gate", GATES)
def test_each_step_adds_one_number_or_one_part_of_a_gradient(gate):
    steps = [there_and_back(gate, step).values for step in range(LAST + 1)]
    for before, after in itertools.pairwise(steps):
        grown = [len(after[name]) - len(before[name]) for name in ("known", "gradients")]
        assert sorted(grown) == [0, 1] or (grown == [0, 0] and after is steps[-1])  # the last adds to w, which has one


def test_an_open_gate_lets_through_what_a_shut_one_stops():
    ends = {gate: dict(there_and_back(gate, LAST).values["gradients"]) for gate in GATES}
    assert ends["open"]["w"] == 14 and ends["shut"] == {"L": 1, "q": -2, "a": -4} | dict.fromkeys("wzub", 0)
