from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import TINY_DCGAN, TINY_SRGAN
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from anime_pipeline.core.config import DcganConfig, from_dict
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.core.randomness import latents
from anime_pipeline.models import backend, dcgan, srgan
from anime_pipeline.models.blocks import (
    DepthToSpace,
    MinibatchStdDev,
    Modulate,
    UpsampleBilinear,
    UpsampleConv,
)
from anime_pipeline.models.dcgan_reference import dropout_shapes
from anime_pipeline.models.feature_extractor import feature_maps
from anime_pipeline.models.network import Network

RANDOM = np.random.default_rng(0)


def test_upsample_conv_equals_resize_then_convolve():
    x = RANDOM.standard_normal((2, 5, 6, 3)).astype(np.float32)
    fused = UpsampleConv(4)
    y = np.asarray(fused(x))
    plain = layers.Conv2D(4, 3, padding="same", use_bias=False)
    large = np.asarray(layers.UpSampling2D()(x))
    plain.build(large.shape)
    # Ours is stored [3, 3, out, in], a convolution's kernel [3, 3, in, out].
    plain.set_weights([np.asarray(fused.kernel).transpose(0, 1, 3, 2)])
    assert y.shape == (2, 10, 12, 4)
    np.testing.assert_allclose(y, np.asarray(plain(large)), atol=1e-5)


