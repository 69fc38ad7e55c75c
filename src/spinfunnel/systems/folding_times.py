"""When does a protein fold, and below which temperature? The exactly solved models of folding. k_B = 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import BadInput, Calibration, CalibrationRow, seeds

#: A year, in seconds.
YEAR = 365.25 * 86400

#: Times beyond e^700 overflow.
OVERFLOW = 700


def levinthal(bonds: int, *, states: float = 3, rate: float = 1e13) -> float:
    """Give the time to look at all conformations, in units of 1 / rate: seconds, at 1e13 of them a second.

    >>> f"{levinthal(100) / YEAR:.2g} years"
    '1.6e+27 years'

    Raises:
        BadInput: if a number is not positive, or the time above 1e300.
    """
    _require(bonds=bonds, states=states, rate=rate)
    _require_representable(bonds * math.log(states))
    return states**bonds / rate


def zwanzig(bonds: int, energy: float, *, wrong: float = 2, rate: float = 1e9) -> float:
    """Give the mean time until all N bonds are right for the first time, from all wrong, in seconds.

    A wrong bond comes right at `rate` (1e9 a second), a right one goes wrong at rate K, K = nu e^-U, where
    nu = `wrong` counts the wrong states and U = `energy` / T the energy that a bond gains by being right.
    From S wrong bonds to S - 1: t_S = [1 + (N - S) K rate t_{S+1}] / (S rate); the t_S add up.
    Source: Zwanzig, Szabo & Bagchi, Proc. Natl. Acad. Sci. USA 89 (1992) 20.

    >>> [f"{zwanzig(100, bias):.3g} s" for bias in (0, 1, 2)]  # a small bias makes seconds of ages
    ['2.59e+36 s', '1.23e+13 s', '0.973 s']

    Raises:
        BadInput: if N, nu or the rate is not positive, U is not finite, or the time is above 1e300.
    """
    k = _ratio(bonds, energy, wrong, rate)
    time = total = 0.0
    for s in range(bonds, 0, -1):
        time = (1 + (bonds - s) * k * rate * time) / (s * rate)
        total += time
    return total


def zwanzig_estimate(bonds: int, energy: float, *, wrong: float = 2, rate: float = 1e9) -> float:
    """Give their estimate, (1 + K)^N / (N K rate): the time to leave all states but one of equilibrium.

    >>> f"{zwanzig_estimate(100, 2):.3g} s"
    '0.935 s'

    Raises:
        BadInput: as `zwanzig` does.
    """
    k = _ratio(bonds, energy, wrong, rate)
    return (1 + k) ** bonds / (bonds * k * rate)


def _ratio(bonds: int, energy: float, wrong: float, rate: float) -> float:
    _require(bonds=bonds, wrong=wrong, rate=rate)
    if not math.isfinite(energy):
        raise BadInput(f"the energy of a bond must be finite, not {energy:g}")
    log = math.log(wrong) - energy
    _require_representable(max(bonds * max(0.0, log), -log))
    k = math.exp(log)
    _require_representable(bonds * math.log1p(k))
    return k


def _require(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} must be positive, not {value:g}")


def _require_representable(exponent: float) -> None:
    if exponent > OVERFLOW:
        raise BadInput(f"the time would be about e^{exponent:.0f}, beyond what a float holds")


@dataclass(frozen=True)
class BryngelsonWolynes:
    """A native state beneath a random energy model: it folds at Tf, the rest would freeze at Tg.

    Source: Bryngelson & Wolynes, Proc. Natl. Acad. Sci. USA 84 (1987) 7524.

    Attributes:
        entropy: S0, the logarithm of the number of conformations.
        roughness: dE, the standard deviation of their energies.
        gap: dEs, by how much the native energy is below their mean.

    Raises:
        BadInput: if one is not positive.

    >>> protein = BryngelsonWolynes.of_ratio(1.6, entropy=36, roughness=1)
    >>> round(protein.z_score / (2 * 36) ** 0.5, 4), round(protein.ratio, 9)
    (1.1125, 1.6)
    """

    entropy: float
    roughness: float
    gap: float

    def __post_init__(self) -> None:
        _require(entropy=self.entropy, roughness=self.roughness, gap=self.gap)

    @classmethod
    def of_ratio(cls, ratio: float, *, entropy: float, roughness: float) -> BryngelsonWolynes:
        """Give the model with Tf / Tg = ratio, at least 1: dEs = dE sqrt(S0 / 2) (ratio + 1 / ratio)."""
        if not ratio >= 1:
            raise BadInput(f"Tf / Tg must be at least 1, not {ratio:g}: below, a glass forms first")
        _require(entropy=entropy, roughness=roughness, ratio=ratio)
        return cls(entropy, roughness, roughness * math.sqrt(entropy / 2) * (ratio + 1 / ratio))

    @property
    def glass_temperature(self) -> float:
        """Tg = dE / sqrt(2 S0), where the entropy of all but the native state ends."""
        return self.roughness / math.sqrt(2 * self.entropy)

    @property
    def z_score(self) -> float:
        """Z = dEs / dE."""
        return self.gap / self.roughness

    @property
    def folding_temperature(self) -> float:
        """Tf = [dEs + sqrt(dEs^2 - 2 S0 dE^2)] / (2 S0), where the two free energies are the same.

        Raises:
            BadInput: if the native state is not below the glass, dEs > dE sqrt(2 S0).
        """
        glass = self.roughness * math.sqrt(2 * self.entropy)
        if self.gap < glass * (1 - 1e-12):
            raise BadInput(
                f"the native state lies {self.gap:g} below the mean, the glass {glass:g}: it does not fold"
            )
        return (self.gap + math.sqrt(max(0.0, self.gap**2 - glass**2))) / (2 * self.entropy)

    @property
    def ratio(self) -> float:
        """Tf / Tg."""
        return self.folding_temperature / self.glass_temperature

    def free_energy(self, temperature: float) -> float:
        """Give that of all but the native state, from the mean energy: -dE^2 / 2T - T S0, frozen below Tg.

        Raises:
            BadInput: if the temperature is not positive.
        """
        _require(temperature=temperature)
        t = max(temperature, self.glass_temperature)
        return -(self.roughness**2) / (2 * t) - t * self.entropy


# What follows compares these with what the models say when they are solved in another way, or simulated.


def _same(system: str, quantity: str, *, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "folding", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def _solved(seed: int) -> Iterator[CalibrationRow]:
    """Solve the backward equations of the birth-death chain, and add up its weights, C(N, S) K^S."""
    for bonds in (5, 12):
        for energy in (0.0, 1.0, 2.0, 3.0):
            k = 2 * math.exp(-energy)
            s = np.arange(1, bonds + 1)  # wrong bonds
            leaving = np.diag(s + (bonds - s) * k) - np.diag(s[1:], -1) - np.diag((bonds - s[:-1]) * k, 1)
            known = float(np.linalg.solve(leaving, np.ones(bonds))[-1])
            found = zwanzig(bonds, energy, rate=1) / known
            name = f"Zwanzig's chain, N {bonds}, U {energy:g}"
            yield _same(name, "time over that of the linear system", found=found, known=1, tolerance=1e-10)
    bonds = 100
    for energy in (0.0, 1.0, 2.0, 3.0):
        k = 2 * math.exp(-energy)
        weights = [math.comb(bonds, s) * k**s for s in range(bonds + 1)]
        known = sum(math.fsum(weights[s:]) / (s * weights[s]) for s in range(1, bonds + 1))
        found = zwanzig(bonds, energy, rate=1) / known
        name = f"Zwanzig's chain, N {bonds}, U {energy:g}"
        yield _same(name, "time over the sum of its weights", found=found, known=1, tolerance=1e-12)
        if energy < 2:  # the estimate is one for large (1 + K)^N
            found = zwanzig_estimate(bonds, energy, rate=1) / known
            yield _same(name, "estimate over the time", found=found, known=1, tolerance=0.02)


def _simulated(seed: int) -> Iterator[CalibrationRow]:
    """Let chains of wrong and right bonds fold, event by event."""
    bonds, energy, chains = 10, 1.0, 4000
    rng = np.random.default_rng(seeds(seed, "fold"))
    k = 2 * math.exp(-energy)
    wrong, times = np.full(chains, bonds), np.zeros(chains)
    while (going := np.flatnonzero(wrong)).size:
        s = wrong[going]
        rate = s + (bonds - s) * k
        times[going] += rng.exponential(1 / rate)
        wrong[going] += np.where(rng.random(len(going)) * rate < s, -1, 1)
    yield CalibrationRow.measured(
        "folding", f"Zwanzig's chain, N {bonds}, U {energy:g}", "mean time of simulated chains",
        exact=zwanzig(bonds, energy, rate=1), value=float(times.mean()),
        error=float(times.std(ddof=1)) / math.sqrt(chains), cap=1.0,
    )  # fmt: skip


def _crossing(seed: int) -> Iterator[CalibrationRow]:
    """Minimise E - T S(E) over energies where S >= 0; find where it crosses the native energy."""
    from scipy.optimize import brentq

    entropy, roughness = 30.0, 1.5
    energies = np.linspace(-1, 1, 100_001) * roughness * math.sqrt(2 * entropy)
    states = entropy - energies**2 / (2 * roughness**2)
    for ratio in (1.2, 1.6, 2.5):
        model = BryngelsonWolynes.of_ratio(ratio, entropy=entropy, roughness=roughness)

        def above(t: float, gap: float = model.gap) -> float:
            return float((energies - t * states).min()) + gap

        glass = float(-energies[0] / (2 * entropy))
        folding = float(brentq(above, 1.01 * glass, 10 * glass, xtol=1e-12))
        name = f"REM with a native state, Tf / Tg {ratio:g}"
        known = folding / model.folding_temperature
        yield _same(name, "Tf over the crossing of free energies", found=known, known=1, tolerance=1e-6)
        frozen = model.free_energy(glass / 3) / float((energies - glass / 3 * states).min())
        yield _same(name, "free energy of the glass over the least", found=frozen, known=1, tolerance=1e-6)


def _drawn(seed: int) -> Iterator[CalibrationRow]:
    """Draw 2^16 energies and a native one: they weigh the same at Tf, to order 1 / N."""
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    entropy, draws = 16 * math.log(2), 32
    model = BryngelsonWolynes.of_ratio(2.5, entropy=entropy, roughness=1)
    known, found = model.folding_temperature, []
    for draw in range(draws):
        energies = np.random.default_rng(seeds(seed, "drawn", draw)).standard_normal(2**16)

        def weight(t: float, energies: np.ndarray = energies) -> float:
            return float(logsumexp(-energies / t)) - model.gap / t

        found.append(brentq(weight, 0.7 * known, 1.5 * known, xtol=1e-6) / known)
    yield CalibrationRow.measured(
        "folding", "2^16 drawn energies and a native state, Tf / Tg 2.5", "Tf over the formula's",
        exact=1, value=float(np.mean(found)), error=float(np.std(found, ddof=1)) / math.sqrt(draws),
        cap=0.002,
    )  # fmt: skip


calibrations = (
    Calibration("Zwanzig's chain", "linear system; Zwanzig, Szabo & Bagchi (1992)", _solved),
    Calibration("simulated folding", "exact mean first-passage time", _simulated),
    Calibration("free energies cross", "Bryngelson & Wolynes (1987)", _crossing),
    Calibration("drawn energies", "Bryngelson & Wolynes (1987)", _drawn),
)
