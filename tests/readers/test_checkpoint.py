import pickle
import subprocess
import sys
import tarfile
import types

import ml_dtypes
import numpy as np
import pytest
import torch

from spinfunnel.core import BadInput, UnsafeFile
from spinfunnel.readers import digest, read
from spinfunnel.readers.layout import layout

STATE = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2)}
TYPES = "float32 float64 float16 bfloat16 float8_e4m3fn float8_e5m2 int8 uint8 int32 int64 bool complex64"


def net():
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))


def adam(model):
    """What AdamW's `state_dict()` is after a step, without the seconds its first import takes."""
    moments = {
        i: {"step": torch.tensor(1.0), "exp_avg": p.detach() / 2} for i, p in enumerate(model.parameters())
    }
    return {"state": moments, "param_groups": [{"lr": 1e-3, "params": list(moments)}]}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "ckpt", "pth.tar"])
def test_a_state_dict_is_read_in_its_own_order(tmp_path, suffix, zipped):
    torch.save(STATE, tmp_path / f"a.{suffix}", _use_new_zipfile_serialization=zipped)
    weights = read(tmp_path / f"a.{suffix}")
    assert [t.name for t in weights.tensors] == ["fc.weight", "fc.bias"]
    assert np.array_equal(weights["fc.weight"].load(), [[0, 1, 2], [3, 4, 5]])
    assert weights.format == "PyTorch checkpoint"


@pytest.mark.parametrize("dtype", TYPES.split())
def test_every_type_is_read_bit_for_bit(tmp_path, dtype):
    value = torch.tensor([[0.0, 1.0, 1.5], [2.0, 3.0, 0.25]]).to(getattr(torch, dtype))
    torch.save({"w": value.T}, tmp_path / "a.pt")  # not contiguous
    tensor = read(tmp_path / "a.pt")["w"]
    array = tensor.load()
    assert (tensor.dtype, array.dtype) == (dtype, np.dtype(getattr(ml_dtypes, dtype, dtype)))
    assert np.array_equal(array.astype(complex), value.T.to(torch.complex64).numpy())
    assert not array.flags.writeable


@pytest.mark.parametrize(
    "keys", [["state_dict"], ["model_state_dict"], ["model"], ["model", "module"], ["net"]]
)
def test_a_nested_model_is_found_and_its_wrapper_left_out_of_the_names(tmp_path, keys):
    content = STATE
    for key in reversed(keys):
        content = {"epoch": 3, key: content}
    torch.save(content, tmp_path / "a.ckpt")
    weights = read(tmp_path / "a.ckpt")
    assert [t.name for t in weights.tensors] == ["fc.weight", "fc.bias"]
    assert weights.notes == ("entries without tensors were left out: 'epoch'",)


def test_two_models_of_one_checkpoint_keep_their_full_names(tmp_path):
    torch.save({"model": STATE, "net": STATE, "discriminator": {"w": torch.ones(2, 2)}}, tmp_path / "a.pt")
    names = [t.name for t in read(tmp_path / "a.pt").tensors]
    assert names == ["model.fc.weight", "model.fc.bias", "net.fc.weight", "net.fc.bias", "discriminator.w"]


