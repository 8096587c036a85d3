"""What stands behind the sentences of the chapter on autograd."""


def chain_run(weight):
    assert weight.grad == 10 * 2 == 20
