"""Asking for eyes and for long or short hair on the command line, with the shipped weights."""

import json

import numpy as np
import pytest
from conftest import spawn
from PIL import Image

from anime_pipeline import FaceSpec
from anime_pipeline.cli.face_options import gather_attributes, only_known
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.conditions import columns
from anime_pipeline.data.words import WORDS, known_words, parse_word
from anime_pipeline.images.colour_names import OTHER_WORDS
from anime_pipeline.inference.export_usage import condition_parts as parts_of
from anime_pipeline.inference.export_usage import usage

ASKED = ("--eyes", "Grey", "--hair-length", "short")


def test_words_and_what_people_say_for_them():
    expected = "aqua black blue brown gray green orange pink purple red yellow".split()
    assert list(WORDS["eyes"]) == expected, "weights know them in this order"
    assert set(OTHER_WORDS["eyes"]) <= set(expected)
    assert not set(" ".join(OTHER_WORDS["eyes"].values()).split()) & set(expected)
    for name in WORDS:
        assert all(parse_word(f" {word.upper()} ", name, "x") in WORDS[name]
                   for word in known_words(name))  # fmt: skip
    with pytest.raises(UsageError, match="Invalid value.*aqua, black.*yellow. Received: 'plaid'"):
        parse_word("plaid", "eyes", "value")


def test_options_come_before_a_prompt(capsys):
    gather_attributes({"prompt": "long hair, red eyes", "hair": "pink"})
    assert not capsys.readouterr().err
    found = gather_attributes({"prompt": "long hair, red eyes", "eyes": "blue", "length": "random"})
    assert "The prompt speaks of that too: --eyes comes first." in (
        " ".join(capsys.readouterr().err.split())
    )
    assert found == {"eyes": "blue", "length": "long"}


def test_the_shipped_weights_draw_other_eyes_and_other_hair(pipeline):
    assert pipeline.generator.attributes == ("hair", "skin", "eyes", "length")

    def faces_with(**attributes):
        return pipeline([FaceSpec(seed, attributes) for seed in range(8)], 32)

    faces = {word: faces_with(eyes=word) for word in ("red", "blue")}
    assert (faces["red"] != faces["blue"]).any(axis=(1, 2, 3)).all()
    redder = faces["red"][..., 0].astype(int) - faces["red"][..., 2]
    bluer = faces["blue"][..., 0].astype(int) - faces["blue"][..., 2]
    assert redder.mean() > bluer.mean()
    long, short = faces_with(length="long"), faces_with(length="short")
    assert (long != short).any(axis=(1, 2, 3)).all()


def test_each_face_tells_what_it_was_asked(pipeline):
    condition = pipeline.condition([FaceSpec(seed, {"eyes": "blue"}) for seed in range(40)])
    told = pipeline.generator.asked(condition)
    assert {face["eyes"] for face in told} == {"blue"}
    assert {face.get("length") for face in told} > {"long", "short"} - {None}
    condition[0] = 0
    assert pipeline.generator.asked(condition)[0] == {}


