from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import spinfunnel as sf
from spinfunnel.core import BadInput, Number
from spinfunnel.instruments import instrument
from spinfunnel.instruments.paths import comparing, cost, judge, measure
from spinfunnel.instruments.paths.calibration import scalar_network
from spinfunnel.instruments.paths.measuring import profile
from spinfunnel.instruments.paths.ways import Way, straight
from spinfunnel.systems.network_loss import NetworkLoss


def losses(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def errors(model, batch):
    return (model(batch[0]).argmax(1) != batch[1]).float()


def build():
    return nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 2))


def data(count, seed):
    """Points in the plane, and whether they are inside a circle."""
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return x, (x.square().sum(1) > 1.4).long()


def trained(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, (x, y) = build(), data(300, 0)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
        for _ in range(150):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimiser.step()
    return model


@pytest.fixture(scope="module")
def task():
    batches, held = [data(300, 0)], [data(200, 1)]
    return sf.Subject(model=trained(1), losses=losses, errors=errors, train=batches, search=held, build=build)


def looked_at(task, **options):
    subject = sf.subject_of(task, effort=options.pop("effort", "quick"), **options)
    return measure(subject, findings={}, seed=0, budget=options.get("budget"))


@pytest.fixture(scope="module")
def pair(task):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "within_error", lambda height: False)  # so that the band is relaxed, too
        return looked_at(task, other=trained(2))


def test_all_ways_between_two_networks_are_in_the_table(pair):
    table = pair.table("ways").set_index("way")
    assert list(table.index) == [
        "from the first weights", "shuffled copy", "shuffled copy, aligned", "straight line",
        "aligned by weights", "aligned by activations", "Bezier curve", "elastic band",
    ]  # fmt: skip
    line = table.loc["straight line"]
    assert line["barrier"] > 3 * line["barrier_error"] > 0
    assert line["above_chord"] >= line["barrier"]
    assert table.loc["shuffled copy, aligned", "barrier"] < 1e-6
    assert table.loc["Bezier curve", "barrier"] < 0.5 * line["barrier"]
    assert table.loc["elastic band", "barrier"] < line["barrier"]
    assert (table["gradients"] > 0).sum() == 2
    for way in table.index[4:]:
        assert table.loc[way, "first_loss"] == pytest.approx(line["first_loss"])
        assert table.loc[way, "last_loss"] == pytest.approx(line["last_loss"], rel=1e-5)


def test_where_a_curve_does_not_climb_no_band_is_relaxed(task, monkeypatch):
    monkeypatch.setattr(comparing, "within_error", lambda height: height.value < 0.2)
    ways = set(looked_at(task, other=trained(2)).table("ways")["way"])
    assert "Bezier curve" in ways
    assert "elastic band" not in ways


def test_training_and_held_out_losses_and_errors_are_drawn(pair):
    assert {one.panel for one in pair.series} == {
        "Loss from the first weights to the trained ones", "Loss along the ways",
        "Loss along the ways, held-out data", "Errors along the ways, held-out data",
    }  # fmt: skip
    lines = [one for one in pair.series if one.panel == "Loss along the ways"]
    assert [one.label for one in lines][:1] == ["shuffled copy"]
    assert all(0 <= one.y.min() <= one.y.max() <= 1 for one in pair.series if one.panel.startswith("Errors"))


def numbered(finding, **barriers):
    given = {
        f"barrier, {name.replace('_', ' ')}": Number(value, error=0.01) for name, value in barriers.items()
    }
    return replace(finding, numbers={**finding.numbers, **given}, doubts=())


