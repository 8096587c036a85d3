"""Networks that learn: the loop, what risks are worth, and the clinic's cases. Draws nothing."""

try:
    import sklearn  # noqa: F401
    import tqdm  # noqa: F401
except ImportError:
    raise ImportError("fpcourse.training needs scikit-learn and tqdm: pip install 'fpcourse[training]'.") from None

from fpcourse.training.loop import Epoch, TrainingRun, one_thread, train
from fpcourse.training.risks import Metrics, compare, logistic_regression, metrics, risk_of

__all__ = [
    "Epoch",
    "Metrics",
    "TrainingRun",
    "compare",
    "logistic_regression",
    "metrics",
    "one_thread",
    "risk_of",
    "train",
]
