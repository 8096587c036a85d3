"""The cohorts of this room's tests."""

import pytest

from fpcourse.cohort import Cohort, patients


@pytest.fixture(scope="module")
def parts() -> tuple[Cohort, ...]:
    return patients(20_000, seed=0).split(0.6, 0.2, 0.2)


@pytest.fixture(scope="module")
def small() -> tuple[Cohort, ...]:
    return patients(900, seed=1).split(0.6, 0.4)
