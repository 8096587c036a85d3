"""patients, load: the made-up cohort that the chapters use, and the public readmission data set it is shaped like."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fpcourse.cohort.features import FACTORS, FEATURES, Feature
from fpcourse.cohort.real import fetch_encounters, read_encounters
from fpcourse.tables import ShownAsTable, Table

# Sets the mean risk to 0.1116. Found once, by bisection over 2,000,000 patients (seeds 1000 to 1019).
INTERCEPT = -4.0027


@dataclass(frozen=True, repr=False, eq=False)
class Cohort(ShownAsTable):
    """Patients: made up by ``patients``, or real ones read by ``load``.

    Nothing medical follows from either: this course is no clinical tool.

    Attributes:
        X: ``(n, 20)`` float32, each feature standardised: by its published mean and standard deviation, or, after
            ``split``, by those of the first part.
        y: ``(n, 1)`` float32, 1 for readmitted within 30 days, else 0.
        risk: ``(n, 1)`` float32, the probability with which ``y`` was drawn to be 1; None for real patients.
        features: the names of the 20 columns.
        raw: ``(n, 20)`` float32, the features in their own units: years, days, counts, 0 or 1.

    Example:
        >>> from fpcourse import patients
        >>> training, validation = patients(512).split(0.75, 0.25)
        >>> training.X.shape, validation.X.shape
        (torch.Size([384, 20]), torch.Size([128, 20]))
    """

    X: torch.Tensor
    y: torch.Tensor
    risk: torch.Tensor | None
    features: tuple[str, ...]
    raw: torch.Tensor

    def __repr__(self) -> str:
        n, kind = len(self.X), "real" if self.risk is None else "made-up"
        return (
            f"Cohort({n} {kind} patient{'s' if n > 1 else ''}, {len(self.features)} features, "
            f"{_percent(self.y.mean().item())} readmitted)"
        )

    def table(self) -> Table:
        """Each feature's unit, mean and standard deviation (of a 0/1 feature its share), minimum, maximum."""
        rows = []
        for feature, column in zip(self._described(), self.raw.double().unbind(1), strict=True):
            mean, std = column.mean().item(), column.std(correction=0).item()
            centre = (_percent(mean), "") if feature.is_share else (f"{mean:.2f}", f"{std:.2f}")
            rows.append((feature.name, feature.unit, *centre, f"{column.min():.0f}", f"{column.max():.0f}"))
        return Table(
            ("feature", "unit", "mean or share", "std", "min", "max"),
            tuple(rows),
            frozenset({"mean or share", "std", "min", "max"}),
        )

    def _described(self) -> list[Feature]:
        """The features of the columns, in the order of the columns."""
        known = {feature.name: feature for feature in FEATURES}
        return [known[name] for name in self.features]

    def split(self, *shares: float, seed: int = 0) -> tuple["Cohort", ...]:
        """Parts of the cohort with these shares of its patients, drawn from ``seed``; no patient is in two of them.

        All parts are standardised by the means and standard deviations of the first, on which a model is fitted:
        what is held out takes no part in that. ``train, rest = cohort.split(0.6, 0.4)``.

        Raises:
            ValueError: the shares do not add up to 1, one is not positive, or a part would be empty.
        """
        if not shares or min(shares) <= 0 or not math.isclose(sum(shares), 1):
            raise ValueError(f"the shares must be positive and add up to 1; got {shares}")
        cuts = [round(len(self.X) * sum(shares[: i + 1])) for i in range(len(shares))]
        sizes = [end - start for start, end in zip([0, *cuts[:-1]], cuts, strict=True)]
        if min(sizes) < 1:
            raise ValueError(f"{len(self.X)} patients cannot be split into parts of {shares}: one would be empty")
        order = torch.randperm(len(self.X), generator=torch.Generator().manual_seed(_checked_seed(seed)))
        parts = [rows.sort().values for rows in order.split(sizes)]
        first = self.raw[parts[0]].double()
        mean, std = first.mean(0), first.std(0, correction=0)
        std[std == 0] = 1  # a feature that is the same for all becomes 0
        X = ((self.raw.double() - mean) / std).float()
        risk = self.risk
        return tuple(
            replace(self, X=X[rows], y=self.y[rows], raw=self.raw[rows], risk=None if risk is None else risk[rows])
            for rows in parts
        )

    def patient(self, i: int) -> Table:
        """Patient ``i``, counted from 0: each feature in its own unit and standardised.

        Raises:
            IndexError: the cohort has no patient ``i``.
        """
        if not _is_whole(i) or i not in range(len(self.X)):
            raise IndexError(f"no patient {i!r}: the cohort's patients are numbered 0 to {len(self.X) - 1}")
        rows = tuple(
            (feature.name, feature.unit, f"{value:.0f}", f"{standardised:z.2f}")
            for feature, value, standardised in zip(
                self._described(), self.raw[i].tolist(), self.X[i].tolist(), strict=True
            )
        )
        return Table(("feature", "unit", "value", "standardised"), rows, frozenset({"value", "standardised"}))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def patients(n: int = 512, seed: int = 0) -> Cohort:
    """``n`` made-up patients, drawn from ``seed``; the global random state is not used.

    Patient ``i`` of a seed is the same for every ``n``.

    Raises:
        ValueError: ``n`` is not a positive whole number, or ``seed`` not one from 0 to 2**32 - 1.

    Example:
        >>> from fpcourse import patients
        >>> cohort = patients(16)
        >>> cohort.X.shape, cohort.y.shape, cohort.features[0]
        (torch.Size([16, 20]), torch.Size([16, 1]), 'age')
    """
    if not _is_whole(n) or n < 1:
        raise ValueError(f"n must be a positive whole number of patients; got {n!r}")
    uniform = _uniforms(n, _checked_seed(seed))
    columns = _columns({name: torch.special.ndtri(u) for name, u in uniform.items() if name != "readmitted"})
    risk = torch.sigmoid(INTERCEPT + _logit(columns))
    raw = torch.stack([columns[feature.name] for feature in FEATURES], dim=1)  # (n, 20)
    return _cohort(raw, uniform["readmitted"] < risk, risk.float().unsqueeze(1))


