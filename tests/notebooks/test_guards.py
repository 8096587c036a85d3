"""What nbval does not see: that outputs are there, that they are tidy, and that the prose agrees with them."""

import ast
import re
import sys

import nbformat
import pytest
from helpers.behind import checks
from helpers.notebooks import code_cells, read, sections, texts_of_outputs
from helpers.prose import captions_and_alts, computed_numbers, digits, numbers, numbers_said, plain_prose
from helpers.questions import IN_PROSE, Question
from refresh import NOTEBOOKS, normalised, text_of

IDS = [path.stem for path in NOTEBOOKS]
WORDS_ON_THE_MAIN_PATH = 3500
FIVE_QUESTIONS = "Five questions"


def shows_something(source: str) -> bool:
    """Whether running this cell must leave an output: it prints, shows, or ends in an expression."""
    tree = ast.parse(source)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return bool(called & {"print", "show", "explore"}) or isinstance(tree.body[-1], ast.Expr)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=IDS)
def notebook(request):
    return read(request.param)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_notebook_is_normalised(path):
    assert path.read_text(encoding="utf8") == text_of(normalised(read(path)))


def test_every_cell_that_shows_something_has_its_output(notebook):
    for cell in code_cells(notebook):
        assert cell.execution_count, f"{cell.id} was not run"
        has_output = any(text.strip() for text in texts_of_outputs(cell))
        assert has_output == shows_something(cell.source), cell.id


