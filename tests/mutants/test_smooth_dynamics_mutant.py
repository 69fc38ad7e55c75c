"""Planted bugs in Langevin dynamics, descents and basin hopping: each must turn a calibration red."""

import importlib
import inspect
import math

import numpy as np
import pytest

from spinfunnel.core import SpinfunnelError
from spinfunnel.dynamics import descent, downhill, hopping, planner
from spinfunnel.maths import integrators

langevin = importlib.import_module("spinfunnel.dynamics.langevin")
MODULES = (integrators, planner, langevin, descent, hopping)
#: The two-sided 1 % level over a hundred rows.
LIMIT = 3.9
CALIBRATIONS = {one.name: one for m in MODULES for one in m.calibrations if one.effort != "full"}


def red(name, seed=0):
    """Give the first row that fails, or would among a hundred; a calibration that crashes is red as well."""
    try:
        rows = CALIBRATIONS[name].run(seed)
        return next((row for row in rows if not row.ok or abs(row.sigma or 0) > LIMIT), None)
    except SpinfunnelError as error:
        return error


def rewritten(monkeypatch, module, name, old, new):
    """Replace one piece of the source of a function, or of a class."""
    source = inspect.getsource(getattr(module, name))
    assert source.count(old) == 1
    names = dict(vars(module))
    exec(compile(source.replace(old, new), f"mutant {old} {new}", "exec", dont_inherit=True), names)
    monkeypatch.setattr(module, name, names[name])


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("euler_maruyama", "math.sqrt(2 * step * temperature)", "math.sqrt(step * temperature)"),
        ("euler_maruyama", "math.sqrt(2 * step * temperature)", "2 * step * math.sqrt(temperature)"),
        ("euler_maruyama", "x - step * slope", "x - step * slope / 2"),
        ("baoab", "1 - kept**2", "1 - kept"),
        ("baoab", "x = x + step / 2 * v\n    slope", "x = x + step * v\n    slope"),
        ("baoab", "return x, v - step / 2 * slope", "return x, v - step * slope"),
    ],
)
def test_a_step_that_is_wrong(monkeypatch, name, old, new):
    """The exact law tells it, and so does the sampler, which has its own copy of the name."""
    rewritten(monkeypatch, integrators, name, old, new)
    monkeypatch.setattr(langevin, name, getattr(integrators, name))
    assert red("steps on quadratics")
    assert red("Langevin on a quadratic")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = x + step * v", "x = x + step * v + 1e-6"),
        ("v = v - step / 2 * slope", "v = v - step / 2 * gradient(x + step * v)"),
    ],
    ids=["drifts", "order 1"],
)
def test_a_verlet_step_that_is_wrong(monkeypatch, old, new):
    rewritten(monkeypatch, integrators, "verlet", old, new)
    assert red("steps on quadratics")


@pytest.mark.parametrize("wrong", ["boltzmann", "no factor 2"])
def test_an_oracle_that_forgets_the_step(monkeypatch, wrong):
    law = {
        "boltzmann": lambda k, h, temperature=1.0, steps=None: temperature / k,
        "no factor 2": lambda k, h, temperature=1.0, steps=None: temperature / (k * (1 - k * h)),
    }[wrong]
    monkeypatch.setattr(langevin, "euler_maruyama_variance", law)
    monkeypatch.setattr(integrators, "euler_maruyama_variance", law)
    assert red("Langevin on a quadratic")
    assert red("steps on quadratics")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x - there + h * new_slope", "x - there + h * slope"),
        ("(new_energy - energy) / t", "(new_energy - energy)"),
        ("accepted = np.log(rng.random(len(x))) < ratio", "accepted = np.full(len(x), True)"),
        ("slope = np.where(accepted[each], new_slope, slope)", "slope = new_slope"),
    ],
    ids=["way back", "temperature", "accepts all", "slope of what was refused"],
)
def test_a_metropolis_test_that_is_wrong(monkeypatch, old, new):
    rewritten(monkeypatch, langevin, "mala", old, new)
    assert red("MALA in a double well")


def test_motion_that_leaves_the_sphere(monkeypatch):
    rewritten(
        monkeypatch, langevin, "overdamped", "x = system.settle(euler_maruyama(", "x = (euler_maruyama("
    )
    assert red("Langevin on a sphere")


