"""The demo shows what it promises, keeps what is finished, and leaves a task that goes on."""

import json
import time
from importlib import import_module
from types import FunctionType

import pytest
from tests.command import run

from spinfunnel.report.writing import write
from spinfunnel.task_file import load

demo = import_module("spinfunnel.cli.demo")  # beneath the command of that name
TASK = "src/spinfunnel/data/demo/task.py"


@pytest.fixture
def without(monkeypatch):
    """As if these were not installed."""

    def without(*names):
        monkeypatch.setattr(demo, "find_spec", lambda name: None if name in names else object())

    return without


def test_without_torch_the_weights_are_shown_and_the_rest_is_told(without, tmp_path):
    without("torch")
    done = run("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not run, for want of torch" in done.stdout
    assert 'pip install "spinfunnel[torch,demo]"' in done.stdout
    assert "bit-exact init" in done.stdout
    assert "Glass or funnel?" in done.stdout, "what is not run is told"
    assert len(list(tmp_path.glob("*/report.html"))) == 4
    assert not (tmp_path / "digits").exists()


def test_what_it_says_of_the_task_is_so():
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    train = load(f"{TASK}:train", FunctionType)
    names = train.__globals__
    images, labels = names["digits"]()
    assert f"{len(labels):,} handwritten digits of 8 x 8" in names["digits"].__doc__
    assert f"{names['TRAIN']:,} to train on, {names['SEARCH']} to choose by" in names["digits"].__doc__
    weights = sum(p.numel() for p in names["network"]().parameters())
    assert f"layers of {names['WIDTH']} ReLUs, 10 classes: {weights:,} weights" in names["network"].__doc__
    assert f"{names['EPOCHS']} times through the digits, {names['BATCH']} at a time" in train.__doc__
    assert images.shape == (1797, 64)
    before, losses = torch.random.get_rng_state(), []
    train(0, watch=lambda step, steps, loss: losses.append(loss))
    assert len(losses) == names["EPOCHS"] * names["TRAIN"] // names["BATCH"]
    assert losses[0] > 2 > 0.02 > losses[-1], "it learns"
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_loss_is_drawn_on_a_logarithmic_scale():
    assert demo._falling([1.0] * 50 + [0.1] * 50, bars=4) == "loss 1.00 ██▁▁ 0.100 in 100 steps"
    assert demo._falling([0.5] * 3) == "loss 0.500 ▁▁▁ 0.500 in 3 steps"
    assert "0" in demo._falling([1.0, 0.0])


def test_a_file_of_ones_own_is_not_replaced(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(demo, "_compare", lambda *given, **named: None)
    write(tmp_path / "digits" / "task.py", "mine = 1\n", ours=lambda _: True)
    done = run("demo", "--out", tmp_path)
    assert done.returncode == 2
    assert "was not written by spinfunnel" in done.stderr
    assert (tmp_path / "digits" / "task.py").read_text() == "mine = 1\n"


def test_an_interrupt_keeps_what_is_finished(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    from spinfunnel.record import Recorder

    def interrupted(self, step, **named):
        if step > 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "__call__", interrupted)
    done = run("demo", "--out", tmp_path)
    assert done.returncode == 130
    assert done.stderr.strip() == f"spinfunnel: interrupted; what was finished is in {tmp_path}"
    assert len(list(tmp_path.glob("*/report.html"))) == 4
    assert (tmp_path / "digits" / "task.py").is_file()


@pytest.mark.slow
def test_the_demo_is_whole_and_takes_less_than_two_minutes(tmp_path):
    pytest.importorskip("sklearn")
    begun = time.process_time()
    done = run("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert time.process_time() - begun < 120
    assert len(list(tmp_path.glob("*/report.html"))) == 5
    report = json.loads((tmp_path / "digits" / "report.json").read_text())
    assert report["failed"] == []
    assert {one["question"] for one in report["findings"]} >= {"learned", "landscape", "training"}
    assert {row["question"] for row in report["not_run"]} <= {"bound"}
    again = run("diagnose", tmp_path / "digits" / "task.py", "--only", "spectrum")
    assert again.returncode == 0, again.stderr
