"""exercise, Attempt, check: what a checker is made of, how a reader's function is run, and what is said of it."""

import difflib
import dis
import random
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any, NoReturn

import torch
from torch import nn

import fpcourse
from fpcourse.checks.forms import Gaps, Lines, answer
from fpcourse.checks.line_limit import LIBRARIES, TooManyLines, line_limit
from fpcourse.measure.preserve import same_random_state

LINES = 300_000  # far more than an exercise takes, and still less than a second
CHAPTERS = (
    *("forward_pass", "building", "shapes", "tracing", "gradients", "autograd", "activations", "modes"),
    *("interview", "drills", "clinic"),
)
WRITE = "Write its body, then run this cell again."
UNFORESEEN = "Comparing it raised"
MISCONCEPTIONS = "reference/misconceptions"
RETURNS = {"LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}  # what an empty function is made of
Run = Callable[["Attempt"], None]
_CHECKERS: dict[str, "Checker"] = {}


@dataclass(frozen=True)
class Verdict:
    """What a check found: ``state`` is ``"not attempted"``, ``"not yet"`` or ``"passed"``, ``message`` says why.

    ``misconception`` is the number of the entry in the book's list that the answer looks like, where there is one.
    """

    exercise: str
    state: str
    message: str
    misconception: int | None = None
    looks_like: str = ""  # the end of the message: what the answer looks like

    def __str__(self) -> str:
        link = f" See misconception {self.misconception}, {MISCONCEPTIONS}.md." if self.misconception else ""
        return f"{self.exercise}: {self.state}. {self.message}{link}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        link = (
            f' See <a href="{MISCONCEPTIONS}.md">misconception {self.misconception}</a>.' if self.misconception else ""
        )
        text = f"<strong>{escape(self.exercise)}: {self.state}.</strong> {escape(self.message)}{link}"
        return f'<p class="fp-verdict">{text}</p>'


@dataclass(frozen=True)
class Checker:
    """One exercise: ``run`` puts an attempt to the test, ``then`` says what to try next.

    ``forms`` is how a page without Python asks for it, and its twin: the same in another way.
    """

    run: Run
    then: str
    forms: tuple[Gaps | Lines, ...] = ()


@dataclass(frozen=True)
class Suspect:
    """A wrong answer that people really give: what comes out then, what it looks like, and its misconception."""

    value: Any
    looks_like: str
    misconception: int | None = None


class NotYet(Exception):
    """The attempt does not do what was asked."""

    def __init__(self, message: str, misconception: int | None = None, looks_like: str = ""):
        super().__init__(f"{message} {looks_like}".rstrip())
        self.misconception = misconception
        self.looks_like = looks_like


class NotAttempted(Exception):
    """Nothing was written yet, or not all of it."""


def exercise(*, then: str, forms: tuple[Gaps | Lines, ...] = ()) -> Callable[[Run], Run]:
    """Register the decorated function as the checker of the exercise of its name."""

    def register(run: Run) -> Run:
        _CHECKERS[run.__name__] = Checker(run, then, forms)
        return run

    return register


def check(attempt: Callable) -> Verdict:
    """Put a function to the test of the exercise that has its name; ``solution_<name>`` is checked like ``<name>``.

    It is run on fresh random inputs. The random state, the grad mode and the trace function are afterwards what they
    were. A loop that never ends is stopped after 300,000 lines of Python.

    Returns:
        A ``Verdict``: not attempted, not yet with the reason, or passed with what to try next.

    Raises:
        TypeError: ``attempt`` is not a function.
        ValueError: no exercise has its name.

    Example:
        >>> from fpcourse import check
        >>> def predict_risk(model, X):
        ...     return model(X)
        >>> check(predict_risk).state
        'not yet'
    """
    with same_random_state(), torch.set_grad_enabled(torch.is_grad_enabled()):
        torch.seed()
        random.seed()  # the checkers draw from both
        return _verdict(attempt)


def check_form(form: Gaps | Lines, key: str) -> Verdict:
    """The verdict on what a reader's choices in a page make, on inputs that are the same each time."""
    with same_random_state():
        torch.manual_seed(0)
        random.seed(0)
        return _verdict(answer(form, key))


def _verdict(attempt: Callable) -> Verdict:
    name, checker = _checker_of(attempt)
    run = Attempt(name, attempt)
    try:
        checker.run(run)
        return Verdict(name, "passed", checker.then)
    except NotAttempted as not_attempted:
        return Verdict(name, "not attempted", str(not_attempted))
    except NotYet as not_yet:
        return Verdict(name, "not yet", str(not_yet), not_yet.misconception, not_yet.looks_like)
    except Exception as error:  # the checker's own, over an answer of a form that it does not foresee
        if not run.tried:
            raise
        words = run.in_words(run.result, "an answer of the form that the task asks for")
        return Verdict(name, "not yet", f"{words} {UNFORESEEN} {_said(error)}")


