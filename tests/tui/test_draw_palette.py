"""Colours: told apart by everybody, on both backgrounds, and never alone."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest

from tui.draw.palette import DARK, HEAT_STEPS, LIGHT, MARKS, Colours, Palette, mark, shade

BACKGROUNDS = [
    pytest.param(DARK, ("#0b0f14", "#11171e", "#121212", "#1e1e1e"), id="dark"),      # tracerd's, textual-dark's
    pytest.param(LIGHT, ("#fbfcfd", "#f1f4f7", "#e0e0e0"), id="light"),               # tracerd-light's, textual-light's
]
EYES = {                      # Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
    "all": np.eye(3),
    "no red": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "no blue": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
Floats = npt.NDArray[np.float64]


@pytest.mark.parametrize(("colours", "backgrounds"), BACKGROUNDS)
def test_text_is_readable(colours: Colours, backgrounds: tuple[str, ...]) -> None:
    """Everything that is read has a contrast of at least 4 on the backgrounds of the themes."""
    for colour in (colours.muted, colours.good, colours.warn, colours.bad, *colours.curves):
        assert min(contrast(colour, each) for each in backgrounds) >= 4.0, colour


@pytest.mark.parametrize(("colours", "backgrounds"), BACKGROUNDS)
@pytest.mark.parametrize("eyes", EYES)
def test_curves_are_told_apart_with_any_eyes(colours: Colours, backgrounds: tuple[str, ...], eyes: str) -> None:  # noqa: ARG001
    """No two curves have nearly the same colour (CIE76 distance of 10), whichever cones somebody lacks."""
    seen = [lab(EYES[eyes] @ linear(each)) for each in colours.curves]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 10


@pytest.mark.parametrize(("colours", "backgrounds"), BACKGROUNDS)
def test_heat_goes_away_from_the_background(colours: Colours, backgrounds: tuple[str, ...]) -> None:
    """Every step of heat stands out more than the one before, so it reads in grey too; the first is seen already."""
    for background in backgrounds:
        steps = [contrast(each, background) for each in colours.heat]
        assert len(steps) == HEAT_STEPS
        assert steps[0] > 1.4
        assert all(more > less for less, more in pairwise(steps))


def test_shades_say_what_colours_say() -> None:
    """The characters of levels go from nothing to a full block in four shades."""
    assert "".join(shade(level) for level in range(HEAT_STEPS + 1)) == " ░░░▒▒▒▓▓▓███"


def test_a_hot_cell_is_one_colour_where_there_are_many() -> None:
    """The shade has the colour of its own background; with few colours it has none and shows."""
    style = Palette().heat(5)
    assert style.color == style.bgcolor is not None
    assert Palette(few=True).heat(5).bgcolor is None


def test_the_cursor_shows_on_every_level() -> None:
    """A mark on a cell has a contrast of at least 4 with the cell, on both backgrounds."""
    for dark in (True, False):
        palette = Palette(dark=dark)
        for level in range(1, HEAT_STEPS + 1):
            style = palette.cursor(level)
            assert style.color is not None
            assert style.bgcolor is not None
            assert contrast(style.color.name, style.bgcolor.name) >= 4, level


def test_each_curve_has_a_mark_of_its_own() -> None:
    """Marks differ as long as colours do."""
    assert len(DARK.curves) == len(LIGHT.curves) == len(MARKS)
    assert len({mark(index) for index in range(len(MARKS))}) == len(MARKS)


def linear(colour: str) -> Floats:
    """Return linear RGB, 0 to 1 (IEC 61966-2-1)."""
    channels = np.array([int(colour[at:at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2)."""
    less, more = sorted(float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other))
    return (more + 0.05) / (less + 0.05)


def lab(rgb: Floats) -> Floats:
    """Return linear RGB as CIE L*a*b* (D65)."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb.clip(0, 1) / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
