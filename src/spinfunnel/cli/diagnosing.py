"""`spinfunnel diagnose`: a subject, its report, and the exit code it earns."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinfunnel.cli.arguments import duration, effort_named, names_in, writable
from spinfunnel.cli.screen import progress_bar, terminal
from spinfunnel.core import OUTCOMES, BadInput

if TYPE_CHECKING:
    from spinfunnel.report import Report
    from spinfunnel.run import Plan


#: Work shorter than this (seconds) needs no progress bar.
PATIENCE = 2.0


def diagnose(
    source: Annotated[
        str,
        typer.Argument(
            help="A weight file (.safetensors .pt .pth .bin .ckpt .npz), an index, or a folder (that of a "
            "Recorder too); FILE.py or FILE.py:name, a task with data (see `spinfunnel new task`), the one "
            "thing whose code is run; system:NAME; or a file of couplings (rudy, spin-glass server, dimod)."
        ),
    ],
    size: Annotated[
        int | None, typer.Option(help="Of a system: L on lattices, else the number of spins.")
    ] = None,
    native: Annotated[
        str | None,
        typer.Option(
            help="A file of the state the system should fold to (.npy .npz .json, or text), or none: to hide "
            "the system's own.",
            metavar="FILE|none",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write report.html, report.json and one CSV a table to this folder.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run only these instruments (names, comma between).")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave out these instruments (names, comma between).")
    ] = None,
    effort: Annotated[
        str,
        typer.Option(
            help="quick, normal, or full (all examples, fresh null draws, all shuffled; longer ladders)."
        ),
    ] = "normal",
    budget: Annotated[str, typer.Option(help="Begin nothing further after this long: 90s, 5m, 1h.")] = "",
    seed: Annotated[int, typer.Option(help="Everything random is derived from it, a system too.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; by default as many as pay off.")] = None,
    columns: Annotated[
        str, typer.Option(help="weightwatcher: add a table of its columns, by its conventions.")
    ] = "",
    slices: Annotated[
        bool, typer.Option("--slices", help="Take convolutions per kernel position, not unfolded.")
    ] = False,
    figures: Annotated[Path | None, typer.Option(help="Write every figure as SVG to this folder.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option(help="bad or warning: exit with 1 if a verdict is that or worse.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are not reports of ours.")
    ] = False,
) -> None:
    """Look at a trained model, or a system, with every instrument that applies, and report, worst first."""
    from spinfunnel.run import plan

    if columns not in ("", "weightwatcher"):
        raise BadInput(f"--columns is {columns!r}: only weightwatcher is known")
    check_gate(fail_on)
    chosen, left_out = names_in(only), names_in(skip)
    seconds = duration(budget)
    planned = plan(
        source, only=chosen, skip=left_out, effort=effort_named(effort), jobs=jobs, slices=slices,
        also=["weightwatcher"] if columns else [], size=size, seed=seed, native=native,
    )  # fmt: skip
    carried_out(planned, chosen, out, figures, seconds, as_json, fail_on, force)


def check_gate(fail_on: str) -> None:
    """Find out before long work what is wrong with --fail-on."""
    if fail_on not in ("", "bad", "warning"):
        raise BadInput(f"--fail-on is {fail_on!r}: it must be bad or warning")


def carried_out(
    planned: Plan,
    chosen: list[str],
    out: Path | None,
    figures: Path | None,
    budget: float | None,
    as_json: bool,
    fail_on: str,
    force: bool,
) -> None:
    """Do what was planned, print or write the report, and exit as promised."""
    from spinfunnel.run import LONG, carry_out

    for target in (out, figures):
        if target:
            writable(target)
    short = budget is not None and budget < planned.seconds / planned.jobs
    if not as_json and (planned.seconds > PATIENCE or planned.effort == "full" or short):
        typer.echo(f"plan: {planned}", err=True)
        if short:
            typer.echo("      more than --budget: what is not reached is listed as not run", err=True)
        if planned.seconds > LONG and planned.subject.origin is not None:
            typer.echo("      what is finished is kept: if interrupted, the same command goes on", err=True)
    with progress_bar(planned.seconds / planned.jobs > PATIENCE and not as_json) as progress:
        report = carry_out(planned, budget=budget, progress=progress, given=_given())
    try:
        if out:
            _write(report, out, force)
        if figures:
            report.figures(figures, force=force)
    finally:  # what cannot be written to a folder is not lost
        if as_json:
            typer.echo(json.dumps(report.json(), allow_nan=False))
        else:
            report.print(terminal())
    if not as_json:
        _where(out, figures)
    _leave(report, chosen, fail_on)


def _leave(report: Report, chosen: list[str], fail_on: str) -> None:
    """Exit as promised: 130 interrupted, 2 a chosen one crashed or none ran, 1 the gate closed, else 0."""
    if report.interrupted:
        raise typer.Exit(130)
    crashed = any(row["instrument"] in chosen for row in report.failed)
    if crashed or not any(not chosen or name in chosen for name in report.findings):
        raise typer.Exit(2)
    if fail_on:
        gate = OUTCOMES[: OUTCOMES.index("warning" if fail_on == "warning" else "bad") + 1]
        if any(verdict.outcome in gate for verdict in report.verdicts.values()):
            raise typer.Exit(1)


def _write(report: Report, out: Path, force: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    report.html(out / "report.html", force=force)
    report.json(out / "report.json", force=force)
    report.csv(out, force=force)


def _where(out: Path | None, figures: Path | None) -> None:
    if out:
        typer.echo(f"written: {out / 'report.html'}, report.json and the tables as CSV beside it")
    else:
        typer.echo("for the HTML report, the JSON and the tables as CSV, add --out DIR")
    if figures:
        typer.echo(f"figures: {figures}")


def _given() -> dict[str, Any]:
    return {"argv": sys.argv[1:]}
