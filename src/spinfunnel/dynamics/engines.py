"""Which engine moves the replicas of a system: the fastest that can do what was asked."""

from __future__ import annotations

from spinfunnel.core import Array, BadInput
from spinfunnel.dynamics.lanes import Lanes, usual_order
from spinfunnel.dynamics.multispin import FEWEST, MultiSpin, unit_bonds
from spinfunnel.dynamics.replicas import Order, Replicas, Rule
from spinfunnel.dynamics.walkers import Walkers
from spinfunnel.systems.protocols import Flips, Moves, Pairwise, System

#: Measured nanoseconds of a core for a move: of spins coupled in pairs, densely or sparsely; and of what has
#: moves of its own, with what is added for each number it looks at, and for each atom or monomer.
DENSE, SPARSE, OTHER, NUMBER, ATOM = 12.0, 2.5, 300.0, 0.7, 80.0


def replicas_of(
    system: System,
    replicas: int,
    seed: int,
    *,
    order: Order | None = None,
    rule: Rule = "metropolis",
    start: Array | None = None,
) -> Replicas:
    """Make replicas of a system, moved by the engine that suits it and their number.

    They begin where `start`, (R, *shape), says, else at random.

    Without an `order`, sites are taken in turn, but at random in chains, and where a system draws its moves.

    Raises:
        BadInput: if the order or rule is unknown, or the system has neither couplings nor moves.
    """
    if order not in (None, "sequential", "random"):
        raise BadInput(f"order is {order!r}: it must be sequential or random")
    if rule not in ("metropolis", "heat bath"):
        raise BadInput(f"rule is {rule!r}: it must be metropolis or heat bath")
    if isinstance(system, Pairwise):
        order = order or usual_order(system)
        in_turn = order == "sequential" and rule == "metropolis"
        if in_turn and replicas >= FEWEST and (bonds := unit_bonds(system)) is not None:
            return MultiSpin(system, replicas, seed, bonds, start)
        return Lanes(system, replicas, seed, order=order, rule=rule, start=start)
    if isinstance(system, Moves):
        if order == "sequential":
            raise BadInput(f"{system.name} draws its moves at random: order cannot be sequential")
        return Walkers(system, replicas, seed, rule=rule, start=start)
    raise BadInput(f"{system.name} states neither couplings between pairs of spins nor moves of its own")


def nanoseconds(system: System) -> float:
    """Estimate what a sweep of one replica costs; a table of all states is not read.

    >>> from spinfunnel.systems import system
    >>> nanoseconds(system("ising2d", size=10))
    250.0
    """
    if isinstance(system, Pairwise):
        return system.size * (DENSE if len(system.indices) > system.size**2 / 4 else SPARSE)
    assert isinstance(system, Moves)
    if not isinstance(system, Flips):
        return system.sweep * (OTHER + ATOM * system.size)
    read = sum(array.size for array in system.data if array.size < 2**system.size)
    return system.sweep * (OTHER + NUMBER * read / system.size)
