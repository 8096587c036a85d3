"""What stands behind the sentences of the clinic."""

import torch
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from fpcourse import case, harm, layer_statistics, risk_of, unchanged


def case_three_after(as_it_came, three):
    with torch.no_grad():
        z, y = three.model(three.validation.X[:16]), three.validation.y[:16]
    assert z.shape == (16,) and y.shape == (16, 1) and (y * z).shape == (16, 16)
    assert abs(as_it_came.mean() - three.validation.y.mean()) < 0.04
    assert as_it_came.std() < 0.3 * risk_of(three.healthy, three.validation.X).std()


def case_four_after(four, three):
    assert (four.model.layer3.weight <= 0).all() and (four.model.layer3.bias <= 0).all()
    assert all(row.dead_units < row.units for row in layer_statistics(three.model, four.validation.X, ["relu"]))


def case_four_figure(dead, four):
    assert dead[0] <= 1 and dead[1] <= 1 and dead[2] == 32 and len(four.validation.X[:512]) == 512


def case_five_after(five, new, risks_five, solution_restored):
    by_torch, ours = case(5).model, solution_restored(case(5).model, new)
    by_torch.drop.p = 0.0
    update_bn([new], by_torch)
    assert torch.allclose(by_torch.bn2.running_mean, ours.bn2.running_mean, atol=1e-3)
    healthy = risk_of(five.healthy, five.validation.X)
    assert abs(risk_of(ours, five.validation.X).mean() - healthy.mean()) < 0.005
    assert 0.005 < (risk_of(ours, five.validation.X) - healthy).abs().max() < 0.05
    assert (ours.bn2.running_var / five.healthy.bn2.running_var).max() < 1
    assert risk_of(five.model, five.validation.X).mean() < 0.06
    losses = [F.binary_cross_entropy(each, five.validation.y) for each in risks_five.values()]
    assert abs(losses[2] - losses[1]) < 0.002 and losses[0] > losses[1] + 0.02


def case_six_figure(shares, kept, copies):
    assert shares[0] == 0 and 0.45 < shares[1] < 0.55 and len(kept["bn1"]) == 512
    assert 0.45 < (kept["bn1"] == 0).float().mean() < 0.55 and not (copies["bn1"] == 0).any()


def case_seven_after(gap, risk_seven, seven, solution_risk_by_name, today, yesterday):
    assert list(today.features) == sorted(seven.model.features) and len(today.features) == 20
    right = solution_risk_by_name(seven.model, today.X, today.features)
    torch.testing.assert_close(right, risk_of(seven.model, yesterday.X))
    assert abs(risk_seven.mean() - today.y.mean()) < abs(right.mean() - today.y.mean())
    assert all(gap(seven.model, day.X) < 0.15 for day in (today, yesterday))  # the means, as in case 5


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
