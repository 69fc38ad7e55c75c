"""Facts of ferromagnets: rings, squares, triangles, cubes, and all coupled to all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from spinfunnel.systems import exact
from spinfunnel.systems.facts import Fact, literature, looked_through

EVERYWHERE, LIMIT = "any N", "N → ∞"


def of_ising1d() -> Iterator[Fact]:
    """Ring: no transition, and everything in closed form."""
    ising = "Ising, Z. Phys. 31 (1925) 253"
    ring = f"{ising}: `exact.ring`"
    yield Fact("Tc", 0.0, LIMIT, ising)
    yield Fact("u at T = 1", float(exact.ring(1000, 1.0).u[0]), LIMIT, ring, form="-tanh(1)")
    yield Fact("c at T = 1", float(exact.ring(1000, 1.0).c[0]), LIMIT, ring, form="1/cosh(1)^2")
    here = exact.ring(64, 0.5)
    yield Fact("u at T = 1/2", float(here.u[0]), "N = 64", ring)
    yield Fact("c at T = 1/2", float(here.c[0]), "N = 64", ring)
    length = -1 / math.log(math.tanh(1 / 0.5))
    yield Fact("correlation length at T = 1/2", length, LIMIT, ising, form="-1/ln(tanh(2))")
    yield from looked_through("ising1d", 12, 1.0)


def of_ising2d() -> Iterator[Fact]:
    """Square lattice: Onsager's plane and Kaufman's torus."""
    onsager, yang = "Onsager, Phys. Rev. 65 (1944) 117", "Yang, Phys. Rev. 85 (1952) 808"
    plane, torus = f"{onsager}: `exact.onsager`", "Kaufman, Phys. Rev. 76 (1949) 1232: `exact.kaufman`"
    tc = exact.TC_SQUARE
    yield Fact("Tc", tc, LIMIT, onsager, form="2/ln(1 + √2)")
    yield Fact("u at Tc", float(exact.onsager(tc)[0]), LIMIT, plane, form="-√2")
    yield Fact("u at T = 2", float(exact.onsager(2.0)[0]), LIMIT, plane)
    m = float(exact.yang(2.0)[0])
    yield Fact("magnetisation at T = 2", m, LIMIT, f"{yang}: `exact.yang`", form="(1 - 1/sinh(1)^4)^(1/8)")
    for side in (8, 16, 64):
        for t, name in ((2.0, "2"), (tc, "Tc"), (2.5, "2.5")):
            found = exact.kaufman(side, side, t)
            yield Fact(f"u at T = {name}".replace("T = Tc", "Tc"), float(found.u[0]), f"L = {side}", torus)
        yield Fact("c at Tc", float(exact.kaufman(side, side, tc).c[0]), f"L = {side}", torus, digits=8)
    yield from looked_through("ising2d", 4, 2.5)


def of_triangular() -> Iterator[Fact]:
    """Triangular lattice: a ferromagnet that orders, an antiferromagnet that never does."""
    from scipy.integrate import quad

    houtappel = "Houtappel, Physica 16 (1950) 425"
    wannier = "Wannier, Phys. Rev. 79 (1950) 357; erratum B 7 (1973) 5017"
    transfer = "transfer matrix: `exact.transfer`"
    tc = exact.TC_TRIANGULAR
    yield Fact("Tc", tc, f"J = 1, {LIMIT}", houtappel, form="4/ln(3)")
    found = exact.transfer(6, 6, tc, diagonal=1.0)
    yield Fact("u at Tc", float(found.u[0]), "J = 1, L = 6", transfer)
    yield Fact("c at Tc", float(found.c[0]), "J = 1, L = 6", transfer)
    yield Fact("Tc", 0.0, f"J = -1, {LIMIT}", wannier)
    entropy = 2 / math.pi * quad(lambda w: math.log(2 * math.cos(w)), 0, math.pi / 3, epsabs=1e-13)[0]
    form = "(2/π) ∫ ln(2 cos w) dw from 0 to π/3"
    yield Fact("entropy per spin at T = 0", entropy, f"J = -1, {LIMIT}", wannier, form=form)
    for side in (3, 6, 9):
        cold = exact.transfer(side, side, 0.1, coupling=-1.0, diagonal=-1.0)
        where, energy = f"J = -1, L = {side}", float(cold.u[0]) * side**2
        yield Fact("ground energy", round(energy), where, transfer)
        count = round(math.exp(float(cold.log_z[0]) + energy / 0.1))
        yield Fact("degeneracy", count, where, transfer, digits=12)


def of_ising3d() -> Iterator[Fact]:
    """Cubic lattice: no closed form, but small cubes."""
    ground = "every bond satisfied; both signs"
    yield Fact("ground energy", -3.0 * 8**3, "L = 8", ground, form="-3 L³")
    yield Fact("degeneracy", 2, EVERYWHERE, ground)
    yield from looked_through("ising3d", 2, 4.5)
    yield literature("Tc", "4.511523", LIMIT, "Ferrenberg, Xu & Landau, Phys. Rev. E 97 (2018) 043301 (1/Kc)")


def of_mattis() -> Iterator[Fact]:
    """All to all: mean-field theory is exact, and finite N is a sum of N + 1 terms."""
    from scipy.optimize import brentq

    from spinfunnel.systems.mean_field import mattis

    source, sums = "Mattis, Phys. Lett. A 56 (1976) 421", "sum over magnetisations: `exact.curie_weiss`"
    planted = mattis(64)
    yield Fact("ground energy", planted.ground_energy, "N = 64", planted.certificate, form="-(N - 1)/2")
    yield Fact("degeneracy", 2, EVERYWHERE, planted.certificate)
    yield Fact("Tc", 1.0, LIMIT, source)
    m = float(brentq(lambda m: math.tanh(m / 0.5) - m, 0.5, 1.0, xtol=1e-14))
    yield Fact("overlap with the native state at T = 1/2", m, LIMIT, "m = tanh(m/T)")
    for t in (0.5, 1.0):
        log_z, u, _ = exact.curie_weiss(64, 0.0, t)
        yield Fact(f"u at T = {t:g}", u, "N = 64", sums)
        yield Fact(f"ln Z per spin at T = {t:g}", log_z / 64, "N = 64", sums)


FACTS: Mapping[str, Callable[[], Iterator[Fact]]] = {
    "ising1d": of_ising1d,
    "ising2d": of_ising2d,
    "ising-triangular": of_triangular,
    "ising3d": of_ising3d,
    "mattis": of_mattis,
}
