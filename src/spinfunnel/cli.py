"""The command line: `spinfunnel diagnose | list | explain | anneal | calibrate | demo`.

Exit codes: 0 it ran; 1 `--fail-on` was met, or a calibration row failed; 2 it could not run; 130 interrupted.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinfunnel import __version__
from spinfunnel.core import EFFORTS, OUTCOMES, QUESTIONS, BadInput, Effort, SpinfunnelError

if TYPE_CHECKING:
    from rich.console import Console

    from spinfunnel.anneal import Annealed
    from spinfunnel.report import Report
    from spinfunnel.units import Progress

app = typer.Typer(
    help="Statistical mechanics for trained neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

#: Work shorter than this (seconds) needs no progress bar.
PATIENCE = 2.0


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


@app.command()
def diagnose(
    source: Annotated[
        str,
        typer.Argument(
            help="A weight file (.safetensors .pt .pth .bin .ckpt .npz), an index, a folder; or system:NAME, "
            "or a file of couplings (rudy, spin-glass server, dimod)."
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
    only: Annotated[str, typer.Option(help="Run only these instruments (names, comma between).")] = "",
    skip: Annotated[str, typer.Option(help="Leave out these instruments (names, comma between).")] = "",
    effort: Annotated[
        str,
        typer.Option(
            help="quick, normal, or full (fresh null draws, all shuffled; more and longer ladders)."
        ),
    ] = "normal",
    budget: Annotated[
        str, typer.Option(help="Begin no further matrix or ladders after this long: 90s, 5m, 1h.")
    ] = "",
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
    from spinfunnel.run import LONG, carry_out, plan

    if fail_on not in ("", "bad", "warning"):
        raise BadInput(f"--fail-on is {fail_on!r}: it must be bad or warning")
    if columns not in ("", "weightwatcher"):
        raise BadInput(f"--columns is {columns!r}: only weightwatcher is known")
    chosen, left_out = _names(only), _names(skip)
    seconds = _seconds(budget)
    planned = plan(
        source, only=chosen, skip=left_out, effort=_effort(effort), jobs=jobs, slices=slices,
        also=["weightwatcher"] if columns else [], size=size, seed=seed, native=native,
    )  # fmt: skip
    for target in (out, figures):
        if target:
            _writable(target)
    if not as_json and (planned.seconds > PATIENCE or effort == "full"):
        typer.echo(f"plan: {planned}", err=True)
        if planned.seconds > LONG:
            typer.echo("      what is finished is kept: if interrupted, the same command goes on", err=True)
    with _progress(planned.seconds / planned.jobs > PATIENCE and not as_json) as progress:
        report = carry_out(planned, budget=seconds, progress=progress, given=_given())
    try:
        if out:
            _write(report, out, force)
        if figures:
            report.figures(figures, force=force)
    finally:  # what cannot be written to a folder is not lost
        if as_json:
            typer.echo(json.dumps(report.json(), allow_nan=False))
        else:
            report.print(_console())
    if not as_json:
        _where(out, figures)
    _leave(report, chosen, fail_on)


def _leave(report: Report, chosen: list[str], fail_on: str) -> None:
    """Exit as promised: 130 interrupted, 2 a chosen instrument crashed, 1 the gate closed, 0 otherwise."""
    if report.interrupted:
        raise typer.Exit(130)
    if any(row["instrument"] in chosen for row in report.failed) or not report.findings:
        raise typer.Exit(2)
    if fail_on:
        gate = OUTCOMES[: OUTCOMES.index("warning" if fail_on == "warning" else "bad") + 1]
        if any(verdict.outcome in gate for verdict in report.verdicts.values()):
            raise typer.Exit(1)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="instruments, or systems.")] = "instruments",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the instruments, by the question they answer; or the systems, with their conventions."""
    from spinfunnel.instruments import NAMES, instrument

    if what not in ("instruments", "systems"):
        raise BadInput(f"there is no list of {what!r}: write `spinfunnel list` or `spinfunnel list systems`")
    if what == "systems":
        _list_systems(as_json)
        return
    all_of_them = [instrument(name) for name in NAMES]
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"name": one.name, "question": one.question, "needs": sorted(one.needs), "what": one.what}
                    for one in all_of_them
                ]
            )
        )
        return
    from rich.table import Table

    console = _console()
    for key, question in QUESTIONS.items():
        mine = [one for one in all_of_them if one.question == key]
        if not mine:
            continue
        table = Table(
            title=question, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
        )
        table.add_column("instrument", style="cyan", no_wrap=True)
        table.add_column("needs", no_wrap=True)
        table.add_column("what it looks at")
        for one in mine:
            table.add_row(one.name, ", ".join(sorted(one.needs)), one.what)
        console.print(table)
    console.print("\nspinfunnel explain NAME tells how one works, how it judges, and how often it is wrong.")


