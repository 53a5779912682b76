"""Feature maps of VGG16 for a discriminator to look at beside the pictures themselves.

Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021: a critic that need not learn to see
first teaches the generator with a fraction of the pictures. Their network is another and its
features are mixed at random; here each layer has its own small head (see `models.dcgan`).
"""

from __future__ import annotations

from typing import Any

from keras import ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.vgg import Tap, Vgg, load_vgg

LAYERS = {"block3_conv3": (4, 256), "block4_conv3": (8, 512)}  # cut of the side, channels
SMALLEST = 4  # side of a map in which there is still a layout to judge


def feature_taps(config: DcganConfig) -> tuple[Tap, ...]:
    """Return the feature maps that a configuration's discriminator looks at."""
    if not config.feature_critic:
        return ()
    sizes = {name: (config.image_size // cut, width) for name, (cut, width) in LAYERS.items()}
    return tuple(Tap(name, *shape) for name, shape in sizes.items() if shape[0] >= SMALLEST)


class FeatureTaps:
    """The frozen network: images [N, S, S, 3] in [-1, 1] to one map per tap, of unit size.

    Attributes:
        source: Where the weights came from, see `Vgg`.
    """

    def __init__(self, config: DcganConfig) -> None:
        vgg: Vgg = load_vgg([tap.name for tap in feature_taps(config)], config.precision)
        self.source = vgg.source
        self._model = vgg.model

    def __call__(self, images: Any) -> list[Any]:
        """Apply the network; each position's vector is scaled to a mean square of 1.

        Sizes of VGG16's features differ a thousandfold between layers and places (Zhang et al.,
        "The unreasonable effectiveness of deep features", CVPR 2018, scale them likewise).
        """
        maps = self._model(images)
        maps = [ops.cast(m, "float32") for m in (maps if isinstance(maps, list) else [maps])]
        return [m / ops.sqrt(ops.mean(ops.square(m), axis=-1, keepdims=True) + 1e-4) for m in maps]