def test_no_error_no_warning_and_no_path(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id
        for text in texts_of_outputs(cell):
            assert not re.search(
                r"Traceback|(?<![\w<])/(home|root|work|tmp|usr|Users)/|[A-Z]:\\\\| at 0x[0-9a-f]+", text
            ), cell.id


def test_no_widget_state_and_a_picture_beside_each_view(notebook):
    assert "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        calls = len(re.findall(r"^(?:show|explore|network_stage)\(", cell.source, flags=re.M))
        pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        assert len(pictures) == calls, cell.id
        for picture in pictures:
            assert "\n" in picture.data["text/plain"] or "values" not in cell.source, (
                f"{cell.id}: no numbers beside the picture"
            )


# A package that a reader may lack: one cell of one page uses it, and says what to do without.
MAY_BE_LACKING = {"08_trace_your_own": "transformers"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_only_the_courses_own_imports(path):
    allowed = {"torch", "numpy", "fpcourse", "matplotlib"} | sys.stdlib_module_names
    lacking, guarded = MAY_BE_LACKING.get(path.stem), []
    for cell in code_cells(read(path)):
        tree = ast.parse(cell.source)
        found = imported(tree)
        if lacking in found:
            tries = [node for node in tree.body if isinstance(node, ast.Try) and imports_or_says_so(node)]
            assert lacking in imported(*tries), f"{cell.id}: not in try: ... except ImportError: print"
            found.remove(lacking)
            guarded.append(cell.id)
        assert found <= allowed, cell.id
    assert len(guarded) == (lacking is not None)


def imported(*trees) -> set[str]:
    """The top-level packages that these pieces of code import."""
    names = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def imports_or_says_so(block: ast.Try) -> bool:
    """Whether a try block has the handler of an ImportError that prints something."""
    return any(
        getattr(handler.type, "id", "") == "ImportError" and "print(" in ast.unparse(handler)
        for handler in block.handlers
    )


def loose_numbers(notebook, behind=None) -> list[str]:
    """The numbers of two digits or more in prose, captions and alt texts that no run or check of their section has.

    The questions at a chapter's end are about all of its runs.
    """
    behind = behind or {}
    loose = []
    for title, prose, code in sections(notebook, behind):
        runs = [*code_cells(notebook), *behind.values()] if title == FIVE_QUESTIONS else code
        backed = {number.lstrip("-") for run in runs for number in computed_numbers(run)}
        said = numbers_said("\n".join([prose, *(text for cell in code for text in captions_and_alts(cell))]))
        loose += [f"{title}: {number}" for number in said if digits(number) > 1 and number.lstrip("-") not in backed]
    return loose


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_every_number_in_the_prose_stands_in_a_run_beside_it(path):
    assert loose_numbers(read(path), checks(path.stem)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_every_check_stands_behind_a_cell_of_its_page(path):
    assert set(checks(path.stem)) <= {cell.id for cell in read(path).cells}


def on_the_way(notebook) -> str:
    """The prose of a chapter, but for what is folded into "Go deeper"."""
    return "\n".join(prose for title, prose, _ in sections(notebook) if not title.startswith("Go deeper"))


def main_path(notebook) -> str:
    """What all read: without the five questions at the end, and of other questions without the feedback."""
    prose = "\n".join(
        prose for title, prose, _ in sections(notebook) if not title.startswith("Go deeper") and title != FIVE_QUESTIONS
    )
    return plain_prose(IN_PROSE.sub(lambda question: Question(None, question[0]).without_feedback, prose))


def test_main_path_is_short(notebook):
    words = re.findall(r"[A-Za-z][\w'’-]*", main_path(notebook))
    assert len(words) <= WORDS_ON_THE_MAIN_PATH


def minutes_needed(notebook) -> float:
    """For the main path: a minute for 200 words and for each output, 1.5 for a question, and the exercises' own."""
    on_the_path = [(prose, code) for title, prose, code in sections(notebook) if not title.startswith("Go deeper")]
    prose = "\n".join(prose for prose, _ in on_the_path)
    words = re.findall(r"[A-Za-z][\w'’-]*", main_path(notebook))
    outputs = [cell for _, code in on_the_path for cell in code if cell.outputs and not cell.id.startswith("ex-")]
    exercises = map(int, re.findall(r"(?m)^\*\*\w+ · (\d+) minutes · \w+\*\*$", prose))
    return len(words) / 200 + len(outputs) + 1.5 * len(IN_PROSE.findall(prose)) + sum(exercises)


WRITTEN_AGAIN = "00_start", "01_forward_pass", "building", "02_shapes", "03_tracing", "gradients", "04_autograd"


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem in WRITTEN_AGAIN])
def test_a_header_promises_the_minutes_that_its_page_needs(path):
    notebook = read(path)
    assert abs(int(re.search(r"\*(\d+) minutes", notebook.cells[0].source)[1]) - minutes_needed(notebook)) <= 5


def test_the_minutes_add_up(notebook):
    """A chapter's header gives the minutes of its "Go deeper" sections, and each of these gives its own."""
    deeper = [int(m[1]) for title, *_ in sections(notebook) if (m := re.match(r"Go deeper: .*\((\d+) min\)", title))]
    assert len(deeper) == sum(title.startswith("Go deeper") for title, *_ in sections(notebook))
    if deeper:
        header = re.search(r"\*\d+ minutes on the main path; (\d+) more", notebook.cells[0].source)
        assert int(header[1]) == sum(deeper)


def test_the_patients_three_numbers_are_those_of_plain_torch_on_every_page(notebook):
    """With random weights, where a page speaks of them; the first page has them with the learned weights, too."""
    import torch
    from expected.clinical_mlp import forward, layers, trained_layers

    from fpcourse import patients

    torch.manual_seed(0)
    outputs = "\n".join(text for cell in code_cells(notebook) for text in texts_of_outputs(cell))
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    networks = {"random": layers()} if re.search(r"0\.104|0\.160|0\.460", prose) else {}
    if "opening" in [cell.id for cell in notebook.cells]:
        networks["learned"] = trained_layers()
    for parts in networks.values():
        out = forward(parts, patients(16, seed=0).X, train=False)
        for number in (out["layer1"][0, 0], out["layer3"][0, 0], out["layer3"][0, 0].sigmoid()):
            assert f"{number:.3f}" in outputs


def test_a_formula_counts_with_its_numbers_and_words():
    inline = plain_prose(r"It is $\sqrt{2/256}$, or $x_{12}^2 \cdot \tfrac14$; it costs $5 and `$x` $6.")
    assert {number for number in numbers(inline) if digits(number) > 1} == {"256", "12", "14"}
    assert re.findall(r"[A-Za-z]+", inline) == ["It", "is", "or", "it", "costs", "and"]
    block = plain_prose(
        "$$\n\\text{odd} = \\begin{cases} 23\\,040 x^{-0.5} & \\text{if } y \\\\ -1.4 \\end{cases}\n$$\nSo 2.5."
    )
    assert {number.lstrip("-") for number in numbers(block)} == {"23040", "0.5", "1.4", "2.5"}
    assert re.findall(r"[A-Za-z]+", block) == ["odd", "if", "So"]


def test_no_word_that_a_reader_trips_over(notebook):
    words = "simply|just|obviously|best|the only|no other|TODO|FIXME"
    assert re.findall(rf"\b(?:{words})\b", plain_prose(on_the_way(notebook)), flags=re.I) == []


def test_a_broken_notebook_is_noticed():
    """The guards themselves: each fails on a notebook with the fault it looks for."""
    cell = nbformat.v4.new_code_cell("print(1)", id="a")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A\nIt is 1,234.", id="b"), cell])
    with pytest.raises(AssertionError):
        test_every_cell_that_shows_something_has_its_output(notebook)
    assert loose_numbers(notebook)
    notebook.cells[0].source = "# A\nIt is $x_{12}$."
    assert loose_numbers(notebook)
    notebook.metadata["widgets"] = {}
    with pytest.raises(AssertionError):
        test_no_widget_state_and_a_picture_beside_each_view(notebook)


ASKED = """\
**Predict first.** What is 5 times 2?

1. 52
2. 10
3. 25

<details>
<summary>Answer</summary>

1. Tempting, since 52 has both digits.
2. **Right.** It is {right}, {more}.
3. It looks so, because 25 is a product too.{wrong}

</details>
"""


def asking(title="A", wrong="", right="10", more="a product"):
    """A notebook whose one run prints 10 and 11, and that then asks under this heading."""
    stream = nbformat.v4.new_output("stream", name="stdout", text="10, 11\n")
    cells = [
        nbformat.v4.new_markdown_cell("# A\nTwo words.", id="a"),
        nbformat.v4.new_code_cell("print(5 * 2, 11)", outputs=[stream], id="b"),
        *([] if title == "A" else [nbformat.v4.new_markdown_cell(f"## {title}", id="c")]),
        nbformat.v4.new_markdown_cell(ASKED.format(wrong=wrong, right=right, more=more), id="d"),
    ]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize("title", ["A", FIVE_QUESTIONS])
def test_a_false_option_needs_no_run_and_the_right_one_does(title):
    assert not loose_numbers(asking(title))
    assert not loose_numbers(asking(title, wrong=" It would be 11."))
    for broken in ({"right": "12"}, {"more": "not 25"}, {"wrong": " It would be 12."}):
        assert loose_numbers(asking(title, **broken))
    assert loose_numbers(asking("Another section"))
