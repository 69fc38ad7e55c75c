"""Heights measured from the wrong place, and ways that are not bent, must turn the calibration red."""

import inspect

import pytest

from spinfunnel.instruments.paths import calibration, measuring, ways


def red(run=calibration._scalar):
    return {row.quantity for row in run(0) if not row.ok}


def rewritten(module, old, new):
    source = inspect.getsource(module)
    assert source.count(old) == 1
    names = dict(vars(module))
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    return names


def test_the_original_is_green():
    assert red() == set()
    assert red(calibration._surfaces) == set()


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("losses[high] - losses[end]", "losses[high]", "barrier to a higher end"),
        ("0 if energies[0] >= energies[-1] else -1", "0", "barrier to a higher end"),
        ("- t[bow] * losses[-1]", "", "above the chord to a higher end"),
        ("energies[inner].argmax()) + 1", "energies[inner].argmax())", "barrier of the straight line"),
    ],
)
def test_a_height_from_the_wrong_place(monkeypatch, old, new, wrong):
    monkeypatch.setattr(calibration, "profile", rewritten(measuring, old, new)["profile"])
    assert wrong in red()


def test_a_curve_with_the_weights_of_a_chord(monkeypatch):
    wrong = rewritten(ways, "ends, middle = (1 - t) ** 2 * a", "ends, middle = (1 - t) * a")
    monkeypatch.setattr(calibration, "curve", wrong["curve"])
    assert "barrier of the Bezier curve" in red()


def test_a_curve_that_is_not_bent(monkeypatch):
    monkeypatch.setattr(calibration, "curve", lambda name, system, a, b, gradients: ways.straight(name, a, b))
    assert red() == {"barrier of the Bezier curve"}


def test_a_chain_that_is_never_made_finer(monkeypatch):
    wrong = rewritten(ways, "for _ in range(cycles - 1)", "for _ in range(0)")
    monkeypatch.setattr(calibration, "chain", wrong["chain"])
    assert red(calibration._surfaces) == {"barrier of the band, as a share"}


def alarms(widths, pairs):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    return red(lambda seed: calibration._alarms(widths, pairs, seed))


def test_a_rule_that_takes_two_trainings_for_one_network(monkeypatch):
    assert alarms((8,), 2) == set()
    monkeypatch.setattr(measuring, "SIGMA", 60.0)
    assert alarms((8,), 2) == {"two trainings called one up to permutation (2 of 2, ≤)"}


def test_a_rule_that_does_not_know_a_network_again(monkeypatch):
    monkeypatch.setattr(calibration, "aligned", lambda system, a, b, seed, units: {})
    assert alarms((8,), 2) == {
        f"copies moved by {share} that are still called one (0 of 2, ≥)" for share in ("2%", "10%")
    }


@pytest.mark.slow
def test_a_share_of_the_barrier_to_a_copy_that_wide_networks_stay_below(monkeypatch):
    assert alarms((256,), 2) == set()
    monkeypatch.setattr(measuring, "SMALL", 0.05)
    assert alarms((256,), 2) == {"two trainings called one up to permutation (2 of 2, ≤)"}
