"""Table: rows of text for a terminal and for a notebook; ShownAsTable: a result that is read as one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

NUMBER = ' class="fp-number"'
INDENTED = (
    ".fp-table td[style] { padding-inline-start: calc(1.6em + 1em * var(--fp-depth)); }"
    ".fp-table details { margin: 0 0 0 -1em; padding: 0; border: 0; } .fp-table summary { cursor: pointer; }"
)


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of text under ``headers``; columns named in ``numeric`` are set flush right.

    ``str(table)`` is for a terminal, the HTML for a notebook; both hold the same cells. ``errors`` gives by the index
    of a row what went wrong there, which stands under it. ``depths``, one a row, makes the HTML a tree: a row folds
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
    errors: Mapping[int, str] = field(default_factory=dict)
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
        text = [line(self.headers), rule]
        for at, cells in enumerate(self.rows):
            text += [line(cells), f"  ^ {self.errors[at]}"] if at in self.errors else [line(cells)]
        return "\n".join(text + ([rule, line(self.total)] if self.total else []))

    def _repr_html_(self) -> str:
        folds = _Folds(self.depths, self.errors) if self.depths else None
        body = ""
        for at, cells in enumerate(self.rows):
            classes = folds.classes(at) if folds else ""
            classes += " fp-raised" * (at in self.errors)
            opening = f'<tr class="{classes.strip()}">' if classes else "<tr>"
            first = folds.cell(at, cells[0]) + self._cells(cells[1:], "td", 1) if folds else self._cells(cells, "td")
            body += f"{opening}{first}</tr>"
            if at in self.errors:
                body += f'{opening}<td colspan="{len(cells)}">{escape(self.errors[at])}</td></tr>'
        foot = f"<tfoot><tr>{self._cells(self.total, 'td')}</tr></tfoot>" if self.total else ""
        head = self._cells(self.headers, 'th scope="col"')
        name = escape(f"Table: {', '.join(self.headers)}")
        return (
            f'<div class="fp-table" tabindex="0" role="group" aria-label="{name}">{folds.style() if folds else ""}'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>"
        )

    def _cells(self, cells: tuple[str, ...], opening: str, start: int = 0) -> str:
        return "".join(
            f"<{opening}{NUMBER if header in self.numeric else ''}>{escape(cell)}</{opening[:2]}>"
            for cell, header in zip(cells, self.headers[start:], strict=True)
        )


class _Folds:
    """The rows of a tree in HTML: a row with deeper ones after it is a ``<details>``, and CSS hides those with it.

    So the columns stay those of one table. Where the style is dropped, as in a notebook that is not trusted, all
    rows are seen.
    """

    def __init__(self, depths: Sequence[int], errors: Iterable[int]):
        self.depths = depths
        self.around: list[tuple[int, ...]] = []  # for each row the rows that it folds under
        path: tuple[int, ...] = ()
        for at, depth in enumerate(depths):
            while path and depths[path[-1]] >= depth:
                path = path[:-1]
            self.around.append(path)
            path += (at,)
        self.folds = {fold for path in self.around for fold in path}
        self.open = {at for at in self.folds if depths[at] == min(depths)}.union(*(self.around[at] for at in errors))

    def classes(self, at: int) -> str:
        return " ".join(f"fp-in-{fold}" for fold in self.around[at])

    def cell(self, at: int, text: str) -> str:
        text = escape(text.lstrip())
        if at in self.folds:
            text = f'<details class="fp-fold-{at}"{" open" * (at in self.open)}><summary>{text}</summary></details>'
        return f'<td style="--fp-depth: {self.depths[at]}">{text}</td>'

    def style(self) -> str:
        hidden = "".join(
            f".fp-table:has(.fp-fold-{at}:not([open])) .fp-in-{at} {{ display: none; }}" for at in sorted(self.folds)
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