def _list_systems(as_json: bool) -> None:
    from spinfunnel.systems import MAKERS, SIZE, SIZES, parameters, system

    rows: list[dict[str, Any]] = [
        {
            "name": name, "size": SIZES.get(name, SIZE), "parameters": parameters(name),
            "convention": system(name, size=SIZES.get(name, 8)).convention,
        }
        for name in MAKERS
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows))
        return
    from rich.padding import Padding
    from rich.text import Text

    console = _console()
    for row in rows:
        own = "".join(f" {key}={value}" for key, value in row["parameters"].items())
        line = f"[cyan]{row['name']}[/] size {row['size']}"
        console.print(line + f" [dim]·{own}[/]" * bool(own), highlight=False)
        console.print(Padding(Text(row["convention"]), (0, 0, 0, 4)))
    console.print(
        "\nk_B = 1, spins are +-1. --size is L on lattices, else the number of spins, monomers, atoms or "
        "weights. Parameters are given as system:NAME?key=value&key=value, such as "
        "system:wishart?alpha=0.3; a size may stand behind the name, as in system:lj38.",
        highlight=False,
    )
    console.print("spinfunnel explain system:NAME tells what is known of one.")


@app.command()
def explain(
    name: Annotated[
        str, typer.Argument(help="An instrument, as `spinfunnel list` prints it; or system:NAME.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print an instrument's card: what, why, how it judges, its source, and its measured error rates.

    Of a system, print its Hamiltonian, and what is known of it before anything is measured.
    """
    from spinfunnel.calibrate import measured
    from spinfunnel.instruments import instrument

    if name.startswith("system:"):
        _explain_system(name, as_json)
        return
    one = instrument(name)
    rows = measured(name)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "name": one.name, "question": one.question, "needs": sorted(one.needs), "what": one.what,
                    "why": one.why, "judged": one.judged, "source": one.source, "calibration": rows,
                }
            )
        )  # fmt: skip
        return
    from rich.padding import Padding
    from rich.text import Text

    console = _console()
    console.print(
        f"[bold cyan]{one.name}[/]  ·  {QUESTIONS[one.question]}  ·  needs {', '.join(sorted(one.needs))}"
    )
    for title, text in (
        ("What", one.what), ("Why", one.why), ("How it judges", one.judged), ("Source", one.source),
    ):  # fmt: skip
        console.print(f"\n[bold]{title}[/]")
        console.print(Padding(Text(text), (0, 0, 0, 2)))
    console.print("\n[bold]Calibration[/] (measured by `make calibrate`)")
    console.print(_calibration_table(rows) if rows else "  none recorded")


def _explain_system(source: str, as_json: bool) -> None:
    from spinfunnel.systems import spelled, system
    from spinfunnel.systems.facts import facts

    name, _, chosen = spelled(source)
    convention, known = system(source).convention, facts(name)
    if as_json:
        rows = [{**asdict(fact), "text": fact.text} for fact in known]
        typer.echo(json.dumps({"name": name, "parameters": chosen, "convention": convention, "known": rows}))
        return
    from rich.padding import Padding
    from rich.text import Text

    console = _console()
    console.print(f"[bold cyan]{name}[/]")
    console.print(convention, markup=False)
    where = ""
    for fact in known:
        if fact.where != where:
            where = fact.where
            console.print(f"\n[bold]{where}[/]", highlight=False)
        source = "literature: " * (fact.kind == "literature") + fact.source.replace("`", "")
        line = Text.assemble(f"{fact.quantity}: ", (fact.text, "bold"), ("  " + source, "dim"))
        console.print(Padding(line, (0, 0, 0, 2)))


@app.command()
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

    seconds = _seconds(budget)
    if seconds is None:
        raise BadInput("--budget is empty: write a positive time such as 90s, 5m or 1h")
    if method not in METHODS:
        raise BadInput(f"--method is {method!r}: it must be {', '.join(METHODS)}")
    if out:
        _writable(out.parent)
        if out.is_dir() or (out.exists() and not force):
            raise BadInput(f"{out} exists: add --force, or give another name")
    it = find(source, size, seed)
    turns = [WORK[how] for how in methods_for(it, method, fix)]
    if not as_json:
        typer.echo(f"plan: {source}, {extent(it)}, {' and '.join(turns)}, at most {budget}", err=True)
        typer.echo("      the first run also compiles, in some ten seconds; Ctrl-C keeps the best", err=True)
    with _progress(not as_json) as progress:
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

    console = _console()
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


_STOPPED = {
    "reached": "ended because the planted energy was reached",
    "budget": "ended with the budget",
    "interrupted": "interrupted",
}


@app.command()
def calibrate(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these (an instrument or maths module).")
    ] = None,
    effort: Annotated[str, typer.Option(help="quick, normal or full (minutes).")] = "quick",
    seed: Annotated[int, typer.Option(help="All random systems are derived from it.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the rows as JSON to this file.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows as JSON, and nothing else.")
    ] = False,
) -> None:
    """Compare every instrument with systems whose answer is known; exit 1 if a row fails."""
    from spinfunnel.calibrate import run_calibrations, to_json

    with _progress(not as_json) as progress:
        result = run_calibrations(
            names or (),
            effort=_effort(effort),
            seed=seed,
            jobs=jobs,
            keep=effort == "full",
            progress=progress,
        )
    document = to_json(result, effort=effort, seed=seed)
    if out:
        out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if as_json:
        typer.echo(json.dumps(document, allow_nan=False))
    else:
        console = _console()
        console.print(_calibration_table(document["rows"]))
        for failure in result.failures:
            console.print(f"[red]crashed[/] {failure}", markup=True)
        if result.chi2_p is not None and result.ks_p is not None:
            console.print(f"the set of sigmas: chi-squared p = {result.chi2_p:.3f}, KS p = {result.ks_p:.3f}")
        failed = sum(not row.ok for row in result.rows)
        console.print(f"{len(result.rows)} rows, {failed} failed: {'ok' if result.ok else 'NOT OK'}")
    if not result.ok:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where to write the reports.")] = Path("demo-report"),
) -> None:
    """Diagnose four small networks shipped with the package, whose histories are known, and compare."""
    from importlib.resources import as_file, files

    from rich.table import Table

    from spinfunnel.run import diagnose as look_at

    _writable(out)
    console = _console()
    stories = {
        "trained": "trained well on the digits",
        "noisy-labels": "trained to fit labels that are noise",
        "half-frozen": "trained with half its layers frozen",
        "untrained": "never trained",
    }
    seen = Table("network", box=None, padding=(0, 2, 0, 0), title="In short", title_justify="left")
    for name, story in stories.items():
        with as_file(files("spinfunnel") / "data" / "demo" / f"{name}.safetensors") as path:
            report = look_at(path)
        console.rule(f"[bold]{name}[/]: {story}", align="left")
        report.print(console)
        _write(report, out / name, force=False)
        if not seen.row_count:
            for instrument in report.verdicts:
                seen.add_column(instrument)
        seen.add_row(name, *(verdict.label for verdict in report.verdicts.values()))
    console.rule()
    console.print(seen)
    console.print(
        f"\nOpen {out / 'trained' / 'report.html'}, and the three beside it, in a browser.", soft_wrap=True
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _effort(text: str) -> Effort:
    for effort in EFFORTS:
        if text == effort:
            return effort
    raise BadInput(f"--effort is {text!r}: it must be quick, normal or full")


def _seconds(text: str) -> float | None:
    """Read a duration.

    >>> _seconds("5m"), _seconds("90s"), _seconds("")
    (300.0, 90.0, None)
    """
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise BadInput(f"--budget is {text!r}: write a positive time such as 90s, 5m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _writable(folder: Path) -> None:
    """Find out before long work, not after it, that a folder cannot be written to."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"cannot write to {folder}: {error.strerror or error}; choose another folder"
        ) from None


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


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


@contextmanager
def _progress(wanted: bool) -> Iterator[Progress | None]:
    """Show a bar with the time left on stderr, if it is a terminal and the work is long."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def progress(done: float, total: float, name: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(ascii(name)[1:-1])[:60])

        yield progress


def _calibration_table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    def short(value: float | None, digits: int = 4) -> str:
        return "" if value is None else f"{value:.{digits}g}"

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("system: quantity", overflow="fold", ratio=1)
    for column in ("known", "measured", "deviation", "limit", ""):
        table.add_column(column, justify="right", no_wrap=True)
    of = ""
    for row in rows:
        if row["of"] != of:
            of = row["of"]
            table.add_row(f"[bold cyan]{of}[/]")
        error = row["error"]
        table.add_row(
            f"{row['system']}: {row['quantity']}",
            short(row["exact"]),
            short(row["value"]) + (f" ± {short(error, 2)}" if error is not None else ""),
            "" if row["sigma"] is None else f"{row['sigma']:+.1f} σ",
            short(row["limit"] if row["limit"] is not None else row["tolerance"], 3),
            "[green]ok[/]" if row["ok"] else "[red]FAILED[/]",
        )
    return table
