"""probe.toml: what is accepted, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracerd.config import read_probe
from tracerd.errors import ConfigError

GOOD = """
[probe]
name = "demo"
object = "demo.bpf.o"
[[attach]]
program = "on_enter"
source = "syscall:*:enter"
[[view]]
name = "calls"
map = "calls"
columns = [{ name = "pid", from = "key.pid" }]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "probe.toml"
    path.write_text(text)
    return path


def test_a_probe_names_its_object_relative_to_its_own_folder(tmp_path: Path) -> None:
    """The object is found beside the probe.toml, wherever the command was called."""
    probe = read_probe(write(tmp_path, GOOD))
    assert probe.object == tmp_path / "demo.bpf.o"
    assert probe.attach == (("on_enter", "syscall:*:enter"),)
    assert probe.views[0].columns[0].source == "key.pid"


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("[[view]]", "[[veiw]]", "unknown key 'veiw'; did you mean 'view'?"),
        ('engine = "jit"', 'engin = "jit"', "unknown key 'engin'; did you mean 'engine'?"),
        ("from =", "form =", "did you mean 'from'?"),
        ('engine = "jit"', 'engine = "fast"', "'auto', 'jit', 'interpreter' or 'native'"),
        ("[probe]", "[probe", "is not TOML"),
    ],
)
def test_a_mistake_names_the_key_and_the_nearest_valid_one(
    tmp_path: Path, wrong: str, right: str, message: str
) -> None:
    """Every mistake is one sentence with the file, the key and the way out."""
    text = GOOD.replace('object = "demo.bpf.o"', 'object = "demo.bpf.o"\nengine = "jit"').replace(wrong, right)
    with pytest.raises(ConfigError) as caught:
        read_probe(write(tmp_path, text))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    """A path that is not there is a ConfigError, not a traceback."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_probe(tmp_path / "none.toml")
