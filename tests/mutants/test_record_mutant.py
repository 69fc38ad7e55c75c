"""Planted bugs in what is recorded must be noticed by weights, losses and gradients that are known."""

import inspect

import numpy as np
import pytest

from spinfunnel import record
from spinfunnel.record import writing

torch = pytest.importorskip("torch")


def holds(folder, recorder):
    """Record weights w = step, losses 2 step, and gradients ±1 about 3, and compare what is read back."""
    model = torch.nn.ParameterDict({"w": torch.zeros(2000)})
    recording = recorder(folder, model, keep=10)
    noise = torch.Generator().manual_seed(0)
    for step in range(200):
        with torch.no_grad():
            model["w"].fill_(step)
        model["w"].grad = 3 + torch.randn(2000, generator=noise)
        recording(step, loss=2.0 * step)
    recording.finish()
    history = record.read(folder)
    gaps, last = np.diff(history.steps), history.gradients.rows()[-1]
    return (
        (history.weights()[:-1] == history.steps[:-1, None]).all()
        and history.steps[-1] == 200
        and len(history.steps) <= 11
        and len(set(gaps[:-1])) == 1
        and (history.losses[1:-1] <= 2 * history.steps[1:-1]).all()
        and (history.losses[1:-1] > 2 * history.steps[:-2]).all()
        and last["steps"] == gaps[-2]
        and abs(last["length_of_mean"] / (2000**0.5 * (9 + 1 / last["steps"]) ** 0.5) - 1) < 0.02
        and abs(last["spread"] / 2000**0.5 - 1) < 0.03
    )


def test_the_original_holds(tmp_path):
    assert holds(tmp_path, record.Recorder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self._records[::2], 2 * self.every", "self._records[::2], 3 * self.every"),
        ("for thinned in self._records[1::2]:", "for thinned in self._records[::2]:"),
        ("self._losses = (0.0, 0)\n\n    def _save", "pass\n\n    def _save"),
        ("to(\"cpu\", copy=True).contiguous()", "to(\"cpu\", copy=True).contiguous() + 1"),
        ("self.steps, self._sums = 0, {}", "self.steps = 0"),
        ("* n / (n - 1)", "/ (n - 1)"),
        ("/ n**2", "/ n"),
        ("self._write(self._step + 1)", "pass"),
    ],
)  # fmt: skip
def test_a_planted_bug_is_noticed(tmp_path, old, new):
    source = inspect.getsource(writing)
    assert source.count(old) == 1, old
    names = {"__name__": "mutant"}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    assert not holds(tmp_path, names["Recorder"])
