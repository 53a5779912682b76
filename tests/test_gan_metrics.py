import os
from pathlib import Path

import numpy as np
import pytest
from conftest import spawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import linalg, signal

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.randomness import stream
from anime_pipeline.metrics import diversity, features
from anime_pipeline.metrics.features import common_scale, distances
from anime_pipeline.metrics.frechet import frechet
from anime_pipeline.metrics.kid import Kid, kid
from anime_pipeline.metrics.memorisation import memorisation, nearest, thumbnails
from anime_pipeline.metrics.precision_recall import precision_recall
from anime_pipeline.models.assets import LPIPS_FILES, VGG_FILE, find_asset
from anime_pipeline.sample.drawing import draw_face

SEEDS = st.integers(0, 2**31)


def gaussian(seed, count, dimension=6, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, dimension))


def pictures(seed, count, size_px=32):
    return np.random.default_rng(seed).integers(0, 256, (count, size_px, size_px, 3), np.uint8)


@pytest.fixture
def assets():
    if find_asset(VGG_FILE) is None:
        pytest.skip("ANIME_PIPELINE_ASSETS is not set: no VGG16 weights")
    return Path(os.environ["ANIME_PIPELINE_ASSETS"])


def test_features_equal_keras_by_the_protocol(assets):
    import keras

    images = pictures(0, 52)  # more than a batch
    calls = []
    network = features.Features()
    found = network(images, lambda *call: calls.append(call))
    assert network.source == "torch" and calls == [(50, 52), (52, 52)]
    assert found.shape == (52, 1024) and found.dtype == np.float64

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(128, 128, 3))
    with np.load(assets / VGG_FILE, allow_pickle=False) as arrays:
        for layer in base.layers:
            if f"{layer.name}/kernel" in arrays:
                layer.set_weights([arrays[f"{layer.name}/kernel"], arrays[f"{layer.name}/bias"]])
    maps = [base.get_layer(name).output for name in ("block4_conv3", "block5_conv3")]
    model = keras.Model(base.input, [keras.layers.GlobalAveragePooling2D()(m) for m in maps])
    large = [Image.fromarray(images[i]).resize((128, 128), Image.BICUBIC) for i in (0, 51)]
    large = np.stack(large).astype(np.float32)
    prepared = keras.applications.imagenet_utils.preprocess_input(large, mode="torch")
    expected = np.concatenate([np.asarray(part) for part in model(prepared)], axis=1)
    np.testing.assert_allclose(found[[0, 51]], expected, rtol=1e-3, atol=1e-4)


def test_features_see_small_faces_as_they_are_and_check_them(assets, monkeypatch):
    with pytest.raises(ValueError, match=r"size_px.*Received: 16"):
        features.Features(size_px=16)
    monkeypatch.setattr(features.Image, "fromarray", None)  # nothing may be resized
    network = features.Features(size_px=32)
    assert network(pictures(0, 2)).shape == (2, 1024)
    for wrong in (pictures(0, 2).astype(np.float32), pictures(0, 0), pictures(0, 1)[:, :8]):
        with pytest.raises(ValueError, match="Expected uint8"):
            network(wrong)


def convolve(maps, kernel, bias, stride, pad):
    """Cross-correlate [N, H, W, C] with [K, K, C, D] as the sum is written; after ReLU."""
    maps = np.pad(maps, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(maps, kernel.shape[:2], (1, 2))
    windows = windows[:, ::stride, ::stride]  # [N, h, w, C, K, K]
    return np.maximum(np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2])) + bias, 0)


def maxima(maps):
    return np.lib.stride_tricks.sliding_window_view(maps, (3, 3), (1, 2))[:, ::2, ::2].max((4, 5))


def alexnet_by_numpy(path, images):
    """AlexNet of torchvision with LPIPS' scaling: layers 2 to 5 at 128 px, averaged over places."""
    large = [Image.fromarray(image).resize((128, 128), Image.BICUBIC) for image in images]
    x = np.stack(large) / 127.5 - 1
    x = (x - np.array([-0.030, -0.088, -0.188])) / np.array([0.458, 0.448, 0.450])
    means = []
    with np.load(path, allow_pickle=False) as arrays:
        for layer, (stride, pad) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            x = maxima(x) if layer in (1, 2) else x
            name = f"AlexNet_0/Conv_{layer}"
            kernel, bias = (arrays[f"{name}/{part}"] * 1.0 for part in ("kernel", "bias"))
            x = convolve(x, kernel, bias, stride, pad)
            means.append(x.mean((1, 2)))
    return np.concatenate(means[1:], axis=1)


