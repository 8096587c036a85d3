"""python -m fpcourse: a line a part, right in a good environment and in every bad one, and never a traceback."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fpcourse
from fpcourse import __main__ as check

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
PACKAGES = [re.match(r"[\w-]+", requirement)[0] for requirement in PROJECT["project"]["dependencies"]]


def run(folder, *path, bare=False) -> subprocess.CompletedProcess:
    """The command in a folder; bare: with nothing installed but what lies in the folders of ``path``."""
    command = [sys.executable, *(["-S"] if bare else []), "-m", "fpcourse"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONIOENCODING": "ascii"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def lines_of(output: str) -> dict[str, tuple[str, str]]:
    """For each line's name its mark and its text; without the last line."""
    found = re.findall(r"(?m)^(ok|NO)  (.{13}) (.+)$", output)
    assert len(found) == len(output.splitlines()) - 1, output
    return {name.strip(): (mark, text) for mark, name, text in found}


@pytest.fixture
def checked(capsys):
    def run_here():
        code = check.main()
        lines = lines_of(capsys.readouterr().out)
        assert code == any(mark == "NO" for mark, _ in lines.values())
        return lines

    return run_here


def pretend_installed(folder, name, version, requires=()):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    required = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}")


def test_from_any_folder_this_environment_is_fit(tmp_path):
    done = run(tmp_path, ROOT)
    lines = lines_of(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(lines) == ["Python", *PACKAGES, "forward pass", "kernel", "notebook"]
    assert {mark for mark, _ in lines.values()} == {"ok"}
    assert lines["forward pass"][1] == "patient 0 has the logit -0.160, as in the course"
    assert done.stdout.endswith("\nThis environment can run the course.\n")
    assert len(done.stdout.splitlines()) <= 11


def test_it_asks_no_network(monkeypatch, checked):
    def refuse(*arguments, **options):
        raise AssertionError("a connection")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert {mark for mark, _ in checked().values()} == {"ok"}


def test_where_nothing_is_installed_each_line_says_what_to_do():
    done = run(ROOT, bare=True)
    lines = lines_of(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert lines.pop("Python")[0] == "ok"
    assert {mark for mark, _ in lines.values()} == {"NO"}
    for requirement, name in zip(PROJECT["project"]["dependencies"], PACKAGES, strict=True):
        assert lines[name][1] == f'is missing: python -m pip install "{requirement}"'
    assert lines["forward pass"][1].startswith("did not run (ModuleNotFoundError: No module named 'torch')")
    assert "pip install ipykernel" in lines["kernel"][1] and "pip install jupyterlab" in lines["notebook"][1]
    assert done.stdout.endswith("\nMend the lines marked NO, then run this again.\n")


def test_as_installed_it_takes_the_ranges_of_the_installed_metadata(tmp_path):
    """As from a wheel: the package without its project's folder, even where another project's file lies beside it."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "fpcourse", site / "fpcourse", ignore=shutil.ignore_patterns("__pycache__"))
    pretend_installed(site, "fpcourse", "0.1.0", ["torch<3,>=2.13", "numpy>=2"])
    pretend_installed(site, "numpy", "2.4.6")
    (site / "pyproject.toml").write_text('[project]\nname = "other"\ndependencies = ["six"]\n')
    lines = lines_of(run(tmp_path, site, bare=True).stdout)
    assert list(lines)[1:4] == ["torch", "numpy", "forward pass"]
    assert lines["torch"][1] == 'is missing: python -m pip install "torch<3,>=2.13"'
    assert lines["numpy"] == ("NO", "2.4.6, not compared with >=2: python -m pip install packaging")


@pytest.mark.parametrize(
    ("name", "version", "good"),
    [
        ("torch", "2.12.1+cpu", False),
        ("torch", "3.0.0", False),
        ("torch", "2.14.0.dev20261101+cu130", True),
        ("ipywidgets", "7.6.5", False),
        ("ipywidgets", "7.7.1", True),
        ("matplotlib", "3.9.4", False),
    ],
)
def test_a_version_out_of_range_is_named_with_the_range(tmp_path, monkeypatch, checked, name, version, good):
    pretend_installed(tmp_path, name, version)
    monkeypatch.syspath_prepend(tmp_path)
    (requirement,) = [each for each in PROJECT["project"]["dependencies"] if each.startswith(name)]
    allowed = requirement.removeprefix(name)
    lines = checked()
    if good:
        assert lines[name] == ("ok", f"{version} ({allowed})")
    else:
        needs = f'{version}, but the course needs {allowed}: python -m pip install "{requirement}"'
        assert lines[name] == ("NO", needs)
    assert {mark for other, (mark, _) in lines.items() if other != name} == {"ok"}


def test_a_torch_that_does_not_load_is_no_traceback(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise OSError('a library is missing\\nand more')\n")
    done = run(tmp_path, tmp_path, ROOT)
    lines = lines_of(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert lines["forward pass"][0] == "NO"
    assert "(OSError: a library is missing)" in lines["forward pass"][1]
    assert lines["numpy"][0] == lines["notebook"][0] == "ok"


def test_other_numbers_than_the_courses_are_noticed(monkeypatch, checked):
    patients = fpcourse.patients
    monkeypatch.setattr(fpcourse, "patients", lambda n, seed: patients(n, seed=seed + 1))
    mark, text = checked()["forward pass"]
    assert mark == "NO"
    assert re.match(r"patient 0 has the logit -?\d\.\d{3}, not -0\.160: install the versions", text)


def test_an_old_python_is_told_so_and_nothing_else(monkeypatch, checked):
    assert PROJECT["project"]["requires-python"] == ">={}.{}".format(*check.OLDEST_PYTHON)
    monkeypatch.setattr(check.sys, "version_info", (3, 10, 14, "final", 0))
    lines = checked()
    assert list(lines) == ["Python"]
    assert lines["Python"] == ("NO", "3.10.14: install Python 3.11 or newer, and make a new environment with it")


@pytest.mark.parametrize(
    ("there", "mark", "text"),
    [
        ((), "NO", "no JupyterLab: python -m pip install jupyterlab"),
        (("google-colab",), "ok", "Colab"),
        (("jupyterlab", "jupyterlab_widgets"), "ok", "jupyterlab 1.0, with its widgets"),
        (("notebook", "jupyterlab_widgets"), "ok", "notebook 1.0, with its widgets"),
        (("jupyterlab",), "NO", "jupyterlab 1.0 without its widgets: python -m pip install jupyterlab_widgets"),
    ],
)
def test_the_front_end_and_its_half_of_the_widgets(monkeypatch, there, mark, text):
    monkeypatch.setattr(check, "installed", lambda name: "1.0" if name in there else None)
    ok, found = check.front_end()
    assert ok == (mark == "ok") and found.startswith(text)


def test_without_a_kernel_it_says_so(monkeypatch, checked):
    installed = check.installed
    monkeypatch.setattr(check, "installed", lambda name: None if name == "ipykernel" else installed(name))
    assert checked()["kernel"] == ("NO", "ipykernel is missing: python -m pip install ipykernel")
