"""Reads numpy's `.npz` (a zip archive of `.npy` files) and single `.npy` files, without pickled objects."""

from __future__ import annotations

import zipfile
import zlib
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from spinfunnel.core import Array, BadInput, UnsafeFile
from spinfunnel.readers.order import by_depth
from spinfunnel.readers.tensors import Tensor, quoted


def read_npz(path: Path) -> tuple[Tensor, ...]:
    """List the arrays of an archive, in its own order unless that is alphabetical; each is read when loaded.

    Raises:
        BadInput: if the archive or an array's header is broken, or a name occurs twice.
        UnsafeFile: if an array holds pickled Python objects.
    """
    try:
        archive = zipfile.ZipFile(path)  # stays open, for `load`; it closes with the last tensor
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise BadInput(f"{path} holds two arrays of one name; save it again")
        found = {}
        for name, member in members.items():
            with archive.open(member) as file:
                shape, dtype = npy_header(path, name, file)
                there = member.file_size - file.tell()
            if there < prod(shape) * dtype.itemsize:
                raise BadInput(f"{path}: array {quoted(name)} is shorter than its shape says; fetch it again")
            found[name] = _tensor(name, shape, dtype, partial(_load, archive, member, path))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(
            f"{path} is a broken .npz archive ({str(error)[:120]}); fetch or save it again"
        ) from None
    return tuple(found[name] for name in by_depth(list(found)))


def read_npy(path: Path) -> tuple[Tensor, ...]:
    """Describe the one array of a `.npy` file, named like the file.

    Raises:
        BadInput: if the file is broken.
        UnsafeFile: if it holds pickled Python objects.
    """
    with path.open("rb") as file:
        shape, dtype = npy_header(path, path.stem, file)
        if path.stat().st_size < file.tell() + prod(shape) * dtype.itemsize:
            raise BadInput(f"{path} is shorter than its shape says; fetch or save it again")
    return (_tensor(path.stem, shape, dtype, partial(np.load, path, "r" if prod(shape) else None)),)


def npy_header(path: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read an array's shape and type from the start of its `.npy` stream."""
    try:
        version = np.lib.format.read_magic(file)
        reader = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = reader(file)
    except Exception as error:  # a hostile header can raise nearly anything from numpy's parser
        why = quoted(str(error).partition("\n")[0] or type(error).__name__, 120)
        raise BadInput(f"{path}: array {quoted(name)} has a broken header ({why}); fetch it again") from None
    if dtype.hasobject:
        raise UnsafeFile(
            f"{path}: array {quoted(name)} holds pickled Python objects, which execute code when read; "
            "it was refused and nothing was executed; where you trust it, save only its numeric arrays"
        )
    if any(side < 0 for side in shape):
        raise BadInput(f"{path}: array {quoted(name)} has an impossible shape {shape}; fetch it again")
    return shape, dtype


def _tensor(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], load: Any) -> Tensor:
    reason = "" if dtype.kind in "biufc" else f"not numbers ({str(dtype)[:40]})"
    return Tensor(name, shape, dtype.name, load, skipped=reason)


def _load(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Array:
    try:
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        OSError,
    ) as error:  # the checksum is checked here
        raise BadInput(
            f"{path}: array {quoted(member.filename)} is damaged ({error}); fetch it again"
        ) from None
