"""Planted bugs in a network's loss: each turns one of its calibrations red."""

from dataclasses import replace

import pytest
import torch

from spinfunnel.systems import network_loss
from spinfunnel.systems.network_loss import NetworkLoss, batches, products
from spinfunnel.systems.network_loss.calibration import calibrations
from spinfunnel.systems.network_loss.products import Products

RUN = {calibration.name: calibration.run for calibration in calibrations}


def red(name):
    return {f"{row.system}, {row.quantity.partition(':')[0]}" for row in RUN[name](0) if not row.ok}


def test_a_mean_over_batches_instead_of_examples(monkeypatch):
    def wrong(self, params, batch):
        values, weights = self._values(params, batch)
        return (values * weights).sum().double() / weights.sum() / len(self.counts)

    monkeypatch.setattr(NetworkLoss, "_mean", wrong)
    found = red("regressions")
    for quantity in ("energy", "gradient", "Hessian", "GGN"):
        assert f"linear regression, tuples, {quantity}" in found


def test_weights_of_examples_that_are_passed_over(monkeypatch):
    right = NetworkLoss._values

    def wrong(self, params, batch):
        values, _ = right(self, params, batch)
        return values, torch.ones_like(values)

    monkeypatch.setattr(NetworkLoss, "_values", wrong)
    found = red("regressions")
    assert {name.partition(", tokens")[0] for name in found} == {"softmax regression"}
    assert len(found) == 5


def test_a_gauss_newton_matrix_without_the_bend_of_the_loss(monkeypatch):
    right = Products._ggn

    def wrong(self, batch):
        class Round(type(self)):
            def _cut(self, batch):
                _, outputs, cuts = super()._cut(batch)
                return sum((z**2).sum() for z in cuts) / 2 / self.system.examples, outputs, cuts

        self.__class__ = Round
        return right(self, batch)

    monkeypatch.setattr(Products, "_ggn", wrong)
    assert "softmax regression, dictionaries, GGN" in red("regressions")
    assert "4-6-3 tanh network, GGN = J^T L J" in red("identities")


def test_a_gauss_newton_matrix_that_is_the_hessian(monkeypatch):
    monkeypatch.setattr(Products, "_ggn", Products._hessian)
    assert red("regressions") == set()  # no regression can tell them apart
    found = red("identities")
    assert "4-6-3 tanh network, GGN = J^T L J" in found
    assert "4-6-3 tanh network, eigenvalues of GGN beyond N x classes" in found


def test_a_fisher_matrix_of_batches_instead_of_examples(monkeypatch):
    def wrong(self, batch):
        loss = self.system._mean(self._parameters(), batch)
        slope = products._grad([loss], [self.theta])[0]
        return lambda v: slope * (slope @ v)

    monkeypatch.setattr(Products, "_fisher", wrong)
    assert "4-6-3 tanh network, Fisher of single gradients" in red("identities")


def test_shares_of_a_fisher_matrix_that_are_squared(monkeypatch):
    right = Products._fisher

    def wrong(self, batch):
        return lambda v: right(self, batch)(v) / self.system.examples

    monkeypatch.setattr(Products, "_fisher", wrong)
    assert "linear regression, tuples, Fisher" in red("regressions")


def test_the_last_batch_of_a_stream_that_is_forgotten(monkeypatch):
    right = batches.Streamed.__iter__
    monkeypatch.setattr(batches.Streamed, "__iter__", lambda self: iter(list(right(self))[:-1]))
    assert {name.rpartition(", data ")[2] for name in red("identities")} == {"streamed, no graph kept"}


def test_blocks_in_the_order_they_were_asked_for(monkeypatch):
    right = Products.__init__

    def wrong(self, system, kind, w, blocks=None):
        right(self, system, kind, w, blocks)
        if blocks is not None:
            self.theta = self.theta.detach().flip(0).requires_grad_(True)
            self.kept = None

    monkeypatch.setattr(Products, "__init__", wrong)
    assert red("identities") == {
        "4-6-3 tanh network, Hessian of two blocks",
        "4-6-3 tanh network, Hessian, others frozen",
    }


def test_a_model_that_is_left_in_train_mode(monkeypatch):
    right = network_loss.private
    monkeypatch.setattr(network_loss, "private", lambda *given: (right(*given)[0].train(), ()))
    found = red("architectures")
    for kind in ("attention", "encoder", "convolutions", "recurrent"):
        assert f"{kind}, gradient against differences" in found
    assert not any(name.startswith("tanh") for name in found)


def test_shared_parameters_of_which_one_stays_behind(monkeypatch):
    right = network_loss.blocks_of

    def wrong(module):
        return tuple(replace(block, places=block.places[:1]) for block in right(module))

    monkeypatch.setattr(network_loss, "blocks_of", wrong)
    assert "tied, Hessian: that of the untied, folded".partition(":")[0] in red("architectures")


def test_replicas_that_are_mixed_up(monkeypatch):
    right = NetworkLoss._stacked

    def wrong(self, x, gradients):
        energies, slopes = right(self, x, gradients)
        return energies, slopes[::-1]

    monkeypatch.setattr(NetworkLoss, "_stacked", wrong)
    found = red("architectures")
    assert "tanh, gradients of stacked replicas" in found
    assert "tanh, energies of stacked replicas" not in found


@pytest.mark.parametrize("name", RUN)
def test_the_originals_are_green(name):
    assert red(name) == set()
