"""The made-up cohort: margins against published numbers, which are written out here a second time."""

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fpcourse.cohort import FEATURES, Cohort, patients
from fpcourse.models import ClinicalMLP

# UCI data set 296, all 101,766 encounters: mean, standard deviation, smallest and largest value.
PUBLISHED_COUNTS = {
    "age": (65.967, 15.941, 5, 95),  # middle of the decade
    "time_in_hospital": (4.396, 2.985, 1, 14),
    "num_lab_procedures": (43.096, 19.674, 1, 132),
    "num_procedures": (1.340, 1.706, 0, 6),
    "num_medications": (16.022, 8.128, 1, 81),
    "number_outpatient": (0.369, 1.267, 0, 42),
    "number_emergency": (0.198, 0.930, 0, 76),
    "number_inpatient": (0.636, 1.263, 0, 21),
    "number_diagnoses": (7.423, 1.934, 1, 16),
}
# The same set: encounters with the feature.
PUBLISHED_SHARES = {
    "female": 54708,
    "emergency_admission": 53990,
    "discharged_home": 60234,
    "circulatory_diagnosis": 30437,
    "a1c_tested": 17018,
    "a1c_high": 12028,
    "glucose_high": 2749,
    "insulin": 54383,
    "insulin_changed": 23534,
    "medication_changed": 47011,
    "diabetes_medication": 78363,
}
PUBLISHED_READMITTED = 11357
ENCOUNTERS = 101766

# Written down from one run, to notice another machine or version that draws otherwise.
PATIENT_0 = {
    "age": 85,
    "female": 1,
    "time_in_hospital": 3,
    "num_lab_procedures": 41,
    "num_procedures": 1,
    "num_medications": 16,
    "number_outpatient": 0,
    "number_emergency": 0,
    "number_inpatient": 0,
    "number_diagnoses": 9,
    "emergency_admission": 1,
    "discharged_home": 0,
    "circulatory_diagnosis": 0,
    "a1c_tested": 0,
    "a1c_high": 0,
    "glucose_high": 0,
    "insulin": 1,
    "insulin_changed": 0,
    "medication_changed": 1,
    "diabetes_medication": 1,
}
RISK_0 = 0.1163251


@pytest.fixture(scope="module")
def many() -> Cohort:
    return patients(100_000, seed=11)


def column(cohort: Cohort, name: str) -> torch.Tensor:
    return cohort.raw[:, cohort.features.index(name)].double()


def same(a: Cohort, b: Cohort) -> bool:
    return all(torch.equal(getattr(a, key), getattr(b, key)) for key in ("X", "y", "risk", "raw"))


def auroc(score: torch.Tensor, y: torch.Tensor) -> float:
    """The share of (readmitted, not readmitted) pairs that the score orders rightly; ties count half."""
    _, place, ties = score.double().flatten().unique(return_inverse=True, return_counts=True)
    rank = (ties.cumsum(0) - (ties - 1) / 2)[place]
    positive = y.flatten() == 1
    p, n = positive.sum(), (~positive).sum()
    return ((rank[positive].sum() - p * (p + 1) / 2) / (p * n)).item()


def logistic_regression(X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Weights by Newton's method, bias first."""
    A = torch.cat([torch.ones(len(X), 1), X], dim=1).double()
    w = torch.zeros(A.shape[1], 1, dtype=torch.float64)
    for _ in range(8):
        p = torch.sigmoid(A @ w)
        w = w + torch.linalg.solve((A * p * (1 - p)).T @ A, A.T @ (y.double() - p))
    return w


def test_shapes_and_types_fit_the_article_s_network_and_its_loss():
    cohort = patients()
    assert cohort.X.shape == cohort.raw.shape == (512, 20)
    assert cohort.y.shape == cohort.risk.shape == (512, 1)
    assert {t.dtype for t in (cohort.X, cohort.y, cohort.risk, cohort.raw)} == {torch.float32}
    assert len(set(cohort.features)) == 20
    logits = ClinicalMLP()(cohort.X)
    assert logits.shape == cohort.y.shape
    assert torch.nn.functional.binary_cross_entropy_with_logits(logits, cohort.y).isfinite()


def test_the_twenty_features_are_the_published_ones():
    assert set(patients(1).features) == {*PUBLISHED_COUNTS, *PUBLISHED_SHARES}


@pytest.mark.parametrize("name", PUBLISHED_COUNTS)
def test_counts_have_the_published_mean_spread_and_range(many, name):
    mean, std, low, high = PUBLISHED_COUNTS[name]
    values = column(many, name)
    assert abs(values.mean() - mean) < 0.03 * std
    assert abs(values.std() - std) < 0.05 * std
    assert values.min() >= low and values.max() <= high
    step = 10 if name == "age" else 1
    assert torch.equal((values - low) % step, torch.zeros_like(values))


@pytest.mark.parametrize("name", PUBLISHED_SHARES)
def test_shares_are_the_published_ones(many, name):
    values = column(many, name)
    assert set(values.unique().tolist()) == {0.0, 1.0}
    share = PUBLISHED_SHARES[name] / ENCOUNTERS
    assert abs(values.mean() - share) < 5 * math.sqrt(share * (1 - share) / len(values))


def test_as_many_are_readmitted_as_published(many):
    published = PUBLISHED_READMITTED / ENCOUNTERS
    assert abs(many.risk.double().mean() - published) < 0.002
    assert abs(many.y.double().mean() - published) < 0.005


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [
        ("time_in_hospital", "num_medications", 0.47),
        ("time_in_hospital", "num_lab_procedures", 0.32),
        ("num_procedures", "num_medications", 0.39),
        ("time_in_hospital", "number_diagnoses", 0.22),
        ("number_inpatient", "number_emergency", 0.27),
        ("number_inpatient", "number_outpatient", 0.11),
        ("time_in_hospital", "number_outpatient", -0.01),
    ],
)
def test_counts_go_together_about_as_in_the_published_data(many, first, second, published):
    both = torch.stack([column(many, first), column(many, second)])
    assert abs(torch.corrcoef(both)[0, 1] - published) < 0.15