@pytest.mark.parametrize(
    ("barriers", "label"),
    [
        ({"straight_line": 0.015}, "one basin"),
        ({"straight_line": 0.9, "aligned_by_weights": 0.01}, "same up to permutation"),
        ({"straight_line": 0.9, "aligned_by_weights": 0.5, "Bezier_curve": 0.01}, "one valley"),
        ({"straight_line": 0.9, "aligned_by_weights": 0.5, "Bezier_curve": 0.3}, "separate valleys"),
    ],
)
def test_the_verdict_goes_by_the_easiest_way(pair, barriers, label):
    rest = {"aligned_by_activations": 0.5, "elastic_band": 0.4, "shuffled_copy": 1.0}
    said = judge(numbered(pair, **{**rest, **barriers}))
    assert (said.outcome, said.label) == ("info", label)
    assert len(said.sentence) <= 280, "three lines in a terminal"


def test_without_units_to_shuffle_a_way_is_measured_by_the_line(pair):
    kept = [
        name not in ("shuffled copy", "shuffled copy, aligned") for name in pair.tables["ways"].columns["way"]
    ]
    table = sf.Table({key: column[kept] for key, column in pair.tables["ways"].columns.items()})
    alone = replace(pair, tables={"ways": table})
    rest = {"aligned_by_weights": 0.5, "aligned_by_activations": 0.5, "elastic_band": 0.4}
    for barrier, label in ((0.04, "one valley"), (0.06, "separate valleys")):
        assert judge(numbered(alone, straight_line=5.0, Bezier_curve=barrier, **rest)).label == label


def test_a_barrier_that_no_bent_way_was_tried_against_is_not_called_two_valleys(pair):
    without = [name not in ("Bezier curve", "elastic band") for name in pair.tables["ways"].columns["way"]]
    table = sf.Table({key: column[without] for key, column in pair.tables["ways"].columns.items()})
    found = numbered(replace(pair, tables={"ways": table}), straight_line=0.9, aligned_by_weights=0.5)
    found.numbers["barrier, aligned by activations"] = Number(0.6, error=0.01)
    assert judge(found).outcome == "unsure"
    fewer = {**numbered(pair, straight_line=0.9, aligned_by_weights=0.5, Bezier_curve=0.3).numbers}
    fewer |= {"barrier, aligned by activations": Number(0.6, error=0.01)}
    fewer |= {"barrier, elastic band": Number(0.4, error=0.01)}
    assert judge(replace(pair, numbers=fewer)).label == "separate valleys"
    fewer["examples that ways were bent on"] = Number(100, kind="count")
    assert judge(replace(pair, numbers=fewer)).outcome == "unsure"


def test_alone_a_network_is_compared_with_its_own_copy_and_with_where_it_began(task):
    found = looked_at(task)
    assert list(found.table("ways")["way"]) == [
        "from the first weights",
        "shuffled copy",
        "shuffled copy, aligned",
    ]
    said = judge(found)
    assert said.outcome == "info"
    assert "second network" in said.advice
    bare = looked_at(replace(task, build=None))
    assert judge(bare).outcome == "unsure"
    assert any("first weights are not known" in doubt for doubt in bare.doubts)


def test_what_the_training_began_with_is_taken_from_its_history(task, tmp_path):
    model = trained(1)
    recorder = sf.Recorder(tmp_path, model, every=1)
    recorder(0, loss=torch.tensor(1.0))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    recorder(1, loss=torch.tensor(0.5))
    recorder.finish()
    found = looked_at(replace(task, model=model, build=None, history=tmp_path))
    first = found.table("ways").set_index("way").loc["from the first weights"]
    system = NetworkLoss(trained(1), losses, [data(300, 0)])
    assert first["first_loss"] == pytest.approx(system.losses_at(system.native).mean(), rel=1e-5)
    assert first["cosine_of_ends"] == pytest.approx(1)


def test_with_full_effort_a_second_network_is_trained(task):
    small = replace(task, train_fn=trained)
    assert cost(sf.subject_of(small, effort="full"), "full") > cost(sf.subject_of(small), "normal")
    asked = []
    found = sf.subject_of(
        replace(small, train_fn=lambda seed: asked.append(seed) or task.model), effort="full"
    )
    table = measure(found, findings={}, seed=0, budget=None).table("ways")
    assert len(asked) == 1
    assert table.set_index("way").loc["straight line", "barrier"] == 0
    assert "elastic band" not in set(table["way"])  # there is nothing to walk around


