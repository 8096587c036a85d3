"""read_encounters, fetch_encounters: real hospital stays, from the data set that the made-up cohort is shaped like.

The set is "Diabetes 130-US Hospitals for Years 1999-2008" (UCI Machine Learning Repository, data set 296,
doi:10.24432/C5230J, CC BY 4.0). Strack et al. (2014) describe it.
"""

import csv
import io
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fpcourse.cohort.features import FEATURES

FILE = "diabetic_data.csv"
URL = "https://archive.ics.uci.edu/static/public/296/diabetes+130-us+hospitals+for+years+1999-2008.zip"
SHA256 = "f82ac129da2ddd2299391ff6fbae3a6a58b3edcf59ac9d7bd480c00fe453112a"
LICENCE = "Diabetes 130-US Hospitals for Years 1999-2008, UCI data set 296, doi:10.24432/C5230J, licence CC BY 4.0"
ANEW = "Fetch the file anew with fpcourse.cohort.download()."

COLUMNS = """
    encounter_id patient_nbr race gender age weight admission_type_id discharge_disposition_id admission_source_id
    time_in_hospital payer_code medical_specialty num_lab_procedures num_procedures num_medications number_outpatient
    number_emergency number_inpatient diag_1 diag_2 diag_3 number_diagnoses max_glu_serum A1Cresult metformin
    repaglinide nateglinide chlorpropamide glimepiride acetohexamide glipizide glyburide tolbutamide pioglitazone
    rosiglitazone acarbose miglitol troglitazone tolazamide examide citoglipton insulin glyburide-metformin
    glipizide-metformin glimepiride-pioglitazone metformin-rosiglitazone metformin-pioglitazone change diabetesMed
    readmitted
""".split()  # noqa: SIM905
DIED_OR_HOSPICE = {11, 13, 14, 19, 20, 21}  # discharge_disposition_id

# How a text of the file becomes a number: a table of what is known, or a function for numbers and codes.
Reading = dict[str, float] | Callable[[str], float]


def _flag(yes: str, no: str) -> dict[str, float]:
    """A column of categories: 1 for those named in ``yes``, 0 for those in ``no``."""
    return {**dict.fromkeys(no.split(), 0.0), **dict.fromkeys(yes.split(), 1.0)}


def _whole(low: int, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = int(text)
        if not text.isdecimal() or not low <= value <= high:
            raise ValueError
        return float(value)

    read.__doc__ = f"a whole number from {low} to {high}" if math.isfinite(high) else f"a whole number from {low} on"
    return read


def _is_circulatory(code: str) -> float:
    """an ICD-9 code, or ? for a missing one"""
    if not re.fullmatch(r"\d{1,3}(\.\d{1,2})?|[EV]\d{1,3}(\.\d{1,2})?|\?", code):
        raise ValueError
    group = int(code.split(".")[0]) if code[0].isdigit() else 0
    return float(390 <= group <= 459 or group == 785)


# The cohort's features that are not counts of their own name: the column each is read from, and how.
DERIVED: dict[str, tuple[str, Reading]] = {
    "age": ("age", {f"[{low}-{low + 10})": low + 5.0 for low in range(0, 100, 10)}),
    "female": ("gender", _flag("Female", "Male Unknown/Invalid")),
    "emergency_admission": ("admission_type_id", _flag("1", "2 3 4 5 6 7 8")),
    "discharged_home": ("discharge_disposition_id", _flag("1", " ".join(map(str, range(2, 31))))),
    "circulatory_diagnosis": ("diag_1", _is_circulatory),
    "a1c_tested": ("A1Cresult", _flag(">7 >8 Norm", "None")),
    "a1c_high": ("A1Cresult", _flag(">7 >8", "Norm None")),
    "glucose_high": ("max_glu_serum", _flag(">200 >300", "Norm None")),
    "insulin": ("insulin", _flag("Steady Up Down", "No")),
    "insulin_changed": ("insulin", _flag("Up Down", "Steady No")),
    "medication_changed": ("change", _flag("Ch", "No")),
    "diabetes_medication": ("diabetesMed", _flag("Yes", "No")),
}
# What is read from a line, in this order.
READ: list[tuple[str, Reading]] = [
    ("patient_nbr", _whole(1, math.inf)),
    ("encounter_id", _whole(1, math.inf)),
    ("discharge_disposition_id", _whole(1, 30)),
    *(DERIVED.get(feature.name, (feature.name, _whole(feature.low, feature.high))) for feature in FEATURES),
    ("readmitted", _flag("<30", ">30 NO")),
]


def read_encounters(path: str | Path) -> list[list[float]]:
    """A row a patient: the 20 features of the cohort, then 1 for readmitted within 30 days, else 0.

    The first encounter of each patient is kept, the one with the smallest ``encounter_id``; those that ended in
    death or in a hospice are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not ``diabetic_data.csv`` or the published zip with it, or is damaged; says where.
    """
    path = Path(path).expanduser()
    first: dict[float, tuple[float, bool, list[float]]] = {}
    with _opened(path) as lines:
        for line, row in _rows(path, lines):
            patient, encounter, disposition, *values = (
                _number(row[column], reading, f"{path}, line {line}: column {column!r}") for column, reading in READ
            )
            if patient not in first or encounter < first[patient][0]:
                first[patient] = encounter, disposition in DIED_OR_HOSPICE, values
    rows = [values for _, gone, values in first.values() if not gone]
    if not rows:
        raise ValueError(f"{path} holds no patients below its header. {ANEW}")
    return rows


def _number(text: str, reading: Reading, where: str) -> float:
    try:
        return reading[text] if isinstance(reading, dict) else reading(text)
    except (KeyError, ValueError):
        known = f"one of {', '.join(reading)}" if isinstance(reading, dict) else reading.__doc__
        raise ValueError(f"{where} holds {text!r}; expected {known}. {ANEW}") from None


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    """The lines of the table: of the file itself, or of the one in the zip."""
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {path}. Give the path of {FILE}, or of the zip that fpcourse.cohort.download() fetches."
        )
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip:
            with zipfile.ZipFile(path) as archive, archive.open(_member(path, archive)) as stored:
                yield io.TextIOWrapper(stored, encoding="utf-8-sig", newline="")
        else:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                yield lines
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} is a damaged or cut zip file ({error}). {ANEW}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a text file as published ({error}). {ANEW}") from None


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if Path(name).name == FILE]
    if len(names) != 1:
        raise ValueError(
            f"{path} should hold one {FILE}; it holds {', '.join(archive.namelist()) or 'nothing'}. {ANEW}"
        )
    if archive.getinfo(names[0]).flag_bits & 1:
        raise ValueError(f"{path} is encrypted, which the published zip is not. {ANEW}")
    return names[0]


