"""Make faces from seeds with the shipped weights and lay them beside a plain enlargement.

    python examples/faces_from_seeds.py --count 8 --hair pink --out outputs/example

Writes `comparison.png`: each face as stage one drew it (enlarged without smoothing), enlarged by
bicubic interpolation, and by stage two. Prints how far the same seed differs between two batches;
the promise is 1 grey level at most.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from anime_pipeline import FaceSpec, Pipeline
from anime_pipeline.images.codec import write_png
from anime_pipeline.images.writing.grid import make_grid

SMALL, LARGE = 32, 128


def resized(image: np.ndarray, interpolation: int) -> np.ndarray:
    """Enlarge one picture with OpenCV."""
    return cv2.resize(image, (LARGE, LARGE), interpolation=interpolation)


def compare(pipeline: Pipeline, specs: list[FaceSpec]) -> np.ndarray:
    """Return a grid with one column per face and one row per method."""
    drawn = pipeline(specs, size=SMALL)  # uint8 [N, 32, 32, 3]
    rows = [
        np.stack([resized(face, cv2.INTER_NEAREST) for face in drawn]),
        np.stack([resized(face, cv2.INTER_CUBIC) for face in drawn]),
        pipeline(specs, size=LARGE),
    ]
    return make_grid(np.concatenate(rows), columns=len(specs))


def batch_difference(pipeline: Pipeline, specs: list[FaceSpec]) -> int:
    """Return the largest difference in grey levels between one batch and single pictures."""
    together = pipeline(specs, size=SMALL, batch_size=len(specs)).astype(int)
    alone = pipeline(specs, size=SMALL, batch_size=1).astype(int)
    return int(np.abs(together - alone).max())


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=8, help="how many faces")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--hair", default="random", help="a name or #rrggbb")
    parser.add_argument("--realism", type=float, help="0 to 1")
    parser.add_argument("--out", type=Path, default=Path("outputs/example"))
    arguments = parser.parse_args()

    pipeline = Pipeline.load(realism=arguments.realism)
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    specs = [FaceSpec(seed, {"hair": arguments.hair}) for seed in seeds]
    text = pipeline.provenance(size=LARGE)  # the weights, by their hashes
    write_png(arguments.out / "comparison.png", compare(pipeline, specs), text)

    print(f"{len(specs)} faces in {arguments.out / 'comparison.png'}")
    print(f"largest difference between batches: {batch_difference(pipeline, specs)} (allowed: 1)")


if __name__ == "__main__":
    main()
