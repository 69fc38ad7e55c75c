"""How many minima and saddles the spherical p-spin glass has, at which energies, and where it freezes.

All is for the variance of `spherical_pspin`, E H H' = N q^p, with u = H/N. In the other convention in use,
of variance N/2, energies and temperatures are smaller by sqrt 2; complexities and overlaps are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.systems.sphere import spherical_pspin

#: Spins above which Hermite functions at the edge of the spectrum fall out of the range of numbers.
MANY = 256


def threshold(p: int) -> float:
    """Give -E_inf = -2 sqrt((p - 1)/p), the energy per spin above which minima are exponentially rare.

    Source: Auffinger, Ben Arous & Cerny, Comm. Pure Appl. Math. 66 (2013) 165.

    >>> round(threshold(3), 6)
    -1.632993

    Raises:
        BadInput: if p is below 3: two-spin couplings have 2N stationary points, not exponentially many.
    """
    if p < 3:
        raise BadInput(f"complexities are those of p = 3 and more, not {p}")
    return -2 * math.sqrt((p - 1) / p)


def outlier_cost(u: Array, p: int) -> Array:
    """Give I_1(u): exp(-N I_1) is how rare it is that the lowest eigenvalue alone is as low as u calls for.

    I_1 = (2/E_inf^2) int_u^{-E_inf} sqrt(z^2 - E_inf^2) dz for u <= -E_inf, zero above, in closed form.
    Source: Auffinger, Ben Arous & Cerny (2013), section 2.
    """
    edge = -threshold(p)
    below = np.minimum(u, -edge)
    root = np.sqrt(below**2 - edge**2)
    return np.asarray(-below * root / edge**2 - np.log(-below + root) + math.log(edge))


def complexity(u: Array | float, p: int = 3, index: int | None = None) -> Array:
    """Give (1/N) ln of the mean number of stationary points of energy per spin below u; of one index k.

    Theta_k = ln(p - 1)/2 - (p - 2) u^2/(4 (p - 1)) - (k + 1) I_1(u) up to u = -E_inf, and constant above;
    for all indices together, I_1 counts once, and the sum grows up to u = 0.
    Source: Auffinger, Ben Arous & Cerny (2013), section 2.

    >>> complexity(np.array([-1.7, threshold(3), 0.0])).round(6)
    array([-0.030446,  0.01324 ,  0.346574])
    """
    u = np.minimum(u, 0.0 if index is None else threshold(p))
    cost = outlier_cost(u, p) * (1 if index is None else index + 1)
    return np.asarray(math.log(p - 1) / 2 - (p - 2) * u**2 / (4 * (p - 1)) - cost)


def lowest_energy(p: int = 3, index: int = 0) -> float:
    """Give -E_k, the lowest energy per spin of saddles of index k; -E_0 is that of the ground state.

    >>> [round(lowest_energy(3, k), 6) for k in (0, 1, 2)]
    [-1.656998, -1.652873, -1.650253]
    """
    from scipy.optimize import brentq

    edge = threshold(p)
    return float(brentq(lambda u: float(complexity(u, p, index)), 2 * edge, edge, xtol=1e-14))


def hessian_edges(u: float, p: int = 3) -> tuple[float, float]:
    """Give the ends -p u -+ 2 sqrt(p (p - 1)) of the spectrum of the Hessian where the energy per spin is u.

    >>> round(hessian_edges(threshold(3))[0], 12)
    0.0
    """
    radius = 2 * math.sqrt(p * (p - 1))
    return -p * u - radius, -p * u + radius


def index_share(u: Array | float, p: int = 3) -> Array:
    """Give the share of the Hessian's eigenvalues that are negative where the energy per spin is u, N → ∞.

    It is that of a semicircle from -E_inf to E_inf below u: 0 up to -E_inf, and 1/2 at u = 0; for p = 2 too.
    Source: Cavagna, Giardina & Parisi, J. Phys. A 34 (2001) 5317; Auffinger, Ben Arous & Cerny (2013).

    >>> index_share(np.array([-2.0, threshold(3), 0.0, 2.0]))
    array([0. , 0. , 0.5, 1. ])
    """
    t = np.clip(np.asarray(u) / (2 * math.sqrt((p - 1) / p)), -1, 1)
    return np.asarray(0.5 + (t * np.sqrt(1 - t**2) + np.arcsin(t)) / math.pi)


@dataclass(frozen=True)
class Transitions:
    """Where the p-spin glass freezes: temperatures, overlaps, and energies per spin just there.

    Below `dynamic` quenches and slow coolings fall out of equilibrium; below `static` so does everything.
    """

    dynamic: float
    dynamic_overlap: float
    dynamic_energy: float
    static: float
    static_overlap: float
    static_energy: float


def transitions(p: int = 3, variance: float = 1.0) -> Transitions:
    """Give the transitions for a variance of N (1.0), or N/2 (0.5) as most papers have it.

    T_d^2 = p (p - 2)^(p - 2)/(p - 1)^(p - 1) at q = (p - 2)/(p - 1); the static overlap solves
    q^2/(p (1 - q)) + ln(1 - q) + q = 0, and T_s^2 = p q^(p - 2) (1 - q), all for a variance of N; u = -1/T.
    Source: Crisanti & Sommers, Z. Phys. B 87 (1992) 341; Castellani & Cavagna, J. Stat. Mech. (2005) P05012.

    >>> found = transitions(3, variance=0.5)
    >>> round(found.dynamic, 6), round(found.static, 6), round(found.static_overlap, 6)
    (0.612372, 0.586054, 0.645007)
    """
    from scipy.optimize import brentq

    threshold(p)

    def excess(q: float) -> float:
        return q**2 / (p * (1 - q)) + math.log1p(-q) + q

    q_d = (p - 2) / (p - 1)
    q_s = float(brentq(excess, q_d, 1 - 1e-12, xtol=1e-15))
    t_d, t_s = (math.sqrt(p * q ** (p - 2) * (1 - q)) for q in (q_d, q_s))
    scale = math.sqrt(variance)
    return Transitions(t_d * scale, q_d, -scale / t_d, t_s * scale, q_s, -scale / t_s)


def stationary_count(size: int, p: int = 3, u: float = math.inf) -> float:
    """Give the mean number of stationary points on the sphere of N spins, with energies per spin below u.

    It is 2 sqrt(2/p) (p - 1)^(N/2) int rho_N(x) exp(-(p - 2) x^2/2p) dx up to x = sqrt(N p/2(p - 1)) u, with
    the density of GOE eigenvalues, exactly: the formula of Kac and Rice.
    Source: Auffinger, Ben Arous & Cerny (2013), section 2.

    >>> [round(stationary_count(n, 2), 9) for n in (2, 7)]  # plus and minus every eigenvector
    [4.0, 14.0]

    Raises:
        BadInput: unless there are 1 to 256 spins.
    """
    if not 1 <= size <= MANY:
        raise BadInput(f"stationary points are counted for 1 to {MANY} spins, not {size}")
    end = math.sqrt(2 * size) + 8
    top = max(-end, min(end, math.sqrt(size * p / (2 * (p - 1))) * u))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    panels = np.linspace(-end, top, size + 16)  # shorter than the density's waves
    half = (panels[1] - panels[0]) / 2
    x = (panels[:-1, None] + half * (1 + nodes)).ravel()
    damped = goe_density(size, x) * np.exp(-(p - 2) / (2 * p) * x**2)
    area = half * float(damped.reshape(-1, 16).sum(axis=0) @ weights)
    return float(2 * math.sqrt(2 / p) * (p - 1) ** (size / 2) * area)


def goe_density(size: int, x: Array) -> Array:
    """Give the density of the N eigenvalues of a GOE matrix, its integral being N.

    Entries have variance 1/2 off the diagonal and 1 on it. With Hermite functions phi_k and their half-sided
    integrals e_k, rho = sum_{k<N} phi_k^2 + sqrt(N/2) phi_{N-1} e_N, plus phi_{N-1}/int phi_{N-1} for odd N.
    Source: Mehta, Random Matrices, section 7.2.

    >>> bool(np.allclose(goe_density(1, np.array([0.0, 1.0])), np.exp([0, -0.5]) / np.sqrt(2 * np.pi)))
    True
    """
    from scipy.special import erf

    before, phi = np.zeros_like(x), np.pi**-0.25 * np.exp(-(x**2) / 2)
    # e_k(x) = half the integral of phi_k below x less half of that above
    integral, following = np.pi**0.25 / math.sqrt(2) * erf(x / math.sqrt(2)), -math.sqrt(2) * phi
    whole = math.sqrt(2) * np.pi**0.25  # the integral of phi_k over everything, k even
    total = phi**2
    for k in range(1, size):
        before, phi = phi, math.sqrt(2 / k) * x * phi - math.sqrt((k - 1) / k) * before
        total = total + phi**2
        integral, following = following, (math.sqrt(k) * integral - math.sqrt(2) * phi) / math.sqrt(k + 1)
        whole *= math.sqrt((k - 1) / k) if k % 2 == 0 else 1.0
    total = total + math.sqrt(size / 2) * phi * following
    return np.asarray(total + phi / whole if size % 2 else total)


def _row(system: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "complexity", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def frozen(y: float, p: int) -> tuple[float, float]:
    """Give energy per spin and complexity of the glass at T = 0 whose breaking parameter is m = y T.

    From the free energy of one step of replica symmetry breaking, phi = -(p chi + y)/2 - ln(1 + y/chi)/2y,
    stationary in chi = (1 - q)/T: u = d(y phi)/dy, and the complexity is y (u - phi). No Kac-Rice formula.
    Source: Crisanti & Sommers (1992); Monasson, Phys. Rev. Lett. 75 (1995) 2847.
    """
    chi = (math.sqrt(y**2 + 4 / p) - y) / 2
    phi = -(p * chi + y) / 2 - math.log1p(y / chi) / (2 * y)
    u = -(p * chi + 2 * y) / 2 - 1 / (2 * (chi + y))
    return u, y * (u - phi)


def of_replicas(seed: int) -> Iterator[CalibrationRow]:
    """Compare minima counted by Kac and Rice with those that replicas count, at T = 0."""
    from scipy.optimize import brentq

    for p in (3, 4, 5, 10):
        name = f"spherical p-spin, p {p}"
        marginal = (p - 2) / math.sqrt(p * (p - 1))  # where chi^2 p (p - 1) = 1: the threshold
        deepest = float(brentq(lambda y, p=p: frozen(y, p)[1], marginal, 4 * marginal, xtol=1e-14))
        yield _row(name, "ground energy per spin, -E_0", lowest_energy(p), frozen(deepest, p)[0], 1e-9)
        yield _row(name, "threshold, -E_inf", threshold(p), frozen(marginal, p)[0], 1e-12)
        pairs = np.array([frozen(y, p) for y in np.linspace(marginal, deepest, 11)])
        worst = float(np.abs(complexity(pairs[:, 0], p, 0) - pairs[:, 1]).max())
        yield _row(name, "Theta_0(u) less the replicas' complexity, worst of 11 u", worst, 0, 1e-9)


def of_integrals(seed: int) -> Iterator[CalibrationRow]:
    """Compare the table of Theta_k and E_k with the integral that I_1 is."""
    from scipy.integrate import quad

    for p in (3, 4, 5, 10):
        edge = -threshold(p)

        def theta(u: float, k: int, p: int = p, edge: float = edge) -> float:
            area, _ = quad(lambda z: math.sqrt(max(z**2 - edge**2, 0.0)), u, -edge, epsabs=1e-13)
            spins = math.log(p - 1) / 2 - (p - 2) * u**2 / (4 * (p - 1))
            return spins - (k + 1) * 2 / edge**2 * area

        for k in (0, 1, 2, 3, 5):
            name, energy = f"spherical p-spin, p {p}, index {k}", lowest_energy(p, k)
            yield _row(name, f"Theta at -E_{k}, by quadrature", theta(energy, k), 0, 1e-8)
            u = (energy - edge) / 2
            yield _row(name, "Theta half way to the threshold", float(complexity(u, p, k)), theta(u, k), 1e-8)


def of_freezing(seed: int) -> Iterator[CalibrationRow]:
    """Compare the transitions with the free energy of one step of replica symmetry breaking, where m is 1."""

    def slope(q: float, t: float, p: int) -> float:
        """Give d(f/T)/dm at m = 1: where it touches zero is T_s, where it first has a plateau T_d."""
        m, tiny = complex(1, 1e-30), 1e-30
        overlaps = -(1 - (1 - m) * q**p) / (2 * t**2)
        entropy = -((m - 1) / m * np.log(1 - q) + np.log(1 - (1 - m) * q) / m) / 2
        return float((overlaps + entropy).imag) / tiny

    step = 1e-4
    for p in (3, 4, 6):
        name, found = f"spherical p-spin, p {p}", transitions(p)
        t, q = found.static, found.static_overlap
        yield _row(name, "d(f/T)/dm at T_s, q_s", slope(q, t, p), 0, 1e-12)
        tilt = (slope(q + step, t, p) - slope(q - step, t, p)) / (2 * step)
        yield _row(name, "its slope in q at T_s, q_s", tilt, 0, 1e-5)
        t, q = found.dynamic, found.dynamic_overlap
        three = [slope(q + k * step, t, p) for k in (-1, 0, 1)]
        yield _row(name, "its slope in q at T_d, q_d", (three[2] - three[0]) / (2 * step), 0, 1e-5)
        yield _row(name, "its bend in q at T_d, q_d", (three[2] - 2 * three[1] + three[0]) / step**2, 0, 1e-5)


def of_counting(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Count stationary points: of quadratic forms, on circles, for many spins, and over GOE matrices."""
    for n in (2, 3, 16, 101):
        name = f"spherical p-spin, p 2, N {n}"
        yield _row(name, "stationary points", stationary_count(n, 2), 2 * n, 1e-9 * n)
    for p in (3, 4, 7):
        name, known = f"spherical p-spin, p {p}, N 2", 2 * math.sqrt(3 * p - 2)  # Rice (1944), on a circle
        yield _row(name, "stationary points", stationary_count(2, p), known, 1e-9)
    for p, u in ((3, 0.0), (3, -1.0), (4, -1.5)):
        logs = [math.log(stationary_count(n, p, u)) for n in (64, 128, 256)]
        grown = (logs[2] - 2 * logs[1] + logs[0]) / 64  # free of a constant and of ln N
        name = f"spherical p-spin, p {p}, N 64, 128, 256"
        quantity = f"ln of stationary points below u = {u} a spin, extrapolated"
        yield _row(name, quantity, grown, float(complexity(u, p)), 1e-3)
    rng = np.random.default_rng(seeds(seed, "goe"))
    for n, p in ((4, 3), (5, 4)):
        square = rng.standard_normal((10 * draws, n, n))
        eigenvalues = np.linalg.eigvalsh((square + square.transpose(0, 2, 1)) / 2)
        sample = np.exp(-(p - 2) / (2 * p) * eigenvalues**2).sum(axis=1)
        sample *= 2 * math.sqrt(2 / p) * (p - 1) ** (n / 2)
        name = f"spherical p-spin, p {p}, N {n}"
        yield _mean(name, "stationary points, over GOE matrices", sample, stationary_count(n, p), 0.01)
    angle = np.linspace(0, 2 * math.pi, 1001)
    circle = math.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    along = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)

    def turns(own: int, p: int) -> float:
        slope = np.einsum("bi,bi->b", spherical_pspin(2, own, p=p).gradient(circle), along)
        return float((np.sign(slope[1:]) != np.sign(slope[:-1])).sum())

    for p in (3, 4):
        counts = np.array([turns(seeds(seed, "circle", p, i), p) for i in range(draws)])
        name = f"spherical p-spin, p {p}, N 2"
        yield _mean(name, "stationary points met on a circle", counts, stationary_count(2, p), 0.03)


def _mean(system: str, quantity: str, sample: Array, known: float, cap: float) -> CalibrationRow:
    """Compare a mean with what is known; the cap on its error is relative to that."""
    error = float(sample.std(ddof=1) / math.sqrt(len(sample)))
    return CalibrationRow.measured(
        "complexity",
        system,
        quantity,
        exact=known,
        value=float(sample.mean()),
        error=error,
        cap=cap * abs(known),
    )


calibrations = (
    Calibration("minima", "one step of replica symmetry breaking at T = 0", of_replicas),
    Calibration("table of saddles", "quadrature", of_integrals),
    Calibration("freezing", "one step of replica symmetry breaking, m = 1", of_freezing),
    Calibration(
        "counting", "Rice (1944); eigenvectors; GOE matrices; circles", lambda seed: of_counting(seed, 1000)
    ),
)
