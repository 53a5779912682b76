"""What an `.npz` claims of itself is compared with what it can hold, before it is read."""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_DCGAN, spawn

from anime_pipeline.core import arrays, checkpoint
from anime_pipeline.core.arrays import open_arrays
from anime_pipeline.core.config import to_dict
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.models import weights
from anime_pipeline.models.weights import DCGAN_KIND, load_weights, save_weights


def member(array: np.ndarray, shape=None, descr=None) -> bytes:
    file = io.BytesIO()
    header = {
        "shape": array.shape if shape is None else shape,
        "fortran_order": False,
        "descr": descr or np.lib.format.dtype_to_descr(array.dtype),
    }
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def weights_file(path: Path, members: dict[str, bytes], method=zipfile.ZIP_STORED) -> Path:
    description = {
        "format": 1, "kind": DCGAN_KIND, "config": to_dict(TINY_DCGAN), "training": {},
    }  # fmt: skip
    text = np.frombuffer(json.dumps(description).encode(), np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("description.json.npy", member(text))
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content, method)
    return path


def zeros_file(path: Path, count: int) -> Path:
    """A megabyte that inflates to `count` bytes, made without holding them."""
    header = member(np.zeros(0, np.uint8), shape=(count,))
    weights_file(path, {})
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as file,
    ):
        file.write(header)
        for _ in range(count // 2**24):
            file.write(bytes(2**24))
    return path


LOAD = """
import sys, time
from pathlib import Path
from anime_pipeline.core.errors import CheckpointError
from anime_pipeline.models.weights import DCGAN_KIND, load_weights
def peak_kb():  # of this program: ru_maxrss may begin at that of the process that started it
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
begin, before = time.process_time(), peak_kb()
try:
    load_weights(Path(sys.argv[1]), DCGAN_KIND)
except CheckpointError as error:
    print(error, (peak_kb() - before) // 1024, round(time.process_time() - begin), sep="\\n")
"""


def test_a_megabyte_that_inflates_to_gigabytes_costs_nothing(tmp_path):
    path = zeros_file(tmp_path / "w.npz", 2**29)
    assert path.stat().st_size < 10**6
    said, megabytes, seconds = spawn("-c", LOAD, path).stdout.splitlines()
    assert "claims" in said and int(megabytes) < 100 and int(seconds) <= 1


def test_weights_larger_than_their_architecture_are_not_read(tmp_path):
    from anime_pipeline.core.parameters import most_parameters

    fits = most_parameters(TINY_DCGAN)
    path = weights_file(tmp_path / "w.npz", {"a": member(np.zeros(fits, np.float32))})
    assert load_weights(path, DCGAN_KIND).arrays["a"].size == fits
    path = weights_file(tmp_path / "w.npz", {"a": member(np.zeros(fits + 1, np.float32))})
    with pytest.raises(CheckpointError, match="takes no more|can be"):
        load_weights(path, DCGAN_KIND)


def test_what_inflates_has_a_bound_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "MOST_INFLATED", 10)
    content = {"a": member(np.zeros(11, np.float32))}
    path = weights_file(tmp_path / "w.npz", content)
    assert load_weights(path, DCGAN_KIND).arrays["a"].size == 11
    path = weights_file(tmp_path / "w.npz", content, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="no more than 10 can be"):
        load_weights(path, DCGAN_KIND)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(value, tmp_path):
    path = weights_file(tmp_path / "w.npz", {"a": member(np.full(3, value, np.float32))})
    with pytest.raises(CheckpointError, match="a holds values that are no finite numbers"):
        load_weights(path, DCGAN_KIND)


ABSURD = {
    "claims more": lambda: member(np.zeros(4, np.float32), shape=(2**39,)),
    "claims less": lambda: member(np.zeros(4, np.float32), shape=(1,)),
    "overflows": lambda: member(np.zeros(0, np.float32), shape=(2**70, 0)),
    "negative": lambda: member(np.zeros(4, np.float32), shape=(-2, -2)),
    "many dimensions": lambda: member(np.zeros(1, np.float32), shape=(1,) * 70),
    "objects": lambda: member(np.zeros(4, np.int64), descr="|O"),
    "structured": lambda: member(np.zeros(4, np.int64), descr=[("a", "<i8")]),
    "text": lambda: b"no array at all",
    "nested": lambda: b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"[" * 9000,
    "empty": lambda: b"",
}


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_members_are_one_clear_line(kind, tmp_path, cli):
    weights_file(tmp_path / "w.npz", {"a": ABSURD[kind]()})
    result = cli("generate", "-n", 1, "--checkpoint", "w.npz")
    assert result.code == 5 and len(result.stderr.splitlines()) == 1, result.stderr
    assert "w.npz is damaged or no weights file" in result.stderr


@pytest.mark.parametrize("kind", ["claims more", "claims less"])
def test_headers_and_directory_must_agree(kind, tmp_path):
    path = weights_file(tmp_path / "w.npz", {"a": ABSURD[kind]()})
    with pytest.raises(ValueError, match="claims"), open_arrays(path):
        pass


@pytest.mark.parametrize("kind", ["negative", "objects", "structured"])
def test_what_is_no_array_of_numbers_is_known_by_its_header(kind, tmp_path):
    path = weights_file(tmp_path / "w.npz", {"a": ABSURD[kind]()})
    with pytest.raises(ValueError, match="no array of numbers"), open_arrays(path):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("damaged", [False, True])
