"""The native state against decoys and against random states: depth, Z, and the temperatures of folding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.coolings import REPLICAS, Coolings
from spinfunnel.core import Array, BadInput, Number
from spinfunnel.maths.statistics import jackknife
from spinfunnel.structures import CUT, overlaps_with
from spinfunnel.systems.folding_theory import copies, log_states
from spinfunnel.systems.folding_times import BryngelsonWolynes, zwanzig
from spinfunnel.systems.protocols import Metric, System

#: Fewer hits at a cooling time may be luck, and are taken only where there are never more.
OFTEN = 3


@dataclass(frozen=True)
class Compared:
    """Minima compared with the native state, or with the best.

    Attributes:
        energy: of the native state; if none is given, the lowest that was found.
        overlaps: of the S minima met with it, (S,); those of the replica that found the best, with the best
            of all others: else a glass would seem to lead to whatever was found.
        replica: which replica met each, (S,).
        hits: how many of the anneals at each cooling time ended in its basin, (K,), less the one that
            found the best.
        tries: how many could have, (K,).
    """

    energy: float
    overlaps: Array
    replica: Array
    hits: Array
    tries: Array


def compared(system: Metric, made: Coolings, native: Array | None) -> Compared:
    """Compare all minima with the native state, if one is given, or with the best of other replicas."""
    times, replicas = made.energies.shape
    owner = owners(made)
    tries = np.full(times, replicas)
    if native is not None:
        hits = (overlaps_with(system, made.ends, native) > CUT).sum(axis=1)
        overlaps = overlaps_with(system, made.structures, native)
        return Compared(float(system.energy(native[None])[0]), overlaps, owner, hits, tries)
    minima = np.concatenate([made.ends.reshape(-1, *system.shape), made.structures])
    energies = np.concatenate([made.energies.ravel(), made.structure_energies])
    whose = np.concatenate([np.tile(np.arange(replicas), times), owner])
    first = int(energies.argmin())
    others = np.flatnonzero(whose != whose[first])
    second = others[int(energies[others].argmin())]
    mine = owner == whose[first]
    overlaps = overlaps_with(system, made.structures, minima[first])
    overlaps[mine] = overlaps_with(system, made.structures[mine], minima[second])
    hits = (overlaps_with(system, made.ends, minima[first]) > CUT).sum(axis=1)
    if first < times * replicas:
        hits[first // replicas] -= 1
        tries[first // replicas] -= 1
    return Compared(float(energies[first]), overlaps, owner, hits, tries)


def owners(made: Coolings) -> Array:
    """Tell which replica met each of the minima on the way, (S,): in each set, replicas take turns."""
    at = np.arange(len(made.structures))
    each = len(at) // (made.energies.shape[1] // REPLICAS)
    return np.asarray(at // each * REPLICAS + at % REPLICAS)


def decoys(found: Compared, energies: Array) -> tuple[Number, Number, Number] | None:
    """Give mean and standard deviation of the energies of decoys, and Z; None if they have not two energies.

    Decoys are minima met on the way that are not in the native basin, as often as they were met. Z is how
    many standard deviations their mean is above the native energy. Errors are from leaving out replicas.
    """
    apart = found.overlaps <= CUT
    e, replica = energies[apart], np.unique(found.replica[apart], return_inverse=True)[1]
    if not len(e) or np.ptp(e) <= 1e-9 * max(1.0, float(np.abs(e).max())):
        return None
    blocks = int(replica.max()) + 1
    if blocks < 2:
        return None

    def estimate(kept: Array) -> Array:
        mine = e[np.isin(replica, kept)]
        return np.array([mine.mean(), mine.std(), (mine.mean() - found.energy) / max(mine.std(), 1e-300)])

    mean, deviation, z = _numbers(*jackknife(estimate, blocks))
    return mean, deviation, z


def _numbers(values: Array, errors: Array) -> list[Number]:
    return [Number(float(value), error=float(error)) for value, error in zip(values, errors, strict=True)]


def rank_correlation(found: Compared, energies: Array) -> Number | None:
    """Give Spearman's correlation of energies and overlaps of minima; None if one of them never varies."""
    from scipy.stats import rankdata

    scale = max(1.0, float(np.abs(energies).max()))
    if np.ptp(energies) <= 1e-9 * scale or np.ptp(found.overlaps) <= 1e-9:
        return None

    def estimate(kept: Array) -> Array:
        some = np.isin(found.replica, kept)
        ranks = [rankdata(values[some]) for values in (energies, found.overlaps)]
        if min(np.ptp(one) for one in ranks) == 0:
            return np.array(0.0)
        return np.array(np.corrcoef(ranks[0], ranks[1])[0, 1])

    value, error = jackknife(estimate, int(found.replica.max()) + 1)
    sure = error < 1e-9  # where energy is what the overlap counts
    return Number(round(float(value), 9), kind="exact") if sure else Number(float(value), error=float(error))


