"""What the forward pass does."""

import re

import torch

# The numbers of the layer stepper, row by row, worked out by hand.
X = [[1, 2, -1], [0, -2, 1], [1, 1, 2]]
W = [[0.5, -1, 2], [1, 1, -0.5]]
B = [0.5, -1]
Z = [[-3, 2.5], [4.5, -3.5], [4, 0]]
STEPS_A_CELL = 5
LINES = [*["Z[i, j] += X[i, k] * W[j, k]"] * 3, "Z[i, j] += b[j]", "A[i, j] = activation(Z[i, j])"]  # by part


def figures() -> list[dict]:
    return [neuron(), cut(), bends(), slopes(), exclusive_or(), other_activations()]


def neuron() -> dict:
    return {"z": 1 * 1 + 0 * -2 + 2 * 0.5 - 0.5, "a": 1.5}


def cut() -> dict:
    """Four patients by hand: age and stay, with weights 1 and 2 and a bias of -1."""
    return {"z above 0": [max(age + 2 * stay - 1, 0) for age, stay in ((2, 0), (-1, 1.5), (1, 0), (2, -1))]}


def bends() -> dict:
    """A network of three units at five points, term by term."""

    def relu(z: float) -> float:
        return max(z, 0.0)

    at = [-3.0, -1.0, -0.5, 1.0, 3.0]
    return {
        "bends": [-1.0, -0.5, 1.0],
        "no activation": [(x + 1) - 2 * (x - 1) + (-x - 0.5) + 0.5 for x in at],
        "ReLU": [relu(x + 1) - 2 * relu(x - 1) + relu(-x - 0.5) + 0.5 for x in at],
    }


def slopes() -> dict:
    """From the formulas of the derivatives."""
    z = torch.tensor([-6.0, 0.0, 2.0, 6.0], dtype=torch.float64)
    p, t = 1 / (1 + torch.exp(-z)), torch.tanh(z)
    return {
        "sigmoid": [f"{slope:.4f}" for slope in p * (1 - p)],
        "tanh": [f"{slope:.4f}" for slope in 1 - t**2],
        "relu": [f"{slope:.4f}" for slope in (z > 0).double()],
    }


def exclusive_or() -> dict:
    differences = [0, -1, 1, 0]  # feature 0 less feature 1, for (0, 0), (0, 1), (1, 0), (1, 1)
    return {
        "no activation": [float(4 * d - 2 * d - 1) for d in differences],
        "ReLU": [float(4 * max(d, 0) + 2 * max(-d, 0) - 1) for d in differences],
    }


def other_activations() -> dict:
    z = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    share_below = (1 + torch.erf(z / 2**0.5)) / 2
    found = {
        "leaky_relu": z.clamp(min=0) + 0.01 * z.clamp(max=0),
        "silu": z / (1 + torch.exp(-z)),
        "gelu": z * share_below,
    }
    return {name: [f"{value:.3f}" for value in values] for name, values in found.items()}


def place(step: int) -> tuple[int, int, int]:
    """The row, the unit and the part of its cell that a step has reached, parts counted from 0."""
    cell, part = (step - 1) // STEPS_A_CELL, (step - 1) % STEPS_A_CELL
    return cell // 2, cell % 2, part


def sums_after(row: int, unit: int, part: int) -> list[float]:
    """What the cell holds after each of its products, then after the bias, up to this part."""
    products = [x * w for x, w in zip(X[row], W[unit], strict=True)]
    return [float(sum(products[: k + 1])) if k < 3 else float(Z[row][unit]) for k in range(min(part, 3) + 1)]


def activated(z: float, activation: str) -> float:
    return max(z, 0.0) if activation == "relu" else torch.sigmoid(torch.tensor(float(z))).item()


def layer_stepper(step: int, activation: str) -> dict:
    row, unit, part = place(step)
    sums = sums_after(row, unit, part)
    before = [(i, j) for i in range(3) for j in range(2) if 2 * i + j < 2 * row + unit]
    z_table, a_table = [[None] * 2 for _ in range(3)], [[None] * 2 for _ in range(3)]
    for i, j in before:
        z_table[i][j], a_table[i][j] = float(Z[i][j]), activated(Z[i][j], activation)
    z_table[row][unit] = sums[-1]
    if part == 4:
        a_table[row][unit] = activated(Z[row][unit], activation)
    return {"cell": [row, unit], "sums": sums, "Z": z_table, "A": a_table}


def text(value: float) -> str:
    return f"{round(value, 3) + 0.0:g}".replace("-", "−")


def check_layer_stepper(frames: dict) -> None:
    """The sums on the screen add up, they are this cell's, and the line that ran is lit."""
    assert len(frames) == 60
    for (step, activation), frame in frames.items():
        row, unit, part = place(step)
        sums = sums_after(row, unit, part)
        check_sum_lines(frame["html"], row, unit, part, sums)
        (lit,) = re.findall(r"<mark>\s*(.*?)\s*</mark>", frame["html"])
        assert lit == LINES[part]
        check_caption(frame["caption"], step, activation, row, unit, part, sums)


def check_caption(caption: str, step: int, activation: str, row: int, unit: int, part: int, sums: list[float]) -> None:
    assert caption.startswith(f"Step {step} of 30: row {row} of X, unit {unit}. ")
    if part < 3:
        x, w = X[row][part], W[unit][part]
        end = f"{text(x)} · {text(w)} = {text(x * w)} is added, the sum so far is {text(sums[-1])}."
    elif part == 3:
        end = f"{text(B[unit])}, is added: Z[{row}, {unit}] = {text(Z[row][unit])}."
    else:
        end = f"{activation}({text(Z[row][unit])}) = {activated(Z[row][unit], activation):.3g}."
    assert caption.endswith(end), (caption, end)


def check_sum_lines(html: str, row: int, unit: int, part: int, sums: list[float]) -> None:
    """Each line of the running sum: what is multiplied, what it adds, and the sum that stood above it plus that."""
    texts = [found.replace("−", "-") for found in re.findall(r"<text[^>]*>([^<]*)</text>", html)]
    begin = texts.index("sum") + 1
    lines = [texts[at : at + 3] for at in range(begin, begin + 3 * len(sums), 3)]
    total = 0.0
    for number, (what, adds, so_far) in enumerate(lines):
        if number < 3:
            x, w = what.split(" · ")
            assert (float(x), float(w.strip("()"))) == (X[row][number], W[unit][number])
            assert float(adds) == float(x) * float(w.strip("()"))
        else:
            assert what == f"b[{unit}]" and float(adds) == B[unit]
        total += float(adds)
        assert float(so_far) == total == sums[number]
    assert f"Z[{row}, {unit}]" in texts
    assert (texts[begin + 3 * len(sums) :] != []) == (part == 4)