@pytest.mark.parametrize("key", ["optimizer", "optimizer_state_dict", "opt", "solver"])
def test_the_state_of_an_optimiser_is_accounted_for_and_left_out(tmp_path, key):
    model = net()
    torch.save({"model_state_dict": model.state_dict(), key: adam(model)}, tmp_path / "a.pt")
    weights = read(tmp_path / "a.pt")
    assert [t.name for t in weights.tensors if not t.skipped] == list(model.state_dict())
    left = [t for t in weights.tensors if t.skipped]
    assert sum(t.parameters for t in left) == 43 + 4
    assert {t.skipped for t in left} == {"state of an optimiser"}
    assert all(t.name.startswith(f"{key}.state.") for t in left)


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", [torch.optim.AdamW, torch.optim.Adagrad])
def test_the_state_of_a_real_optimiser_alone_is_recognised(tmp_path, optimiser):
    model = net()
    optimiser = optimiser(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimiser.step()
    torch.save(optimiser.state_dict(), tmp_path / "a.pt")
    weights = read(tmp_path / "a.pt")
    assert weights.parameters >= 43 + 4
    assert {t.skipped for t in weights.tensors} == {"state of an optimiser"}


def test_a_lightning_checkpoint_with_a_list_of_optimisers(tmp_path):
    torch.save(
        {
            "state_dict": net().state_dict(),
            "optimizer_states": [adam(net())],
            "lr_schedulers": [{"last": torch.ones(3, 3)}],
            "loops": {"fit": {"done": torch.ones(3, 3)}},
        },
        tmp_path / "a.ckpt",
    )
    reasons = [t.skipped for t in read(tmp_path / "a.ckpt").tensors]
    assert reasons.count("") == 4
    assert {"state of an optimiser", "state of a learning-rate schedule", "not a model"} <= set(reasons)


def test_a_moving_average_is_a_second_copy_unless_it_is_all_there_is(tmp_path):
    torch.save({"model": STATE, "model_ema": STATE}, tmp_path / "a.pt")
    weights = read(tmp_path / "a.pt")
    assert ["moving average" in t.skipped or bool(t.tied_to) for t in weights.tensors] == [
        False,
        False,
        True,
        True,
    ]
    torch.save({"params_ema": STATE}, tmp_path / "b.pt")
    assert [t.skipped for t in read(tmp_path / "b.pt").tensors] == ["", ""]


def test_a_tensor_alone_is_named_like_its_file(tmp_path):
    torch.save(torch.ones(2, 3), tmp_path / "head.pt")
    assert [(t.name, t.shape) for t in read(tmp_path / "head.pt").tensors] == [("head", (2, 3))]


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, 5, []])
def test_a_checkpoint_without_tensors_is_bad_input(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(BadInput, match="holds no tensors"):
        read(tmp_path / "a.pt")


def test_tied_tensors_are_counted_once(tmp_path):
    tied = {
        "emb.weight": STATE["fc.weight"],
        "head.weight": STATE["fc.weight"],
        "copy": STATE["fc.weight"].clone(),
    }
    torch.save(tied, tmp_path / "a.pt")
    weights = read(tmp_path / "a.pt")
    assert [t.tied_to for t in weights.tensors] == ["", "emb.weight", ""]
    assert weights.parameters == 12


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_what_is_stored_otherwise_is_accounted_for(tmp_path):
    torch.save(
        {
            "sparse": torch.eye(3).to_sparse(),
            "meta": torch.empty(3, 3, device="meta"),
            "repeated": torch.ones(1, 1).expand(10**6, 10**6),
            "half complex": torch.ones(2, 2, dtype=torch.complex32),
            "conjugate": torch.tensor([[1 + 2j]]).conj(),
        },
        tmp_path / "a.pt",
    )
    weights = read(tmp_path / "a.pt")
    assert [bool(t.skipped) for t in weights.tensors] == [True, True, True, True, False]
    assert weights["conjugate"].load()[0, 0] == 1 - 2j


def test_hostile_names_and_keys(tmp_path):
    names = ["../../x", "\x1b[31m", "重み", "", "half \ud800", 3, None, (1, 2), True]
    torch.save({name: torch.ones(2, 2) for name in names}, tmp_path / "a.pt")
    weights = read(tmp_path / "a.pt")
    assert len(weights.tensors) == len(names)
    assert all(t.name.encode() is not None for t in weights.tensors)


def test_names_that_come_out_the_same_are_refused(tmp_path):
    torch.save({"a.b": torch.ones(2, 2), "a": {"b": torch.ones(2, 2)}}, tmp_path / "a.pt")
    with pytest.raises(BadInput, match=r"two arrays are named 'a\.b'"):
        read(tmp_path / "a.pt")


def unsafe(kind, path, bomb):
    """Write a file that executes code when it is unpickled."""
    if kind == "plain pickle":
        path.write_bytes(pickle.dumps(bomb, protocol=2))
    elif kind == "plain pickle of today's protocol":
        path.write_bytes(pickle.dumps({"state_dict": bomb}))
    elif kind == "pickle as text":
        path.write_bytes(pickle.dumps(bomb, protocol=0))
    elif kind == "nested in a state dict":
        torch.save({"state_dict": {**STATE, "extra": bomb}}, path)
    elif kind == "in the state of an optimiser":
        torch.save({"model": STATE, "optimizer": {"state": bomb}}, path)
    elif kind == "the old format":
        torch.save({"model": STATE, "extra": bomb}, path, _use_new_zipfile_serialization=False)
    elif kind == "the oldest format, a tar":
        for name in ("storages", "tensors", "pickle"):
            (path.parent / name).write_bytes(pickle.dumps(bomb))
        with tarfile.open(path, "w") as tar:
            for name in ("storages", "tensors", "pickle"):
                tar.add(path.parent / name, arcname=name)
    elif kind == "a whole module":
        module = net()
        module.extra = bomb
        torch.save(module, path)


UNSAFE = (
    "plain pickle",
    "plain pickle of today's protocol",
    "pickle as text",
    "nested in a state dict",
    "in the state of an optimiser",
    "the old format",
    "the oldest format, a tar",
    "a whole module",
)


@pytest.mark.parametrize("kind", UNSAFE)
def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path, bomb, kind, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # a user's setting must not open the door
    unsafe(kind, tmp_path / "a.pt", bomb)
    with pytest.raises(UnsafeFile, match=r"executing code stored in it .* weights_only=False") as caught:
        read(tmp_path / "a.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["pkl", "pickle", "joblib"])
def test_a_pickle_by_name_is_refused_without_opening_it(tmp_path, bomb, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(pickle.dumps(bomb))
    with pytest.raises(UnsafeFile, match="is a pickle"):
        read(tmp_path / f"a.{suffix}")


def test_the_bombs_would_go_off(tmp_path, canary, bomb):
    """The canary of the tests above is alive: an ordinary unpickler does execute it."""
    unsafe("nested in a state dict", tmp_path / "a.pt", bomb)
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert canary.exists()
    canary.unlink()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_program_is_refused_with_advice(tmp_path):
    torch.jit.script(torch.nn.Linear(3, 2)).save(tmp_path / "a.pt")
    with pytest.raises(UnsafeFile, match=r"is TorchScript: .*state_dict\(\)"):
        read(tmp_path / "a.pt")


@pytest.mark.slow
def test_an_exported_program_is_not_read_yet(tmp_path):
    torch.export.save(torch.export.export(torch.nn.Linear(3, 2), (torch.ones(1, 3),)), tmp_path / "a.pt2")
    for name in ("a.pt2", "a.pt"):
        next(tmp_path.glob("a.pt*")).rename(tmp_path / name)
        with pytest.raises(BadInput, match=r"\.pt2 is not read yet"):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["beatnet-model-1.pt", "pesto-mir-1k_g7.ckpt"])
def test_real_unsafe_files_are_refused(asset, name):
    with pytest.raises(UnsafeFile, match=r"asks for (model\.BDA|omegaconf\.listconfig\.ListConfig)"):
        read(asset(f"models/unsafe/{name}"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_checkpoint_is_one_clear_line(tmp_path, zipped):
    torch.save(STATE, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "a.pt").read_bytes()
    for length in range(1, len(whole), max(1, len(whole) // 40)):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(BadInput) as caught:
            read(tmp_path / "cut.pt")
        assert "\n" not in str(caught.value)


def test_noise_is_no_checkpoint(tmp_path, rng):
    (tmp_path / "a.pt").write_bytes(b"\x92" + rng.bytes(1000))
    with pytest.raises(BadInput, match="broken PyTorch checkpoint"):
        read(tmp_path / "a.pt")


def test_containers_without_end_are_refused(tmp_path):
    deep = {"w": torch.ones(2, 2)}
    for _ in range(400):
        deep = {"a": deep}
    torch.save(deep, tmp_path / "deep.pt")
    assert read(tmp_path / "deep.pt").parameters == 4
    circle = {"w": torch.ones(2, 2)}
    circle["self"] = circle
    torch.save(circle, tmp_path / "circle.pt")
    with pytest.raises(BadInput, match="nested without end"):
        read(tmp_path / "circle.pt")


def test_without_torch_it_says_how_to_install_it(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / "a.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BadInput, match=r'pip install "spinfunnel\[torch\]"'):
        read(tmp_path / "a.pt")


def test_an_old_torch_is_not_trusted(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / "a.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(BadInput, match=r"PyTorch 2\.5\.1\+cpu cannot read checkpoints safely"):
        read(tmp_path / "a.pt")


def test_torch_is_not_loaded_for_other_formats(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((3, 3)))
    code = "import sys, spinfunnel.readers as r; r.read(sys.argv[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.npz"], check=True)


def test_a_module_is_read_in_its_own_order_without_copies_or_changes():
    model = net()
    model[2].weight = model[0].weight  # tied, of the wrong shape for running, which reading does not do
    model.register_buffer("steps", torch.tensor(3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = read(model)
    assert [t.name for t in weights.tensors] == list(before)
    assert weights["2.weight"].tied_to == "0.weight"
    assert np.shares_memory(weights["0.weight"].load(), model[0].weight.detach().numpy())
    with pytest.raises(ValueError, match="read-only"):
        weights["0.weight"].load()[0, 0] = 1
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert (weights.source, weights.path) == ("Sequential", None)


def test_the_digest_of_a_module_follows_its_values():
    model = net()
    before = digest(read(model))
    assert digest(read(model)) == before
    with torch.no_grad():
        model[0].weight[0, 0] += 1
    assert digest(read(model)) != before


def test_real_checkpoints_have_the_parameters_their_authors_count(asset):
    weights = read(asset("models/digit-cnn/handwriting_model.pth"))
    assert (weights.parameters, len(layout(weights).parts)) == (390_410, 5)
    weights = read(asset("models/pesto-mir-1k.ckpt"))
    assert weights.parameters == 28_887
    assert "encoder.fc.weight" in {t.name for t in weights.tensors}


def test_a_transformers_module_brings_the_hints_of_its_config(monkeypatch):
    class PretrainedConfig:
        def to_dict(self):
            return {"model_type": "gpt_neox", "num_attention_heads": 2, "hidden_size": 4}

    transformers = types.ModuleType("transformers")
    transformers.PretrainedConfig = PretrainedConfig
    model = torch.nn.ModuleDict({"query_key_value": torch.nn.Linear(4, 12)})
    model.config = PretrainedConfig()
    assert read(model).hints == {}  # nobody's `config` is trusted to be theirs
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    assert read(model).hints == {"model_type": "gpt_neox", "heads": 2, "hidden_size": 4}
    assert [part.part for part in layout(read(model)).parts] == ["query", "key", "value"]


def test_a_lazy_module_has_to_be_run_first():
    with pytest.raises(BadInput, match="'weight' has no shape yet"):
        read(torch.nn.LazyLinear(3))


def test_a_page_of_text_is_a_broken_checkpoint_and_no_advice_to_load_it_unsafely(tmp_path):
    (tmp_path / "model.bin").write_text("<!DOCTYPE html>404")
    with pytest.raises(BadInput, match=r"broken PyTorch checkpoint .'Unsupported operand"):
        read(tmp_path / "model.bin")
