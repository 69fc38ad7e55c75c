"""Facts of lattice proteins and clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from spinfunnel.systems import chains, lennard_jones
from spinfunnel.systems.chain_enumeration import all_walks, enumerate_chains, ground_states
from spinfunnel.systems.facts import Fact, literature

#: Lowest energies known of the longer HP benchmarks, as printed.
LOWEST_KNOWN = {36: -14, 48: -23, 50: -21, 60: -36, 64: -42}


def of_hp() -> Iterator[Fact]:
    """Benchmarks: proved by branch and bound where they are short."""
    bound = "branch and bound: `chain_enumeration.ground_states`"
    for n in (20, 24, 25):
        found = ground_states(chains.hp(n))
        yield Fact("ground energy", found.energy, f"N = {n}", bound)
        yield Fact("conformations that have it", found.degeneracy, f"N = {n}, up to symmetry", bound)
    for n, energy in LOWEST_KNOWN.items():
        source = "Thachuk, Shmygelska & Hoos, BMC Bioinformatics 8 (2007) 342"
        yield literature("lowest energy known", str(energy), f"N = {n}, not proved", source)
    yield from of_walks()


def of_designed() -> Iterator[Fact]:
    """A random heteropolymer whose native contacts are lower: its native state, and what lies lowest."""
    every, mean = (
        "all conformations: `chain_enumeration.enumerate_chains`",
        "by construction: `chains.designed`",
    )
    contacts = -chains.go(25).ground_energy
    where, form = "N = 25, strength 2, over disorder", "(mean - strength) contacts"
    yield Fact("energy of the native state, mean", -3 * contacts, where, mean, form=form)
    for n in (14, 16):
        chain = chains.designed(n)
        found, where = enumerate_chains(chain), f"N = {n}, seed 0"
        native = float(chain.energy(chain.native[None])[0])
        yield Fact("energy of the native state", native, where, mean)
        yield Fact("ground energy", found.ground_energy, where, every)
        yield Fact("conformations that have it", found.degeneracy, f"{where}, up to symmetry", every)
    yield from thermal(chains.designed(12))
    yield from of_walks()


def of_walks() -> Iterator[Fact]:
    """Conformations of any chain: self-avoiding walks from a site."""
    for n in (12, 16):
        count = int(enumerate_chains(chains.Chain("", "", np.zeros((n, n)))).copies.sum())
        walks, where = "counted: `chain_enumeration.enumerate_chains`", f"N = {n}, any energies"
        yield Fact("conformations, with rotations and reflections", count, where, walks)
    chain = chains.Chain("", "", np.zeros((12, 12)))
    mean = float(chain.contacts(all_walks(12)).sum(axis=1).mean())
    walks = "all walks: `chain_enumeration.all_walks`"
    yield Fact("contacts at T = ∞, mean", mean, "N = 12, any energies", walks)


def of_go() -> Iterator[Fact]:
    """Only native contacts count: the native state has all of them."""
    made = chains.go(25)
    yield Fact("ground energy, certified", made.ground_energy, "N = 25", made.certificate)
    found = ground_states(chains.go(16))
    bound = "branch and bound: `chain_enumeration.ground_states`"
    yield Fact("ground energy", found.energy, "N = 16, seed 0", bound)
    yield Fact("conformations that have it", found.degeneracy, "N = 16, seed 0, up to symmetry", bound)
    most = "a compact chain's: `chains.compact`"
    for n in (36, 49):
        yield Fact("ground energy, certified", chains.go(n).ground_energy, f"N = {n}", most)
    yield Fact("contacts of a compact chain", None, "any N", most, form="N + 1 - ceil(2 √N)")
    yield from thermal(chains.go(12))
    yield from of_walks()


def of_heteropolymer() -> Iterator[Fact]:
    """Random contact energies: nothing is planted, so that short chains are looked through."""
    yield from thermal(chains.heteropolymer(12))
    for n in (14, 16):
        found, where = enumerate_chains(chains.heteropolymer(n)), f"N = {n}, seed 0"
        every = "all conformations: `chain_enumeration.enumerate_chains`"
        yield Fact("ground energy", found.ground_energy, where, every)
        yield Fact("conformations that have it", found.degeneracy, f"{where}, up to symmetry", every)
    yield from of_walks()


def thermal(chain: chains.Chain) -> Iterator[Fact]:
    """Give energy and heat of a short chain of seed 0 at one temperature."""
    found = enumerate_chains(chain, [0.5])
    where, every = f"N = {chain.size}, seed 0", "all conformations: `chain_enumeration.enumerate_chains`"
    yield Fact("u at T = 1/2", float(found.thermal.u[0]), where, every)
    yield Fact("c at T = 1/2", float(found.thermal.c[0]), where, every)


def of_lj() -> Iterator[Fact]:
    """Clusters: shapes from geometry, relaxed; that none lies lower is not proved."""
    shapes = {
        13: "the icosahedron",
        38: "the truncated octahedron",
        55: "the icosahedron of two shells",
        75: "Marks' decahedron",
    }
    for n in (2, 3, 4):
        pairs = "all pairs at rest, r = 2^(1/6)"
        yield Fact("ground energy", -n * (n - 1) / 2, f"N = {n}", pairs, form="-N (N - 1)/2")
    for n, shape in shapes.items():
        x = lennard_jones.lj_reference(n)
        energy = float(lennard_jones.lj(n).energy(x[None])[0])
        relaxed = "geometry, relaxed: `lennard_jones.lj_reference`"
        yield Fact(f"energy of {shape}", energy, f"N = {n}", relaxed, digits=11)
        lowest, wales = f"{lennard_jones.LOWEST_KNOWN[n]}", "Wales & Doye, J. Phys. Chem. A 101 (1997) 5111"
        yield literature("lowest energy known", lowest, f"N = {n}, not proved", wales)
    spring = 2 * 72 / 2 ** (1 / 3)
    yield Fact("curvature of the bond", spring, "N = 2", "twice u''(2^(1/6))", form="144/2^(1/3)")


FACTS: Mapping[str, Callable[[], Iterator[Fact]]] = {
    "hp": of_hp,
    "go": of_go,
    "heteropolymer": of_heteropolymer,
    "designed": of_designed,
    "lj": of_lj,
}
