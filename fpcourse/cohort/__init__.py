"""The patients: their features, the made-up cohort and the real data set. Knows torch and tables, and no model."""

from fpcourse.cohort.cohort import Cohort, download, load, patients
from fpcourse.cohort.features import FEATURES, Feature

__all__ = ["FEATURES", "Cohort", "Feature", "download", "load", "patients"]
