import time

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import descent, downhill
from spinfunnel.dynamics.descent import descend, quench
from spinfunnel.dynamics.langevin import Quadratic
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.spins import Spins

QUICK = [one for one in descent.calibrations if one.effort == "quick"]
METHODS = ["lbfgs", "gradient"]
SURFACE = system("mueller-brown")


@pytest.mark.parametrize("given", QUICK, ids=lambda one: one.name)
def test_calibrations(given):
    rows = list(given.run(0))
    bad = [row for row in rows if not row.ok or (row.sigma is not None and abs(row.sigma) > 4)]
    assert not bad


@pytest.mark.parametrize("method", METHODS)
def test_a_stiff_quadratic(method):
    stiff = Quadratic(np.geomspace(1.0, 1e4 if method == "lbfgs" else 50.0, 12))
    start = stiff.random(6, 0)
    trace = descend(stiff, start, method=method, tolerance=1e-8, most=5000)
    assert trace.stats["converged"].all()
    assert np.abs(trace.final * stiff.curvatures).max() <= 1e-8
    assert trace.stats["gradient_norms"] == pytest.approx(np.abs(stiff.gradient(trace.final)).max(axis=1))
    assert trace.stats["evaluations"].max() == len(trace.times) == len(trace.energies)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["mueller-brown", "lj13", "spherical-pspin20"])
def test_no_step_leads_up(name, method):
    given = system(name)
    trace = descend(given, given.random(8, 1), method=method, most=300)
    rises = np.diff(trace.energies, axis=0)
    assert rises.max() <= 2 * downhill.ROUNDING * np.abs(trace.energies).max()
    assert trace.energies[-1] == pytest.approx(given.energy(trace.final))
    assert trace.best_energy == pytest.approx(trace.energies[-1].min())
    assert given.settle(trace.final) == pytest.approx(trace.final)


def test_from_atoms_that_nearly_touch():
    """Energies of 10^60 and gradients of 10^65, all in one pair, do not spoil what comes after."""
    cluster = system("lj13")
    x = cluster.random(20, 3)
    x[:, 0] = x[:, 1] + 1e-5
    assert cluster.energy(x).min() > 1e55
    trace = descend(cluster, x, tolerance=1e-5)
    assert trace.stats["converged"].all()
    assert trace.energies[-1].max() < -20
    assert trace.stats["evaluations"].max() < 1000


@pytest.mark.parametrize("method", METHODS)
def test_replicas_do_not_depend_on_each_other(method):
    start = SURFACE.random(9, 2)
    all_of_them = descend(SURFACE, start, method=method)
    for r in (0, 4, 8):
        alone = descend(SURFACE, start[r : r + 1], method=method)
        assert (alone.final[0] == all_of_them.final[r]).all()
        assert alone.stats["evaluations"][0] == all_of_them.stats["evaluations"][r]


def test_what_is_at_a_minimum_stays():
    trace = descend(SURFACE, descend(SURFACE, SURFACE.random(3, 0), tolerance=1e-8).final)
    assert trace.stats["evaluations"].tolist() == [1, 1, 1]
    assert trace.stats["converged"].all()


def test_lbfgs_takes_fewer_evaluations():
    glass = system("spherical-pspin", size=30)
    few, many = (descend(glass, glass.random(10, 0), method=m).stats["evaluations"].mean() for m in METHODS)
    assert few < many / 2


def test_most_is_the_most():
    trace = descend(SURFACE, SURFACE.random(3, 0), most=2)
    assert (len(trace.times), trace.stopped) == (2, "finished")
    assert not trace.stats["converged"].any()


def test_a_deadline_and_an_interruption(monkeypatch):
    start = SURFACE.random(3, 0)
    late = descend(SURFACE, start, deadline=time.time() - 1)
    assert (late.stopped, late.energies.shape) == ("deadline", (0, 3))
    assert late.final == pytest.approx(start)
    monkeypatch.setattr("spinfunnel.dynamics.clock.SILENCE", 0.0)

    def interrupt(done, total, name):
        if done == 4:
            raise KeyboardInterrupt

    assert descend(SURFACE, start, progress=interrupt).stopped == "interrupted"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"system": system("sk", size=8)}, "sk has no gradient to follow down"),
        ({"x": np.zeros((3, 5))}, r"x must be \(R >= 1, \*\(2,\)\), as mueller-brown is, not \(3, 5\)"),
        ({"x": np.zeros((0, 2))}, "not \\(0, 2\\)"),
        ({"x": np.full((2, 2), np.nan)}, "no finite energy where replica 0 begins"),
        ({"method": "newton"}, "lbfgs or gradient"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"longest": -1.0}, "longest must be positive"),
        ({"most": 0}, "most must be at least 1"),
    ],
)
def test_bad_descents(given, says):
    with pytest.raises(BadInput, match=says):
        descend(**({"system": SURFACE, "x": np.zeros((2, 2))} | given))


@pytest.mark.parametrize("name", ["sk?field=0.3", "sk?law=pm", "ea", "rem", "ising2d"])
def test_quenches_end_where_no_flip_gains(name):
    given = system(name, size=12 if name == "rem" else 4 if name == "ea" else 8, seed=1)
    start = given.random(20, 0)
    trace = quench(given, start)
    assert trace.stats["stable"]
    assert given.flip_cost(trace.final).min() >= -1e-10 * np.abs(trace.energies).max()
    assert (trace.energies[0] == given.energy(trace.final)).all()
    assert (trace.energies[0] <= given.energy(start)).all()
    assert trace.final.dtype == np.int8
    assert (quench(given, start[:7]).final == trace.final[:7]).all()


def test_quenches_cross_plateaus():
    """The walls of a ring of spins move for nothing, and vanish when they meet."""
    ring = system("ising1d", size=24)
    start = ring.random(200, 0)
    short, long = (quench(ring, start, sweeps=sweeps).energies.mean() for sweeps in (1, 100))
    assert long < short - 2
    assert long > -24 or (quench(ring, start, sweeps=100).energies == -24).all()


def test_enough_quenches_find_the_ground_state():
    glass = system("sk", size=14, seed=3)
    assert quench(glass, glass.random(500, 0)).best_energy == pytest.approx(
        enumerate_states(glass).ground_energy
    )  # fmt: skip


def test_rounding_is_no_gain():
    """Couplings of 0.1 make sums that are zero but for rounding; a quench takes them for zero."""
    ring = Spins.of_edges(np.array([[0, 1], [1, 2], [2, 3], [0, 3]]), np.array([0.1, -0.3, 0.2, 0.2]), size=4)
    assert quench(ring, ring.random(50, 0)).stats["stable"]


def test_what_only_knows_moves_falls_by_them():
    cluster = system("lj13")
    start = cluster.random(6, 0)
    trace = quench(cluster, start)
    assert not trace.stats["stable"]
    assert (trace.energies[0] == cluster.energy(trace.final)).all()
    below = descend(cluster, trace.final)  # moves of this size find the way into the basin, not its bottom
    assert (trace.energies[0] < cluster.energy(start) / 2).all()
    assert (below.energies[-1] < trace.energies[0]).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"system": SURFACE, "x": np.zeros((1, 2))}, "neither couplings between pairs of spins nor moves"),
        ({"x": np.ones((2, 3))}, "as sk is, not"),
        ({"sweeps": 0}, "sweeps must be at least 1"),
    ],
)
def test_bad_quenches(given, says):
    with pytest.raises(BadInput, match=says):
        quench(**({"system": system("sk", size=8), "x": np.ones((2, 8))} | given))
