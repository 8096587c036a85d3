"""Where gradients come from: the small graph by torch.autograd.grad and by its formulas, edge by edge."""

import re

import torch
from torch.nn import functional as F

from expected.clinical_mlp import layers

NAMES = "uzaqL"
LISTING = [
    "u = w * x",
    "z = u + b",
    "a = relu(z)",
    "q = w * a",
    "L = (q - 1) ** 2",
    "L.grad = 1",
    "q.grad += 2 * (q - 1) * L.grad",
    "a.grad += w * q.grad",
    "w.grad += a * q.grad",
    "z.grad += (z > 0) * a.grad",
    "u.grad += 1 * z.grad",
    "b.grad += 1 * z.grad",
    "w.grad += x * u.grad",
]
ARRIVE_AT = {"L": 6, "q": 7, "a": 8, "w": 9, "z": 10, "u": 11, "b": 12}


def figures(X: torch.Tensor, y: torch.Tensor) -> list[dict]:
    """The largest gradient of each layer's weights, from torch's own layers."""
    torch.manual_seed(0)
    parts = layers()
    names = ("layer1", "layer2", "layer3")
    A, y = X[:16], y[:16]
    for name in names[:2]:  # with BatchNorm as it is made: mean 0, variance 1
        A = torch.relu(parts[name](A) / (1 + 1e-5) ** 0.5)
    loss = F.binary_cross_entropy_with_logits(parts["layer3"](A), y)
    grads = torch.autograd.grad(loss, [parts[name].weight for name in names])
    return [{name: [grad.numel(), f"largest {grad.abs().max():.3f}"] for name, grad in zip(names, grads, strict=True)}]


def there_and_back(gate: str, step: int) -> dict:
    t = {"x": torch.tensor(3.0), "w": torch.tensor(2.0), "b": torch.tensor({"open": -5.0, "shut": -7.0}[gate])}
    t["w"].requires_grad_()
    t["b"].requires_grad_()
    t["u"] = torch.mul(t["w"], t["x"])
    t["z"] = torch.add(t["u"], t["b"])
    t["a"] = t["z"].clamp(min=0)
    t["q"] = torch.mul(t["w"], t["a"])
    t["L"] = torch.square(t["q"] - 1)
    wanted = list(ARRIVE_AT)
    found = dict(zip(wanted, torch.autograd.grad(t["L"], [t[name] for name in wanted]), strict=True))
    if 9 <= step < 13:  # of w only the part that comes from q
        found["w"] = found["q"] * t["a"]
    known = [name for name in t if name in "xwb" or name in NAMES[:step]]
    return {
        "known": [[name, int(t[name])] for name in known],
        "gradients": [[name, int(found[name])] for name in wanted if ARRIVE_AT[name] <= step],
    }


def check_there_and_back(frames: dict) -> None:
    """Picture, caption and listing tell of the step that the values tell of."""
    for (gate, step), frame in frames.items():
        where, values = (gate, step), there_and_back(gate, step)
        texts = [text.replace("−", "-") for text in re.findall(r"<text[^>]*>([^<]*)</text>", frame["html"])]
        assert {text for text in texts if " = " in text and not text.startswith("grad")} == {
            f"{name} = {number}" for name, number in values["known"]
        }, where
        drawn = sorted(int(text.split()[-1]) for text in texts if text.startswith("grad "))
        assert drawn == sorted(number for _, number in values["gradients"]), where
        marked = [line.strip() for line in re.findall(r"<mark>([^<]*)</mark>", frame["html"])]
        assert [line.replace("&gt;", ">") for line in marked] == (LISTING[step - 1 : step] if step else []), where
        assert frame["caption"].startswith(f"Step {step} of 13: "), where
        if step > 6:
            name = next(name for name in reversed(ARRIVE_AT) if ARRIVE_AT[name] <= step) if step < 13 else "w"
            total = dict(values["gradients"])[name]
            assert f"{total}".replace("-", "−") in frame["caption"], where
