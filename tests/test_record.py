import errno
import json
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from spinfunnel import record
from spinfunnel.core import BadInput
from spinfunnel.record import Recorder, reading, writing

torch = pytest.importorskip("torch")


def small(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))


def train(model, steps, *recorders, rate=0.1, start=0, data=None):
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(1)) if data is None else data
    for step in range(start, start + steps):
        optimiser.zero_grad()
        loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()
        loss.backward()
        for recorder in recorders:
            recorder(step, loss=loss, lr=rate)
        optimiser.step()
    return x


def test_what_is_written_is_what_was_there(tmp_path):
    model, seen = small(), []
    recorder = Recorder(tmp_path / "h", model)
    wanted = dict(model.named_parameters())

    def look(step, loss, lr):
        seen.append((loss.item(), {n: p.detach().numpy().copy() for n, p in wanted.items()}))

    train(model, 20, recorder, look)
    recorder.finish()
    history = record.read(tmp_path / "h")
    assert history.steps.tolist() == list(range(21))
    assert history.names == tuple(wanted)
    assert history.size == sum(p.numel() for p in wanted.values())
    np.testing.assert_allclose(history.losses[:20], [loss for loss, _ in seen], rtol=1e-6)
    assert (history.rates[:20] == 0.1).all()
    for i in (0, 7, 19):
        for name, values in seen[i][1].items():
            assert (history.mapping(i)[name] == values).all()
        assert (history.flat(i) == np.concatenate([np.ravel(v) for v in seen[i][1].values()])).all()
    assert (history.mapping(20)["0.weight"] == wanted["0.weight"].detach().numpy()).all()
    assert (history.mapping(20)["1.running_mean"] == model[1].running_mean.numpy()).all()
    assert history.weights().shape == (21, history.size)
    assert history.last.name == "step-000000020.safetensors"
    assert not history.doubts


def test_snapshots_that_are_kept_are_evenly_spaced_and_bounded(tmp_path):
    model = small()
    recorder = Recorder(tmp_path, model, keep=8, gradients=False)
    for step in range(1000):
        recorder(step, loss=1.0)
        files = len(list(tmp_path.glob("*.safetensors")))
        assert files <= 8
        assert step < 8 or files >= 4
    history = record.read(tmp_path)
    assert (np.diff(history.steps) == recorder.every).all()
    assert history.steps[0] == 0
    assert 1000 - history.steps[-1] <= recorder.every
    assert len(history.records) <= 8 + 4 * math.log2(1000)  # lines grow with the logarithm
    assert set(history.steps) <= set(history.records.columns["step"])


def test_steps_of_any_spacing_are_taken(tmp_path):
    recorder = Recorder(tmp_path, small(), every=10, keep=4)
    for step in (3, 5, 12, 13, 40, 90, 91, 200):
        recorder(step)
    assert record.read(tmp_path).steps.tolist() == [3, 40, 200]
    assert np.isnan(record.read(tmp_path).losses).all()


def test_streams_give_what_the_whole_gives(tmp_path):
    model = small()
    recorder = Recorder(tmp_path, model)
    train(model, 12, recorder)
    history = record.read(tmp_path)
    weights = history.weights().astype(float)
    joined = np.concatenate([block for _, block in history.blocks(size=500)], axis=1)
    assert (joined == weights).all()
    steps = np.diff(weights, axis=0)
    np.testing.assert_allclose(sum(history.inner_products().values()), steps @ steps.T, rtol=1e-12)


def test_gradients_have_their_mean_and_spread_over_steps(tmp_path):
    parameter = torch.nn.Parameter(torch.zeros(4000))
    model = torch.nn.Module()
    model.w = parameter
    recorder = Recorder(tmp_path, model, every=100)
    rng = torch.Generator().manual_seed(0)
    grads = []
    for step in range(201):
        parameter.grad = 0.5 + 2 * torch.randn(4000, generator=rng)
        grads.append(parameter.grad.numpy().copy())
        recorder(step)
    table = record.read(tmp_path).gradients.rows()
    assert [(row["step"], row["steps"]) for row in table] == [(100, 101), (200, 100)]
    window = np.array(grads[:101], dtype=float)
    assert table[0]["mean"] == pytest.approx(window[-1].mean(), rel=1e-4)
    assert table[0]["variance"] == pytest.approx(window[-1].var(), rel=1e-4)
    assert table[0]["length_of_mean"] == pytest.approx(np.linalg.norm(window.mean(axis=0)), rel=1e-4)
    assert table[0]["spread"] == pytest.approx(math.sqrt(window.var(axis=0, ddof=1).sum()), rel=1e-4)


