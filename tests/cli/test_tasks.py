"""Tasks that cannot be used, as a user meets them: one clear line, and exit 2."""

import pytest
from tests.command import run

pytest.importorskip("torch")

SOUND = """
import torch
from torch import nn
from spinfunnel import Subject

torch.manual_seed(0)
x = torch.randn(128, 6)
TRAIN = list(zip(x.split(32), (x[:, 0] > 0).long().split(32)))
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
model[3].weight.data = torch.randn(2, 16)

def losses(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

def errors(model, batch):
    return (model(batch[0]).argmax(1) != batch[1]).float()

given = dict(model=model, losses=losses, errors=errors, train=TRAIN)
"""
TASK = """
def task():
    return Subject(**given)
"""

BAD = {
    "raises": ("x = 1 / 0", "line 19: ZeroDivisionError"),
    "no losses": ("del given['losses']", "no losses"),
    "scalar losses": ("given['losses'] = lambda m, b: losses(m, b).mean()", 'use reduction="none"'),
    "losses of two dimensions": ("given['losses'] = lambda m, b: losses(m, b)[:, None]", "(32, 1)"),
    "other data": ("given['train'] = [(torch.zeros(8, 10), TRAIN[0][1][:8])]", "shapes cannot be multiplied"),
    "nan": ("model[0].weight.data[0, 0] = torch.nan", "not finite at these weights"),
    "frozen": ("model.requires_grad_(False)", "frozen"),
    "empty": ("given['train'] = []", "holds no batch"),
    "a generator": ("given['train'] = (batch for batch in TRAIN)", "read only once"),
    "batch statistics": ("given['losses'] = lambda m, b: losses(m.train(), b)", "depend on the batch"),
    "dropout": (
        "given['losses'] = lambda m, b: losses(m, (nn.functional.dropout(b[0]), b[1]))",
        "the losses are random",
    ),
    "errors": ("given['errors'] = lambda m, b: 100 * errors(m, b)", "must lie in [0, 1]"),
    "not a subject": ("Subject = dict", "must be a Subject"),
    "no such field": ("given['loss'] = losses", "unexpected keyword argument 'loss'"),
    "weights of another model": (
        "torch.save(nn.Linear(3, 3).state_dict(), __file__ + '.pt'); given['weights'] = __file__ + '.pt'",
        "is it of this model?",
    ),
    "no weight file": ("given['weights'] = 'nothing.safetensors'", "nothing.safetensors"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_task_that_cannot_be_used_is_one_line_and_exit_2(tmp_path, case):
    change, said = BAD[case]
    (tmp_path / "task.py").write_text(SOUND + change + TASK)
    done = run("diagnose", tmp_path / "task.py", "--only", "condition")
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_sound_task_is_looked_at(tmp_path):
    (tmp_path / "task.py").write_text(SOUND + TASK.replace("task", "mine"))
    done = run("diagnose", f"{tmp_path / 'task.py'}:mine", "--only", "condition")
    assert done.returncode == 0, done.stderr
    assert "task.py" in done.stdout


@pytest.mark.parametrize("name", ["nothing.py", "task.py:other"])
def test_a_file_or_name_that_is_not_there_is_one_line_and_exit_2(tmp_path, name):
    (tmp_path / "task.py").write_text(SOUND + TASK)
    done = run("diagnose", tmp_path / name)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
