"""fpcourse as a package of its own: its wheel works beside what it asks for, and nothing else."""

import re
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from refresh import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "fpcourse")


def required(name: str) -> set[str]:
    """The distributions that one needs, by themselves or through others, as far as they are installed."""
    names, waiting = set(), [name]
    while waiting:
        requirements = map(Requirement, metadata.requires(waiting.pop()) or ())
        needed = {one.name for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})}
        waiting += needed - names
        names |= needed
    return names


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment that holds the wheel and, as links, what it requires."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    venv.create(folder / "environment", with_pip=False)
    python = folder / "environment" / "bin" / "python"
    [packages] = (folder / "environment").glob("lib/python*/site-packages")
    for name in required("fpcourse"):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source], check=True)
    [wheel] = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", packages, wheel], check=True)
    return python


def run(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], cwd=python.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


def test_the_wheel_holds_the_whole_package(python):
    [installed] = python.parents[1].glob("lib/python*/site-packages/fpcourse")
    assert files(installed) == files(ROOT / "fpcourse")


def test_the_readmes_code_runs_with_it_and_without_the_books_tools(python):
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf8"), flags=re.S)
    code += "\nfrom importlib.util import find_spec\nprint(find_spec('sphinx'), find_spec('pytest'))"
    done = subprocess.run([python, "-I", "-c", code], cwd=python.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "BatchNorm1d" in done.stdout and done.stdout.endswith("torch.Size([16, 64])\nNone None\n")
