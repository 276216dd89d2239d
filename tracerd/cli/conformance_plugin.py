"""`tracerd conformance-plugin [MEM-HEX]`: the plugin side of bpf_conformance's protocol.

The runner starts one process per case, gives the memory in hex as the first argument and the program in hex on standard
input, and reads r0 in hex from standard output. The program is not verified: this is the only command that can run
such a thing, and its process ends with it.
"""

from __future__ import annotations

import sys

import click

from tracerd.cli.options import pass_integrity
from tracerd.cli.output import json_option, print_json
from tracerd.errors import ConfigError
from tracerd.vm.policy import Asked, Integrity, choice_here
from tracerd.vm.unverified import ENGINES, run_unverified


@click.command("conformance-plugin")
@click.argument("memory", metavar="[MEM-HEX]", default="")
@click.option("--engine", type=click.Choice(["auto", *ENGINES]), default="auto")
@click.option("--level", type=click.IntRange(0, 3), default=2, help="LLVM's optimisation level, for jit.")
@json_option
@pass_integrity
def command(integrity: Integrity, memory: str, engine: Asked, level: int, as_json: bool) -> None:
    """Run the raw bytecode on standard input, unverified, and print r0 in hex. r1 is the memory, r2 its length."""
    choice = choice_here(engine, integrity)
    result = run_unverified(_bytes("standard input", sys.stdin.read()), _bytes("MEM-HEX", memory), choice.engine, level)
    print_json({"engine": choice.engine, "result": result}) if as_json else click.echo(f"{result:x}")


def _bytes(where: str, text: str) -> bytes:
    """Read hex digits, with or without spaces between the bytes.

    Raises:
        ConfigError: they are none.
    """
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ConfigError(where, f"is not bytes in hex: {error}") from error
