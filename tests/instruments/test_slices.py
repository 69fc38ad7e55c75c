import importlib.util
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics.langevin import Quadratic
from spinfunnel.instruments import slices
from spinfunnel.instruments.slices import LEAST, SIZES, Size, instrument, judge, measure, size_of
from spinfunnel.instruments.slices.lines import Line, basins, concave_share, half_widths, line, losses
from spinfunnel.instruments.slices.planes import path

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="needs torch")


@pytest.mark.parametrize("one", instrument.calibrations, ids=lambda one: one.name)
def test_the_calibrations_hold(one):
    rows = list(one.run(1))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


class Walled(Quadratic):
    """A bowl beyond whose rim energies are not finite."""

    def energy(self, x):
        e = super().energy(x)
        return np.where(e > 2, np.inf, np.where(x[:, 0] < -1.5, np.nan, e))


def test_what_is_not_finite_is_a_hole():
    bowl, w = Walled(np.ones(2)), np.zeros(2)
    found = losses(bowl, w, np.eye(2), np.array([[0.0, 0], [3, 0], [-1.9, 0], [1, 1]]))
    assert np.isnan(found).tolist() == [False, True, True, False]
    cut = line(bowl, w, np.array([1.0, 0]), 3.0, 31, hessian=np.eye(2), gradient=w)
    assert np.isnan(cut.loss).sum() == 13
    assert half_widths(cut.a, cut.loss, 10.0) == pytest.approx([1.4, 2.0])  # it ends where the hole begins
    assert basins(cut.loss) == 1
    assert concave_share(cut.loss) == 0


def test_points_are_evaluated_in_chunks_that_do_not_matter(monkeypatch):
    bowl, rng = Quadratic(np.arange(1.0, 6)), np.random.default_rng(0)
    w, d, at = rng.standard_normal(5), rng.standard_normal((2, 5)), rng.standard_normal((50, 2))
    together = losses(bowl, w, d, at)
    monkeypatch.setattr(slices.lines, "TOGETHER", 1)
    assert losses(bowl, w, d, at) == pytest.approx(together, rel=1e-12)


def test_half_widths():
    a = np.linspace(-1, 1, 201)
    assert half_widths(a, np.abs(a) + a, 0.5).tolist() == [math.inf, pytest.approx(0.25)]
    assert np.isnan(half_widths(a, a**2, math.nan)).all()
    assert np.isnan(half_widths(a, a**2, -1.0)).all()


def test_basins_are_deeper_than_a_wiggle():
    a = np.linspace(-3, 3, 121)
    assert basins(a**2 + 0.01 * np.cos(40 * a)) == 1
    assert basins(a**2 + 2 * np.cos(6 * a)) > 1
    assert basins(np.full(9, np.nan)) == 0
    assert basins(a) == 1
    assert basins(-(a**2)) == 2  # it falls to both ends


def test_a_path_that_spans_no_plane_is_none():
    bowl, w = Quadratic(np.ones(4)), np.ones(4)
    assert path(bowl, w, np.stack([w, w + 1, w + 2])) is None
    assert path(bowl, w, np.stack([w + np.eye(4)[0], w + np.eye(4)[1]])) is not None
    assert path(bowl, w, w[None]) is None


@pytest.fixture(scope="module")
def subject():
    """A small network near a minimum, with other data, and a history that comes straight down to it."""
    from spinfunnel.networks.rescaling import rescaled

    system = rescaled("relu", 2.0, seed=0)[0]
    return SimpleNamespace(system=system, held_out=system.few(20, 1), history=None, effort="quick")


def along(system, count=12):
    rng = np.random.default_rng(0)
    end, d = system.trained, rng.standard_normal((2, system.size))
    shares = np.linspace(1, 0, count)
    snapshots = [end + 0.1 * (share * d[0] + share**2 * d[1]) for share in shares]
    return SimpleNamespace(
        steps=np.arange(count), mapping=lambda i: system.mapping(snapshots[i].astype(system.dtype))
    )


def looked_at(subject, **changes):
    return measure(SimpleNamespace(**{**vars(subject), **changes}), findings={}, seed=1, budget=None)


@needs_torch
def test_a_network_has_a_basin_and_a_verdict(subject):
    finding = looked_at(subject)
    numbers = finding.numbers
    assert numbers["loss of zero weights"].value == pytest.approx(math.log(3))
    assert numbers["sharpest curvature / mean of random ones"].value > 3
    assert numbers["half-width, sharpest"].value < numbers["half-width, random"].value
    assert abs(numbers["cosine of the plane's directions"].value) < 0.5
    table = finding.table("lines")
    assert table["direction"].tolist() == ["random 1", "random 2", "random 3", "sharpest"]
    verdict = judge(finding)
    assert (verdict.outcome, verdict.label) == ("info", "basin")
    assert "random directions" in verdict.sentence
    assert len(verdict.sentence) <= 280, "three lines in a terminal"
    panels = {one.panel for one in finding.series}
    assert panels == {
        "Along random directions", "Along the sharpest direction", "Plane of two random directions",
    }  # fmt: skip
    labels = [one.label for one in finding.series]
    assert "sharpest, held out" in labels
    assert "the first, held out" in labels
    (surface,) = [one for one in finding.series if one.kind == "surface"]
    assert surface.z.shape == (11, 11)