def checkers() -> dict[str, Checker]:
    """The checker of each exercise, in the order of the chapters."""
    for chapter in CHAPTERS:
        import_module(f"fpcourse.checks.{chapter}")
    return _CHECKERS


def _checker_of(attempt: Callable) -> tuple[str, Checker]:
    if not callable(attempt) or not hasattr(attempt, "__name__"):
        raise TypeError(
            f"check() takes the function itself, got {describe(attempt)}. Write check(my_function), without calling it."
        )
    name, known = attempt.__name__.removeprefix("solution_"), checkers()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or list(known)
        raise ValueError(f"no exercise is called {name!r}. Keep the name of the starter; there is: {', '.join(near)}.")
    return name, known[name]


class Attempt:
    """A reader's function, run under guard. Calling it calls the function.

    What the function raises, an endless loop, and an answer that was not filled in become the verdict. ``tried``
    says in words what was put in; without it, the arguments are described.
    """

    def __init__(self, name: str, function: Callable):
        self.name = name
        self.function = function
        self.tried = ""
        self.result: Any = None  # of the last call

    def __call__(self, *args: Any, tried: str = "", **kwargs: Any) -> Any:
        with self.running(tried or self._described(args, kwargs)):
            self.result = self.function(*args, **kwargs)
        missing = _count_unfilled(self.result)
        if missing:
            raise NotAttempted(f"Replace each ... by your answer ({missing} to go), then run this cell again.")
        return self.result

    @contextmanager
    def running(self, tried: str) -> Iterator[None]:
        """A block that runs the reader's code: a hook it has put on a model, a module it has returned."""
        self.tried = tried
        if _is_empty(self.function):
            raise NotAttempted(WRITE)
        try:
            with line_limit(LINES):
                yield
        except NotImplementedError:
            raise NotAttempted(WRITE) from None
        except TooManyLines:
            raise NotYet(f"Tried {tried}. It was stopped after {LINES:,} lines: does a loop never end?") from None
        except (NotYet, NotAttempted):
            raise
        except Exception as error:
            raise NotYet(f"Tried {tried}. It raised {_said(error)}") from None

    def error(self, *args: Any, tried: str = "", **kwargs: Any) -> Exception | None:
        """The exception that the function raises on these arguments; None if it returns."""
        with self.running(tried or self._described(args, kwargs)):
            try:
                self.function(*args, **kwargs)
            except NotImplementedError:
                raise
            except Exception as error:
                return error
        return None

    def _described(self, args: tuple, kwargs: dict) -> str:
        arguments = [*map(describe, args), *(f"{name}={describe(value)}" for name, value in kwargs.items())]
        return f"{self.name}({', '.join(arguments)})"

    def fail(self, came_out: Any, expected: Any, looks_like: str = "", misconception: int | None = None) -> NoReturn:
        """End the check: what was tried, what came out, what was expected, and what the answer looks like."""
        raise NotYet(self.in_words(came_out, expected), misconception, looks_like)

    def in_words(self, came_out: Any, expected: Any) -> str:
        return f"Tried {self.tried}. Came out: {_shown(came_out)}. Expected: {_shown(expected)}."

    def require(
        self, holds: bool, came_out: Any, expected: Any, looks_like: str = "", misconception: int | None = None
    ) -> None:
        """End the check as ``fail`` does, unless ``holds``."""
        if not holds:
            self.fail(came_out, expected, looks_like, misconception)

    def dictionary(self, result: Any, keys: Iterable) -> None:
        """End the check unless ``result`` is a dictionary with these keys."""
        expected = f"a dictionary with the keys {', '.join(map(str, keys))}"
        nothing = "A function without a return statement returns None." if result is None else ""
        self.require(isinstance(result, dict), result, expected, nothing)
        self.require(result.keys() == set(keys), f"keys {', '.join(map(str, result))}", expected)

    def tensor(self, result: Any, shape: Sequence[int]) -> None:
        """End the check unless ``result`` is a tensor of this shape."""
        is_it = isinstance(result, torch.Tensor) and result.shape == tuple(shape)
        self.require(is_it, result, f"a tensor of shape {tuple(shape)}")

    def equal(self, result: Any, expected: Any, suspects: Sequence[Suspect] = (), what: str = "") -> None:
        """End the check unless ``result`` equals ``expected``: tensors up to rounding, with shape; others by ``==``.

        The first of the ``suspects`` whose value equals the result says what the answer looks like. ``what`` names
        the part of an answer that is compared.
        """
        if same(result, expected):
            return
        if result is None:
            self.fail("None", expected, "A function without a return statement returns None.")
        suspect = next((suspect for suspect in suspects if same(result, suspect.value)), Suspect(None, ""))
        try:
            texts = _difference(result, expected)
        except Exception:  # tensors without values, as on the meta device
            texts = _shown(result), _shown(expected)
        self.fail(*(f"{what} {text}" if what else text for text in texts), suspect.looks_like, suspect.misconception)


