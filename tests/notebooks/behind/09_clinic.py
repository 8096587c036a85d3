"""What stands behind the sentences of the clinic."""

import torch
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from fpcourse import case, harm, layer_statistics, risk_of, unchanged


def case_three_after(as_it_came, three, ward):
    with torch.no_grad():
        z, y = three.model(ward.X[:16]), ward.y[:16]
    assert z.shape == (16,) and y.shape == (16, 1) and (y * z).shape == (16, 16)
    assert abs(as_it_came.mean() - ward.y.mean()) < 0.04
    assert as_it_came.std() < 0.3 * risk_of(three.healthy, ward.X).std()


def case_four_after(four, three, ward):
    assert (four.model.layer3.weight <= 0).all() and (four.model.layer3.bias <= 0).all()
    assert all(row.dead_units < row.units for row in layer_statistics(three.model, ward.X, ["relu"]))


def case_five_after(five, new, risks, solution_restored, ward):
    by_torch, ours = case(5).model, solution_restored(case(5).model, new)
    by_torch.drop.p = 0.0
    update_bn([new], by_torch)
    assert torch.allclose(by_torch.bn2.running_mean, ours.bn2.running_mean, atol=1e-3)
    healthy = risk_of(five.healthy, ward.X)
    assert abs(risk_of(ours, ward.X).mean() - healthy.mean()) < 0.005
    assert 0.005 < (risk_of(ours, ward.X) - healthy).abs().max() < 0.05
    assert (ours.bn2.running_var / five.healthy.bn2.running_var).max() < 1
    assert risk_of(five.model, ward.X).mean() < 0.06
    losses = [F.binary_cross_entropy(each, ward.y) for each in risks.values()]
    assert abs(losses[2] - losses[1]) < 0.002 and losses[0] > losses[1] + 0.02


def case_seven_after(risk, seven, solution_risk_by_name, today, yesterday):
    assert list(today.features) == sorted(seven.model.features) and len(today.features) == 20
    right = solution_risk_by_name(seven.model, today.X, today.features)
    torch.testing.assert_close(right, risk_of(seven.model, yesterday.X))
    assert abs(risk.mean() - today.y.mean()) < abs(right.mean() - today.y.mean())


def summary():
    def measures(risk, y):
        return str(harm({"": risk}, y)).split()[-3:]

    one, seven = case(1), case(7)
    with torch.no_grad(), unchanged(one.model):
        torch.manual_seed(0)
        scattered = torch.cat([torch.sigmoid(one.model(batch)) for batch in one.validation.X.split(16)])
    mean_risks = [
        measures(scattered, one.validation.y)[2],
        measures(risk_of(one.healthy, one.validation.X), one.validation.y)[2],
        *(measures(risk_of(m, case(4).validation.X), one.validation.y)[2] for m in (case(4).model, case(4).healthy)),
    ]
    assert mean_risks == ["0.12"] * 4
    sorted_by_name = risk_of(seven.model, seven.validation.X).mean()
    assert abs(sorted_by_name - risk_of(seven.healthy, one.validation.X).mean()) < 0.02

    pairs = [(case(n).model, case(n).healthy) for n in (2, 5, 6)]
    ward = case(2).validation
    found = [[measures(risk_of(m, ward.X), ward.y) for m in pair] for pair in pairs]
    assert all(ill[0] == well[0] for ill, well in found[::2]) and found[2][0] == found[2][1]
    assert float(found[1][0][0]) >= float(found[1][1][0])
