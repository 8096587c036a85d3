"""hooks: a hook that acts on the model it stands on, and on no copy of it."""

import copy
import pickle

import torch
from torch import nn

from fpcourse.measure.hooks import TransientHook


def test_it_is_called_as_torch_calls_a_hook_and_may_replace_the_output():
    seen = []
    model = nn.Linear(2, 3)
    model.register_forward_hook(TransientHook(lambda *call: seen.append(call) or "another"), with_kwargs=True)
    x = torch.ones(1, 2)
    assert model(x) == "another"
    ((module, args, kwargs, output),) = seen
    assert module is model and args[0] is x and kwargs == {} and output.equal(model.forward(x))


def test_a_copy_carries_one_that_does_nothing():
    seen = []
    model = nn.Linear(2, 3)
    model.register_forward_hook(TransientHook(lambda *call: seen.append(call)))
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again(torch.ones(1, 2)).shape == (1, 3) and seen == []
