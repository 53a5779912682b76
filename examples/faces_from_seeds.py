"""Make faces from seeds with the shipped weights and lay them beside a plain enlargement.

    python examples/faces_from_seeds.py --count 8 --out outputs/example

Writes `comparison.png`: each face as stage one drew it (enlarged without smoothing), enlarged by
bicubic interpolation, and by stage two. Prints how far the same seed differs between two batches;
the promise is 1 grey level at most.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from anime_pipeline.images.codec import write_png
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.models.blend import BEST_FOR_DRAWN, find_upscaler, load_upscaler_weights
from anime_pipeline.models.zoo import find_weights


def enlarge(image: np.ndarray, interpolation: int) -> np.ndarray:
    """Enlarge one picture 4x with OpenCV."""
    size = (image.shape[1] * 4, image.shape[0] * 4)
    return cv2.resize(image, size, interpolation=interpolation)


def compare(faces: np.ndarray, upscaler: Upscaler) -> np.ndarray:
    """Return a grid with one column per face and one row per method."""
    rows = [
        np.stack([enlarge(face, cv2.INTER_NEAREST) for face in faces]),
        np.stack([enlarge(face, cv2.INTER_CUBIC) for face in faces]),
        upscaler.upscale_batch(faces),
    ]
    return make_grid(np.concatenate(rows), columns=len(faces))


def batch_difference(generator: FaceGenerator, seeds: list[int]) -> int:
    """Return the largest difference in grey levels between one batch and single pictures."""
    together = generator.generate(seeds, batch_size=len(seeds)).astype(int)
    alone = generator.generate(seeds, batch_size=1).astype(int)
    return int(np.abs(together - alone).max())


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=8, help="how many faces")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--realism", type=float, default=BEST_FOR_DRAWN, help="0 to 1")
    parser.add_argument("--out", type=Path, default=Path("outputs/example"))
    arguments = parser.parse_args()

    generator = FaceGenerator.load(find_weights("dcgan", "dcgan-generator"))
    pair = find_upscaler("perceptual", arguments.realism, prefer="perceptual")
    upscaler = Upscaler(load_upscaler_weights(pair, arguments.realism))

    seeds = list(range(arguments.seed, arguments.seed + arguments.count))
    faces = generator.generate(seeds)  # uint8 [N, 32, 32, 3]
    write_png(arguments.out / "comparison.png", compare(faces, upscaler))

    print(f"{len(faces)} faces in {arguments.out / 'comparison.png'}")
    print(f"largest difference between batches: {batch_difference(generator, seeds)} (allowed: 1)")


if __name__ == "__main__":
    main()
