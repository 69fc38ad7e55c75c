from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from spinfunnel.instruments import curvature  # noqa: E402
from spinfunnel.instruments.curvature import judge, measure  # noqa: E402
from spinfunnel.instruments.curvature.calibration import product, regression  # noqa: E402
from spinfunnel.instruments.curvature.layers import gauss_newton_share, layers, slope  # noqa: E402
from spinfunnel.instruments.curvature.measuring import PLANS, planned, spectrum  # noqa: E402
from spinfunnel.instruments.curvature.outliers import (  # noqa: E402
    edge_of_noise,
    gram_cdf,
    semicircle_cdf,
    semicircle_pdf,
    standing_apart,
)
from spinfunnel.systems.network_loss import NetworkLoss  # noqa: E402


def looked_at(loss, effort="quick", budget=None, seed=0):
    subject = SimpleNamespace(system=loss, effort=effort)
    return measure(subject, findings={}, seed=seed, budget=budget)


@pytest.fixture(scope="module")
def network():
    """A small network in float64, on a slope."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=rng, dtype=torch.float64)
    y = torch.randint(0, 3, (40,), generator=rng)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 3, bias=False)
    ).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=torch.float64) / 2)

    def losses(model, batch):
        return torch.nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

    return NetworkLoss(model, losses, [(x[:25], y[:25]), (x[25:], y[25:])])


@pytest.fixture(scope="module")
def finding(network):
    return looked_at(network)


def dense(loss, kind="hessian"):
    return getattr(loss, kind)() @ np.eye(loss.size)


@pytest.mark.parametrize(
    ("w", "label"), [((1.0, 1.0), "at a minimum"), ((0.0, 0.0), "on a saddle"), ((2.0, 1.0), "on a slope")]
)
def test_two_weights_are_where_they_are(w, label):
    found = looked_at(product(w))
    said = judge(found)
    assert (said.outcome, said.label) == ("info", label)
    assert said.sentence.lower().startswith(label)
    assert len(said.sentence) <= 280, "three lines in a terminal"
    assert found.doubts == ()


def test_numbers_are_those_of_the_dense_hessian(network, finding):
    values, numbers = np.linalg.eigvalsh(dense(network)), finding.numbers
    assert numbers["largest eigenvalue"].value == pytest.approx(values[-1], rel=1e-3)
    assert numbers["lowest eigenvalue"].value == pytest.approx(values[0], rel=1e-2)
    assert abs(numbers["trace"].value - values.sum()) < 5 * numbers["trace"].error
    band = numbers["zero band"].value
    down = numbers["directions down"]
    assert abs(down.value - (values < -band).sum()) < 5 * down.error + 2
    gradient = network.gradient(network.native[None])[0]
    assert numbers["length of the gradient"].value == pytest.approx(np.linalg.norm(gradient))
    table = finding.table("eigenvalues")
    np.testing.assert_allclose(table["eigenvalue"][:5], values[:-6:-1], rtol=1e-3)


def test_the_gain_is_that_of_the_best_step_on_a_quadratic():
    loss, hessian = regression("linear", 0)
    w, g = loss.native, loss.gradient(loss.native[None])[0]
    found = slope(loss, loss.hessian(), w)
    steps = np.linspace(0, 2, 2001) * (g @ g) / (g @ hessian @ g)
    along = loss.energy(w - steps[:, None] * g)
    assert found.gain == pytest.approx((along[0] - along.min()) / along[0], rel=1e-5)


def test_layers_add_up_and_are_those_of_the_blocks(network):
    plan = replace(PLANS["full"], pairs=10)
    found = spectrum(network.hessian(), plan, 0)
    rows = layers(network, network.hessian(), found, network.native, plan, 0)
    matrix = dense(network)
    assert [row["name"] for row in rows] == ["0.weight", "0.bias", "2.weight"]
    assert sum(row["in_sharpest"] for row in rows) == pytest.approx(1)
    for row, block in zip(rows, network.blocks, strict=True):
        part = matrix[block.start : block.stop, block.start : block.stop]
        assert abs(row["trace"] - np.trace(part)) < 5 * row["trace_error"]
        assert row["lambda_max"] == pytest.approx(np.linalg.eigvalsh(part)[-1], rel=1e-2)
    share = gauss_newton_share(network, network.hessian(), found, network.native, plan, 0)
    exact = np.trace(dense(network, "ggn")) / np.trace(matrix)
    assert abs(share.value - exact) < 5 * share.error < 0.5


def test_what_is_drawn_has_its_null(finding):
    for panel in {one.panel for one in finding.series}:
        labels = [one.label for one in finding.series if one.panel == panel]
        assert any("(null)" in label for label in labels) or "Largest eigenvalues" in panel
    assert all(np.shape(one.x) == np.shape(one.y) for one in finding.series)


def test_one_seed_gives_the_same_numbers(network, finding):
    again = looked_at(network)
    assert {k: v.value for k, v in again.numbers.items()} == {k: v.value for k, v in finding.numbers.items()}


def test_doubts_make_the_verdict_unsure(finding):
    said = judge(replace(finding, doubts=("not converged",)))
    assert (said.outcome, said.label, said.evidence) == ("unsure", "cannot tell", ("not converged",))


def test_less_time_is_less_work_and_too_little_is_said(network):
    all_of_it, _ = planned("normal", 1e-3, None)
    assert all_of_it == PLANS["normal"]
    some, there = planned("normal", 1e-1, 30.0)
    assert some.products < all_of_it.products
    assert some.products * 1e-1 < there == 30
    assert any("more than the 0 s there are" in doubt for doubt in looked_at(network, budget=1e-6).doubts)


def test_one_weight_and_a_loss_that_is_flat():
    one = torch.ones(3, 1)
    model = torch.nn.Linear(1, 1, bias=False)
    found = looked_at(NetworkLoss(model, lambda model, x: model(x)[:, 0] ** 2, [one]))
    assert found.numbers["largest eigenvalue"].value == pytest.approx(2)
    found = looked_at(NetworkLoss(model, lambda model, x: 0 * model(x)[:, 0], [one]))
    assert found.numbers["largest eigenvalue"].value == 0
    assert judge(found).label == "at a minimum"


def test_laws_of_the_bulk():
    grid = np.linspace(-2, 2, 401)
    np.testing.assert_allclose(
        np.gradient(semicircle_cdf(grid, 0, 1), grid)[20:-20], semicircle_pdf(grid, 0, 1)[20:-20], atol=1e-3
    )
    rng = np.random.default_rng(0)
    for n, columns in ((300, 600), (600, 300)):
        x = rng.standard_normal((n, columns))
        values = np.linalg.eigvalsh(x @ x.T / columns)
        below = np.searchsorted(values, [0.01, 0.5, 1.0, 3.0]) / n
        said = gram_cdf(np.array([0.01, 0.5, 1.0, 3.0]), 1.0, np.sqrt(n / columns))
        np.testing.assert_allclose(below, said, atol=0.02)


@pytest.mark.parametrize(
    ("values", "count"),
    [
        (np.append([9.0, 8.0], np.zeros(20)), 2),
        (np.zeros(20), 0),
        (np.arange(5.0)[::-1], 0),
        (2 - np.linspace(0, 1, 30) ** (2 / 3), 0),
        (np.append(5.0, 2 - np.linspace(0, 1, 30) ** (2 / 3)), 1),
    ],
)
def test_what_stands_apart_is_counted(values, count):
    assert standing_apart(values) == count


def test_the_edge_of_noise_goes_through_an_edge():
    depth = (1.5 * np.pi * (np.arange(20) + 0.75)) ** (2 / 3)
    np.testing.assert_allclose(edge_of_noise(np.append(9.0, 3 - 0.1 * depth), 1), 3 - 0.1 * depth)


@pytest.mark.parametrize(
    "calibration", [one for one in curvature.calibrations if one.effort != "full"], ids=lambda c: c.name
)
def test_calibrations_hold(calibration):
    rows = list(calibration.run(2))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), [row for row in rows if not row.ok]
