"""Degradations: how an HR picture becomes the LR picture that the upscaler sees.

The downscaler decides the benchmark figure, so each has a name that reports print.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from anime_pipeline.core.errors import UsageError

Degradation = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def _pillow(resample: Image.Resampling) -> Degradation:
    def reduce(hr_image: np.ndarray, scale: int, _: np.random.Generator) -> np.ndarray:
        height, width = hr_image.shape[0] // scale, hr_image.shape[1] // scale
        return np.asarray(Image.fromarray(hr_image).resize((width, height), resample))

    return reduce


def _opencv(interpolation: int) -> Degradation:
    def reduce(hr_image: np.ndarray, scale: int, _: np.random.Generator) -> np.ndarray:
        height, width = hr_image.shape[0] // scale, hr_image.shape[1] // scale
        return cv2.resize(hr_image, (width, height), interpolation=interpolation)

    return reduce


_bicubic = _pillow(Image.Resampling.BICUBIC)


def _jpeg(hr_image: np.ndarray, scale: int, generator: np.random.Generator) -> np.ndarray:
    quality = int(generator.integers(70, 96))
    lr_image = np.ascontiguousarray(_bicubic(hr_image, scale, generator)[..., ::-1])
    _, content = cv2.imencode(".jpg", lr_image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))
    return decoded[..., ::-1]


def _blur(hr_image: np.ndarray, scale: int, generator: np.random.Generator) -> np.ndarray:
    sigma_px = float(generator.uniform(0.2, 0.8)) * scale / 2
    return _bicubic(cv2.GaussianBlur(hr_image, (0, 0), sigma_px), scale, generator)


def _noise(hr_image: np.ndarray, scale: int, generator: np.random.Generator) -> np.ndarray:
    lr_image = _bicubic(hr_image, scale, generator).astype(np.float32)
    levels = float(generator.uniform(1, 6))
    noisy = lr_image + generator.standard_normal(lr_image.shape, dtype=np.float32) * levels
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _drawn(hr_image: np.ndarray, scale: int, generator: np.random.Generator) -> np.ndarray:
    """Reduce to what stage one draws: colours run into each other, texture is blotchy."""
    lr_image = _bicubic(hr_image, scale, generator)
    lr_image = cv2.GaussianBlur(lr_image, (0, 0), float(generator.uniform(0.3, 0.6)))
    blotches = generator.standard_normal(lr_image.shape, dtype=np.float32)
    blotches = cv2.GaussianBlur(blotches, (0, 0), 0.7) * float(generator.uniform(5, 25))
    return np.clip(np.rint(lr_image + blotches), 0, 255).astype(np.uint8)


DEGRADATIONS: dict[str, Degradation] = {
    "bicubic": _bicubic,  # Pillow, with antialiasing
    "bilinear": _pillow(Image.Resampling.BILINEAR),
    "lanczos": _pillow(Image.Resampling.LANCZOS),
    "area": _opencv(cv2.INTER_AREA),
    "nearest": _opencv(cv2.INTER_NEAREST),  # plain decimation
    "jpeg": _jpeg,
    "blur": _blur,
    "noise": _noise,
    "drawn": _drawn,
}


# Which library reduces, for reports: the same name means different pixels in another.
DEGRADERS = {name: "OpenCV" if name in ("area", "nearest") else "Pillow" for name in DEGRADATIONS}


def parse_mixture(text: str) -> list[tuple[str, float]]:
    """Parse ``"bicubic:6,area:2"`` into (name, probability) pairs.

    Raises:
        UsageError: If a name is unknown or a weight is no positive number.
    """
    pairs = []
    for item in text.split(","):
        name, _, weight_text = item.strip().partition(":")
        try:
            weight = float(weight_text or 1)
        except ValueError:
            weight = -1.0
        if name not in DEGRADATIONS or not 0 < weight < math.inf:
            raise UsageError(
                f"Invalid degradation {item!r}. Expected name:weight with a name from "
                f"{', '.join(DEGRADATIONS)} and a positive weight."
            )
        pairs.append((name, weight))
    total = sum(weight for _, weight in pairs)
    return [(name, weight / total) for name, weight in pairs]


def degrade(
    hr_image: np.ndarray, scale: int, name: str, generator: np.random.Generator
) -> np.ndarray:
    """Reduce one HR picture.

    Args:
        hr_image: uint8 [H, W, 3] with both sides divisible by `scale`.
        scale: Whole-number reduction.
        name: A key of `DEGRADATIONS`.
        generator: Draws the strength where the degradation has one.

    Returns:
        uint8 [H / scale, W / scale, 3].
    """
    return DEGRADATIONS[name](hr_image, scale, generator)
