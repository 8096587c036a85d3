"""Train the network that ships with fpcourse, and write its weights and the note beside them.

python tools/trained_weights.py
"""

import datetime

import torch
from refresh import ROOT

from fpcourse.cohort import patients
from fpcourse.training import Metrics, TrainingRun, metrics, risk_of, train

WEIGHTS = ROOT / "fpcourse/weights/clinical_mlp.pt"
SIZE = 4000


def trained() -> TrainingRun:
    """On patients whom no page shows: the cohort of seed 0 has no part in it."""
    return train(patients(SIZE, seed=1), patients(SIZE, seed=2))


def worth(model: torch.nn.Module) -> Metrics:
    """On patients seen neither in training nor to choose the epoch."""
    others = patients(2 * SIZE, seed=3)
    return metrics(risk_of(model, others.X), others.y)


def note(run: TrainingRun) -> str:
    scores, last = worth(run.model), len(run.epochs) - 1
    return f"""\
# clinical_mlp.pt

The `state_dict` of the course's network after training: `ClinicalMLP.trained()` reads it. Written by
`tools/trained_weights.py` on {datetime.date.today():%d %B %Y}, with torch {torch.__version__.split("+")[0]}.

Trained with `train(patients({SIZE}, seed=1), patients({SIZE}, seed=2))` on made-up patients. Of {last} epochs,
epoch {run.best} had the smallest validation loss.

On {2 * SIZE:,} others, `patients({2 * SIZE}, seed=3)`: AUROC {scores.auroc:.3f}, log loss {scores.log_loss:.3f}.

The patients of the pages, `patients(n, seed=0)`, had no part in it. No medical use: nobody was ever such a patient.
"""


def main() -> None:
    run = trained()
    WEIGHTS.parent.mkdir(exist_ok=True)
    torch.save(run.model.state_dict(), WEIGHTS)
    WEIGHTS.with_name("README.md").write_text(note(run), encoding="utf8")
    print(WEIGHTS)


if __name__ == "__main__":
    main()
