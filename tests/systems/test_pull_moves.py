"""Pull moves: each is undone as easily as it is made, chains stay chains, and all of them are reached."""

from collections import Counter

import numpy as np
import pytest

from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import streams
from spinfunnel.systems import pull_moves
from spinfunnel.systems.chain_enumeration import _reversible
from spinfunnel.systems.chains import Chain, heteropolymer


def after(x, label):
    """Make the move of this label, in plain Python; None if it cannot be made."""
    chain = Chain("chain", "E = 0", np.zeros((len(x), len(x))))
    x, memory = np.array(x, dtype=np.int64), np.zeros(chain.memory)
    pull_moves.prepare(x, memory, chain.data)
    cost, ratio = pull_moves.propose(x, memory, chain.data, label)
    assert ratio == 0
    if not np.isfinite(cost):
        return None
    pull_moves.accept(x, memory, chain.data)
    chain.checked(x[None])
    return x.tolist()


@pytest.fixture(autouse=True)
def _labels_are_given(monkeypatch, request):
    if "label" in request.fixturenames:
        monkeypatch.setattr(pull_moves, "below", lambda rng, n: rng)


CORNER = [[0, 0], [1, 0], [1, 1], [2, 1], [3, 1]]
STRAIGHT = [[0, 0], [1, 0], [2, 0], [3, 0]]


@pytest.mark.parametrize(
    ("x", "label", "moved"),
    [
        # monomer 1 flips over the corner, whichever neighbour stands still; nothing follows
        (CORNER, 0 + 2, [[0, 0], [0, 1], [1, 1], [2, 1], [3, 1]]),
        (CORNER, 1, [[0, 0], [0, 1], [1, 1], [2, 1], [3, 1]]),
        # monomer 1 steps left of its bond to 2, seen from 2: 0 follows beside it
        (STRAIGHT, 0, [[1, -1], [2, -1], [2, 0], [3, 0]]),
        # seen from 0: 2 follows beside it, then 3 to where 1 was
        (STRAIGHT, 1, [[0, 0], [0, 1], [1, 1], [1, 0]]),
        # end 0 goes two straight on: all follow
        (STRAIGHT, 8 + 4, [[-2, 0], [-1, 0], [0, 0], [1, 0]]),
        # end 3 likewise
        (STRAIGHT, 8 + 9 + 4, [[2, 0], [3, 0], [4, 0], [5, 0]]),
        # the site beside 2 is taken
        (CORNER, 0, None),
        # end 0 would go round its neighbour: it goes alone, and leaves no hook
        (STRAIGHT, 8 + 8, [[1, -1], [1, 0], [2, 0], [3, 0]]),
    ],
)
def test_moves_by_hand(x, label, moved):
    assert after(x, label) == moved


@pytest.mark.parametrize("size", [4, 5, 7])
def test_every_move_has_one_way_back(size):
    assert [row.value for row in _reversible(size)] == [0, 1]


def test_moves_at_infinite_temperature_visit_all_chains_as_often():
    def walk(x, memory, data, rng, moves):
        made = 0
        for _ in range(moves):
            cost, _ratio = propose(x, memory, data, rng)  # noqa: F821
            if cost < np.inf:
                accept(x, memory, data)  # noqa: F821
                made += 1
        return made

    chain = Chain("chain", "E = 0", np.zeros((5, 5)))
    moves = {"propose": pull_moves.propose, "accept": pull_moves.accept}
    step, rng = compiled(walk, moves), streams(3, "visits", 1)[0]
    x, memory = chain.random(1, 0)[0], np.zeros(chain.memory)
    pull_moves.prepare(x, memory, chain.data)
    seen = Counter()
    for _ in range(20_000):
        step(x, memory, chain.data, rng, 10)
        seen[(x - x[0]).tobytes()] += 1
    assert len(seen) == 100
    chi2 = sum((k - 200) ** 2 / 200 for k in seen.values())
    assert abs(chi2 - 99) < 4 * np.sqrt(2 * 99)


def test_a_chain_far_from_the_origin_costs_the_same():
    chain = heteropolymer(12, 1)
    propose = compiled(pull_moves.propose)
    x, near, far = chain.random(1, 4)[0], np.zeros(chain.memory), np.zeros(chain.memory)
    for place, memory in ((x, near), (x - 10**9, far)):
        assert compiled(pull_moves.prepare)(place, memory, chain.data) == pytest.approx(
            chain.energy(x[None])[0]
        )
    here, there = streams(1, "same", 1)[0], streams(1, "same", 1)[0]
    costs = [propose(x, near, chain.data, here) for _ in range(200)]
    assert costs == [propose(x - 10**9, far, chain.data, there) for _ in range(200)]
    assert len(set(costs)) > 10


def test_the_grid_holds_the_straight_chain_and_two_steps_more():
    assert [pull_moves.grid_side(n) for n in (4, 6, 7, 30, 31, 62, 63)] == [8, 8, 16, 32, 64, 64, 128]
