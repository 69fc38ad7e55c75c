"""Reads `.safetensors`: 8 bytes of header length, a JSON header, then the arrays end to end.

The header is checked as strictly as the format's own description asks (every byte of data belongs to
exactly one tensor), because it is what decides which bytes of the file are read as what. Arrays are mapped
into memory one at a time, so the file is never in memory as a whole.

Source: the format's description in the README of huggingface/safetensors.
"""

from __future__ import annotations

import json
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.readers.order import by_depth
from spinfunnel.readers.tensors import Tensor, quoted

#: The format's words for types, what numpy calls them, and their bits. Types of less than a byte have no
#: array type of their own.
DTYPES: dict[str, tuple[np.dtype[Any] | None, int]] = {
    word: (np.dtype(dtype), np.dtype(dtype).itemsize * 8)
    for word, dtype in {
        "BOOL": "?",
        "U8": "u1",
        "I8": "i1",
        "U16": "<u2",
        "I16": "<i2",
        "U32": "<u4",
        "I32": "<i4",
        "U64": "<u8",
        "I64": "<i8",
        "F16": "<f2",
        "F32": "<f4",
        "F64": "<f8",
        "C64": "<c8",
        "BF16": ml_dtypes.bfloat16,
        "F8_E4M3": ml_dtypes.float8_e4m3fn,
        "F8_E5M2": ml_dtypes.float8_e5m2,
        "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
        "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
        "F8_E8M0": ml_dtypes.float8_e8m0fnu,
    }.items()
} | {"F4": (None, 4), "F6_E2M3": (None, 6), "F6_E3M2": (None, 6)}

#: The longest header the format allows, in bytes.
LONGEST_HEADER = 100_000_000


def read_safetensors(path: Path) -> tuple[Tensor, ...]:
    """List the tensors of one file, in depth order; their bytes stay on disk until they are loaded.

    Raises:
        BadInput: if the header is broken, or does not account for every byte of the file exactly once.
    """
    entries, start = header(path)
    check_offsets(path, entries, path.stat().st_size - start)
    in_file = sorted(entries, key=lambda name: entries[name]["data_offsets"])
    return tuple(
        tensor(path, name, entries[name], start)
        for name in by_depth(in_file, [entries[name]["dtype"] for name in in_file])
    )


def header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Read and check the header: one entry per tensor, and where in the file their bytes start."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LONGEST_HEADER):
            raise broken(path, f"its header should take {length} bytes but the file has {size}")
        text = file.read(length)
    try:
        entries = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # includes JSON and UTF-8 errors
        raise broken(path, f"its header is not valid ({str(error)[:120]})") from None
    if not isinstance(entries, dict):
        raise broken(path, "its header is not a JSON object")
    entries.pop("__metadata__", None)
    for name, entry in entries.items():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise broken(path, f"the name {quoted(name)} is not valid Unicode") from None
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise broken(path, f"the entry of {quoted(name)} must have dtype, shape and data_offsets")
        if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
            raise broken(path, f"{quoted(name)} has the unknown type {quoted(str(entry['dtype']))}")
        if not _sizes(entry["shape"]) or not _sizes(entry["data_offsets"]) or len(entry["data_offsets"]) != 2:
            raise broken(path, f"{quoted(name)} has an impossible shape or offsets")
    return entries, 8 + length


def check_offsets(path: Path, entries: dict[str, dict[str, Any]], size: int) -> None:
    """Check that the tensors fill the `size` bytes of data one after the other, each as its shape says."""
    position, before = 0, ""
    for name in sorted(entries, key=lambda name: entries[name]["data_offsets"]):
        begin, end = entries[name]["data_offsets"]
        if begin != position:
            what = "overlaps" if begin < position else "leaves a hole after"
            raise broken(path, f"{quoted(name)} (bytes {begin} to {end}) {what} {quoted(before)}")
        bits = prod(entries[name]["shape"]) * DTYPES[entries[name]["dtype"]][1]
        if bits % 8 or end - begin != bits // 8:
            shape = " x ".join(map(str, entries[name]["shape"])) or "one number"
            raise broken(
                path,
                f"{quoted(name)} ({shape}, {entries[name]['dtype']}) needs {bits / 8:.0f} bytes "
                f"but has {end - begin}",
            )
        position, before = end, name
    if position != size:
        raise broken(path, f"its tensors take {position} bytes but the file holds {size} bytes of data")


def tensor(path: Path, name: str, entry: dict[str, Any], start: int) -> Tensor:
    """Describe one tensor; loading it maps its bytes and nothing else."""
    dtype, shape = DTYPES[entry["dtype"]][0], tuple(entry["shape"])
    if dtype is None:
        reason = f"{entry['dtype']}: types of less than a byte are not read"
        return Tensor(name, shape, entry["dtype"].lower(), partial(_unreadable, reason), skipped=reason)
    return Tensor(
        name, shape, dtype.name, partial(load, path, dtype, shape, start + entry["data_offsets"][0])
    )


def load(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> Array:
    """Map one array, read-only; the mapping goes when the array does."""
    if prod(shape) == 0:
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape))


def broken(path: Path, why: str) -> BadInput:
    """Say in one line that a file is damaged, and what to do."""
    return BadInput(
        f"{path} is not a complete safetensors file: {why}; fetch it again and compare its checksum"
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{quoted(twice)} occurs twice")
    return entries


def _sizes(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _unreadable(reason: str) -> Array:
    raise BadInput(reason)
