"""Where the answer is known: closed forms, with u and c per spin, k_B = 1 and J = 1.

For at most 32 spins of any system, `enumeration` looks at every configuration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ellipk, log_ndtr

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.enumeration import Thermal, positive

#: Critical temperature of the square lattice, 2 / ln(1 + sqrt 2) (Onsager 1944).
TC_SQUARE = 2 / math.log1p(math.sqrt(2))

#: The REM of variance N freezes at 1 / sqrt(2 ln 2), and its lowest energy per spin is -sqrt(2 ln 2).
TC_REM, E0_REM = 1 / math.sqrt(2 * math.log(2)), -math.sqrt(2 * math.log(2))

#: SK: Tc = 1 and, without replica symmetry breaking, the wrong ground state energy -sqrt(2 / pi).
TC_SK, E0_SK_SYMMETRIC = 1.0, -math.sqrt(2 / math.pi)

#: SK ground state energy per spin, literature: Crisanti & Rizzo, Phys. Rev. E 65 (2002) 046137.
E0_SK = -0.76317


def ring(size: int, temperature: Sequence[float] | Array | float) -> Thermal:
    """Give the Ising ring of N spins: Z = (2 cosh K)^N + (2 sinh K)^N, K = 1/T.

    >>> ring(4, 1.0).u.round(6)
    array([-0.900413])

    Raises:
        BadInput: below three spins, where there is no ring, or if a temperature is not positive.
    """
    if size < 3:
        raise BadInput(f"a ring has at least three spins, not {size}")
    k, n = 1 / positive(temperature), size
    t = np.tanh(k)
    z = 1 + t**n
    log_z = n * (np.log1p(np.exp(-2 * k)) + k) + np.log(z)
    around = t ** (n - 1) * (1 - t**2) / z
    slope = ((n - 1) * t ** (n - 2) - (n + 1) * t**n) / z - n * t ** (2 * n - 2) * (1 - t**2) / z**2
    return Thermal(log_z, -(t + around), k**2 * (1 - t**2) * (1 + slope))


def chain(size: int, temperature: Sequence[float] | Array | float) -> Thermal:
    """Give the open Ising chain of N spins: Z = 2 (2 cosh K)^(N - 1).

    >>> chain(2, 1.0).u.round(6)  # -tanh(1) / 2
    array([-0.380797])
    """
    k = 1 / positive(temperature)
    share = 1 - 1 / size
    log_z = math.log(2) + (size - 1) * (np.log1p(np.exp(-2 * k)) + k)
    return Thermal(log_z, -share * np.tanh(k), share * (k / np.cosh(k)) ** 2)


def curie_weiss(size: int, field: float, temperature: float) -> tuple[float, float, float]:
    """Give ln Z, u and <s> of the ferromagnet in which all N spins are coupled, J = 1/N, in a field h.

    Z = sum_k C(N, k) e^{-E/T} over the number k of spins that are up, with M = 2k - N and
    E = -(M^2 - N)/2N - h M.

    >>> round(curie_weiss(1, 0.5, 1.0)[2] / math.tanh(0.5), 12)
    1.0
    """
    from scipy.special import gammaln, logsumexp

    t, k = float(positive(temperature)[0]), np.arange(size + 1)
    m = 2 * k - size
    energy = -(m**2 - size) / (2 * size) - field * m
    logs = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1) - energy / t
    log_z = float(logsumexp(logs))
    p = np.exp(logs - log_z)
    return log_z, float(p @ energy) / size, float(p @ m) / size


def transfer(
    rows: int,
    columns: int,
    temperature: Sequence[float] | Array | float,
    *,
    diagonal: float = 0.0,
    coupling: float = 1.0,
    field: float = 0.0,
) -> Thermal:
    """Give spins on a torus of any two sides by its transfer matrix: Z = tr V^columns, V of 2^rows states.

    `coupling` is J; `diagonal` is the J of the bonds down and right, which make the lattice triangular;
    `field` is h. Derivatives are carried along with the product.
    Source: Kramers & Wannier, Phys. Rev. 60 (1941) 252.

    >>> transfer(3, 4, 2.0).u.round(9) == kaufman(3, 4, 2.0).u.round(9)
    array([ True])

    Raises:
        BadInput: for sides below 3, or more than ten rows.
    """
    if min(rows, columns) < 3 or rows > 10:
        raise BadInput(f"a transfer matrix takes 3 to 10 rows and at least 3 columns, not {rows} x {columns}")
    s = 1.0 - 2 * ((np.arange(2**rows)[:, None] >> np.arange(rows)) & 1)
    within = -coupling * (s * np.roll(s, -1, 1)).sum(axis=1) - field * s.sum(axis=1)
    energy = within[:, None] - coupling * s @ s.T - diagonal * s @ np.roll(s, -1, 1).T
    found, sites = [], rows * columns
    for beta in 1 / positive(temperature):
        least = energy.min()
        v = np.exp(-beta * (energy - least))
        one = np.stack([v, -(energy - least) * v, (energy - least) ** 2 * v])
        log, product = _jet_power(one, columns)
        z, dz, ddz = np.trace(product, axis1=1, axis2=2)
        mean = dz / z
        log_z = log + math.log(z) - beta * columns * least
        found.append((log_z, (columns * least - mean) / sites, beta**2 * (ddz / z - mean**2) / sites))
    return Thermal(*np.array(found).T)


def _jet_power(one: Array, power: int) -> tuple[float, Array]:
    """Give (log, P) with e^log P = V^power, for a matrix and its two derivatives in β, (3, n, n)."""
    if power == 1:
        return 0.0, one
    log, half = _jet_power(one, power // 2)
    product, log = _jet_product(half, half), 2 * log
    if power % 2:
        product = _jet_product(product, one)
    scale = float(product[0].max())
    return log + math.log(scale), product / scale


def _jet_product(a: Array, b: Array) -> Array:
    return np.stack([a[0] @ b[0], a[1] @ b[0] + a[0] @ b[1], a[2] @ b[0] + 2 * a[1] @ b[1] + a[0] @ b[2]])


#: Critical temperature of the triangular ferromagnet, 4 / ln 3 (Houtappel, Physica 16 (1950) 425).
TC_TRIANGULAR = 4 / math.log(3)


def kaufman(rows: int, columns: int, temperature: Sequence[float] | Array | float) -> Thermal:
    """Give the Ising ferromagnet on a torus of any two sides.

    Z = (1/2) (2 sinh 2K)^(nm/2) [prod 2 cosh(m g_odd/2) + prod 2 sinh(m g_odd/2) + prod 2 cosh(m g_even/2)
    + prod 2 sinh(m g_even/2)], over the n odd and the n even r below 2n, with
    cosh g_r = cosh 2K coth 2K - cos(pi r/n), and g_0 = 2K + ln tanh K, which is negative above Tc.
    Source: Kaufman, Phys. Rev. 76 (1949) 1232, eq. 39; Ferdinand & Fisher, Phys. Rev. 185 (1969) 832.

    >>> kaufman(8, 8, [2.0, TC_SQUARE]).u.round(6)
    array([-1.745683, -1.491589])

    Raises:
        BadInput: below three a side, where neighbours would meet twice, or if a temperature is not positive.
    """
    if min(rows, columns) < 3:
        raise BadInput(f"the sides of a torus are at least 3, not {rows} x {columns}")
    each = np.array([_kaufman(rows, columns, 1 / t) for t in positive(temperature)])
    return Thermal(*each.T)


def _kaufman(n: int, m: int, k: float) -> tuple[float, float, float]:
    """Ln Z, u and c at K, from ln Z and its first two derivatives in K."""
    s, c = math.sinh(2 * k), math.cosh(2 * k)
    # b = cosh 2K coth 2K, and its derivatives
    b, db, ddb = c * c / s, 2 * c * (1 - 1 / s**2), 4 * s * (1 - 1 / s**2) + 8 * c**2 / s**3
    hyper = b - np.cos(np.pi * np.arange(1, 2 * n) / n)  # cosh g_r, r = 1, 2, ...
    g = np.arccosh(hyper)
    dg = db / np.sinh(g)
    jets = np.stack([g, dg, (ddb - hyper * dg**2) / np.sinh(g)])
    terms = [
        _product(m, jets[:, r - 1 :: 2], last, sign)
        for r, last in ((1, None), (2, _gamma_zero(k)))
        for sign in (1, -1)
    ]
    top = max(log for log, *_ in terms)
    total, first, second = np.sum([np.exp(log - top) * np.array(jet) for log, *jet in terms], axis=0)
    first, second = first / total, second / total - (first / total) ** 2
    sites = n * m
    log_z = top + math.log(total / 2) + sites / 2 * math.log(2 * s)
    u = -(first + sites * c / s) / sites
    return log_z, u, k**2 * (second - 2 * sites / s**2) / sites


def _gamma_zero(k: float) -> tuple[float, float, float]:
    """g_0 and its derivatives: it changes sign at Tc, where cosh g_0 = 1 alone would not tell."""
    s, c = math.sinh(2 * k), math.cosh(2 * k)
    return 2 * k + math.log(math.tanh(k)), 2 + 2 / s, -4 * c / s**2


def _product(
    m: int, jets: Array, last: tuple[float, float, float] | None, sign: int
) -> tuple[float, float, float, float]:
    """Prod 2 cosh(m g/2), or sinh for sign -1, as e^log times a value and its derivatives in K.

    `jets` (3, n) are g, g' and g''. The `last` factor, g_0's, stays outside the logarithm, for at Tc its
    sinh is zero.
    """
    a, da, dda = m * jets / 2
    tiny = sign * np.exp(-2 * a)
    log = float(np.sum(a + np.log1p(tiny)))
    ratio = (1 - tiny) / (1 + tiny)  # tanh, or coth
    d = float(np.sum(ratio * da))
    dd = float(np.sum(ratio * dda + (1 - ratio**2) * da**2)) + d**2
    if last is None:
        return log, 1.0, d, dd
    a0, da0, dda0 = (m * x / 2 for x in last)
    plus, minus = math.exp(a0 - abs(a0)), sign * math.exp(-a0 - abs(a0))
    f, df = plus + minus, (plus - minus) * da0
    ddf = (plus - minus) * dda0 + f * da0**2
    return log + abs(a0), f, df + f * d, ddf + 2 * df * d + f * dd


def onsager(temperature: Sequence[float] | Array | float) -> Array:
    """Give the energy per spin of the infinite square lattice: u(Tc) = -sqrt 2.

    Source: Onsager, Phys. Rev. 65 (1944) 117, eq. 116.

    >>> onsager([2.0, TC_SQUARE, 3.0]).round(6)
    array([-1.745565, -1.414214, -0.81731 ])
    """
    k = 1 / positive(temperature)
    lean = 2 * np.tanh(2 * k) ** 2 - 1
    modulus = 2 * np.sinh(2 * k) / np.cosh(2 * k) ** 2
    critical = np.abs(lean) < 1e-12  # the integral diverges, but what it multiplies is zero
    integral = np.where(critical, 0.0, ellipk(np.where(critical, 0.0, np.minimum(modulus, 1.0)) ** 2))
    return np.asarray(-(1 + 2 / np.pi * lean * integral) / np.tanh(2 * k))


def yang(temperature: Sequence[float] | Array | float) -> Array:
    """Give the magnetisation of the infinite square lattice: (1 - sinh^-4 2K)^(1/8), 0 above Tc.

    Source: Yang, Phys. Rev. 85 (1952) 808, eq. 96.

    >>> yang([2.0, 3.0]).round(6)
    array([0.911319, 0.      ])
    """
    k = 1 / positive(temperature)
    return np.asarray(np.maximum(1 - np.sinh(2 * k) ** -4, 0.0) ** 0.125)


def nishimori(p: float, dimension: int = 2) -> tuple[float, float]:
    """Give temperature and mean energy per spin of the +-1 glass on its line: u = -d tanh(1/T) = -d (2p - 1).

    Exact for every torus with sides of at least 3, averaged over disorder.
    Source: Nishimori, Prog. Theor. Phys. 66 (1981) 1169.

    >>> nishimori(0.85)[1].__round__(12)
    -1.4
    """
    return 1 / math.atanh(2 * p - 1), -dimension * (2 * p - 1)


def rem_ground_energy_cdf(u: Array, size: int) -> Array:
    """Give the chance that the REM's lowest energy per spin is below u: 1 - P(a normal is above)^(2^N).

    >>> rem_ground_energy_cdf(np.array([0.0]), 1)
    array([0.75])
    """
    return np.asarray(-np.expm1(2.0**size * log_ndtr(-u * math.sqrt(size))))


def rem_ground_energy(size: int) -> tuple[float, float]:
    """Give mean and standard deviation of the REM's lowest energy per spin: of 2^N normals, by integration.

    >>> [round(x, 4) for x in rem_ground_energy(1)]  # -1 / sqrt pi, sqrt(1 - 1 / pi)
    [-0.5642, 0.8256]
    """
    top = 10 / math.sqrt(size)
    u, step = np.linspace(-4 * top, top, 200_001, retstep=True)
    below = rem_ground_energy_cdf(u, size)
    below[-1] /= 2  # the trapezoid's end
    mean = top - float(below.sum() * step)
    square = top**2 - 2 * float(u @ below * step)
    return mean, math.sqrt(square - mean**2)


def sk_ground_energy(size: int) -> float:
    """Give the mean ground state energy per spin of two or three Gaussian SK spins, exactly.

    Two: -1/(2 sqrt pi). Three: the triangle is frustrated half of the time, and then by its weakest bond:
    -(3 E|J| - E min|J|)/3, with E min = (3 sqrt 2/sqrt pi)(1 - sqrt 2 + (4/(pi sqrt 2)) atan(1/sqrt 2)).

    >>> round(sk_ground_energy(2), 6), round(sk_ground_energy(3), 6)
    (-0.282095, -0.396207)

    Raises:
        BadInput: for other sizes.
    """
    if size == 2:
        return -1 / (2 * math.sqrt(math.pi))
    if size == 3:
        bracket = 1 - math.sqrt(2) + 4 / (math.pi * math.sqrt(2)) * math.atan(1 / math.sqrt(2))
        weakest = 3 * math.sqrt(2 / math.pi) * bracket
        return -(3 * math.sqrt(2 / math.pi) - weakest) / 3 / math.sqrt(3)
    raise BadInput(f"the mean SK ground energy is known for 2 or 3 spins, not {size}: enumerate")


def sk_at_line(temperature: float) -> float:
    """Give the field h below which SK breaks replica symmetry at T < 1 (the de Almeida-Thouless line).

    It is where (1/T^2) int Dz sech^4((sqrt q z + h)/T) = 1 with q = int Dz tanh^2.
    Source: de Almeida & Thouless, J. Phys. A 11 (1978) 983.

    >>> round(sk_at_line(0.5), 5)
    0.56993

    Raises:
        BadInput: unless 0 < T < 1.
    """
    from scipy.optimize import brentq

    if not 0 < temperature < 1:
        raise BadInput(f"the AT line runs from T = 0 to 1, not through {temperature:g}")
    z = np.linspace(-8, 8, 4001)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()

    def order(h: float) -> float:
        """Q of the replica-symmetric state; it is unique for h > 0."""
        return float(
            brentq(lambda q: weight @ np.tanh((np.sqrt(q) * z + h) / temperature) ** 2 - q, 1e-14, 1.0)
        )

    def unstable(h: float) -> float:
        return float(weight @ np.cosh((np.sqrt(order(h)) * z + h) / temperature) ** -4) - temperature**2

    return float(brentq(unstable, 1e-6, 20.0, xtol=1e-12))
