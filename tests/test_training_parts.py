import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anime_pipeline.models import backend
from anime_pipeline.models.adam import adam, adam_slots
from anime_pipeline.training.gan import augment
from anime_pipeline.training.gan.losses import (
    LOSSES,
    unit_gradient_penalty,
    zero_gradient_penalty,
)
from anime_pipeline.training.gan.state import average, ema_decay

RANDOM = np.random.default_rng(1)
REAL = RANDOM.standard_normal((16, 1)).astype(np.float32) * 3
FAKE = RANDOM.standard_normal((16, 1)).astype(np.float32) * 3


def softplus(x):
    return np.logaddexp(0, x)


def test_bce_equals_keras_cross_entropy():
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = bce(np.full_like(REAL, 0.9), REAL) + bce(np.zeros_like(FAKE), FAKE)
    assert float(LOSSES["bce"].discriminator(REAL, FAKE, 0.9)) == pytest.approx(
        float(expected), rel=1e-5
    )
    expected = bce(np.ones_like(FAKE), FAKE)
    assert float(LOSSES["bce"].generator(REAL, FAKE)) == pytest.approx(float(expected), rel=1e-5)


# The papers' formulas, written in NumPy.
FORMULAS = {
    "lsgan": (
        lambda r, f: 0.5 * np.mean((r - 1) ** 2) + 0.5 * np.mean(f**2),
        lambda r, f: 0.5 * np.mean((f - 1) ** 2),
    ),
    "hinge": (
        lambda r, f: np.mean(np.maximum(0, 1 - r)) + np.mean(np.maximum(0, 1 + f)),
        lambda r, f: -np.mean(f),
    ),
    "wgan-gp": (lambda r, f: np.mean(f) - np.mean(r), lambda r, f: -np.mean(f)),
    "rpgan": (lambda r, f: np.mean(softplus(f - r)), lambda r, f: np.mean(softplus(r - f))),
}


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_losses_equal_their_papers(name):
    d_formula, g_formula = FORMULAS[name]
    loss = LOSSES[name]
    assert float(loss.discriminator(REAL, FAKE, 1.0)) == pytest.approx(
        float(d_formula(REAL, FAKE)), rel=1e-5
    )
    assert float(loss.generator(REAL, FAKE)) == pytest.approx(
        float(g_formula(REAL, FAKE)), rel=1e-5
    )


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_rewards_the_right_side(name):
    loss, high, low = LOSSES[name], np.full((8, 1), 4.0), np.full((8, 1), -4.0)
    assert float(loss.discriminator(high, low, 1.0)) < float(loss.discriminator(low, high, 1.0))
    assert float(loss.generator(low, high)) < float(loss.generator(low, low))


def test_penalties_of_a_linear_critic_are_known():
    weights = RANDOM.standard_normal((4, 4, 3)).astype(np.float32)
    images = RANDOM.standard_normal((5, 4, 4, 3)).astype(np.float32)

    def score(views):
        return sum(keras.ops.sum(x * weights, axis=(1, 2, 3)) for x in views)

    squared = float((weights**2).sum())
    assert float(zero_gradient_penalty(score, [images])) == pytest.approx(squared / 2, rel=1e-4)
    # Two views of a picture: their gradients are one vector.
    both = zero_gradient_penalty(score, [images, images])
    assert float(both) == pytest.approx(squared, rel=1e-4)
    mix = RANDOM.random((5, 1, 1, 1), np.float32)
    penalty = unit_gradient_penalty(score, [images], [images + 1], mix)
    assert float(penalty) == pytest.approx((squared**0.5 - 1) ** 2, rel=1e-4)


def test_the_penalty_is_differentiable_in_the_weights():
    """d/dw of |w|^2 / 2 per pixel is w: needs a gradient of a gradient."""
    weights = RANDOM.standard_normal((4, 4, 3)).astype(np.float32)
    images = np.ones((2, 4, 4, 3), np.float32)

    def loss(w):
        def score(views):
            return keras.ops.sum(views[0] * w, axis=(1, 2, 3))

        return zero_gradient_penalty(score, [images]), None

    _, gradient = backend.value_and_grad(loss)(keras.ops.convert_to_tensor(weights))
    np.testing.assert_allclose(np.asarray(gradient), weights, rtol=1e-4)


@given(st.integers(0, 2**31), st.integers(0, 100))
def test_augmentation_equals_shifting_and_cutting_by_hand(seed, step):
    images = np.random.default_rng(seed).uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)
    draws = augment.draw(seed, "t", step, 3, 16)
    ours = np.asarray(augment.apply(images, draws))
    for image, (down, right), (top, left), result in zip(
        images, draws["shift"], draws["hole"], ours, strict=True
    ):
        wide = np.pad(image, ((16, 16), (16, 16), (0, 0)))
        expected = wide[16 - down : 32 - down, 16 - right : 32 - right].copy()
        expected[max(top, 0) : max(top + 8, 0), max(left, 0) : max(left + 8, 0)] = 0
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_augmentation_shifts_by_at_most_an_eighth():
    draws = augment.draw(0, "t", 0, 2000, 32)
    assert draws["shift"].min() == -4 and draws["shift"].max() == 4
    assert draws["hole"].min() == -8 and draws["hole"].max() == 24


def test_adam_equals_keras_adam():
    value = RANDOM.standard_normal((3, 4)).astype(np.float32)
    variable = keras.Variable(value)
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.99, epsilon=1e-8)
    params, slots = {"a": value}, adam_slots({"a": value})
    for count in range(1, 6):
        gradient = RANDOM.standard_normal((3, 4)).astype(np.float32)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        params, slots = adam(
            params, {"a": gradient}, slots, np.float32(count), np.float32(0.01), 0.5, 0.99
        )
    np.testing.assert_allclose(np.asarray(params["a"]), np.asarray(variable), atol=1e-5)


def test_ema_halves_the_past_in_a_half_life():
    decay = ema_decay(step=10**6, batch_size=50, half_life_images=1000)
    assert decay ** (1000 / 50) == pytest.approx(0.5)
    assert ema_decay(1, 50, 1000) < 0.01 and ema_decay(10, 50, 0) == 0
    assert float(average({"a": 1.0}, {"a": 3.0}, 0.25)["a"]) == 2.5


def test_losses_stay_finite_for_huge_logits():
    huge = np.full((4, 1), 1e4, np.float32)
    for loss in LOSSES.values():
        for pair in ((huge, -huge), (-huge, huge)):
            assert np.isfinite(float(loss.discriminator(*pair, 1.0)))
            assert np.isfinite(float(loss.generator(*pair)))
