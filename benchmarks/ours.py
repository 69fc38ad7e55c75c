"""Our side of the comparisons, and LAPACK alone. Arguments: a safetensors file, an npz of spectra."""

import sys
from functools import partial

import numpy as np
from safetensors.numpy import load_file
from serve import serve

from spinfunnel import diagnose, subject_of
from spinfunnel.maths.heavy_tails import fit_power_law
from spinfunnel.run import look, plan


def gram_eigenvalues(arrays):
    """What any account of a spectrum has to do at least: float64 Gram matrices and their eigenvalues."""
    for array in arrays:
        wide = np.asarray(array if array.shape[0] <= array.shape[1] else array.T, dtype=np.float64)
        np.linalg.eigvalsh(wide @ wide.T)


def look_at_all(subject, names):
    """All instruments on all matrices: without the hash of the data, the account and the report."""
    look(subject, subject.parts, names, 0, "normal")


if __name__ == "__main__":
    tensors, spectra = load_file(sys.argv[1]), np.load(sys.argv[2])
    diagnose(
        {"warm.weight": np.random.default_rng(0).normal(size=(64, 96))}
    )  # what is imported when first used
    matrices = [array for array in tensors.values() if array.ndim == 2 and min(array.shape) >= 8]
    subject = subject_of(tensors)
    names = tuple(one.name for one in plan(subject).instruments)
    serve(
        {
            "diagnose": partial(diagnose, tensors, jobs=1),
            "instruments": partial(look_at_all, subject, names),
            "lapack": partial(gram_eigenvalues, matrices),
            **{name: partial(fit_power_law, spectra[name]) for name in spectra},
        }
    )
