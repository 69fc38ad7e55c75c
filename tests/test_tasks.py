"""What subject_of makes of a task: its loss, what it holds out, its history, and a second model beside it."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn

import spinfunnel as sf
from spinfunnel.core import BadInput
from spinfunnel.record import Recorder
from spinfunnel.subject import EXAMPLES, Subject, subject_of


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def losses(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def errors(model, batch):
    return (model(batch[0]).argmax(1) != batch[1]).float()


def data(examples=200, seed=0):
    x = torch.randn(examples, 6, generator=torch.Generator().manual_seed(seed))
    return list(zip(x.split(64), (x[:, 0] + x[:, 1] > 0).long().split(64), strict=True))


def trained(model, steps=40, recorder=None):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(steps):
        optimiser.zero_grad()
        loss = losses(model, data()[step % 4]).mean()
        loss.backward()
        if recorder is not None:
            recorder(step, loss=loss)
        optimiser.step()
    return model


@pytest.fixture(scope="module")
def task():
    return Subject(model=trained(network()), losses=losses, errors=errors, train=data(), search=data(70, 1))


def flat(model):
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def test_a_task_is_a_model_with_a_loss(task):
    subject = subject_of(task)
    assert (subject.system.native == flat(task.model)).all()
    assert (subject.native == subject.system.native).all()
    assert subject.system.examples == 200
    known = np.concatenate([losses(task.model, batch).detach().numpy() for batch in data()])
    assert subject.system.energy(subject.native[None])[0] == pytest.approx(known.mean(), rel=1e-6)
    assert subject.system.errors_at(subject.native).mean() < 0.3
    assert [part.name for part in subject.parts] == ["0.weight", "2.weight"]
    assert subject.supplies == {"loss", "weights", "gradient", "overlap", "native"}
    assert subject.doubts == ()
    assert subject.describe()["loss"] == {"examples": 200, "free weights": 146}
    assert subject_of(subject).system is subject.system
    assert subject.digest == subject_of(task.model).digest


def test_what_is_held_out_is_another_loss_of_the_same_model(task):
    held_out = subject_of(task).held_out
    assert held_out.examples == 70
    w = held_out.native
    known = np.concatenate([losses(task.model, batch).detach().numpy() for batch in data(70, 1)])
    assert np.abs(held_out.losses_at(w) - known).max() < 1e-6
    assert subject_of(replace(task, search=None)).held_out is None


def test_weights_of_a_file_take_the_place_of_the_models(task, tmp_path):
    other = trained(network(3))
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    torch.save(other.state_dict(), tmp_path / "other.pt")
    before = flat(task.model)
    for name in ("other.safetensors", "other.pt"):
        subject = subject_of(replace(task, weights=tmp_path / name))
        assert (subject.native == flat(other)).all()
        assert (flat(subject.model) == flat(other)).all()
        assert subject.digest != subject_of(task).digest
    assert (flat(task.model) == before).all()


def test_half_precision_is_a_doubt_and_what_is_held_out_follows(task):
    half = network().half()
    half.load_state_dict(task.model.state_dict())
    cast = [[(x.half(), y) for x, y in part] for part in (task.train, task.search)]
    subject = subject_of(replace(task, model=half, train=cast[0], search=cast[1]))
    assert any("float16; it was looked at as a float32 copy" in doubt for doubt in subject.doubts)
    whole = subject_of(task)
    for mine, theirs in ((subject.system, whole.system), (subject.held_out, whole.held_out)):
        assert mine.energy(mine.native[None]) == pytest.approx(theirs.energy(theirs.native[None]), rel=1e-2)


def test_frozen_parameters_are_a_doubt_and_stay_in_the_weights(task):
    model = trained(network())
    model[0].weight.requires_grad_(False)
    subject = subject_of(replace(task, model=model))
    assert subject.system.size == 146 - 96
    assert any("96 frozen parameters are left out" in doubt for doubt in subject.doubts)
    assert [part.name for part in subject.parts] == ["0.weight", "2.weight"]


def test_shared_parameters_are_counted_once(task):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 2)
            self.again = self.first

        def forward(self, x):
            return self.last(torch.relu(self.again(torch.relu(self.first(x)))))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = trained(Twice())
    subject = subject_of(replace(task, model=model))
    assert subject.system.size == 6 * 6 + 6 + 6 * 2 + 2
    assert [block.name for block in subject.system.blocks][:2] == ["first.weight", "first.bias"]


def test_a_second_model_may_come_in_any_form(task, tmp_path):
    other = trained(network(5))
    save_file(other.state_dict(), tmp_path / "b.safetensors")
    named = {name: value.numpy() for name, value in other.state_dict().items()}
    for given in (other, tmp_path / "b.safetensors", named, replace(task, model=other)):
        subject = subject_of(task, other=given)
        assert (subject.other == flat(other)).all()
        assert "other" in subject.supplies
        assert (subject.native == flat(task.model)).all()
    narrow = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(BadInput, match=r"0.weight is \(8, 6\), the model has \(16, 6\)"):
        subject_of(task, other=narrow)
    with pytest.raises(BadInput, match="two models are compared on data: give a task"):
        subject_of(task.model, other=other)


def test_a_history_is_read_wherever_it_is_named(task, tmp_path):
    recorder = Recorder(tmp_path / "history", model := network(), every=8)
    trained(model, recorder=recorder)
    recorder.finish()
    subject = subject_of(replace(task, model=model, history=tmp_path / "history"))
    assert "history" in subject.supplies
    last = load_file(subject.history.last)
    assert (subject.system.mapping(subject.native)["0.weight"] == last["0.weight"]).all()
    alone = subject_of(tmp_path / "history")
    assert alone.system is None
    assert alone.supplies == {"weights", "history"}


def test_effort_says_how_many_examples_are_looked_at(task):
    many = replace(task, train=data(1500))
    quick = subject_of(many, effort="quick")
    assert (quick.system.examples, EXAMPLES["quick"]) == (1024, 1024)
    assert "the loss is over 1,024 of 1,500 examples; --effort full takes all" in quick.doubts
    whole = subject_of(many, effort="full")
    assert whole.system.examples == 1500
    assert whole.doubts == ()
    w = whole.native
    assert (subject_of(many, effort="quick").system.losses_at(w) == quick.system.losses_at(w)).all()
    assert (subject_of(many, effort="quick", seed=1).system.losses_at(w) != quick.system.losses_at(w)).any()
    assert np.isin(quick.system.losses_at(w).round(5), whole.system.losses_at(w).round(5)).mean() > 0.99


def test_progress_names_the_instrument_that_is_running(task):
    seen = []
    only = ["evidence", "slices"]
    sf.diagnose(task, only=only, effort="quick", progress=lambda done, _, name: seen.append((name, done)))
    names, done = zip(*seen, strict=True)
    assert names == ("slices", "slices", "evidence", "evidence")
    assert 0 == done[0] < done[1] == done[2] < done[3]


@pytest.mark.parametrize("lacking", ["model", "train"])
def test_a_task_that_lacks_a_part_is_one_line(task, lacking):
    with pytest.raises(BadInput, match=f"the task has no {lacking}"):
        subject_of(replace(task, **{lacking: None}))


def test_a_task_file_names_its_own_files_and_is_its_own_origin(task, tmp_path):
    save_file(trained(network(7)).state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "task.py").write_text(
        "import torch\nfrom torch import nn\nfrom spinfunnel import Subject\n"
        "x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))\n"
        "data = list(zip(x.split(64), (x[:, 0] + x[:, 1] > 0).long().split(64)))\n"
        "def losses(model, batch):\n"
        "    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction='none')\n"
        "model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))\n"
        "task = Subject(model=model, weights='w.safetensors', losses=losses, train=data)\n"
    )
    subject = subject_of(tmp_path / "task.py")
    assert (subject.native == flat(trained(network(7)))).all()
    assert "task.py" in subject.describe()["source"]


def test_a_second_model_that_needs_its_own_buffers_is_not_compared(task):
    class Shifted(torch.nn.Module):
        def __init__(self, shift):
            super().__init__()
            self.body = network()
            self.register_buffer("shift", torch.full((2,), shift))

        def forward(self, x):
            return self.body(x) + self.shift * x.mean(1, keepdim=True)

    first = replace(task, model=trained(Shifted(0.0)), build=None, search=None)
    other = trained(Shifted(2.0))
    assert subject_of(first, other=other).supplies >= {"other"}  # the same is added to all classes
    with torch.no_grad():
        other.shift[0] = 9.0
    found = subject_of(first, other=other)
    assert "other" not in found.supplies
    (said,) = [doubt for doubt in found.doubts if "second network was not compared" in doubt]
    own, here = re.findall(r"[\d.]+(?=[ ,])", said)[:2]
    every = tuple(torch.cat(parts) for parts in zip(*data(), strict=True))
    assert float(own.rstrip(",")) == pytest.approx(
        float(losses(other.eval(), every).mean().detach()), rel=1e-3
    )
    other.shift = torch.zeros(2)
    assert float(here) == pytest.approx(float(losses(other, every).mean().detach()), rel=1e-3)
