"""The `tracerd` command: one group, one file per command, errors turned into one line and an exit code."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from tracerd import __version__
from tracerd.cli.exits import FAILED, exit_code
from tracerd.cli.options import ANY_PATH, CONFIG, Global
from tracerd.errors import TracerdError

COMMANDS = {
    "run": "attach probes and print live tables until Ctrl-C",
    "top": "the dashboard: live, over the daemon or without one",
    "serve": "the daemon",
    "record": "keep events in a file",
    "replay": "run a probe over a recording",
    "new": "make a probe to start from",
    "import-ebpf-exporter": "make a probe.toml of a configuration of ebpf_exporter",
    "build": "compile a probe's C with the clang of this machine, and prove it",
    "verify": "prove an object's programs safe, or say why not",
    "service": "have this machine run the daemon, or not",
    "check": "will the daemon do what its configuration says?",
    "doctor": "what this machine offers and forbids, and the fix",
    "policy": "which engine may run here, and why",
    "reload": "have the daemon read its configuration again",
    "status": "what the daemon runs, and what it lost",
    "list": "probes, events, fields, helpers",
    "prog": "programs: of the daemon, and of objects to look at and try out",
    "map": "maps of the daemon: look, change, pin",
    "link": "links of the daemon: programs on events",
    "attach": "put a program of the daemon on an event",
    "events": "what a recording contains",
    "etw": "providers of Windows events: headers to write programs with, schemas",
    "bench": "measure, side by side in one run",
    "conformance-plugin": "run raw bytecode (for bpf_conformance)",
}
"""Command name -> help line. The module is the name with underscores, imported only when used: start-up stays quick."""


class LazyGroup(click.Group):
    """A group that imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tracerd.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tracerd")
@click.option(
    "--code-integrity",
    type=click.Choice(["auto", "enforce"]),
    default="auto",
    help="enforce: behave as if the machine forbade dynamic code, and lock the door (interpreter only).",
)
@click.option("--socket", type=ANY_PATH, help="The socket of the daemon to talk to.")
@click.option("--config", type=ANY_PATH, help="The daemon's configuration. [default: " f"{CONFIG}]")
@click.pass_context
def cli(ctx: click.Context, code_integrity: str, socket: Path | None, config: Path | None) -> None:
    """Run verified eBPF programs against the events of this machine.

    Exit codes: 0 ok, 1 rejected or failed, 2 usage, 3 not permitted, 4 not supported here.
    """
    ctx.obj = Global("enforce" if code_integrity == "enforce" else "auto", socket, config)


def main() -> None:
    """Entry point of the console script."""
    try:
        cli(standalone_mode=False)
    except TracerdError as error:
        click.echo(f"tracerd: {_lines(str(error))}", err=True)
        sys.exit(exit_code(error))
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except OSError as error:
        # What the system refuses wherever it may (files, memory, processes); what we expect has its own error.
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"tracerd: {_lines(where)}{error.strerror or error}", err=True)
        sys.exit(FAILED)


def _lines(text: str) -> str:
    """An error names what a file or a process calls itself: escape sequences must not reach the terminal."""
    from tracerd.cli.output import printable  # with its tables it takes long to import: not for commands that succeed

    return "\n".join(map(printable, text.split("\n")))
