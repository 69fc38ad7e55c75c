"""Spin codes side by side: flips, anneals, round trips, and times to solution on planted instances.

The physics is compared before the clock: where two codes anneal with one schedule, their mean final energies
must agree within four standard errors or half a percent, and where they temper, so must every temperature;
otherwise there is no row. openjij repeats itself when it is given a seed, so it gets none.
"""

import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RIVALS = ("dwave-samplers", "openjij")
BETAS = (0.1, 3.0)
TEMPERATURES = [float(t) for t in np.linspace(1.1, 2.6, 13)]

#: What is measured; the rows of results.json that bear these names are ours.
FLIPS, ANNEAL = "annealing, CPU ns per flip", "one anneal of 1,024 sweeps, CPU ms"
TEMPER, SOLVE = "tempering, CPU ms per sweep of a ladder", "time to solution (99 %), CPU ms"
STATES = "all states of 28 spins, CPU s"
BENCHES = (FLIPS, ANNEAL, TEMPER, SOLVE, STATES)

#: Times to solution: instances of a family (three seeds), and the lengths of anneals that are tried.
FAMILIES = {
    "tiles2d?tile=1, L = 24": ("tiles2d?tile=1", 24),
    "tiles3d?faces=6, L = 6": ("tiles3d?faces=6", 6),
    "wishart?alpha=0.5, N = 32": ("wishart?alpha=0.5", 32),
    "xorsat, N = 36": ("xorsat", 36),
}
SWEEPS = (64, 256, 1024)
SEEDS = (1, 2, 3)


class Code:
    """A process that runs one code's jobs."""

    def __init__(self, python, name, environment):
        command = [python, str(HERE / "spin_side.py"), name]
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended without an answer: see what it printed above")
        return line

    def do(self, job, path, **given):
        request = {"job": job, "path": str(path), **given}
        if self.name == "openjij":
            request["seed"] = None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self._answer())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def save(name, size, seed, folder):
    """Write an instance; give its path and the energy that was planted."""
    from spinfunnel.systems import system
    from spinfunnel.systems.protocols import Planted

    made = system(name, size=size, seed=seed)
    pairs = hasattr(made, "bonds")
    edges, couplings = made.bonds if pairs else (made.members, made.couplings)
    path = Path(folder) / f"{name.replace('?', ' ')} {size} {seed}.npz"
    np.savez(
        path,
        members=np.ravel(edges),
        orders=np.full(len(edges), 2) if pairs else np.diff(made.indptr),
        couplings=couplings,
        sides=getattr(made, "sides", ()) or (made.size,),
        size=made.size,
    )
    return path, made.ground_energy if isinstance(made, Planted) else None


def same_physics(one, two):
    """Whether mean energies agree within four standard errors, or half a percent."""
    (a, ea), (b, eb) = ((np.mean(x), np.std(x) / math.sqrt(len(x))) for x in (one, two))
    return abs(a - b) <= max(4 * math.hypot(ea, eb), 0.005 * abs(a))


def rows(repeats, rival_python, row, environment, folder):
    """Measure everything; yield rows as `row` makes them."""
    codes = {"ours": Code(sys.executable, "ours", environment)}
    codes |= {name: Code(rival_python(name), name, environment) for name in (*RIVALS, "peapods")}
    try:
        yield from speeds(repeats, codes, row, folder)
        yield from round_trips(repeats, codes, row, folder)
        yield from solutions(codes, row, folder)
        yield from counting(repeats, codes, row, folder)
    finally:
        for code in codes.values():
            code.close()


def speeds(repeats, codes, row, folder):
    """CPU time per attempted flip of many anneals, and of one; the first call of each is not counted."""
    sweeps, size = 1024, 1000
    for law, words, least in (("pm", "+-1", 50.0), ("gauss", "Gaussian", 5.0)):
        path, _ = save(f"ea?law={law}", 10, 1, folder)
        names = ("ours", *RIVALS)
        ends = {name: [] for name in names}
        for ours, theirs, bench, target in (
            (1024, 8, FLIPS, least),
            (1, 1, ANNEAL, 1.0),
        ):
            times = {name: [] for name in names}
            for repeat in range(repeats + 1):
                for name in names:
                    reads = ours if name == "ours" else theirs
                    found = codes[name].do(
                        "anneal", path, reads=reads, sweeps=sweeps, seed=repeat + 1, betas=BETAS
                    )
                    ends[name] += found["cooled"]
                    if repeat:
                        unit = 1e3 if ours == 1 else 1e9 / (reads * sweeps * size)
                        times[name].append(found["seconds"] * unit)
            for name in RIVALS:
                if not same_physics(ends["ours"], ends[name]):
                    print(f"no row: {name} and we disagree on {words} energies", flush=True)
                    continue
                mine, other = (statistics.median(times[n]) for n in ("ours", name))
                work = f"3D {words} glass, L = 10" + (", 1,024 replicas" if ours > 1 else "")
                yield row(bench, work, mine, other, name, target)


