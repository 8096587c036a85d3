"""The cheat sheet against plain torch: what its tables and code say is run, so that a wrong cell fails."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

PAGE = Path(__file__).resolve().parents[2] / "book" / "reference" / "cheat_sheet.md"
SECTIONS = dict(
    part.split("\n", maxsplit=1) for part in re.split(r"(?m)^## ", PAGE.read_text(encoding="utf8"))[1:] if part
)


def without_links(text: str) -> str:
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)


def tables(section: str) -> list[list[list[str]]]:
    """The tables of a section: rows of cells, the header first, without links and code marks."""
    found = []
    for block in re.findall(r"(?m)(?:^\|.*\|\n?)+", without_links(SECTIONS[section])):
        rows = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append([rows[0], *rows[2:]])
    return found


def code(section: str) -> str:
    return "\n".join(line[4:] for line in SECTIONS[section].splitlines() if line.startswith("    ") or not line)


def prose(section: str) -> str:
    return " ".join(
        line for line in without_links(SECTIONS[section]).splitlines() if line and not line.startswith(("|", "    "))
    )


def without_chapter(cell: str) -> str:
    return re.sub(r" \(\d\)$", "", cell)


def kept_by(run) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """An output, and the tensors that its graph saved."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        output = run()
    return output, [tensor for tensor in kept if tensor.numel()]


def places(tensors) -> set[int]:
    return {tensor.data_ptr() for tensor in tensors}


def clinical_mlp() -> nn.Module:
    from fpcourse import ClinicalMLP

    torch.manual_seed(0)
    return ClinicalMLP()


