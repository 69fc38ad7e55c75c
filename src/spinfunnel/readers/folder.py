"""Reads a Hugging Face folder: one weight file or several shards, and the few facts of its config we need.

No code of the folder is imported, and no path written in it may lead out of it. Hugging Face's own cache
stores links `models--x/snapshots/<revision>/model.safetensors -> ../../blobs/<hash>`: a link from below
`snapshots` into the `blobs` of the same download is the one way out that is allowed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from spinfunnel.core import BadInput
from spinfunnel.readers.order import by_depth
from spinfunnel.readers.tensors import Tensor, Weights, quoted

#: What is looked for in a folder; the first that is there is read.
LOOKED_FOR = (
    "*.safetensors.index.json",
    "model.safetensors",
    "*-of-*.safetensors",
    "*.safetensors",
    "*.bin.index.json",
    "pytorch_model.bin",
    "*-of-*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.bin",
    "*.npz",
)
SHARD = re.compile(r"(.+)-(\d{3,6})-of-(\d{3,6})(\.\w+)")
WEIGHT_SUFFIXES = {
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".npz",
    ".h5",
    ".onnx",
    ".gguf",
    ".msgpack",
}
#: Training state that lies beside the weights and is not a model.
NOT_A_MODEL = re.compile(r"^(training_args|optimizer|scheduler|scaler|rng_state\w*)\.(bin|pt|pth)$")

#: Facts of `config.json` that layouts depend on, and the keys that families of models give them.
HINTS = {
    "model_type": ("model_type",),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "key_value_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "head_dim": ("head_dim",),
    "multi_query": ("multi_query",),
    "new_decoder_architecture": ("new_decoder_architecture",),
}
LARGEST_JSON = 100_000_000


def read_folder(folder: Path) -> Weights:
    """Find and read the weights of a folder, whole or in shards.

    Raises:
        BadInput: if it holds none (what was looked for is listed), or several that exclude each other, or a
            shard is absent, or a link leaves the folder.
    """
    for pattern in LOOKED_FOR:
        found = sorted(path for path in folder.glob(pattern) if not NOT_A_MODEL.match(path.name))
        if not found:
            continue
        if "-of-" in pattern:
            return _read_files(folder, folder, _whole_set(folder, found))
        if len(found) > 1:
            names = ", ".join(quoted(path.name) for path in found[:5])
            raise BadInput(f"{folder} holds {len(found)} files of weights ({names}); give the path of one")
        if pattern.endswith(".index.json"):
            return read_index(inside(folder, found[0]))
        return _read_files(folder, folder, found)
    below = sorted({path.parent.name for path in folder.glob("*/*") if path.suffix in WEIGHT_SUFFIXES})
    advice = f"; there are some in {', '.join(map(quoted, below[:5]))}" if below else ""
    raise BadInput(f"{folder} holds no weights; looked for {', '.join(LOOKED_FOR)}{advice}")


def read_index(path: Path) -> Weights:
    """Read the shards that an index lists, in its order.

    Raises:
        BadInput: if the index is broken, a shard is absent or lacks a tensor, or a path leaves the folder.
    """
    index = _json(path)
    mapped = index.get("weight_map") if isinstance(index, dict) else None
    if not mapped or not isinstance(mapped, dict) or not all(isinstance(v, str) for v in mapped.values()):
        raise BadInput(f"{path} is not an index of shards: it has no 'weight_map' from names to files")
    names = list(dict.fromkeys(mapped.values()))
    for name in names:
        if name in ("", ".", "..") or re.search(r"[/\\:\0]", name):
            raise BadInput(
                f"{path} names the shard {quoted(name)}, which is not a file of its folder; refused"
            )
    absent = [name for name in names if not (path.parent / name).is_file()]
    if absent:
        listed = ", ".join(map(quoted, absent[:5]))
        raise BadInput(f"{path}: {len(absent)} of {len(names)} shards are absent ({listed}); fetch them too")
    return _read_files(path, path.parent, [path.parent / name for name in names], mapped)


def _read_files(
    source: Path, folder: Path, files: list[Path], mapped: dict[str, str] | None = None
) -> Weights:
    from spinfunnel.readers.source import read_file

    words: set[str] = set()
    notes: list[str] = []
    found: dict[str, Tensor] = {}
    for file in files:
        word, tensors, more = read_file(inside(folder, file))
        words.add(word)
        notes += more
        for tensor in tensors:
            if mapped and mapped.get(tensor.name, file.name) != file.name:
                notes.append(f"a second {quoted(tensor.name)} in {quoted(file.name)} was left out")
            elif tensor.name in found:
                raise BadInput(f"{folder}: {quoted(tensor.name)} is in two shards; fetch the folder again")
            else:
                found[tensor.name] = tensor
    names = list(found)
    if mapped:
        lost = next((name for name in mapped if name not in found), None)
        if lost is not None:
            raise BadInput(
                f"{folder}: {quoted(lost)} is not in {quoted(mapped[lost])}, as the index says; fetch both"
            )
        names = by_depth(list(mapped)) + [name for name in found if name not in mapped]
    left = sorted(
        str(path.relative_to(folder))
        for path in [*folder.glob("*"), *folder.glob("*/*")]
        if path.suffix in WEIGHT_SUFFIXES and path not in files and not NOT_A_MODEL.match(path.name)
    )
    if left:
        notes.append(f"not read: {', '.join(map(quoted, left[:5]))}{', ...' if len(left) > 5 else ''}")
    return Weights(
        str(source),
        " and ".join(sorted(words)) + (f", {len(files)} shards" if len(files) > 1 else ""),
        tuple(found[name] for name in names),
        str(source.absolute()),
        tuple(map(str, files)),
        hints_beside(files[0]),
        tuple(notes),
    )


def _whole_set(folder: Path, found: list[Path]) -> list[Path]:
    """Check that shards without an index are the whole of one set."""
    parts = [match for path in found if (match := SHARD.fullmatch(path.name))]
    sets = {(match[1], match[3], match[4]) for match in parts}
    if len(sets) != 1:
        raise BadInput(f"{folder} holds shards of {len(sets)} different sets; give a folder with one of them")
    ((stem, total, suffix),) = sets
    there = {int(match[2]) for match in parts}
    absent = [number for number in range(1, int(total) + 1) if number not in there]
    if absent:
        first = f"{stem}-{absent[0]:0{len(total)}d}-of-{total}{suffix}"
        raise BadInput(f"{folder}: {len(absent)} of {int(total)} shards are absent ({quoted(first)}, ...)")
    return [path for path in found if SHARD.fullmatch(path.name)]


def inside(folder: Path, file: Path) -> Path:
    """Give back the file, once it is known where it leads.

    Raises:
        BadInput: if it is a link that leaves the folder (and, in a Hugging Face cache, its `blobs`).
    """
    home, target = folder.resolve(), file.resolve()
    blobs = [above.parent / "blobs" for above in home.parents if above.name == "snapshots"]
    if not any(target.is_relative_to(place) for place in (home, *blobs)):
        raise BadInput(
            f"{file} is a link that leaves its folder; if you trust it, give the file itself: {target}"
        )
    return file


def hints_beside(file: Path) -> dict[str, int | str]:
    """Facts from the `config.json` in the same folder; none when there is none, or it is not a model's."""
    config = file.parent / "config.json"
    try:
        facts = _json(inside(file.parent, config)) if config.is_file() else None
    except BadInput:
        return {}
    return hints_of(facts) if isinstance(facts, dict) else {}


def hints_of(config: dict[str, Any]) -> dict[str, int | str]:
    """Pick the facts that layouts depend on out of a model's config.

    >>> hints_of({"model_type": "gpt2", "n_head": 12, "n_embd": 768, "dropout": .1})
    {'model_type': 'gpt2', 'heads': 12, 'hidden_size': 768}
    """
    inner = config.get("text_config")
    config = {**inner, **config} if isinstance(inner, dict) else config
    hints: dict[str, int | str] = {}
    for hint, keys in HINTS.items():
        kind = str if hint == "model_type" else int
        value = next((config[key] for key in keys if isinstance(config.get(key), kind)), None)
        if value is not None:
            hints[hint] = kind(value)
    return hints


def _json(path: Path) -> Any:
    if path.stat().st_size > LARGEST_JSON:
        raise BadInput(f"{path} is too large for a JSON file of its kind ({path.stat().st_size} bytes)")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not valid JSON ({str(error)[:120]}); fetch it again") from None
