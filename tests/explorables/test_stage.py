"""The start page's figure: its script's pass against torch's, its draws against dropout's, and what its cards claim."""

import base64
import gzip
import json
from functools import cache

import pytest
import quickjs
import torch
from refresh import ROOT
from torch.nn import functional as F

from fpcourse import ClinicalMLP, patients
from fpcourse.explorables import stage

ASSETS = ROOT / "fpcourse/explorables/assets"
EPS, P = 1e-5, 0.3
PASS = """
const flat = (tensor) => tensor.flat();
const call = (text) => {
  const { net, rows, train, keep } = JSON.parse(text);
  const { tensors, batch1, batch2 } = forwardPass(net, rows, train, keep);
  const moved = [movedStatistics(net.bn1, batch1, rows.length), movedStatistics(net.bn2, batch2, rows.length)];
  return JSON.stringify([tensors, moved.map(({ mean, variance }) => [mean, variance])]);
};
"""


@cache
def data() -> dict:
    return json.loads(gzip.decompress(base64.b64decode(stage.packed())))


@pytest.fixture(scope="module")
def script():
    context = quickjs.Context()
    context.eval((ASSETS / "forward.js").read_text(encoding="utf8") + PASS)
    return lambda **state: json.loads(context.eval(f"call({json.dumps(json.dumps(state))})"))


def floats(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)


@cache
def shipped(name: str) -> dict:
    """A network as the page has it, in nested lists."""
    net = {
        module: {key: floats(text).tolist() for key, text in tensors.items()}
        for module, tensors in data()["networks"][name].items()
    }
    for layer, (out, into) in {"layer1": (64, 20), "layer2": (32, 64), "layer3": (1, 32)}.items():
        net[layer]["weight"] = torch.tensor(net[layer]["weight"]).reshape(out, into).tolist()
    return net


@cache
def keep(mask: int) -> torch.Tensor:
    """What dropout lets through, as packed: (16, 64) of 0 and 1."""
    packed = base64.b64decode(data()["masks"][mask])
    return torch.tensor([int(bit) for byte in packed for bit in f"{byte:08b}"]).reshape(16, 64)


def by_torch(name: str, X: torch.Tensor, train: bool, kept: torch.Tensor | None) -> list[torch.Tensor]:
    """Every tensor of the pass, in float64, by functional calls on the model's own parameters."""
    net, X = stage.networks()[name].double(), X.double()

    def norm(bn, z):
        statistics = (None, None) if train else (bn.running_mean, bn.running_var)
        return F.batch_norm(z, *statistics, bn.weight, bn.bias, training=train, eps=EPS)

    with torch.no_grad():
        z1 = net.layer1(X)
        b1 = norm(net.bn1, z1)
        a1 = b1.relu()
        d1 = a1 * kept / (1 - P) if train else a1
        z2 = net.layer2(d1)
        b2 = norm(net.bn2, z2)
        return [X, z1, b1, a1, d1, z2, b2, b2.relu(), net.layer3(b2.relu())]


STATES = [
    *((name, "eval", 16, 0) for name in ("learned", "random")),
    *((name, "train", n, n % stage.MASKS) for name in ("learned", "random") for n in range(2, 17)),
    *(("learned", "train", 16, mask) for mask in range(stage.MASKS)),
]


@pytest.mark.parametrize(("name", "mode", "n", "mask"), STATES)
def test_the_pages_pass_is_torchs_in_every_tensor(script, name, mode, n, mask):
    X, kept = patients(16).X[:n], keep(mask)[:n]
    tensors, _ = script(net=shipped(name), rows=X.tolist(), train=mode == "train", keep=kept.tolist())
    for mine, torchs in zip(tensors, by_torch(name, X, mode == "train", kept), strict=True):
        assert (torch.tensor(mine, dtype=torch.float64) - torchs).abs().max() < 1e-9


@pytest.mark.parametrize(("name", "mode", "n", "mask"), STATES)
def test_no_digit_shown_differs_from_torchs_float32(name, mode, n, mask):
    """Of the 160,390 numbers of these states, but for those that lie between two digits to the sixth decimal."""
    X, kept = patients(16).X[:n], keep(mask)[:n]
    for double, single in zip(by_torch(name, X, mode == "train", kept), in_float32(name, X, mode, mask), strict=True):
        differs = (double * 1000).round() != (single.double() * 1000).round()
        between = ((double * 1000) % 1 - 0.5).abs() < 0.01
        assert not (differs & ~between).any() and differs.sum() <= 1


