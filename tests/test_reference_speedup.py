"""The faster forms of layers against Keras's own: values, gradients, statistics, weight names."""

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import spawn
from keras import layers, ops

from anime_pipeline.core.machine import bfloat16_forbidden_by
from anime_pipeline.core.presets import DCGAN_PRESETS
from anime_pipeline.models import backend, blocks, convolution, dcgan
from anime_pipeline.models.network import Network
from anime_pipeline.models.normalisation import BatchNormalization

ROOT = Path(__file__).parents[1]
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
    plain = layers.Conv2DTranspose(filters, 5, padding="same")
    plain.build((2, 2 * height, 2 * width, channels))
    x, weights = normal(2, height, width, channels), [normal(*w.shape) for w in plain.weights]
    upsample = layers.UpSampling2D()

    def ours(x, *weights):
        return blocks.conv_transpose(x, *weights, repeat=2)

    def theirs(x, *weights):
        return plain.stateless_call(weights, [], upsample(x))[0]

    agree(gradients(ours, weights, x), gradients(theirs, weights, x), 2e-5)


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


def needs(dtype):
    """Skip what TensorFlow refuses: bfloat16, where oneDNN is held below what it takes for it."""
    if dtype != "bfloat16" or not bfloat16_forbidden_by() or backend.name() != "tensorflow":
        return
    import tensorflow as tf

    try:
        tf.nn.conv2d(tf.ones((1, 3, 3, 16), dtype), tf.ones((3, 3, 16, 16), dtype), 1, "SAME")
    except tf.errors.AbortedError:
        pytest.skip(f"TensorFlow multiplies no bfloat16 with {bfloat16_forbidden_by()}")


def exact(x, kernel, upstream, stride, transposed):
    """Return values and gradients of sum(upstream * values) in float64, from the definition."""
    large, small = (upstream, x) if transposed else (x, upstream)
    size, (height, width) = kernel.shape[0], small.shape[1:3]
    top, left = (
        max((n - 1) * stride + size - m, 0) // 2
        for n, m in ((height, large.shape[1]), (width, large.shape[2]))
    )
    padded = np.pad(large, [(0, 0), (top, size), (left, size), (0, 0)])
    narrow = np.zeros((*small.shape[:3], kernel.shape[3]))
    wide, slopes = np.zeros(padded.shape), np.zeros(kernel.shape)
    for i, j in np.ndindex(size, size):
        rows = slice(i, i + (height - 1) * stride + 1, stride)
        columns = slice(j, j + (width - 1) * stride + 1, stride)
        narrow += padded[:, rows, columns] @ kernel[i, j]
        wide[:, rows, columns] += small @ kernel[i, j].T
        slopes[i, j] = np.einsum("nhwc,nhwf->cf", padded[:, rows, columns], small)
    wide = wide[:, top : top + large.shape[1], left : left + large.shape[2]]
    return (wide, narrow, slopes) if transposed else (narrow, wide, slopes)


def allowed(dtype, value, size, count, library_adds):
    """Return how far from the exact sum of `count` products, `value`, a result may be.

    With `size`, the sum of the products' absolute values: adding in float32 puts it off by at most
    count * 2^-24 * size (doubled here, for what is next order), and writing it down by half a step
    of its type, relative to the value. TensorFlow's own transposed convolution may add in bfloat16:
    the products are then off by 2^-8 of size in all, and each addition by 2^-8 of a partial sum,
    which is below size. In the worst case that is count times, but up or down by chance, so twice
    the root of it is allowed.
    """
    half_step = 2.0 ** -(24 if dtype == "float32" else 8)
    bound = half_step * np.abs(value) + count * 2.0**-23 * size
    if library_adds:
        bound = np.maximum(bound, half_step * (1 + 2 * np.sqrt(count)) * size)
    return bound


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_equal_keras(case, dtype, transposed, monkeypatch):
    """Ours is as near to the exact sums as their type lets it be, and no further than Keras's.

    Where oneDNN computes no bfloat16, Keras's gradients are far off themselves, hence no standard.
    """
    needs(dtype)
    # Used for bfloat16 alone; the arithmetic is checked more sharply in float32.
    monkeypatch.setattr(convolution, "_is_faster", lambda *_, **__: backend.name() == "tensorflow")
    height, width, channels, filters, size, stride = case
    factor = stride if transposed else 1 / stride
    sides = math.ceil(height * factor), math.ceil(width * factor)
    shape = (size, size, filters, channels) if transposed else (size, size, channels, filters)
    tensors = [normal(3, height, width, channels), normal(*shape) / 8, normal(3, *sides, filters)]
    x, kernel, upstream = tensors = [ops.cast(array, dtype) for array in tensors]
    keras_form = ops.conv_transpose if transposed else ops.conv
    our_form = convolution.conv2d_transpose if transposed else convolution.conv2d

    def results(form):
        def loss(tree):
            values = form(*tree)
            return ops.sum(ops.cast(values, "float32") * ops.cast(upstream, "float32")), values

        (_, values), slopes = backend.jit(backend.value_and_grad(loss))([x, kernel])
        return [np.asarray(ops.cast(a, "float32"), np.float64) for a in (values, *slopes)]

    ours = results(lambda x, kernel: our_form(x, kernel, stride))
    theirs = results(lambda x, kernel: keras_form(x, kernel, strides=stride, padding="same"))
    arrays = [np.asarray(ops.cast(tensor, "float32"), np.float64) for tensor in tensors]
    wanted = exact(*arrays, stride, transposed)
    sizes = exact(*map(np.abs, arrays), stride, transposed)
    counts = exact(*map(np.ones_like, arrays), stride, transposed)
    through_transpose = 0 if transposed else 1
    for index, (value, size_, count) in enumerate(zip(wanted, sizes, counts, strict=True)):
        bound = allowed(dtype, value, size_, count, library_adds=index == through_transpose)
        off, keras_off = np.abs(ours[index] - value), np.abs(theirs[index] - value)
        assert np.all(off <= bound), (index, np.max(off / np.maximum(bound, 1e-30)))
        if dtype == "bfloat16":
            assert np.mean(off**2) <= 1.02 * np.mean(keras_off**2), index


@pytest.mark.skipif(backend.name() != "tensorflow", reason="a setting of TensorFlow")
def test_convolutions_without_bfloat16_instructions():
    """On a processor below AVX-512 TensorFlow computes bfloat16 as it does without oneDNN."""
    names = ("test_convolutions_equal_keras", "test_the_kernel_gradient_is_differentiable")
    tests = [f"{__file__}::{name}" for name in names]
    done = spawn(
        "-m", "pytest", *tests, "-k", "not float32", "-p", "no:cacheprovider", "-n", 0, cwd=ROOT,
        TF_ENABLE_ONEDNN_OPTS="0", ONEDNN_MAX_CPU_ISA="", DNNL_MAX_CPU_ISA="",
    )  # fmt: skip
    assert done.returncode == 0 and "9 passed" in done.stdout, done.stdout


def test_the_kernel_gradient_is_differentiable():
    """R1 differentiates a discriminator's gradient."""
    needs("bfloat16")
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
    needs("float32" if policy == "float32" else "bfloat16")
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
