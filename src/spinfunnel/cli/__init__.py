"""The command line: `spinfunnel new | diagnose | compare | list | explain | anneal | calibrate | demo`.

Exit codes: 0 it ran; 1 `--fail-on` was met, or a calibration row failed; 2 it could not run; 130 interrupted.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from spinfunnel import __version__
from spinfunnel.cli.annealing import anneal
from spinfunnel.cli.calibrating import calibrate
from spinfunnel.cli.comparing import compare
from spinfunnel.cli.demo import demo
from spinfunnel.cli.diagnosing import diagnose
from spinfunnel.cli.listing import explain, list_
from spinfunnel.cli.new import new
from spinfunnel.core import SpinfunnelError

app = typer.Typer(
    help="Statistical mechanics for trained neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line; errors the user can mend are one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a stream can be closed, and then there is none
            stream.reconfigure(errors="replace")  # a question mark for what the terminal has not
    try:
        app()
    except SpinfunnelError as error:
        from spinfunnel.report.words import visible

        typer.echo(f"spinfunnel: {visible(error)}", err=True)
        sys.exit(2)
    except OSError as error:  # what standard output goes to is full or gone
        typer.echo(f"spinfunnel: cannot read or write: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("spinfunnel: interrupted", err=True)
        sys.exit(130)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spinfunnel {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Statistical mechanics for trained neural networks."""


app.command()(diagnose)
app.command("list")(list_)
for command in (compare, new, explain, anneal, calibrate, demo):
    app.command()(command)
