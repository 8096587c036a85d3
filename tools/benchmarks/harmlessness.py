"""What one look leaves on a model: python tools/benchmarks/harmlessness.py writes harmlessness.md beside it.

Each tool looks once at a fresh ClinicalMLP in train mode, and once at one whose last layer does not fit, so that the
pass raises at its end. Each look has a process of its own, in which nothing else has been imported or patched.
"""

import datetime
import json
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from tracing import table, tool

RESULT = Path(__file__).with_suffix(".md")
# Each row: its name, and the function of a model and a batch that looks.
TOOLS: dict[str, Callable] = {
    "`fpcourse.trace`": lambda model, X: tool("trace")(model, (X,), {}),
    "hooks by hand": lambda model, X: tool("hooks")(model, (X,), {}),
    "torchinfo, as it comes": lambda model, X: tool("torchinfo")(model, (X,), {}),
    'torchinfo, `mode="train"`': lambda model, X: summary(model, X, mode="train"),
    "torchview, as it comes": lambda model, X: tool("torchview")(model, (X,), {}),
    'torchview, `mode="train"`': lambda model, X: drawing(model, X, mode="train"),
    "torchlens": lambda model, X: tool("torchlens")(model, (X,), {}),
    "torchvista": lambda model, X: interactive(model, X),
    "FlopCounterMode": lambda model, X: tool("FlopCounterMode")(model, (X,), {}),
}
LAST_LAYER_TAKES = {"success": 32, "error": 31}  # of the 32 units before it


def summary(model, X, **options) -> None:
    import torchinfo

    torchinfo.summary(model, input_data=X, verbose=0, **options)


def drawing(model, X, **options) -> None:
    import torchview

    torchview.draw_graph(model, input_data=X, device="cpu", **options)


def interactive(model, X) -> None:
    import torchvista

    torchvista.trace_model(model, X)


def state(model) -> dict[str, object]:
    """What a look might leave changed, by the word that the table has for it."""
    import torch

    modules = list(model.modules())
    return {
        "statistics": [buffer.tolist() for buffer in model.buffers()],
        "weights": [parameter.tolist() for parameter in model.parameters()],
        "gradients": [parameter.grad is None for parameter in model.parameters()],
        "random state": torch.get_rng_state().tolist(),
        "mode": [module.training for module in modules],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules],
        "attributes": [sorted(vars(module)) for module in modules],
    }


def difference(name: str, before: list, after: list) -> str:
    """A word or two on what has changed; hooks and attributes are counted."""
    if name == "hooks":
        return f"{sum(after) - sum(before)} hooks"
    if name == "attributes":
        new = [set(now) - set(was) for was, now in zip(before, after, strict=True)]
        names = ", ".join(f"`{one}`" for one in sorted(set().union(*new)))
        return f"attribute {names} on {sum(map(bool, new))} modules"
    return name


def look(name: str, outcome: str) -> list[str]:
    """What is changed after one look, in this process."""
    import torch

    from fpcourse.models import ClinicalMLP

    torch.manual_seed(0)
    model, X = ClinicalMLP(), torch.randn(16, 20)
    model.layer3 = torch.nn.Linear(LAST_LAYER_TAKES[outcome], 1)
    before = state(model)
    raised = ""
    try:
        TOOLS[name](model, X)
    except Exception as error:
        raised = type(error).__name__
    after = state(model)
    if bool(raised) != (outcome == "error"):
        return [f"raised {raised}" if raised else "raised nothing"]
    return [difference(key, before[key], after[key]) for key in before if before[key] != after[key]]


def measured() -> dict[str, dict[str, list[str]]]:
    """By tool and outcome, what one look left changed; each in a process of its own."""
    left = {}
    for name in TOOLS:
        left[name] = {}
        for outcome in LAST_LAYER_TAKES:
            command = [sys.executable, __file__, name, outcome]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            left[name][outcome] = json.loads(run.stdout.splitlines()[-1])
        print(name, left[name], flush=True)
    return left


def report(left: dict[str, dict[str, list[str]]]) -> str:
    rows = [
        [name, *("; ".join(changed) or "nothing" for changed in outcomes.values())] for name, outcomes in left.items()
    ]
    packages = ("torch", "torchinfo", "torchview", "torchlens", "torchvista")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)])
    return f"""\
Looked on {datetime.date.today():%d %B %Y} with `make bench`: {versions}.

{table(["one look by", "leaves, after success", "leaves, after an error"], rows).replace("---:", "---")}
"""


if __name__ == "__main__":
    if sys.argv[1:]:
        warnings.simplefilter("ignore")
        print(json.dumps(look(*sys.argv[1:])))
    else:
        RESULT.write_text(report(measured()), encoding="utf8")
        print(RESULT)
