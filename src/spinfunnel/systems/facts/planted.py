"""Facts of systems built around a known state: their energies are certified, at any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from spinfunnel.systems import exact, planted
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.facts import Fact, literature, looked_through
from spinfunnel.systems.xorsat import xorsat


def of_wishart() -> Iterator[Fact]:
    """Sums of squares that all vanish at the planted state."""
    made, source = planted.wishart(64), "Hamze et al., Phys. Rev. E 101 (2020) 052102"
    where = "N = 64, α = 0.75, seed 0"
    yield Fact("ground energy, certified", made.ground_energy, where, made.certificate)
    yield Fact("ground energy, mean over w", -0.75 * 64 / 2, "N = 64, α = 0.75", source, form="-α N/2")
    yield from looked_through("wishart", 16, 0.5)
    few = planted.wishart(16, alpha=0.2)
    seen, where = enumerate_states(few), "system:wishart16?alpha=0.2, seed 0"
    yield Fact("ground energy", seen.ground_energy, where, "all states: `enumeration.enumerate_states`")
    yield Fact("ground energy, certified", few.ground_energy, where, few.certificate)


def of_tiles2d() -> Iterator[Fact]:
    """Plaquettes that share corners only."""
    source = "Hamze et al., Phys. Rev. E 97 (2018) 043303: `planted.tiles2d`"
    for tile in (1, 2, 3, 4):
        energy = planted.tiles2d(16, tile=tile).ground_energy
        form = f"-{6 - tile} L²/2"
        yield Fact("ground energy, certified", energy, f"L = 16, tile = {tile}", source, form=form)
    for tile in (1, 2, 3, 4):
        found, where = enumerate_states(planted.tiles2d(4, tile=tile)), f"L = 4, tile = {tile}, seed 0"
        states = "all states: `enumeration.enumerate_states`"
        yield Fact("ground energy", found.ground_energy, where, states)
        yield Fact("degeneracy", found.degeneracy, where, states)


def of_tiles3d() -> Iterator[Fact]:
    """Cubes that share corners only."""
    source = "Hamze et al., Phys. Rev. E 97 (2018) 043303: `planted.tiles3d`"
    for faces in (2, 4, 6):
        for side in (4, 8):
            energy, where = planted.tiles3d(side, faces=faces).ground_energy, f"L = {side}, faces = {faces}"
            form = f"-{12 - faces} L³/4"
            yield Fact("ground energy, certified", energy, where, source, form=form)
    touch = "an edge touches two faces"
    yield Fact("fewest bonds unsatisfied in a cube", None, "F frustrated faces", touch, form="F/2")


def of_nishimori() -> Iterator[Fact]:
    """The line on which the energy of a glass is known, whatever the lattice."""
    source = "Nishimori, Prog. Theor. Phys. 66 (1981) 1169"
    form = "1/artanh(2p - 1)"
    yield Fact("T of the line", None, "any p above 1/2", source, form=form)
    for p, dimension in ((0.9, 2), (0.9, 3), (0.85, 2)):
        t, u = exact.nishimori(p, dimension)
        where, line = f"p = {p:g}, {dimension}D", f"{source}: `exact.nishimori`"
        yield Fact("T of the line", t, where, line)
        yield Fact("u there, mean over J", u, f"{where}, any L ≥ 3", line, form="-d (2p - 1)")
    yield Fact("law of the overlap of two replicas", None, "on the line, any L", source, form="P(q) = P(q_t)")
    bound = "mean of c there is at most d (1 - (2p - 1)²)/T²"
    yield Fact("heat capacity", None, "on the line, any L ≥ 3", source, form=bound)
    toldin = "Hasenbusch, Parisen Toldin, Pelissetto & Vicari, Phys. Rev. E 77 (2008) 051115"
    yield literature("p where the line leaves the ferromagnet", "0.89081(7)", "2D, L → ∞", toldin)
    yield from looked_through("nishimori", 4, exact.nishimori(0.9)[0])


def of_xorsat() -> Iterator[Fact]:
    """Linear equations in disguise: elimination counts the ground states."""
    source, certificate = "Hen, Phys. Rev. Appl. 12 (2019) 011003", "every clause is satisfied"
    yield Fact("ground energy, certified", xorsat(64).ground_energy, "N = 64", certificate, form="-N")
    elimination = "elimination over GF(2): `many_body.kernel`"
    for n in (24, 64, 128):
        count = 2 ** len(xorsat(n).symmetries)
        yield Fact("degeneracy", count, f"N = {n}, seed 0", elimination, form="2^(N - rank)")
    where = "clauses independent: degeneracy 1"
    yield Fact("u", None, f"any T, {where}", f"{source}; a product of N clauses", form="-tanh(1/T)")
    yield Fact("ln Z per spin", None, f"any T, {where}", source, form="ln(2 cosh(1/T))")
    one = next(n for n in range(64, 128) if not len(xorsat(n).symmetries))
    yield Fact("u at T = 1/2", -math.tanh(2.0), f"N = {one}, seed 0, degeneracy 1", source, form="-tanh(2)")
    yield from looked_through("xorsat", 16, 0.5)


FACTS: Mapping[str, Callable[[], Iterator[Fact]]] = {
    "wishart": of_wishart,
    "tiles2d": of_tiles2d,
    "tiles3d": of_tiles3d,
    "nishimori": of_nishimori,
    "xorsat": of_xorsat,
}