@needs_torch
def test_a_history_gives_the_plane(subject):
    finding = looked_at(subject, history=along(subject.system), held_out=None)
    assert finding.numbers["share of the path in the plane"].value == pytest.approx(1, abs=1e-9)
    (went,) = [one for one in finding.series if one.label == "training"]
    assert went.panel == "Plane of the training path"
    assert went.z[-1] == pytest.approx(finding.numbers["loss"].value)
    assert went.z[0] > went.z[-1]
    assert "holds 100% of the way" in next(one.caption for one in finding.series if one.kind == "surface")
    few = SimpleNamespace(steps=np.arange(2), mapping=None)
    assert "share of the path in the plane" not in looked_at(subject, history=few).numbers


@needs_torch
def test_weights_that_are_at_no_minimum_are_told(subject):
    system, off = subject.system, subject.system.over(subject.system.batches)
    off.native = along(system).mapping(0)
    off.native = system.flat(off.native)
    finding = looked_at(subject, system=off, history=along(system))
    assert judge(finding).label == "not at a minimum"
    assert finding.numbers["lowest loss seen"].value < finding.numbers["loss"].value


@needs_torch
def test_weights_that_learned_nothing_are_a_doubt(subject):
    system = subject.system.over(subject.system.batches)
    system.native = -subject.system.native
    finding = looked_at(subject, system=system)
    assert "nothing was gained" in finding.doubts[0]
    assert judge(finding).outcome == "unsure"
    assert math.isnan(finding.numbers["half-width, random"].value)
    system.native = 0 * system.native
    with pytest.raises(BadInput, match="norm 0"):
        looked_at(subject, system=system)


def test_a_large_network_gets_less():
    quick = SIZES["quick"]
    system = SimpleNamespace(seconds=1e-3)
    assert size_of(system, "normal", 60) == SIZES["normal"]
    assert size_of(system, "quick", 60) == quick
    slow = SimpleNamespace(seconds=60 / quick.seconds(system) * 1e-3)
    assert size_of(slow, "full", 60) == quick
    assert size_of(SimpleNamespace(seconds=1e6), "full", 60) == LEAST
    assert LEAST.seconds(system) < quick.seconds(system) < SIZES["normal"].seconds(system)


@needs_torch
def test_without_time_the_plane_is_left_out_and_said(subject):
    finding = measure(subject, findings={}, seed=1, budget=0.0)
    assert "a plane would take longer" in finding.doubts[0]
    assert not any(one.kind == "surface" for one in finding.series)
    assert len(finding.table("lines")) == LEAST.draws + 1
    assert finding.numbers == measure(subject, findings={}, seed=1, budget=0.0).numbers


def test_second_basins_are_rough():
    a = np.linspace(-1, 1, 41)
    finding = slices.Finding(
        "slices",
        "landscape",
        numbers={
            "loss": slices.Number(0.0),
            "loss of zero weights": slices.Number(2.0),
            "random directions": slices.Number(1, kind="count"),
            "half-width, random": slices.Number(0.5, low=0.4, high=0.6),
            "lowest loss seen": slices.Number(0.0),
        },
        tables={"lines": slices.Table.of([{"direction": "random 1", "basins": 2, "length": 1.0}])},
    )
    assert judge(finding).label == "rough"
    assert "100% of the lines" in judge(finding).sentence
    beyond = {**finding.numbers, "half-width, random": slices._median(np.array([1.0, 1.0]), 1.0)}
    assert "is lost beyond 1.00 |w|" in judge(replace(finding, numbers=beyond)).sentence
    assert Line("", 1.0, a, a**2, None, 0.0, 2.0).seen == pytest.approx(2)


def test_sizes_are_odd():
    for size in (LEAST, *SIZES.values()):
        assert size.points % 2 == 1
    assert isinstance(LEAST, Size)


@pytest.mark.slow
@needs_torch
def test_through_the_front_door():
    import torch

    import spinfunnel as sf
    from spinfunnel.subject import Subject

    torch_x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    task = Subject(
        model=torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)),
        losses=lambda model, batch: (model(batch)[:, 0] - 1) ** 2,
        train=[torch_x],
    )
    report = sf.diagnose(task, only=["slices", "sharpness"], effort="quick")
    assert not report.failed
    assert {"slices", "sharpness"} <= set(report.findings)


@needs_torch
def test_where_zero_weights_have_no_loss_that_is_said():
    import torch

    import spinfunnel as sf

    with torch.random.fork_rng(devices=[]):
        normed = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    task = sf.Subject(model=normed, losses=lambda model, b: (model(b) - 1).pow(2).mean(1), train=[x])
    found = sf.slices(task, effort="quick")
    assert any("not finite where all weights are zero" in doubt for doubt in found.doubts)
