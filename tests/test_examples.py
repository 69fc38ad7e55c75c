"""The examples train on their first run; here in a cache folder of the test's own."""

from pathlib import Path

import numpy as np
import pytest

from spinfunnel import Subject, subject_of
from spinfunnel.task_file import load

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize(
    ("name", "needs", "worst", "snapshots"),
    [
        ("digits_mlp", "sklearn", 0.08, 60),
        pytest.param("digits_resnet", "sklearn", 0.08, 20, marks=pytest.mark.slow),
        pytest.param("characters", "torch", 0.7, 30, marks=pytest.mark.slow),
        pytest.param("huggingface", "transformers", 0.5, 0, marks=pytest.mark.slow),
    ],
)
def test_an_example_is_a_sound_task_of_a_network_that_learned(name, needs, worst, snapshots):
    pytest.importorskip(needs)
    task = load(EXAMPLES / f"{name}.py", Subject)
    subject = subject_of(EXAMPLES / f"{name}.py", effort="full")
    assert subject.doubts == ()
    assert subject.supplies >= {"weights", "loss", "build", "train_fn"}
    wrong = subject.system.over(task.certify).errors_at(subject.system.trained)
    assert np.mean(wrong) < worst
    fresh = subject.system.energy(subject.system.random(1, 0))[0]
    assert subject.held_out.energy(subject.system.trained[None])[0] < fresh
    assert subject.system.size < 50_000
    if snapshots:
        assert len(subject.history.steps) >= snapshots
        assert np.array_equal(subject.history.flat(-1), subject.system.trained)
