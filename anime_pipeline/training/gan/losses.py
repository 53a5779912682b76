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


def _softplus(logits: Any) -> Any:
    return ops.mean(ops.softplus(logits))


LOSSES: dict[str, GanLoss] = {
    "bce": GanLoss(
        # Cross-entropy against label t is softplus(x) - t * x.
        lambda real, fake, label: ops.mean(ops.softplus(real) - label * real) + _softplus(fake),
        lambda real, fake: _softplus(-fake),
    ),
    "lsgan": GanLoss(
        lambda real, fake, label: (
            0.5 * (ops.mean(ops.square(real - label)) + ops.mean(ops.square(fake)))
        ),
        lambda real, fake: 0.5 * ops.mean(ops.square(fake - 1.0)),
        boundary=0.5,
    ),
    "hinge": GanLoss(
        lambda real, fake, label: ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake)),
        lambda real, fake: -ops.mean(fake),
    ),
    "wgan-gp": GanLoss(
        lambda real, fake, label: ops.mean(fake) - ops.mean(real),
        lambda real, fake: -ops.mean(fake),
        boundary=None,
    ),
    "rpgan": GanLoss(
        lambda real, fake, label: _softplus(fake - real),
        lambda real, fake: _softplus(real - fake),
        pairs=True,
        boundary=None,
    ),
}


def _squared_gradient_norm(score: Callable[[Any], Any], views: list[Any]) -> Any:
    _, gradients = value_and_grad(lambda x: (ops.sum(score(x)), None))(views)
    squares = [ops.square(ops.cast(gradient, "float32")) for gradient in gradients]
    return sum(ops.sum(square, axis=(1, 2, 3)) for square in squares)


def zero_gradient_penalty(score: Callable[[Any], Any], views: list[Any]) -> Any:
    """R1 (Mescheder et al., ICML 2018): half the mean squared gradient norm at `views`.

    Args:
        score: Maps views to logits.
        views: What the discriminator sees of some pictures, each [N, H, W, C]; of real ones for
            R1, of drawn ones for R2.
    """
    return 0.5 * ops.mean(_squared_gradient_norm(score, views))


def unit_gradient_penalty(
    score: Callable[[Any], Any], real: list[Any], fake: list[Any], mix: Any
) -> Any:
    """WGAN-GP's term: mean of (||gradient|| - 1)^2 at points between real and fake.

    Args:
        score: Maps views to logits.
        real: Views of real images, each [N, H, W, C].
        fake: Views of generated images, shaped alike.
        mix: Where each point lies, in [0, 1], shape [N, 1, 1, 1].
    """
    between = [mix * r + (1.0 - mix) * f for r, f in zip(real, fake, strict=True)]
    norm = ops.sqrt(_squared_gradient_norm(score, between) + 1e-12)
    return ops.mean(ops.square(norm - 1.0))
