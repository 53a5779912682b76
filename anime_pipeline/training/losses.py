"""The adversarial losses, as pure functions of logits.

bce       Goodfellow et al., NeurIPS 2014, with the non-saturating generator
lsgan     Mao et al., ICCV 2017
hinge     Lim and Ye, 2017; Miyato et al., ICLR 2018
wgan-gp   Gulrajani et al., NeurIPS 2017 (the penalty is `unit_gradient_penalty`)
rpgan     Jolicoeur-Martineau, ICLR 2019, relativistic pairing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from anime_pipeline.models.backend import value_and_grad

WGAN_PENALTY_WEIGHT = 10.0


@dataclass(frozen=True)
class GanLoss:
    """One adversarial loss.

    Attributes:
        discriminator: (real_logits, fake_logits, real_label) to a scalar.
        generator: (real_logits, fake_logits) to a scalar.
        pairs: Whether the generator's side needs the real logits too.
        boundary: The logit that separates "real" from "fake", or None where only the difference
            between the two has a meaning (accuracy then uses the midpoint of their means).
    """

    discriminator: Callable[[Any, Any, float], Any]
    generator: Callable[[Any, Any], Any]
    pairs: bool = False
    boundary: float | None = 0.0


def _bce_d(real: Any, fake: Any, real_label: float) -> Any:
    # Cross-entropy against label t is softplus(x) - t * x.
    return ops.mean(ops.softplus(real) - real_label * real) + ops.mean(ops.softplus(fake))


def _bce_g(_: Any, fake: Any) -> Any:
    return ops.mean(ops.softplus(-fake))


def _lsgan_d(real: Any, fake: Any, real_label: float) -> Any:
    return 0.5 * (ops.mean(ops.square(real - real_label)) + ops.mean(ops.square(fake)))


def _lsgan_g(_: Any, fake: Any) -> Any:
    return 0.5 * ops.mean(ops.square(fake - 1.0))


def _hinge_d(real: Any, fake: Any, _: float) -> Any:
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def _hinge_g(_: Any, fake: Any) -> Any:
    return -ops.mean(fake)


def _wgan_d(real: Any, fake: Any, _: float) -> Any:
    return ops.mean(fake) - ops.mean(real)


def _rpgan_d(real: Any, fake: Any, _: float) -> Any:
    return ops.mean(ops.softplus(fake - real))


def _rpgan_g(real: Any, fake: Any) -> Any:
    return ops.mean(ops.softplus(real - fake))


LOSSES: dict[str, GanLoss] = {
    "bce": GanLoss(_bce_d, _bce_g),
    "lsgan": GanLoss(_lsgan_d, _lsgan_g, boundary=0.5),
    "hinge": GanLoss(_hinge_d, _hinge_g),
    "wgan-gp": GanLoss(_wgan_d, _hinge_g, boundary=None),
    "rpgan": GanLoss(_rpgan_d, _rpgan_g, pairs=True, boundary=None),
}


def _squared_gradient_norm(score: Callable[[Any], Any], images: Any) -> Any:
    _, gradient = value_and_grad(lambda x: (ops.sum(score(x)), None))(images)
    return ops.sum(ops.square(ops.cast(gradient, "float32")), axis=(1, 2, 3))


def zero_gradient_penalty(score: Callable[[Any], Any], images: Any) -> Any:
    """R1 (Mescheder et al., ICML 2018): half the mean squared gradient norm at `images`.

    Args:
        score: Maps images [N, H, W, 3] to logits.
        images: Where the gradient is taken; real images for R1.
    """
    return 0.5 * ops.mean(_squared_gradient_norm(score, images))


def unit_gradient_penalty(score: Callable[[Any], Any], real: Any, fake: Any, mix: Any) -> Any:
    """WGAN-GP's term: mean of (||gradient|| - 1)^2 at points between real and fake.

    Args:
        score: Maps images [N, H, W, 3] to logits.
        real: Real images [N, H, W, 3].
        fake: Generated images [N, H, W, 3].
        mix: Where each point lies, in [0, 1], shape [N, 1, 1, 1].
    """
    between = mix * real + (1.0 - mix) * fake
    norm = ops.sqrt(_squared_gradient_norm(score, between) + 1e-12)
    return ops.mean(ops.square(norm - 1.0))
