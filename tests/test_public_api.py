"""The package's front door: lazy, honest about its names, the same object at every reading."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from refresh import NOTEBOOKS, ROOT

import fpcourse

PACKAGE = Path(fpcourse.__file__).parent
ROOMS = {module.name for module in pkgutil.iter_modules(fpcourse.__path__)} - {"__main__"}
# What each room may import from. ``page`` lends its colours to ``plots``, and knows no model, trace or patient itself.
MAY_IMPORT = {
    "models": set(),
    "tables": set(),
    "page": set(),
    "measure": {"models", "tables"},
    "cohort": {"tables"},
    "training": {"cohort", "measure", "models", "tables"},
    "plots": {"measure", "page", "tables"},
    "checks": {"cohort", "measure", "models", "tables", "training"},
    "explorables": {"cohort", "measure", "models", "page", "plots"},
}


def fresh(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_name_read_twice_is_one_object():
    # A name that is also a module's gives the object first and the module afterwards.
    fresh(
        "import fpcourse, types\n"
        "first = {name: getattr(fpcourse, name) for name in fpcourse.__all__}\n"
        "for name, value in first.items():\n"
        "    assert getattr(fpcourse, name) is value, name\n"
        "    assert callable(value) and not isinstance(value, types.ModuleType), name\n"
        "    assert value.__module__.startswith('fpcourse.'), name\n"
    )


def test_no_public_name_is_a_rooms_name():
    assert set(MAY_IMPORT) == ROOMS
    assert not set(fpcourse.__all__) & ROOMS


def test_a_room_can_be_entered_from_the_package():
    fresh("import fpcourse; assert fpcourse.plots.histograms and fpcourse.training.train")


def rooms_imported(file: Path) -> set[str]:
    """The rooms of the package from which a module imports, also by way of the front door."""
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fpcourse":
            rooms |= {fpcourse._HOME.get(alias.name, alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("fpcourse."):
            rooms.add(node.module.split(".")[1])
    return rooms


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room):
    files = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").exists() else (PACKAGE / room).rglob("*.py")
    assert set().union(*map(rooms_imported, files)) - {room} <= MAY_IMPORT[room]


def test_importing_the_package_loads_nothing_heavy():
    loaded = fresh("import fpcourse, sys; print(*sys.modules, sep='\\n')").split()
    assert "fpcourse" in loaded
    assert not {"torch", "numpy", "matplotlib", "IPython", "ipywidgets"} & set(loaded)


def test_what_measures_loads_nothing_that_draws():
    """Nor does a checker load what shows figures."""
    printed = fresh(
        "import sys\n"
        "from fpcourse.measure import autograd, modes, statistics, tracing\nprint(*sys.modules)\n"
        "from fpcourse.checks.exercises import checkers\ncheckers()\nprint(*sys.modules)"
    )
    measuring, checking = (set(line.split()) for line in printed.splitlines())
    assert "torch" in measuring
    assert not {"matplotlib", "IPython", "ipywidgets"} & measuring
    assert not {"IPython", "ipywidgets"} & checking


def test_names_are_listed_once_and_unknown_ones_refused():
    assert dir(fpcourse) == sorted(fpcourse.__all__)
    assert len(set(fpcourse.__all__)) == len(fpcourse.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tracee'"):
        fpcourse.tracee  # noqa: B018


def test_what_the_texts_name_is_there():
    files = [*ROOT.glob("*.md"), *(ROOT / "book").rglob("*.md"), *NOTEBOOKS]
    texts = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf8") for file in files}
    named = {(text, name) for text in texts for name in re.findall(r"\bfpcourse(?:\.[a-zA-Z_]\w*)+", texts[text])}
    assert len(named) > 60 and {(text, name) for text, name in named if not resolved(name)} == set()
    paths = re.findall(r"`((?:book|fpcourse|tests|tools)/[\w./]+)`", texts["CONTRIBUTING.md"])
    assert len(paths) > 15 and [path for path in paths if not (ROOT / path).exists()] == []


def resolved(name: str) -> bool:
    try:
        return pkgutil.resolve_name(name) is not None
    except (AttributeError, ImportError):
        return False
