"""The faster forms of layers against Keras's own: values, gradients, statistics, weight names."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops

from anime_pipeline.core.presets import DCGAN_PRESETS
from anime_pipeline.models import backend, convolution, dcgan
from anime_pipeline.models.blocks import UpsampleConvTranspose
from anime_pipeline.models.network import Network
from anime_pipeline.models.normalisation import BatchNormalization

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def gradients(function, weights, *inputs):
    """Return values of `function(inputs..., weights...)` and gradients of a sum weighted by sin."""

    def loss(tree):
        values = ops.cast(function(*tree), "float32")
        return ops.sum(ops.sin(values)), values

    tree = [ops.convert_to_tensor(array) for array in (*inputs, *weights)]
    (_, values), slopes = backend.jit(backend.value_and_grad(loss))(tree)
    return [np.asarray(ops.cast(a, "float32")) for a in (values, *slopes)]


def agree(ours, theirs, tolerance):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * max(1, np.abs(other).max()))


@pytest.mark.parametrize("shape", [(5, 6, 3, 4), (1, 1, 7, 5), (1, 3, 2, 1), (16, 16, 24, 12)])
def test_upsampled_transposed_convolution_equals_the_two_layers(shape):
    """Each border pixel too: the 5x5 window reaches two pixels out of the enlarged map."""
    height, width, channels, filters = shape
    fused = UpsampleConvTranspose(filters)
    plain = layers.Conv2DTranspose(filters, 5, padding="same")
    fused.build((2, height, width, channels))
    plain.build((2, 2 * height, 2 * width, channels))
    assert [w.shape for w in fused.weights] == [w.shape for w in plain.weights]
    x, weights = normal(2, height, width, channels), [np.asarray(fused.kernel), normal(filters)]
    upsample = layers.UpSampling2D()

    def ours(x, *weights):
        return fused.stateless_call(weights, [], x)[0]

    def theirs(x, *weights):
        return plain.stateless_call(weights, [], upsample(x))[0]

    agree(gradients(ours, weights, x), gradients(theirs, weights, x), 2e-5)


def test_upsampled_transposed_convolution_keeps_names_and_serialises():
    generator = dcgan.build_generator(DCGAN_PRESETS["reference"])
    shapes = {v.path: tuple(v.shape) for v in generator.variables}
    assert shapes["conv1/kernel"] == (5, 5, 128, 256) and shapes["conv1/bias"] == (128,)
    layer = UpsampleConvTranspose(5)
    again = UpsampleConvTranspose.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = normal(2, 3, 4, 6)
    assert tuple(again(x).shape) == tuple(again.compute_output_shape(x.shape)) == (2, 6, 8, 5)


def original_generator():
    """Return the reference generator as its authors wrote it, in stock layers."""
    steps = [keras.Input((100,)), layers.Dense(16 * 16 * 256)]
    steps += [layers.PReLU(), layers.BatchNormalization(momentum=0.5)]
    steps += [layers.Reshape((16, 16, 256)), layers.UpSampling2D()]
    for filters in (128, 64, 32):
        steps += [layers.Conv2DTranspose(filters, 5, padding="same")]
        steps += [layers.PReLU(), layers.BatchNormalization(momentum=0.5)]
    return keras.Sequential([*steps, layers.Conv2DTranspose(3, 5, padding="same"),
                             layers.Activation("tanh")])  # fmt: skip


def test_the_reference_generator_equals_the_original():
    config = replace(DCGAN_PRESETS["reference"], precision="float32")
    ours, original = dcgan.build_generator(config), original_generator()
    original.set_weights([np.asarray(v.value) for v in ours.variables])
    latent = RANDOM.uniform(-1, 1, (4, 100)).astype(np.float32)
    for training in (False, True):
        pictures = np.asarray(ours(latent, training=training))
        np.testing.assert_allclose(pictures, original(latent, training=training), atol=2e-4)
    for mine, theirs in zip(ours.variables, original.variables, strict=True):
        mine, theirs = np.asarray(mine.value), np.asarray(theirs.value)
        np.testing.assert_allclose(mine, theirs, atol=2e-4)


CONVOLUTIONS = [  # height, width, channels, filters, kernel, stride
    (8, 8, 5, 256, 4, 2),
    (7, 9, 3, 256, 3, 1),
    (9, 7, 6, 256, 5, 2),
    (7, 7, 4, 256, 1, 2),
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_equal_keras(case, dtype, transposed, monkeypatch):
    # Used for bfloat16 alone; the arithmetic is checked more sharply in float32.
    monkeypatch.setattr(convolution, "_is_faster", lambda *_, **__: backend.name() == "tensorflow")
    height, width, channels, filters, size, stride = case
    shape = (size, size, filters, channels) if transposed else (size, size, channels, filters)
    x = ops.cast(normal(3, height, width, channels), dtype)
    kernel = ops.cast(normal(*shape) / 8, dtype)
    keras_form = ops.conv_transpose if transposed else ops.conv
    our_form = convolution.conv2d_transpose if transposed else convolution.conv2d

    def ours(x, kernel):
        return our_form(x, kernel, stride)

    def theirs(x, kernel):
        return keras_form(x, kernel, strides=stride, padding="same")

    tolerance = 1e-5 if dtype == "float32" else 1e-2  # 2^-7, a rounding to bfloat16
    agree(gradients(ours, [kernel], x), gradients(theirs, [kernel], x), tolerance)


def test_the_kernel_gradient_is_differentiable():
    """R1 differentiates a discriminator's gradient."""
    x, kernel = ops.cast(normal(3, 4, 4, 2), "bfloat16"), ops.cast(normal(3, 3, 2, 256), "bfloat16")

    def second(form):
        def penalty(kernel):
            def score(x):
                return ops.sum(ops.cast(ops.tanh(form(x, kernel)), "float32")), None

            _, slope = backend.value_and_grad(score)(x)
            return ops.sum(ops.square(ops.cast(slope, "float32"))), None

        _, slope = backend.value_and_grad(penalty)(kernel)
        return np.asarray(ops.cast(slope, "float32"))

    theirs = second(lambda x, kernel: ops.conv(x, kernel, padding="same"))
    ours = second(convolution.conv2d)
    np.testing.assert_allclose(ours, theirs, atol=0.02 * np.abs(theirs).max())


@pytest.mark.parametrize("shape", [(4, 5, 6, 7), (16, 300), (1, 1, 1, 3)])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_batch_normalisation_equals_keras(shape, affine, policy):
    found = []
    x = ops.cast(normal(*shape) * 2 + 1, "float32" if policy == "float32" else "bfloat16")
    for kind in (layers.BatchNormalization, BatchNormalization):
        layer = kind(momentum=0.5, center=affine, scale=affine, name="bn", dtype=policy)
        layer.build(shape)
        state = Network(keras.Sequential([keras.Input(shape[1:]), layer]))
        arrays = state.initial_state()
        names = sorted(arrays["params"])

        def apply(x, *weights, state=state, arrays=arrays, names=names):
            params = dict(zip(names, weights, strict=True))
            return state(params, arrays["stats"], x, True)[0]

        weights = [arrays["params"][name] + 0.5 for name in names]
        values = gradients(apply, weights, x)
        _, stats = state(arrays["params"], arrays["stats"], x, True)
        found.append(values + [np.asarray(stats[name]) for name in sorted(stats)])
    agree(found[1], found[0], 1e-5 if policy == "float32" else 1e-2)
