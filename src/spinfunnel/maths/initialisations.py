"""How layers are initialised, and tests of whether an array still is at its initialisation.

Three traces are left. *Bits*: a generator makes k / 2^24 or k / 2^23, and an affine map of that grid is
coarser than float32 is near zero; any later change of an entry leaves the grid. The same holds for the angles
of a Box-Muller pair. *Bound and shape*: the law of the entries, with a scale that follows from the layer's
size. *Independence*: rows, columns and eigenvalues are those of noise. Only the first proves anything.

The grids were measured on PyTorch 2.13 on CPUs (with and without fused multiply-add) and JAX 0.10; other
generators may have others, so that the absence of a grid proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import gammaincc, kolmogorov, ndtr

from spinfunnel.core import Array

Law = Literal["uniform", "normal", "truncated normal"]

#: Standard deviation of a normal variable cut at two of its own standard deviations.
CUT = 0.8796256610342398

#: Share of float32 entries that fall on the grid of `lattice_share` by accident, about (ulp over spacing).
ACCIDENT = 0.1

#: Coherence of the angles below 1/2 that PyTorch's own float32 arithmetic leaves: .954 to .962, measured.
FULL_COHERENCE = 0.957


@dataclass(frozen=True)
class Initialisation:
    """A law of independent entries: `scale` is the bound of a uniform law, else the entries' own sd.

    >>> print(Initialisation("Kaiming uniform", "uniform", 0.125, fan=384))
    Kaiming uniform, fan 384
    """

    name: str
    law: Law
    scale: float
    fan: float | None = None

    def __str__(self) -> str:
        return self.name if self.fan is None else f"{self.name}, fan {self.fan:g}"

    @property
    def bound(self) -> float:
        """The largest |w| there can be."""
        return {"uniform": 1.0, "normal": math.inf, "truncated normal": 2 / CUT}[self.law] * self.scale

    def cdf(self, w: Array) -> Array:
        """Give P(entry <= w) for w inside the bound, shape of w."""
        if self.law == "uniform":
            return (w / self.scale + 1) / 2
        if self.law == "normal":
            return ndtr(w / self.scale)
        return (ndtr(w * CUT / self.scale) - ndtr(-2.0)) / (ndtr(2.0) - ndtr(-2.0))


def fans(tensor_shape: tuple[int, ...], shape: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Give what the layer may have counted as its fan in or fan out, and the possible sums of the two.

    Both layouts are read: (out, in, kernel...) and (kernel..., in, out). Where the matrix of this `shape`,
    (out, in), is only a part of the tensor (a gate of a recurrent layer), its own sides are fans too.

    >>> fans((16, 3, 5, 5), (16, 75)), fans((400, 64), (100, 64))
    (([75, 400, 240], [475, 480]), ([64, 400, 100], [464, 164]))
    """
    kernel_last, kernel_first = math.prod(tensor_shape[2:]), math.prod(tensor_shape[:-2])
    pairs = [
        (tensor_shape[1] * kernel_last, tensor_shape[0] * kernel_last),
        (tensor_shape[-2] * kernel_first, tensor_shape[-1] * kernel_first),
    ]
    if math.prod(shape) != math.prod(tensor_shape):
        pairs.append((shape[1], shape[0]))
    single = dict.fromkeys(fan for pair in pairs for fan in pair)
    return list(single), list(dict.fromkeys(sum(pair) for pair in pairs))


def initialisations(tensor_shape: tuple[int, ...], shape: tuple[int, int]) -> tuple[Initialisation, ...]:
    """List the common initialisations of a layer, the most common ones first; shapes as for `fans`.

    PyTorch's default for Linear and Conv (Kaiming uniform with a = sqrt 5) is U(+-1/sqrt fan in), for its
    recurrent layers U(+-1/sqrt hidden). Sources: Glorot & Bengio, AISTATS 2010, eq. 16 (Xavier); He et al.,
    ICCV 2015, eq. 10 (Kaiming); LeCun et al., Efficient BackProp (1998), eq. 16; the normal laws of sd .02
    are those of BERT and GPT.

    >>> [str(init) for init in initialisations((64, 64), (64, 64))][:3]
    ['PyTorch default, fan 64', 'Xavier uniform, fan 64', 'Kaiming uniform, fan 64']
    """
    found: dict[tuple[Law, float], Initialisation] = {}
    for init in _listed(*fans(tensor_shape, shape)):
        found.setdefault((init.law, round(math.log(init.scale), 9)), init)
    return tuple(found.values())


