"""How a formula is typeset in the build; what became of each on its page is asked in test_pages."""

import pytest
import static_maths


@pytest.mark.parametrize(
    ("tex", "fault"),
    [
        (r"\frac{1}{2", "Missing close brace"),
        (r"\nosuch", r"Undefined control sequence \\nosuch"),
        ("x^2^3", "Double exponent"),
        (r"\begin{nosuch} x \end{nosuch}", "Unknown environment"),
        (r"\text{ŷ}", "not in MathJax's font"),
    ],
)
def test_what_mathjax_cannot_show_is_an_error(tex, fault):
    with pytest.raises(ValueError, match=fault):
        static_maths.typeset(tex, True)


def test_a_formula_is_the_same_whatever_came_before():
    first = static_maths.typeset("x^2", False)
    static_maths.typeset.cache_clear()
    with pytest.raises(ValueError):
        static_maths.typeset(r"\frac", False)
    static_maths.typeset(r"\frac{x}{y}", True)
    assert static_maths.typeset("x^2", False) == first
    assert static_maths.typeset("x^2", True) != first
