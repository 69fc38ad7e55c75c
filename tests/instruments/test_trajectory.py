import math
from dataclasses import replace

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.core import BadInput, Number
from spinfunnel.instruments.trajectory import instrument, judge, measure
from spinfunnel.instruments.trajectory.calibration import at_rest, straight
from spinfunnel.instruments.trajectory.measuring import FEWEST, last_half, levelled, moved
from spinfunnel.maths.random_walks import brownian, inner_products
from spinfunnel.subject import subject_of

torch = pytest.importorskip("torch")


def recorded(folder, positions, *, losses=None, every=1, grads=None):
    """Write a history of weights that go through these positions, (T, P), in two layers."""
    half = positions.shape[1] // 2
    model = torch.nn.ParameterDict({"a": torch.zeros(half), "b": torch.zeros(positions.shape[1] - half)})
    recorder = sf.Recorder(folder, model, keep=1000)
    for i, at in enumerate(positions):
        with torch.no_grad():
            model["a"].copy_(torch.tensor(at[:half]))
            model["b"].copy_(torch.tensor(at[half:]))
        if grads is not None:
            model["a"].grad = torch.tensor(grads[i], dtype=torch.float32)
        recorder(i * every, loss=None if losses is None else losses[i], lr=0.1)
    return folder


def looked_at(folder):
    return measure(subject_of(folder), findings={}, seed=1, budget=None)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    positions = brownian(60, 400, 0)
    losses = np.exp(-np.arange(60) / 5)
    grads = 0.5 + np.random.default_rng(0).standard_normal((60, 200))
    return looked_at(
        recorded(tmp_path_factory.mktemp("walk"), positions, losses=losses, every=3, grads=grads)
    )


@pytest.mark.parametrize("name", ["called what they are", "exponents", "ageing", "levelling off"])
def test_the_calibrations_hold(name):
    (one,) = (c for c in instrument.calibrations if c.name == name)
    rows = list(one.run(1))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
def test_the_components_hold():
    (one,) = (c for c in instrument.calibrations if c.name == "components")
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in one.run(1))


def test_a_random_walk_is_no_more_than_chance(walk):
    numbers = walk.numbers
    null = numbers["that of a random walk"]
    assert null.low < numbers["share of the first component"].value < null.high
    assert numbers["dimensions in which steps differ"].value == pytest.approx(400, rel=0.15)
    assert numbers["training steps"].value == 59 * 3
    said = judge(walk)
    assert (said.outcome, said.label) == ("info", "diffusing")
    assert "no more than a drift and a random walk (" in said.sentence
    assert numbers["exponent from the start"].value == pytest.approx(0.5, abs=0.1)


def test_the_loss_levels_off_before_the_weights(walk):
    numbers = walk.numbers
    at = numbers["step at which the loss levelled off"].value / 3
    assert at == pytest.approx(5 * math.log(20), abs=2)
    assert numbers["moved since, over the way before"].value == pytest.approx((59 / at - 1) ** 0.5, rel=0.2)
    assert "since the loss levelled off" in judge(walk).sentence


def test_layers_tell_how_far_they_went_and_what_is_signal(walk):
    table = walk.table()
    assert table["name"].tolist() == ["a", "b"]
    assert table["share_of_way"].sum() == pytest.approx(1)
    assert table["moved_last_half"].between(0.6, 0.8).all()  # 1/√2 of a walk
    a, b = table.iloc[0], table.iloc[1]
    assert a["gradient_snr_last"] == pytest.approx((0.25 + 1 / 16) ** 0.5, rel=0.05)
    assert a["noise_gives_last"] == pytest.approx(0.25)
    assert math.isnan(b["gradient_snr_last"])


