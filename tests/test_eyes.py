"""The measure of eyes: what it sees of plain drawings, of real faces, and how it is reported."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from anime_pipeline.data.conditions import word_of
from anime_pipeline.data.dataset import Record, open_dataset
from anime_pipeline.data.words import WORDS
from anime_pipeline.images.colour import rgb_to_lab
from anime_pipeline.images.colour_names import SKIN_COLOURS
from anime_pipeline.metrics import eyes
from anime_pipeline.reports.attributes import eyes_figure, measure_attributes
from anime_pipeline.reports.evaluate import Evaluation

# Strong colours of which there is no doubt.
PLAIN = {"blue": (70, 110, 170), "green": (100, 150, 90), "red": (180, 60, 70)}


def face(colour, side=128):
    """A face of nothing but skin, with two eyes where close crops have them."""
    image = np.full((side, side, 3), SKIN_COLOURS["fair"], np.uint8)
    scale = side / eyes.SIDE_PX
    rows = slice(round(26 * scale), round(35 * scale))
    for left, right in ((19, 24), (42, 47)):
        image[rows, round(left * scale) : round(right * scale)] = colour
    return image


@pytest.mark.parametrize("side", [96, 128, 256])
def test_plain_eyes_are_told_by_their_colour_alone(side):
    images = np.stack([face(colour, side) for colour in PLAIN.values()])
    assert [WORDS["eyes"][place] for place in eyes.eye_words(images)] == list(PLAIN)
    apart = eyes.eye_colours(images) - rgb_to_lab(np.array(list(PLAIN.values())))
    assert np.abs(apart).max() < 12
    shut = face(SKIN_COLOURS["fair"], side)[None]  # no eyes: an answer all the same
    assert np.isfinite(eyes.eye_colours(shut)).all()


def test_every_word_has_a_mean_of_its_own():
    assert len(set(eyes.MEANS)) == len(eyes.MEANS) == len(WORDS["eyes"])
    covariance = np.array(eyes.COVARIANCE)
    assert (covariance == covariance.T).all() and (np.linalg.eigvalsh(covariance) > 0).all()


def record(word):
    return Record(Path("a.png"), None, frozenset({f"{word}_eyes"} if word else ()))


def test_the_figure_lies_between_shuffled_and_real():
    words = [*PLAIN] * 20
    real = np.stack([face(PLAIN[word]) for word in words])
    records = [record(word) for word in words]

    def obey(asked):
        return np.stack([face(PLAIN[word]) for word in asked])

    figure = eyes_figure(obey, real, records)
    assert (figure.value, figure.best, figure.n, figure.error) == (1, 1, 60, 0)
    assert 0.15 < figure.worst < 0.55 and eyes.PROTOCOL in figure.protocol
    stubborn = eyes_figure(lambda asked: obey(["red"] * len(asked)), real, records)
    assert stubborn.value == pytest.approx(1 / 3) == stubborn.worst
    assert eyes_figure(obey, real, [record("")] * 60) is None


def test_what_cannot_be_measured_is_said():
    @contextmanager
    def stage(_):
        yield lambda *_: None

    result = Evaluation({})
    generator = SimpleNamespace(names=("hair", "eyes", "length"))
    measure_attributes(generator, None, SimpleNamespace(large=None), 1.0, stage, result)
    assert "stage two" in result.facts["eyes"] and "59%" in result.facts["length of hair"]
    nothing = Evaluation({})
    measure_attributes(SimpleNamespace(names=("hair",)), None, None, 1.0, stage, nothing)
    assert not nothing.facts and not nothing.figures


def test_real_faces_are_told_far_better_than_by_chance(faces):
    records = [
        each
        for each in open_dataset(faces / "faces96").records
        if word_of("eyes", each.tags) is not None
    ][::12]
    images = []
    for each in records:
        with Image.open(each.path) as picture:
            images.append(np.asarray(picture.convert("RGB").resize((128, 128))))
    words = np.array([word_of("eyes", each.tags) for each in records])
    assert (eyes.eye_words(np.stack(images)) == words).mean() > 0.38
