"""Every screen at two sizes, as a recorded feed shows it, compared with what was looked at and committed.

`TRACERD_WRITE_SCREENS=1 pytest tests/tui/test_screens_of_a_recording.py` writes them anew: look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tui.piloted import screen_text
from tests.tui.playing import SCENES, SIZES, Player, Scene, keys_of, played

SCREENS = Path(__file__).parent / "screens"
STEPS = 12


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES, ids=keys_of(SCENES))
def test_a_screen_looks_as_it_did(scene: Scene, size: tuple[int, int]) -> None:
    """Text, places, numbers: everything but colours."""

    async def look(player: Player) -> str:
        def text() -> str:
            return "\n".join(screen_text(player.app)) + "\n"

        await player.go(scene, text)
        return text()

    found = played(STEPS, look, size)
    path = SCREENS / f"{scene.name}-{size[0]}x{size[1]}.txt"
    if os.environ.get("TRACERD_WRITE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text()
