"""What stands behind the sentences of chapter 7: ``_backs(number, holds)`` for each numbered one."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from fpcourse import ClinicalMLP, autograd_graph, in_mode, mlp, patients, trace, unchanged


def _backs(number, holds):
    assert holds, f"sentence {number} does not hold"


def _nodes(tensor):
    return [node.name.removesuffix("Backward0") for node in autograd_graph(tensor).nodes]


def _saved(tensor):
    """The names of what the node that made a tensor keeps."""
    return [save.name for save in autograd_graph(tensor).nodes[0].saved]


def article(X, y, model, in_use, logit_loss):
    z = X @ model.layer1.weight.T + model.layer1.bias
    by_hand = torch.allclose(model.layer1(X), z, atol=1e-6)
    _backs(1, by_hand and model.relu(z).min() == 0 and in_use().min() < 0)  # the last layer has no activation

    loss = logit_loss(model(X), y)
    before = len(_nodes(loss))
    loss.backward()
    _backs(2, len(_nodes(loss)) == before == 21)

    plain, added = torch.relu(X @ torch.ones(20, 64)), model.layer1.bias + 1
    without = plain.grad_fn is None and (added > 0).grad_fn is None
    _backs(3, without and autograd_graph(added).saved_bytes == 0)

    part = ClinicalMLP()
    part.spare = nn.Linear(20, 1)  # never called
    part.layer2.requires_grad_(False)
    logit_loss(part(X), y).backward()
    without = [name for name, parameter in part.named_parameters() if parameter.grad is None]
    _backs(4, without == ["layer2.weight", "layer2.bias", "spare.weight", "spare.bias"])


def two(X, y, model, in_use, logit_loss):
    _backs(1, X.shape == (16, 20))
    W, b = model.layer1.weight, model.layer1.bias
    _backs(2, torch.allclose(model.layer1(X), X @ W.T + b, atol=1e-6))
    shapes = [call.output_shapes[0] for call in trace(model, X)]
    _backs(3, W.shape == (64, 20) and shapes[0] == (16, 64) and {shape[0] for shape in shapes} == {16})
    _backs(4, _two_linear_layers_collapse_unless_bent(X))
    logits = in_use()
    loss, p = logit_loss(logits, y), torch.sigmoid(logits)
    by_hand = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    _backs(5, logits.shape == (16, 1) and torch.allclose(loss, by_hand) and 0 < p.min() < p.max() < 1)


def _two_linear_layers_collapse_unless_bent(X):
    first, second = nn.Linear(20, 64), nn.Linear(64, 32)
    weight = second.weight @ first.weight
    bias = second.weight @ first.bias + second.bias
    gap = (second(first(X)) - F.linear(X, weight, bias)).abs().max()
    # For any linear layer this difference is 0.
    bent = second(torch.relu(first(X.mean(0)))) - second(torch.relu(first(X))).mean(0)
    return gap < 1e-5 < 0.1 < bent.abs().max()


def two_graph(X, y, model, logit_loss):
    whole = model(X).grad_fn is not None and torch.relu(X).grad_fn is None
    _backs(6, whole and len(_nodes(model(X))) == 20 and len(_nodes(logit_loss(model(X), y))) == 21)

    a, c, ones = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True), torch.ones(2)
    saves = {"relu": _saved(a.relu()), "a * c": _saved(a * c), "a * ones": _saved(a * ones), "a + c": _saved(a + c)}
    _backs(7, saves == {"relu": ["result"], "a * c": ["other", "self"], "a * ones": ["other"], "a + c": []})

    W = model.layer1.weight
    model.zero_grad()
    logit_loss(model(X), y).backward()
    once = W.grad.clone()
    logit_loss(model(X), y).backward()
    _backs(8, once.abs().sum() > 0 and torch.allclose(W.grad, 2 * once))

    sizes = _saved_besides_parameters(model)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    _backs(9, sizes[0] < weights < sizes[1])
    assert autograd_graph(model(X)).saved_bytes == 23_040 and sizes[0] == 14_336


def _saved_besides_parameters(model):
    graphs = [autograd_graph(model(patients(n, seed=0).X), model) for n in (16, 128)]
    return [graph.saved_bytes - graph.parameter_bytes for graph in graphs]


def two_switches(X, model, in_use, training):
    def differs_and_graph(mode, record):
        with unchanged(model), in_mode(model, mode), torch.set_grad_enabled(record):
            first, second = model(X), model(X)
            return not torch.equal(first, second), first.grad_fn is not None

    cases = itertools.product(("train", "eval"), (True, False))
    _backs(10, all(differs_and_graph(mode, record) == (mode == "train", record) for mode, record in cases))

    drop, bn, z = nn.Dropout(0.3), nn.BatchNorm1d(64), model.layer1(X).detach()
    values, normed = drop(torch.ones(1000)).unique(), bn(z)
    used_the_batch = normed.mean(0).abs().max() < 1e-5
    moved = torch.allclose(bn.running_mean, 0.1 * z.mean(0), atol=1e-6)
    _backs(11, torch.allclose(values, torch.tensor([0, 1 / 0.7])) and used_the_batch and moved)

    remembered = (z - bn.running_mean) / (bn.running_var + bn.eps).sqrt()
    ones = torch.ones(1000)
    _backs(12, torch.equal(drop.eval()(ones), ones) and torch.allclose(bn.eval()(z), remembered, atol=1e-5))

    def seeded(record):
        with unchanged(model), torch.set_grad_enabled(record):
            torch.manual_seed(1)
            return model.train()(X)

    recorded, quiet = seeded(True), seeded(False)
    _backs(13, torch.equal(recorded, quiet) and recorded.requires_grad and not quiet.requires_grad)
    _backs(14, torch.equal(in_use(), in_use()) and not in_use().requires_grad)
    _backs(15, training == {"passes equal": False, "statistics moved": True})


def ex_sentences_answers(X, y, model, logit_loss, training):
    many = patients(512, seed=0).X
    with torch.no_grad():
        z1 = model.layer1(many)
        n1 = model.bn1(z1)
        a1 = model.relu(n1)
        dropped = nn.Dropout(0.3)(torch.ones(1000))
    with torch.no_grad(), unchanged(model), in_mode(model, "train"):
        t1 = model.bn1(z1)
    _backs(1, model(X).grad_fn is not None)
    _backs(2, 0.2 < (dropped == 0).float().mean() < 0.4)
    _backs(3, len(_nodes(logit_loss(model(X), y))) == 21)

    def saved_by(activation):
        return _saved(activation(nn.Linear(64, 256)(torch.randn(32, 64))))[0]

    _backs(4, [saved_by(each) for each in (F.relu, F.gelu, nn.BatchNorm1d(256))] == ["result", "self", "input"])
    _backs(5, torch.equal(model.drop(a1), a1))
    in_train, in_eval = (t.std(0, correction=0) for t in (t1, n1))
    _backs(6, (in_train - 1).abs().max() < 1e-3 < (in_eval - 1).abs().min())
    _backs(7, 0.4 < (a1 == 0).float().mean() < 0.6 and not (a1 == 0).all(0).any())
    _backs(8, training["statistics moved"])
    calm = ClinicalMLP(p=0.0)  # in train mode, no dropout
    with torch.no_grad():
        among_16, among_8 = calm(X)[0], calm(X[:8])[0]
    _backs(9, not torch.allclose(among_16, among_8))
    _backs(10, all(_logits(model, X, mode, True).equal(_logits(model, X, mode, False)) for mode in ("train", "eval")))


def _logits(model, X, mode, record):
    """From one seed, as ``unchanged`` puts the random state back."""
    with unchanged(model), in_mode(model, mode), torch.set_grad_enabled(record):
        return model(X)


def breaks(X, y, model, in_use, logit_loss):
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(16x19 and 20x64\)"):
        model(X[:, :19])
    text = r"Expected more than 1 value per channel when training, got input size torch.Size\(\[1, 64\]\)"
    with unchanged(model), in_mode(model, "train"), pytest.raises(ValueError, match=text):
        model(X[:1])
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        logit_loss(in_use(), y).backward()
    loss = logit_loss(model(X), y)
    loss.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()


def question_two_losses(X):
    twin = ClinicalMLP().eval()
    noted = twin(X).detach()
    twin.train()
    with torch.no_grad():
        assert not torch.equal(twin(X), twin(X))
    assert torch.equal(twin.eval()(X), twin(X)) and not torch.allclose(twin(X), noted)


def question_kept_bytes(X, model):
    assert autograd_graph(model(X)).saved_bytes == 23_040
    model.requires_grad_(False)
    weight = model.layer3.requires_grad_(True).weight
    assert autograd_graph(model(X)).saved_bytes == 2048 == 16 * 32 * 4
    assert 2048 + weight.nbytes == 2176 and weight.shape == (1, 32)


def question_broadcast(in_use, logit_loss, y):
    right = (in_use() > 0) == y[:, 0]
    assert right.shape == (16, 16) and right.numel() == 256
    with pytest.raises(ValueError, match="must be the same as input size"):
        logit_loss(in_use(), y[:, 0])


def question_list_of_outputs(X, in_use, model):
    graph = autograd_graph(model(X), model)
    statistics = sum(buffer.nbytes for name, buffer in model.named_buffers() if "running" in name)
    assert graph.saved_bytes - graph.parameter_bytes - statistics == 13_568
    assert in_use().nbytes == 64 and in_use().grad_fn is None


def question_one_sentence(X):
    idle = ClinicalMLP().requires_grad_(False)
    idle.spare = nn.Linear(20, 1)  # requires a gradient, and is never called
    assert any(parameter.requires_grad for parameter in idle.parameters()) and idle(X).grad_fn is None


def five(X, y, model, in_use, logit_loss):
    layer, a = nn.Linear(20, 64), X
    with torch.no_grad():
        for call in trace(model, X):
            a = model.get_submodule(call.name)(a)
    _backs(1, torch.equal(a, in_use()) and logit_loss(a, y).shape == ())
    _backs(2, X.shape == (16, 20))
    number = X[3] @ layer.weight[5] + layer.bias[5]
    _backs(3, torch.allclose(layer(X)[3, 5], number, atol=1e-6))
    _backs(4, layer(torch.ones(4, 5, 20)).shape == (4, 5, 64))
    _backs(5, sum(parameter.numel() for parameter in layer.parameters()) == 64 * 20 + 64 == 1344)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(X)
    _backs(6, counter.get_total_flops() // 2 // len(X) == 64 * 20)  # a product and a sum count as 2
    _backs(7, _two_linear_layers_collapse_unless_bent(X))
    with torch.no_grad():
        zero = model.relu(model.bn1(model.layer1(patients(512, seed=0).X))) == 0
    _backs(8, 0.4 < zero.float().mean() < 0.6 and not zero.all(0).any())
    z = torch.tensor(20.0)
    p = torch.sigmoid(z)
    _backs(9, p == 1 and -torch.log(1 - p) == torch.inf and logit_loss(z, 0 * z) == 20)


def five_2(X, y, model, frozen, logit_loss):
    loss = logit_loss(model(X), y)
    _backs(10, len(_nodes(loss)) == 21)
    added = model.layer1.bias + 1
    with torch.no_grad():
        off = model.layer1(X)
    without = [torch.relu(X @ torch.ones(20, 64)), off, added > 0]
    _backs(11, not any(tensor.requires_grad for tensor in without) and added.grad_fn is not None)

    h, layer = torch.randn(4, 20, requires_grad=True), nn.Linear(20, 64)
    _backs(12, [_saved(h.relu()), _saved(F.gelu(h)), _saved(h + 1)] == [["result"], ["self"], []])
    still = nn.Linear(20, 64).requires_grad_(False)
    _backs(13, [_saved(layer(h)), _saved(layer(X)), _saved(still(h))] == [["mat1", "mat2"], ["mat1"], ["mat2"]])
    z = layer(X)
    size = autograd_graph(nn.Linear(64, 1)(z.relu())).saved_bytes  # X, the ReLU's output, the second layer's weight
    _backs(14, size == 4 * (16 * 20 + 16 * 64 + 64) and _saved(nn.BatchNorm1d(64)(z))[0] == "input")

    w = torch.tensor(3.0, requires_grad=True)  # from the start page
    for _ in range(2):
        ((w * 2 - 1) ** 2).backward()
    _backs(15, w.grad == 20 + 20)
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    _backs(16, len(_nodes(loss)) == 21 and autograd_graph(loss).saved_bytes == 0)
    sizes = _saved_besides_parameters(model)
    _backs(17, sizes[1] > 7 * sizes[0] and frozen(X).grad_fn is None and off.grad_fn is None)
    (plain, once), (less, twice) = _bytes_and_runs(X, False), _bytes_and_runs(X, True)
    _backs(18, less < plain and (once, twice) == (1, 2))


def _bytes_and_runs(X, checkpointed):
    """What a block keeps besides its parameters, and how often its first layer runs until backward() has ended."""
    block, runs, sizes = nn.Sequential(nn.Linear(20, 64), nn.GELU(), nn.Linear(64, 64)), [], []
    block[0].register_forward_hook(lambda *call: runs.append("run"))
    own = {parameter.untyped_storage().data_ptr() for parameter in block.parameters()}

    def keep(tensor):
        sizes.append(tensor.nbytes * (tensor.untyped_storage().data_ptr() not in own))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = checkpoint(block, X, use_reentrant=False) if checkpointed else block(X)
    size = sum(sizes)
    out.sum().backward()
    return size, len(runs)


def five_3(X, model):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    flags = model.train().training, model.eval().training
    as_before = all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    _backs(19, flags == (True, False) and as_before)

    drop = nn.Dropout(0.3)
    dropped = drop(torch.ones(1000))
    share = (dropped == 0).float().mean()
    scaled = torch.allclose(dropped.unique(), torch.tensor([0, 1 / 0.7]))
    _backs(20, scaled and 0.2 < share < 0.4 and torch.equal(drop.eval()(X), X))

    bn, z = nn.BatchNorm1d(64), model.layer1(X).detach()
    with torch.no_grad():
        by_batch = (z - z.mean(0)) / (z.var(0, correction=0) + bn.eps).sqrt()
        in_train = bn(z)
        by_memory = (z - bn.running_mean) / (bn.running_var + bn.eps).sqrt()
        in_eval = bn.eval()(z)
    agree = torch.allclose(in_train, by_batch, atol=1e-5) and torch.allclose(in_eval, by_memory, atol=1e-5)
    _backs(21, agree)
    moved = torch.allclose(bn.running_var, 0.9 + 0.1 * z.var(0, correction=1))
    _backs(22, moved and torch.allclose(bn.running_mean, 0.1 * z.mean(0), atol=1e-6))

    bn.train()
    with torch.no_grad():
        among_16, among_8 = bn(z)[0, 0], bn(z[:8])[0, 0]
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        bn(z[:1])
    _backs(23, among_16 != among_8)
    with torch.inference_mode():
        inside, marked = bn.training, torch.ones(16, 64)
    with torch.no_grad():
        in_no_grad = bn.training
    _backs(24, inside and in_no_grad)
    with pytest.raises(RuntimeError, match="cannot be saved for backward") as refused:
        torch.ones(16, 64, requires_grad=True) * marked
    _backs(25, refused)

    learner = ClinicalMLP()
    before = [buffer.clone() for buffer in learner.buffers()]
    learner.eval()
    with torch.no_grad():
        validated = learner(X)
    learner.train()
    as_before = all(map(torch.equal, before, learner.buffers()))
    _backs(26, not validated.requires_grad and learner.training and as_before)


def five_4(X, model):
    inplace, seen, kept = nn.Sequential(nn.Linear(20, 64), nn.ReLU(inplace=True)), [], {}

    def look(module, inputs, output):
        seen.append((type(module).__name__, inputs[0].shape, output.shape))
        kept.update(detach=output.detach(), clone=output.detach().clone())

    handle = inplace[0].register_forward_hook(look)
    try:
        inplace(X)
        with pytest.raises(RuntimeError, match="16x19 and 20x64") as mismatch:
            inplace(X[:, :19])
    finally:
        handle.remove()
    _backs(27, seen == [("Linear", (16, 20), (16, 64))])
    _backs(28, (kept["detach"] >= 0).all() and (kept["clone"] < 0).any())
    _backs(29, not inplace[0]._forward_hooks)  # although the second pass raised

    types = {call: _hooked(model, call, X) for call in (model.__call__, model.forward)}
    whole, inner = types.values()
    _backs(30, whole.count("ReLU") == 2)
    _backs(31, "ClinicalMLP" in whole and "ClinicalMLP" not in inner)
    with_function = nn.Sequential(nn.Linear(20, 64))
    with_function.forward = lambda x: torch.relu(with_function[0](x))
    _backs(32, _hooked(with_function, with_function, X) == ["Linear", "Sequential"])
    _backs(33, mismatch)
    square = nn.Linear(20, 20, bias=False)
    wrong, difference = X @ square.weight, torch.zeros(16, 1) - torch.zeros(16)
    _backs(34, difference.shape == (16, 16) and wrong.shape == square(X).shape)
    _backs(35, not torch.allclose(wrong, square(X)))
    numbers = patients(512, seed=0).X.flatten()[:512]
    there, back = torch.tensor(0.0), torch.tensor(0.0)
    for number, from_the_end in zip(numbers, numbers.flip(0), strict=True):
        there, back = there + number, back + from_the_end
    _backs(36, there != back and torch.allclose(there, back))
    half, brain = torch.finfo(torch.float16), torch.finfo(torch.bfloat16)
    ends = half.max == 65_504 and torch.tensor(1e-8).half() == 0
    _backs(37, ends and brain.max > 3e38 and brain.eps > half.eps)


def _hooked(model, call, X):
    """The types of the modules whose forward hooks a call runs."""
    types = []
    handles = [
        module.register_forward_hook(lambda module, *_: types.append(type(module).__name__))
        for module in model.modules()
    ]
    call(X)
    for handle in handles:
        handle.remove()
    return types


def followups(X, y, model, logit_loss):
    layer = nn.Linear(20, 64)
    z = layer(torch.zeros(4, 5, 20))
    with pytest.raises(RuntimeError, match="running_mean should contain 5 elements not 64"):
        nn.BatchNorm1d(64)(z)
    _backs(1, z.shape == (4, 5, 64))

    with FlopCounterMode(display=False) as forward:
        loss = logit_loss(model(X), y)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    products = [counter.get_total_flops() // 2 // 16 for counter in (forward, backward)]
    assert 20 * 64 + 64 * 32 + 32 * 1 == 3360 and 64 * 32 + 32 * 1 == 2080
    _backs(2, products == [3360, 5440] == [3360, 3360 + 2080])
    _backs(3, [twice / once for once, twice in zip(_costs(16), _costs(32), strict=True)] == [2, 2, 2, 1, 1])

    net = ClinicalMLP()
    net.spare = nn.Linear(1, 1)
    net.layer2.requires_grad_(False)
    net(X).sum().backward()
    gradients = [net.spare.weight.grad, net.layer2.weight.grad]  # took no part; frozen
    net = ClinicalMLP()
    net.layer3(net.relu(net.layer2(net.layer1(X).detach()))).sum().backward()
    _backs(4, [*gradients, net.layer1.weight.grad] == [None] * 3)  # the way was cut


def _costs(n):
    """Products, outputs' bytes, saved bytes besides parameters, parameters, and their gradients' bytes."""
    data, net = patients(n, seed=0).X, mlp([20, 64, 32, 1])
    with FlopCounterMode(display=False) as counter:
        out = net(data)
    graph = autograd_graph(out, net)
    out.sum().backward()
    return (
        counter.get_total_flops(),
        sum(call.output_bytes for call in trace(net, data)),
        graph.saved_bytes - graph.parameter_bytes,
        sum(parameter.numel() for parameter in net.parameters()),
        sum(parameter.grad.nbytes for parameter in net.parameters()),
    )


def followups_b(X, model, frozen, in_use):
    net = ClinicalMLP()
    net.layer1.requires_grad_(False)
    z = net.layer1(X)
    _backs(5, z.grad_fn is None and _nodes(net.bn1(z))[0] == "NativeBatchNorm")

    with torch.no_grad():
        quiet = model(X)
    with torch.inference_mode():
        inference = model(X)
    recorded = [model(X), frozen(X.clone().requires_grad_())]
    without = [quiet, inference, frozen(X)]
    _backs(6, all(out.requires_grad for out in recorded) and not any(out.requires_grad for out in without))
    _backs(7, (in_use(X[:1]) - in_use()[:1]).abs().max() < 1e-6)

    bn = nn.BatchNorm1d(20, track_running_stats=False).eval()
    differ = not torch.equal(F.dropout(X, 0.3), F.dropout(X, 0.3))  # training is True unless told
    _backs(8, differ and not torch.equal(bn(X)[0], bn(X[:8])[0]))


def followups_c(X, y, model, logit_loss):
    alike, zero = _gradients_of_equal_weights(0.1, X, y), _gradients_of_equal_weights(0.0, X, y)
    rows = alike["0.weight"]  # (64, 20), a row a unit
    equal = torch.allclose(rows, rows[:1].expand(64, 20)) and rows.abs().max() > 0
    moving = [name for name, gradient in zero.items() if gradient.abs().max() > 0]
    _backs(9, equal and moving == ["2.bias"] and _apart(0.0, X, y) < 1e-6 < 1e-3 < _apart(0.3, X, y))

    norm = nn.LayerNorm(20)
    by_row = norm(X).mean(1).abs().max() < 1e-5 and torch.allclose(norm(X)[:1], norm(X[:1]), atol=1e-6)
    _backs(10, by_row and torch.equal(norm.train()(X), norm.eval()(X)) and not list(norm.buffers()))

    total, lengths = torch.tensor(0.0), []
    for _ in range(10):
        total = total + logit_loss(model(X), y)
        lengths.append(len(_nodes(total)))
    _backs(11, lengths[-1] > 5 * lengths[0] and isinstance(logit_loss(model(X), y).item(), float))

    classes = torch.arange(16) % 3
    sure = 30 * F.one_hot(classes, 3).float()  # (16, 3)
    right, twice = F.cross_entropy(sure, classes), F.cross_entropy(sure.softmax(1), classes)
    floor = torch.log(1 + 2 / torch.tensor(1.0).exp())
    _backs(12, right < 1e-6 and torch.isclose(twice, floor) and f"{floor:.3f}" == "0.551")


def _gradients_of_equal_weights(value, X, y):
    net = mlp([20, 64, 1])
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)
    F.binary_cross_entropy_with_logits(net(X), y).backward()
    return {name: parameter.grad for name, parameter in net.named_parameters()}


def _apart(p, X, y, steps=50):
    """How far equal units of a first layer are from one another after some steps, with dropout p behind them."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 1))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(X), y).backward()
        optimizer.step()
    return (net[0].weight - net[0].weight[0]).abs().max()
