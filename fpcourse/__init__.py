"""fpcourse: look inside the forward pass of a neural network without changing the model.

The names below stand in the order in which the course meets them; each is loaded when first used. Behind this door lie
``models`` and ``tables``, and seven rooms: ``measure`` looks into models, ``page`` brings figures to the page,
``plots`` draws, ``explorables`` has the larger figures with controls, ``cohort`` the patients, ``training`` the loop
and the clinic, ``checks`` the exercises' checkers.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ClinicalMLP": "models",
    "mlp": "models",
    "patients": "cohort",
    "show": "page.show",
    "View": "page.view",
    "failed": "page.view",
    "explore": "page.show",
    "Try": "page.explorable",
    "Listing": "page.listing",
    "ErrorText": "page.view",
    "Table": "tables",
    "check": "checks",
    "trace": "measure.tracing",
    "trace_forward_pass": "measure.tracing",
    "unchanged": "measure.preserve",
    "autograd_graph": "measure.autograd",
    "get_intermediate_activations": "measure.capturing",
    "capture": "measure.capturing",
    "replace": "measure.replacing",
    "layer_statistics": "measure.statistics",
    "in_mode": "measure.modes",
    "mode_report": "measure.modes",
    "Cohort": "cohort",
    "load": "cohort",
    "download": "cohort",
    "train": "training",
    "risk_of": "training",
    "metrics": "training",
    "logistic_regression": "training",
    "one_thread": "training",
    "case": "training.clinic",
    "harm": "training.clinic",
}
_ROOMS = ("checks", "cohort", "explorables", "measure", "models", "page", "plots", "tables", "training")

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"fpcourse.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'fpcourse' has no attribute {name!r}")
    value = getattr(import_module(f"fpcourse.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
