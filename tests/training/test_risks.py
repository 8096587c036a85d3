"""risks: what they are worth, by the definitions."""

import math

import pytest
import torch
from torch.nn import functional as F

from fpcourse.models import ClinicalMLP
from fpcourse.training import compare, metrics, risk_of


def auroc(risk, y) -> float:
    """By its definition: over all pairs of a readmitted patient and another, a tie counting a half."""
    risk, y = risk.flatten().double(), y.flatten() == 1
    gaps = risk[y].unsqueeze(1) - risk[~y]
    return ((gaps > 0).double() + (gaps == 0).double() / 2).mean().item()


def test_risk_of_uses_eval_mode_and_leaves_the_mode(small):
    model = ClinicalMLP().train()
    statistics = model.bn1.running_mean.clone()
    risk = risk_of(model, small[0].X)
    assert model.training and torch.equal(statistics, model.bn1.running_mean) and not risk.requires_grad
    assert torch.allclose(risk, torch.sigmoid(model.eval()(small[0].X)))


def test_metrics_follow_their_definitions():
    torch.manual_seed(0)
    risk, y = torch.rand(300, 1), (torch.rand(300, 1) < 0.3).float()
    found = metrics(risk, y)
    assert found.auroc == pytest.approx(auroc(risk, y))
    assert found.log_loss == pytest.approx(F.binary_cross_entropy(risk.double(), y.double()).item())
    order = risk.flatten().argsort(descending=True)
    hits = y.flatten()[order]
    precision = hits.cumsum(0) / torch.arange(1, 301)
    assert found.average_precision == pytest.approx(((precision * hits).sum() / hits.sum()).item(), rel=1e-5)
    assert len(found.calibration) == 10
    assert sum(share for _, share in found.calibration) / 10 == pytest.approx(y.mean().item(), abs=1e-6)


def test_a_risk_of_half_for_all_is_worth_nothing():
    y = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    found = metrics(torch.full((4, 1), 0.5), y)
    assert (found.auroc, found.average_precision) == (0.5, 0.5) and math.isclose(found.log_loss, math.log(2))


@pytest.mark.parametrize(
    ("risk", "y", "said"),
    [
        (torch.rand(4, 1), torch.ones(4, 1), "y has one class alone"),
        (torch.rand(4), torch.ones(4, 1), r"risk has shape \(4,\), y \(4, 1\)"),
        (torch.tensor([[3.0], [0.1]]), torch.tensor([[1.0], [0.0]]), "are these logits"),
        (torch.tensor([[torch.nan], [0.1]]), torch.tensor([[1.0], [0.0]]), "not from 0 to 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(risk, y, said):
    with pytest.raises(ValueError, match=said):
        metrics(risk, y)


def test_compare_has_a_row_a_risk(parts):
    y, risk = parts[2].y, parts[2].risk
    table = compare({"true": risk, "blind": torch.full_like(risk, 0.1)}, y)
    assert [row[0] for row in table.rows] == ["true", "blind"]
    assert table.rows[1][1] == "0.500" and table.rows[0][1] == f"{auroc(risk, y):.3f}"