def test_gradients_that_are_not_finite_or_missing_do_not_count(tmp_path):
    model = torch.nn.ParameterDict({"a": torch.zeros(3), "never": torch.zeros(2)})
    recorder = Recorder(tmp_path, model, every=20)
    for step in range(21):
        model["a"].grad = torch.full((3,), math.inf if step == 5 else 1.0)
        recorder(step)
    (row,) = record.read(tmp_path).gradients.rows()
    assert (row["name"], row["steps"], row["spread"]) == ("a", 20, 0)
    assert row["length_of_mean"] == pytest.approx(math.sqrt(3))


def test_frozen_parameters_are_kept_but_do_not_move_and_shared_ones_count_once(tmp_path):
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3), "b": torch.nn.Linear(3, 3)})
    model["b"].weight = model["a"].weight
    model["b"].bias.requires_grad_(False)
    Recorder(tmp_path, model)(0)
    history = record.read(tmp_path)
    assert history.names == ("a.weight", "a.bias")
    assert set(history.mapping(0)) == {"a.weight", "a.bias", "b.bias"}


def test_half_precision_and_wrappers_are_seen_through(tmp_path):
    model = small().to(torch.bfloat16)
    recorder = Recorder(tmp_path, torch.nn.DataParallel(model))
    recorder(0)
    with torch.no_grad():
        model[0].weight += 1
    recorder(1)
    history = record.read(tmp_path)
    assert history.names[0] == "0.weight"
    products = history.inner_products()["0.weight"]
    assert products[0, 0] == pytest.approx(12, rel=0.05)


def test_nothing_of_the_model_or_of_chance_is_touched(tmp_path):
    with_it, without = small(), small()
    state = torch.random.get_rng_state()
    recorder = Recorder(tmp_path, with_it)
    train(with_it, 30, recorder)
    recorder.finish()
    train(without, 30)
    assert all((a == b).all() for a, b in zip(with_it.parameters(), without.parameters(), strict=True))
    assert (torch.random.get_rng_state() == state).all()


def test_a_loss_that_is_not_a_number_is_told_once_and_training_goes_on(tmp_path):
    recorder = Recorder(tmp_path, small())
    recorder(0, loss=1.0)
    with pytest.warns(UserWarning, match="the loss is not finite"):
        recorder(1, loss=math.nan)
    recorder(2, loss=torch.tensor(math.inf))  # a second warning would be an error
    recorder(3, loss=4.0)
    history = record.read(tmp_path)
    assert history.losses.tolist() == [1, 2, 3, 4]  # interpolated where unknown
    assert np.isnan(history.records.columns["loss"]).tolist() == [False, True, True, False]


def test_weights_that_are_not_finite_are_not_kept(tmp_path):
    model = small()
    recorder = Recorder(tmp_path, model)
    recorder(0)
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    with pytest.warns(UserWarning, match="weights are not finite"):
        recorder(1)
    recorder.finish()
    assert record.read(tmp_path).steps.tolist() == [0]


