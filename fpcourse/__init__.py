"""fpcourse: look inside the forward pass of a neural network without changing the model.

The names below stand in the order in which the course meets them; each is loaded when first used.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ClinicalMLP": "models",
    "mlp": "models",
    "patients": "cohort",
    "show": "views",
    "View": "views",
    "failed": "views",
    "explore": "explorables",
    "Try": "controls",
    "trace": "tracing",
    "trace_forward_pass": "tracing",
    "unchanged": "preserve",
    "autograd_graph": "autograd",
    "get_intermediate_activations": "capturing",
    "capture": "capturing",
    "layer_statistics": "statistics",
    "in_mode": "modes",
    "mode_report": "modes",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fpcourse' has no attribute {name!r}")
    value = getattr(import_module(f"fpcourse.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
