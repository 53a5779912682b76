"""Files as people have them: the right pixels, or one line that says why not."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from corpus import FILES, SPECIAL, Odd, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from anime_pipeline.core.errors import DataError
from anime_pipeline.data.characters import Colors, format_color_csv
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store
from anime_pipeline.images.codec import decode, encode_png
from anime_pipeline.images.decoding.decoder import read_rgb

GOOD = [odd for odd in FILES if odd.pixels is not None]
BAD = [odd for odd in FILES if odd.pixels is None]


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "files"
    write_corpus(folder)
    return folder


def test_the_corpus_is_large_enough():
    assert len(FILES) + len(SPECIAL) >= 40 and len(GOOD) >= 30 and len(BAD) >= 10


def quiet_decode(content: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on odd metadata
        return decode(content)


@pytest.mark.parametrize("odd", GOOD, ids=lambda odd: ascii(odd.name))
def test_the_right_pixels(odd: Odd):
    image = quiet_decode(odd.content)
    assert image.shape == odd.pixels.shape and image.dtype == np.uint8
    assert np.abs(image.astype(int) - odd.pixels).max() <= odd.tolerance


@pytest.mark.parametrize("odd", BAD, ids=lambda odd: ascii(odd.name))
def test_the_right_refusal(odd: Odd):
    with pytest.raises(DataError, match=odd.refusal):
        quiet_decode(odd.content)


def check_report(skipped: list[dict[str, str]]) -> None:
    """One line for each file that was not used, with its reason, and none for any other."""
    reasons = {os.path.basename(item["path"]): item["reason"] for item in skipped}
    assert len(reasons) == len(skipped)
    expected = {odd.name: odd.refusal for odd in BAD} | SPECIAL
    assert reasons.keys() == expected.keys()
    for name, reason in reasons.items():
        assert re.search(expected[name], reason) and "\n" not in reason, (name, reason)


def test_inspect_uses_all_good_files_and_names_all_others(odd_folder, cli):
    result = cli("inspect", odd_folder, "--json")
    assert result.code == 0, result.stderr
    assert result.json["images"] == len(GOOD)
    check_report(result.json["skipped"])


def test_upscale_writes_all_good_files_and_names_all_others(odd_folder, cli, tmp_path):
    # Names that differ only in their ending would share a result: each kind has its own folder.
    folders: dict[str, Path] = {}
    for path in sorted(odd_folder.iterdir()):
        if path.is_file() or path.name in SPECIAL:
            target = tmp_path / "in" / path.suffix.lstrip(".") / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target, follow_symlinks=False)
            folders[path.suffix] = target.parent
    (tmp_path / "in" / "png" / "thin.png").unlink()  # minutes of tiles prove nothing more
    result = cli("upscale", tmp_path / "in", "--out", "large", "--json")
    assert result.code == 3, result.stderr
    upscaled = [odd for odd in GOOD if odd.name != "thin.png"]
    assert len(result.json["written"]) == len(upscaled)
    for odd in upscaled:
        stem, _, kind = odd.name.rpartition(".")
        # What moves keeps its format; of it the first frame is compared.
        name = odd.name if stem == "moving" else f"{stem}.png"
        large = read_rgb(tmp_path / "large" / kind / name)
        assert large.shape == (odd.pixels.shape[0] * 4, odd.pixels.shape[1] * 4, 3)


@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
            min_size=1,
            max_size=60,
        ).filter(lambda name: not name.startswith(".") and len(name.encode()) < 240),
        min_size=1,
        max_size=5,
        unique_by=str.lstrip,
    )
)
@settings(max_examples=40, deadline=None)
def test_any_name_is_found_and_joined_with_its_colours(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names") / "000_any"
    folder.mkdir()
    image = np.zeros((4, 4, 3), np.uint8)
    rows = []
    for index, name in enumerate(names):
        (folder / f"{name}.png").write_bytes(encode_png(image))
        rows.append((f"{name}.png", Colors((index, 2, 3), (4, 5, 6))))
    (folder / "color.csv").write_bytes(format_color_csv(rows).encode())
    dataset = open_dataset(folder.parent)
    assert {record.path.name for record in dataset.records} == {f"{name}.png" for name in names}
    assert {record.path.name: record.colors for record in dataset.records} == dict(rows)
    assert dataset.rows_without_image == [] and dataset.color_problems == []
    assert len(load_store(dataset, 8).images) == len(names)


@pytest.mark.parametrize("folder", ["/sys/nowhere", "/dev/null/deep"])
def test_a_folder_that_cannot_be_written_is_said_so(cli, folder):
    result = cli("sample-data", f"{folder}/x", "--count", 1, "--size", 32)
    assert result.code == 1 and folder.split("/")[1] in result.stderr
    assert "Traceback" not in result.stderr and "ame a" in result.stderr
