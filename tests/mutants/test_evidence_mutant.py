"""Planted bugs in the evidence: each must turn its calibration red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.evidence import calibration, measuring

pytest.importorskip("torch")
CALIBRATIONS = {one.name: one for one in calibration.calibrations}


def red(*names):
    return [
        row.quantity
        for name in names
        for row in judge_calibration(CALIBRATIONS[name].run(1)).rows
        if not row.ok
    ]


def rewritten(monkeypatch, old, new):
    source = inspect.getsource(measuring)
    assert source.count(old) == 1
    names = dict(vars(measuring))
    exec(compile(source.replace(old, new), "mutant", "exec", dont_inherit=True), names)
    for name in ("laplace", "curvature", "newton_gain", "posterior_mode", "positive_matrix"):
        monkeypatch.setattr(calibration, name, names[name])


def test_the_original_is_green():
    assert red("linear regression", "logistic regression") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.log1p(self.n * h / precision) / 2", "np.log1p(h / precision) / 2"),  # without n
        ("np.log1p(self.n * h / precision) / 2", "np.log(self.n * h) / 2"),  # of H, not of H + prior
        ("np.log1p(self.n * h / precision) / 2", "np.log1p(self.n * h / precision)"),  # without the half
        ("value = -self.n * self.loss - precision", "value = -self.loss - precision"),
        ("- precision * self.square / 2", "+ precision * self.square / 2"),
        ("(weights / (n * np.maximum(nodes, 0) + precision))", "(weights / (n * np.maximum(nodes, 0)))"),
        (
            "return self.determined(precision).value - precision",
            "return self.curvature.above.size - precision",
        ),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, old, new):
    """One line without the factor n, with H in place of H + prior, and so on."""
    if "square / 2" in old:
        old, new = f"{old} - volumes", f"{new} - volumes"
    rewritten(monkeypatch, old, new)
    assert red("linear regression")


def test_the_determinant_without_the_factor_n(monkeypatch):
    rewritten(monkeypatch, "np.log1p(self.n * h / precision) / 2", "np.log1p(h / precision) / 2")
    assert red("logistic regression")


@pytest.mark.slow
def test_one_probe_again_and_again(monkeypatch):
    """Error bars that come from probes which are all the same."""
    rewritten(monkeypatch, "probe(size, seed, i)", "probe(size, seed, i // 3)")
    assert red("error bars")


@pytest.mark.slow
def test_a_pivot_that_is_wrong(monkeypatch):
    """Gauss and Radau's node would not lie at zero."""
    rewritten(monkeypatch, "betas[-1] ** 2 / pivot)", "2 * betas[-1] ** 2 / pivot)")
    assert red("error bars")


@pytest.mark.slow
def test_weights_that_are_not_brought_to_the_mode(monkeypatch):
    """Labels learned by heart then seem to be worth their weights."""

    def at_once(system, w, **named):
        return w, None

    monkeypatch.setattr(calibration, "posterior_mode", at_once)
    assert red("labels")


@pytest.mark.slow
def test_weights_that_cost_nothing_put_the_largest_model_first(monkeypatch):
    assert red("nested regressions") == []
    rewritten(monkeypatch, "np.log1p(self.n * h / precision) / 2", "0 * h")
    assert len(red("nested regressions")) == 2
