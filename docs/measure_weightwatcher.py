"""What WeightWatcher and we say of the same arrays, where we differ.

    /path/to/its/own/environment/bin/python docs/measure_weightwatcher.py    # writes docs/weightwatcher.json

Its side is recorded there, measured with the version that is named in it, by its own functions. Our side is
measured whenever the documentation is generated (`differences`). Both make their arrays from the same seeds.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

RECORD = Path(__file__).parent / "weightwatcher.json"
DRAWS = 60


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def noise(size: int) -> list[np.ndarray]:
    """Untrained matrices: Gaussian entries."""
    generator = rng()
    return [generator.normal(size=(size, size)).astype(np.float32) for _ in range(DRAWS)]


def spiked(rows: int, columns: int) -> np.ndarray:
    """Noise and five planted directions, 1.5 times as strong as the weakest that can be seen."""
    generator = rng()
    left = np.linalg.qr(generator.normal(size=(rows, 5)))[0]
    right = np.linalg.qr(generator.normal(size=(columns, 5)))[0]
    strength = 1.5 * (rows * columns) ** 0.25
    made: np.ndarray = generator.normal(size=(rows, columns)) + strength * left @ right.T
    return made.astype(np.float32)


def convolution(*shape: int) -> np.ndarray:
    return rng().normal(scale=0.05, size=shape).astype(np.float32)


def shifted() -> np.ndarray:
    """Noise whose entries have a mean: one eigenvalue, and nothing learned."""
    return rng().normal(0.5, 1.0, size=(128, 128)).astype(np.float32)


def tiny() -> np.ndarray:
    """The first noise matrix of 128 x 128 in other units."""
    return noise(128)[0] * np.float32(1e-4)


def broken() -> dict[str, np.ndarray]:
    """Two layers, one of them with a single NaN."""
    good, bad = noise(64)[:2]
    bad = bad.copy()
    bad[3, 3] = np.nan
    return {"first.weight": good, "second.weight": bad}


def total(array: np.ndarray) -> float:
    """Add up the squared entries."""
    return float(np.square(array, dtype=np.float64).sum())


def say(labels: list[str]) -> str:
    """Count labels in words."""
    return ", ".join(f"{count} {label}" for label, count in Counter(labels).most_common())


def differences() -> dict[str, tuple[str, str]]:
    """Give what was tried, and what we say of it now, by key."""
    import spinfunnel as sf

    def rows(source: Any) -> list[dict[str, Any]]:
        return sf.spectrum(source).tables["layers"].rows()  # type: ignore[no-any-return]

    def label(source: Any) -> str:
        return str(rows(source)[0]["label"])

    square, wide = rows(spiked(500, 512))[0], rows(spiked(384, 1536))[0]
    conv, even = convolution(32, 16, 3, 3), convolution(32, 64, 4, 4)
    unfolded, four = rows({"conv.weight": conv})[0], rows({"conv.weight": even})[0]
    table = noise(64)[0]
    tied = sf.subject_of({"embedding.weight": table, "head.weight": table})
    units = [rows(w)[0]["alpha"] for w in (tiny(), noise(128)[0])]
    recurrent = rows({"weight_ih_l0": convolution(256, 64), "weight_hh_l0": convolution(256, 64)})
    line = convolution(64, 32, 16)
    found = rows({"conv.weight": line})[0]
    return {
        "noise 64": (f"{DRAWS} untrained matrices, 64 x 64", say([label(w) for w in noise(64)])),
        "noise 384": (f"{DRAWS} untrained matrices, 384 x 384", say([label(w) for w in noise(384)])),
        "mean": (
            "noise with a mean of half its width, 128 x 128",
            f"{label(shifted())}: {rows(shifted())[0]['reason']}",
        ),
        "orthogonal": ("an orthogonal matrix, 128 x 128", label(np.linalg.qr(noise(128)[0])[0])),
        "units": ("one noise matrix, and 10⁻⁴ times it", f"α = {units[1]:.2f} and {units[0]:.2f}"),
        "spikes square": ("5 directions planted in noise, 500 x 512", f"{square['above_edge']:.0f} spikes"),
        "spikes wide": ("5 directions planted in noise, 384 x 1536", f"{wide['above_edge']:.0f} spikes"),
        "conv norm": (
            f"a 3 x 3 convolution, squared entries {total(conv):.3f}",
            f"squared norm {unfolded['frobenius_norm'] ** 2:.3f}",
        ),
        "conv even": (
            "a 4 x 4 convolution, 64 to 32 channels",
            f"one matrix, M = {four['M']}, N = {four['N']} (or 16 of 32 x 64 with `--slices`)",
        ),
        "conv1d": (
            f"a one-dimensional convolution, kernel 16, squared entries {total(line):.2f}",
            f"one matrix, {found['M']} x {found['N']}, squared norm {found['frobenius_norm'] ** 2:.2f}",
        ),
        "conv1d short": (
            "the same, kernel 3",
            f"analysed: {len(rows({'conv.weight': convolution(64, 32, 3)}))} matrix",
        ),
        "lstm": ("an LSTM, 64 to 64", f"{len(recurrent)} matrices, one for each gate"),
        "tied": (
            "an embedding that is also the output layer",
            f"{len(tied.parts)} row, the other named as tied",
        ),
        "nan": ("two layers, one NaN in the second", say([str(row["label"]) for row in rows(broken())])),
        "file": ("the path of a .safetensors file", "read, as are folders, modules and mappings"),
        "import": ("importing it", "changes nothing global"),
    }


def theirs() -> dict[str, str]:
    """Give what WeightWatcher says, by the same keys. Runs where it is installed."""
    import logging
    import warnings

    before = len(logging.getLogger().handlers)
    import torch
    import weightwatcher

    effects = []
    if warnings.filters[0][:3] == ("ignore", None, Warning):
        effects.append("silences all warnings of the process")
    if len(logging.getLogger().handlers) > before:
        effects.append("adds a handler to the root logger")
    logging.disable(logging.CRITICAL)

    def network(*arrays: np.ndarray) -> Any:
        layers = []
        for array in arrays:
            kind = {2: torch.nn.Linear, 3: torch.nn.Conv1d, 4: torch.nn.Conv2d}[array.ndim]
            layer = kind(array.shape[1], array.shape[0], *array.shape[2:][:1], bias=False)
            layer.weight.data = torch.from_numpy(array)
            layers.append(layer)
        return torch.nn.Sequential(*layers)

    def analyse(model: Any, **options: Any) -> Any:
        try:
            return weightwatcher.WeightWatcher(model=model).analyze(**options)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def word(row: Any) -> str:
        return str(row.warning) or "no warning"

    def words(matrices: list[np.ndarray]) -> str:
        return say([word(row) for row in analyse(network(*matrices)).itertuples()])

    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(64, 64)
            self.head = torch.nn.Linear(64, 64, bias=False)
            self.head.weight = self.embedding.weight

    def first(array: np.ndarray, **options: Any) -> Any:
        return next(analyse(network(array), **options).itertuples())

    lone = noise(64)[0]  # a layer that is analysed, because a model without one is an error
    units = [first(w) for w in (noise(128)[0], tiny())]
    mean, orthogonal = first(shifted()), first(np.linalg.qr(noise(128)[0])[0])
    square, wide = first(spiked(500, 512), mp_fit=True), first(spiked(384, 1536), mp_fit=True)
    even, line = first(convolution(32, 64, 4, 4)), first(convolution(64, 32, 16))
    short = analyse(network(convolution(64, 32, 3), lone))
    lstm = analyse(torch.nn.ModuleDict({"lstm": torch.nn.LSTM(64, 64), "head": network(lone)}))
    from safetensors.torch import save_file

    path = Path(RECORD.parent, "single.safetensors")
    save_file({"a.weight": torch.from_numpy(lone)}, path)
    single = analyse(str(path))
    path.unlink()
    return {
        "noise 64": words(noise(64)),
        "noise 384": words(noise(384)),
        "mean": f"{word(mean)} (α = {mean.alpha:.2f})",
        "orthogonal": f"{word(orthogonal)} (α = {orthogonal.alpha:.1e})",
        "units": f"α = {units[0].alpha:.2f} and {units[1].alpha:.0f} ({units[1].status}, {word(units[1])})",
        "spikes square": f"{square.num_spikes} spikes (noise level {square.sigma_mp:.2f} instead of 1)",
        "spikes wide": f"{wide.num_spikes} spikes (noise level {wide.sigma_mp:.2f})",
        "conv norm": f"squared norm {first(convolution(32, 16, 3, 3)).norm:.3f}",
        "conv even": f"one pooled spectrum, M = {even.M}, N = {even.N}, Q = {even.Q:g}",
        "conv1d": f"M = {line.M}, N = {line.N}, squared norm {line.norm:.2f}",
        "conv1d short": f"not in its table ({len(short)} row: the other layer)",
        "lstm": f"not in its table ({len(lstm)} row: the other layer)",
        "tied": f"{len(analyse(Tied()))} rows",
        "nan": str(analyse(network(*broken().values()))),
        "file": str(single),
        "import": ", ".join(effects),
    }


if __name__ == "__main__":
    from importlib.metadata import version

    document = {
        "version": version("weightwatcher"),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "found": theirs(),
    }
    RECORD.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
