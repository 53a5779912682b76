import time

import numpy as np
import pandas as pd
import pytest

from anime_pipeline.core.errors import UsageError
from anime_pipeline.sample.dataset import write_sample_dataset
from anime_pipeline.sample.drawing import draw_face


def test_drawn_faces_repeat_vary_and_show_their_colours():
    first, again, other = draw_face(1, 96), draw_face(1, 96), draw_face(2, 96)
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    for seed in range(12):
        face = draw_face(seed, 96)
        for colour in (face.hair_rgb, face.skin_rgb):
            near = np.abs(face.image.astype(int) - colour).sum(axis=2) < 24
            assert near.mean() > 0.01, f"seed {seed}: {colour} is hardly in the picture"


def test_sample_data_never_overwrites(tmp_path):
    write_sample_dataset(tmp_path, 2, seed=0, size_px=32)
    frame = pd.read_csv(tmp_path / "000_sakura" / "color.csv")
    assert len(frame) == 2
    before = time.time_ns()
    with pytest.raises(UsageError, match="not empty"):
        write_sample_dataset(tmp_path, 2, seed=0, size_px=32)
    assert all(p.stat().st_mtime_ns <= before for p in tmp_path.rglob("*.png"))
