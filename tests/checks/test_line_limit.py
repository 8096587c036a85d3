"""A block that runs too many lines of Python is stopped, whatever it catches, and tracing is as before."""

import contextlib
import importlib.util
import itertools
import sys

import pytest

from fpcourse.checks.line_limit import TooManyLines, line_limit


def endless_and_deaf():
    while True:
        with contextlib.suppress(Exception):
            pass


def endless_generator():
    return sum(1 for _ in itertools.count())


@pytest.mark.parametrize("endless", [endless_and_deaf, endless_generator])
def test_an_endless_loop_ends(endless):
    with pytest.raises(TooManyLines), line_limit(1000):
        endless()


def counts(lines):
    for _ in range(lines):
        pass


def test_the_limit_is_in_lines():
    with line_limit(1000):
        counts(400)
    with pytest.raises(TooManyLines), line_limit(1000):
        counts(1200)


def test_lines_of_libraries_do_not_count():
    import torch

    model = torch.nn.Sequential(*(torch.nn.ReLU() for _ in range(50)))
    with line_limit(5):
        model(torch.ones(1))


def test_lines_of_the_import_system_do_not_count():
    with line_limit(100):
        for _ in range(20):
            importlib.util.find_spec("no_such_module")


@pytest.mark.parametrize("function", [lambda: None, endless_and_deaf, lambda: 1 / 0])
def test_the_trace_function_of_before_comes_back(function):
    def mine(frame, event, argument):
        return None

    outer = sys.gettrace()
    sys.settrace(mine)
    try:
        with line_limit(100):
            function()
    except (TooManyLines, ZeroDivisionError):
        pass
    finally:
        found = sys.gettrace()
        sys.settrace(outer)
    assert found is mine
