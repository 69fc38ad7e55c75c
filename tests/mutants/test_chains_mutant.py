"""Planted bugs in chains, their moves and oracles: each must turn a calibration, or the kit, red."""

import inspect
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.core import BadInput
from spinfunnel.dynamics import chain_calibration
from spinfunnel.systems import chain_enumeration, chains, folding_times, pull_moves
from spinfunnel.systems.chains import Chain, heteropolymer
from spinfunnel.testing import check_system

QUICK = {
    one.name: one
    for module in (chain_enumeration, folding_times, chain_calibration)
    for one in module.calibrations
    if one.effort == "quick"
}


def failures(rows):
    """Judge rows as a set of their own; give the quantities that fail."""
    return [row.quantity for row in judge_calibration(rows).rows if not row.ok]


def red(name):
    try:
        return failures(QUICK[name].run(0))
    except BadInput as crashed:
        return [str(crashed)]


def rewritten(monkeypatch, tmp_path, module, old, new):
    """Put all functions of a module anew, one piece of their source replaced: callers are compiled anew."""
    source = Path(inspect.getfile(module)).read_text()
    assert source.count(old) == 1
    path = tmp_path / "mutant.py"
    path.write_text(source.replace(old, new))
    names = {"__name__": module.__name__}
    exec(compile(path.read_text(), str(path), "exec"), names)
    for name, value in names.items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            monkeypatch.setattr(module, name, value)
            if module is pull_moves and name in ("prepare", "propose", "accept"):
                monkeypatch.setattr(Chain, name, staticmethod(value))


@pytest.fixture
def interpreted(monkeypatch):
    """Run moves as plain Python: short chains do not wait for a compiler."""

    def plain(function, given=None):
        return FunctionType(function.__code__, {**function.__globals__, **(given or {})})

    monkeypatch.setattr(chain_enumeration, "compiled", plain)


@pytest.mark.parametrize("name", [name for name in QUICK if name != "energies of chains"])
def test_the_originals_are_green(name):
    assert red(name) == []


# Moves.

AHEAD = "abs(x[k, 0] - column) + abs(x[k, 1] - row) != 1:"
HOOKS = f"(label < 18 and k == i - d or {AHEAD[:-1]}):"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (AHEAD, HOOKS),
        ("label % 3 - 1", "max(label % 3 - 1, 0)"),
        ("1 - (label & 2)", "1 - (label & 2) * (i & 1)"),
        ("column, row = x[k + 2 * d, 0], x[k + 2 * d, 1]", "column, row = x[k + d, 0], x[k + d, 1]"),
    ],
    ids=[
        "an end leaves a hook",
        "ends never turn right",
        "half step to one side",
        "one site behind",
    ],
)
@pytest.mark.usefixtures("interpreted")
def test_moves_that_are_not_undone(monkeypatch, tmp_path, old, new):
    """The first is the set of moves as first published, in which ends always take their neighbour along."""
    rewritten(monkeypatch, tmp_path, pull_moves, old, new)
    try:
        assert failures(chain_enumeration._reversible(5))
    except KeyError:  # what is reached is no walk
        assert "k + d" in new


@pytest.mark.slow
def test_hooks_are_seen_in_the_energies(monkeypatch, tmp_path):
    assert red("energies of chains") == []
    rewritten(monkeypatch, tmp_path, pull_moves, AHEAD, HOOKS)
    assert red("energies of chains")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("grid[site(column, row, side)] = 0", "grid[site(column, row, side)] += 0"),
        ("other >= 0", "other > 0"),
        ("range(first, last + 1):\n        x[m", "range(first, last):\n        x[m"),
        ("energy += felt(m, column", "energy += felt(m, row"),
    ],
    ids=["contacts counted twice", "contacts left out", "the last to follow is forgotten", "at first"],
)
def test_costs_that_are_not_those_of_the_move(monkeypatch, tmp_path, old, new):
    rewritten(monkeypatch, tmp_path, pull_moves, old, new)
    with pytest.raises((AssertionError, BadInput)):
        check_system(heteropolymer(12, 1))


