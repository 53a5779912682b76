"""What generated faces are compared by: VGG16's view of them, and what every measure of it shares.

Protocol: faces to 128 px by Pillow's bicubic, `block4_conv3` and `block5_conv3` after ReLU, each
averaged over places and both joined. The usual Inception-v3 was fitted to 299 px photographs;
figures from other features compare with none from these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

LAYERS = ("block4_conv3", "block5_conv3")
SIZE_PX = 128
SMALLEST_PX = 32  # VGG16 halves five times; below this the last layer has nothing to average
BATCH = 50


class Features:
    """Faces uint8 [N, S, S, 3], any one S, to features float64 [N, 1024].

    Loading takes VGG16's 15 million weights, so make one and keep it.

    Attributes:
        source: Where the weights came from, ``"torch"`` or ``"caffe"``: never compare figures of
            the two.
        size_px: Side at which VGG16 sees the faces.
    """

    def __init__(self, size_px: int = SIZE_PX) -> None:
        """Load VGG16.

        Args:
            size_px: 128 is the protocol. 32 sees faces of 32 px unresized, sixteen times cheaper:
                good for watching a training, not for reporting.

        Raises:
            PipelineError: If VGG16's weights are neither local nor can be downloaded.
        """
        if size_px < SMALLEST_PX:
            raise ValueError(
                f"Invalid value for argument `size_px`. Expected >= {SMALLEST_PX}. "
                f"Received: {size_px}"
            )
        # Here, not on top: the other measures share this file's helpers and need no framework.
        from keras import ops

        from anime_pipeline.models import backend
        from anime_pipeline.models.ranges import to_model
        from anime_pipeline.models.vgg import load_vgg

        vgg = load_vgg(LAYERS)
        self.source = vgg.source
        self.size_px = size_px
        self._run = backend.jit(
            lambda images: ops.concatenate(
                [ops.mean(m, axis=(1, 2)) for m in vgg.model(to_model(images))], axis=-1
            )
        )
        self._to_device = backend.to_device

    def __call__(
        self, images: np.ndarray, progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """Return the features of `images`.

        Args:
            images: uint8 [N, S, S, 3].
            progress: Called as ``progress(done, total)`` after each batch.

        Returns:
            float64 [N, 1024], not negative.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or not _square_rgb(images.shape):
            raise ValueError(
                "Invalid value for argument `images`. Expected uint8 [N, S, S, 3] with N >= 1. "
                f"Received: {images.dtype}{images.shape}"
            )
        parts = []
        for start in range(0, len(images), BATCH):
            batch = resize(images[start : start + BATCH], self.size_px)
            parts.append(np.asarray(self._run(self._to_device(batch)), np.float64))
            if progress:
                progress(min(start + BATCH, len(images)), len(images))
        return np.concatenate(parts)


def _square_rgb(shape: tuple[int, ...]) -> bool:
    return shape[0] > 0 and shape[1] == shape[2] and shape[3] == 3


def resize(images: np.ndarray, size_px: int) -> np.ndarray:
    """Bring uint8 [N, S, S, 3] to `size_px` by Pillow's bicubic, which antialiases."""
    if images.shape[1] == size_px:
        return images
    side = (size_px, size_px)
    kind = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(image).resize(side, kind)) for image in images])


def common_scale(real: np.ndarray) -> float:
    """Return the root mean square of the real faces' features [N, D].

    Divide every set by it once, before any measure: figures then do not depend on the size of
    VGG16's activations, which means nothing.
    """
    check_features(real=real)
    scale = float(np.sqrt(np.mean(np.square(real, dtype=np.float64))))
    if scale == 0:
        raise ValueError("Invalid value for argument `real`. Expected features. Received: zeros")
    return scale


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Euclidean distances [N, M] between float64 [N, D] and [M, D].

    One matrix product, hence fast; the distance of equal rows comes out near 1e-7, not 0.
    """
    squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None]
    return np.sqrt(np.maximum(squares - 2 * first @ second.T, 0))


def check_features(least: int = 1, **sets: np.ndarray) -> None:
    """Raise ValueError unless all are finite float64 [N, D] of one D with N >= `least`."""
    widths = {array.shape[1] for array in sets.values() if array.ndim == 2}
    for name, array in sets.items():
        wrong = array.ndim != 2 or len(array) < least or array.dtype != np.float64
        if wrong or len(widths) > 1:
            shapes = ", ".join(f"{key} {value.dtype}{value.shape}" for key, value in sets.items())
            raise ValueError(
                f"Invalid value for argument `{name}`. Expected float64 features [N, D] of one "
                f"D with N >= {least}. Received: {shapes}"
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"Invalid value for argument `{name}`. Expected finite features. "
                f"Received: {np.count_nonzero(~np.isfinite(array))} values that are not"
            )
