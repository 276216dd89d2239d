"""Colours that people who see fewer of them can tell apart, on dark and on light backgrounds.

Categories are those of Okabe and Ito ("Color Universal Design", 2008), made lighter or darker where the background
asks for it; heat is viridis, whose lightness grows with every step, so that it also reads in grey. No picture rests on
colour alone: fills, marks and the shades ░▒▓█ say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from rich.color import Color
from rich.style import Style

HEAT_STEPS = 12
MARKS = "●▲■◆✚▼"
"""What stands for the first, second … of several things in one picture, beside their colours."""

_SHADES = "░▒▓█"


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of one kind of background, as #rrggbb."""

    background: str             # about what themes have; only what is blended looks at it
    muted: str                  # labels
    faint: str                  # lines of axes and grids
    good: str
    warn: str
    bad: str
    curves: tuple[str, ...]
    heat: tuple[str, ...]       # from a little to a lot


DARK = Colours(
    background="#11171e", muted="#9aa2ac", faint="#59616b", good="#2fc79a", warn="#e69f00", bad="#ff7b47",
    curves=("#56b4e9", "#e69f00", "#2fc79a", "#cc79a7", "#f0e442", "#ff7b47"),
    heat=("#472a7a", "#414487", "#375a8c", "#2e6f8e", "#26828e", "#1f958b",
          "#22a884", "#3bbb75", "#63cb5f", "#95d840", "#cae11f", "#fde725"),
)  # fmt: skip
LIGHT = Colours(
    background="#f1f4f7", muted="#50555b", faint="#8f959c", good="#00694b", warn="#7a5000", bad="#a83c00",
    curves=("#0067a3", "#9a5200", "#00493b", "#98527f", "#443e03", "#3d1104"),
    heat=("#5ec962", "#3bbb75", "#25ac82", "#1e9b8a", "#228b8d", "#297a8e",
          "#306a8e", "#38588c", "#404588", "#472f7d", "#481a6c", "#440154"),
)  # fmt: skip


@dataclass(frozen=True)
class Palette:
    """What pictures are drawn with. `few`: the terminal has 16 colours or none, so shades show where colours would."""

    dark: bool = True
    few: bool = False

    @property
    def colours(self) -> Colours:
        return DARK if self.dark else LIGHT

    @cached_property
    def text(self) -> Style:
        """The style of text that is as the theme has it."""
        return Style.null()

    @cached_property
    def strong(self) -> Style:
        return Style(bold=True)

    @cached_property
    def muted(self) -> Style:
        return _style(self.colours.muted)

    @cached_property
    def faint(self) -> Style:
        return _style(self.colours.faint)

    @cached_property
    def good(self) -> Style:
        return _style(self.colours.good)

    @cached_property
    def warn(self) -> Style:
        return _style(self.colours.warn, bold=True)

    @cached_property
    def bad(self) -> Style:
        return _style(self.colours.bad, bold=True)

    def curve(self, index: int) -> Style:
        """Return the style of the first, second … thing in one picture; after the last colour they come again."""
        return _style(self.colours.curves[index % len(self.colours.curves)])

    def area(self, index: int) -> Style:
        """Return the style of what lies below a curve: its colour, half gone into the background."""
        return _style(_blend(self.colours.curves[index % len(self.colours.curves)], self.colours.background))

    def heat(self, level: int) -> Style:
        """Return the style of a level, 1 to HEAT_STEPS: a whole cell of that colour, where there are colours for it.

        The character is then drawn in the colour of its own background: not seen, but still there for who copies it.
        """
        level = min(max(level, 1), HEAT_STEPS)
        if self.few:                            # shades say it; the colours nearest to the background would hide them
            return _style(self.colours.heat[(HEAT_STEPS + level) // 2 - 1])
        colour = self.colours.heat[level - 1]
        return _style(colour, on=colour)

    def cursor(self, level: int) -> Style:
        """Return the style of a mark on a cell of a level; 0 is an empty cell."""
        if self.few or not level:
            return Style(bold=True, reverse=True)
        on = self.colours.heat[min(level, HEAT_STEPS) - 1]
        return _style("#000000" if _luminance(on) > 0.18 else "#ffffff", on=on, bold=True)


def shade(level: int) -> str:
    """Return the character of a level of heat, 0 (a space) to HEAT_STEPS."""
    if level <= 0:
        return " "
    return _SHADES[min(level - 1, HEAT_STEPS - 1) * len(_SHADES) // HEAT_STEPS]


def mark(index: int) -> str:
    """Return the mark of the first, second … thing in one picture."""
    return MARKS[index % len(MARKS)]


@cache
def _style(colour: str, *, on: str | None = None, bold: bool = False) -> Style:
    return Style.from_color(Color.parse(colour), None if on is None else Color.parse(on)) + Style(bold=bold or None)


@cache
def _blend(colour: str, background: str) -> str:
    pairs = zip(_channels(colour), _channels(background), strict=True)
    return "#" + "".join(f"{(a + b) // 2:02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2, without its linear foot: none of our colours is that dark)."""
    red, green, blue = ((each / 255) ** 2.2 for each in _channels(colour))
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