@pytest.mark.parametrize(
    ("rarer", "implied"),
    [
        ("a1c_high", "a1c_tested"),
        ("insulin_changed", "insulin"),
        ("insulin_changed", "medication_changed"),
        ("insulin", "diabetes_medication"),
        ("medication_changed", "diabetes_medication"),
    ],
)
def test_no_patient_contradicts_itself(many, rarer, implied):
    assert (column(many, rarer) <= column(many, implied)).all()
    assert (column(many, rarer) < column(many, implied)).any()


def test_medication_is_also_changed_for_patients_without_insulin(many):
    assert ((column(many, "medication_changed") == 1) & (column(many, "insulin") == 0)).any()


def test_X_is_raw_by_the_published_mean_and_std_whatever_the_sample(many):
    for cohort in (many, patients(3)):
        for j, name in enumerate(cohort.features):
            if name in PUBLISHED_COUNTS:
                mean, std = PUBLISHED_COUNTS[name][:2]
            else:
                mean = PUBLISHED_SHARES[name] / ENCOUNTERS
                std = math.sqrt(mean * (1 - mean))
            expected = (cohort.raw[:, j].double() - mean) / std
            # The package rounds the published numbers to two decimals, shares to four.
            torch.testing.assert_close(cohort.X[:, j].double(), expected, rtol=0.01, atol=0.01)


def test_labels_follow_the_risk_in_every_tenth(many):
    order = many.risk.flatten().argsort()
    for tenth in order.chunk(10):
        risk, y = many.risk[tenth].double(), many.y[tenth].double()
        assert abs(risk.mean() - y.mean()) < 5 * (risk * (1 - risk)).mean().div(len(tenth)).sqrt()


def test_the_risk_can_be_learned_and_not_by_a_straight_line_alone(many):
    other = patients(100_000, seed=12)
    best = auroc(other.risk, other.y)
    assert 0.70 < best < 0.80
    w = logistic_regression(many.X, many.y)
    linear = auroc(other.X.double() @ w[1:] + w[0], other.y)
    assert 0.65 < linear < best - 0.03
    assert all(auroc(other.X[:, j], other.y) < linear - 0.05 for j in range(20))


def test_earlier_inpatient_stays_lead_the_risk(many):
    together = torch.corrcoef(torch.cat([many.X, many.risk], dim=1).T.double())[-1, :-1].abs()
    assert many.features[together.argmax()] == "number_inpatient"
    none, three = column(many, "number_inpatient") == 0, column(many, "number_inpatient") == 3
    assert 0.07 < many.risk[none].mean() < 0.10 < 0.17 < many.risk[three].mean() < 0.25


@given(n=st.integers(1, 300), more=st.integers(1, 5000), seed=st.integers(0, 2**32 - 1))
def test_a_larger_cohort_begins_with_the_smaller(n, more, seed):
    small, large = patients(n, seed), patients(n + more, seed)
    for key in ("X", "y", "risk", "raw"):
        assert torch.equal(getattr(small, key), getattr(large, key)[:n])


def test_patient_0_is_the_same_everywhere():
    cohort = patients()
    assert dict(zip(cohort.features, cohort.raw[0].int().tolist(), strict=True)) == PATIENT_0
    assert cohort.risk[0].item() == pytest.approx(RISK_0, rel=1e-6)


def test_a_seed_decides_everything_and_seeds_differ():
    assert same(patients(50, 3), patients(50, 3))
    assert same(patients(), patients(512, 0))
    assert not same(patients(50, 3), patients(50, 4))


