"""The rule: from what anneals did to one of five words. Its thresholds were fixed before the held-out runs.

They were fixed by what a development set showed (benchmarks/confusion.py, --set development), and once more
by a first held-out set, in which two systems of a few funnels were called glasses: since then a few groups of
ends with high barriers between them are none. The second held-out set had not been looked at then.

Two numbers decide nearly everything: A, whether independent slow anneals end in one state, and F, whether
that state survives reheating. A hole that no anneal hits is not seen: a golf course needs its native state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Word: TypeAlias = Literal["funnel", "glass", "golf course", "multi-funnel", "cannot tell"]

#: Along a dial the class may only move this way.
ORDER: tuple[Word, ...] = ("glass", "golf course", "multi-funnel", "funnel")

#: All ends are one state if the 90 % interval of A lies above; different states if it lies below.
ONE, MANY = 0.9, 0.8
#: Ends survive 0.8 T90 and T90 from these values on; they are lost at T90 below this. Between few funnels a
#: small system hops at T90: there only the first counts, and this is enough if barriers are high.
SURVIVES, LOST, HOPS = (0.97, 0.93), 0.90, 0.90
#: So many groups of ends are a few funnels, or a third of the replicas if that is less; slower cooling must
#: not have made them fewer, or A larger by more than this; the best ends must not all be one state.
FEW, SETTLED, UNFINISHED = 6.0, 0.1, 0.9
#: Between two funnels there is a barrier of this share of D.
BARRIER = 0.1
#: A native state is a hole if fewer ends than this reach it, it draws from no farther than this overlap, and
#: energy does not lead to the best states: its rank correlation with the overlap is above this.
REACHED, NARROW, GUIDED = 0.5, 0.7, -0.4


@dataclass(frozen=True)
class Evidence:
    """What the rule looks at; None where it is not known."""

    replicas: int
    a: float
    a_low: float
    a_high: float
    a_tenth: float
    groups: float
    groups_tenth: float
    a_best: float
    f_mild: float
    f: float
    barrier: float | None = None
    native_gap: float | None = None
    native_hits: float | None = None
    native_radius: float | None = None
    slope: float | None = None


def classify(seen: Evidence) -> tuple[Word, str]:
    """Give the word, and for `cannot tell` the one advice.

    >>> funnel = Evidence(32, 1.0, 1.0, 1.0, 0.5, 1.0, 9.0, 1.0, 1.0, 1.0)
    >>> classify(funnel)
    ('funnel', '')
    """
    if is_golf_course(seen):
        return "golf course", ""
    holds = seen.f_mild >= SURVIVES[0]
    if seen.a_low > ONE:
        return ("funnel", "") if holds and seen.f >= SURVIVES[1] else ("cannot tell", LARGER)
    few = seen.groups <= min(FEW, seen.replicas / 3) and seen.groups_tenth <= FEW
    settled = seen.a - seen.a_tenth <= SETTLED
    apart = seen.barrier is not None and seen.barrier >= BARRIER
    if seen.a_high < MANY and seen.f < LOST and not holds and not (few and settled and apart):
        return "glass", ""
    if few and settled and seen.a_best <= UNFINISHED and (holds or (apart and seen.f_mild >= HOPS)):
        return ("multi-funnel", "") if apart or seen.barrier is None else ("cannot tell", LARGER)
    return "cannot tell", SLOWER


SLOWER = "Cool slower: --effort full."
LARGER = "Look at a larger system of this kind."


def is_golf_course(seen: Evidence) -> bool:
    """Tell whether a native state, no higher than any end, is hardly ever reached, and draws nothing in."""
    if seen.native_gap is None or seen.native_hits is None or seen.native_radius is None:
        return False
    unguided = seen.slope is None or seen.slope > GUIDED
    return seen.native_gap >= 0 and seen.native_hits < REACHED and seen.native_radius >= NARROW and unguided
