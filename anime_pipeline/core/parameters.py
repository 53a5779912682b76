"""How many numbers a configuration's networks hold, without building them: upper bounds.

By these a weights file is measured before it is read, and a run that no machine could hold is
refused before it begins.
"""

from __future__ import annotations

import math
from typing import Any

MOST_PARAMETERS = 200_000_000  # of one network; the reference's for 128 px takes 140 million
STYLE = 128
WORDS = 16  # numbers that a name of the condition takes, at most
TABLE_ROWS = 4096  # conditions of training pictures that weights carry along


def most_parameters(config: Any) -> int:
    """Return how many numbers the generator's weights file holds at most, its table included.

    Args:
        config: A `DcganConfig` or `SrganConfig`.
    """
    if hasattr(config, "fidelity_steps"):
        return _upscaler(64 if config.architecture == "reference" else config.channels, config)
    condition = WORDS * len([name for name in config.condition.split(",") if name])
    drawn = config.latent_dim + condition + 1
    count = {"reference": _reference, "residual": _residual, "modulated": _modulated}[
        config.architecture
    ]
    return int(count(config, drawn)) + TABLE_ROWS * condition + 10_000


def most_critic_parameters(config: Any) -> int:
    """Return how many numbers the discriminator holds, roughly and without feature heads."""
    base = config.width_d
    if hasattr(config, "fidelity_steps"):
        dense = 0
        if config.architecture == "reference":
            dense = 1024 * 8 * base * math.ceil((config.crop_size or config.hr_size) / 16) ** 2
        return 9 * base * base * 127 + dense  # 1, 2, 2·2, 2·4, 4·4, 4·8, 8·8 times base squared
    if config.architecture == "reference":
        return 1_000_000
    widest = base * (config.image_size // 4)
    # The last of the halving convolutions and the smaller ones; two 3x3 of each size and a last.
    return (36 if config.architecture == "residual" else 22) * widest * widest


def _modulated(config: Any, drawn: int) -> int:
    top = config.width * config.image_size // 4
    convolutions = 6 * top * top + 9 * config.width**2  # 9 (1/2 + 1/8 + ...) top^2
    modulations = 2 * (STYLE + 3) * (2 * top + config.width)
    return drawn * (STYLE + 16 * top) + convolutions + modulations + 30 * config.width


def _residual(config: Any, drawn: int) -> int:
    total, before = drawn * STYLE, 0
    size = 4
    while size <= config.image_size:
        channels = config.width * min(config.image_size // size, 4)
        total += before * channels if before else 16 * drawn * channels
        block = 18 * channels**2 + 2 * (STYLE + 3) * channels
        total += (config.blocks if size >= 16 else 1) * block + channels
        before, size = channels, 2 * size
    return total + 30 * before


def _reference(config: Any, drawn: int) -> int:
    half = config.image_size // 2
    slopes = 5 * half**2 * 256 + config.image_size**2 * (128 + 64 + 32)
    return drawn * half**2 * 256 + slopes + 25 * (256 * 128 + 128 * 64 + 64 * 32 + 32 * 3) + 3_000


def _upscaler(channels: int, config: Any) -> int:
    blocks = config.blocks * (18 * channels**2 + 16 * channels)
    return blocks + 45 * channels**2 + 400 * channels + 1_000_000
