"""Couplings among any number of spins: sums written out, moves, symmetries, and what cannot be made."""

import itertools
import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import streams, uniform
from spinfunnel.systems import many_body, system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.many_body import ManyBody, kernel, pieces
from spinfunnel.systems.pspin import covariance, krawtchouk, pspin, subsets
from spinfunnel.systems.spins import Spins
from spinfunnel.systems.xorsat import clauses, xorsat
from spinfunnel.testing import check_system


def mixture(size=9, orders=(2, 3, 5), field=True, seed=0):
    rng = np.random.default_rng(seed)
    terms = [rng.permuted(subsets(size, order), axis=1) for order in orders]
    for spins in terms:
        rng.shuffle(spins)
    strengths = [rng.normal(size=len(spins)) for spins in terms]
    return ManyBody.of_terms(terms, strengths, rng.normal(size=size) if field else None, size=size)


@pytest.mark.parametrize("made", [mixture(), mixture(12, (4,), False), mixture(7, (2, 7), False), xorsat(30)])
def test_promises_are_kept(made):
    check_system(made)


def test_energy_is_the_sum_written_out(monkeypatch):
    terms, strengths = [np.array([[2, 0, 1], [3, 1, 2]]), np.array([[3, 0]])], [[2.0, -3.0], [0.5]]
    made = ManyBody.of_terms(terms, strengths, np.array([0.0, 0.0, 0.25, 0.0]), size=4)
    x = np.array(list(itertools.product([-1, 1], repeat=4)), dtype=np.int8)
    a, b, c, d = x.T.astype(float)
    expected = -2 * a * b * c + 3 * b * c * d - 0.5 * a * d - 0.25 * c
    assert (made.energy(x) == expected).all()
    costs = made.flip_cost(x)
    monkeypatch.setattr(many_body, "HELD", 7)  # three states at a time
    assert (made.energy(x) == expected).all()
    assert (made.flip_cost(x) == costs).all()
    assert made.energy(x[:0]).shape == (0,)
    assert made.flip_cost(x[:0]).shape == (0, 4)


def test_pairs_alone_are_what_spins_are():
    glass = system("sk?field=.3", size=10, seed=4)
    edges, couplings = glass.bonds
    made = ManyBody.of_terms([edges], [couplings], glass.fields, size=10)
    x = glass.random(50, 0)
    assert made.energy(x) == pytest.approx(glass.energy(x), abs=1e-13)
    assert made.flip_cost(x) == pytest.approx(glass.flip_cost(x), abs=1e-13)


def walk(x, memory, data, rng, energies):
    """Stand for a dynamics: the system's moves are given when it is compiled."""
    energy = prepare(x, memory, data)  # noqa: F821
    for k in range(energies.shape[0]):
        cost, _ = propose(x, memory, data, rng)  # noqa: F821
        if cost <= 0 or uniform(rng) < np.exp(-cost):
            accept(x, memory, data)  # noqa: F821
            energy += cost
        energies[k] = energy


@pytest.mark.parametrize("made", [mixture(), xorsat(24), system("multiscale", size=16), system("rem-native")])
def test_compiled_moves_keep_the_energy(made):
    loop = compiled(walk, {name: getattr(type(made), name) for name in ("prepare", "propose", "accept")})
    x, memory, energies = made.random(1, 0)[0], np.zeros(made.memory), np.zeros(5000)
    start = x.copy()
    loop(x, memory, made.data, streams(0, "walk", 1)[0], energies)
    assert (x != start).any()
    assert energies[-1] == pytest.approx(made.energy(x[None])[0], abs=1e-10)
    if isinstance(made, ManyBody):
        assert memory[: made.size] == pytest.approx(made.flip_cost(x[None])[0], abs=1e-10)


@pytest.mark.parametrize(
    ("terms", "couplings", "fields", "says"),
    [
        ([[[0, 1, 1]]], [[1.0]], None, r"each named once, not \(0, 1, 1\)"),
        ([[[0, 1, 2], [2, 1, 0]]], [[1.0, 1.0]], None, r"the term \(0, 1, 2\) is given twice"),
        ([[[0, 1, 2]], [[1, 2, 0]]], [[1.0], [1.0]], None, r"the term \(0, 1, 2\) is given twice"),
        ([[[0, 1, 3]]], [[1.0]], None, "0 to 2, a term names 0 or 3"),
        ([[[0, 1, -1]]], [[1.0]], None, "a term names -1"),
        ([[[0, 1, 2]]], [[np.nan]], None, "couplings must be finite, 1 are not"),
        ([[[0, 1, 2]]], [[1.0]], np.full(3, np.inf), "fields must be finite, 3 are not"),
        ([[[0, 1, 2]]], [[1.0, 2.0]], None, r"terms have shape \(m, p\)"),
        ([[[0, 1, 2]]], [], None, "1 arrays of terms need as many of couplings, got 0"),
        ([[[0], [1], [2]]], [[1.0, 1.0, 1.0]], None, "give a field for a term of one"),
        ([np.zeros((1, 0), int)], [[1.0]], None, "two or more spins"),
        ([[[0, 1]]], [[1.0]], None, "fall into 2 parts"),
        ([], [], None, "fall into 3 parts"),
    ],
)
def test_what_is_no_system_is_refused(terms, couplings, fields, says):
    with pytest.raises(BadInput, match=says):
        ManyBody.of_terms(terms, couplings, fields, size=3)