X = torch.randn(16, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("title", SECTIONS)
def test_each_block_leads_to_its_chapter(title):
    links = re.findall(r"\[(?:[Cc]hapter )?(\d)\]\(\.\./0(\d)_", SECTIONS[title])
    assert links and all(said == target for said, target in links)


def test_no_word_that_a_reader_trips_over():
    text = re.sub("`[^`]*`", "", PAGE.read_text(encoding="utf8"))
    assert re.findall(r"\b(?:simply|just|obviously|best|only|no other)\b", text, flags=re.I) == []


def test_the_layer_and_the_shapes_beside_it():
    names = {"batch": 7, "in": 5, "out": 3}
    of = {"X": torch.randn(7, 5), "W": torch.randn(3, 5), "b": torch.randn(3), "activation": torch.relu}
    exec(code("A layer"), of)
    torch.testing.assert_close(of["Z"], F.linear(of["X"], of["W"], of["b"]))

    def sizes(text):
        return [tuple(names[name] for name in re.findall(r"\w+", shape)) for shape in re.findall(r"\(([^)]*)\)", text)]

    first, second = (line.split("#")[1] for line in code("A layer").splitlines() if "#" in line)
    assert sizes(first) == [of["X"].shape, of["W"].T.shape, of["b"].shape]
    assert sizes(second) == [of["Z"].shape] == [of["A"].shape]
    assert "W is (out, in)" in prose("A layer").replace("`", "") and nn.Linear(5, 3).weight.shape == (3, 5)
    assert nn.Linear(5, 3)(torch.zeros(2, 4, 5)).shape == (2, 4, 3)


def test_two_linear_layers_are_one():
    weight, bias = re.search(r"are one: `([^`]*)` and `([^`]*)`", SECTIONS["A layer"]).groups()
    of = {"W1": torch.randn(4, 5), "b1": torch.randn(4), "W2": torch.randn(3, 4), "b2": torch.randn(3)}
    one = F.linear(X[:, :5], eval(weight, of), eval(bias, of))
    two = F.linear(F.linear(X[:, :5], of["W1"], of["b1"]), of["W2"], of["b2"])
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_the_formulas_for_parameters_and_buffers():
    (_, *rows), numbers = tables("A layer")[0], {"in_": 5, "out": 3, "units": 7}
    for layers, *formulas in rows:
        for layer in re.findall(r"\w+(?:\([^)]*\))?", layers):
            made = eval(f"nn.{layer}".replace("(in,", "(in_,") + ("" if "(" in layer else "()"), {"nn": nn, **numbers})
            found = [sum(t.numel() for t in held) for held in (made.parameters(), made.buffers())]
            wanted = [eval(re.sub(r"\bin\b", "in_", f).replace("·", "*"), {}, numbers) for f in formulas]
            assert found == wanted, layer
    assert len(rows) == 3


def test_clinical_mlp_call_by_call():
    model, calls = clinical_mlp().eval(), []
    for name, module in model.named_children():
        module.register_forward_hook(lambda module, inputs, out, name=name: calls.append((name, module, out.shape)))
    assert model(X).shape == (16, 1)
    _, *rows, total = tables("ClinicalMLP, call by call")[0]
    names = [name for name, *_ in calls]
    seen = []
    for (label, kind, output, parameters), (name, module, shape) in zip(rows, calls, strict=True):
        seen.append(name)
        assert label == (f"{name}:{seen.count(name)}" if names.count(name) > 1 else name)
        assert repr(module) == repr(eval(f"nn.{kind}"))
        assert eval(output, {"batch": 16}) == tuple(shape)
        assert int(parameters.replace(",", "")) == sum(p.numel() for p in module.parameters())
    assert int(total[-1].replace(",", "")) == sum(p.numel() for p in model.parameters())
    said = prose("ClinicalMLP, call by call")
    assert "`(batch, 20)`" in said and "eight calls of seven modules" in said
    assert (len(calls), len(set(names))) == (8, 7)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_from_logit_to_loss(y):
    z = torch.tensor(-0.7, requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(z, torch.tensor(y))
    loss.backward()
    of = {"z": z.detach(), "y": y, "exp": torch.exp, "log": torch.log}
    exec(code("From logit to loss"), of)
    torch.testing.assert_close([of["p"], of["loss"], of["dloss_dz"]], [torch.sigmoid(of["z"]), loss.detach(), z.grad])


def test_a_sure_logit():
    said = prose("From logit to loss").replace("−", "-")
    z, p, log, loss = re.search(
        r"at z = (\d+) p is ([\d.]+) .* log\(1 - p\) is (\S+); .* the loss is (\d+)", said
    ).groups()
    z = torch.tensor(float(z))
    assert torch.sigmoid(z) == float(p)
    assert torch.log(1 - torch.sigmoid(z)) == float(log)
    assert F.binary_cross_entropy_with_logits(z, torch.tensor(0.0)) == float(loss)


def test_the_step_of_training_and_the_use():
    model, y = clinical_mlp().eval(), torch.ones(16, 1)
    before = [p.detach().clone() for p in model.parameters()]
    of = {"model": model, "X": X, "y": y, "torch": torch, "loss_of": F.binary_cross_entropy_with_logits}
    of["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    step, use = code("A step of training, and inference").strip().split("\n\n")
    exec(step, of)
    assert model.training and of["loss"].grad_fn is not None
    assert any(not torch.equal(was, now) for was, now in zip(before, model.parameters(), strict=True))
    exec(use, of)
    assert not model.training and of["p"].grad_fn is None and ((of["p"] > 0) & (of["p"] < 1)).all()


def keeps_output(operation):
    a = torch.randn(4, 8, requires_grad=True)
    out, kept = kept_by(lambda: operation(a))
    return len(kept) > 0 and places(kept) == places([out])


def keeps_input(operation):
    a = torch.randn(4, 8, requires_grad=True)
    _, kept = kept_by(lambda: operation(a))
    return len(kept) > 0 and places(kept) == places([a])


def keeps_nothing(operation):
    out, kept = kept_by(lambda: operation(torch.randn(4, 8, requires_grad=True)))
    return out.grad_fn is not None and kept == []


def keeps_the_other_factor(operation):
    a, b = torch.randn(2, 4, 4)
    cases = {(True, True): [a, b], (True, False): [b], (False, True): [a], (False, False): []}
    for (of_a, of_b), wanted in cases.items():
        factors = a.detach().requires_grad_(of_a), b.detach().requires_grad_(of_b)
        if places(kept_by(partial(operation, *factors))[1]) != places(wanted):
            return False
    return True


def keeps_its_mask(operation):
    a = torch.randn(4, 8, requires_grad=True)
    out, kept = kept_by(lambda: operation(a, 0.3, training=True))
    scaled = len(kept) == 1 and set(kept[0].unique().tolist()) == {0.0, (torch.tensor(1.0) / 0.7).item()}
    return scaled and torch.equal(a * kept[0], out) and kept_by(lambda: operation(a, 0.3, training=False))[1] == []


def keeps_input_scale_and_statistics(operation):
    a, bn = torch.randn(4, 8, requires_grad=True), nn.BatchNorm1d(8)
    always = places([a, bn.weight, bn.running_mean, bn.running_var])
    found = {}
    for training in (True, False):
        kept = kept_by(partial(operation, a, bn.running_mean, bn.running_var, bn.weight, bn.bias, training))[1]
        found[training] = [tensor.shape for tensor in kept if tensor.data_ptr() not in always]
        if not always <= places(kept):
            return False
    return found == {True: [(8,), (8,)], False: []}


KEEPS = {
    "its output": keeps_output,
    "its input": keeps_input,
    "nothing": keeps_nothing,
    "each factor that the gradient of the other needs": keeps_the_other_factor,
    "input and weight, likewise": keeps_the_other_factor,
    "its scaled mask (train mode, CPU)": keeps_its_mask,
    "its input, scale and running statistics; in train mode also two statistics of the batch": (
        keeps_input_scale_and_statistics
    ),
}
OPERATIONS = {
    "softmax": lambda a: a.softmax(1),
    "add": lambda a: a + 1,
    "view": lambda a: a.view(8, 4),
    "mul": torch.mul,
    **{name: getattr(torch, name) for name in ("relu", "sigmoid", "tanh", "exp", "sum")},
    **{name: getattr(F, name) for name in ("gelu", "silu", "dropout", "batch_norm")},
    "linear": lambda a, b: F.linear(a, b, torch.randn(4)),
}


def test_what_each_operation_keeps():
    named = []
    for operations, keeps in tables("What autograd records")[0][1:]:
        for name in operations.split(", "):
            assert KEEPS[keeps](OPERATIONS[name]), (name, keeps)
            named.append(name)
    assert sorted(named) == sorted(OPERATIONS)


def test_what_is_recorded_and_what_backward_frees():
    weight, data = torch.ones(3, requires_grad=True), torch.ones(3)
    assert (data * data).grad_fn is None and (weight * data).grad_fn is not None
    with torch.no_grad():
        assert (weight * data).grad_fn is None
    out = (weight * data).sum()
    node = out.grad_fn.next_functions[0][0]
    out.backward()
    assert out.grad_fn.next_functions[0][0] is node
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        node._saved_other  # noqa: B018


def batchnorm(z, mean, var):
    return (z - mean) / torch.sqrt(var + 1e-5)


def drops(training):
    out = nn.Dropout(0.3).train(training)(torch.ones(1000))
    return set(out.unique().tolist()) == {0.0, (torch.tensor(1.0) / 0.7).item()} and 200 < (out == 0).sum() < 400


def moved(training):
    """The running statistics before and after a pass, and the batch."""
    bn, z = nn.BatchNorm1d(20).train(training), 3 * X + 1
    before = [bn.running_mean.clone(), bn.running_var.clone()]
    bn(z)
    return before, [bn.running_mean, bn.running_var], z


def moves_by(training, old, new):
    before, after, z = moved(training)
    batch = (z.mean(0), z.var(0, correction=1))
    return all(
        torch.allclose(now, float(old) * was + float(new) * of, atol=1e-5)
        for was, now, of in zip(before, after, batch, strict=True)
    )


def normalises_with(training, batch):
    z = 3 * X + 1
    with_batch = batchnorm(z, z.mean(0), z.var(0, correction=0))
    wanted = with_batch if batch else batchnorm(z, torch.zeros(20), torch.ones(20))
    return torch.allclose(nn.BatchNorm1d(20).train(training)(z), wanted, atol=1e-5)


def uses_random_state(training):
    before = torch.get_rng_state()
    nn.BatchNorm1d(20).train(training)(X)
    assert torch.equal(before, torch.get_rng_state())
    nn.Dropout(0.3).train(training)(X)
    return not torch.equal(before, torch.get_rng_state())


def refuses_one(training):
    try:
        nn.BatchNorm1d(20).train(training)(X[:1])
    except ValueError:
        return True
    return False


IN_A_MODE = {
    "dropout": {
        r"0 with probability p, else · 1/\(1 − p\)": drops,
        "changes nothing": lambda training: torch.equal(nn.Dropout(0.3).train(training)(X), X),
    },
    "BatchNorm": {
        "this batch, biased variance": lambda training: normalises_with(training, batch=True),
        "running statistics": lambda training: normalises_with(training, batch=False),
    },
    "running statistics": {
        r"([\d.]+) · old \+ ([\d.]+) · batch, unbiased": moves_by,
        "stay": lambda training: all(map(torch.equal, *moved(training)[:2])),
    },
    "random state": {
        "used by dropout": uses_random_state,
        "untouched": lambda training: not uses_random_state(training),
    },
    "one row, (1, units)": {
        "BatchNorm raises": refuses_one,
        "works": lambda training: not refuses_one(training),
    },
}


def test_what_the_mode_decides():
    head, *rows = tables("Two switches")[0]
    assert head[1:] == ["train()", "eval()"] and [row[0] for row in rows] == list(IN_A_MODE)
    for what, *cells in rows:
        for cell, training in zip(cells, (True, False), strict=True):
            found = [(check, m) for text, check in IN_A_MODE[what].items() if (m := re.fullmatch(text, cell))]
            assert len(found) == 1, cell
            check, match = found[0]
            assert check(training, *match.groups()), cell
            assert not check(not training, *match.groups()), f"{cell}: so in both modes"


def kept_bytes(training, context):
    model = clinical_mlp().train(training)
    with context():
        _, kept = kept_by(lambda: model(X))
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    return f"{sum(storages.values()):,}"


def has_graph(context):
    found = set()
    for training in (True, False):
        with context():
            found.add("no" if clinical_mlp().train(training)(X).grad_fn is None else "yes")
    return found.pop() if len(found) == 1 else found


def saved_later(context):
    with context():
        out = clinical_mlp().eval()(X)
    try:
        (out * torch.ones(1, requires_grad=True)).sum().backward()
    except RuntimeError:
        return "no"
    return "yes"


IN_A_CONTEXT = {
    "graph": has_graph,
    "bytes kept, train, batch 16": lambda context: kept_bytes(True, context),
    "bytes kept, eval, batch 16": lambda context: kept_bytes(False, context),
    "can be saved for backward": saved_later,
}


def test_what_the_context_decides():
    (_, *names), *rows = tables("Two switches")[1]
    contexts = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference_mode": torch.inference_mode}
    assert names == list(contexts) and [row[0] for row in rows] == list(IN_A_CONTEXT)
    for what, *cells in rows:
        assert cells == [IN_A_CONTEXT[what](context) for context in contexts.values()], what
    with torch.no_grad():
        assert drops(True)


def a_leaf():
    return torch.ones(3, requires_grad=True)


def twice(forwards):
    losses = [(weight * weight).sum() for weight in [a_leaf()] * forwards]
    for at in range(2):
        losses[at % forwards].backward()


def step(context):
    weight = a_leaf()
    with context():
        weight -= 0.1


def in_place(context):
    out = torch.relu(a_leaf())
    out = out + 1 if context == "new" else out.add_(1)
    out.sum().backward()


def later(mend):
    with torch.inference_mode():
        made = torch.ones(3)
    return a_leaf() * mend(made)


def loss_under(context):
    with context():
        loss = a_leaf().sum()
    loss.backward()


def bce(targets):
    return F.binary_cross_entropy_with_logits(torch.zeros(16, 1), targets)


# What raises, the remedy that the page names, and the same with the remedy.
SLIPS = [
    (lambda: nn.Linear(20, 64)(X[:, :19]), "in_features", lambda: nn.Linear(19, 64)(X[:, :19])),
    (lambda: nn.Linear(20, 64)(X.long()), ".float()", lambda: nn.Linear(20, 64)(X.long().float())),
    (lambda: nn.Linear(20, 64).to("meta")(X), "X.to(device)", lambda: nn.Linear(20, 64).to("meta")(X.to("meta"))),
    (lambda: bce(torch.ones(16)), ".unsqueeze(1)", lambda: bce(torch.ones(16).unsqueeze(1))),
    (lambda: clinical_mlp()(X[:1]), "eval()", lambda: clinical_mlp().eval()(X[:1])),
    (lambda: loss_under(torch.no_grad), "no_grad", lambda: loss_under(torch.enable_grad)),
    (lambda: (a_leaf() * 2).backward(), ".mean()", lambda: (a_leaf() * 2).mean().backward()),
    (lambda: twice(1), "one forward, two backward()", lambda: twice(2)),
    (lambda: step(torch.enable_grad), "outside no_grad", lambda: step(torch.no_grad)),
    (lambda: in_place("same"), "+=", lambda: in_place("new")),
    (lambda: later(lambda made: made), ".clone()", lambda: later(torch.clone)),
]


def test_each_error_is_raised_in_these_words_and_its_remedy_works():
    rows = tables("What PyTorch's errors usually mean")[0][1:]
    for (text, cause), (slip, remedy, mended) in zip(rows, SLIPS, strict=True):
        with pytest.raises((RuntimeError, ValueError)) as raised:
            slip()
        assert text in str(raised.value)
        assert remedy in cause
        mended()


@pytest.mark.parametrize(("dtype", "data"), [("Long", X.long()), ("Double", X.double())])
def test_the_dtypes_that_it_names(dtype, data):
    assert f"{dtype}: " in dict(tables("What PyTorch's errors usually mean")[0])["must have the same dtype"]
    with pytest.raises(RuntimeError, match=f"mat1 and mat2 must have the same dtype, but got {dtype} and Float"):
        nn.Linear(20, 64)(data)


@pytest.mark.parametrize("cut", [lambda: a_leaf().detach().sum(), lambda: a_leaf().requires_grad_(False).sum()])
def test_the_other_causes_of_a_loss_without_a_graph(cut):
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        cut().backward()


def vary(training):
    model = clinical_mlp().train(training)
    before = model.bn1.running_mean.clone()
    return torch.equal(model(X), model(X)), torch.equal(before, model.bn1.running_mean)


class Drops(nn.Module):
    def __init__(self, says_mode):
        super().__init__()
        self.says_mode = says_mode

    def forward(self, x):
        return F.dropout(x, 0.3, training=self.training) if self.says_mode else F.dropout(x, 0.3)


def two_backwards(reset):
    weight = a_leaf()
    for _ in range(2):
        if reset:
            weight.grad = None
        (2 * weight).sum().backward()
    return weight.grad.tolist()


def kept_by_a_hook(keep):
    kept, layers = [], nn.Sequential(nn.Linear(20, 64), nn.ReLU(inplace=True))
    layers[0].register_forward_hook(lambda module, inputs, output: kept.append(keep(output)))
    layers(X)
    return bool((kept[0] < 0).any())


W, IMAGES, TABLE = torch.randn(20, 20), torch.zeros(16, 1, 28, 28), torch.arange(6).view(2, 3)
COLUMN, FLAT = torch.ones(16, 1), torch.ones(16)
LOGITS, TARGETS = torch.tensor([[0.5], [-1.0]]), torch.tensor([[1.0], [0.0]])


def bce_of(probabilities_or_logits):
    return F.binary_cross_entropy_with_logits(probabilities_or_logits, TARGETS)


# For each row what it says, and a run that shows it; a warning would be an error here.
SILENT = {
    ("X @ W, W square", "right shape, wrong numbers", "X @ W.T"): lambda: (
        (X @ W).shape == (X @ W.T).shape and not torch.allclose(X @ W, X @ W.T)
    ),
    ("(16, 1) - (16,)", "(16, 16)", "equal shapes"): lambda: (
        (COLUMN - FLAT).shape == (16, 16) and (COLUMN - COLUMN).shape == (16, 1)
    ),
    ("images.flatten()", "no batch axis left", "images.flatten(1)"): lambda: (
        IMAGES.flatten().shape == (16 * 784,) and IMAGES.flatten(1).shape == (16, 784)
    ),
    ("t.view(3, 2), t (2, 3)", "rows cut anew, not swapped", "t.T"): lambda: (
        TABLE.view(3, 2).tolist() == [[0, 1], [2, 3], [4, 5]] and TABLE.T.tolist() == [[0, 3], [1, 4], [2, 5]]
    ),
    ("sigmoid, then ..._with_logits", "a plausible loss", "give the logit"): lambda: (
        0.1 < bce_of(LOGITS) < bce_of(torch.sigmoid(LOGITS)) < 1
    ),
    ("eval() forgotten", "outputs vary, statistics move", "model.eval()"): lambda: (
        vary(training=True) == (False, False) and vary(training=False) == (True, True)
    ),
    ("F.dropout(x, 0.3)", "drops in eval too", "training=self.training"): lambda: (
        (Drops(False).eval()(COLUMN) == 0).any() and torch.equal(Drops(True).eval()(COLUMN), COLUMN)
    ),
    ("zero_grad() forgotten", "gradients add up", "before each backward"): lambda: (
        two_backwards(reset=False) == [4, 4, 4] and two_backwards(reset=True) == [2, 2, 2]
    ),
    ("hook keeps its output, then ReLU(inplace=True)", "overwritten, detached too", ".detach().clone()"): lambda: (
        [kept_by_a_hook(keep) for keep in (lambda o: o, lambda o: o.detach(), lambda o: o.detach().clone())]
        == [False, False, True]
    ),
}


def test_each_silent_mistake_raises_nothing_and_gives_something_else():
    rows = [(*row, without_chapter(meant)) for *row, meant in tables("Mistakes that raise no error")[0][1:]]
    assert rows == list(SILENT)
    torch.manual_seed(0)
    for row, shows in SILENT.items():
        assert shows(), row


def test_each_line_of_looking_inside_runs():
    import fpcourse

    names = []
    for line, _ in tables("Looking inside")[0][1:]:
        of = {"model": clinical_mlp(), "X": X, "torch": torch, "names": ["relu"], **vars(fpcourse)}
        name = re.search(r"[a-z_]+(?=\()", line)[0]
        of[name] = getattr(fpcourse, name)
        readers_own = line.startswith(("autograd_graph", "with replace"))  # else its own pass, or none here
        exec(line + (" model(X)" if readers_own else " pass") if line.startswith("with") else f"found = {line}", of)
        assert of["model"].training and of["model"].bn1.num_batches_tracked == readers_own
        names.append(name)
    assert len(names) == len(set(names)) == 9 and set(names) <= set(fpcourse.__all__)
