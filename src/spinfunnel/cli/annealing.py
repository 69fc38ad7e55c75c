"""`spinfunnel anneal`: the lowest energy found in a time, and whether it is the lowest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinfunnel.cli.arguments import duration, writable
from spinfunnel.cli.screen import progress_bar, terminal
from spinfunnel.core import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from spinfunnel.anneal import Annealed


_STOPPED = {
    "reached": "ended because the planted energy was reached",
    "budget": "ended with the budget",
    "interrupted": "interrupted",
}


def anneal(
    source: Annotated[
        str,
        typer.Argument(help="system:NAME?key=value (see `list systems`), or a file of couplings."),
    ],
    size: Annotated[
        int | None, typer.Option(help="Of a system: L on lattices, else the number of spins or monomers.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="sa, pt, pa, bh, or auto (sa and pt in turn; bh if smooth).")
    ] = "auto",
    fix: Annotated[
        bool, typer.Option("--fix", help="Freeze what the best anneals agree on, and search the rest.")
    ] = False,
    budget: Annotated[str, typer.Option(help="Search at most this long: 30s, 5m, 1h.")] = "30s",
    seed: Annotated[int, typer.Option(help="Everything random is derived from it, the system too.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write the best configuration to this file: a spin, or place, a line.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Search a system for its lowest energy, and say whether it is known to be the lowest."""
    from spinfunnel.anneal import METHODS, WORK, extent, find, methods_for, spins_text
    from spinfunnel.anneal import anneal as search
    from spinfunnel.report.writing import write

    seconds = duration(budget)
    if seconds is None:
        raise BadInput("--budget is empty: write a positive time such as 90s, 5m or 1h")
    if method not in METHODS:
        raise BadInput(f"--method is {method!r}: it must be {', '.join(METHODS)}")
    if out:
        writable(out.parent)
        if out.is_dir() or (out.exists() and not force):
            raise BadInput(f"{out} exists: add --force, or give another name")
    it = find(source, size, seed)
    turns = [WORK[how] for how in methods_for(it, method, fix)]
    if not as_json:
        typer.echo(f"plan: {source}, {extent(it)}, {' and '.join(turns)}, at most {budget}", err=True)
        typer.echo("      the first run also compiles, in some ten seconds; Ctrl-C keeps the best", err=True)
    with progress_bar(not as_json) as progress:
        found = search(it, method=method, fix=fix, budget=seconds, seed=seed, progress=progress)  # type: ignore[arg-type]
    found = replace(found, source=source)
    if out:
        write(out, spins_text(found), ours=lambda _: force, force=force)
    if as_json:
        typer.echo(json.dumps(found.json(), allow_nan=False))
    else:
        _print_annealed(found)
        if out:
            typer.echo(f"written: {out}")
    if found.interrupted:
        raise typer.Exit(130)


def _print_annealed(found: Annealed) -> None:
    from rich.table import Table

    from spinfunnel.anneal import WORK, success_share, tts99

    console = terminal()
    console.print(f"[bold cyan]{found.source}[/]  {found.extent}, seed {found.seed}")
    console.print(found.convention, markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    trips = any(one.method == "pt" for one in found.rounds)
    hops = "hops" if any(one.method == "bh" for one in found.rounds) else "sweeps"
    whole = found.per == "per coordinate"  # of a surface nobody asks the energy per coordinate
    lowest, parts = ("lowest energy", 1) if whole else ("lowest u", found.size)
    columns = ("rounds", hops, "tries", lowest, "reached it", "CPU s", *(["round trips"] * trips))
    for column in columns:
        table.add_column(column, justify="left" if column == "rounds" else "right")
    for one in found.rounds:
        table.add_row(
            WORK[one.method], str(one.sweeps), str(one.tries), f"{one.lowest / parts:.6f}",
            str(one.successes), f"{one.cpu_seconds:.3g}",
            *([str(one.round_trips) if one.method == "pt" else ""] * trips),
        )  # fmt: skip
    if found.rounds:
        console.print(table)
    u = "" if whole else f", u = {found.u:.8g} {found.per}"
    console.print(f"\n[bold]best energy {found.energy:.10g}{u}[/]")
    if found.cut is not None:
        console.print(f"[bold]cut {found.cut:.10g}[/]")
    if found.ground_energy is None:
        _print_known(found, console)
    elif found.reached:
        console.print(f"[green]it is the ground state[/]: {found.certificate}", soft_wrap=True)
    else:
        gap = found.energy - found.ground_energy
        relative = f"{gap / abs(found.ground_energy):.2%}, " if found.ground_energy else ""
        console.print(
            f"[yellow]it is not the ground state[/]: planted {found.ground_energy:.10g}, residual {gap:.4g} "
            f"({relative}{gap / found.size:.3g} {found.per})",
            soft_wrap=True,
        )
    if found.log_z is not None:
        console.print(f"ln Z = {found.log_z} at T = {found.cold:.4g}, by the last population")
        for doubt in found.doubts:
            console.print(f"[yellow]doubt[/]: {doubt}", soft_wrap=True)
    if best := found.best_round():
        console.print(
            f"{best.successes} of {best.tries} anneals of {best.sweeps} sweeps reached it: share "
            f"{success_share(best)}"
        )
        console.print(f"time to solution with 99 % {tts99(best)} of CPU, anneals side by side")
    first = f", and {found.compile_seconds:.1f} s to compile" if found.compile_seconds > 1 else ""
    console.print(f"{found.cpu_seconds:.3g} s of CPU{first}; {_STOPPED[found.stopped]}")


def _print_known(found: Annealed, console: Console) -> None:
    """Say what a search without a certificate is worth."""
    if found.lowest_known is None:
        console.print("whether this is the lowest there is is not known: nothing was planted")
        return
    gap = found.energy - found.lowest_known
    close = abs(gap) <= 1e-6 * abs(found.lowest_known)
    said = "the lowest known" if close else f"{gap:.6g} above the lowest known"
    if gap < 0 and not close:
        said = f"{-gap:.6g} below the lowest known"
    colour = "green" if gap <= 0 or close else "yellow"
    console.print(
        f"[{colour}]it is {said}[/], {found.lowest_known:.10g} (literature: {found.reported_by}); "
        "that none is lower is not certified",
        soft_wrap=True,
    )
