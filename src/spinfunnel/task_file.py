"""Run a user's `task.py`, and give the subject it makes.

This is the one place where a file of the user's is executed, and only one that was named: FILE.py, or
FILE.py:name. It runs in the folder's company, since it may import what lies beside it, and leaves nothing
behind: the path, the working folder, the arguments and the states of random generators are put back. What it
draws without a seed of its own is drawn from a fixed one, so that a task is the same whenever it is run.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from spinfunnel.core import BadInput, SpinfunnelError
from spinfunnel.systems.network_loss.drawing import drawn_apart

Kind = TypeVar("Kind")

#: The file, and behind a colon the name in it of a subject or of a function that makes one.
SPELLED = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")
#: The name that is looked for if none is given; and the name that modules of tasks go by while they load.
TASK, LOADING = "task", "__spinfunnel_task__"
#: What is said of an error is cut to this many characters.
SAID = 300


def is_task(source: object) -> bool:
    """Tell whether a source names a Python file, with or without a name in it; nothing is opened.

    >>> is_task("mnist/task.py"), is_task("task.py:small"), is_task("model.safetensors"), is_task("my.py/x")
    (True, True, False, False)
    """
    return isinstance(source, str | Path) and SPELLED.fullmatch(str(source)) is not None


def folder_of(source: str | Path) -> Path:
    """Give the folder that a task file lies in: its relative paths begin there.

    >>> folder_of("/mnist/task.py:small").name
    'mnist'
    """
    spelled = SPELLED.fullmatch(str(source))
    assert spelled is not None, "is_task() tells what may come here"
    return Path(spelled["path"]).resolve().parent


def load(source: str | Path, kind: type[Kind]) -> Kind:
    """Run a task file, and give the object of that kind which it holds, or which a function of it makes.

    What the file prints goes to standard error.

    Raises:
        BadInput: if there is no such file or name, if it fails (with its line), or makes something else.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "task.py"
    >>> _ = path.write_text("def task():\\n    return 6 * 7\\n")
    >>> load(path, int)
    42
    """
    spelled = SPELLED.fullmatch(str(source))
    assert spelled is not None, "is_task() tells what may come here"
    path, name = Path(spelled["path"]), spelled["name"] or TASK
    if not path.is_file():
        raise BadInput(f"there is no file {path}: `spinfunnel new task {path}` writes one to begin with")
    path = path.resolve()
    with _company(path):
        module = guarded(lambda: _executed(path), path, "")
        if not hasattr(module, name):
            raise BadInput(f"{path.name} has no {name!r}: {_others(module, kind)}")
        made, call = getattr(module, name), ""
        if not isinstance(made, kind) and callable(made):
            call = "()"
            made = guarded(made, path, f"{name}()")
    if not isinstance(made, kind):
        raise BadInput(
            f"{name}{call} in {path.name} is of type {type(made).__name__}: "
            f"it must be a {kind.__name__}, or a function that returns one"
        )
    return made


def guarded(call: Callable[[], Any], path: Path | None, what: str) -> Any:
    """Call code of the user's; what it raises becomes one line with the place in the user's file.

    Raises:
        BadInput: with the kind of the error, its message, and the last line of `path` that led to it.
    """
    try:
        return call()
    except SpinfunnelError:
        raise
    except (Exception, SystemExit) as error:
        raise BadInput(told(error, path, what)) from error


def written_in(function: Any) -> Path | None:
    """Give the file that a function was written in, for the line of its errors."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code and Path(code.co_filename)


@contextmanager
def aside(seed: int | None = None) -> Iterator[None]:
    """Run code of the user's: what it prints goes to standard error, and random generators are put back.

    With a seed, what it draws is drawn from that.
    """
    with redirect_stdout(sys.stderr), drawn_apart(seed):
        yield


def told(error: BaseException, path: Path | None, what: str) -> str:
    """Say in one line what was raised, and where in the user's file."""
    where, line = "", None
    if isinstance(error, SyntaxError) and error.filename is not None:
        where, line = Path(error.filename).name, error.lineno
    elif path is not None:
        frames = traceback.extract_tb(error.__traceback__)
        mine = [frame for frame in frames if Path(frame.filename).parent == path.parent]
        if mine:
            where, line = Path(mine[-1].filename).name, mine[-1].lineno
    place = ", ".join(part for part in (where, f"line {line}" if line else "", what) if part)
    place += ": " * bool(place)
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    message = " ".join(message.split())
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        extra = "'spinfunnel[torch]'" if error.name == "torch" else str(error.name).partition(".")[0]
        hint = f"; install it (pip install {extra}), or import what lies beside the file at its top"
    kind = type(error).__name__
    if len(message) > SAID:
        message = message[:SAID] + " ..."
    return f"{place}{kind}: {message}{hint}" if message else f"{place}{kind}{hint}"


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(LOADING, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[LOADING] = module  # dataclasses look up the module they are made in
    spec.loader.exec_module(module)
    return module


def _others(module: ModuleType, kind: type) -> str:
    """Say which names could have been meant."""
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (isinstance(value, kind) or (inspect.isfunction(value) and value.__module__ == LOADING))
    ]
    if not own:
        return f"define a function `{TASK}` that returns a {kind.__name__}"
    return f"it defines {', '.join(own[:8])}; write FILE.py:NAME to choose one"


@contextmanager
def _company(path: Path) -> Iterator[None]:
    """Let the file import its neighbours, and afterwards put back all that a script may change.

    Its neighbours are forgotten too, or the `model.py` of one folder would be taken for that of another.
    """
    folder = str(path.parent)
    places, arguments, here = sys.path[:], sys.argv, Path.cwd()
    with aside(0):
        before, torch = set(sys.modules), sys.modules.get("torch")  # imported by now, if it is installed
        modes = torch and (torch.get_default_dtype(), torch.is_grad_enabled())
        sys.path.insert(0, folder)
        sys.argv = [str(path)]
        try:
            yield
        finally:
            sys.path[:], sys.argv = places, arguments
            os.chdir(here)
            if torch and modes:
                torch.set_default_dtype(modes[0])
                torch.set_grad_enabled(modes[1])
            new = set(sys.modules) - before
            own = {name for name in new if "." not in name and _lies_in(sys.modules[name], path.parent)}
            for name in new:
                if name == LOADING or name.partition(".")[0] in own:
                    del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Tell whether a module is a file, or a package, right in the folder; a `.venv` there is further down."""
    if hasattr(module, "__path__"):
        return any(Path(place).parent == folder for place in module.__path__)
    return Path(getattr(module, "__file__", None) or "/").parent == folder
