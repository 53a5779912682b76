"""The naive Keras forms that training is measured against: float32, stock layers, `train_on_batch`.

Each is what a reader of the papers writes first in Keras: two compiled models, the discriminator
and the stacked pair, and `generator.predict` between their updates. They compile without XLA, which
on a CPU is several times slower for these networks and is not Keras's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.dcgan import build_discriminator, build_generator
from anime_pipeline.models.keras_layers import Block
from anime_pipeline.models.normalisation import BatchNormalization
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.gan import augment
from anime_pipeline.training.gan.losses import LOSSES, zero_gradient_penalty

Step = Callable[[], object]

tf.get_logger().setLevel("ERROR")  # it counts the graphs of these several models as retracing


def reference_step(batch: int, d_steps: int) -> Step:
    """Return one step of the original project's stage one, see `DCGAN_PRESETS["reference"]`.

    Each discriminator update sees `batch` real and `batch` drawn pictures in one call.
    """
    generator, critic = _reference_generator(), _reference_critic()
    labels = np.repeat(np.array([[0.9], [0.0]], np.float32), batch, axis=0)
    real = np.random.default_rng(0).uniform(-1, 1, (batch, 32, 32, 3)).astype(np.float32)
    critic.compile(keras.optimizers.Adam(2e-5, 0.5), "binary_crossentropy", jit_compile=False)
    critic.train_on_batch(np.concatenate([real, real]), labels)  # traced while it may still learn
    critic.trainable = False
    stacked = keras.Sequential([generator, critic])
    stacked.compile(keras.optimizers.Adam(1e-5, 0.5), "binary_crossentropy", jit_compile=False)
    draws = np.random.default_rng(0)

    def latent() -> np.ndarray:
        return draws.uniform(-1, 1, (batch, 100)).astype(np.float32)

    def step() -> None:
        for _ in range(d_steps):
            fake = generator.predict(latent(), verbose=0)
            critic.train_on_batch(np.concatenate([real, fake]), labels)
        stacked.train_on_batch(latent(), np.ones((batch, 1), np.float32))

    return step


def _reference_generator() -> keras.Model:
    model = [keras.Input((100,)), layers.Dense(16 * 16 * 256), layers.PReLU()]
    model += [layers.BatchNormalization(momentum=0.5), layers.Reshape((16, 16, 256))]
    model += [layers.UpSampling2D()]
    for filters in (128, 64, 32):
        model += [layers.Conv2DTranspose(filters, 5, padding="same"), layers.PReLU()]
        model += [layers.BatchNormalization(momentum=0.5)]
    return keras.Sequential(
        [*model, layers.Conv2DTranspose(3, 5, padding="same", activation="tanh")]
    )


def _reference_critic() -> keras.Model:
    model: list[Any] = [keras.Input((32, 32, 3))]
    for filters in (32, 64, 128, 256):
        model += [layers.Conv2D(filters, 5, strides=2, padding="same"), layers.PReLU()]
        model += [layers.Dropout(0.2)]
    return keras.Sequential([*model, layers.Flatten(), layers.Dense(1, activation="sigmoid")])


def upscaler_step(batch: int, crop_px: int, blocks: int = 16) -> Step:
    """Return one step on the mean squared error of the original project's stage-two generator."""

    def norm(x: Any) -> Any:
        return layers.BatchNormalization(momentum=0.5)(x)

    def prelu(x: Any) -> Any:
        return layers.PReLU(shared_axes=[1, 2])(x)

    def conv(x: Any, filters: int, size: int = 3, **kwargs: Any) -> Any:
        return layers.Conv2D(filters, size, padding="same", **kwargs)(x)

    lr_image = keras.Input((crop_px // 4, crop_px // 4, 3))
    trunk = x = prelu(conv(lr_image, 64, 9))
    for _ in range(blocks):
        x = layers.Add()([x, norm(conv(prelu(norm(conv(x, 64))), 64))])
    x = layers.Add()([norm(conv(x, 64)), trunk])
    for _ in range(2):
        x = prelu(layers.UpSampling2D()(conv(x, 256)))
    model = keras.Model(lr_image, conv(x, 3, 9, activation="tanh"))
    model.compile(keras.optimizers.Adam(9e-5, 0.5), "mse", jit_compile=False)
    draws = np.random.default_rng(0)
    small = draws.random((batch, crop_px // 4, crop_px // 4, 3), np.float32)
    large = draws.uniform(-1, 1, (batch, crop_px, crop_px, 3)).astype(np.float32)
    return lambda: model.train_on_batch(small, large)


def own_step(config: DcganConfig, task: DcganTask, stock: bool) -> Step:
    """Return one step of a configuration of ours (without feature critic) in naive Keras.

    Args:
        config: In float32; one discriminator update a step.
        task: Gives each step's arrays, drawn as for our own training.
        stock: Layers as Keras has them, "resize, then convolve" in two; else those of this package.
    """
    generator, critic = build_generator(config), build_discriminator(config)
    if stock:
        generator, critic = (keras.models.clone_model(m, clone_function=_stock)
                             for m in (generator, critic))  # fmt: skip
    critic_adam = _adam(config.learning_rate_d, config)
    trainers = {lazy: _CriticTrainer(config, critic, lazy) for lazy in (False, True)}
    for trainer in trainers.values():
        trainer.compile(critic_adam, jit_compile=False)
    stacked = _GeneratorTrainer(config, generator, critic)
    average = {"use_ema": True, "ema_momentum": 0.999}
    stacked.compile(_adam(config.learning_rate_g, config, **average), jit_compile=False)
    critic_adam.build(critic.trainable_variables)

    def steps() -> Iterator[None]:
        number = 0
        while True:
            arrays = {key: value[0] if isinstance(value, np.ndarray) and value.ndim else value
                      for key, value in task.inputs(number).items()}  # fmt: skip
            batch = {key: arrays[key] for key in ("latent", "condition", "known")}
            batch["real"] = np.asarray(arrays["real"], np.float32) / 127.5 - 1
            for part in ("real", "fake"):
                batch |= {f"{part} {k}": v[0] for k, v in arrays[f"augment_{part}"].items()}
            batch["fake"] = generator.predict([batch["latent"], batch["condition"]], verbose=0)
            trainers[number % config.r1_interval == 0].train_on_batch(batch)
            stacked.train_on_batch(batch)
            number += 1
            yield

    return steps().__next__


def _adam(rate: float, config: DcganConfig, **kwargs: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(rate, config.beta_1, config.beta_2, **kwargs)


def _stock(layer: Any) -> Any:
    """Return Keras's own layer for one of this package's, with new weights, where it has one."""
    if isinstance(layer, BatchNormalization):
        return layers.BatchNormalization.from_config(layer.get_config())
    if not isinstance(layer, Block) or layer.node.op not in ("dense", "conv", "upsample_conv"):
        return layer
    size, units = layer.node.weights["kernel"][0], layer.node.shape[-1]
    has_bias = "bias" in layer.node.weights
    if layer.node.op == "dense":
        stock = layers.Dense(units, use_bias=has_bias, name=layer.name)
    else:
        stride = layer.node.options.get("stride", 1)
        stock = layers.Conv2D(units, size, stride, "same", use_bias=has_bias, name=layer.name)
    above = [layers.UpSampling2D()] if layer.node.op == "upsample_conv" else []
    return _Several(above + [stock])


class _Several(layers.Layer):
    """Layers of one input after each other, given in a list of one."""

    def __init__(self, parts: list[Any]) -> None:
        super().__init__()
        self.parts = parts

    def call(self, inputs: list[Any]) -> Any:
        x = inputs[0]
        for part in self.parts:
            x = part(x)
        return x


class _Trainer(keras.Model):
    """What the two compiled models share."""

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.settings, self.game = config, LOSSES[config.loss]

    def view(self, batch: dict[str, Any], part: str, images: Any) -> Any:
        draws = {name: batch[f"{part} {name}"] for name in ("shift", "hole")}
        return augment.apply(images, draws)

    def guess_error(self, guess: Any, batch: dict[str, Any]) -> Any:
        error = ops.square(guess - batch["condition"]) * batch["known"]
        return self.settings.guess_weight * ops.sum(error) / (ops.sum(batch["known"]) + 1e-6)

    def learn(self, tape: Any, loss: Any, weights: Any) -> dict[str, Any]:
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


class _CriticTrainer(_Trainer):
    def __init__(self, config: DcganConfig, critic: keras.Model, with_penalty: bool) -> None:
        super().__init__(config)
        self.critic, self.with_penalty = critic, with_penalty

    def train_step(self, data: Any) -> dict[str, Any]:
        batch, settings = data[0], self.settings
        real = self.view(batch, "real", batch["real"])
        fake = self.view(batch, "fake", batch["fake"])

        def judge(views: Any) -> Any:
            return self.critic([*views, batch["condition"]], training=True)

        with tf.GradientTape() as tape:
            (real_logits, guess), (fake_logits, _) = judge([real]), judge([fake])
            loss = self.game.discriminator(real_logits, fake_logits, settings.real_label)
            loss += self.guess_error(guess, batch)
            if self.with_penalty:
                for gamma, view in ((settings.r1_gamma, real), (settings.r2_gamma, fake)):
                    penalty = zero_gradient_penalty(lambda views: judge(views)[0], [view])
                    loss += gamma * settings.r1_interval * penalty
        return self.learn(tape, loss, self.critic.trainable_variables)


class _GeneratorTrainer(_Trainer):
    def __init__(self, config: DcganConfig, generator: keras.Model, critic: keras.Model) -> None:
        super().__init__(config)
        self.generator, self.critic = generator, critic

    def train_step(self, data: Any) -> dict[str, Any]:
        batch = data[0]
        condition = batch["condition"]
        real = self.view(batch, "real", batch["real"])
        with tf.GradientTape() as tape:
            images = self.generator([batch["latent"], condition], training=True)
            fake = self.view(batch, "fake", images)
            fake_logits, guess = self.critic([fake, condition], training=True)
            real_logits, _ = self.critic([real, condition], training=True)
            loss = self.game.generator(real_logits, fake_logits) + self.guess_error(guess, batch)
        return self.learn(tape, loss, self.generator.trainable_variables)
