"""Two models on one task, as a user compares them."""

import json

import pytest
from tests.command import run

torch = pytest.importorskip("torch")

TASK = """
import torch
from torch import nn
from spinfunnel import Subject

x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))

def build():
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))

def losses(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

def task():
    labels = (x.square().sum(1) > 1.4).long()
    return Subject(model=build(), weights="first.pt", losses=losses, train=[(x, labels)])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.py").write_text(TASK)
    for name, width, seed in (("first", 8, 0), ("second", 8, 1), ("wider", 9, 2)):
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(2, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)]
        torch.save(torch.nn.Sequential(*layers).state_dict(), f"{name}.pt")
    return tmp_path


def test_compare_walks_from_one_model_to_the_other(folder):
    found = run("compare", "task.py", "second.pt", "--only", "paths", "--effort", "quick", "--json")
    assert found.returncode == 0, found.stderr
    (finding,) = json.loads(found.stdout)["findings"]
    assert "straight line" in finding["tables"]["ways"]["way"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("task.py", "wider.pt"), "another architecture"),
        (("first.pt", "second.pt"), "give a task.py first"),
        (("task.py", "none.pt"), "none.pt"),
        (("task.py", "second.pt", "--effort", "much"), "--effort is 'much'"),
        (("task.py", "second.pt", "--fail-on", "all"), "--fail-on is 'all'"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_2(folder, arguments, said):
    found = run("compare", *arguments)
    assert found.returncode == 2
    assert said in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
