from dataclasses import replace

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.core import Number
from spinfunnel.instruments import instrument
from spinfunnel.instruments.evidence import calibration, judge, measure, measuring, work
from spinfunnel.networks.solved import linear_regression, taught
from spinfunnel.subject import Subject
from spinfunnel.systems.network_loss import NetworkLoss

torch = pytest.importorskip("torch")


def looked_at(system, effort="quick", **named):
    subject = Subject(system=system, losses=system.functions[0], effort=effort)
    return measure(subject, findings={}, seed=0, budget=None, **named)


@pytest.fixture(scope="module")
def learned():
    return looked_at(taught(1, shuffled=False))


@pytest.fixture(scope="module")
def by_heart():
    return looked_at(taught(1, shuffled=True))


def test_what_a_teacher_said_is_worth_its_weights(learned):
    said = judge(learned)
    assert (said.outcome, said.label) == ("good", "explains more than it costs")
    assert "300 examples" in said.sentence
    assert len(said.sentence) <= 280, "three lines in a terminal"
    numbers = {name: number.value for name, number in learned.numbers.items()}
    assert numbers["bits with all weights zero"] == pytest.approx(np.log2(5), rel=1e-6)
    parts = numbers["bits of the losses"] + numbers["bits of the weights"]
    assert numbers["bits per example"] == pytest.approx(parts)
    assert numbers["log evidence"] == pytest.approx(-300 * np.log(2) * numbers["bits per example"])
    assert 20 < numbers["effective parameters"] < numbers["parameters"] / 3


def test_labels_learned_by_heart_are_not(by_heart):
    said = judge(by_heart)
    assert said.label == "costs more than it explains"
    assert said.outcome in ("warning", "unsure")


def test_at_the_mode_weights_cost_more_than_where_nothing_held_them_back(learned):
    numbers = learned.numbers
    assert numbers["bits as trained"].value < 0.7 * numbers["bits per example"].value
    assert numbers["bits of the losses as trained"].value < numbers["bits of the losses"].value


def test_the_best_precision_is_the_best_and_its_null_is_drawn(learned):
    table = learned.table("precisions")
    best = table["log_evidence"].idxmax()
    assert table["precision"][best] == pytest.approx(learned.numbers["prior precision"].value)
    assert (np.diff(table["effective_parameters"]) < 0).all()
    labels = [one.label for one in learned.series]
    assert labels[:3] == ["these weights, ± 1 σ", "largest evidence", "all weights zero (null)"]


def test_weights_that_are_not_at_a_minimum_are_doubted():
    system = taught(1, shuffled=False)
    fresh = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5))
    with torch.no_grad():
        rng = torch.Generator().manual_seed(0)
        for parameter in fresh.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=rng))
    found = looked_at(NetworkLoss(fresh, system.functions[0], system.batches))
    assert found.doubts[0].startswith("the weights were not at a minimum")
    assert judge(found).outcome == "unsure"


def test_a_model_that_is_called_twice_has_no_gauss_newton_matrix():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))

    def twice(model, batch):
        return (torch.tanh(model(batch)) * model(batch) - 1)[:, 0] ** 2

    system = NetworkLoss(torch.nn.Linear(3, 1), twice, [x])
    assert measuring.gauss_newton(system, system.trained)[1] == "empirical Fisher matrix"
    found = looked_at(system)
    assert (found.tables["curvature"].columns["matrix"][0] == "Hessian") or any(
        "Fisher" in doubt for doubt in found.doubts
    )


def test_no_weights_have_no_evidence():
    x, y = calibration.regression(20, 4, 0)
    w = np.zeros(4)
    system = linear_regression(x, y, w, 0.5)
    found = measuring.laplace(system, w, system.hessian(w), steps=4, probes=1, seed=0)
    with pytest.raises(sf.BadInput, match="all weights are zero"):
        found.best_precision  # noqa: B018


def test_bounds_from_both_sides_close_with_more_products():
    h = np.concatenate([np.geomspace(10, 1e-3, 80), np.zeros(420)])
    widths = []
    for steps in (10, 20, 40):
        seen = measuring.curvature(np.diag(h), steps=steps, probes=3, seed=1)
        above, below = (rule.trace(lambda x: np.log1p(100 * x)).value for rule in (seen.above, seen.below))
        assert above >= below
        widths.append(above - below)
    assert widths[0] > 5 * widths[1] > 25 * widths[2]


def test_little_time_means_little_work():
    assert work(1e-4, "quick", None).probes == 6
    assert work(0.05, "normal", None).cost * 0.05 < 45
    assert work(0.05, "normal", 30.0).cost * 0.05 < 30


def test_a_budget_that_is_too_small_is_not_exceeded_silently():
    system = taught(1, shuffled=False)
    subject = Subject(system=system, losses=system.functions[0], effort="quick")
    found = measure(subject, findings={}, seed=0, budget=1e-9)
    assert found.tables["curvature"].columns["probes"][0] == 3
    assert "the budget was" in found.doubts[-1]


@pytest.mark.parametrize(
    ("bits", "doubts", "outcome", "label"),
    [
        (2.0, (), "good", "explains more than it costs"),
        (4.0, (), "warning", "costs more than it explains"),
        (3.3, (), "info", "breaks even"),
        (2.0, ("never at the mode",), "unsure", "explains more than it costs"),
    ],
)
def test_verdicts(learned, bits, doubts, outcome, label):
    numbers = {
        **learned.numbers,
        "bits per example": Number(bits, error=0.1),
        "bits with all weights zero": Number(3.32),
    }
    said = judge(replace(learned, numbers=numbers, doubts=doubts))
    assert (said.outcome, said.label) == (outcome, label)


@pytest.mark.parametrize("name", ["linear regression", "logistic regression"])
def test_the_calibrations_hold(name):
    (one,) = [c for c in instrument("evidence").calibrations if c.name == name]
    rows = list(one.run(1))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear regression by probes", "error bars", "labels"])
def test_the_larger_calibrations_hold(name):
    (one,) = [c for c in instrument("evidence").calibrations if c.name == name]
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in one.run(1))
