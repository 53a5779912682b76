"""The same as `export_graphs` in Keras: what SavedModel and LiteRT files are made from.

It is also the oracle that every exported file is compared with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anime_pipeline.core.config import SCALE, DcganConfig, SrganConfig
from anime_pipeline.inference.clamp import GROWTH, REACH_PX, SLACK
from anime_pipeline.models import dcgan, srgan
from anime_pipeline.models.backend import keras
from anime_pipeline.models.weights import Weights, assign

ops = keras.ops


def pictures_model(draw: Weights | None, enlarge: Weights | None) -> Any:
    """Return a Keras model with the inputs and the output of `export_graphs.pictures_graph`."""
    if draw:
        config = replace(draw.read_config(DcganConfig), precision="float32")
        generator = dcgan.build_generator(config)
        assign(generator, draw)
        inputs = generator.inputs
        levels = _rounded(_levels(generator.output))
    else:
        inputs = [keras.Input((None, None, 3), dtype="uint8", name="lr_image")]
        levels = ops.cast(inputs[0], "float32")
    if enlarge:
        upscaler = srgan.build_generator(
            replace(enlarge.read_config(SrganConfig), precision="float32")
        )
        assign(upscaler, enlarge)
        large = _levels(upscaler(levels / 255.0))
        levels = _rounded(_restrained(large, levels))
    return keras.Model(inputs, {"image": ops.cast(levels, "uint8")})


def _levels(images: Any) -> Any:
    return (images + 1.0) * 127.5


def _rounded(levels: Any) -> Any:
    return ops.clip(ops.round(levels), 0.0, 255.0)


def _restrained(levels: Any, lr_levels: Any) -> Any:
    side = 2 * REACH_PX + 1
    high = ops.max_pool(lr_levels, side, 1, "same")
    low = -ops.max_pool(-lr_levels, side, 1, "same")
    room = GROWTH * (high - low) + SLACK
    enlarge = keras.layers.UpSampling2D(SCALE)
    return ops.minimum(ops.maximum(levels, enlarge(low - room)), enlarge(high + room))