def _listed(single: Sequence[float], sums: Sequence[float]) -> Iterator[Initialisation]:
    mean = [total / 2 for total in sums]
    uniform: list[tuple[str, float, Sequence[float]]] = [
        ("PyTorch default", 1 / 3, single),
        ("Xavier uniform", 1.0, mean),
        ("Kaiming uniform", 2.0, single),
        ("LeCun uniform", 1.0, single),
        ("Xavier uniform for tanh", 25 / 9, mean),
        ("Xavier uniform for ReLU", 2.0, mean),
    ]
    for name, power, chosen in uniform:
        for fan in chosen:
            yield Initialisation(name, "uniform", math.sqrt(3 * power / fan), fan)
    for bound in (0.1, 0.08, 0.05, 1.0):
        yield Initialisation(f"U(±{bound:g})", "uniform", bound)
    for sd in (0.02, 1.0, 0.01):
        yield Initialisation(f"N(0, {sd:g})", "normal", sd)
    yield Initialisation("N(0, 0.02) cut at 2 sd", "truncated normal", 0.02 * CUT)
    laws: tuple[Law, Law] = ("normal", "truncated normal")
    for law in laws:
        for name, power, chosen in (("Xavier", 1.0, mean), ("Kaiming", 2.0, single), ("LeCun", 1.0, single)):
            for fan in chosen:
                yield Initialisation(f"{name} {law}", law, math.sqrt(power / fan), fan)


# Bits.


def lattice_share(w: Array, bound: float) -> tuple[float, int]:
    """Give the share of small entries that are, bit for bit, a uniform generator's; and their number.

    w float32, any shape; tested are |w| < bound / 4, where float32 is at least 8 times finer than the grid,
    if they use more bits than float16 and bfloat16 have (what passed through these can fall on a grid without
    having been made there, and so can multiples of one step: see `is_rounded`). Of three arithmetics for
    u = k / 2^24 the best is taken: u 2b - b rounded once (PyTorch with fused multiply-add, JAX between
    limits), rounded twice (PyTorch without), (2u - 1) b with u = k / 2^23 (JAX's scaled initialisers).
    Trained entries reach about `ACCIDENT`. NaN if there is nothing to test.

    >>> b, u = np.float32(0.1), np.random.default_rng(0).integers(0, 2**24, 10_000) / 2**24
    >>> w = (u * (2 * float(b)) - float(b)).astype(np.float32)
    >>> lattice_share(w, 0.1)[0], lattice_share(w * np.float32(1.00001), 0.1)[0] < 0.15
    (1.0, True)
    """
    b = np.float32(bound)
    small = w[np.abs(w) < b / np.float32(4)]
    small = small[(small.view(np.uint32) & 0x1FFF) != 0]
    if not small.size:
        return math.nan, 0
    wide, width = small.astype(np.float64), 2 * float(b)
    k = np.rint((wide + float(b)) / width * 2.0**24)
    once = (k / 2.0**24 * width - float(b)).astype(np.float32) == small
    # above b the product is so coarse that its rounding may hide which neighbour of k it was
    products = [((k + off) / 2.0**24 * width).astype(np.float32) - b == small for off in (-1, 0, 1)]
    scaled = (np.rint(wide / float(b) * 2.0**22) / 2.0**22 * float(b)).astype(np.float32) == small
    hits = (once, products[0] | products[1] | products[2], scaled)
    return max(float(np.mean(hit)) for hit in hits), int(small.size)


def is_rounded(w: Array) -> bool:
    """Tell whether one in ten non-zero entries of a sample (at most some 10^4) repeats another.

    They were rounded to few levels, then: a whole ladder of levels can meet a grid by one coincidence.

    >>> w = np.random.default_rng(0).normal(size=1000)
    >>> is_rounded(w), is_rounded(np.round(w, 2))
    (False, True)
    """
    alive = w[w != 0]
    return bool(np.unique(alive).size < 0.9 * alive.size)


