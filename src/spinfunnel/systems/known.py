"""What is known of a system without measuring it: exactly at its size, or as N goes to infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array
from spinfunnel.systems import exact
from spinfunnel.systems.enumeration import Thermal, blocks, enumerate_states, walsh
from spinfunnel.systems.protocols import Flips, Pairwise, System

#: All states are looked at up to this many spins; more of them would take longer than the sampling.
FEW, FEW_OTHER = 20, 16


@dataclass(frozen=True)
class Known:
    """A curve that is known: u, c and s per spin at temperatures T (T,); what is not known is NaN.

    `exact` says whether it holds at this size, for these couplings; else it is a limit, or an average.
    """

    label: str
    temperatures: Array
    u: Array
    c: Array
    s: Array
    exact: bool

    @classmethod
    def of(cls, label: str, temperatures: Array, thermal: Thermal, size: int) -> Known:
        """Take it from ln Z: s = u/T + ln Z / N."""
        s = thermal.u / temperatures + thermal.log_z / size
        return cls(label, temperatures, thermal.u, thermal.c, s, True)


def known(system: System, temperatures: Array, parameters: Mapping[str, object] | None = None) -> list[Known]:
    """Give all that is known at temperatures (T,); `parameters` are those a named system was made with.

    >>> from spinfunnel.systems import system
    >>> ring = known(system("ising1d", size=4), np.array([1.0]))[0]
    >>> ring.label, ring.u.round(6)
    ('exact, all 2^4 states', array([-0.900413]))
    """
    found = []
    if (curve := _at_this_size(system, temperatures)) is not None:
        found.append(curve)
    found += _limits(system, temperatures)
    if system.name == "nishimori" and parameters and isinstance(system, Pairwise):
        t, u = exact.nishimori(float(str(parameters["p"])), int(str(parameters["dimension"])))
        lost = np.array([math.nan])
        label = "Nishimori line, mean over disorder"
        found.append(Known(label, np.array([t]), np.array([u]), lost, lost, False))
    return found


def known_overlaps(system: System, temperatures: Array) -> tuple[Array, Array, Array] | None:
    """Give the law of the overlap of two replicas exactly, if all states are few enough to look at.

    That is, q (N + 1,) from 1 to -1, P(q) (T, N + 1), and <q12² q13²> (T,). With weights w, the number x of
    the spins in which two states differ has the law Σ_s w_s w_{s xor x}: a convolution, by Walsh-Hadamard.

    >>> from spinfunnel.systems import system
    >>> q, p, _ = known_overlaps(system("ising1d", size=3), np.array([1e9]))
    >>> p.round(6)
    array([[0.125, 0.375, 0.375, 0.125]])
    """
    n = system.size
    if not isinstance(system, Flips) or n > FEW_OTHER:
        return None
    energies = np.concatenate([block for _, block in blocks(system)])
    if len(energies) < 2**n:  # of states that differ by turning all spins over, one was given
        energies = np.concatenate([energies, energies[::-1]])
    differ = np.bitwise_count(np.arange(2**n))
    q = 1 - 2 * np.arange(n + 1) / n
    laws, twice = [], []
    for t in temperatures:
        weights = np.exp((energies.min() - energies) / t)
        weights /= weights.sum()
        seen = walsh(weights)
        laws.append(np.bincount(differ, weights=walsh(seen**2) / 2**n, minlength=n + 1))
        of_state = walsh(seen * walsh(q[differ] ** 2)) / 2**n  # Σ_t w_t q_st²
        twice.append(float(weights @ of_state**2))
    return q, np.array(laws), np.array(twice)


def _at_this_size(system: System, t: Array) -> Known | None:
    n = system.size
    if isinstance(system, Flips) and n <= (FEW if isinstance(system, Pairwise) else FEW_OTHER):
        return Known.of(f"exact, all 2^{n} states", t, enumerate_states(system, t).thermal, n)
    if not isinstance(system, Pairwise) or system.fields.any():
        return None
    if system.name == "ising1d" and n >= 3:
        return Known.of("exact, ring", t, exact.ring(n, t), n)
    side = math.isqrt(n)
    if system.name == "ising2d" and side >= 3:
        return Known.of(f"exact, {side} × {side} torus", t, exact.kaufman(side, side, t), n)
    if system.name == "mattis":
        logs, u, _ = np.array([exact.curie_weiss(n, 0.0, float(one)) for one in t]).T
        return Known.of("exact, sum over magnetisations", t, Thermal(logs, u, np.full(len(t), math.nan)), n)
    return None


def _limits(system: System, t: Array) -> list[Known]:
    """Give limits N → ∞: the paramagnet of SK, and the REM.

    Sources: Sherrington, Kirkpatrick (1975); Derrida, Phys. Rev. B 24 (1981) 2613.
    """
    if system.name == "sk" and isinstance(system, Pairwise) and not system.fields.any():
        t = t[t >= exact.TC_SK]
        c = 1 / (2 * t**2)
        return [Known("N → ∞, above Tc", t, -1 / (2 * t), c, math.log(2) - c / 2, False)]
    if system.name == "rem":
        above = t >= exact.TC_REM
        c = np.where(above, 1 / t**2, 0.0)
        s = np.where(above, math.log(2) - 1 / (2 * t**2), 0.0)
        return [Known("N → ∞", t, np.where(above, -1 / t, exact.E0_REM), c, s, False)]
    return []
