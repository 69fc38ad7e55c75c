"""Facts of memories and perceptrons: their capacities, and how many solutions small ones have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from spinfunnel.systems import replica_theory as theory
from spinfunnel.systems.facts import Fact, literature, looked_through

LIMIT = "N → ∞"


def of_hopfield() -> Iterator[Fact]:
    """A memory: where it forgets."""
    amit = "Amit, Gutfreund & Sompolinsky, Ann. Phys. 173 (1987) 30"
    capacity, m = theory.hopfield_capacity()
    replicas = f"{amit}, replica symmetry: `replica_theory.hopfield_capacity`"
    yield Fact("capacity P/N at T = 0", capacity, LIMIT, replicas, digits=8)
    yield Fact("overlap with a pattern there", m, LIMIT, replicas, digits=6)
    for load, t in ((0.05, 0.1), (0.1, 0.1), (0.2, 0.1)):
        found = round(theory.hopfield_overlap(load, t)[0], 5)
        what, where = "overlap with a pattern", f"P/N = {load}, T = {t}, {LIMIT}"
        yield Fact(what, found, where, f"{amit}: `replica_theory.hopfield_overlap`", digits=6)
    few = "Mattis, Phys. Lett. A 56 (1976) 421"
    yield Fact("ground energy", None, "patterns=1: a Mattis magnet", few, form="-(N - 1)/2")
    yield Fact("Tc", 1.0, f"P/N → 0, {LIMIT}", amit)
    yield from looked_through("hopfield", 16, 0.5)
    yield literature("P/N up to which patterns are ground states", "0.051", LIMIT, amit)


def of_perceptron() -> Iterator[Fact]:
    """A perceptron that stores: its capacity, and the mean number of solutions at any size."""
    krauth = "Krauth & Mézard, J. Phys. France 50 (1989) 3057: `replica_theory.perceptron_storage`"
    alpha, q = theory.perceptron_storage().zero_entropy()
    yield Fact("capacity P/N", alpha, f"hidden=1, {LIMIT}", krauth, digits=6)
    yield Fact("overlap of solutions there", q, f"hidden=1, {LIMIT}", krauth, digits=5)
    yield from of_random_labels(101, 50)
    yield from looked_through("perceptron", 15, 0.5)


def of_committee() -> Iterator[Fact]:
    """Several units that vote."""
    yield from of_random_labels(99, 50)
    yield Fact("orders of the units that are one state", math.factorial(3), "hidden=3", "symmetry", "K!")
    yield from looked_through("committee", 15, 0.5)


def of_random_labels(size: int, patterns: int) -> Iterator[Fact]:
    """Random labels: a pattern is right with chance 1/2, independently, whatever the weights."""
    where, half = f"N = {size}, P = {patterns}, any K", "a label is right with chance 1/2"
    count = 2.0 ** (size - patterns)
    yield Fact("number of solutions, mean", count, where, f"{half}: `committees.solutions`", "2^(N - P)")
    yield Fact("energy of random weights, mean", patterns / 2, f"loss=count, {where}", half, "P/2")
    yield Fact("its variance", patterns / 4, f"loss=count, {where}", half, "P/4")


def of_teacher() -> Iterator[Fact]:
    """A perceptron that learns from another one: a first-order transition, and a state that hides it."""
    from spinfunnel.systems.committees import agreement

    gyorgyi = "Györgyi, Phys. Rev. A 41 (1990) 7097: `replica_theory.perceptron_teacher`"
    seung = "Sompolinsky, Tishby & Seung, Phys. Rev. Lett. 65 (1990) 1683"
    branch, where = theory.perceptron_teacher(), f"hidden=1, {LIMIT}"
    (alpha, q), (end, q_end) = branch.zero_entropy(), branch.end()
    yield Fact("P/N above which the teacher alone is left", alpha, where, gyorgyi, digits=6)
    yield Fact("overlap with the teacher just below", q, where, gyorgyi, digits=5)
    wrong = f"{seung}: `replica_theory.perceptron_teacher`"
    yield Fact("share of new patterns it gets wrong", math.acos(q) / math.pi, where, wrong, "arccos(q)/π", 5)
    yield Fact("P/N up to which another state hides it", end, where, wrong, digits=6)
    yield Fact("overlap with the teacher there", q_end, where, wrong, digits=5)
    yield Fact("ground energy", 0.0, "any N and loss", "the teacher makes no error")
    for size, patterns in ((11, 6), (21, 42)):
        every = sum(math.comb(size, d) * agreement(size, d) ** patterns for d in range(size + 1))
        count, what = "sums over signs: `committees.agreement`", "number of solutions, mean"
        yield Fact(what, every, f"N = {size}, P = {patterns}, hidden=1", count)
    yield from looked_through("teacher", 15, 0.5)


FACTS: Mapping[str, Callable[[], Iterator[Fact]]] = {
    "hopfield": of_hopfield,
    "perceptron": of_perceptron,
    "committee": of_committee,
    "teacher": of_teacher,
}
