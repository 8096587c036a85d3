"""What stands behind the sentences of chapter 5."""

import copy
import math
from itertools import pairwise

import torch
from torch import nn

from fpcourse import ClinicalMLP, get_intermediate_activations, in_mode, layer_statistics, metrics, patients, risk_of


def dead_end(broken, many, model, relu_2):
    healthy, dead = relu_2(model, many) == 0, relu_2(broken, many) == 0
    assert 0 < (dead.float().mean() - healthy.float().mean()) <= 1 / 32
    for mode in ("train", "eval"):
        with in_mode(broken, mode):
            assert (relu_2(broken, many) == 0).all(0).nonzero().flatten().tolist() == [20]


def dead_mode_after(many, model):
    with torch.no_grad():
        before_bn2 = get_intermediate_activations(model, many, ["layer2"])["layer2"]
    assert model.bn2.running_var[20] == 1 and before_bn2[:, 20].max() < 1.5  # out of reach in eval mode
    assert before_bn2[:, 20].std() < 0.5


def bn_after(X, model):
    assert abs((16 / 15) ** 0.5 - 1.033) < 5e-4
    moved = copy.deepcopy(model).train()
    with torch.no_grad():
        moved.bn1.weight.fill_(2)
        moved.bn1.bias.fill_(3)
    n1 = get_intermediate_activations(moved, X, ["bn1"])["bn1"]
    assert torch.allclose(n1.mean(0), torch.tensor(3.0), atol=1e-4, rtol=0)
    assert torch.allclose(n1.std(0, correction=0), torch.tensor(2.0), atol=1e-3, rtol=0)

    assert model.bn1.eps == 1e-5
    flat = torch.tensor([[0.0], [0.002]])  # variance 0.000001
    assert nn.BatchNorm1d(1)(flat).std(0, correction=0) < 0.5


def bench_after(model):
    def bench(batch_size, batchnorm=False):
        torch.manual_seed(0)
        network = ClinicalMLP(p=0.0)
        if not batchnorm:
            network.bn1, network.bn2 = nn.Identity(), nn.Identity()
        return layer_statistics(network, patients(batch_size, seed=0).X, ["layer1", "relu", "layer2"])

    first, _, second, _ = bench(16)
    assert model.bn2.num_features == 64 // 2 == 32
    assert f"{second.std:.3f}" == "0.223" and f"{first.std:.3f}" == "0.545"
    assert bench(2)[1].dead_units == 15 and bench(16)[1].dead_units == 0 and bench(2, True)[1].dead_units == 0


def question_dead_gradient(X, broken, fires):
    torch.manual_seed(0)
    layer, kept = nn.Linear(20, 64), []
    handle = layer.register_forward_hook(lambda m, inputs, out: kept.extend([out.detach(), out.detach().clone()]))
    with torch.no_grad():
        layer(X).relu_()
    handle.remove()
    assert not (kept[0] < 0).any() and (kept[1] < 0).any()  # question 1

    units = torch.randn(64)
    a = (units - units.mean()) / units.std(correction=0) + 0.01 * torch.randn(512, 64)
    assert f"{a.std(correction=0):.2f}" == "1.00" and f"{a.std(0, correction=0).mean():.2f}" == "0.01"  # question 2

    assert fires == 4 and 512 - 4 == 508  # question 3
    assert f"{math.comb(508, 16) / math.comb(512, 16):.0%}" == "88%"

    bn, three = nn.BatchNorm1d(1), (torch.randn(48, 1) * 5).split(16)
    with torch.no_grad():
        bn.weight.fill_(2)
        bn.bias.fill_(3)
        outputs = {mode: [bn.train(mode == "train")(part) for part in three] for mode in ("train", "eval")}
    shown = {mode: {f"{out.mean():.3f} {out.std(correction=0):.3f}" for out in outs} for mode, outs in outputs.items()}
    assert shown["train"] == {"3.000 2.000"} and len(shown["eval"]) == 3  # question 4

    reached = {name: parameter.grad for name, parameter in broken.named_parameters()}  # question 5
    assert reached["layer2.weight"][20].eq(0).all() and reached["bn2.bias"][20] == 0
    assert reached["layer3.weight"][0, 20] == 0 and reached["layer1.weight"].ne(0).any()
    assert reached["layer3.weight"].ne(0).sum() == 31


