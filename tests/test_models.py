import keras
import numpy as np
import pytest
from conftest import TINY_DCGAN, TINY_SRGAN
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from anime_pipeline.core.config import DcganConfig, from_dict
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.core.randomness import latents
from anime_pipeline.models import backend, blocks, dcgan, srgan
from anime_pipeline.models.feature_extractor import feature_maps
from anime_pipeline.models.network import Network

RANDOM = np.random.default_rng(0)


def test_upsample_conv_equals_resize_then_convolve():
    x = RANDOM.standard_normal((2, 5, 6, 3)).astype(np.float32)
    kernel = RANDOM.standard_normal((3, 3, 4, 3)).astype(np.float32)
    # Ours is stored [3, 3, out, in], a convolution's kernel [3, 3, in, out].
    plain = ops.conv(layers.UpSampling2D()(x), kernel.transpose(0, 1, 3, 2), padding="same")
    y = np.asarray(blocks.upsample_conv(x, kernel))
    assert y.shape == (2, 10, 12, 4)
    np.testing.assert_allclose(y, np.asarray(plain), atol=1e-5)


@given(st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_bilinear_upsampling_equals_keras(height, width):
    x = RANDOM.standard_normal((2, height, width, 3)).astype(np.float32)
    wanted = np.asarray(layers.UpSampling2D(2, interpolation="bilinear")(x))
    np.testing.assert_allclose(np.asarray(blocks.upsample_bilinear(x)), wanted, atol=1e-5)


def test_depth_to_space_equals_tensorflow():
    tf = pytest.importorskip("tensorflow")
    x = RANDOM.standard_normal((2, 3, 5, 12)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(blocks.depth_to_space(x)), tf.nn.depth_to_space(x, 2))


def test_minibatch_stddev_is_the_spread_within_each_group():
    x = RANDOM.standard_normal((8, 2, 2, 3)).astype(np.float32)
    x[4:] = x[4]  # the second group has no variety at all
    extra = np.asarray(blocks.minibatch_stddev(x, 4))[..., -1]
    np.testing.assert_allclose(extra[:4], x[:4].std(axis=0).mean(), rtol=1e-4)
    assert np.ptp(extra[:4]) == 0 and extra[4:].max() < 2e-4


@pytest.mark.parametrize("shared", [True, False])
def test_prelu_equals_keras(shared):
    x = RANDOM.standard_normal((2, 3, 4, 5)).astype(np.float32)
    layer = layers.PReLU(shared_axes=[1, 2] if shared else None)
    layer.build(x.shape)
    layer.set_weights([RANDOM.standard_normal(layer.alpha.shape)])
    np.testing.assert_array_equal(np.asarray(blocks.prelu(x, layer.alpha)), np.asarray(layer(x)))


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


def test_votes_of_the_pixels_repeat_their_judgement_and_change_nothing_else():
    maps = feature_maps(residual(feature_critic=True))
    one, four = (
        dcgan.build_discriminator(residual(feature_critic=True, pixel_votes=votes), maps)
        for votes in (1, 4)
    )
    four.set_weights(one.get_weights())
    shapes = [(4, 32, 32, 3), *((4, each.size, each.size, each.channels) for each in maps)]
    views = [RANDOM.standard_normal(shape).astype(np.float32) for shape in shapes]
    alone, voted = (np.asarray(keras.tree.flatten(critic(views))[0]) for critic in (one, four))
    assert np.array_equal(voted, np.concatenate([*[alone[:, :1]] * 4, alone[:, 1:]], axis=1))


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
        assert any(layer.name.startswith("minibatch") for layer in critic.layers) is minibatch_std
        return [v.shape[2] for v in critic.trainable_variables if v.path.endswith("kernel")
                and len(v.shape) == 4]  # fmt: skip

    more = [a - b for a, b in zip(wide(True), wide(False), strict=True)]
    assert sorted(more) == [0, 0, 0, 0, 1, 1, 1]  # one channel more for each of three heads
    old = {"width_d": 8}  # a file from before the field
    assert from_dict(DcganConfig, old).minibatch_std


def test_modulation_starts_as_nothing_and_then_scales_and_shifts():
    maps, style = np.ones((2, 3, 3, 4), np.float32), np.array([[0.0], [1.0]], np.float32)
    nothing = np.zeros((1, 8), np.float32)
    np.testing.assert_array_equal(blocks.modulate(maps, style, nothing, nothing[0]), maps)
    kernel = np.array([[1, 1, 1, 1, 2, 2, 2, 2]], np.float32)
    result = np.asarray(blocks.modulate(maps, style, kernel, nothing[0]))
    assert (result[0] == 1).all() and (result[1] == 1 * (1 + 1) + 2).all()


def test_reference_sizes_are_the_originals():
    generator = dcgan.build_generator(DCGAN_PRESETS["reference"])
    convolutions = [v.shape for v in generator.trainable_variables if v.path.endswith("kernel")]
    assert [tuple(shape) for shape in convolutions] == [
        (100, 16 * 16 * 256), (5, 5, 128, 256), (5, 5, 64, 128), (5, 5, 32, 64), (5, 5, 3, 32),
    ]  # fmt: skip
    upscaler = srgan.build_generator(SRGAN_PRESETS["reference"])
    names = {v.path.split("/")[0] for v in upscaler.trainable_variables}
    assert {f"block{n}_conv{c}" for n in range(1, 17) for c in (1, 2)} <= names


def test_the_upscaler_starts_near_nearest_neighbour():
    generator = srgan.build_generator(SRGAN_PRESETS["cpu"])
    lr_image = RANDOM.random((1, 8, 8, 3), np.float32)
    nearest = lr_image.repeat(4, 1).repeat(4, 2) * 2 - 1
    assert np.abs(np.asarray(generator(lr_image)) - nearest).mean() < 0.15


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
