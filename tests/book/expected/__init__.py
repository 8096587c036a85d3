"""The numbers of the book's figures, once more, in plain torch: fpcourse is not imported here.

One module a page, of the page's name. In it a function a name of an explorable takes its controls (and ``X`` and ``y``,
the cohort's first rows, if it has these parameters) and returns the values that the page must show; ``check_`` and that
name, where it exists, looks at the pictures and captions of all frames; ``figures()`` gives the values of the page's
other figures, in order, and may have those parameters too.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any


def of_page(path: str) -> ModuleType | None:
    """The module of a built page, ``book/02_shapes.html``; None where the page has no figure."""
    name = f"expected.page_{PurePosixPath(path).stem}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def called(function: Callable[..., Any], rows: dict[str, Any], **arguments: Any) -> Any:
    """The cohort's rows, ``X`` and ``y``, go to a function that asks for them."""
    asked = inspect.signature(function).parameters
    return function(**arguments, **{name: rows[name] for name in rows if name in asked})
