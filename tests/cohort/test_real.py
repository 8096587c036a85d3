"""Real patients' data: read right, cleaned as published, and refused with a clear word where it is not as published.

The files are made here, in the published format. The real file is not in the repository.
"""

import csv
import hashlib
import http.server
import io
import random
import subprocess
import sys
import threading
import zipfile

import pytest
import torch

from fpcourse import cohort
from fpcourse.cohort import real

PLAIN = {
    "encounter_id": "100", "patient_nbr": "1", "race": "?", "gender": "Female", "age": "[70-80)", "weight": "?",
    "admission_type_id": "1", "discharge_disposition_id": "1", "admission_source_id": "7", "time_in_hospital": "4",
    "payer_code": "MC", "medical_specialty": "?", "num_lab_procedures": "41", "num_procedures": "0",
    "num_medications": "11", "number_outpatient": "2", "number_emergency": "3", "number_inpatient": "1",
    "diag_1": "428", "diag_2": "250.43", "diag_3": "?", "number_diagnoses": "9", "max_glu_serum": "None",
    "A1Cresult": "None", "metformin": "No", "repaglinide": "No", "nateglinide": "No", "chlorpropamide": "No",
    "glimepiride": "No", "acetohexamide": "No", "glipizide": "No", "glyburide": "No", "tolbutamide": "No",
    "pioglitazone": "No", "rosiglitazone": "No", "acarbose": "No", "miglitol": "No", "troglitazone": "No",
    "tolazamide": "No", "examide": "No", "citoglipton": "No", "insulin": "Steady", "glyburide-metformin": "No",
    "glipizide-metformin": "No", "glimepiride-pioglitazone": "No", "metformin-rosiglitazone": "No",
    "metformin-pioglitazone": "No", "change": "No", "diabetesMed": "Yes", "readmitted": "NO",
}  # fmt: skip
FEATURES_OF_PLAIN = {
    "age": 75, "female": 1, "time_in_hospital": 4, "num_lab_procedures": 41, "num_procedures": 0,
    "num_medications": 11, "number_outpatient": 2, "number_emergency": 3, "number_inpatient": 1,
    "number_diagnoses": 9, "emergency_admission": 1, "discharged_home": 1, "circulatory_diagnosis": 1,
    "a1c_tested": 0, "a1c_high": 0, "glucose_high": 0, "insulin": 1, "insulin_changed": 0,
    "medication_changed": 0, "diabetes_medication": 1,
}  # fmt: skip


