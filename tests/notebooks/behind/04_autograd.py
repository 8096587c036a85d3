"""What stands behind the sentences of the chapter on autograd."""


def chain_run(weight):
    assert weight.grad == 10 * 2 == 20


def graph_run(nodes, model, X):
    """What the nodes stand for; and dropout in eval mode adds none."""
    assert len(nodes) == 20 and nodes.count("AccumulateGrad") == 10 == len(list(model.parameters()))
    assert nodes.count("AddmmBackward0") == nodes.count("TBackward0") == 3
    assert nodes.count("ReluBackward0") == nodes.count("NativeBatchNormBackward0") == 2
    a1 = model.relu(model.bn1(model.layer1(X)))
    assert model.drop(a1).grad_fn is a1.grad_fn
