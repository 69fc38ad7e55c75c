"""Our side of the comparisons, and LAPACK alone. Arguments: a safetensors file, an npz of spectra."""

import sys
from functools import partial

import numpy as np
from safetensors.numpy import load_file
from serve import serve

from spinfunnel import diagnose
from spinfunnel.maths.heavy_tails import fit_power_law


def gram_eigenvalues(arrays):
    """What any account of a spectrum has to do at least: float64 Gram matrices and their eigenvalues."""
    for array in arrays:
        wide = np.asarray(array if array.shape[0] <= array.shape[1] else array.T, dtype=np.float64)
        np.linalg.eigvalsh(wide @ wide.T)


if __name__ == "__main__":
    tensors, spectra = load_file(sys.argv[1]), np.load(sys.argv[2])
    diagnose(
        {"warm.weight": np.random.default_rng(0).normal(size=(64, 96))}
    )  # what is imported when first used
    matrices = [array for array in tensors.values() if array.ndim == 2 and min(array.shape) >= 8]
    serve(
        {
            "diagnose": partial(diagnose, tensors, jobs=1),
            "lapack": partial(gram_eigenvalues, matrices),
            **{name: partial(fit_power_law, spectra[name]) for name in spectra},
        }
    )
