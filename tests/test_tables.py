"""parts: what a terminal and a notebook show of a Table and a Listing is the same."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpcourse.page.listing import Listing
from fpcourse.tables import ShownAsTable, Table


class Reader(HTMLParser):
    """Reads cells, classes and attributes out of HTML, and checks that each tag is closed in turn."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.rows, self.open, self.tags, self.text, self.marked = [], [], [], "", []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append((self.open[-2], []))
        if tag in ("td", "th"):
            self.rows[-1][1].append("")
        if tag == "mark":
            self.marked.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1] in ("td", "th", "summary"):
            self.rows[-1][1][-1] += data
        if "mark" in self.open:
            self.marked[-1] += data

    def attributes(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


TABLE = Table(
    ("layer", "type", "parameters"),
    (("fc", "Linear", "1,344"), ("relu:1", "ReLU", "0")),
    frozenset({"parameters"}),
    ("total", "", "1,344"),
)

TEXT = """\
layer   type    parameters
------  ------  ----------
fc      Linear       1,344
relu:1  ReLU             0
------  ------  ----------
total                1,344"""


def test_text_of_a_table():
    assert str(TABLE) == TEXT
    without_total = Table(TABLE.headers, TABLE.rows, TABLE.numeric)
    assert str(without_total) == "\n".join(TEXT.splitlines()[:4])


def test_html_of_a_table_holds_the_same_cells():
    reader = Reader(TABLE._repr_html_())
    assert reader.rows == [
        ("thead", ["layer", "type", "parameters"]),
        ("tbody", ["fc", "Linear", "1,344"]),
        ("tbody", ["relu:1", "ReLU", "0"]),
        ("tfoot", ["total", "", "1,344"]),
    ]
    assert "tfoot" not in dict(Reader(Table(("a",), (("b",),))._repr_html_()).tags)


def test_html_marks_numeric_columns_headers_and_its_name():
    reader = Reader(TABLE._repr_html_())
    numeric = {"class": "fp-number"}
    assert reader.attributes("td") == [{}, {}, numeric] * 3
    assert reader.attributes("th") == [{"scope": "col"}, {"scope": "col"}, {"scope": "col", **numeric}]
    (box,) = reader.attributes("div")
    assert box == {
        "class": "fp-table",
        "tabindex": "0",
        "role": "group",
        "aria-label": "Table: layer, type, parameters",
    }


cell = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[cell] * n), min_size=1, max_size=5)))
def test_any_text_survives_in_both_forms(lines):
    headers = tuple(f"column {number}" for number in range(len(lines[0])))
    table = Table(headers, tuple(lines), frozenset(headers[:1]))
    assert [row for _, row in Reader(table._repr_html_()).rows] == [list(headers), *map(list, lines)]
    text = str(table).split("\n")
    ends = [match.span() for match in re.finditer("-+", text[1])]
    for line, cells in zip(text[2:], lines, strict=True):
        cut = [line.ljust(ends[-1][1])[start:stop] for start, stop in ends]
        assert [piece.strip() for piece in cut] == [piece.strip() for piece in cells]
        # Flush right in the numeric column, flush left elsewhere: padding stands on one side only.
        assert cut[0].endswith(cells[0]) or len(cells) == 1
        assert all(piece.startswith(whole) for piece, whole in zip(cut[1:], cells[1:], strict=True))


def test_markup_is_escaped():
    table = Table(('<b>"&"</b>',), (("<script>alert(1)</script>",), ("a & b",)))
    html = table._repr_html_()
    assert "<script" not in html and "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html and "a &amp; b" in html
    assert Reader(html).attributes("div")[0]["aria-label"] == 'Table: <b>"&"</b>'


def test_a_table_without_rows_is_its_header():
    assert str(Table(("a", "bc"), ())) == "a  bc\n-  --"
    assert Reader(Table(("a",), ())._repr_html_()).rows == [("thead", ["a"])]