@pytest.fixture(scope="module")
def alexnet_faces(tmp_path_factory):
    """Real-like faces, worse ones, and the features of both by the second implementation."""
    path = find_asset(LPIPS_FILES["alex"])
    if path is None:
        pytest.skip("ANIME_PIPELINE_ASSETS is not set: no AlexNet weights")
    real = np.stack([draw_face(seed, 32).image for seed in range(14)])
    noise = np.random.default_rng(0).integers(-40, 41, (11, 32, 32, 3))
    fake = np.clip(real[:11, :, ::-1] * 0.9 + noise, 0, 255).astype(np.uint8)
    file = tmp_path_factory.mktemp("alexnet") / "faces.npz"
    expected = {"of_real": alexnet_by_numpy(path, real), "of_fake": alexnet_by_numpy(path, fake)}
    np.savez(file, real=real, fake=fake, **expected)
    return file


def check_alexnet(file):
    """Compare `Features` and the measures on them with those of the second implementation."""
    network = features.Features("alexnet")
    assert (network.network, network.source, network.size_px) == ("alexnet", "lpips", 128)
    with np.load(file, allow_pickle=False) as known:
        found = network(known["real"]), network(known["fake"])
        expected = known["of_real"], known["of_fake"]
    for mine, other in zip(found, expected, strict=True):
        assert mine.shape == (len(other), 192 + 384 + 256 + 256) and mine.dtype == np.float64
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)
    scale = np.sqrt((expected[0] ** 2).mean())
    real, fake = (rows / scale for rows in expected)
    mine = [rows / common_scale(found[0]) for rows in found]
    assert kid(*mine).mean > 0.01
    assert precision_recall(*mine) == pytest.approx(precision_recall_by_loops(real, fake, 3))
    whole = kid(mine[0][:11], mine[1]).mean  # of equal sizes every subset is the whole set
    assert whole == pytest.approx(kid_by_loops(real[:11], fake), abs=1e-4)


def test_alexnet_equals_a_second_implementation_on_tensorflow_and_on_jax(alexnet_faces):
    check_alexnet(alexnet_faces)
    pytest.importorskip("jax")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_gan_metrics as t; "
    code += "t.check_alexnet(sys.argv[2]); import keras; print(keras.backend.backend())"
    process = spawn("-c", code, Path(__file__).parent, alexnet_faces, KERAS_BACKEND="jax")
    assert process.returncode == 0 and process.stdout == "jax\n", process.stderr[-2000:]


def test_networks_that_cannot_be_used(monkeypatch):
    with pytest.raises(ValueError, match=r"network.*vgg16, alexnet, .*Received: 'resnet'"):
        features.Features("resnet")
    monkeypatch.delenv("ANIME_PIPELINE_ASSETS", raising=False)
    with pytest.raises(PipelineError, match=r"lpips_alexnet.npz.*ANIME_PIPELINE_ASSETS"):
        features.Features("alexnet")
    assert "lpips_alexnet.npz" in features.why_missing("alexnet")
    assert features.why_missing("vgg16") is None


def test_common_scale_is_the_root_mean_square():
    real = gaussian(0, 9) * 7
    assert common_scale(real) == pytest.approx(np.sqrt(sum(v**2 for v in real.flat) / real.size))
    with pytest.raises(ValueError, match="zeros"):
        common_scale(np.zeros((3, 2)))


@pytest.mark.parametrize("measure", [kid, frechet, precision_recall, diversity.distance_ratio])
def test_measures_check_features(measure):
    good = gaussian(0, 8)
    holed = np.where(good > 1, np.nan, good)
    for wrong in (good[0], good[:1], good[:, :3], good.astype(np.float32), holed):
        with pytest.raises(ValueError, match=r"`(real|fake)`.*Received: .*"):
            measure(good, wrong)


def kid_by_loops(real, fake):
    """Binkowski et al.'s estimate, as the sums are written."""

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(rows):
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return sum(pairs) / (len(rows) * (len(rows) - 1))

    between = sum(kernel(x, y) for x in real for y in fake) / (len(real) * len(fake))
    return within(real) + within(fake) - 2 * between


def test_kid_equals_loops():
    real, fake = gaussian(0, 7), gaussian(1, 7, shift=0.5)
    # Every subset is the whole set, so nothing varies.
    assert kid(real, fake) == pytest.approx((kid_by_loops(real, fake), 0), abs=1e-9)


