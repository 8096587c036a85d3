"""risk_of, metrics: the risks that a network gives, and what they are worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from fpcourse.cohort import Cohort
from fpcourse.measure.modes import in_mode
from fpcourse.tables import Table


def risk_of(model: torch.nn.Module, X: torch.Tensor) -> torch.Tensor:
    """The probabilities ``(batch, 1)`` that ``model`` gives for ``X``: eval mode, no graph, a sigmoid of the logit.

    A number to learn from, and no clinical tool.

    Example:
        >>> from fpcourse import ClinicalMLP, patients, risk_of
        >>> risk = risk_of(ClinicalMLP(), patients(16).X)
        >>> risk.shape, risk.requires_grad
        (torch.Size([16, 1]), False)
    """
    with in_mode(model, "eval"), torch.no_grad():
        return torch.sigmoid(model(X))


def logistic_regression(training: Cohort, X: torch.Tensor) -> torch.Tensor:
    """The probabilities ``(batch, 1)`` of a logistic regression fitted on ``training``: what a network has to beat.

    Example:
        >>> from fpcourse import logistic_regression, patients
        >>> logistic_regression(patients(512), patients(16, seed=1).X).shape
        torch.Size([16, 1])
    """
    fitted = LogisticRegression(max_iter=1000).fit(training.X.numpy(), training.y.flatten().numpy())
    return torch.from_numpy(fitted.predict_proba(X.numpy())[:, 1:]).float()


@dataclass(frozen=True)
class Metrics:
    """What predicted risks are worth against what happened.

    Attributes:
        auroc: the share of pairs (one readmitted, one not) in which the readmitted has the higher risk.
        average_precision: the precision averaged over the recall; the share of readmitted for a blind guess.
        log_loss: the mean binary cross-entropy.
        calibration: for tenths of the patients by predicted risk, (mean predicted risk, share readmitted).
    """

    auroc: float
    average_precision: float
    log_loss: float
    calibration: tuple[tuple[float, float], ...]


def metrics(risk: torch.Tensor, y: torch.Tensor) -> Metrics:
    """Compare risks ``(n, 1)``, probabilities, with outcomes ``(n, 1)``, each 0 or 1.

    Raises:
        ValueError: the shapes differ, a risk is not from 0 to 1, or ``y`` has one class alone.

    Example:
        >>> import torch
        >>> from fpcourse import metrics
        >>> risk, y = torch.tensor([[0.1], [0.4], [0.3], [0.9]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]])
        >>> metrics(risk, y).auroc
        0.75
    """
    if risk.shape != y.shape:
        raise ValueError(f"risk has shape {tuple(risk.shape)}, y {tuple(y.shape)}; both must be (n, 1)")
    if not ((risk >= 0) & (risk <= 1)).all():
        raise ValueError("a risk is not from 0 to 1; are these logits? Take torch.sigmoid of them first")
    if len(y.unique()) < 2:
        raise ValueError("y has one class alone; these measures compare readmitted patients with others")
    true, predicted = y.flatten().numpy(), risk.detach().flatten().double().numpy()
    shares, means = calibration_curve(true, predicted, n_bins=10, strategy="quantile")
    return Metrics(
        float(roc_auc_score(true, predicted)),
        float(average_precision_score(true, predicted)),
        float(log_loss(true, predicted)),
        tuple(zip(means.tolist(), shares.tolist(), strict=True)),
    )


def compare(risks: Mapping[str, torch.Tensor], y: torch.Tensor) -> Table:
    """A row for each of the ``risks``, by name: AUROC, average precision and log loss against ``y``.

    Example:
        >>> from fpcourse import patients, training
        >>> cohort = patients(512)
        >>> print(training.compare({"as drawn": cohort.risk}, cohort.y))
        risk      AUROC  average precision  log loss
        --------  -----  -----------------  --------
        as drawn  0.785              0.352    0.2646
    """
    scores = {name: metrics(risk, y) for name, risk in risks.items()}
    headers = ("risk", "AUROC", "average precision", "log loss")
    rows = ((name, f"{m.auroc:.3f}", f"{m.average_precision:.3f}", f"{m.log_loss:.4f}") for name, m in scores.items())
    return Table(headers, tuple(rows), frozenset(headers[1:]))