def in_float32(name: str, X: torch.Tensor, mode: str, mask: int) -> list[torch.Tensor]:
    """What the model itself computes, call by call."""
    model, outputs = stage.networks()[name].train(mode == "train"), [X]
    for module in model.children():
        module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    # Drawn for sixteen patients, so that the first have the draw that the page has for them.
    model.drop.forward = lambda a1: a1 * keep(mask)[: len(X)] / (1 - P) if model.training else a1
    with torch.no_grad():
        model(X)
    return outputs


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_pages_pass_is_torchs_for_a_thousand_patients_who_were_never_drawn(script, mode):
    torch.manual_seed(0)
    drawn = torch.randn(1000, 20).mul(2)
    drawn[::100] *= 20  # as far as the sliders reach, and further
    for X in drawn.split(16):
        kept = (torch.rand(len(X), 64) > P).long()
        tensors, _ = script(net=shipped("learned"), rows=X.tolist(), train=mode == "train", keep=kept.tolist())
        torchs = by_torch("learned", X, mode == "train", kept)[-1]
        assert (torch.tensor(tensors[-1], dtype=torch.float64) - torchs).abs().max() < 1e-9


@pytest.mark.parametrize("n", [2, 5, 16])
def test_what_a_call_in_train_mode_leaves_behind_is_what_torch_leaves(script, n):
    net, X = stage.networks()["learned"].double().train(), patients(16).X[:n]
    _, moved = script(net=shipped("learned"), rows=X.tolist(), train=True, keep=keep(3)[:n].tolist())
    torch.manual_seed(3)
    with torch.no_grad():
        net(X.double())
    for bn, (mean, variance) in zip((net.bn1, net.bn2), moved, strict=True):
        # In float64 dropout draws as it does in float32: the same units are left out.
        assert (torch.tensor(mean, dtype=torch.float64) - bn.running_mean).abs().max() < 1e-9
        assert (torch.tensor(variance, dtype=torch.float64) - bn.running_var).abs().max() < 1e-9


@pytest.mark.parametrize("mask", range(stage.MASKS))
def test_a_draw_is_what_the_model_itself_leaves_out(mask):
    model, seen = stage.networks()["learned"].train(), []
    model.drop.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    torch.manual_seed(mask)
    with torch.no_grad():
        model(patients(16).X)
    [(before, after)] = seen
    assert torch.equal(after != 0, (before != 0) & (keep(mask) == 1))


def test_the_readers_random_state_stays():
    before = torch.get_rng_state()
    stage.still(), stage.packed()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_changed_fact_goes_in_as_the_cohort_would_standardise_it():
    cohort, facts = patients(16), data()["facts"]
    raw = torch.tensor(data()["raw"], dtype=torch.float64)
    mean, std = (torch.tensor([fact[key] for fact in facts], dtype=torch.float64) for key in ("mean", "std"))
    assert torch.equal(((raw - mean) / std).float(), cohort.X)
    assert stage.edited(0, age=35)[0, 0] == pytest.approx((35 - 65.97) / 15.94)
    assert torch.equal(stage.edited(3), cohort.X)


def risk(name: str, X: torch.Tensor, seed: int | None = None) -> list[float]:
    model = ClinicalMLP.trained() if name == "learned" else stage.networks()["random"]
    model.train(seed is not None)
    torch.manual_seed(seed or 0)
    with torch.no_grad():
        return torch.sigmoid(model(X)).flatten().tolist()


def test_what_the_five_cards_say_is_so():
    X, younger, other = patients(16).X, stage.edited(0, age=35), stage.edited(7, number_inpatient=12)
    one, relu, batch, again, weights = (card["answer"] for card in stage.cards())
    net = ClinicalMLP.trained()
    with torch.no_grad():
        assert (net.layer1(X)[0] != net.layer1(younger)[0]).all()
        off = net.bn1(net.layer1(X)) <= 0
    assert f"from {risk('learned', X)[0]:.3f} to {risk('learned', younger)[0]:.3f}" in one
    assert f"Of 64, {off[0].sum()} are off for patient 0 and {off[1].sum()} for patient 1; " in relu
    assert f" {(off[0] ^ off[1]).sum()} are off for only one of the two" in relu
    assert risk("learned", X)[0] == risk("learned", other)[0]
    assert f"from {risk('learned', X, 0)[0]:.3f} to {risk('learned', other, 0)[0]:.3f}" in batch
    assert ", then ".join(f"{risk('learned', X, seed)[0]:.3f}" for seed in (0, 1)) in again
    spreads = [(min(risks), max(risks)) for risks in (risk("random", X), risk("learned", X))]
    assert (
        "from {:.2f} to {:.2f}, where the learned weights give {:.2f} to {:.2f}".format(*spreads[0], *spreads[1])
        in weights
    )
    assert spreads[0][1] - spreads[0][0] < spreads[1][1] - spreads[1][0]
    for card in stage.cards():
        assert card["right"] in card["guesses"] and card["answer"].startswith(card["right"])
    assert off[1, stage.cards()[1]["state"]["unit"]] and not off[0, stage.cards()[1]["state"]["unit"]]