def test_generate_from_the_real_command_and_again_from_what_its_picture_says(tmp_path):
    call = ("-m", "anime_pipeline", "generate", "--seed", "5-6", "--hair", "pink", *ASKED)
    first = spawn(*call, "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert made["attributes"] == {"hair": "#db7787", "eyes": "gray", "length": "short"}
    assert [(face["eyes"], face["length"]) for face in made["faces"]] == [("gray", "short")] * 2
    name = made["faces"][0]["file"]
    assert name == "face_000005_32_hair-db7787_eyes-gray_length-short.png"
    manifest = json.loads((tmp_path / "outputs/manifest.json").read_text())
    assert manifest["faces"][0]["attributes"] == made["attributes"]
    with Image.open(tmp_path / "outputs" / name) as picture:
        text, pixels = dict(picture.text), np.asarray(picture)
    again = spawn(
        "-m", "anime_pipeline", "generate", "--seed", text["seed"], "--hair", text["hair"],
        "--eyes", text["eyes"], "--hair-length", text["length"], "--out", "again", cwd=tmp_path,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    with Image.open(tmp_path / "again" / name) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_a_prompt_asks_for_what_options_ask_for(cli, tmp_path):
    call = ("generate", "--seed", 5, "--json")
    made = cli(*call, "--prompt", "short hair, silver eyes, a hat")
    assert made.json["attributes"] == {"eyes": "gray", "length": "short"}
    assert "Not drawn" in made.stderr and made.stderr.rstrip().endswith("hat")
    assert cli(*call, *ASKED).json["faces"] == made.json["faces"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--eyes", "plaid"], "--eyes. Expected one of aqua, black, blue"),
        (["--hair-length", "medium"], "--hair-length. Expected one of long, short."),
        (["--eyes", ""], "--eyes. Expected one of"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ["generate"],
        ["variations", "--seed", 1],
        ["interpolate", "--seeds", "1,2"],
        ["palette"],
    ],
)
def test_other_words_are_refused_with_those_there_are(cli, command, arguments, words):
    result = cli(*command, *arguments)
    if command[0] == "interpolate" and arguments[1] == "":
        return  # nothing asked for
    assert result.code == 2 and words in result.stderr.replace("\n", " ")


def test_weights_that_know_nothing_of_it_refuse_it(cli, asked_weights):
    for option in (("--eyes", "blue"), ("--hair-length", "long"), ("--prompt", "blue eyes")):
        result = cli("generate", "--checkpoint", asked_weights, *option)
        assert result.code == 2 and "know only hair, skin, Hat" in " ".join(result.stderr.split())


def test_the_rest_of_a_prompt_is_drawn_by_weights_that_know_nothing_of_eyes(cli, asked_weights):
    call = ("generate", "--checkpoint", asked_weights, "--json", "--prompt", "pink hair, blue eyes")
    made = cli(*call)
    assert made.json["attributes"] == {"hair": "#db7787"}
    assert "Not drawn (these weights know nothing of it): blue eyes" in made.stderr
    assert cli(*call, "--eyes", "red").code == 2  # an option means it
    assert only_known({"eyes": "red"}, {}, ("hair",)) == {"eyes": "red"}


def test_variations_journeys_and_palettes_take_them(cli, tmp_path):
    near = cli("variations", "--seed", 3, "-n", 2, *ASKED, "--json")
    assert near.json["attributes"] == "eyes gray, length short"
    other = cli("variations", "--seed", 3, "-n", 2, "--eyes", "red")
    assert other.code == 2 and "--overwrite" in other.stderr
    way = cli("interpolate", "--seeds", 7, "--eyes", "blue,red", "--frames", 2, "--out", "a.png",
              "--hair-length", "long,short", "--json")  # fmt: skip
    assert way.json["eyes"] == ["blue", "red"] and way.json["length"] == ["long", "short"]
    odd = cli("interpolate", "--seeds", "3,4,5", "--hair-length", "long,short", "--out", "b.png")
    assert odd.code == 2 and "--hair-length" in odd.stderr
    sheet = ("palette", "--hair", "pink", "--skin", "tan", "--json")
    red = cli(*sheet, "--eyes", "red").json
    assert red["eyes"] == "red"
    with Image.open(tmp_path / red["out"]) as picture:
        assert picture.text["eyes"] == "red"
    assert cli(*sheet, "--eyes", "blue").code == 2  # another picture of that name is there


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("generate --eyes bl", {"black", "blue"}),
        ("variations --hair-length ", {"long", "short", "random"}),
        ("interpolate --eyes red,gr", {"red,gray", "red,green"}),
        ("project --hair si", {"silver"}),
        ("palette --skin pale,t", {"pale,tan"}),
    ],
)
def test_tab_offers_the_words(typed, offered):
    code = "from anime_pipeline.cli.main import main; main(prog_name='anime-pipeline')"
    result = spawn(
        "-c", code, _ANIME_PIPELINE_COMPLETE="bash_complete",
        COMP_WORDS=f"anime-pipeline {typed}", COMP_CWORD=str(len(typed.split(" "))),
    )  # fmt: skip
    found = {line.split(",", 1)[1] for line in result.stdout.splitlines()}
    assert found == offered, result.stderr


def test_an_export_says_where_the_words_stand(pipeline):
    generator = pipeline.generator
    parts = {part["name"]: part for part in parts_of(generator.config)}
    for name, words in WORDS.items():
        place = columns(generator.names, name)
        part = parts[name]
        assert (part["first"], part["count"]) == (place.start, len(words))
        assert tuple(part["words"]) == words
        row = generator.condition([0], {name: words[1]})[0]
        assert row[part["first"] + 1] == part["strength"] == row[place].sum()
    document = {
        "file": "a.onnx", "form": "onnx", "weights": {"dcgan": {"file": "a", "sha256": "0" * 64}},
        "output": {"image": "float32"}, "latent_distribution": "normal",
        "condition": list(parts.values()), "difference_from_keras": None,
        "within_one_level": None, "examples": {"latent": [[0.0]], "condition": [[0.0]]},
    }  # fmt: skip
    said = " ".join(usage(document, "a.json").split())
    assert "length, from column 19: 2.0 at one of long, short, in this order" in said
    assert "yes, -1 for no" not in said
