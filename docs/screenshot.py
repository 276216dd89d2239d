"""Make docs/run.svg: `tracerd run syscalls` in a real terminal (tmux), drawn by rich. Needs root and tmux."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH, HEIGHT = 100, 26
SESSION = "tracerd-screenshot"
WORK = (
    ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=4000000", "status=none"],
    ["find", "/usr", "-name", "*.missing"],
    ["sh", "-c", "for i in $(seq 300); do cat /proc/self/stat /nonexistent >/dev/null 2>&1; done"],
)


def main() -> None:
    tracerd = Path(sys.executable).parent / "tracerd"
    tmux("new-session", "-d", "-s", SESSION, "-x", str(WIDTH), "-y", str(HEIGHT), f"{tracerd} run syscalls -d 60")
    try:
        time.sleep(2)
        work = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in WORK]
        time.sleep(3.5)
        screen = tmux("capture-pane", "-p", "-e", "-t", SESSION)
        for process in work:
            process.kill()
            process.wait()
    finally:
        tmux("kill-session", "-t", SESSION)
    console = Console(record=True, width=WIDTH, file=sys.stderr)
    console.print(Text("$ tracerd run syscalls", style="bold"))
    console.print(Text.from_ansi(screen.rstrip()))
    console.save_svg(str(Path(__file__).parent / "run.svg"), title="tracerd run syscalls")


def tmux(*arguments: str) -> str:
    return subprocess.run(["tmux", *arguments], check=True, capture_output=True, text=True).stdout


main()
