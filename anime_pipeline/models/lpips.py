"""The networks of LPIPS: features and the learned weight of each of their channels.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018;
version 0.1 of its weights, "lin" form. Both files lie in `$ANIME_PIPELINE_ASSETS`, where
`models.fetch` puts them: AlexNet with its heads in `lpips_alexnet.npz`, those of VGG16 beside its
convolutions in `vgg16_notop_torch.npz`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from keras import layers

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.errors import PipelineError
from anime_pipeline.models.assets import LPIPS_FILES, find_asset
from anime_pipeline.models.backend import keras
from anime_pipeline.models.vgg import load_vgg

HEADS = {"alex": "NetLinLayer_{}/Conv_0/kernel", "vgg": "lpips_vgg/lin{}"}
LAYERS = 5
MOST_NUMBERS = 20_000_000  # VGG16 has 14.7 million
VGG_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
# LPIPS's own input scaling, for [-1, 1]. For VGG16 it is that of its torch weights.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


@dataclass(frozen=True)
class LpipsNet:
    """A frozen network and what each channel of its maps counts.

    Attributes:
        model: RGB pictures [N, H, W, 3] in [-1, 1] to five maps [N, h, w, C] after ReLU.
        heads: Five float32 [C], none negative.
    """

    model: keras.Model
    heads: list[np.ndarray]


def load_lpips(net: str) -> LpipsNet:
    """Load one of the two networks.

    Args:
        net: ``"alex"`` or ``"vgg"``.

    Raises:
        PipelineError: If its file is missing, damaged or has no heads of LPIPS.
    """
    path = find_asset(LPIPS_FILES[net])
    if path is None:
        raise PipelineError(
            f"LPIPS {net} needs {LPIPS_FILES[net]} and $ANIME_PIPELINE_ASSETS names no folder that "
            "holds it. Set it to the folder that anime-pipeline models fetch FOLDER has filled."
        )
    try:
        with open_arrays(path) as file:
            file.require_at_most(MOST_NUMBERS)
            arrays = file.read()
            heads = [arrays[HEADS[net].format(layer)] for layer in range(LAYERS)]
            heads = [head.astype(np.float32).reshape(-1) for head in heads]
            model = _alexnet(arrays) if net == "alex" else load_vgg(VGG_LAYERS).model
    except UNREADABLE as error:
        raise PipelineError(
            f"{path} is damaged or holds no weights of LPIPS ({error}). Restore the file."
        ) from None
    return LpipsNet(model, heads)


def _alexnet(arrays: dict[str, np.ndarray]) -> keras.Model:
    """Build the convolutions of torchvision's AlexNet: [N, H, W, 3] in [-1, 1] to five maps."""
    image = keras.Input((None, None, 3), name="image")
    x = (image - np.array(SHIFT, np.float32)) / np.array(SCALE, np.float32)
    maps = []
    # filters, kernel side, stride, padding, whether 3x3 maxima of every second place come first
    for number, (filters, side, stride, pad, pool) in enumerate(
        [(64, 11, 4, 2, False), (192, 5, 1, 2, True), (384, 3, 1, 1, True)]
        + [(256, 3, 1, 1, False)] * 2
    ):
        if pool:
            x = layers.MaxPooling2D(3, 2)(x)
        x = layers.ZeroPadding2D(pad)(x)
        conv = layers.Conv2D(filters, side, stride, activation="relu", dtype="float32")
        x = conv(x)
        kernel = arrays[f"AlexNet_0/Conv_{number}/kernel"].astype(np.float32)
        conv.set_weights([kernel, arrays[f"AlexNet_0/Conv_{number}/bias"].astype(np.float32)])
        maps.append(x)
    model = keras.Model(image, maps, name="lpips_alexnet")
    model.trainable = False
    return model
