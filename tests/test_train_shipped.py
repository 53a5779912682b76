"""tools/train_shipped.py and its packs: what arrives is what was sent, and a run leaves weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import spawn

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.core.errors import DataError
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store, split_store

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import packing  # noqa: E402


@pytest.fixture(scope="module")
def practice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("practice") / "faces"
    done = spawn("-m", "anime_pipeline", "sample-data", folder, "--count", 300, "--size", 128)
    assert done.returncode == 0, done.stderr
    for place in {path.parent for path in folder.rglob("*.png")}:
        words = ["file,hair,eyes,length"]
        words += [f"{path.name},,blue,long" for path in sorted(place.glob("*.png"))]
        (place / "tags.csv").write_text("\n".join(words))
    return folder


@pytest.fixture
def pack(practice, assets, tmp_path):
    packing.pack(tmp_path / "pack", [practice], [practice])
    return tmp_path / "pack"


def test_a_pack_holds_all_but_the_test_side_to_the_last_bit(pack, practice):
    store = load_store(open_dataset(practice), 32)
    split = split_store(store)
    faces = packing.read_small(pack)
    for side in ("train", "val"):
        wanted = store.images[getattr(split, side)]
        np.testing.assert_array_equal(faces[side].images, wanted)
    condition = faces["train"].condition
    assert packing.read_manifest(pack)["faces32"]["condition"] == "hair,skin,eyes,length"
    assert condition.shape == (len(split.train), 8 + 11 + 2)
    assert (condition[:, 8 + 2] == 2).all() and (condition[:, -2] == 2).all()  # blue, long
    large = packing.read_large(pack)
    store = load_store(open_dataset(practice), 128, min_side=128)
    split = split_store(store)
    assert [len(large[side]) for side in ("train", "val")] == [len(split.train), len(split.val)]
    error = large["train"].astype(int) - store.images[split.train]
    assert np.abs(error).mean() < 4  # JPEG
    assert all(path.stat().st_size < 38 * 2**20 for path in pack.rglob("*.npz"))


def test_a_damaged_part_is_refused_by_its_hash(pack):
    path = pack / packing.FACES
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="faces32.npz is missing or damaged"):
        packing.read_small(pack)


@pytest.mark.slow
def test_one_command_from_a_pack_to_weights_and_again(pack, tmp_path):
    out = tmp_path / "out"
    call = [
        ROOT / "tools/train_shipped.py", "--from", pack, "--out", out, "--minutes", 5, "--stage",
        "both", "--from-noise", "--samples", 40, "--arms", "preset", "quick",
    ]  # fmt: skip
    for setting in ("width=4", "width_d=4", "batch_size=8", "feature_px=32", "blocks=1"):
        call += ["--set", setting]
    for setting in ("blocks=1", "channels=8", "width_d=4", "crop_size=32", "batch_size=2"):
        call += ["--set-srgan", setting]
    done = spawn(*call)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    what = [row["what"] for row in rows]
    assert {"compiled", "timed", "plan", "evaluated", "mean logits", "plan srgan", "end"} <= set(
        what
    )
    assert rows[-1]["at_s"] < 330
    final = next(row for row in rows if row["what"] == "evaluated")
    assert np.isfinite(
        [final[f"{m}_{n}"] for m in ("kid", "recall") for n in ("alexnet", "vgg16")]
    ).all()
    made = Pipeline.load(out / "generator.npz")
    assert made([FaceSpec(3, {"eyes": "red", "length": "short"})], 32).shape == (1, 32, 32, 3)
    assert np.load(out / "samples.npy").shape == (40, 32, 32, 3)
    assert (out / "perceptual.npz").is_file()
    # Once more: everything is done, and the state is found.
    again = spawn(*call)
    assert again.returncode == 0 and '"resumed"' in again.stderr
