"""Planted bugs must turn the calibrations of Lanczos' method red."""

import inspect

import numpy as np

from spinfunnel.maths import lanczos


def red(word):
    """Run the calibrations whose name contains a word; give the rows that fail."""
    return [
        row
        for calibration in lanczos.calibrations
        if word in calibration.name
        for row in calibration.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


def rewritten(monkeypatch, method, old, new):
    source = inspect.cleandoc("\n" + inspect.getsource(getattr(lanczos.Krylov, method)))
    assert source.count(old) == 1
    names = dict(vars(lanczos))
    exec(compile("from __future__ import annotations\n" + source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(lanczos.Krylov, method, names[method])


def test_the_originals_are_green():
    assert red("") == []


def test_without_reorthogonalisation_there_are_ghosts(monkeypatch):
    rewritten(monkeypatch, "_multiply", "left = left - second @ known", "second = 0 * second")
    assert {row.value for row in red("far out") if row.exact == 10} - {10}


def test_without_its_guard_a_closed_basis_goes_on_into_nothing(monkeypatch):
    rewritten(
        monkeypatch, "_multiply",
        "self.closed = self.coupling <= self.rounding or self.size == self.n",
        "self.closed = self.size == self.n",
    )  # fmt: skip
    assert red("identity")


def test_a_wrong_projection_is_noticed(monkeypatch):
    rewritten(
        monkeypatch, "_multiply",
        "column[self._coupled :] += as_numpy(first)", "column[-1:] += as_numpy(first)[-1:]",
    )  # fmt: skip
    assert red("coefficients")


def test_copies_that_are_not_looked_for_are_missed(monkeypatch):
    monkeypatch.setattr(lanczos, "_same", lambda found, settled: True)
    assert red("identity")


def test_probes_of_one_sign_are_noticed(monkeypatch):
    right = lanczos.probe
    monkeypatch.setattr(lanczos, "probe", lambda n, *names: np.abs(right(n, *names)))
    assert red("coefficients")


def test_a_log_determinant_that_forgets_the_size_is_noticed(monkeypatch):
    monkeypatch.setattr(lanczos.Quadrature, "trace", lanczos.Quadrature.mean)
    assert red("log-determinant")


def test_weights_that_are_all_equal_are_noticed(monkeypatch):
    def equal(self):
        values, turned = np.linalg.eigh(self.projected[: self.size, : self.size])
        return values, np.full_like(turned, self.size**-0.5)

    monkeypatch.setattr(lanczos.Krylov, "ritz", equal)
    assert red("density of states")
