import subprocess
import sys
import time

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import calibration, metropolis, replicas
from spinfunnel.systems import system
from spinfunnel.systems.spins import Spins
from spinfunnel.testing import check_dynamics

GLASS = system("sk?field=0.3", size=20, seed=2)


def sample(**options):
    return metropolis(
        GLASS, 0.8, **({"sweeps": 300, "replicas": 130, "seed": 4, "keep_states": True} | options)
    )


def same(a, b):
    return (a.energies == b.energies).all() and (a.states == b.states).all() and (a.final == b.final).all()


@pytest.mark.parametrize("order", ["sequential", "random"])
def test_bits_depend_on_nothing_but_the_seed(monkeypatch, order):
    one = sample(order=order)
    assert same(one, sample(order=order, threads=2))
    few = sample(order=order, replicas=70)
    assert (few.energies == one.energies[:, :70]).all()
    monkeypatch.setattr(replicas, "PIECE", 50_000)  # 8 sweeps
    assert same(one, sample(order=order))
    assert not (sample(order=order, seed=5).energies == one.energies).any()


def test_records_are_what_they_say():
    trace = sample(record_every=7, burn_in=11)
    assert trace.times.tolist() == list(range(7, 300, 7))
    assert trace.states.shape == (42, 130, 20)
    for record in (0, 20, 41):
        assert np.allclose(GLASS.energy(trace.states[record]), trace.energies[record], atol=2e-5)
    assert trace.best_energy == pytest.approx(GLASS.energy(trace.best[None])[0], rel=1e-12)
    assert trace.best_energy == pytest.approx(trace.energies.min(), rel=1e-5)
    assert 0.1 < trace.accepted < 0.6


def test_the_unit_of_energy_does_not_matter():
    tiny = Spins.of_edges(GLASS.bonds[0], GLASS.bonds[1] * 2.0**-200, GLASS.fields * 2.0**-200, size=20)
    one, two = sample(), metropolis(tiny, 0.8 * 2.0**-200, sweeps=300, replicas=130, seed=4, keep_states=True)
    assert (one.states == two.states).all()


@pytest.mark.parametrize("rule", ["metropolis", "heat bath"])
@pytest.mark.parametrize("order", ["sequential", "random"])
def test_every_variant_keeps_the_contract(order, rule):
    check_dynamics(
        lambda system, t, seed: metropolis(
            system, t, sweeps=900, burn_in=100, seed=seed, order=order, rule=rule
        )
    )


@pytest.mark.parametrize("given", [0, 1])
def test_calibrations(given):
    rows = list(calibration.calibrations[given].run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), [
        r for r in rows if not r.ok or abs(r.sigma) > 4
    ]


def test_the_squared_overlap_pairs_replicas_once():
    states = np.array([[[1, 1, 1, 1], [1, 1, 1, -1], [1, 1, -1, -1], [1, 1, -1, -1]]], np.int8)
    assert calibration.squared_overlap(states).tolist() == [[0.25, 1.0]]


def test_a_deadline_ends_it():
    trace = sample(
        sweeps=10**9, replicas=64, deadline=time.time() + 0.3, record_every=1000, keep_states=False
    )
    assert trace.stopped == "deadline"
    assert len(trace.times) == len(trace.energies) > 0
    late = sample(deadline=time.time() - 1)
    assert late.stopped == "deadline"
    assert late.energies.shape == (0, 130)


def test_an_interruption_keeps_what_there_is(monkeypatch):
    monkeypatch.setattr(replicas, "PIECE", 50_000)

    def interrupt(done, total, name):
        if done > 100:
            raise KeyboardInterrupt

    trace = sample(progress=interrupt)
    assert trace.stopped == "interrupted"
    assert 100 < len(trace.energies) < 300
    assert trace.best_energy == pytest.approx(trace.energies.min(), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"temperature": float("nan")}, "not nan"),
        ({"temperature": -1.0}, "not -1"),
        ({"sweeps": 0}, "sweeps must be at least 1"),
        ({"replicas": 0}, "replicas must be at least 1"),
        ({"burn_in": -1}, "burn_in must be at least 0"),
        ({"order": "zigzag"}, "sequential or random"),
        ({"rule": "glauber"}, "metropolis or heat bath"),
        ({"system": system("rem", size=8), "order": "sequential"}, "draws its moves at random"),
    ],
)
def test_bad_input(given, says):
    with pytest.raises(BadInput, match=says):
        metropolis(**({"system": GLASS, "temperature": 1.0, "sweeps": 5} | given))


def test_numba_is_not_loaded_before_it_is_needed():
    code = "import sys, spinfunnel.dynamics, spinfunnel.anneal; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
