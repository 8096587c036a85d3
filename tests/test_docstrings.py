"""The examples in the docstrings run as written, and each public name has one."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import fpcourse
from fpcourse.measure.preserve import same_random_state

MODULES = [module.name for module in pkgutil.walk_packages(fpcourse.__path__, "fpcourse.")]
NO_EXAMPLE = {"download", "load"}  # they need the network, or what it brought


def examples(module):
    """The docstrings with examples; those see no name that they do not import."""
    return [test for test in doctest.DocTestFinder().find(import_module(module), globs={}) if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module, monkeypatch):
    monkeypatch.setattr("fpcourse.page.markup.display", lambda bundle, raw: None)  # what goes to the page
    runner, said = doctest.DocTestRunner(verbose=False), []
    for test in examples(module):
        with same_random_state():
            runner.run(test, out=said.append)
    assert not said, "".join(said)


def test_each_public_name_has_an_example():
    having = {test.name for module in MODULES for test in examples(module)}
    names = {name: getattr(fpcourse, name).__module__ for name in fpcourse.__all__}
    assert {name for name, module in names.items() if f"{module}.{name}" not in having} == NO_EXAMPLE
