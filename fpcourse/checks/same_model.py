"""is_as_it_was: what an exercise's function was given to look at is afterwards what it was."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from fpcourse.checks.exercises import Attempt

LEFT_BEHIND = {
    "hooks": ("A hook is left on the model.", 13),
    "buffer": ("A pass in train mode moves running statistics.", 14),
    "gradient": ("backward() writes into .grad; work inside unchanged(model).", None),
    "requires_grad": ("Put it back, or work inside unchanged(model).", None),
    "parameter": ("The report must not write into the model.", None),
}


def is_as_it_was(attempt: Attempt, model: nn.Module, before: nn.Module) -> None:
    """End the check unless ``model`` equals the copy made ``before``: hooks, flags, buffers, gradients, parameters."""
    now = _state(model)
    for what, was in _state(before).items():
        changed = [name or "the model itself" for name, value in was.items() if not _equal(now[what].get(name), value)]
        if changed:
            looks_like = LEFT_BEHIND.get(what) or (_said_of_flags(map(now[what].get, changed)), None)
            attempt.fail(f"the {what} of {', '.join(changed)} changed", "the model as it was", *looks_like)


def _said_of_flags(flags: Iterable[bool | None]) -> str:
    if any(flags):
        return "model.train() sets the flag on every module, also on a frozen one."
    return "eval() was left on."


def copied(model: nn.Module) -> nn.Module:
    """A deep copy with the gradients, which ``deepcopy`` leaves out."""
    twin = copy.deepcopy(model)
    for own, parameter in zip(twin.parameters(), model.parameters(), strict=True):
        own.grad = None if parameter.grad is None else parameter.grad.clone()
    return twin


def count_hooks(module: nn.Module) -> int:
    return len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)


def _state(model: nn.Module) -> dict[str, dict[str, Any]]:
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    return {
        "hooks": {name: count_hooks(module) for name, module in modules.items()},
        "training flag": {name: module.training for name, module in modules.items()},
        "buffer": dict(model.named_buffers()),
        "gradient": {name: p.grad for name, p in parameters.items()},
        "requires_grad": {name: p.requires_grad for name, p in parameters.items()},
        "parameter": parameters,
    }


def _equal(now: Any, was: Any) -> bool:
    if not isinstance(was, torch.Tensor) or not isinstance(now, torch.Tensor):
        return now is was or (type(now) is type(was) and now == was)
    try:
        return now.dtype == was.dtype and torch.equal(now, was)
    except Exception:  # on another device
        return False