@dataclass(frozen=True)
class RandomEnergies:
    """What a random energy model with a native state says, of the mean and the spread of random states.

    Attributes:
        entropy: S0, the logarithm of the number of states, symmetry taken off.
        mean, deviation, skewness: of the energies of random states.
        depth: (mean - native energy) / (deviation sqrt(2 S0)); as many random energies reach 1.
        glass, folding, ratio: Tg, Tf and Tf / Tg; the last two are None if the depth is below 1.
    """

    entropy: float
    mean: Number
    deviation: Number
    skewness: Number
    depth: Number
    glass: Number
    folding: Number | None
    ratio: Number | None


def random_energies(system: System, energies: Array, native_energy: float) -> RandomEnergies | None:
    """Apply the formulas of Bryngelson and Wolynes to energies of random states (S,).

    Errors are from leaving out random states. None if the number of states is unknown, or all random energies
    are the same.
    """
    count = log_states(system)
    if count is None or np.ptp(energies) <= 1e-9 * max(1.0, float(np.abs(energies).max())):
        return None
    entropy = count - math.log(copies(system))

    def estimate(kept: Array) -> Array:
        mine = energies[kept]
        mean, deviation = float(mine.mean()), float(mine.std())
        depth = (mean - native_energy) / (deviation * math.sqrt(2 * entropy))
        model = BryngelsonWolynes(entropy, deviation, max(depth, 1.0) * deviation * math.sqrt(2 * entropy))
        skewness = float(((mine - mean) ** 3).mean()) / deviation**3
        return np.array([
            mean, deviation, skewness, depth, model.glass_temperature, model.folding_temperature, model.ratio,
        ])  # fmt: skip

    mean, deviation, skewness, depth, glass, folding, ratio = _numbers(*jackknife(estimate, len(energies)))
    deep = depth.value > 1
    return RandomEnergies(
        entropy, mean, deviation, skewness, depth, glass, folding if deep else None, ratio if deep else None
    )


def times(
    system: System, made: Coolings, found: Compared, entropy: float | None, gap: float
) -> dict[str, Number]:
    """Give the log10 of, in sweeps (or hops), Levinthal's time, Zwanzig's, and what the anneals took.

    Levinthal looks at all states, one a sweep. Zwanzig's N bonds turn right and wrong on their own, each with
    e^(S0 / N) - 1 wrong states, and gain gap / (N T90) by being right. Anneals are repeated until one hits,
    with the cooling time at which that takes least, of those at which it happened three times.
    """
    said = {}
    n, t90 = system.size, float(made.t90.mean())
    if entropy is not None:
        said["log10 of Levinthal's time"] = Number(entropy / math.log(10), kind="exact", unit="sweeps")
        wrong = math.expm1(entropy / n)
        try:
            time = zwanzig(n, gap / (n * t90), wrong=wrong, rate=1.0)
        except BadInput:  # beyond what a float holds
            time = math.inf
        if math.isfinite(time):
            said["log10 of Zwanzig's time at T90"] = Number(math.log10(time), kind="model", unit="sweeps")
    often = np.flatnonzero(found.hits >= min(OFTEN, max(1, found.hits.max())))
    if found.hits.max() > 0:
        took = made.times[often] * found.tries[often] / found.hits[often]
        k = int(took.argmin())
        hits, tries = int(found.hits[often[k]]), int(found.tries[often[k]])
        error = math.sqrt((1 - hits / tries) / hits) / math.log(10)
        said["log10 of the anneals' time until one hits"] = Number(
            math.log10(took[k]), error=error if hits < tries else None, unit=made.unit
        )
    return said