def test_every_picture_has_its_null_beside_it(walk):
    panels = {}
    for one in walk.series:
        panels.setdefault(one.panel, []).append(one)
    assert set(panels) == {
        "Plane of the training", "Plane of a drift and a random walk, same steps",
        "Variance of the components", "Distance from the start", "Speed", "Angle between successive steps",
        "Displacement after waiting for t steps", "Loss", "Gradient",
    }  # fmt: skip
    labels = [one.label for one in panels["Variance of the components"]]
    assert labels == ["random walk, 95 %", "drift and random walk, 95 %", "training"]
    line, start, end = panels["Plane of the training"]
    assert (start.x[0], start.y[0], end.x[0], end.y[0]) == (line.x[0], line.y[0], line.x[-1], line.y[-1])
    assert {one.row for one in panels["Gradient"]} == {"a"}
    speed = panels["Speed"][0].y
    assert speed.mean() == pytest.approx(400**0.5 / 3, rel=0.02)


@pytest.mark.parametrize(
    ("positions", "outcome", "label"),
    [
        (at_rest(0), "good", "arrived"),
        (straight(0), "info", "still moving"),
        (0.7 ** np.arange(60)[:, None] * brownian(1, 50, 0), "good", "arrived"),
        (straight(0)[: FEWEST - 1], "unsure", "cannot tell"),
        (straight(0)[:1], "unsure", "cannot tell"),
        (np.zeros((40, 8)), "unsure", "cannot tell"),
    ],
    ids=["at rest", "straight", "stopping", "few", "one", "none moves"],
)
def test_every_motion_has_its_word(tmp_path, positions, outcome, label):
    found = looked_at(recorded(tmp_path, positions.astype(np.float32)))
    said = judge(found)
    assert (said.outcome, said.label) == (outcome, label), said
    assert len(said.sentence) <= 280, "three lines in a terminal"
    if len(positions) < FEWEST:
        assert f"{FEWEST} are needed" in said.sentence


def test_it_is_found_in_the_folder_of_a_recorder(tmp_path):
    report = sf.diagnose(recorded(tmp_path / "h", straight(0)), only=["trajectory"])
    assert report.verdicts["trajectory"].label == "still moving"
    assert not report.failed
    assert "Plane of the training" in report.html(tmp_path / "report.html").read_text()


def test_snapshots_that_are_broken_are_a_doubt_and_those_that_are_not_finite_are_refused(tmp_path):
    folder = recorded(tmp_path, straight(0))
    broken = folder / "step-000000005.safetensors"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-7])
    assert any("step-000000005" in doubt for doubt in looked_at(folder).doubts)
    broken.write_bytes(whole[:-8] + np.array([np.nan, 1], dtype=np.float32).tobytes())
    with pytest.raises(BadInput, match="not finite"):
        looked_at(folder)


def test_a_doubt_about_uneven_snapshots(tmp_path):
    folder = recorded(tmp_path, straight(0))
    for step in range(10, 20):
        (folder / f"step-{step:09d}.safetensors").unlink()
    assert any("unevenly" in doubt for doubt in looked_at(folder).doubts)


def test_the_level_of_a_loss_is_not_found_where_there_is_none():
    t = np.arange(100.0)
    assert levelled(1 - t / 100) is None  # still falls
    assert levelled(1 + t) is None
    assert levelled(np.full(100, np.nan)) is None
    assert levelled(np.ones(100)) is None
    assert levelled(np.exp(-t[:10])) is None


def test_one_seed_gives_one_answer():
    products = inner_products(at_rest(3))
    times = np.arange(len(products) + 1.0)
    one, same = (moved(products, times, 20, 5) for _ in range(2))
    assert (one.walk.mean == same.walk.mean).all()
    assert one.rest == same.rest
    assert last_half(products, times, 20, 5) != last_half(products, times, 20, 6)


def test_the_verdict_follows_from_the_numbers_alone(walk):
    held = {"spread of the last half, over a walk's": 0.2, "its p of a walk": 0.001}
    numbers = walk.numbers | {name: Number(value) for name, value in held.items()}
    assert judge(replace(walk, numbers=numbers)).label == "arrived"
