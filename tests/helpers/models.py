"""What several test files share: models of any forward, the state a trace must not touch, plain hooks as oracle."""

import random
import sys
import warnings
from collections import namedtuple
from dataclasses import dataclass
from functools import wraps

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.utils._pytree import tree_leaves

from fpcourse.measure.calls import Call
from fpcourse.measure.tracing import trace

Pair = namedtuple("Pair", "left right")


@dataclass
class Output:
    logits: torch.Tensor
    extra: tuple | None = None


class Run(nn.Module):
    """A module whose forward is the given function of itself and its arguments."""

    def __init__(self, function, **children):
        super().__init__()
        self.function = function
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


class Same:
    """Equal to what holds the very same object; keeps it alive, so that no other can be given its id."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value is other.value

    def __repr__(self):
        return f"Same({type(self.value).__name__} at {id(self.value):#x})"


def contents(held):
    """Keys in order and objects by identity, in the dictionaries inside it too."""
    return [(key, Same(value), contents(value) if isinstance(value, dict) else None) for key, value in held.items()]


def memory_of(tensor):
    """Where a tensor lies and its elements as bytes; None where there are none to read."""
    if tensor is None or tensor.layout is not torch.strided or tensor.is_meta or nn.parameter.is_lazy(tensor):
        return None
    return tensor.data_ptr(), tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()


def world():
    """What is not the model's: random states, grad mode, global hooks, the switches of torch."""
    numpy_state = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (numpy_state[0], numpy_state[1].tobytes(), *numpy_state[2:]),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "hooks": {
            name: contents(value)
            for name, value in vars(torch_module).items()
            if name.startswith("_global_") and isinstance(value, dict)
        },
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        # torch imports dynamo and sympy when it needs them, which adds filters to the list.
        "warnings": Same(warnings.filters),
        "compiling": getattr(
            getattr(sys.modules.get("torch._dynamo.eval_frame"), "_stance", None), "stance", "default"
        ),
    }


def state_of(model):
    """What a trace must not touch: the model by value, by identity and in order, and the world around it."""
    modules = list(model.modules())
    tensors = [*model.parameters(), *model.buffers()]
    for module in modules:
        tensors += [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
    return {
        "modules": [(Same(module), type(module), contents(vars(module))) for module in modules],
        "not persistent": [set(getattr(module, "_non_persistent_buffers_set", ())) for module in modules],
        "tensors": [(Same(one), memory_of(one), one.requires_grad, one.is_leaf) for one in tensors],
        "grads": [(Same(one.grad), memory_of(one.grad)) for one in model.parameters()],
        **world(),
    }


def note_of(model, *args, error=RuntimeError, **kwargs):
    """The note on the error that the trace raises, and the partial trace; the model is what it was."""
    before = state_of(model)
    with pytest.raises(error) as caught:
        trace(model, *args, **kwargs)
    assert state_of(model) == before
    (note,) = caught.value.__notes__
    return note, caught.value.partial_trace


class Oracle:
    """The calls of one forward, by plain hooks on every module, on a model given away for it.

    ``calls`` is what ``trace(model, ...).calls`` must be, for modules that count their own parameters only.
    ``error`` is what the forward raised, ``failed`` the innermost call that it came from, ``last`` the name of
    the call that finished last.
    """

    def __init__(self, model, *args, **kwargs):
        self.rows, self.open, self.raised, self.last, self.error = [], [], [], None, None
        for name, module in model.named_modules():
            module.register_forward_pre_hook(self.before(name), with_kwargs=True)
            module.register_forward_hook(self.after)
            module.register_forward_hook(self.ended, always_call=True)
            module.forward = self.interruptible(module.forward)
        try:
            model(*args, **kwargs)
        except BaseException as error:
            self.error = error

    def interruptible(self, forward):
        """The forward, after an interrupt of which ``ended`` runs as well: torch calls no hook then."""

        @wraps(forward)
        def run(*args, **kwargs):
            try:
                return forward(*args, **kwargs)
            except Exception:
                raise
            except BaseException:
                self.ended()
                raise

        return run

    def before(self, name):
        def hook(module, args, kwargs):
            row = {
                "name": name,
                "type": type(module).__name__,
                "around": list(self.open),
                "is_leaf": True,
                "training": module.training,
                "input_shapes": shapes([args, kwargs]),
            }
            if self.open:
                self.open[-1]["is_leaf"] = False
            for key, trainable in (("parameters", (False, True)), ("trainable_parameters", (True,))):
                own = module.parameters(recurse=False)
                row[key] = sum(one.numel() for one in own if one.requires_grad in trainable)
            self.rows.append(row)
            self.open.append(row)

        return hook

    def after(self, module, args, output):
        found = tensors_of(output)
        self.open[-1].update(
            output_shapes=shapes(output),
            output_dtypes=tuple(str(one.dtype).split(".")[1] for one in found),
            output_bytes=sum(one.numel() * one.element_size() for one in found),
        )

        self.last = self.open[-1]["name"] or type(module).__name__

    def ended(self, *_):
        row = self.open.pop()
        if "output_shapes" not in row:
            self.raised.append((sys.exception(), row))

    @property
    def failed(self):
        return next(row for error, row in self.raised if error is self.error)

    @property
    def calls(self):
        passed = [row for error, row in self.raised if error is self.error]
        for row in passed:  # the innermost ended first
            said = type(self.error).__name__ if row is passed[0] else ""
            row.update(output_shapes=(), output_dtypes=(), output_bytes=0, error=said)
        done = [row for row in self.rows if "output_shapes" in row]
        for row in done:
            row["depth"] = sum("output_shapes" in outer for outer in row["around"])
        names = [row["name"] for row in done]
        labels = []
        for number, name in enumerate(names):
            again = f":{names[: number + 1].count(name)}" if names.count(name) > 1 else ""
            labels.append(name + again or done[number]["type"])
        return tuple(
            Call(label=label, **{name: value for name, value in row.items() if name != "around"})
            for row, label in zip(done, labels, strict=True)
        )


def tensors_of(value):
    return [one for one in tree_leaves(value) if isinstance(one, torch.Tensor)]


def shapes(value):
    return tuple(tuple(one.shape) for one in tensors_of(value))
