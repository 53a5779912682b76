"""Batch normalisation in one operation on a CPU.

Keras writes it out as some ten passes over the picture maps, in float32 whatever the maps are in,
and as many again for the gradient: for these networks a fifth of a training step. TensorFlow has
the whole as one operation, statistics in float32 too, four to five times as fast.
"""

from __future__ import annotations

import math
from typing import Any

from keras import layers

from anime_pipeline.models import backend


class BatchNormalization(layers.BatchNormalization):
    """Keras's layer (Ioffe and Szegedy, ICML 2015), training included, within rounding.

    Elsewhere than in training on TensorFlow on a CPU it is Keras's own computation.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise [N, H, W, C] or [N, C] by the batch's statistics, or by the moving ones."""
        fused = training and self.trainable and mask is None and not self.renorm
        fused = fused and backend.name() == "tensorflow" and not backend.has_gpu()
        if not fused or None in inputs.shape or len(inputs.shape) not in (2, 4):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = inputs.shape[-1]
        maps = tf.reshape(inputs, (-1, 1, 1, channels)) if len(inputs.shape) == 2 else inputs
        normal = tf.raw_ops.FusedBatchNormV3(
            x=maps,
            scale=self.gamma.value if self.scale else tf.ones(channels),
            offset=self.beta.value if self.center else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
        )
        values = math.prod(inputs.shape[:-1])
        # The operation reports the sample's variance, Keras averages the population's.
        biased = normal.batch_variance * ((values - 1) / max(values, 1))
        for moving, batch in (
            (self.moving_mean, normal.batch_mean),
            (self.moving_variance, biased),
        ):
            moving.assign(moving * self.momentum + tf.stop_gradient(batch) * (1 - self.momentum))
        return tf.reshape(normal.y, inputs.shape)
