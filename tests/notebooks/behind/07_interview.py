"""What stands behind the sentences of chapter 7."""

import torch
from torch import nn

from fpcourse import ClinicalMLP, autograd_graph


def board_after(passed):
    for recording in ("grad", "no_grad"):
        tensors, *_, moved, drew = passed("train", recording)
        assert f"{tensors[8][0, 0]:.3f}" == "-0.204" and (moved, drew) == (6, True)
        tensors, *_, moved, drew = passed("eval", recording)
        assert f"{tensors[8][0, 0]:.3f}" == "-0.160" and (moved, drew) == (0, False)
    assert [label for label in passed("train", "grad")[1] if label not in passed("eval", "grad")[1]] == ["drop"]
    assert passed("train", "no_grad")[4] is not None and passed("train", "grad")[4] is None


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
