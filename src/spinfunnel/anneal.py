"""Search a system for its lowest energy within a time: what `spinfunnel anneal` does."""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spinfunnel.core import Array, BadInput, Number, seeds
from spinfunnel.dynamics import anneal as cool
from spinfunnel.dynamics import kernels, ladder, temper, temperature_range
from spinfunnel.systems import MAKERS, system
from spinfunnel.systems.protocols import Planted, System

Method = Literal["auto", "sa", "pt"]
METHODS: dict[str, str] = {
    "auto": "simulated annealing and parallel tempering in turn",
    "sa": "simulated annealing",
    "pt": "parallel tempering",
}

#: Each round of annealing or of tempering is twice as long as the one before, from these sweeps on, to these.
ANNEAL_SWEEPS, TEMPER_SWEEPS, MOST_SWEEPS = 64, 256, 2**17
#: Anneals in a round, and the replicas that all ladders of a round have together.
ANNEALS, REPLICAS = 4 * kernels.WIDTH, 2 * kernels.WIDTH
#: Once the ground state is known to be reached: this many anneals that reach it give a success share.
ENOUGH = 10
#: Energies as close as this, relative to the larger of them and 1, are one.
TIE = 1e-9


@dataclass(frozen=True)
class Round:
    """Anneals, or ladders, of equal length: how many, and how many of them saw the lowest energy known."""

    method: str
    sweeps: int
    tries: int
    successes: int
    lowest: float
    cpu_seconds: float
    round_trips: int = 0