@pytest.mark.usefixtures("interpreted")
def test_a_grid_that_the_chain_reaches_around(monkeypatch, tmp_path):
    rewritten(monkeypatch, tmp_path, pull_moves, "side < n + 2", "side < n - 2")
    assert failures(chain_enumeration._reversible(5))


# Oracles.


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[: 3 if m == chain.size - 1 else 2]", "[: 3 if m == chain.size - 1 else 1]"),
        ("[: 3 if m == chain.size - 1 else 2]", "[:2]"),
        ("> best + slack", ">= best - slack"),
        ("best, count = total, 0", "best, count = total, 1"),
    ],
    ids=["one contact a monomer", "two of the last", "ties are cut", "one too many"],
)
def test_a_search_that_misses_or_adds_ground_states(monkeypatch, tmp_path, old, new):
    rewritten(monkeypatch, tmp_path, chain_enumeration, old, new)
    assert red("branch and bound") or red("benchmarks")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("or tried[k] == 2", "or tried[k] > 2"),
        ("total += strengths[k, other]", "total += strengths[k, other] * (step > 0)"),
        ("copies[0] = 4", "copies[0] = 8"),
    ],
    ids=["walks are made once too few", "contacts on two sides", "the straight walk counts twice"],
)
def test_an_enumeration_that_miscounts(monkeypatch, tmp_path, old, new):
    rewritten(monkeypatch, tmp_path, chain_enumeration, old, new)
    assert red("walks")


def test_an_energy_that_leaves_a_contact_out(monkeypatch):
    right = Chain.contacts
    monkeypatch.setattr(Chain, "contacts", lambda self, x: right(self, x) & (np.arange(len(self.pairs)) != 3))
    assert red("walks")


def test_a_letter_of_a_benchmark_is_wrong(monkeypatch):
    monkeypatch.setitem(chains.SEQUENCES, 25, "H" + chains.SEQUENCES[25][1:])
    assert red("benchmarks")


def test_a_native_state_that_is_not_the_one_the_contacts_are_of(monkeypatch):
    right = chains.PlantedChain.__post_init__
    monkeypatch.setattr(
        chains.PlantedChain,
        "__post_init__",
        lambda self: (object.__setattr__(self, "native", chains.compact(self.size, 99)), right(self))[1],
        raising=False,
    )
    assert red("native states")
    with pytest.raises(AssertionError, match="native"):
        check_system(chains.go(16))


# Folding times and temperatures.


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(bonds - s) * k * rate * time", "bonds * k * rate * time"),
        ("range(bonds, 0, -1)", "range(bonds, 1, -1)"),
        ("time = (1 + (", "time = (k + ("),
    ],
    ids=["right bonds miscounted", "the last step is left out", "a rate is wrong"],
)
def test_a_wrong_recursion(monkeypatch, tmp_path, old, new):
    rewritten(monkeypatch, tmp_path, folding_times, old, new)
    assert red("Zwanzig's chain")
    assert red("simulated folding")


def test_a_folding_temperature_two_percent_off(monkeypatch):
    right = folding_times.BryngelsonWolynes.folding_temperature.fget
    wrong = property(lambda self: 1.02 * right(self))
    monkeypatch.setattr(folding_times.BryngelsonWolynes, "folding_temperature", wrong)
    assert red("free energies cross")
    assert red("drawn energies")


def test_a_glass_that_never_freezes(monkeypatch):
    def free_energy(self, t):
        return -(self.roughness**2) / (2 * t) - t * self.entropy

    monkeypatch.setattr(folding_times.BryngelsonWolynes, "free_energy", free_energy)
    assert red("free energies cross") == ["free energy of the glass over the least"] * 3


def test_a_design_at_another_temperature_than_it_says_is_noticed(monkeypatch):
    designed = chains.designed

    def stronger(size, seed, *, strength):
        return designed(size, seed, strength=2 * strength)

    monkeypatch.setattr(chain_enumeration, "designed", stronger)
    assert red("designed chains")