def load(path: str | Path) -> Cohort:
    """The real patients of ``diabetic_data.csv``, or of the zip with it, with the same 20 features.

    The set is "Diabetes 130-US Hospitals for Years 1999-2008" (UCI data set 296, CC BY 4.0); ``download`` fetches
    it. Of each patient the first encounter is kept; encounters that ended in death or in a hospice are left out.
    What a network makes of them is for learning about networks: it is no clinical tool.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the header or a line is not as published, or the zip is damaged; the message says where and what
            to do. A table that was cut between two lines is not noticed; the zip, by its checksum, is.
    """
    read = torch.tensor(read_encounters(path), dtype=torch.float64)  # (n, 21)
    return _cohort(read[:, :-1], read[:, -1], None)


def download(folder: str | Path | None = None) -> Path:
    """Fetch the published zip of the real data set into ``folder``, by default a cache of the user's.

    Shows a progress bar and prints the data set's licence. A file that is there and whole is not fetched again.

    Returns:
        The path of the zip, for ``load``.

    Raises:
        ImportError: ``pooch`` is not installed.
        ConnectionError: the archive cannot be reached; the message says how to fetch the file by hand.
        ValueError: what came does not have the published checksum; nothing of it is kept.
    """
    return fetch_encounters(folder)


def _cohort(raw: torch.Tensor, readmitted: torch.Tensor, risk: torch.Tensor | None) -> Cohort:
    """A cohort of ``raw`` features ``(n, 20)`` float64, standardised by the published figures."""
    mean, std = (
        torch.tensor([getattr(feature, key) for feature in FEATURES], dtype=torch.float64) for key in ("mean", "std")
    )
    return Cohort(
        X=((raw - mean) / std).float(),
        y=readmitted.float().unsqueeze(1),
        risk=risk,
        features=tuple(feature.name for feature in FEATURES),
        raw=raw.float(),
    )


def _checked_seed(seed: int) -> int:
    # torch's CPU generator keeps 32 bits of a seed: a larger one would repeat a smaller one's patients.
    if not _is_whole(seed) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1; got {seed!r}")
    return seed


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _uniforms(n: int, seed: int) -> dict[str, torch.Tensor]:
    """Independent numbers in (0, 1), each ``(n,)``: one for every factor, latent and label.

    Drawn patient by patient, so that a larger cohort begins with the smaller one. ``torch.randn`` would not
    do: what it draws first depends on how many numbers it is asked for.
    """
    names = [*FACTORS, *(feature.name for feature in FEATURES if not feature.latent_of), "readmitted"]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand((n, len(names)), dtype=torch.float64, generator=generator).clamp(min=2**-54)
    return dict(zip(names, drawn.T.contiguous(), strict=True))


def _columns(normal: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The features by name, each ``(n,)`` float64, from independent standard normal numbers.

    A Gaussian copula: correlated latents, each cut into the values of its feature, which keeps the margins.
    """
    columns = {}
    specs = {feature.name: feature for feature in FEATURES}
    for feature in FEATURES:
        source = specs[feature.latent_of or feature.name]
        own = math.sqrt(1 - sum(load**2 for load in source.loads.values()))
        latent = own * normal[source.name]
        for factor, load in source.loads.items():
            latent = latent + load * normal[factor]
        columns[feature.name] = feature.low + feature.step * torch.bucketize(latent, feature.cuts(feature)).double()
    other_change = columns["medication_changed"] * columns["diabetes_medication"]
    columns["medication_changed"] = torch.maximum(columns["insulin_changed"], other_change)
    return columns


def _logit(f: dict[str, torch.Tensor]) -> torch.Tensor:
    """The log-odds of readmission without the intercept, ``(n,)``: invented, and not linear on purpose."""
    home, long_stay = f["discharged_home"], (f["time_in_hospital"] >= 7).double()
    seen_before = (f["number_inpatient"] > 0).double()
    from_55 = (f["age"] - 55) / 20
    return (
        1.1 * f["number_inpatient"].log1p()
        + 0.7 * f["number_emergency"].log1p() * (1 - seen_before)  # tells less once there were stays
        + 0.3 * from_55.square()  # the young and the old
        + 0.1 * f["number_diagnoses"]
        - 0.7 * home
        + 1.4 * home * long_stay  # sent home after a long stay
        + 0.8 * f["insulin_changed"] * (1 - f["a1c_tested"])  # treatment changed without the test
        - 0.5 * f["a1c_tested"] * (1 - f["circulatory_diagnosis"])
        + 0.4 * f["emergency_admission"] * (1 - seen_before)
        + 0.3 * ((f["num_medications"] - 16) / 8).square().clamp(max=4)  # few drugs, or many
    )
