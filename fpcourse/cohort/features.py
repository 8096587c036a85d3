"""FEATURES: the twenty facts about a patient, each with its published margins and with how it is drawn.

The margins (mean, standard deviation, range, counts) in ``FEATURES`` follow those published on "Diabetes
130-US Hospitals for Years 1999-2008" (UCI Machine Learning Repository, data set 296, doi:10.24432/C5230J).
They describe all 101,766 encounters, not the 69,984 that its paper kept: Strack et al., "Impact of HbA1c
Measurement on Hospital Readmission Rates", BioMed Research International, 2014, article 781670. So does the
share readmitted within 30 days, 11,357 of 101,766 (11.16 %). Four shares could not be held against a published
table and await the data itself: discharged_home, circulatory_diagnosis, a1c_high, glucose_high. Each feature
can be read off a row of the set's ``diabetic_data.csv``; the comment beside it says how.

How features go together (``loads``) is chosen by hand, to come near the correlations of the real counts.
How they bear on the risk (``cohort._logit``) is invented.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

# What a patient's features share: years and illness, a heavy stay, earlier visits, sugar hard to control.
FACTORS = ("frailty", "stay", "history", "glucose")


@dataclass(frozen=True)
class Feature:
    """One clinical feature: its unit, published mean, standard deviation and range, and how it is drawn.

    A patient has a latent, standard normal number for the feature; ``cuts`` gives the ascending values of it
    at which the feature goes up by ``step``, from ``low`` to ``high``. ``loads`` is the latent's correlation
    with each factor. A feature with ``latent_of`` shares that feature's latent: being rarer, it implies it.
    """

    name: str
    unit: str
    mean: float
    std: float
    low: int
    high: int
    cuts: Callable[["Feature"], torch.Tensor]
    loads: dict[str, float] = field(default_factory=dict)
    step: int = 1
    latent_of: str | None = None

    @property
    def is_share(self) -> bool:
        return self.unit == "0/1"


def _counted(*counts: int) -> Callable[[Feature], torch.Tensor]:
    """Encounters with each value, from the lowest value on."""
    cumulative = torch.tensor(counts, dtype=torch.float64).cumsum(0)
    return lambda feature: torch.special.ndtri(cumulative[:-1] / cumulative[-1])


def _normal(feature: Feature) -> torch.Tensor:
    return (_halfway(feature) - feature.mean) / feature.std


def _log_normal(feature: Feature) -> torch.Tensor:
    variance = math.log1p((feature.std / feature.mean) ** 2)
    return (_halfway(feature).log() - math.log(feature.mean) + variance / 2) / math.sqrt(variance)


def _negative_binomial(feature: Feature) -> torch.Tensor:
    """Counts of rare visits: most patients have none, a few have many."""
    size = feature.mean**2 / (feature.std**2 - feature.mean)
    k = torch.arange(feature.high, dtype=torch.float64)
    log_p = torch.lgamma(k + size) - math.lgamma(size) - torch.lgamma(k + 1)
    log_p = log_p - size * math.log1p(feature.mean / size) - k * math.log1p(size / feature.mean)
    return torch.special.ndtri(log_p.exp().cumsum(0))


def _bernoulli(feature: Feature) -> torch.Tensor:
    return torch.special.ndtri(torch.tensor([1 - feature.mean], dtype=torch.float64))


def _change_besides_insulin(feature: Feature) -> torch.Tensor:
    """For those on medication: a change of insulin counts as one, and other changes make up the share."""
    share = {other.name: other.mean for other in FEATURES}
    insulin_changed = share["insulin_changed"]
    rest = (feature.mean - insulin_changed) / (share["diabetes_medication"] - insulin_changed)
    return torch.special.ndtri(torch.tensor([1 - rest], dtype=torch.float64))


def _halfway(feature: Feature) -> torch.Tensor:
    """Between the neighbouring values of a count, where rounding goes from one to the next."""
    return torch.arange(feature.low, feature.high, dtype=torch.float64) + 0.5


def _share(
    name: str,
    share: float,
    loads: dict[str, float] | None = None,
    cuts: Callable[[Feature], torch.Tensor] = _bernoulli,
    latent_of: str | None = None,
) -> Feature:
    """A feature that is 1 for a ``share`` of the encounters, else 0."""
    std = math.sqrt(share * (1 - share))
    return Feature(name, "0/1", share, std, 0, 1, cuts, loads or {}, latent_of=latent_of)


# Beside a feature: the column of diabetic_data.csv it is read from, where that is not the column of its name.
FEATURES = (
    # "[60-70)" is 65
    Feature(
        "age",
        "years (middle of the decade)",
        65.97,
        15.94,
        5,
        95,
        _counted(161, 691, 1657, 3775, 9685, 17256, 22483, 26068, 17197, 2793),
        {"frailty": 0.6},
        step=10,
    ),
    _share("female", 0.5376),  # gender: Female
    Feature(
        "time_in_hospital",
        "days",
        4.40,
        2.99,
        1,
        14,
        _counted(14208, 17224, 17756, 13924, 9966, 7539, 5859, 4391, 3002, 2342, 1855, 1448, 1210, 1042),
        {"stay": 0.65, "frailty": 0.15, "history": 0.1},
    ),
    Feature("num_lab_procedures", "tests", 43.10, 19.67, 1, 132, _normal, {"stay": 0.45}),
    Feature(
        "num_procedures",
        "procedures",
        1.34,
        1.71,
        0,
        6,
        _counted(46652, 20742, 12717, 9443, 4180, 3078, 4954),
        {"stay": 0.4, "history": -0.1},
    ),
    Feature("num_medications", "drugs", 16.02, 8.13, 1, 81, _log_normal, {"stay": 0.75, "frailty": 0.1}),
    Feature(
        "number_outpatient",
        "visits in the year before",
        0.37,
        1.27,
        0,
        42,
        _negative_binomial,
        {"history": 0.35},
    ),
    Feature(
        "number_emergency",
        "visits in the year before",
        0.20,
        0.93,
        0,
        76,
        _negative_binomial,
        {"history": 0.7, "frailty": -0.1},
    ),
    Feature(
        "number_inpatient",
        "stays in the year before",
        0.64,
        1.26,
        0,
        21,
        _negative_binomial,
        {"history": 0.75},
    ),
    Feature(
        "number_diagnoses",
        "diagnoses",
        7.42,
        1.93,
        1,
        16,
        _counted(219, 1023, 2835, 5537, 11393, 10161, 10393, 10616, 49474, 17, 11, 9, 16, 7, 10, 45),
        {"stay": 0.3, "frailty": 0.4, "history": 0.2},
    ),
    _share("emergency_admission", 0.5305, {"history": 0.1}),  # admission_type_id: 1
    _share("discharged_home", 0.5919, {"frailty": -0.4, "stay": -0.3}),  # discharge_disposition_id: 1
    _share("circulatory_diagnosis", 0.2991, {"frailty": 0.3}),  # diag_1: 390 to 459, or 785
    _share("a1c_tested", 0.1672, {"glucose": 0.3, "stay": 0.15}),  # A1Cresult: not None
    _share("a1c_high", 0.1182, latent_of="a1c_tested"),  # A1Cresult: >7 or >8
    _share("glucose_high", 0.0270, {"glucose": 0.4}),  # max_glu_serum: >200 or >300
    _share("insulin", 0.5344, latent_of="diabetes_medication"),  # insulin: not No
    _share("insulin_changed", 0.2313, latent_of="diabetes_medication"),  # insulin: Up or Down
    _share("medication_changed", 0.4620, cuts=_change_besides_insulin),  # change: Ch
    _share("diabetes_medication", 0.7700, {"glucose": 0.5, "stay": 0.1}),  # diabetesMed: Yes
)
