import random
import sys
from pathlib import Path

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.task_file import is_task, load


@pytest.fixture
def written(tmp_path):
    def write(text, name="task.py"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_python_files_are_tasks_and_nothing_else_is():
    assert is_task("task.py")
    assert is_task("folder/other.py:small_one")
    for other in ("model.safetensors", "system:sk", "folder", "task.pyc", "task.py:", "a.py:b:c", 3, None):
        assert not is_task(other)


def test_a_function_is_called_and_a_finished_thing_taken_as_it_is(written):
    path = written("def task():\n    return {'a': 1}\n\nready = {'b': 2}\n")
    assert load(path, dict) == {"a": 1}
    assert load(f"{path}:ready", dict) == {"b": 2}


def test_a_neighbour_is_found_while_the_file_loads_and_then_forgotten(written, tmp_path):
    written("WIDTH = 8\n", "network.py")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.py").write_text("DEPTH = 3\n")
    path = written("import network\nfrom parts import inner\ntask = [network.WIDTH, inner.DEPTH]\n")
    assert load(path, list) == [8, 3]
    assert not {"network", "parts", "parts.inner"} & set(sys.modules)


def test_two_folders_may_have_neighbours_of_one_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "network.py").write_text(f"NAME = '{name}'\n")
        (tmp_path / name / "task.py").write_text("import network\ntask = network.NAME\n")
    assert [load(tmp_path / name / "task.py", str) for name in ("a", "b")] == ["a", "b"]


def places():
    """What a script could change."""
    drawn = np.random.get_state()[1].tolist()  # noqa: NPY002
    return sys.path[:], sys.argv[:], Path.cwd(), random.getstate(), drawn


def test_nothing_is_left_behind(written, tmp_path, capsys):
    import torch

    path = written(
        "import os, random, sys\nimport numpy as np, torch\n"
        "print('hello')\nos.chdir('/')\nsys.argv.append('x')\nsys.path.append('/nowhere')\n"
        "random.seed(1); np.random.seed(1); torch.manual_seed(1)\n"
        "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)\n"
        "task = 5\n"
    )
    before = places()
    state = torch.random.get_rng_state()
    modules = set(sys.modules)
    assert load(path, int) == 5
    assert places() == before
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()
    assert set(sys.modules) == modules
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "hello\n"


def test_nothing_is_left_behind_by_a_file_that_fails(written):
    before, modules = places(), set(sys.modules)
    with pytest.raises(BadInput):
        load(written("import os\nos.chdir('/')\nimport neighbour\n"), int)
    assert (places(), set(sys.modules)) == (before, modules)


def test_classes_of_the_file_work_as_in_a_module(written):
    path = written(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Width:\n    n: int = 4\n\ndef task():\n    return Width().n\n"
    )
    assert load(path, int) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = x / 0\n", "task.py, line 2: ZeroDivisionError: division by zero"),
        ("def task():\n    return undefined\n", "task.py, line 2, task(): NameError: name 'undefined'"),
        ("def task(:\n", "task.py, line 1: SyntaxError: "),
        ("import json\ntask = json.loads('{')\n", "task.py, line 2: JSONDecodeError: "),
        ("import sys\nsys.exit(3)\n", "task.py, line 2: SystemExit: 3"),
        ("import nonesuch.inner\n", "pip install nonesuch"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        ("raise ValueError('long' * 1000)\n", "longlong ..."),
        ("raise KeyboardInterrupt\n", None),
        ("x = 1\n", "task.py has no 'task': define a function `task` that returns a dict"),
        ("def mine():\n    pass\n", "it defines mine; write FILE.py:NAME"),
        ("other = {}\n", "it defines other; write FILE.py:NAME"),
        ("task = 3\n", "task in task.py is of type int: it must be a dict"),
        ("def task():\n    pass\n", "task() in task.py is of type NoneType"),
        ("def task(seed):\n    pass\n", "task(): TypeError: task() missing 1 required"),
    ],
)
def test_what_is_wrong_is_one_line(written, text, said):
    with pytest.raises(KeyboardInterrupt if said is None else BadInput) as caught:
        load(written(text), dict)
    if said is not None:
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_error_in_a_neighbour_is_told_with_its_line(written):
    written("\n\nraise RuntimeError('no data')\n", "data.py")
    with pytest.raises(BadInput, match=r"^data.py, line 3: RuntimeError: no data$"):
        load(written("import data\n"), dict)


def test_a_file_that_is_not_there_is_told_how_to_write(tmp_path):
    with pytest.raises(BadInput, match=r"spinfunnel new task"):
        load(tmp_path / "task.py", dict)
