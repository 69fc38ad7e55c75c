"""`spinfunnel demo`: four networks whose histories are known, and two that are trained before one's eyes."""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinfunnel.cli.arguments import writable
from spinfunnel.cli.diagnosing import _leave, _write
from spinfunnel.cli.screen import progress_bar, terminal

if TYPE_CHECKING:
    from rich.console import Console

#: The networks that ship with the package, and what happened to them.
STORIES = {
    "trained": "trained well on the digits",
    "noisy-labels": "trained to fit labels that are noise",
    "half-frozen": "trained with half its layers frozen",
    "untrained": "never trained",
}

#: The networks that are trained here, with their seeds; the first is diagnosed, beside the second.
TRAINED = {"first": 1, "second": 2}
#: Steps between two records of the first one's training, and bars in the picture of a loss.
EVERY, BARS = 8, " ▁▂▃▄▅▆▇█"


def demo(
    out: Annotated[Path, typer.Option(help="Where to write the reports.")] = Path("demo-report"),
) -> None:
    """Compare four networks that ship with the package, then train two and look at their landscape.

    The second part needs PyTorch and scikit-learn. It leaves a task.py to go on with.
    """
    writable(out)
    console = terminal()
    lacking = [name for name in ("torch", "sklearn") if find_spec(name) is None]
    _compare(out, console, whole=bool(lacking))
    if not lacking:
        try:
            _train(out / "digits", console)
        except KeyboardInterrupt:
            typer.echo(f"spinfunnel: interrupted; what was finished is in {out}", err=True)
            raise typer.Exit(130) from None
        return
    console.print(
        f"\nnot run, for want of {' and '.join(lacking)}: to train two networks on digits, and look at one "
        "of them as a task, which has a landscape, and a history of how training got there. For this part:"
    )
    console.print('    pip install "spinfunnel[torch,demo]"', markup=False)


def _compare(out: Path, console: Console, *, whole: bool) -> None:
    """Diagnose the networks that ship, and show them side by side; whole, each report as well."""
    from rich.table import Table
    from rich.text import Text

    from spinfunnel.report.terminal import STYLES
    from spinfunnel.run import diagnose

    console.rule("[bold]Four networks[/], of which only the weights are looked at", align="left")
    verdicts = {}
    for name, story in STORIES.items():
        with as_file(files("spinfunnel") / "data" / "demo" / f"{name}.safetensors") as path:
            report = diagnose(path)
        if whole:
            console.rule(f"[bold]{name}[/]: {story}", align="left")
            report.print(console)
        _write(report, out / name, force=False)
        if report.interrupted:
            _leave(report, [], "")
        verdicts[name] = report.verdicts
    seen = Table("", *STORIES, box=None, padding=(0, 2, 0, 0))
    seen.add_row("history", *STORIES.values())
    for instrument in report.verdicts:
        judged = [verdicts[name][instrument] for name in STORIES]
        seen.add_row(instrument, *(Text(one.label, STYLES[one.outcome]) for one in judged))
    console.print(seen)
    console.print(
        f"\nOpen {out / 'trained' / 'report.html'}, and the three beside it, in a browser.", soft_wrap=True
    )


def _train(folder: Path, console: Console) -> None:
    """Train two networks by a task file, which stays, and diagnose the first beside the second."""
    from safetensors.numpy import save_file
    from threadpoolctl import threadpool_limits

    from spinfunnel.record import Recorder
    from spinfunnel.report.writing import write
    from spinfunnel.run import carry_out, plan
    from spinfunnel.task_file import load

    console.print()
    console.rule("[bold]Two networks[/], trained now, with their data", align="left")
    text = (files("spinfunnel") / "data" / "demo" / "task.py").read_text(encoding="utf-8")
    beginning = text.partition("\n")[0].encode()
    file = write(folder / "task.py", text, ours=lambda old: old.startswith(beginning))
    train: Any = load(f"{file}:train", FunctionType)
    for name, word in (("digits", "data"), ("network", "network"), ("train", "training")):
        said = train.__globals__[name].__doc__.partition("\n")[0]
        console.print(f"{word:<9}{said}", markup=False, soft_wrap=True)

    def recorder(network: Any) -> Recorder:
        return Recorder(folder / "history", network, every=EVERY, force=True)

    with threadpool_limits(1):  # where other work is going on, two threads are slower than one
        for name, seed in TRAINED.items():
            network, told = _watched(train, name, seed, recorder if name == "first" else None)
            state = {key: value.numpy() for key, value in network.state_dict().items()}
            save_file(state, folder / f"{name}.safetensors")
            console.print(f"{name:<9}{told}", markup=False, soft_wrap=True)
        planned = plan(file, other=folder / "second.safetensors", effort="quick")
        console.print(f"plan     {planned}\n", markup=False, soft_wrap=True)
        with progress_bar(wanted=True) as progress:
            report = carry_out(planned, progress=progress, given={"other": "second.safetensors"})
    report.print(console)
    _write(report, folder, force=False)
    console.print(f"\nOpen {folder / 'report.html'} in a browser. To go on with it, and with yours:")
    for command in (
        f"diagnose {file} --out again",
        f"compare {file} {folder / 'second.safetensors'}",
        "new task",
    ):
        console.print(f"    spinfunnel {command}", markup=False, soft_wrap=True)
    _leave(report, [], "")


def _watched(train: Any, name: str, seed: int, record: Any) -> tuple[Any, str]:
    """Train a network with its loss on the screen; give it, and a line on how the loss fell."""
    seen: list[float] = []
    with progress_bar(wanted=True) as progress:

        def watch(step: int, steps: int, loss: float) -> None:
            seen.append(loss)
            if progress:
                progress(step, steps, f"the {name} network: loss {loss:.4f}")

        return train(seed, watch, record), f"seed {seed}: {_falling(seen)}"


def _falling(losses: list[float], bars: int = 24) -> str:
    """Draw how a loss fell, on a logarithmic scale, between its first and its last values.

    >>> _falling([1.0] * 50 + [.1] * 50, bars=4)
    'loss 1.00 ██▁▁ 0.100 in 100 steps'
    """
    import numpy as np

    from spinfunnel.core import significant

    means = [float(np.mean(part)) for part in np.array_split(losses, min(bars, len(losses)))]
    heights = np.log(np.maximum(means, np.finfo(float).tiny))
    share = (heights - heights.min()) / (np.ptp(heights) or 1.0)
    drawn = "".join(BARS[1 + round(7 * one)] for one in share)
    ends = significant(means[0], 3), significant(means[-1], 3)
    return f"loss {ends[0]} {drawn} {ends[1]} in {len(losses)} steps"
