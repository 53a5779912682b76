"""What the benchmark measures, against plain NumPy and SciPy; other programs' results; its page."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.signal import convolve2d
from skimage.color import deltaE_ciede2000, rgb2lab

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.metrics import lpips
from anime_pipeline.metrics.colour_shift import colour_shift
from anime_pipeline.metrics.gmsd import gmsd
from anime_pipeline.metrics.lr_psnr import lr_psnr
from anime_pipeline.metrics.psnr import CAP_DB
from anime_pipeline.reports.benchmark import baseline, reduce_all
from anime_pipeline.reports.benchmark_metrics import available_metrics, pixel_metrics
from anime_pipeline.sample.drawing import draw_face


def faces(count, size=64):
    return np.stack([draw_face(seed, size).image for seed in range(count)])


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


# LPIPS


def convolve(x, kernel, bias, pad, stride=1):
    """Plain cross-correlation of [H, W, C] with [h, w, C, D], then ReLU."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (0, 1))
    windows = windows[::stride, ::stride]  # [H, W, C, h, w]
    return np.maximum(np.einsum("abchw,hwcd->abd", windows, kernel, optimize=True) + bias, 0)


def pooled(x, side, stride=2):
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (0, 1))
    return windows[::stride, ::stride].max((-1, -2))


def plain_alex(x, w):
    maps = []
    for number, (pad, stride) in enumerate([(2, 4), (2, 1), (1, 1), (1, 1), (1, 1)]):
        x = pooled(x, 3) if number in (1, 2) else x
        kernel = w[f"AlexNet_0/Conv_{number}/kernel"].astype(np.float64)
        x = convolve(x, kernel, w[f"AlexNet_0/Conv_{number}/bias"], pad, stride)
        maps.append(x)
    return maps, [w[f"NetLinLayer_{k}/Conv_0/kernel"].ravel() for k in range(5)]


def plain_vgg(x, w):
    maps = []
    for block, convs in enumerate([2, 2, 3, 3, 3], 1):
        x = pooled(x, 2) if block > 1 else x
        for number in range(1, convs + 1):
            name = f"block{block}_conv{number}"
            x = convolve(x, w[f"{name}/kernel"].astype(np.float64), w[f"{name}/bias"], 1)
        maps.append(x)
    return maps, [w[f"lpips_vgg/lin{k}"] for k in range(5)]


def plain_lpips(first, second, network, w):
    def maps_of(image):
        x = image / 127.5 - 1
        x = (x - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
        maps, heads = network(x, w)
        return [m / (np.linalg.norm(m, axis=2, keepdims=True) + 1e-10) for m in maps], heads

    (one, heads), (two, _) = maps_of(first), maps_of(second)
    return sum((((a - b) ** 2) @ h).mean() for a, b, h in zip(one, two, heads, strict=True))


@pytest.mark.parametrize(("net", "network"), [("alex", plain_alex), ("vgg", plain_vgg)])
def test_lpips_equals_plain_numpy(assets, net, network):
    from anime_pipeline.models.assets import LPIPS_FILES, find_asset

    references = faces(2, 64)[:, 4:52, 8:52]  # [2, 48, 44, 3]: neither square nor a power of 2
    versions = np.stack([references, [blurred(r, 1.5) for r in references], references[::-1]])
    found = lpips.Lpips(net)(references, versions)
    np.testing.assert_allclose(found[0], 0, atol=1e-9)
    with np.load(find_asset(LPIPS_FILES[net]), allow_pickle=False) as weights:
        for k, n in [(1, 0), (1, 1), (2, 0)]:
            expected = plain_lpips(references[n], versions[k, n], network, weights)
            assert found[k, n] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("net", lpips.NETS)
def test_lpips_grows_with_blur_and_does_not_depend_on_the_batch(assets, net):
    measure = lpips.Lpips(net)
    references = faces(3)
    versions = np.array([[blurred(r, sigma) for r in references] for sigma in (0.5, 1, 2, 4)])
    found = measure(references, versions)
    assert (np.diff(found, axis=0) > 0).all() and (found < 1.5).all()
    one = measure(references[2:], versions[1:2, 2:])
    np.testing.assert_allclose(one[0], found[1, 2:], rtol=1e-4)
    with pytest.raises(ValueError, match="H, W >= 32"):
        measure(references[:, :16], versions[:, :, :16])


def test_lpips_of_portraits_is_where_others_measured_it(assets, faces):
    """Elsewhere OpenCV's bicubic had .449 (alex) and .358 (vgg) on 200 portraits of this kind."""
    paths = sorted((faces / "portraits").rglob("*.jpg"))[::82]
    big = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    hr_images = np.stack([cv2.resize(i, (128, 128), interpolation=cv2.INTER_AREA) for i in big])
    results = baseline("bicubic")(reduce_all(hr_images, "bicubic"))
    means = {net: lpips.Lpips(net)(hr_images, results[None]).mean() for net in lpips.NETS}
    assert 0.40 < means["alex"] < 0.50 and 0.31 < means["vgg"] < 0.40, means


def test_without_its_weights_lpips_is_left_out_and_the_report_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(tmp_path))
    metrics, facts = available_metrics()
    assert list(metrics) == list(pixel_metrics())
    assert "lpips_alexnet.npz" in facts["LPIPS alex"] and "left out" in facts["LPIPS vgg"]
    with pytest.raises(PipelineError, match="models fetch"):
        lpips.Lpips("alex")
    (tmp_path / "lpips_alexnet.npz").write_bytes(b"no arrays")
    with pytest.raises(PipelineError, match="damaged"):
        lpips.Lpips("alex")


