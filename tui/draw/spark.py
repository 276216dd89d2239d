"""A line of small bars with the last value behind it: the recent past of one number in one line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from textual.strip import Strip

from tui.draw.canvas import Piece, fit, line
from tui.draw.palette import Palette
from tui.draw.ticks import MOST, Format, axis_number

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"


def bars(values: npt.NDArray[np.float64] | Sequence[float], width: int, top: float = 0.0) -> str:
    """Return the newest values as bars, one each, newest last, filled up on the left with spaces.

    Zero is the lowest bar, the largest value (or `top`) the highest; what is more than zero is never the lowest. "·" is
    a value that is not known.
    """
    shown = np.asarray(values, dtype=np.float64)[-width:] if width > 0 else np.zeros(0)
    known = np.isfinite(shown)
    sizes = np.clip(np.where(known, shown, 0.0), 0.0, MOST)
    most = top or float(sizes.max(initial=0.0)) or 1.0
    levels = np.ceil(np.minimum(sizes, most) / most * (len(_BARS) - 1)).astype(np.int64)
    text = "".join(
        _BARS[level] if told else _GAP for level, told in zip(levels.tolist(), known.tolist(), strict=True)
    )
    return text.rjust(max(width, 0))


def spark(
    values: npt.NDArray[np.float64] | Sequence[float],
    width: int,
    palette: Palette,
    *,
    format: Format = axis_number,  # noqa: A002
    room: int = 0,
    index: int = 0,
    top: float = 0.0,
) -> Strip:
    """Return bars and the last value; `room` is how many columns values have, so that lines below each other align."""
    last = float(values[-1]) if len(values) else float("nan")
    text = fit(format(last) if np.isfinite(last) else "–", width)
    room = max(room, len(text))
    bar = bars(values, width - room - 1, top)
    pieces: list[Piece] = [(bar, palette.curve(index)), (text.rjust(min(room + bool(bar), width)), palette.strong)]
    return line(pieces, width)
