"""calls_visible: compiled and fused code runs module by module, since hooks see nothing inside of it."""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch
from torch import nn


@contextmanager
def calls_visible(modules: Sequence[nn.Module]) -> Iterator[None]:
    """A block in which compiled models run uncompiled, and ``nn.TransformerEncoder`` without its fused path."""
    with _fused_encoder_off:
        if "torch._dynamo" not in sys.modules:  # then nothing has been compiled
            yield
            return
        compiled = any(map(_is_compiled, modules))
        with _eager, _no_hook_warning if compiled else nullcontext():
            yield


def check_uncompiled(model: nn.Module, names: Iterable[str]) -> None:
    """Raise a RuntimeError for modules that are compiled, or lie in one that is; hooks have seen nothing of these."""
    if compiled := [name for name in names if _is_inside_compiled(model, name)]:
        raise RuntimeError(
            f"{', '.join(compiled)}: in compiled code, where torch need not call hooks, and nothing was seen; "
            'run the forward under torch.compiler.set_stance("force_eager")'
        )


def _is_inside_compiled(model: nn.Module, name: str) -> bool:
    parts = name.split(".") if name else []
    ancestors = (model.get_submodule(".".join(parts[:end])) for end in range(len(parts) + 1))
    return "torch._dynamo" in sys.modules and any(map(_is_compiled, ancestors))


def _is_compiled(module: nn.Module) -> bool:
    return isinstance(module, torch._dynamo.OptimizedModule) or module._compiled_call_impl is not None


class _Switch:
    """A setting of the whole process, for blocks in several threads: the first changes it, the last puts it back."""

    def __init__(self, change: Callable[[], Callable[..., Any]]):
        self.change = change  # gives the function that puts the setting back
        self.lock = Lock()
        self.users = 0

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.put_back = self.change()
            self.users += 1

    def __exit__(self, *error: Any) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.put_back()


def _switch_fused_encoder_off() -> Callable[[], None]:
    was_on = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    return lambda: torch.backends.mha.set_fastpath_enabled(was_on)


def _force_eager() -> Callable[[], None]:
    stance = torch.compiler.set_stance("force_eager")
    return lambda: stance.__exit__(None, None, None)


def _ignore_hook_warning() -> Callable[[], None]:
    filters = warnings.catch_warnings()
    filters.__enter__()
    warnings.filterwarnings("ignore", message="Using `torch.compile\\(module\\)` when there are global hooks")
    return lambda: filters.__exit__(None, None, None)


_fused_encoder_off = _Switch(_switch_fused_encoder_off)
_eager = _Switch(_force_eager)
_no_hook_warning = _Switch(_ignore_hook_warning)
