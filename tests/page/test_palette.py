"""palette: the colours of the figures and of the style sheet are the same, and can be read on both grounds."""

import re
from importlib.resources import files

import pytest

from fpcourse.page import palette

COLOURS = {name: value for name, value in vars(palette).items() if name.isupper() and isinstance(value, str)}
CSS = files("fpcourse.page").joinpath("assets", "views.css").read_text(encoding="utf8")
GROUND = {"light": "#ffffff", "dark": "#14181e"}


def sheet(theme):
    """The variables that the style sheet sets for one theme, and the selector it sets them under."""
    blocks = [(selector.strip(), body) for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", CSS)]
    ((selector, body),) = [
        block for block in blocks if "--fp-batch:" in block[1] and ("dark" in block[0]) == (theme == "dark")
    ]
    return selector, dict(re.findall(r"(--fp-\w+):\s*(#[0-9a-f]{6})\s*;", body))


def contrast(colour, ground):
    """WCAG 2: relative luminances of sRGB colours, plus 0.05, the larger over the smaller."""

    def luminance(hexadecimal):
        channels = [int(hexadecimal[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_formula():
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_every_colour_has_its_variable_and_the_sheet_the_same_hex():
    assert set(COLOURS) == {"BATCH", "FEATURES", "HIDDEN", "OUTPUT", "MUTED", "ERROR"}
    assert {value: f"--fp-{name.lower()}" for name, value in COLOURS.items()} == palette.CSS_VARIABLES
    assert sheet("light")[1] == {f"--fp-{name.lower()}": value for name, value in COLOURS.items()}


def test_the_dark_theme_sets_the_same_variables_where_figures_stand():
    selector, dark = sheet("dark")
    assert dark.keys() == sheet("light")[1].keys()
    assert 'html[data-theme="dark"] :is(.fp-view, .fp-explore, .fp-network)' in selector
    assert 'body[data-jp-theme-light="false"] :is(.fp-view, .fp-network)' in selector
    assert sheet("light")[0] == ".fp-view, .fp-explore, .fp-network"


def test_no_rule_uses_a_variable_that_is_not_set():
    set_here = set(re.findall(r"(--fp-\w+):", CSS)) | {"--fp-width"}  # the last by the svg itself
    assert set(re.findall(r"var\((--fp-\w+)", CSS)) <= set(palette.CSS_VARIABLES.values()) | set_here


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_can_be_read_on_its_ground(theme):
    ratios = {name: contrast(colour, GROUND[theme]) for name, colour in sheet(theme)[1].items()}
    assert len(ratios) == 6
    assert min(ratios.values()) >= 4.5, ratios


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_two_colours_are_the_same(theme):
    assert len(set(sheet(theme)[1].values())) == 6
