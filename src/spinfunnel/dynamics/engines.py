"""Which engine moves the replicas of a system: the fastest that can do what was asked."""

from __future__ import annotations

from spinfunnel.core import BadInput
from spinfunnel.dynamics.lanes import Lanes, usual_order
from spinfunnel.dynamics.multispin import FEWEST, MultiSpin, unit_bonds
from spinfunnel.dynamics.replicas import Order, Replicas, Rule
from spinfunnel.dynamics.walkers import Walkers
from spinfunnel.systems.protocols import Moves, Pairwise, System


def replicas_of(
    system: System,
    replicas: int,
    seed: int,
    *,
    order: Order | None = None,
    rule: Rule = "metropolis",
) -> Replicas:
    """Make replicas of a system, at random starts, moved by the engine that suits it and their number.

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
            return MultiSpin(system, replicas, seed, bonds)
        return Lanes(system, replicas, seed, order=order, rule=rule)
    if isinstance(system, Moves):
        if order == "sequential":
            raise BadInput(f"{system.name} draws its moves at random: order cannot be sequential")
        return Walkers(system, replicas, seed, rule=rule)
    raise BadInput(f"{system.name} states neither couplings between pairs of spins nor moves of its own")
