"""Table: rows of text for a terminal and for a notebook; ShownAsTable: a result that is read as one."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

NUMBER = ' class="fp-number"'


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of text under ``headers``; columns named in ``numeric`` are set flush right.

    ``str(table)`` is for a terminal, the HTML for a notebook; both hold the same cells.

    Example:
        >>> from fpcourse import Table
        >>> print(Table(("layer", "parameters"), (("layer1", "1,344"),), numeric=frozenset({"parameters"})))
        layer   parameters
        ------  ----------
        layer1       1,344
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()
    total: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"Table({len(self.rows)} rows: {', '.join(self.headers)})"

    def __str__(self) -> str:
        lines = [self.headers, *self.rows] + ([self.total] if self.total else [])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

        def line(cells: tuple[str, ...]) -> str:
            padded = [
                cell.rjust(width) if header in self.numeric else cell.ljust(width)
                for cell, width, header in zip(cells, widths, self.headers, strict=True)
            ]
            return "  ".join(padded).rstrip()

        rule = "  ".join("-" * width for width in widths)
        text = [line(self.headers), rule, *map(line, self.rows)]
        return "\n".join(text + ([rule, line(self.total)] if self.total else []))

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], opening: str) -> str:
            return "".join(
                f"<{opening}{NUMBER if header in self.numeric else ''}>{escape(cell)}</{opening[:2]}>"
                for cell, header in zip(cells, self.headers, strict=True)
            )

        body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows)
        foot = f"<tfoot><tr>{row(self.total, 'td')}</tr></tfoot>" if self.total else ""
        head = row(self.headers, 'th scope="col"')
        name = escape(f"Table: {', '.join(self.headers)}")
        return (
            f'<div class="fp-table" tabindex="0" role="group" aria-label="{name}">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>"
        )


def check_columns(columns: Iterable[str], known: Iterable[str]) -> None:
    """Raise a ValueError for a column that is not among the known ones."""
    for column in columns:
        if column not in known:
            raise ValueError(f"unknown column {column!r}; choose from {', '.join(known)}")


class ShownAsTable:
    """For results with a ``table()``: the table is what ``print`` and a notebook show."""

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
