"""The front door: specifications of faces, the pipeline, and what is read of earlier versions."""

import copy
import dataclasses
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import spawn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.data.words import WORDS
from anime_pipeline.images.codec import write_png
from anime_pipeline.images.colour_names import HAIR_COLOURS
from anime_pipeline.images.marks import picture_text
from anime_pipeline.inference.spec import as_request
from anime_pipeline.models.ranges import lr_to_model, to_uint8

README = Path(__file__).parent.parent / "README.md"
LIGHT = """
import sys
from anime_pipeline import FaceSpec, Pipeline
spec = FaceSpec.from_query(FaceSpec(7, {"hair": "pink", "eyes": "blue"}).query)
heavy = "tensorflow keras jax onnxruntime onnx cv2 PIL numpy".split()
print(sorted(set(heavy) & set(sys.modules)), spec.texts)
"""


def test_the_front_door_loads_no_library():
    process = spawn("-c", LIGHT)
    assert process.stdout.startswith("[] {'seed': '7', 'hair': '#db7787', 'eyes': 'blue'}"), (
        process.stderr
    )


def test_the_code_in_the_readme_runs(tmp_path):
    section = README.read_text().partition("## From Python")[2]
    [code, *_] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    check = "assert faces.shape == (4, 128, 128, 3) and film.shape == (13, 32, 32, 3)\n"
    check += "assert large.shape == (512, 512, 3) and model.output_shape[1:] == (32, 32, 3)\n"
    process = spawn("-c", code + check, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    text = picture_text(tmp_path / "face.png")
    assert FaceSpec.from_texts(text) == FaceSpec(11, {"hair": "pink", "eyes": "blue"})


COLOUR = st.tuples(*[st.integers(0, 255)] * 3)
SPECS = st.builds(
    FaceSpec,
    st.integers(0, MAX_SEED),
    st.fixed_dictionaries(
        {},
        optional={
            "Hat": st.booleans(), "hair": COLOUR, "skin": COLOUR,
            **{name: st.sampled_from(words) for name, words in WORDS.items()},
        },
    ),
    st.integers(0, 9999),
    st.floats(0, 1, exclude_min=True),
    st.floats(0, 1.5),
)  # fmt: skip


@given(SPECS)
def test_a_specification_is_the_same_after_every_journey(spec):
    for other in (
        FaceSpec.from_query(spec.query),
        FaceSpec.from_texts({"Software": "x", "weights-dcgan": "0", **spec.texts}),
        pickle.loads(pickle.dumps(spec)),  # noqa: S301
        copy.deepcopy(spec),
        dataclasses.replace(spec),
    ):
        assert other == spec and hash(other) == hash(spec)


def test_a_specification_says_the_same_in_many_ways():
    spec = FaceSpec(7, {"hair": "Pink", "eyes": "grey", "skin": "random", "length": None})
    assert spec == FaceSpec(np.int64(7), {"eyes": "gray", "hair": HAIR_COLOURS["pink"]})
    assert len({spec, FaceSpec(7, {"eyes": "gray", "hair": np.array([219, 119, 135])})}) == 1
    assert spec.look == {"hair": "#db7787", "eyes": "gray"}
    with pytest.raises(TypeError):
        spec.attributes["hair"] = (0, 0, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.seed = 8


@pytest.mark.parametrize(
    "arguments,words",
    [
        ((-1,), "seed: -1. Expected a whole number from 0 to 9223372036854775807"),
        ((1.5,), "whole number"),
        ((True,), "whole number"),
        ((0, {"hair": "plaid"}), "Invalid colour of hair. Expected #rrggbb or one of black"),
        ((0, {"skin": (0, 0, 256)}), "three whole numbers from 0 to 255"),
        ((0, {"hair": True}), "three whole numbers from 0 to 255"),
        ((0, {"eyes": "plaid"}), "Invalid value for eyes. Expected one of aqua"),
        ((0, {"length": 3}), "Expected one of long, short"),
        ((0, {"Hat": "yes"}), "Hat: 'yes'. Expected True or False"),
        ((0, {"seed": True}), "No face can be asked for 'seed'"),
        ((0, {}, 10_000), "variation: 10000"),
        ((0, {}, 0, 1.1), "strength: 1.1. Expected a number from 0 to 1"),
        ((0, {}, 0, 10**400), "strength"),
        ((0, {}, 0, 0, float("nan")), "truncation: nan. Expected a number from 0 to 1.5"),
    ],
)
def test_what_is_no_face_is_refused_in_words(arguments, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        FaceSpec(*arguments)


@pytest.mark.parametrize("query", ["", "hair=pink", "seed=x", "seed=1&strength=much"])
def test_addresses_that_say_no_face_are_refused(query):
    with pytest.raises(UsageError, match="Expected"):
        FaceSpec.from_query(query)


def test_entries_of_earlier_versions_are_read():
    old = {"seed": "7", "strength": "0.3", "weights": "abc", "wishes": "hair #6f79b1, Hat yes"}
    assert FaceSpec.from_texts(old) == FaceSpec(7, {"hair": "#6f79b1", "Hat": True}, strength=0.3)
    assert as_request(old).items() >= {"weights-dcgan": "abc", "hair": "#6f79b1"}.items()
    assert as_request(old | {"wishes": "none"})["hair"] == "random"


# What version 0.5 wrote into the PNG files of these calls, beside the weights.
EARLIER = {
    ("generate", "--seed", "7", "--hair", "#6f79b1"): {"seed": "7", "hair": "#6f79b1"},
    ("variations", "--seed", "7", "-n", "2", "--hair", "#6f79b1"): {
        "seed": "7", "strength": "0.3", "wishes": "hair #6f79b1",
    },
    ("palette", "--hair", "pink", "--skin", "tan", "--out", "outputs/a.png"): {
        "seed": "0", "truncation": "1", "hair": "#db7787", "skin": "#e7b39b", "eyes": "random",
        "length": "random",
    },
}  # fmt: skip


@pytest.mark.parametrize("call", EARLIER, ids=lambda call: call[0])
def test_pictures_of_earlier_versions_are_known_again(cli, asked_weights, call, tmp_path):
    call = (*call, "--checkpoint", asked_weights)
    assert cli(*call).code == 0
    made = sorted((tmp_path / "outputs").glob("*.png"))
    key = "weights-dcgan" if call[0] == "generate" else "weights"
    for path in made:
        text = {key: picture_text(path)["weights-dcgan"]}
        with Image.open(path) as picture:
            write_png(path, np.asarray(picture), text | EARLIER[call[:-2]])
    again = cli(*call)
    assert again.code == 0, again.stderr
    assert "weights-dcgan" in picture_text(made[0])
    option = "--eyes" if call[0] == "palette" else "--skin"
    if call[0] != "generate":  # whose files bear what was asked for in their names
        other = cli(*call, "--truncation", 0.5)
        assert other.code == 2 and "truncation differ" in other.stderr, option


def test_each_specification_is_drawn_as_it_is_alone(pipeline):
    specs = [
        FaceSpec(1), FaceSpec(1, {"eyes": "red"}), FaceSpec(1, {"eyes": "red"}, 2, 0.4),
        FaceSpec(1, truncation=0.5), FaceSpec(9, {"eyes": "red"}),
    ]  # fmt: skip
    together = pipeline(specs, size=32, batch_size=2).astype(int)
    for place, spec in enumerate(specs):
        assert np.abs(together[place] - pipeline([spec], size=32)[0]).max() <= 1
    assert len({face.tobytes() for face in together}) == len(specs)
    np.testing.assert_array_equal(pipeline.latents(specs)[3] * 2, pipeline.latents(specs)[0])
    assert pipeline([], size=32).shape == (0, 32, 32, 3)


def test_sizes_and_progress(pipeline):
    told = []
    faces = pipeline([FaceSpec(3)], progress=lambda *facts: told.append(facts))
    assert faces.shape == (1, 128, 128, 3)
    assert told == [("Drawing", 0, 1), ("Drawing", 1, 1), ("Upscaling", 1, 1)]
    assert pipeline([FaceSpec(3)], size=512).shape == (1, 512, 512, 3)
    with pytest.raises(UsageError, match="size: 100. Expected one of 32, 128, 512"):
        pipeline([FaceSpec(3)], size=100)


def test_an_interpolation_passes_its_faces(pipeline):
    ends = [FaceSpec(3, {"hair": "pink"}), FaceSpec(4, truncation=0.6)]
    latents, conditions = pipeline.interpolate(ends, frames=4)
    assert len(latents) == len(conditions) == 5
    np.testing.assert_allclose(latents[[0, -1]], pipeline.latents(ends), atol=1e-5)
    np.testing.assert_allclose(conditions[[0, -1]], pipeline.condition(ends), atol=1e-6)
    assert len(pipeline.interpolate(ends, frames=4, loop=True)[0]) == 8


@pytest.mark.parametrize("shape", [(9, 12, 3), (9, 12, 4), (9, 12)])
def test_pictures_of_every_kind_are_enlarged(pipeline, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    large = pipeline.upscale(image)
    assert large.shape == (36, 48, *shape[2:]) and large.dtype == np.uint8
    np.testing.assert_array_equal(pipeline.upscale(Image.fromarray(image)), large)
    assert pipeline.upscale(image, scale=2).shape[:2] == (18, 24)
    for wrong in (image / 255, image[..., None][..., [0, 0]], image.ravel()):
        with pytest.raises(ValueError, match="Expected uint8"):
            pipeline.upscale(wrong)


def test_provenance_names_what_took_part(pipeline):
    small, large = (pipeline.provenance(FaceSpec(3), size) for size in (32, 128))
    assert small.items() < large.items() and set(large) - set(small) == {"weights-srgan"}
    assert large["weights-srgan"] == pipeline.upscaler.weights.sha256


def test_keras_makes_the_same_pixels(pipeline):
    specs = [FaceSpec(seed, {"hair": "pink"} if seed % 2 else {}) for seed in range(16)]
    inputs = [pipeline.latents(specs), pipeline.condition(specs)]
    faces = pipeline(specs, size=32)
    drawn = to_uint8(pipeline.keras_generator()(inputs))
    assert np.abs(drawn.astype(int) - faces).max() <= 1
    faces[0] = 200  # flat, where only the limit of `clamp` keeps the network from painting
    large = to_uint8(pipeline.keras_upscaler()(lr_to_model(faces)))
    assert np.abs(large.astype(int) - pipeline.upscaler.upscale_batch(faces)).max() <= 1


@pytest.mark.parametrize("wrong", [{"generator": "none"}, {"upscaler": "none"}])
def test_weights_that_are_not_there_are_missed_at_once(wrong):
    with pytest.raises(CheckpointError, match="No weights called 'none'"):
        Pipeline.load(**wrong)
    with pytest.raises(UsageError, match="from 0 to 1"):
        Pipeline.load(realism=2)
