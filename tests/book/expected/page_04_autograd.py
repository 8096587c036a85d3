"""Autograd in practice: the graph of a unit, and the builder's by its formulas and by torch.autograd.grad."""

import re

import torch

ASKED = {"all": "xwb", "x_frozen": "wb", "w_only": "w", "b_only": "b", "no_grad": ""}
FORWARD = ("p", "s", "z", "loss")
OPERATIONS = {"p": "MulBackward0", "s": "SumBackward0", "z": "AddBackward0", "loss": "PowBackward0"}
NUMBERS = {"x": [2.0, 3.0, 4.0], "w": [0.5, -1.0, 0.3], "b": [0.1]}
ARRIVE_AT = {"loss": 5, "z": 6, "s": 7, "b": 7, "p": 8, "x": 9, "w": 9}
LISTING = [
    "x, w, b = leaves",
    "p = x * w",
    "s = p.sum()",
    "z = s + b",
    "loss = z ** 2",
    "loss.backward()   # dL/dL = 1",
    "# Pow: 2z*dL/dL to z",
    "# Add: dL/dz to s and to b",
    "# Sum: dL/ds to each element of p",
    "# Mul: w*dL/dp to x, x*dL/dp to w",
]


def tensors(asked: str) -> dict[str, torch.Tensor]:
    t = {name: torch.tensor(numbers, requires_grad=name in asked) for name, numbers in NUMBERS.items()}
    t["p"] = t["x"] * t["w"]
    t["s"] = torch.sum(t["p"])
    t["z"] = torch.add(t["s"], t["b"])
    t["loss"] = t["z"].pow(2)
    return t


def figures() -> list[dict]:
    """A unit with x = (2, -1, 0) as data: its graph, walked from the loss, the leaves by what they are."""
    x, w = torch.tensor([2.0, -1.0, 0.0]), torch.tensor([0.5, 1.0, 3.0], requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    nodes, edges = [torch.pow(torch.sub(torch.add((x * w).sum(), b), 2), 2).grad_fn], []
    for at, node in enumerate(nodes):
        for following in filter(None, (following for following, _ in node.next_functions)):
            if following not in nodes:
                nodes.append(following)
            edges.append([at, nodes.index(following)])
    names = {id(w): "w", id(b): "b"}
    leaves = [names[id(node.variable)] for node in nodes if hasattr(node, "variable")]
    kept = 4 * (3 + 1)  # x for the product, z - 2 for the square, 4 bytes a number
    return [{"nodes": [type(node).__name__ for node in nodes], "leaves": leaves, "edges": edges, "bytes kept": kept}]


def gradients(setting: str) -> dict[str, list[float]]:
    """dL/d of each tensor that requires a gradient, from torch.autograd.grad and, where it is short, the formula."""
    t = tensors(ASKED[setting])
    wanted = [name for name in t if t[name].requires_grad]
    found = {name: torch.autograd.grad(t["loss"], t[name], retain_graph=True)[0] for name in wanted}
    z = sum(x * w for x, w in zip(NUMBERS["x"], NUMBERS["w"], strict=True)) + NUMBERS["b"][0]
    by_formula = {"x": [2 * z * w for w in NUMBERS["w"]], "w": [2 * z * x for x in NUMBERS["x"]], "b": [2 * z]}
    for name in set(by_formula) & set(found):
        assert torch.allclose(found[name], torch.tensor(by_formula[name]))
    return {name: gradient.flatten().tolist() for name, gradient in found.items()}


def kept_by(setting: str) -> dict[str, str]:
    """What each operation keeps, by its derivative: a factor only for the gradient of the other one."""
    asked = ASKED[setting]
    factors = ("w" if "x" in asked else "") + ("x" if "w" in asked else "")
    return {"loss": "z" if asked else "", "p": factors}


def graph_builder(setting: str, step: int) -> dict:
    t, found = tensors(ASKED[setting]), gradients(setting)
    made = FORWARD[:step]
    kept = [
        saved
        for name, freed_at in (("loss", 6), ("p", 9))
        for saved in (kept_by(setting)[name] if name in made and step < freed_at else "")
    ]
    values = {
        "recorded": [OPERATIONS[name] for name in made if t[name].requires_grad],
        "kept": kept,
        "bytes kept": sum(t[name].nbytes for name in kept),
        "arriving": [[f"dL/d{name}", *found[name]] for name, at in ARRIVE_AT.items() if at == step and name in found],
        "grad": [[name, *found[name]] for name in "xwb" if name in found and ARRIVE_AT[name] <= step],
    }
    return {**values, "error": "RuntimeError"} if setting == "no_grad" and step >= 5 else values


def text_of(numbers: list[float]) -> str:
    return ", ".join(f"{number:.2f}".rstrip("0").rstrip(".") for number in numbers)


def check_graph_builder(frames: dict) -> None:
    """Picture, caption and listing tell of the step that the values tell of."""
    for (setting, step), frame in frames.items():
        check_frame(setting, step, frame, graph_builder(setting, step))


def check_frame(setting: str, step: int, frame: dict, values: dict) -> None:
    where, t, html = (setting, step), tensors(ASKED[setting]), frame["html"]
    recorded, total = len(values["recorded"]), values["bytes kept"]
    assert frame["caption"].startswith(f"Step {step}: "), where
    assert frame["caption"].endswith(f" Operations recorded: {recorded}; bytes kept: {total}."), where

    texts = re.findall(r"<text[^>]*>([^<]*)</text>", html)
    for name in t:
        drawn = any(text.startswith(f"{name} = ") for text in texts)
        assert drawn == (name in "xwb" or name in FORWARD[:step]), (where, name)
    assert sorted(text for text in texts if text in OPERATIONS.values()) == sorted(values["recorded"]), where
    assert texts.count("freed") == sum(
        step >= at and bool(kept_by(setting)[name]) for name, at in (("loss", 6), ("p", 9))
    ), where
    assert sum(int(m[1]) for text in texts if (m := re.search(r"keeps .*: (\d+) bytes", text))) == total, where
    for label, *numbers in values["arriving"]:
        tensor = label.removeprefix("dL/d")
        name = f"{tensor}.grad" if tensor in "xwb" else f"dL/d{tensor.replace('loss', 'L')}"
        assert any(text.startswith(f"{name} = ") and text_of(numbers) in text for text in texts), (where, label)
        assert text_of(numbers) in frame["caption"], (where, label)
    for name, *numbers in values["grad"]:
        assert f"{name}.grad = [{text_of(numbers)}]" in texts, (where, name)
    assert sum(".grad = " in text or text.startswith("dL/d") for text in texts) == len(
        {label.removeprefix("dL/d") for label, *_ in values["arriving"]} | {name for name, *_ in values["grad"]}
    ), where

    assert [line.strip() for line in re.findall(r"<mark>([^<]*)</mark>", html)] == [LISTING[step]], where
    assert ("does not require grad" in html) == ("error" in values), where