@given(st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_bilinear_upsampling_equals_keras(height, width):
    x = RANDOM.standard_normal((2, height, width, 3)).astype(np.float32)
    wanted = layers.UpSampling2D(2, interpolation="bilinear")(x)
    np.testing.assert_allclose(np.asarray(UpsampleBilinear()(x)), np.asarray(wanted), atol=1e-5)


def test_depth_to_space_equals_tensorflow():
    tf = pytest.importorskip("tensorflow")
    x = RANDOM.standard_normal((2, 3, 5, 12)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(DepthToSpace(2)(x)), tf.nn.depth_to_space(x, 2))


def test_minibatch_stddev_is_the_spread_within_each_group():
    x = RANDOM.standard_normal((8, 2, 2, 3)).astype(np.float32)
    x[4:] = x[4]  # the second group has no variety at all
    extra = np.asarray(MinibatchStdDev(4)(x))[..., -1]
    np.testing.assert_allclose(extra[:4], x[:4].std(axis=0).mean(), rtol=1e-4)
    assert np.ptp(extra[:4]) == 0 and extra[4:].max() < 2e-4


@pytest.mark.parametrize(
    "layer", [UpsampleConv(5), UpsampleBilinear(), DepthToSpace(2), MinibatchStdDev(2)]
)
def test_layers_survive_serialisation_and_predict_their_shape(layer):
    x = np.zeros((4, 6, 6, 8), np.float32)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert tuple(again(x).shape) == tuple(again.compute_output_shape(x.shape))


@pytest.mark.parametrize("name", ["cpu", "gpu", "reference"])
def test_dcgan_shapes_and_range(name):
    config = replace(DCGAN_PRESETS[name], condition="", feature_critic=False, precision="float32")
    generator, critic = dcgan.build_generator(config), dcgan.build_discriminator(config)
    latent = latents([0, 1, 2, 3], config.latent_dim, config.latent_distribution)
    images = np.asarray(generator(latent, training=False))
    assert images.shape == (4, 32, 32, 3) and images.dtype == np.float32
    assert np.abs(images).max() <= 1
    masks = [np.ones((4, *shape), np.float32) for shape in dropout_shapes(config)]
    logits = keras.tree.flatten(critic([images, *masks], training=False))
    assert [tuple(output.shape) for output in logits] == [(4, 1)]


def test_a_conditional_critic_has_a_head_per_view_and_guesses():
    config = DcganConfig(image_size=32, width=8, width_d=8, condition="hair,skin,Hat",
                         feature_critic=True)  # fmt: skip
    maps = feature_maps(config)
    assert [(tap.size, tap.channels) for tap in maps] == [(8, 256), (4, 512)]
    critic = dcgan.build_discriminator(config, maps)
    maps = [np.zeros((4, tap.size, tap.size, tap.channels), np.float32) for tap in maps]
    images, condition = np.zeros((4, 32, 32, 3), np.float32), np.zeros((4, 9), np.float32)
    logits, guess = critic([images, *maps, condition], training=False)
    assert tuple(logits.shape) == (4, 3) and tuple(guess.shape) == (4, 9)
    latent = latents([0, 1], 128)
    faces = dcgan.build_generator(config)([latent, condition[:2]], training=False)
    assert tuple(faces.shape) == (2, 32, 32, 3)


def residual(**changes):
    return DcganConfig(architecture="residual", width=4, width_d=4, **changes)


def test_a_residual_critic_judges_the_whole_and_patches_of_four_maps():
    config = residual(condition="hair,eyes", feature_critic=True, feature_px=64)
    maps = feature_maps(config)
    assert [(tap.name, tap.size, tap.channels) for tap in maps] == [
        ("block2_conv2", 32, 128), ("block3_conv3", 16, 256),
        ("block4_conv3", 8, 512), ("block5_conv3", 4, 512),
    ]  # fmt: skip
    critic = dcgan.build_discriminator(config, maps)
    maps = [
        RANDOM.standard_normal((4, tap.size, tap.size, tap.channels)).astype(np.float32)
        for tap in maps
    ]
    images, condition = RANDOM.uniform(-1, 1, (4, 32, 32, 3)), np.ones((4, 15), np.float32)
    logits, guess = (np.asarray(o) for o in critic([images, *maps, condition], training=False))
    assert logits.shape == (4, 5, 16) and guess.shape == (4, 15)
    # One verdict on the whole, sixteen on a map; a map that changes moves its own head alone.
    spread = np.ptp(logits, axis=2)
    assert (spread[:, 0] == 0).all() and (spread[:, 1:] > 0).all()
    maps[2] = maps[2] * 2
    changed = np.asarray(critic([images, *maps, condition], training=False)[0]) != logits
    assert changed.any(axis=(0, 2)).tolist() == [False, False, False, True, False]


def test_residual_networks_keep_no_statistics_and_begin_as_their_skips():
    generator = dcgan.build_generator(residual(blocks=2, condition="length"))
    assert not generator.non_trainable_variables
    last = [v for v in generator.variables if v.path.endswith("conv2/kernel")]
    assert len(last) == 6  # one each at 4 and 8 px, two at 16 and 32
    assert not any(np.asarray(v).any() for v in last)


def test_a_coarse_map_is_no_head():
    names = [tap.name for tap in feature_maps(residual(feature_critic=True))]
    assert names == ["block2_conv2", "block3_conv3", "block4_conv3"]  # 2 px are no layout


def test_a_critic_can_do_without_the_spread_of_a_batch():
    def wide(minibatch_std):
        config = DcganConfig(width_d=8, feature_critic=True, minibatch_std=minibatch_std)
        critic = dcgan.build_discriminator(config, feature_maps(config))
        assert any(isinstance(layer, MinibatchStdDev) for layer in critic.layers) is minibatch_std
        return [v.shape[2] for v in critic.trainable_variables if v.path.endswith("kernel")
                and len(v.shape) == 4]  # fmt: skip

    more = [a - b for a, b in zip(wide(True), wide(False), strict=True)]
    assert sorted(more) == [0, 0, 0, 0, 1, 1, 1]  # one channel more for each of three heads
    old = {"width_d": 8}  # a file from before the field
    assert from_dict(DcganConfig, old).minibatch_std


def test_modulation_starts_as_nothing_and_then_scales_and_shifts():
    maps, style = np.ones((2, 3, 3, 4), np.float32), np.array([[0.0], [1.0]], np.float32)
    layer = Modulate(kernel_initializer="zeros")
    np.testing.assert_array_equal(np.asarray(layer([maps, style])), maps)
    layer.kernel.assign(np.array([[1, 1, 1, 1, 2, 2, 2, 2]], np.float32))
    result = np.asarray(layer([maps, style]))
    assert (result[0] == 1).all() and (result[1] == 1 * (1 + 1) + 2).all()
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_reference_sizes_are_the_originals():
    generator = dcgan.build_generator(DCGAN_PRESETS["reference"])
    convolutions = [v.shape for v in generator.trainable_variables if v.path.endswith("kernel")]
    assert [tuple(shape) for shape in convolutions] == [
        (100, 16 * 16 * 256), (5, 5, 128, 256), (5, 5, 64, 128), (5, 5, 32, 64), (5, 5, 3, 32),
    ]  # fmt: skip
    upscaler = srgan.build_generator(SRGAN_PRESETS["reference"])
    names = {v.path.split("/")[0] for v in upscaler.trainable_variables}
    assert {f"block{n}_conv{c}" for n in range(1, 17) for c in (1, 2)} <= names


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_srgan_takes_any_size_and_gives_four_times(name):
    config = SRGAN_PRESETS[name]
    generator = srgan.build_generator(config)
    lr_image = RANDOM.random((1, 7, 12, 3), np.float32)
    assert generator(lr_image, training=False).shape == (1, 28, 48, 3)
    side = config.crop_size or config.hr_size
    critic = srgan.build_discriminator(config)
    assert critic(np.zeros((2, side, side, 3), np.float32)).shape[0] == 2


def test_the_upscaler_starts_near_nearest_neighbour():
    generator = srgan.build_generator(SRGAN_PRESETS["cpu"])
    lr_image = RANDOM.random((1, 8, 8, 3), np.float32)
    nearest = lr_image.repeat(4, 1).repeat(4, 2) * 2 - 1
    assert np.abs(np.asarray(generator(lr_image)) - nearest).mean() < 0.15


def test_golden_slice():
    """A seeded tiny generator gives the same numbers forever, on every backend."""
    model = dcgan.build_generator(TINY_DCGAN)
    # In training mode, where batch norm uses the batch's own statistics.
    images = np.asarray(model(latents(range(4), TINY_DCGAN.latent_dim), training=True))
    expected = np.array([[0.04642325, -0.00098062], [0.06192366, 0.02792518]])
    assert images[0, 7:9, 7:9, 0] == pytest.approx(expected, abs=1e-4)


def test_network_is_pure_and_reports_new_statistics():
    network = Network(dcgan.build_generator(TINY_DCGAN))
    state = network.initial_state()
    before = backend.to_numpy(state)
    latent = latents(range(4), TINY_DCGAN.latent_dim)
    _, stats = network(state["params"], state["stats"], latent, True)
    _, same = network(state["params"], state["stats"], latent, False)
    moved = {k: np.abs(np.asarray(stats[k]) - before["stats"][k]).max() for k in stats}
    assert all(moved.values())
    assert all(np.array_equal(np.asarray(same[k]), before["stats"][k]) for k in same)
    for variable in network.model.variables:
        kept = before["params"].get(variable.path, before["stats"].get(variable.path))
        assert np.array_equal(np.asarray(variable), kept)


def test_bfloat16_computes_narrow_and_stores_wide():
    config = type(TINY_SRGAN)(**{**vars(TINY_SRGAN), "precision": "bfloat16"})
    model = srgan.build_generator(config)
    assert {str(v.dtype) for v in model.variables} == {"float32"}
    assert model.get_layer("block1_conv1").compute_dtype == "bfloat16"
    assert keras.backend.standardize_dtype(model.output.dtype) == "float32"
