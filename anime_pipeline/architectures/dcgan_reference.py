"""Stage one, `reference`: the original project's networks, rebuilt to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.architectures import layers as nn
from anime_pipeline.architectures.entry import Architecture, Seen
from anime_pipeline.architectures.layers import GLOROT, Node

if TYPE_CHECKING:
    from anime_pipeline.core.config import DcganConfig


def generator(config: DcganConfig, x: Node) -> Node:
    """Draw images [N, S, S, 3] from latents [N, D]."""
    half = config.image_size // 2

    def activate(x: Node, name: str) -> Node:
        x = nn.prelu(x, f"prelu{name}", shared=False)
        return nn.norm(x, f"bn{name}", momentum=0.5)

    x = activate(nn.dense(x, half * half * 256, "project", GLOROT), "0")
    x = nn.reshape(x, half, half, 256)
    for stage, filters in ((1, 128), (2, 64), (3, 32)):
        x = nn.conv_transpose(x, filters, 5, f"conv{stage}", GLOROT, repeat=2 if stage == 1 else 1)
        x = activate(x, str(stage))  # [N, 32, 32, 128] and on
    return nn.tanh(nn.conv_transpose(x, 3, 5, "to_rgb", GLOROT))


def discriminator(config: DcganConfig, seen: Seen) -> list[Node]:
    """Judge images, with a dropout mask for each hidden layer: logits [N, 1]."""
    x = seen.image
    for stage, mask in enumerate(seen.masks, start=1):  # 16x16x32, 8x8x64, 4x4x128, 2x2x256
        x = nn.conv(x, 16 * 2**stage, 5, f"down{stage}", GLOROT, stride=2)
        x = nn.multiply(nn.prelu(x, f"prelu{stage}", shared=False), mask)
    return [nn.dense(nn.flatten(x), 1, "logits", GLOROT, wide=True)]


def dropout_shapes(config: DcganConfig) -> list[tuple[int, int, int]]:
    """Return the [H, W, C] of each dropout mask that the discriminator expects."""
    size = config.image_size
    return [(size // 2**i, size // 2**i, 16 * 2**i) for i in range(1, 5)]


ARCHITECTURE = Architecture(
    "dcgan",
    "reference",
    ("dcgan reference", "dcgan reference critic"),
    generator,
    discriminator,
    {
        "reference": {
            "fit": "stretch",
            "flip": False,
            "latent_dim": 100,
            "latent_distribution": "uniform",
            "loss": "bce",
            "real_label": 0.9,
            "d_steps": 10,
            "batch_size": 16,
            "learning_rate_g": 1e-5,
            "learning_rate_d": 2e-5,
            "beta_2": 0.999,
            "lr_schedule": "constant",
            "r1_gamma": 0.0,
            "r2_gamma": 0.0,
            "diff_augment": False,
            "ema_half_life_images": 0.0,
            "steps": 75_000,
        }
    },
    image_sizes=(16, 32, 64, 128),  # pictures are halved four times
    conditional=False,
    dropout=0.2,
    dropout_shapes=dropout_shapes,
)
