"""What stands behind the sentences of chapter 7."""

import torch
from torch import nn

from fpcourse import ClinicalMLP, autograd_graph


def question_one_sentence(X, in_use, logit_loss, model, y):
    # What the answers say, run.
    twin = ClinicalMLP().eval()  # questions 1 and 2
    noted = twin(X).detach()
    twin.train()
    with torch.no_grad():
        assert not torch.equal(twin(X), twin(X))
    assert torch.equal(twin.eval()(X), twin(X)) and not torch.allclose(twin(X), noted)

    twin.requires_grad_(False)
    twin.layer3.requires_grad_(True)
    assert autograd_graph(twin(X)).saved_bytes == 2048 == 16 * 32 * 4
    assert 2048 + twin.layer3.weight.nbytes == 2176 and twin.layer3.weight.shape == (1, 32)

    right = (in_use() > 0) == y[:, 0]  # question 3
    assert right.shape == (16, 16) and right.numel() == 256
    try:
        logit_loss(in_use(), y[:, 0])
    except ValueError as error:
        assert "must be the same as input size" in str(error)
    else:
        raise AssertionError("no error")

    idle = ClinicalMLP().requires_grad_(False)  # question 5
    idle.spare = nn.Linear(20, 1)  # requires a gradient, and is never called
    assert any(p.requires_grad for p in idle.parameters()) and idle(X).grad_fn is None

    graph = autograd_graph(model(X), model)  # questions 4 and 5
    statistics = sum(b.nbytes for name, b in model.named_buffers() if "running" in name)
    assert graph.saved_bytes - graph.parameter_bytes - statistics == 13_568
    assert graph.saved_bytes == 23_040
    assert in_use().nbytes == 64 and in_use().grad_fn is None
