"""All conformations against walks written out step by step; ground states against all conformations."""

import itertools
import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.chain_enumeration import all_walks, enumerate_chains, ground_states, reach
from spinfunnel.systems.chains import go, heteropolymer, hp
from spinfunnel.systems.enumeration import positive

STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def walks(size):
    """Give all self-avoiding walks, out of all walks."""
    every = np.array(list(itertools.product(range(4), repeat=size - 1)))
    x = np.concatenate([np.zeros((len(every), 1, 2), dtype=int), np.cumsum(STEPS[every], axis=1)], axis=1)
    return np.array([one for one in x if len({tuple(site) for site in one.tolist()}) == size])


@pytest.mark.parametrize("size", [4, 6, 8])
def test_walks_and_their_energies_written_out(size):
    chain, expected = heteropolymer(size, 1), walks(size)
    found = enumerate_chains(chain, [0.5, 2.0])
    own = chain.energy(expected)
    assert found.copies.sum() == len(expected)
    assert np.repeat(np.sort(found.energies), 1).size == (len(expected) + 4) // 8
    assert np.sort(np.repeat(found.energies, found.copies)) == pytest.approx(np.sort(own))
    for k, t in enumerate((0.5, 2.0)):
        weights = np.exp(-own / t)
        mean = weights @ own / weights.sum()
        assert found.thermal.log_z[k] == pytest.approx(math.log(weights.sum()))
        assert found.thermal.u[k] == pytest.approx(mean / size)
        assert found.thermal.c[k] == pytest.approx((weights @ own**2 / weights.sum() - mean**2) / t**2 / size)
    kept = all_walks(size)
    assert {x.tobytes() for x in kept} == {x.tobytes() for x in expected}
    assert len(kept) == len(expected)


def test_four_monomers_by_hand():
    """Of 36 walks, 8 bend into a contact."""
    beta = 1.7
    thermal = enumerate_chains(hp(4, sequence="HPPH"), [1 / beta]).thermal
    assert thermal.log_z[0] == pytest.approx(math.log(28 + 8 * math.exp(beta)))


def test_ground_states_are_what_they_claim_and_differ():
    chain = hp(24)
    found = ground_states(chain)
    assert (found.energy, found.degeneracy) == (-9, 19)
    assert (chain.energy(found.states) == -9).all()
    assert len({x.tobytes() for x in found.states}) == 19


def test_of_a_palindrome_half_as_many_ground_states_differ():
    """HP 20 and 24 read the same from either end, so all but symmetric conformations come in pairs."""
    for size, differ in ((20, 1), (24, 12), (25, 16)):
        chain = hp(size)
        states = ground_states(chain).states
        kinds = []
        for x in states:
            if not any(chain.overlap(x[None], other[None])[0] == 1 for other in kinds):
                kinds.append(x)
        assert len(kinds) == differ


@pytest.mark.parametrize("seed", range(6))
def test_branch_and_bound_finds_what_enumeration_finds(seed):
    rng = np.random.default_rng(seed)
    letters = "".join(rng.choice(["H", "P"], size=13))
    for chain in (
        hp(13, sequence=letters),
        heteropolymer(13, seed),
        heteropolymer(13, seed, mean=1.5),
        go(13, seed),
    ):
        every, found = enumerate_chains(chain), ground_states(chain)
        assert found.energy == pytest.approx(every.ground_energy)
        assert found.degeneracy == every.degeneracy
        assert chain.energy(found.states) == pytest.approx(every.ground_energy)


def test_more_states_than_are_kept_are_counted():
    found = ground_states(hp(10, sequence="P" * 10))
    assert (found.energy, found.degeneracy, len(found.states)) == (0, (16268 + 4) // 8, 1024)


def test_a_low_energy_to_start_with_saves_time():
    chain = hp(20)
    slow, fast = ground_states(chain), ground_states(chain, at_most=-9)
    assert (fast.energy, fast.degeneracy) == (slow.energy, slow.degeneracy)
    assert fast.looked_at < slow.looked_at / 2
    assert (fast.states == slow.states).all()


def test_a_search_ends_with_a_proof_or_says_that_it_does_not():
    with pytest.raises(BadInput, match="no conformation has an energy of -10 or below: give a higher"):
        ground_states(hp(20), at_most=-10)
    with pytest.raises(BadInput, match=r"10000 monomers placed, and the search is not over: give a lower"):
        ground_states(hp(64), patience=10_000)


def test_too_long_chains_and_cold_temperatures_are_refused():
    with pytest.raises(BadInput, match="19 monomers have too many conformations: enumerate at most 18"):
        enumerate_chains(heteropolymer(19))
    with pytest.raises(BadInput, match="13 monomers have too many walks to keep: at most 12"):
        all_walks(13)
    with pytest.raises(BadInput, match="positive"):
        enumerate_chains(hp(20), [0.0])
    assert len(positive([])) == 0


def test_what_is_left_to_gain_of_a_go_chain_is_its_contacts():
    chain = go(25, 3)
    assert reach(chain)[0] == chain.ground_energy
    assert reach(chain)[-1] == 0