def test_members_packed_as_numpy_never_does_are_refused(method, damaged, tmp_path, cli):
    path = weights_file(tmp_path / "w.npz", {"a": member(np.zeros(999, np.float32))}, method)
    if damaged:
        content = bytearray(path.read_bytes())
        at = content.find(b"a.npy") + 9
        content[at : at + 20] = bytes(20)
        path.write_bytes(content)
    result = cli("generate", "-n", 1, "--checkpoint", "w.npz")
    assert result.code == 5 and "compressed" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_directory_of_a_million_names_is_not_read(tmp_path):
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, *[0] * 3, 1, *[0] * 4, 0, 0)
    directory = (entry + b"a") * 100_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 34464, 34464, len(directory), 0, 0)
    path = tmp_path / "w.npz"
    path.write_bytes(directory + end)
    with pytest.raises(ValueError, match="directory"), open_arrays(path):
        pass


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "half": rng.standard_normal((3, 4)).astype(np.float16),
        "turned": np.asfortranarray(rng.standard_normal((3, 5))),
        "other end": np.arange(6, dtype=">i4").reshape(2, 3),
        "none": np.zeros((0, 4), np.float32),
        "one": np.float32(3),
        "flags": np.array([True, False]),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        with open_arrays(tmp_path / "a.npz") as file:
            read = file.read()
        for name, array in arrays.items():
            assert read[name].dtype == np.asarray(array).dtype
            assert np.array_equal(read[name], array) and read[name].shape == np.shape(array)


def test_a_flipped_byte_of_a_member_is_found(tmp_path):
    path = tmp_path / "w.npz"
    save_weights(path, {"a": np.ones(1000)}, DCGAN_KIND, to_dict(TINY_DCGAN), {})
    content = bytearray(path.read_bytes())
    at = content.find(struct.pack("<f", 1.0) * 4) + 2000
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="CRC"):
        load_weights(path, DCGAN_KIND)


def test_two_members_of_one_name_are_none(tmp_path):
    path = tmp_path / "w.npz"
    for names in (("a.npy", "a"), ("a", "a.npy")):
        with zipfile.ZipFile(path, "w") as archive:
            for number, name in enumerate(names):
                archive.writestr(name, member(np.full(3, number)))
        with pytest.raises(ValueError, match="one name"), open_arrays(path):
            pass


def test_wide_numbers_count_for_what_they_take(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(100, np.float64))
    with open_arrays(tmp_path / "a.npz") as file:
        file.require_at_most(200)
        file.require_at_most(0, "a")
        with pytest.raises(ValueError, match="claims 200 numbers"):
            file.require_at_most(199)


@pytest.mark.parametrize(
    "text,reason", [(b" " * 2**20 + b"{}", "too long"), (b"[1]", "nothing"), (b"7", "nothing")]
)
def test_a_description_is_a_short_object(text, reason, tmp_path):
    np.savez(tmp_path / "a.npz", d=np.frombuffer(text, np.uint8))
    with open_arrays(tmp_path / "a.npz") as file, pytest.raises(ValueError, match=reason):
        file.document("d")


def test_a_member_that_ends_before_what_all_of_it_claims(tmp_path):
    path = tmp_path / "a.npz"
    content = member(np.zeros(10, np.float32), shape=(1000,))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    whole = bytearray(path.read_bytes())
    at = whole.find(b"PK\1\2") + 24  # its size, in the directory
    assert struct.unpack_from("<L", whole, at) == (len(content),)
    struct.pack_into("<L", whole, at, len(content) + 3960)
    path.write_bytes(whole)
    with open_arrays(path) as file, pytest.raises(EOFError, match="ends too early"):
        file.read()


def test_a_checkpoint_is_measured_before_it_is_read(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"a": np.ones((4, 4))}, keep=2)
    read = []
    monkeypatch.setattr(checkpoint, "sha256_of", lambda path: read.append(path))
    with pytest.raises(CheckpointError, match="another architecture"):
        checkpoint.load_latest(tmp_path, print, {"a": np.ones((4, 5))})
    assert not read
    monkeypatch.undo()
    assert checkpoint.load_latest(tmp_path, print, {"a": np.ones((4, 4))})[0] == 1


def test_a_compressed_checkpoint_is_none_of_ours(tmp_path):
    path = checkpoint.save(tmp_path, 1, {"a": np.ones(4)}, keep=2)
    np.savez_compressed(path, a=np.zeros(2**20))
    sha256 = checkpoint.sha256_of(path)
    path.with_suffix(".json").write_text(json.dumps({"step": 1, "sha256": sha256}))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load_latest(tmp_path, print)


def test_headers_that_take_long_to_read_are_not_read(tmp_path):
    shape = (1,) * 400
    path = weights_file(tmp_path / "a.npz", {"a": member(np.zeros(1, np.uint8), shape=shape)})
    with pytest.raises(CheckpointError, match="reading array header"):
        load_weights(path, DCGAN_KIND)


def test_members_without_number_are_not_listed_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_MEMBERS", 3)
    many = {str(index): member(np.zeros(1, np.uint8)) for index in range(3)}
    with pytest.raises(CheckpointError, match="4 members"):
        load_weights(weights_file(tmp_path / "a.npz", many), DCGAN_KIND)
