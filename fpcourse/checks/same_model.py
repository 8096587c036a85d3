"""is_as_it_was: after an exercise's function ran, its model has the flags, hooks and statistics of before."""

import torch
from torch import nn

from fpcourse.checks.exercises import Attempt


def is_as_it_was(attempt: Attempt, model: nn.Module, before: nn.Module) -> None:
    """End the check unless ``model`` equals the copy made ``before``, module by module."""
    flags, were = ({name: module.training for name, module in one.named_modules()} for one in (model, before))
    changed = [name for name in were if flags.get(name) != were[name]]
    attempt.require(
        not changed,
        f"afterwards in another mode: {', '.join(name or 'the model' for name in changed)}",
        "each module in its mode of before",
        "model.train() sets the flag on every module, also on a frozen one."
        if any(map(flags.get, changed))
        else "eval() was left on.",
    )
    hooks = [name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks]
    attempt.require(not hooks, f"afterwards a hook on {', '.join(hooks)}", "no hook left", "Remove each handle.")
    values = zip(model.state_dict().values(), before.state_dict().values(), strict=False)
    same = all(now.dtype == was.dtype and torch.equal(now, was) for now, was in values)
    moved = "other weights or running statistics afterwards"
    attempt.require(same, moved, "those of before", "A pass in train mode moves the statistics.", 14)
