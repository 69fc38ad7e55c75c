"""Facts of glasses: on lattices, all to all, among many spins, on the sphere, and without any structure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from spinfunnel.core import Array
from spinfunnel.systems import exact
from spinfunnel.systems.facts import Fact, literature, looked_through

LIMIT = "N → ∞"
PARTS = "Gaussian integration by parts"


def of_ea() -> Iterator[Fact]:
    """Glass on a lattice: an identity at every size, small cubes, and what long simulations found."""
    from spinfunnel.systems.lattices import torus

    link = "u + (bonds/N)(1 - ⟨q_link⟩)/T = 0, mean over J"
    where = "law=gauss, any L, d and T, no field"
    young = "Katzgraber, Palassini & Young, Phys. Rev. B 63 (2001) 184422"
    yield Fact("energy and link overlap", None, where, f"{PARTS}; {young}", form=link)
    for sides in ((2, 2), (2, 2, 2)):
        mean = mean_ground_energy(torus(sides), math.prod(sides))
        d = len(sides)
        yield Fact(
            "ground energy per spin, mean over all J", mean, f"J ±1, L = 2, {d}D", "all J and all states"
        )
    yield from looked_through("ea", 2, 1.0)
    yield from looked_through("ea?dimension=2&law=gauss", 4, 1.0)
    lattice = {"2D": "Campbell, Hartmann & Katzgraber, Phys. Rev. B 70 (2004) 054429"}
    lattice["3D"] = "Romá, Risau-Gusman, Ramirez-Pastor, Nieto & Vogel, Physica A 388 (2009) 2821"
    for plane, law, value in (
        ("2D", "J ±1", "-1.401938(2)"),
        ("2D", "J normal", "-1.314788(4)"),
        ("3D", "J ±1", "-1.787(1)"),
        ("3D", "J normal", "-1.700(1)"),
    ):
        yield literature("ground energy per spin", value, f"{law}, {plane}, L → ∞", lattice[plane])
    janus = "Baity-Jesi et al. (Janus), Phys. Rev. B 88 (2013) 224416"
    yield literature("Tc", "1.1019(29)", "J ±1, 3D, L → ∞", janus)
    korner = "Katzgraber, Körner & Young, Phys. Rev. B 73 (2006) 224432"
    yield literature("Tc", "0.951(9)", "J normal, 3D, L → ∞", korner)


def mean_ground_energy(bonds: Array, size: int) -> float:
    """Give the mean ground energy per spin over all couplings +-1 of these bonds (b, 2), at most some twelve.

    >>> mean_ground_energy(np.array([[0, 1], [1, 2], [2, 0]]), 3)  # half of all triangles are frustrated
    -0.6666666666666666
    """
    states = 1 - 2 * ((np.arange(2 ** (size - 1))[:, None] >> np.arange(size)) & 1)
    signs = 1 - 2 * ((np.arange(2 ** len(bonds))[:, None] >> np.arange(len(bonds))) & 1)
    satisfied = states[:, bonds[:, 0]] * states[:, bonds[:, 1]]
    return float(-(signs @ satisfied.T).max(axis=1).mean() / size)


def of_sk() -> Iterator[Fact]:
    """Glass of all coupled to all."""
    sherrington = "Sherrington & Kirkpatrick, Phys. Rev. Lett. 35 (1975) 1792"
    yield Fact("Tc", exact.TC_SK, LIMIT, sherrington)
    form = "u + (1 - ⟨q²⟩)/2T = 0, mean over J"
    yield Fact("energy and overlap", None, "law=gauss, any N and T, no field", PARTS, form=form)
    yield Fact("u above Tc", None, LIMIT, sherrington, form="-1/2T")
    two, three = (exact.sk_ground_energy(n) for n in (2, 3))
    what, normals = "ground energy per spin, mean over J", "order statistics: `exact.sk_ground_energy`"
    yield Fact(what, two, "law=gauss, N = 2", normals, form="-1/(2 √π)")
    yield Fact(what, three, "law=gauss, N = 3", normals)
    wrong = "ground energy per spin, if replica symmetry held"
    yield Fact(wrong, exact.E0_SK_SYMMETRIC, LIMIT, f"{sherrington}: a known wrong answer", form="-√(2/π)")
    crisanti = "Crisanti & Rizzo, Phys. Rev. E 65 (2002) 046137"
    yield literature("ground energy per spin", f"{exact.E0_SK}", LIMIT, crisanti)
    thouless = "de Almeida & Thouless, J. Phys. A 11 (1978) 983: `exact.sk_at_line`"
    for t in (0.8, 0.5, 0.3):
        what = f"field below which replica symmetry breaks, T = {t:g}"
        yield Fact(what, exact.sk_at_line(t), LIMIT, thouless, digits=7)
    yield from looked_through("sk", 16, 0.5)


def of_pspin() -> Iterator[Fact]:
    """All sets of p spins: covariances at any size, the REM at the end."""
    from spinfunnel.systems.pspin import covariance

    derrida, sums = "Derrida, Phys. Rev. B 24 (1981) 2613", "Krawtchouk polynomials: `pspin.covariance`"
    up = np.ones((1, 64), dtype=np.int8)
    quarter = np.where(np.arange(64) < 16, -1, 1).astype(np.int8)[None]
    own, apart = (float(covariance(up, x, 3)[0]) / 64 for x in (up, quarter))
    yield Fact("E H² / N", own, "p = 3, N = 64", sums, form="(1 - 1/N)(1 - 2/N)")
    yield Fact("E H H' / N at q = 1/2", apart, "p = 3, N = 64", sums)
    yield Fact("E H H' / N", None, LIMIT, sums, form="q^p")
    yield Fact("Tc", exact.TC_REM, f"p → ∞ after {LIMIT}", derrida, form="1/√(2 ln(2))")
    yield Fact("ground energy per spin", exact.E0_REM, f"p → ∞ after {LIMIT}", derrida, form="-√(2 ln(2))")
    yield from looked_through("pspin", 12, 0.5)


def of_multiscale() -> Iterator[Fact]:
    """Many scales and orders, and a dial: its covariance, and a line on which the energy is known."""
    from spinfunnel.systems.enumeration import enumerate_states
    from spinfunnel.systems.multiscale import Scales, multiscale
    from spinfunnel.systems.protocols import Planted

    up = np.ones((1, 32), dtype=np.int8)
    c = float(Scales(32).covariance(up, up)[0]) / 32
    sums, line = "`multiscale.Scales.covariance`", "Nishimori, Prog. Theor. Phys. 66 (1981) 1169"
    yield Fact("E H² / N of the glass", c, "N = 32, bias 0", sums)
    yield Fact("E H H' / N of the glass", None, "large blocks", sums, form="½ Σ_l v_l Σ_p w_p ⟨q^p⟩")
    for bias in (0.3, 0.5, 0.8):
        where = f"N = 32, T = {(1 - bias**2) / bias:.10g}, bias {bias:g}"
        yield Fact("u, mean over J", -bias * c, where, f"{line}: `multiscale.multiscale`")
    yield Fact("T of that line", None, "any bias b", line, form="(1 - b²)/b")
    funnel = multiscale(16, bias=1.0)
    assert isinstance(funnel, Planted)
    where = "N = 16, bias 1, seed 0"
    yield Fact("ground energy, certified", funnel.ground_energy, where, funnel.certificate)
    yield Fact("degeneracy", enumerate_states(funnel).degeneracy, where, "all states")
    yield from looked_through("multiscale", 16, 1.0)


def of_rem() -> Iterator[Fact]:
    """No structure at all: everything is order statistics."""
    from spinfunnel.systems.rem import rem_participation

    derrida = "Derrida, Phys. Rev. B 24 (1981) 2613"
    yield Fact("Tc", exact.TC_REM, LIMIT, derrida, form="1/√(2 ln(2))")
    yield Fact("ground energy per spin", exact.E0_REM, LIMIT, derrida, form="-√(2 ln(2))")
    yield Fact("u above Tc", None, LIMIT, derrida, form="-1/T")
    yield Fact("entropy per spin at T = 1", math.log(2) - 0.5, LIMIT, derrida, form="ln(2) - 1/2")
    for n in (16, 24):
        mean, spread = exact.rem_ground_energy(n)
        lowest = "least of 2^N normals: `exact.rem_ground_energy`"
        yield Fact("ground energy per spin, mean", mean, f"N = {n}", lowest, digits=7)
        yield Fact("its standard deviation", spread, f"N = {n}", lowest, digits=7)
    shared, mezard = "P(q = 1) at T = 0.6", "Gross & Mézard, Nucl. Phys. B 240 (1984) 431"
    value = rem_participation(16, 0.6)
    yield Fact(shared, value, "N = 16", f"{mezard}: `rem.rem_participation`", digits=7)
    yield Fact(shared, 1 - 0.6 / exact.TC_REM, LIMIT, mezard, form="1 - 0.6 √(2 ln(2))")


def of_rem_native() -> Iterator[Fact]:
    """A golf course: the hole is deep, and nothing leads to it."""
    from spinfunnel.systems.folding_times import BryngelsonWolynes
    from spinfunnel.systems.rem import rem_native

    source = "Bryngelson & Wolynes, PNAS 84 (1987) 7524"
    wolynes = f"{source}: `folding_times.BryngelsonWolynes`"
    made = rem_native(16)
    yield Fact("ground energy", made.ground_energy, "N = 16", made.certificate, form="-1.6 N")
    protein = BryngelsonWolynes(math.log(2), 1.0, 1.6)
    yield Fact("folding temperature Tf", protein.folding_temperature, LIMIT, wolynes)
    yield Fact("glass temperature Tg", protein.glass_temperature, LIMIT, wolynes, form="1/√(2 ln(2))")
    yield Fact("Tf / Tg", protein.ratio, LIMIT, wolynes)
    least = "least depth that folds, per spin"
    yield Fact(least, -exact.E0_REM, LIMIT, source, form="√(2 ln(2))")
    yield from looked_through("rem-native", 12, 1.0)


def of_sphere() -> Iterator[Fact]:
    """Continuous spins on a sphere: every minimum and saddle counted, both transitions known."""
    from spinfunnel.systems import complexity as theory

    auffinger = "Auffinger, Ben Arous & Černý, Comm. Pure Appl. Math. 66 (2013) 165"
    crisanti = "Crisanti & Sommers, Z. Phys. B 87 (1992) 341: `complexity.transitions`"
    for p in (3, 4):
        limit, root = f"p = {p}, {LIMIT}", {3: "-2 √(2/3)", 4: "-√3"}[p]
        yield Fact("threshold -E_∞", theory.threshold(p), limit, f"{auffinger}: `complexity.threshold`", root)
        for k in range(3):
            what = "ground energy per spin -E_0" if k == 0 else f"lowest saddles of index {k}, -E_{k}"
            energy = theory.lowest_energy(p, k)
            yield Fact(what, energy, limit, f"{auffinger}: `complexity.lowest_energy`")
        found = theory.transitions(p)
        yield Fact("dynamic temperature Td", found.dynamic, limit, crisanti)
        yield Fact("u at Td", found.dynamic_energy, limit, crisanti)
        yield Fact("static temperature Ts", found.static, limit, crisanti)
        yield Fact("overlap of states at Ts", found.static_overlap, limit, crisanti)
    minima = float(theory.complexity(theory.threshold(3), 3, 0))
    counts = f"{auffinger}: `complexity.complexity`"
    yield Fact("(1/N) ln of the number of minima", minima, f"p = 3, {LIMIT}", counts)
    every = float(theory.complexity(0.0, 3))
    yield Fact("(1/N) ln of all stationary points", every, f"p = 3, {LIMIT}", counts, form="ln(2)/2")
    rice = "Kac & Rice: `complexity.stationary_count`"
    for n, p in ((10, 2), (2, 3), (10, 3), (20, 3)):
        form = {(10, 2): "2 N", (2, 3): "2 √7"}.get((n, p), "")
        what, where = "stationary points, mean over J", f"p = {p}, N = {n}"
        yield Fact(what, theory.stationary_count(n, p), where, rice, form=form, digits=8)


FACTS: Mapping[str, Callable[[], Iterator[Fact]]] = {
    "ea": of_ea,
    "sk": of_sk,
    "pspin": of_pspin,
    "multiscale": of_multiscale,
    "rem": of_rem,
    "rem-native": of_rem_native,
    "spherical-pspin": of_sphere,
}
