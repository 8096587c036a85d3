"""The exercises' checkers: ``check(your_function)`` says whether it does what its exercise asks, and why not."""

from fpcourse.checks.exercises import Verdict, check

__all__ = ["Verdict", "check"]
