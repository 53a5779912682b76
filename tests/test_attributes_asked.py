"""Asking for faces: the options of `generate`, and the sheet of `palette`."""

import json

import numpy as np
import pytest
from PIL import Image

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.cli.face_options import gather_attributes
from anime_pipeline.core.errors import UsageError
from anime_pipeline.images.colour_names import HAIR_COLOURS, SKIN_COLOURS
from anime_pipeline.images.writing.grid import labelled_sheet


@pytest.fixture(scope="module")
def asked(asked_weights):
    return Pipeline.load(asked_weights)


def test_words_come_before_a_prompt_and_a_prompt_before_a_picture(tmp_path):
    picture = tmp_path / "a.png"
    Image.new("RGB", (64, 64), (10, 200, 10)).save(picture)
    liked = gather_attributes({"like": picture})
    assert set(liked) == {"hair", "skin"}
    prompted = gather_attributes({"like": picture, "prompt": "pink hair"})
    assert prompted["hair"] == HAIR_COLOURS["pink"] and prompted["skin"] == liked["skin"]
    options = {"hair": "#102030", "skin": "tan", "like": picture, "prompt": "pink hair"}
    assert gather_attributes(options) == {"hair": (16, 32, 48), "skin": SKIN_COLOURS["tan"]}
    assert gather_attributes({"hair": "random"}) == {}


def test_what_a_prompt_cannot_say_is_named(capsys):
    assert set(gather_attributes({"prompt": "wavy silver hair, green lips"})) == {"hair"}
    said = capsys.readouterr().err
    assert "wavy" in said and "green lips" in said
    with pytest.raises(UsageError, match="hair, skin or eyes"):
        gather_attributes({"prompt": "a smiling girl"})


def test_a_tag_is_asked_for_or_against_not_both():
    asked = gather_attributes({"tags": ["Hat"], "not_tags": ["Smiling"]})
    assert asked == {"Hat": True, "Smiling": False}
    with pytest.raises(UsageError, match="--without for Hat"):
        gather_attributes({"tags": ["Hat"], "not_tags": ["Hat"]})


def test_attributes_change_the_face_and_the_batch_does_not(asked):
    plain = asked([FaceSpec(seed) for seed in range(5)], 32)
    specs = [FaceSpec(seed, {"hair": "pink", "Hat": True}) for seed in range(5)]
    pink = asked(specs, 32)
    assert (plain != pink).any(axis=(1, 2, 3)).all()
    mixed = asked([FaceSpec(1), specs[3], FaceSpec(2, {"skin": "tan"})], 32, batch_size=1)
    assert np.abs(mixed[1].astype(int) - pink[3]).max() <= 1
    assert np.abs(mixed[0].astype(int) - plain[1]).max() <= 1


def test_truncation_zero_is_one_latent(asked):
    attributes = {"hair": (1, 2, 3), "skin": (200, 190, 180), "Hat": False}
    faces = asked([FaceSpec(seed, attributes, truncation=0) for seed in range(4)], 32)
    assert np.abs(faces.astype(int) - faces[0]).max() <= 1


def test_generate_records_what_was_asked_for(cli, asked_weights, tmp_path):
    call = ["generate", "--checkpoint", asked_weights, "-n", 4, "--json"]
    made = cli(*call, "--hair", "#102030", "--with", "Hat", "--truncation", 0.7).json
    assert made["attributes"] == {"hair": "#102030", "truncation": "0.7", "Hat": "yes"}
    assert [face["hair"] for face in made["faces"]] == ["#102030"] * 4
    assert len({face["skin"] for face in made["faces"]}) > 1
    name = made["faces"][1]["file"]
    assert name == "face_000001_32_Hat-yes_hair-102030_truncation-0.7.png"
    with Image.open(tmp_path / "outputs" / name) as picture:
        assert picture.text["hair"] == "#102030" and picture.text["seed"] == "1"
    plain = cli(*call).json  # beside them, under names of their own
    assert plain["attributes"] == {}
    listed = json.loads((tmp_path / "outputs" / "manifest.json").read_text())["faces"]
    assert len(listed) == 8 and {len(face["attributes"]) for face in listed} == {0, 3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hair", "plaid"], "plaid"),
        (["--with", "Glasses"], "hair, skin, Hat"),
        (["--prompt", "a girl"], "--prompt"),
        (["--truncation", "2"], "--truncation"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(cli, asked_weights, arguments, words):
    result = cli("generate", "--checkpoint", asked_weights, *arguments)
    assert result.code == 2 and words in result.stderr


def test_a_missing_picture_to_be_like_is_bad_data(cli, asked_weights):
    result = cli("generate", "--checkpoint", asked_weights, "--like", "none.png")
    assert result.code == 4 and "none.png" in result.stderr


def test_the_palette_is_rows_of_hair_and_columns_of_skin(cli, asked_weights, tmp_path):
    call = ["palette", "--checkpoint", asked_weights, "--hair", "pink,#000", "--skin", "tan"]
    made = cli(*call, "--seed", 9, "--json").json
    assert made["faces"] == 2 and made["hair"].endswith(",#000000")
    again = cli(*call, "--seed", 9)
    assert again.code == 0, again.stderr
    other = cli(*call, "--seed", 8)
    assert other.code == 2 and "--overwrite" in other.stderr
    assert cli(*call, "--out", "sheet.jpg").code == 2
    everything = cli("palette", "--checkpoint", asked_weights, "--out", "all.png", "--json").json
    assert everything["faces"] == len(HAIR_COLOURS) * len(SKIN_COLOURS)


def test_a_sheet_shows_every_picture_in_its_place():
    pictures = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full(
        (1, 20, 20, 3), 40, np.uint8
    )
    columns = dict.fromkeys(("one", "two", "three"), (255, 0, 0))
    sheet = labelled_sheet(pictures, dict.fromkeys(("one", "two"), (255, 0, 0)), columns)
    step = 26
    left, top = sheet.shape[1] - 3 * step, sheet.shape[0] - 2 * step
    for index in range(6):
        row, column = divmod(index, 3)
        y, x = top + row * step, left + column * step
        assert (sheet[y : y + 20, x : x + 20] == index * 40).all()
    assert (sheet == (255, 0, 0)).all(axis=-1).sum() > 5 * 100  # the labels' colours