def test_a_bound_that_promises_too_much(monkeypatch):
    monkeypatch.setattr(planner, "CONSTANT", planner.CONSTANT / 8)
    assert red("the bound on Gaussians")


def test_a_plan_with_too_few_steps(monkeypatch):
    rewritten(
        monkeypatch, planner, "plan_langevin", "math.log(2 * distance / accuracy)", "0.2 * math.log(distance)"
    )
    assert red("the bound on Gaussians")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("digest", "if steepness[r] <= tolerance", "if steepness[r] <= 1e5 * tolerance"),
        ("aim", "alpha[i] - weights", "alpha[i] + weights"),
    ],
)
def test_a_descent_that_ends_too_soon_or_mistakes_curvatures(monkeypatch, name, old, new):
    rewritten(monkeypatch, downhill, name, old, new)
    monkeypatch.setattr(downhill, "compiled", lambda plain: plain)
    if old.startswith("alpha"):  # wrong curvatures cost evaluations, and nothing else
        glass = descent.spherical_pspin(50, 0)
        spent = descent.descend(glass, glass.random(8, 0), most=1000).stats["evaluations"].mean()
        monkeypatch.undo()
        right = descent.descend(glass, glass.random(8, 0), most=1000).stats["evaluations"].mean()
        assert spent > 2 * right
    else:
        assert red("descent on a surface")
        assert red("descent in the 2-spin glass")


def test_a_descent_that_does_not_settle(monkeypatch):
    rewritten(
        monkeypatch, downhill, "Downhill", "self.system.settle(self.shaped(trial))", "self.shaped(trial)"
    )
    monkeypatch.setattr(descent, "Downhill", downhill.Downhill)
    assert red("descent in the 2-spin glass")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("accept_pairs", "2.0 * couplings[k] * x[i]", "couplings[k] * x[i]"),
        ("propose_pairs", "2.0 * x[i] * memory[i]", "-2.0 * x[i] * memory[i]"),
        ("prepare_pairs", "couplings[k] * x[indices[k]]", "couplings[k]"),
    ],
)
def test_a_quench_by_wrong_costs(monkeypatch, name, old, new):
    """The last steps, by `flip_cost`, hide it: ends are minima, but others than those reached at random."""
    rewritten(monkeypatch, descent, name, old, new)
    monkeypatch.setitem(descent.PAIRS, name.removesuffix("_pairs"), getattr(descent, name))
    glass = descent.Spins.of_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.0]))
    x = np.array([[-1, -1]], dtype=np.int8)
    memory = np.zeros(3)
    data = descent.pairs(glass)
    prepare, propose, accept = (descent.PAIRS[k] for k in ("prepare", "propose", "accept"))
    right = prepare(x[0], memory, data) == glass.energy(x)[0]
    rng = descent.streams(0, "mutant", 1)[0]
    with np.errstate(over="ignore"):
        cost = propose(x[0], memory, data, rng)[0]
        right &= math.isclose(cost, glass.flip_cost(x)[0, int(memory[2])])
        accept(x[0], memory, data)
    right &= np.allclose(memory[:2], glass.fields + np.array([[0, 1], [1, 0]]) @ x[0])
    assert not right


def test_a_quench_without_its_last_steps_and_with_wrong_costs(monkeypatch):
    monkeypatch.setattr(descent, "steepest", lambda system, x, room: x)
    assert red("quench of rings") is None  # they are not needed where costs are right
    rewritten(monkeypatch, descent, "propose_pairs", "x[i] * memory[i]", "x[i] * (memory[i] + 0.5)")
    rewritten(monkeypatch, descent, "fall", "idle = 0\n        while", "idle = 0  \n        while")  # anew
    monkeypatch.setitem(descent.PAIRS, "propose", descent.propose_pairs)
    assert red("quench of rings")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-rises / self.temperature", "rises / self.temperature"),
        ("-rises / self.temperature", "-rises"),
        ("if found < self.lowest[r]", "if found > self.lowest[r]"),
    ],
    ids=["uphill", "no temperature", "keeps nothing"],
)
def test_hops_that_go_the_wrong_way(monkeypatch, old, new):
    rewritten(monkeypatch, hopping, "Chains", old, new)
    assert red("basin hopping on stairs" if "rises" in old else "LJ13 by basin hopping")
