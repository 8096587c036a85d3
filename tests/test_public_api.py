"""The package's front door: lazy, honest about its names, the same object at every reading."""

import pkgutil
import subprocess
import sys

import pytest

import fpcourse

MODULES = [module.name for module in pkgutil.iter_modules(fpcourse.__path__)]
WITHOUT_DRAWING = ("models", "parts", "preserve", "tracing", "cohort", "autograd", "statistics", "modes")


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


def test_no_public_name_is_a_modules_name():
    assert {"models", "tracing"} <= set(MODULES)
    assert not set(fpcourse.__all__) & set(MODULES)


def test_importing_the_package_loads_nothing_heavy():
    loaded = fresh("import fpcourse, sys; print(*sys.modules, sep='\\n')").split()
    assert "fpcourse" in loaded
    assert not {"torch", "numpy", "matplotlib", "IPython", "ipywidgets"} & set(loaded)


def test_what_measures_knows_nothing_of_drawing_and_a_checker_of_no_explorable():
    printed = fresh(
        "import sys, importlib\n"
        f"for name in {WITHOUT_DRAWING!r}: importlib.import_module('fpcourse.' + name)\n"
        "print(*sys.modules)\n"
        "from fpcourse.checks.exercises import checkers\ncheckers()\nprint(*sys.modules)"
    )
    measuring, checking = (set(line.split()) for line in printed.splitlines())
    assert "torch" in measuring
    assert not {"matplotlib", "IPython", "ipywidgets", "fpcourse.views", "fpcourse.page.explorable"} & measuring
    assert not {"IPython", "ipywidgets", "fpcourse.page.show"} & checking


def test_names_are_listed_once_and_unknown_ones_refused():
    assert dir(fpcourse) == sorted(fpcourse.__all__)
    assert len(set(fpcourse.__all__)) == len(fpcourse.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tracee'"):
        fpcourse.tracee  # noqa: B018
