"""One door for all sources: what a file is gets decided by its first bytes, not by its name."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from spinfunnel.core import BadInput, UnsafeFile
from spinfunnel.readers.tensors import Tensor, Weights, quoted

READ = ".safetensors, .pt, .pth, .bin, .ckpt, .tar (PyTorch), .npz, .npy, a Hugging Face folder"

#: Formats that are known but not read yet, and where to take their arrays from.
NOT_YET = {
    ".onnx": "onnx: {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}",
    ".gguf": "gguf: {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}",
    ".h5": "h5py or Keras: {w.path: w.numpy() for w in model.weights}",
    ".hdf5": "h5py or Keras: {w.path: w.numpy() for w in model.weights}",
    ".keras": "Keras: {w.path: w.numpy() for w in model.weights}",
    ".tflite": "TensorFlow Lite: the interpreter's tensors by name",
    ".pb": "TensorFlow: {v.name: v.numpy() for v in model.variables}",
    ".msgpack": "flax: flax.traverse_util.flatten_dict(msgpack_restore(data), sep='.')",
    ".pt2": "torch.export.load(path).state_dict, but only where you trust the file, for that runs code in it",
}

TORCH_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".tar"}
PICKLE_SUFFIXES = {".pkl", ".pickle", ".joblib", ".dill"}


def read(source: object) -> Weights:
    """List the named tensors of a weight file, a folder, a `torch.nn.Module` or a dictionary of arrays.

    Nothing is loaded (`Tensor.load` does that) and nothing stored in a file is executed, ever.

    Args:
        source: a path (str or Path) to a file or a Hugging Face folder; a module; name -> array.

    Raises:
        BadInput: if there is no such file, or it is broken, or its format is not read.
        UnsafeFile: if it could be read only by executing code stored in it.

    >>> import numpy as np
    >>> weights = read({"fc": {"weight": np.eye(3), "bias": np.zeros(3)}})
    >>> [(t.name, t.shape) for t in weights.tensors], weights.parameters
    ([('fc.weight', (3, 3)), ('fc.bias', (3,))], 12)
    """
    torch = sys.modules.get("torch")  # nobody can hold a module without having imported it
    if isinstance(source, str | os.PathLike):
        weights = _read_path(source)
    elif isinstance(source, Mapping):
        from spinfunnel.readers.mapping import read_mapping

        weights = Weights(type(source).__name__, "dictionary of arrays", read_mapping(source))
    elif torch is not None and isinstance(source, torch.nn.Module):
        from spinfunnel.readers.checkpoint import read_module

        weights = read_module(source)
    else:
        raise BadInput(
            f"weights cannot be read from a {type(source).__name__}; "
            "give a path, a torch.nn.Module or a dictionary of arrays"
        )
    if not weights.tensors:
        raise BadInput(f"{weights.source} holds no tensors; give a file that holds a model's weights")
    return weights


def _read_path(source: str | os.PathLike[str]) -> Weights:
    if not os.fspath(source):
        raise BadInput("the path is empty; give a weight file or a folder that holds one")
    path = Path(source)
    try:
        path = path.expanduser()
        if path.is_dir():
            from spinfunnel.readers.folder import read_folder

            return read_folder(path)
        if not path.exists():
            raise BadInput(f"{path}: no such file; give a weight file or a folder that holds one")
        if not path.is_file():
            raise BadInput(f"{path} is not a regular file")
        if path.name.endswith(".index.json"):
            from spinfunnel.readers.folder import read_index

            return read_index(path)
        from spinfunnel.readers.folder import hints_beside

        word, tensors, notes = read_file(path)
        hints = hints_beside(path)
        return Weights(str(path), word, tensors, str(path.absolute()), (str(path),), hints, notes)
    except (OSError, RuntimeError) as error:  # pathlib raises the latter: a loop of links, an unknown ~user
        why = error.strerror if isinstance(error, OSError) else None
        raise BadInput(f"{path} cannot be read: {why or error}") from None


def read_file(path: Path) -> tuple[str, tuple[Tensor, ...], tuple[str, ...]]:
    """Read one weight file: its format in a word or two, its tensors, and notes.

    Raises:
        BadInput: if it is broken or its format is not read.
        UnsafeFile: if reading it would execute code.
    """
    word = sniff(path)
    if word == "safetensors":
        from spinfunnel.readers.safetensors import read_safetensors

        return word, read_safetensors(path), ()
    if word in ("npz", "npy"):
        from spinfunnel.readers.npz import read_npy, read_npz

        return word, read_npz(path) if word == "npz" else read_npy(path), ()
    from spinfunnel.readers.checkpoint import read_checkpoint

    return "PyTorch checkpoint", *read_checkpoint(path)


def sniff(path: Path) -> str:
    """Tell what a file is: "safetensors", "npz", "npy" or "torch".

    Raises:
        BadInput: if it is empty, broken, or of a format that is not read; the message says what to do.
        UnsafeFile: if it is a plain pickle or TorchScript.
    """
    with path.open("rb") as file:
        start = file.read(512)
    suffix = path.suffix.lower()
    if not start:
        raise BadInput(f"{path} is empty (0 bytes); fetch or save it again")
    if start.startswith(b"version https://git-lfs"):
        raise BadInput(f"{path} is a pointer to Git LFS, not the weights; run `git lfs pull` and try again")
    if start.startswith(b"PK"):
        return _sniff_zip(path)
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    later = {b"GGUF": ".gguf", b"\x89HDF\r\n\x1a\n": ".h5"}
    found = next((name for magic, name in later.items() if start.startswith(magic)), suffix)
    found = ".tflite" if start[4:8] == b"TFL3" else found
    if found in NOT_YET:
        raise _not_yet(path, found)
    if suffix in PICKLE_SUFFIXES:
        raise UnsafeFile(
            f"{path} is a pickle: opening it would execute code stored in it, so it was refused and nothing "
            "was executed; where you trust it, load it yourself and save its arrays with numpy.savez"
        )
    # Length of a JSON header, then the header itself; a broken one is safetensors by its name.
    if suffix == ".safetensors" or (start[8:9] == b"{" and start[6:8] == b"\0\0"):
        return "safetensors"
    if suffix in TORCH_SUFFIXES:
        return "torch"
    if suffix == ".npz":
        raise BadInput(f"{path} is not a zip archive, as .npz files are; fetch or save it again")
    raise BadInput(f"{path}: unknown format (it starts with {start[:8]!r}); these are read: {READ}")


def _sniff_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise BadInput(f"{path} is a broken zip archive (truncated?); fetch or save it again") from None
    inside = {name.rsplit("/", 1)[-1] for name in names}
    if "constants.pkl" in inside:
        raise UnsafeFile(
            f"{path} is TorchScript: it holds a program beside its weights, so it was refused and nothing "
            "was executed; where you trust it, save torch.jit.load(path).state_dict() with "
            "safetensors.torch.save_file"
        )
    if "archive_format" in inside or path.suffix.lower() == ".pt2":
        raise _not_yet(path, ".pt2")
    if "data.pkl" in inside:
        return "torch"
    if "model.weights.h5" in inside:
        raise _not_yet(path, ".keras")
    if all(name.endswith(".npy") for name in names):
        return "npz"
    listed = ", ".join(quoted(name, 40) for name in names[:3])
    raise BadInput(
        f"{path} is a zip archive without weights we know (it holds {listed}); these are read: {READ}"
    )


def _not_yet(path: Path, suffix: str) -> BadInput:
    return BadInput(
        f"{path}: {suffix} is not read yet; take its arrays with {NOT_YET[suffix]}, save with numpy.savez"
    )
