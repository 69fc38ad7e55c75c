import json
import subprocess
import sys
import time

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from spinfunnel.core import BadInput
from spinfunnel.readers import read
from spinfunnel.readers.safetensors import DTYPES

TYPES = [dtype for dtype, _ in DTYPES.values() if dtype is not None]
# The library's own writer knows these; newer words of the format are written by `write`.
SAVED = [np.dtype(t) for t in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8")]
SAVED += [np.dtype(t) for t in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)]

HOSTILE = [
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\x1b[31mred",
    "a\nb",
    "",
    "重み.層.0",
    "\u202egnp",
    "=1+1",
    "x" * 5000,
]


def write(path, header, data=b""):
    """Write a file by hand: any header, also a wrong one."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(begin=0, end=24, shape=(2, 3), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda n: n != "__metadata__")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(names, st.tuples(st.sampled_from(SAVED), shapes), min_size=1, max_size=6), st.randoms()
)
def test_what_the_library_writes_is_read_bit_for_bit(tmp_path_factory, tensors, random):
    path = tmp_path_factory.mktemp("round") / "model.safetensors"
    arrays = {}
    for name, (dtype, shape) in tensors.items():
        raw = bytes(random.getrandbits(8) for _ in range(int(np.prod(shape)) * dtype.itemsize))
        raw = bytes(b & 1 for b in raw) if dtype.kind == "b" else raw
        arrays[name] = np.frombuffer(raw, dtype).reshape(shape)
    save_file(arrays, path)
    weights = read(path)
    assert {t.name: (t.shape, t.dtype) for t in weights.tensors} == {
        name: (a.shape, a.dtype.name) for name, a in arrays.items()
    }
    for tensor in weights.tensors:
        loaded = tensor.load()
        assert loaded.dtype == arrays[tensor.name].dtype
        assert loaded.tobytes() == arrays[tensor.name].tobytes()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_type_of_the_format_is_read(tmp_path, rng, dtype):
    word = next(word for word, (d, _) in DTYPES.items() if d == dtype)
    raw = rng.integers(0, 2, 6 * dtype.itemsize, dtype=np.uint8).tobytes()
    path = write(tmp_path / "a.safetensors", {"w": entry(0, len(raw), (2, 3), word)}, raw)
    assert np.array_equal(read(path)["w"].load().view(np.uint8).ravel(), np.frombuffer(raw, np.uint8))


def test_types_of_less_than_a_byte_are_accounted_for_but_not_read(tmp_path):
    path = write(tmp_path / "a.safetensors", {"w": entry(0, 3, (2, 3), "F4")}, bytes(3))
    tensor = read(path)["w"]
    assert tensor.parameters == 6
    assert "less than a byte" in tensor.skipped
    with pytest.raises(BadInput):
        tensor.load()


def test_hostile_names_are_passed_on_as_they_are(tmp_path):
    save_file({name: np.ones((2, 3), np.float32) for name in HOSTILE}, tmp_path / "a.safetensors")
    assert {t.name for t in read(tmp_path / "a.safetensors").tensors} == set(HOSTILE)


def test_an_array_is_read_only_so_that_nobody_writes_to_the_file(tmp_path):
    save_file({"w": np.ones((2, 3), np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="read-only"):
        read(tmp_path / "a.safetensors")["w"].load()[0, 0] = 2


BROKEN = {
    "oversized header": ((10**15).to_bytes(8, "little") + b"{}", "header should take 1000000000000000 bytes"),
    "no header": (b"\x03\0\0", "header should take 3 bytes but the file has 3"),
    "header of nothing": (bytes(8), "header is not valid"),
    "not JSON": (b"\x04\0\0\0\0\0\0\0{]{]", "header is not valid"),
    "not an object": (b"\x04\0\0\0\0\0\0\0[1] ", "not a JSON object"),
    "nested without end": ((100_000).to_bytes(8, "little") + b"[" * 100_000, "header is not valid"),
    "not UTF-8": (b"\x04\0\0\0\0\0\0\0{\xff\xff}", "header is not valid"),
}


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_header_is_one_clear_line(tmp_path, content, says):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        read(path)
    assert "\n" not in str(caught.value)


ENTRY = json.dumps(entry()).encode()
ENTRIES = {
    "overlap": ({"a": entry(0, 24), "b": entry(12, 36)}, 36, "'b' .* overlaps 'a'"),
    "same bytes twice": ({"a": entry(0, 24), "b": entry(0, 24)}, 24, "overlaps"),
    "hole": ({"a": entry(0, 24), "b": entry(28, 52)}, 52, "leaves a hole after 'a'"),
    "past the end": ({"a": entry(0, 24)}, 20, "take 24 bytes but the file holds 20"),
    "bytes left over": ({"a": entry(0, 24)}, 25, "take 24 bytes but the file holds 25"),
    "size against shape": ({"a": entry(0, 20)}, 20, "needs 24 bytes but has 20"),
    "size against type": ({"a": entry(0, 24, dtype="F64")}, 24, "needs 48 bytes but has 24"),
    "half a byte": ({"a": entry(0, 2, (3,), "F4")}, 2, "needs"),
    "backwards": ({"a": entry(24, 0)}, 24, "leaves a hole|needs 24 bytes but has -24"),
    "negative": ({"a": entry(-24, 0)}, 24, "impossible shape or offsets"),
    "negative side": ({"a": entry(shape=(-2, -3))}, 24, "impossible shape"),
    "fraction": ({"a": entry(shape=(2, 3.0))}, 24, "impossible shape"),
    "truth as a number": ({"a": entry(shape=(True, 6))}, 24, "impossible shape"),
    "huge": ({"a": entry(shape=(2**63, 3))}, 24, "impossible shape"),
    "three offsets": ({"a": {**entry(), "data_offsets": [0, 12, 24]}}, 24, "impossible shape or offsets"),
    "unknown type": ({"a": entry(dtype="F31")}, 24, "unknown type 'F31'"),
    "type is a list": ({"a": entry(dtype=["F32"])}, 24, "unknown type"),
    "missing key": ({"a": {"dtype": "F32", "shape": [2, 3]}}, 24, "must have dtype, shape and data_offsets"),
    "not an entry": ({"a": 3}, 24, "must have dtype"),
    "half a surrogate": (b'{"\\ud800": ' + ENTRY + b"}", 24, "not valid Unicode"),
    "duplicate": (b'{"a": ' + ENTRY + b', "a": ' + ENTRY + b"}", 24, "'a' occurs twice"),
}


@pytest.mark.parametrize(("header", "size", "says"), ENTRIES.values(), ids=ENTRIES)
def test_a_header_that_lies_about_its_bytes_is_refused(tmp_path, header, size, says):
    path = write(tmp_path / "a.safetensors", header, bytes(size))
    with pytest.raises(BadInput, match=says):
        read(path)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    save_file({"a": np.ones((4, 5), np.float32), "b": np.ones(7, np.float16)}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        with pytest.raises(BadInput):
            read(tmp_path / "cut.safetensors")


def test_a_flipped_bit_of_the_header_never_gives_other_bytes_silently(tmp_path):
    """It is refused, or changes no more than a name or a type of the same width."""
    save_file({"a": np.arange(20, dtype=np.float32).reshape(4, 5)}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    length = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for bit in range(8 * length):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "flip.safetensors").write_bytes(flipped)
        try:
            (tensor,) = read(tmp_path / "flip.safetensors").tensors
        except BadInput:
            refused += 1
        else:
            assert tensor.load().tobytes() == whole[length:]
    assert refused > 0.8 * 8 * length


PEAK = """
import re, sys
from pathlib import Path
from spinfunnel.readers import read
def peak():  # not ru_maxrss, which a process inherits from the one that started it
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
weights = read(sys.argv[1])
before = peak()
assert sum(float(tensor.load().sum()) for tensor in weights.tensors) == 0
one_by_one = peak() - before
held = [tensor.load() for tensor in weights.tensors]
assert sum(float(array.sum()) for array in held) == 0
print(one_by_one, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_no_more_than_one_tensor_is_in_memory_at_a_time(tmp_path):
    """Its pages are mapped when it is loaded, and given back when it is dropped."""
    with (tmp_path / "a.safetensors").open("wb") as file:  # zeros that take no room on the disk
        header = {f"w{i}": entry(i * 2**26, (i + 1) * 2**26, (2**12, 2**12)) for i in range(8)}
        text = json.dumps(header).encode()
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 8 * 2**26)
    said = subprocess.run([sys.executable, "-c", PEAK, file.name], capture_output=True, text=True, check=True)
    one_by_one, all_held = map(float, said.stdout.split())
    assert one_by_one < 100  # MB; one tensor is 64 and all are 512
    assert all_held > 400  # or the measurement could not tell


def test_ten_thousand_tiny_tensors_read_fast(tmp_path):
    save_file({f"w{i}": np.ones((2, 3), np.float32) for i in range(10_000)}, tmp_path / "a.safetensors")
    start = time.process_time()
    weights = read(tmp_path / "a.safetensors")
    assert time.process_time() - start < 1
    assert [t.name for t in weights.tensors[9:12]] == ["w9", "w10", "w11"]
    assert weights.parameters == 60_000


def test_the_alphabetical_order_of_the_writer_becomes_depth_and_an_authors_order_is_kept(tmp_path):
    save_file(
        {n: np.ones((2, 2), np.float32) for n in ("wte", "h.0.w", "h.2.w", "h.10.w")},
        tmp_path / "a.safetensors",
    )
    assert [t.name for t in read(tmp_path / "a.safetensors").tensors] == ["wte", "h.0.w", "h.2.w", "h.10.w"]
    header = {n: entry(16 * i, 16 * i + 16, (2, 2)) for i, n in enumerate(["stem", "conv", "rnn", "final"])}
    path = write(tmp_path / "b.safetensors", header, bytes(64))
    assert [t.name for t in read(path).tensors] == ["stem", "conv", "rnn", "final"]


def test_a_real_file_has_the_parameters_its_authors_count(asset):
    weights = read(asset("models/silero-vad/silero_vad_16k.safetensors"))
    assert (len(weights.tensors), weights.parameters) == (15, 309_633)
    assert weights.tensors[0].name == "stft_conv.weight"