def test_the_threads_make_no_difference():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = patients(50_000, 1)
    finally:
        torch.set_num_threads(threads)
    assert same(alone, patients(50_000, 1))


def test_the_global_random_state_is_neither_used_nor_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = patients(20, 2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
    torch.manual_seed(99)
    assert same(first, patients(20, 2))


@pytest.mark.parametrize("n", [0, -1, 2.0, "10", None, True, torch.tensor(3)])
def test_n_must_be_a_positive_whole_number(n):
    with pytest.raises(ValueError, match="n must be a positive whole number"):
        patients(n)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "0", None, False])
def test_seed_must_be_a_whole_number_of_32_bits(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to"):
        patients(4, seed)


def test_repr_counts_the_patients_and_the_readmitted():
    cohort = patients(512)
    assert repr(cohort) == f"Cohort(512 made-up patients, 20 features, {cohort.y.sum() / 5.12:.1f} % readmitted)"
    assert repr(patients(1)).startswith("Cohort(1 made-up patient, 20 features, ")


def test_the_table_describes_the_sample():
    cohort = patients(200, 4)
    table = cohort.table()
    assert table.headers == ("feature", "unit", "mean or share", "std", "min", "max")
    assert [row[0] for row in table.rows] == list(cohort.features)
    rows = {row[0]: row[1:] for row in table.rows}
    days = cohort.raw[:, 2].numpy()
    assert rows["time_in_hospital"] == (
        "days",
        f"{days.mean():.2f}",
        f"{days.std():.2f}",
        f"{int(days.min())}",
        f"{int(days.max())}",
    )
    assert rows["female"] == ("0/1", f"{cohort.raw[:, 1].sum() / 2:.1f} %", "", "0", "1")
    assert str(cohort) == str(table)
    assert cohort._repr_html_() == table._repr_html_()


def test_a_patient_s_table_holds_raw_and_standardised_values():
    cohort = patients(5)
    table = cohort.patient(0)
    assert table.headers == ("feature", "unit", "value", "standardised")
    for row, name, raw, x in zip(table.rows, cohort.features, cohort.raw[0], cohort.X[0], strict=True):
        assert row[0] == name and float(row[2]) == raw
        assert abs(float(row[3]) - x) < 0.00501 and row[3] != "-0.00"


@pytest.mark.parametrize("i", [5, -1, True, 1.0, "0"])
def test_a_patient_who_is_not_there_is_an_error(i):
    with pytest.raises(IndexError, match="numbered 0 to 4"):
        patients(5).patient(i)


def test_the_table_of_features_is_within_its_own_ranges():
    for feature in FEATURES:
        cuts = feature.cuts(feature)
        assert len(cuts) == (feature.high - feature.low) / feature.step
        assert cuts.isfinite().all() and (cuts.diff() > 0).all()
        assert sum(load**2 for load in feature.loads.values()) < 1


def test_a_split_has_each_patient_in_one_part_and_the_shares_asked_for():
    cohort = patients(1000, 3)
    parts = cohort.split(0.6, 0.15, 0.25, seed=1)
    assert [len(part.X) for part in parts] == [600, 150, 250]
    rows = torch.cat([torch.cat([part.raw, part.y, part.risk], dim=1) for part in parts])
    whole = torch.cat([cohort.raw, cohort.y, cohort.risk], dim=1)
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, whole.tolist()))
    assert [part.raw.shape for part in cohort.split(1.0)] == [cohort.raw.shape]


def test_a_split_is_standardised_by_its_first_part_alone():
    train, held_out = patients(2000, 3).split(0.7, 0.3)
    raw = train.raw.double()
    mean, std = raw.mean(0), raw.std(0, correction=0)
    for part in (train, held_out):
        assert torch.allclose(part.X.double(), (part.raw.double() - mean) / std, atol=1e-5)
    assert train.X.mean(0).abs().max() < 1e-5 < held_out.X.mean(0).abs().max()


def test_a_split_is_the_same_for_a_seed_and_draws_nothing_from_the_global_state():
    before = torch.get_rng_state()
    first, again, other = (patients(100).split(0.5, 0.5, seed=seed)[0] for seed in (1, 1, 2))
    assert same(first, again) and not torch.equal(first.raw, other.raw)
    assert torch.equal(before, torch.get_rng_state())


def test_a_feature_that_is_the_same_for_all_becomes_zero():
    (part,) = patients(1).split(1.0)
    assert torch.equal(part.X, torch.zeros(1, 20))


@pytest.mark.parametrize("shares", [(), (0.5,), (0.6, 0.6), (1.2, -0.2), (0.0, 1.0)])
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(ValueError, match="must be positive and add up to 1"):
        patients(10).split(*shares)


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match="one would be empty"):
        patients(2).split(0.4, 0.3, 0.3)