def test_kid_equals_loops_on_each_subset_across_chunks(monkeypatch):
    for name, value in (("CHUNK", 4), ("SUBSETS", 3), ("SUBSET_SIZE", 6)):
        monkeypatch.setattr(f"anime_pipeline.metrics.kid.{name}", value)
    real, fake = gaussian(0, 11), gaussian(1, 9, shift=0.5)
    values = []
    for index in range(3):
        random = stream(0, "kid subsets", index)
        chosen = real[random.choice(11, 6, replace=False)], fake[random.choice(9, 6, replace=False)]
        values.append(kid_by_loops(*chosen))
    expected = Kid(np.mean(values), np.std(values) / np.sqrt(3))
    assert kid(real, fake) == pytest.approx(expected)


def test_kid_is_unbiased_and_grows_with_the_shift():
    real = gaussian(0, 600)
    same, near, far = (kid(real, gaussian(1, 600, shift=shift)).mean for shift in (0, 0.3, 0.6))
    assert abs(same) < 0.02 < near < far


@settings(max_examples=25)
@given(SEEDS, st.integers(2, 12))
def test_kid_of_whole_sets_ignores_order_and_sides(seed, count):
    real, fake = gaussian(seed, count), gaussian(seed + 1, count)
    found = kid(real, fake).mean
    mixed = np.random.default_rng(seed).permutation(count)
    assert kid(real[mixed], fake[::-1]).mean == pytest.approx(found)
    assert kid(fake, real).mean == pytest.approx(found)


def with_moments(seed, mean, covariance):
    """Draw rows whose sample mean and covariance are exactly these."""
    rows = gaussian(seed, 50, len(mean))
    rows = rows - rows.mean(0)
    white = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
    return white @ np.linalg.cholesky(np.asarray(covariance)).T + mean


def test_frechet_of_known_gaussians():
    # Variances 1, 4 against 9, 16; means 5 apart: 25 + (3 - 1)^2 + (4 - 2)^2
    real = with_moments(0, [0, 0], np.diag([1.0, 4.0]))
    fake = with_moments(1, [3, 4], np.diag([9.0, 16.0]))
    assert frechet(real, fake) == pytest.approx(33)


def test_frechet_equals_the_matrix_root():
    real, fake = gaussian(0, 40), gaussian(1, 30, shift=1) @ gaussian(2, 6)
    first, second = np.cov(real.T), np.cov(fake.T)
    root = linalg.sqrtm(first @ second).real
    means = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    expected = means + np.trace(first + second - 2 * root)
    assert frechet(real, fake) == pytest.approx(expected)


@settings(max_examples=25)
@given(SEEDS, st.integers(2, 20), st.integers(1, 30))
def test_frechet_is_a_distance_with_fewer_faces_than_features_too(seed, count, dimension):
    real, fake = gaussian(seed, count, dimension), gaussian(seed + 1, count, dimension)
    found = frechet(real, fake)
    assert found >= 0
    assert frechet(real, real[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet(fake[::-1], real) == pytest.approx(found, abs=1e-9)
    assert frechet(real, real + 1) == pytest.approx(dimension)


def test_precision_and_recall_of_equal_and_far_sets():
    real = gaussian(0, 50)
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 100) == (0, 0)


def test_a_collapse_has_precision_without_recall():
    real = gaussian(0, 200, 2)
    found = precision_recall(real, np.repeat(real[:4], 10, 0) + gaussian(1, 40, 2) * 1e-3)
    assert found.precision > 0.95 and found.recall < 0.1


def precision_recall_by_loops(real, fake, neighbours):
    """Kynkaanniemi et al.'s shares, as they are written."""

    def in_ball(centre, reference, row):
        radius = sorted(np.linalg.norm(centre - other) for other in reference)[neighbours]
        return np.linalg.norm(centre - row) <= radius

    def covered(reference, row):
        return any(in_ball(centre, reference, row) for centre in reference)

    precision = sum(covered(real, row) for row in fake) / len(fake)
    return precision, sum(covered(fake, row) for row in real) / len(real)


@settings(max_examples=25)
@given(SEEDS)
def test_precision_and_recall_equal_loops(seed):
    real, fake = gaussian(seed, 14, 3), gaussian(seed + 1, 11, 3, shift=0.5)
    assert precision_recall(real, fake) == pytest.approx(precision_recall_by_loops(real, fake, 3))


def test_precision_and_recall_are_of_the_first_faces(monkeypatch):
    real, fake = gaussian(0, 30), gaussian(1, 30)
    first = precision_recall(real[:12], fake[:12])
    assert precision_recall(real, fake) != first
    monkeypatch.setattr("anime_pipeline.metrics.precision_recall.LIMIT", 12)
    assert precision_recall(real, fake) == first


def test_mean_distance_equals_loops_across_chunks(monkeypatch):
    monkeypatch.setattr(diversity, "CHUNK", 4)
    rows = gaussian(0, 11)
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(rows) for b in rows[:i]]
    assert diversity.mean_distance(rows) == pytest.approx(np.mean(pairs))
    assert diversity.distance_ratio(rows, rows * 0.25) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="equal ones"):
        diversity.distance_ratio(np.zeros((3, 6)), rows)