@dataclass(frozen=True)
class Annealed:
    """The best configuration found, and what is known about it.

    `reached` says whether the planted energy was reached; without one it is None. `successes` of a round
    are counted against the planted energy, or else against the best energy of all rounds.
    """

    source: str
    convention: str
    size: int
    seed: int
    method: str
    best: Array
    energy: float
    u: float
    ground_energy: float | None
    certificate: str
    reached: bool | None
    rounds: tuple[Round, ...]
    hot: float
    cold: float
    stopped: str
    cpu_seconds: float
    compile_seconds: float

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search."""
        return self.stopped == "interrupted"

    def best_round(self) -> Round | None:
        """Give the round of anneals with the shortest time to solution, if the ground energy is known."""
        if self.ground_energy is None:
            return None
        solved = [one for one in self.rounds if one.method == "sa" and one.successes]
        return min(solved, key=lambda one: tts99(one).value, default=None)

    def json(self) -> dict[str, Any]:
        """Give everything but the spins as what JSON can hold."""
        best = self.best_round()
        return {key: value for key, value in asdict(self).items() if key not in ("best", "rounds")} | {
            "rounds": [asdict(one) for one in self.rounds],
            "tts99": asdict(tts99(best)) if best else None,
            "success_share": asdict(success_share(best)) if best else None,
        }


def success_share(one: Round) -> Number:
    """Give the share of a round's tries that succeeded, with the 95 % interval of Jeffreys.

    >>> print(success_share(Round("sa", 64, 100, 50, 0.0, 1.0)))
    0.5000 [0.4032, 0.5968]
    """
    from scipy.special import betaincinv

    k, n = one.successes, one.tries
    low = 0.0 if k == 0 else float(betaincinv(k + 0.5, n - k + 0.5, 0.025))
    high = 1.0 if k == n else float(betaincinv(k + 0.5, n - k + 0.5, 0.975))
    return Number(k / n, low=low, high=high, level=0.95, kind="Jeffreys interval")


def tts99(one: Round) -> Number:
    """Give the CPU seconds after which a solution was met with 99 %: t ln(0.01)/ln(1 - p), t for one try.

    The tries of a round run side by side, so t is their time shared out. If every try succeeds, it is t.

    >>> round(tts99(Round("sa", 64, 100, 99, 0.0, 1.0)).value, 6)
    0.01
    """
    each, share = one.cpu_seconds / one.tries, success_share(one)
    assert share.low is not None
    assert share.high is not None

    def seconds(p: float) -> float:
        if p <= 0:
            return math.inf
        return each * (max(1.0, math.log(0.01) / math.log1p(-p)) if p < 1 else 1.0)

    return Number(
        seconds(share.value), low=seconds(share.high), high=seconds(share.low), level=0.95,
        kind="from the interval of the success share", unit="s",
    )  # fmt: skip


def find(source: str, size: int | None, seed: int) -> System:
    """Make the system that `system:NAME` names.

    Raises:
        BadInput: if it is a file (none can be read yet), or is unknown.
    """
    if not source.startswith("system:"):
        if Path(source).exists():
            raise BadInput(f"{source} is a file, and files of couplings are not read yet: give system:NAME")
        near = difflib.get_close_matches(source.partition("?")[0], MAKERS, n=1)
        hint = f"did you mean system:{near[0]}?" if near else "`spinfunnel list systems` prints them"
        raise BadInput(f"{source!r} is neither a file nor system:NAME; {hint}")
    return system(source, size=size, seed=seed)


def anneal(
    source: str | System,
    *,
    size: int | None = None,
    method: Method = "auto",
    budget: float = 30.0,
    seed: int = 0,
    progress: Callable[[float, float, str], None] | None = None,
) -> Annealed:
    """Search for the lowest energy until it is known to be reached, or `budget` seconds are spent.

    Rounds of many anneals (`sa`), or of ladders of tempered replicas (`pt`), become twice as long each time.
    A round's numbers depend on the seed alone; how many rounds there are depends on the machine. The budget
    begins when everything is compiled. Ctrl-C keeps the best.

    >>> found = anneal("system:mattis", size=24, budget=5)
    >>> round(found.energy, 9), found.reached, found.certificate
    (-11.5, True, 'every bond is satisfied')

    Raises:
        BadInput: if the source, the method or the budget cannot be used.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(str(method), METHODS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(METHODS)}"
        raise BadInput(f"no method is called {method!r}; {hint}")
    if not (math.isfinite(budget) and budget > 0):
        raise BadInput(f"a budget must be a positive number of seconds, not {budget}")
    it = find(source, size, seed) if isinstance(source, str) else source
    known = it.ground_energy if isinstance(it, Planted) else None
    once = [cool(it, sweeps=1, anneals=ANNEALS, hot=2.0, cold=1.0)]
    if method != "sa":
        once.append(temper(it, [2.0, 1.0], sweeps=1, ladders=REPLICAS // 2))
    compile_seconds = sum(trace.stats["compile_seconds"] for trace in once)
    hot, cold = temperature_range(it, seed)
    began, deadline = time.process_time(), time.time() + budget

    def tick(*_: Any) -> None:
        if progress:
            u = f"u = {min(bests, key=lambda pair: pair[0])[0] / it.size:.6f}" if bests else ""
            progress(min(budget, budget - (deadline - time.time())), budget, u)

    rounds: list[Round] = []
    bests: list[tuple[float, Array]] = []
    lows: list[Array] = []
    stopped = "budget"
    try:
        rungs = ladder(it, hot, cold, seed=seed) if method != "sa" else np.empty(0)
        for number in count():
            how, level = (method, number) if method != "auto" else (("sa", "pt")[number % 2], number // 2)
            first = ANNEAL_SWEEPS if how == "sa" else TEMPER_SWEEPS
            sweeps = min(MOST_SWEEPS, first * 2 ** min(level, 20))
            own = seeds(seed, "round", how, level)
            if how == "sa":
                trace = cool(
                    it, sweeps=sweeps, anneals=ANNEALS, hot=hot, cold=cold, seed=own,
                    deadline=deadline, progress=tick,
                )  # fmt: skip
            else:
                trace = temper(
                    it, rungs, sweeps=sweeps, ladders=max(1, REPLICAS // len(rungs)), seed=own,
                    record_every=sweeps, deadline=deadline, progress=tick,
                )  # fmt: skip
            bests.append((trace.best_energy, trace.best))
            tick()
            if trace.stopped == "finished":  # one cut short says nothing about anneals of its length
                low = trace.stats["lowest"]
                lows.append(low)
                trips = int(np.sum(trace.stats.get("round_trips", 0)))
                rounds.append(
                    Round(how, sweeps, len(low), 0, float(low.min()), trace.stats["cpu_seconds"], trips)
                )
            if trace.stopped == "interrupted":
                stopped = "interrupted"
                break
            met = 0 if known is None else int((trace.stats["lowest"] <= known + _tie(known)).sum())
            if met >= (1 if how == "pt" else ENOUGH):
                stopped = "reached"
                break
            if time.time() >= deadline:
                break
    except KeyboardInterrupt:
        if not bests:
            raise
        stopped = "interrupted"
    energy, best = min(bests, key=lambda pair: pair[0])
    target = energy if known is None else known
    return Annealed(
        source=source if isinstance(source, str) else it.name,
        convention=it.convention,
        size=it.size,
        seed=seed,
        method=method,
        best=best,
        energy=energy,
        u=energy / it.size,
        ground_energy=known,
        certificate=it.certificate if isinstance(it, Planted) else "",
        reached=None if known is None else energy <= known + _tie(known),
        rounds=tuple(
            replace(one, successes=int((low <= target + _tie(target)).sum()))
            for one, low in zip(rounds, lows, strict=True)
        ),
        hot=hot,
        cold=cold,
        stopped=stopped,
        cpu_seconds=time.process_time() - began,
        compile_seconds=compile_seconds,
    )


def _tie(energy: float) -> float:
    return TIE * max(1.0, abs(energy))


def spins_text(found: Annealed) -> str:
    """Give the best configuration as text: what it is in lines that begin with #, then a spin or site a line.

    A site's coordinates are separated by spaces; `numpy.loadtxt` reads it, to the bit.
    """
    head = (
        f"spinfunnel anneal {found.source} seed {found.seed}",
        found.convention,
        f"N {found.size} energy {found.energy!r}",
    )
    signed = "+" if found.best.dtype == np.int8 and found.best.ndim == 1 else ""
    rows = found.best.reshape(len(found.best), -1).tolist()
    lines = [" ".join(f"{value:{signed}}" for value in row) for row in rows]
    return "".join(f"# {line}\n" for line in head) + "".join(f"{line}\n" for line in lines)