def text_of(rows, delimiter=",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, PLAIN, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**PLAIN, **row} for row in rows)
    return out.getvalue()


@pytest.fixture
def loaded(tmp_path):
    """Loads rows that differ from the plain one as said."""

    def load(*rows):
        file = tmp_path / "diabetic_data.csv"
        file.write_text(text_of(rows), encoding="utf8")
        return cohort.load(file)

    return load


def test_a_row_becomes_the_twenty_features(loaded):
    found = loaded({})
    assert dict(zip(found.features, found.raw[0].tolist(), strict=True)) == FEATURES_OF_PLAIN
    assert found.features == tuple(FEATURES_OF_PLAIN) and found.risk is None
    assert repr(found) == "Cohort(1 real patient, 20 features, 0.0 % readmitted)"
    assert found.X.shape == (1, 20) and found.y.shape == (1, 1) and found.X.dtype == found.y.dtype == torch.float32
    assert found.X[0, 0].item() == pytest.approx((75 - 65.97) / 15.94, rel=1e-6)


@pytest.mark.parametrize(
    ("row", "feature", "value"),
    [
        ({"age": "[0-10)"}, "age", 5),
        ({"age": "[90-100)"}, "age", 95),
        ({"gender": "Unknown/Invalid"}, "female", 0),
        ({"admission_type_id": "3"}, "emergency_admission", 0),
        ({"discharge_disposition_id": "25"}, "discharged_home", 0),
        ({"diag_1": "390"}, "circulatory_diagnosis", 1),
        ({"diag_1": "459.8"}, "circulatory_diagnosis", 1),
        ({"diag_1": "785"}, "circulatory_diagnosis", 1),
        ({"diag_1": "389"}, "circulatory_diagnosis", 0),
        ({"diag_1": "460"}, "circulatory_diagnosis", 0),
        ({"diag_1": "V57"}, "circulatory_diagnosis", 0),
        ({"diag_1": "E909"}, "circulatory_diagnosis", 0),
        ({"diag_1": "?"}, "circulatory_diagnosis", 0),
        ({"A1Cresult": "Norm"}, "a1c_tested", 1),
        ({"A1Cresult": "Norm"}, "a1c_high", 0),
        ({"A1Cresult": ">7"}, "a1c_high", 1),
        ({"max_glu_serum": ">300"}, "glucose_high", 1),
        ({"max_glu_serum": "Norm"}, "glucose_high", 0),
        ({"insulin": "Down"}, "insulin_changed", 1),
        ({"insulin": "No"}, "insulin", 0),
        ({"change": "Ch"}, "medication_changed", 1),
        ({"diabetesMed": "No"}, "diabetes_medication", 0),
    ],
)
def test_categories_become_zero_and_one(loaded, row, feature, value):
    found = loaded(row)
    assert found.raw[0, found.features.index(feature)] == value


@pytest.mark.parametrize(("text", "value"), [("<30", 1), (">30", 0), ("NO", 0)])
def test_the_label_is_readmission_within_thirty_days(loaded, text, value):
    assert loaded({"readmitted": text}).y.item() == value


def test_the_first_encounter_of_a_patient_is_kept_wherever_it_stands(loaded):
    found = loaded(
        {"patient_nbr": "1", "encounter_id": "30", "time_in_hospital": "3"},
        {"patient_nbr": "2", "encounter_id": "20", "time_in_hospital": "2"},
        {"patient_nbr": "1", "encounter_id": "10", "time_in_hospital": "1"},
    )
    assert found.raw[:, 2].tolist() == [1, 2]


@pytest.mark.parametrize("disposition", ["11", "13", "14", "19", "20", "21"])
def test_death_and_hospice_are_left_out_and_a_later_stay_does_not_take_the_place(loaded, disposition):
    found = loaded(
        {"patient_nbr": "1", "encounter_id": "10", "discharge_disposition_id": disposition},
        {"patient_nbr": "1", "encounter_id": "20"},
        {"patient_nbr": "2", "time_in_hospital": "7"},
    )
    assert found.raw[:, 2].tolist() == [7]


def zipped(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize("name", ["diabetic_data.csv", "dataset_diabetes/diabetic_data.csv"])
def test_the_zip_is_read_as_published(tmp_path, name):
    file = tmp_path / "set.zip"
    file.write_bytes(zipped({name: text_of([{}, {"patient_nbr": "2"}]), "IDS_mapping.csv": "a,b\n"}))
    assert len(cohort.load(str(file)).X) == 2


def without(name):
    rows = list(csv.reader(io.StringIO(text_of([{}]))))
    at = rows[0].index(name)
    return "\n".join(",".join(row[:at] + row[at + 1 :]) for row in rows)


def one(**row) -> bytes:
    return text_of([row]).encode()


GOOD = text_of([{"patient_nbr": str(number)} for number in range(1, 400)])
SMALL = text_of([{}])
BROKEN = {
    "empty": (b"", "is empty"),
    "header alone": (text_of([]).encode(), "holds no patients below its header"),
    "semicolons": (text_of([{}], ";").encode(), "is not separated by commas; its header begins with 'encounter_id;pat"),
    "a column lacks": (without("insulin").encode(), "missing: insulin"),
    "a column too many": (SMALL.replace("readmitted", "readmitted,zip").encode(), "not known: zip"),
    "a column twice": (SMALL.replace("diag_3,", "diag_3,diag_3,").encode(), "one comes twice"),
    "cut within a line": (GOOD[:-70].encode(), r"line 400: \d+ fields, not 50; the file is cut or damaged"),
    "unknown age": (
        text_of([{"age": "[100-110)"}]).encode(),
        r"line 2: column 'age' holds '\[100-110\)'; expected one of",
    ),
    "unknown answer": (text_of([{"insulin": "Maybe"}]).encode(), "'insulin' holds 'Maybe'; expected one of No, Steady"),
    "no number": (
        text_of([{"time_in_hospital": "four"}]).encode(),
        "holds 'four'; expected a whole number from 1 to 14",
    ),
    "out of range": (
        text_of([{"time_in_hospital": "40"}]).encode(),
        "holds '40'; expected a whole number from 1 to 14",
    ),
    "no code": (text_of([{"diag_1": "heart"}]).encode(), "'diag_1' holds 'heart'; expected an ICD-9 code"),
    "no patient": (text_of([{"patient_nbr": "?"}]).encode(), "'patient_nbr' holds"),
    "bytes": (bytes(range(128, 256)) * 9, "is not a text file as published"),
    "a cut zip": (zipped({"diabetic_data.csv": GOOD})[:-300], "is a damaged or cut zip file"),
    "a zip of other things": (zipped({"readme.txt": "x"}), "should hold one diabetic_data.csv; it holds readme.txt"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=list(BROKEN))
def test_what_is_not_as_published_is_refused_with_the_place_and_what_to_do(tmp_path, content, said):
    file = tmp_path / "given"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said) as refused:
        cohort.load(file)
    assert str(refused.value).startswith(str(file)) and str(refused.value).endswith(real.ANEW)


def test_a_zip_with_a_damaged_middle_is_refused(tmp_path):
    content = bytearray(zipped({"diabetic_data.csv": GOOD}))
    content[200:260] = bytes(60)
    (tmp_path / "given.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged or cut zip file|not a text file"):
        cohort.load(tmp_path / "given.zip")


@pytest.mark.parametrize("place", ["nothing.csv", "."])
def test_no_file_says_what_to_give(tmp_path, place):
    with pytest.raises(FileNotFoundError, match=r"Give the path of diabetic_data\.csv, or of the zip"):
        cohort.load(tmp_path / place)


MEASURE = """
import resource, sys
from fpcourse import cohort
cohort.patients(10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = cohort.load(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(found.X))
"""


@pytest.mark.exhaustive
def test_as_many_rows_as_the_real_file_has_take_little_memory(tmp_path):
    """101,766 encounters in 500 MB, beyond what torch takes."""
    draw = random.Random(0)
    file = tmp_path / "diabetic_data.csv"
    file.write_text(
        text_of(
            {"encounter_id": str(n + 1), "patient_nbr": str(draw.randrange(1, 71_518)), "diag_1": str(n % 999 + 1)}
            for n in range(101_766)
        ),
        encoding="utf8",
    )
    done = subprocess.run([sys.executable, "-c", MEASURE, file], capture_output=True, text=True, timeout=600)
    peak, patients = map(int, done.stdout.split())
    assert 50_000 < patients < 71_518
    assert peak * (1 if sys.platform == "darwin" else 1024) < 500e6  # ru_maxrss is in bytes there, in KiB here


PUBLISHED = zipped({"diabetic_data.csv": SMALL})


@pytest.fixture
def archive(monkeypatch):
    """A server that sends the zip of the tests, or what it is told to; ``archive.asked`` counts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked += 1
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(server.content)))
            self.end_headers()
            self.wfile.write(server.content[: server.sends])

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.asked, server.status, server.sends = PUBLISHED, 0, 200, None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(real, "URL", f"http://127.0.0.1:{server.server_port}/a+set.zip")
    monkeypatch.setattr(real, "SHA256", hashlib.sha256(PUBLISHED).hexdigest())
    yield server
    server.shutdown()
    server.server_close()


def test_a_download_is_checked_kept_and_not_repeated(archive, tmp_path, capsys):
    file = cohort.download(tmp_path / "data")
    assert file.read_bytes() == PUBLISHED and len(cohort.load(file).X) == 1
    assert "CC BY 4.0" in capsys.readouterr().out
    assert cohort.download(tmp_path / "data") == file and archive.asked == 1


def test_a_damaged_copy_is_fetched_again(archive, tmp_path):
    file = cohort.download(tmp_path)
    file.write_bytes(b"PK")
    assert cohort.download(tmp_path).read_bytes() == PUBLISHED


@pytest.mark.parametrize("content", [b"<html>Sorry</html>", PUBLISHED + b"x", b""])
def test_a_wrong_checksum_keeps_nothing(archive, tmp_path, content):
    archive.content = content
    with pytest.raises(ValueError, match=r"is not the published file; nothing was kept\. By hand: fetch"):
        cohort.download(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "sends"), [(404, None), (200, 20)])
def test_an_archive_that_fails_says_how_to_go_on(archive, tmp_path, status, sends):
    archive.status, archive.sends = status, sends
    with pytest.raises((ConnectionError, ValueError), match=r"By hand: fetch .* and give the file's path to fpcourse"):
        cohort.download(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_network_says_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(real, "URL", "http://127.0.0.1:1/a.zip")
    with pytest.raises(ConnectionError, match=r"could not be fetched into .*\. By hand: fetch"):
        cohort.download(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["pooch", "tqdm"])
def test_without_its_packages_the_error_says_what_to_install(monkeypatch, tmp_path, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'fpcourse\[data\]'"):
        cohort.download(tmp_path)


def test_the_published_address_and_checksum_are_written_down():
    assert real.URL.startswith("https://archive.ics.uci.edu/static/public/296/")
    assert len(bytes.fromhex(real.SHA256)) == 32
