"""Write the pictures of the dashboard, from a recorded feed, so they are always the same: `make screenshots`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.tui.piloted import screen_text  # noqa: E402  only now is it found
from tests.tui.playing import SCENES, Player, played  # noqa: E402

STEPS, SIZE = 15, (132, 38)
PICTURES = {"overview": "top", "picture": "top-histogram", "program": "top-program", "rejection": "top-rejection",
            "events": "top-events"}  # fmt: skip
"""Scene -> file."""


def main() -> None:
    """Write all of them."""
    for scene in SCENES:
        if scene.name in PICTURES:
            name = PICTURES[scene.name]

            async def draw(player: Player, scene: object = scene) -> str:
                await player.go(scene, lambda: "\n".join(screen_text(player.app)))  # type: ignore[arg-type]
                return player.app.export_screenshot(title="tracerd top")

            (HERE / f"{name}.svg").write_text(_plain(played(STEPS, draw, SIZE)))
            print(HERE / f"{name}.svg")


def _plain(svg: str) -> str:
    """Leave out the font that would be fetched from elsewhere, and blanks at the ends of lines."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).rstrip("\n") + "\n"


if __name__ == "__main__":
    main()
