"""What stands behind the sentences of the chapter on autograd."""


def example_run(x, w, b, z, loss):
    import torch

    assert torch.allclose((x * w).detach(), torch.tensor([1.0, -3.0, 1.2]))
    assert torch.allclose(z, torch.tensor([-0.7])) and torch.allclose(loss, torch.tensor([0.49]))
    assert torch.allclose(w.grad, torch.tensor([-2.8, -4.2, -5.6])) and torch.allclose(w.grad, -1.4 * x.detach())
    assert torch.allclose(b.grad, torch.tensor([-1.4]))


def graph_run(nodes, model, X):
    """What the nodes stand for; and dropout in eval mode adds none."""
    assert len(nodes) == 20 and nodes.count("AccumulateGrad") == 10 == len(list(model.parameters()))
    assert nodes.count("AddmmBackward0") == nodes.count("TBackward0") == 3
    assert nodes.count("ReluBackward0") == nodes.count("NativeBatchNormBackward0") == 2
    a1 = model.relu(model.bn1(model.layer1(X)))
    assert model.drop(a1).grad_fn is a1.grad_fn
