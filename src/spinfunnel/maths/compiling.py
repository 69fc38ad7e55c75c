"""Machine code for plain Python functions, kept in the user's cache folder.

Inner loops are written as plain functions that numba can compile; nothing is compiled, and numba is not
loaded, before `compiled` asks for it. So a system can state its moves without knowing who will run them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

from spinfunnel.core import cache_folder

Given: TypeAlias = tuple[tuple[str, Any], ...]


def compiled(plain: Callable[..., Any], given: Mapping[str, Any] | None = None) -> Any:
    """Compile a plain function, and the plain functions of ours that it calls by name.

    `given` replaces what names stand for in it: a loop written for any `propose` is compiled for that of one
    system, and one over `WIDTH` lanes for so many. Machine code is kept for the next process, and not used
    once a file that it came from changes.

    >>> def twice(x): return 2 * x
    >>> def loop(x): return step(step(x))
    >>> compiled(loop, {"step": twice})(3)
    12
    """
    return _compiled(plain, tuple(sorted((given or {}).items(), key=lambda pair: pair[0])))


@cache
def _compiled(plain: Any, given: Given) -> Any:
    import numba

    called = {name: _compiled(value, used) for name, value, used in _called(plain, given)}
    function = FunctionType(plain.__code__, {**plain.__globals__, **dict(given), **called}, plain.__name__)
    function.__module__ = plain.__module__
    label = [plain.__qualname__, *(f"{key} {_label(value)}" for key, value in given)]
    function.__qualname__ = re.sub(r"\W+", "_", " ".join(label))
    settings: Any = numba.config
    users = settings.CACHE_DIR
    folder = cache_folder() / "numba" / _version(plain, given)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        keep = Path(plain.__code__.co_filename).is_file()
    except OSError:
        keep = False  # every process compiles anew, nothing else is lost
    settings.CACHE_DIR = str(folder)  # only while numba looks up where this function's cache is
    try:
        return numba.jit(
            nopython=True, nogil=True, cache=keep, fastmath={"contract", "nsz"}, error_model="numpy"
        )(function)
    finally:
        settings.CACHE_DIR = users


def _label(value: Any) -> str:
    return f"{value.__module__} {value.__qualname__}" if isinstance(value, FunctionType) else str(value)


def _called(plain: Any, given: Given) -> list[tuple[str, Any, Given]]:
    """List the plain functions that one calls: the name it uses, the function, and what is given to it."""
    meant = plain.__globals__ | dict(given)
    found = [(name, meant[name]) for name in plain.__code__.co_names if name in meant]
    return [
        (name, value, () if name in dict(given) else given)
        for name, value in found
        if isinstance(value, FunctionType)
    ]


def _version(plain: Any, given: Given) -> str:
    """Hash the sources of all that is compiled together: numba itself looks at one file only."""
    files: set[str] = set()

    def visit(function: Any, used: Given) -> None:
        files.add(function.__code__.co_filename)
        for _, other, passed in _called(function, used):
            visit(other, passed)

    visit(plain, given)
    hashed = hashlib.sha256()
    for path in sorted(path for path in files if Path(path).is_file()):
        hashed.update(Path(path).read_bytes())
    return hashed.hexdigest()[:16]
