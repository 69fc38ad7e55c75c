from pathlib import Path

import numpy as np
import pytest

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"


@pytest.fixture
def asset():
    """A real weight file, by its path under the assets; the test is skipped where it is absent."""

    def path(name):
        if not (ASSETS / name).exists():
            pytest.skip(f"assets/{name} is absent")
        return ASSETS / name

    return path


@pytest.fixture
def rng():
    return np.random.default_rng(20)


class Bomb:
    """Unpickled, it creates a file: if that is there, something stored in a weight file was executed."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(tmp_path):
    """The file that no reader may create."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "code stored in a weight file was executed"


@pytest.fixture
def bomb(canary):
    return Bomb(canary)
