"""How large stage one's critic sees pictures through VGG16: as large as a machine's time allows."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models import backend
from anime_pipeline.models.feature_extractor import FeatureExtractor
from anime_pipeline.models.measured import once_a_machine

LARGE_PX = 64
# Where fewer can be seen, seeing better gains less than seeing many: docs/recipes.md has both sizes
# on a CPU core, where the small one is ahead, and the large one on a GPU, whose runs begin here.
WORTHWHILE_AN_HOUR = 500_000


def choose_feature_px(config: DcganConfig) -> tuple[int, float]:
    """Choose a configuration's `feature_px` by how fast this machine is.

    Returns:
        The side in pixels, 0 for pictures as they are, and the pictures an hour that training at
        `LARGE_PX` would show at most: as many as VGG16 alone can take.

    Raises:
        PipelineError: If there are no weights of VGG16.
    """
    large = replace(config, feature_px=LARGE_PX)
    detail = f"{large.architecture}, {large.batch_size} pictures, {large.precision}"
    seconds = once_a_machine("critic", lambda: _seconds_per_picture(large), _is_duration, detail)
    an_hour = 3600 / seconds
    return LARGE_PX if an_hour >= WORTHWHILE_AN_HOUR else 0, an_hour


def _is_duration(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < float("inf")


def _seconds_per_picture(config: DcganConfig, repeats: int = 2) -> float:
    """Time what VGG16 does in a step: real pictures forward, drawn ones forward and back."""
    features = FeatureExtractor(config)

    def through(images: Any) -> tuple[Any, Any]:
        return sum(ops.mean(ops.cast(view, "float32")) for view in features(images)), ()

    def both(images: Any) -> Any:
        seen, _ = through(images)
        (drawn, _), gradient = backend.value_and_grad(through)(images)
        return seen + drawn + ops.mean(gradient)

    compiled = backend.jit(both)
    side = config.image_size
    images = backend.to_device(np.zeros((config.batch_size, side, side, 3), np.float32))
    fastest = float("inf")
    for _ in range(1 + repeats):  # the first compiles
        begun = time.perf_counter()
        backend.to_numpy(compiled(images))
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest / config.batch_size
