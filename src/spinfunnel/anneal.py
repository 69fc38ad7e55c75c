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

from spinfunnel.core import Array, BadInput, Number, Trace, seeds
from spinfunnel.dynamics import anneal as cool
from spinfunnel.dynamics import (
    basin_hopping,
    descend,
    kernels,
    ladder,
    population_annealing,
    temper,
    temperature_range,
)
from spinfunnel.dynamics.fixing import fix as narrow
from spinfunnel.maths.statistics import share_of
from spinfunnel.systems import MAKERS, chains, lennard_jones, system
from spinfunnel.systems.files import RUDY, cut, read_couplings
from spinfunnel.systems.protocols import Flips, Moves, Pairwise, Planted, Smooth, System
from spinfunnel.systems.surfaces import Surface

Method = Literal["auto", "sa", "pt", "pa", "bh"]
METHODS: dict[str, str] = {
    "auto": "annealing and tempering in turn; smooth energies: basin hopping",
    "sa": "simulated annealing",
    "pt": "parallel tempering",
    "pa": "population annealing",
    "bh": "basin hopping",
}
#: What each of them does.
WORK: dict[str, str] = {
    "sa": "annealing",
    "pt": "tempering",
    "pa": "population annealing",
    "bh": "basin hopping",
    "fix": "annealing and fixing",
}

#: Each round is twice as long as the one before: from these sweeps (bh: hops) on, to these.
FIRST: dict[str, int] = {"sa": 64, "pt": 256, "pa": 1, "bh": 16, "fix": 64}
MOST_SWEEPS = 2**17
#: Anneals in a round, the replicas that all its ladders have together, and chains that hop.
ANNEALS, REPLICAS, CHAINS = 4 * kernels.WIDTH, 2 * kernels.WIDTH, 16
#: Replicas of a population.
POPULATION = 1024
#: Once the ground state is known to be reached: this many anneals that reach it give a success share.
ENOUGH = 10
#: Energies as close as this, relative to the larger of them and 1, are one.
TIE = 1e-9


@dataclass(frozen=True)
class Round:
    """Searches of equal length: how many, and how many of them saw the lowest energy known.

    A search is an anneal, a ladder, a chain that hops, a population, or a succession of fixings.
    """

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
    are counted against the planted energy, or else against the best energy of all rounds. `u` is the energy
    `per` spin, monomer, atom or coordinate, of which there are `extent`. `lowest_known` is the literature's,
    and no certificate. `cut` is the weight of the cut, of graphs in rudy files. `log_z` is ln Z at `cold`, of
    spins cooled as a population, and `doubts` say why it may not be believed. Basin hopping has neither `hot`
    nor `cold`.
    """

    source: str
    convention: str
    size: int
    extent: str
    per: str
    seed: int
    method: str
    best: Array
    energy: float
    u: float
    ground_energy: float | None
    certificate: str
    reached: bool | None
    lowest_known: float | None
    reported_by: str
    cut: float | None
    log_z: Number | None
    doubts: tuple[str, ...]
    rounds: tuple[Round, ...]
    hot: float | None
    cold: float | None
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
    return share_of(one.successes, one.tries)


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
    """Make the system that `system:NAME` names, or read couplings from a file.

    Raises:
        BadInput: if it is neither, the file cannot be read, or a size is given with a file.
    """
    if source.startswith("system:"):
        return system(source, size=size, seed=seed)
    if Path(source).exists():
        if size is not None:
            raise BadInput(f"{source} is a file, which has a size of its own: leave out --size")
        return read_couplings(source)
    if "/" in source or "." in source:
        raise BadInput(f"there is no file {source}")
    near = difflib.get_close_matches(source.partition("?")[0].rstrip("0123456789"), MAKERS, n=1)
    hint = f"did you mean system:{near[0]}?" if near else "`spinfunnel list systems` prints them"
    raise BadInput(f"{source!r} is neither a file nor system:NAME; {hint}")


def lowest_known(it: System) -> tuple[float, str] | None:
    """Give the lowest energy that anybody reported, and who; it is proved nowhere. None if none is known.

    >>> lowest_known(system("hp", size=20))
    (-9.0, 'Thachuk, Shmygelska & Hoos, BMC Bioinformatics 8 (2007) 342')
    """
    from spinfunnel.systems.chain_enumeration import NATIVE
    from spinfunnel.systems.facts.molecules import LOWEST_KNOWN

    n = it.size
    if isinstance(it, lennard_jones.LennardJones) and n in lennard_jones.LOWEST_KNOWN:
        return lennard_jones.LOWEST_KNOWN[n], "Wales & Doye, J. Phys. Chem. A 101 (1997) 5111"
    if it.name == "hp" and it.convention.endswith(chains.SEQUENCES.get(n, "none")):
        short = {size: energy for size, (energy, _) in NATIVE.items()}
        return float((short | LOWEST_KNOWN)[n]), "Thachuk, Shmygelska & Hoos, BMC Bioinformatics 8 (2007) 342"
    return None


def extent(it: System) -> str:
    """Say how large a system is.

    >>> extent(system("sk", size=12)), extent(system("hp")), extent(system("lj13"))
    ('12 spins', '20 monomers', '13 atoms')
    """
    return f"{it.size} {_parts(it)}"


def _parts(it: System) -> str:
    if isinstance(it, chains.Chain):
        return "monomers"
    if isinstance(it, lennard_jones.LennardJones):
        return "atoms"
    return "coordinates" if isinstance(it, Surface) else "spins"


_PER = {"spins": "per spin", "monomers": "per monomer", "atoms": "per atom", "coordinates": "per coordinate"}


def methods_for(it: System, method: str, fix: bool = False) -> tuple[str, ...]:
    """Give the methods whose rounds follow one another.

    >>> methods_for(system("sk"), "auto"), methods_for(system("lj"), "auto"), methods_for(system("hp"), "pa")
    (('sa', 'pt'), ('bh',), ('pa',))

    Raises:
        BadInput: if there is no such method, or the system cannot be searched by it.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(str(method), METHODS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(METHODS)}"
        raise BadInput(f"no method is called {method!r}; {hint}")
    if fix:
        if method not in ("auto", "sa"):
            raise BadInput(f"fixing freezes what anneals agree on: it goes with method sa, not {method}")
        if not isinstance(it, Pairwise | chains.Chain):
            raise BadInput(f"{it.name} has neither pairs of spins nor contacts that fixing could freeze")
        return ("fix",)
    if method == "bh" and not isinstance(it, Smooth):
        raise BadInput(f"{it.name} has no gradient, which basin hopping needs: take sa, pt, pa or auto")
    if method in ("sa", "pt", "pa") and not isinstance(it, Pairwise | Moves):
        raise BadInput(f"{it.name} has neither couplings of spins nor moves, but a gradient: take bh or auto")
    if method == "auto":
        return ("bh",) if isinstance(it, Smooth) else ("sa", "pt")
    return (method,)


