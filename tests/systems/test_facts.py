"""What is said to be known is known: closed forms give their numbers, sources exist, identities hold."""

import math
import re
from functools import cache
from importlib import import_module
from operator import attrgetter

import numpy as np
import pytest

from spinfunnel.systems import MAKERS, enumeration, exact, facts, planted, system
from spinfunnel.systems.committees import committee, perceptron
from spinfunnel.systems.protocols import Pairwise

NAMES = list(facts.table())
MATHS = {"sqrt": math.sqrt, "ln": math.log, "tanh": math.tanh, "cosh": math.cosh, "sinh": math.sinh}


@cache
def known(name):
    return facts.facts(name)


def evaluated(form):
    """The value of a closed form as it is printed; None if it has letters that stand for something."""
    code = re.sub(r"√(\d+|π)", r"sqrt(\1)", form).replace("√", "sqrt")
    code = re.sub(r"(?<=[\d)π]) (?=[a-z(π])", "*", code).replace("^", "**").replace("π", str(math.pi))
    if set(re.findall(r"[^\W\d]\w*", code)) - set(MATHS):
        return None
    return eval(code, {"__builtins__": {}}, MATHS)


@pytest.mark.parametrize(
    ("form", "value"),
    [("2/ln(1 + √2)", exact.TC_SQUARE), ("-1/(2 √π)", exact.sk_ground_energy(2)), ("2 N", None)],
)
def test_forms_are_read(form, value):
    assert evaluated(form) == (value if value is None else pytest.approx(value))


def test_closed_forms_give_the_numbers_beside_them():
    exactly = [fact for name in NAMES for fact in known(name) if fact.form and fact.kind == "exact"]
    read = [(fact, evaluated(fact.form)) for fact in exactly]
    read = [(fact, found) for fact, found in read if found is not None]
    assert len(read) > 20
    for fact, found in read:
        assert fact.value == pytest.approx(found, rel=1e-9, abs=1e-12), str(fact)


def test_a_wrong_number_is_seen_by_its_form(monkeypatch):
    monkeypatch.setattr(exact, "TC_SQUARE", 2.2692)
    wrong = next(facts.table()["ising2d"]())
    assert evaluated(wrong.form) != pytest.approx(wrong.value, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_named_functions_exist(name):
    for fact in known(name):
        for path in re.findall(r"`([\w.]+)`", fact.source):
            module, _, attribute = path.partition(".")
            assert callable(attrgetter(attribute)(import_module(f"spinfunnel.systems.{module}"))), path


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_twice(name):
    said = [(fact.quantity, fact.where, fact.kind) for fact in known(name)]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("name", MAKERS)
def test_what_was_looked_through_is_that_system(name):
    """Numbers of one instance: make it as it is spelled, and look at all its states by brute force."""
    for fact in known(name):
        if fact.quantity == "ground energy" and fact.where.startswith("system:"):
            it = system(fact.where.partition(",")[0])
            if isinstance(it, Pairwise) or it.size <= 12:
                states = np.arange(2**it.size)[:, None] >> np.arange(it.size) & 1
                lowest = it.energy((2 * states - 1).astype(np.int8)).min()
                assert lowest == pytest.approx(fact.value, abs=1e-9)


def test_literature_is_marked_and_agrees_where_we_can_compute():
    for fact in known("lj"):
        if fact.kind == "literature":
            ours = next(
                one.value
                for one in known("lj")
                if one.where == fact.where.partition(",")[0] and "energy of" in one.quantity
            )
            assert ours == pytest.approx(fact.value, abs=1e-6)
    assert {fact.kind for fact in known("ising3d") if fact.quantity == "Tc"} == {"literature"}


# Identities that pages state.


def test_residual_entropy_of_triangles():
    """Ground states are counted at L = 3, 6, 9; their logarithms per spin go to Wannier's as 1/L^2."""
    found = {fact.where: fact.value for fact in known("ising-triangular") if fact.quantity == "degeneracy"}
    six, nine = (math.log(found[f"J = -1, L = {side}"]) / side**2 for side in (6, 9))
    limit = nine - (six - nine) * 36 / (81 - 36)
    (entropy,) = (fact.value for fact in known("ising-triangular") if "entropy" in fact.quantity)
    assert limit == pytest.approx(entropy, abs=5e-4)
    assert abs(limit - 0.3383) > 0.01  # the misprint


def test_independent_clauses_are_spins_in_a_field():
    seed = next(s for s in range(99) if not len(system("xorsat", size=14, seed=s).symmetries))
    found = enumeration.enumerate_states(system("xorsat", size=14, seed=seed), [0.5, 2.0]).thermal
    beta = np.array([2.0, 0.5])
    np.testing.assert_allclose(found.u, -np.tanh(beta), atol=1e-12)
    np.testing.assert_allclose(found.log_z / 14, np.log(2 * np.cosh(beta)), atol=1e-12)


def test_heat_on_the_nishimori_line_is_bounded():
    t, _ = exact.nishimori(0.85)
    draws = [planted.nishimori(3, seed, p=0.85) for seed in range(200)]
    heat = np.array([enumeration.enumerate_states(one, [t]).thermal.c[0] for one in draws])
    bound = 2 * (1 - 0.7**2) / t**2
    assert heat.mean() < bound + 4 * heat.std() / math.sqrt(200)


def test_mean_energies_over_disorder():
    wishart = np.array([planted.wishart(64, seed).ground_energy for seed in range(400)])
    assert abs(wishart.mean() + 24) < 4 * wishart.std() / 20
    for make, size in ((perceptron, 101), (committee, 99)):
        energies = np.concatenate(
            [make(size, seed).energy(make(size).random(20, seed)) for seed in range(50)]
        )
        assert abs(energies.mean() - 25) < 4 * math.sqrt(12.5 / 50)
        assert energies.var() == pytest.approx(12.5, rel=0.3)


def test_compact_chains_have_as_many_contacts_as_the_formula_says():
    for n in (9, 16, 25, 30, 36, 41):
        assert -system("go", size=n).ground_energy == n + 1 - math.ceil(2 * math.sqrt(n))