def same(result: Any, expected: Any) -> bool:
    """Whether two answers are equal: tensors in shape and, up to rounding, in value; a bool is not a number.

    What cannot be compared is not equal.
    """
    try:
        return _equal(result, expected)
    except Exception:  # an array has no truth, a meta tensor no value
        return False


def _equal(result: Any, expected: Any) -> bool:
    if isinstance(expected, torch.Tensor):
        if not isinstance(result, torch.Tensor) or result.shape != expected.shape:
            return False
        return torch.allclose(
            result.detach().double(), expected.detach().double(), rtol=1e-4, atol=1e-5, equal_nan=True
        )
    if isinstance(expected, float):
        if not _is_number(result):
            return False
        number = result.item() if isinstance(result, torch.Tensor) else result  # float() warns where a graph is
        return abs(number - expected) <= 1e-4 * max(1.0, abs(expected))
    if isinstance(expected, bool) or isinstance(result, bool):
        return isinstance(result, bool) and isinstance(expected, bool) and result == expected
    if isinstance(expected, (list, tuple)):
        return isinstance(result, (list, tuple)) and len(result) == len(expected) and all(map(same, result, expected))
    if isinstance(expected, dict):
        return (
            isinstance(result, dict)
            and result.keys() == expected.keys()
            and all(same(result[key], value) for key, value in expected.items())
        )
    return not isinstance(result, torch.Tensor) and bool(result == expected)


def describe(value: Any) -> str:
    """A value as an argument in a sentence: a tensor by its shape, a model by its type and mode."""
    try:
        return _described(value)
    except Exception:  # a repr may raise, and a meta tensor has no value
        return f"a value of type {type(value).__name__}"


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}" if value.dim() else f"tensor({value.item():.4g})"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, nn.Module):
        return f"{type(value).__name__} in {'train' if value.training else 'eval'} mode"
    if isinstance(value, (list, tuple)) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _difference(result: Any, expected: Any) -> tuple[str, str]:
    """Both answers in words; of two dictionaries or lists the first part in which they differ."""
    if isinstance(expected, dict) and isinstance(result, dict):
        if result.keys() != expected.keys():
            return f"keys {sorted(map(str, result))}", f"keys {sorted(map(str, expected))}"
        key = next(key for key, value in expected.items() if not same(result[key], value))
        return f"{key!r}: {_shown(result[key])}", f"{key!r}: {_shown(expected[key])}"
    if isinstance(expected, torch.Tensor) and isinstance(result, torch.Tensor) and result.shape == expected.shape:
        if not expected.numel():
            return _shown(result), _shown(expected)
        gap = (result.detach().double() - expected.detach().double()).abs().flatten()
        at = int(gap.nan_to_num(torch.inf).argmax())
        place = [int(index) for index in torch.unravel_index(torch.tensor(at), expected.shape)]
        where = f" at {place}" if place else ""
        return f"{result.flatten()[at].item():.4g}{where}", f"{expected.flatten()[at].item():.4g}{where}"
    return _shown(result), _shown(expected)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else describe(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() == 1 and value.dim() == 0
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _said(error: Exception) -> str:
    """An error with the line of the reader's code that it came from, which is the last outside of libraries."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*LIBRARIES, *fpcourse.__path__)) and frame.line
    ]
    where = f' It came from the line "{frames[-1].line}".' if frames else ""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}.{where}"


def _is_empty(function: Callable) -> bool:
    """Whether a function's body is ``...``, ``pass`` or a docstring: it loads None and returns it."""
    if not hasattr(function, "__code__"):
        return False
    steps = [step for step in dis.get_instructions(function) if step.opname not in ("RESUME", "NOP")]
    return len(steps) <= 2 and steps[0].argval is None and {step.opname for step in steps} <= RETURNS


def _count_unfilled(result: Any) -> int:
    """How many places of an answer still hold ``...``."""
    if result is ...:
        return 1
    if isinstance(result, dict):
        return sum(map(_count_unfilled, result.values()))
    if isinstance(result, (list, tuple)):
        return sum(map(_count_unfilled, result))
    return 0
