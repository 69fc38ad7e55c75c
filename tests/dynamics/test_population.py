import math

import numpy as np
import pytest
from tests.dynamics.moves import Springs

from spinfunnel.core import BadInput
from spinfunnel.dynamics import population, replicas
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.lanes import Lanes
from spinfunnel.dynamics.multispin import MultiSpin
from spinfunnel.dynamics.population import expected_copies, population_annealing, resampled, share_culled
from spinfunnel.dynamics.walkers import Walkers
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states

GLASS = system("sk", size=10, seed=2)


def test_calibration():
    rows = list(population.calibrations[0].run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows


@pytest.mark.slow
def test_identities_of_the_disorder():
    rows = list(population.calibrations[1].run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows


def test_resampling_gives_each_its_expected_copies():
    rng = np.random.default_rng(0)
    copies = expected_copies(rng.normal(size=50), 1.3)
    assert copies.sum() == pytest.approx(50)
    drawn = np.array([np.bincount(resampled(copies, rng.random()), minlength=50) for _ in range(4000)])
    assert (np.abs(drawn - copies) < 1).all()
    np.testing.assert_allclose(drawn.mean(axis=0), copies, atol=0.04)
    kept = resampled(copies, 0.5)
    survivors = np.unique(kept)
    assert (kept[survivors] == survivors).all()


@pytest.mark.parametrize(
    ("given", "replicas", "engine"),
    [
        (system("ea?dimension=2&law=gauss", size=6), 70, Lanes),
        (GLASS, 70, Lanes),
        (system("ea", size=4), 70, MultiSpin),
        (system("rem", size=8), 20, Walkers),
    ],
)
def test_who_takes_a_place_goes_on_from_there(given, replicas, engine):
    them = replicas_of(given, replicas, 1)
    assert isinstance(them, engine)
    them.sweep(1.0, np.ones(5), every=NEVER)
    before = them.final
    indices = np.arange(replicas)
    indices[[3, 5, replicas - 1]] = [10, 10, 0]
    them.take(indices)
    assert (them.final == before[indices]).all()
    energies, _ = them.sweep(1.0, np.ones(1), every=1)
    np.testing.assert_allclose(energies[0], given.energy(them.final), atol=1e-4)
    assert (them.final[10] != them.final[3]).any() or (them.final[10] != them.final[5]).any()


NEVER = replicas.NEVER


def test_a_population_says_what_it_did():
    temperatures = [2.0, 0.5]
    trace = population_annealing(GLASS, temperatures, population=400, seed=3, keep_states=True)
    stats = trace.stats
    assert stats["log_z"][0] == 10 * math.log(2)
    assert stats["log_z_error"][0] == 0
    assert trace.temperatures[0] == np.inf
    assert (np.diff(trace.temperatures) < 0).all()
    assert set(temperatures) <= set(trace.temperatures.tolist())
    assert stats["culled"].max() < population.CULLED + 0.05
    assert stats["families"][-1] == len(np.unique(stats["family"])) < stats["families"][0] == 400
    np.testing.assert_allclose(trace.energies[-1], GLASS.energy(trace.states[-1]), atol=1e-4)
    np.testing.assert_allclose(stats["u"], trace.energies.mean(axis=1) / 10)
    assert (trace.final == trace.states[-1]).all()
    assert trace.best_energy == pytest.approx(enumerate_states(GLASS).ground_energy)
    assert stats["doubts"] == ()


def test_errors_by_families_are_those_of_runs():
    """That of u is right; that of ln Z is somewhat too large, for copies are rounded."""
    runs = [population_annealing(GLASS, [0.6], population=300, sweeps=3, seed=i) for i in range(60)]
    u, log_z, u_error, log_z_error = (
        np.array([run.stats[key][-1] for run in runs]) for key in ("u", "log_z", "u_error", "log_z_error")
    )
    assert 0.7 < u_error.mean() / u.std(ddof=1) < 1.5
    assert 0.9 < log_z_error.mean() / log_z.std(ddof=1) < 2.5


def test_threads_and_pieces_change_no_bit(monkeypatch):
    one = population_annealing(GLASS, [0.7], population=200, seed=5)
    again = population_annealing(GLASS, [0.7], population=200, seed=5, threads=3)
    monkeypatch.setattr(replicas, "PIECE", 1.0)
    pieces = population_annealing(GLASS, [0.7], population=200, seed=5)
    for other in (again, pieces):
        assert (other.energies == one.energies).all()
        assert (other.stats["log_z"] == one.stats["log_z"]).all()
    assert population_annealing(GLASS, [0.7], population=200, seed=6).stats["u"][-1] != one.stats["u"][-1]


def test_moves_of_a_system_of_its_own():
    """Points on springs: Z goes with T^N, counted from the hottest temperature."""
    runs = [population_annealing(Springs(5), [2.0, 1.0], population=200, seed=i) for i in range(16)]
    log_z = np.array([run.stats["log_z"][-1] for run in runs])
    assert log_z.mean() == pytest.approx(-5 * math.log(2), abs=4 * log_z.std(ddof=1) / 4)
    assert log_z.std() < 0.3
    assert runs[0].temperatures[0] == 2.0
    few = system("rem", size=8, seed=1)
    z = [population_annealing(few, [1.2], population=200, seed=i).stats["log_z"][-1] for i in range(16)]
    exact = enumerate_states(few, [1.2]).thermal.log_z[0]
    assert np.mean(z) == pytest.approx(exact, abs=4 * np.std(z, ddof=1) / 4)


def test_a_deadline_an_interruption_and_a_population_too_small():
    def interrupt(*_):
        raise KeyboardInterrupt

    assert population_annealing(GLASS, [0.5], progress=interrupt).stopped == "interrupted"
    trace = population_annealing(GLASS, [0.5], deadline=0.0)
    assert trace.stopped == "deadline"
    assert trace.energies.shape == (0, 1024)
    assert "take more" in population_annealing(GLASS, [0.3], population=20).stats["doubts"][0]
    assert population_annealing(GLASS, population=50).temperatures[-1] < 0.5


def test_the_share_that_dies():
    energies = np.array([0.0, 0.0, 1e9, 1e9])
    assert share_culled(energies, 1.0) == 0.5
    assert share_culled(energies, 0.0) == 0.0


def test_bad_input():
    with pytest.raises(BadInput, match="positive"):
        population_annealing(GLASS, [0.0])
    with pytest.raises(BadInput, match="at least one temperature"):
        population_annealing(GLASS, [])
    with pytest.raises(BadInput, match="population must be"):
        population_annealing(GLASS, [1.0], population=0)
