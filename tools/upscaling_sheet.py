"""Draw README's sheet of held-out pictures: input, bicubic, ours, original.

python tools/upscaling_sheet.py --data PORTRAITS --out docs/images/upscaling.png
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from anime_pipeline.core.randomness import stream
from anime_pipeline.data.degrade import degrade
from anime_pipeline.data.opening import choose_side, open_store
from anime_pipeline.images.codec import write_png
from anime_pipeline.images.writing.grid import make_grid, spread
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.models.weights import SRGAN_KIND
from anime_pipeline.models.zoo import find_weights


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="perceptual")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    store = open_store([given.data], 128, min_side=128)
    originals = spread(store.images[choose_side(store, "test", None, 0)], given.count)
    inputs = [degrade(each, 4, "bicubic", stream(0, "sheet")) for each in originals]
    ours = Upscaler.load(find_weights(given.weights, SRGAN_KIND)).upscale_batch(np.stack(inputs))
    kinds = (cv2.INTER_NEAREST, cv2.INTER_CUBIC)
    rows = [
        picture
        for original, lr_image, large in zip(originals, inputs, ours, strict=True)
        for picture in (
            *(cv2.resize(lr_image, (128, 128), interpolation=kind) for kind in kinds),
            large,
            original,
        )
    ]
    write_png(given.out, make_grid(np.stack(rows), 4))


if __name__ == "__main__":
    main()
