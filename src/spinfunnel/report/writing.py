"""Write a report to a file: whole or not at all, and never over a file of the user's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from spinfunnel.core import BadInput


def write(
    path: str | Path, content: str | bytes, *, ours: Callable[[bytes], bool], force: bool = False
) -> Path:
    """Write to a temporary file beside `path` and rename it; folders are made as needed.

    `ours` is asked of the bytes of an existing file; one that is not ours stays, unless `force`.

    Raises:
        BadInput: if the path is a folder, cannot be written, or holds a file that is not ours.
    """
    path = Path(path)
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    beside = path.with_name(f".spinfunnel-{secrets.token_hex(6)}.tmp")
    try:
        if path.is_dir():
            raise BadInput(f"cannot write {path}: it is a folder; give the name of a file")
        if path.exists() and not force and not ours(path.read_bytes()):
            raise BadInput(
                f"{path} exists and was not written by spinfunnel: "
                "add --force (in Python: force=True), or give another name"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(data)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise BadInput(f"cannot write {path}: {why}; choose another place with --out") from error
    return path
