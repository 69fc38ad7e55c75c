"""Tasks that cannot be used, as a user meets them: one clear line, and exit 2."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files

import numpy as np
import pytest
from tests.command import run

torch = pytest.importorskip("torch")

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
    "no history": ("given['history'] = 'absent'", "there is no folder"),
    "no history in it": ("given['history'] = '.'", "is no history"),
    "code in the weights": (
        """
class Code:
    def __reduce__(self):
        return print, ("executed",)

torch.save({"0.weight": Code()}, __file__ + ".pt")
given["weights"] = __file__ + ".pt"
""",
        "nothing was executed",
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


def test_a_task_has_no_size_and_no_native_state_and_is_refused_before_it_is_looked_at(tmp_path):
    (tmp_path / "task.py").write_text(SOUND + "given['train'] = []" + TASK)
    for option in (("--size", 8), ("--native", "none")):
        done = run("diagnose", tmp_path / "task.py", *option)
        assert done.returncode == 2
        assert f"{option[0]} is for a system" in done.stderr


LOUD = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from spinfunnel import Subject

print("a task")
x = torch.randn(96, 6)
LOADER = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=32, shuffle=True)

def build():
    print("building")
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))

def losses(model, batch):
    print("losing")
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

def task():
    return Subject(model=build(), losses=losses, train=LOADER, build=build)
"""


def test_what_shuffles_and_draws_without_a_seed_gives_the_same_bits_and_prints_beside_the_json(tmp_path):
    (tmp_path / "task.py").write_text(LOUD)
    first, second = (
        run("diagnose", tmp_path / "task.py", "--only", "sharpness", "--effort", "quick", "--json")
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    report, schema = json.loads(first.stdout), files("spinfunnel") / "data" / "report-schema-1.json"
    pytest.importorskip("jsonschema").validate(report, json.loads(schema.read_text()))
    assert report["findings"]
    assert first.stdout == second.stdout
    assert {"a task", "building", "losing"} <= set(first.stderr.splitlines())


@pytest.mark.parametrize("kind", ["pt", "npz", "safetensors"])
def test_weights_and_history_lie_beside_the_task_wherever_it_is_called_from(tmp_path, kind, monkeypatch):
    from safetensors.torch import save_file

    from spinfunnel import Recorder, subject_of

    task = TASK.replace("**given", f"**given, weights='w.{kind}', history='history'")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "task.py").write_text(SOUND + task)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Linear(16, 2)
    )
    state = {name: value.detach() for name, value in model.state_dict().items()}
    path = tmp_path / "mine" / f"w.{kind}"
    {
        "pt": lambda: torch.save(state, path),
        "npz": lambda: np.savez(path, **{name: value.numpy() for name, value in state.items()}),
        "safetensors": lambda: save_file(state, path),
    }[kind]()
    recorder = Recorder(tmp_path / "mine" / "history", model, every=1)
    model(torch.randn(4, 6)).sum().backward()
    recorder(0, loss=1.0)
    recorder.finish()
    monkeypatch.chdir(tmp_path)
    subject = subject_of("mine/task.py")
    assert np.array_equal(subject.system.native[:96], state["0.weight"].numpy().ravel())
    assert len(subject.history.steps) >= 1


def test_an_instrument_that_fails_is_a_row_and_the_rest_stands(tmp_path, monkeypatch):
    (tmp_path / "task.py").write_text(SOUND + TASK)

    def broken(*_, **__):
        raise ValueError("no products today")

    for what in ("slices.look", "curvature.spectrum"):
        monkeypatch.setattr(f"spinfunnel.instruments.{what}", broken)
    chosen = "slices,curvature,condition"
    done = run("diagnose", tmp_path / "task.py", "--only", chosen, "--effort", "quick", "--json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert {row["error"] for row in report["failed"]} == {"ValueError: no products today"}
    assert "condition" in {finding["instrument"] for finding in report["findings"]}


def test_what_a_file_cannot_supply_is_told_and_exits_2(tmp_path):
    (tmp_path / "task.py").write_text(SOUND + TASK)
    done = run("diagnose", tmp_path / "task.py", "--only", "trajectory")
    assert done.returncode == 2
    assert "spinfunnel.Recorder" in " ".join(done.stdout.split())


def test_what_needs_more_memory_than_there_is_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "task.py").write_text(SOUND + TASK)
    monkeypatch.setattr("spinfunnel.run.memory.machine", lambda: 1_000_000)
    done = run("diagnose", tmp_path / "task.py", "--only", "slices")
    assert done.returncode == 2
    assert "GB, and the machine has 0.001 GB" in done.stderr
    assert run("diagnose", tmp_path / "task.py", "--only", "condition").returncode == 0


def test_a_budget_below_the_plan_is_told_before_and_what_was_not_begun_afterwards(tmp_path):
    (tmp_path / "task.py").write_text(SOUND + TASK)
    done = run(
        "diagnose",
        tmp_path / "task.py",
        "--only",
        "condition,slices",
        "--effort",
        "quick",
        "--budget",
        "0.001s",
    )
    assert "more than --budget" in done.stderr
    assert "slices: raise --budget" in " ".join(done.stdout.split())


def test_ctrl_c_in_the_middle_of_an_instrument_keeps_what_is_finished(tmp_path):
    (tmp_path / "task.py").write_text(
        SOUND.replace("def losses(model, batch):", "def losses(model, batch):\n    note()")
        + """
from pathlib import Path
import sys, time

def note():
    frame = sys._getframe()
    while frame and (frame.f_code.co_name != "measure" or "slices" not in frame.f_code.co_filename):
        frame = frame.f_back
    if frame:
        Path(__file__).with_name("begun").touch()
        time.sleep(0.05)
"""
        + TASK
    )
    command = [sys.executable, "-m", "spinfunnel", "diagnose", str(tmp_path / "task.py")]
    command += ["--only", "condition,slices", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        until = time.time() + 60
        while not (tmp_path / "begun").exists() and process.poll() is None and time.time() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [finding["instrument"] for finding in report["findings"]] == ["condition"]
    assert "interrupted" in next(row["how"] for row in report["not_run"] if row["instrument"] == "slices")
