"""Tracing the forward pass."""

import re

import torch
from torch import nn
from torch.nn import functional as F

from expected.clinical_mlp import CALLS, forward, trained_layers

MODULES = ["layer1", "layer2", "layer3", "relu", "bn1", "bn2", "drop"]  # as the article's __init__ makes them
MOMENTS = ["before", "the forward begins", "the forward has ended", "the tracer has ended"]


def figures(X: torch.Tensor) -> list[dict]:
    encoder = nn.TransformerEncoderLayer(32, nhead=4, dim_feedforward=64, batch_first=True)
    return [
        {"rows": ["ClinicalMLP", *MODULES], "calls": [label.partition(":")[0] for label in CALLS]},
        collected(X[:16]),
        {
            "rows": ["TransformerEncoderLayer", *[name for name, _ in encoder.named_modules() if name]],
            # As its paper has it: attention, add and norm, two linear layers, add and norm; a dropout after each.
            "calls": ["self_attn", "dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2"],
        },
    ]


def collected(X: torch.Tensor) -> dict:
    """What one pass of the trained network works out, by functional calls alone."""
    passed = forward(trained_layers(), X, train=False)
    risks = passed["layer3"].sigmoid()
    return {
        "numbers": sum(passed[label].numel() for label in CALLS),
        "first cell": f"{passed['layer1'][0, 0]:.3f}",
        "risk": f"{risks[0, 0]:.3f}",
        "risks from": f"{risks.min():.3f}",
        "to": f"{risks.max():.3f}",
    }


def trace_theatre(fails: str, mode: str, tracer: str, moment: int) -> dict:
    """What a pass up to the failing call does, from the buffers of two BatchNorms and a generator."""
    finished = CALLS[: CALLS.index(fails)] if fails != "none" else CALLS
    norms = {"bn1": nn.BatchNorm1d(3), "bn2": nn.BatchNorm1d(3)}
    before = [buffer.clone() for norm in norms.values() for buffer in norm.buffers()]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    by_hand, ended = tracer == "minimal", moment >= 2
    if ended and (by_hand or moment == 2):
        x = torch.linspace(-2, 1, 12).reshape(4, 3)
        for name in finished:
            if name in norms:
                norms[name].train(mode == "train")(x)
            elif name == "drop":
                F.dropout(x, 0.3, training=mode == "train")
    after = [buffer for norm in norms.values() for buffer in norm.buffers()]
    failed = fails != "none"
    left = by_hand and (moment in (1, 2) or (moment == 3 and failed))
    lost = by_hand and failed
    return {
        "calls finished": len(finished) if ended else 0,
        "hooks on the modules": len(MODULES) if left else 0,
        "buffers that differ": sum(not torch.equal(one, now) for one, now in zip(before, after, strict=True)),
        "random state moved": not torch.equal(state, torch.get_rng_state()),
        "rows you hold": None if moment < 3 else 0 if lost else len(finished) + failed,
    }


# Which lines of the two listings a moment lights, by what they say.
LIT = {
    "minimal": ["", "for name, module in model.named_modules", "model(X)", "for handle in handles"],
    "fpcourse.trace": ["", "keep buffers", "model(X)", "put everything back"],
}


def check_trace_theatre(frames: dict) -> None:
    """Caption, picture and listing say what the values say: squares by colour, calls by state, the lit line by text."""
    for (fails, _, tracer, moment), frame in frames.items():
        values, html, caption = frame["values"], frame["html"], frame["caption"]
        finished, hooks = values["calls finished"], values["hooks on the modules"]
        failed = fails != "none" and moment >= 2
        assert caption.startswith(f"Moment {moment}, {MOMENTS[moment]}: {finished} calls have finished")
        assert ("cannot be multiplied" in caption) == failed
        for text in (f"{hooks} hooks on the modules, {values['buffers that differ']} of 6 buffers",):
            assert text in frame["alt"]
        drew = "random state " + ("moved" if values["random state moved"] else "as before")
        assert f">hooks on the modules: {hooks}<" in html and f">{drew.replace('state ', 'state: ')}<" in html
        assert f">buffers that differ: {values['buffers that differ']} of 6<" in html
        assert f"Changed: {hooks} hooks, {values['buffers that differ']} buffers" in caption
        assert (", the random state." in caption) == values["random state moved"]
        assert ("You hold" in caption) == (moment == 3)
        if moment == 3:
            assert f"You hold {values['rows you hold']} rows" in caption
        assert html.count(">finished</text>") == finished and html.count(">raised</text>") == failed
        boxes = re.findall(r'<path d="[^"]*"[^>]*style="fill: ([^;"]*)', html)
        assert boxes.count("var(--fp-hidden,#007a5a)") == finished
        lit = hooks + values["buffers that differ"] + values["random state moved"]
        assert boxes.count("var(--fp-batch,#0072b2)") == lit
        assert boxes.count("var(--fp-error,#b3261e)") == failed
        marked = " ".join(re.findall(r"<mark>(.*?)</mark>", html, flags=re.S))
        stopped = tracer == "minimal" and failed and moment == 3
        assert bool(marked) == (moment > 0 and not stopped)
        assert stopped or LIT[tracer][moment] in marked


def kept_pre_activation_tensor(keeping: str, inplace: str, calls_done: int, X: torch.Tensor) -> torch.Tensor:
    passed = forward(trained_layers(), X[:16], train=False)
    overwritten = inplace == "yes" and calls_done == 3 and keeping != "detach and clone"
    return passed["relu:1" if overwritten else "bn1"]


def kept_pre_activation(keeping: str, inplace: str, calls_done: int, X: torch.Tensor) -> dict:
    kept = kept_pre_activation_tensor(keeping, inplace, calls_done, X)
    return {"patient 0, first values": kept[0, :3].tolist(), "share below 0": (kept < 0).float().mean().item()}


def check_kept_pre_activation(frames: dict, X: torch.Tensor) -> None:
    """The line and the caption are those of the tensor that was kept."""
    from expected.drawn import check_drawn_line

    for (keeping, inplace, calls_done), frame in frames.items():
        kept = kept_pre_activation_tensor(keeping, inplace, calls_done, X)
        assert f"{(kept < 0).float().mean().item():.0%} of what was kept" in frame["caption"]
        assert f"begins with {kept[0, 0]:.3f}, {kept[0, 1]:.3f}, {kept[0, 2]:.3f}." in frame["caption"]
        assert ("in place" in frame["caption"]) == (inplace == "yes" and calls_done == 3)
        check_drawn_line(frame["html"], kept[0])
