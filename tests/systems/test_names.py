"""Systems by name: every one keeps its promises, and unknown names and parameters are explained."""

import subprocess
import sys

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import MAKERS, SIZES, parameters, system
from spinfunnel.systems.protocols import Pairwise
from spinfunnel.testing import check_system

CASES = [
    ("ising1d", 9),
    ("ising1d?field=-0.4", 9),
    ("ising2d", 4),
    ("ising2d?field=0.3", 2),
    ("ising-triangular", 3),
    ("ising-triangular?coupling=-1.5&field=.2", 4),
    ("ising3d", 4),
    ("mattis", 11),
    ("ea", 4),
    ("ea?dimension=2&law=gauss&field=0.2", 3),
    ("sk", 12),
    ("sk?law=pm", 12),
    ("hopfield", 13),
    ("pspin", 12),
    ("pspin?p=5", 9),
    ("multiscale", 16),
    ("multiscale?bias=1&orders=2,3&levels=2", 12),
    ("rem", 10),
    ("rem-native", 10),
    ("wishart", 12),
    ("wishart?alpha=.3", 40),
    ("tiles2d", 4),
    ("tiles2d?tile=4", 8),
    ("tiles3d", 4),
    ("tiles3d?faces=4", 6),
    ("tiles3d?faces=2", 4),
    ("nishimori?p=.8", 4),
    ("xorsat", 14),
    ("xorsat", 40),
    ("perceptron", 13),
    ("committee", 21),
    ("teacher?alpha=1.5", 15),
    ("spherical-pspin", 30),
    ("spherical-pspin?p=2&eps=.7&degree=3", 12),
    ("spherical-pspin?p=4&eps=2&degree=2", 9),
    ("hp", 24),
    ("hp?sequence=HPPHPH", 6),
    ("go", 16),
    ("heteropolymer?mean=-.5", 18),
    ("designed?strength=.5", 18),
    ("lj", 13),
    ("mueller-brown", 2),
    ("curvy-valley", 2),
    ("double-well", 2),
]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_every_system_keeps_its_promises(name, size):
    check_system(system(f"system:{name}", size=size, seed=5))


def test_no_system_is_forgotten():
    assert {name.partition("?")[0] for name, _ in CASES} == set(MAKERS)
    assert set(SIZES) <= set(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_there_is_a_default_size_and_the_convention_is_stated(name):
    made = system(name)
    assert made.name == name
    assert made.size >= 2
    assert "\n" not in made.convention
    assert MAKERS[name].__doc__


@pytest.mark.parametrize("name", ["ea", "sk", "hopfield", "wishart", "tiles2d", "nishimori", "mattis"])
def test_one_seed_gives_one_system_and_another_another(name):
    first, again, other = (system(name, size=8, seed=seed) for seed in (1, 1, 2))
    assert isinstance(first, Pairwise)
    assert (first.couplings == again.couplings).all()
    assert first.couplings.shape != other.couplings.shape or (first.couplings != other.couplings).any()


def test_the_size_is_the_side_of_a_lattice():
    assert [system(name, size=4).size for name in ("ising1d", "ising2d", "ising3d", "sk")] == [4, 16, 64, 4]
    assert system("ea?dimension=4", size=3).size == 81


def test_a_size_may_stand_behind_the_name():
    assert system("lj38").shape == (38, 3)
    assert system("system:ea4?dimension=2").size == system("ea4?dimension=2", size=4).size == 16


def test_parameters_are_read_by_kind():
    assert parameters("ea") == {"dimension": 3, "law": "pm", "field": 0.0}
    made = system("system:ising1d?field=.25", size=5)
    assert isinstance(made, Pairwise)
    assert made.fields.tolist() == [0.25] * 5


@pytest.mark.parametrize(
    ("text", "size", "says"),
    [
        ("system:wishard", 8, "did you mean 'wishart'"),
        ("system:zzzz", 8, "there are: ising1d, ising2d"),
        ("system:ea?dim=2", 4, r"no parameter 'dim'; it has: dimension \(3\), law \(pm\), field"),
        ("mattis?p=1", 4, "it has: none"),
        ("ea?dimension=two", 4, "takes a whole number, not 'two'"),
        ("ising1d?field=x", 4, "takes a number"),
        ("ising1d?field=inf", 4, "fields must be finite"),
        ("ea?law=cauchy", 4, "pm or gauss, not 'cauchy'"),
        ("ea?dimension=0", 4, "at least one dimension"),
        ("sk", 0, "a size must be positive"),
        ("sk", 10**6, "take at most 8192"),
        ("wishart", 10**5, "take at most 8192"),
        ("sk0", None, "a size must be positive"),
        ("sk12", 8, "sk12 is of size 12, but a size of 8"),
        ("skk12", None, "no system is called 'skk12'"),
        ("lj1", None, "at least 2 atoms, not 1"),
        ("mueller-brown", 3, "2 coordinates, not 3"),
        ("spherical-pspin?p=1", 8, "p must be at least 2"),
        ("spherical-pspin?degree=0", 8, "the degree at least 1"),
        ("spherical-pspin?eps=nan", 8, "eps must be finite"),
        ("spherical-pspin", 1024, "8 GiB: take at most 512 spins"),
        ("hopfield?patterns=0", 8, "at least one pattern"),
        ("rem", 30, "8 GiB"),
        ("rem-native?native=.8", 12, "take native above"),
        ("rem-native?native=nan", 12, "not the lowest"),
        ("wishart?alpha=0", 8, "alpha N must be at least 1"),
        ("wishart?alpha=nan", 8, "alpha N must be at least 1"),
        ("tiles2d", 5, "even side"),
        ("tiles2d?tile=5", 4, "1 to 4 weak bonds"),
        ("tiles3d", 5, "even side"),
        ("tiles3d?faces=3", 4, "2, 4 or 6 frustrated faces"),
        ("ising-triangular", 2, "at least 3"),
        ("nishimori?p=.5", 4, "above 1/2"),
    ],
)
def test_what_cannot_be_made_is_explained_in_one_line(text, size, says):
    with pytest.raises(BadInput, match=says) as caught:
        system(text, size=size)
    assert "\n" not in str(caught.value)


def test_nothing_heavy_is_imported():
    """Nor by the oracle: it needs no compiler."""
    code = "import sys, spinfunnel.systems.calibration, spinfunnel.testing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "numba", "pandas", "plotly", "scipy.stats"} & set(loaded.split())


def test_nothing_global_is_drawn_from():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for name in MAKERS:
        system(name).random(3, 0)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
