"""Real faces as large as stage two's, to compare enlarged ones with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anime_pipeline.core.config import Fit
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import MAX_PICTURE_BYTES
from anime_pipeline.core.progress import Progress, counted, ignored
from anime_pipeline.data.sources.places import Place
from anime_pipeline.data.sources.reading import read_each
from anime_pipeline.images.codec import fit_square
from anime_pipeline.images.decoding.decoder import Decoder, decode_rgb
from anime_pipeline.metrics.features import resize

SOFT = (
    "real faces were enlarged and are soft, so this is of sharpness and stage two more than of "
    "stage one: choose no generator by it"
)
FEW = 0.05  # of the files may be smaller than the side at which faces are compared


class LargeReal(NamedTuple):
    """Real faces at a side at which stage two's can be compared with them.

    Attributes:
        images: uint8 [M, S, S, 3].
        enlarged: How many files are smaller than that.
        smallest_px: The least side among the files.
    """

    images: np.ndarray
    enlarged: int
    smallest_px: int

    def in_words(self) -> str:
        """Return how they came to their size."""
        count, px = len(self.images), self.images.shape[1]
        if not self.enlarged:
            return f"from their files, all of at least {px} px; drawn ones are brought to it"
        return (
            f"from their files; {self.enlarged} of {count} are smaller than {px} px (from "
            f"{self.smallest_px} px on) and were enlarged by Pillow's bicubic, which makes them "
            "softer than real faces of that size"
        )

    @property
    def caution(self) -> str:
        """Say what figures against these faces cannot tell, or nothing."""
        # Real faces reduced to 32 px and enlarged by stage two came out further from such a set
        # than drawn ones did (KID-AlexNet-128px 0.67 and 0.53, 500 faces each).
        return SOFT if self.enlarged > FEW * len(self.images) else ""


def real_at(
    paths: Sequence[Place],
    least_px: int,
    most_px: int,
    fit: Fit,
    progress: Progress = ignored,
) -> LargeReal:
    """Decode real faces at the largest side that nearly all files have.

    Args:
        paths: Pictures.
        least_px: What stage one draws: where files are no larger, they are enlarged.
        most_px: What stage two makes of that: more is not looked at.
        fit: How they become square, as for training.
        progress: Called with (done, total).

    Raises:
        DataError: If a file cannot be read.
    """
    squares = []
    with Decoder() as decoder:
        contents = read_each(paths, MAX_PICTURE_BYTES)
        for path, content in zip(counted(paths, progress), contents, strict=True):
            if isinstance(content, OSError):
                raise DataError(f"{path}: cannot be read ({content.strerror}). Check it.")
            picture = decode_rgb(content, str(path), decoder)
            native = min(picture.shape[:2]) if fit == "crop" else max(picture.shape[:2])
            squares.append(fit_square(picture, min(most_px, native), fit))
    sides = sorted(map(len, squares))
    px = sides[int(FEW * len(sides))]
    px = px if px > least_px else most_px
    images = np.concatenate([resize(square[None], px) for square in squares])
    return LargeReal(images, sum(side < px for side in sides), sides[0])
