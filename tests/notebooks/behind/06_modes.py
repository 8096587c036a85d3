"""What stands behind the sentences of chapter 6."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse import in_mode, patients, risk_of, unchanged


def batchnorm_after(X, model):
    with unchanged(model), torch.no_grad():
        z1 = model.layer1(X)
        model.bn1(z1)
        assert torch.allclose(model.bn1.running_mean, 0.1 * z1.mean(0), atol=1e-6)
        assert torch.allclose(model.bn1.running_var, 1 + 0.1 * (z1.var(0) - 1), atol=1e-6)
    with in_mode(model, "eval"), torch.no_grad():
        assert torch.allclose(model.bn1(z1), z1, atol=1e-4) and model.bn1.running_mean.eq(0).all()


def switches_after(report):
    train, evaluation = report[0], report[3]
    assert train.saved_bytes == 32_000 and evaluation.saved_bytes == 23_040
    assert train.saved_bytes - evaluation.saved_bytes == 4096 + 4096 + 768
    assert 4096 == 16 * 64 * 4 and 768 == 2 * (64 + 32) * 4
    assert report.repeats == 20


def _risk_without_dropout(X, model):
    with unchanged(model), torch.no_grad():
        model.train()
        model.drop.p = 0.0
        return torch.sigmoid(model(X)[0, 0]).item()


def forgotten_after(X, model):
    assert f"{_risk_without_dropout(X, model):.3f}" == "0.465"
    with unchanged(model), torch.no_grad():
        steps = []  # how far each of 200 other batches moves the statistics
        for batch in patients(3200, seed=0).X.split(16):
            before = model.bn1.running_var.clone()
            model(batch)
            steps.append((model.bn1.running_var - before).abs().max().item())
    assert sum(steps[-50:]) / 50 < 0.8 * steps[0]


def forgotten_left(X, model):
    with unchanged(model), torch.no_grad():  # the patient's own network, over 1,000 masks
        model.train()
        a1 = model.relu(model.bn1(model.layer1(X)))
        fixed = nn.BatchNorm1d(32, momentum=1.0)  # bn2's statistics as they are without dropout
        fixed(model.layer2(a1))
        fixed.running_var.mul_(15 / 16)  # the biased variance, as in train mode
        fixed.eval()
        masked = [model.layer2(F.dropout(a1, 0.3)) for _ in range(1000)]
        means = {}
        for name, norm in {"own statistics": nn.BatchNorm1d(32), "fixed": fixed}.items():
            normed = [norm(z) for z in masked]
            means[name] = torch.cat([torch.sigmoid(model.layer3(torch.relu(n))[:1]) for n in normed]).mean().item()
        without_relu = torch.cat([model.layer3(n)[:1] for n in normed]).mean()  # logits
        assert 0.465 + 0.006 < means["own statistics"] < means["fixed"]  # not bn2, but the ReLU
        assert abs(without_relu - model.layer3(fixed(model.layer2(a1)))[0, 0]) < 0.03


def case_run(case, file, X_case):
    """What is left of the old averages; and from any order of the patients, any draws, the risk comes back close."""
    import torch

    from fpcourse import ClinicalMLP, patients, risk_of

    assert 0.9**200 < 1e-9 and f"{0.9**7:.2f}" == "0.48" and f"{1 - 0.1:.1f}" == "0.9"
    assert all(torch.equal(value, file[name]) for name, value in case.state_dict().items())
    known, risks = patients(4000, seed=1).X, []
    for seed in range(3):
        torch.manual_seed(seed)
        again = ClinicalMLP.trained().train()
        with torch.no_grad():
            for rows in (X_case,) * 200 + known[torch.randperm(4000)].split(256) * 3:
                again(rows)
        risks.append(risk_of(again, X_case)[0].item())
    assert all(0.112 < risk < 0.126 for risk in risks)


def bench_after(X, model):
    assert f"{_risk_without_dropout(X, model):.3f}" == "0.465"


def breaks_after(X, model):
    assert nn.BatchNorm2d(3).train()(torch.randn(1, 3, 4, 4)).shape == (1, 3, 4, 4)
    assert 33 == 16 + 16 + 1
    with unchanged(model):
        assert model.train()(X[:2]).shape == (2, 1)
    try:
        nn.BatchNorm1d(64)(model.layer1(X[:1]))
    except ValueError as error:
        assert "more than 1 value per channel" in str(error)


def question_forgotten_train(X, batches, model):
    torch.manual_seed(0)
    ones, drop = torch.ones(1_000_000), nn.Dropout(0.3)
    in_training, in_use = drop.train()(ones).mean(), 0.7 * drop.eval()(ones).mean()
    assert f"{in_training:.2f}" == "1.00" and f"{in_use:.2f}" == "0.70" and round(1 / 0.7, 4) == 1.4286  # question 1

    with unchanged(model), torch.no_grad():
        model.train()
        model.drop.p, before = 0.0, model.bn1.running_mean.clone()
        alike = [model(X)[0, 0], model(X)[0, 0]]
        assert alike[0] == alike[1] != model(batches["batch B"])[0, 0]  # question 2
        assert alike[0].grad_fn is None and not torch.equal(model.bn1.running_mean, before)  # question 4
        model.drop.p = 0.3

    fresh = nn.BatchNorm1d(1)
    for expected in ("1.0", "1.9"):  # question 3
        fresh(torch.tensor([[8.0], [12.0]]))
        assert f"{fresh.running_mean.item():.1f}" == expected

    with unchanged(model):  # question 5
        model.eval()
        random_state, before = torch.get_rng_state(), model.bn1.running_mean.clone()
        model(X).square().mean().backward()
        assert all(parameter.grad is not None and parameter.grad.ne(0).any() for parameter in model.parameters())
        assert torch.equal(random_state, torch.get_rng_state()) and torch.equal(model.bn1.running_mean, before)


def deeper_bn_after(z48):
    assert f"{16 / 15 - 1:.1%}" == "6.7%" and round(100 * (16 / 15 - 1), 1) == 6.7
    assert z48[:16].var(0, correction=0).mul(16 / 15).allclose(z48[:16].var(0, correction=1))


def shifted_after(group, others, trained):
    means = {}
    for passes in (0, 1, 2):
        once = copy.deepcopy(trained).train()
        with torch.no_grad():
            for _ in range(passes):
                once(group)
        means[passes] = risk_of(once, others.X).mean()
    assert means[1] > 0.9 * means[0] > means[2]


def inference_after(CONTEXTS, X, measured, model):
    outputs = [measured(model, X, "eval", context)["logits"] for context in CONTEXTS]
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[1], outputs[2])

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, nhead=4, dim_feedforward=64, batch_first=True)
    encoder, places = nn.TransformerEncoder(layer, num_layers=2).eval(), torch.randn(4, 10, 32)
    with torch.no_grad():
        unrecorded = encoder(places)
    assert torch.allclose(encoder(places), unrecorded, atol=1e-5)
    assert torch.equal(nn.Dropout(0.3).eval()(X), X)


def forgotten_figure(in_train, in_eval):
    assert ((in_train > 0.4) & (in_train < 0.55)).float().mean() > 0.9 and round(in_eval[0].item(), 2) == 0.46
    assert in_train.mean() > 0.46 + 0.005 and (in_eval == in_eval[0]).all()


def validation_figure(runs, auroc_in_eval):
    assert 0.64 < min(map(min, runs.values())) < max(map(max, runs.values())) < 0.775
    means = [round(sum(aurocs) / 50, 2) for aurocs in runs.values()]
    assert round(auroc_in_eval, 2) == 0.74 and means == sorted(means)
