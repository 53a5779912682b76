import numpy as np
import pytest

from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.degrade import DEGRADATIONS, degrade, parse_mixture
from anime_pipeline.sample.drawing import draw_face


@pytest.mark.parametrize("name", sorted(DEGRADATIONS))
def test_degradations_reduce_by_the_scale_and_repeat(name):
    hr_image = draw_face(3, 64).image
    results = [degrade(hr_image, 4, name, np.random.default_rng(5)) for _ in range(2)]
    assert results[0].shape == (16, 16, 3) and results[0].dtype == np.uint8
    assert np.array_equal(*results)
    means = hr_image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    tolerance = 40 if name == "nearest" else 12
    assert np.abs(results[0] - means).mean() < tolerance


def test_mixtures_parse_and_refuse():
    assert parse_mixture("bicubic:3,area:1") == [("bicubic", 0.75), ("area", 0.25)]
    for text in ("blurry", "area:0", "area:x", ""):
        with pytest.raises(UsageError, match="Invalid degradation"):
            parse_mixture(text)
