"""TransientHook: a forward hook for the length of one block."""

from collections.abc import Callable
from typing import Any


class TransientHook:
    """Calls ``function`` as torch calls a hook. A copy or a pickle of the model holds one that does nothing."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __call__(self, *call: Any) -> Any:
        return self.function(*call)

    def __reduce__(self):
        return TransientHook, (do_nothing,)


def do_nothing(*call: Any) -> None:
    """The function of a ``TransientHook`` that has been copied."""
