"""Colours of the pages, as they stand in their style sheets: contrast by WCAG 2.2, and distance with any colour vision, in every theme.

Contrast: 4.5:1 for text (criterion 1.4.3, AA), 3:1 for lines and marks (1.4.11). Colour blindness: the matrices for severity 1 of
Machado, Oliveira & Fernandes (2009), IEEE Trans. Vis. Comput. Graph. 15(6), on linear RGB. Distance: in OKLab (Ottosson 2020),
where some 0.02 can just be told apart; four times that is asked for.
"""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from simlab.views import matrix, phase, wiring
from simlab.views.ink import COLOURS, FAINT, INK, PAPER, THEMED
from simlab.views.sections import LOOK

VIEWS = Path(matrix.__file__).parent
TEXT = ("ink", "soft", "good", "bad", "open", "link")
LINES = ("faint", "good", "bad", "open", *(f"arm{i}" for i in range(len(COLOURS))))
APART = 0.08
VISION = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def themes(name):
    """The colours of a page by theme and name: what a theme does not set is as in the light one, or as figures in files have it."""
    text = (VIEWS / name).read_text("utf-8")
    drawn = {variable.removeprefix("--"): colour for colour, variable in THEMED.items()}

    def colours(css):
        return dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})\b", css))

    rules = re.findall(
        r"(@media \(prefers-color-scheme: dark\) \{ |@media print \{ |^):root \{([^}]*)\}", text, re.MULTILINE
    )
    light = drawn | colours(rules[0][1])
    found = {"light": light}
    found |= {("dark" if "dark" in where else "print"): light | colours(css) for where, css in rules[1:]}
    assert set(found) == {"light", "dark", "print"}
    return found


EVERY = [(page, theme, colours) for page in ("page.html", "index.html") for theme, colours in themes(page).items()]
IDS = [f"{page}-{theme}" for page, theme, _ in EVERY]


def linear(colour):
    """Linear RGB of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    c = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def blended(colour, paper, alpha):
    """A colour drawn on paper so opaquely, as a page mixes it: in sRGB as it is written."""
    one, other = (
        [int(c[1:][i : i + 2], 16) for i in (0, 2, 4)] if len(c) == 7 else [17 * int(d, 16) for d in c[1:]]
        for c in (colour, paper)
    )
    return "#" + "".join(f"{round(alpha * a + (1 - alpha) * b):02x}" for a, b in zip(one, other, strict=True))


def contrast(one, other):
    """The contrast ratio of WCAG."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other))
    return high / low


def oklab(rgb):
    lms = np.cbrt(
        np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        )
        @ rgb
    )
    return (
        np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        )
        @ lms
    )


def apart(one, other, vision):
    """How far two colours are apart for somebody with this colour vision."""
    seen = [oklab(np.clip(np.array(VISION[vision]) @ linear(c), 0, 1)) for c in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def test_the_instruments_are_right():
    """Values that are known: black on white, a grey of no contrast to speak of, white and its lightness, red beside green."""
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the lightest grey that passes
    np.testing.assert_allclose(oklab(linear("#ffffff")), [1, 0, 0], atol=1e-6)
    for vision, matrix_ in VISION.items():
        np.testing.assert_allclose(np.array(matrix_).sum(axis=1), 1, atol=1e-5, err_msg=vision)  # grey stays grey
    assert apart("#b3301a", "#5f6b00", "usual") > 3 * apart("#b3301a", "#5f6b00", "deuteranopia")


@pytest.mark.parametrize(("page", "theme", "colours"), EVERY, ids=IDS)
def test_text_can_be_read(page, theme, colours):
    for name in TEXT:
        for paper in ("paper", "card"):
            if name in colours and paper in colours:
                assert contrast(colours[name], colours[paper]) >= 4.5, (name, paper)


@pytest.mark.parametrize(("page", "theme", "colours"), EVERY[:3], ids=IDS[:3])
def test_lines_and_marks_can_be_seen(page, theme, colours):
    for name in LINES:
        for paper in ("paper", "card"):
            assert contrast(colours[name], colours[paper]) >= 3, (name, paper)


@pytest.mark.parametrize(("page", "theme", "colours"), EVERY[:3], ids=IDS[:3])
@pytest.mark.parametrize("vision", VISION)
def test_arms_are_told_apart_with_any_colour_vision(page, theme, colours, vision):
    arms = [colours[f"arm{i}"] for i in range(len(COLOURS))]
    for one, other in combinations(arms, 2):
        assert apart(one, other, vision) >= APART, (one, other)


@pytest.mark.parametrize(("page", "theme", "colours"), EVERY[:3], ids=IDS[:3])
def test_numbers_stay_legible_on_the_strongest_cell(page, theme, colours):
    """Cells of correlations and of phase diagrams, whose numbers are written in ink."""
    for arm in ("arm0", "arm1"):
        for strength in (matrix.STRONGEST, phase.STRONGEST):
            cell = blended(colours[arm], colours["paper"], strength)
            assert contrast(colours["ink"], cell) >= 4.5, (arm, strength)


@pytest.mark.parametrize(("page", "theme", "colours"), EVERY[:3], ids=IDS[:3])
def test_numbers_in_the_nodes_of_a_wiring_can_be_read(page, theme, colours):
    def shown(colour, paper):
        return colours[paper if colour == PAPER else THEMED[colour].removeprefix("--")] if colour in THEMED else colour

    for node, label in wiring.LABELS.items():
        for paper in ("paper", "card"):
            assert contrast(shown(label, paper), shown(node, paper)) >= 4.5, (node, paper)


def test_figures_in_files_are_ink_on_white():
    for colour in (*COLOURS, FAINT, INK):
        assert contrast(colour, PAPER) >= 3
    print_ = themes("page.html")["print"]
    assert [print_[f"arm{i}"] for i in range(len(COLOURS))] == list(COLOURS)  # whatever the screen's theme was


def test_colour_never_speaks_alone():
    """What is good or bad also has a sign, and arms differ in line and mark."""
    signs = [sign for _, sign in LOOK.values()]
    kinds = {css: {s for c, s in LOOK.values() if c == css} for css, _ in LOOK.values()}
    assert all(signs)
    assert all(not (one & other) for one, other in combinations(kinds.values(), 2))