def ms_ssim_by_formula(first, second):
    """Wang et al., 2003, equation 7 with three scales, channel by channel."""
    window = signal.windows.gaussian(5, 1.5)
    window = np.outer(window, window) / window.sum() ** 2

    def blur(plane):
        return signal.correlate2d(plane, window, mode="valid")

    result = []
    for x, y in zip(np.moveaxis(first, 2, 0) * 1.0, np.moveaxis(second, 2, 0) * 1.0, strict=True):
        value = 1.0
        for scale, weight in enumerate(diversity.WEIGHTS):
            mx, my = blur(x), blur(y)
            spread = blur(x * x) + blur(y * y) - mx * mx - my * my
            part = (2 * (blur(x * y) - mx * my) + 7.65**2) / (spread + 7.65**2)
            if scale == 2:
                part = part * (2 * mx * my + 2.55**2) / (mx * mx + my * my + 2.55**2)
            value *= max(part.mean(), 0) ** weight
            x, y = (p.reshape(len(p) // 2, 2, -1, 2).mean((1, 3)) for p in (x, y))
        result.append(value)
    return np.mean(result)


def test_ms_ssim_equals_the_formula_and_is_one_for_a_collapse(monkeypatch):
    monkeypatch.setattr(diversity, "PAIRS", 8)
    base = pictures(0, 1)[0].astype(int)
    noise = np.random.default_rng(1).integers(-60, 61, (3, 32, 32, 3))
    images = np.clip(base + noise, 0, 255).astype(np.uint8)
    first, second = diversity.draw_pairs(3)
    expected = [ms_ssim_by_formula(*images[[a, b]]) for a, b in zip(first, second, strict=True)]
    assert diversity.ms_ssim(images) == pytest.approx(np.mean(expected), abs=1e-4)
    assert 0.2 < np.mean(expected) < 0.98
    assert diversity.ms_ssim(images[[0, 0]]) == pytest.approx(1)
    for wrong in (images[:1], images[:, :16], images / 255):
        with pytest.raises(ValueError, match="Expected uint8"):
            diversity.ms_ssim(wrong)


@given(st.integers(2, 30))
def test_pairs_are_of_different_faces(count):
    first, second = diversity.draw_pairs(count)
    assert len(first) == len(second) == diversity.PAIRS and (first != second).all()
    assert 0 <= min(first.min(), second.min()) and max(first.max(), second.max()) < count


def test_nearest_equals_brute_force_across_chunks(monkeypatch):
    monkeypatch.setattr("anime_pipeline.metrics.memorisation.CHUNK", 3)
    queries, views = gaussian(0, 8), [gaussian(1, 9), gaussian(2, 9)]
    apart, rows, found = nearest(queries, views)
    for at, query in enumerate(queries):
        every = {(v, r): np.linalg.norm(query - views[v][r]) for v in range(2) for r in range(9)}
        assert (found[at], rows[at]) == min(every, key=every.get)
        assert apart[at] == pytest.approx(min(every.values()))


def test_copies_are_found_even_mirrored():
    training, held_out, images = pictures(0, 40), pictures(1, 300), pictures(2, 100)
    images[3], images[4] = training[7], training[8, :, ::-1]
    views = [thumbnails(training), thumbnails(training[:, :, ::-1])]
    found = memorisation(thumbnails(images), thumbnails(held_out), views)
    assert list(np.flatnonzero(found.generated.distances < 1)) == [3, 4]
    assert list(found.generated.indices[[3, 4]]) == [7, 8]
    assert list(found.generated.views[[3, 4]]) == [0, 1]
    assert 0.02 <= found.close_share < 0.1 and 0.95 < found.median_ratio < 1.05


def test_memorisation_refuses_held_out_faces_that_were_trained_on():
    rows = gaussian(0, 9)
    with pytest.raises(ValueError, match="Received: 9 of 9"):
        memorisation(gaussian(1, 5), rows, [rows])
    with pytest.raises(ValueError, match="of one shape"):
        nearest(rows, [rows, rows[:3]])


def test_thumbnails_are_apart_by_grey_levels():
    grey = np.stack([np.full((32, 32, 3), level, np.uint8) for level in (50, 57)])
    rows = thumbnails(grey)
    assert rows.shape == (2, 768) and distances(rows, rows)[0, 1] == pytest.approx(7)
    with pytest.raises(ValueError, match="Expected uint8"):
        thumbnails(grey.astype(np.float32))