def test_a_full_disk_does_not_stop_training(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, small())
    recorder(0, loss=1.0)

    def full(tensors, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        patched.setattr("safetensors.torch.save_file", full)
        for step in range(1, 4):
            recorder(step, loss=1.0)
    assert len(told) == 1
    assert "No space left" in str(told[0].message)
    recorder(4, loss=1.0)
    assert record.read(tmp_path).steps.tolist() == [0, 4]
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_run_that_was_killed_can_be_read(tmp_path):
    code = """
import os, sys, torch
from spinfunnel.record import Recorder
model = torch.nn.Linear(2, 2)
recorder = Recorder(sys.argv[1], model)
for step in range(6):
    recorder(step, loss=float(step))
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "h"], check=False).returncode == 9
    with (tmp_path / "h" / reading.INDEX).open("a") as file:
        file.write('\n{"step": 6, "lo')
    (tmp_path / "h" / "step-000000006.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    (tmp_path / "h" / "step-000000007.unfinished").write_bytes(b"")
    history = record.read(tmp_path / "h")
    assert history.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert history.losses.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(history.doubts) == 2
    assert any("cut off" in doubt for doubt in history.doubts)
    assert any("step-000000006" in doubt for doubt in history.doubts)


def test_reading_needs_no_torch(tmp_path):
    Recorder(tmp_path, small())(0)
    code = "import sys; from spinfunnel import record; record.read(sys.argv[1]).inner_products(); "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


def test_the_history_of_another_run_is_replaced_only_by_force(tmp_path):
    recorder = Recorder(tmp_path, small())
    recorder(0)
    with pytest.raises(BadInput, match="another run"):
        Recorder(tmp_path, small())
    Recorder(tmp_path, small(), force=True)(5)
    assert record.read(tmp_path).steps.tolist() == [5]
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        Recorder(tmp_path / "file", small())


def test_only_the_first_of_parallel_processes_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    recorder = Recorder(tmp_path / "h", small())
    recorder(0, loss=1.0)
    recorder.finish()
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize(
    ("given", "said"), [({"every": 0}, "at least 1"), ({"keep": 3}, "at least 4")]
)  # fmt: skip
def test_impossible_numbers_are_refused(tmp_path, given, said):
    with pytest.raises(BadInput, match=said):
        Recorder(tmp_path, small(), **given)


def test_what_cannot_be_recorded_is_refused_in_one_line(tmp_path):
    frozen = small().requires_grad_(False)
    with pytest.raises(BadInput, match="unfreeze"):
        Recorder(tmp_path / "a", frozen)
    model = small()
    recorder = Recorder(tmp_path / "b", model)
    recorder(3)
    with pytest.raises(BadInput, match="step 2 comes after step 3"):
        recorder(2)
    with pytest.raises(BadInput, match="shape \\(7,\\)"):
        recorder(4, loss=torch.zeros(7))
    model[2] = torch.nn.Linear(4, 5)
    with pytest.raises(BadInput, match="has changed"):
        recorder(5)


def test_folders_that_are_no_history_are_told_apart(tmp_path):
    assert not record.is_history(tmp_path)
    with pytest.raises(BadInput, match="no history"):
        record.read(tmp_path)
    for broken in ("", "[]", '{"format": "other"}', '{"format": "spinfunnel history 1", "trained": 3}'):
        (tmp_path / reading.INDEX).write_text(broken)
        assert record.is_history(tmp_path)
        with pytest.raises(BadInput, match="not of this version, or damaged"):
            record.read(tmp_path)
    (tmp_path / reading.INDEX).write_text(json.dumps({"format": reading.FORMAT, "trained": []}))
    with pytest.raises(BadInput, match="no complete snapshot"):
        record.read(tmp_path)


def test_snapshots_of_other_parameters_are_left_out(tmp_path):
    recorder = Recorder(tmp_path, small())
    recorder(0)
    (tmp_path / "other").mkdir()
    Recorder(tmp_path / "other", torch.nn.Linear(2, 2))(1)
    (tmp_path / "other" / "step-000000001.safetensors").rename(tmp_path / "step-000000001.safetensors")
    history = record.read(tmp_path)
    assert history.steps.tolist() == [0]
    assert "other parameters" in history.doubts[0]


@pytest.mark.slow
def test_a_lightning_trainer_records(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = small()

        def training_step(self, batch, index):
            x = batch[0]
            return ((self.net(x) - x.sum(1, keepdim=True)) ** 2).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.05)

    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=8)
    model = Module()
    recorder = Recorder(tmp_path / "h", model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=10, accelerator="cpu", callbacks=[recorder.lightning()], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            accumulate_grad_batches=2,
        )  # fmt: skip
        trainer.fit(model, loader)
    history = record.read(tmp_path / "h")
    assert history.steps.tolist() == list(range(41))
    assert history.losses[39] < history.losses[0] / 2
    assert (history.rates == 0.05).all()
    assert (history.mapping(40)["net.0.weight"] == model.net[0].weight.detach().numpy()).all()
    assert len(history.gradients) > 0


@pytest.mark.slow
def test_a_hugging_face_trainer_records(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small()

        def forward(self, x, labels=None):
            out = self.net(x)
            return {"loss": ((out[:, 0] - labels) ** 2).mean(), "logits": out}

    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    data = [{"x": row, "labels": row.sum()} for row in x]
    model = Model()
    recorder = Recorder(tmp_path / "h", model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / "out"), num_train_epochs=5, per_device_train_batch_size=8,
            learning_rate=0.05, logging_steps=4, save_strategy="no", report_to=[], use_cpu=True,
            disable_tqdm=True, optim="sgd",
        )  # fmt: skip
        transformers.Trainer(
            model=model, args=arguments, train_dataset=data, callbacks=[recorder.huggingface()]
        ).train()
    history = record.read(tmp_path / "h")
    assert history.steps.tolist() == list(range(41))
    assert history.losses[-1] < history.losses[0] / 2
    assert history.rates[0] == pytest.approx(0.05)
    assert history.rates[-2] < 0.005
    assert (history.mapping(40)["net.0.weight"] == model.net[0].weight.detach().numpy()).all()
    assert history.gradients.columns["steps"].max() >= writing.WINDOW