def box_muller_coherence(w: Array) -> tuple[float, int]:
    """Give how well the angles of a normal generator's pairs keep to its grid, and how many were tested.

    PyTorch fills blocks of 16 in memory order: w[j] = r cos(2 pi u), w[j + 8] = r sin(2 pi u), u = k / 2^24.
    The angle knows nothing of sd, so this survives one multiplication by a constant, and nothing else. The
    mean of cos(2^24 angle) over angles below 1/2 is 0 +- 1/sqrt(2 pairs) for any smooth law, `FULL_COHERENCE`
    for untouched float32. w: a matrix, or flat, in memory order; NaN without pairs.

    >>> u, r = np.random.default_rng(0).integers(0, 2**24, (2, 500, 8)).astype(np.float32) / np.float32(2**24)
    >>> angle = np.float32(2 * np.pi) * u
    >>> w = np.stack([(1 + r) * np.cos(angle), (1 + r) * np.sin(angle)], axis=1).reshape(-1)
    >>> box_muller_coherence(w)[0] > 0.9, box_muller_coherence(w + np.float32(1e-5))[0] < 0.3
    (True, True)
    """
    if w.flags.c_contiguous:
        w = w.reshape(1, -1)
    blocks = w[:, : w.shape[1] // 16 * 16].reshape(-1, 2, 8)
    x, y = blocks[:, 0], blocks[:, 1]
    chosen = (x > 0) & (y > 0) & (y < x * np.float32(math.tan(0.5)))
    if not chosen.any():
        return math.nan, 0
    angle = np.arctan2(y[chosen].astype(np.float64), x[chosen].astype(np.float64))
    return float(np.cos(2.0**24 * angle).mean()), int(angle.size)


# Bound and shape.


@dataclass(frozen=True)
class Entries:
    """The entries of a layer as independent draws: n non-zero ones, their moments, and a sample of them.

    `resolution` is the relative spacing of the type they are stored in.
    """

    n: int
    largest: float
    mean: float
    sd: float
    sample: Array
    resolution: float = 0.0


def match_p_value(entries: Entries, init: Initialisation) -> float:
    """Give the p-value of "these entries are draws from that initialisation".

    Four tests, with Bonferroni. The largest of n lies below m with probability P(|w| < m)^n, which for a
    uniform law finds its bound to 1/n. Scale and mean: normal, with the law's own kurtosis. Shape:
    Kolmogorov-Smirnov on the sample.
    A maximum may lie beyond the bound by as much as its rounding.

    >>> w = np.random.default_rng(0).uniform(-0.1, 0.1, 5000)
    >>> seen = Entries(w.size, float(abs(w).max()), w.mean(), w.std(), w)
    >>> match_p_value(seen, Initialisation("a", "uniform", 0.1)) > 0.01
    True
    >>> match_p_value(seen, Initialisation("b", "uniform", 0.102)) < 1e-10
    True
    """
    largest, rounding = entries.largest, 1 + entries.resolution + 1e-6
    if largest > init.bound * rounding:
        return 0.0
    off_scale = (entries.sd / _sd(init) - 1) * math.sqrt(4 * entries.n / (_kurtosis(init.law) - 1))
    off_mean = entries.mean / _sd(init) * math.sqrt(entries.n)
    tests = [2 * float(ndtr(-abs(off))) for off in (off_scale, off_mean)]
    reach = np.array([-1, 1]) * min(largest * rounding, init.bound)
    below = float(np.diff(init.cdf(reach))[0]) ** entries.n
    tests.append(below if math.isfinite(init.bound) else 2 * min(below, 1 - below))
    if min(tests) * 4 < 1e-6:
        return 0.0
    tests.append(_kolmogorov(init.cdf(np.clip(entries.sample, -init.bound, init.bound))))
    return min(1.0, len(tests) * min(tests))


def scaled_uniform_p_value(entries: Entries) -> float:
    """Give the p-value of "uniform with some bound": what an initialisation that only decayed looks like.

    Scale-free: n times the relative gap between the largest and the k-th largest |w| follows a gamma law of
    shape k - 1 (training spreads the few largest entries long before it shows elsewhere); and the sample's
    Kolmogorov-Smirnov distance with the bound at its largest.

    >>> w = np.random.default_rng(0).uniform(-0.3, 0.3, 5000)
    >>> p = [scaled_uniform_p_value(Entries(v.size, float(abs(v).max()), 0, v.std(), v)) for v in (w, w**3)]
    >>> p[0] > 0.01, p[1] < 1e-6
    (True, True)
    """
    size = np.sort(np.abs(entries.sample))
    n, k = len(size), min(20, len(size) // 10)
    gap = n * (1 - float(size[-k]) / float(size[-1]))
    tests = [float(gammaincc(k - 1, gap)), _kolmogorov((entries.sample / float(size[-1]) + 1) / 2)]
    return min(1.0, 2 * min(tests))


def _sd(init: Initialisation) -> float:
    return init.scale / math.sqrt(3) if init.law == "uniform" else init.scale


def _kurtosis(law: Law) -> float:
    return {"uniform": 1.8, "normal": 3.0, "truncated normal": 2.3655}[law]


def _kolmogorov(probabilities: Array) -> float:
    """p-value of the Kolmogorov-Smirnov test of probabilities (n,) against the uniform law."""
    u = np.sort(probabilities)
    steps = np.arange(len(u) + 1) / len(u)
    distance = max((u - steps[:-1]).max(), (steps[1:] - u).max())
    return float(kolmogorov(math.sqrt(len(u)) * distance))


# Independence.


def equal_norms_p_value(norms: Array, length: int, kurtosis: float) -> float:
    """Give the p-value of "these vectors of `length` independent entries have equal variances".

    Dispersion of the squared norms (k,), as a gamma law with the moments it has for Gaussian entries: mean
    k - 1, variance 2 (k - 1) + 12 k / length. One-sided: only vectors more unequal than noise are seen.

    >>> norms = np.linalg.norm(np.random.default_rng(0).normal(size=(50, 40)), axis=1)
    >>> uneven = norms * np.linspace(1, 2, 50)
    >>> equal_norms_p_value(norms, 40, 3.0) > 0.01, equal_norms_p_value(uneven, 40, 3.0) < 1e-9
    (True, True)
    """
    squares = np.square(norms)
    k, mean = len(squares), float(squares.mean())
    if k < 2 or not mean > 0 or not kurtosis > 1:
        return math.nan
    expected = mean**2 * (kurtosis - 1) / length
    statistic = float(np.square(squares - mean).sum()) / expected
    spread = (2 * (k - 1) + 12 * k / length) / (k - 1)  # variance over mean
    return float(gammaincc((k - 1) / spread, statistic / spread))
