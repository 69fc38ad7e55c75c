import time

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics.langevin import Quadratic, calibrations, langevin
from spinfunnel.systems import system
from spinfunnel.testing import check_system

QUICK = [one for one in calibrations if one.effort == "quick"]
METHODS = ["overdamped", "mala", "underdamped"]
WELL = system("double-well")
GLASS = system("spherical-pspin", size=8)


def sample(given=WELL, temperature=0.3, **options):
    return langevin(
        given, temperature, **({"step": 0.05, "steps": 60, "replicas": 5, "seed": 3} | options)
    )  # fmt: skip


def test_a_quadratic_keeps_the_contract():
    check_system(Quadratic(np.array([2.0, 0.5, 1.0])))


@pytest.mark.parametrize("method", METHODS)
def test_one_seed_one_trace(method):
    one, again, other = (sample(method=method, seed=seed) for seed in (3, 3, 4))
    assert (one.energies == again.energies).all()
    assert (one.final == again.final).all()
    assert (one.energies != other.energies).any()


@pytest.mark.parametrize("method", METHODS)
def test_records_are_what_they_say(method):
    trace = sample(method=method, record_every=7, keep_states=True)
    assert trace.times == pytest.approx(0.35 * np.arange(1, 9))
    assert trace.states.shape == (8, 5, 2)
    assert trace.energies == pytest.approx(np.array([WELL.energy(x) for x in trace.states]))
    assert trace.best_energy == trace.energies.min() == WELL.energy(trace.best[None])[0]
    full = sample(method=method)
    assert (full.energies[6::7] == trace.energies).all()
    assert (trace.final == full.final).all()
    assert (trace.accepted is not None) == (method == "mala")
    if method == "underdamped":
        assert trace.stats["kinetic"].shape == trace.energies.shape
        assert (full.stats["kinetic"][6::7] == trace.stats["kinetic"]).all()


def test_on_a_sphere_it_stays_on_the_sphere():
    trace = sample(GLASS, 1.0, keep_states=True)
    assert (trace.states**2).sum(axis=-1) == pytest.approx(GLASS.size)


@pytest.mark.parametrize("method", METHODS)
def test_it_begins_where_it_is_told_to(method):
    start = np.tile([1.0, 0.0], (4, 1))
    trace = sample(temperature=1e-9, method=method, start=start, step=1e-3)
    assert trace.final == pytest.approx(start, abs=1e-3)
    assert (start == [1.0, 0.0]).all()


def test_metropolis_test_refuses_what_is_no_number():
    lj = system("lj", size=4)
    trace = langevin(lj, 0.5, step=10.0, steps=30, replicas=4, method="mala")
    assert trace.accepted < 0.1
    assert np.isfinite(trace.energies).all()


@pytest.mark.parametrize("given", QUICK, ids=lambda one: one.name)
def test_calibrations(given):
    rows = list(given.run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), [
        r for r in rows if not r.ok or abs(r.sigma) > 4
    ]


def test_a_deadline_ends_it():
    trace = sample(steps=10**9, deadline=time.time() + 0.2, record_every=100)
    assert trace.stopped == "deadline"
    assert len(trace.times) == len(trace.energies) > 0
    late = sample(deadline=time.time() - 1)
    assert (late.stopped, late.energies.shape, late.final.shape) == ("deadline", (0, 5), (5, 2))
    assert late.best_energy == WELL.energy(late.best[None])[0]


def test_an_interruption_keeps_what_there_is(monkeypatch):
    monkeypatch.setattr("spinfunnel.dynamics.clock.SILENCE", 0.0)

    def interrupt(done, total, name):
        assert (total, name) == (60, "steps")
        if done == 20:
            raise KeyboardInterrupt

    trace = sample(progress=interrupt)
    assert trace.stopped == "interrupted"
    assert len(trace.energies) == 20


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"temperature": -1.0}, "temperature must be positive"),
        ({"step": 0.0}, "step must be positive and finite, not 0"),
        ({"step": float("nan")}, "not nan"),
        ({"friction": -1.0}, "friction must be positive"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"replicas": 0}, "replicas must be at least 1"),
        ({"method": "nuts"}, "overdamped, mala or underdamped"),
        ({"given": system("sk", size=8)}, "sk has no gradient"),
        ({"given": GLASS, "method": "mala"}, "mala needs flat space"),
        ({"given": GLASS, "method": "underdamped"}, "underdamped needs flat space"),
        ({"start": np.zeros((3, 4))}, r"start must be \(R >= 1, \*\(2,\)\), not \(3, 4\)"),
        ({"step": 5.0, "steps": 200}, "a step of 5 is too long"),
    ],
)
def test_bad_input(given, says):
    with pytest.raises(BadInput, match=says):
        sample(**given)
