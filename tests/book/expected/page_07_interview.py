"""The interview answer."""

import re

import torch
from torch.nn import functional as F

from expected.clinical_mlp import CALLS, layers

LABELS = ["X", *CALLS, "loss"]
PARAMETERS = {
    "layer1": ["(64, 20)", "(64,)"],
    "layer2": ["(32, 64)", "(32,)"],
    "layer3": ["(1, 32)", "(1,)"],
    "bn1": ["(64,)", "(64,)"],
    "bn2": ["(32,)", "(32,)"],
}


def figures() -> list[dict]:
    return []


def kept(mode: str) -> dict[str, tuple[str, int]]:
    """The nodes of a pass of 16 patients and what each keeps, 4 bytes a number, worked out by hand."""
    norm = {"train": lambda units: 16 * units + 5 * units, "eval": lambda units: 16 * units + 3 * units}[mode]
    nodes = {
        "layer1": ("Addmm", 16 * 20),  # the input; the weight is not needed, as the data ask for no gradient
        "bn1": ("NativeBatchNorm", norm(64)),  # input, scale, running statistics; in train mode the batch's too
        "relu:1": ("Relu", 16 * 64),  # its output
        "drop": ("Mul", 16 * 64),  # its scaled mask
        "layer2": ("Addmm", 16 * 64 + 64 * 32),  # input and weight
        "bn2": ("NativeBatchNorm", norm(32)),
        "relu:2": ("Relu", 16 * 32),
        "layer3": ("Addmm", 16 * 32 + 32),
        "loss": ("BinaryCrossEntropyWithLogits", 16 + 16),  # logits and targets
    }
    if mode == "eval":
        del nodes["drop"]
    return {label: (name, 4 * numbers) for label, (name, numbers) in nodes.items()}


def kept_together(mode: str) -> int:
    """The bytes of all nodes. What a linear layer behind a ReLU keeps as its input, that keeps too: counted once.

    In train mode dropout stands before layer2, whose input is then a tensor of its own.
    """
    shared = 16 * 32 + (16 * 64 if mode == "eval" else 0)
    return sum(size for _, size in kept(mode).values()) - 4 * shared


def numbers_of_patient_0(mode: str, X: torch.Tensor, y: torch.Tensor) -> list[float]:
    """Patient 0's first value in the input and after each call, then the mean loss."""
    torch.manual_seed(0)
    parts = layers()
    a, found = X, [X]
    for label in CALLS:
        if label.startswith("relu"):
            a = a.clamp(min=0)
        elif label == "drop":
            a = F.dropout(a, 0.3, training=mode == "train")
        elif label.startswith("bn"):
            mean, var = (a.mean(0), a.var(0, correction=0)) if mode == "train" else (0, torch.ones(1))
            a = (a - mean) / (var + 1e-5).sqrt()
        else:
            a = a @ parts[label].weight.T + parts[label].bias
        found.append(a)
    p = 1 / (1 + torch.exp(-a))
    loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    return [tensor[0, 0].item() for tensor in found] + [loss.item()]


def whiteboard(moment: int, mode: str, recording: str, X: torch.Tensor, y: torch.Tensor) -> dict:
    drawn = [1, 2, 8, 9, 10, 10, 10, 10][moment - 1]
    nodes = kept(mode) if recording == "grad" else {}
    train = mode == "train"
    return {
        **({"error": "RuntimeError"} if moment == 7 and not nodes else {}),
        "patient 0": numbers_of_patient_0(mode, X[:16], y[:16])[:drawn],
        "recorded": [[label, *nodes[label]] for label in nodes] if moment >= 6 else [],
        "bytes kept": kept_together(mode) if moment == 6 and nodes else 0,
        "nodes in the graph": len(nodes) + 3 + 10 if moment == 6 and nodes else 0,  # 3 transposes, 10 parameters
        "gradients": [[name, *shapes] for name, shapes in PARAMETERS.items()] if moment >= 7 and nodes else [],
        "buffers moved": (6 if train else 0) if moment == 8 else None,
        "random state moved": train if moment == 8 else None,
    }


def check_whiteboard(frames: dict) -> None:
    """What is written on the board, row by row, and which rows and which line of the answer are lit."""
    for (moment, mode, recording), frame in frames.items():
        values, html = frame["values"], frame["html"]
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", html)
        drawn = len(values["patient 0"])
        rows = [label for label in LABELS if any(text.startswith(f"{label} (") for text in texts)]
        assert rows == LABELS[:drawn]
        for label, number in zip(LABELS, values["patient 0"], strict=False):
            spoken_of = moment == 8 and label in ("bn1", "drop", "bn2")
            written = f"mean {number:.3f}" if label == "loss" else f"patient 0: {number:.3f}"
            below = texts[[text.startswith(f"{label} (") for text in texts].index(True) + 1]
            assert (below == written) != spoken_of, (moment, mode, label, below)
        kept_now = [f"keeps {size:,} bytes" for _, _, size in values["recorded"]] if moment == 6 else []
        assert [text for text in texts if text.startswith("keeps")] == kept_now
        own = dict((name, shapes) for name, *shapes in values["gradients"])
        gradients = [f"grad {' and '.join(own[label])}" for label in LABELS if label in own]
        assert [text for text in texts if text.startswith("grad ")] == gradients
        assert ("nothing recorded" in texts) == (moment >= 6 and recording == "no_grad")
        assert texts.count("uses the batch") == (2 if (moment, mode) == (8, "train") else 0)
        assert texts.count("uses running statistics") == (2 if (moment, mode) == (8, "eval") else 0)
        (marked,) = re.findall(r"<mark>(.*?)\n?</mark>", html, flags=re.S)
        assert marked.startswith(f"{moment}. ")
        lit = [1, 1, 6, 1, 1, 0, 0, 3][moment - 1]
        assert len(re.findall(r"<path [^>]*--fp-batch", html)) == lit
        check_caption(moment, mode, recording, frame)


def check_caption(moment: int, mode: str, recording: str, frame: dict) -> None:
    values, caption = frame["values"], frame["caption"]
    assert caption.startswith(f"Moment {moment}: ")
    numbers = values["patient 0"]
    says = {
        2: f"first unit is {numbers[1]:.3f}" if moment >= 2 else "",
        3: f"leaves drop as {numbers[4]:.3f}" if moment >= 3 else "",
        4: f"logit is {numbers[8]:.3f}" if moment >= 4 else "",
        5: f"{numbers[9]:.3f}, the mean over 16 patients" if moment >= 5 else "",
        6: f"these {len(values['recorded'])} of the graph's {values['nodes in the graph']} nodes"
        if values["recorded"]
        else "grad mode is off",
        7: "no graph to walk" if "error" in values else "a gradient of its own shape",
        8: f"{values['buffers moved']} of 6 buffers moved, the random state "
        + ("moved" if values["random state moved"] else "did not"),
    }
    assert says.get(moment, "") in caption
    assert (f"together keep {values['bytes kept']:,} bytes," in caption) == bool(values["bytes kept"])
