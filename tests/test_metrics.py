import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from anime_pipeline.metrics.psnr import CAP_DB, psnr_rgb, psnr_y
from anime_pipeline.metrics.ssim import ssim_rgb
from anime_pipeline.reports.benchmark import BASELINES, run_benchmark
from anime_pipeline.reports.benchmark_metrics import interval_95
from anime_pipeline.sample.drawing import draw_face


@given(st.integers(0, 2**31), st.integers(1, 60))
def test_psnr_rgb_equals_the_formula(seed, noise):
    random = np.random.default_rng(seed)
    first = random.integers(0, 256, (16, 12, 3), np.uint8)
    change = random.integers(-noise, noise + 1, first.shape)
    second = np.clip(first + change, 0, 255).astype(np.uint8)
    mse = ((first.astype(float) - second) ** 2).mean()
    expected = CAP_DB if mse == 0 else 10 * np.log10(255**2 / mse)
    assert psnr_rgb(first, second) == pytest.approx(expected)


def test_psnr_y_equals_scikit_image_luma_inside_the_border():
    first, second = draw_face(1, 64).image, draw_face(2, 64).image
    lumas = [rgb2ycbcr(image)[4:-4, 4:-4, 0] for image in (first, second)]
    expected = peak_signal_noise_ratio(*lumas, data_range=255)
    assert psnr_y(first, second) == pytest.approx(expected, abs=1e-4)


def test_identical_pictures_are_capped_and_ssim_is_one():
    image = draw_face(1, 32).image
    assert psnr_rgb(image, image) == psnr_y(image, image) == CAP_DB
    assert ssim_rgb(image, image) == pytest.approx(1)


def test_shapes_and_types_are_checked():
    image = np.zeros((16, 16, 3), np.uint8)
    for wrong in (image[:8], image.astype(np.float32)):
        with pytest.raises(ValueError, match="Received"):
            psnr_rgb(image, wrong)


def test_interval_equals_students_table():
    # n = 4, s = 1.2910, t(0.975, 3) = 3.1824
    assert interval_95(np.array([1.0, 2, 3, 4])) == pytest.approx(3.1824 * 1.2910 / 2, rel=1e-4)
    assert np.isnan(interval_95(np.array([5.0])))


def test_benchmark_ranks_baselines_and_finds_a_perfect_method():
    hr_images = np.stack([draw_face(seed, 64).image for seed in range(8)])
    names = [f"{index}.png" for index in range(8)]
    result = run_benchmark(
        hr_images, names, ["bicubic", "area"], {"oracle": lambda lr: hr_images}, examples=2
    )
    table = result.summary.set_index(["degradation", "method"])["psnr_rgb_db"]
    assert len(result.per_image) == 8 * 2 * (len(BASELINES) + 1)
    assert table["bicubic", "oracle"] == CAP_DB
    assert table["bicubic", "bicubic"] > table["bicubic", "bilinear"]
    rows = result.per_image
    one = rows[(rows.method == "bicubic") & (rows.degradation == "bicubic")]
    assert one.psnr_rgb_db.mean() == pytest.approx(table["bicubic", "bicubic"])
    gains = {e.name for e in result.best} & {e.name for e in result.worst}
    assert len(result.best) == len(result.worst) == 2 and not gains
