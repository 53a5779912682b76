"""Both stages in Keras: plain models with gradients, and whole networks from inputs to pictures.

The latter are what SavedModel and LiteRT files are made from, and the oracle that every exported
file is compared with.
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


def keras_generator(weights: Weights) -> Any:
    """Return stage one: latent [N, D] (and condition [N, K]) to images [N, S, S, 3] in [-1, 1]."""
    model = dcgan.build_generator(replace(weights.read_config(DcganConfig), precision="float32"))
    assign(model, weights)
    return model


def keras_upscaler(weights: Weights) -> Any:
    """Return stage two with `clamp`: [N, H, W, 3] in [0, 1] to [N, 4H, 4W, 3] in about [-1, 1]."""
    model = srgan.build_generator(replace(weights.read_config(SrganConfig), precision="float32"))
    assign(model, weights)
    image = _clamped(_levels(model.output), model.input * 255.0) / 127.5 - 1.0
    return keras.Model(model.input, image, name=model.name)


def pictures_model(generator: Weights | None, upscaler: Weights | None) -> Any:
    """Return a Keras model with the inputs and the output of `graph_layers.pictures_graph`."""
    if generator:
        model = keras_generator(generator)
        inputs, levels = model.inputs, _rounded(_levels(model.output))
    else:
        inputs = [keras.Input((None, None, 3), dtype="uint8", name="lr_image")]
        levels = ops.cast(inputs[0], "float32")
    if upscaler:
        levels = _rounded(_levels(keras_upscaler(upscaler)(levels / 255.0)))
    return keras.Model(inputs, {"image": ops.cast(levels, "uint8")})


def _levels(images: Any) -> Any:
    return (images + 1.0) * 127.5


def _rounded(levels: Any) -> Any:
    return ops.clip(ops.round(levels), 0.0, 255.0)


def _clamped(levels: Any, lr_levels: Any) -> Any:
    side = 2 * REACH_PX + 1
    high = ops.max_pool(lr_levels, side, 1, "same")
    low = -ops.max_pool(-lr_levels, side, 1, "same")
    room = GROWTH * (high - low) + SLACK
    repeat = keras.layers.UpSampling2D(SCALE)
    return ops.minimum(ops.maximum(levels, repeat(low - room)), repeat(high + room))
