"""Near-duplicates: found in every form, told from look-alikes, and never on both sides."""

import io
import shutil
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from anime_pipeline.data import duplicates
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.duplicates import (
    SAME_BELOW,
    cached_groups,
    near_duplicate_groups,
    repeated,
    thumbnail,
)
from anime_pipeline.data.splits import split_by_content
from anime_pipeline.data.store import load_store, split_store
from anime_pipeline.sample.drawing import draw_face


def by_jpeg(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return Image.open(buffer)


FORMS = {
    "recompressed": by_jpeg,
    "reduced": lambda picture: picture.resize((60, 60)),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.05),
    "cropped": lambda picture: picture.crop((2, 2, 158, 158)),
    "framed": lambda picture: picture.resize((158, 157)),
}


def faces(count):
    return [Image.fromarray(draw_face(seed, 160).image) for seed in range(count)]


@pytest.mark.parametrize("form", FORMS)
def test_another_form_of_a_picture_is_found_and_other_pictures_are_not(form):
    pictures = faces(60)
    pictures += [FORMS[form](picture) for picture in pictures[:10]]
    thumbnails = np.stack([thumbnail(np.asarray(p.convert("RGB"))) for p in pictures])
    groups = near_duplicate_groups(thumbnails)
    found = [group.tolist() for group in repeated(groups)]
    assert found == [[index, 60 + index] for index in range(10)]


def brute_force(thumbnails):
    """Connected components of 'RMS difference below the limit, mirrored or not', naively."""
    count = len(thumbnails)
    wide = thumbnails.astype(float)
    label = list(range(count))
    for i in range(count):
        for j in range(i + 1, count):
            for other in (wide[j], wide[j][:, ::-1]):
                limit = min(SAME_BELOW, 0.35 * wide[i].std(), 0.35 * wide[j].std())
                if np.sqrt(np.mean((wide[i] - other) ** 2)) <= limit:
                    old, new = label[j], label[i]
                    label = [new if x == old else x for x in label]
    return label


@given(st.integers(0, 2**32), st.integers(0, 40), st.sampled_from([1, 7, 1000]))
def test_groups_equal_brute_force(seed, count, at_once):
    generator = np.random.default_rng(seed)
    bases = generator.integers(0, 256, (4, 16, 16, 3))
    thumbnails = np.zeros((count, 16, 16, 3), np.uint8)
    for index in range(count):
        strength = generator.choice([2, 9, 14, 25])
        noisy = bases[generator.integers(4)] + generator.normal(0, strength, (16, 16, 3))
        noisy = noisy[:, ::-1] if generator.random() < 0.5 else noisy
        thumbnails[index] = np.clip(noisy, 0, 255)
    chunk = duplicates._TILE
    try:
        duplicates._TILE = at_once  # the chunks' size must not matter
        groups = near_duplicate_groups(thumbnails)
    finally:
        duplicates._TILE = chunk
    expected = brute_force(thumbnails)
    same = [[a == b for b in groups] for a in groups]
    assert same == [[a == b for b in expected] for a in expected]


def test_many_alike_pictures_take_little_memory_and_pale_ones_are_not_alike():
    flat = np.repeat(np.arange(0, 250, 4, dtype=np.uint8), 48).reshape(-1, 1, 1, 1)
    thumbnails = np.broadcast_to(flat, (len(flat), 16, 16, 3))
    assert len(set(near_duplicate_groups(thumbnails))) == 63, (
        "greys that differ are not one drawing"
    )
    generator = np.random.default_rng(0)
    base = generator.integers(0, 256, (16, 16, 3))
    alike = np.clip(base + generator.normal(0, 3, (3000, 16, 16, 3)), 0, 255).astype(np.uint8)
    tracemalloc.start()
    groups = near_duplicate_groups(alike)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(groups)) == 1 and peak < 500_000_000


