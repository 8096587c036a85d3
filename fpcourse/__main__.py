"""python -m fpcourse: can this environment run the course? One line a part; each is ok or says what to do."""

from __future__ import annotations  # an older Python has to get far enough to be told so

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

OLDEST_PYTHON = (3, 11)
LOGIT = -0.160  # of patient 0, as every page of the course has it


def main() -> int:
    """Print what was found; 0 if this environment can run the course, 1 if not."""
    good = True
    for name, ok, detail in checks():
        print(f"{'ok' if ok else 'NO':3} {name:13} {detail}")
        good &= ok
    print("This environment can run the course." if good else "Mend the lines marked NO, then run this again.")
    return 0 if good else 1


def checks() -> Iterator[tuple[str, bool, str]]:
    """The lines in order: what was looked at, whether it is ok, and what was found or what to do."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield "Python", False, f"{version}: install Python 3.11 or newer, and make a new environment with it"
        return
    yield "Python", True, f"{version}, {sys.executable}"
    for requirement in requirements():
        name = re.match(r"[\w.-]+", requirement)[0]
        yield (name, *package(name, requirement.removeprefix(name)))
    yield ("forward pass", *forward_pass())
    yield ("kernel", *kernel())
    yield ("notebook", *front_end())


def requirements() -> list[str]:
    """fpcourse's requirements: of the checkout that this file lies in, else as installed."""
    import tomllib

    file = Path(__file__).resolve().parents[1] / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf8")).get("project", {}) if file.exists() else {}
    if project.get("name") == "fpcourse":
        return project["dependencies"]
    return metadata.requires("fpcourse") or []


def installed(name: str) -> str | None:
    """The version of an installed package, or None; nothing is imported."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def package(name: str, allowed: str) -> tuple[bool, str]:
    """Whether a package is there in a version that the range allows."""
    version = installed(name)
    mend = f'python -m pip install "{name}{allowed}"'
    if version is None:
        return False, f"is missing: {mend}"
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return False, f"{version}, not compared with {allowed}: python -m pip install packaging"
    if not SpecifierSet(allowed).contains(version, prereleases=True):
        return False, f"{version}, but the course needs {allowed}: {mend}"
    return True, f"{version} ({allowed})"


def forward_pass() -> tuple[bool, str]:
    """Patient 0 through the course's network, in eval mode."""
    try:
        import torch

        from fpcourse import ClinicalMLP, patients

        torch.manual_seed(0)
        model = ClinicalMLP().eval()
        with torch.no_grad():
            logit = model(patients(16, seed=0).X)[0].item()
    except Exception as error:  # whatever keeps an installed torch from running here
        return False, f"did not run ({type(error).__name__}: {first_line(error)}): mend the lines above first"
    if not abs(logit - LOGIT) < 0.0005:
        return False, f"patient 0 has the logit {logit:.3f}, not {LOGIT:.3f}: install the versions in requirements.txt"
    return True, f"patient 0 has the logit {logit:.3f}, as in the course"


def first_line(error: Exception) -> str:
    """What an error says, at the length of a line."""
    return (str(error).splitlines() or [""])[0][:80]


def kernel() -> tuple[bool, str]:
    """What runs a notebook's cells, for any front end."""
    if version := installed("ipykernel"):
        return True, f"ipykernel {version}"
    return False, "ipykernel is missing: python -m pip install ipykernel"


def front_end() -> tuple[bool, str]:
    """What shows notebooks, and the half of the widgets that runs there."""
    if installed("google-colab"):
        return True, "Colab, which has its own widgets"
    for name in ("jupyterlab", "notebook"):
        if version := installed(name):
            break
    else:
        return False, "no JupyterLab: python -m pip install jupyterlab (VS Code needs none, and brings its own widgets)"
    if installed("jupyterlab_widgets"):
        return True, f"{name} {version}, with its widgets"
    return False, f"{name} {version} without its widgets: python -m pip install jupyterlab_widgets"


if __name__ == "__main__":
    sys.exit(main())