@pytest.mark.parametrize(
    ("indptr", "members", "couplings", "says"),
    [
        ([0, 3], [0, 1, 2], [1.0, 2.0], "2 couplings do not fit 1 terms, 3 members"),
        ([0, 3, 5], [0, 1, 2, 0, 1], [1.0, 1.0], "must stand by order"),
        ([0, 3], [0, 2, 1], [1.0], "must ascend"),
        ([0, 2, 4], [1, 2, 0, 1], [1.0, 1.0], r"\(0, 1\) must stand before"),
    ],
)
def test_arrays_that_are_out_of_order_are_refused(indptr, members, couplings, says):
    with pytest.raises(BadInput, match=says):
        ManyBody("x", "y", np.array(indptr), np.array(members), np.array(couplings), np.zeros(3))


def test_one_spin_in_a_field_is_a_system():
    one = ManyBody.of_terms([], [], np.array([2.0]), size=1)
    assert one.energy(np.array([[1], [-1]])).tolist() == [-2, 2]
    assert enumerate_states(one).ground_energy == -2


def test_the_kernel_is_all_sets_that_meet_every_term_evenly():
    rng = np.random.default_rng(1)
    for size, terms in ((6, 4), (7, 7), (9, 5)):
        rows = np.array([rng.choice(size, 3, replace=False) for _ in range(terms)])
        basis = kernel([rows], size)
        sets = np.array(list(itertools.product([0, 1], repeat=size)))
        even = {tuple(s) for s in sets if (s[rows].sum(axis=1) % 2 == 0).all()}
        spanned = {tuple(np.array(take) @ basis % 2) for take in itertools.product([0, 1], repeat=len(basis))}
        assert spanned == even
        assert len(even) == 2 ** len(basis)


def test_the_kernel_knows_more_than_64_spins():
    ring = np.stack([np.arange(130), (np.arange(130) + 1) % 130], axis=1)
    assert kernel([ring], 130).tolist() == [[True] * 130]
    assert len(kernel([ring, np.array([[70]])], 130)) == 0
    assert pieces([ring], 131) == 2


def test_overlaps_are_modulo_all_symmetries():
    even, odd, field = mixture(9, (2, 4), False), mixture(9, (2, 3), False), mixture(9, (2, 4), True)
    assert even.symmetries.tolist() == [[True] * 9]
    assert len(odd.symmetries) == len(field.symmetries) == 0
    x, y = even.random(20, 0), even.random(20, 1)
    plain = (x.astype(float) * y).mean(axis=1)
    assert (even.overlap(x, y) == np.abs(plain)).all()
    assert (odd.overlap(x, y) == plain).all()
    assert (field.overlap(x, y) == plain).all()


def test_clauses_have_symmetries_that_cost_nothing_in_any_state():
    made = next(glass for glass in (xorsat(18, seed) for seed in range(100)) if len(glass.symmetries) == 2)
    x, y = made.random(40, 0), made.random(40, 1)
    for together in made.symmetries:
        turned = np.where(together, -x, x)
        assert (made.energy(turned) == made.energy(x)).all()
        assert (made.overlap(turned, y) == made.overlap(x, y)).all()
        assert (made.overlap(turned, x) == 1).all()
    assert (made.overlap(x, y) >= (x.astype(float) * y).mean(axis=1)).all()


def test_too_many_symmetries_are_refused(monkeypatch):
    made = next(glass for glass in (xorsat(18, seed) for seed in range(100)) if len(glass.symmetries) == 2)
    monkeypatch.setattr(many_body, "TURNS", 1)
    with pytest.raises(BadInput, match="2 independent symmetries"):
        made.overlap(made.random(1, 0), made.random(1, 1))


@pytest.mark.parametrize("size", [4, 5, 6, 7, 50])
def test_every_spin_is_in_three_clauses(size):
    drawn = clauses(size, np.random.default_rng(size))
    assert (np.bincount(drawn.ravel()) == 3).all()
    assert len(np.unique(np.sort(drawn, axis=1), axis=0)) == size
    assert all(len(set(clause)) == 3 for clause in drawn.tolist())


def test_solutions_are_counted_by_algebra():
    for seed in range(6):
        made = xorsat(14, seed)
        found = enumerate_states(made)
        assert (found.ground_energy, found.degeneracy) == (-14, 2 ** len(made.symmetries))
        assert made.overlap(found.ground_state[None], made.native[None]) == 1


def test_krawtchouk_is_the_sum_over_sets():
    x = np.random.default_rng(0).choice([-1, 1], size=(20, 8))
    for p in (2, 3, 5, 8):
        sums = x[:, subsets(8, p)].prod(axis=2).sum(axis=1)
        assert (krawtchouk(8, p)[(x < 0).sum(axis=1)] == sums).all()


def test_covariance_goes_to_a_power_of_the_overlap():
    up = np.ones((1, 400), dtype=np.int8)
    for p in (2, 3, 5):
        down = np.where(np.arange(400) < 100, -up, up)  # overlap 1/2
        assert covariance(up, down, p)[0] / 400 == pytest.approx(0.5**p, abs=0.02)


def test_pspin_of_two_is_a_glass_of_twice_the_variance_of_sk():
    made = pspin(40, 3, p=2)
    assert made.couplings.std() == pytest.approx(math.sqrt(2 / 40), abs=0.02)
    edges = made.orders[0][1]
    glass = Spins.of_edges(edges, made.couplings, size=40)
    x = made.random(9, 1)
    assert made.energy(x) == pytest.approx(glass.energy(x), abs=1e-12)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: pspin(5, p=6), "2 to N = 5 spins, not 6"),
        (lambda: pspin(5, p=1), "2 to N = 5 spins, not 1"),
        (lambda: pspin(400, p=3), r"1.1e\+07 terms, too many to keep: take at most 294 spins"),
        (lambda: xorsat(3), "need N >= 4, not 3"),
    ],
)
def test_glasses_that_cannot_be_made_are_explained(make, says):
    with pytest.raises(BadInput, match=says):
        make()