def test_a_spent_budget_leaves_out_what_is_dear_and_says_so(task):
    subject = sf.subject_of(task, effort="quick", other=trained(2))
    found = measure(subject, findings={}, seed=0, budget=0.0)
    assert any("the budget was spent" in doubt for doubt in found.doubts)
    assert "straight line" not in set(found.table("ways")["way"])


def test_another_architecture_is_one_clear_line(task):
    other = nn.Sequential(nn.Linear(2, 13), nn.ReLU(), nn.Linear(13, 2))
    with pytest.raises(BadInput, match="another architecture"):
        sf.compare(task, other, only=["paths"])


def test_batch_normalisation_takes_statistics_of_its_own_at_every_point():
    def network(seed):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
        net[1].running_mean += 3.0
        return net

    task = sf.Subject(model=network(0), losses=losses, train=[data(20, 0)])
    found = looked_at(task, other=network(1))
    table = found.table("ways").set_index("way")
    kept = table.loc["straight line, the first's BatchNorm statistics"]
    assert kept["first_loss"] != pytest.approx(table.loc["straight line", "first_loss"], rel=1e-3)
    assert any("batches of 20 examples" in doubt for doubt in found.doubts)


def test_the_error_of_a_barrier_is_that_of_paired_losses():
    """Losses of examples differ by 100, but on every way they climb alike: by 1, without any error."""

    class Offset(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([-1.0]))

    offsets = torch.linspace(0, 100, 50)
    system = NetworkLoss(Offset(), lambda net, b: b + 1 - net.w.square() * torch.ones_like(b), [offsets])
    found = profile(system, straight("", np.array([-1.0]), np.array([1.0])), 11)
    assert found.barrier.value == pytest.approx(1)
    assert found.barrier.error == pytest.approx(0, abs=1e-5)
    assert np.std(system.losses_at(system.native)) > 1


def test_climbs_that_end_below_the_start_are_no_barrier_but_a_bump():
    way = Way("", np.array([[0.0, 0.0], [1.0, 1.0], [1.2, 0.9], [1.0, 0.0]]))
    found = profile(scalar_network(), replace(way, knots=np.array([[2.0, 2.0], [1.0, 1.0], [0.5, 0.5]])), 41)
    assert found.barrier.value == 0
    assert found.bump.value == pytest.approx(0.75**2 / 2)


def test_a_loss_that_is_infinite_half_way_is_a_doubt(task):
    def broken(model, batch):
        return losses(model, batch) / (model[0].bias[0] != 0).float()

    first, second = trained(1), trained(2)
    with torch.no_grad():
        first[0].bias[0], second[0].bias[0] = 1.0, -1.0
    found = looked_at(replace(task, model=first, losses=broken, build=None), other=second)
    assert any("not finite on: straight line" in doubt for doubt in found.doubts)
    judge(found)


@pytest.mark.parametrize("name", ["scalar network", "surfaces", "copies"])
def test_the_calibrations_hold(name):
    (one,) = [c for c in instrument("paths").calibrations if c.name == name]
    rows = list(one.run(1))
    assert len(rows) >= 3
    assert [row for row in rows if not row.ok] == []


def test_what_is_dear_is_measured_on_fewer_examples_and_that_is_said(task, monkeypatch):
    subject = sf.subject_of(task, effort="quick")
    monkeypatch.setitem(subject.system.__dict__, "seconds", 2.0)
    assert cost(subject, "quick") < 40
    found = measure(subject, findings={}, seed=0, budget=None)
    assert any(doubt.startswith("ways are measured on 256 of 300") for doubt in found.doubts)
