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
_area = _opencv(cv2.INTER_AREA)
RESAMPLINGS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def _jpeg(hr_image: np.ndarray, scale: int, generator: np.random.Generator) -> np.ndarray:
    quality = int(generator.integers(70, 96))
    return _as_jpeg(_bicubic(hr_image, scale, generator), quality)


def _as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    bgr = np.ascontiguousarray(image[..., ::-1])
    _, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]


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


def _worn(hr_image: np.ndarray, scale: int, generator: np.random.Generator) -> np.ndarray:
    """Reduce to what lies in people's folders: blurred, resized there and back, saved as JPEG."""
    image = hr_image
    if generator.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(generator.uniform(0.2, 0.6)) * scale)
    lr_image = (_bicubic if generator.random() < 0.7 else _area)(image, scale, generator)
    height, width = lr_image.shape[:2]
    if generator.random() < 0.5:
        share = float(generator.uniform(0.6, 1.4))
        size = max(1, round(width * share)), max(1, round(height * share))
        there, back = generator.choice(len(RESAMPLINGS), 2)
        picture = Image.fromarray(lr_image).resize(size, RESAMPLINGS[there])
        lr_image = np.asarray(picture.resize((width, height), RESAMPLINGS[back]))
    if generator.random() < 0.8:
        lr_image = _as_jpeg(lr_image, int(generator.integers(40, 91)))
    return lr_image


DEGRADATIONS: dict[str, Degradation] = {
    "bicubic": _bicubic,  # Pillow, with antialiasing
    "bilinear": _pillow(Image.Resampling.BILINEAR),
    "lanczos": _pillow(Image.Resampling.LANCZOS),
    "area": _area,
    "nearest": _opencv(cv2.INTER_NEAREST),  # plain decimation
    "jpeg": _jpeg,
    "blur": _blur,
    "noise": _noise,
    "drawn": _drawn,
    "worn": _worn,  # blur, resizing there and back, JPEG 40 to 90, each now and then
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
