"""train: one plain loop that trains ClinicalMLP and keeps the weights after each epoch."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F
from tqdm import tqdm  # not tqdm.auto: its widget would be one in the built book too

from fpcourse.cohort import Cohort
from fpcourse.measure.modes import in_mode
from fpcourse.measure.preserve import same_random_state
from fpcourse.models import ClinicalMLP
from fpcourse.tables import ShownAsTable, Table
from fpcourse.training.risks import risk_of

QUIET_SECONDS = 10  # a run that takes longer shows a progress bar


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data: the mean loss in it, and the validation loss and AUROC after it.

    Epoch 0 is the untrained model: its training loss is that of an eval-mode pass.
    """

    number: int
    training_loss: float
    validation_loss: float
    validation_auroc: float


@dataclass(frozen=True, repr=False, eq=False)
class TrainingRun(ShownAsTable):
    """What ``train`` returns.

    Attributes:
        model: the network with the weights and running statistics of the ``best`` epoch, in eval mode.
        epochs: an ``Epoch`` for the untrained model and for each pass.
        best: the number of the epoch with the smallest validation loss.
        checkpoints: each epoch's ``state_dict``.
    """

    model: ClinicalMLP
    epochs: tuple[Epoch, ...]
    best: int
    checkpoints: tuple[dict[str, torch.Tensor], ...]

    def __repr__(self) -> str:
        return f"TrainingRun({len(self.epochs) - 1} epochs, best {self.best})"

    def at(self, epoch: int) -> ClinicalMLP:
        """A copy of the network as it was after ``epoch`` passes, in eval mode; 0 is untrained.

        Raises:
            IndexError: the run has no such epoch.
        """
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch not in range(len(self.checkpoints)):
            raise IndexError(f"no epoch {epoch!r}: the run has epochs 0 to {len(self.checkpoints) - 1}")
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.checkpoints[epoch])
        return model

    def table(self) -> Table:
        """An epoch a row: both losses and the validation AUROC."""
        headers = ("epoch", "training loss", "validation loss", "validation AUROC")
        rows = (
            (str(e.number), f"{e.training_loss:.4f}", f"{e.validation_loss:.4f}", f"{e.validation_auroc:.3f}")
            for e in self.epochs
        )
        return Table(headers, tuple(rows), frozenset(headers))


def train(
    training: Cohort,
    validation: Cohort,
    *,
    hidden: tuple[int, ...] = (64, 32),
    p: float = 0.3,
    learning_rate: float = 3e-3,
    batch_size: int = 256,
    epochs: int = 40,
    patience: int = 6,
    seed: int = 0,
) -> TrainingRun:
    """Train a ClinicalMLP on ``training``, and stop when ``validation`` no longer gains by it.

    The loss is binary cross-entropy with logits, without weights for the rarer class: with weights the risks would
    no longer be probabilities, while AUROC, which compares ranks, would hardly change. The optimiser is AdamW
    without weight decay. Training stops once the validation loss has not fallen for ``patience`` epochs.
    It runs in one thread, so that the sums do not depend on the number of cores; a network this small loses little.
    The global random state and the number of threads are afterwards what they were. A run of more than 10 seconds
    shows a progress bar.

    Raises:
        ValueError: a cohort has one class alone, a number is not positive and finite, or ``batch_size`` is 1.

    Example:
        >>> from fpcourse import patients, train
        >>> run = train(patients(64), patients(64, seed=1), epochs=1)
        >>> [epoch.number for epoch in run.epochs]
        [0, 1]
    """
    _check(training, validation, learning_rate=learning_rate, batch_size=batch_size, epochs=epochs, patience=patience)
    # inference_mode(False) turns recording on, under a reader's no_grad too.
    with same_random_state(), one_thread(), torch.inference_mode(False):
        torch.manual_seed(seed)
        model = ClinicalMLP(hidden=hidden, p=p)
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0)
        seen = [_epoch(0, _loss(model, training), model, validation)]
        checkpoints = [copy.deepcopy(model.state_dict())]
        for number in tqdm(range(1, epochs + 1), "epoch", delay=QUIET_SECONDS, leave=False):
            seen.append(_epoch(number, _one_pass(model, optimizer, training, batch_size), model, validation))
            checkpoints.append(copy.deepcopy(model.state_dict()))
            best = min(seen, key=lambda epoch: epoch.validation_loss).number
            if number - best >= patience:
                break
    model.load_state_dict(checkpoints[best])
    return TrainingRun(model.eval(), tuple(seen), best, tuple(checkpoints))


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch computes in one thread; afterwards in as many as before.

    Example:
        >>> import torch
        >>> from fpcourse import one_thread
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _one_pass(model: ClinicalMLP, optimizer: torch.optim.Optimizer, cohort: Cohort, batch_size: int) -> float:
    """Each patient once, in a fresh order; the mean loss on the way."""
    model.train()
    total, seen = 0.0, 0
    for rows in torch.randperm(len(cohort.X)).split(batch_size):
        if len(rows) == 1:  # BatchNorm takes no batch of one in train mode
            continue
        loss = F.binary_cross_entropy_with_logits(model(cohort.X[rows]), cohort.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, seen = total + loss.item() * len(rows), seen + len(rows)
    return total / seen


def _epoch(number: int, training_loss: float, model: ClinicalMLP, validation: Cohort) -> Epoch:
    auroc = roc_auc_score(validation.y.flatten(), risk_of(model, validation.X).flatten())
    return Epoch(number, training_loss, _loss(model, validation), float(auroc))


def _loss(model: ClinicalMLP, cohort: Cohort) -> float:
    with in_mode(model, "eval"), torch.no_grad():
        return F.binary_cross_entropy_with_logits(model(cohort.X), cohort.y).item()


def _check(training: Cohort, validation: Cohort, **numbers: float) -> None:
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite; got {value!r}")
    if numbers["batch_size"] < 2:
        raise ValueError("batch_size must be 2 or more: BatchNorm takes no batch of one in train mode")
    for name, cohort in (("training", training), ("validation", validation)):
        if len(cohort.y.unique()) < 2:
            raise ValueError(
                f"the {name} cohort has {len(cohort.y)} patients of one class; it needs readmitted ones and others. "
                "Draw more patients."
            )
