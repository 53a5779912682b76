"""Whether a result still is a large version of its input: LR-PSNR, in dB; higher is better.

The result is reduced again and compared with the input, as in Lugmayr et al., "NTIRE 2021 Learning
the Super-Resolution Space Challenge", CVPRW 2021, where 45 dB is asked for. Inventing detail costs
nothing here; changing the picture does.
"""

import numpy as np

from anime_pipeline.core.config import SCALE
from anime_pipeline.core.randomness import stream
from anime_pipeline.data.degrade import degrade
from anime_pipeline.metrics.psnr import psnr_rgb

# What reduces without chance or added damage; after any other, Pillow's bicubic reduces.
PURE = ("bicubic", "bilinear", "lanczos", "area", "nearest")


def lr_psnr(lr_image: np.ndarray, image: np.ndarray, degradation: str) -> float:
    """Return PSNR over RGB between an input and its result made small again.

    Args:
        lr_image: uint8 [H, W, 3], the upscaler's input.
        image: uint8 [4H, 4W, 3], its result.
        degradation: How the input was made, a key of `data.degrade.DEGRADATIONS`.
    """
    name = degradation if degradation in PURE else "bicubic"
    return psnr_rgb(lr_image, degrade(image, SCALE, name, stream(0, "unused")))