def test_a_row_of_another_length_is_an_error():
    for broken in (Table(("a", "b"), (("1",),)), Table(("a",), (("1",),), total=("1", "2"))):
        with pytest.raises(ValueError):
            str(broken)
        with pytest.raises(ValueError):
            broken._repr_html_()


def test_shown_as_table_shows_its_table():
    class Result(ShownAsTable):
        def table(self):
            return TABLE

    assert str(Result()) == TEXT
    assert Result()._repr_html_() == TABLE._repr_html_()


SOURCE = 'def forward(self, x):\n    if x < 1 & y > "2":\n\n        return x'


def test_listing_lights_its_lines():
    listing = Listing(SOURCE, active=(1, 3))
    assert str(listing).splitlines() == [
        "  def forward(self, x):",
        '>     if x < 1 & y > "2":',
        "  ",
        ">         return x",
    ]
    reader = Reader(listing._repr_html_())
    assert reader.text == SOURCE + "\n"
    assert reader.marked == ['    if x < 1 & y > "2":\n', "        return x\n"]
    (box,) = reader.attributes("pre")
    assert box["class"] == "fp-listing" and box["tabindex"] == "0" and box["role"] == "group"
    assert box["aria-label"]


def test_listing_with_no_active_line():
    assert Reader(Listing(SOURCE)._repr_html_()).marked == []
    assert ">     " not in str(Listing(SOURCE))


TREE = Table(
    ("layer", "parameters"),
    (("net", "0"), ("  a", "0"), ("    a.0", "6"), ("    a.1", "0"), ("  b", "0"), ("    b.0", "4"), ("  end", "2")),
    numeric=frozenset({"parameters"}),
    depths=(0, 1, 2, 2, 1, 2, 1),
)


def test_a_tree_folds_what_lies_deeper():
    html = TREE._repr_html_()
    reader = Reader(html)
    assert [cells for part, cells in reader.rows if part == "tbody"] == [[name.strip(), n] for name, n in TREE.rows]
    assert re.findall("<summary>(.*?)</summary>", html) == ["net", "a", "b"]
    assert ["open" in fold for fold in reader.attributes("details")] == [True, False, False]
    inside = ["", "fp-in-0", "fp-in-0 fp-in-1", "fp-in-0 fp-in-1", "fp-in-0", "fp-in-0 fp-in-4", "fp-in-0"]
    assert [row.get("class", "") for row in reader.attributes("tr")[1:]] == inside
    (style,) = re.findall("<style>(.*?)</style>", html)
    for fold in (0, 1, 4):
        assert f".fp-table:has(.fp-fold-{fold}:not([open])) .fp-in-{fold} {{ display: none; }}" in style
    assert str(TREE) == str(Table(TREE.headers, TREE.rows, TREE.numeric))


def test_an_error_stands_under_its_row_and_no_fold_hides_it():
    table = replace(TREE, error=(5, "RuntimeError; it expects <4>"))
    assert str(table).splitlines()[8] == "  ^ RuntimeError; it expects <4>"
    reader = Reader(table._repr_html_())
    assert reader.rows[7] == ("tbody", ["RuntimeError; it expects <4>"])
    assert [row["class"] for row in reader.attributes("tr")[6:8]] == ["fp-in-0 fp-in-4 fp-raised"] * 2
    assert ["open" in fold for fold in reader.attributes("details")] == [True, False, True]


def test_a_tree_of_numbers_and_one_of_too_many_rows():
    numbers = replace(TREE, numeric=frozenset(TREE.headers))
    assert Reader(numbers._repr_html_()).attributes("td")[0] == {"class": "fp-number", "style": "--fp-depth: 0"}
    assert "<tr" in Table((), ((), ()), depths=(0, 1))._repr_html_()
    large = replace(TREE, rows=TREE.rows * 300, depths=TREE.depths * 300)
    assert "<details" not in large._repr_html_() and {large: 1}


def test_reprs_are_plain():
    assert repr(TABLE) == "Table(2 rows: layer, type, parameters)"
    assert repr(Listing("x = 1", (0,))) == "Listing(source='x = 1', active=(0,))"