def depth_end(STD, deep_net, relus, runs):
    def spread(**kind):
        rows = layer_statistics(*deep_net(**kind), relus)
        return [row.std for row in rows], [row.std_over_batch for row in rows], rows

    def relative(rows):
        return rows[9].relative_std_over_batch

    std, over_batch, rows = spread(weights="default")
    assert 1 / 256**0.5 == 1 / 16 and nn.Linear(256, 256).weight.abs().max() <= 1 / 16
    assert all(abs(s - 0.022) < 0.002 for s in std[4:]) and over_batch[9] < 0.0001
    assert all(later < 0.5 * earlier for earlier, later in pairwise(over_batch))
    assert abs(relative(rows) - 0.002) < 0.0005

    small, small_over_batch, small_rows = spread(weights="0.01")
    assert 0.00001 < small[4] < 0.00002
    assert all(abs(later / earlier - 0.11) < 0.03 for earlier, later in pairwise(small))
    he, _, he_rows = spread(weights="He")
    ratio = 0.01 / STD["He"]
    for at in range(10):  # the same draws, scaled: the same shape
        assert abs(small[at] / he[at] / ratio ** (at + 1) - 1) < 1e-3
    large, large_over_batch, large_rows = spread(weights="0.2")
    assert 3000 < large[9] < 4000
    assert small_over_batch[9] < 1e-9 and large_over_batch[9] > 1000
    assert all(abs(relative(run) - 0.28) < 0.005 for run in (he_rows, small_rows, large_rows))

    def likeness(weights):
        """The mean cosine of the angle between the rows that layer 10 puts out."""
        net, data = deep_net(weights)
        a = get_intermediate_activations(net, data, ["19"])["19"].double()
        a = a / a.norm(dim=1, keepdim=True)
        return ((a @ a.T).sum() - len(a)) / (len(a) ** 2 - len(a))

    assert (
        all(abs(likeness(weights) - 0.896) < 0.001 for weights in ("He", "0.01", "0.2"))
        and likeness("default") > 0.9999
    )
    assert he_rows[0].dead_units == 0 and he_rows[9].dead_units == 34

    tanh_std, _, tanh_rows = spread(weights="0.2", activation=nn.Tanh)
    assert abs(tanh_std[9] - 0.85) < 0.005 and abs(tanh_rows[9].saturated_fraction - 1 / 3) < 0.02
    normed, rows = deep_net("default")
    normed = nn.Sequential(*(part for i in range(10) for part in (normed[2 * i], nn.BatchNorm1d(256), nn.ReLU())))
    assert layer_statistics(normed, rows, ["29"])[0].relative_std_over_batch > 0.7
    squares = torch.tensor([[row.std**2 + row.mean**2 for row in run] for run in runs])
    assert abs(squares[:, 0].mean() - 1) < 0.05 and 0.7 < squares[:, 9].mean() < 1.3


def training_length_after(learners, networks, run, truth):
    aurocs = {
        e: (run.epochs[e].validation_auroc, metrics(risk_of(run.at(e), learners.X), learners.y).auroc) for e in (5, 15)
    }
    shown = {e: [f"{value:.2f}" for value in pair] for e, pair in aurocs.items()}
    assert shown == {5: ["0.73", "0.81"], 15: ["0.71", "0.86"]}
    assert run.epochs[1].validation_loss < run.epochs[1].training_loss - 0.05
    assert networks["trained"].layer2.out_features == 32 and len(truth[:200]) == 200 and len(learners.X) == 4000


def one_patient_after(company, names, others, trained, with_values):
    assert len(company) == 200 and (
        others.raw[0, names.index("age")],
        others.raw[0, names.index("number_inpatient")],
    ) == (85, 0)
    risks = {
        state: risk_of(trained, with_values(number_inpatient=state[0], age=state[1])).item()
        for state in ((0, 85), (3, 85), (0, 35), (3, 35), (6, 35))
    }
    assert [f"{risk:.2f}" for risk in risks.values()] == ["0.11", "0.37", "0.06", "0.28", "0.33"]
    assert risks[6, 35] - risks[3, 35] < 0.06 and risks[3, 35] > 0.25


def trained_figure(two_layers):
    before, after = two_layers.values()
    assert all(after[label].std() > 1.5 * before[label].std() for label in after)


def inplace_after(seen, X):
    assert 0.4 < (seen["detached"] == 0).float().mean() < 0.6
    plus, shared = nn.Linear(20, 64), []
    plus.register_forward_hook(lambda module, inputs, output: shared.append(output.detach()))
    with torch.no_grad():
        x = plus(X)
        x += 1
        x.mul_(2)
    assert torch.equal(shared[0], x)
