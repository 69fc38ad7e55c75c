"""Nulls of the same shape: a system that has its energies, or couplings, still, but no longer their order."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.enumeration import blocks
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.protocols import Flips, Pairwise, System
from spinfunnel.systems.rem import RandomEnergies
from spinfunnel.systems.spins import Spins

#: Up to so many spins, all energies are dealt out anew.
FEW = 18


def shuffled(system: System, seed: int = 0) -> System:
    """Give a null of a system: the same energies, or couplings as strong on the same graph, by chance alone.

    Of at most 18 spins, and of what is a table of energies, every energy goes to another configuration. Of
    more spins coupled in pairs or terms, and of chains, the couplings are shuffled: see `shuffled_couplings`.

    >>> from spinfunnel.systems import system
    >>> mattis = system("mattis", size=10)
    >>> states = mattis.random(4096, 0)
    >>> float(shuffled(mattis).energy(states).min())
    -4.5

    Raises:
        BadInput: if the system is neither of few spins, nor coupled, nor a chain.
    """
    if isinstance(system, RandomEnergies) or (isinstance(system, Flips) and system.size <= FEW):
        return _dealt(system, seed)
    return shuffled_couplings(system, seed)


def _dealt(system: Flips, seed: int) -> RandomEnergies:
    """Permute the energies of all 2^N configurations; what was symmetric no longer is."""
    if isinstance(system, RandomEnergies):
        table = system.table
    else:
        table = np.concatenate([block for _, block in blocks(system)])
        if len(table) < 2**system.size:  # of states that differ by turning all spins over, one was given
            table = np.concatenate([table, table[::-1]])
    rng = np.random.default_rng(seeds(seed, "shuffled energies", system.size))
    law = f"the 2^N energies of {system.name}, each given to a configuration at random"
    return RandomEnergies(f"shuffled {system.name}", law, rng.permutation(table))


@singledispatch
def shuffled_couplings(system: System, seed: int = 0) -> System:
    """Give a system on the same graph, whose couplings have the same sizes, in another order, by chance.

    Spins: sizes are permuted over the bonds (of terms, over those of as many spins), as those of fields
    are, and every sign is drawn: a gauge, s_i to t_i s_i, changes signs, so that they mean nothing by
    themselves, and a ferromagnet becomes a glass on its lattice. What no loop frustrates stays what it was:
    trees, half of all rings, independent clauses. Chains: energies are permuted over the pairs that can
    touch. A native state is forgotten.

    >>> from spinfunnel.systems import system
    >>> sorted(set(shuffled_couplings(system("ising2d", size=8)).couplings.tolist()))
    [-1.0, 1.0]

    Raises:
        BadInput: if the system has no couplings.
    """
    raise BadInput(
        f"{system.name} has neither couplings nor contact energies to be shuffled, nor at most {FEW} spins: "
        "there is no null of its shape"
    )


@shuffled_couplings.register
def _pairs(system: Pairwise, seed: int = 0) -> Spins:
    rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
    once = rows < system.indices
    rng = np.random.default_rng(seeds(seed, "shuffled couplings", system.size))
    return Spins.of_edges(
        np.stack([rows[once], system.indices[once]], axis=1),
        _drawn_anew(system.couplings[once], rng),
        _drawn_anew(system.fields, rng),
        size=system.size,
        sides=system.sides if isinstance(system, Spins) else (),
        **_named(system, "sizes of J permuted over the bonds, signs drawn"),
    )


@shuffled_couplings.register
def _terms(system: ManyBody, seed: int = 0) -> ManyBody:
    rng = np.random.default_rng(seeds(seed, "shuffled couplings", system.size))
    return ManyBody.of_terms(
        [members for _, members in system.orders],
        [_drawn_anew(system.couplings[where], rng) for where, _ in system.orders],
        _drawn_anew(system.fields, rng),
        size=system.size,
        **_named(system, "sizes of J permuted over the terms of each order, signs drawn"),
    )


@shuffled_couplings.register
def _contacts(system: Chain, seed: int = 0) -> Chain:
    rng = np.random.default_rng(seeds(seed, "shuffled couplings", system.size))
    i, j = system.pairs.T
    strengths = np.zeros((system.size,) * 2)
    strengths[i, j] = rng.permutation(system.strengths[i, j])
    return Chain(
        strengths=strengths + strengths.T, **_named(system, "eps permuted over the pairs that can touch")
    )


def _drawn_anew(values: Array, rng: np.random.Generator) -> Array:
    return np.asarray(rng.permutation(np.abs(values)) * rng.choice([-1.0, 1.0], size=len(values)))


def _named(system: System, how: str) -> dict[str, str]:
    return {"name": f"shuffled {system.name}", "convention": f"{system.convention}; {how}"}