def round_trips(repeats, codes, row, folder):
    """CPU time of tempering on one ladder of temperatures: the dynamics are the same, so round trips are."""
    sweeps, ladders = 2000, {"ours": 64, "peapods": 1}
    for law, words in (("pm", "+-1"), ("gauss", "Gaussian")):
        path, _ = save(f"ea?law={law}", 10, 1, folder)
        times, energies, trips = {name: [] for name in ladders}, {name: [] for name in ladders}, 0
        for repeat in range(repeats + 1):
            for name, count in ladders.items():
                found = codes[name].do(
                    "temper", path,
                    sweeps=sweeps, seed=repeat + 1, temperatures=TEMPERATURES, ladders=count,
                )  # fmt: skip
                energies[name].append(found["energies"])
                trips += sum(found.get("trips", ())) if repeat else 0
                if repeat:
                    times[name].append(found["seconds"] / (count * sweeps) * 1e3)
        rungs = range(len(TEMPERATURES))
        if not all(same_physics(*(np.array(energies[name])[:, k] for name in ladders)) for k in rungs):
            print(f"no row: peapods and we disagree on tempered {words} energies", flush=True)
            continue
        mine, other = (statistics.median(times[name]) for name in ladders)
        each = mine * ladders["ours"] * sweeps * repeats / max(trips, 1)
        work = f"3D {words} glass, L = 10, 13 temperatures, 64 ladders"
        yield row(TEMPER, work, mine, other, "peapods", 5.0)
        print(f"{work}: {each:.1f} CPU ms per round trip of ours, {each * other / mine:.1f} of peapods'")


def tts(code, path, ground, sweeps, budget=1.0):
    """Give the seconds of one anneal, and how many of how many reached the ground state."""
    reads = 1024 if code.name == "ours" else 16
    seconds, hits, tries, seed = 0.0, 0, 0, 0
    while tries == 0 or (seconds < budget and hits < 200):
        seed += 1
        found = code.do("anneal", path, reads=reads, sweeps=sweeps, seed=1000 * sweeps + seed)
        lowest = np.array(found["lowest"])
        seconds += found["seconds"]
        tries += len(lowest)
        hits += int((lowest <= ground + 1e-6 * max(1.0, abs(ground))).sum())
    return seconds / tries, hits, tries


def time99(each, p):
    return each * max(1.0, math.log(0.01) / math.log1p(-p)) if 0 < p < 1 else each if p else math.inf


def solutions(codes, row, folder):
    """Median over instances of the shortest time to solution, every code at its best length of anneals.

    Each code anneals between the temperatures that it chooses itself.
    """
    rng = np.random.default_rng(0)
    for family, (name, size) in FAMILIES.items():
        order = 3 if name == "xorsat" else 2
        best = {code: [] for code in codes if code != "peapods" and (order == 2 or code != "dwave-samplers")}
        for seed in SEEDS:
            path, ground = save(name, size, seed, folder)
            for code in best:
                codes[code].do("anneal", path, reads=1 if code != "ours" else 1024, sweeps=8, seed=1)
                tried = [tts(codes[code], path, ground, sweeps) for sweeps in SWEEPS]
                best[code].append(min(tried, key=lambda t: time99(t[0], t[1] / t[2])))
        for rival in best:
            if rival == "ours":
                continue
            mine, other = (
                statistics.median(time99(each, hits / tries) for each, hits, tries in best[code])
                for code in ("ours", rival)
            )
            if not math.isfinite(mine):
                continue
            low, high = interval(best["ours"], best[rival], rng)
            work = f"{family} (ratio {low:.3g} to {high:.3g})"
            if not math.isfinite(other):
                other = statistics.median(each * tries for each, _, tries in best[rival])
                work = f"{family} (it never got there: the time it took)"
            yield row(SOLVE, work, 1e3 * mine, 1e3 * other, rival, 1.0)


def interval(ours, theirs, rng):
    """Give the 95 % bootstrap interval of the ratio: instances, and successes on each, drawn again."""
    ratios = []
    for _ in range(2000):
        chosen = rng.integers(0, len(ours), len(ours))
        medians = [
            statistics.median(
                time99(each, rng.beta(hits + 0.5, tries - hits + 0.5))
                for each, hits, tries in (side[k] for k in chosen)
            )
            for side in (ours, theirs)
        ]
        ratios.append(medians[1] / medians[0])
    return np.quantile(ratios, [0.025, 0.975])


def counting(repeats, codes, row, folder):
    """All states of 28 spins, against ten seconds."""
    path, _ = save("sk", 28, 1, folder)
    seconds = [codes["ours"].do("enumerate", path)["seconds"] for _ in range(min(repeats, 3))]
    yield row(STATES, "SK", statistics.median(seconds), 10.0, "limit", 1.0)
