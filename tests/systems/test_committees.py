"""Perceptrons and committees: their loss by definition, their teacher, and how many solutions there are."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import anneal
from spinfunnel.systems import system
from spinfunnel.systems.committees import LOSSES, agreement, committee, perceptron, teacher
from spinfunnel.testing import check_system


@pytest.mark.parametrize("loss", ["count", "linear"])
@pytest.mark.parametrize(("hidden", "size"), [(1, 11), (3, 15), (5, 35)])
@pytest.mark.parametrize("make", [perceptron, teacher])
def test_every_machine_keeps_its_promises(make, hidden, size, loss):
    check_system(make(size, 3, alpha=1.3, hidden=hidden, loss=loss))


@pytest.mark.parametrize("hidden", [1, 3, 5])
def test_the_losses_are_what_they_say(hidden):
    """Move the fields of the wrong units that are nearest to zero, until the majority is right."""
    rng = np.random.default_rng(hidden)
    size = 7 * hidden
    machines = {loss: perceptron(size, 1, alpha=2.0, hidden=hidden, loss=loss) for loss in LOSSES}
    for w in rng.choice([-1, 1], size=(20, size)):
        errors, distance = 0, 0.0
        for pattern in machines["count"].patterns:
            fields = [float(unit @ pattern) for unit in w.reshape(hidden, 7)]
            wrong = sorted(-h for h in fields if h < 0)
            errors += len(wrong) > hidden / 2
            while len(wrong) > hidden / 2:
                distance += wrong.pop(0)
        assert machines["count"].energy(w[None])[0] == errors
        assert machines["linear"].energy(w[None])[0] == pytest.approx(distance / 7**0.5)


def test_units_may_be_exchanged():
    made = committee(21, 2)
    x, y = made.random(4, 0), made.random(4, 1)
    turned = x.reshape(4, 3, 7)[:, [2, 0, 1]].reshape(4, 21)
    assert made.overlap(x, turned).tolist() == [1] * 4
    assert made.overlap(turned, y) == pytest.approx(made.overlap(x, y))
    assert made.energy(turned) == pytest.approx(made.energy(x))


def test_agreement_by_drawing():
    rng = np.random.default_rng(0)
    one, patterns = np.ones(9), rng.choice([-1, 1], size=(40_000, 9))
    other = one.copy()
    other[:4] = -1
    share = ((patterns @ one) * (patterns @ other) > 0).mean()
    assert share == pytest.approx(agreement(9, 4), abs=4 * 0.5 / 200)
    assert agreement(9, 0) == 1
    assert agreement(9, 9) == 0


def test_the_loss_decides_whether_the_teacher_is_found():
    """At alpha 3 each anneal down the linear loss finds it, and hardly one down the number of errors."""
    hits = {}
    for loss in ("linear", "count"):
        student = teacher(101, 0, alpha=3.0, loss=loss)
        hits[loss] = int((anneal(student, sweeps=300, anneals=16).stats["lowest"] < 1e-9).sum())
    assert hits["linear"] >= 14
    assert hits["count"] <= 6


@pytest.mark.parametrize(
    ("text", "size", "says"),
    [
        ("perceptron", 100, "try --size 101 and hidden=1"),
        ("committee", 101, "try --size 99 and hidden=3"),
        ("committee?hidden=2", 30, "try --size 33 and hidden=3"),
        ("perceptron?hidden=0", 9, "must be odd"),
        ("perceptron?alpha=0", 9, "alpha, the number of patterns per weight, must be positive"),
        ("perceptron?alpha=nan", 9, "must be positive"),
        ("perceptron?alpha=.01", 9, "at least one pattern"),
        ("teacher?loss=square", 9, "must be linear or count"),
    ],
)
def test_what_cannot_be_made_is_explained(text, size, says):
    with pytest.raises(BadInput, match=says):
        system(text, size=size)
