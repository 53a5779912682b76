"""Feature maps of VGG16 for a discriminator to look at beside the pictures themselves.

Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021: a critic that need not learn to see
first teaches the generator with a fraction of the pictures. Which depths are looked at, and whether
each is mixed by a frozen random 1x1 convolution so that no few channels can satisfy a head (their
section 3.2), the architecture says. Pictures may be enlarged to a size at which maps say something.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from keras import ops

from anime_pipeline.architectures import architecture_of
from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.randomness import stream
from anime_pipeline.models.resizing import resized
from anime_pipeline.models.vgg import FeatureMap, Vgg, load_vgg

# Cut of the side, and channels.
LAYERS = {
    "block2_conv2": (2, 128),
    "block3_conv3": (4, 256),
    "block4_conv3": (8, 512),
    "block5_conv3": (16, 512),
}
SMALLEST = 4  # side of a map in which there is still a layout to judge


def feature_maps(config: DcganConfig) -> tuple[FeatureMap, ...]:
    """Return the feature maps that a configuration's discriminator looks at."""
    if not config.feature_critic:
        return ()
    side = config.feature_px or config.image_size
    maps = [
        FeatureMap(name, side // LAYERS[name][0], LAYERS[name][1])
        for name in architecture_of(config).feature_layers
    ]
    return tuple(each for each in maps if each.size >= SMALLEST)


class FeatureExtractor:
    """The frozen network: images [N, S, S, 3] in [-1, 1] to its maps, of unit size.

    Attributes:
        source: Where the weights came from, see `Vgg`.
        parts: In how many parts a batch is computed to save memory, see `models.parts`; 0: none.
        devices: How many share a batch.
    """

    parts = 0
    devices = 1

    def __init__(self, config: DcganConfig) -> None:
        maps = feature_maps(config)
        vgg: Vgg = load_vgg([each.name for each in maps], config.precision)
        self.source = vgg.source
        self._model = vgg.model
        self._dtype = config.precision
        size, side = config.image_size, config.feature_px or config.image_size
        # What OpenCV makes of unit rows.
        enlarged = cv2.resize(np.eye(size, dtype=np.float32), (size, side), None, 0, 0, 2)
        self._enlarge = enlarged if side > size else None
        self._mix = [_mixture(config, each) for each in maps]

    def __call__(self, images: Any) -> list[Any]:
        """Apply the network; each position's vector is scaled to a mean square of 1.

        Sizes of VGG16's features differ a thousandfold between layers and places (Zhang et al.,
        "The unreasonable effectiveness of deep features", CVPR 2018, scale them likewise).
        """
        if not self.parts:
            return self._maps(images)
        from anime_pipeline.models.parts import in_parts

        maps: list[Any] = in_parts(self._maps, images, self.parts, self.devices)
        return maps

    def _maps(self, images: Any) -> list[Any]:
        if self._enlarge is not None:
            images = resized(images, self._enlarge)
        maps = self._model(images)
        maps = [ops.cast(m, "float32") for m in (maps if isinstance(maps, list) else [maps])]
        maps = [m / ops.sqrt(ops.mean(ops.square(m), axis=-1, keepdims=True) + 1e-4) for m in maps]
        return [
            m if mix is None else ops.matmul(ops.cast(m, self._dtype), ops.cast(mix, self._dtype))
            for m, mix in zip(maps, self._mix, strict=True)
        ]


def _mixture(config: DcganConfig, each: FeatureMap) -> np.ndarray | None:
    """Return the frozen mixture of a map's channels, float32 [C, C], which keeps their size."""
    if not architecture_of(config).mixes_features:
        return None
    draw = stream(config.seed, f"mixture {each.name}").standard_normal
    return draw((each.channels, each.channels), np.float32) / np.float32(each.channels**0.5)
