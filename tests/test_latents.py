"""The space of latents: paths, neighbours, projection; and frames as animations."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.core.config import DcganConfig, to_dict
from anime_pipeline.images.writing.save import encode_gif, write_mp4
from anime_pipeline.inference.latents import neighbour, slerp, walk
from anime_pipeline.inference.project import project
from anime_pipeline.models.dcgan import build_generator
from anime_pipeline.models.weights import DCGAN_KIND, save_weights

SEEDS = st.integers(0, 2**32)


def normal(seed, size=64):
    return np.random.default_rng(seed).standard_normal(size).astype(np.float32)


@given(SEEDS, SEEDS)
def test_slerp_meets_its_ends_and_keeps_the_length(first, second):
    a, b = normal(first), normal(second + 1)
    path = slerp(a, b, np.linspace(0, 1, 9))
    np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-5)
    lengths = np.linalg.norm(path, axis=1)
    ends = lengths[[0, -1]]
    assert lengths.min() >= ends.min() * 0.999 and lengths.max() <= ends.max() * 1.001
    steps = np.linalg.norm(np.diff(path / lengths[:, None], axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)  # an even turn


def test_slerp_of_parallel_and_empty_latents_is_finite():
    a = normal(0)
    assert np.isfinite(slerp(a, 2 * a, np.linspace(0, 1, 5))).all()
    assert np.isfinite(slerp(a, -a, np.linspace(0, 1, 5))).all()
    assert np.isfinite(slerp(a * 0, a, np.linspace(0, 1, 5))).all()


@pytest.mark.parametrize("spherical", [True, False])
def test_a_walk_passes_every_key(spherical):
    keys = [normal(seed) for seed in range(3)]
    closed, opened = walk(keys, 10, True, spherical), walk(keys, 10, False, spherical)
    assert len(closed) == 30 and len(opened) == 21
    np.testing.assert_allclose(closed[::10], keys, atol=1e-5)
    np.testing.assert_allclose(opened[::10], keys, atol=1e-5)
    # It ends where it begins: the last step is no longer than the others.
    steps = np.linalg.norm(np.diff(np.concatenate([closed, closed[:1]]), axis=0), axis=1)
    assert steps[-1] < 2 * np.median(steps)


@given(SEEDS, st.floats(0, 1))
def test_neighbours_are_distributed_as_latents(seed, strength):
    latent = normal(seed, 512)
    made = np.stack([neighbour(latent, seed, index, strength, "normal") for index in range(4)])
    assert 0.7 < made.std() < 1.3
    if strength == 0:
        np.testing.assert_array_equal(made, np.stack([latent] * 4))


@pytest.fixture(scope="module")
def frames():
    ramp = np.linspace(0, 200, 6).astype(np.uint8)[:, None, None, None]
    return np.broadcast_to(ramp, (6, 33, 48, 3)).copy()


def test_a_gif_is_read_back_frame_by_frame(frames, tmp_path):
    (tmp_path / "a.gif").write_bytes(encode_gif(frames, 10, "made by"))
    with Image.open(tmp_path / "a.gif") as picture:
        read = np.stack([np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(picture)])
        assert picture.info["loop"] == 0 and picture.info["duration"] == 100
        assert picture.info["comment"] == b"made by"
    assert np.abs(read.astype(int) - frames).max() <= 2


def test_a_video_is_read_back_frame_by_frame(frames, tmp_path):
    write_mp4(tmp_path / "a.mp4", frames, 10)
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    read = []
    while (result := video.read())[0]:
        read.append(result[1])
    assert np.shape(read) == (6, 32, 48, 3)  # an odd side has lost a pixel
    assert np.abs(np.stack(read).astype(int) - frames[:, :32]).mean() < 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_projection_keeps_latents_at_the_length_that_training_has_seen(tmp_path):
    config = DcganConfig(width=4, latent_dim=8, latent_distribution="uniform")
    arrays = {v.path: np.asarray(v) for v in build_generator(config).variables}
    save_weights(tmp_path / "uniform.npz", arrays, DCGAN_KIND, to_dict(config), {"step": 0})
    pipeline = Pipeline.load(tmp_path / "uniform.npz")
    found = project(pipeline.generator, pipeline([FaceSpec(600)], 32)[0], steps=200)
    assert 0.15 < np.square(found.latent).mean() < 0.55  # U(-1, 1): a third


def test_projection_finds_a_face_that_the_generator_drew(asked_weights):
    pipeline = Pipeline.load(asked_weights)
    face = pipeline([FaceSpec(600)], 32)[0]  # not among the seeds that it starts from
    found, again, start = (project(pipeline.generator, face, steps) for steps in (40, 40, 1))
    assert found.rms < start.rms
    np.testing.assert_array_equal(found.latent, again.latent)
    drawn = pipeline.draw(found.latent[None], found.condition[None], 32)[0].astype(float)
    assert np.sqrt(np.square(drawn - face).mean()) == pytest.approx(found.rms)
