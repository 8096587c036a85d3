"""line_limit: Python code that runs for too many lines is stopped, so that an endless loop ends."""

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# The import system's own files are frozen into Python; the first tensor on the meta device imports a great deal.
LIBRARIES = (*{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}, "<frozen ")


class TooManyLines(BaseException):
    """Not an ``Exception``: a loop that catches every error must end too."""


@contextmanager
def line_limit(lines: int) -> Iterator[None]:
    """A block in which this thread runs at most ``lines`` lines of Python; the trace function of before comes back.

    Lines of installed libraries are not counted, and what runs without Python lines, ``list(itertools.count())``,
    cannot be stopped.

    Raises:
        TooManyLines: the block ran more.
    """
    before, left = sys.gettrace(), lines

    def count(frame: FrameType, event: str, _):
        nonlocal left
        if frame.f_code.co_filename.startswith(LIBRARIES):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                raise TooManyLines
        return count

    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)
