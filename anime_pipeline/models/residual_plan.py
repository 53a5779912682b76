"""What `residual` is made of, for the Keras builder and the ONNX writer: no framework here."""

from __future__ import annotations

from anime_pipeline.core.config import DcganConfig

START = 4  # side of the smallest maps
WIDEST = 4  # times the channels at full resolution: wider maps would only make the file larger
SLOPE = 0.2  # of leaky ReLUs


def channels_at(base: int, size: int, image_size: int) -> int:
    """Return the channels of maps of side `size`: doubled for each halving, up to `WIDEST`."""
    return base * min(image_size // size, WIDEST)


def sizes(config: DcganConfig) -> list[int]:
    """Return the sides of the generator's maps, ascending."""
    return [START * 2**step for step in range((config.image_size // START).bit_length())]


def blocks_at(config: DcganConfig, size: int) -> int:
    """Return how many blocks the generator has at a size; two of the widest double its file."""
    return config.blocks if size >= 16 else 1
