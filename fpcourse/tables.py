"""Table: rows of text for a terminal and for a notebook; ShownAsTable: a result that is read as one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

NUMBER = ' class="fp-number"'
MOST_FOLDED = 2000  # rows; browsers match what hides them in quadratic time
INDENTED = (
    ".fp-table td[style] { padding-inline-start: calc(1.6em + 1em * var(--fp-depth)); }"
    ".fp-table details { margin: 0 0 0 -1em; padding: 0; border: 0; } .fp-table summary { cursor: pointer; }"
)


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of text under ``headers``; columns named in ``numeric`` are set flush right.

    ``str(table)`` is for a terminal, the HTML for a notebook; both hold the same cells. ``error`` is the index of
    a row and what went wrong there, which stands under it. ``depths``, one a row, makes the HTML a tree: a row folds
    the deeper ones that follow it. Folds below the outermost rows begin closed, and print open.

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
    error: tuple[int, str] | None = None
    depths: tuple[int, ...] = ()

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
        if self.error:
            row, what = self.error
            text.insert(row + 3, f"  ^ {what}")
        return "\n".join(text + ([rule, line(self.total)] if self.total else []))

    def _repr_html_(self) -> str:
        folds = _Folds(self.depths, self.error) if 0 < len(self.depths) <= MOST_FOLDED else None
        body = "".join(self._row(at, folds) for at in range(len(self.rows)))
        foot = f"<tfoot><tr>{''.join(self._cells(self.total))}</tr></tfoot>" if self.total else ""
        head = "".join(self._cells(self.headers, 'th scope="col"'))
        name = escape(f"Table: {', '.join(self.headers)}")
        return (
            f'<div class="fp-table" tabindex="0" role="group" aria-label="{name}">{folds.style() if folds else ""}'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>"
        )

    def _row(self, at: int, folds: "_Folds | None") -> str:
        cells = self._cells(self.rows[at])
        classes = []
        if folds and cells:
            cells[0] = folds.folding(at, cells[0])
            classes = [f"fp-in-{fold}" for fold in folds.around[at]]
        has_raised = self.error is not None and self.error[0] == at
        opening = f'<tr class="{" ".join(classes + ["fp-raised"] * has_raised)}">' if classes or has_raised else "<tr>"
        error = f'{opening}<td colspan="{len(cells)}">{escape(self.error[1])}</td></tr>' if has_raised else ""
        return f"{opening}{''.join(cells)}</tr>{error}"

    def _cells(self, cells: tuple[str, ...], opening: str = "td") -> list[str]:
        return [
            f"<{opening}{NUMBER if header in self.numeric else ''}>{escape(cell)}</{opening[:2]}>"
            for cell, header in zip(cells, self.headers, strict=True)
        ]


class _Folds:
    """The rows of a tree in HTML: a row with deeper ones after it is a ``<details>``, and CSS hides those with it.

    So the columns stay those of one table. Where the style is dropped, as in a notebook that is not trusted, all
    rows are seen.
    """

    def __init__(self, depths: Sequence[int], error: tuple[int, str] | None):
        self.depths = depths
        self.around: list[tuple[int, ...]] = []  # for each row the rows that it folds under
        path: tuple[int, ...] = ()
        for at, depth in enumerate(depths):
            while path and depths[path[-1]] >= depth:
                path = path[:-1]
            self.around.append(path)
            path += (at,)
        outermost = min(depths)
        self.folds = sorted({fold for path in self.around for fold in path})
        self.open = {fold for fold in self.folds if depths[fold] == outermost}.union(
            self.around[error[0]] if error else ()
        )

    def folding(self, at: int, cell: str) -> str:
        """The first cell of a row, as deep as the row, and what folds the rows inside it, if there are any."""
        opening, _, text = cell.removesuffix("</td>").partition(">")
        text = text.lstrip()
        if at in self.folds:
            text = f'<details class="fp-fold-{at}"{" open" * (at in self.open)}><summary>{text}</summary></details>'
        return f'{opening} style="--fp-depth: {self.depths[at]}">{text}</td>'

    def style(self) -> str:
        hidden = "".join(
            f".fp-table:has(.fp-fold-{at}:not([open])) .fp-in-{at} {{ display: none; }}" for at in self.folds
        )
        return f"<style>{INDENTED}@media screen {{ {hidden} }}</style>"


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
