import numpy as np
import pytest

torch = pytest.importorskip("torch")

from spinfunnel.networks.rescaling import KINDS, rescaled  # noqa: E402


@pytest.mark.parametrize("kind", KINDS)
def test_a_rescaled_network_is_the_same_function(kind):
    state = torch.random.get_rng_state()
    one, other = rescaled(kind, 5.0, seed=0)
    assert (torch.random.get_rng_state() == state).all()
    assert np.linalg.norm(one.trained - other.trained) > np.linalg.norm(one.trained)
    for loss in (one, other):
        assert loss.losses_at(loss.trained) == pytest.approx(one.losses_at(one.trained), rel=1e-10)
    assert one.dtype == np.float64
    again = rescaled(kind, 5.0, seed=0)[0]
    assert (again.trained == one.trained).all()
