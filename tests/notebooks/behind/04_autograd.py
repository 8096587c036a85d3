"""What stands behind the sentences of the chapter on autograd."""


def example_run(x, w, b, z, loss):
    import torch

    assert torch.allclose((x * w).detach(), torch.tensor([1.0, -3.0, 1.2]))
    assert torch.allclose(z, torch.tensor([-0.7])) and torch.allclose(loss, torch.tensor([0.49]))
    assert torch.allclose(w.grad, torch.tensor([-2.8, -4.2, -5.6])) and torch.allclose(w.grad, -1.4 * x.detach())
    assert torch.allclose(b.grad, torch.tensor([-1.4]))