def test_groups_are_remembered_and_a_damaged_memory_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path))
    thumbnails = np.zeros((3, 16, 16, 3), np.uint8)
    assert cached_groups(thumbnails).tolist() == [0, 0, 0]
    monkeypatch.setattr(duplicates, "near_duplicate_groups", None)  # computing again would fail
    assert cached_groups(thumbnails).tolist() == [0, 0, 0]
    monkeypatch.undo()
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path))
    (path,) = tmp_path.glob("groups-*.npz")
    path.write_bytes(path.read_bytes()[:20])
    assert cached_groups(thumbnails).tolist() == [0, 0, 0]


def sides(split, count):
    side = ["out"] * count
    for name in ("train", "val", "test"):
        for index in getattr(split, name):
            assert side[index] == "out"
            side[index] = name
    return side


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_a_group_is_on_one_side_and_counts_stay_exact(seed, train_count):
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**64, 60, dtype=np.uint64)
    groups = generator.integers(0, 25, 60)
    split = split_by_content(hashes, groups, train_count)
    side = sides(split, 60)
    for group in np.unique(groups):
        used = {side[index] for index in np.flatnonzero(groups == group)} - {"out"}
        assert len(used) <= 1
    if train_count:
        assert len(split.train) == train_count
    else:
        assert "out" not in side
        # Alone each would be where its hash says; together they go furthest from training.
        alone = sides(split_by_content(hashes, np.arange(60)), 60)
        rank = {"train": 0, "val": 1, "test": 2}
        for group in np.unique(groups):
            members = np.flatnonzero(groups == group)
            assert side[members[0]] == max((alone[i] for i in members), key=rank.__getitem__)


def named_sides(store):
    names = [record.path.name for record in store.records]
    return dict(zip(names, sides(split_store(store), len(names)), strict=True))


def test_pictures_without_copies_stay_where_they_are_when_copies_come(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for index, picture in enumerate(faces(80)):
        picture.save(root / f"{index:03d}.png")
    before = load_store(open_dataset(root), 32)
    old = named_sides(before)
    for index in range(40):
        picture = Image.open(root / f"{index:03d}.png")
        FORMS["mirrored"](picture).save(root / f"{index:03d}-copy.png")
    after = load_store(open_dataset(root), 32)
    new = named_sides(after)
    assert all(new[f"{i:03d}.png"] == old[f"{i:03d}.png"] for i in range(40, 80))
    assert all(new[f"{i:03d}.png"] == new[f"{i:03d}-copy.png"] for i in range(40))
    assert len(set(old.values())) == 3


def test_inspect_shows_the_copies_and_the_palette(drawn, cli, tmp_path):
    folder = tmp_path / "faces"
    shutil.copytree(drawn, folder)
    source = folder / "000_sakura" / "face_00003.png"
    FORMS["mirrored"](Image.open(source)).save(folder / "again.png")
    facts = cli("inspect", folder, "--json").json
    assert [sorted(group) for group in facts["near_duplicates"]] == [
        sorted([str(source), str(folder / "again.png")])
    ]
    assert facts["exact_copies"] == 0
    for kind in ("contact_sheet", "duplicate_sheet", "palette"):
        with Image.open(tmp_path / facts[kind]) as picture:
            assert picture.width > 180
    plain = cli("inspect", folder).stdout
    assert "2 pictures in 1 groups" in plain and "palette_faces.png" in plain
    for path in folder.rglob("color.csv"):
        path.unlink()
    assert "palette" not in cli("inspect", folder, "--json").json


def test_palette_shares_are_those_of_the_pictures():
    from skimage.color import rgb2lab

    from anime_pipeline.reports.palette import clusters

    rgb = np.array([[255, 0, 0]] * 60 + [[0, 0, 255]] * 30 + [[0, 255, 0]] * 10) / 255
    shares, centres = clusters(rgb2lab(rgb))
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1])
    np.testing.assert_allclose(centres, rgb2lab(rgb[[0, 60, 90]]), atol=1e-6)