# Edges, colours, consistency


def plain_gmsd(first, second):
    """The authors' program, line by line."""
    down = np.full((2, 2), 0.25)
    dx = np.array([[1, 0, -1]] * 3) / 3
    gradients = []
    for image in (first, second):
        y = image.astype(np.float64) @ [0.299, 0.587, 0.114]
        y = convolve2d(y, down, mode="full")[1::2, 1::2]
        gradients.append(
            np.sqrt(convolve2d(y, dx, mode="same") ** 2 + convolve2d(y, dx.T, mode="same") ** 2)
        )
    one, two = gradients
    return np.std((2 * one * two + 170) / (one**2 + two**2 + 170))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.3, 5))
def test_gmsd_equals_the_authors_program(seed, sigma):
    first = draw_face(seed, 32).image
    second = blurred(first, sigma)
    assert gmsd(first, second) == pytest.approx(plain_gmsd(first, second), abs=1e-5)
    assert gmsd(first, first) == 0
    assert gmsd(first, second) == pytest.approx(gmsd(second, first))


def test_gmsd_grows_with_blur():
    image = draw_face(3, 64).image
    figures = [gmsd(image, blurred(image, sigma)) for sigma in (0.4, 0.8, 1.6)]
    assert figures == sorted(figures) and figures[0] > 0
    with pytest.raises(ValueError, match="one shape"):
        gmsd(image, image[:32])


@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3))
def test_colour_shift_of_flat_pictures_is_that_of_their_colours(first, second):
    flat = [np.full((32, 32, 3), colour, np.uint8) for colour in (first, second)]
    lab = [rgb2lab(np.array(colour) / 255.0) for colour in (first, second)]
    assert colour_shift(*flat) == pytest.approx(float(deltaE_ciede2000(*lab)), abs=2e-2)


def test_colour_shift_sees_colour_and_no_texture():
    image = draw_face(5, 64).image.clip(20, 235)
    texture = np.where(np.indices((64, 64)).sum(0) % 2, 20, -20)[..., None]
    assert colour_shift(image, (image + texture).astype(np.uint8)) < 0.01
    assert colour_shift(image, (image + [12, 0, 0]).astype(np.uint8)) > 1


def test_consistency_is_perfect_for_what_reduces_to_the_input():
    lr = reduce_all(faces(1), "area")[0]
    large = baseline("nearest")(lr[None])[0]
    assert lr_psnr(lr, large, "area") == lr_psnr(lr, large, "nearest") == CAP_DB
    noisy = reduce_all(faces(1), "noise")[0]
    assert lr_psnr(noisy, large, "noise") == lr_psnr(noisy, large, "bicubic") < 45


def test_an_input_does_not_depend_on_the_other_pictures():
    images = faces(4)
    for name in ("noise", "jpeg", "drawn"):
        assert np.array_equal(reduce_all(images, name)[2:], reduce_all(images[2:], name))