@dataclass
class Searches:
    """The rounds of a search of one system: what each method needs to know of it, found out once.

    `scale` is (temperature, step) of basin hopping.
    """

    it: System
    seed: int
    methods: tuple[str, ...]
    deadline: float = math.inf
    hot: float | None = None
    cold: float | None = None
    rungs: Array | None = None
    scale: tuple[float, float] | None = None

    def compile(self) -> float:
        """Run everything once, shortly, so that it is compiled; give the seconds that compiling took."""
        it, traces = self.it, []
        if {"sa", "pt", "pa"} & set(self.methods):
            traces.append(cool(it, sweeps=1, anneals=ANNEALS, hot=2.0, cold=1.0))
        if "pt" in self.methods:
            traces.append(temper(it, [2.0, 1.0], sweeps=1, ladders=REPLICAS // 2))
        if "fix" in self.methods:
            traces.append(narrow(it, sweeps=1, rounds=2))
        if "bh" in self.methods:
            it.energy(it.random(1, 0))
        return float(sum(trace.stats["compile_seconds"] for trace in traces))

    def prepare(self) -> None:
        """Measure the temperatures and lengths that the system wants."""
        if "bh" in self.methods:
            self.scale = hopping_scale(self.it, self.seed)
        else:
            self.hot, self.cold = temperature_range(self.it, self.seed)
        if "pt" in self.methods:
            self.rungs = ladder(self.it, self.hot, self.cold, seed=self.seed)

    def round(self, how: str, level: int, tick: Callable[..., None]) -> tuple[int, Trace]:
        """Search for sweeps (bh: hops) that double with each level; give their number, and what was found."""
        it, length = self.it, min(MOST_SWEEPS, FIRST[how] * 2 ** min(level, 20))
        common: dict[str, Any] = {
            "seed": seeds(self.seed, "round", how, level), "deadline": self.deadline, "progress": tick,
        }  # fmt: skip
        if how == "sa":
            trace = cool(it, sweeps=length, anneals=ANNEALS, hot=self.hot, cold=self.cold, **common)
        elif how == "pt":
            assert self.rungs is not None
            ladders = max(1, REPLICAS // len(self.rungs))
            trace = temper(it, self.rungs, sweeps=length, ladders=ladders, record_every=length, **common)
        elif how == "pa":
            assert self.hot is not None
            assert self.cold is not None
            between = [self.cold] if isinstance(it, Flips) else [self.hot, self.cold]
            trace = population_annealing(it, between, population=POPULATION, sweeps=length, **common)
        elif how == "fix":
            trace = narrow(it, sweeps=length, **common)
        else:
            assert self.scale is not None
            temperature, step = self.scale
            trace = basin_hopping(
                it, hops=length, replicas=CHAINS, temperature=temperature, step=step, **common
            )
        return length, trace


def hopping_scale(it: System, seed: int) -> tuple[float, float]:
    """Give the temperature and step of basin hopping: the literature's for Lennard-Jones clusters.

    Else the spread of the energies of minima below random starts, and half of how far it is to them.
    """
    if isinstance(it, lennard_jones.LennardJones):
        return 0.8, 0.4
    assert isinstance(it, Smooth)
    start = it.settle(it.random(CHAINS, seeds(seed, "scale")))
    minima = descend(it, start).final
    spread = float(np.std(it.energy(minima)))
    step = float(np.sqrt(np.mean((minima - start) ** 2))) / 2
    return spread or 1.0, step or 1.0


def anneal(
    source: str | System,
    *,
    size: int | None = None,
    method: Method = "auto",
    fix: bool = False,
    budget: float = 30.0,
    seed: int = 0,
    progress: Callable[[float, float, str], None] | None = None,
) -> Annealed:
    """Search for the lowest energy until it is known to be reached, or `budget` seconds are spent.

    Rounds of many anneals (`sa`), of ladders of tempered replicas (`pt`), of a population (`pa`), of chains
    that hop between minima (`bh`), or of anneals that freeze what they agree on (`fix`) become twice as long
    each time. A round's numbers depend on the seed alone; how many rounds there are depends on the machine.
    The budget begins when everything is compiled. Ctrl-C keeps the best.

    >>> found = anneal("system:mattis", size=24, budget=5)
    >>> round(found.energy, 9), found.reached, found.certificate
    (-11.5, True, 'every bond is satisfied')

    Raises:
        BadInput: if the source, the method or the budget cannot be used.
    """
    if not (math.isfinite(budget) and budget > 0):
        raise BadInput(f"a budget must be a positive number of seconds, not {budget}")
    it = find(source, size, seed) if isinstance(source, str) else source
    searches = Searches(it, seed, methods_for(it, method, fix))
    known = it.ground_energy if isinstance(it, Planted) else None
    compile_seconds = searches.compile()
    began, searches.deadline = time.process_time(), time.time() + budget
    rounds: list[Round] = []
    bests: list[tuple[float, Array]] = []
    lows: list[Array] = []
    stopped, log_z, doubts = "budget", None, ()

    def tick(*_: Any) -> None:
        if progress:
            left = searches.deadline - time.time()
            low = f"u = {min(bests, key=lambda pair: pair[0])[0] / it.size:.6f}" if bests else ""
            progress(min(budget, budget - left), budget, low)

    try:
        searches.prepare()
        for number in count():
            level, turn = divmod(number, len(searches.methods))
            how = searches.methods[turn]
            length, trace = searches.round(how, level, tick)
            bests.append((trace.best_energy, trace.best))
            tick()
            if trace.stopped == "finished":  # one cut short says nothing about searches of its length
                population = how == "pa"
                lows.append(np.array([trace.best_energy]) if population else trace.stats["lowest"])
                trips = int(np.sum(trace.stats.get("round_trips", 0)))
                low, cpu = float(lows[-1].min()), trace.stats["cpu_seconds"]
                rounds.append(Round(how, length, len(lows[-1]), 0, low, cpu, trips))
                if population and isinstance(it, Flips):
                    doubts = trace.stats["doubts"]
                    log_z = Number(
                        float(trace.stats["log_z"][-1]), error=float(trace.stats["log_z_error"][-1])
                    )
            if trace.stopped == "interrupted":
                stopped = "interrupted"
                break
            met = 0 if known is None or not lows else int((lows[-1] <= known + _tie(known)).sum())
            if known is not None and (
                met >= (ENOUGH if how == "sa" else 1)
                or (trace.stopped != "finished" and trace.best_energy <= known + _tie(known))
            ):
                stopped = "reached"
                break
            if time.time() >= searches.deadline:
                break
    except KeyboardInterrupt:
        if not bests:
            raise
        stopped = "interrupted"
    energy, best = min(bests, key=lambda pair: pair[0])
    target = energy if known is None else known
    printed = lowest_known(it)
    return Annealed(
        source=source if isinstance(source, str) else it.name,
        convention=it.convention,
        size=it.size,
        extent=extent(it),
        per=_PER[_parts(it)],
        seed=seed,
        method="fix" if fix else method,
        best=best,
        energy=energy,
        u=energy / it.size,
        ground_energy=known,
        certificate=it.certificate if isinstance(it, Planted) else "",
        reached=None if known is None else energy <= known + _tie(known),
        lowest_known=printed[0] if printed else None,
        reported_by=printed[1] if printed else "",
        cut=float(cut(it, best[None])[0]) if isinstance(it, Pairwise) and it.convention == RUDY else None,
        log_z=log_z,
        doubts=doubts,
        rounds=tuple(
            replace(one, successes=int((low <= target + _tie(target)).sum()))
            for one, low in zip(rounds, lows, strict=True)
        ),
        hot=searches.hot,
        cold=searches.cold,
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