def _rows(path: Path, lines: io.TextIOBase) -> Iterator[tuple[int, dict[str, str]]]:
    """Each encounter with the number of its line, after a look at the header."""
    reader = csv.reader(lines)
    header = next(reader, [])
    if not header:
        raise ValueError(f"{path} is empty. {ANEW}")
    if len(header) == 1 and len(re.split(r"[;\t|]", header[0])) > 1:
        raise ValueError(f"{path} is not separated by commas; its header begins with {header[0][:40]!r}. {ANEW}")
    missing = [name for name in COLUMNS if name not in header]
    extra = [name for name in header if name not in COLUMNS]
    if missing or extra or len(header) != len(COLUMNS):
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"not known: {', '.join(extra)}"] * bool(extra)
        why = "; ".join(parts) or "one comes twice"
        raise ValueError(f"{path} does not have the {len(COLUMNS)} columns of {FILE} ({why}). {ANEW}")
    for row in reader:
        if len(row) != len(header):
            where = f"{path}, line {reader.line_num}"
            raise ValueError(f"{where}: {len(row)} fields, not {len(header)}; the file is cut or damaged. {ANEW}")
        yield reader.line_num, dict(zip(header, row, strict=True))


def fetch_encounters(folder: str | Path | None = None) -> Path:
    """The published zip, fetched unless it is there already; its checksum is compared in both cases.

    Raises:
        ImportError: ``pooch`` is not installed.
        ConnectionError: the archive cannot be reached.
        ValueError: what came is not the published file; nothing of it is kept.
    """
    try:
        import pooch
        import tqdm  # noqa: F401  (pooch's progress bar)
    except ImportError:
        raise ImportError("cohort.download() needs pooch and tqdm: pip install 'fpcourse[data]'.") from None
    folder = Path(folder).expanduser() if folder else pooch.os_cache("fpcourse")
    by_hand = f"By hand: fetch {URL} and give the file's path to fpcourse.cohort.load()."
    try:
        file = pooch.retrieve(URL, f"sha256:{SHA256}", Path(URL).name.replace("+", "_"), folder, progressbar=True)
    except ValueError as error:
        raise ValueError(f"what {URL} sent is not the published file; nothing was kept. {by_hand} ({error})") from None
    except OSError as error:  # what requests raises is one too
        raise ConnectionError(
            f"{URL} could not be fetched into {folder}. {by_hand} ({type(error).__name__}: {error})"
        ) from error
    print(LICENCE)
    return Path(file)
