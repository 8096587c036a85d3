"""Listing: source code with the active lines lit, for a reader who follows a run."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Listing:
    r"""Source code with the lines numbered in ``active`` (from 0) lit; for a reader who follows a run.

    Example:
        >>> from fpcourse import Listing
        >>> print(Listing("z = layer(x)\na = relu(z)", active=(1,)))
          z = layer(x)
        > a = relu(z)
    """

    source: str
    active: tuple[int, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            f"{'>' if number in self.active else ' '} {line}" for number, line in enumerate(self.source.splitlines())
        )

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<mark>{escape(line)}\n</mark>" if number in self.active else f"{escape(line)}\n"
            for number, line in enumerate(self.source.splitlines())
        )
        name = "Code, active line marked"
        return f'<pre class="fp-listing" tabindex="0" role="group" aria-label="{name}">{lines}</pre>'
